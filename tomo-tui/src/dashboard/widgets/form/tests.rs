//! What keys, clicks and pasted text do to a form, and what it looks like.

use proptest::prelude::*;
use ratatui::{buffer::Buffer, style::Modifier};

use super::*;
use crate::dashboard::theme::{Depth, Glyphs, Inks, Theme};

fn form() -> Form {
    let needed = |text: &str| if text.is_empty() { Err("a name is needed".to_owned()) } else { Ok(()) };
    let options = ["always", "never", "on-failure"].map(str::to_owned).into();
    Form::new(vec![
        Field::text("name", "Name").help("What to call it").placeholder("web").check(needed),
        Field::text("kind", "Kind").value("app").fixed(),
        Field::secret("token", "Token"),
        Field::choice("restart", "Restart", options).value("never"),
        Field::lines("env", "Environment").help("KEY=VALUE, one a line"),
        Field::secret_lines("secrets", "Secrets"),
    ])
}

fn press(form: &mut Form, keys: &str) -> FormEvent {
    let mut event = FormEvent::None;
    for word in keys.split(' ') {
        let key = match word {
            "tab" => KeyEvent::from(KeyCode::Tab),
            "backtab" => KeyEvent::new(KeyCode::BackTab, KeyModifiers::SHIFT),
            "enter" => KeyEvent::from(KeyCode::Enter),
            "esc" => KeyEvent::from(KeyCode::Esc),
            "up" => KeyEvent::from(KeyCode::Up),
            "down" => KeyEvent::from(KeyCode::Down),
            "left" => KeyEvent::from(KeyCode::Left),
            "right" => KeyEvent::from(KeyCode::Right),
            "ctrl-s" => KeyEvent::new(KeyCode::Char('s'), KeyModifiers::CONTROL),
            "ctrl-enter" => KeyEvent::new(KeyCode::Enter, KeyModifiers::CONTROL),
            text => {
                for character in text.chars() {
                    event = form.key(KeyEvent::from(KeyCode::Char(character)));
                }
                continue;
            }
        };
        event = form.key(key);
    }
    event
}

fn draw(form: &Form, width: u16, height: u16, glyphs: Glyphs) -> (Vec<String>, Option<Position>, Buffer) {
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    let cursor = form.render(buffer.area, &mut buffer, &Theme::new(&Inks::default(), Depth::Mono, glyphs));
    let rows = buffer.content.chunks(usize::from(width.max(1)));
    let text = |row: &[ratatui::buffer::Cell]| row.iter().map(|cell| cell.symbol()).collect::<String>();
    (rows.map(|row| text(row).trim_end().to_owned()).collect(), cursor, buffer)
}

#[test]
fn shows_labels_values_errors_help_and_the_button() {
    let mut form = form();
    press(&mut form, "tab hunter2 tab tab A=1 enter B=2 tab K=vv");
    let (rows, cursor, buffer) = draw(&form, 60, 14, Glyphs::Braille);
    assert_eq!(
        rows,
        [
            "  Name         web",
            "               ✗ a name is needed",
            "  Kind         app",
            "  Token        •••••••",
            "  Restart      ‹ never › 2/3",
            "  Environment  A=1",
            "               B=2",
            "▸ Secrets      K=••",
            "",
            "               [ Continue ]",
            "",
            "",
            "",
            "",
        ]
    );
    assert_eq!(cursor, Some(Position::new(19, 7)));
    assert!(buffer[(15, 7)].modifier.contains(Modifier::UNDERLINED), "a field shows its extent");
    assert!(buffer[(2, 7)].modifier.contains(Modifier::BOLD), "focus shows without color");
    press(&mut form, "backtab");
    let (rows, ..) = draw(&form, 60, 14, Glyphs::Ascii);
    assert_eq!((&*rows[5], &*rows[13]), ("> Environment  A=1", "KEY=VALUE, one a line"));
}

#[test]
fn keys_walk_through_the_fields() {
    let mut form = form();
    for (keys, focus) in
        [("tab", "token"), ("backtab", "name"), ("down", "token"), ("up", "name"), ("x enter", "token")]
    {
        press(&mut form, keys);
        assert_eq!(form.fields[form.focus].id, focus, "{keys}");
    }
    press(&mut form, "tab tab tab tab");
    assert_eq!(form.focus, form.fields.len(), "the button");
    press(&mut form, "tab");
    assert_eq!(form.focus, 0);
    press(&mut form, "tab tab right");
    assert_eq!(form.value("restart"), "on-failure");
    press(&mut form, "right a n n");
    assert_eq!(form.value("restart"), "never");
}

#[test]
fn submits_only_what_is_right() {
    for submit in ["ctrl-s", "ctrl-enter", "backtab enter"] {
        let mut form = form();
        assert_eq!(press(&mut form, submit), FormEvent::Changed, "{submit}");
        assert_eq!((form.focus, form.first_error()), (0, Some("a name is needed")));
        press(&mut form, "web");
        assert_eq!(form.first_error(), None, "checked as one types");
        assert_eq!(press(&mut form, submit), FormEvent::Submit, "{submit}");
    }
    assert_eq!(press(&mut form(), "esc"), FormEvent::Cancel);
}

#[test]
fn enter_at_the_last_field_submits() {
    let mut form = Form::new(vec![Field::text("a", "A"), Field::secret("b", "B"), Field::text("c", "C").fixed()]);
    assert_eq!(press(&mut form, "x enter"), FormEvent::Changed);
    assert_eq!(press(&mut form, "y enter"), FormEvent::Submit);
}

#[test]
fn a_refusal_stands_until_its_field_is_edited() {
    let mut form = form();
    form.set_value("name", "web");
    form.set_error("env", "A is not allowed".to_owned());
    assert_eq!((&*form.fields[form.focus].id, form.first_error()), ("env", Some("A is not allowed")));
    assert!(draw(&form, 60, 20, Glyphs::Braille).0.iter().any(|row| row.contains("✗ A is not allowed")));
    press(&mut form, "B");
    assert_eq!(form.first_error(), None);
    form.set_error("name", "taken".to_owned());
    assert_eq!(press(&mut form, "ctrl-s"), FormEvent::Submit, "the daemon decides again");
}

#[test]
fn an_error_is_shown_whole_at_every_width() {
    let error = "a name has small letters, digits and dashes and begins with a letter";
    for width in 50..100 {
        let mut form = form();
        form.set_error("name", error.to_owned());
        let (rows, ..) = draw(&form, width, 30, Glyphs::Braille);
        let text = rows.join(" ");
        for word in error.split(' ') {
            assert!(text.contains(word), "no {word:?} at {width} columns in\n{}", rows.join("\n"));
        }
    }
}

#[test]
fn knows_what_was_changed() {
    let mut form = form();
    assert!(!form.is_dirty());
    press(&mut form, "tab tab right");
    assert!(form.is_dirty());
    press(&mut form, "left");
    assert!(!form.is_dirty());
    form.set_value("kind", "other");
    assert!(form.is_dirty() && form.has("kind") && !form.has("none"));
}

#[test]
fn clicks_go_where_they_point() {
    let mut form = form();
    form.set_value("name", "abc");
    draw(&form, 60, 14, Glyphs::Braille);
    assert_eq!(form.click(16, 0), FormEvent::Changed);
    press(&mut form, "X");
    assert_eq!(form.value("name"), "aXbc");
    assert_eq!(form.click(17, 3), FormEvent::Changed);
    assert_eq!((&*form.fields[form.focus].id, form.value("restart")), ("restart", "never".to_owned()));
    assert_eq!(form.click(17, 3), FormEvent::Changed);
    assert_eq!(form.value("restart"), "on-failure");
    assert_eq!(form.click(17, 1), FormEvent::None, "a fixed field");
    assert_eq!(form.click(17, 7), FormEvent::Submit);
    assert_eq!(form.click(17, 40), FormEvent::None);
}

#[test]
fn paste_goes_where_one_types() {
    let mut form = form();
    form.paste("we\nb\n");
    press(&mut form, "tab tab");
    form.paste("nothing");
    press(&mut form, "tab");
    form.paste("A=1\r\nB=2\r");
    assert_eq!((form.value("name"), form.value("env")), ("we b".to_owned(), "A=1\nB=2\n".to_owned()));
}

#[test]
fn scrolls_to_what_has_the_keys() {
    let mut form = form();
    press(&mut form, "x tab tab tab A=1 enter B=2 enter C=3");
    let (rows, cursor, _) = draw(&form, 30, 5, Glyphs::Ascii);
    assert_eq!(
        rows,
        ["  A=1                        ^", "  B=2", "  C=3", "  Secrets                    v", "KEY=VALUE, one a line"]
    );
    assert_eq!(cursor, Some(Position::new(5, 2)));
}

#[test]
fn asks_for_a_field_only_with_the_values_that_want_it() {
    let missing = |text: &str| if text.is_empty() { Err("missing".to_owned()) } else { Ok(()) };
    let options = |options: [&str; 2]| options.map(str::to_owned).into();
    let mut form = Form::new(vec![
        Field::choice("how", "How", options(["ssh", "token"])),
        Field::choice("auth", "Auth", options(["password", "key"])).when("how", &["ssh"]),
        Field::text("key", "Key").when("auth", &["key"]).check(missing),
        Field::text("name", "Name").value("web"),
    ]);
    let shown = |form: &Form| draw(form, 60, 12, Glyphs::Ascii).0.join("\n");
    assert!(shown(&form).contains("Auth") && !shown(&form).contains("Key") && !form.has("key"));
    press(&mut form, "tab right");
    assert!(shown(&form).contains("Key"));
    assert_eq!(press(&mut form, "ctrl-s"), FormEvent::Changed, "the key is missing");
    press(&mut form, "k backtab backtab right");
    assert!(!shown(&form).contains("Auth") && !form.has("key"), "what hangs on a hidden field is hidden too");
    press(&mut form, "tab 2");
    assert_eq!(form.value("name"), "web2", "hidden fields take no keys");
    assert_eq!(form.click(17, 1), FormEvent::Changed);
    assert_eq!(press(&mut form, "ctrl-s"), FormEvent::Submit);
}

#[test]
fn tells_no_secret_when_printed() {
    let mut form = form();
    press(&mut form, "tab hunter2");
    assert!(!format!("{form:?}").contains("hunter2"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn any_keys_and_clicks_at_any_size_keep_the_cursor_inside(
        keys in proptest::collection::vec(0_usize..16, 0..60),
        (width, height, column, row) in (0_u16..100, 0_u16..40, 0_u16..110, 0_u16..45),
    ) {
        let codes = [
            KeyCode::Tab, KeyCode::BackTab, KeyCode::Enter, KeyCode::Up, KeyCode::Down, KeyCode::Left, KeyCode::Right,
            KeyCode::Char('a'), KeyCode::Char('語'), KeyCode::Char(' '), KeyCode::Char('='), KeyCode::Backspace,
            KeyCode::Delete, KeyCode::Home, KeyCode::End, KeyCode::F(1),
        ];
        for mut form in [form(), Form::new(Vec::new()), Form::new(vec![Field::choice("c", "C", Vec::new())])] {
            for key in &keys {
                form.key(KeyEvent::from(codes[*key]));
                let (_, cursor, _) = draw(&form, width, height, Glyphs::Braille);
                prop_assert!(cursor.is_none_or(|at| at.x < width && at.y < height));
            }
            prop_assert!(form.click(column, row) != FormEvent::Cancel);
            form.set_error("name", "日本語 long ".repeat(30));
            form.key(KeyEvent::new(KeyCode::Char('s'), KeyModifiers::CONTROL));
            draw(&form, width, height, Glyphs::Braille);
        }
    }
}

#[test]
fn one_of_many_is_found_by_typing_a_part_of_it() {
    let servers = (1..=200).map(|number| format!("web-{number}")).chain(["db-1".to_owned()]).collect();
    let against = [("db-1".to_owned(), "no engine".to_owned())].into();
    let mut form =
        Form::new(vec![Field::choice("server", "Server", servers).against(against), Field::text("name", "Name")]);
    press(&mut form, "187");
    assert_eq!(form.value("server"), "web-187");
    let rows = draw(&form, 60, 6, Glyphs::Braille).0;
    assert!(rows[0].contains("‹ web-187 › 187/201  /187"), "{rows:?}");
    // What nothing has begins anew with the letter.
    press(&mut form, "d");
    assert_eq!(form.value("server"), "db-1");
    assert_eq!(form.first_error(), Some("no engine"));
    press(&mut form, "right");
    assert_eq!((form.value("server").as_str(), form.first_error()), ("web-1", None));
    // The same letter goes on to the next one that begins with it.
    press(&mut form, "ww");
    assert_eq!(form.value("server"), "web-2");
    press(&mut form, "q");
    assert_eq!(form.value("server"), "web-2");
    press(&mut form, "tab backtab 3");
    let rows = draw(&form, 60, 6, Glyphs::Braille).0;
    assert!(rows[0].contains("‹ web-3 › 3/201  /3"), "{rows:?}");
}

#[test]
fn what_does_not_fit_a_field_is_marked() {
    let hosts = (1..=10).map(|number| (format!("web-{number}"), true)).collect();
    let mut form = Form::new(vec![Field::checks("hosts", "Hosts", hosts), Field::lines("env", "Environment")]);
    let marks = |form: &Form| {
        let (rows, ..) = draw(form, 60, 30, Glyphs::Braille);
        rows.iter().filter_map(|row| row.chars().last().filter(|last| "▴▾".contains(*last))).collect::<String>()
    };
    assert_eq!(marks(&form), "▾");
    press(&mut form, "down down down down down down down down");
    assert_eq!(marks(&form), "▴▾");
    press(&mut form, "down");
    assert_eq!(marks(&form), "▴");
    form.set_value("env", &"A=1\n".repeat(9));
    press(&mut form, "tab");
    assert_eq!(marks(&form), "▴▴");
}
