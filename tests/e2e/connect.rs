//! How `tomo` finds its daemon, and what it says when that does not work.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::oneshot,
};
use tomo_tests::{
    cli::Tomo,
    daemon::{ADMIN, PASSWORD, TestDaemon},
};

/// Answers every connection with one refusal; the first request that came, in lower case, is what it returns.
async fn refuse_all(listener: TcpListener, status: &str, body: &str, mut first: Option<oneshot::Sender<String>>) {
    loop {
        let (mut stream, _) = listener.accept().await.expect("somebody connects");
        let mut heard = vec![0; 16 * 1024];
        let count = stream.read(&mut heard).await.unwrap_or(0);
        if let Some(first) = first.take() {
            drop(first.send(String::from_utf8_lossy(&heard[..count]).to_lowercase()));
        }
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        // It may not wait for the answer.
        drop(stream.write_all(answer.as_bytes()).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_login_is_shown_to_its_own_daemon_only() {
    let daemon = TestDaemon::start().await;
    let shell = Tomo::new();
    let login = ["login", "--url", daemon.url(), "--user", ADMIN, "--password-stdin"];
    assert_eq!(shell.run_with_input(login, PASSWORD).await.code, Some(0));
    assert!(shell.run(["whoami"]).await.ok().stdout.contains("user:admin"), "the login is remembered");

    let other = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", other.local_addr().expect("an address"));
    let (tell, heard) = oneshot::channel();
    let stand_in = tokio::spawn(refuse_all(other, "500 Internal Server Error", "{}", Some(tell)));
    assert_ne!(shell.run(["--url", &url, "whoami"]).await.code, Some(0));
    let heard = heard.await.expect("tomo has asked");
    stand_in.abort();
    assert!(heard.starts_with("post /mcp/full"), "{heard}");
    assert!(!heard.contains("authorization"), "the login went to another daemon: {heard}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_is_not_there_is_named_with_the_systems_own_words() {
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", closed.local_addr().expect("an address"));
    drop(closed);
    let said = Tomo::new().run(["--url", &url, "overview"]).await;
    assert_eq!(said.code, Some(3), "{said:?}");
    let first = said.stderr.lines().next().unwrap_or_default();
    assert!(first.contains(&url) && first.contains("Connection refused"), "{said:?}");
    assert!(!said.stderr.contains("rmcp") && said.stderr.contains("next: "), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_before_mcp_keeps_its_reason_and_its_exit_code() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let body = r#"{"code":"denied","message":"the host \"x\" is not this daemon","next":"add it","retryable":false}"#;
    let stand_in = tokio::spawn(refuse_all(listener, "403 Forbidden", body, None));
    let said = Tomo::new().run(["--url", &url, "overview"]).await;
    stand_in.abort();
    assert_eq!(said.code, Some(4), "{said:?}");
    assert_eq!(said.stderr, "error: the host \"x\" is not this daemon\nnext: add it\n", "{said:?}");

    let daemon = TestDaemon::start().await;
    let said = Tomo::at(&daemon).run(["--token", "tomo_nonsense", "overview"]).await;
    assert_eq!(said.code, Some(4), "{said:?}");
    assert!(said.stderr.contains("does not know this API token"), "{said:?}");
}
