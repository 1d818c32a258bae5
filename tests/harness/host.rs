//! Another host, as far as the network goes: a namespace of its own, linked to this one.

use std::{
    net::Ipv4Addr,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

/// A network namespace with one interface, `eth0`, whose other end is on this host. Goes when it is dropped.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    gateway: Ipv4Addr,
    address: Ipv4Addr,
}

fn ip(arguments: &str) -> bool {
    Command::new("ip").args(arguments.split_whitespace()).status().is_ok_and(|status| status.success())
}

impl Namespace {
    /// Makes one. Needs root and `ip` of iproute2.
    ///
    /// # Panics
    /// It cannot be made: says what to do.
    #[must_use]
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let process = std::process::id();
        let name = format!("tomo-{process}-{number}");
        let link = format!("tv{process}-{number}");
        // A network of four addresses that no other test of this run has.
        let base = u32::from(Ipv4Addr::new(10, 64, 0, 0)) + ((process & 0x3fff) << 8) + (number & 0x3f) * 4;
        let (gateway, address) = (Ipv4Addr::from(base + 1), Ipv4Addr::from(base + 2));
        let made = Self { name, gateway, address };
        let name = &made.name;
        for arguments in [
            format!("netns add {name}"),
            format!("link add {link} type veth peer name eth0 netns {name}"),
            format!("addr add {gateway}/30 dev {link}"),
            format!("link set {link} up"),
            format!("-n {name} addr add {address}/30 dev eth0"),
            format!("-n {name} link set lo up"),
            format!("-n {name} link set eth0 up"),
            format!("-n {name} route add default via {gateway}"),
        ] {
            assert!(ip(&arguments), "`ip {arguments}` works: run as root, install iproute2, or use tests/run");
        }
        made
    }

    /// Its name, for `ip netns exec`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// This host's address as the namespace sees it.
    #[must_use]
    pub const fn gateway(&self) -> Ipv4Addr {
        self.gateway
    }

    /// Its own address.
    #[must_use]
    pub const fn address(&self) -> Ipv4Addr {
        self.address
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // The link goes with it.
        ip(&format!("netns del {}", self.name));
    }
}
