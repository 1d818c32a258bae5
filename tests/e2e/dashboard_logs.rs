//! The log of an app in the dashboard: read from a time on without missing a line, merged with those of its services, searched,
//! filtered, made readable, and saved.

use tomo_proto::{
    api::app::{AppDeploy, AppLogs},
    model::{
        app::{AppSpec, LogLine},
        operation::OperationStatus,
    },
};
use tomo_tests::{
    agent::{ALLOW_ALL, TestAgent},
    cli::Tomo,
    daemon::TestDaemon,
    docker::{Image, unique},
    eventually::eventually,
    terminal::{Key, Terminal},
};

const SERVER: &str = "web-1";
/// More lines than one answer holds, and many in each millisecond.
const COUNT: usize = 3_000;
/// Writes them, and waits to be stopped.
const WRITE: &str = r#"i=0; while [ $i -lt 3000 ]; do echo "{\"id\":$i,\"level\":\"info\",\"msg\":\"entry $i\"}"; i=$((i+1)); done;
 busybox sleep 3600 & trap 'kill $!; exit 0' TERM; wait $!"#;
const STORE: &str = "echo opened; echo listens; busybox sleep 3600 & trap 'kill $!; exit 0' TERM; wait $!";

#[tokio::test(flavor = "multi_thread")]
async fn a_long_log_is_read_whole_merged_searched_filtered_and_saved() {
    let daemon = TestDaemon::start().await;
    let agent = TestAgent::start(&daemon, SERVER, ALLOW_ALL).await;
    let (admin, image, name) = (daemon.admin(), Image::script(WRITE), unique("talk"));
    let store = AppSpec {
        image: image.name().to_owned(),
        command: ["sh", "-c", STORE].map(str::to_owned).into(),
        ..AppSpec::default()
    };
    let spec = AppSpec {
        image: image.name().to_owned(),
        services: [("store".to_owned(), store)].into(),
        ..AppSpec::default()
    };
    let request = AppDeploy { server: SERVER.to_owned(), name: name.clone(), spec, ..AppDeploy::default() };
    let plan = admin.call(&request).await.expect("is planned");
    let done = admin.carry_out(plan).await.expect("is allowed");
    assert_eq!(done.status, OperationStatus::Succeeded, "{done:?}");
    let last = AppLogs { app: name.clone(), tail: Some(1), grep: Some("entry 2999".to_owned()), ..AppLogs::default() };
    let written = async || (!admin.call(&last).await.ok()?.lines.is_empty()).then_some(());
    eventually("everything is written", written).await;

    // Whoever reads on from a time gets every line once, those of both services by time.
    let mut read = AppLogs { app: name.clone(), tail: Some(1_000), wait_s: Some(1), ..AppLogs::default() };
    let mut lines: Vec<LogLine> = Vec::new();
    while lines.len() < COUNT + 2 {
        read.since = read.cursor.is_none().then(|| "1h".to_owned());
        let answer = admin.call(&read).await.expect("can be read");
        assert!(!answer.lines.is_empty() && answer.truncated == 0, "after {}: {answer:?}", lines.len());
        lines.extend(answer.lines);
        read.cursor = Some(answer.next_cursor);
    }
    assert!(lines.is_sorted_by_key(|line| line.at_ms));
    let (store, own): (Vec<LogLine>, Vec<LogLine>) =
        lines.into_iter().partition(|line| line.service.as_deref() == Some("store"));
    let expected = |id: usize| format!("{{\"id\":{id},\"level\":\"info\",\"msg\":\"entry {id}\"}}");
    assert!(own.iter().enumerate().all(|(id, line)| line.text == expected(id)), "{:?}", own.last());
    assert_eq!((own.len(), store.len()), (COUNT, 2));

    let tomo = Tomo::at_socket(&daemon);
    let mut terminal = Terminal::start("tomo", &[], tomo.environment(), 120, 40);
    terminal.wait_for("● live").await;
    terminal.type_text("2");
    terminal.wait_for(&name).await;
    terminal.type_text("L");
    terminal.wait_for("following").await;
    terminal.type_text("6");
    terminal.wait_for("last 6 h").await;
    terminal.wait_for("3002 lines").await;
    terminal.wait_for("entry 2999").await;
    terminal.type_text("g");
    terminal.wait_for("entry 0\"").await;
    terminal.wait_for("store").await;
    terminal.wait_for("listens").await;

    terminal.type_text("G/entry 17");
    terminal.press(Key::Enter);
    terminal.wait_for("111/111").await;
    terminal.type_text("n");
    terminal.wait_for(" 1/111").await;
    let (row, column) = terminal.find("entry 17\"").expect("the first one is in sight");
    assert!(terminal.cell(row, column).is_some_and(|cell| cell.inverse()), "what was found is marked");
    terminal.type_text("N");
    terminal.wait_for("111/111").await;

    terminal.type_text("&(");
    terminal.wait_for("open group without").await;
    terminal.press(Key::Control('u'));
    terminal.type_text(r"entry 1.5\b");
    terminal.press(Key::Enter);
    terminal.wait_for("10 fit").await;
    terminal.type_text("J");
    terminal.wait_for("info entry 195").await;
    terminal.type_text("w");
    terminal.wait_for("info entry 195 id=195").await;

    let file = tomo.home().join("talk.log");
    for again in [false, true] {
        terminal.press(Key::Control('s'));
        terminal.wait_for("Save the log").await;
        terminal.wait_for(&format!("~/tomo-{name}-")).await;
        terminal.press(Key::Control('u'));
        terminal.type_text(&file.display().to_string());
        terminal.press(Key::Enter);
        if again {
            terminal.wait_for("is there already").await;
            terminal.press(Key::Tab);
            terminal.press(Key::Enter);
        }
        terminal.wait_for("wrote 10 lines").await;
        terminal.wait_until("that is no news any more", |screen| !screen.contents().contains("wrote 10")).await;
    }
    let saved = std::fs::read_to_string(&file).expect("it was written");
    assert_eq!(saved.lines().count(), 10, "{saved}");
    assert!(saved.lines().all(|line| line.contains("info entry 1")), "{saved}");
    terminal.type_text("q");
    assert!(terminal.wait_for_exit().await.success());
    agent.stop().await;
    daemon.stop().await;
}
