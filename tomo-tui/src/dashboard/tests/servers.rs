//! Adding a server, and what is shown of how one is reached.

use std::path::PathBuf;

use tomo_proto::api::person::EditServer;

use super::*;
use crate::{cli::ssh_config::Entry, dashboard::visit::Edit};

#[test]
fn a_server_is_added_over_ssh_after_its_key_was_agreed_to() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    let asked = dashboard.send_server();
    assert!(asked.host_key.is_none() && asked.install.is_none(), "{asked:?}");
    assert!(matches!(&asked.sign_in, Some(SignIn::Password(password)) if password.reveal() == "hunter2"));
    assert!(!format!("{asked:?}").contains("hunter2"));
    assert!(!dashboard.screen().contains("hunter2"), "a secret is never echoed");
    dashboard.show_key(asked);
    dashboard.shows(HOST_KEY);
    // "No" has the keys: nothing goes there, and what was typed is still there.
    assert!(dashboard.press("enter").is_empty());
    dashboard.shows("web-9.example");
    let asked = onboarding(dashboard.press("ctrl-s"));
    let number = asked.number;
    dashboard.show_key(asked);
    let agreed = onboarding(dashboard.press("tab enter"));
    assert_eq!(agreed.host_key.as_deref(), Some(HOST_KEY));
    let begun = Reached::Begun(Box::new(adding(OperationStatus::Running, "connect to web-9.example:22")));
    dashboard.send(Event::Answer(Answer::Reached(number, Ok(begun))));
    assert!(dashboard.state.layer.is_none());
    dashboard.shows("connect to web-9.example:22");
    dashboard.press("X tab");
    let effects = dashboard.press("enter");
    assert!(matches!(&effects[..], [Effect::Cancel(_)]), "{effects:?}");
    let View::Operation(view) = &dashboard.state.view else { panic!("not the operation") };
    let id = view.id.clone();
    let done = adding(OperationStatus::Succeeded, "done");
    dashboard.send(Event::Answer(Answer::Operation(id, Ok(Box::new(done)))));
    assert!(matches!(&dashboard.state.view, View::Server(view) if view.name == "web-9"));
}

#[test]
fn a_server_that_cannot_be_added_leads_back_to_its_form() {
    for (code, step, field, said) in [
        (ErrorCode::Invalid, "sign in as ana with password", Some("credential"), "ana is not let in"),
        (ErrorCode::HostFailed, "connect to web-9.example:22", Some("host"), "connection refused"),
        (ErrorCode::HostFailed, "install the agent", None, "install the agent: there is no systemd"),
    ] {
        let mut dashboard = Dashboard::filled(Role::Admin);
        let asked = dashboard.send_server();
        let number = asked.number;
        dashboard.show_key(asked);
        dashboard.press("tab enter");
        let begun = Reached::Begun(Box::new(adding(OperationStatus::Running, "connect")));
        dashboard.send(Event::Answer(Answer::Reached(number, Ok(begun))));
        let View::Operation(view) = &dashboard.state.view else { panic!("not the operation") };
        let id = view.id.clone();
        let message = said.rsplit(": ").next().expect("there is one").to_owned();
        let error =
            OperationError { code, message, next: Some("look there".to_owned()), field: field.map(str::to_owned) };
        let failed = Operation { error: Some(error), ..adding(OperationStatus::Failed, step) };
        dashboard.send(Event::Answer(Answer::Operation(id, Ok(Box::new(failed)))));
        for text in ["Add a server", "web-9.example", "ana", said, "look there"] {
            dashboard.shows(text);
        }
        let screen = dashboard.screen();
        let line = screen.lines().position(|line| line.contains(said)).expect("it is told");
        if let Some(label) = match field {
            Some("credential") => Some("Password"),
            Some("host") => Some("Host"),
            _ => None,
        } {
            let above = screen.lines().nth(line - 1).expect("a line above");
            assert!(above.contains(label), "told at {label}:\n{screen}");
        }
        // It can be sent again as it is.
        let again = onboarding(dashboard.press("ctrl-s"));
        assert!(matches!(&again.sign_in, Some(SignIn::Password(password)) if password.reveal() == "hunter2"));
    }
}

#[test]
fn whoever_goes_elsewhere_is_told_what_became_of_a_new_server() {
    for status in [OperationStatus::Succeeded, OperationStatus::Failed] {
        let mut dashboard = Dashboard::filled(Role::Admin);
        let number = dashboard.send_server().number;
        let running = adding(OperationStatus::Running, "look around");
        let id = running.operation.to_string();
        dashboard.send(Event::Answer(Answer::Reached(number, Ok(Reached::Begun(Box::new(running.clone()))))));
        dashboard.press("1");
        let with = |operations| {
            let overview = OverviewAnswer { operations, ..overview() };
            Event::Answer(Answer::Overview(Ok(Box::new(overview))))
        };
        let asks = |effects: &[Effect]| effects.iter().any(|one| matches!(one, Effect::Operation { .. }));
        assert!(!asks(&dashboard.send(with(vec![running]))), "it is under way");
        assert!(asks(&dashboard.send(with(Vec::new()))));
        let error =
            OperationError { code: ErrorCode::HostFailed, message: "no systemd".to_owned(), next: None, field: None };
        let ended = Operation {
            error: (status == OperationStatus::Failed).then_some(error),
            ..adding(status, "install the agent")
        };
        dashboard.send(Event::Answer(Answer::Operation(id.clone(), Ok(Box::new(ended.clone())))));
        assert!(matches!(dashboard.state.view, View::Overview) && dashboard.state.layer.is_none());
        assert!(!asks(&dashboard.send(with(Vec::new()))), "once is enough");
        if status == OperationStatus::Succeeded {
            dashboard.shows("web-9 is added");
            continue;
        }
        dashboard.shows("web-9 is not added: no systemd");
        let operations = OperationListAnswer { operations: vec![ended.clone()] };
        dashboard.send(Event::Answer(Answer::Operations(Ok(operations))));
        dashboard.press("4 enter");
        dashboard.send(Event::Answer(Answer::Operation(id, Ok(Box::new(ended)))));
        dashboard.shows("web-9.example");
        dashboard.shows("install the agent: no systemd");
    }
}

#[test]
fn what_the_daemon_refuses_is_told_at_its_field() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    let asked = dashboard.send_server();
    let taken = ApiError::new(ErrorCode::Conflict, "there is a server \"web-9\" already").with_field("name");
    dashboard.send(Event::Answer(Answer::Reached(asked.number, Err(ClientError::Api(taken)))));
    dashboard.shows("there is a server");
    let screen = dashboard.screen();
    let line = screen.lines().position(|line| line.contains("already")).expect("it is told");
    assert!(screen.lines().nth(line - 1).is_some_and(|line| line.contains("Name")), "{screen}");
    // An answer to what was sent before is nobody's.
    let old = asked.number;
    let again = onboarding(dashboard.press("ctrl-s"));
    dashboard.show_key(Box::new(Visit { number: old, ..*again }));
    assert!(!dashboard.screen().contains(HOST_KEY));
}

#[test]
fn a_key_file_a_host_in_between_and_an_agent_are_asked_for_where_they_are_wanted() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.press("a tab");
    dashboard.type_in("web-9");
    dashboard.press("tab");
    dashboard.type_in("10.0.0.9");
    dashboard.press("tab tab");
    dashboard.type_in("ana");
    assert!(!dashboard.screen().contains("Key file") && !dashboard.screen().contains("Sudo password"));
    dashboard.press("tab right tab tab");
    dashboard.type_in("moon");
    dashboard.press("tab");
    dashboard.type_in("ana@10.0.0.1:2222");
    dashboard.press("tab");
    dashboard.type_in("env=prod");
    dashboard.press("tab right right");
    dashboard.shows("Sudo password");
    let asked = onboarding(dashboard.press("ctrl-s"));
    let Some(SignIn::Key { file, passphrase }) = &asked.sign_in else { panic!("{asked:?}") };
    assert_eq!((file.as_str(), passphrase.as_ref().map(|text| text.reveal())), ("~/.ssh/id_ed25519", Some("moon")));
    let Errand::Add { labels, .. } = &asked.errand else { panic!("{asked:?}") };
    let jump = asked.jump.as_ref().expect("is named");
    assert_eq!((jump.host.as_str(), jump.port), ("10.0.0.1", 2222));
    assert_eq!((labels["env"].as_str(), asked.install), ("prod", Some(InstallRights::Containers)));
    assert!(!dashboard.screen().contains("moon"));
}

#[test]
fn a_server_that_is_on_screen_again_at_the_start_has_its_charts() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.press("enter");
    let mut again = Dashboard::empty();
    again.state.restore(dashboard.state.memory());
    let effects = again.send(Event::LinkUp);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Metrics(_))), "{effects:?}");
}

#[test]
fn a_token_is_made_for_whoever_installs_by_hand() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.press("a right tab");
    assert!(!dashboard.screen().contains("Host"));
    dashboard.type_in("web-9");
    let effects = dashboard.press("ctrl-s");
    assert!(matches!(&effects[..], [Effect::Enroll(request)] if request.server == "web-9"), "{effects:?}");
}

#[test]
fn a_server_shows_what_its_host_allows_and_how_it_is_reached() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.press("enter");
    dashboard.answer_view();
    dashboard.press("i");
    for text in [
        "ana@web-1.example:22",
        HOST_KEY,
        "kept, sealed",
        "start, stop, restart, logs",
        "remove, inspect, pull, create, deploy",
        "no release key",
    ] {
        dashboard.shows(text);
    }
    assert!(dashboard.press("n").is_empty());
    dashboard.shows("the policy of web-1 does not allow the verb deploy");
    assert!(dashboard.press("u").is_empty());
    dashboard.shows("the policy of web-1 names no release key");
    let effects = dashboard.press("t");
    assert!(matches!(&effects[..], [Effect::TestServer(server)] if server == "web-1"), "{effects:?}");
    dashboard.press("F tab");
    let effects = dashboard.press("enter");
    assert!(matches!(&effects[..], [Effect::ForgetCredential(server)] if server == "web-1"), "{effects:?}");
    dashboard.send(Event::Answer(Answer::Forgotten(Ok("web-1".to_owned()))));
    dashboard.shows("no credential is kept for web-1");
    dashboard.press("i");
    dashboard.shows("Memory");
}

/// The one change of a server that is to be made.
fn change(effects: &[Effect]) -> Edit {
    let mut changes = effects.iter().filter_map(|effect| match effect {
        Effect::EditServer(edit) => Some((**edit).clone()),
        _ => None,
    });
    changes.next().unwrap_or_else(|| panic!("no change in {effects:?}"))
}

fn on_server() -> Dashboard {
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.press("enter");
    dashboard.answer_view();
    dashboard
}

#[test]
fn a_known_server_is_gone_to_with_what_is_kept_or_with_another_credential() {
    let mut dashboard = on_server();
    dashboard.press("c");
    for text in ["Connect to web-1", "ana@web-1.example:22", "the one agreed to", "what is kept"] {
        dashboard.shows(text);
    }
    let asked = onboarding(dashboard.press("ctrl-s"));
    assert!(asked.sign_in.is_none() && asked.host_key.as_deref() == Some(HOST_KEY), "{asked:?}");
    let number = asked.number;
    let running = Operation {
        kind: OperationKind::ProbeServer,
        target: "web-1".to_owned(),
        ..operation(OperationStatus::Running)
    };
    dashboard.send(Event::Answer(Answer::Reached(number, Ok(Reached::Begun(Box::new(running.clone()))))));
    assert!(dashboard.state.layer.is_none() && matches!(dashboard.state.view, View::Operation(_)));
    let error = OperationError {
        code: ErrorCode::Invalid,
        message: "ana is not let in".to_owned(),
        next: None,
        field: Some("credential".to_owned()),
    };
    let failed = Operation { error: Some(error), status: OperationStatus::Failed, ..running };
    let id = failed.operation.to_string();
    dashboard.send(Event::Answer(Answer::Operation(id, Ok(Box::new(failed)))));
    dashboard.shows("ana is not let in");
    dashboard.press("right tab");
    dashboard.type_in("hunter2");
    dashboard.press("tab right right tab right tab tab right");
    let asked = onboarding(dashboard.press("ctrl-s"));
    assert!(matches!(&asked.sign_in, Some(SignIn::Password(text)) if text.reveal() == "hunter2"), "{asked:?}");
    assert_eq!((asked.install, asked.keep_credential), (Some(InstallRights::Containers), true));
    assert!(matches!(&asked.errand, Errand::Connect { server, again: true, .. } if server == "web-1"), "{asked:?}");
}

#[test]
fn a_host_that_was_made_anew_shows_its_key_beside_the_one_before() {
    let mut dashboard = on_server();
    dashboard.press("c right");
    assert!(dashboard.press("ctrl-s").is_empty());
    dashboard.shows("was meant for the other key");
    dashboard.press("right tab");
    dashboard.type_in("hunter2");
    let asked = onboarding(dashboard.press("ctrl-s"));
    assert!(asked.host_key.is_none(), "{asked:?}");
    let other = HOST_KEY.replace("uNiV", "xxxx");
    let agreed = Visit { host_key: Some(other.clone()), ..*asked.clone() };
    let key = Reached::HostKey {
        place: "web-1.example:22".to_owned(),
        scan: HostKeyScan { algorithm: "ssh-ed25519".to_owned(), host_key: other.clone() },
        before: Some(HOST_KEY.to_owned()),
        agreed: Box::new(Effect::Visit(Box::new(agreed))),
    };
    dashboard.send(Event::Answer(Answer::Reached(asked.number, Ok(key))));
    for text in [HOST_KEY, other.as_str(), "It was another one before"] {
        dashboard.shows(text);
    }
    let agreed = onboarding(dashboard.press("tab enter"));
    assert_eq!(agreed.host_key, Some(other));
}

#[test]
fn only_what_differs_is_changed() {
    let mut dashboard = on_server();
    dashboard.press("e");
    for text in ["Edit web-1", "web-1.example", "env=prod"] {
        dashboard.shows(text);
    }
    assert!(dashboard.press("ctrl-s").is_empty());
    dashboard.shows("nothing here differs");
    dashboard.press("tab");
    dashboard.type_in("22");
    let edit = change(&dashboard.press("ctrl-s"));
    let expected = EditServer { server: "web-1".to_owned(), port: Some(2222), ..EditServer::default() };
    assert_eq!(edit.request, expected);
    let told = ClientError::Api(ApiError::new(ErrorCode::Invalid, "no such port").with_field("port"));
    dashboard.send(Event::Answer(Answer::Reached(edit.number, Err(told))));
    dashboard.shows("no such port");
    dashboard.press("ctrl-u tab tab");
    dashboard.type_in("jo@bastion");
    dashboard.press("tab");
    dashboard.press("enter");
    dashboard.type_in("tier=1");
    dashboard.press("up up up up");
    dashboard.type_in("22");
    let edit = change(&dashboard.press("ctrl-s"));
    assert_eq!(edit.jump.as_ref().map(|jump| jump.host.as_str()), Some("bastion"));
    assert_eq!(edit.request.labels.as_ref().map(BTreeMap::len), Some(2));
    assert_eq!(edit.request.port, None);
    dashboard.send(Event::Answer(Answer::Reached(edit.number, Ok(Reached::Edited(Box::new(edit))))));
    assert!(dashboard.state.layer.is_none());
    dashboard.shows("web-1 is changed; c goes there");
    assert!(!dashboard.screen().contains("takes it back"), "another host's key cannot be agreed to by itself");
}

#[test]
fn labels_are_given_back() {
    let mut dashboard = on_server();
    dashboard.press("e tab tab tab tab");
    dashboard.press("enter");
    dashboard.type_in("tier=1");
    let edit = change(&dashboard.press("ctrl-s"));
    assert_eq!(edit.request.labels.as_ref().map(BTreeMap::len), Some(2), "{edit:?}");
    dashboard.send(Event::Answer(Answer::Reached(edit.number, Ok(Reached::Edited(Box::new(edit))))));
    dashboard.shows("c goes there; z takes it back");
    dashboard.press("z");
    dashboard.shows("give web-1 the labels env=prod again");
    let back = change(&dashboard.press("tab enter"));
    assert_eq!(back.request.labels, Some(BTreeMap::from([("env".to_owned(), "prod".to_owned())])));
    dashboard.send(Event::Answer(Answer::Reached(back.number, Ok(Reached::Edited(Box::new(back))))));
    dashboard.press("z");
    dashboard.shows("give web-1 the labels env=prod, tier=1 again");
}

#[test]
fn several_hosts_of_the_ssh_clients_file_are_added_one_after_another() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    let effects = dashboard.press("I");
    assert!(matches!(&effects[..], [Effect::ReadSshConfig]), "{effects:?}");
    let entry = |name: &str, key: Option<&str>| Entry {
        name: name.to_owned(),
        host: format!("{name}.example"),
        port: 2222,
        user: "ana".to_owned(),
        key: key.map(PathBuf::from),
        jump: None,
    };
    let entries = vec![entry("web-1", None), entry("db-1", Some("/k")), entry("db-2", None), entry("db-3", None)];
    dashboard.send(Event::Answer(Answer::SshConfig(Ok(entries))));
    for text in ["[ ] web-1 ana@web-1.example:2222, there already", "[x] db-1", "key /k", "[x] db-3"] {
        dashboard.shows(text);
    }
    // The last one is not wanted; without a key in the file it is a password for all.
    dashboard.press("down down down space tab right tab");
    dashboard.type_in("hunter2");
    let first = onboarding(dashboard.press("ctrl-s"));
    assert!(matches!(&first.sign_in, Some(SignIn::Key { file, .. }) if file == "/k"), "{first:?}");
    let number = first.number;
    dashboard.show_key(first);
    dashboard.shows("db-1.example:2222");
    dashboard.press("tab enter");
    let adding = |name: &str, number| Operation {
        operation: OperationId::from_u64(number),
        target: name.to_owned(),
        ..adding(OperationStatus::Running, "connect")
    };
    let begun = |one: &Operation| Ok(Reached::Begun(Box::new(one.clone())));
    let (one, two) = (adding("db-1", 31), adding("db-2", 32));
    let effects = dashboard.send(Event::Answer(Answer::Reached(number, begun(&one))));
    assert!(effects.iter().any(|one| matches!(one, Effect::Overview)), "it may have ended by now: {effects:?}");
    let second = onboarding(effects);
    assert!(matches!(&second.sign_in, Some(SignIn::Password(text)) if text.reveal() == "hunter2"), "{second:?}");
    assert!(matches!(&second.errand, Errand::Add { name, .. } if name == "db-2"), "{second:?}");
    let number = second.number;
    dashboard.send(Event::Answer(Answer::Reached(number, begun(&two))));
    assert!(dashboard.state.layer.is_none() && matches!(dashboard.state.view, View::Operations));
    for (one, status, said) in
        [(one, OperationStatus::Succeeded, "db-1 is added"), (two, OperationStatus::Failed, "db-2 is not added")]
    {
        let ended = Operation { status, ..one };
        dashboard.send(Event::Answer(Answer::Operation(ended.operation.to_string(), Ok(Box::new(ended)))));
        dashboard.shows(said);
    }
}

#[test]
fn a_file_of_the_ssh_client_that_is_of_no_use_says_why() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.send(Event::Answer(Answer::SshConfig(Err("line 2: Include is not followed".to_owned()))));
    dashboard.shows("line 2: Include is not followed");
    dashboard.send(Event::Answer(Answer::SshConfig(Ok(Vec::new()))));
    dashboard.shows("no host in ~/.ssh/config can be added");
}
