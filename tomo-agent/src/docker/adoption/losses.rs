//! What of a container an app does not have, and what bars it from becoming one.

use bollard::models::{ContainerConfig, HostConfig, ImageConfig};
use tomo_proto::text::display_line;

use crate::docker::adoption::Found;

pub(super) fn is_filled<T>(list: Option<&Vec<T>>) -> bool {
    list.is_some_and(|list| !list.is_empty())
}

impl Found {
    pub(super) fn lose(&mut self, is_there: bool, what: &str) {
        if is_there {
            self.lost.push(what.to_owned());
        }
    }

    /// What no policy can allow, and what could not be undone.
    pub(super) fn bars(&mut self, host: &HostConfig) {
        if host.privileged == Some(true) {
            self.barred.push("it is privileged, and no policy can allow `privileged`".to_owned());
        }
        if host.auto_remove == Some(true) {
            self.barred.push("the engine removes it as soon as it stops (--rm): it could not be put back".to_owned());
        }
        let modes = [
            ("network", "host_network", &host.network_mode),
            ("processes", "host_pid", &host.pid_mode),
            ("shared memory", "host_ipc", &host.ipc_mode),
            ("host name", "host_uts", &host.uts_mode),
            ("user ids", "host_userns", &host.userns_mode),
        ];
        for (what, key, mode) in modes {
            match mode.as_deref() {
                Some("host") if key == "host_network" => {
                    self.barred.push("it is in the host's network, and no policy can allow `host_network`".to_owned());
                }
                Some("host") => self.barred.push(format!("it has the host's {what}, which no policy can allow")),
                Some(mode) if mode.starts_with("container:") => {
                    self.barred.push(format!("it has the {what} of another container"));
                }
                _ => {}
            }
        }
    }

    pub(super) fn behavior(&mut self, config: &ContainerConfig, image: &ImageConfig, id: &str) {
        let differs = |own: &Option<String>, images: &Option<String>| {
            own.as_deref().unwrap_or_default() != images.as_deref().unwrap_or_default()
        };
        self.lose(differs(&config.working_dir, &image.working_dir), "its working directory");
        self.lose(differs(&config.stop_signal, &image.stop_signal), "its stop signal");
        self.lose(config.stop_timeout.is_some(), "how long it has to stop: an app has 10 s");
        let hostname = config.hostname.as_deref().unwrap_or_default();
        self.lose(!hostname.is_empty() && !id.starts_with(hostname), "its host name");
        self.lose(config.domainname.as_ref().is_some_and(|name| !name.is_empty()), "its domain name");
        self.lose(config.tty == Some(true) || config.open_stdin == Some(true), "its terminal or open input (-t, -i)");
    }

    pub(super) fn confinement(&mut self, host: &HostConfig) {
        let plain = |name: &String| name.trim_start_matches("CAP_").to_owned();
        self.spec.capabilities = host.cap_add.iter().flatten().map(plain).collect();
        self.lose(is_filled(host.cap_drop.as_ref()), "that capabilities were taken from it (cap_drop)");
        self.lose(host.readonly_rootfs == Some(true), "that its own files are read-only");
        let options = host.security_opt.iter().flatten();
        for option in options.filter(|option| !option.starts_with("no-new-privileges")) {
            self.lost
                .push(format!("security option {}", display_line(option.split('{').next().unwrap_or_default(), 80)));
        }
        self.lose(host.masked_paths.as_ref().is_some_and(Vec::is_empty), "that no path of the kernel is masked");
        self.lose(host.network_mode.as_deref() == Some("none"), "that it has no network");
        for device in host.devices.iter().flatten().filter_map(|device| device.path_on_host.as_deref()) {
            self.lost.push(format!("device {}", display_line(device, 120)));
        }
        let devices = is_filled(host.device_requests.as_ref()) || is_filled(host.device_cgroup_rules.as_ref());
        self.lose(devices, "its other devices");
        self.lose(is_filled(host.group_add.as_ref()), "its other groups");
        self.lose(is_filled(host.extra_hosts.as_ref()), "its extra hosts");
        self.lose(is_filled(host.links.as_ref()), "its links to other containers");
        let dns = [&host.dns, &host.dns_options, &host.dns_search];
        self.lose(dns.iter().any(|list| is_filled(list.as_ref())), "its name servers");
        self.lose(host.sysctls.as_ref().is_some_and(|all| !all.is_empty()), "its kernel settings (sysctl)");
        self.lose(host.storage_opt.as_ref().is_some_and(|all| !all.is_empty()), "its storage options");
        self.lose(host.init == Some(true), "its init process (--init)");
        let runtime = host.runtime.as_deref().unwrap_or_default();
        self.lose(!matches!(runtime, "" | "runc"), &format!("runtime {}", display_line(runtime, 60)));
        self.lose(host.cgroup_parent.as_ref().is_some_and(|parent| !parent.is_empty()), "its control group");
        if let Some(log) = &host.log_config {
            let driver = log.typ.as_deref().unwrap_or("json-file");
            let has_options = log.config.as_ref().is_some_and(|options| !options.is_empty());
            let shown = display_line(driver, 60);
            self.lose(driver != "json-file" || has_options, &format!("log driver {shown} and its options"));
        }
    }
}
