//! The local socket: who is at its other end is known from the kernel.

use std::{
    fs,
    os::unix::fs::{FileTypeExt as _, PermissionsExt as _},
    path::Path,
};

use anyhow::{Context as _, bail};
use axum::{extract::connect_info::Connected, serve::IncomingStream};
use tokio::net::{UnixListener, UnixStream};

/// The peer's uid and gid; none if the kernel does not say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Uid(pub(super) Option<(u32, u32)>);

impl Connected<IncomingStream<'_, UnixListener>> for Uid {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        Self(stream.io().peer_cred().ok().map(|peer| (peer.uid(), peer.gid())))
    }
}

/// Opens the socket for everybody; who may do something is decided by the peer's uid. An empty path opens none.
pub(super) async fn open(path: &Path) -> anyhow::Result<Option<UnixListener>> {
    if path.as_os_str().is_empty() {
        return Ok(None);
    }
    if let Ok(facts) = fs::symlink_metadata(path) {
        if !facts.file_type().is_socket() {
            bail!("{} is there and is not a socket: move it away", path.display());
        }
        if UnixStream::connect(path).await.is_ok() {
            bail!("{} is in use by another daemon: stop that one first, or choose another socket.path", path.display());
        }
        fs::remove_file(path).with_context(|| format!("cannot remove the left-over {}", path.display()))?;
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let listener = UnixListener::bind(path).with_context(|| format!("cannot open the socket {}", path.display()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o666))?;
    Ok(Some(listener))
}

/// Name of a uid, or its number.
pub(super) fn user_name(uid: u32) -> String {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse::<u32>().ok()? == uid).then(|| name.to_owned())
    });
    named.unwrap_or_else(|| uid.to_string())
}

/// Whether a user is in a group, by its own group or by the group's list.
pub(super) fn is_member(group: &str, user: &str, gid: u32) -> bool {
    let groups = fs::read_to_string("/etc/group").unwrap_or_default();
    groups.lines().any(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, id, members] = fields.as_slice() else { return false };
        *name == group && (id.parse() == Ok(gid) || members.split(',').any(|member| member == user))
    })
}
