//! Who may use which tool: every role and every kind of token against every tool, by name.

use std::collections::BTreeSet;

use serde_json::json;
use tomo_proto::{
    api::{
        Effect, Tool,
        audit::AuditSearch,
        person::{CreateToken, CreateUser, DeleteUser, ListSecrets, PersonRequest, SecretText, SetRole, SetSecret},
    },
    error::ErrorCode,
    for_each_tool,
    model::{
        audit::{AuditEntry, AuditOutcome},
        user::{Role, Scope, Selectors},
    },
};
use tomo_tests::{
    agent::TestAgent,
    daemon::{PASSWORD, TestDaemon},
    http::Http,
};

/// What a contract says about its tool.
struct Contract {
    name: &'static str,
    scope: Scope,
    effect: Effect,
    core: bool,
}

impl Contract {
    fn admits(&self, scopes: &BTreeSet<Scope>, person: bool) -> bool {
        scopes.contains(&self.scope) && (person || self.effect != Effect::Person)
    }
}

fn contracts() -> Vec<Contract> {
    let mut all = Vec::new();
    macro_rules! list {
        ($($tool:ty),* $(,)?) => {$(
            all.push(Contract {
                name: <$tool as Tool>::NAME,
                scope: <$tool as Tool>::SCOPE,
                effect: <$tool as Tool>::EFFECT,
                core: <$tool as Tool>::CORE,
            });
        )*};
    }
    use tomo_proto as proto;
    macro_rules! each {
        ($($tool:ty),* $(,)?) => { list!($($tool),*) };
    }
    _ = proto::version::RELEASE;
    for_each_tool!(each);
    all
}

/// Every denial in the audit, oldest first.
async fn denials(daemon: &TestDaemon) -> Vec<AuditEntry> {
    let mut found = Vec::new();
    let mut cursor = None;
    loop {
        let request =
            AuditSearch { outcome: Some(AuditOutcome::Denied), limit: Some(500), cursor, ..AuditSearch::default() };
        let page = daemon.admin().call(&request).await.expect("an admin reads the audit");
        found.extend(page.entries);
        cursor = page.next_cursor;
        if cursor.is_none() {
            found.reverse();
            return found;
        }
    }
}

/// Calls every tool by name; returns those that were denied.
async fn denied_by_name(caller: &Http) -> BTreeSet<String> {
    let mut denied = BTreeSet::new();
    for contract in contracts() {
        // Arguments that no tool takes: whoever is refused learns nothing about them.
        let result = caller.call_by_name(contract.name, json!({"no_such_argument": 1})).await;
        let code = result.code();
        assert!(matches!(code, Some(ErrorCode::Denied | ErrorCode::Invalid)), "{}: {result:?}", contract.name);
        if code == Some(ErrorCode::Denied) {
            denied.insert(contract.name.to_owned());
        }
    }
    denied
}

fn expected_denials(scopes: &BTreeSet<Scope>, person: bool) -> BTreeSet<String> {
    contracts().iter().filter(|contract| !contract.admits(scopes, person)).map(|one| one.name.to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_role_is_refused_what_its_scopes_do_not_cover_and_each_refusal_is_audited() {
    let daemon = TestDaemon::start().await;
    let mut expected = Vec::new();
    for role in Role::ALL {
        let person = daemon.sign_in_as(role).await;
        let refused = denied_by_name(&person).await;
        assert_eq!(refused, expected_denials(&role.scopes(), true), "{role:?}");
        expected.push(refused);
        let listed: BTreeSet<String> = person.mcp("/mcp/full").tool_names().await.into_iter().collect();
        let allowed = contracts().into_iter().filter(|contract| contract.admits(&role.scopes(), true));
        assert_eq!(listed, allowed.map(|contract| contract.name.to_owned()).collect(), "{role:?}");
    }
    assert!(expected[0].len() > 10 && expected[3].is_empty(), "{expected:?}");
    let audited: Vec<String> = denials(&daemon).await.into_iter().map(|row| row.action).collect();
    let wanted: Vec<String> = contracts_in_order(&expected);
    assert_eq!(audited, wanted);
}

/// The names in the order in which they were called, role by role.
fn contracts_in_order(refused: &[BTreeSet<String>]) -> Vec<String> {
    let called = |names: &BTreeSet<String>| {
        contracts().into_iter().map(|one| one.name.to_owned()).filter(|name| names.contains(name)).collect::<Vec<_>>()
    };
    refused.iter().flat_map(called).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_refused_what_its_scopes_do_not_cover_and_a_persons_acts_always() {
    let daemon = TestDaemon::start().await;
    let everything = [Scope::Read, Scope::Audit, Scope::Operate, Scope::Plan, Scope::Deploy];
    let sets = everything.map(|scope| vec![scope]).into_iter().chain([everything.to_vec()]);
    let mut checked = Vec::new();
    for scopes in sets {
        let daemon = &daemon;
        // Side by side: each token has its own rate.
        checked.push(async move {
            let token = daemon.token(&scopes).await;
            let set: BTreeSet<Scope> = scopes.iter().copied().collect();
            let refused = denied_by_name(&token).await;
            assert_eq!(refused, expected_denials(&set, false), "{scopes:?}");
            refused
        });
    }
    let refused = futures::future::join_all(checked).await;
    let with_all = refused.last().expect("the last set is every scope");
    assert!(with_all.contains("plan_approve") && with_all.contains("plan_deny"), "{with_all:?}");
    let audited = denials(&daemon).await;
    assert_eq!(audited.len(), refused.iter().map(BTreeSet::len).sum::<usize>());
    assert!(audited.iter().all(|row| row.actor.starts_with("token:")), "{audited:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_that_a_path_does_not_list_are_refused_by_name_and_audited() {
    let daemon = TestDaemon::start().await;
    let admin = daemon.sign_in_as(Role::Admin).await;
    let mut hidden = 0;
    for path in ["/mcp", "/mcp/readonly"] {
        let mcp = admin.mcp(path);
        let listed = mcp.tool_names().await;
        for contract in contracts() {
            let on_path = if path == "/mcp" { contract.core } else { contract.effect == Effect::Read };
            assert_eq!(listed.contains(&contract.name.to_owned()), on_path, "{path} {}", contract.name);
            if !on_path {
                let result = mcp.call(contract.name, json!({})).await;
                let message = result.error.expect("a hidden tool is refused").message;
                assert!(message.contains(contract.name) && message.contains("no tool"), "{message}");
                hidden += 1;
            }
        }
    }
    let unknown = admin.legacy_mcp("/mcp").await.call("shell_\u{1b}[31mexec", json!({})).await;
    assert!(unknown.error.is_some_and(|error| !error.message.contains('\u{1b}')));
    let audited = denials(&daemon).await;
    assert_eq!(audited.len(), hidden + 1);
    assert!(audited.iter().all(|row| row.action == "mcp.call" && !row.resource.is_empty()), "{audited:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_tool_may_carry_is_closed_to_tokens_and_to_people_without_the_right() {
    let daemon = TestDaemon::start().await;
    let token = daemon.token(&[Scope::Read, Scope::Audit, Scope::Operate, Scope::Plan, Scope::Deploy]).await;
    let deployer = daemon.sign_in_as(Role::Deployer).await;
    let viewer = daemon.sign_in_as(Role::Viewer).await;

    macro_rules! refuses {
        ($request:expr) => {{
            let request = $request;
            for who in [&token, &deployer, &viewer] {
                let refused = who.person(&request).await.expect_err("is refused");
                assert_eq!((refused.status.as_u16(), refused.error.code), (403, ErrorCode::Denied), "{refused:?}");
            }
            path_of(&request)
        }};
    }
    fn path_of<R: PersonRequest>(_request: &R) -> &'static str {
        R::PATH
    }
    let password = SecretText::new(PASSWORD);
    let paths = [
        refuses!(CreateUser { username: "eve".to_owned(), role: Role::Admin, password, email: None }),
        refuses!(SetRole { username: "admin".to_owned(), role: Role::Viewer }),
        refuses!(DeleteUser { username: "admin".to_owned() }),
    ];
    let audited = denials(&daemon).await;
    for path in paths {
        let rows: Vec<&AuditEntry> = audited.iter().filter(|row| row.action == path).collect();
        assert_eq!(rows.len(), 3, "{path}: {audited:?}");
    }
    let stored = token.person(&SetSecret { name: "key".to_owned(), value: SecretText::new("hunter2") }).await;
    assert_eq!(stored.expect_err("is refused").error.code, ErrorCode::Denied);
    assert!(daemon.admin().person(&ListSecrets {}).await.expect("an admin lists").names.is_empty());
    // Nobody hands out more than they have.
    let wider = CreateToken {
        name: "wide".to_owned(),
        scopes: [Scope::Read, Scope::Deploy].into(),
        selectors: Selectors::default(),
        expires_in_days: None,
    };
    let refused = viewer.person(&wider).await.expect_err("is refused");
    assert_eq!(refused.error.field.as_deref(), Some("scopes"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_token_does_not_select_is_not_there_for_it() {
    let daemon = TestDaemon::start().await;
    let _web = TestAgent::synthetic(&daemon, "web-1").await;
    let _storage = TestAgent::synthetic(&daemon, "storage").await;
    let only_web = Selectors { servers: ["web-1".to_owned()].into(), ..Selectors::default() };
    let token = daemon.create_token(&[Scope::Read, Scope::Plan, Scope::Operate], only_web).await;
    let token = daemon.http().bearer(&token);
    let listed = token.call_by_name("server_list", json!({})).await.structured;
    assert_eq!(listed["total"], 1, "{listed}");
    let overview = token.call_by_name("overview", json!({"since_revision": 0})).await.structured.to_string();
    assert!(overview.contains("web-1") && !overview.contains("storage"), "{overview}");
    let agents = token.call_by_name("agent_list", json!({})).await.structured.to_string();
    assert!(agents.contains("web-1") && !agents.contains("storage"), "{agents}");
    // The answer for what is held back is the answer for what does not exist.
    for (tool, arguments) in [
        ("server_get", json!({"server": "NAME"})),
        ("server_metrics", json!({"server": "NAME"})),
        ("app_deploy", json!({"name": "x", "server": "NAME", "spec": {"image": "nginx:1"}})),
    ] {
        let ask = async |name: &str| {
            let arguments: serde_json::Value =
                serde_json::from_str(&arguments.to_string().replace("NAME", name)).expect("is JSON");
            token.call_by_name(tool, arguments).await.error.expect("is refused")
        };
        let (held_back, missing) = (ask("storage").await, ask("nowhere").await);
        assert_eq!(held_back.code, ErrorCode::NotFound, "{tool}: {held_back:?}");
        assert_eq!(held_back.message, missing.message.replace("nowhere", "storage"), "{tool}");
    }
}
