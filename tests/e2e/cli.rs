//! The command line as scripts and people use it: every subcommand, its JSON, its exit code.

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    process::Command,
};
use tomo_proto::{
    model::user::{Role, Scope, Selectors},
    text::is_display_safe,
};
use tomo_tests::{
    agent::{ALLOW_ALL, TestAgent},
    cli::{Output, Tomo, run},
    daemon::{ADMIN, PASSWORD, Setup, TestDaemon},
    docker::{Image, unique},
    eventually::eventually,
    http::Http,
    terminal::{Key, Terminal},
};

/// Runs a subcommand for people and for programs; the latter's value. Neither shows what a terminal would act on.
async fn both(tomo: &Tomo, arguments: &[&str]) -> Value {
    let text = tomo.run(arguments).await.ok();
    assert!(!text.stdout.trim().is_empty(), "{arguments:?} says nothing");
    assert!(serde_json::from_str::<Value>(&text.stdout).is_err(), "{arguments:?} is JSON without --json");
    let json = tomo.run(arguments.iter().chain(&["--json"])).await.ok();
    for shown in [&text.stdout, &text.stderr, &json.stdout] {
        assert!(shown.chars().all(|one| one == '\n' || is_display_safe(one)), "{arguments:?}: {shown:?}");
    }
    json.json()
}

fn assert_failed(output: &Output, code: i32, words: &[&str]) {
    assert_eq!(output.code, Some(code), "{output:?}");
    assert!(output.stdout.is_empty(), "an error is no output: {output:?}");
    for word in words {
        assert!(output.stderr.contains(word), "\"{word}\" is missing: {output:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_reading_subcommand_has_a_table_and_json() {
    let daemon = TestDaemon::start().await;
    let _agent = TestAgent::synthetic(&daemon, "web-1").await;
    let tomo = Tomo::at_socket(&daemon);
    let up = async || (tomo.run(["overview", "--json"]).await.ok().json()["servers"]["up"] == 1).then_some(());
    eventually("web-1 is up", up).await;
    assert_eq!(both(&tomo, &["whoami"]).await["actor"], "socket:root");
    assert_eq!(both(&tomo, &["overview"]).await["servers"]["up"], 1);
    assert_eq!(both(&tomo, &["server", "list"]).await[0]["name"], "web-1");
    assert_eq!(both(&tomo, &["server", "list", "web"]).await[0]["name"], "web-1");
    assert_eq!(both(&tomo, &["server", "get", "web-1"]).await["name"], "web-1");
    let sampled = async || {
        let cpu = tomo.run(["server", "metrics", "web-1", "cpu", "--since", "10m", "--json"]).await.ok().json();
        cpu["series"].as_array().is_some_and(|series| !series.is_empty()).then_some(())
    };
    eventually("there are samples", sampled).await;
    both(&tomo, &["server", "metrics", "web-1", "cpu"]).await;
    assert_eq!(both(&tomo, &["agent", "list"]).await[0]["server"], "web-1");
    assert!(both(&tomo, &["app", "list"]).await.as_array().is_some_and(Vec::is_empty));
    assert!(both(&tomo, &["plan", "list"]).await.is_array());
    assert!(both(&tomo, &["operation", "list"]).await.is_array());
    assert!(both(&tomo, &["audit", "search"]).await.as_array().is_some_and(|rows| !rows.is_empty()));
    assert!(both(&tomo, &["audit", "search", "--actor", "nobody"]).await.as_array().is_some_and(Vec::is_empty));
    assert_eq!(both(&tomo, &["audit", "verify"]).await.get("broken"), None);
    assert_eq!(both(&tomo, &["settings", "get"]).await["sample_interval_secs"], 10);
    assert_eq!(both(&tomo, &["user", "list"]).await[0]["name"], ADMIN);
    assert!(both(&tomo, &["token", "list"]).await.is_array());
}

#[tokio::test(flavor = "multi_thread")]
async fn people_tokens_secrets_and_agents_are_managed() {
    let daemon = TestDaemon::start().await;
    let tomo = Tomo::at_socket(&daemon);
    let with = async |arguments: &[&str], input: &str| tomo.run_with_input(arguments, input).await;

    let made = with(&["user", "create", "ana", "--role", "operator", "--json"], PASSWORD).await.ok().json();
    assert_eq!((&made["name"], &made["role"]), (&"ana".into(), &"operator".into()));
    assert!(with(&["user", "create", "ben"], PASSWORD).await.ok().stdout.contains("ben is viewer"));
    assert_failed(&with(&["user", "create", "ana"], PASSWORD).await, 1, &["\"ana\" already"]);
    assert_failed(&with(&["user", "create", "eve"], "short").await, 2, &["at least 10 characters"]);
    assert_failed(&with(&["user", "create", "Eve!"], PASSWORD).await, 2, &["a name has"]);
    assert_failed(&with(&["user", "create", "eve", "--role", "king"], PASSWORD).await, 2, &["viewer"]);
    assert_eq!(tomo.run(["user", "role", "ana", "deployer", "--json"]).await.ok().json()["role"], "deployer");
    assert_failed(&tomo.run(["user", "role", "anna", "viewer"]).await, 1, &["\"anna\"", "ana"]);
    assert_failed(&tomo.run(["user", "delete", ADMIN, "--yes"]).await, 1, &["admin"]);

    // Everything a person does alone.
    let person = Tomo::at(&daemon);
    let login = ["login", "--user", "ana", "--password-stdin", "--json"];
    let said = person.run_with_input(login, PASSWORD).await.ok().json();
    assert_eq!((&said["username"], &said["role"]), (&"ana".into(), &"deployer".into()));
    let listed = both(&person, &["user", "sessions"]).await;
    let session = listed[0]["id"].as_str().expect("an id").to_owned();
    let passwords = format!("{PASSWORD}\nanother good one");
    let changed = person.run_with_input(["user", "password", "--json"], &passwords).await.ok();
    assert!(changed.json().is_object());
    assert_eq!(both(&person, &["whoami"]).await["actor"], "user:ana");
    assert_eq!(tomo.run(["user", "end-session", &session, "--json"]).await.ok().json()["user_name"], "ana");
    assert_failed(&person.run(["whoami"]).await, 4, &["not signed in", "tomo login"]);

    let made = tomo.run(["token", "create", "pipeline", "--scope", "read", "--days", "7", "--json"]).await.ok().json();
    let secret = made["secret"].as_str().expect("a secret").to_owned();
    let by_token = Tomo::at(&daemon).env("TOMO_TOKEN", &secret);
    assert_eq!(both(&by_token, &["whoami"]).await["scopes"], serde_json::json!(["read"]));
    let for_ai = tomo.run(["token", "create", "robot", "--for", "ai"]).await.ok();
    assert!(for_ai.stdout.trim().starts_with("tomo_") && for_ai.stderr.contains("shown once"), "{for_ai:?}");
    assert!(!both(&tomo, &["token", "list"]).await.to_string().contains(&secret));
    assert_failed(&tomo.run(["token", "create", "boss", "--scope", "admin"]).await, 2, &["admin"]);
    assert_failed(&tomo.run(["token", "create", "x", "--scope", "fly"]).await, 2, &["read, audit, operate"]);
    assert_failed(&tomo.run(["token", "revoke", "pipelin"]).await, 1, &["\"pipelin\"", "\"pipeline\""]);
    assert_eq!(tomo.run(["token", "revoke", "pipeline", "--json"]).await.ok().json()["name"], "pipeline");
    let unknown = ["does not know this API token", "expired or was revoked", "tomo token create NAME --for ai"];
    assert_failed(&by_token.run(["whoami"]).await, 4, &unknown);
    assert_failed(&tomo.run(["--token", "tomo_bogus", "secret", "list"]).await, 4, &unknown);

    let stored = with(&["secret", "set", "db-password", "--json"], "hunter2\n").await.ok().json();
    assert_eq!(stored["reference"], "secret://db-password");
    assert_eq!(both(&tomo, &["secret", "list"]).await, serde_json::json!(["db-password"]));
    assert_eq!(
        tomo.run(["secret", "delete", "db-password", "--yes", "--json"]).await.ok().json()["name"],
        "db-password"
    );
    let gone = tomo.run(["secret", "delete", "db-password", "--yes"]).await;
    assert_failed(&gone, 1, &["db-password", "there are none yet", "next: tomo secret set NAME"]);

    let enrolment = tomo.run(["agent", "token", "web-9", "--label", "env=test", "--json"]).await.ok().json();
    assert_eq!(enrolment["server"], "web-9");
    assert_failed(&tomo.run(["agent", "token", "web-9", "--label", "env"]).await, 2, &["KEY=VALUE"]);
    assert_failed(&tomo.run(["agent", "revoke", "web-8", "--yes"]).await, 1, &["web-8", "tomo agent token"]);
    let agent = TestAgent::synthetic(&daemon, "db-1").await;
    let revoked = tomo.run(["agent", "revoke", "db-1", "--reason", "sold", "--yes", "--json"]).await.ok().json();
    assert_eq!(revoked["server"], "db-1");
    let listed = tomo.run(["server", "list"]).await.ok();
    assert!(listed.stdout.lines().any(|line| line.starts_with("db-1") && line.contains("no agent")), "{listed:?}");
    agent.stop().await;

    assert_eq!(tomo.run(["user", "delete", "ben", "--yes", "--json"]).await.ok().json()["username"], "ben");
    let everything = tomo.run(["audit", "search", "--limit", "500", "--json"]).await.ok().stdout;
    for canary in ["hunter2", PASSWORD, "another good one", secret.as_str()] {
        assert!(!everything.contains(canary), "the audit holds {canary}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_is_deployed_followed_and_removed() {
    let daemon = TestDaemon::start().await;
    let server = "here";
    let _agent = TestAgent::start(&daemon, server, ALLOW_ALL).await;
    let image = Image::web();
    let name = unique("cli");
    let tomo = Tomo::at_socket(&daemon);
    let port = free_port().await;
    let ports = format!("127.0.0.1:{port}:8080");
    let deploy = ["app", "deploy", &name, "--server", server, "--image", image.name(), "--port", &ports];
    let deploy = |more: &[&'static str]| -> Vec<String> {
        deploy.iter().copied().chain(more.iter().copied()).map(str::to_owned).collect()
    };

    assert_failed_with_plan(&tomo.run(deploy(&[])).await);
    let waiting = tomo.run(["plan", "list", "--json"]).await.ok().json();
    assert_eq!(waiting[0]["status"], "pending", "{waiting}");
    let plan = waiting[0]["plan"].as_str().expect("an id").to_owned();
    both(&tomo, &["plan", "get", &plan]).await;
    assert_failed(&tomo.run(["plan", "apply", &plan]).await, 5, &["approve"]);
    let denied = tomo.run(["plan", "deny", &plan, "--reason", "not today", "--json"]).await.ok().json();
    assert_eq!(denied["status"], "denied");
    assert_ne!(tomo.run(["plan", "apply", &plan]).await.code, Some(0));

    let operation = tomo.run(deploy(&["--yes", "--json"])).await.ok().json();
    assert_eq!(operation["status"], "succeeded", "{operation}");
    let id = operation["operation"].as_str().expect("an id").to_owned();
    both(&tomo, &["operation", "get", &id]).await;
    let web = Http::tcp(&format!("http://127.0.0.1:{port}"), &daemon.data().join("ca.pem"));
    let page = web.get("/").send().await.expect("serves").text().await.expect("text");
    assert_eq!(page, "hello from busybox\n");
    assert_eq!(both(&tomo, &["app", "list"]).await[0]["name"], name.as_str());
    assert_eq!(both(&tomo, &["app", "get", &name]).await["status"], "running");
    let logged = async || {
        let logs = tomo.run(["app", "logs", &name, "--json"]).await.ok().stdout;
        logs.lines().any(|line| serde_json::from_str::<Value>(line).is_ok()).then_some(())
    };
    eventually("the request is in the log", logged).await;
    assert!(!tomo.run(["app", "logs", &name]).await.ok().stdout.is_empty());
    assert_failed(&tomo.run(["app", "get", &name[..name.len() - 1]]).await, 1, &["nearest", &name]);
    for (verb, status) in [("stop", "stopped"), ("start", "running"), ("restart", "running")] {
        let done = tomo.run(["app", verb, &name, "--json"]).await.ok().json();
        assert_eq!(done["status"], "succeeded", "{verb}: {done}");
        let reached =
            async || (tomo.run(["app", "get", &name, "--json"]).await.ok().json()["status"] == status).then_some(());
        eventually(&format!("after {verb} it is {status}"), reached).await;
    }
    assert_failed_with_plan(&tomo.run(["app", "remove", &name, "--yes"]).await);
    let removed = tomo.run(["app", "remove", &name, "--name", &name]).await.ok();
    assert!(removed.stdout.contains("succeeded"), "{removed:?}");
    assert!(tomo.run(["app", "list", "--json"]).await.ok().json().as_array().is_some_and(Vec::is_empty));
    assert_eq!(image.containers(), Vec::<String>::new());
}

/// Nobody agreed: the plan is shown and stays open.
fn assert_failed_with_plan(output: &Output) {
    assert_eq!(output.code, Some(5), "{output:?}");
    assert!(output.stdout.contains("plan-") && output.stderr.contains("next: tomo plan approve"), "{output:?}");
}

async fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    listener.local_addr().expect("an address").port()
}

#[tokio::test(flavor = "multi_thread")]
async fn exit_codes_are_those_of_the_manual_and_errors_name_the_next_step() {
    let daemon = TestDaemon::start().await;
    let _agent = TestAgent::synthetic(&daemon, "web-1").await;
    let tomo = Tomo::at_socket(&daemon);
    let viewer = {
        daemon.create_user("vic", Role::Viewer).await;
        let shell = Tomo::at(&daemon);
        drop(shell.run_with_input(["login", "--user", "vic", "--password-stdin"], PASSWORD).await.ok());
        shell
    };
    // 1: it did not work.
    assert_failed(
        &tomo.run(["server", "get", "web-2"]).await,
        1,
        &["there is no server \"web-2\"", "nearest: \"web-1\""],
    );
    assert_failed(&tomo.run(["operation", "get", "op-nothing"]).await, 1, &["op-nothing"]);
    assert_failed(&tomo.run(["settings", "set", "colour=red"]).await, 1, &["colour", "known:"]);
    // 2: it was not understood.
    for wrong in [
        vec!["no-such-subcommand"],
        vec!["server", "get"],
        vec!["app", "deploy", "x"],
        vec!["--no-such-option", "whoami"],
        vec!["completions", "word"],
    ] {
        assert_failed(&tomo.run(&wrong).await, 2, &["--help"]);
    }
    let deploy = |flag: &'static str, value: &'static str| {
        ["app", "deploy", "x", "--server", "web-1", "--image", "x:1", flag, value].map(str::to_owned).to_vec()
    };
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    for (wrong, said) in [
        (deploy("--port", "abc"), "HOST:CONTAINER"),
        (
            deploy("--port", "99999:80"),
            "\"99999:80\" publishes no port: write HOST:CONTAINER, two numbers from 1 to 65535",
        ),
        (deploy("--env", "abc"), "KEY=VALUE"),
        (deploy("--volume", "abc"), "SOURCE:TARGET"),
        (deploy("--memory", "much"), "256M"),
        (deploy("--health", "icmp"), "http:PORT/PATH"),
        (deploy("--restart", "maybe"), "on-failure"),
        (words(&["app", "deploy", "Bad!", "--server", "web-1", "--image", "x:1"]), "a name has"),
        (words(&["app", "deploy", "x", "--server", "web-1", "--image", "untagged"]), "tag"),
        (
            words(&["app", "deploy", "x", "--server", "web-1", "--image", "Not An Image"]),
            "\"Not An Image\" is not an image",
        ),
        (words(&["app", "logs", "x", "--tail", "abc"]), "'abc' for '--tail <TAIL>': write how many, as a number"),
        (words(&["server", "add", "x", "--host", "h", "--user", "u", "--port", "70000"]), "a number from 1 to 65535"),
        (words(&["audit", "search", "--outcome", "maybe"]), "intent, ok, failed or denied"),
        (words(&["audit", "search", "--since", "yesterday"]), "since"),
        (words(&["vault", "rotate"]), "standard input is empty: there is no master password on it"),
        (words(&["server", "metrics", "web-1", "cpu", "--since", "yesterday"]), "since"),
        (words(&["settings", "set", "session_hours"]), "NAME=VALUE"),
        (words(&["settings", "set", "session_hours=many"]), "whole number"),
        (words(&["agent", "token", "Web 1"]), "a name has"),
        (words(&["secret", "set", "../x"]), "a name has"),
        (words(&["token", "create", "x", "--for", "dogs"]), "ai"),
        (words(&["mcp", "config", "emacs"]), "codex"),
        (words(&["--fingerprint", "12", "whoami"]), "64 hex digits"),
        (words(&["--profile", "../x", "whoami"]), "a name has"),
        (words(&["--url", "nowhere", "whoami"]), "https://"),
    ] {
        assert_failed(&tomo.run(&wrong).await, 2, &[said]);
    }
    assert!(tomo.run(["servr", "list"]).await.stderr.contains("server"), "the nearest is offered");
    // 3: nobody is there.
    let nowhere = Tomo::new().env("TOMO_URL", "unix:/nonexistent/tomo.sock");
    assert_failed(&nowhere.run(["whoami"]).await, 3, &["/nonexistent/tomo.sock", "next:"]);
    let nowhere = Tomo::new().env("TOMO_URL", &format!("http://127.0.0.1:{}", free_port().await));
    assert_failed(&nowhere.run(["whoami"]).await, 3, &["refused", "next:"]);
    assert_failed(
        &nowhere.run_with_input(["login", "--user", "a", "--password-stdin"], PASSWORD).await,
        3,
        &["refused"],
    );
    let plain = Tomo::new().env("TOMO_URL", &daemon.url().replace("http:", "https:"));
    assert_failed(&plain.run(["whoami"]).await, 3, &["does not speak TLS", "http://"]);
    // 4: the daemon said no.
    assert_failed(&Tomo::at(&daemon).run(["whoami"]).await, 4, &["not signed in", "tomo login"]);
    assert_failed(&viewer.run(["audit", "search"]).await, 4, &["audit"]);
    assert_failed(&viewer.run(["user", "delete", "vic", "--yes"]).await, 4, &["admin"]);
    let rows = |more: &[&'static str]| [&["audit", "search", "--json", "--actor", "user:vic"][..], more].concat();
    let denied = tomo.run(rows(&["--outcome", "denied", "--since", "1h"])).await.ok().json();
    let denied = denied.as_array().expect("rows");
    assert!(!denied.is_empty() && denied.iter().all(|row| row["outcome"] == "denied"), "{denied:?}");
    let none = tomo.run(rows(&["--since", "2100-01-01T00:00:00Z"])).await.ok().json();
    assert_eq!(none.as_array().map(Vec::len), Some(0), "{none}");
    let wrong =
        Tomo::at(&daemon).run_with_input(["login", "--user", "vic", "--password-stdin"], "not the password").await;
    assert_failed(&wrong, 4, &["the name or the password is wrong"]);
    // 5: somebody has to agree.
    let planned = tomo.run(["settings", "set", "session_hours=24"]).await;
    assert_failed_with_plan(&planned);
    assert_failed_with_plan(&tomo.run(["server", "remove", "web-1", "--yes"]).await);
    let wrong_name = tomo.run(["server", "remove", "web-1", "--name", "web-2"]).await;
    assert_eq!(wrong_name.code, Some(2), "{wrong_name:?}");
    // 0: agreed by name.
    let removed = tomo.run(["server", "remove", "web-1", "--name", "web-1", "--json"]).await.ok().json();
    assert_eq!(removed["status"], "succeeded", "{removed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_not_there_is_answered_with_those_that_are() {
    let daemon = TestDaemon::start().await;
    let tomo = Tomo::at_socket(&daemon);
    let deploy = ["app", "deploy", "x", "--server", "nope", "--image", "x:1"];
    let first = ["there is no server \"nope\"; there are none yet", "tomo agent token NAME"];
    assert_failed(&tomo.run(deploy).await, 1, &first);
    assert_failed(&tomo.run(["server", "get", "nope"]).await, 1, &first);
    let first = ["there is no app \"nope\"; there are none yet", "next: tomo app deploy NAME --server"];
    for verb in ["get", "logs", "start", "stop", "restart", "remove"] {
        assert_failed(&tomo.run(["app", verb, "nope"]).await, 1, &first);
    }
    assert_failed(&tomo.run(["token", "revoke", "nope"]).await, 1, &["there are none yet", "next: tomo token create"]);
    let _agent = TestAgent::synthetic(&daemon, "web-1").await;
    for wrong in [
        &deploy as &[&str],
        &["server", "get", "nope"],
        &["server", "metrics", "nope"],
        &["server", "remove", "nope"],
        &["agent", "revoke", "nope", "--yes"],
    ] {
        assert_failed(&tomo.run(wrong).await, 1, &["\"nope\"; known: \"web-1\"", "next: tomo server list"]);
    }
    let words = ["there is no metric \"cpuu\"", "next: tomo server metrics web-1\n"];
    assert_failed(&tomo.run(["server", "metrics", "web-1", "cpuu"]).await, 1, &words);
    let of_no_app = tomo.run(["server", "metrics", "web-1", "--app", "nope"]).await;
    assert_failed(&of_no_app, 1, &["there is no app \"web-1/nope\"", "next: tomo app"]);
    assert_failed(&tomo.run(["user", "role", "nope", "viewer"]).await, 1, &["known: \"admin\"", "tomo user list"]);
    assert_failed(&tomo.run(["user", "delete", "nope", "--yes"]).await, 1, &["known: \"admin\"", "tomo user list"]);
    assert_failed(&tomo.run(["user", "end-session", "nope"]).await, 1, &["\"nope\"", "next: tomo user sessions"]);
    for noun in ["plan", "operation"] {
        let listed = format!("next: tomo {noun} list");
        assert_failed(&tomo.run([noun, "get", "nope"]).await, 1, &["\"nope\"", &listed]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_next_step_leads_to_the_daemon_that_the_person_named_and_an_applied_plan_is_not_applied_twice() {
    let daemon = TestDaemon::start().await;
    let tomo = Tomo::new();
    let url = format!("unix:{}", daemon.socket().display());
    let at = |arguments: &[&str]| -> Vec<String> {
        ["--url", &url].iter().chain(arguments).map(|word| (*word).to_owned()).collect()
    };
    let planned = tomo.run(at(&["settings", "set", "session_hours=24"])).await;
    assert_eq!(planned.code, Some(5), "{planned:?}");
    let next =
        planned.stderr.lines().find_map(|line| line.strip_prefix("next: tomo ")).expect("a next step").to_owned();
    assert!(next.starts_with(&format!("--url {url} plan approve plan-")), "{next}");
    let approved = tomo.run(next.split(' ')).await.ok().stdout;
    let (_, apply) = approved.split_once("`tomo ").expect("a next step");
    let apply: Vec<&str> = apply.trim_end().trim_end_matches('`').split(' ').collect();
    let said = tomo.run(&apply).await.ok().stdout;
    assert!(said.contains("succeeded") && !said.contains("already"), "{said}");
    let again = tomo.run(&apply).await.ok().stdout;
    for word in ["applied already", "by socket:root", "as op-", "nothing runs anew", "succeeded"] {
        assert!(again.contains(word), "\"{word}\" is missing: {again}");
    }
    let json = tomo.run(apply.iter().chain(&["--json"])).await.ok().json();
    assert_eq!((&json["applied_before"], &json["status"]), (&true.into(), &"succeeded".into()), "{json}");
    let plan = *apply.last().expect("a plan");
    let shown = tomo.run(at(&["plan", "get", plan])).await.ok().stdout;
    assert!(
        shown.contains("(applied, succeeded)")
            && shown.contains("became op-")
            && shown.contains("decided by socket:root"),
        "{shown}"
    );
    let listed = tomo.run(at(&["plan", "list"])).await.ok().stdout;
    assert!(listed.contains("applied, succeeded"), "{listed}");
    let refused = tomo.run(["--url", daemon.url(), "--profile", "other", "whoami"]).await;
    let next = format!("next: tomo --url {} --profile other login", daemon.url());
    assert_failed(&refused, 4, &[&next]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_taken_back_asks_first() {
    let daemon = TestDaemon::start().await;
    let agent = TestAgent::synthetic(&daemon, "web-1").await;
    let tomo = Tomo::at_socket(&daemon);
    drop(tomo.run_with_input(["secret", "set", "key"], "x").await.ok());
    for arguments in [["agent", "revoke", "web-1"], ["secret", "delete", "key"], ["user", "delete", ADMIN]] {
        assert_failed(&tomo.run(arguments).await, 2, &["asks first", "--yes"]);
    }
    let state = async || tomo.run(["agent", "list", "--all", "--json"]).await.ok().json()[0]["state"].clone();
    for (answer, code, said) in [("n", 4, "nothing was changed"), ("y", 0, "is shut out")] {
        assert_ne!(state().await, "revoked");
        let mut terminal = Terminal::start("tomo", &["agent", "revoke", "web-1"], tomo.environment(), 100, 20);
        terminal.wait_for("Shut the agent of web-1 out").await;
        terminal.type_text(answer);
        terminal.press(Key::Enter);
        assert_eq!(terminal.wait_for_exit().await.exit_code(), code, "{terminal:?}");
        assert!(terminal.text().contains(said), "{terminal:?}");
    }
    assert_eq!(state().await, "revoked");
    agent.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_entry_for_an_ai_tool_has_the_address_of_the_daemon_that_is_talked_to() {
    let daemon = TestDaemon::start().await;
    let tomo = Tomo::at_socket(&daemon);
    let entry = tomo.run(["mcp", "config", "claude"]).await.ok();
    assert_eq!(entry.json()["mcpServers"]["tomo"]["url"], format!("{}/mcp", daemon.url()));
    assert!(entry.stderr.contains("--port 8666"), "the port is another one next time: {entry:?}");
    let stdio = tomo.run(["mcp", "config", "claude", "--stdio"]).await.ok().json();
    let url = format!("unix:{}", daemon.socket().display());
    assert_eq!(stdio["mcpServers"]["tomo"]["args"], serde_json::json!(["mcp", "--url", url]));
    let nowhere = Tomo::new().env("TOMO_URL", "unix:/nonexistent/tomo.sock");
    assert_failed(&nowhere.run(["mcp", "config", "claude"]).await, 3, &["/nonexistent/tomo.sock", "next:"]);
}

/// Checks that the help of a subcommand, and of those below it, keeps within a width.
async fn check_help(tomo: &Tomo, words: Vec<String>, width: usize) -> usize {
    let mut checked = 1;
    for flag in ["-h", "--help"] {
        let help = tomo.run(words.iter().map(String::as_str).chain([flag])).await.ok().stdout;
        let wide: Vec<_> = help.lines().filter(|line| line.chars().count() > width).collect();
        assert!(wide.is_empty(), "{words:?} {flag} at {width}: {wide:?}");
        let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
        let names =
            commands.filter_map(|line| line.strip_prefix("  ")?.split(' ').next().filter(|word| !word.is_empty()));
        for name in names.filter(|name| flag == "-h" && *name != "help") {
            let below = words.iter().cloned().chain([name.to_owned()]).collect();
            checked += Box::pin(check_help(tomo, below, width)).await;
        }
    }
    checked
}

#[tokio::test(flavor = "multi_thread")]
async fn every_help_fits_a_narrow_terminal() {
    for width in [60, 80] {
        let tomo = Tomo::new().env("COLUMNS", &width.to_string());
        assert!(check_help(&tomo, Vec::new(), width).await > 50, "every subcommand was looked at");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn login_pins_the_certificate_and_refuses_another() {
    let mut daemon = Setup::default().set("HTTP__LISTEN", "0.0.0.0:0").spawn().await;
    let shown = daemon.program().logged("tls=").await;
    let shown = shown.trim_matches('"').to_owned();
    let person = Tomo::at(&daemon);
    let login = ["login", "--user", ADMIN, "--password-stdin"];
    // Nobody has vouched for it: it gets no password.
    assert_failed(
        &person.run_with_input(login, PASSWORD).await,
        4,
        &["not known here", &format!("--fingerprint {shown}")],
    );
    assert_failed(&person.run(["whoami"]).await, 4, &["not known here", "nothing is sent", &shown]);
    let other = "0".repeat(64);
    let wrong = person.run_with_input(login.into_iter().chain(["--fingerprint", &other]), PASSWORD).await;
    assert_failed(&wrong, 4, &["not the pinned one"]);
    let tried = Tomo::at_socket(&daemon).run(["audit", "search", "--action", "auth.login", "--json"]).await.ok().json();
    assert!(tried.as_array().is_some_and(Vec::is_empty), "a password was sent: {tried}");
    // On a terminal the person is asked, before the password is.
    for (answer, accepted) in [("n", false), ("y", true)] {
        let mut terminal = Terminal::start("tomo", &["login", "--user", ADMIN], person.environment(), 100, 20);
        terminal.wait_for("Is it the same?").await;
        let text = terminal.text();
        assert!(text.contains(&shown) && shown.len() == 64 && !text.contains("Password"), "{text} {shown}");
        terminal.type_text(answer);
        terminal.press(Key::Enter);
        if accepted {
            terminal.wait_for_secret("Password").await;
            terminal.type_text(PASSWORD);
            terminal.press(Key::Enter);
        }
        let status = terminal.wait_for_exit().await;
        assert_eq!(status.exit_code(), if accepted { 0 } else { 4 }, "{terminal:?}");
    }
    assert_eq!(both(&person, &["whoami"]).await["actor"], "user:admin");
    // The dashboard, which would ask for the password itself, asks about the certificate first.
    let stranger = Tomo::at(&daemon);
    let mut terminal = Terminal::start("tomo", &[], stranger.environment(), 100, 20);
    terminal.wait_for("Is it the same?").await;
    terminal.press(Key::Enter);
    assert_eq!(terminal.wait_for_exit().await.exit_code(), 4, "{terminal:?}");

    // A token is not sent to a daemon that nobody has pinned.
    let token = daemon.create_token(&[Scope::Read], Selectors::default()).await;
    let program = Tomo::at(&daemon).env("TOMO_TOKEN", &token);
    assert_failed(&program.run(["whoami"]).await, 4, &["certificate is not known", &shown]);
    let program = program.env("TOMO_FINGERPRINT", &shown);
    assert_eq!(program.run(["whoami", "--json"]).await.ok().json()["person"], false);
    let program = program.env("TOMO_FINGERPRINT", &"0".repeat(64));
    assert_failed(&program.run(["whoami"]).await, 4, &["not the pinned one", &shown]);

    // Somebody else answers at that address.
    daemon.halt().await;
    std::fs::remove_file(daemon.data().join("http.pem")).expect("is there");
    daemon.respawn().await;
    assert_failed(&person.run(["whoami"]).await, 4, &["not the pinned one", &shown, "tomo logout"]);
    let again = person.run_with_input(login, PASSWORD).await;
    assert_failed(&again, 4, &["not the pinned one"]);
    assert_eq!(person.run(["logout"]).await.code, Some(4), "the daemon could not be told");
    let shown = daemon.program().logged("tls=").await;
    let login = login.into_iter().chain(["--fingerprint", shown.trim_matches('"')]);
    drop(person.run_with_input(login, PASSWORD).await.ok());
    assert_eq!(both(&person, &["whoami"]).await["actor"], "user:admin");
    assert!(person.run(["logout"]).await.ok().stdout.contains("signed out"));
    assert_eq!(person.run(["whoami"]).await.code, Some(4));
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_renews_itself_and_several_shells_share_it() {
    let daemon = Setup::default().spawn().await;
    let person = Tomo::at(&daemon);
    drop(person.run_with_input(["login", "--user", ADMIN, "--password-stdin"], PASSWORD).await.ok());
    // What a JWT is worth once it has expired.
    let file = person.home().join("XDG_STATE_HOME/tomo/login-default.json");
    let mut saved: Value = serde_json::from_slice(&std::fs::read(&file).expect("is saved")).expect("is JSON");
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(std::fs::metadata(&file).expect("is saved").permissions().mode() & 0o777, 0o600);
    saved["access_token"] = "expired".into();
    std::fs::write(&file, saved.to_string()).expect("can be written");
    let (one, two, three) =
        tokio::join!(person.run(["whoami"]), person.run(["server", "list"]), person.run(["whoami", "--json"]));
    for output in [one, two, three] {
        drop(output.ok());
    }
    assert_eq!(person.run(["whoami"]).await.code, Some(0));
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn completions_are_what_the_shells_read() {
    let tomo = Tomo::new();
    for (shell, mark) in [("bash", "complete -F"), ("zsh", "#compdef tomo"), ("fish", "complete -c tomo")] {
        let script = tomo.run(["completions", shell]).await.ok().stdout;
        assert!(script.contains(mark) && script.contains("deploy"), "{shell}");
    }
    let script = tomo.run(["completions", "bash"]).await.ok().stdout;
    let ask =
        format!("{script}\nCOMP_WORDS=(tomo server l); COMP_CWORD=2; _tomo tomo l server; echo \"${{COMPREPLY[@]}}\"");
    let offered = run(&mut Command::new("bash"), &ask).await.ok();
    assert_eq!(offered.stdout.trim(), "list", "{offered:?}");
}

/// What a hostile daemon, host or container could put into any text.
const HOSTILE: &str = "\u{1b}]0;owned\u{7}\u{1b}[31mred\u{1b}[0m\u{9b}2J\u{202e}evil\u{200b}\u{7f}\r";

/// Answers every request with this body.
async fn answer_all(listener: TcpListener, status: &'static str, body: String) {
    loop {
        let (mut stream, _) = listener.accept().await.expect("somebody connects");
        let body = body.clone();
        tokio::spawn(async move {
            let mut heard = vec![0; 64 * 1024];
            drop(stream.read(&mut heard).await);
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            drop(stream.write_all(format!("{head}{body}").as_bytes()).await);
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn escape_sequences_never_reach_the_terminal() {
    let safe = |output: &Output| {
        for text in [&output.stdout, &output.stderr] {
            assert!(text.chars().all(|one| one == '\n' || is_display_safe(one)), "{text:?}");
        }
    };
    // From people, by way of an honest daemon.
    let daemon = TestDaemon::start().await;
    let tomo = Tomo::at_socket(&daemon);
    let login = ["login", "--user", HOSTILE, "--password-stdin", "--url", daemon.url()];
    safe(&tomo.run_with_input(login, PASSWORD).await);
    for arguments in [
        vec!["server", "get", HOSTILE],
        vec!["app", "get", HOSTILE],
        vec!["settings", "set", HOSTILE],
        vec!["plan", "get", HOSTILE],
        vec!["audit", "search", "--actor", HOSTILE],
        vec!["agent", "token", HOSTILE],
        vec!["user", "delete", HOSTILE],
        vec![HOSTILE],
    ] {
        safe(&tomo.run(&arguments).await);
    }
    for json in [false, true] {
        let trail = tomo.run(["audit", "search"].into_iter().chain(json.then_some("--json"))).await.ok();
        safe(&trail);
        assert!(trail.stdout.contains("auth.login"), "{trail:?}");
    }
    // From a daemon that lies.
    let error = serde_json::json!({"code": "denied", "message": HOSTILE, "next": HOSTILE, "retryable": false});
    for (status, body) in
        [("403 Forbidden", error.to_string()), ("200 OK", HOSTILE.to_owned()), ("500 No", HOSTILE.to_owned())]
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let liar = Tomo::new().env("TOMO_URL", &format!("http://{}", listener.local_addr().expect("an address")));
        let stand_in = tokio::spawn(answer_all(listener, status, body));
        safe(&liar.run(["overview"]).await);
        safe(&liar.run_with_input(["login", "--user", "a", "--password-stdin"], PASSWORD).await);
        safe(&liar.run_with_input(["secret", "list"], "").await);
        stand_in.abort();
    }
}
