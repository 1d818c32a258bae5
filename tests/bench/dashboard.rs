//! The dashboard over a thousand live servers against btop over one, both at 200x50 and once a second; and the same over SSH.

use std::{
    io::{Read as _, Write as _},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use tokio::{
    sync::watch,
    time::{Instant, sleep, timeout},
};
use tomo_proto::model::user::Role;
use tomo_tests::{cli::Tomo, daemon::Setup, house::House, program};

use crate::{
    Windows,
    agent::sample_every,
    fleet::{Fleet, all_connected},
    measure::{Cpu, Goal, Memory, Row, mebibytes, per_hour},
};

const SERVERS: usize = 1_000;
const SIZE: PtySize = PtySize { rows: 50, cols: 200, pixel_width: 0, pixel_height: 0 };
const BTOP: &str = "update_ms = 1000\nproc_sorting = \"cpu lazy\"\ncheck_temp = True\n";
/// Keys whose answers are timed.
const KEYS: usize = 200;
/// A screen counts as full once this many bytes have come.
const FULL_BYTES: u64 = 2_000;

/// A program that fills a screen; what it writes is counted and thrown away.
struct Screen {
    child: Box<dyn portable_pty::Child + Send + Sync>,
    _master: Box<dyn portable_pty::MasterPty + Send>,
    keyboard: Box<dyn std::io::Write + Send>,
    bytes: Arc<AtomicU64>,
    /// When something of it came last.
    arrivals: watch::Receiver<Instant>,
    cpu: Cpu,
    pid: u32,
    begun: Instant,
    /// When it was full for the first time.
    full: Instant,
}

impl Screen {
    async fn open(command: CommandBuilder) -> Self {
        let pair = native_pty_system().openpty(SIZE).expect("there are pseudo terminals");
        let mut reader = pair.master.try_clone_reader().expect("it can be read");
        let bytes = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&bytes);
        let (arrived, arrivals) = watch::channel(Instant::now());
        std::thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                counted.fetch_add(u64::try_from(count).unwrap_or(0), Ordering::Relaxed);
                if arrived.send(Instant::now()).is_err() {
                    break;
                }
            }
        });
        let begun = Instant::now();
        let child = pair.slave.spawn_command(command).expect("it starts");
        let pid = child.process_id().expect("it runs");
        while bytes.load(Ordering::Relaxed) < FULL_BYTES && begun.elapsed() < Duration::from_secs(30) {
            sleep(Duration::from_millis(1)).await;
        }
        let full = Instant::now();
        let keyboard = pair.master.take_writer().expect("it can be written to");
        Self { child, _master: pair.master, keyboard, bytes, arrivals, cpu: Cpu::of(pid), pid, begun, full }
    }

    /// Milliseconds from its start, or a later moment, to the first full screen.
    fn full_after(&self, moment: Instant) -> f64 {
        self.full.duration_since(moment).as_secs_f64() * 1e3
    }

    /// Milliseconds from each key to the first byte that comes after it, the shortest first.
    async fn answers(&mut self, keys: &str) -> Vec<f64> {
        let mut waits = Vec::new();
        for key in keys.bytes() {
            sleep(Duration::from_millis(37)).await;
            self.arrivals.mark_unchanged();
            let pressed = Instant::now();
            self.keyboard.write_all(&[key]).and_then(|()| self.keyboard.flush()).expect("it can be typed");
            let answered = timeout(Duration::from_secs(2), self.arrivals.changed()).await;
            answered.expect("a key is answered").expect("it runs");
            waits.push(self.arrivals.borrow().duration_since(pressed).as_secs_f64() * 1e3);
        }
        waits.sort_by(f64::total_cmp);
        waits
    }

    /// Processor seconds per hour and bytes per second over a window.
    async fn watch(&mut self, length: Duration) -> (f64, f64) {
        let before = self.bytes.load(Ordering::Relaxed);
        let ((), spent, passed) = self.cpu.during(sleep(length)).await;
        let written = u32::try_from(self.bytes.load(Ordering::Relaxed) - before).expect("it fits");
        (per_hour(spent, passed), f64::from(written) / passed.as_secs_f64())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// When a program has written a text into a file; looked at every millisecond.
async fn stands_in(file: &Path, text: &str) -> Instant {
    while !std::fs::read_to_string(file).is_ok_and(|told| told.contains(text)) {
        sleep(Duration::from_millis(1)).await;
    }
    Instant::now()
}

fn command(program: impl AsRef<std::ffi::OsStr>, shell: &Tomo) -> CommandBuilder {
    let mut command = CommandBuilder::new(program);
    command.env_clear();
    for (name, value) in shell.environment() {
        command.env(name, value);
    }
    command.env("COLORTERM", "truecolor");
    command.cwd(shell.home());
    command
}

pub(crate) async fn run(windows: Windows) -> Vec<Row> {
    let house = House::spawn(Setup::default()).await;
    house.let_in("ana", Role::Admin).await;
    sample_every(&house.daemon, 1).await;
    let mut fleet = Fleet::enroll(&house.daemon, SERVERS).await;
    fleet.start();
    all_connected(&house.daemon, SERVERS).await;
    let shell = Tomo::at_socket(&house.daemon);
    let config = shell.home().join("XDG_CONFIG_HOME/btop");
    std::fs::create_dir_all(&config).expect("a folder can be made");
    std::fs::write(config.join("btop.conf"), BTOP).expect("a file can be written");
    let mut btop = Screen::open({
        let mut command = command("btop", &shell);
        command.arg("--utf-force");
        command
    })
    .await;
    let mut tomo = Screen::open(command(program::path("tomo"), &shell)).await;
    let first = [(tomo.full_after(tomo.begun), btop.full_after(btop.begun))];
    sleep(Duration::from_secs(10)).await;
    let (mut spent, mut written) = (Vec::new(), Vec::new());
    for _ in 0..windows.count {
        let (ours, theirs) = (tomo.watch(windows.length).await, btop.watch(windows.length).await);
        spent.push((ours.0, theirs.0));
        written.push((ours.1, theirs.1));
    }
    let keys = "jk".repeat(KEYS / 2);
    let waits = tomo.answers(&keys).await;
    let memory = [(mebibytes(Memory::of(tomo.pid).resident), mebibytes(Memory::of(btop.pid).resident))];
    drop((tomo, btop));
    let log = shell.home().join("ssh.log");
    let client = house.ssh("ana", "ana", &["-v", "-E", &log.to_string_lossy()]);
    let (mut visit, shaken) = tokio::join!(Screen::open(client), stands_in(&log, "Authenticated to "));
    let visit_first = [(visit.full_after(shaken), 150.0)];
    let visit_waits = visit.answers(&keys).await;
    drop(visit);
    let half = |waits: &[f64], promised| [(waits[KEYS / 2], promised)];
    let most = |waits: &[f64], promised| [(waits[KEYS * 95 / 100], promised)];
    let ms = |ms: f64| format!("{ms:.2} ms");
    fleet.stop().await;
    vec![
        Row::pairs("dashboard of 1,000 servers, CPU per hour / btop", &spent, Goal::AtMost(0.20), |s| {
            format!("{s:.0} s")
        }),
        Row::pairs("dashboard, bytes per second / btop", &written, Goal::AtMost(0.30), |bytes| format!("{bytes:.0}")),
        Row::pairs("dashboard, key to first byte, median / 1 ms", &half(&waits, 1.0), Goal::AtMost(1.0), ms),
        Row::pairs("dashboard, key to first byte, p95 / 4 ms", &most(&waits, 4.0), Goal::AtMost(1.0), ms),
        Row::pairs("over SSH, handshake to a full frame / 150 ms", &visit_first, Goal::AtMost(1.0), ms),
        Row::pairs("over SSH, key to first byte, p95 / 10 ms", &most(&visit_waits, 10.0), Goal::AtMost(1.0), ms),
        Row::pairs("dashboard, RSS / btop", &memory, Goal::AtMost(1.5), |mib| format!("{mib:.1} MiB")),
        Row::pairs("dashboard, first full frame / btop", &first, Goal::AtMost(3.0), |ms| format!("{ms:.0} ms")),
    ]
}
