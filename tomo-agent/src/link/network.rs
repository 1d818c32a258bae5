//! What the link finds out for the half that has no network: whether a port is free, whether a container answers.

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

async fn probe(check: &HealthCheck, address: IpAddr) -> Answer {
    let (HealthCheck::Http { port, .. } | HealthCheck::Tcp { port }) = check;
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
