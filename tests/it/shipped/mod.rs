//! What `deploy/` ships: judged by the tools of its trade, and held to the program that it runs. Without any server.
//!
//! | question | file |
//! |---|---|
//! | does Kubernetes take what kustomize builds, and do names and times in it agree | [`kubernetes`] |
//! | who reaches whom on which port, there and in Prometheus' configuration | [`ports`] |
//! | are its pods restricted, and do their containers find what their configuration names | [`pods`] |
//! | the same of the Compose file | [`compose`] |
//! | the image, and the unit of systemd | [`image`], [`unit`] |
//! | is the AsyncAPI document one | [`contract`] |
//! | does the program know each command that a page names, and do links lead somewhere | [`pages`] |
//!
//! `deploy/local/validators.sh` installs the judges. Invariant: one that is missing is a failure, and each is shown to refuse a
//! broken copy.

mod compose;
mod contract;
mod image;
mod kubernetes;
mod pages;
mod pods;
mod ports;
mod unit;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value as Json;

/// A file or folder of the repository.
fn place(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn text_of(name: &str) -> String {
    std::fs::read_to_string(place(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// One of the judges.
fn judge(name: &str) -> Command {
    let program = place("target/validators/bin").join(name);
    assert!(program.exists(), "`{}` is not there: run `deploy/local/validators.sh`", program.display());
    Command::new(program)
}

/// The program under test, without anything of this process's environment.
fn orderstream() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orderstream"));
    command.env_clear();
    command
}

/// What a command printed; where it refused, all that it said.
fn verdict(command: &mut Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(format!("{}\n{}{}", output.status, text(&output.stdout), text(&output.stderr)))
    }
}

/// Asserts that a judge refused, and for this.
fn assert_refused(verdict: Result<String, String>, because: &str) {
    let said = verdict.expect_err("it was to be refused");
    assert!(said.contains(because), "it was refused, but not for `{because}`: {said}");
}

/// The documents of a YAML file.
fn documents(yaml: &str) -> Vec<Json> {
    let mut child = judge("yaml-as-json").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
    child.stdin.take().expect("it is piped").write_all(yaml.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "this is no YAML: {yaml}");
    serde_json::from_slice(&output.stdout).expect("it prints JSON")
}

/// A text with one passage exchanged, which must be there.
fn exchanged(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "there is no `{from}`");
    text.replacen(from, to, 1)
}

/// The items of a list, none where there is no list.
fn items(list: &Json) -> impl Iterator<Item = &Json> {
    list.as_array().into_iter().flatten()
}

/// The texts of a list.
fn words(list: &Json) -> Vec<&str> {
    items(list).map(|item| item.as_str().unwrap_or_else(|| panic!("`{item}` is no text"))).collect()
}

/// The entries of a table, none where there is no table.
fn entries(table: &Json) -> impl Iterator<Item = (&str, &Json)> {
    table.as_object().into_iter().flatten().map(|(key, value)| (key.as_str(), value))
}

fn text(value: &Json) -> &str {
    value.as_str().unwrap_or_else(|| panic!("`{value}` is no text"))
}

/// The seconds of a duration as our settings and Compose write it.
fn seconds(duration: &str) -> u64 {
    let digits = duration.strip_suffix('s').unwrap_or_else(|| panic!("`{duration}` is not in seconds"));
    digits.parse().unwrap_or_else(|_| panic!("`{duration}` is not in seconds"))
}

/// A default of the program, as its example says it.
fn default_of(key: &str) -> String {
    let example = text_of("deploy/orderstream.example.toml");
    let line = example.lines().find_map(|line| line.trim_start_matches('#').strip_prefix(&format!("{key} = ")));
    line.unwrap_or_else(|| panic!("the example has no `{key}`")).trim_matches('"').to_owned()
}

/// A folder of a test's own, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("shipped-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    /// A copy of these files and folders of the repository.
    fn with(names: &[&str]) -> Self {
        let folder = Self::new();
        for name in names {
            let to = folder.path(name);
            std::fs::create_dir_all(to.parent().expect("it is below the folder")).expect("a folder");
            let copied = Command::new("cp").arg("-r").arg(place(name)).arg(to).status().expect("cp");
            assert!(copied.success(), "{name}");
        }
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name.trim_start_matches('/'))
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("it is below the folder")).expect("a folder");
        std::fs::write(&path, text).expect("a file");
        path
    }

    /// Exchanges one passage of a file.
    fn exchange(&self, name: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        self.write(name, &exchanged(&text, from, to));
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0);
    }
}
