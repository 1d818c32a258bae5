//! What lies over views: forms, questions, menus, messages; and views that show something beyond their states.

use super::{super::*, in_sizes};
use crate::client::Profile;

const SIZES: [(u16, u16); 2] = [(80, 24), (120, 36)];

/// What happens before the keys, and after them.
type Happens = fn(&mut Dashboard);

/// Screens and the keys that lead there.
const SCREENS: &[(&str, &str)] = &[
    ("overview_marked", "s s s s space j space"),
    ("several", "ctrl-a u"),
    ("messages", "2 S H"),
    ("frozen", "enter f"),
    ("server_marks", "enter x J"),
    ("compare_crosshair", "space space C x"),
    ("plans_half", "3 _"),
    ("logs_found", "2 L / y space 9 5 enter"),
    ("logs_save", "2 L ctrl-s"),
    ("plan_confirm", "3 A"),
    ("deploy", "n"),
    ("compose", "2 I"),
    ("help", "?"),
    ("palette", ": s h"),
    ("themes", "ctrl-t"),
    ("columns", "E j space"),
    ("add_server", "a"),
    ("access", "enter i"),
    ("prune", "enter I P"),
    ("pull", "enter I p"),
    ("registry_form", "6 a"),
    ("user_form", "7 a"),
    ("user_delete", "7 j D"),
    ("token_form", "8 a"),
    ("password_form", "m p"),
    ("settings_form", "o e"),
    ("template_form", "5 n"),
];

/// Screens to which something leads that is not a key, with what it is.
const TOLD: &[(&str, &str, Happens)] = &[
    ("menu", "2", |dashboard| dashboard.right_click("shop")),
    ("sealed", "", Dashboard::seal),
    ("host_key", "", |dashboard| {
        let asked = dashboard.send_server();
        dashboard.show_key(asked);
    }),
    ("logs_services", "2", |dashboard| {
        dashboard.press("L");
        let View::Logs(view) = &dashboard.state.view else { panic!("not the log") };
        let lines = Answer::Logs(view.asked(), Ok(logs::of_two_services()));
        dashboard.send(Event::Answer(lines));
        dashboard.press("t & c o n n | l i s enter J");
    }),
    ("daemons", "", |dashboard| {
        let profile =
            |name: &str, url: &str| Profile { name: name.to_owned(), url: url.to_owned(), username: "ana".to_owned() };
        let saved = ["default", "shop"].map(|name| profile(name, "https://tomo.example.com:8666"));
        dashboard.send(Event::Answer(Answer::Profiles(saved.into())));
    }),
    ("unlock", "", |dashboard| {
        dashboard.seal();
        dashboard.press("U");
    }),
    ("adopt", "enter j", |dashboard| dashboard.state.layer = Some(adoption())),
    ("token_made", "8", |dashboard| {
        dashboard.send(Event::Answer(Answer::TokenMade(Ok(Box::new(tokens::made_token())))));
    }),
    ("audit_broken", "9 V", |dashboard| {
        dashboard.send(Event::Answer(Answer::Verified(Ok(Box::new(audit::broken())))));
    }),
];

fn pressed(mut dashboard: Dashboard, keys: &str) -> Dashboard {
    for key in keys.split_whitespace() {
        dashboard.press(key);
        dashboard.answer_view();
    }
    dashboard
}

pub(super) fn looks() -> Vec<(String, String)> {
    let mut all = Vec::new();
    let filled = || Dashboard::filled(Role::Admin);
    for (name, keys) in SCREENS {
        all.push(((*name).to_owned(), in_sizes(|| pressed(filled(), keys), &SIZES)));
    }
    for (name, keys, happens) in TOLD {
        let told = || {
            let mut dashboard = pressed(filled(), keys);
            happens(&mut dashboard);
            dashboard
        };
        all.push(((*name).to_owned(), in_sizes(told, &SIZES)));
    }
    all.push(("connecting".to_owned(), in_sizes(Dashboard::empty, &SIZES)));
    all.push(("never_reached".to_owned(), in_sizes(never_reached, &SIZES)));
    all
}

/// A daemon that has not answered since the dashboard was opened.
fn never_reached() -> Dashboard {
    let mut dashboard = Dashboard::empty();
    let reason = "connection refused".to_owned();
    dashboard
        .send(Event::LinkDown(ClientError::NotConnected { url: "https://tomo.example.com:8666".to_owned(), reason }));
    dashboard
}
