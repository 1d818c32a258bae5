//! Names and paths that a shell would obey: whatever is typed for a server, no program is started by it, here or on the host.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt as _, path::Path};

use futures::{StreamExt as _, stream};
use tomo_proto::{
    api::{
        operation::OperationGet,
        person::{AddServer, SecretText, SshSecret},
    },
    model::{operation::OperationStatus, ssh::SshJump},
};
use tomo_tests::{
    cli::Tomo,
    daemon::{PASSWORD, TestDaemon},
    http::Http,
    rounds::rounds,
    ssh::Sshd,
};

/// `{}` is a file that would be made. Some have no spaces, so that they get as far as the host.
const SPELLS: &[&str] = &[
    "$(touch {})",
    "$(touch${IFS}{})",
    "`touch {}`",
    "`touch${IFS}{}`",
    ";touch {};",
    ";touch${IFS}{};",
    "ana;touch${IFS}{}",
    "|touch {}",
    "|touch${IFS}{}",
    "&touch${IFS}{}&",
    "&&touch${IFS}{}",
    "||touch${IFS}{}",
    "\ntouch {}\n",
    "\r\ntouch {}\r\n",
    "';touch {};'",
    "';touch${IFS}{};'",
    "\";touch {};\"",
    "\";touch${IFS}{};\"",
    ">{}",
    ">>{}",
    "{touch,{}}",
    "<(touch${IFS}{})",
    "-oProxyCommand=touch {}",
    "-oProxyCommand=touch${IFS}{}",
    "-F{}",
    "--|touch${IFS}{}",
    "%n$(touch${IFS}{})",
    "ana@127.0.0.1;touch${IFS}{}",
    "../../../../{}",
    "$'\\x74ouch' {}",
    "\0touch {}",
    "\\$(touch${IFS}{})",
    "!touch {}",
    "*;touch${IFS}{}",
    "~;touch${IFS}{}",
    "#{}\ntouch {}",
    "\u{2028}touch {}",
    "ａ；touch${IFS}{}",
];

/// Which of the things that a person types holds the spell.
const FIELDS: usize = 9;

/// Whether it was refused at once, or failed on the way.
async fn comes_to_nothing(admin: &Http, request: &AddServer) -> bool {
    let Ok(begun) = admin.person(request).await else { return true };
    let get = OperationGet { operation: begun.operation.to_string(), wait_s: Some(30) };
    admin.call(&get).await.is_ok_and(|ended| ended.status == OperationStatus::Failed)
}

/// Files that a spell has made, wherever it was obeyed.
fn canaries(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("is readable").flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_somebody_types_becomes_part_of_a_command() {
    let (daemon, sshd) = (TestDaemon::start().await, Sshd::start().await);
    let admin = daemon.admin();
    // The users of the host can make files there as well.
    let folder = tempfile::tempdir().expect("a folder");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).expect("the mode can be set");
    let good = AddServer {
        name: "web-1".to_owned(),
        host: "127.0.0.1".to_owned(),
        port: sshd.port(),
        user: "ana".to_owned(),
        labels: BTreeMap::new(),
        host_key: sshd.host_key(),
        credential: SshSecret::Password { password: SecretText::new(PASSWORD) },
        sudo_password: None,
        jump: None,
        install: None,
        update_key: None,
        again: false,
        keep_credential: false,
    };
    let jump =
        SshJump { host: "127.0.0.1".to_owned(), port: sshd.port(), user: "ana".to_owned(), host_key: sshd.host_key() };
    let cast = |number: usize| {
        let spell = SPELLS[number % SPELLS.len()];
        let spell = spell.replace("{}", &folder.path().join(number.to_string()).display().to_string());
        let mut request = AddServer { name: format!("web-{number}"), ..good.clone() };
        match number / SPELLS.len() % FIELDS {
            0 => request.user = spell,
            1 => request.host = spell,
            2 => request.jump = Some(SshJump { user: spell, ..jump.clone() }),
            3 => request.jump = Some(SshJump { host: spell, ..jump.clone() }),
            4 => request.credential = SshSecret::Password { password: SecretText::new(spell) },
            5 => request.name = spell,
            6 => request.labels = BTreeMap::from([(spell, "web".to_owned())]),
            7 => request.labels = BTreeMap::from([("role".to_owned(), spell)]),
            // Behind a host that lets in, so that it says where to go on.
            _ => (request.jump, request.host) = (Some(jump.clone()), spell),
        }
        request
    };
    // A step without a common divisor leads through all fields, however few are tried.
    let count = rounds(100);
    let all = SPELLS.len() * FIELDS;
    let tried = stream::iter((0..count).map(|round| cast(round * 41 % all + round / all * all)))
        .map(async |request| (comes_to_nothing(&admin, &request).await, request))
        .buffer_unordered(8);
    tried.for_each(async |(came_to_nothing, request)| assert!(came_to_nothing, "{request:?}")).await;

    // Paths of keys, on the command line and in a file of the SSH client's.
    let tomo = Tomo::at_socket(&daemon);
    let port = sshd.port().to_string();
    let host_key = sshd.host_key();
    let config = sshd.folder().join("config");
    for (number, spell) in SPELLS.iter().enumerate().filter(|(_, spell)| !spell.contains('\0')).take(count) {
        let path = spell.replace("{}", &folder.path().join(format!("key-{number}")).display().to_string());
        let words = ["server", "add", "web-1", "--host", "127.0.0.1", "--user", "ana", "--port", &port];
        let key = format!("--key={path}");
        let added = tomo.run([&words[..], &["--host-key", &host_key, &key]].concat()).await;
        assert_ne!(added.code, Some(0), "{added:?}");
        let entry = format!("Host web-2\n HostName {path}\n User {path}\n IdentityFile {path}\n ProxyCommand {path}\n");
        fs::write(&config, entry).expect("writes");
        let imported = tomo.run(["server", "import", &config.display().to_string(), "--yes"]).await;
        assert_ne!(imported.code, Some(0), "{imported:?}");
    }
    assert_eq!(canaries(folder.path()), Vec::<String>::new());
    // A spell that is obeyed is seen.
    let obeyed = SPELLS[1].replace("{}", &folder.path().join("obeyed").display().to_string());
    let status = tokio::process::Command::new("sh").arg("-c").arg(format!("echo {obeyed}")).status().await;
    assert!(status.expect("sh runs").success());
    assert_eq!(canaries(folder.path()), ["obeyed"]);
    daemon.stop().await;
}
