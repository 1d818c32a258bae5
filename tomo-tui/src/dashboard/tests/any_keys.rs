//! Any keys at any size.

use super::*;

fn any_key() -> impl Strategy<Value = KeyEvent> {
    let characters = "hjklgGqnNestxXADLSTRMOaiFUIJKPVmobyvwWcf&zCHYE!_@/:?`[]+-=<>,.0123456789 pw\u{e9}\u{65e5}";
    let character = proptest::sample::select(characters.chars().collect::<Vec<_>>()).prop_map(KeyCode::Char);
    let named = proptest::sample::select(vec![
        KeyCode::Enter,
        KeyCode::Esc,
        KeyCode::Tab,
        KeyCode::BackTab,
        KeyCode::Up,
        KeyCode::Down,
        KeyCode::Left,
        KeyCode::Right,
        KeyCode::Home,
        KeyCode::End,
        KeyCode::PageUp,
        KeyCode::PageDown,
        KeyCode::Backspace,
        KeyCode::Delete,
        KeyCode::F(1),
    ]);
    let modifiers =
        prop_oneof![8 => Just(KeyModifiers::NONE), 1 => Just(KeyModifiers::CONTROL), 1 => Just(KeyModifiers::SHIFT)];
    (prop_oneof![3 => character, 2 => named], modifiers).prop_map(|(code, modifiers)| KeyEvent::new(code, modifiers))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_keys_at_any_size_never_panic_and_escape_leads_home(
        keys in proptest::collection::vec(any_key(), 0..60),
        width in 1_u16..300,
        height in 1_u16..100,
    ) {
        let mut dashboard = Dashboard::filled(Role::Admin);
        for (place, key) in keys.into_iter().enumerate() {
            dashboard.send(Event::Key(key));
            dashboard.answer_view();
            if place % 5 == 0 {
                let at = (width / 2, height / 2);
                dashboard.state.ask_for_menu(dashboard.hits.at(at.0, at.1), at, NOW);
            }
            if place % 7 == 0 {
                dashboard.buffer(width, height);
            }
        }
        dashboard.buffer(width, height);
        // A form with typed text asks first: the question's own Esc goes back to the form, so it is discarded once.
        for _ in 0..60 {
            dashboard.send(Event::Key(KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE)));
            if dashboard.screen().contains("Discard") {
                dashboard.press("tab enter");
            }
        }
        prop_assert!(matches!(dashboard.state.view, View::Overview), "{:?}", dashboard.state.view);
        prop_assert!(dashboard.state.layer.is_none());
    }
}
