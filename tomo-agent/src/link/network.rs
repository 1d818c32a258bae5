//! What the link finds out for the half that has no network and no view of the host: whether a port is free, whether there is room,
//! whether a container answers.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tomo_proto::{
    model::app::{HealthCheck, Protocol},
    text::display_line,
    wire::seam::{Answer, Ask},
};

const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
const HEAD_AND_REST: usize = 256;

/// Finds it out; the reason of a no is fit to be shown.
pub(crate) async fn answer(ask: &Ask) -> Answer {
    match ask {
        Ask::Port { port, protocol, loopback } => port_is_free(*port, *protocol, *loopback),
        Ask::Room { folder, disk_bytes, memory_bytes } => {
            room_on_disk(folder, *disk_bytes).and_then(|()| room_in_memory(*memory_bytes))
        }
        Ask::Health { check, address } => probe(check, *address).await,
    }
}

fn port_is_free(port: u16, protocol: Protocol, loopback: bool) -> Answer {
    let ip = if loopback { Ipv4Addr::LOCALHOST } else { Ipv4Addr::UNSPECIFIED };
    let taken = match protocol {
        Protocol::Tcp => TcpListener::bind((ip, port)).err(),
        Protocol::Udp => UdpSocket::bind((ip, port)).err(),
    };
    if taken.is_some_and(|error| error.kind() == std::io::ErrorKind::AddrInUse) {
        return Err(format!("port {port} of this host is taken by something else"));
    }
    Ok(())
}

/// What cannot be looked at is not in the way.
fn room_on_disk(folder: &str, wanted: u64) -> Answer {
    let Ok(disk) = rustix::fs::statvfs(folder) else { return Ok(()) };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free >= wanted {
        return Ok(());
    }
    let folder = display_line(folder, 120);
    Err(format!("the disk of {folder} has {} MiB left, and a deploy wants {} MiB", free >> 20, wanted >> 20))
}

fn room_in_memory(wanted: u64) -> Answer {
    let Some(available) = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| available_memory(&text)) else {
        return Ok(());
    };
    if available >= wanted {
        return Ok(());
    }
    Err(format!("{} MiB of memory are available on this host, and the limit is {} MiB", available >> 20, wanted >> 20))
}

/// `MemAvailable` of `/proc/meminfo`, in bytes.
fn available_memory(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1_024)
}

async fn probe(check: &HealthCheck, address: IpAddr) -> Answer {
    let (HealthCheck::Http { port, .. } | HealthCheck::Tcp { port }) = check else {
        return Err("the engine runs this check itself".to_owned());
    };
    let socket = SocketAddr::new(address, *port);
    let probing = async {
        let mut stream =
            TcpStream::connect(socket).await.map_err(|error| format!("port {port} does not answer: {error}"))?;
        let HealthCheck::Http { path, .. } = check else { return Ok(()) };
        let request = format!("GET {path} HTTP/1.0\r\nHost: {socket}\r\nUser-Agent: tomo-agent\r\n\r\n");
        stream.write_all(request.as_bytes()).await.map_err(|error| error.to_string())?;
        let mut head = Vec::new();
        while head.len() < HEAD_AND_REST && !head.contains(&b'\n') {
            if stream.read_buf(&mut head).await.map_err(|error| error.to_string())? == 0 {
                break;
            }
        }
        let head = String::from_utf8_lossy(&head);
        let status = head.split(' ').nth(1).and_then(|code| code.parse::<u16>().ok());
        match status {
            Some(code) if (100..400).contains(&code) => Ok(()),
            Some(code) => Err(format!("GET {} answers {code}", display_line(path, 80))),
            None => Err(format!("port {port} does not speak HTTP")),
        }
    };
    timeout(PROBE_TIMEOUT, probing).await.unwrap_or_else(|_| Err(format!("port {port} does not answer in time")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_that_is_missing_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path().display().to_string();
        assert_eq!(room_on_disk(&folder, 1), Ok(()));
        let missing = room_on_disk(&folder, u64::MAX).expect_err("no disk is that large");
        assert!(missing.contains(&folder) && missing.contains("MiB left"), "{missing}");
        assert_eq!(room_in_memory(1 << 20), Ok(()));
        let missing = room_in_memory(1 << 60).expect_err("no host has as much");
        assert!(missing.ends_with("the limit is 1099511627776 MiB"), "{missing}");
        assert_eq!(available_memory("MemTotal: 9 kB\nMemAvailable:    2048 kB\n"), Some(2 << 20));
        assert_eq!(available_memory("MemAvailable: lots\n"), None);
    }
}
