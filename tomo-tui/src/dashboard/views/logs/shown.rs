//! What a view of a log shows, as it is written to a file. Writes into what it is given and knows no file.

use std::{collections::VecDeque, io};

use super::{layout::Look, spool::Spool};

/// The lines that a view shows, and how.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(super) spool: Spool,
    /// Numbers of the lines that fit the filter; absent while there is none.
    pub(super) numbers: Option<VecDeque<u64>>,
    pub(super) look: Look,
}

impl Shown {
    /// How many lines there are.
    pub(crate) fn len(&self) -> usize {
        self.numbers.as_ref().map_or(self.spool.len(), VecDeque::len)
    }

    /// Writes each line in a row of its own, whatever room it has on the screen.
    ///
    /// # Errors
    /// Those of `out`.
    pub(crate) fn write(&self, out: &mut impl io::Write) -> io::Result<()> {
        let all = self.spool.gone()..self.spool.end();
        match &self.numbers {
            Some(numbers) => numbers.iter().try_for_each(|number| self.write_line(*number, out)),
            None => all.into_iter().try_for_each(|number| self.write_line(number, out)),
        }
    }

    fn write_line(&self, number: u64, out: &mut impl io::Write) -> io::Result<()> {
        let Some(line) = self.spool.get(number) else { return Ok(()) };
        writeln!(out, "{}", self.look.in_a_file(&line))
    }
}
