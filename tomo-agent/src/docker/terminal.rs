//! Programs at a terminal of the engine's, and their end. The connection to such a terminal is spoken by hand: bollard looks for its
//! own framing in what a terminal shows, so that a container could have it wait for gigabytes.

use std::io::Cursor;

use bollard::{
    exec::{ResizeExecOptions, StartExecOptions},
    models::{ExecConfig, ExecInspectResponse},
};
use serde::Deserialize;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, Chain},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
};
use tomo_proto::{error::ErrorCode, text::display_line, wire::terminal::TerminalSize};

use crate::docker::{Answer, Engine, EngineError};

/// Keys by which the engine would leave a terminal with its program running: nobody types these.
const DETACH_KEYS: &str = "ctrl-@,ctrl-^,ctrl-@,ctrl-_,ctrl-@,ctrl-^";
/// Most bytes of the engine's answer before the terminal begins.
const HEAD_BYTES: usize = 16 * 1024;

/// Sends a signal to every process of its container whose environment has a mark. Words of the shell only: an image may have no
/// program beside it.
const SIGNAL: &str = r#"for p in /proc/[0-9]*; do
    while read -r line || [ -n "$line" ]; do
        case "$line" in *"$1"*) kill -s "$2" "${p#/proc/}"; break ;; esac
    done <"$p/environ"
done 2>/dev/null
:"#;

/// What a terminal shows, and what is typed at it.
pub(crate) type Shows = Chain<Cursor<Vec<u8>>, OwnedReadHalf>;
pub(crate) type Typed = OwnedWriteHalf;

/// How a program is that the engine was asked to run in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ProgramState {
    /// The engine has not come to it yet.
    Waits,
    /// It runs.
    Runs,
    /// It has ended with this code.
    Ended(i64),
    /// It could not be run.
    NeverRan,
    /// The engine knows nothing of it any more.
    Gone,
}

impl Engine {
    /// Prepares a program at a terminal, with a variable that marks it; returns the engine's id for it. Nothing runs yet.
    pub(crate) async fn prepare_terminal(
        &self,
        container: &str,
        program: Vec<String>,
        mark: String,
        size: TerminalSize,
    ) -> Answer<String> {
        let config = ExecConfig {
            attach_stdin: Some(true),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            console_size: Some(vec![size.rows.into(), size.columns.into()]),
            detach_keys: Some(DETACH_KEYS.to_owned()),
            tty: Some(true),
            env: Some(vec![mark]),
            cmd: Some(program),
            ..ExecConfig::default()
        };
        Ok(self.docker.create_exec(container, config).await?.id)
    }

    /// Runs what was prepared. Whether it really runs is its state's matter.
    pub(crate) async fn start_terminal(&self, program: &str) -> Answer<(Shows, Typed)> {
        let lost = |error: std::io::Error| EngineError {
            code: ErrorCode::Internal,
            message: format!("the engine cannot be reached: {error}"),
        };
        let stream = UnixStream::connect(&*self.socket).await.map_err(lost)?;
        let (mut shows, mut typed) = stream.into_split();
        let body = r#"{"Detach":false,"Tty":true}"#;
        let request = format!(
            "POST /exec/{program}/start HTTP/1.1\r\nHost: engine\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        typed.write_all(request.as_bytes()).await.map_err(lost)?;
        let mut answer = Vec::new();
        let end = loop {
            if let Some(end) = answer.windows(4).position(|end| end == b"\r\n\r\n") {
                break end + 4;
            }
            let mut part = [0; 1024];
            let count = shows.read(&mut part).await.map_err(lost)?;
            if count == 0 || answer.len() > HEAD_BYTES {
                let message = "the engine does not answer as engines do".to_owned();
                return Err(EngineError { code: ErrorCode::Internal, message });
            }
            answer.extend_from_slice(&part[..count]);
        };
        let rest = answer.split_off(end);
        // Older engines say 200 and go on as the newer ones do.
        if answer.starts_with(b"HTTP/1.1 101") || answer.starts_with(b"HTTP/1.1 200") {
            return Ok((Cursor::new(rest).chain(shows), typed));
        }
        let code = if answer.starts_with(b"HTTP/1.1 404") { ErrorCode::NotFound } else { ErrorCode::Conflict };
        let message = format!("the engine says: {}", display_line(&words_of(&rest), 400));
        Err(EngineError { code, message })
    }

    /// Gives a terminal another size.
    pub(crate) async fn resize_terminal(&self, program: &str, size: TerminalSize) -> Answer<()> {
        let options = ResizeExecOptions { height: size.rows.max(1), width: size.columns.max(1) };
        Ok(self.docker.resize_exec(program, options).await?)
    }

    /// How a prepared program is by now.
    pub(crate) async fn program_state(&self, program: &str) -> Answer<ProgramState> {
        match self.docker.inspect_exec(program).await.map_err(EngineError::from) {
            Ok(found) => Ok(state_of(&found)),
            Err(error) if error.code == ErrorCode::NotFound => Ok(ProgramState::Gone),
            Err(error) => Err(error),
        }
    }

    /// Sends a signal to every process of a container that carries a mark. The engine has no call for that: a shell in the container
    /// does it.
    ///
    /// # Errors
    /// Also where there is no shell.
    pub(crate) async fn signal_marked(&self, container: &str, mark: &str, signal: &str) -> Answer<()> {
        let words = ["sh", "-c", SIGNAL, "sh", mark, signal].map(str::to_owned);
        let config = ExecConfig { cmd: Some(words.into()), ..ExecConfig::default() };
        let program = self.docker.create_exec(container, config).await?.id;
        let options = StartExecOptions { detach: true, ..StartExecOptions::default() };
        self.docker.start_exec(&program, Some(options)).await?;
        Ok(())
    }
}

fn state_of(found: &ExecInspectResponse) -> ProgramState {
    let ran = found.pid.is_some_and(|pid| pid > 0);
    match (found.running.unwrap_or(false), found.exit_code) {
        (true, _) if ran => ProgramState::Runs,
        (false, Some(code)) if ran => ProgramState::Ended(code),
        (false, Some(_)) => ProgramState::NeverRan,
        _ => ProgramState::Waits,
    }
}

/// What an engine's error says.
fn words_of(body: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Error {
        message: String,
    }
    let parsed = serde_json::from_slice::<Error>(body.trim_ascii());
    parsed.map_or_else(|_| String::from_utf8_lossy(body).into_owned(), |error| error.message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_runs_has_ended_or_never_ran() {
        let told = |running, exit_code, pid| {
            state_of(&ExecInspectResponse { running, exit_code, pid, ..ExecInspectResponse::default() })
        };
        assert_eq!(told(Some(false), None, Some(0)), ProgramState::Waits);
        assert_eq!(told(Some(true), None, Some(0)), ProgramState::Waits);
        assert_eq!(told(Some(true), None, Some(7)), ProgramState::Runs);
        assert_eq!(told(Some(false), Some(3), Some(7)), ProgramState::Ended(3));
        assert_eq!(told(Some(false), Some(126), Some(0)), ProgramState::NeverRan);
        assert_eq!(words_of(b"{\"message\":\"no such\"}\n"), "no such");
        assert_eq!(words_of(b"plain"), "plain");
    }
}
