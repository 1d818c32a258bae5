//! Adding a server, and what is shown of how one is reached.

use super::*;

#[test]
fn a_server_is_added_over_ssh_after_its_key_was_agreed_to() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    let asked = dashboard.send_server();
    assert!(asked.host_key.is_none() && asked.install.is_none(), "{asked:?}");
    assert!(matches!(&asked.sign_in, SignIn::Password(password) if password.reveal() == "hunter2"));
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
    dashboard.send(Event::Answer(Answer::Onboarding(number, Ok(begun))));
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
        (ErrorCode::Invalid, "sign in as ana with password", "password", "ana is not let in"),
        (ErrorCode::HostFailed, "connect to web-9.example:22", "host", "connection refused"),
        (ErrorCode::HostFailed, "install the agent", "", "install the agent: there is no systemd"),
    ] {
        let mut dashboard = Dashboard::filled(Role::Admin);
        let asked = dashboard.send_server();
        let number = asked.number;
        dashboard.show_key(asked);
        dashboard.press("tab enter");
        let begun = Reached::Begun(Box::new(adding(OperationStatus::Running, "connect")));
        dashboard.send(Event::Answer(Answer::Onboarding(number, Ok(begun))));
        let View::Operation(view) = &dashboard.state.view else { panic!("not the operation") };
        let id = view.id.clone();
        let message = said.rsplit(": ").next().expect("there is one").to_owned();
        let error = OperationError { code, message, next: Some("look there".to_owned()) };
        let failed = Operation { error: Some(error), ..adding(OperationStatus::Failed, step) };
        dashboard.send(Event::Answer(Answer::Operation(id, Ok(Box::new(failed)))));
        for text in ["Add a server", "web-9.example", "ana", said, "look there"] {
            dashboard.shows(text);
        }
        let screen = dashboard.screen();
        let line = screen.lines().position(|line| line.contains(said)).expect("it is told");
        if let Some(label) = match field {
            "password" => Some("Password"),
            "host" => Some("Host"),
            _ => None,
        } {
            let above = screen.lines().nth(line - 1).expect("a line above");
            assert!(above.contains(label), "told at {label}:\n{screen}");
        }
        // It can be sent again as it is.
        let again = onboarding(dashboard.press("ctrl-s"));
        assert!(matches!(&again.sign_in, SignIn::Password(password) if password.reveal() == "hunter2"));
    }
}

#[test]
fn whoever_goes_elsewhere_is_told_what_became_of_a_new_server() {
    for status in [OperationStatus::Succeeded, OperationStatus::Failed] {
        let mut dashboard = Dashboard::filled(Role::Admin);
        let number = dashboard.send_server().number;
        let running = adding(OperationStatus::Running, "look around");
        let id = running.operation.to_string();
        dashboard.send(Event::Answer(Answer::Onboarding(number, Ok(Reached::Begun(Box::new(running.clone()))))));
        dashboard.press("1");
        let with = |operations| {
            let overview = OverviewAnswer { operations, ..overview() };
            Event::Answer(Answer::Overview(Ok(Box::new(overview))))
        };
        let asks = |effects: &[Effect]| effects.iter().any(|one| matches!(one, Effect::Operation { .. }));
        assert!(!asks(&dashboard.send(with(vec![running]))), "it is under way");
        assert!(asks(&dashboard.send(with(Vec::new()))));
        let error = OperationError { code: ErrorCode::HostFailed, message: "no systemd".to_owned(), next: None };
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
    dashboard.send(Event::Answer(Answer::Onboarding(asked.number, Err(ClientError::Api(taken)))));
    dashboard.shows("there is a server");
    let screen = dashboard.screen();
    let line = screen.lines().position(|line| line.contains("already")).expect("it is told");
    assert!(screen.lines().nth(line - 1).is_some_and(|line| line.contains("Name")), "{screen}");
    // An answer to what was sent before is nobody's.
    let old = asked.number;
    let again = onboarding(dashboard.press("ctrl-s"));
    dashboard.show_key(Box::new(Onboarding { number: old, ..*again }));
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
    let SignIn::Key { file, passphrase } = &asked.sign_in else { panic!("{asked:?}") };
    assert_eq!((file.as_str(), passphrase.as_ref().map(|text| text.reveal())), ("~/.ssh/id_ed25519", Some("moon")));
    let jump = asked.jump.as_ref().expect("is named");
    assert_eq!((jump.host.as_str(), jump.port), ("10.0.0.1", 2222));
    assert_eq!((asked.labels["env"].as_str(), asked.install), ("prod", Some(InstallRights::Containers)));
    assert!(!dashboard.screen().contains("moon"));
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
    for text in ["ana@web-1.example:22", HOST_KEY, "kept, sealed", "start, stop, restart, logs", "remove, pull, deploy"]
    {
        dashboard.shows(text);
    }
    assert!(dashboard.press("n").is_empty());
    dashboard.shows("the policy of web-1 does not allow the verb deploy");
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
