//! How much room the list of a view gets beside what it shows of the selected one.

/// One of three.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Panes {
    /// As the view has it.
    #[default]
    Usual,
    /// The same for both.
    Half,
    /// The list alone.
    List,
}

impl Panes {
    /// More for the list; from all of it back to the usual.
    pub(crate) fn larger(self) -> Self {
        match self {
            Self::Usual => Self::Half,
            Self::Half => Self::List,
            Self::List => Self::Usual,
        }
    }

    /// The other way round.
    pub(crate) fn smaller(self) -> Self {
        self.larger().larger()
    }

    /// The rows or columns of the list, of all there are.
    pub(crate) fn list(self, all: u16, usual: u16) -> u16 {
        match self {
            Self::Usual => usual.min(all),
            Self::Half => all.div_ceil(2),
            Self::List => all,
        }
    }
}
