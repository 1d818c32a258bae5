//! Marks in lists, what is done to everything that is marked, and what takes the last act back.

use super::*;
use crate::dashboard::{
    action::Action,
    people::{Change, Changed},
    state::undo::Undo,
    together::{Outcome, Task, Undone},
};

fn named(number: u64, name: &str, status: AppStatus) -> AppSummary {
    AppSummary { id: AppId::from_u64(number), name: name.to_owned(), status, ..app() }
}

/// Four apps, one of them stopped, in the list of apps.
fn apps() -> Dashboard {
    let mut dashboard = Dashboard::filled(Role::Admin);
    let apps = vec![
        named(7, "shop", AppStatus::Running),
        named(8, "blog", AppStatus::Running),
        named(9, "wiki", AppStatus::Stopped),
        named(10, "mail", AppStatus::Running),
    ];
    dashboard.send(Event::Answer(Answer::Apps(Ok(AppListAnswer { apps, total: 4, next_cursor: None }))));
    dashboard.press("2");
    dashboard
}

fn tasks(effects: Vec<Effect>) -> Vec<Task> {
    let several = effects.into_iter().find_map(|effect| match effect {
        Effect::Together { tasks, .. } => Some(tasks),
        _ => None,
    });
    several.expect("something is done to several")
}

fn names(tasks: &[Task]) -> Vec<&str> {
    tasks.iter().map(|task| task.name.as_str()).collect()
}

fn came(dashboard: &mut Dashboard, name: &str, told: Result<Option<Undo>, &str>) {
    let told = told.map_err(|why| Undone::Failed(why.to_owned()));
    dashboard.send(Event::Answer(Answer::OfSeveral(Outcome { name: name.to_owned(), told })));
}

/// What takes the stop of an app back.
fn stopped(name: &str) -> Option<Undo> {
    let stop =
        Operation { kind: OperationKind::StopApp, target: name.to_owned(), ..operation(OperationStatus::Succeeded) };
    Undo::of(&stop)
}

#[test]
fn marked_rows_are_counted_shown_and_let_go_by_escape_one_step_at_a_time() {
    let mut dashboard = apps();
    dashboard.press("space j space");
    dashboard.shows("2 marked");
    dashboard.shows(" S start  T stop  R restart  D remove");
    dashboard.shows("✓ shop");
    dashboard.shows("✓ wiki");
    dashboard.press("/");
    dashboard.type_in("wiki");
    dashboard.shows("1 of 4");
    dashboard.press("enter");
    dashboard.shows("/wiki  1 of 4  2 marked");
    dashboard.press("esc");
    assert!(!dashboard.screen().contains("marked"));
    dashboard.shows("/wiki");
    dashboard.press("esc");
    assert!(!dashboard.screen().contains("/wiki"));
    dashboard.press("g v");
    dashboard.shows("1 marked, moving marks more");
    dashboard.press("G v");
    dashboard.shows("4 marked");
    assert!(!dashboard.screen().contains("moving"));
    dashboard.press("ctrl-a");
    assert!(!dashboard.screen().contains("marked"), "all of them were: now none is");
}

#[test]
fn what_is_done_to_several_names_each_and_says_for_which_it_is_off() {
    let mut dashboard = apps();
    dashboard.press("ctrl-a");
    assert!(dashboard.press("T").is_empty());
    for text in
        ["Stop 3", "- shop on web-1", "- mail on web-1", "Not for 1:", "- wiki on web-1: wiki is stopped already"]
    {
        dashboard.shows(text);
    }
    assert!(dashboard.press("enter").is_empty(), "no has the keys");
    dashboard.press("T tab");
    let tasks = tasks(dashboard.press("enter"));
    assert_eq!(names(&tasks), ["shop on web-1", "blog on web-1", "mail on web-1"]);
    assert!(tasks.iter().all(|task| matches!(task.effect, Effect::Stop(_))), "{tasks:?}");
    assert!(!dashboard.screen().contains("marked"), "they have been used");

    dashboard.press("space T");
    dashboard.shows("stop: 0 of 3 is still under way");
    dashboard.press("q");
    dashboard.shows("what is not begun yet will not be");
    dashboard.press("esc");
    came(&mut dashboard, "shop on web-1", Ok(stopped("shop")));
    dashboard.shows("stop: 1 of 3");
    came(&mut dashboard, "blog on web-1", Err("the policy of web-1 does not allow the verb stop"));
    came(&mut dashboard, "mail on web-1", Ok(stopped("mail")));
    dashboard.shows("stop: 2 done, 1 not");
    dashboard.shows("✗ blog on web-1: the policy of web-1 does not allow the verb stop");
    dashboard.shows("✓ mail on web-1");
    dashboard.press("esc z");
    dashboard.shows("- start mail on web-1");
    dashboard.shows("- start shop on web-1");
    let back = tasks_of_undo(&mut dashboard);
    assert!(back.iter().all(|task| matches!(task.effect, Effect::Start(_))), "{back:?}");
}

fn tasks_of_undo(dashboard: &mut Dashboard) -> Vec<Task> {
    tasks(dashboard.press("tab enter"))
}

#[test]
fn what_is_off_for_all_that_is_marked_is_off() {
    let mut dashboard = apps();
    dashboard.press("j j space S");
    dashboard.shows("Start 1");
    dashboard.press("esc esc g space S");
    dashboard.shows("shop runs already");
    assert!(dashboard.state.layer.is_none());
    dashboard.state.read_only = true;
    dashboard.press("T");
    dashboard.shows("read-only");
}

#[test]
fn removing_several_makes_a_plan_for_each() {
    let mut dashboard = apps();
    dashboard.press("space space D");
    dashboard.shows("Make a plan to remove each of these; its volumes stay");
    let tasks = tasks(dashboard.press("tab enter"));
    assert!(tasks.iter().all(|task| matches!(task.effect, Effect::Remove { volumes: false, .. })), "{tasks:?}");
    assert_eq!(tasks.len(), 2);
    came(&mut dashboard, "shop on web-1", Ok(None));
    came(&mut dashboard, "blog on web-1", Ok(None));
    dashboard.shows("plan to remove: 2 done");
}

#[test]
fn several_plans_are_shown_whole_and_one_that_wants_its_name_typed_is_left_out() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    let second =
        Plan { plan: PlanId::from_u64(10), summary: "deploy blog on web-2".to_owned(), ..plan(Approval::Confirm) };
    let removal = Plan { plan: PlanId::from_u64(11), summary: "remove wiki".to_owned(), ..plan(Approval::Human) };
    let plans = vec![plan(Approval::Confirm), second, removal];
    dashboard.send(Event::Answer(Answer::Plans(Ok(PlanListAnswer { plans }))));
    dashboard.press("3 ctrl-a A");
    for text in ["Approve 2", "- deploy blog on web-2", "- remove wiki: it wants \"shop\" typed", "↓"] {
        dashboard.shows(text);
    }
    dashboard.press("pagedown");
    dashboard.shows("~ image: shop:1.1");
    let tasks = tasks(dashboard.press("tab enter"));
    let approves =
        |task: &Task| matches!(&task.effect, Effect::Approve { request, apply: true } if request.hash == "abc");
    assert!(tasks.len() == 2 && tasks.iter().all(approves), "{tasks:?}");
}

#[test]
fn containers_of_a_server_are_filtered_sorted_and_operated_together() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.press("enter");
    dashboard.answer_view();
    dashboard.press("/");
    dashboard.type_in("image:postgres");
    dashboard.shows("containers (1 of 2)");
    dashboard.press("enter esc C");
    dashboard.shows("CONTAINER▴");
    dashboard.press("C");
    dashboard.shows("CONTAINER▵");
    dashboard.shows("APP▴");
    dashboard.press("ctrl-a T");
    // One is an app's; the host's policy allows stopping the other too.
    dashboard.shows("- db");
    dashboard.shows("- shop, of app shop");
    let tasks = tasks(dashboard.press("tab enter"));
    let of = |name: &str| tasks.iter().find(|task| task.name.starts_with(name)).map(|task| &task.effect);
    assert!(matches!(of("shop"), Some(Effect::Stop(_))), "{tasks:?}");
    assert!(matches!(of("db"), Some(Effect::Operate { action: Action::StopApp, .. })), "{tasks:?}");
}

#[test]
fn agents_of_several_servers_are_updated_but_for_those_that_are_away() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.press("ctrl-a u");
    dashboard.shows("Update the agents of 2");
    dashboard.shows("- web-3: the agent of web-3 is not connected");
    assert_eq!(names(&tasks(dashboard.press("tab enter"))), ["web-1", "web-2"]);
}

#[test]
fn several_logins_tokens_and_keys_end_together_and_the_dashboards_own_is_named_as_such() {
    let mut dashboard = people::opened("m");
    dashboard.press("ctrl-a X");
    for text in ["which is the one of this dashboard", "token ci", "key laptop", "It cannot be taken back"] {
        dashboard.shows(text);
    }
    assert_eq!(tasks(dashboard.press("tab enter")).len(), 4);
}

#[test]
fn the_last_act_is_taken_back_once_after_asking() {
    let mut dashboard = apps();
    dashboard.press("z");
    dashboard.shows("nothing was done here that can be taken back");
    let stop = Operation { kind: OperationKind::StopApp, ..operation(OperationStatus::Running) };
    dashboard.send(Event::Answer(Answer::Started(Ok(Box::new(stop)))));
    dashboard.shows("z takes it back");
    dashboard.press("z");
    dashboard.shows("stop app shop is still under way: it can be taken back when it has ended");
    let ended = Operation { kind: OperationKind::StopApp, ..operation(OperationStatus::Succeeded) };
    dashboard.send(Event::Answer(Answer::Operation(ended.operation.to_string(), Ok(Box::new(ended)))));
    dashboard.press("z");
    dashboard.shows("Take the last change back: start shop on web-1");
    assert!(dashboard.press("enter").is_empty(), "no has the keys, and it can still be taken back");
    dashboard.press("z");
    let effects = dashboard.press("tab enter");
    assert!(matches!(&effects[..], [Effect::Start(app)] if app == "web-1/shop"), "{effects:?}");
    let restart = Operation { kind: OperationKind::RestartApp, ..operation(OperationStatus::Running) };
    dashboard.send(Event::Answer(Answer::Started(Ok(Box::new(restart)))));
    dashboard.press("z");
    dashboard.shows("nothing was done here that can be taken back");
}

#[test]
fn what_is_taken_back_is_what_was_asked_about() {
    let mut dashboard = apps();
    let started = |name: &str| {
        let stop = Operation {
            kind: OperationKind::StopApp,
            target: name.to_owned(),
            ..operation(OperationStatus::Succeeded)
        };
        Event::Answer(Answer::Started(Ok(Box::new(stop))))
    };
    dashboard.send(started("shop"));
    dashboard.press("z");
    dashboard.send(started("blog"));
    assert!(dashboard.press("tab enter").iter().all(|effect| !matches!(effect, Effect::Start(_))));
    dashboard.shows("something else was done meanwhile");
    dashboard.press("z");
    dashboard.shows("start blog on web-1");
}

#[test]
fn images_and_backups_are_marked_too() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    for key in ["enter", "I"] {
        dashboard.press(key);
        dashboard.answer_view();
    }
    dashboard.press("ctrl-a D");
    dashboard.shows("postgres:17 is in use by db");
    let of_stock = tasks(dashboard.press("tab enter"));
    assert!(
        of_stock.len() == 3 && of_stock.iter().all(|task| matches!(task.effect, Effect::Discard { .. })),
        "{of_stock:?}"
    );
    for name in names(&of_stock) {
        came(&mut dashboard, name, Ok(None));
    }
    dashboard.press("B");
    dashboard.answer_view();
    dashboard.press("v V");
    dashboard.shows("Read each of these to its end");
    let of_backups = tasks(dashboard.press("tab enter"));
    assert!(matches!(&of_backups[..], [Task { effect: Effect::TryBackup { .. }, .. }]), "{of_backups:?}");
}

#[test]
fn operations_are_stopped_and_registries_forgotten_together() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    let ended = Operation { operation: OperationId::from_u64(4), ..operation(OperationStatus::Failed) };
    let operations = vec![operation(OperationStatus::Running), ended];
    dashboard.send(Event::Answer(Answer::Operations(Ok(OperationListAnswer { operations }))));
    dashboard.press("4 ctrl-a X");
    dashboard.shows("- deploy_app of shop: the operation has failed");
    let tasks_of_operations = tasks(dashboard.press("tab enter"));
    assert!(matches!(&tasks_of_operations[..], [Task { effect: Effect::Cancel(_), .. }]), "{tasks_of_operations:?}");
    came(&mut dashboard, "deploy_app of shop", Ok(None));
    dashboard.press("6");
    dashboard.answer_view();
    dashboard.press("space D");
    dashboard.shows("sign in as nobody from then on");
    let forgotten = tasks(dashboard.press("tab enter"));
    assert!(matches!(&forgotten[..], [Task { effect: Effect::DeleteRegistry(_), .. }]), "{forgotten:?}");
}

#[test]
fn what_hosts_of_marked_apps_allow_is_asked_before_the_question() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    let on =
        |number, server: &str| AppSummary { server: server.to_owned(), ..named(number, "shop", AppStatus::Running) };
    let apps = vec![on(7, "web-1"), on(8, "web-2"), on(9, "web-2")];
    dashboard.send(Event::Answer(Answer::Apps(Ok(AppListAnswer { apps, total: 3, next_cursor: None }))));
    dashboard.press("2");
    let effects = dashboard.press("ctrl-a");
    let asked: Vec<&str> = effects
        .iter()
        .filter_map(|effect| if let Effect::Policy(server) = effect { Some(server.as_str()) } else { None })
        .collect();
    assert_eq!(asked, ["web-2"], "that of web-1 was asked for with the selected one");
    let policy = PolicySummary { digest: "abc".to_owned(), verbs: vec!["logs".to_owned()], ..PolicySummary::default() };
    dashboard.send(Event::Answer(Answer::Policy("web-2".to_owned(), Some(policy))));
    dashboard.press("T");
    dashboard.shows("- shop on web-2: the policy of web-2 does not allow the verb stop");
}

#[test]
fn a_role_is_given_back() {
    let mut dashboard = people::opened("7 j e");
    dashboard.type_in("v");
    let effects = dashboard.press("ctrl-s");
    let Some(Effect::ChangePeople(Change::Role(set, before))) = effects.into_iter().next() else { panic!("no change") };
    let back = Some(Change::Role(tomo_proto::api::person::SetRole { role: before, ..set }, Role::Viewer));
    let changed = Changed { says: "bo is viewer".to_owned(), back };
    dashboard.send(Event::Answer(Answer::PeopleChanged(Ok(changed))));
    dashboard.shows("bo is viewer; z takes it back");
    dashboard.press("z");
    dashboard.shows("make bo operator again");
}
