//! Traffic per interface, from `/proc/net/dev`.

use std::{collections::HashMap, path::Path};

use tomo_proto::model::metric::names;

use crate::collectors::{
    file::{KernelFile, per_second, plus},
    recorder::Recorder,
};

/// Names of interfaces that carry what another one carries already: they are not measured one by one.
const VIRTUAL: [&str; 9] = ["veth", "docker", "br-", "virbr", "cni", "flannel", "tap", "ifb", "dummy"];

#[derive(Debug)]
pub(super) struct Network {
    devices: Option<KernelFile>,
    before: HashMap<String, (u64, u64)>,
    missing: Vec<String>,
}

/// Received and sent bytes of every interface but loopback in a text of `/proc/net/dev`.
pub(super) fn interfaces(text: &str) -> impl Iterator<Item = (&str, u64, u64)> {
    text.lines().skip(2).filter_map(|line| {
        let (name, fields) = line.split_once(':')?;
        let name = name.trim();
        let mut fields = fields.split_ascii_whitespace();
        let received = fields.next()?.parse().ok()?;
        let sent = fields.nth(7)?.parse().ok()?;
        (name != "lo").then_some((name, received, sent))
    })
}

impl Network {
    pub(super) fn open(root: &Path) -> Self {
        let mut missing = Vec::new();
        let devices = KernelFile::open_or_miss(root, "proc/net/dev", &mut missing);
        Self { devices, before: HashMap::new(), missing }
    }

    pub(super) fn missing(&self) -> Vec<String> {
        self.missing.clone()
    }

    pub(super) fn record(&mut self, recorder: &mut Recorder, elapsed_ms: u64) {
        let Some(devices) = &mut self.devices else { return };
        let text = devices.read();
        let is_real = |name: &str| !VIRTUAL.iter().any(|head| name.starts_with(head));
        let (mut rx_sum, mut tx_sum) = (f64::NAN, f64::NAN);
        let mut kept = 0;
        for (name, received, sent) in interfaces(text).filter(|(name, ..)| is_real(name)) {
            let before = self.before.get(name).copied();
            let rx = per_second(received, before.map(|before| before.0), elapsed_ms);
            let tx = per_second(sent, before.map(|before| before.1), elapsed_ms);
            rx_sum = plus(rx_sum, rx);
            tx_sum = plus(tx_sum, tx);
            kept += 1;
            recorder.record(names::NET_RX, name, rx);
            recorder.record(names::NET_TX, name, tx);
            match self.before.get_mut(name) {
                Some(known) => *known = (received, sent),
                None => {
                    self.before.insert(name.to_owned(), (received, sent));
                }
            }
        }
        if self.before.len() > kept {
            self.before.retain(|known, _| interfaces(text).any(|(name, ..)| name == known));
        }
        recorder.record(names::NET_RX, "", rx_sum);
        recorder.record(names::NET_TX, "", tx_sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_kernels_table() {
        let text = "Inter-|   Receive                                                |  Transmit\n \
             face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n    \
             lo: 100 1 0 0 0 0 0 0 100 1 0 0 0 0 0 0\n  \
             eth0: 12345 10 0 0 0 0 0 0 678 9 0 0 0 0 0 0\nbroken\n";
        assert_eq!(interfaces(text).collect::<Vec<_>>(), [("eth0", 12_345, 678)]);
    }
}
