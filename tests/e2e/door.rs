//! The HTTP door: whom it lets in by name, how much it takes, what passers-by see, who is who on the local socket.

use std::{fs, os::unix::fs::PermissionsExt as _};

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    process::Command,
};
use tomo_proto::{
    api::{
        auth::AuthWhoami,
        plan::{PlanApply, PlanApprove},
        settings::SettingsSet,
    },
    error::{ApiError, ErrorCode},
    model::{
        operation::OperationStatus,
        plan::PlanStatus,
        settings::SettingChange,
        user::{Role, Scope},
    },
};
use tomo_tests::{
    agent::TestAgent,
    cli::{Output, Tomo, run},
    daemon::{Setup, TestDaemon},
    eventually::{PATIENCE, eventually},
    http::Http,
    program,
};

fn list_tools() -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}})
}

/// Sends bytes over a connection of its own and returns what comes back until the daemon closes it.
async fn raw(daemon: &TestDaemon, request: &[u8]) -> String {
    let address = daemon.url().trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(address).await.expect("the daemon listens");
    stream.write_all(request).await.expect("the daemon reads");
    if !request.ends_with(b"\r\n\r\n") {
        // Half a request is all that ever comes.
        drop(stream.shutdown().await);
    }
    let mut answer = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    drop(read.expect("the daemon closes in time"));
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_for_other_hosts_and_from_other_sites_are_refused() {
    let daemon = Setup::default()
        .set("HTTP__ALLOWED_HOSTS", r#"["tomo.lan"]"#)
        .set("HTTP__ALLOWED_ORIGINS", r#"["https://console.lan"]"#)
        .start()
        .await;
    let token = daemon.token(&[Scope::Read]).await;
    let port = daemon.url().rsplit(':').next().expect("a port").to_owned();
    let own = format!("127.0.0.1:{port}");
    let hosts = [
        (own.as_str(), true),
        ("localhost", true),
        ("LOCALHOST:1", true),
        ("[::1]:8666", true),
        ("tomo.lan", true),
        ("TOMO.lan:8666", true),
        ("evil.example", false),
        ("localhost.evil.example", false),
        ("127.0.0.1.evil.example", false),
        ("tomo.lan.evil.example", false),
        ("192.0.2.1", false),
        ("evil.example:8666", false),
    ];
    let origins = [
        (None, true),
        (Some("http://localhost:3000"), true),
        (Some("http://127.0.0.1:8666"), true),
        (Some("https://[::1]"), true),
        (Some("https://console.lan"), true),
        (Some("https://console.lan.evil.example"), false),
        (Some("https://evil.example"), false),
        (Some("http://localhost.evil.example"), false),
        (Some("null"), false),
        (Some("file://"), false),
        (Some(""), false),
        (Some("chrome-extension://abc"), false),
    ];
    for (host, host_fits) in hosts {
        for (origin, origin_fits) in origins {
            for path in ["/mcp", "/auth/login", "/status", "/healthz", "/person/secrets/list"] {
                let mut request = token.post(path, &list_tools()).header("host", host);
                if let Some(origin) = origin {
                    request = request.header("origin", origin);
                }
                let response = request.send().await.expect("answers");
                let refused = response.status() == StatusCode::FORBIDDEN
                    && response.json::<ApiError>().await.is_ok_and(|error| error.message.contains("the "));
                let is_person = path.starts_with("/person");
                assert_eq!(!refused || is_person, (host_fits && origin_fits) || is_person, "{host} {origin:?} {path}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_are_missing_doubled_or_no_text_are_refused() {
    let daemon = TestDaemon::start().await;
    let denied = "HTTP/1.1 403";
    let get = |headers: &str| format!("GET /healthz HTTP/1.1\r\nConnection: close\r\n{headers}\r\n").into_bytes();
    assert!(raw(&daemon, &get("Host: localhost\r\n")).await.starts_with("HTTP/1.1 200"));
    assert!(raw(&daemon, &get("")).await.starts_with(denied));
    assert!(raw(&daemon, &get("Host: localhost\r\nHost: evil.example\r\n")).await.starts_with(denied));
    assert!(
        raw(&daemon, &get("Host: localhost\r\nOrigin: http://localhost\r\nOrigin: http://evil.example\r\n"))
            .await
            .starts_with(denied)
    );
    let mut not_text = get("Host: localhost\r\nOrigin: http://evil");
    let place = not_text.len() - 2;
    not_text.splice(place..place, [0xe9, b'\r', b'\n']);
    assert!(raw(&daemon, &not_text).await.starts_with(denied), "an origin that is no text");
    let absolute = b"GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert!(raw(&daemon, absolute).await.starts_with(denied));
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_and_floods_are_answered_and_leave_the_daemon_well() {
    let daemon = TestDaemon::start().await;
    let huge_header = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "y".repeat(1 << 20));
    for garbage in [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".as_slice(),
        b"GET\r\n\r\n",
        b"\0\0\0\0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\ngarbage",
        b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        huge_header.as_bytes(),
    ] {
        let answer = raw(&daemon, garbage).await;
        assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
    }
    let response = daemon.http().get("/healthz").send().await.expect("answers");
    assert_eq!((response.status(), response.text().await.expect("text").as_str()), (StatusCode::OK, "ok\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_never_finishes_asking_is_let_go() {
    let daemon = TestDaemon::start().await;
    let address = daemon.url().trim_start_matches("http://").to_owned();
    let waiting = ["", "GET /healthz HTTP/1.1\r\nHost: local"].map(|beginning| {
        let address = address.clone();
        async move {
            let mut stream = TcpStream::connect(address).await.expect("the daemon listens");
            stream.write_all(beginning.as_bytes()).await.expect("the daemon reads");
            let mut answer = Vec::new();
            let closed = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
            assert!(closed.is_ok(), "a connection that said \"{beginning}\" is kept open");
        }
    });
    futures::future::join_all(waiting).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_is_refused_everywhere() {
    let daemon = TestDaemon::start().await;
    let admin = daemon.sign_in_as(Role::Admin).await;
    let big = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"x": "y".repeat(1 << 20)}});
    for path in ["/mcp", "/mcp/full", "/auth/login", "/auth/refresh", "/person/secrets", "/person/users"] {
        let request = admin.post(path, &big).header("accept", "application/json, text/event-stream");
        let response = request.send().await.expect("answers");
        assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE, "{path}");
        let body = response.text().await.expect("a body");
        let error: ApiError = serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body}"));
        assert_eq!(error.code, ErrorCode::Invalid, "{path}");
        assert!(error.message.contains("1048576"), "{path}: {}", error.message);
    }
    let just_fits = json!({"username": "x".repeat(1_000_000), "password": "y"});
    assert_eq!(daemon.http().post("/auth/login", &just_fits).send().await.expect("answers").status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_do_not_fit_are_named_and_never_repeated() {
    let daemon = TestDaemon::start().await;
    let admin = daemon.sign_in_as(Role::Admin).await;
    for (path, body) in [
        ("/auth/login", r#"{"username": "admin", "password": "hunter2""#),
        ("/auth/login", r#"{"username": "admin", "password": ["hunter2"]}"#),
        ("/auth/login", r#"{"username": "admin", "password": "hunter2", "remember": true}"#),
        ("/person/secrets", r#"{"name": "x", "value": 17}"#),
        ("/person/secrets", "hunter2"),
        ("/person/users", ""),
    ] {
        let response = admin.request(Method::POST, path).body(body).send().await.expect("answers");
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{path} {body}");
        let error: ApiError = response.json().await.expect("says what is wrong");
        assert!(error.message.contains("line ") && !error.message.contains("hunter2"), "{}", error.message);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_says_so_without_inviting_anybody_to_sign_in_elsewhere() {
    let daemon = TestDaemon::start().await;
    for path in [
        "/",
        "/.well-known/oauth-protected-resource",
        "/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration",
        "/.well-known/oauth-protected-resource/mcp",
        "/register",
        "/nothing\u{202e}",
        "/person",
        "/mcp2",
    ] {
        let response = daemon.http().get(path).send().await.expect("answers");
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        let body = response.text().await.expect("a body");
        let told = body == "not found\n" || serde_json::from_str::<ApiError>(&body).is_ok();
        assert!(told && !body.contains('\u{202e}'), "{path}: {body}");
    }
    // Without a login there is no telling what is behind the door.
    for path in ["/mcp", "/mcp/full", "/mcp/readonly", "/person/users"] {
        let response = daemon.http().post(path, &list_tools()).send().await.expect("answers");
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{path}");
        assert!(response.headers().contains_key("www-authenticate"), "{path}");
        let error: ApiError = response.json().await.expect("says what to do");
        assert!(error.next.is_some_and(|next| next.contains("tomo token create")), "{path}");
    }
}

/// Changes a setting the way it is done: a plan, a person's yes, apply.
async fn set(admin: &Http, changes: &[(&str, &str)]) {
    let change = |(name, value): &(&str, &str)| SettingChange { name: (*name).to_owned(), value: (*value).to_owned() };
    let changes = changes.iter().map(change).collect();
    let plan = admin.call(&SettingsSet { changes, reason: None }).await.expect("is planned");
    let id = plan.plan.to_string();
    if plan.status != PlanStatus::Approved {
        let name = Some(plan.target.clone());
        admin.call(&PlanApprove { plan: id.clone(), hash: plan.hash, name }).await.expect("is approved");
    }
    let operation = admin.call(&PlanApply { plan: id, reason: None }).await.expect("is applied");
    let request =
        tomo_proto::api::operation::OperationGet { operation: operation.operation.to_string(), wait_s: Some(10) };
    let ended = admin.call(&request).await.expect("is there");
    assert_eq!(ended.status, OperationStatus::Succeeded, "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_page_shows_the_chosen_names_and_nothing_else() {
    let daemon = TestDaemon::start().await;
    let get = async || daemon.http().get("/status").send().await.expect("answers");
    assert_eq!(get().await.status(), StatusCode::NOT_FOUND, "off by default");
    let shown = TestAgent::synthetic(&daemon, "shown-1").await;
    let _hidden = TestAgent::synthetic(&daemon, "hidden-1").await;
    let title = "Our <script>alert(1)</script> & \"servers\"";
    set(&daemon.admin(), &[("status_page_title", title), ("status_page_servers", "shown-1, never-was")]).await;
    let response = get().await;
    assert_eq!(response.status(), StatusCode::OK);
    let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let policy = header("content-security-policy").to_owned();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("script-src"), "{policy}");
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("referrer-policy"), "no-referrer");
    assert_eq!(header("cache-control"), "no-store");
    assert!(header("content-type").starts_with("text/html"));
    let page = response.text().await.expect("a page");
    assert!(page.contains("Our &lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;servers&quot;"), "{page}");
    assert!(page.contains("shown-1") && page.contains("class=\"up\">up"), "{page}");
    assert!(page.contains("1 of 2 down.") && page.contains("color-scheme:light dark"), "{page}");
    for absent in ["<script", "hidden-1", "127.0.0.1", "http:", "src=", "href=", "onload", "srv-", "agt-"] {
        assert!(!page.contains(absent), "{absent} is on the page: {page}");
    }
    shown.stop().await;
    eventually("shown-1 is down", async || {
        get().await.text().await.expect("a page").contains("class=\"down\">down</b> shown-1").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bound_to_every_address_it_answers_to_each_but_not_to_strange_names() {
    let daemon = Setup::default().set("HTTP__LISTEN", "0.0.0.0:0").start().await;
    for (host, fits) in [("192.0.2.1:8666", true), ("[2001:db8::1]", true), ("evil.example", false), ("", false)] {
        let response = daemon.http().get("/healthz").header("host", host).send().await.expect("answers");
        assert_eq!(response.status().is_success(), fits, "{host}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_for_prometheus_are_for_loopback_or_a_bearer() {
    let daemon = Setup::default().set("HTTP__LISTEN", "0.0.0.0:0").start().await;
    let token = daemon.token(&[Scope::Read]).await;
    let text = token.get("/metrics").send().await.expect("answers").text().await.expect("text");
    assert!(text.contains("tomo_servers 0"), "{text}");
    assert!(text.lines().all(|line| line.starts_with('#') || line.split(' ').count() == 2), "{text}");
    assert!(daemon.url().starts_with("https://"), "elsewhere than on loopback it speaks TLS");
}

/// Runs `tomo whoami` on the daemon's socket as another uid and gid.
async fn whoami_as(daemon: &TestDaemon, uid: u32, gid: u32) -> Output {
    // Other users must reach the socket and the binary, to be refused by the daemon and not by a folder.
    fs::set_permissions(daemon.folder(), fs::Permissions::from_mode(0o755)).expect("the folder is ours");
    let tomo = daemon.folder().join("tomo");
    if !tomo.exists() {
        fs::copy(program::path("tomo"), &tomo).expect("the binary can be copied");
    }
    let mut command = Command::new("setpriv");
    command.args([format!("--reuid={uid}"), format!("--regid={gid}"), "--clear-groups".to_owned(), "--".to_owned()]);
    command.arg(tomo).args(["whoami", "--json"]);
    command.env_clear().envs(Tomo::at_socket(daemon).environment().iter().cloned()).current_dir("/");
    run(&mut command, "").await
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_socket_root_is_an_admin_and_other_users_are_nobody() {
    let daemon = TestDaemon::start().await;
    let me = daemon.admin().call(&AuthWhoami {}).await.expect("root is an admin");
    assert_eq!((me.actor.as_str(), me.person, me.scopes.len()), ("socket:root", true, Scope::ALL.len()));
    let refused = whoami_as(&daemon, 54_321, 54_321).await;
    assert_eq!(refused.code, Some(4), "{refused:?}");
    assert!(refused.stderr.contains("54321 is not an admin") && refused.stderr.contains("tomo-admin"), "{refused:?}");
    // Who has a login needs no uid.
    let token = daemon.create_token(&[Scope::Read], Default::default()).await;
    let by_token = Tomo::at_socket(&daemon).env("TOMO_TOKEN", &token).run(["whoami", "--json"]).await.ok().json();
    assert_eq!(by_token["person"], false, "{by_token}");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_socket_the_configured_uid_is_an_admin() {
    let daemon = Setup::default().set("SOCKET__ADMIN_UID", "54322").start().await;
    let me = whoami_as(&daemon, 54_322, 54_322).await.ok().json();
    assert_eq!(me["actor"], "socket:54322", "{me}");
    assert_eq!(whoami_as(&daemon, 54_323, 54_323).await.code, Some(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_socket_members_of_the_group_are_admins() {
    // A group that every Debian and Ubuntu has.
    let daemon = Setup::default().set("SOCKET__ADMIN_GROUP", "games").start().await;
    let groups = fs::read_to_string("/etc/group").expect("there are groups");
    let line = groups.lines().find(|line| line.starts_with("games:")).expect("the group is there");
    let games = line.split(':').nth(2).and_then(|id| id.parse().ok()).expect("it has a number");
    let me = whoami_as(&daemon, 54_324, games).await.ok().json();
    assert_eq!(me["actor"], "socket:54324", "{me}");
    assert_eq!(whoami_as(&daemon, 54_324, 54_324).await.code, Some(4));
}
