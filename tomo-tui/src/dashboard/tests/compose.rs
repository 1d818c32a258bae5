//! A compose file imported: what stands against it, what there is to know, then the plan.

use tomo_proto::api::app::AppDeploy;

use super::*;
use crate::dashboard::layers::{
    compose::{ComposeRequest, Composed},
    deploy::DeployRequest,
};

fn filled_in() -> Dashboard {
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.press("2 I");
    dashboard.shows("Import a compose file");
    dashboard.type_in("shop/compose.yaml");
    dashboard
}

/// The file that is to be read.
fn asked(effects: Vec<Effect>) -> Option<Box<ComposeRequest>> {
    effects.into_iter().find_map(|effect| if let Effect::ReadCompose(request) = effect { Some(request) } else { None })
}

fn sent(effects: Vec<Effect>) -> Option<Box<DeployRequest>> {
    effects.into_iter().find_map(|effect| if let Effect::Deploy(request) = effect { Some(request) } else { None })
}

fn told(dashboard: &mut Dashboard, notes: &[&str]) -> Vec<Effect> {
    let deploy = AppDeploy { server: "web-1".to_owned(), name: "shop".to_owned(), ..AppDeploy::default() };
    let notes = notes.iter().map(|note| (*note).to_owned()).collect();
    dashboard.send(Event::Answer(Answer::Composed(Ok(Box::new(Composed { deploy, notes })))))
}

#[test]
fn what_stands_against_a_compose_file_is_shown_and_nothing_typed_is_lost() {
    let mut dashboard = filled_in();
    let request = asked(dashboard.press("ctrl-s")).expect("the file is read");
    assert_eq!((request.file.file.to_str(), request.file.app), (Some("shop/compose.yaml"), None));
    let lines = ["line 4: privileged: is refused, whatever a host's policy says", "line 9: tty: is not supported"];
    dashboard.send(Event::Answer(Answer::Composed(Err(lines.map(str::to_owned).into()))));
    for text in ["line 4: privileged", "line 9: tty", "shop/compose.yaml"] {
        dashboard.shows(text);
    }
    assert!(asked(dashboard.press("ctrl-s")).is_some(), "it can be tried again");
    dashboard.press("esc");
    dashboard.shows("What you typed is lost");
}

#[test]
fn what_a_compose_file_needs_is_read_before_its_plan_is() {
    let mut dashboard = filled_in();
    dashboard.press("ctrl-s");
    let key = "line 17: secrets.key: is the secret key of the store";
    assert!(sent(told(&mut dashboard, &[key])).is_none(), "its notes come first");
    dashboard.shows("It fits");
    dashboard.shows("secrets.key");
    assert!(asked(dashboard.press("ctrl-s")).is_some());
    // Another note than the one that was read comes first again.
    assert!(sent(told(&mut dashboard, &[key, "line 20: expose: has no effect"])).is_none());
    dashboard.press("ctrl-s");
    let request = sent(told(&mut dashboard, &[key, "line 20: expose: has no effect"])).expect("goes on");
    assert_eq!((request.deploy.name.as_str(), request.named.len()), ("shop", 0));
}
