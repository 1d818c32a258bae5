//! Tomo beside its peers, on the same machine and in the same run: `tests/bench/run` prints a table of ratios.
//!
//! Peer and Tomo take turns, window by window; what counts is the median of the windows' ratios. Absolute figures are shown beside it
//! and mean little on a shared machine.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this is the program's own output")]

mod agent;
mod dashboard;
mod fleet;
mod logs;
mod measure;
mod rows;
mod server_list;

use std::time::Duration;

use measure::Row;

/// How long and how often is measured.
#[derive(Debug, Clone, Copy)]
struct Windows {
    count: usize,
    length: Duration,
}

const NAMES: [&str; 6] = ["agent", "server_list", "fleet", "dashboard", "rows", "logs"];

#[tokio::main(flavor = "multi_thread")]
async fn main() {
    rustls::crypto::ring::default_provider().install_default().expect("nobody has chosen one before");
    let mut chosen = Vec::new();
    let mut windows = Windows { count: 5, length: Duration::from_secs(10) };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--windows" => windows.count = number(arguments.next()),
            "--seconds" => windows.length = Duration::from_secs(number(arguments.next())),
            name if NAMES.contains(&name) => chosen.push(name.to_owned()),
            _ => usage(),
        }
    }
    if chosen.is_empty() {
        chosen = NAMES.map(str::to_owned).to_vec();
    }
    let mut rows = Vec::new();
    for name in chosen {
        eprintln!("measuring {name}: {} windows of {} s", windows.count, windows.length.as_secs());
        rows.extend(match name.as_str() {
            "agent" => agent::run(windows).await,
            "server_list" => server_list::run(windows).await,
            "fleet" => fleet::run(windows).await,
            "rows" => rows::run(windows).await,
            "logs" => logs::run(windows).await,
            _ => dashboard::run(windows).await,
        });
    }
    print(&rows);
}

fn number<N: std::str::FromStr>(text: Option<String>) -> N {
    text.and_then(|text| text.parse().ok()).unwrap_or_else(|| usage())
}

fn usage() -> ! {
    eprintln!("usage: tests/bench/run [--windows N] [--seconds N] [{}]…", NAMES.join("|"));
    std::process::exit(2)
}

fn print(rows: &[Row]) {
    println!("| what | Tomo | peer | ratio | goal | |\n|---|---|---|---|---|---|");
    for row in rows {
        let ratio = row.ratio.map_or_else(String::new, |ratio| format!("{ratio:.3}"));
        let (goal, verdict) = match (row.goal, row.ratio) {
            (Some(goal), Some(ratio)) => (goal.to_string(), if goal.is_met(ratio) { "met" } else { "MISSED" }),
            _ => (String::new(), ""),
        };
        println!("| {} | {} | {} | {ratio} | {goal} | {verdict} |", row.what, row.tomo, row.peer);
    }
}
