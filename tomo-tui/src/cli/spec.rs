//! An app's configuration from flags.

use anyhow::Context as _;
use tomo_proto::model::app::{AppSpec, PortSpec, Protocol, VolumeSpec};

use crate::{args::Deploy, cli::compose::read_text};

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
        cpu_limit_millis: deploy.cpus,
        user: deploy.user.clone(),
        files: deploy.files.iter().cloned().collect(),
        labels: deploy.labels.iter().cloned().collect(),
        capabilities: deploy.capabilities.clone(),
        ..AppSpec::default()
    }
}

/// The image that a service of an app runs, or the app's own container.
pub(super) fn image_of<'a>(spec: &'a mut AppSpec, app: &str, service: Option<&str>) -> anyhow::Result<&'a mut String> {
    let Some(name) = service else { return Ok(&mut spec.image) };
    let known: Vec<&str> = spec.services.keys().map(String::as_str).collect();
    let known = if known.is_empty() { "no services".to_owned() } else { format!("the services {}", known.join(", ")) };
    let service = spec.services.get_mut(name).map(|service| &mut service.image);
    service.with_context(|| format!("app \"{app}\" has no service \"{name}\": beside its own container it has {known}"))
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

/// Thousandths of a core: `0.5` is 500.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is in between")]
pub(crate) fn cpus(text: &str) -> anyhow::Result<u32> {
    let cores = text.parse::<f64>().ok().filter(|cores| (0.0..=1_024.0).contains(cores));
    let cores = cores.with_context(|| format!("\"{text}\" is no number of cores, as in 0.5"))?;
    Ok((cores * 1_000.0).round() as u32)
}

/// `/etc/app.conf=@app.conf`, `/run/secrets/key=secret://NAME`.
pub(crate) fn file(text: &str) -> anyhow::Result<(String, String)> {
    let pair = text.split_once('=').filter(|(path, _)| path.starts_with('/'));
    let (path, contents) = pair.with_context(|| {
        format!(
            "\"{text}\" is no file: write PATH=@FILE for a file that is here, or PATH=secret://NAME for a stored secret"
        )
    })?;
    let contents = match contents.strip_prefix('@') {
        Some(here) => read_text(here.as_ref()).map_err(|error| anyhow::anyhow!("cannot read {here}: {error}"))?,
        None => contents.to_owned(),
    };
    Ok((path.to_owned(), contents))
}

/// `data:/var/lib/x`, `/srv/x:/x:ro`.
pub(crate) fn volume(text: &str) -> anyhow::Result<VolumeSpec> {
    let (rest, read_only) = text.strip_suffix(":ro").map_or((text, false), |rest| (rest, true));
    let (source, target) = rest
        .split_once(':')
        .with_context(|| format!("volume \"{text}\": write it as SOURCE:TARGET, with :ro where wanted"))?;
    Ok(VolumeSpec { source: source.to_owned(), target: target.to_owned(), read_only })
}

#[cfg(test)]
mod tests {
    use tomo_proto::{model::app::HealthCheck, text::size};

    use super::*;

    #[test]
    fn an_image_is_that_of_the_service_that_was_named() {
        let mut spec = AppSpec { image: "web:1".to_owned(), ..AppSpec::default() };
        *image_of(&mut spec, "shop", None).expect("is there") = "web:2".to_owned();
        let error = image_of(&mut spec, "shop", Some("db")).expect_err("is not there").to_string();
        assert_eq!(error, "app \"shop\" has no service \"db\": beside its own container it has no services");
        spec.services.insert("db".to_owned(), AppSpec { image: "db:1".to_owned(), ..AppSpec::default() });
        *image_of(&mut spec, "shop", Some("db")).expect("is there") = "db:2".to_owned();
        assert!(image_of(&mut spec, "shop", Some("cache")).is_err());
        assert_eq!(spec.all_images().collect::<Vec<_>>(), ["web:2", "db:2"]);
    }

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
        for text in ["http:80/a/b", "tcp:1", "run:pg_isready -U 'a b' -q", "run:sh -c 'echo '\\''x'\\'''"] {
            assert_eq!(text.parse::<HealthCheck>().map(|check| check.to_string()).as_deref(), Ok(text));
        }
        assert!(cpus("1.5").is_ok_and(|millis| millis == 1_500) && cpus("-1").is_err() && cpus("all").is_err());
        for bad in ["", "x:y", "1:2/sctp", "99999:1"] {
            assert!(port(bad).is_err(), "{bad}");
        }
        assert!(
            size("-1M").is_err()
                && size("lots").is_err()
                && "icmp".parse::<HealthCheck>().is_err()
                && volume("x").is_err()
        );
    }
}
