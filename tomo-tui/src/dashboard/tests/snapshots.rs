//! What the dashboard looks like: every view in each of its states, and every form, menu and message, with their styles.
//! `TOMO_SNAPSHOTS=write` writes the files anew; the difference is reviewed like code.
//!
//! A file has a part for each size: the text, then a letter for each cell's style, then what each letter means in 24-bit color, in 16
//! colors and without any.

mod screens;
mod states;
mod views;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::Path,
};

use ratatui::{buffer::Cell, style::Color};

use super::*;

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 36), (200, 60)];
const DEPTHS: [(&str, Depth); 3] = [("true", Depth::True), ("16", Depth::Sixteen), ("mono", Depth::Mono)];
const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
/// Lines of a difference that are shown of one file.
const SHOWN: usize = 24;

/// Files of the folder, by name, with what they are to hold.
type Looks = BTreeMap<String, String>;

/// A cell's style in words. Of a cell without a sign only what can be seen counts.
fn style(cell: &Cell) -> String {
    let mut text = String::new();
    let seen = Modifier::REVERSED | Modifier::UNDERLINED;
    let is_blank = cell.symbol() == " " && !cell.modifier.intersects(seen);
    for (name, color) in [("", cell.fg), ("on ", cell.bg)] {
        if color != Color::Reset && !(is_blank && name.is_empty()) {
            write!(text, " {name}{color}").expect("a text takes everything");
        }
    }
    if !is_blank && !cell.modifier.is_empty() {
        write!(text, " {:?}", cell.modifier).expect("a text takes everything");
    }
    text.trim().to_owned()
}

/// Times are in the reader's zone.
fn without_times(line: &str) -> String {
    let mut letters: Vec<char> = line.chars().collect();
    for at in 0..letters.len().saturating_sub(4) {
        let is_time =
            |(place, letter): (usize, &char)| if place == 2 { *letter == ':' } else { letter.is_ascii_digit() };
        // A port before another one is longer.
        let begins = at == 0 || !letters[at - 1].is_ascii_digit();
        if begins && letters[at..at + 5].iter().enumerate().all(is_time) {
            letters.splice(at..at + 5, "hh:mm".chars());
        }
    }
    letters.into_iter().collect()
}

/// A screen in one size: depths that say the same in words stand together, as most do.
fn looks(dashboard: &mut Dashboard, (width, height): (u16, u16)) -> String {
    let mut groups: Vec<Vec<(&str, Buffer)>> = Vec::new();
    for (name, depth) in DEPTHS {
        dashboard.theme = Theme::new(&Inks::default(), depth, Glyphs::Braille);
        let buffer = dashboard.buffer(width, height);
        let symbols =
            |buffer: &Buffer| buffer.content().iter().map(|cell| cell.symbol().to_owned()).collect::<Vec<_>>();
        match groups.iter_mut().find(|group| symbols(&group[0].1) == symbols(&buffer)) {
            Some(group) => group.push((name, buffer)),
            None => groups.push(vec![(name, buffer)]),
        }
    }
    groups.iter().map(|group| dump(group)).collect()
}

/// The text, a letter for each cell's styles, and what the letters mean in each depth.
fn dump(depths: &[(&str, Buffer)]) -> String {
    let area = depths[0].1.area;
    let mut known: Vec<Vec<String>> = vec![depths.iter().map(|_| String::new()).collect()];
    let (mut text, mut marks) = (String::new(), String::new());
    for row in area.rows() {
        let (mut line, mut letters) = (String::new(), String::new());
        for place in row.positions() {
            let styles: Vec<String> = depths.iter().map(|(_, buffer)| style(&buffer[place])).collect();
            let number = known.iter().position(|one| *one == styles).unwrap_or_else(|| {
                known.push(styles);
                known.len() - 1
            });
            line.push_str(depths[0].1[place].symbol());
            letters.push(if number == 0 { '.' } else { LETTERS[number - 1].into() });
        }
        writeln!(text, "{}", without_times(line.trim_end())).expect("a text takes everything");
        writeln!(marks, "{}", letters.trim_end_matches('.')).expect("a text takes everything");
    }
    let names: Vec<&str> = depths.iter().map(|(name, _)| *name).collect();
    let (size, names) = (format!("{}x{}", area.width, area.height), names.join(", "));
    let mut all = format!("== {size} in {names}\n{text}-- styles\n{}\n", marks.trim_end_matches('\n'));
    for (letter, styles) in LETTERS.iter().zip(&known[1..]) {
        let styles: Vec<&str> = styles.iter().map(|style| if style.is_empty() { "-" } else { style }).collect();
        writeln!(all, "{}: {}", char::from(*letter), styles.join(" | ")).expect("a text takes everything");
    }
    all
}

fn in_sizes(mut dashboard: impl FnMut() -> Dashboard, sizes: &[(u16, u16)]) -> String {
    sizes.iter().map(|size| looks(&mut dashboard(), *size)).collect()
}

/// The lines in which two files differ, each with the size that it is of.
fn difference(before: &str, now: &str) -> Vec<String> {
    let parts = |text: &str| {
        let mut parts: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut part = String::new();
        for line in text.lines() {
            match line.strip_prefix("== ") {
                Some(size) => part = size.to_owned(),
                None => parts.entry(part.clone()).or_default().push(line.to_owned()),
            }
        }
        parts
    };
    let (before, now) = (parts(before), parts(now));
    let sizes: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let mut told = Vec::new();
    for size in sizes {
        let nothing = Vec::new();
        let (before, now) = (before.get(size).unwrap_or(&nothing), now.get(size).unwrap_or(&nothing));
        for line in 0..before.len().max(now.len()) {
            let (before, now) = (before.get(line), now.get(line));
            if before != now {
                told.extend(before.map(|before| format!("{size}:{} - {before}", line + 1)));
                told.extend(now.map(|now| format!("{size}:{} + {now}", line + 1)));
            }
        }
    }
    if told.len() > SHOWN {
        let more = told.len() - SHOWN;
        told.truncate(SHOWN);
        told.push(format!("and {more} lines more"));
    }
    told
}

#[test]
fn every_screen_looks_as_it_did() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/dashboard/snapshots");
    let write = std::env::var_os("TOMO_SNAPSHOTS").is_some_and(|value| value == "write");
    let mut all: Looks = views::looks();
    for (name, looks) in screens::looks() {
        assert!(all.insert(format!("{name}.txt"), looks).is_none(), "two screens are called {name}");
    }
    let mut different = Vec::new();
    let there = fs::read_dir(&folder).expect("the folder is there").map(|entry| entry.expect("can be read"));
    for entry in there.filter(|entry| !all.contains_key(&*entry.file_name().to_string_lossy())) {
        if write {
            fs::remove_file(entry.path()).expect("can be removed");
        } else {
            different.push(format!("{}: no screen is called so", entry.path().display()));
        }
    }
    for (name, looks) in &all {
        let path = folder.join(name);
        let before = fs::read_to_string(&path).unwrap_or_default();
        if before == *looks {
            continue;
        }
        if write {
            fs::write(&path, looks).expect("can be written");
        } else {
            different.push(format!("{}:\n{}", path.display(), difference(&before, looks).join("\n")));
        }
    }
    assert!(different.is_empty(), "TOMO_SNAPSHOTS=write accepts these:\n{}", different.join("\n"));
}

#[test]
fn a_difference_names_the_size_and_the_lines() {
    let before = "== 80x24\none\ntwo\n== 120x36\nthree\n";
    let now = "== 80x24\none\nzwei\n== 120x36\nthree\n";
    assert_eq!(difference(before, now), ["80x24:2 - two", "80x24:2 + zwei"]);
    assert_eq!(difference("", now).len(), 3);
    assert!(difference(now, now).is_empty());
}
