//! From facts to causes: one small function for each cause, in a table. Words of hosts and containers go into evidence only;
//! explanations and next steps are built from what Tomo itself knows.

use tomo_proto::{
    error::ErrorCode,
    model::{
        app::AppStatus,
        container::ContainerState,
        diagnosis::{Cause, CauseCode, Confidence, Evidence, EvidenceSource, Untrusted},
        policy::Objection,
        server::EngineState,
    },
};

use super::facts::{Facts, quote};

/// Causes of one answer.
const CAUSES: usize = 5;
/// Quotes of one cause.
const QUOTES: usize = 4;

/// What a rule has found.
#[derive(Debug)]
struct Finding {
    cause: CauseCode,
    confidence: Confidence,
    /// Whether it is what happened rather than why.
    is_symptom: bool,
    /// Lines between the end of the log and what speaks for it: the nearer, the likelier.
    place: usize,
    explanation: String,
    next: String,
    evidence: Vec<Evidence>,
}

type Rule = fn(&Facts) -> Option<Finding>;

/// Every rule. Of two that are equally sure, the one above comes first.
const RULES: &[Rule] = &[
    agent_offline,
    engine_down,
    deploying,
    stopped,
    policy_refused,
    wrong_architecture,
    registry_unreachable,
    image_not_found,
    command_not_found,
    port_taken,
    disk_full,
    out_of_memory,
    missing_setting,
    wrong_owner,
    name_not_resolved,
    dependency_down,
    host_pressure,
    unhealthy,
    crash_loop,
    exited,
    container_gone,
];

/// What speaks for each cause, in lower case, wherever it is written.
mod signs {
    pub(super) const ARCHITECTURE: &[&str] =
        &["exec format error", "no matching manifest for", "does not match the detected host"];
    pub(super) const UNREACHABLE: &[&str] = &[
        "no such host",
        "connection refused",
        "timeout",
        "timed out",
        "deadline exceeded",
        "network is unreachable",
        "no route to host",
        "connection reset",
        "tls:",
        "x509",
        "gave http response",
        "server misbehaving",
    ];
    pub(super) const NO_IMAGE: &[&str] =
        &["manifest unknown", "not found", "does not exist", "denied", "unauthorized", "name unknown", "no such image"];
    pub(super) const NO_COMMAND: &[&str] = &[
        "executable file not found",
        "no such file or directory: unknown",
        "permission denied: unknown",
        "not a directory: unknown",
    ];
    pub(super) const PORT: &[&str] = &[
        "address already in use",
        "eaddrinuse",
        "port is already allocated",
        "of this host is taken",
        "address in use",
    ];
    pub(super) const DISK: &[&str] = &[
        "no space left on device",
        "enospc",
        "disk quota exceeded",
        "disk is full",
        "not enough disk",
        "no space left",
    ];
    pub(super) const MEMORY: &[&str] = &[
        "ran out of memory",
        "out of memory",
        "outofmemory",
        "cannot allocate memory",
        "bad_alloc",
        "memoryerror",
        "oom-kill",
    ];
    pub(super) const SETTING: &[&str] = &[
        "parameter not set",
        "parameter null or not set",
        "unbound variable",
        "must be set",
        "is not set",
        "not been set",
        "missing environment",
        "missing required",
        "required environment",
        "required variable",
        "environment variable not found",
        "is not specified",
        "you must specify",
        "you need to specify",
        "is required but",
        "keyerror: '",
    ];
    pub(super) const OWNER: &[&str] = &[
        "permission denied",
        "eacces",
        "operation not permitted",
        "wrong ownership",
        "not writable",
        "read-only file system",
    ];
    /// Said of other rights than those of files.
    pub(super) const NO_OWNER: &[&str] =
        &["permission denied for", "permission denied (publickey", "permission denied: unknown"];
    pub(super) const NAME: &[&str] = &[
        "bad address",
        "name or service not known",
        "name resolution",
        "could not resolve",
        "couldn't resolve",
        "no such host",
        "enotfound",
        "eai_again",
        "name does not resolve",
        "unknown host",
        "unknownhostexception",
        "can't resolve",
        "server can't find",
        "nodename nor servname",
        "failed to lookup address",
    ];
    pub(super) const REFUSED: &[&str] = &[
        "connection refused",
        "econnrefused",
        "connection timed out",
        "etimedout",
        "no route to host",
        "ehostunreach",
        "network is unreachable",
        "could not connect to",
        "couldn't connect to",
        "can't connect to",
        "failed to connect",
        "unable to connect",
    ];
}

/// The causes that the facts speak for, the likeliest first.
pub(super) fn causes(facts: &Facts) -> Vec<Cause> {
    let mut findings: Vec<Finding> = RULES.iter().filter_map(|rule| rule(facts)).collect();
    if findings.is_empty() {
        findings.extend(deploy_failed(facts));
    }
    // Why it happened is worth more than what happened, unless it is a mere possibility.
    findings.sort_by_key(|finding| {
        let rank = match (finding.is_symptom, finding.confidence) {
            (false, Confidence::Certain) => 0,
            (false, Confidence::Likely) => 1,
            (true, _) => 2,
            (false, Confidence::Possible) => 3,
        };
        (rank, finding.place)
    });
    let mut causes: Vec<Cause> = findings.into_iter().map(Finding::into_cause).collect();
    causes.truncate(CAUSES);
    causes
}

/// All of it in one sentence.
pub(super) fn verdict(facts: &Facts, causes: &[Cause]) -> String {
    let who = if facts.spec.is_some() { facts.name.as_str() } else { "the container" };
    let how = match facts.status {
        AppStatus::Running => "runs",
        AppStatus::Stopped => "is stopped",
        AppStatus::Failed => "does not do what it should",
        AppStatus::Deploying => "is being deployed",
        AppStatus::Unknown => "cannot be seen",
    };
    match causes.first() {
        Some(cause) if facts.fell_back().is_some() => {
            format!("{who} runs as it did before its last deploy, which failed: {}", cause.explanation)
        }
        Some(cause) => format!("{who} {how}: {}", cause.explanation),
        None => format!("{who} {how}, and nothing points to a fault"),
    }
}

impl Finding {
    fn new(cause: CauseCode, explanation: impl Into<String>, next: String) -> Self {
        let explanation = explanation.into();
        let confidence = Confidence::Certain;
        Self { cause, confidence, is_symptom: false, place: 0, explanation, next, evidence: Vec::new() }
    }

    fn symptom(cause: CauseCode, explanation: impl Into<String>, next: String) -> Self {
        Self { is_symptom: true, ..Self::new(cause, explanation, next) }
    }

    fn with(mut self, evidence: impl IntoIterator<Item = Evidence>) -> Self {
        self.evidence.extend(evidence);
        self
    }

    /// Found in the log: as sure as a log can be.
    fn written(mut self, facts: &Facts, (place, evidence): (usize, Vec<Evidence>)) -> Self {
        self.confidence = if facts.is_in_trouble() { Confidence::Likely } else { Confidence::Possible };
        self.place = place;
        self.with(evidence)
    }

    fn into_cause(mut self) -> Cause {
        self.evidence.truncate(QUOTES);
        Cause {
            cause: self.cause,
            confidence: self.confidence,
            explanation: self.explanation,
            next: self.next,
            untrusted: Untrusted { evidence: self.evidence },
        }
    }
}

/// The call that shows what a thing of ours, or a container that is no app's, is like.
fn look(facts: &Facts) -> String {
    call(facts, "app_get", "container_get")
}

fn read_log(facts: &Facts) -> String {
    call(facts, "app_logs", "container_logs")
}

fn call(facts: &Facts, of_app: &str, of_container: &str) -> String {
    if facts.spec.is_some() {
        return format!("{of_app} {{\"app\":\"{}\"}}", facts.full_name());
    }
    // By its id: a container's name is its maker's.
    let id = facts.container.as_ref().map_or("", |container| container.id.as_str());
    let id: String = id.chars().filter(char::is_ascii_hexdigit).take(12).collect();
    format!("{of_container} {{\"server\":\"{}\",\"container\":\"{id}\"}}", facts.server)
}

fn server_get(facts: &Facts, include: &str) -> String {
    let include = if include.is_empty() { String::new() } else { format!(",\"include\":[\"{include}\"]") };
    format!("server_get {{\"server\":\"{}\"{include}}}", facts.server)
}

/// What mends a wrong configuration.
const AGAIN: &str = "deploy it again with that changed, and the rest of its configuration as it is";

/// What the engine or the deploy says, or else the app's log.
fn told_or_written(facts: &Facts, needles: &[&str], finding: impl Fn() -> Finding) -> Option<Finding> {
    let told = facts.told(needles);
    if !told.is_empty() {
        return Some(finding().with(told));
    }
    let wrote = facts.wrote(|line| contains(line, needles))?;
    Some(finding().written(facts, wrote))
}

fn contains(text: &str, needles: &[&str]) -> bool {
    needles.iter().any(|needle| text.contains(needle))
}

fn agent_offline(facts: &Facts) -> Option<Finding> {
    (!facts.is_online).then(|| {
        let why = "the agent of its server is not connected, so that nothing newer is known: see whether the host is up and reaches \
                   the daemon";
        Finding::new(CauseCode::AgentOffline, why, server_get(facts, ""))
    })
}

fn engine_down(facts: &Facts) -> Option<Finding> {
    let Some(EngineState::Absent { reason }) = facts.engine.as_ref().filter(|_| facts.is_online) else { return None };
    let why = "no container engine answers on its server: start it there (systemctl start docker)";
    let said = quote(EvidenceSource::Host, facts.now_ms, reason);
    Some(Finding::new(CauseCode::EngineDown, why, server_get(facts, "")).with([said]))
}

fn deploying(facts: &Facts) -> Option<Finding> {
    (facts.status == AppStatus::Deploying).then(|| {
        let next = facts.running.map_or_else(
            || "operation_list {}".to_owned(),
            |operation| format!("operation_get {{\"operation\":\"{operation}\",\"wait_s\":50}}"),
        );
        Finding::new(CauseCode::Deploying, "a deploy is under way: wait for its end", next)
    })
}

fn stopped(facts: &Facts) -> Option<Finding> {
    (facts.status == AppStatus::Stopped).then(|| {
        let why = if facts.spec.is_some() { "a person stopped it" } else { "it does not run, and did not fail" };
        Finding::new(CauseCode::Stopped, why, call(facts, "app_start", "container_start"))
    })
}

fn policy_refused(facts: &Facts) -> Option<Finding> {
    let next = server_get(facts, "policy");
    if let Some(failed) = facts.failed.as_ref().filter(|failed| failed.code == ErrorCode::RefusedByPolicy) {
        let why = "the policy of the server's owner refused it: the owner can allow it in the agent's policy file, or it is deployed \
                   as that file allows";
        let said = quote(EvidenceSource::Deploy, failed.at_ms, &failed.message);
        return Some(Finding::new(CauseCode::PolicyRefused, why, next).with([said]));
    }
    let key = match facts.objection.as_ref().filter(|_| facts.is_in_trouble())? {
        Objection::NotListed { key, .. } => key,
        Objection::Never { .. } => "bind_roots",
    };
    let why = format!(
        "the policy of the server's owner does not allow any more what it runs (`{key}`): a deploy would be refused"
    );
    Some(Finding { confidence: Confidence::Possible, ..Finding::new(CauseCode::PolicyRefused, why, next) })
}

/// What the registry said when an image could not be pulled: without the image's name.
fn pull_failure(facts: &Facts) -> Option<(String, Evidence)> {
    let failed = facts.failed.as_ref()?;
    let (image, said) = failed.message.split_once("cannot be pulled")?;
    // The engine repeats the name, which may say anything.
    let name = image.split('"').nth(1).unwrap_or_default();
    let said = if name.is_empty() { said.to_owned() } else { said.replace(name, "") };
    Some((said.to_lowercase(), quote(EvidenceSource::Deploy, failed.at_ms, &failed.message)))
}

fn wrong_architecture(facts: &Facts) -> Option<Finding> {
    told_or_written(facts, signs::ARCHITECTURE, || {
        let why = format!(
            "the image is made for another processor than the server's: {AGAIN} (an image for that architecture)"
        );
        Finding::new(CauseCode::WrongArchitecture, why, look(facts))
    })
}

fn registry_unreachable(facts: &Facts) -> Option<Finding> {
    let (_, evidence) = pull_failure(facts).filter(|(said, _)| contains(said, signs::UNREACHABLE))?;
    let why = "its server could not reach the image's registry: see to the network and name resolution of that host";
    Some(Finding::new(CauseCode::RegistryUnreachable, why, server_get(facts, "")).with([evidence]))
}

fn image_not_found(facts: &Facts) -> Option<Finding> {
    let fits = |said: &str| {
        contains(said, signs::NO_IMAGE) && !contains(said, signs::UNREACHABLE) && !contains(said, signs::ARCHITECTURE)
    };
    let (_, evidence) = pull_failure(facts).filter(|(said, _)| fits(said))?;
    let why =
        format!("the registry has no image of that name and tag, or shows it to nobody: {AGAIN} (a tag that exists)");
    Some(Finding::new(CauseCode::ImageNotFound, why, look(facts)).with([evidence]))
}

fn command_not_found(facts: &Facts) -> Option<Finding> {
    let finding = || {
        let why = format!("its command is not in the image, or cannot be run: {AGAIN} (command)");
        Finding::new(CauseCode::CommandNotFound, why, look(facts))
    };
    let told = facts.told(signs::NO_COMMAND);
    if !told.is_empty() {
        return Some(finding().with(told));
    }
    let ended_so = |code: i64| {
        facts.last_end().is_some_and(|end| end.exit_code == code)
            || facts.failed.as_ref().is_some_and(|failed| failed.message.contains(&format!("exit code {code}")))
    };
    if !ended_so(127) && !ended_so(126) {
        return None;
    }
    let wrote = facts.wrote(|line| contains(line, &["not found", "no such file", "permission denied"]))?;
    Some(finding().written(facts, wrote))
}

fn port_taken(facts: &Facts) -> Option<Finding> {
    let fixed = facts.spec.iter().flat_map(|spec| &spec.ports).filter_map(|port| port.host);
    let ports: Vec<String> = fixed.map(|host| host.to_string()).collect();
    told_or_written(facts, signs::PORT, || {
        let which =
            if ports.is_empty() { "a port".to_owned() } else { format!("a port that it wants ({})", ports.join(", ")) };
        let why = format!("something else on the server has {which}: stop that, or {AGAIN} (another host port)");
        Finding::new(CauseCode::PortTaken, why, server_get(facts, "containers"))
    })
}

fn disk_full(facts: &Facts) -> Option<Finding> {
    told_or_written(facts, signs::DISK, || {
        let why = "no space is left where it writes: free some on the server or on that volume, then restart it";
        Finding::new(CauseCode::DiskFull, why, server_get(facts, ""))
    })
}

fn out_of_memory(facts: &Facts) -> Option<Finding> {
    let limit = facts.examination.as_ref().map_or(0, |seen| seen.memory_limit_bytes);
    let finding = || {
        let why = if limit > 0 {
            format!("it was killed at its memory limit of {} MiB: {AGAIN} (a larger memory_limit_bytes)", limit >> 20)
        } else {
            format!("it ran out of memory: give it more than it has now, or the server; {AGAIN} (memory_limit_bytes)")
        };
        Finding::new(CauseCode::OutOfMemory, why, look(facts))
    };
    let killed = facts.examination.iter().flat_map(|seen| seen.ends.iter().rev().take(3)).any(|end| end.out_of_memory);
    if killed && (facts.is_in_trouble() || facts.restarts() > 0) {
        return Some(finding().with(facts.ends()));
    }
    told_or_written(facts, signs::MEMORY, finding)
}

fn missing_setting(facts: &Facts) -> Option<Finding> {
    let wrote = facts.wrote(|line| contains(line, signs::SETTING))?;
    let why = format!("it says that a setting is missing: {AGAIN} (env)");
    Some(Finding::new(CauseCode::MissingSetting, why, look(facts)).written(facts, wrote))
}

fn wrong_owner(facts: &Facts) -> Option<Finding> {
    let wrote = facts.wrote(|line| contains(line, signs::OWNER) && !contains(line, signs::NO_OWNER))?;
    let volumes = facts.spec.iter().flat_map(|spec| &spec.volumes);
    let hit = volumes
        .map(|volume| volume.target.as_str())
        .find(|target| wrote.1.iter().any(|line| line.text.contains(target)));
    let who = match facts.examination.as_ref().map(|seen| seen.user.as_str()) {
        Some("" | "0" | "root") | None => "its user",
        Some(_) => "its user, who is not root,",
    };
    let why = match hit {
        Some(target) => {
            format!("{who} may not write to the volume at {target}: give what is mounted there to that user")
        }
        None => {
            format!("{who} may not use a file: most often a volume or folder of the host that belongs to somebody else")
        }
    };
    Some(Finding::new(CauseCode::WrongOwner, why, look(facts)).written(facts, wrote))
}

fn name_not_resolved(facts: &Facts) -> Option<Finding> {
    let wrote = facts.wrote(|line| contains(line, signs::NAME))?;
    let why = format!(
        "a host name that it asks for is not known where it runs: correct the name and {AGAIN}, or mend the host's DNS"
    );
    Some(Finding::new(CauseCode::NameNotResolved, why, look(facts)).written(facts, wrote))
}

fn dependency_down(facts: &Facts) -> Option<Finding> {
    let wrote = facts.wrote(|line| contains(line, signs::REFUSED) && !contains(line, signs::NAME))?;
    let why =
        "something that it connects to does not answer: see whether that runs, and whether address and port are right";
    let next = if facts.spec.is_some() {
        format!("app_list {{\"server\":\"{}\"}}", facts.server)
    } else {
        server_get(facts, "containers")
    };
    Some(Finding::new(CauseCode::DependencyDown, why, next).written(facts, wrote))
}

fn host_pressure(facts: &Facts) -> Option<Finding> {
    if facts.over_limit.is_empty() || !facts.is_in_trouble() {
        return None;
    }
    let why = "its server is short of something: see which figures are over their limit";
    let said = facts.over_limit.iter().map(|figure| quote(EvidenceSource::Host, facts.now_ms, figure));
    let finding = Finding::new(CauseCode::HostPressure, why, server_get(facts, "")).with(said);
    Some(Finding { confidence: Confidence::Possible, ..finding })
}

fn unhealthy(facts: &Facts) -> Option<Finding> {
    let told = facts.told(&["is not healthy after"]);
    if !facts.is_unhealthy() && told.is_empty() {
        return None;
    }
    let why =
        "it runs, and its health check fails: see in its log why, and whether the check asks the right port and path";
    let finding = Finding::symptom(CauseCode::Unhealthy, why, read_log(facts)).with(told);
    let Some(seen) = &facts.examination else { return Some(finding.with(facts.last_lines())) };
    let probe = seen.probe_failure.iter().map(|why| quote(EvidenceSource::Check, seen.at_ms, why));
    let failed = seen.checks.iter().rev().filter(|check| check.exit_code != 0).take(1).map(|check| {
        let text = format!("exit code {}: {}", check.exit_code, check.output);
        quote(EvidenceSource::Check, check.at_ms, &text)
    });
    Some(finding.with(probe).with(failed).with(facts.last_lines()))
}

/// What an exit code means.
fn meaning(code: i64) -> &'static str {
    match code {
        0 => "without an error: its command does its work and ends, where a service stays in the foreground",
        125..=127 => "because its command could not be run",
        134 | 136 | 139 => "with a crash of the program itself (a signal)",
        137 => "because it was killed (signal 9)",
        143 => "because it was told to end (signal 15)",
        _ => "with an error",
    }
}

fn crash_loop(facts: &Facts) -> Option<Finding> {
    let loops = facts.state() == Some(ContainerState::Restarting) || facts.has_just_died();
    if !loops {
        return None;
    }
    let code = facts.last_end().map_or(1, |end| end.exit_code);
    let why = format!("it ends again and again {}, and the engine starts it anew: see its last lines", meaning(code));
    let finding = Finding::symptom(CauseCode::CrashLoop, why, read_log(facts));
    Some(finding.with(facts.ends()).with(facts.last_lines()))
}

fn exited(facts: &Facts) -> Option<Finding> {
    let told = facts.told(&["ended at once"]);
    let has_ended = matches!(facts.state(), Some(ContainerState::Exited | ContainerState::Dead));
    if told.is_empty() && (!has_ended || facts.status != AppStatus::Failed) {
        return None;
    }
    let code = if told.is_empty() { facts.last_end().map(|end| end.exit_code) } else { exit_code_told(facts) };
    let why = format!("it has ended by itself {}: see its last lines", meaning(code.unwrap_or(1)));
    let next = match facts.failed.as_ref().filter(|failed| failed.is_deploy && !told.is_empty()) {
        Some(failed) => format!("operation_get {{\"operation\":\"{}\"}}", failed.operation),
        None => read_log(facts),
    };
    let ends = facts.ends().filter(|_| told.is_empty());
    Some(Finding::symptom(CauseCode::Exited, why, next).with(told).with(ends).with(facts.last_lines()))
}

/// The exit code that a failed deploy told.
fn exit_code_told(facts: &Facts) -> Option<i64> {
    let (_, rest) = facts.failed.as_ref()?.message.split_once("exit code ")?;
    rest.split(|one: char| !one.is_ascii_digit()).next()?.parse().ok()
}

fn container_gone(facts: &Facts) -> Option<Finding> {
    let has_engine = facts.is_online && matches!(facts.engine, Some(EngineState::Running { .. }));
    if facts.container.is_some() || !has_engine || !facts.was_deployed || facts.status != AppStatus::Failed {
        return None;
    }
    let why = "its container is gone, removed by somebody else than Tomo: deploy it again as it was";
    Some(Finding::symptom(CauseCode::ContainerGone, why, look(facts)))
}

fn deploy_failed(facts: &Facts) -> Option<Finding> {
    let failed = facts.failed.as_ref()?;
    let why = format!("the last change of it failed ({}): read what it says", failed.code.as_str());
    let next = format!("operation_get {{\"operation\":\"{}\"}}", failed.operation);
    let said = quote(EvidenceSource::Deploy, failed.at_ms, &failed.message);
    Some(Finding::symptom(CauseCode::DeployFailed, why, next).with([said]).with(facts.last_lines()))
}

#[cfg(test)]
mod tests;
