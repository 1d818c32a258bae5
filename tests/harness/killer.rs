//! A kill at an exact moment: strace ends a program (SIGKILL) with its N-th call of some kinds into the system, counted in each thread.

use tokio::process::Command;

use crate::program::Program;

/// Calls that change what is on the disk, or make it durable. Where the machine does not have one, it is left out.
const CALLS: &str = "?write,?pwrite64,?fsync,?fdatasync,?rename,?renameat,?renameat2,?unlink,?unlinkat,?ftruncate,?mkdir,?mkdirat,?rmdir,\
    ?chmod,?fchmodat";

fn arguments(moment: usize) -> [String; 7] {
    let inject = format!("inject={CALLS}:signal=KILL:when={moment}");
    ["-f", "-o", "/dev/null", "-e", &format!("trace={CALLS}"), "-e", &inject].map(str::to_owned)
}

/// The command under strace, to be killed at a moment, from 1 on: then it has no exit code. It ends by itself if it makes fewer calls.
#[must_use]
pub fn killed_at(moment: usize, command: &Command) -> Command {
    let command = command.as_std();
    let mut traced = Command::new("strace");
    traced.args(arguments(moment)).arg(command.get_program()).args(command.get_args()).env_clear();
    for (key, value) in command.get_envs() {
        if let Some(value) = value {
            traced.env(key, value);
        }
    }
    if let Some(path) = std::env::var_os("PATH") {
        traced.env("PATH", path);
    }
    traced
}

/// Waits at a running program for the moment to kill it, counted from now. Dropped, it lets go of the program.
///
/// # Panics
/// The program has ended.
pub async fn kill_at(moment: usize, pid: u32) -> Program {
    let mut strace = Command::new("strace");
    let mut strace = Program::spawn(strace.args(arguments(moment)).arg("-p").arg(pid.to_string()), "").await;
    strace.logged("attached").await;
    strace
}
