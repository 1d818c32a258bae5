//! What a person typed after `/`: fuzzy words, `'exact`, `!not`, `column:value`.

use nucleo_matcher::{
    Config, Matcher, Utf32Str,
    pattern::{AtomKind, CaseMatching, Normalization, Pattern},
};

/// A parsed filter. All words must fit.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    words: Vec<Word>,
}

#[derive(Debug)]
struct Word {
    /// The column's name, and the whole word for rows that have no such column: the colon is part of `nginx:1.27` then.
    column: Option<(String, String)>,
    not: bool,
    text: Text,
}

#[derive(Debug)]
enum Text {
    Fuzzy(Pattern),
    Exact(String),
}

impl Filter {
    /// Parses what was typed; anything is a filter.
    pub(crate) fn parse(text: &str) -> Self {
        let words = text.split_whitespace().filter_map(|word| {
            let (not, word) = word.strip_prefix('!').map_or((false, word), |rest| (true, rest));
            let (column, word) = match word.split_once(':') {
                Some((column, value)) if !column.is_empty() => {
                    (Some((column.to_lowercase(), word.to_lowercase())), value)
                }
                _ => (None, word),
            };
            let (exact, word) = word.strip_prefix('\'').map_or((false, word), |rest| (true, rest));
            if word.is_empty() {
                return None;
            }
            // "not" and columns are meant to the letter: a fuzzy "not" would hide too much.
            let text = if exact || not || column.is_some() {
                Text::Exact(word.to_lowercase())
            } else {
                Text::Fuzzy(Pattern::new(word, CaseMatching::Ignore, Normalization::Smart, AtomKind::Fuzzy))
            };
            Some(Word { column, not, text })
        });
        Self { words: words.collect() }
    }

    /// Whether everything fits.
    pub(crate) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// A column that is asked for by name, and that none of some is.
    pub(crate) fn unknown<'a>(&'a self, names: &[&str]) -> Option<&'a str> {
        let asked = self.words.iter().filter_map(|word| Some(word.column.as_ref()?.0.as_str()));
        asked.into_iter().find(|column| !names.iter().any(|name| name.to_lowercase().starts_with(*column)))
    }

    /// Whether a row fits, given the cells that can be searched, each with its column's name.
    pub(crate) fn fits(&self, cells: &[(&str, &str)], matcher: &mut FuzzyMatcher) -> bool {
        self.words.iter().all(|word| {
            let is_of = |column: &str, name: &str| name.to_lowercase().starts_with(column);
            let fits = match &word.column {
                Some((column, whole)) if !cells.iter().any(|(name, _)| is_of(column, name)) => {
                    cells.iter().any(|(_, cell)| cell.to_lowercase().contains(whole))
                }
                column => {
                    let column = column.as_ref().map(|(column, _)| column.as_str());
                    let mut searched = cells.iter().filter(|(name, _)| column.is_none_or(|column| is_of(column, name)));
                    searched.any(|(_, cell)| match &word.text {
                        Text::Exact(text) => cell.to_lowercase().contains(text),
                        Text::Fuzzy(pattern) => matcher.score(pattern, cell).is_some(),
                    })
                }
            };
            fits != word.not
        })
    }
}

/// Fuzzy matching with its buffers.
pub(crate) struct FuzzyMatcher {
    matcher: Matcher,
    buffer: Vec<char>,
}

impl Default for FuzzyMatcher {
    fn default() -> Self {
        Self { matcher: Matcher::new(Config::DEFAULT), buffer: Vec::new() }
    }
}

impl std::fmt::Debug for FuzzyMatcher {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("FuzzyMatcher").finish_non_exhaustive()
    }
}

impl FuzzyMatcher {
    fn score(&mut self, pattern: &Pattern, text: &str) -> Option<u32> {
        pattern.score(Utf32Str::new(text, &mut self.buffer), &mut self.matcher)
    }

    /// How well a text fits words typed in any order; `None` if it does not, higher is better.
    pub(crate) fn rank(&mut self, typed: &str, text: &str) -> Option<u32> {
        self.score(&Pattern::parse(typed, CaseMatching::Ignore, Normalization::Smart), text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_fuzzy_exact_negated_or_of_a_column() {
        let cells = [("name", "web-prod-1"), ("status", "up"), ("image", "nginx:1.27")];
        let mut matcher = FuzzyMatcher::default();
        for (typed, fits) in [
            ("", true),
            ("wp1", true),
            ("WEB", true),
            ("'web-prod", true),
            ("'wp1", false),
            ("!up", false),
            ("!down web", true),
            ("status:up", true),
            ("status:down", false),
            ("!status:down", true),
            ("st:up im:nginx", true),
            ("web zzz", false),
            ("nginx:1.27", true),
            ("!nginx:1.27", false),
            ("NGINX:1.26", false),
            ("image:nginx:1.27", true),
            ("status:'up", true),
            (":", true),
            ("! '", true),
        ] {
            assert_eq!(Filter::parse(typed).fits(&cells, &mut matcher), fits, "{typed:?}");
        }
        let names = cells.map(|(name, _)| name);
        assert_eq!(Filter::parse("web st:up cpu:>80").unknown(&names), Some("cpu"));
        assert_eq!(Filter::parse("web st:up :x").unknown(&names), None);
    }
}
