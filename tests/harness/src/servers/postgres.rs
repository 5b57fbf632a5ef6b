//! A Postgres server with a cluster of its own.
//!
//! It refuses to run as root, so root runs it as the package's user `postgres`; its data lies where that user can go. Invariant: after
//! a kill it is started only when nobody works in its data any more, and what names the killed postmaster is removed by nobody else.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use uuid::Uuid;

use super::orphans;
use super::ports::free_port;
use super::process::Process;
use super::tools;
use crate::wait;

/// Recovery of a full WAL may take long.
const START_SECONDS: u64 = 120;
const STOP: Duration = Duration::from_secs(30);
const ORPHANS_SECONDS: u64 = 10;

/// Role, password and database.
const NAME: &str = "orderstream";

/// Durable, as in production; small, as several share a machine.
const USUAL: [(&str, &str); 9] = [
    ("listen_addresses", "127.0.0.1"),
    ("unix_socket_directories", ""),
    ("max_connections", "100"),
    ("password_encryption", "scram-sha-256"),
    ("shared_buffers", "64MB"),
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
    ("log_line_prefix", "%m [%p] %a "),
    ("log_lock_waits", "on"),
];

/// How a server differs from the usual one.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Lines of `postgresql.conf` that are added or differ: names and values, unquoted.
    pub settings: Vec<(String, String)>,
    /// The lines of `pg_hba.conf`; with none, passwords over TCP from this machine.
    pub hba: Vec<String>,
    /// Where its data shall lie, below a directory that `postgres` may enter; beside its log where this is none.
    pub data: Option<PathBuf>,
}

/// How a server is asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// In good order, with sessions ended.
    Fast,
    /// At once: it recovers at its next start.
    Immediate,
}

/// A Postgres server; killed when dropped, and its data removed where they are not below its directory.
#[derive(Debug)]
pub struct Postgres {
    directory: PathBuf,
    data: PathBuf,
    strewn: bool,
    port: u16,
    process: Option<Process>,
}

impl Postgres {
    /// Makes a cluster below a directory, starts the server and waits until it answers.
    ///
    /// # Errors
    /// The cluster cannot be made, or the server does not come up.
    pub async fn start_in(directory: &Path, settings: &Settings) -> Result<Self> {
        let directory = directory.join("postgres");
        std::fs::create_dir_all(&directory).with_context(|| format!("no `{}`", directory.display()))?;
        let (data, strewn) = match &settings.data {
            Some(data) => (data.clone(), false),
            None if can_enter(&directory) => (directory.join("data"), false),
            None => (PathBuf::from(format!("/var/tmp/orderstream-postgres-{}", Uuid::new_v4().simple())), true),
        };
        let mut postgres = Self { directory, data, strewn, port: free_port()?, process: None };
        postgres.make_cluster()?;
        postgres.configure(settings)?;
        postgres.start().await?;
        Ok(postgres)
    }

    /// The URL of its database, for a role that may do everything.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://{NAME}:{NAME}@127.0.0.1:{}/{NAME}", self.port)
    }

    /// Its port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where its data lie.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// What it logged is here.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.directory.join("postgres.log")
    }

    /// Its process, where it has one: alive, or ended by itself.
    pub fn process(&mut self) -> Result<&mut Process> {
        self.process.as_mut().context("postgres was not started")
    }

    /// Whether it lives, asleep or not.
    ///
    /// # Errors
    /// The system does not say.
    pub fn is_running(&mut self) -> Result<bool> {
        self.process.as_mut().map_or(Ok(false), Process::is_running)
    }

    /// Writes its configuration anew, for the next start.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn configure(&self, settings: &Settings) -> Result<()> {
        let usual = USUAL.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let mut text = format!("port = {}\n", self.port);
        // Of two lines with the same name the later one counts.
        for (key, value) in usual.chain(settings.settings.iter().cloned()) {
            writeln!(text, "{key} = '{}'", value.replace('\'', "''"))?;
        }
        let hba = if settings.hba.is_empty() {
            "host all all 127.0.0.1/32 scram-sha-256\n".to_owned()
        } else {
            settings.hba.join("\n") + "\n"
        };
        for (name, text) in [("postgresql.conf", text), ("pg_hba.conf", hba)] {
            let path = self.data.join(name);
            std::fs::write(&path, text).with_context(|| format!("`{}` cannot be written", path.display()))?;
            give_to_server(&path)?;
        }
        Ok(())
    }

    /// Starts it unless it runs, and waits until it takes sessions.
    ///
    /// # Errors
    /// It ends, with the last lines of its log, or does not answer.
    pub async fn start(&mut self) -> Result<()> {
        wait::within(ORPHANS_SECONDS, "the last process of the killed postgres to end", async || self.launch()).await?;
        let what = "postgres to take sessions";
        wait::within(START_SECONDS, what, async || Ok(!self.is_running()? || self.answers()?)).await?;
        self.process()?.must_run()
    }

    /// Starts it unless it runs, and waits for nothing. False, with nothing done, while processes of a killed one still end.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn launch(&mut self) -> Result<bool> {
        if self.is_running()? {
            return Ok(true);
        }
        // A postmaster refuses data whose `postmaster.pid` names a process, and orphaned backends need a moment to see that they are.
        if works_in(&self.data.canonicalize().with_context(|| format!("no `{}`", self.data.display()))?)? {
            return Ok(false);
        }
        _ = std::fs::remove_file(self.data.join("postmaster.pid"));
        let mut command = as_server(tools::tools()?.postgres.join("postgres"));
        command.arg("-D").arg(&self.data);
        self.process = Some(Process::spawn("postgres", command, &self.log())?);
        Ok(true)
    }

    /// Whether it takes sessions.
    ///
    /// # Errors
    /// `pg_isready` cannot be started.
    pub fn answers(&self) -> Result<bool> {
        let mut ready = Command::new(tools::tools()?.postgres.join("pg_isready"));
        ready.args(["--quiet", "--host=127.0.0.1", "--timeout=2", "--port", &self.port.to_string()]);
        Ok(ready.status()?.success())
    }

    /// Stops it.
    ///
    /// # Errors
    /// It does not end in time; it is killed then.
    pub async fn stop(&mut self, how: Shutdown) -> Result<()> {
        let signal = match how {
            Shutdown::Fast => Signal::INT,
            Shutdown::Immediate => Signal::QUIT,
        };
        self.process()?.stop(signal, STOP).await.map(|_| ())
    }

    /// Kills it with all its processes.
    ///
    /// # Errors
    /// The system refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.process()?.kill()
    }

    fn make_cluster(&self) -> Result<()> {
        std::fs::create_dir_all(&self.data).with_context(|| format!("no `{}`", self.data.display()))?;
        give_to_server(&self.data)?;
        let binaries = &tools::tools()?.postgres;
        let mut initdb = as_server(binaries.join("initdb"));
        initdb.arg("--pgdata").arg(&self.data).args(["--username", NAME, "--auth=trust", "--encoding=UTF8"]);
        // Whether a new cluster would survive a power cut is of no interest.
        initdb.args(["--locale=C.UTF-8", "--no-sync"]);
        run(initdb, "")?;
        let mut single = as_server(binaries.join("postgres"));
        single.args(["--single", "-D"]).arg(&self.data).arg("postgres");
        run(single, &format!("alter role {NAME} password '{NAME}'\ncreate database {NAME}\n"))
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.process = None;
        if self.strewn {
            _ = std::fs::remove_dir_all(&self.data);
        }
    }
}

/// Gives a file or directory to the user that the server runs as; a key of TLS must belong to it.
///
/// # Errors
/// There is no such file, or the system refuses.
pub fn give_to_server(path: &Path) -> Result<()> {
    if is_root() {
        let mut chown = Command::new("chown");
        chown.arg("postgres:postgres").arg(path);
        run(chown, "")?;
    }
    Ok(())
}

/// A command as the user that the server runs as, which ends when this process does.
fn as_server(program: impl AsRef<OsStr>) -> Command {
    if !is_root() {
        return orphans::command(program);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--reset-env", "--pdeathsig", "KILL", "--"]);
    command.arg(program);
    // The caller's directory may be closed to that user.
    command.current_dir("/");
    command
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn can_enter(directory: &Path) -> bool {
    let mut test = as_server("test");
    test.arg("-x").arg(directory);
    test.status().is_ok_and(|status| status.success())
}

/// Whether a living process has this working directory, as all of Postgres's have their data.
fn works_in(data: &Path) -> Result<bool> {
    let processes = std::fs::read_dir("/proc")?.flatten();
    Ok(processes.into_iter().any(|process| std::fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd == data)))
}

fn run(mut command: Command, input: &str) -> Result<()> {
    let name =
        command.get_args().find(|part| part.to_string_lossy().contains("/bin/")).unwrap_or(command.get_program());
    let name = name.to_string_lossy().into_owned();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("`{name}` cannot be started"))?;
    child.stdin.take().context("a pipe")?.write_all(input.as_bytes())?;
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`{name}` ended with {}: {}", output.status, said.trim());
    Ok(())
}
