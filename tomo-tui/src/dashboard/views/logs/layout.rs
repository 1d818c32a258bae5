//! A line of a log as rows of a screen. Only lines in sight come here.

use std::borrow::Cow;

use ratatui::{
    style::{Modifier, Style},
    text::{Line, Span},
};
use regex_lite::Regex;
use unicode_width::UnicodeWidthChar as _;

use super::{
    json::Said,
    spool::{Kind, Spooled},
};
use crate::dashboard::theme::Theme;

/// Rows that one line takes at the most.
const ROWS: usize = 40;

/// How lines are shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    /// Long lines go on in the next row; without it they are cut.
    pub(super) wrap: bool,
    /// Each line has its time before it.
    pub(super) times: bool,
    /// A JSON object is shown as people read it; where lines go on in the next row, each of its fields has one.
    pub(super) json: bool,
}

/// What the parts of a line look like.
#[derive(Debug, Default)]
pub(super) struct Paint<'a> {
    text: Style,
    /// Lines that went to standard error.
    error: Style,
    dim: Style,
    services: [Style; 6],
    /// Columns for a service's name.
    service_width: usize,
    search: Option<&'a Regex>,
    /// What was searched for, and the same in the line that one has come to.
    found: [Style; 2],
}

impl<'a> Paint<'a> {
    /// That of a theme; without one, for whoever only counts rows.
    pub(super) fn new(theme: Option<&Theme>, service_width: usize, search: Option<&'a Regex>) -> Self {
        let Some(theme) = theme else { return Self { service_width, ..Self::default() } };
        let found = [theme.selected, theme.selected.add_modifier(Modifier::BOLD | Modifier::UNDERLINED)];
        let (text, error, dim, services) = (theme.text, theme.warn, theme.dim, theme.series);
        Self { text, error, dim, services, service_width, search, found }
    }
}

impl Look {
    /// The rows of a line, none wider than `width` columns.
    pub(super) fn rows(self, line: &Spooled, width: usize, paint: &Paint<'_>, is_current: bool) -> Vec<Line<'static>> {
        let mut spans = Vec::new();
        if self.times {
            spans.push(Span::styled(time(line.at_ms, "%H:%M:%S.%3f "), paint.dim));
        }
        if let Some((place, name)) = &line.service {
            let name = format!("{name:<width$} │ ", width = paint.service_width);
            spans.push(Span::styled(name, paint.services[place % paint.services.len()]));
        }
        let style = match line.kind {
            Kind::Output => paint.text,
            Kind::Error => paint.error,
            Kind::Mark => paint.dim,
        };
        let mut rows = Vec::new();
        for text in self.texts(&line.text) {
            mark(&text, style, paint.search, paint.found[usize::from(is_current)], &mut spans);
            rows.extend(fold(std::mem::take(&mut spans), width, self.wrap));
        }
        if rows.len() > ROWS {
            rows.truncate(ROWS);
            say_cut(&mut rows);
        }
        rows
    }

    /// A line as the one row of a file, with its date where times are shown.
    pub(super) fn in_a_file(self, line: &Spooled) -> String {
        let time = if self.times { time(line.at_ms, "%Y-%m-%dT%H:%M:%S.%3f%:z ") } else { String::new() };
        let service = line.service.as_ref().map_or_else(String::new, |(_, name)| format!("{name} | "));
        let text = Self { wrap: false, ..self }.texts(&line.text).concat();
        format!("{time}{service}{text}")
    }

    /// What a line says, in one row or several.
    fn texts(self, text: &str) -> Vec<Cow<'_, str>> {
        match self.json.then(|| Said::of(text)).flatten() {
            Some(said) if self.wrap => said.in_rows().into_iter().map(Cow::Owned).collect(),
            Some(said) => vec![Cow::Owned(said.in_one_row())],
            None => vec![Cow::Borrowed(text)],
        }
    }
}

/// Marks what was searched for.
fn mark(text: &str, style: Style, search: Option<&Regex>, found: Style, spans: &mut Vec<Span<'static>>) {
    let mut from = 0;
    for hit in search.iter().flat_map(|search| search.find_iter(text)) {
        spans.push(Span::styled(text[from..hit.start()].to_owned(), style));
        spans.push(Span::styled(hit.as_str().to_owned(), style.patch(found)));
        from = hit.end();
    }
    spans.push(Span::styled(text[from..].to_owned(), style));
}

/// A time of day or a date in this machine's zone; blanks for a time that nobody said.
pub(super) fn time(at_ms: u64, format: &str) -> String {
    let zone = jiff::tz::TimeZone::system();
    let text = |at_ms: i64| {
        let time = jiff::Timestamp::from_millisecond(at_ms).ok()?;
        Some(time.to_zoned(zone.clone()).strftime(format).to_string())
    };
    let known = i64::try_from(at_ms).ok().filter(|at_ms| *at_ms > 0).and_then(text);
    known.unwrap_or_else(|| " ".repeat(text(0).unwrap_or_default().len()))
}

/// Breaks styled text into rows, or cuts it to one that says so.
fn fold(spans: Vec<Span<'static>>, width: usize, wrap: bool) -> Vec<Line<'static>> {
    let mut rows = vec![Line::default()];
    let mut used = 0;
    for span in spans {
        let mut run = String::new();
        for character in span.content.chars() {
            let wide = character.width().unwrap_or(0);
            if used + wide > width && used > 0 {
                put(&mut rows, &mut run, &span);
                if !wrap || rows.len() == ROWS {
                    say_cut(&mut rows);
                    return rows;
                }
                rows.push(Line::default());
                used = 0;
            }
            run.push(character);
            used += wide;
        }
        put(&mut rows, &mut run, &span);
    }
    rows
}

fn put(rows: &mut [Line<'static>], run: &mut String, span: &Span<'static>) {
    if let (Some(row), false) = (rows.last_mut(), run.is_empty()) {
        row.spans.push(Span::styled(std::mem::take(run), span.style));
    }
}

fn say_cut(rows: &mut [Line<'static>]) {
    if let Some(span) = rows.last_mut().and_then(|row| row.spans.last_mut()) {
        let text = span.content.to_mut();
        text.pop();
        text.push('…');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dashboard::theme::{Depth, Glyphs, Inks};

    fn rows(text: &str, width: usize, look: Look) -> Vec<String> {
        let line = Spooled { at_ms: 0, service: None, kind: Kind::Output, text: text.to_owned() };
        let rows = look.rows(&line, width, &Paint::default(), false).into_iter();
        rows.map(|row| row.spans.iter().map(|span| span.content.as_ref()).collect()).collect()
    }

    #[test]
    fn what_was_searched_for_is_marked_without_color_too() {
        let theme = Theme::new(&Inks::default(), Depth::Mono, Glyphs::Braille);
        let search = Regex::new("b+").expect("is one");
        let paint = Paint::new(Some(&theme), 0, Some(&search));
        let line = Spooled { at_ms: 0, service: None, kind: Kind::Output, text: "abbcb".to_owned() };
        let look = Look { wrap: true, times: false, json: false };
        let marked = |is_current| {
            let rows = look.rows(&line, 3, &paint, is_current);
            let spans = rows.into_iter().flat_map(|row| row.spans).collect::<Vec<_>>();
            spans.into_iter().filter(|span| !span.style.add_modifier.is_empty()).collect::<Vec<_>>()
        };
        let texts: Vec<_> = marked(false).iter().map(|span| span.content.to_string()).collect();
        assert_eq!(texts, ["bb", "b"]);
        assert!(marked(false).iter().all(|span| span.style.add_modifier == Modifier::REVERSED));
        assert!(marked(true).iter().all(|span| span.style.add_modifier.contains(Modifier::UNDERLINED)));
    }

    #[test]
    fn an_object_is_shown_as_people_read_it_and_everything_else_as_it_is() {
        let look = Look { wrap: false, times: false, json: true };
        let line = r#"{"msg":"started","level":"info","port":80,"host":"a"}"#;
        assert_eq!(rows(line, 60, look), ["info started host=a port=80"]);
        assert_eq!(rows(line, 60, Look { wrap: true, ..look }), ["info started", "  host=a", "  port=80"]);
        for line in ["plain", "{\"a\"", ""] {
            assert_eq!(rows(line, 60, look), [line]);
        }
        let wide = format!("{{{}}}", (0..100).map(|key| format!("\"k{key}\":1")).collect::<Vec<_>>().join(","));
        let rows = rows(&wide, 60, Look { wrap: true, ..look });
        assert!(rows.len() == ROWS && rows[ROWS - 1].ends_with('…'), "{rows:?}");
    }

    #[test]
    fn a_service_has_its_name_and_its_color_before_each_line() {
        let paint = Theme::new(&Inks::default(), Depth::True, Glyphs::Braille);
        let paint = Paint::new(Some(&paint), 5, None);
        let look = Look { wrap: false, times: false, json: false };
        let spans = |place, name: &str| {
            let line =
                Spooled { at_ms: 0, service: Some((place, name.to_owned())), kind: Kind::Output, text: "x".to_owned() };
            look.rows(&line, 40, &paint, false).remove(0).spans
        };
        let (one, other, again) = (spans(0, "web"), spans(1, "store"), spans(6, "last"));
        assert_eq!((one[0].content.as_ref(), other[0].content.as_ref()), ("web   │ ", "store │ "));
        assert!(one[0].style != other[0].style && one[0].style == again[0].style);
    }

    #[test]
    fn long_lines_break_or_are_cut() {
        let wrap = Look { wrap: true, times: false, json: false };
        assert_eq!(rows("abcdef", 4, wrap), ["abcd", "ef"]);
        assert_eq!(rows("日本語", 4, wrap), ["日本", "語"]);
        assert_eq!(rows("", 4, wrap), [""]);
        assert_eq!(rows(&"x".repeat(2 << 20), 80, wrap).len(), ROWS);
        let cut = Look { wrap: false, ..wrap };
        assert_eq!(rows("abcdef", 4, cut), ["abc…"]);
        assert_eq!(rows("abcd", 4, cut), ["abcd"]);
        assert_eq!(rows("x", 4, Look { times: true, ..cut })[0], "   …", "a line without a time");
    }
}
