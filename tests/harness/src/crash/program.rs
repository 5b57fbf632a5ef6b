//! The program with crash points: how it is built, which points it has, and how one of them is armed.
//!
//! Invariant: the table of points is the program's own; there is no second one here.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::worker::Program;

/// The name of the program.
const NAME: &str = "orderstream-crash";

/// The program with crash points beside the ordinary one.
#[derive(Clone, Debug)]
pub struct CrashProgram {
    program: Program,
    /// All its points, in the order of its table.
    pub points: Vec<String>,
}

/// What a point does when its turn comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Act {
    /// The process dies by SIGKILL.
    Kill,
    /// The process stops by SIGSTOP, until it is continued.
    Freeze,
    /// Its thread waits for a second.
    Wait,
}

impl Act {
    fn name(self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Freeze => "freeze",
            Self::Wait => "wait",
        }
    }
}

impl CrashProgram {
    /// Builds it where `ordinary`, a program that cargo made, lies, by the cargo and from the sources that made this harness: a
    /// second when it is there already.
    ///
    /// # Errors
    /// It does not compile.
    pub fn build_beside(ordinary: &Path) -> Result<Self> {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let folder = ordinary.parent().context("a program lies in a folder")?;
        // The same packages as `cargo build --workspace` selects, or dependencies would be built with other features once more.
        let mut build = Command::new(cargo);
        build.current_dir(&sources).args(["build", "--quiet", "--workspace", "--bin", NAME]);
        build.args(["--features", "orderstream/crash-points"]);
        build.arg("--target-dir").arg(folder.parent().context("a folder of a profile")?);
        if folder.ends_with("release") {
            build.arg("--release");
        }
        let status = build.status().context("cargo cannot be started")?;
        ensure!(status.success(), "the program with crash points was not built: {status}");
        let program = folder.join(NAME);
        let listed = Command::new(&program).arg("points").output();
        let listed = listed.with_context(|| format!("`{}` cannot be started", program.display()))?;
        let points: Vec<String> = String::from_utf8(listed.stdout)?.lines().map(str::to_owned).collect();
        ensure!(!points.is_empty(), "`{}` has no crash points", program.display());
        Ok(Self { program: Program::at(program), points })
    }

    /// The program that acts at the `pass`th pass of a point.
    #[must_use]
    pub fn armed(&self, point: &str, pass: u64, act: Act) -> Program {
        self.program.with("ORDERSTREAM_CRASH_AT", &format!("{point}:{pass}:{}", act.name()))
    }
}
