//! An app's configuration from flags.

use anyhow::{Context as _, bail};
use tomo_proto::model::app::{AppSpec, HealthCheck, PortSpec, Protocol, VolumeSpec};

use crate::args::Deploy;

pub(super) fn from_flags(deploy: &Deploy) -> AppSpec {
    AppSpec {
        image: deploy.image.clone().unwrap_or_default(),
        command: deploy.command.clone(),
        ports: deploy.ports.clone(),
        env: deploy.env.iter().cloned().collect(),
        volumes: deploy.volumes.clone(),
        restart: deploy.restart,
        memory_limit_bytes: deploy.memory,
        health: deploy.health.clone(),
    }
}

/// `8080:80`, `127.0.0.1:8080:80`, `53:53/udp`, and `80` for a free port of the host.
pub(crate) fn port(text: &str) -> anyhow::Result<PortSpec> {
    let parse = || {
        let (rest, protocol) = match text.split_once('/') {
            None | Some((_, "tcp")) => (text.split('/').next()?, Protocol::Tcp),
            Some((rest, "udp")) => (rest, Protocol::Udp),
            Some(_) => return None,
        };
        let (rest, loopback) = rest.strip_prefix("127.0.0.1:").map_or((rest, false), |rest| (rest, true));
        let (host, container) = match rest.split_once(':') {
            Some((host, container)) => (Some(host.trim().parse().ok()?), container),
            None => (None, rest),
        };
        Some(PortSpec { container: container.trim().parse().ok()?, host, protocol, loopback })
    };
    let port = parse();
    port.with_context(|| {
        format!(
            "\"{text}\" publishes no port: write HOST:CONTAINER, two numbers from 1 to 65535, e.g. 8080:80 or 127.0.0.1:53:53/udp, \
             or CONTAINER alone for a free port of the host"
        )
    })
}

/// `data:/var/lib/x`, `/srv/x:/x:ro`.
pub(crate) fn volume(text: &str) -> anyhow::Result<VolumeSpec> {
    let (rest, read_only) = text.strip_suffix(":ro").map_or((text, false), |rest| (rest, true));
    let (source, target) = rest
        .split_once(':')
        .with_context(|| format!("volume \"{text}\": write it as SOURCE:TARGET, with :ro where wanted"))?;
    Ok(VolumeSpec { source: source.to_owned(), target: target.to_owned(), read_only })
}

/// `256M`, `1G`, `1.5g`, or a plain number of bytes.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be positive; `as` saturates")]
pub(crate) fn size(text: &str) -> anyhow::Result<u64> {
    let plain = text.trim().trim_end_matches(['b', 'B', 'i']);
    let (number, factor) = match plain.char_indices().last() {
        Some((at, 'k' | 'K')) => (&plain[..at], 1_u64 << 10),
        Some((at, 'm' | 'M')) => (&plain[..at], 1 << 20),
        Some((at, 'g' | 'G')) => (&plain[..at], 1 << 30),
        _ => (plain, 1),
    };
    match number.trim().parse::<f64>() {
        Ok(value) if value.is_finite() && value > 0.0 => Ok((value * f64::from(u32::try_from(factor)?)) as u64),
        _ => bail!("\"{text}\" is not an amount of memory: write it as 256M or 1G"),
    }
}

/// `http:8080/health`, `tcp:5432`.
pub(crate) fn health(text: &str) -> anyhow::Result<HealthCheck> {
    let parse = || match text.split_once(':')? {
        ("tcp", port) => Some(HealthCheck::Tcp { port: port.parse().ok()? }),
        ("http", rest) => {
            let (port, path) = rest.split_once('/').unwrap_or((rest, ""));
            Some(HealthCheck::Http { port: port.parse().ok()?, path: format!("/{path}") })
        }
        _ => None,
    };
    parse().with_context(|| format!("health check \"{text}\": write it as http:PORT/PATH or tcp:PORT"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_read() {
        assert_eq!(
            port("8080:80").ok().map(|port| (port.host, port.container, port.loopback)),
            Some((Some(8080), 80, false))
        );
        assert_eq!(
            port("127.0.0.1:53:53/udp").ok().map(|port| (port.protocol, port.loopback)),
            Some((Protocol::Udp, true))
        );
        assert_eq!(port("127.0.0.1:80").ok().map(|port| (port.host, port.container)), Some((None, 80)));
        assert_eq!(
            volume("/srv/x:/x:ro").ok().map(|volume| (volume.source, volume.read_only)),
            Some(("/srv/x".to_owned(), true))
        );
        assert_eq!(
            [size("256M").ok(), size("1.5GiB").ok(), size("100").ok()],
            [Some(256 << 20), Some(3 << 29), Some(100)]
        );
        assert_eq!(health("http:80/a/b").ok(), Some(HealthCheck::Http { port: 80, path: "/a/b".to_owned() }));
        assert_eq!(health("tcp:1").ok(), Some(HealthCheck::Tcp { port: 1 }));
        for bad in ["", "x:y", "1:2/sctp", "99999:1"] {
            assert!(port(bad).is_err(), "{bad}");
        }
        assert!(size("-1M").is_err() && size("lots").is_err() && health("icmp").is_err() && volume("x").is_err());
    }
}
