//! Backups of volumes on the real engine: what was in one comes back identical and is proven to, or nothing of it is kept.

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink},
    path::{Path, PathBuf},
    time::Duration,
};

use tomo_daemon::clock::Clock;
use tomo_proto::{
    api::{
        app::{AppDeploy, AppGet, AppRemove},
        operation::{OperationCancel, OperationList},
        overview::Overview,
        person::{InitVault, LockVault, RotateVault, SecretText, UnlockVault},
        server::ServerGet,
        volume_backup::{
            VolumeBackupCreate, VolumeBackupList, VolumeBackupRemove, VolumeBackupVerify, VolumeDrill, VolumeRestore,
            VolumeScheduleSet,
        },
    },
    error::ErrorCode,
    model::{
        agent::AgentState,
        app::{AppSpec, HealthCheck, VolumeSpec},
        operation::{Operation, OperationKind, OperationStatus},
        plan::Approval,
        volume_backup::VolumeBackup,
    },
};
use tomo_tests::{
    agent::{ALLOW_ALL, TestAgent},
    cli::Tomo,
    daemon::{Setup, TestDaemon},
    disk::SmallDisk,
    docker::{Image, docker, unique},
    engine_way::{EngineWay, Side},
    eventually::{eventually, eventually_within},
    http::Http,
};

const SERVER: &str = "web-1";
const ENGINE: &str = "/var/run/docker.sock";

/// A volume of the real engine. It goes when dropped, with what was restored from it.
struct Volume {
    name: String,
}

impl Volume {
    fn make() -> Self {
        let name = unique("tomo-test-volume");
        drop(docker(&["volume", "create", &name]));
        Self { name }
    }

    fn place(name: &str) -> PathBuf {
        docker(&["volume", "inspect", "-f", "{{.Mountpoint}}", name]).into()
    }

    fn folder(&self) -> PathBuf {
        Self::place(&self.name)
    }

    fn restored(&self) -> String {
        format!("{}-restored", self.name)
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        for name in [self.name.clone(), self.restored()] {
            drop(std::process::Command::new("docker").args(["volume", "rm", "-f", &name]).output());
        }
    }
}

fn exists(volume: &str) -> bool {
    !docker(&["volume", "ls", "-q", "--filter", &format!("name=^{volume}$")]).is_empty()
}

/// What is at a path, as far as an archive carries it.
#[derive(Debug, PartialEq, Eq)]
struct Kept {
    kind: u32,
    mode: u32,
    owner: (u32, u32),
    links: u64,
    mtime: i64,
    content: String,
}

fn manifest(folder: &Path) -> BTreeMap<PathBuf, Kept> {
    fn walk(root: &Path, path: &Path, found: &mut BTreeMap<PathBuf, Kept>) {
        let facts = path.symlink_metadata().expect("is there");
        let kind = facts.file_type();
        let content = if kind.is_symlink() {
            path.read_link().expect("is a link").display().to_string()
        } else if kind.is_file() {
            let bytes = fs::read(path).expect("can be read");
            format!("{:?}", ring::digest::digest(&ring::digest::SHA256, &bytes))
        } else {
            String::new()
        };
        let kept = Kept {
            kind: facts.mode() & 0o170_000,
            mode: facts.mode() & 0o7_777,
            owner: (facts.uid(), facts.gid()),
            links: if kind.is_dir() { 0 } else { facts.nlink() },
            mtime: facts.mtime(),
            content,
        };
        found.insert(path.strip_prefix(root).expect("below it").to_owned(), kept);
        if kind.is_dir() {
            for entry in fs::read_dir(path).expect("can be read").flatten() {
                walk(root, &entry.path(), found);
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(folder, folder, &mut found);
    found
}

/// Ten thousand files of every kind, and one that is large and mostly empty.
fn fill(folder: &Path) {
    for number in 0..100 {
        let sub = folder.join(format!("folder {number} ü"));
        fs::create_dir(&sub).expect("can be made");
        for file in 0..99 {
            let path = sub.join(if file % 10 == 5 {
                format!("file {file} – ありがとう")
            } else {
                format!("file {file}")
            });
            let content = if file % 4 == 1 { format!("{number} {file}").repeat(file) } else { String::new() };
            fs::write(&path, content).expect("can be written");
            fs::set_permissions(&path, fs::Permissions::from_mode([0o644, 0o600, 0o4_755, 0o400][file % 4]))
                .expect("can be set");
            chown(&path, Some(1_000 + u32::try_from(file % 3).expect("fits")), Some(2_000)).expect("as root");
        }
    }
    symlink("../outside of it", folder.join("link up")).expect("can be made");
    symlink("/etc/passwd", folder.join("link away")).expect("can be made");
    fs::hard_link(folder.join("folder 1 ü/file 5 – ありがとう"), folder.join("a second name")).expect("can be made");
    fs::write(folder.join("n".repeat(200)), "long").expect("can be written");
    let mut sparse = fs::File::create(folder.join("sparse")).expect("can be made");
    sparse.set_len(1 << 20).expect("can be set");
    sparse.write_all(b"begins").expect("can be written");
    fs::set_permissions(folder, fs::Permissions::from_mode(0o1_770)).expect("can be set");
    chown(folder, Some(1_234), Some(4_321)).expect("as root");
}

fn spec(image: &Image, volume: &Volume) -> AppSpec {
    AppSpec {
        image: image.name().to_owned(),
        health: Some(HealthCheck::Http { port: 8080, path: "/".to_owned() }),
        volumes: vec![VolumeSpec { source: volume.name.clone(), target: "/data".to_owned(), read_only: false }],
        ..AppSpec::default()
    }
}

async fn deploy(admin: &Http, name: &str, spec: AppSpec) {
    let request = AppDeploy { server: SERVER.to_owned(), name: name.to_owned(), spec, ..AppDeploy::default() };
    let done = admin.carry_out(admin.call(&request).await.expect("is planned")).await.expect("ends");
    assert_eq!(done.status, OperationStatus::Succeeded, "{done:?}");
}

async fn remove(admin: &Http, name: &str) {
    let request = AppRemove { app: name.to_owned(), ..AppRemove::default() };
    let done = admin.carry_out(admin.call(&request).await.expect("is planned")).await.expect("ends");
    assert_eq!(done.status, OperationStatus::Succeeded, "{done:?}");
}

fn backup_of(volume: &Volume, stop: bool) -> VolumeBackupCreate {
    VolumeBackupCreate { server: SERVER.to_owned(), volume: volume.name.clone(), stop, reason: None }
}

async fn back_up(admin: &Http, volume: &Volume, stop: bool) -> VolumeBackup {
    let operation = admin.call(&backup_of(volume, stop)).await.expect("is begun");
    let done = admin.wait_for(operation).await.expect("ends");
    assert_eq!(done.status, OperationStatus::Succeeded, "{done:?}");
    newest(admin, volume).await.expect("is listed")
}

async fn backups(admin: &Http, volume: &Volume) -> Vec<VolumeBackup> {
    let request = VolumeBackupList { volume: Some(volume.name.clone()), ..VolumeBackupList::default() };
    admin.call(&request).await.expect("is told").backups
}

async fn newest(admin: &Http, volume: &Volume) -> Option<VolumeBackup> {
    backups(admin, volume).await.into_iter().next()
}

fn restore_of(backup: &VolumeBackup) -> VolumeRestore {
    VolumeRestore { backup: backup.backup.to_string(), ..VolumeRestore::default() }
}

async fn restore(admin: &Http, backup: &VolumeBackup) -> Operation {
    let plan = admin.call(&restore_of(backup)).await.expect("is planned");
    assert_eq!(plan.approval, Approval::Confirm);
    admin.carry_out(plan).await.expect("ends")
}

fn error(operation: &Operation) -> (ErrorCode, String) {
    let error = operation.error.clone().unwrap_or_else(|| panic!("has none: {operation:?}"));
    (error.code, error.message)
}

fn runs(container: &str) -> bool {
    docker(&["inspect", "-f", "{{.State.Running}}", container]) == "true"
}

/// What an agent's commands have left on the engine: containers, volumes and networks that are labelled with one of them.
fn left_over(agent: &TestAgent) -> Vec<String> {
    let journal = fs::read_dir(agent.state().join("journal")).into_iter().flatten().flatten();
    let names = journal.filter_map(|file| Some(file.path().file_stem()?.to_str()?.to_owned()));
    let of = |command: String| {
        let filter = format!("label=dev.tomo.made={command}");
        let containers = docker(&["ps", "-aq", "--filter", &filter]);
        let volumes = docker(&["volume", "ls", "-q", "--filter", &filter]);
        [containers, volumes, docker(&["network", "ls", "-q", "--filter", &filter])]
    };
    names.flat_map(of).filter(|left| !left.is_empty()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_comes_back_identical_and_a_drill_proves_it() {
    let (image, volume, app) = (Image::web(), Volume::make(), unique("shop"));
    fill(&volume.folder());
    let daemon = TestDaemon::start().await;
    let admin = daemon.admin();
    let agent = TestAgent::halves(&daemon, SERVER, ALLOW_ALL).await;
    deploy(&admin, &app, spec(&image, &volume)).await;
    let before = manifest(&volume.folder());
    assert!(before.len() > 10_000, "{}", before.len());

    let backup = back_up(&admin, &volume, true).await;
    assert_eq!(backup.contents.files, u64::try_from(before.len()).expect("fits"));
    assert!(backup.contents.bytes > 1 << 20 && backup.stopped && backup.drill.is_none(), "{backup:?}");
    assert_eq!(backup.app.as_ref().map(|known| known.name.as_str()), Some(app.as_str()));
    assert!(runs(&format!("tomo-{app}")), "it was started again");
    let sealed = fs::read(&backup.file).expect("is there");
    let clear = |part: &[u8]| part == b"tomo-volume/" || *part == "ありがとう".as_bytes()[..12];
    assert!(!sealed[..1 << 20].windows(12).any(clear), "nothing of it lies in clear");
    assert_eq!(left_over(&agent), Vec::<String>::new());

    let drill = VolumeDrill { backup: backup.backup.to_string(), reason: None };
    let drilled = admin.wait_for(admin.call(&drill).await.expect("is begun")).await.expect("ends");
    assert_eq!(drilled.status, OperationStatus::Succeeded, "{drilled:?}");
    let proof = newest(&admin, &volume).await.and_then(|backup| backup.drill).expect("is noted");
    assert!(proof.proven && proof.server == SERVER && proof.took_ms > 0, "{proof:?}");
    assert!(proof.result.contains("identical, by checksum"), "{proof:?}");
    assert!(proof.result.contains("its health check passed"), "{proof:?}");
    let detail = admin.call(&AppGet { app: app.clone(), include: Vec::new() }).await.expect("is told");
    assert_eq!(detail.backups.len(), 1, "{detail:?}");
    assert_eq!((detail.backups[0].backup, detail.backups[0].drill.as_ref()), (backup.backup, Some(&proof)));
    assert_eq!(admin.call(&Overview::default()).await.expect("is told").restore_proven_at, Some(proof.at));
    assert_eq!(left_over(&agent), Vec::<String>::new());
    assert_eq!(manifest(&volume.folder()), before, "the volume itself was left alone");

    let done = restore(&admin, &backup).await;
    assert_eq!(done.status, OperationStatus::Succeeded, "{done:?}");
    let after = manifest(&Volume::place(&volume.restored()));
    for (path, kept) in &before {
        assert_eq!(after.get(path), Some(kept), "{}", path.display());
    }
    assert_eq!(after.len(), before.len());

    // An existing volume is never restored over; without a name another one is made.
    let taken = VolumeRestore { volume: Some(volume.name.clone()), ..restore_of(&backup) };
    let taken = admin.call(&taken).await.expect_err("is refused");
    assert!(taken.code == ErrorCode::Conflict && taken.message.contains("already"), "{taken:?}");
    let next = admin.call(&restore_of(&backup)).await.expect("is planned");
    assert!(next.summary.contains(&format!("{}-2", volume.restored())), "{next:?}");

    // By the command line.
    let tomo = Tomo::at_socket(&daemon);
    let id = backup.backup.to_string();
    let listed = tomo.run(["volume", "backups", SERVER, &volume.name]).await.ok();
    assert!(listed.stdout.contains(&id) && !listed.stdout.contains("never"), "{listed:?}");
    let verified = tomo.run(["volume", "verify", &id]).await.ok();
    assert!(verified.stdout.contains(&format!("verifying backup {id} succeeded")), "{verified:?}");
    let gone = tomo.run(["volume", "forget", &id, "--name", &id]).await.ok();
    assert!(gone.stdout.contains("succeeded") && !Path::new(&backup.file).exists(), "{gone:?}");
    assert_eq!(backups(&admin, &volume).await, []);
    remove(&admin, &app).await;
    agent.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_whose_app_does_not_live_says_so_and_leaves_nothing() {
    let (image, volume, app) = (Image::web(), Volume::make(), unique("shop"));
    let daemon = TestDaemon::start().await;
    let admin = daemon.admin();
    let agent = TestAgent::start(&daemon, SERVER, ALLOW_ALL).await;
    deploy(&admin, &app, spec(&image, &volume)).await;
    // A restored volume holds what makes the app end: its page is a link into the volume.
    let dies = Image::script("test -e /data/broken && { echo it is broken; exit 7; }; busybox sleep 1000");
    fs::write(volume.folder().join("broken"), "x").expect("can be written");
    remove(&admin, &app).await;
    let mut other = spec(&dies, &volume);
    other.health = None;
    fs::remove_file(volume.folder().join("broken")).expect("can be removed");
    deploy(&admin, &app, other).await;
    fs::write(volume.folder().join("broken"), "x").expect("can be written");
    let backup = back_up(&admin, &volume, false).await;
    let drill = VolumeDrill { backup: backup.backup.to_string(), reason: None };
    let drilled = admin.wait_for(admin.call(&drill).await.expect("is begun")).await.expect("ends");
    assert_eq!(drilled.status, OperationStatus::Failed, "{drilled:?}");
    let evidence = drilled.evidence.expect("is kept");
    assert_eq!(evidence.exit_code, Some(7));
    assert!(evidence.log.iter().any(|line| line.text == "it is broken"), "{evidence:?}");
    let proof = newest(&admin, &volume).await.and_then(|backup| backup.drill).expect("is noted");
    assert!(!proof.proven && proof.result.contains("exit code 7"), "{proof:?}");
    assert_eq!(left_over(&agent), Vec::<String>::new());
    assert!(runs(&format!("tomo-{app}")), "the app itself goes on");
    remove(&admin, &app).await;
    agent.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_cut_off_leaves_nothing_and_the_app_runs_again() {
    let (image, volume, app) = (Image::web(), Volume::make(), unique("shop"));
    let way = EngineWay::to(Path::new(ENGINE));
    let mut daemon = TestDaemon::spawn().await;
    let mut agent = TestAgent::with_engine(&daemon, SERVER, ALLOW_ALL, &way.socket()).await;
    let admin = daemon.admin();
    deploy(&admin, &app, spec(&image, &volume)).await;
    let container = format!("tomo-{app}");
    let folder = daemon.data().join("volume-backups");
    let is_empty = || fs::read_dir(&folder).map_or(0, |files| files.flatten().count()) == 0;

    // Cancelled while it comes in and the app is down.
    let large = fs::File::create(volume.folder().join("large")).expect("can be made");
    large.set_len(1 << 30).expect("can be set");
    let comes_in = async || {
        let files = fs::read_dir(&folder).into_iter().flatten().flatten();
        let mut sizes = files.map(|file| file.metadata().map_or(0, |facts| facts.len()));
        sizes.any(|size| size > 1 << 20).then_some(())
    };
    let operation = admin.call(&backup_of(&volume, true)).await.expect("is begun");
    eventually("it comes in", &comes_in).await;
    assert!(!runs(&container), "{:?}", way.calls());
    let cancel = OperationCancel { operation: operation.operation.to_string(), reason: None };
    admin.call(&cancel).await.expect("is cancelled");
    let done = admin.wait_for(operation).await.expect("ends");
    assert_eq!(done.status, OperationStatus::Cancelled, "{done:?}");
    assert!(runs(&container) && is_empty(), "the app runs again, and no file is left");
    assert_eq!(left_over(&agent), Vec::<String>::new());

    // The agent dies while the app is down.
    way.stop_at(2, Side::After);
    let operation = admin.call(&backup_of(&volume, true)).await.expect("is begun");
    way.held().await;
    agent.kill().await;
    way.drop_held();
    let done = admin.wait_for(operation).await.expect("ends");
    assert_eq!(done.status, OperationStatus::Failed, "{done:?}");
    assert!(error(&done).1.contains("nothing of it is left") && is_empty(), "{done:?}");
    assert!(!runs(&container) && !left_over(&agent).is_empty(), "the agent could not see to it");
    agent.resume().await;
    eventually("the agent has seen to it", async || (runs(&container) && left_over(&agent).is_empty()).then_some(()))
        .await;

    // The daemon dies in the middle of what comes in.
    drop(admin.call(&backup_of(&volume, true)).await.expect("is begun"));
    eventually("it comes in", &comes_in).await;
    daemon.kill().await;
    assert!(!is_empty(), "half a file is there");
    eventually("the agent has seen to it", async || (runs(&container) && left_over(&agent).is_empty()).then_some(()))
        .await;
    daemon.respawn().await;
    let admin = daemon.admin();
    assert!(is_empty() && backups(&admin, &volume).await.is_empty(), "what was half written is gone");
    let tomo = Tomo::at_socket(&daemon);
    let told = tomo.run(["operation", "list", "--json"]).await.ok().json();
    assert!(told.to_string().contains("nothing of the backup is left"), "{told}");

    // And the next one is whole.
    let request = ServerGet { server: SERVER.to_owned(), include: Vec::new() };
    let is_back = async || (admin.call(&request).await.ok()?.summary.agent == AgentState::Online).then_some(());
    eventually_within(Duration::from_secs(60), "the agent is back", is_back).await;
    large.set_len(8 << 20).expect("can be set");
    assert_eq!(back_up(&admin, &volume, true).await.contents.bytes, 8 << 20);
    assert!(runs(&container));
    remove(&admin, &app).await;
    agent.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_is_not_changed_while_a_backup_has_one_of_its_services_stopped() {
    let (image, volume, app) = (Image::web(), Volume::make(), unique("shop"));
    let way = EngineWay::to(Path::new(ENGINE));
    let daemon = TestDaemon::start().await;
    let agent = TestAgent::with_engine(&daemon, SERVER, ALLOW_ALL, &way.socket()).await;
    let admin = daemon.admin();
    let of_version = |version: &str| {
        let mut store = spec(&image, &volume);
        store.env.insert("VERSION".to_owned(), version.to_owned());
        let services = [("store".to_owned(), store)].into();
        AppSpec { image: image.name().to_owned(), services, ..AppSpec::default() }
    };
    deploy(&admin, &app, of_version("1")).await;

    way.stop_at(2, Side::After);
    let backing_up = admin.call(&backup_of(&volume, true)).await.expect("is begun");
    way.held().await;
    let before = way.calls().len();
    let (server, name) = (SERVER.to_owned(), app.clone());
    let request = AppDeploy { server, name, spec: of_version("2"), ..AppDeploy::default() };
    let plan = admin.call(&request).await.expect("is planned");
    let going_on = async {
        let list = OperationList::default();
        eventually("the deploy has been sent", async || {
            let all = admin.call(&list).await.ok()?.operations;
            all.into_iter().find(|one| one.kind == OperationKind::DeployApp && one.step == "send to the agent")
        })
        .await;
        way.let_go();
    };
    let (deployed, ()) = tokio::join!(admin.carry_out(plan), going_on);
    assert_eq!(deployed.expect("is allowed").status, OperationStatus::Succeeded);
    assert_eq!(admin.wait_for(backing_up).await.expect("ends").status, OperationStatus::Succeeded);
    // What was stopped for the backup runs again before anything new is made, and of the two that wrote there one is left.
    let calls = way.calls();
    assert_eq!((before, calls[before].as_str()), (2, "start"), "{calls:?}");
    let mounted = docker(&["ps", "-q", "--filter", &format!("volume={}", volume.name)]);
    assert_eq!(mounted.lines().count(), 1, "{mounted}");

    // A container that would not come back is not stopped.
    remove(&admin, &app).await;
    let gone = unique("gone");
    let mount = format!("{}:/data", volume.name);
    drop(docker(&["run", "-d", "--rm", "--name", &gone, "-v", &mount, image.name()]));
    let refused = admin.wait_for(admin.call(&backup_of(&volume, true)).await.expect("is begun")).await.expect("ends");
    assert!(error(&refused).1.contains("--rm") && runs(&gone), "{refused:?}");
    drop(docker(&["rm", "-f", &gone]));
    agent.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_is_cut_off_or_cancelled_leaves_no_volume() {
    let (_image, volume) = (Image::web(), Volume::make());
    fs::write(volume.folder().join("file"), "content").expect("can be written");
    let way = EngineWay::to(Path::new(ENGINE));
    let daemon = TestDaemon::start().await;
    let mut agent = TestAgent::with_engine(&daemon, SERVER, ALLOW_ALL, &way.socket()).await;
    let admin = daemon.admin();
    let backup = back_up(&admin, &volume, false).await;
    for call in 1..=2 {
        for side in [Side::Before, Side::After] {
            way.count();
            let plan = admin.call(&restore_of(&backup)).await.expect("is planned");
            way.stop_at(call, side);
            let operation = admin.begin(plan).await.expect("is begun");
            way.held().await;
            agent.kill().await;
            way.drop_held();
            agent.resume().await;
            let ended = eventually("it is known how it ended", async || {
                let request = tomo_proto::api::operation::OperationGet {
                    operation: operation.operation.to_string(),
                    wait_s: Some(1),
                };
                let told = admin.call(&request).await.ok()?;
                (told.status == OperationStatus::Failed).then_some(told)
            })
            .await;
            assert!(error(&ended).1.contains("nothing of it is left"), "{ended:?}");
            assert!(!exists(&volume.restored()) && left_over(&agent).is_empty(), "{call} {side:?}");
        }
    }
    let done = restore(&admin, &backup).await;
    assert_eq!(done.status, OperationStatus::Succeeded, "{done:?}");
    assert_eq!(manifest(&volume.folder()), manifest(&Volume::place(&volume.restored())));
    agent.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_of_a_volume_that_was_changed_or_has_no_key_restores_nothing() {
    const MASTER: &str = "a master password of mine";
    let (_image, volume) = (Image::web(), Volume::make());
    fs::write(volume.folder().join("file"), "x".repeat(200_000)).expect("can be written");
    let daemon = TestDaemon::start().await;
    let admin = daemon.admin();
    admin.person(&InitVault { password: SecretText::new(MASTER), discard: false }).await.expect("is set");
    let agent = TestAgent::start(&daemon, SERVER, ALLOW_ALL).await;
    let (backup, other) = (back_up(&admin, &volume, false).await, back_up(&admin, &volume, false).await);
    let sound = fs::read(&backup.file).expect("is there");
    let verify = VolumeBackupVerify { backup: backup.backup.to_string() };
    let plan = admin.call(&restore_of(&backup)).await.expect("is planned");
    let mut changed = sound.clone();
    changed[100_000] ^= 1;
    let cases = [
        (changed, "changed or cut off"),
        (sound[..150_000].to_vec(), "changed or cut off"),
        ([&sound[..], b"more"].concat(), "changed or cut off"),
        (fs::read(&other.file).expect("is there"), "was looked for"),
        (Vec::new(), "too short"),
    ];
    for (bytes, said) in cases {
        fs::write(&backup.file, bytes).expect("can be written");
        let done = admin.wait_for(admin.call(&verify).await.expect("is begun")).await.expect("ends");
        assert!(error(&done).1.contains(said), "{done:?}");
        let plan = admin.call(&restore_of(&backup)).await.expect("is planned");
        let done = admin.carry_out(plan).await.expect("ends");
        assert!(error(&done).1.contains(said) && !exists(&volume.restored()), "{done:?}");
    }
    assert_eq!(left_over(&agent), Vec::<String>::new());
    fs::write(&backup.file, sound).expect("can be written");

    // A new data key opens it, a sealed daemon says that it is sealed.
    admin.person(&RotateVault { password: SecretText::new(MASTER) }).await.expect("is rotated");
    let done = admin.wait_for(admin.call(&verify).await.expect("is begun")).await.expect("ends");
    assert_eq!(done.status, OperationStatus::Succeeded, "{done:?}");
    admin.person(&LockVault {}).await.expect("is sealed");
    for refused in [
        admin.call(&backup_of(&volume, false)).await.map(drop),
        admin.call(&restore_of(&backup)).await.map(drop),
        admin.call(&verify).await.map(drop),
    ] {
        assert_eq!(refused.expect_err("is sealed").code, ErrorCode::Sealed);
    }
    admin.person(&UnlockVault { password: SecretText::new(MASTER) }).await.expect("is unlocked");
    drop(plan);
    assert_eq!(restore(&admin, &backup).await.status, OperationStatus::Succeeded);

    // The host's policy decides, also about what Tomo did not make.
    agent.set_policy(&ALLOW_ALL.replace(", \"backup\", \"terminal\"]", "]"));
    let operation = admin.call(&backup_of(&volume, false)).await.expect("is begun");
    let done = admin.wait_for(operation).await.expect("ends");
    let (code, message) = error(&done);
    assert!(code == ErrorCode::RefusedByPolicy && message.contains("which Tomo did not make"), "{done:?}");
    agent.set_policy(&ALLOW_ALL.replace("\"backup\"", "\"logs\"").replace("\"restore\"", "\"logs\""));
    let refused = eventually("the policy is known", async || {
        let error = admin.call(&backup_of(&volume, false)).await.err()?;
        (error.code == ErrorCode::RefusedByPolicy).then_some(error)
    })
    .await;
    assert!(refused.message.contains("\"backup\""), "{refused:?}");
    agent.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_finds_no_room_says_so_and_leaves_nothing() {
    let (image, volume, app) = (Image::web(), Volume::make(), unique("shop"));
    let folder = tempfile::tempdir().expect("a folder can be made");
    let disk = folder.path().join("small");
    let _disk = SmallDisk::mount(&disk, 4);
    let setup = Setup::default().set("BACKUPS__VOLUMES", &disk.display().to_string());
    let daemon = setup.start().await;
    let admin = daemon.admin();
    let agent = TestAgent::start(&daemon, SERVER, ALLOW_ALL).await;
    deploy(&admin, &app, spec(&image, &volume)).await;
    fs::write(volume.folder().join("large"), vec![7; 24 << 20]).expect("can be written");
    let operation = admin.call(&backup_of(&volume, true)).await.expect("is begun");
    let done = admin.wait_for(operation).await.expect("ends");
    let (code, message) = error(&done);
    assert!(code == ErrorCode::StorageFull && message.contains("nothing of it is left"), "{done:?}");
    assert!(message.contains(&disk.display().to_string()), "{done:?}");
    assert_eq!(fs::read_dir(&disk).expect("is there").count(), 0);
    assert!(runs(&format!("tomo-{app}")), "it was started again");
    assert_eq!(left_over(&agent), Vec::<String>::new());
    fs::write(volume.folder().join("large"), "small").expect("can be written");
    let backup = back_up(&admin, &volume, true).await;
    assert!(Path::new(&backup.file).starts_with(&disk), "{backup:?}");
    remove(&admin, &app).await;
    agent.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_just_fits_leaves_the_last_room_of_its_disk_to_others() {
    let (_image, volume) = (Image::web(), Volume::make());
    let folder = tempfile::tempdir().expect("a folder can be made");
    let disk = folder.path().join("small");
    let _disk = SmallDisk::mount(&disk, 64);
    fs::write(disk.join("of others"), vec![0; 53 << 20]).expect("can be written");
    let daemon = Setup::default().set("BACKUPS__VOLUMES", &disk.display().to_string()).start().await;
    let admin = daemon.admin();
    let agent = TestAgent::start(&daemon, SERVER, ALLOW_ALL).await;
    fs::write(volume.folder().join("large"), vec![7; 9 << 20]).expect("can be written");
    let operation = admin.call(&backup_of(&volume, false)).await.expect("is begun");
    let done = admin.wait_for(operation).await.expect("ends");
    let (code, message) = error(&done);
    assert!(code == ErrorCode::StorageFull && message.contains("MiB are free there"), "{done:?}");
    assert_eq!(fs::read_dir(&disk).expect("is there").count(), 1, "only what others have");
    agent.stop().await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_volume_is_backed_up_and_drilled_by_itself_and_the_oldest_backups_go() {
    let (_image, volume) = (Image::web(), Volume::make());
    fs::write(volume.folder().join("file"), "content").expect("can be written");
    let clock = Clock::manual(Clock::system().now_ms());
    let daemon = Setup::default().clock(clock.clone()).start().await;
    let admin = daemon.admin();
    let agent = TestAgent::start(&daemon, SERVER, ALLOW_ALL).await;
    let first = back_up(&admin, &volume, false).await;
    clock.advance(1_000);
    let second = back_up(&admin, &volume, false).await;
    let schedule = VolumeScheduleSet {
        server: SERVER.to_owned(),
        volume: volume.name.clone(),
        every_hours: 24,
        keep: Some(1),
        drill_every_hours: Some(24),
        ..VolumeScheduleSet::default()
    };
    let wrong =
        admin.call(&VolumeScheduleSet { every_hours: 9_000, ..schedule.clone() }).await.expect_err("is refused");
    assert_eq!(wrong.field.as_deref(), Some("every_hours"), "{wrong:?}");
    admin.call(&schedule).await.expect("is set");
    let problem = async || {
        let problems = admin.call(&Overview::default()).await.expect("is told").problems;
        problems.into_iter().find(|problem| problem.subject == volume.name)
    };
    assert!(problem().await.is_some_and(|problem| problem.message.contains("ever proven")));
    let proven = eventually_within(Duration::from_secs(60), "the newest is drilled by itself", async || {
        newest(&admin, &volume).await?.drill
    })
    .await;
    assert!(proven.proven && proven.result.contains("no app mounts it"), "{proven:?}");
    assert_eq!(problem().await, None);

    // Of those that it makes itself one is kept, and the last that is known to restore; what somebody made stays.
    let day = async |count: usize| {
        let before = newest(&admin, &volume).await.map(|backup| backup.backup);
        clock.advance(25 * 3_600_000);
        eventually_within(Duration::from_secs(60), "it is backed up by itself", async || {
            let all = backups(&admin, &volume).await;
            let made = all.first().filter(|newest| newest.scheduled && Some(newest.backup) != before);
            made.filter(|_| all.len() == count).cloned()
        })
        .await
    };
    let proven = async || {
        eventually_within(Duration::from_secs(60), "the newest is drilled by itself", async || {
            newest(&admin, &volume).await?.drill
        })
        .await
    };
    day(3).await;
    proven().await;
    let kept = day(4).await;
    proven().await;
    let last = day(4).await;
    let left: Vec<_> = backups(&admin, &volume).await.into_iter().map(|backup| backup.backup).collect();
    assert_eq!(left, [last.backup, kept.backup, second.backup, first.backup]);

    // One that is due is made.
    for backup in [first, second, kept, last] {
        let request = VolumeBackupRemove { backup: backup.backup.to_string(), reason: None };
        let done = admin.carry_out(admin.call(&request).await.expect("is planned")).await.expect("ends");
        assert_eq!(done.status, OperationStatus::Succeeded, "{done:?}");
    }
    assert!(problem().await.is_some_and(|problem| problem.message.contains("there is none yet")));
    eventually_within(Duration::from_secs(60), "it is backed up by itself", async || newest(&admin, &volume).await)
        .await;
    let end = VolumeScheduleSet { every_hours: 0, ..schedule };
    assert_eq!(admin.call(&end).await.expect("is ended").schedule, None);
    let listed = admin.call(&VolumeBackupList::default()).await.expect("is told");
    assert_eq!(listed.schedules, []);
    agent.stop().await;
    daemon.stop().await;
}
