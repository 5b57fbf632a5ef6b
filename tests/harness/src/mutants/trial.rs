//! One mutant: put into the copy, built, tried by its tests one after the other, and taken out again. A test that failed must then
//! pass without it, or it was not the mutant that failed it.
//!
//! Invariant: whatever came of it, the copy is afterwards as it was, and what failed tests left in the servers is gone.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::table::Mutant;
use super::tree::{Built, Tree};
use crate::stack::Stack;
use crate::stage;

/// What the name of an integration test begins with.
const INTEGRATION: &str = "it::";

/// What came of a mutant.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// A test failed, and passed without the mutant right after.
    Caught {
        /// Which.
        test: String,
        /// Where it panicked first and what it said there, in a line.
        said: String,
        /// How long building took.
        build: Duration,
        /// How long it took from the first test to the failure.
        took: Duration,
    },
    /// A test failed, and failed without the mutant too.
    Doubtful {
        /// Which.
        test: String,
        /// What it said without the mutant, in a line.
        said: String,
    },
    /// Every test passed.
    Survived,
    /// It does not apply or does not compile; this is why.
    Impossible(String),
}

/// A test that failed.
pub struct Failed {
    /// Its name.
    pub test: String,
    /// What it said.
    pub said: String,
}

/// Tries a mutant. What is built of it lies where it was built without any, so that is needed from aside, too.
///
/// # Errors
/// The disk, a test program or a server refuses.
pub async fn run(tree: &Tree, (built, unmutated): (&Built, &Built), mutant: &Mutant, stack: &Stack) -> Result<Outcome> {
    let files = match mutant.files(tree.root()) {
        Ok(files) => files,
        Err(error) => return Ok(Outcome::Impossible(format!("{error:#}"))),
    };
    let mut originals = Vec::with_capacity(files.len());
    for (name, text) in &files {
        originals.push((name, std::fs::read(tree.root().join(name))?));
        tree.write(name, text.as_bytes())?;
    }
    let outcome = try_mutant(tree, built, mutant, stack).await;
    for (name, content) in originals {
        tree.write(name, &content)?;
    }
    let outcome = outcome?;
    if let Outcome::Caught { test, .. } = &outcome {
        tree.put_in_place(&unmutated.program)?;
        if let Some(Failed { test, said }) = first_that_fails(tree, unmutated, &[test], stack).await? {
            return Ok(Outcome::Doubtful { test, said: in_a_line(&said) });
        }
    }
    Ok(outcome)
}

async fn try_mutant(tree: &Tree, built: &Built, mutant: &Mutant, stack: &Stack) -> Result<Outcome> {
    let since = Instant::now();
    let mut mutated = built.clone();
    let is_integration = |test: &&String| test.starts_with(INTEGRATION);
    if mutant.caught_by.iter().any(|test| is_integration(&test))
        && let Err(error) = tree.build_program()
    {
        return Ok(Outcome::Impossible(format!("{error:#}")));
    }
    if !mutant.caught_by.iter().all(|test| is_integration(&test)) {
        match tree.build_unit_tests() {
            Ok(unit) => mutated.unit = unit,
            Err(error) => return Ok(Outcome::Impossible(format!("{error:#}"))),
        }
    }
    let build = since.elapsed();
    let since = Instant::now();
    for test in &mutant.caught_by {
        if let Some(Failed { test, said }) = first_that_fails(tree, &mutated, &[test], stack).await? {
            return Ok(Outcome::Caught { test, said: in_a_line(&said), build, took: since.elapsed() });
        }
    }
    Ok(Outcome::Survived)
}

/// Runs tests by their names and says which one of them fails; those of the library first.
///
/// # Errors
/// A test program cannot be started, a name is that of no test, or a server refuses to let go of what a test left.
pub async fn first_that_fails(tree: &Tree, built: &Built, names: &[&str], stack: &Stack) -> Result<Option<Failed>> {
    let (integration, unit): (Vec<&str>, Vec<&str>) = names.iter().partition(|name| name.starts_with(INTEGRATION));
    let integration: Vec<&str> = integration.iter().filter_map(|name| name.strip_prefix(INTEGRATION)).collect();
    for (program, names, prefix) in [(&built.unit, unit, ""), (&built.integration, integration, INTEGRATION)] {
        if names.is_empty() {
            continue;
        }
        let mut run = Command::new(program);
        run.current_dir(tree.root()).arg("--exact").args(&names);
        run.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        let child = run.spawn().with_context(|| format!("`{}` cannot be started", program.display()))?;
        let pid = child.id();
        let output = child.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        if output.status.success() {
            let all = format!("{} passed", names.len());
            anyhow::ensure!(said.contains(&all), "not all of {names:?} are tests of `{}`", program.display());
            continue;
        }
        sweep(stack, pid).await?;
        let failed = said.lines().find_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED"));
        let test = format!("{prefix}{}", failed.or(names.first().copied()).unwrap_or_default());
        return Ok(Some(Failed { test, said: said.into_owned() }));
    }
    Ok(None)
}

/// Where a test program panicked first, and the first line of what it said there.
fn in_a_line(said: &str) -> String {
    let mut lines = said.lines().skip_while(|line| !line.contains(" panicked at "));
    let place =
        lines.next().and_then(|line| line.split_once(" panicked at ")).map_or("it did not panic:", |(_, at)| at);
    format!("{place} {}", lines.next().unwrap_or_default())
}

/// Removes what a failed run of the integration tests left: it bears the process's number.
async fn sweep(stack: &Stack, pid: u32) -> Result<()> {
    let prefix = format!("it_{pid}_");
    stage::clear(stack, &prefix, &prefix).await?;
    let left = std::fs::read_dir(std::env::temp_dir())?.filter_map(|entry| Some(entry.ok()?.path()));
    let is_ours = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix));
    for path in left.filter(|path| is_ours(path)) {
        std::fs::remove_dir_all(&path).with_context(|| format!("`{}` cannot be removed", path.display()))?;
    }
    Ok(())
}
