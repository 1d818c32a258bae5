//! A look around on a host: one fixed script on the shell's standard input, and the reading of what it says. Whatever the shell
//! says by itself before and after is left out.

use std::time::Duration;

use tomo_proto::{
    model::{
        server::Filesystem,
        ssh::{SshDocker, SshProbe, SshSudo, SshUdp},
    },
    text::display_line,
};
use zeroize::Zeroizing;

use crate::{
    clock::Clock,
    ssh::{CommandLine, Connection, Limits, SshError},
};

const SCRIPT: &str = include_str!("probe.sh");
const BEGIN: &str = "tomo-probe-begin";
const END: &str = "tomo-probe-end";
const LIMITS: Limits = Limits { time: Duration::from_secs(15), output_bytes: 256 * 1024 };
/// Addresses of the daemon that are tried; each takes up to three seconds.
const DAEMONS: usize = 3;
/// Longest value that is taken over.
const VALUE_CHARS: usize = 120;

impl Connection {
    /// Looks around, and tries to reach the daemon at addresses (`host:port`) by UDP. With a password, also tries whether sudo takes it.
    ///
    /// # Errors
    /// The host runs no commands, or not as a shell would.
    pub async fn probe(&self, password: Option<&str>, daemons: &[String], clock: &Clock) -> Result<SshProbe, SshError> {
        // These stand between quotes in a shell's script.
        let plain = |address: &&String| {
            address.chars().all(|one| one.is_ascii_alphanumeric() || matches!(one, '.' | ':' | '-' | '[' | ']'))
        };
        let daemons: Vec<&str> = daemons.iter().filter(plain).take(DAEMONS).map(String::as_str).collect();
        let script = format!("daemons='{}'\n{SCRIPT}", daemons.join(" "));
        let before_ms = clock.now_ms();
        let ran = self.run(&CommandLine::fixed("sh -s"), script.as_bytes(), LIMITS, &mut |_| {}).await?;
        let after_ms = clock.now_ms();
        let said = String::from_utf8_lossy(&ran.stdout);
        let mut probe = read(&said, before_ms, after_ms)
            .ok_or_else(|| SshError::broken("looking around", "the host's shell does not do what `sh -s` does"))?;
        if probe.sudo == SshSudo::Password
            && let Some(password) = password
        {
            let input = Zeroizing::new(format!("{password}\n"));
            let command = CommandLine::fixed("sudo -k -S -p '' true");
            let ran = self.run(&command, input.as_bytes(), LIMITS, &mut |_| {}).await?;
            if ran.status != Some(0) {
                probe.sudo = SshSudo::None;
            }
        }
        Ok(probe)
    }
}

/// Reads what the script has said; `None` if it has not run to its end.
fn read(said: &str, before_ms: u64, after_ms: u64) -> Option<SshProbe> {
    let mut lines = said.lines().skip_while(|line| *line != BEGIN).skip(1);
    let mut probe = SshProbe { at_ms: after_ms, ..SshProbe::default() };
    loop {
        let line = lines.next()?;
        if line == END {
            return Some(probe);
        }
        let Some((key, value)) = line.split_once('=') else { continue };
        let text = || display_line(value.trim(), VALUE_CHARS);
        let number = || value.trim().parse::<u64>().unwrap_or(0);
        match key {
            "clock" => probe.clock_skew_ms = skew_ms(value, before_ms, after_ms).unwrap_or(0),
            "hostname" => probe.hostname = text(),
            "kernel" => probe.kernel = text(),
            "architecture" => probe.architecture = text(),
            "os" => probe.os = display_line(value.trim().trim_matches('"'), VALUE_CHARS),
            "cpus" => probe.cpu_count = u32::try_from(number()).unwrap_or(0),
            "MemTotal" => probe.memory_total_bytes = number().saturating_mul(1024),
            "MemAvailable" => probe.memory_available_bytes = number().saturating_mul(1024),
            "uptime" => probe.uptime_secs = number(),
            "df" => {
                let found = filesystem(value);
                let known = |found: &Filesystem| probe.filesystems.iter().any(|known| known.mount == found.mount);
                probe.filesystems.extend(found.filter(|found| !known(found)));
            }
            "systemd" => probe.systemd = Some(text()),
            "docker_socket" => probe.docker.socket = true,
            "docker_access" => probe.docker.access = true,
            "docker_version" => {
                let version = Some(text()).filter(|version| !version.is_empty());
                probe.docker = SshDocker { version, ..probe.docker };
            }
            "sudo" => {
                probe.sudo = match value {
                    "root" => SshSudo::Root,
                    "passwordless" => SshSudo::Passwordless,
                    _ => SshSudo::Password,
                }
            }
            "agent" => probe.agent_installed = true,
            "udp" => {
                let (address, took) = value.split_once(' ').unwrap_or((value, ""));
                let round_trip_ms = took.trim().parse::<u32>().ok().map(|micros| f64::from(micros) / 1_000.0);
                probe.udp = Some(SshUdp { address: display_line(address, VALUE_CHARS), round_trip_ms });
            }
            _ => {}
        }
    }
}

/// The host's clock minus ours, from a time in seconds; the answer came somewhere between the two times.
fn skew_ms(text: &str, before_ms: u64, after_ms: u64) -> Option<i64> {
    let (seconds, rest) = text.trim().split_once('.').unwrap_or((text.trim(), ""));
    // A `date` that knows no fractions leaves something else here.
    let fraction: i64 = rest.get(..3).and_then(|rest| rest.parse().ok()).unwrap_or(500);
    let there = seconds.parse::<i64>().ok()?.checked_mul(1_000)?.checked_add(fraction)?;
    let (before, after) = (i64::try_from(before_ms).ok()?, i64::try_from(after_ms).ok()?);
    Some(if there < before { there.checked_sub(before)? } else { there.checked_sub(after)?.max(0) })
}

/// One line of `df -Pk`: device, size, used, free, percent, mount.
fn filesystem(line: &str) -> Option<Filesystem> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [device, total, used, _free, _percent, mount @ ..] = fields.as_slice() else { return None };
    let kilobytes = |text: &str| text.parse::<u64>().ok()?.checked_mul(1024);
    Some(Filesystem {
        mount: display_line(&mount.join(" "), VALUE_CHARS),
        device: display_line(device, VALUE_CHARS),
        kind: String::new(),
        total_bytes: kilobytes(total)?,
        used_bytes: kilobytes(used)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAID: &str = "Welcome to web-1!\nkernel=made up\ntomo-probe-begin\nclock=1764000000.250000000\nhostname=web-1\n\
        kernel=6.1.0\narchitecture=x86_64\nos=\"Debian GNU/Linux 12 (bookworm)\"\ncpus=2\nMemTotal=8000\nMemAvailable=4000\n\
        uptime=86400\ndf=/dev/vda1 1000 400 600 40% /\ndf=/dev/vda1 1000 400 600 40% /\nsystemd=running\n\
        docker_socket=yes\ndocker_version=\nsudo=asks\nudp=10.0.0.1:8666 \nudp=10.0.0.2:8666 772\ntomo-probe-end\nlogout\n";

    #[test]
    fn noise_around_the_look_is_left_out() {
        let probe = read(SAID, 1_764_000_000_200, 1_764_000_000_300).expect("is read");
        assert_eq!((probe.hostname.as_str(), probe.kernel.as_str()), ("web-1", "6.1.0"));
        assert_eq!((probe.os.as_str(), probe.cpu_count), ("Debian GNU/Linux 12 (bookworm)", 2));
        assert_eq!((probe.memory_total_bytes, probe.memory_available_bytes), (8_192_000, 4_096_000));
        assert_eq!(probe.filesystems.len(), 1, "the same one twice: {:?}", probe.filesystems);
        assert_eq!(probe.systemd.as_deref(), Some("running"));
        assert_eq!(probe.docker, SshDocker { version: None, socket: true, access: false });
        assert_eq!((probe.sudo, probe.clock_skew_ms, probe.agent_installed), (SshSudo::Password, 0, false));
        assert_eq!(probe.udp.expect("was tried").to_string(), "10.0.0.2:8666 answers by UDP in 0.8 ms");
    }

    #[test]
    fn a_look_that_was_cut_short_is_none() {
        let end = SAID.find("tomo-probe-end").expect("is there");
        assert_eq!(read(&SAID[..end], 0, 1), None);
        assert_eq!(read("", 0, 1), None);
    }

    #[test]
    fn a_clock_that_is_off_shows() {
        for (text, skew) in [("100.000", 0), ("90.5", -9_500), ("101.500", 500), ("100", 0), ("100.%N", 0)] {
            assert_eq!(skew_ms(text, 100_000, 101_000), Some(skew), "{text}");
        }
        assert_eq!(skew_ms("never", 1, 2), None);
        assert_eq!(skew_ms("9223372036854775807.0", 1, 2), None);
    }
}
