//! Where Java, the jars and Postgres are: what `deploy/local/stack.sh tools` says, which fetches what is missing.
//!
//! Asked once a process. Invariant: the scripts alone know versions and places.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow, ensure};

/// What servers are made of.
#[derive(Debug)]
pub(super) struct Tools {
    /// The program `java`.
    pub java: PathBuf,
    /// The directory of `initdb` and `postgres`.
    pub postgres: PathBuf,
    /// The directory with the jars.
    libraries: PathBuf,
}

/// The tools of this machine.
///
/// # Errors
/// The script cannot get them; it has said why on stderr.
pub(super) fn tools() -> Result<&'static Tools> {
    static TOOLS: OnceLock<std::result::Result<Tools, String>> = OnceLock::new();
    TOOLS.get_or_init(|| find().map_err(|error| format!("{error:#}"))).as_ref().map_err(|error| anyhow!("{error}"))
}

impl Tools {
    /// The class path of Kafka.
    pub(super) fn kafka(&self) -> String {
        format!("{}/kafka/lib/*", self.libraries.display())
    }

    /// The registry's jar.
    ///
    /// # Errors
    /// It is not there.
    pub(super) fn registry(&self) -> Result<PathBuf> {
        let directory = self.libraries.join("registry/lib");
        let entries = std::fs::read_dir(&directory).with_context(|| format!("no `{}`", directory.display()))?;
        let mut jars = entries.filter_map(|entry| Some(entry.ok()?.path()));
        let runner = jars.find(|jar| jar.to_string_lossy().ends_with("-runner.jar"));
        runner.with_context(|| format!("no jar of the registry in `{}`", directory.display()))
    }
}

/// A file of `deploy/local/stack`.
pub(super) fn template(name: &str) -> PathBuf {
    local().join("stack").join(name)
}

fn local() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/local"))
}

fn find() -> Result<Tools> {
    let script = local().join("stack.sh");
    let mut command = Command::new(&script);
    command.arg("tools").stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command.output().with_context(|| format!("`{}` cannot be started", script.display()))?;
    ensure!(output.status.success(), "`stack.sh tools` ended with {}", output.status);
    let said = String::from_utf8(output.stdout)?;
    let mut lines = said.lines().map(PathBuf::from);
    let mut line = || lines.next().context("`stack.sh tools` says less than three lines");
    Ok(Tools { java: line()?, postgres: line()?, libraries: line()? })
}
