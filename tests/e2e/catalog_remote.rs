//! Templates from an address: they come, they are refreshed, and what came before stays while what comes is of no use.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use tomo_proto::{
    api::catalog::{CatalogList, CatalogListAnswer, CatalogRefresh},
    model::user::Role,
};
use tomo_tests::{
    cli::Tomo,
    daemon::{Setup, TestDaemon},
    eventually::eventually,
};

/// A template that the compiled-in ones do not have.
const TEMPLATE: &str = include_str!("../../tomo-daemon/catalog/gotify.toml");

/// What a server answers with: head and body.
type Answer = Arc<Mutex<Option<Vec<u8>>>>;

fn ok(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// A server that gives everybody the same answer; without one it hangs up.
async fn serve(answer: Answer) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let now = answer.lock().unwrap_or_else(PoisonError::into_inner).clone();
            tokio::spawn(give(stream, now));
        }
    });
    port
}

async fn give(mut stream: TcpStream, answer: Option<Vec<u8>>) -> std::io::Result<()> {
    let mut head = [0; 4_096];
    let _read = stream.read(&mut head).await?;
    match answer {
        Some(answer) => stream.write_all(&answer).await,
        None => Ok(()),
    }
}

/// An archive as git forges give one.
fn archive(name: &str, text: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let inside = folder.path().join("repo-main/apps");
    std::fs::create_dir_all(&inside).expect("can be made");
    std::fs::write(inside.join(name), text).expect("can be written");
    std::fs::write(inside.join("broken.toml"), "id = 1").expect("can be written");
    let packed =
        std::process::Command::new("tar").args(["-czf", "-", "-C"]).arg(folder.path()).arg("repo-main").output();
    packed.expect("tar is there").stdout
}

fn source_of(answer: &CatalogListAnswer, id: &str) -> Option<String> {
    answer.templates.iter().find(|one| one.id == id).map(|one| one.source.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn templates_come_from_an_address_and_the_last_good_copy_serves_while_it_is_away() {
    let answer = Answer::default();
    let say = |said: Option<Vec<u8>>| *answer.lock().unwrap_or_else(PoisonError::into_inner) = said;
    let first = TEMPLATE.replace("id = \"gotify\"", "id = \"mine\"");
    say(Some(ok(&archive("mine.toml", &first))));
    let port = serve(Arc::clone(&answer)).await;
    let url = format!("http://127.0.0.1:{port}/main.tar.gz");
    let setup = Setup::default().set("CATALOG__URLS", &format!("[\"{url}\"]"));
    let mut daemon = setup.start().await;
    let admin = daemon.admin();
    let list = async || admin.call(&CatalogList::default()).await.expect("is listed");
    let source = eventually("it comes at the start", async || source_of(&list().await, "mine")).await;
    assert_eq!(source, url);
    let problems = list().await.problems;
    assert!(problems.iter().any(|one| one.contains(&url) && one.contains("broken.toml:")), "{problems:?}");

    // Another one comes when somebody says so; a viewer may not.
    let second = TEMPLATE.replace("id = \"gotify\"", "id = \"yours\"");
    say(Some(ok(&archive("yours.toml", &second))));
    let viewer = daemon.sign_in_as(Role::Viewer).await;
    viewer.call(&CatalogRefresh {}).await.expect_err("looks only");
    let tomo = Tomo::at_socket(&daemon);
    let told = tomo.run(["catalog", "refresh"]).await.ok().stdout;
    assert!(told.contains("yours") && !told.contains("mine "), "{told}");

    let moved = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.2:1/x.tar.gz\r\nContent-Length: 0\r\n\r\n".to_vec();
    for (what, said, expected) in [
        ("garbage", Some(ok(b"<html>no</html>")), "no .tar.gz"),
        ("nothing of use", Some(ok(&archive("x.toml", "id = 2"))), "no template that fits"),
        ("too much", Some(ok(&vec![0; 5 << 20])), "more than 4 MiB"),
        ("elsewhere", Some(moved), "redirect"),
        ("an error", Some(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n".to_vec()), "500"),
        ("a hang-up", None, "error sending request"),
    ] {
        say(said);
        let told = admin.call(&CatalogRefresh {}).await.expect("is refreshed");
        assert_eq!(source_of(&told, "yours").as_deref(), Some(&*url), "{what}: what came before stays");
        let problem = told.problems.iter().find(|one| one.contains("what came before is used"));
        assert!(problem.is_some_and(|one| one.contains(expected)), "{what}: {:?}", told.problems);
    }

    // It is there at once after a start without its source.
    daemon.halt().await;
    daemon.resume().await;
    assert!(source_of(&daemon.admin().call(&CatalogList::default()).await.expect("is listed"), "yours").is_some());
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_anybody_could_answer_for_is_refused_at_the_start() {
    let mut daemon = TestDaemon::spawn().await;
    daemon.halt().await;
    let mut command = daemon.command();
    command.arg("run").env("TOMO_DAEMON__CATALOG__URLS", "[\"http://git.example/main.tar.gz\"]");
    let told = tomo_tests::cli::run(&mut command, "").await;
    assert!(told.code != Some(0) && told.stderr.contains("is not https"), "{told:?}");
    daemon.stop().await;
}
