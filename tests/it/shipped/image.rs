//! `deploy/Dockerfile`: free of what hadolint warns of, and of the same user, ports and versions as what runs it.
//!
//! Nothing here builds it: that takes a builder and a registry of images. Invariant: what it copies is there and is sent.

use super::{Folder, assert_refused, exchanged, judge, place, text_of, verdict};

const FILE: &str = "deploy/Dockerfile";

fn judged(text: &str) -> Result<String, String> {
    let folder = Folder::new();
    verdict(judge("hadolint").arg("--no-color").arg(folder.write("Dockerfile", text)))
}

/// The instructions, each on one line, without comments.
fn instructions(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let joined = lines.collect::<Vec<_>>().join("\n").replace("\\\n", " ");
    joined
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|line| !line.is_empty())
        .collect()
}

/// The value of the one instruction that begins like this.
fn after<'a>(instructions: &'a [String], begin: &str) -> &'a str {
    let mut found = instructions.iter().filter_map(|one| one.strip_prefix(begin));
    let value = found.next().unwrap_or_else(|| panic!("there is no `{begin}`"));
    assert!(found.next().is_none(), "there is more than one `{begin}`");
    value
}

#[test]
fn hadolint_finds_nothing_and_finds_what_is_wrong_with_broken_copies() {
    let text = text_of(FILE);
    judged(&text).unwrap_or_else(|said| panic!("{said}"));
    assert_refused(judged(&exchanged(&text, "FROM ${DEBIAN_IMAGE}", "FROM debian:latest")), "DL3007");
    assert_refused(
        judged(&exchanged(&text, "ENTRYPOINT [\"/usr/local/bin/harness\"]", "ENTRYPOINT harness")),
        "DL3025",
    );
    assert_refused(judged(&exchanged(&text, "USER 10001:10001", "USER root")), "DL3002");
    assert_refused(judged(&exchanged(&text, "COPY schemas schemas", "COPI schemas schemas")), "unexpected");
}

#[test]
fn the_image_has_no_root_lists_its_crates_and_is_built_of_what_is_there() {
    let text = text_of(FILE);
    let all = instructions(&text);
    // Of the stage that both images begin with, and by number.
    let user = after(&all, "USER ");
    assert_eq!(user, "10001:10001");
    for name in ["worker", "migrate", "by-hand"] {
        let pod = text_of(&format!("deploy/kubernetes/base/{name}.yaml"));
        assert!(pod.contains("runAsUser: 10001") && pod.contains("runAsGroup: 10001"), "{name}");
    }
    let stages: Vec<&str> = all.iter().filter_map(|one| one.strip_prefix("FROM ")).collect();
    assert_eq!(stages.last(), Some(&"base"), "what is built without --target is the product, and begins without root");
    assert_eq!(after(&all, "ENTRYPOINT [\"/usr/local/bin/orderstream"), "\"]");
    assert_eq!(after(&all, "EXPOSE "), "9464");
    assert_eq!(after(&all, "ARG VERSION="), env!("CARGO_PKG_VERSION"));

    let manifest: toml::Table = toml::from_str(&text_of("Cargo.toml")).expect("TOML");
    let oldest = manifest["workspace"]["package"]["rust-version"].as_str().expect("text");
    let number =
        |version: &str| version.split('.').map(|part| part.parse::<u32>().expect("a number")).collect::<Vec<_>>();
    let image = after(&all, "ARG RUST_IMAGE=rust:");
    let rust = image.split('-').next().expect("a version");
    assert!(number(rust) >= number(oldest), "{image} is older than {oldest}");
    // Libraries are those of one Debian release.
    assert!(image.ends_with("-bookworm") && after(&all, "ARG DEBIAN_IMAGE=debian:").starts_with("12"), "{image}");

    let builds: Vec<&String> = all.iter().filter(|one| one.contains(" build --release ")).collect();
    assert_eq!(builds.len(), 3, "crates, program, harness");
    for build in builds {
        assert!(build.contains("cargo auditable build --release --locked --package"), "{build}");
    }
    let sent = text_of("deploy/Dockerfile.dockerignore");
    let sent: Vec<&str> = sent.lines().filter_map(|line| line.strip_prefix('!')).collect();
    let copies = all.iter().filter_map(|one| one.strip_prefix("COPY ")).filter(|rest| !rest.starts_with("--from="));
    let mut copied = 0;
    for copy in copies {
        let sources: Vec<&str> = copy.split(' ').collect();
        for source in &sources[..sources.len() - 1] {
            copied += 1;
            assert!(place(source).exists(), "`{source}` is not there");
            assert!(
                sent.iter().any(|sent| sent == source || source.starts_with(&format!("{sent}/"))),
                "`{source}` is not sent"
            );
        }
    }
    assert!(copied >= 7, "{copied}");

    // What links against Debian's libraries is installed on a developer's machine and in the image alike.
    let setup = text_of("deploy/local/setup.sh");
    let installed = all.iter().find(|one| one.contains("cmake")).expect("what the build needs");
    for package in ["gcc", "g++", "make", "cmake", "pkg-config", "libssl-dev", "zlib1g-dev", "libcurl4-openssl-dev"] {
        assert!(setup.contains(package) && installed.split(' ').any(|word| word == package), "{package}");
    }
}
