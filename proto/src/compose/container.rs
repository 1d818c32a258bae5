//! Ports and volumes, in both ways to write them.

use crate::model::app::{PortSpec, Protocol, VolumeSpec};

use super::node::{Entry, Item, Node};

/// Most ports that a range may stand for.
const RANGE: u16 = 100;

/// `8080:80`, `127.0.0.1:53:53/udp`, `3000-3002:3000-3002`; without a port of the host, `80` or `127.0.0.1::80`, the engine chooses one.
pub(super) fn ports(text: &str) -> Result<Vec<PortSpec>, String> {
    let (rest, protocol) = match text.split_once('/') {
        None | Some((_, "tcp")) => (text.split('/').next().unwrap_or_default(), Protocol::Tcp),
        Some((rest, "udp")) => (rest, Protocol::Udp),
        Some((_, other)) => return Err(format!("\"{text}\": {other} is none of tcp and udp")),
    };
    let (front, inside) = rest.rsplit_once(':').unwrap_or(("", rest));
    let (address, outside) = front.rsplit_once(':').map_or((None, front), |(address, port)| (Some(address), port));
    let loopback = loopback(address)?;
    let none =
        || format!("\"{text}\" is no port: write HOST:CONTAINER, two numbers from 1 to 65535, or CONTAINER alone");
    let container = range(inside).ok_or_else(none)?;
    if outside.is_empty() && container.1 - container.0 < RANGE {
        let any = |container| PortSpec { container, host: None, protocol, loopback };
        return Ok((container.0..=container.1).map(any).collect());
    }
    let host = range(outside).ok_or_else(none)?;
    if host.1 - host.0 != container.1 - container.0 || host.1 - host.0 >= RANGE {
        return Err(format!("\"{text}\": both ranges have the same number of ports, at most {RANGE}"));
    }
    let pairs = (host.0..=host.1).zip(container.0..=container.1);
    Ok(pairs.map(|(host, container)| PortSpec { container, host: Some(host), protocol, loopback }).collect())
}

/// Whether only the host itself reaches it.
fn loopback(address: Option<&str>) -> Result<bool, String> {
    match address {
        None | Some("" | "0.0.0.0" | "[::]" | "::") => Ok(false),
        Some("127.0.0.1" | "[::1]" | "::1" | "localhost") => Ok(true),
        Some(other) => Err(format!("a port is bound to every address or to 127.0.0.1, not to {other}")),
    }
}

fn range(text: &str) -> Option<(u16, u16)> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let (from, to) = (from.trim().parse().ok()?, to.trim().parse().ok()?);
    (from > 0 && from <= to).then_some((from, to))
}

/// A port with its parts named.
pub(super) fn long_port(entries: &[Entry]) -> Result<Vec<PortSpec>, String> {
    let (mut inside, mut outside, mut address, mut protocol) = (None, None, None, "tcp".to_owned());
    for entry in entries {
        let text = entry.value.text().ok_or_else(|| format!("{} is no text or number", entry.key))?;
        match entry.key.as_str() {
            "target" => inside = Some(text),
            "published" => outside = Some(text),
            "host_ip" => address = Some(text),
            "protocol" => protocol = text,
            "mode" if matches!(text.as_str(), "host" | "ingress") => {}
            "name" | "app_protocol" => {}
            other => return Err(format!("{other} is not supported")),
        }
    }
    let inside = inside.ok_or("target is missing")?;
    let (address, outside) = (address.unwrap_or_default(), outside.unwrap_or_default());
    ports(&format!("{address}:{outside}:{inside}/{protocol}"))
}

/// `data:/var/lib/x`, `/srv/x:/x:ro`, `./x:/x`; `base` is the server's folder that `.` stands for.
pub(super) fn volume(text: &str, base: Option<&str>) -> Result<VolumeSpec, String> {
    let mut parts = text.split(':');
    let (Some(source), Some(target), how) = (parts.next(), parts.next(), parts.next()) else {
        return Err(format!("{text} is a volume without a name: write NAME:{text}"));
    };
    let mut read_only = false;
    for word in how.into_iter().flat_map(|how| how.split(',')) {
        match word {
            "ro" => read_only = true,
            "rw" | "z" | "Z" | "consistent" | "cached" | "delegated" => {}
            other => return Err(format!("\"{text}\": {other} is not supported")),
        }
    }
    if parts.next().is_some() {
        return Err(format!("\"{text}\": write it as SOURCE:TARGET, with :ro where wanted"));
    }
    Ok(VolumeSpec { source: absolute(source, base)?, target: target.to_owned(), read_only })
}

/// A folder beside the file lies on nobody's server.
fn absolute(source: &str, base: Option<&str>) -> Result<String, String> {
    let relative = source.strip_prefix("./").or_else(|| (source == ".").then_some(""));
    match (relative, base) {
        (Some(rest), Some(base)) => {
            Ok(format!("{}/{rest}", base.trim_end_matches('/')).trim_end_matches('/').to_owned())
        }
        (Some(_), None) => Err(format!(
            "{source} is a folder beside this file: name a volume, or say with --base which folder of the server ./ stands for"
        )),
        _ if source.starts_with(['.', '~']) => {
            Err(format!("{source} is another folder on every machine: write an absolute path, or name a volume"))
        }
        _ => Ok(source.to_owned()),
    }
}

/// A volume with its parts named.
pub(super) fn long_volume(entries: &[Entry], base: Option<&str>) -> Result<VolumeSpec, String> {
    let (mut source, mut target, mut read_only) = (None, None, false);
    for Entry { key, value, .. } in entries {
        let text = value.text();
        match (key.as_str(), text.as_deref()) {
            ("type", Some("volume" | "bind")) => {}
            ("type", kind) => {
                return Err(format!("a mount of type {} is not supported", kind.unwrap_or("that is none")));
            }
            ("source", Some(text)) => source = Some(text.to_owned()),
            ("target", Some(text)) => target = Some(text.to_owned()),
            ("read_only", Some(text)) => read_only = text == "true",
            ("bind" | "volume", _) if only(value, &["create_host_path", "nocopy"]) => {}
            (other, _) => return Err(format!("{other} is not supported")),
        }
    }
    let target = target.ok_or("target is missing")?;
    let source = source.ok_or_else(|| format!("source is missing: a volume at {target} has a name"))?;
    Ok(VolumeSpec { source: absolute(&source, base)?, target, read_only })
}

/// Whether a mapping holds nothing but these keys.
fn only(item: &Item, keys: &[&str]) -> bool {
    matches!(&item.node, Node::Map(entries) if entries.iter().all(|entry| keys.contains(&entry.key.as_str())))
}
