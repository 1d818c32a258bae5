//! Names, labels and words that an engine made up for the terminal of whoever reads them: on every screen of the dashboard that has
//! any, and in what the command line prints. Each is shown, and none commands anything.

use tomo_proto::{
    api::server::{ServerGet, ServerPart},
    model::container::ContainerState,
};
use tomo_tests::{
    agent::{ALLOW_ALL, TestAgent},
    cli::Tomo,
    daemon::TestDaemon,
    eventually::eventually,
    foreign::{foreign, foreign_in_lines},
    forger::{Forger, marks},
    rounds::rounds,
    terminal::{Key, Terminal},
};

const SERVER: &str = "web-1";
/// Texts of each thing that lists show: a container's name and image, an image's name, a volume's, a network's.
const SHOWN: usize = 5;
/// Things of a kind at a time.
const MOST: usize = 400;

/// Goes down a list until all of it has been on the screen.
async fn page_through(terminal: &mut Terminal, marks: &[String]) {
    let visible = |terminal: &Terminal, from: usize| {
        let text = terminal.text();
        marks[from..].iter().take_while(|mark| text.contains(mark.as_str())).count()
    };
    terminal.wait_for(&marks[0]).await;
    terminal.press(Key::Home);
    let mut page = visible(terminal, 0);
    let (mut seen, mut selected) = (page, 0);
    while seen < marks.len() {
        // The one that is selected is the last one that is shown.
        let last = (seen + page).min(marks.len()) - 1;
        terminal.send("\x1b[B".repeat(last - selected).as_bytes());
        selected = last;
        terminal.wait_for(&marks[last]).await;
        let text = terminal.text();
        let shown = marks[seen..=last].iter().rev().take_while(|mark| text.contains(mark.as_str())).count();
        if shown == last + 1 - seen {
            seen = last + 1;
        } else {
            // There is less room than before: down again, by less.
            page = shown;
            terminal.press(Key::Home);
            selected = 0;
        }
    }
}

/// What a subcommand prints, for people and as JSON, has each of these and nothing that is obeyed.
pub(crate) async fn prints(tomo: &Tomo, arguments: &[&str], marks: &[String]) {
    for more in [&[][..], &["--json"]] {
        let said = tomo.run(arguments.iter().chain(more)).await;
        for shown in [&said.stdout, &said.stderr] {
            assert_eq!(foreign_in_lines(shown), None, "{arguments:?} {more:?}");
        }
        let missing = marks.iter().find(|mark| !said.stdout.contains(*mark) && !said.stderr.contains(*mark));
        assert_eq!(missing, None, "{arguments:?} {more:?}: {:?} {}", said.code, said.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_name_label_and_word_of_a_lying_engine_is_shown_and_none_commands_the_terminal() {
    let all = rounds(600).div_ceil(SHOWN);
    let daemon = TestDaemon::start().await;
    let engine = Forger::start();
    engine.has(0, all.min(MOST));
    let agent = TestAgent::with_engine(&daemon, SERVER, ALLOW_ALL, &engine.socket()).await;
    let admin = daemon.admin();
    let tomo = Tomo::at_socket(&daemon);
    let mut terminal = Terminal::start("tomo", &[], tomo.environment(), 200, 60);
    terminal.wait_for("● live").await;
    // What was asked of the terminal at the start is the dashboard's own.
    let begun = terminal.raw().len();
    let mut from = 0;
    while from < all {
        let count = (all - from).min(MOST);
        engine.has(from, count);
        let (containers, last) = (marks('c', from, count), format!("c{:05}", from + count - 1));
        eventually("the daemon knows the last one", async || {
            let request = ServerGet { server: SERVER.to_owned(), include: vec![ServerPart::Containers] };
            let known = admin.call(&request).await.ok()?.containers;
            (known.len() == count && known.last()?.name.starts_with(&last)).then_some(())
        })
        .await;
        terminal.type_text("1");
        terminal.wait_for(SERVER).await;
        terminal.press(Key::Enter);
        terminal.wait_for(&format!("containers ({count})")).await;
        page_through(&mut terminal, &containers).await;
        // One of them, its log, and why something is not done.
        terminal.press(Key::Enter);
        terminal.wait_for(&last.replace('c', "n")).await;
        terminal.type_text("L");
        terminal.wait_for("z00049").await;
        terminal.press(Key::Escape);
        terminal.wait_for(&last.replace('c', "n")).await;
        terminal.type_text("R");
        terminal.wait_for("[ Restart ]").await;
        terminal.press(Key::Tab);
        terminal.press(Key::Enter);
        terminal.wait_for("refused-by-engine").await;
        terminal.press(Key::Escape);
        terminal.wait_for(&last.replace('c', "n")).await;
        terminal.press(Key::Escape);
        terminal.wait_for(&format!("containers ({count})")).await;
        terminal.type_text("I");
        terminal.wait_for("MADE BY").await;
        terminal.press(Key::Home);
        let stock = [marks('i', from, count), marks('v', from, count), marks('w', from, count)].concat();
        page_through(&mut terminal, &stock).await;
        assert_eq!(foreign(&terminal.raw()[begun..]), None);

        prints(&tomo, &["container", "list", SERVER], &containers).await;
        prints(&tomo, &["server", "get", SERVER], &containers).await;
        prints(&tomo, &["image", "list", SERVER], &marks('i', from, count)).await;
        prints(&tomo, &["volume", "list", SERVER], &marks('v', from, count)).await;
        prints(&tomo, &["network", "list", SERVER], &marks('w', from, count)).await;
        from += count;
    }
    // What is told of one, in full, and what was told while it was worked with.
    let one = format!("{:064x}", all - 1);
    let of = |kind: char| format!("{kind}{:05}", all - 1);
    let told = ['c', 'x', 'n', 'u', 'w'].map(of);
    prints(&tomo, &["container", "get", SERVER, &one], &told).await;
    prints(&tomo, &["container", "logs", SERVER, &one], &marks('z', 0, 50)).await;
    prints(&tomo, &["container", "restart", SERVER, &one], &["refused-by-engine".to_owned()]).await;
    prints(&tomo, &["operation", "list"], &[]).await;
    prints(&tomo, &["audit", "search"], &[]).await;
    prints(&tomo, &["overview"], &[]).await;
    prints(&tomo, &["--plain"], &[]).await;
    prints(&tomo, &["volume", "remove", SERVER, "nothing"], &[]).await;
    assert!(terminal.clipboard().is_empty());
    assert!(terminal.title().starts_with("tomo: "), "{}", terminal.title());
    terminal.type_text("q");
    // The command line's own changes may count as under way for a moment more.
    terminal
        .wait_until("it is left", |screen| !screen.alternate_screen() || screen.contents().contains("[ Leave ]"))
        .await;
    if terminal.screen().alternate_screen() {
        terminal.press(Key::Tab);
        terminal.press(Key::Enter);
    }
    assert!(terminal.wait_for_exit().await.success());
    assert_eq!(foreign(&terminal.raw()[begun..]), None);
    agent.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_with_more_containers_than_a_report_holds_stays_connected_and_says_what_is_left_out() {
    let daemon = TestDaemon::start().await;
    let engine = Forger::start();
    engine.has(0, 1_000);
    let mut agent = TestAgent::with_engine(&daemon, SERVER, ALLOW_ALL, &engine.socket()).await;
    let admin = daemon.admin();
    let detail = eventually("the daemon knows of those that fit", async || {
        let request = ServerGet { server: SERVER.to_owned(), include: vec![ServerPart::Containers] };
        let detail = admin.call(&request).await.ok()?;
        let is_told = detail.facts.as_ref()?.missing.iter().any(|missing| missing.contains(" containers, for which"));
        (!detail.containers.is_empty() && is_told).then_some(detail)
    })
    .await;
    let running = detail.containers.iter().filter(|one| one.state == ContainerState::Running).count();
    assert!(running == 250 && detail.containers.len() > 400, "{running} run of {}", detail.containers.len());
    let tomo = Tomo::at_socket(&daemon);
    prints(&tomo, &["image", "list", SERVER], &marks('i', 0, 400)).await;
    prints(&tomo, &["container", "get", SERVER, "c00000"], &[]).await;
    assert_eq!(agent.program().log().matches("connected to the daemon").count(), 1);
    agent.stop().await;
    daemon.stop().await;
}
