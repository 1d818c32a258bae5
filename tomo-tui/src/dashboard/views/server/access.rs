//! How a server is reached by SSH, and what its host's policy allows.

use ratatui::{
    style::Style,
    text::{Line, Span},
};
use tomo_proto::{
    model::{
        agent::AgentState,
        server::ServerDetail,
        ssh::{Ssh, SshAuth, SshProbe, SshSudo},
    },
    wire::command::Command,
};

use super::ServerView;
use crate::{
    dashboard::{
        action::{Action, Keymap},
        theme::Theme,
        views::{fact, safe_words},
    },
    format,
};

impl ServerView {
    /// How the host is reached by SSH, and what its policy allows.
    pub(super) fn access_lines(
        &self,
        detail: &ServerDetail,
        theme: &Theme,
        keys: &Keymap,
        width: usize,
        now_ms: u64,
    ) -> Vec<Line<'static>> {
        const LABEL: usize = 13;
        let mut lines = vec![Line::styled("By SSH", theme.title)];
        let add = |lines: &mut Vec<Line<'static>>, label: &str, text: &str, style: Style| {
            lines.extend(fact(Span::styled(format!("{label:<LABEL$}"), theme.dim), text, style, width));
        };
        let [connect, edit, test, forget] =
            [Action::ConnectServer, Action::EditServer, Action::TestServer, Action::ForgetCredential]
                .map(|action| keys.name(action));
        match &detail.summary.ssh {
            None => {
                add(&mut lines, "address", &format!("nothing is known; {edit} says where it is"), theme.dim);
            }
            Some(ssh) => {
                add(&mut lines, "address", &address(ssh), theme.text);
                match &ssh.host_key {
                    Some(key) => add(&mut lines, "host key", key, theme.text),
                    None => add(&mut lines, "host key", &format!("none agreed to yet; {connect} shows it"), theme.warn),
                }
                let auth = ssh.auth.map_or("nothing yet", SshAuth::as_str);
                let kept = if ssh.credential_kept {
                    format!("kept, sealed; {test} tests it, {forget} forgets it, {connect} enters another")
                } else {
                    format!("none is kept; {connect} enters one")
                };
                add(&mut lines, "signs in by", auth, theme.text);
                add(&mut lines, "credential", &kept, theme.text);
            }
        }
        if let Some(probe) = &detail.probe {
            add(&mut lines, "last look", &looked(probe, now_ms), theme.text);
        }
        lines.push(Line::default());
        lines.push(Line::styled("What the host's policy allows", theme.title));
        let Some(policy) = &detail.policy else {
            let text = match detail.summary.agent {
                AgentState::None => "nothing: there is no agent",
                _ => "not known until its agent connects",
            };
            add(&mut lines, "", text, theme.dim);
            return lines;
        };
        for (label, list) in [
            ("verbs", &policy.verbs),
            ("foreign", &policy.foreign),
            ("images", &policy.images),
            ("ports", &policy.ports),
            ("bind mounts", &policy.bind_roots),
        ] {
            match list.is_empty() {
                true => add(&mut lines, label, "none", theme.dim),
                false => add(&mut lines, label, &safe_words(list, ", "), theme.text),
            }
        }
        if policy.terminal {
            let shell = keys.name(Action::Shell);
            add(&mut lines, "terminals", &format!("into containers, for people; {shell} opens one"), theme.text);
        } else {
            add(&mut lines, "terminals", "none: it has no line terminal = true", theme.dim);
        }
        match &policy.update_key {
            None => add(&mut lines, "updates", "none: it names no release key", theme.dim),
            Some(key) => {
                let update = keys.name(Action::UpdateAgent);
                add(&mut lines, "updates", &format!("releases signed with {key}; {update} brings one"), theme.text);
            }
        }
        let refused: Vec<&str> = Command::VERBS.into_iter().filter(|verb| policy.allow_verb(verb).is_err()).collect();
        if !refused.is_empty() {
            lines.push(Line::default());
            add(&mut lines, "not allowed", &refused.join(", "), theme.warn);
        }
        if let Some(why) = self.no_deploys() {
            add(&mut lines, "no deploys", &why, theme.warn);
        }
        lines.push(Line::default());
        let file = format!("Only the host's owner changes this, in {} there.", policy.file());
        add(&mut lines, "", &file, theme.dim);
        lines
    }
}

/// Where SSH leads to, and through what.
fn address(ssh: &Ssh) -> String {
    let jump = ssh.jump.as_ref().map(|jump| format!(", through {}@{}:{}", jump.user, jump.host, jump.port));
    format!("{}@{}:{}{}", ssh.user, ssh.host, ssh.port, jump.unwrap_or_default())
}

/// What a look around by SSH found.
pub(super) fn looked(probe: &SshProbe, now_ms: u64) -> String {
    let docker = match (&probe.docker.version, probe.docker.socket) {
        (Some(version), _) => format!("Docker {version}"),
        (None, true) => "Docker, not for this user".to_owned(),
        (None, false) => "no Docker".to_owned(),
    };
    let udp = probe.udp.as_ref().map_or_else(String::new, |udp| format!(", {udp}"));
    format!(
        "{} ago: {}, kernel {}, {} cores, {} memory, {docker}, root by {}{udp}",
        format::duration(now_ms.saturating_sub(probe.at_ms)),
        probe.os,
        probe.kernel,
        probe.cpu_count,
        format::bytes(probe.memory_total_bytes),
        match probe.sudo {
            SshSudo::Root => "being it",
            SshSudo::Passwordless => "sudo",
            SshSudo::Password => "sudo with a password",
            SshSudo::None => "no way",
        }
    )
}
