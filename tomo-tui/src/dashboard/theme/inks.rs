//! Colors by what they are for: the themes there are, and how a color is told to a terminal that has fewer.

use ratatui::style::Color;

use super::Depth;

/// Red, green and blue.
pub(crate) type Rgb = (u8, u8, u8);

/// The terminal's own sixteen, as a file names them.
const NAMED: [(&str, Color); 17] = [
    ("default", Color::Reset),
    ("black", Color::Black),
    ("red", Color::Red),
    ("green", Color::Green),
    ("yellow", Color::Yellow),
    ("blue", Color::Blue),
    ("magenta", Color::Magenta),
    ("cyan", Color::Cyan),
    ("white", Color::Gray),
    ("bright-black", Color::DarkGray),
    ("bright-red", Color::LightRed),
    ("bright-green", Color::LightGreen),
    ("bright-yellow", Color::LightYellow),
    ("bright-blue", Color::LightBlue),
    ("bright-magenta", Color::LightMagenta),
    ("bright-cyan", Color::LightCyan),
    ("bright-white", Color::White),
];
/// What these usually look like.
const SIXTEEN: [(Rgb, Color); 16] = [
    ((0, 0, 0), Color::Black),
    ((205, 0, 0), Color::Red),
    ((0, 205, 0), Color::Green),
    ((205, 205, 0), Color::Yellow),
    ((0, 0, 238), Color::Blue),
    ((205, 0, 205), Color::Magenta),
    ((0, 205, 205), Color::Cyan),
    ((229, 229, 229), Color::Gray),
    ((127, 127, 127), Color::DarkGray),
    ((255, 0, 0), Color::LightRed),
    ((0, 255, 0), Color::LightGreen),
    ((255, 255, 0), Color::LightYellow),
    ((92, 92, 255), Color::LightBlue),
    ((255, 0, 255), Color::LightMagenta),
    ((0, 255, 255), Color::LightCyan),
    ((255, 255, 255), Color::White),
];

/// One color, for terminals with many and with sixteen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ink {
    /// Without it the terminal's own, however many it has.
    rgb: Option<Rgb>,
    named: Color,
}

/// A color of its own, and the one of the sixteen that stands for it.
const fn ink(red: u8, green: u8, blue: u8, named: Color) -> Ink {
    Ink { rgb: Some((red, green, blue)), named }
}

impl Ink {
    /// What the terminal writes in, or writes on, by itself.
    pub(crate) const OWN: Self = Self { rgb: None, named: Color::Reset };

    /// A color as a file writes it: `#rrggbb`, or one of the terminal's own by name.
    ///
    /// # Errors
    /// It is neither; says what to write.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if let Some((_, named)) = NAMED.iter().find(|(name, _)| *name == text) {
            return Ok(Self { rgb: None, named: *named });
        }
        let hex = text.strip_prefix('#').filter(|hex| hex.len() == 6 && hex.bytes().all(|one| one.is_ascii_hexdigit()));
        match hex.and_then(|hex| u32::from_str_radix(hex, 16).ok()) {
            Some(value) => {
                let [_, red, green, blue] = value.to_be_bytes();
                Ok(Self { rgb: Some((red, green, blue)), named: nearest_of_sixteen((red, green, blue)) })
            }
            None => {
                let names: Vec<_> = NAMED.iter().map(|(name, _)| *name).collect();
                Err(format!("\"{text}\" is no color: write #rrggbb, or one of {}", names.join(", ")))
            }
        }
    }

    /// The color at a depth; `Reset` where it is the terminal's own, or there is none.
    pub(crate) fn color(self, depth: Depth) -> Color {
        match (depth, self.rgb) {
            (Depth::Mono, _) => Color::Reset,
            (Depth::Sixteen, _) | (_, None) => self.named,
            (Depth::Indexed, Some(rgb)) => Color::Indexed(nearest(rgb)),
            (Depth::True, Some((red, green, blue))) => Color::Rgb(red, green, blue),
        }
    }
}

/// The colors of a theme, by what they are for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Inks {
    pub(crate) text: Ink,
    pub(crate) background: Ink,
    pub(crate) dim: Ink,
    pub(crate) border: Ink,
    pub(crate) accent: Ink,
    pub(crate) key: Ink,
    pub(crate) good: Ink,
    pub(crate) warn: Ink,
    pub(crate) bad: Ink,
    /// The lines of a chart.
    pub(crate) series: [Ink; 6],
}

impl Default for Inks {
    fn default() -> Self {
        TERMINAL
    }
}

impl Inks {
    /// What a file calls them.
    pub(crate) const ROLES: [&str; 15] = [
        "text",
        "background",
        "dim",
        "border",
        "accent",
        "key",
        "good",
        "warn",
        "bad",
        "series-1",
        "series-2",
        "series-3",
        "series-4",
        "series-5",
        "series-6",
    ];

    /// The color of a role.
    pub(crate) fn of(&mut self, role: &str) -> Option<&mut Ink> {
        Some(match role {
            "text" => &mut self.text,
            "background" => &mut self.background,
            "dim" => &mut self.dim,
            "border" => &mut self.border,
            "accent" => &mut self.accent,
            "key" => &mut self.key,
            "good" => &mut self.good,
            "warn" => &mut self.warn,
            "bad" => &mut self.bad,
            other => self.series.get_mut(other.strip_prefix("series-")?.parse::<usize>().ok()?.checked_sub(1)?)?,
        })
    }
}

/// A theme there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum ThemeName {
    /// On the terminal's own background, in the colors of `dark` or `light` once it has said which that is.
    #[default]
    Auto,
    /// On the terminal's own background, in colors that read on every one.
    Terminal,
    Dark,
    Light,
    HighContrast,
    Gruvbox,
}

impl ThemeName {
    /// All of them, with what they are, for whoever chooses.
    pub(crate) const ALL: [(Self, &str, &str); 6] = [
        (Self::Auto, "auto", "dark or light, as your terminal's background is"),
        (Self::Terminal, "terminal", "colors that read on any background"),
        (Self::Dark, "dark", "light on a dark page"),
        (Self::Light, "light", "dark on a light page"),
        (Self::HighContrast, "high-contrast", "bright on black"),
        (Self::Gruvbox, "gruvbox", "warm, on a brown page"),
    ];

    /// What it is called.
    pub(crate) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(theme, ..)| *theme == self).map_or("", |(_, name, _)| name)
    }

    /// The theme of a name.
    ///
    /// # Errors
    /// There is none; says which there are.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|(_, name, _)| *name == text).map(|(theme, ..)| *theme);
        found.ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|(_, name, _)| *name).collect();
            format!("there is no theme \"{text}\": choose one of {}", names.join(", "))
        })
    }

    /// Its colors, on a terminal with this background if it has told.
    pub(crate) fn inks(self, background: Option<Rgb>) -> Inks {
        match self {
            Self::Terminal => TERMINAL,
            Self::Dark => DARK,
            Self::Light => LIGHT,
            Self::HighContrast => HIGH_CONTRAST,
            Self::Gruvbox => GRUVBOX,
            Self::Auto => {
                let inks = match background {
                    None => return TERMINAL,
                    Some(rgb) if luminance(rgb) < 0.18 => DARK,
                    Some(_) => LIGHT,
                };
                Inks { text: Ink::OWN, background: Ink::OWN, ..inks }
            }
        }
    }
}

const GRAY: Ink = ink(128, 128, 128, Color::Reset);
const BLUE: Ink = ink(64, 140, 200, Color::Cyan);
/// Reads on black and on white.
const TERMINAL: Inks = Inks {
    text: Ink::OWN,
    background: Ink::OWN,
    dim: GRAY,
    border: GRAY,
    accent: BLUE,
    key: BLUE,
    good: ink(64, 150, 80, Color::Green),
    warn: ink(190, 130, 30, Color::Yellow),
    bad: ink(215, 85, 80, Color::Red),
    series: [
        BLUE,
        ink(205, 120, 50, Color::Yellow),
        ink(90, 150, 70, Color::Green),
        ink(155, 115, 205, Color::Magenta),
        ink(40, 150, 150, Color::Blue),
        ink(205, 95, 150, Color::Red),
    ],
};

const DARK: Inks = Inks {
    text: ink(218, 222, 230, Color::Gray),
    background: ink(22, 24, 29, Color::Black),
    dim: ink(139, 146, 158, Color::Reset),
    border: ink(96, 104, 118, Color::Reset),
    accent: ink(97, 175, 239, Color::Cyan),
    key: ink(97, 175, 239, Color::Cyan),
    good: ink(130, 195, 110, Color::Green),
    warn: ink(225, 175, 85, Color::Yellow),
    bad: ink(242, 115, 110, Color::Red),
    series: [
        ink(97, 175, 239, Color::Cyan),
        ink(225, 150, 85, Color::Yellow),
        ink(130, 195, 110, Color::Green),
        ink(190, 145, 235, Color::Magenta),
        ink(75, 190, 190, Color::LightCyan),
        ink(228, 125, 170, Color::Red),
    ],
};

const LIGHT: Inks = Inks {
    text: ink(36, 41, 47, Color::Black),
    background: ink(250, 250, 248, Color::White),
    dim: ink(100, 107, 115, Color::Reset),
    border: ink(140, 147, 155, Color::Reset),
    accent: ink(10, 95, 170, Color::Blue),
    key: ink(10, 95, 170, Color::Blue),
    good: ink(25, 115, 50, Color::Green),
    warn: ink(140, 85, 0, Color::Magenta),
    bad: ink(190, 30, 35, Color::Red),
    series: [
        ink(10, 95, 170, Color::Blue),
        ink(165, 80, 10, Color::Magenta),
        ink(25, 115, 50, Color::Green),
        ink(120, 70, 180, Color::LightMagenta),
        ink(0, 110, 110, Color::Cyan),
        ink(175, 45, 110, Color::Red),
    ],
};

const HIGH_CONTRAST: Inks = Inks {
    text: ink(255, 255, 255, Color::White),
    background: ink(0, 0, 0, Color::Black),
    dim: ink(205, 205, 205, Color::Gray),
    border: ink(205, 205, 205, Color::Gray),
    accent: ink(90, 220, 255, Color::LightCyan),
    key: ink(255, 235, 60, Color::LightYellow),
    good: ink(95, 255, 125, Color::LightGreen),
    warn: ink(255, 235, 60, Color::LightYellow),
    bad: ink(255, 150, 140, Color::LightRed),
    series: [
        ink(90, 220, 255, Color::LightCyan),
        ink(255, 190, 90, Color::LightYellow),
        ink(95, 255, 125, Color::LightGreen),
        ink(215, 175, 255, Color::LightMagenta),
        ink(150, 255, 240, Color::Cyan),
        ink(255, 160, 205, Color::LightRed),
    ],
};

const GRUVBOX: Inks = Inks {
    text: ink(235, 219, 178, Color::Gray),
    background: ink(40, 40, 40, Color::Black),
    dim: ink(168, 153, 132, Color::Reset),
    border: ink(124, 111, 100, Color::Reset),
    accent: ink(131, 165, 152, Color::Cyan),
    key: ink(254, 128, 25, Color::Yellow),
    good: ink(184, 187, 38, Color::Green),
    warn: ink(250, 189, 47, Color::Yellow),
    bad: ink(251, 90, 72, Color::Red),
    series: [
        ink(131, 165, 152, Color::Cyan),
        ink(254, 128, 25, Color::Yellow),
        ink(184, 187, 38, Color::Green),
        ink(211, 134, 155, Color::Magenta),
        ink(142, 192, 124, Color::LightCyan),
        ink(251, 90, 72, Color::Red),
    ],
};

/// How bright a color is to an eye, 0–1.
fn luminance((red, green, blue): Rgb) -> f64 {
    let linear = |value: u8| (f64::from(value) / 255.0).powf(2.2);
    0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
}

fn distance(from: Rgb, to: Rgb) -> u32 {
    let square = |one: u8, other: u8| u32::from(one.abs_diff(other)).pow(2);
    square(from.0, to.0) + square(from.1, to.1) + square(from.2, to.2)
}

fn nearest_of_sixteen(rgb: Rgb) -> Color {
    SIXTEEN.iter().min_by_key(|(known, _)| distance(rgb, *known)).map_or(Color::Reset, |(_, color)| *color)
}

/// The closest of the 216 colors of the cube and the 24 grays.
#[expect(clippy::cast_possible_truncation, reason = "the sum stays below 256")]
fn nearest(rgb: Rgb) -> u8 {
    const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let step = |value: u8| (0..6).min_by_key(|&at| STEPS[at].abs_diff(value)).unwrap_or_default();
    let (red, green, blue) = (step(rgb.0), step(rgb.1), step(rgb.2));
    let cube = (distance(rgb, (STEPS[red], STEPS[green], STEPS[blue])), (16 + 36 * red + 6 * green + blue) as u8);
    let grays = (0..24_u8).map(|at| (distance(rgb, (8 + 10 * at, 8 + 10 * at, 8 + 10 * at)), 232 + at));
    grays.chain([cube]).min().map_or(cube.1, |nearest| nearest.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contrast(one: Rgb, other: Rgb) -> f64 {
        let (one, other) = (luminance(one) + 0.05, luminance(other) + 0.05);
        one.max(other) / one.min(other)
    }

    fn written(inks: &Inks) -> Vec<Rgb> {
        let mut inks = inks.clone();
        let roles = Inks::ROLES.into_iter().filter(|role| *role != "background" && *role != "border");
        roles.filter_map(|role| inks.of(role).expect("a role").rgb).collect()
    }

    #[test]
    fn every_color_reads_on_the_page_it_is_for() {
        for (theme, least) in
            [(ThemeName::Dark, 4.5), (ThemeName::Light, 4.5), (ThemeName::HighContrast, 7.0), (ThemeName::Gruvbox, 4.5)]
        {
            let inks = theme.inks(None);
            let page = inks.background.rgb.expect("a page of its own");
            for rgb in written(&inks) {
                let contrast = contrast(rgb, page);
                assert!(contrast >= least, "{theme:?}: {rgb:?} has {contrast:.1}");
            }
            assert!(contrast(inks.border.rgb.expect("a color"), page) >= 2.5, "{theme:?}");
        }
        for rgb in written(&TERMINAL) {
            let (on_black, on_white) = (contrast(rgb, (0, 0, 0)), contrast(rgb, (255, 255, 255)));
            assert!(on_black >= 3.2 && on_white >= 3.2, "{rgb:?}: {on_black:.1} on black, {on_white:.1} on white");
        }
    }

    #[test]
    fn auto_follows_the_background_and_leaves_it_as_it_is() {
        for (background, theme) in [
            (None, TERMINAL),
            (Some((0, 0, 0)), DARK),
            (Some((40, 44, 52)), DARK),
            (Some((0, 43, 54)), DARK),
            (Some((253, 246, 227)), LIGHT),
            (Some((255, 255, 255)), LIGHT),
        ] {
            let inks = ThemeName::Auto.inks(background);
            assert_eq!(inks.accent, theme.accent, "{background:?}");
            assert_eq!((inks.text, inks.background), (Ink::OWN, Ink::OWN));
        }
    }

    #[test]
    fn a_color_is_told_to_a_terminal_that_has_fewer() {
        for (text, full, indexed, sixteen) in [
            ("#000000", Color::Rgb(0, 0, 0), Color::Indexed(16), Color::Black),
            ("#FFffff", Color::Rgb(255, 255, 255), Color::Indexed(231), Color::White),
            ("#808080", Color::Rgb(128, 128, 128), Color::Indexed(244), Color::DarkGray),
            ("#ff0000", Color::Rgb(255, 0, 0), Color::Indexed(196), Color::LightRed),
            ("#5f87af", Color::Rgb(95, 135, 175), Color::Indexed(67), Color::DarkGray),
            ("bright-blue", Color::LightBlue, Color::LightBlue, Color::LightBlue),
            ("default", Color::Reset, Color::Reset, Color::Reset),
        ] {
            let ink = Ink::parse(text).expect(text);
            let told = [Depth::True, Depth::Indexed, Depth::Sixteen, Depth::Mono].map(|depth| ink.color(depth));
            assert_eq!(told, [full, indexed, sixteen, Color::Reset], "{text}");
        }
        for text in ["", "#fff", "#12345g", "#1234567", "Red", "rgb(1,2,3)", "#é23456"] {
            let told = Ink::parse(text);
            assert!(told.as_ref().is_err_and(|told| told.contains("is no color")), "{text}: {told:?}");
        }
    }

    #[test]
    fn every_theme_and_every_role_has_its_name() {
        for (theme, name, _) in ThemeName::ALL {
            assert_eq!((theme.name(), ThemeName::parse(name)), (name, Ok(theme)));
        }
        assert!(ThemeName::parse("Dark").is_err_and(|told| told.contains("high-contrast")));
        let mut inks = TERMINAL;
        assert!(Inks::ROLES.iter().all(|role| inks.of(role).is_some()));
        assert!(["series-0", "series-7", "title", ""].iter().all(|role| inks.of(role).is_none()));
    }
}
