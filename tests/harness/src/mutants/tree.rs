//! A private copy of the sources, with a target folder of its own that other packages need not be built for again.
//!
//! Invariant: the repository itself is only read. A file of the copy is written only where it differs, so that cargo builds
//! only what has changed.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value as Json;

/// Folders of cargo's profile that hold what other packages are built to.
const BUILT: [&str; 3] = ["deps", "build", ".fingerprint"];
/// What is built of our own packages: their sources lie elsewhere now.
const OURS: [&str; 4] = ["orderstream", "liborderstream", "it-", "harness-"];

/// The copy.
pub struct Tree {
    root: PathBuf,
    target: PathBuf,
}

/// The test programs, and the program that they test.
#[derive(Clone, Debug)]
pub struct Built {
    /// The library's own tests.
    pub unit: PathBuf,
    /// The integration tests.
    pub integration: PathBuf,
    /// The program, where the integration tests expect it or aside.
    pub program: PathBuf,
}

impl Tree {
    /// Brings the copy below `directory` up to date.
    ///
    /// # Errors
    /// git or the disk refuse.
    pub fn copy(repository: &Path, directory: &Path, deps: &Path) -> Result<Self> {
        std::fs::create_dir_all(directory)?;
        let directory = directory.canonicalize()?;
        let tree = Self { root: directory.join("tree"), target: directory.join("target") };
        let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
        let listed = Command::new("git").current_dir(repository).args(list).output()?;
        ensure!(listed.status.success(), "git does not list the repository's files");
        let mut kept = BTreeSet::new();
        for name in std::str::from_utf8(&listed.stdout)?.split('\0').filter(|name| !name.is_empty()) {
            // A file may be deleted and not committed so.
            if let Ok(content) = std::fs::read(repository.join(name)) {
                tree.write(name, &content)?;
                // A script has to stay one.
                let mode = std::fs::metadata(repository.join(name))?.permissions();
                std::fs::set_permissions(tree.root.join(name), mode)?;
                kept.insert(tree.root.join(name));
            }
        }
        remove_others(&tree.root, &kept)?;
        if !tree.target.exists() {
            for folder in BUILT {
                link_all(&deps.join(folder), &tree.target.join("debug").join(folder))?;
            }
        }
        Ok(tree)
    }

    /// Where it is.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Writes a file where it differs.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn write(&self, name: &str, content: &[u8]) -> Result<()> {
        let path = self.root.join(name);
        if std::fs::read(&path).ok().as_deref() != Some(content) {
            std::fs::create_dir_all(path.parent().context("a file lies in a folder")?)?;
            std::fs::write(&path, content).with_context(|| format!("`{}` cannot be written", path.display()))?;
        }
        Ok(())
    }

    /// Builds the program and all test programs.
    ///
    /// # Errors
    /// It does not compile.
    pub fn build_tests(&self) -> Result<Built> {
        let output = self.cargo(&["test", "--workspace", "--lib", "--test", "it", "--no-run"])?;
        let (unit, integration) = (executable(&output, "orderstream")?, executable(&output, "it")?);
        Ok(Built { unit, integration, program: self.target.join("debug/orderstream") })
    }

    /// Copies what later builds write over to where they do not. The integration tests lie still: no mutant builds them anew.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn put_aside(&self, built: &Built) -> Result<Built> {
        let aside = self.target.with_file_name("unmutated");
        std::fs::create_dir_all(&aside)?;
        let (unit, program) = (aside.join("unit"), aside.join("orderstream"));
        replace(&built.unit, &unit)?;
        replace(&built.program, &program)?;
        Ok(Built { unit, integration: built.integration.clone(), program })
    }

    /// Puts a program where the integration tests expect it, until the next build.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn put_in_place(&self, program: &Path) -> Result<()> {
        replace(program, &self.target.join("debug/orderstream"))
    }

    /// Builds the library's own tests alone.
    ///
    /// # Errors
    /// It does not compile.
    pub fn build_unit_tests(&self) -> Result<PathBuf> {
        executable(&self.cargo(&["test", "--package", "orderstream", "--lib", "--no-run"])?, "orderstream")
    }

    /// Builds the program alone, where the integration tests expect it.
    ///
    /// # Errors
    /// It does not compile.
    pub fn build_program(&self) -> Result<()> {
        self.cargo(&["build", "--workspace", "--bin", "orderstream"]).map(|_| ())
    }

    fn cargo(&self, arguments: &[&str]) -> Result<Output> {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(&self.root).args(arguments).arg("--message-format=json-render-diagnostics");
        let output = cargo.env("CARGO_TARGET_DIR", &self.target).output().context("cargo cannot be started")?;
        if !output.status.success() {
            bail!("it does not compile:\n{}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(output)
    }
}

/// The test program of a target, among what cargo says that it has made.
fn executable(output: &Output, target: &str) -> Result<PathBuf> {
    let text = String::from_utf8_lossy(&output.stdout);
    let artifacts = text.lines().filter_map(|line| serde_json::from_str::<Json>(line).ok());
    let mut tests = artifacts.filter(|artifact| artifact["profile"]["test"] == true);
    let found = tests.find(|artifact| artifact["target"]["name"] == target);
    let path = found.and_then(|artifact| artifact["executable"].as_str().map(PathBuf::from));
    path.with_context(|| format!("cargo made no tests of `{target}`"))
}

/// Copies a program in the place of another, which cargo may have linked elsewhere too.
fn replace(from: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        std::fs::remove_file(to).with_context(|| format!("`{}` cannot be removed", to.display()))?;
    }
    std::fs::copy(from, to).with_context(|| format!("`{}` cannot be copied", from.display()))?;
    Ok(())
}

/// Removes every file of a folder that is not among these.
fn remove_others(folder: &Path, kept: &BTreeSet<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            remove_others(&path, kept)?;
        } else if !kept.contains(&path) {
            std::fs::remove_file(&path).with_context(|| format!("`{}` cannot be removed", path.display()))?;
        }
    }
    Ok(())
}

/// Links every file of a folder into another, but for what is built of our own packages.
fn link_all(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).with_context(|| format!("`{}` cannot be read", from.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        let is_ours = |name: &OsStr| OURS.iter().any(|ours| name.to_string_lossy().starts_with(ours));
        if is_ours(&name) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            link_all(&entry.path(), &to.join(&name))?;
        } else {
            // Copied where the file systems differ. What is linked is only read: cargo makes no other package anew in place.
            let to = to.join(&name);
            std::fs::hard_link(entry.path(), &to).or_else(|_| std::fs::copy(entry.path(), &to).map(|_| ()))?;
        }
    }
    Ok(())
}
