//! What people do on the first day, by subcommands alone at a real terminal: for a screen reader, a braille line, a serial console.
//! Nothing of it is drawn: no escape sequence, no line written over, and tables whose columns stand below their heads.

use portable_pty::CommandBuilder;
use tomo_tests::{
    agent::{ALLOW_ALL, TestAgent},
    cli::Tomo,
    daemon::{PASSWORD, TestDaemon},
    docker::{Image, docker, unique},
    eventually::eventually,
    foreign::foreign_in_lines,
    program,
    terminal::{Key, Terminal},
};

/// Somebody at a terminal, with a program that would use it.
struct Person {
    tomo: Tomo,
}

impl Person {
    fn begin(&self, arguments: &[&str]) -> Terminal {
        let mut command = CommandBuilder::new(program::path("tomo"));
        command.args(arguments);
        command.cwd(self.tomo.home());
        command.env_clear();
        for (variable, value) in self.tomo.environment() {
            command.env(variable, value);
        }
        Terminal::start_command(command, 240, 60)
    }

    /// Runs a subcommand, answers what it asks, and returns what it wrote, which must be lines and nothing else.
    async fn run(&self, arguments: &[&str], answers: &[(&str, &str)]) -> String {
        let mut terminal = self.begin(arguments);
        for (question, answer) in answers {
            terminal.wait_for(question).await;
            terminal.type_text(&format!("{answer}\r"));
        }
        let status = terminal.wait_for_exit().await;
        let said = lines(&terminal, arguments);
        assert!(status.success(), "{arguments:?}: {status:?} {said}");
        said
    }
}

/// What a program has written on a terminal: lines.
fn lines(terminal: &Terminal, arguments: &[&str]) -> String {
    // A terminal writes the ends of lines so.
    let said = String::from_utf8(terminal.raw()).expect("it is text").replace("\r\n", "\n");
    assert_eq!(foreign_in_lines(&said), None, "{arguments:?}: {said:?}");
    said
}

/// Whether the cells of a table stand below their heads, parted by two blanks.
fn assert_is_aligned(table: &str, columns: &[&str]) {
    let mut rows = table.lines().skip_while(|line| !columns.iter().all(|column| line.contains(column)));
    let head = rows.next().unwrap_or_else(|| panic!("no head with {columns:?}: {table}"));
    for column in &columns[1..] {
        let at = head.find(column).expect("is there");
        for row in rows.clone().take_while(|row| !row.is_empty()) {
            let before: String = row.chars().take(at).collect();
            assert!(before.ends_with("  ") || before.trim_end().len() + 2 <= at, "{column} of {row:?} in {table}");
        }
    }
}

/// A column of a table, by its place.
fn column(table: &str, place: usize) -> Vec<&str> {
    table.lines().skip(1).filter_map(|line| line.split_whitespace().nth(place)).collect()
}

async fn first_day(term: &str) {
    let daemon = TestDaemon::start().await;
    let server = "here";
    let mut agents = vec![TestAgent::start(&daemon, server, ALLOW_ALL).await];
    for name in ["web-1", "web-2", "web-3"] {
        agents.push(TestAgent::synthetic(&daemon, name).await);
    }
    let image = Image::web();
    let (app, other) = (unique("lines"), unique("other"));
    drop(docker(&["run", "-d", "--name", &other, image.name()]));
    let person = Person { tomo: Tomo::at_socket(&daemon).env("TERM", term) };

    // What there is to be done is found, without colors.
    for arguments in [&["--help"][..], &["server", "--help"], &["server", "metrics", "--help"], &["help"]] {
        assert!(person.run(arguments, &[]).await.contains("Usage"));
    }
    let mut wrong = person.begin(&["server", "liszt"]);
    assert_eq!(wrong.wait_for_exit().await.exit_code(), 2);
    assert!(lines(&wrong, &["server", "liszt"]).contains("error: "));

    // The busiest of many, and what it did: in the last hour, and before.
    let measured = async || {
        let listed = person.tomo.run(["server", "list"]).await.ok().stdout;
        (column(&listed, 2).iter().filter(|cell| cell.ends_with('%')).count() == 4).then_some(())
    };
    eventually("all of them have figures", measured).await;
    for (order, place) in [("cpu", 2), ("mem", 3), ("disk", 4)] {
        let listed = person.run(&["server", "list", "--sort", order], &[]).await;
        assert_is_aligned(&listed, &["NAME", "STATUS", "CPU", "MEM", "DISK", "LOAD", "CONTAINERS"]);
        let figures: Vec<u32> =
            column(&listed, place).iter().filter_map(|cell| cell.trim_end_matches('%').parse().ok()).collect();
        assert!(figures.len() == 4 && figures.is_sorted_by(|left, right| left >= right), "by {order}: {listed}");
    }
    let busiest = person.run(&["server", "list", "--sort", "cpu"], &[]).await;
    let busiest = column(&busiest, 0)[0].to_owned();
    let sampled = async || {
        let table = person.tomo.run(["server", "metrics", &busiest, "cpu", "--step", "1s"]).await.ok().stdout;
        (table.lines().count() > 1).then_some(())
    };
    eventually("something was measured", sampled).await;
    let whole = person.run(&["server", "metrics", &busiest], &[]).await;
    assert_is_aligned(&whole, &["SERIES", "MIN", "AVG", "MAX", "LAST"]);
    assert!(whole.lines().any(|line| line.starts_with("cpu ") && line.contains('%')), "{whole}");
    let steps =
        person.run(&["server", "metrics", &busiest, "cpu", "load1", "--since", "10m", "--step", "10s"], &[]).await;
    assert_is_aligned(&steps, &["TIME", "cpu", "load1"]);
    assert!(steps.lines().skip(1).all(|line| line.starts_with("20") && line.contains('%')), "{steps}");
    let before = person.run(&["server", "metrics", &busiest, "cpu", "--since", "65m", "--until", "55m"], &[]).await;
    assert!(before.contains("none"), "nothing was measured an hour ago, and that is said: {before}");

    // A container is restarted, its log read and followed.
    let listed =
        async || person.tomo.run(["container", "list", server]).await.ok().stdout.contains(&other).then_some(());
    eventually("the container is known", listed).await;
    let listed = person.run(&["container", "list", server], &[]).await;
    assert_is_aligned(&listed, &["CONTAINER", "APP", "STATE", "HEALTH", "RESTARTS", "CPU", "MEM", "UP", "IMAGE"]);
    assert!(person.run(&["container", "restart", server, &other], &[]).await.contains("succeeded"));
    drop(person.run(&["container", "logs", server, &other], &[]).await);

    // An app is deployed: shown, asked about, told. Its log, its diagnosis.
    let deploy = ["app", "deploy", &app, "--server", server, "--image", image.name()];
    let said = person.run(&deploy, &[("[y/N]", "y")]).await;
    assert!(said.contains("succeeded"), "{said}");
    assert_is_aligned(&person.run(&["app", "list"], &[]).await, &["NAME", "SERVER", "STATUS", "IMAGE", "PORTS"]);
    drop(person.run(&["app", "get", &app], &[]).await);
    drop(person.run(&["app", "diagnose", &app], &[]).await);
    drop(person.run(&["app", "logs", &app, "--tail", "1"], &[]).await);
    let follow = ["app", "logs", &app, "--follow"];
    let mut following = person.begin(&follow);
    assert!(person.run(&["app", "restart", &app], &[]).await.contains("succeeded"));
    following.press(Key::Control('c'));
    following.wait_for_exit().await;
    lines(&following, &follow);

    // A plan that somebody else may have made: listed, looked at, approved.
    let mut declined = person.begin(&["settings", "set", "sample_interval_secs=5"]);
    declined.wait_for("to go on:").await;
    declined.type_text("n\r");
    assert_eq!(declined.wait_for_exit().await.exit_code(), 2);
    lines(&declined, &["settings", "set"]);
    let plans = person.tomo.run(["plan", "list", "--json"]).await.ok().json();
    let plan = plans[0]["plan"].as_str().expect("one waits").to_owned();
    assert!(person.run(&["plan", "list"], &[]).await.contains(&plan));
    drop(person.run(&["plan", "get", &plan], &[]).await);
    drop(person.run(&["plan", "approve", &plan], &[("to go on:", "settings")]).await);
    drop(person.run(&["plan", "apply", &plan], &[]).await);
    assert!(person.run(&["settings", "get"], &[]).await.contains('5'));

    // People, tokens, the audit, and all at a glance.
    let mut made = person.begin(&["user", "create", "ana", "--role", "operator"]);
    for _ in 0..2 {
        made.wait_for_secret("assword").await;
        made.type_text(&format!("{PASSWORD}\r"));
    }
    assert!(made.wait_for_exit().await.success(), "{made:?}");
    lines(&made, &["user", "create"]);
    assert!(person.run(&["user", "list"], &[]).await.contains("operator"));
    assert!(person.run(&["token", "create", "robot", "--for", "ai"], &[]).await.contains("tomo_"));
    assert!(person.run(&["token", "list"], &[]).await.contains("robot"));
    assert!(person.run(&["audit", "search", "--actor", "socket"], &[]).await.contains("user.create"));
    drop(person.run(&["audit", "verify"], &[]).await);
    for arguments in
        [&["overview"][..], &["--plain"], &["whoami"], &["operation", "list"], &["agent", "list"], &["catalog", "list"]]
    {
        assert!(!person.run(arguments, &[]).await.trim().is_empty());
    }
    drop(person.run(&["app", "remove", &app, "--name", &app], &[]).await);
    drop(docker(&["rm", "-f", &other]));
    for agent in agents {
        agent.stop().await;
    }
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_day_by_subcommands_alone_is_lines_and_nothing_else() {
    for term in ["xterm-256color", "dumb"] {
        first_day(term).await;
    }
}
