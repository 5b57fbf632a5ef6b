//! A server's process: its end, its sleep and its log.
//!
//! Signals go to the process itself, or to it and everything it has started: Postgres is many. Invariant: a signal is sent only to a
//! child that was not yet waited for, so its id cannot belong to anybody else.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::orphans;
use crate::wait;

/// A child process that is killed when this is dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts a command that [`Process::command`] made; what it prints goes behind what the log holds already.
    ///
    /// # Errors
    /// It cannot be started, or the log cannot be written.
    pub fn spawn(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let file = File::options().create(true).append(true).open(log);
        let file = file.with_context(|| format!("`{}` cannot be written", log.display()))?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        Ok(Self { name: name.to_owned(), child: orphans::spawn(command)?, log: log.to_owned(), ended: None })
    }

    /// A command whose process ends when this one does, however that comes.
    #[must_use]
    pub fn command(program: &Path) -> Command {
        orphans::command(program)
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it logs to.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Whether it lives, asleep or not.
    ///
    /// # Errors
    /// The system does not say.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.ended()?.is_none())
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// The system does not say.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait()?;
        }
        Ok(self.ended)
    }

    /// Fails when it has ended, with the last lines of its log.
    ///
    /// # Errors
    /// It has ended.
    pub fn must_run(&mut self) -> Result<()> {
        let Some(status) = self.ended()? else { return Ok(()) };
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let last: Vec<&str> = log.lines().rev().take(12).collect();
        let last = last.into_iter().rev().collect::<Vec<_>>().join("\n  ");
        bail!("{} ended by itself ({status}); its log in `{}` ends:\n  {last}", self.name, self.log.display())
    }

    /// Kills it and all it has started with SIGKILL, and waits until it is gone.
    ///
    /// # Errors
    /// The system refuses.
    pub fn kill(&mut self) -> Result<()> {
        if self.is_running()? {
            self.signal_family(Signal::KILL)?;
            self.ended = Some(self.child.wait()?);
        }
        Ok(())
    }

    /// Sends it a signal that asks it to end, and waits until it has.
    ///
    /// # Errors
    /// It does not end within that time; it is killed then.
    pub async fn stop(&mut self, signal: Signal, at_most: Duration) -> Result<ExitStatus> {
        if self.is_running()? {
            self.signal(signal)?;
        }
        let what = format!("{} to end", self.name);
        let waited = wait::until(Instant::now() + at_most, &what, async || Ok(self.ended()?.is_some())).await;
        if waited.is_err() {
            self.kill()?;
        }
        waited?;
        self.ended.context("it has ended")
    }

    /// Sends it and all it has started to sleep: connections stand, and nothing happens.
    ///
    /// # Errors
    /// It is gone already.
    pub fn freeze(&mut self) -> Result<()> {
        self.signal_family(Signal::STOP)
    }

    /// Wakes what [`Process::freeze`] sent to sleep.
    ///
    /// # Errors
    /// It is gone already.
    pub fn thaw(&mut self) -> Result<()> {
        self.signal_family(Signal::CONT)
    }

    /// Whether the kernel has put it to sleep by SIGSTOP.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        is_frozen(self.pid())
    }

    /// Sends a signal to the process alone.
    ///
    /// # Errors
    /// It is gone already.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        self.must_run()?;
        send(self.pid(), signal).with_context(|| format!("{} cannot be signalled", self.name))
    }

    fn signal_family(&mut self, signal: Signal) -> Result<()> {
        // The parent first, so that it starts nobody whom the list lacks; a child may have ended meanwhile.
        let family = family_of(self.pid());
        self.signal(signal)?;
        for pid in family {
            _ = send(pid, signal);
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error means that it is gone, which is what we want.
        _ = self.kill();
    }
}

fn send(pid: u32, signal: Signal) -> Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).context("a process has an id above 0")?;
    Ok(kill_process(pid, signal)?)
}

/// All that a process has started and that lives, and what those have started.
fn family_of(pid: u32) -> Vec<u32> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let mut family = Vec::new();
    for task in tasks.flatten() {
        let children = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        for child in children.split_whitespace().filter_map(|pid| pid.parse().ok()) {
            family.push(child);
            family.extend(family_of(child));
        }
    }
    family
}

/// Whether the kernel has put a process to sleep by SIGSTOP.
#[must_use]
pub fn is_frozen(pid: u32) -> bool {
    state_of(pid) == Some('T')
}

/// The state letter of `/proc/PID/stat`, which stands behind the name in brackets.
fn state_of(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}
