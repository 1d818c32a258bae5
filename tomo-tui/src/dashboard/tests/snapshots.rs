//! What every screen looks like, with its styles, at two sizes and with and without color. `TOMO_SNAPSHOTS=write` writes them anew;
//! the difference is reviewed like code.

use std::{fmt::Write as _, fs, path::Path};

use ratatui::{buffer::Cell, style::Color};
use tomo_proto::api::catalog::CatalogListAnswer;

use super::*;
use crate::client::Profile;

/// Screens and the keys that lead there.
const SCREENS: [(&str, &str); 52] = [
    ("overview", ""),
    ("server", "enter"),
    ("apps", "2"),
    ("app", "2 enter"),
    ("diagnosis", "2 W"),
    ("logs", "2 L"),
    ("logs_found", "2 L / y space 9 5 enter"),
    ("logs_services", ""),
    ("logs_save", "2 L ctrl-s"),
    ("plans", "3"),
    ("plan_confirm", "3 A"),
    ("deploy", "n"),
    ("compose", "2 I"),
    ("help", "?"),
    ("palette", ": s h"),
    ("themes", "ctrl-t"),
    ("columns", "E j space"),
    ("daemons", ""),
    ("login", ""),
    ("add_server", "a"),
    ("host_key", ""),
    ("access", "enter i"),
    ("container", "enter j enter"),
    ("adopt", "enter j"),
    ("stock", "enter I"),
    ("backups", "enter I B"),
    ("prune", "enter I P"),
    ("registries", "6"),
    ("registry_form", "6 a"),
    ("users", "7"),
    ("user_form", "7 a"),
    ("user_delete", "7 j D"),
    ("person", "7 enter"),
    ("tokens", "8"),
    ("token_form", "8 a"),
    ("token_made", "8"),
    ("profile", "m"),
    ("password_form", "m p"),
    ("settings", "o j"),
    ("settings_form", "o e"),
    ("audit", "9"),
    ("audit_row", "9 j enter"),
    ("audit_verified", "9 V"),
    ("audit_broken", "9 V"),
    ("pull", "enter I p"),
    ("sealed", ""),
    ("unlock", "U"),
    ("catalog", "5"),
    ("catalog_empty", ""),
    ("template", "5 enter"),
    ("template_gone", ""),
    ("template_form", "5 n"),
];

fn style(cell: &Cell) -> String {
    let mut text = String::new();
    for (name, color) in [("fg", cell.fg), ("bg", cell.bg)] {
        if color != Color::Reset {
            write!(text, " {name} {color}").expect("a text takes everything");
        }
    }
    if !cell.modifier.is_empty() {
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
        if letters[at..at + 5].iter().enumerate().all(is_time) {
            letters.splice(at..at + 5, "hh:mm".chars());
        }
    }
    letters.into_iter().collect()
}

/// The text, then a letter for each cell's style, then what the letters mean.
fn dump(buffer: &Buffer) -> String {
    let mut styles: Vec<String> = vec![String::new()];
    let (mut text, mut letters) = (String::new(), String::new());
    for row in buffer.content().chunks(usize::from(buffer.area.width)) {
        let (mut line, mut marks) = (String::new(), String::new());
        for cell in row {
            let style = style(cell);
            let place = styles.iter().position(|known| *known == style).unwrap_or_else(|| {
                styles.push(style);
                styles.len() - 1
            });
            line.push_str(cell.symbol());
            marks.push(b".abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"[place].into());
        }
        text.push_str(&without_times(line.trim_end()));
        text.push('\n');
        letters.push_str(marks.trim_end_matches('.'));
        letters.push('\n');
    }
    let mut all = format!("{text}\n{letters}\n");
    for (letter, style) in ('a'..='z').chain('A'..='Z').zip(&styles[1..]) {
        writeln!(all, "{letter}: {style}").expect("a text takes everything");
    }
    all
}

#[test]
fn every_screen_looks_as_it_did() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/dashboard/snapshots");
    let write = std::env::var_os("TOMO_SNAPSHOTS").is_some_and(|value| value == "write");
    let mut different = Vec::new();
    for (depth, colors) in [(Depth::True, "color"), (Depth::Mono, "mono")] {
        for (width, height) in [(80, 24), (120, 36)] {
            for (screen, keys) in SCREENS {
                let mut dashboard = Dashboard::filled(Role::Admin);
                dashboard.theme = Theme::new(&Inks::default(), depth, Glyphs::Braille);
                match screen {
                    "login" => drop(dashboard.send(Event::LinkDown(ClientError::SignedOut("x".to_owned())))),
                    "host_key" => {
                        let asked = dashboard.send_server();
                        dashboard.show_key(asked);
                    }
                    "logs_services" => {
                        dashboard.press("2 L");
                        let View::Logs(view) = &dashboard.state.view else { panic!("not the log") };
                        let lines = Answer::Logs(view.asked(), Ok(logs::of_two_services()));
                        dashboard.send(Event::Answer(lines));
                        dashboard.press("t & c o n n | l i s enter J");
                    }
                    "sealed" | "unlock" => dashboard.seal(),
                    "daemons" => {
                        let profile = |name: &str, url: &str| Profile {
                            name: name.to_owned(),
                            url: url.to_owned(),
                            username: "ana".to_owned(),
                        };
                        let saved = ["default", "shop"].map(|name| profile(name, "https://tomo.example.com:8666"));
                        dashboard.send(Event::Answer(Answer::Profiles(saved.into())));
                    }
                    "catalog_empty" => {
                        dashboard.press("5");
                        dashboard.send(Event::Answer(Answer::Catalog(Ok(CatalogListAnswer::default()))));
                    }
                    "template_gone" => {
                        dashboard.press("5");
                        dashboard.answer_view();
                        dashboard.press("enter");
                        let error = refused(ErrorCode::NotFound, "there is no template \"blocker\"");
                        dashboard.send(Event::Answer(Answer::Template("blocker".to_owned(), Err(error))));
                    }
                    _ => {}
                }
                for key in keys.split_whitespace() {
                    dashboard.press(key);
                    dashboard.answer_view();
                }
                if screen == "token_made" {
                    dashboard.send(Event::Answer(Answer::TokenMade(Ok(Box::new(tokens::made_token())))));
                }
                if screen == "audit_broken" {
                    dashboard.send(Event::Answer(Answer::Verified(Ok(Box::new(audit::broken())))));
                }
                if screen == "adopt" {
                    dashboard.state.layer = Some(adoption());
                }
                let looks = dump(&dashboard.buffer(width, height));
                let path = folder.join(format!("{screen}_{width}x{height}_{colors}.txt"));
                if write {
                    fs::write(&path, &looks).expect("can be written");
                } else if fs::read_to_string(&path).ok().as_ref() != Some(&looks) {
                    different.push(format!("{}:\n{looks}", path.display()));
                }
            }
        }
    }
    assert!(different.is_empty(), "TOMO_SNAPSHOTS=write accepts these:\n{}", different.join("\n"));
}
