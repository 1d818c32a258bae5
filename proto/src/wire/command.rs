//! Commands: an enum with typed fields from end to end, never a string that something later splits or runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    api::{check_name, person::SecretText},
    error::ErrorCode,
    id::{AppId, CommandId, RevisionId},
    model::{
        adoption::Adoptable,
        app::{AppSpec, HealthCheck, LogLine},
        container::ContainerConfig,
        diagnosis::Examination,
        image::ImageDigests,
        operation::Evidence,
        registry::RegistryLogin,
        release::SignedRelease,
        spec::{check_image, check_volume},
        stock::{Item, Stock},
    },
    wire::{
        archive::Part,
        frame::bytes_field,
        terminal::{TerminalSize, check_program},
        witness::AuditHead,
    },
};

/// Daemon → agent, the one frame it sends on a command stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CommandRequest {
    /// A repeated id is answered from memory; it does not run twice.
    pub id: CommandId,
    /// Milliseconds the agent has; it gives up and undoes what it did after that.
    pub deadline_ms: u64,
    /// What to do.
    pub command: Command,
    /// What signs in at the registries of its images; beside the command, which is kept, because these are not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logins: Vec<RegistryLogin>,
}

/// What an agent can be asked to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Start a container.
    StartContainer {
        /// Which.
        container: ContainerRef,
        /// Others of the same app, which are started before it, in this order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        others: Vec<ContainerRef>,
    },
    /// Stop a container.
    StopContainer {
        /// Which.
        container: ContainerRef,
        /// Seconds until each is killed.
        timeout_secs: u32,
        /// Others of the same app, which are stopped after it, the last one first.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        others: Vec<ContainerRef>,
    },
    /// Restart a container.
    RestartContainer {
        /// Which.
        container: ContainerRef,
        /// Seconds until each is killed.
        timeout_secs: u32,
        /// Others of the same app, which are restarted before it, in this order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        others: Vec<ContainerRef>,
    },
    /// Remove a container that Tomo made, with everything else of its app.
    RemoveContainer {
        /// Which.
        container: ContainerRef,
        /// Also these named volumes that Tomo made.
        volumes: Vec<String>,
    },
    /// Read, and perhaps follow, a container's log. Answers with [`CommandEvent::Log`]; closing the stream ends it.
    ReadLogs {
        /// Which.
        container: ContainerRef,
        /// Newest lines to begin with; all without.
        tail: Option<u32>,
        /// Only lines from this time on (UTC ms).
        since_ms: Option<u64>,
        /// Go on with new lines until the stream closes.
        follow: bool,
    },
    /// Pull an image, also if one of that name is there.
    PullImage {
        /// Name with tag or digest.
        image: String,
    },
    /// Look at how a container was made. Answers with [`CommandEvent::Found`].
    InspectContainer {
        /// Which.
        container: ContainerRef,
    },
    /// Read how a container that Tomo did not make would run as an app, with the secrets of its environment. Answers with
    /// [`CommandEvent::Found`].
    ReadConfiguration {
        /// Which.
        container: ContainerRef,
    },
    /// Look at how a container does and did. Answers with [`CommandEvent::Found`].
    ExamineContainer {
        /// Which.
        container: ContainerRef,
        /// Newest lines of its log.
        tail: u32,
        /// Asked too, if Tomo made the container and it runs.
        probe: Option<HealthCheck>,
    },
    /// Compare the image of a container with what its registry has under the same name. Answers with [`CommandEvent::Found`]. It takes
    /// no name of an image: a daemon that lies cannot have registries of its choice asked.
    CompareImage {
        /// Which.
        container: ContainerRef,
    },
    /// List images, volumes, networks and stopped containers. Answers with [`CommandEvent::Found`], in parts.
    ListStock {},
    /// Make a volume that carries Tomo's label.
    CreateVolume {
        /// Its name.
        name: String,
    },
    /// Make a bridge network that carries Tomo's label.
    CreateNetwork {
        /// Its name.
        name: String,
        /// Let it lead nowhere outside.
        internal: bool,
    },
    /// Remove exactly these things, if each of them is as it is told here; else none of them.
    Discard {
        /// What goes.
        items: Vec<Item>,
    },
    /// Put an app's container in place, replacing the one there; on failure the old one is as before.
    DeployApp {
        /// What to deploy.
        deploy: Box<DeployApp>,
    },
    /// Read what is in a volume: it follows as [`CommandEvent::Part`]s, the last of which tells what it was.
    BackupVolume {
        /// Its name.
        volume: String,
        /// Stop the containers that mount it meanwhile, and start them again in any case.
        stop: bool,
    },
    /// Make a volume of what follows, in [`Part`]s, once the agent answers [`CommandEvent::Send`]. It stays only if all of it came.
    RestoreVolume {
        /// Its name; there is none of it yet.
        volume: String,
    },
    /// Make a volume of what follows as for [`Command::RestoreVolume`], run an app on it where nothing else reaches it, and take all of
    /// it away.
    DrillVolume {
        /// The volume's name, as the app's configuration has it.
        volume: String,
        /// The app; without one the volume is only made and read.
        app: Option<Box<DeployApp>>,
    },
    /// Tell every kept head of the audit trail. Answers with [`Found::Heads`]. The half with the network answers by itself: nothing
    /// on the host is touched, so no policy is asked. An agent that does not know this command ends its stream.
    TellHeads,
    /// Put a newer program in the agent's place. Once it answers [`CommandEvent::Send`] the program follows on the same stream, in
    /// frames of at most [`PROGRAM_PART_BYTES`]. Starting anew breaks the link; asked again with the same id, the agent tells how it
    /// ended.
    UpdateAgent {
        /// The text of a [`SignedRelease`].
        release: String,
    },
    /// Run a program in a container at a terminal, a person's. Once it answers [`CommandEvent::Send`],
    /// [`TerminalInput`](crate::wire::terminal::TerminalInput) follows on the same stream; what it shows comes as
    /// [`CommandEvent::Shown`]. The end of that stream, or of nobody's listening, ends the program. Succeeds with the fact
    /// [`EXIT_CODE`] once the program has ended by itself.
    OpenTerminal {
        /// Which.
        container: ContainerRef,
        /// What to run, word by word; bash if it is there, else sh without any.
        program: Vec<String>,
        /// How large the terminal is at first.
        size: TerminalSize,
    },
    /// Tell what became of an earlier command, once it has ended. Needs no leave of the policy: it changes nothing.
    TellOutcome {
        /// Which; one that never came is not found.
        command: CommandId,
    },
}

/// Seconds that a container gets to end before it is killed, as the engines have it too.
pub const STOP_SECS: u32 = 10;

/// What the end of a command says that was cancelled, or whose listener went away.
pub const CANCELLED: &str = "it was cancelled";

/// Fact of a terminal's outcome: how its program ended.
pub const EXIT_CODE: &str = "exit_code";

/// Bytes of a program in one frame.
pub const PROGRAM_PART_BYTES: usize = 128 * 1024;

/// What a deploy needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeployApp {
    /// App by id, a label of the container.
    pub app: AppId,
    /// App name; the container is called `tomo-<name>`.
    pub name: String,
    /// Revision, a label of the container.
    pub revision: RevisionId,
    /// What to run.
    pub spec: AppSpec,
    /// Values for `secret://NAME` in the environment.
    #[serde(default)]
    pub secrets: BTreeMap<String, SecretText>,
    /// Seconds the new container has to become healthy.
    pub health_timeout_secs: u32,
    /// Seconds that the old container goes on answering after the new one has taken its place, if both can publish their ports.
    #[serde(default)]
    pub overlap_secs: u32,
    /// Seconds that the replaced container is kept, stopped, for a roll-back; 0 removes it at once.
    #[serde(default)]
    pub keep_secs: u32,
    /// A container that Tomo did not make, by id, in whose place the app's own comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopts: Option<ContainerRef>,
}

impl DeployApp {
    fn check(&self) -> Result<(), String> {
        check_name(&self.name)?;
        self.secrets.keys().try_for_each(|name| check_name(name))?;
        self.spec.check().map_err(|misfit| format!("{}: {}", misfit.field, misfit.message))
    }
}

impl Command {
    /// Name of the command, as the host's policy file lists it if it can be allowed or refused there.
    #[must_use]
    pub const fn verb(&self) -> &'static str {
        match self {
            Self::StartContainer { .. } => "start",
            Self::StopContainer { .. } => "stop",
            Self::RestartContainer { .. } => "restart",
            Self::RemoveContainer { .. } => "remove",
            Self::ReadLogs { .. } | Self::ExamineContainer { .. } => "logs",
            Self::PullImage { .. } => "pull",
            Self::ReadConfiguration { .. } => Self::ADOPT,
            Self::InspectContainer { .. } | Self::CompareImage { .. } | Self::ListStock {} => "inspect",
            Self::CreateVolume { .. } | Self::CreateNetwork { .. } => "create",
            Self::Discard { .. } => "remove",
            Self::DeployApp { .. } => "deploy",
            Self::BackupVolume { .. } => "backup",
            Self::RestoreVolume { .. } | Self::DrillVolume { .. } => "restore",
            Self::TellHeads => "heads",
            Self::UpdateAgent { .. } => "update",
            Self::OpenTerminal { .. } => Self::TERMINAL,
            Self::TellOutcome { .. } => "tell",
        }
    }

    /// Whether it changes something by the engine: then it is carried on when the link breaks, and its outcome is kept.
    #[must_use]
    pub const fn is_change(&self) -> bool {
        match self {
            Self::StartContainer { .. }
            | Self::StopContainer { .. }
            | Self::RestartContainer { .. }
            | Self::RemoveContainer { .. }
            | Self::PullImage { .. }
            | Self::CreateVolume { .. }
            | Self::CreateNetwork { .. }
            | Self::Discard { .. }
            | Self::DeployApp { .. }
            | Self::BackupVolume { .. }
            | Self::RestoreVolume { .. }
            | Self::DrillVolume { .. } => true,
            Self::ReadLogs { .. }
            | Self::InspectContainer { .. }
            | Self::ReadConfiguration { .. }
            | Self::ExamineContainer { .. }
            | Self::CompareImage { .. }
            | Self::ListStock {}
            | Self::TellHeads
            | Self::UpdateAgent { .. }
            | Self::OpenTerminal { .. }
            | Self::TellOutcome { .. } => false,
        }
    }

    /// Whether what is in a volume comes or goes with it: then it comes to nothing when the link breaks.
    #[must_use]
    pub const fn carries_volume(&self) -> bool {
        matches!(self, Self::BackupVolume { .. } | Self::RestoreVolume { .. } | Self::DrillVolume { .. })
    }

    /// What it works on; of two changes of the same the second waits.
    #[must_use]
    pub fn subject(&self) -> String {
        match self {
            Self::StartContainer { container, .. }
            | Self::StopContainer { container, .. }
            | Self::RestartContainer { container, .. }
            | Self::RemoveContainer { container, .. }
            | Self::ReadLogs { container, .. }
            | Self::InspectContainer { container }
            | Self::ReadConfiguration { container }
            | Self::ExamineContainer { container, .. }
            | Self::OpenTerminal { container, .. }
            | Self::CompareImage { container } => container.as_str().to_owned(),
            Self::DeployApp { deploy } => format!("tomo-{}", deploy.name),
            Self::PullImage { image } => format!("image {image}"),
            Self::CreateVolume { name: volume }
            | Self::BackupVolume { volume, .. }
            | Self::RestoreVolume { volume }
            | Self::DrillVolume { volume, .. } => format!("volume {volume}"),
            Self::CreateNetwork { name, .. } => format!("network {name}"),
            Self::ListStock {} | Self::Discard { .. } => "the host's stock".to_owned(),
            Self::TellHeads | Self::UpdateAgent { .. } | Self::TellOutcome { .. } => "the agent".to_owned(),
        }
    }

    /// Names of the images that it may pull.
    #[must_use]
    pub fn images(&self) -> Vec<&str> {
        match self {
            Self::PullImage { image } => vec![image],
            Self::DeployApp { deploy } => deploy.spec.all_images().collect(),
            Self::DrillVolume { app: Some(app), .. } => app.spec.all_images().collect(),
            _ => Vec::new(),
        }
    }

    /// Whether every name in it is one: they become parts of paths, of the engine's API and of files, and a daemon may lie.
    ///
    /// # Errors
    /// Says which is none.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Self::RemoveContainer { volumes, .. } => volumes.iter().try_for_each(|name| check_volume(name)),
            Self::PullImage { image } => check_image(image),
            Self::CreateVolume { name } | Self::CreateNetwork { name, .. } => check_name(name),
            Self::Discard { items } => items.iter().try_for_each(Item::check),
            Self::OpenTerminal { program, .. } => check_program(program),
            Self::DeployApp { deploy } => deploy.check(),
            Self::BackupVolume { volume, .. } => ContainerRef::new(volume).map(drop),
            Self::RestoreVolume { volume } => check_name(volume),
            Self::DrillVolume { volume, app } => {
                ContainerRef::new(volume)?;
                app.as_ref().map_or(Ok(()), |app| app.check())
            }
            Self::UpdateAgent { release } => SignedRelease::parse(release).map(drop).map_err(|error| error.to_string()),
            Self::ExamineContainer { probe, .. } => {
                probe.as_ref().map_or(Ok(()), |check| check.check().map_err(|misfit| misfit.message))
            }
            Self::StartContainer { .. }
            | Self::StopContainer { .. }
            | Self::RestartContainer { .. }
            | Self::ReadLogs { .. }
            | Self::InspectContainer { .. }
            | Self::ReadConfiguration { .. }
            | Self::CompareImage { .. }
            | Self::ListStock {}
            | Self::TellHeads
            | Self::TellOutcome { .. } => Ok(()),
        }
    }

    /// The containers that it is about, which may be some that Tomo did not make; the named one last.
    #[must_use]
    pub fn containers(&self) -> Vec<&ContainerRef> {
        match self {
            Self::StartContainer { container, others }
            | Self::StopContainer { container, others, .. }
            | Self::RestartContainer { container, others, .. } => others.iter().chain([container]).collect(),
            Self::ReadLogs { container, .. }
            | Self::ExamineContainer { container, .. }
            | Self::CompareImage { container }
            | Self::OpenTerminal { container, .. }
            | Self::ReadConfiguration { container }
            | Self::InspectContainer { container } => vec![container],
            _ => Vec::new(),
        }
    }

    /// What a terminal is called where verbs are: it has a line of its own in a policy file.
    pub const TERMINAL: &'static str = "terminal";

    /// What taking over a container is called that Tomo did not make: a deploy that starts from one.
    pub const ADOPT: &'static str = "adopt";

    /// Every verb a policy file can list. Updates have a line of their own there, the key they are signed with, and so have terminals.
    pub const VERBS: [&'static str; 11] =
        ["start", "stop", "restart", "remove", "logs", "inspect", "pull", "create", "deploy", "backup", "restore"];

    /// Verbs that a policy file can let count for what Tomo did not make.
    pub const FOREIGN_VERBS: [&'static str; 9] =
        ["start", "stop", "restart", "remove", "logs", "inspect", "backup", Self::TERMINAL, Self::ADOPT];
}

/// Name or id of a container: the engine's grammar and nothing else, so that it cannot reach another path of its API.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct ContainerRef(String);

impl ContainerRef {
    /// Checks a name (`[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}`; an id is one too).
    ///
    /// # Errors
    /// Says that the name is not one.
    pub fn new(name: impl Into<String>) -> Result<Self, String> {
        let name = name.into();
        let mut bytes = name.bytes();
        let fits = bytes.next().is_some_and(|first| first.is_ascii_alphanumeric())
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
            && name.len() <= 128;
        if fits {
            Ok(Self(name))
        } else {
            Err(format!("\"{}\" is not a container name or id", crate::text::display_line(&name, 60)))
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for ContainerRef {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Agent → daemon on a command stream: signs of life, then one outcome, then the end of the stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CommandEvent {
    /// How far it is.
    Progress {
        /// What it does right now, e.g. `pull nginx:1.27`.
        step: String,
        /// How far the step is, 0–100.
        percent: Option<u8>,
    },
    /// Lines of a log, oldest first.
    Log {
        /// At most 500; each already safe to show.
        lines: Vec<LogLine>,
    },
    /// What was asked for; a list may come in several parts.
    Found(Box<Found>),
    /// The agent takes what is to follow: the program or the volume that the command spoke of, or what is typed at the terminal that is
    /// open now.
    Send,
    /// What is in a volume.
    Part(Part),
    /// What a terminal shows.
    Shown {
        /// At most [`TERMINAL_PART_BYTES`](crate::wire::terminal::TERMINAL_PART_BYTES), as they came from the container.
        #[serde(with = "bytes_field")]
        bytes: Vec<u8>,
    },
    /// It is over.
    Outcome(Outcome),
}

/// What a command that looks has found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// How a container was made.
    Container(ContainerConfig),
    /// A part of what lies on the host.
    Stock(Stock),
    /// Heads of the audit trail that the agent keeps, at most [`MOST_HEADS`](crate::wire::witness::MOST_HEADS), oldest first.
    Heads(Vec<AuditHead>),
    /// How a container does and did.
    Examination(Examination),
    /// Its image, here and in its registry.
    Digests(ImageDigests),
    /// How a container would run as an app.
    Adoptable(Box<Adoptable>),
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Done and checked.
    Succeeded {
        /// Facts worth keeping, e.g. the image's id.
        #[serde(default)]
        facts: BTreeMap<String, String>,
        /// Milliseconds that nothing answered, measured; only where a running container was replaced.
        #[serde(default)]
        downtime_ms: Option<u64>,
    },
    /// Not done; what was begun is undone.
    Failed {
        /// Kind of the failure.
        code: ErrorCode,
        /// What happened, naming the thing.
        message: String,
        /// What to do next.
        #[serde(default)]
        next: Option<String>,
        /// Milliseconds that nothing answered until the old container ran again, measured.
        #[serde(default)]
        downtime_ms: Option<u64>,
        /// What a container that did not live left behind.
        #[serde(default)]
        evidence: Option<Box<Evidence>>,
    },
}

impl Outcome {
    /// A success without facts.
    #[must_use]
    pub const fn done() -> Self {
        Self::Succeeded { facts: BTreeMap::new(), downtime_ms: None }
    }

    /// A failure with a next step.
    pub fn failed(code: ErrorCode, message: impl Into<String>, next: Option<String>) -> Self {
        Self::Failed { code, message: message.into(), next, downtime_ms: None, evidence: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::stock::{Image, Network, Stopped, Volume},
        wire::frame::{decode, encode},
    };

    #[test]
    fn a_container_reference_cannot_leave_its_path() {
        for bad in ["", "../../version?x=", "a/b", "a b", "-a", "a\0", "a?b", "é", &"x".repeat(129)] {
            assert!(ContainerRef::new(bad).is_err(), "{bad:?}");
        }
        for good in ["web", "tomo-web.1_x", "4f1c0ffee000"] {
            assert!(ContainerRef::new(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn a_stop_is_these_bytes() {
        let container = ContainerRef::new("web").expect("a name");
        let command = Command::StopContainer { container, timeout_secs: 10, others: Vec::new() };
        let body = encode(&command).expect("encodes");
        assert_eq!(body, b"\x01\x81\xaestop_container\x82\xa9container\xa3web\xactimeout_secs\x0a");
        assert_eq!(decode::<Command>(&body).expect("decodes"), command);
    }

    #[test]
    fn a_close_look_is_these_bytes_and_its_probe_is_checked() {
        let container = ContainerRef::new("web").expect("a name");
        let command = Command::ExamineContainer { container: container.clone(), tail: 200, probe: None };
        let body = encode(&command).expect("encodes");
        assert_eq!(body, b"\x01\x81\xb1examine_container\x83\xa9container\xa3web\xa4tail\xcc\xc8\xa5probe\xc0");
        assert_eq!(decode::<Command>(&body).expect("decodes"), command);
        let probe = Some(HealthCheck::Http { port: 80, path: "/ HTTP/1.0\r\nX: y".to_owned() });
        assert!(Command::ExamineContainer { container, tail: 1, probe }.check().is_err());
    }

    #[test]
    fn reading_a_configuration_is_these_bytes_and_no_list_of_verbs_allows_it() {
        let command = Command::ReadConfiguration { container: ContainerRef::new("web").expect("a name") };
        let body = encode(&command).expect("encodes");
        assert_eq!(body, b"\x01\x81\xb2read_configuration\x81\xa9container\xa3web");
        assert_eq!(decode::<Command>(&body).expect("decodes"), command);
        assert!(!command.is_change() && !Command::VERBS.contains(&command.verb()));
        let secrets = [("KEY".to_owned(), SecretText::new("hunter2"))].into();
        let found =
            CommandEvent::Found(Box::new(Found::Adoptable(Box::new(Adoptable { secrets, ..Adoptable::default() }))));
        assert!(!format!("{found:?}").contains("hunter2"), "what is logged tells no secret");
        assert_eq!(decode::<CommandEvent>(&encode(&found).expect("encodes")).expect("decodes"), found);
    }

    #[test]
    fn a_clean_up_is_these_bytes_and_its_names_are_checked() {
        let volume = Volume { name: "data".to_owned(), driver: "local".to_owned(), ..Volume::default() };
        let command = Command::Discard { items: vec![Item::Volume(volume.clone())] };
        let body = encode(&command).expect("encodes");
        let expected = b"\x01\x81\xa7discard\x81\xa5items\x91\x85\xa4kind\xa6volume\xa4name\xa4data\xa6driver\xa5local\
            \xaacreated_at\x00\xa4ours\xc2";
        assert_eq!(body, expected);
        assert_eq!(decode::<Command>(&body).expect("decodes"), command);
        assert_eq!(command.check(), Ok(()));
        let network = Network { id: "../x".to_owned(), ..Network::default() };
        let image =
            Image { id: format!("sha256:{}", "a".repeat(64)), names: vec!["x y".to_owned()], ..Image::default() };
        for item in [
            Item::Volume(Volume { name: "../data".to_owned(), ..volume }),
            Item::Network(network),
            Item::Image(image),
            Item::Image(Image { id: "sha256:x".to_owned(), ..Image::default() }),
            Item::Container(Stopped { id: "a?force=1".to_owned(), ..Stopped::default() }),
        ] {
            assert!(Command::Discard { items: vec![item.clone()] }.check().is_err(), "{item:?}");
        }
    }

    #[test]
    fn a_terminal_is_these_bytes_and_its_program_is_checked() {
        let container = ContainerRef::new("web").expect("a name");
        let size = TerminalSize { columns: 80, rows: 24 };
        let command = Command::OpenTerminal { container: container.clone(), program: vec!["sh".to_owned()], size };
        let body = encode(&command).expect("encodes");
        let expected = b"\x01\x81\xadopen_terminal\x83\xa9container\xa3web\xa7program\x91\xa2sh\xa4size\x82\xa7columns\x50\xa4rows\x18";
        assert_eq!(body, expected);
        assert_eq!(decode::<Command>(&body).expect("decodes"), command);
        assert!(Command::OpenTerminal { container, program: vec![String::new()], size }.check().is_err());
        let shown = CommandEvent::Shown { bytes: vec![0, 0xff] };
        let body = encode(&shown).expect("encodes");
        assert_eq!(body, b"\x01\x81\xa5shown\x81\xa5bytes\xc4\x02\x00\xff");
        assert_eq!(decode::<CommandEvent>(&body).expect("decodes"), shown);
        assert!(!command.is_change() && !Command::VERBS.contains(&command.verb()), "no list of verbs allows it");
    }

    #[test]
    fn an_update_is_these_bytes() {
        let command = Command::UpdateAgent { release: "x".to_owned() };
        let body = encode(&command).expect("encodes");
        assert_eq!(body, b"\x01\x81\xacupdate_agent\x81\xa7release\xa1x");
        assert_eq!(encode(&CommandEvent::Send).expect("encodes"), b"\x01\xa4send");
        assert!(command.check().is_err(), "it is no signed release");
        assert!(!Command::VERBS.contains(&command.verb()), "no list of verbs allows it");
    }

    #[test]
    fn what_carries_a_volume_is_these_bytes_and_its_names_are_checked() {
        let command = Command::BackupVolume { volume: "Data_1".to_owned(), stop: true };
        let body = encode(&command).expect("encodes");
        assert_eq!(body, b"\x01\x81\xadbackup_volume\x82\xa6volume\xa6Data_1\xa4stop\xc3");
        assert_eq!(decode::<Command>(&body).expect("decodes"), command);
        assert_eq!(command.check(), Ok(()));
        let event = encode(&CommandEvent::Part(Part::Bytes(vec![7, 8]))).expect("encodes");
        assert_eq!(event, b"\x01\x81\xa4part\x81\xa5bytes\xc4\x02\x07\x08");
        let volume = || "../data".to_owned();
        for bad in [
            Command::BackupVolume { volume: volume(), stop: false },
            Command::RestoreVolume { volume: volume() },
            Command::RestoreVolume { volume: "Data".to_owned() },
            Command::DrillVolume { volume: volume(), app: None },
        ] {
            assert!(bad.check().is_err() && bad.is_change() && bad.carries_volume(), "{bad:?}");
        }
    }

    #[test]
    fn a_bad_reference_does_not_decode() {
        let body = b"\x01\x81\xafstart_container\x81\xa9container\xa4../x";
        assert!(decode::<Command>(body).is_err());
    }
}
