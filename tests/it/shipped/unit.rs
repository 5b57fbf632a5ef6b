//! `deploy/systemd`: systemd understands every line of the unit, and finds it confined.
//!
//! Invariant: it is judged under both of its names, with the real program in the place of the installed one.

use std::process::Command;

use super::{Folder, assert_refused, default_of, exchanged, orderstream, text_of, verdict};

const UNIT: &str = "deploy/systemd/orderstream.service";
/// In tenths; 100 is unconfined.
const EXPOSURE: &str = "20";

fn systemd(words: &[&str]) -> Command {
    let mut command = Command::new("systemd-analyze");
    command.args(words).env("SYSTEMD_COLORS", "0");
    assert!(
        Command::new("systemd-analyze").arg("--version").output().is_ok(),
        "no systemd: run `deploy/local/setup.sh tests`"
    );
    command
}

/// Whether systemd has nothing to say about a unit of this name; it ends well even where it ignores a line.
fn understood(text: &str, name: &str) -> Result<String, String> {
    let folder = Folder::new();
    let text = exchanged(
        text,
        "ExecStart=/usr/local/bin/orderstream ",
        &format!("ExecStart={} ", env!("CARGO_BIN_EXE_orderstream")),
    );
    let path = folder.write(name, &text);
    let output = systemd(&["verify", "--man=no"]).arg(path).output().expect("it starts");
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    // Of other units of this machine it may have an opinion too.
    let ours: String = said.lines().filter(|line| line.contains("orderstream")).collect();
    if output.status.success() && ours.is_empty() { Ok(said) } else { Err(said) }
}

fn confined(text: &str) -> Result<String, String> {
    let folder = Folder::new();
    let path = folder.write("orderstream.service", text);
    verdict(systemd(&["security", "--offline=yes", "--no-pager", "--threshold", EXPOSURE]).arg(path))
}

#[test]
fn systemd_understands_the_unit_and_finds_it_confined_and_broken_copies_not() {
    let text = text_of(UNIT);
    for name in ["orderstream.service", "orderstream@2.service"] {
        understood(&text, name).unwrap_or_else(|said| panic!("{name}: {said}"));
    }
    assert_eq!(text_of("deploy/systemd/orderstream@.service"), text, "the second name is a link");
    assert_refused(
        understood(&exchanged(&text, "ProtectSystem=strict", "ProtectSystem=strickt"), "orderstream.service"),
        "strickt",
    );
    assert_refused(
        understood(&exchanged(&text, "RestartSec=1", "RestartSecs=1"), "orderstream.service"),
        "RestartSecs",
    );

    confined(&text).unwrap_or_else(|said| panic!("{said}"));
    let guards = ["Protect", "Private", "Restrict", "System", "Capability", "NoNew", "DynamicUser"];
    let open: Vec<&str> = text.lines().filter(|line| !guards.iter().any(|guard| line.starts_with(guard))).collect();
    assert_refused(confined(&open.join("\n")), "UNSAFE");
}

#[test]
fn its_command_its_exit_codes_and_its_times_are_the_programs() {
    let text = text_of(UNIT);
    let value = |key: &str| {
        let found = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        found.unwrap_or_else(|| panic!("there is no `{key}`"))
    };
    let words = value("ExecStart").strip_prefix("/usr/local/bin/orderstream ").expect("the program").split(' ');
    verdict(orderstream().args(words).arg("--help")).unwrap_or_else(|said| panic!("{said}"));
    assert_eq!(value("RestartPreventExitStatus"), "64 78", "a wrong command line, a wrong configuration");
    let stop: u64 = value("TimeoutStopSec").parse().expect("seconds");
    assert!(stop > super::seconds(&default_of("shutdown_timeout")) + 1, "{stop} s to drain");
    // Each variable that it sets is a setting, and what is missing is only what the file gives.
    let folder = Folder::new();
    let file = folder.write(
        "orderstream.toml",
        "[kafka]\nbrokers = \"b:9092\"\n[registry]\nurl = \"http://r\"\n[database]\nurl = \"postgres://u@d/d\"\n",
    );
    let credentials = folder.write("database_password", "secret\n");
    let mut check = orderstream();
    for variable in text.lines().filter_map(|line| line.strip_prefix("Environment=")) {
        let (name, value) = variable.split_once('=').expect("a variable");
        let credentials = credentials.parent().expect("a folder").to_str().expect("a plain path");
        check.env(name, value.replace("%d", credentials).replace("%t/%N", credentials));
    }
    verdict(check.args(["config", "check", "--config"]).arg(file)).unwrap_or_else(|said| panic!("{said}"));
}
