//! Worker processes: the `orderstream` binary, started, stopped, killed, frozen and watched by its process id.
//!
//! Invariant: no worker outlives the value that started it, whichever way its owner ends; nothing else is ever signalled.

use std::ffi::OsString;
use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::servers::{free_port, orphans};
use crate::wait;

/// The binary under test.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    /// Programs that end in becoming it, each with its arguments.
    by_way_of: Vec<OsString>,
    environment: Vec<(String, String)>,
}

impl Program {
    /// The program at this path; in integration tests `env!("CARGO_BIN_EXE_orderstream")`.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), by_way_of: Vec::new(), environment: Vec::new() }
    }

    /// The same, started by way of programs that become it: `["env", "A=b"]`. Their process id is the worker's.
    #[must_use]
    pub fn by_way_of(mut self, words: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.by_way_of.extend(words.into_iter().map(Into::into));
        self
    }

    /// The `orderstream` that was built beside this very program.
    ///
    /// # Errors
    /// It is not there.
    pub fn beside_this() -> Result<Self> {
        let path = std::env::current_exe()?.with_file_name("orderstream");
        ensure!(path.exists(), "`{}` is not there: run `cargo build --release --workspace`", path.display());
        Ok(Self::at(path))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The same program with one more variable in its environment.
    #[must_use]
    pub fn with(&self, variable: &str, value: &str) -> Self {
        let mut program = self.clone();
        program.environment.push((variable.to_owned(), value.to_owned()));
        program
    }

    /// Runs a command to its end, for example `["migrate"]`, with a configuration file.
    ///
    /// # Errors
    /// It cannot be started, or ends with another exit code than 0; says what it printed.
    pub fn run(&self, config: &Path, arguments: &[&str]) -> Result<String> {
        let output = self.output(config, arguments)?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("`orderstream {}` ended with {}: {}", arguments.join(" "), output.status, said.trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs a command to its end and gives back all that it said, however it ended.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn output(&self, config: &Path, arguments: &[&str]) -> Result<Output> {
        let mut command = self.command(Command::new);
        command.args(arguments).arg("--config").arg(config);
        command.output().with_context(|| format!("`{}` cannot be started", self.path.display()))
    }

    /// Starts a command that is not to come to its end; what it says is not kept.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn begin(&self, config: &Path, arguments: &[&str]) -> Result<Child> {
        let mut command = self.command(orphans::command);
        command.args(arguments).arg("--config").arg(config);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        orphans::spawn(command)
    }

    /// Starts a worker under this name. It logs to `<name>.log` in `logs`, behind what earlier workers of the name left.
    ///
    /// # Errors
    /// It cannot be started, or the log cannot be written.
    pub fn start(&self, config: &Path, name: &str, logs: &Path) -> Result<Worker> {
        self.start_at(config, name, logs, SocketAddr::from(([127, 0, 0, 1], free_port()?)))
    }

    /// Starts a worker that serves its metrics at an address of the caller's choice, taken or not.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_at(&self, config: &Path, name: &str, logs: &Path, metrics: SocketAddr) -> Result<Worker> {
        std::fs::create_dir_all(logs).with_context(|| format!("`{}` cannot be made", logs.display()))?;
        let log = logs.join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log);
        let file = file.with_context(|| format!("`{}` cannot be written", log.display()))?;
        let mut command = self.command(orphans::command);
        command.args(["run", "--config"]).arg(config).env("ORDERSTREAM__METRICS__LISTEN", metrics.to_string());
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = orphans::spawn(command)?;
        Ok(Worker { name: name.to_owned(), child, log, metrics })
    }

    /// The program in an environment without settings of its own: the configuration file alone decides.
    fn command(&self, of: impl FnOnce(OsString) -> Command) -> Command {
        let mut words = self.by_way_of.iter().cloned().chain([self.path.clone().into_os_string()]);
        let mut command = of(words.next().expect("the program itself is the last word"));
        command.args(words);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with(orderstream::config::PREFIX) {
                command.env_remove(name);
            }
        }
        command.envs(self.environment.iter().map(|(variable, value)| (variable, value)));
        command
    }
}

/// A running worker process.
#[derive(Debug)]
pub struct Worker {
    name: String,
    child: Child,
    log: PathBuf,
    metrics: SocketAddr,
}

impl Worker {
    /// The name it was started under.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it serves its metrics.
    #[must_use]
    pub fn metrics(&self) -> SocketAddr {
        self.metrics
    }

    /// All that it logged.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn log(&self) -> Result<String> {
        std::fs::read_to_string(&self.log).with_context(|| format!("`{}` cannot be read", self.log.display()))
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// The system does not say.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Fails when the worker has ended although nobody asked it to, with the last lines of its log.
    ///
    /// # Errors
    /// It has ended.
    pub fn must_run(&mut self) -> Result<()> {
        let Some(status) = self.ended()? else { return Ok(()) };
        let log = self.log()?;
        let last: Vec<&str> = log.lines().rev().take(8).collect();
        let last = last.into_iter().rev().collect::<Vec<_>>().join("\n  ");
        bail!("worker `{}` ended by itself ({status}); its log in `{}` ends:\n  {last}", self.name, self.log.display())
    }

    /// Kills it with SIGKILL and waits until it is gone.
    ///
    /// # Errors
    /// The system refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to stop with SIGTERM.
    ///
    /// # Errors
    /// It is gone already.
    pub fn terminate(&self) -> Result<()> {
        self.signal(Signal::TERM)
    }

    /// Freezes it with SIGSTOP: it keeps its connections and does nothing.
    ///
    /// # Errors
    /// It is gone already.
    pub fn freeze(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on after [`Self::freeze`].
    ///
    /// # Errors
    /// It is gone already.
    pub fn thaw(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    /// Whether it is frozen, by whomever.
    ///
    /// # Errors
    /// The system does not say.
    pub fn is_frozen(&self) -> Result<bool> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        // The state stands behind the name of the program, which is in parentheses.
        Ok(stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T')))
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// It runs on past the deadline.
    pub async fn wait(&mut self, at_most: Duration) -> Result<ExitStatus> {
        let what = format!("worker `{}` to end", self.name);
        let child = &mut self.child;
        wait::until(Instant::now() + at_most, &what, async || Ok(child.try_wait()?.is_some())).await?;
        Ok(self.child.wait()?)
    }

    /// Asks it to stop and waits until it has, which must be with exit code 0.
    ///
    /// # Errors
    /// It does not end within that time, or ends otherwise.
    pub async fn stop(mut self, at_most: Duration) -> Result<()> {
        self.terminate()?;
        let status = self.wait(at_most).await?;
        ensure!(
            status.success(),
            "worker `{}` answered SIGTERM with {status} (signal {:?}) instead of exit code 0; see `{}`",
            self.name,
            status.signal(),
            self.log.display()
        );
        Ok(())
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("a child has a process id")?;
        kill_process(pid, signal).with_context(|| format!("worker `{}` cannot be signalled", self.name))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // SIGKILL reaches a frozen process too. An error means that it is gone, which is what we want.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
