//! Every kind of deploy against everything that can get in between, on the real engine: it ends as it has to, what is said of it is
//! true, an app that it did not replace is as it was to the byte, and nothing is left over. Prints a table.
//!
//! The gate stops the programs at a few calls to the engine; with `TOMO_TEST_ROUNDS` it is every one of them, before and after.

#![expect(clippy::print_stdout, reason = "the table is what the test is run for")]

mod stage;

use std::{collections::BTreeMap, fmt::Write as _, time::Instant};

use tomo_tests::engine_way::Side;

use stage::Stage;

/// What is deployed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    First,
    Update,
    RollBack,
}

/// What gets in between.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    Nothing,
    PullFails,
    PortTaken,
    CreateFails,
    NeverHealthy,
    Dies,
    AgentKilled(usize, Side),
    EngineAway(usize, Side),
    DaemonKilled(usize, Side),
    Cancelled(usize, Side),
}

/// How a deploy ended, after everything that has to be true of it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    New,
    AsBefore,
}

/// What came of the trials of one kind, by column.
type Row = BTreeMap<&'static str, String>;

/// A trouble at a call.
type At = fn(usize, Side) -> Trouble;

const COLUMNS: [&str; 10] = [
    "success",
    "pull fails",
    "port taken",
    "create fails",
    "never healthy",
    "dies after 5 s",
    "agent killed",
    "engine away",
    "daemon killed",
    "cancelled",
];

/// Every second or so of the moments at which something can be stopped, or all of them.
fn moments(calls: usize, is_all: bool, gate: &[(usize, Side)]) -> Vec<(usize, Side)> {
    if !is_all {
        return gate.to_vec();
    }
    (1..=calls).flat_map(|call| [(call, Side::Before), (call, Side::After)]).collect()
}

async fn row(kind: Kind, is_all: bool) -> Row {
    let mut stage = Stage::set(kind).await;
    let mut row = Row::new();
    let begun = Instant::now();
    assert_eq!(stage.try_out(Trouble::Nothing).await, End::New);
    row.insert("success", format!("new, {:.1} s", begun.elapsed().as_secs_f64()));
    if is_all {
        // From now on there is a kept one, which goes on the way.
        stage.try_out(Trouble::Nothing).await;
    }
    let calls = stage.way.calls();
    println!("{kind:?}: the engine's calls are {calls:?}");
    let mut single = vec![("create fails", Trouble::CreateFails), ("dies after 5 s", Trouble::Dies)];
    // A revision that cannot be gone back to any more takes two deploys to make.
    if is_all || kind != Kind::RollBack {
        single.extend([("pull fails", Trouble::PullFails), ("port taken", Trouble::PortTaken)]);
    }
    if is_all {
        single.push(("never healthy", Trouble::NeverHealthy));
    }
    for (column, trouble) in single {
        println!("{kind:?}: {column}");
        let end = stage.try_out(trouble).await;
        row.insert(column, if end == End::New { "new" } else { "as before" }.to_owned());
    }
    let last = calls.len();
    let start = calls.iter().position(|call| call.starts_with("start")).expect("it is started") + 1;
    let with: [(_, At, &[_]); 4] = [
        ("agent killed", Trouble::AgentKilled, &[(start, Side::After), (last, Side::Before)]),
        ("engine away", Trouble::EngineAway, &[(start, Side::Before)]),
        ("daemon killed", Trouble::DaemonKilled, &[(start, Side::After)]),
        ("cancelled", Trouble::Cancelled, &[(start, Side::After)]),
    ];
    for (column, trouble, gate) in with {
        let (mut new, mut as_before) = (0, 0);
        for (call, side) in moments(last, is_all, gate) {
            println!("{kind:?}: {column} {side:?} call {call} of {last}, {}", calls[call - 1]);
            match stage.try_out(trouble(call, side)).await {
                End::New => new += 1,
                End::AsBefore => as_before += 1,
            }
        }
        row.insert(column, format!("{as_before} as before, {new} new"));
    }
    stage.clear().await;
    row
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_gets_into_a_deploy_it_ends_as_it_has_to_and_says_so() {
    let is_all = std::env::var_os("TOMO_TEST_ROUNDS").is_some();
    let (first, update, back) =
        tokio::join!(row(Kind::First, is_all), row(Kind::Update, is_all), row(Kind::RollBack, is_all));
    let mut table = "| | first deploy | update | rollback |\n|---|---|---|---|\n".to_owned();
    for column in COLUMNS {
        let cell = |row: &Row| row.get(column).cloned().unwrap_or_else(|| "not in the gate".to_owned());
        writeln!(table, "| {column} | {} | {} | {} |", cell(&first), cell(&update), cell(&back)).expect("fits");
    }
    println!("{table}");
}
