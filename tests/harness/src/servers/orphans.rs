//! Children that end with us: `setpriv --pdeathsig` asks the kernel to kill a child when the thread that started it ends, and one
//! thread that lives as long as this process starts them all.
//!
//! Values are not dropped when somebody kills a test; without this its servers would stay. Invariant: a child's parent thread ends
//! with the process and never before.

use std::ffi::OsStr;
use std::io;
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};

use anyhow::{Context, Result};

type Request = (Command, Sender<io::Result<Child>>);

/// A command that the kernel kills when its parent thread ends; for [`spawn`].
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// Starts a child from the thread that never ends before the process does.
///
/// # Errors
/// What the system says.
pub(crate) fn spawn(command: Command) -> Result<Child> {
    static PARENT: OnceLock<Sender<Request>> = OnceLock::new();
    let parent = PARENT.get_or_init(|| {
        let (sender, requests) = channel::<Request>();
        let work = move || {
            for (mut command, answer) in requests {
                // Whoever asked waits for the answer.
                _ = answer.send(command.spawn());
            }
        };
        std::thread::Builder::new().name("parent".to_owned()).spawn(work).expect("the system gives a thread");
        sender
    });
    let program = command.get_program().to_owned();
    let (sender, answer) = channel();
    parent.send((command, sender)).expect("the thread takes requests for ever");
    answer
        .recv()
        .expect("every request is answered")
        .with_context(|| format!("`{}` cannot be started", program.display()))
}
