//! The way to a host by SSH: against a real sshd, and against hosts that mean harm.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tomo_daemon::{
    clock::Clock,
    ssh::{CommandLine, Connection, Credential, Limits, Secret, SshError, Target, scan},
};
use tomo_proto::{api::person::SecretText, model::ssh::SshSudo};
use tomo_tests::{
    daemon::PASSWORD,
    program::Program,
    rounds::rounds,
    ssh::{Hostile, Nuisance, PASSPHRASE, Rogue, Sshd},
};

const LIMITS: Limits = Limits { time: Duration::from_secs(10), output_bytes: 64 * 1024 };

fn target(port: u16, user: &str, host_key: &str) -> Target {
    Target { host: "127.0.0.1".to_owned(), port, user: user.to_owned(), host_key: host_key.to_owned() }
}

fn password(text: &str) -> Secret {
    Secret::Password(SecretText::new(text))
}

fn key(text: &str, passphrase: Option<&str>) -> Secret {
    Secret::Key { private_key: SecretText::new(text), passphrase: passphrase.map(SecretText::new) }
}

async fn sign_in(target: &Target, secret: &Secret) -> Result<Connection, SshError> {
    let credential = Credential::prepare(secret)?;
    Connection::open(target, None).await?.authenticate(&credential).await
}

async fn say(connection: &Connection, command: &'static str, input: &[u8]) -> String {
    let ran = connection.run(&CommandLine::fixed(command), input, LIMITS, &mut |_| {}).await.expect("runs");
    String::from_utf8(ran.stdout).expect("is text").trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_credential_opens_a_real_sshd_and_a_wrong_one_is_refused_with_what_it_takes() {
    let sshd = Sshd::start().await;
    let host_key = scan("127.0.0.1", sshd.port(), None).await.expect("shows its key");
    assert_eq!(host_key.fingerprint, sshd.host_key());
    assert_eq!(host_key.algorithm, "ssh-ed25519");
    let ana = target(sshd.port(), "ana", &host_key.fingerprint);
    let good = [
        password(PASSWORD),
        key(&sshd.key("ed25519"), None),
        key(&sshd.key("rsa"), None),
        key(&sshd.key("ecdsa"), None),
        key(&sshd.key("locked"), Some(PASSPHRASE)),
    ];
    for secret in &good {
        let connection = sign_in(&ana, secret).await.expect("opens");
        assert_eq!(say(&connection, "id -un; cat", b" and what was sent").await, "ana\n and what was sent");
        connection.close().await;
    }
    for (secret, said) in [
        (password("wrong"), "does not let ana in with this password; it takes publickey, password"),
        (key(&sshd.key("stranger"), None), "does not let ana in with this key; it takes publickey, password"),
        (key(&sshd.key("locked"), None), "passphrase"),
        (key(&sshd.key("locked"), Some("wrong")), "passphrase"),
        (key("what is this", None), "cannot be read"),
    ] {
        let error = sign_in(&ana, &secret).await.expect_err("is refused").to_string();
        assert!(error.contains(said), "{error}");
        assert!(!error.contains("what is this"), "what was entered is not repeated: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_of_an_ssh_agent_are_used_if_it_belongs_to_the_caller() {
    let sshd = Sshd::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("agent.sock");
    let mut command = tokio::process::Command::new("ssh-agent");
    command.arg("-D").arg("-a").arg(&socket);
    let mut agent = Program::spawn(&mut command, "").await;
    agent.logged("SSH_AUTH_SOCK").await;
    let ana = target(sshd.port(), "ana", &sshd.host_key());
    let own = rustix::process::getuid().as_raw();
    let of = |uid| Secret::Agent { socket: socket.clone(), uid };
    let empty = sign_in(&ana, &of(own)).await.expect_err("holds nothing").to_string();
    assert!(empty.contains("ssh-add"), "{empty}");
    for name in ["stranger", "rsa"] {
        let mut add = tokio::process::Command::new("ssh-add");
        let added = add.arg("-q").arg(sshd.key_file(name)).env("SSH_AUTH_SOCK", &socket).status().await;
        assert!(added.expect("ssh-add runs").success());
    }
    let connection = sign_in(&ana, &of(own)).await.expect("the second key opens");
    assert_eq!(say(&connection, "id -un", b"").await, "ana");
    let foreign = Credential::prepare(&of(own + 1)).expect_err("is somebody else's").to_string();
    assert!(foreign.contains("somebody else"), "{foreign}");
    let none = Secret::Agent { socket: folder.path().to_owned(), uid: own };
    assert!(Credential::prepare(&none).expect_err("is no socket").to_string().contains("no socket"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_behind_another_is_reached_through_it_and_both_keys_are_compared() {
    let (jump, inner) = (Sshd::start().await, Sshd::start().await);
    let secret = key(&jump.key("ed25519"), None);
    let through = async || sign_in(&target(jump.port(), "ana", &jump.host_key()), &secret).await.expect("opens");
    let seen = scan("127.0.0.1", inner.port(), Some(through().await)).await.expect("shows its key");
    assert_eq!(seen.fingerprint, inner.host_key());
    let ana = target(inner.port(), "ana", &inner.host_key());
    let credential = Credential::prepare(&password(PASSWORD)).expect("fits");
    let opened = Connection::open(&ana, Some(through().await)).await.expect("opens");
    let connection = opened.authenticate(&credential).await.expect("lets in");
    let client = say(&connection, "echo $SSH_CONNECTION", b"").await;
    assert!(client.starts_with("127.0.0.1 "), "{client}");
    let wrong = target(inner.port(), "ana", &jump.host_key());
    let error = Connection::open(&wrong, Some(through().await)).await.expect_err("is refused");
    assert!(matches!(error, SshError::HostKeyChanged { .. }), "{error}");
    let nobody = target(1, "ana", &inner.host_key());
    let error = Connection::open(&nobody, Some(through().await)).await.expect_err("nobody there");
    assert!(matches!(error, SshError::Connect { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_around_tells_the_same_through_a_shell_that_talks() {
    let sshd = Sshd::start().await;
    let clock = Clock::system();
    let silent = std::net::UdpSocket::bind("127.0.0.1:0").and_then(|socket| Ok((socket.local_addr()?, socket)));
    let (silent, _socket) = silent.expect("a port");
    let daemons = [format!("10.0.0.1';touch {}/canary;'", sshd.folder().display()), silent.to_string()];
    for user in ["ana", "loud"] {
        let connection =
            sign_in(&target(sshd.port(), user, &sshd.host_key()), &password(PASSWORD)).await.expect("opens");
        let probe = connection.probe(Some(PASSWORD), &daemons, &clock).await.expect("looks around");
        let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("is there");
        assert_eq!(probe.kernel, kernel.trim(), "{user}");
        assert_eq!(probe.architecture, std::env::consts::ARCH);
        assert!(probe.cpu_count >= 1 && probe.memory_total_bytes > 1 << 20, "{probe:?}");
        assert!(probe.filesystems.iter().any(|one| one.mount == "/" && one.total_bytes > 0), "{probe:?}");
        assert!(!probe.os.is_empty() && probe.clock_skew_ms.abs() < 1_000, "{probe:?}");
        assert_eq!(probe.sudo, SshSudo::None, "neither may become root");
        let udp = probe.udp.expect("was tried");
        assert_eq!((udp.address, udp.round_trip_ms), (silent.to_string(), None));
    }
    assert!(!sshd.folder().join("canary").exists());
    let root = target(sshd.port(), "root", &sshd.host_key());
    let connection = sign_in(&root, &password(PASSWORD)).await.expect("opens");
    assert_eq!(connection.probe(None, &[], &clock).await.expect("looks around").sudo, SshSudo::Root);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_carried_over_arrives_whole_and_leaves_nothing_when_removed() {
    let sshd = Sshd::start().await;
    let connection = sign_in(&target(sshd.port(), "ana", &sshd.host_key()), &password(PASSWORD)).await.expect("opens");
    let file = sshd.folder().join("file");
    let bytes: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    std::fs::write(&file, &bytes).expect("writes");
    let folder = connection.make_folder().await.expect("makes a folder");
    let mut told = Vec::new();
    connection.upload(&file, &folder, &mut |percent| told.push(percent)).await.expect("is carried over");
    let path = std::path::Path::new(folder.path()).join("tomo-agent");
    assert!(std::fs::read(&path).expect("is there") == bytes, "the same bytes");
    use std::os::unix::fs::PermissionsExt as _;
    for path in [path.as_path(), path.parent().expect("a folder")] {
        assert_eq!(std::fs::metadata(path).expect("is there").permissions().mode() & 0o777, 0o700);
    }
    assert_eq!(told.last(), Some(&100));
    connection.remove_folder(&folder).await.expect("is removed");
    assert!(!std::path::Path::new(folder.path()).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_is_held_to_its_time_and_to_what_it_may_say() {
    let sshd = Sshd::start().await;
    let connection = sign_in(&target(sshd.port(), "ana", &sshd.host_key()), &password(PASSWORD)).await.expect("opens");
    let limits = Limits { time: Duration::from_millis(300), ..LIMITS };
    let slow = connection.run(&CommandLine::fixed("sleep 60"), b"", limits, &mut |_| {}).await;
    assert!(matches!(slow, Err(SshError::Timeout { .. })), "{slow:?}");
    let endless = connection.run(&CommandLine::fixed("yes"), b"", LIMITS, &mut |_| {}).await;
    assert!(endless.expect_err("says too much").to_string().contains("bytes"));
    let again = sign_in(&target(sshd.port(), "ana", &sshd.host_key()), &password(PASSWORD)).await.expect("opens");
    let mut lines = Vec::new();
    let command = CommandLine::fixed("echo a; echo b; echo c >&2; exit 3");
    let ran = again.run(&command, b"", LIMITS, &mut |line| lines.push(line.to_owned())).await.expect("runs");
    assert_eq!(
        (ran.status, ran.stderr.as_slice(), lines),
        (Some(3), b"c\n".as_slice(), vec!["a".to_owned(), "b".to_owned()])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_with_another_key_is_sent_nothing() {
    let mut sshd = Sshd::start().await;
    let pinned = target(sshd.port(), "ana", &sshd.host_key());
    sshd.stop().await;
    let rogue = Rogue::start(pinned.port).await;
    let secrets = [password(PASSWORD), key(&sshd.key("ed25519"), None)];
    let tried = rounds(50);
    for secret in secrets.iter().cycle().take(tried) {
        let error = sign_in(&pinned, secret).await.expect_err("is refused");
        let SshError::HostKeyChanged { pinned: agreed, presented, .. } = &error else { panic!("{error}") };
        assert_eq!((agreed.as_str(), presented.as_str()), (pinned.host_key.as_str(), rogue.host_key()));
    }
    assert_eq!((rogue.connections(), rogue.received()), (tried, 0));
    // It would have heard them.
    let agreed = target(rogue.port(), "ana", rogue.host_key());
    assert!(matches!(sign_in(&agreed, &secrets[0]).await, Err(SshError::Refused { .. })));
    assert!(rogue.received() >= 2, "asked, and tried the password");
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_stall_flood_or_lie_about_lengths_are_left_within_bounds() {
    use Nuisance::{EndlessLine, HugePacket, Lines, Noise, Silent};
    let resident = || {
        let status = std::fs::read_to_string("/proc/self/status").expect("is there");
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("is told");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1_024
    };
    // What the first connection of a process takes for good.
    let honest = Rogue::start(0).await;
    scan("127.0.0.1", honest.port(), None).await.expect("shows its key");
    let before = resident();
    for nuisance in [Silent, Lines, EndlessLine, HugePacket, Noise] {
        let hostile = Hostile::start(nuisance).await;
        let begun = Instant::now();
        let error = scan("127.0.0.1", hostile.port(), None).await.expect_err("is no host");
        assert!(matches!(error, SshError::Protocol { .. }), "{nuisance:?}: {error}");
        assert!(begun.elapsed() < Duration::from_secs(11), "{nuisance:?} took {:?}", begun.elapsed());
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < 8 << 20, "{grown} bytes more");
}

/// What the client offers in its first packet, list by list: key exchange, host keys, ciphers, MACs, compression.
async fn offered() -> Vec<Vec<String>> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
    let port = listener.local_addr().expect("an address").port();
    let scanning = tokio::spawn(async move { scan("127.0.0.1", port, None).await });
    let (mut stream, _) = listener.accept().await.expect("the client comes");
    stream.write_all(b"SSH-2.0-curious\r\n").await.expect("is sent");
    while stream.read_u8().await.expect("says who it is") != b'\n' {}
    let mut packet = vec![0; usize::try_from(stream.read_u32().await.expect("a packet")).expect("fits")];
    stream.read_exact(&mut packet).await.expect("all of it");
    assert_eq!(packet[1], 20, "a key exchange begins");
    // Padding's length, kind, 16 random bytes.
    let mut rest = &packet[18..];
    let mut lists = Vec::new();
    for _ in 0..8 {
        let (length, after) = rest.split_at(4);
        let length = usize::try_from(u32::from_be_bytes(length.try_into().expect("four bytes"))).expect("fits");
        let names = std::str::from_utf8(&after[..length]).expect("is text");
        lists.push(names.split(',').map(str::to_owned).collect());
        rest = &after[length..];
    }
    drop(stream);
    assert!(scanning.await.expect("ends").is_err());
    lists
}

#[tokio::test]
async fn nothing_weak_is_offered_and_strict_key_exchange_is() {
    let lists = offered().await;
    let [exchanges, keys, ciphers, back, macs, macs_back, compression, _] = lists.as_slice() else {
        panic!("{lists:?}")
    };
    assert!(exchanges.iter().any(|name| name == "kex-strict-c-v00@openssh.com"), "{exchanges:?}");
    assert!(exchanges.iter().any(|name| name == "curve25519-sha256"), "{exchanges:?}");
    assert!(keys.iter().any(|name| name == "ssh-ed25519") && !keys.iter().any(|name| name == "ssh-rsa"), "{keys:?}");
    assert!(compression.iter().all(|name| name == "none"), "{compression:?}");
    for name in [exchanges, keys, ciphers, back, macs, macs_back].into_iter().flatten() {
        for weak in
            ["sha1", "md5", "cbc", "arcfour", "3des", "none", "dss", "group1-", "umac-64", "hmac-ripemd", "nistp"]
        {
            assert!(!name.contains(weak), "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_is_told_apart_from_no_such_name() {
    let refused = scan("127.0.0.1", 1, None).await.expect_err("nobody listens");
    assert!(matches!(refused, SshError::Connect { .. }), "{refused}");
    assert!(refused.to_string().contains("127.0.0.1:1"), "{refused}");
    let unknown = scan("no-such-host.invalid", 22, None).await.expect_err("no such name");
    assert!(matches!(unknown, SshError::Resolve { .. }), "{unknown}");
}
