//! The catalog: searched, read, and a template's questions answered.

use tomo_proto::{
    api::catalog::{CatalogEntry, CatalogListAnswer},
    catalog::parse,
    model::catalog::{Template, TemplateSummary},
};

use super::*;
use crate::dashboard::layers::deploy::DeployRequest;

const TEMPLATE: &str = r#"
id = "blocker"
name = "Blocker"
summary = "Blocks ads for a whole network"
description = "A DNS server that leaves out names on its lists. The port for DNS has to be free on the host, which it often is not."
version = "2.4"
template_version = 1
category = "network"
tags = ["dns"]
homepage = "https://blocker.example"
license = "MIT"
image = "blocker/blocker:2.4"
memory_min_mib = 64
disk_min_mib = 300
default_login = "Anybody signs in as admin with no password: change that at once."
post_install = "The page is at /admin."
env = { URL = "{{url}}", PASSWORD = "{{password}}", MODE = "{{mode}}" }
health = { kind = "http", port = 80, path = "/admin/" }
[[questions]]
name = "url"
label = "Address that people use"
description = "With https:// before it."
type = "url"
required = true
[[questions]]
name = "port"
label = "Port of the web page"
type = "port"
default = 8083
[[questions]]
name = "password"
label = "Password"
secret = true
generate = "password:24"
[[questions]]
name = "mode"
label = "Mode"
type = "enum"
choices = ["quiet", "loud"]
default = "quiet"
[[ports]]
container = 80
host = "{{port}}"
description = "Web page"
[[volumes]]
source = "{{app}}-data"
target = "/etc/blocker"
description = "Settings, lists, statistics"
"#;

pub(super) fn template() -> Template {
    parse(TEMPLATE).expect("is a template")
}

pub(super) fn entry() -> CatalogEntry {
    CatalogEntry { source: "built in".to_owned(), template: template() }
}

pub(super) fn catalog() -> CatalogListAnswer {
    let line = |id: &str, name: &str, summary: &str, category: &str, tags: &[&str]| TemplateSummary {
        id: id.to_owned(),
        name: name.to_owned(),
        summary: summary.to_owned(),
        category: category.to_owned(),
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        version: "2.4".to_owned(),
        memory_min_mib: 64,
        source: "built in".to_owned(),
    };
    let templates = vec![
        line("blocker", "Blocker", "Blocks ads for a whole network", "network", &["dns"]),
        line("board", "Board", "Draws figures of everything that is measured", "monitoring", &["charts"]),
    ];
    CatalogListAnswer { templates, problems: vec!["/etc/tomo/catalog/x.toml:12: the tag \"latest\" moves".to_owned()] }
}

fn opened() -> Dashboard {
    let mut dashboard = Dashboard::filled(Role::Admin);
    let effects = dashboard.press("5");
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Catalog)), "{effects:?}");
    dashboard.answer_view();
    dashboard
}

fn form() -> Dashboard {
    let mut dashboard = opened();
    let effects = dashboard.press("n");
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Template(id) if id == "blocker")), "{effects:?}");
    dashboard.answer_view();
    dashboard.shows("Deploy Blocker");
    dashboard
}

/// What the form sends.
fn sent(effects: Vec<Effect>) -> Option<Box<DeployRequest>> {
    effects.into_iter().find_map(|effect| if let Effect::Deploy(request) = effect { Some(request) } else { None })
}

#[test]
fn a_refresh_of_the_catalog_fetches_what_lies_elsewhere() {
    let refreshes = |effects: Vec<Effect>| effects.iter().any(|effect| matches!(effect, Effect::RefreshCatalog));
    assert!(refreshes(opened().press("ctrl-r")));
    assert!(!refreshes(Dashboard::filled(Role::Admin).press("2 ctrl-r")));
    let mut viewer = Dashboard::filled(Role::Viewer);
    assert!(!refreshes(viewer.press("5 ctrl-r")), "a viewer only looks");
}

#[test]
fn the_catalog_is_searched_by_what_an_app_is_for_and_a_template_is_read() {
    let mut dashboard = opened();
    for text in ["Blocker", "Blocks ads", "Board", "left out (1)", "x.toml:12: the tag"] {
        dashboard.shows(text);
    }
    dashboard.press("/ d n s enter");
    dashboard.shows("catalog  /dns");
    assert!(dashboard.screen().contains("Blocker") && !dashboard.screen().contains("Board"));
    dashboard.press("enter");
    dashboard.shows("loading");
    dashboard.answer_view();
    for text in [
        "Blocker 2.4",
        "Anybody signs in as admin",
        "The page is at /admin",
        "64.0M of memory",
        "80  Web page",
        "/etc/blocker  Settings",
        "Port of the web page             8083",
        "Password                         generated",
    ] {
        dashboard.shows(text);
    }
    dashboard.press("esc");
    dashboard.shows("catalog");
}

#[test]
fn an_empty_catalog_says_how_to_get_one() {
    let mut dashboard = Dashboard::filled(Role::Admin);
    dashboard.press("5");
    dashboard.shows("loading");
    dashboard.send(Event::Answer(Answer::Catalog(Ok(CatalogListAnswer::default()))));
    dashboard.shows("the catalog is empty");
    dashboard.shows("[catalog]");
    assert!(dashboard.press("n").is_empty());
    dashboard.shows("no template is selected");
}

#[test]
fn a_template_that_is_gone_says_so() {
    let mut dashboard = opened();
    dashboard.press("enter");
    let error = refused(ErrorCode::NotFound, "there is no template \"blocker\"");
    dashboard.send(Event::Answer(Answer::Template("blocker".to_owned(), Err(error))));
    dashboard.shows("there is no template");
    assert!(dashboard.press("n").is_empty());
    dashboard.shows("the template is not there yet");
}

#[test]
fn questions_are_answered_in_a_form_and_checked_as_one_types() {
    let mut dashboard = form();
    // The name is the template's at first, the server the first one; then come the questions.
    assert!(sent(dashboard.press("ctrl-s")).is_none());
    dashboard.shows("this has to be answered");
    dashboard.type_in("block.example");
    dashboard.press("tab");
    dashboard.shows("is no address");
    dashboard.press("up ctrl-u");
    dashboard.type_in("https://block.example");
    dashboard.press("tab ctrl-u");
    dashboard.type_in("99999");
    assert!(sent(dashboard.press("ctrl-s")).is_none());
    dashboard.shows("is no port");
    dashboard.press("ctrl-u");
    dashboard.type_in("8090");
    dashboard.press("tab tab right");
    let request = sent(dashboard.press("ctrl-s")).expect("is complete");
    let deploy = &request.deploy;
    assert_eq!((deploy.name.as_str(), deploy.server.as_str()), ("blocker", "web-1"));
    assert_eq!((deploy.template.as_deref(), &deploy.spec), (Some("blocker"), &AppSpec::default()));
    let answers: Vec<_> = deploy.answers.iter().map(|(name, answer)| format!("{name}={answer}")).collect();
    assert_eq!(answers, ["mode=loud", "port=8090", "url=https://block.example"]);
    assert_eq!((request.secrets.len(), request.generate.len()), (0, 1));
    // The plan lies over the form, and the way back leads to what was typed.
    dashboard.send(Event::Answer(Answer::Planned(Ok(Box::new(plan(Approval::Confirm))), Vec::new())));
    dashboard.shows("Approve and apply");
    dashboard.press("esc");
    dashboard.shows("https://block.example");
}

#[test]
fn a_typed_secret_goes_its_own_way_and_is_never_shown() {
    let mut dashboard = form();
    dashboard.press("tab tab");
    dashboard.type_in("https://block.example");
    dashboard.press("tab tab");
    dashboard.type_in("hunter2");
    assert!(!dashboard.screen().contains("hunter2"));
    let request = sent(dashboard.press("ctrl-s")).expect("is complete");
    assert_eq!((request.secrets[0].0.as_str(), request.generate.len()), ("password", 0));
    assert!(!format!("{request:?}").contains("hunter2") && !request.deploy.answers.contains_key("password"));
}

#[test]
fn a_refusal_is_told_at_its_question() {
    let mut dashboard = form();
    dashboard.press("tab tab");
    dashboard.type_in("https://block.example");
    for (field, message) in [
        ("answers.port", "question port: it does not fit"),
        ("ports", "host port 8083 of server \"web-1\" belongs to app \"shop\""),
    ] {
        assert!(sent(dashboard.press("ctrl-s")).is_some());
        let error = ApiError::new(ErrorCode::Conflict, message).with_field(field);
        dashboard.send(Event::Answer(Answer::Planned(Err(ClientError::Api(error)), Vec::new())));
        let screen = dashboard.screen();
        let lines: Vec<&str> = screen.lines().collect();
        let at = lines.iter().position(|line| line.contains("Port of the web page")).expect("is there");
        assert!(lines[at + 1].contains("✗ "), "{screen}");
    }
    let error = ApiError::new(ErrorCode::Denied, "the policy of web-1 says no").with_field("spec.image");
    assert!(sent(dashboard.press("ctrl-s")).is_some());
    dashboard.send(Event::Answer(Answer::Planned(Err(ClientError::Api(error)), Vec::new())));
    dashboard.shows("the policy of web-1 says no");
}
