//! What a service may use, and how it is told whether it works.

use crate::text::size;

use super::{
    health,
    node::{Entry, Item, Node},
    service::Reader,
};

impl Reader<'_> {
    pub(super) fn memory(&mut self, key: &str, value: &Item) {
        self.lines.insert("memory_limit_bytes", value.line);
        let Some(text) = self.text(key, value) else { return };
        match size(&text) {
            Ok(bytes) => self.spec.memory_limit_bytes = Some(bytes),
            Err(error) => self.find(value.line, key, error),
        }
    }

    pub(super) fn cpus(&mut self, key: &str, value: &Item) {
        self.lines.insert("cpu_limit_millis", value.line);
        let cores =
            value.text().and_then(|text| text.parse::<f64>().ok()).filter(|cores| (0.0..=1_024.0).contains(cores));
        match cores {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is in between")]
            Some(cores) => self.spec.cpu_limit_millis = Some((cores * 1_000.0).round() as u32),
            None => self.find(value.line, key, "is no number of cores, as in 0.5"),
        }
    }

    pub(super) fn healthcheck(&mut self, line: u64, value: Item) {
        self.lines.insert("health", line);
        if self.wanted.health.is_some() {
            return self.note(line, "healthcheck", "--health counts instead");
        }
        let Node::Map(entries) = value.node else { return self.find(line, "healthcheck", "is no mapping") };
        let says = |key: &str| entries.iter().find(|entry| entry.key == key).and_then(|entry| entry.value.text());
        if says("disable").is_some_and(|text| text == "true") {
            return;
        }
        for Entry { key, line, value } in &entries {
            match key.as_str() {
                "test" => match health::of_test(value) {
                    Ok(health) => self.spec.health = health,
                    Err(error) => self.find(*line, "healthcheck", error),
                },
                "interval" | "timeout" | "retries" | "start_period" | "start_interval" => {
                    let key = format!("healthcheck.{key}");
                    self.note(*line, &key, "has no effect: a deploy asks again and again, for 90 s at most");
                }
                "disable" => {}
                other => self.find(*line, &format!("healthcheck.{other}"), "is not supported"),
            }
        }
    }

    pub(super) fn deploy(&mut self, value: Item) {
        let Node::Map(entries) = value.node else { return };
        for Entry { key, line, value } in entries {
            let path = format!("deploy.{key}");
            match (key.as_str(), value.text().as_deref(), value.node) {
                ("resources", _, Node::Map(parts)) => self.resources(parts),
                ("replicas", Some("1"), _) | ("mode", Some("replicated"), _) => {}
                (_, _, Node::Nothing) => {}
                _ => self.find(line, &path, "is not supported"),
            }
        }
    }

    fn resources(&mut self, parts: Vec<Entry>) {
        for Entry { key, value, .. } in parts {
            let Node::Map(limits) = value.node else { continue };
            for limit in limits {
                let path = format!("deploy.resources.{key}.{}", limit.key);
                match (key.as_str(), limit.key.as_str()) {
                    ("limits", "memory") => self.memory(&path, &limit.value),
                    ("limits", "cpus") => self.cpus(&path, &limit.value),
                    ("reservations", "devices") => {
                        self.find(
                            limit.line,
                            &path,
                            "is refused, whatever a host's policy says: an app gets no device",
                        );
                    }
                    ("reservations", "memory" | "cpus") => {
                        self.note(limit.line, &path, "has no effect: nothing is reserved")
                    }
                    _ => self.find(limit.line, &path, "is not supported"),
                }
            }
        }
    }
}
