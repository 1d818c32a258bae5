//! Puts an update in place that the link was given, as root and for a moment: checks it, swaps the program, tries it out, and puts
//! the old one back unless the new one connects to the daemon.
//!
//! The swap is one rename, so that there is the old program or the new one, never none. This code runs from the program that has
//! proven itself, not from the one that is tried out; a journal lets the next start go on where a crash cut it off: first it is
//! decided how the update ends, then that is done, then it is forgotten.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
    time::Duration,
};

use anyhow::Context as _;
use tokio::time::{Instant, sleep};
use tomo_proto::{
    error::ErrorCode,
    model::release::{self, Measure, Release, ReleaseError, SignedRelease, Version},
    text::display_line,
    wire::command::Outcome,
};

use crate::{
    install::{
        EXEC_UNIT, HALVES, LINK_UNIT, LOOK, PROGRAM, PROVEN, STAGED, STATE,
        host::{Program, UnitState, connected_to, state_of},
        require_root_and_systemd,
        steps::absent_is_fine,
    },
    policy::Policy,
    update::{Ended, Head, Places},
};

/// What a new program gets to connect to the daemon,
const TRIAL: Duration = Duration::from_secs(60);
/// and how long it then has to stay so.
const STEADY: Duration = Duration::from_secs(2);
/// A program that ends so often is not waited for.
const ENDINGS: u32 = 3;
/// Bytes that are copied at a time.
const PART: usize = 256 * 1024;

/// Puts in place what was handed over, or goes on with what was cut off.
///
/// # Errors
/// The host does not let it. What an update comes to is no error: it is written down, for the link to tell.
pub async fn apply_update(policy: &Path) -> anyhow::Result<()> {
    require_root_and_systemd("apply-update")?;
    let places = Places::of(Path::new(STATE));
    let Some(head) = begun(&places)? else { return Ok(()) };
    // Decided before: then it was cut off while it was done.
    let decided = places.ended(head.command);
    let was_cut_off = decided.is_some();
    let outcome = match decided {
        Some(outcome) => outcome,
        None => {
            let outcome = carry_out(&places, &head, policy).await;
            places.decide(&Ended { command: head.command, outcome: outcome.clone() })?;
            outcome
        }
    };
    let succeeded = matches!(outcome, Outcome::Succeeded { .. });
    tracing::info!(command = %head.command, succeeded, ?outcome, "an update has ended");
    if succeeded {
        prove()?;
    } else if is_swapped()? || was_cut_off {
        replace(PROVEN, PROGRAM).with_context(|| format!("cannot put {PROGRAM} back"))?;
        restart().await?;
    }
    for left in [Path::new(STAGED), &places.handed()] {
        remove(left)?;
    }
    places.forget().context("the journal cannot be emptied")
}

/// What is under way: begun before, or handed over just now.
fn begun(places: &Places) -> anyhow::Result<Option<Head>> {
    if let Some(head) = places.under_way() {
        return Ok(Some(head));
    }
    match places.open() {
        Ok((head, _)) => {
            prove()?;
            places.begin(&head).context("the journal cannot be written")?;
            Ok(Some(head))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            tracing::warn!(%error, "what was handed over is thrown away");
            remove(&places.handed())?;
            Ok(None)
        }
    }
}

async fn carry_out(places: &Places, head: &Head, policy: &Path) -> Outcome {
    let done = async {
        if !is_swapped()? {
            let (handed, mut program) = places.open()?;
            if handed != *head {
                return Err(Refusal::conflict("something else was handed over meanwhile"));
            }
            stage(head, &mut program, policy).await?;
            fs::rename(STAGED, PROGRAM)?;
            sync_folder()?;
        }
        try_out().await
    };
    match (done.await, SignedRelease::parse(&head.release)) {
        (Ok(()), Ok(release)) => {
            let version = release.claims().version.to_string();
            Outcome::Succeeded { facts: BTreeMap::from([("version".to_owned(), version)]), downtime_ms: None }
        }
        (Ok(()), Err(error)) => Refusal::from(error).into(),
        (Err(refusal), _) => refusal.into(),
    }
}

/// Copies the program to where nobody but root can change it, and checks everything about the copy.
async fn stage(head: &Head, program: &mut fs::File, policy: &Path) -> Result<(), Refusal> {
    let key = Policy::load(policy).release_key().map_err(|refusal| Refusal {
        code: ErrorCode::RefusedByPolicy,
        message: refusal.to_string(),
        next: Some(refusal.next().to_owned()),
    })?;
    let signed = SignedRelease::parse(&head.release)?;
    let release = signed.verify(&key)?;
    let installed =
        version_of(PROGRAM).await.map_or_else(|_| Version::own(), |installed| installed.max(Version::own()));
    release.check_fits(std::env::consts::ARCH, installed)?;
    remove(Path::new(STAGED)).map_err(|error| Refusal::conflict(format!("{error:#}")))?;
    copy(release, program)?;
    let says = version_of(STAGED).await.map_err(|error| Refusal {
        code: ErrorCode::Invalid,
        message: format!("release {} does not run here: {error:#}", release.version),
        next: None,
    })?;
    if says != release.version {
        let message = format!("release {} calls itself {says}", release.version);
        return Err(Refusal { code: ErrorCode::Invalid, message, next: Some("sign it as what it is".to_owned()) });
    }
    Ok(())
}

fn copy(release: &Release, program: &mut fs::File) -> Result<(), Refusal> {
    let mut copy = fs::OpenOptions::new().write(true).create_new(true).mode(0o700).open(STAGED)?;
    let (mut measure, mut part) = (Measure::new(), vec![0; PART]);
    // One part beyond its length is enough to know that it is another one.
    while measure.length() <= release.length {
        let read = program.read(&mut part)?;
        if read == 0 {
            break;
        }
        measure.add(&part[..read]);
        copy.write_all(&part[..read])?;
    }
    measure.check(release)?;
    copy.set_permissions(fs::Permissions::from_mode(0o755))?;
    Ok(copy.sync_all()?)
}

/// What a program of ours says its version is.
async fn version_of(program: &'static str) -> anyhow::Result<Version> {
    let said = Program::new(program, &["--version"]).run().await?;
    let version = said.trim().strip_prefix(release::PROGRAM).map(str::trim);
    let version = version.with_context(|| format!("it says \"{}\"", display_line(said.trim(), 60)))?;
    version.parse().map_err(anyhow::Error::msg)
}

/// Starts both halves anew and waits until they run and the link is connected, and stays so for a moment.
async fn try_out() -> Result<(), Refusal> {
    let failed = |why: &str| Refusal {
        code: ErrorCode::HostFailed,
        message: format!("the new program was put in place and {why}; the one before is back"),
        next: Some(
            "look on that host: journalctl -u tomo-agent-link -u tomo-agent-exec -u tomo-agent-update".to_owned(),
        ),
    };
    let before = look().await.map_err(|error| failed(&format!("nobody knows how it does: {error:#}")))?;
    restart().await.map_err(|error| failed(&format!("could not be started: {error:#}")))?;
    let deadline = Instant::now() + TRIAL;
    let mut since: Option<(Instant, [u32; 2])> = None;
    loop {
        let now = look().await.map_err(|error| failed(&format!("nobody knows how it does: {error:#}")))?;
        let pids = [now[0].pid, now[1].pid];
        let is_new = (0..2).all(|half| pids[half] != 0 && pids[half] != before[half].pid);
        if is_new && now.iter().all(|state| state.active == "active") && connected_to(&now[1]).is_some() {
            match since {
                Some((since, known)) if known == pids => {
                    if since.elapsed() >= STEADY {
                        return Ok(());
                    }
                }
                _ => since = Some((Instant::now(), pids)),
            }
        } else {
            since = None;
        }
        if let Some(half) = (0..2).find(|half| now[*half].restarts >= ENDINGS) {
            return Err(failed(&format!("ended {} times ({})", now[half].restarts, HALVES[half])));
        }
        if Instant::now() > deadline {
            let said = display_line(&now[1].status, 300);
            let says = if said.is_empty() { "it says nothing".to_owned() } else { format!("it says: {said}") };
            return Err(failed(&format!("did not connect to the daemon in {} s ({says})", TRIAL.as_secs())));
        }
        sleep(LOOK).await;
    }
}

async fn look() -> anyhow::Result<[UnitState; 2]> {
    Ok([state_of(EXEC_UNIT).await?, state_of(LINK_UNIT).await?])
}

async fn restart() -> anyhow::Result<()> {
    // Whatever failed before does not count. A unit that never failed is not known to have, which is fine.
    drop(Program::systemctl("reset-failed", &[], &HALVES).run().await);
    Program::systemctl("restart", &["--no-block"], &HALVES).run().await.map(drop)
}

/// Whether the program is another one than that which has proven itself.
fn is_swapped() -> io::Result<bool> {
    let file = |path: &str| fs::metadata(path).map(|facts| (facts.dev(), facts.ino()));
    Ok(file(PROGRAM)? != file(PROVEN)?)
}

/// What is installed counts as good from now on.
fn prove() -> anyhow::Result<()> {
    if is_swapped().unwrap_or(true) {
        replace(PROGRAM, PROVEN).with_context(|| format!("cannot write {PROVEN}"))?;
    }
    Ok(())
}

/// Puts a program in the place of another one, at one moment.
fn replace(program: &str, place: &str) -> io::Result<()> {
    let beside = format!("{place}.link");
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => fs::hard_link(program, &beside)?,
    }
    fs::rename(&beside, place)?;
    // Of two names of one file a rename removes neither.
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => sync_folder(),
    }
}

fn sync_folder() -> io::Result<()> {
    Path::new(PROGRAM).parent().map_or(Ok(()), |folder| fs::File::open(folder)?.sync_all())
}

/// Removes what the link has put there, whatever it is.
fn remove(path: &Path) -> anyhow::Result<()> {
    let is_folder = fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
    let removed = if is_folder { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    absent_is_fine(removed).with_context(|| format!("cannot remove {}", path.display()))
}

/// Why an update is not put in place.
struct Refusal {
    code: ErrorCode,
    message: String,
    next: Option<String>,
}

impl Refusal {
    fn conflict(message: impl Into<String>) -> Self {
        Self { code: ErrorCode::Conflict, message: message.into(), next: None }
    }
}

impl From<Refusal> for Outcome {
    fn from(Refusal { code, message, next }: Refusal) -> Self {
        Self::failed(code, message, next)
    }
}

impl From<ReleaseError> for Refusal {
    fn from(error: ReleaseError) -> Self {
        Self { code: error.code(), message: error.to_string(), next: None }
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        Self::conflict(format!("the host cannot take the program: {error}"))
    }
}
