//! What a compose file may say that an app cannot: what is refused, what is missing, and what means nothing here.

use super::node::Item;

/// What no host's policy can allow, and what holds instead.
pub(super) const REFUSED: [(&str, &str); 18] = [
    ("privileged", "there is no privileged container"),
    ("network_mode", "an app has a network of its own, not the host's nor another container's"),
    ("pid", "an app sees its own processes only"),
    ("ipc", "an app has shared memory of its own"),
    ("uts", "an app has a host name of its own"),
    ("userns_mode", "an app does not choose its user namespace"),
    ("cgroup", "an app does not choose its control group"),
    ("cgroup_parent", "an app does not choose its control group"),
    ("devices", "an app gets no device"),
    ("device_cgroup_rules", "an app gets no device"),
    ("gpus", "an app gets no device"),
    ("security_opt", "an app does not loosen what confines it"),
    ("sysctls", "an app sets nothing of the kernel"),
    ("runtime", "an app does not choose its runtime"),
    ("volumes_from", "an app gets no other container's volumes"),
    ("use_api_socket", "an app does not get the engine"),
    ("credential_spec", "an app gets no credentials of the host"),
    ("isolation", "an app does not choose how it is isolated"),
];

/// What an app cannot say yet, where there is more to say than that.
pub(super) const UNSUPPORTED: [(&str, &str); 4] = [
    ("build", "Tomo runs images: build it elsewhere, push it, and name the image"),
    ("links", "the services of an app reach each other by their names"),
    ("extends", "write out what it takes from there"),
    ("logging", "the agent limits what a container logs"),
];

/// What means nothing here, and why.
pub(super) const WITHOUT_EFFECT: [(&str, &str); 5] = [
    ("container_name", "has no effect: the container is named for the app"),
    ("expose", "has no effect: only published ports are reached"),
    ("pull_policy", "has no effect: an image that is on the server is taken as it is"),
    ("stop_signal", "has no effect: it gets the signal that its image names"),
    ("attach", "has no effect"),
];

/// Whether a key says what holds for every app.
pub(super) fn is_usual(key: &str, value: &Item) -> bool {
    let texts = value.texts().unwrap_or_default();
    let all = |usual: &[&str]| !texts.is_empty() && texts.iter().all(|(_, text)| usual.contains(&text.as_str()));
    match key {
        "security_opt" => all(&["no-new-privileges", "no-new-privileges:true", "no-new-privileges=true"]),
        "network_mode" => all(&["bridge"]),
        "ipc" | "cgroup" => all(&["private"]),
        "scale" => all(&["1"]),
        _ => false,
    }
}
