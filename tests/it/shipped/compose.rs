//! `deploy/compose.yaml`: follows its specification, and every service finds what it names.
//!
//! Invariant: each container of ours is asked for with exactly the variables that the file gives it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::{Value as Json, json};

use super::{
    Folder, assert_refused, default_of, documents, entries, exchanged, items, judge, orderstream, place, seconds, text,
    text_of, verdict, words,
};

const FILE: &str = "deploy/compose.yaml";
/// The image of the product, and that of the simulator.
const OURS: [(&str, &str); 2] =
    [("orderstream", "/usr/local/bin/orderstream"), ("orderstream-harness", "/usr/local/bin/harness")];

fn judged(yaml: &str) -> Result<String, String> {
    let folder = Folder::new();
    let file = folder.write("compose.yaml", yaml);
    verdict(judge("check-jsonschema").args(["--builtin-schema", "vendor.compose-spec"]).arg(file))
}

fn file() -> Json {
    documents(&text_of(FILE)).pop().expect("one document")
}

/// What an image is called, without its tag.
fn image(service: &Json) -> (&str, &str) {
    text(&service["image"]).rsplit_once(':').unwrap_or_else(|| panic!("{} has no tag", service["image"]))
}

/// The services of the product or of the simulator.
fn ours<'a>(file: &'a Json, name: &'a str) -> Vec<(&'a str, &'a Json)> {
    entries(&file["services"]).filter(|(_, service)| image(service).0 == name).collect()
}

/// A value with its variables at their defaults.
fn interpolated(value: &str) -> String {
    let mut parts = value.split("${");
    let first = parts.next().expect("a first part").to_owned();
    parts.fold(first, |before, part| {
        let (variable, after) = part.split_once('}').expect("it ends");
        let (_, default) = variable.split_once(":-").unwrap_or_else(|| panic!("`{variable}` has no default"));
        before + default + after
    })
}

/// One of our programs with a container's variables.
fn program(image: &str, service: &Json) -> Command {
    let mut command = orderstream();
    if image == "orderstream-harness" {
        let harness = Path::new(env!("CARGO_BIN_EXE_orderstream")).with_file_name("harness");
        assert!(harness.exists(), "`{}` is not there: run `cargo build --workspace`", harness.display());
        command = Command::new(harness);
        command.env_clear();
    }
    command.envs(entries(&service["environment"]).map(|(name, value)| (name, interpolated(text(value)))));
    command
}

#[test]
fn the_compose_file_follows_its_specification_and_broken_copies_do_not() {
    let yaml = text_of(FILE);
    judged(&yaml).unwrap_or_else(|said| panic!("{said}"));
    assert_refused(judged(&exchanged(&yaml, "    hostname: kafka", "    hostnam: kafka")), "hostnam");
    assert_refused(judged(&exchanged(&yaml, "stop_grace_period: 30s", "stop_grace_period: [30]")), "stop_grace_period");
    assert_refused(judged(&exchanged(&yaml, "service_healthy", "service_is_healthy")), "service_is_healthy");
}

/// What a service names and the file does not have.
fn missing(file: &Json) -> Vec<String> {
    let mut missing = Vec::new();
    let services = &file["services"];
    for (name, service) in entries(services) {
        for (other, how) in entries(&service["depends_on"]) {
            let met = match text(&how["condition"]) {
                "service_healthy" => services[other]["healthcheck"].is_object(),
                "service_completed_successfully" => services[other].is_object() && services[other]["restart"].is_null(),
                _ => false,
            };
            missing.extend((!met).then(|| format!("{name} waits for {other}")));
        }
        for volume in words(&service["volumes"]) {
            let source = volume.split(':').next().expect("a first part");
            let is_there = match source.strip_prefix("./") {
                Some(below) => place("deploy").join(below).exists(),
                None => file["volumes"].as_object().is_some_and(|volumes| volumes.contains_key(source)),
            };
            missing.extend((!is_there).then(|| format!("{name} mounts {source}")));
        }
        for config in items(&service["configs"]) {
            let source = text(&config["source"]);
            missing.extend(file["configs"][source].is_null().then(|| format!("{name} reads {source}")));
        }
    }
    missing
}

#[test]
fn its_services_name_only_what_is_there_and_are_open_to_this_machine_only() {
    let file = file();
    assert_eq!(missing(&file), Vec::<String>::new());
    let mut broken = file.clone();
    broken["services"]["registry"]["depends_on"] = json!({"database": {"condition": "service_healthy"}});
    broken["services"]["kafka"]["volumes"] = json!(["kafke:/var/lib/kafka/data", "./kafke:/x"]);
    assert_eq!(missing(&broken), ["kafka mounts kafke", "kafka mounts ./kafke", "registry waits for database"]);

    let mut published = BTreeSet::new();
    for (name, service) in entries(&file["services"]) {
        for port in words(&service["ports"]) {
            assert!(port.starts_with("127.0.0.1:"), "{name}: {port}");
            assert!(published.insert(port), "{name}: {port} is taken");
        }
        assert!(!["latest", ""].contains(&image(service).1), "{name}");
    }
    // The servers are those that the tests run against.
    let pom = text_of("deploy/local/pom.xml");
    for name in ["kafka", "topics", "registry"] {
        let version = image(&file["services"][name]).1;
        assert!(pom.contains(&format!(">{version}<")), "{name}: the tests do not run {version}");
    }
}

#[test]
fn each_program_of_ours_is_confined_and_takes_its_settings_and_its_command() {
    let file = file();
    let mut asked = 0;
    for (image, entrypoint) in OURS {
        for (name, service) in ours(&file, image) {
            assert_eq!(service["image"], format!("{image}:{}", env!("CARGO_PKG_VERSION")).as_str(), "{name}");
            assert_eq!(service["build"]["dockerfile"], "deploy/Dockerfile", "{name}");
            assert_eq!(service["read_only"], true, "{name}");
            // Compose copies the text of a config into the container, which a read-only one refuses.
            assert!(service["configs"].is_null(), "{name}");
            assert_eq!(service["cap_drop"], json!(["ALL"]), "{name}");
            assert_eq!(service["security_opt"], json!(["no-new-privileges:true"]), "{name}");
            let mut check = program("orderstream", service);
            verdict(check.args(["config", "check"])).unwrap_or_else(|said| panic!("{name}: {said}"));
            let mut arguments = words(&service["command"]);
            arguments.push("--help");
            let said = verdict(program(image, service).args(arguments)).unwrap_or_else(|said| panic!("{name}: {said}"));
            assert!(said.contains("Usage: "), "{name}: {said}");
            asked += 1;
            let test = words(&service["healthcheck"]["test"]);
            let [_, probe, question @ ..] = test.as_slice() else { continue };
            assert_eq!(*probe, entrypoint, "{name}");
            let folder = Folder::new();
            let mut health = program(image, service);
            let said = verdict(health.env("TMPDIR", &folder.0).args(question)).expect_err("there is no worker");
            assert!(said.starts_with("exit status: 75"), "{name}: {said}");
            assert!(
                words(&service["tmpfs"]).iter().any(|mount| mount.starts_with("/tmp:")),
                "{name}: for the heartbeat"
            );
            let grace = seconds(text(&service["stop_grace_period"]));
            assert!(grace > seconds(&default_of("shutdown_timeout")) + 1, "{name}: {grace} s to drain");
        }
    }
    assert_eq!(asked, 7, "two workers, migration, schemas, questions, simulator, services");

    let mut misspelt = file["services"]["worker-1"].clone();
    misspelt["environment"]["ORDERSTREAM__TOPICS__DEADLETTER"] = json!("order-dead-letters");
    let mut check = program("orderstream", &misspelt);
    assert_refused(verdict(check.args(["config", "check"])), "ORDERSTREAM__TOPICS__DEADLETTER");
    let mut wrong = program("orderstream-harness", &file["services"]["simulator"]);
    assert_refused(verdict(wrong.args(["simulate", "--ordres", "1", "--help"])), "--ordres");
}

#[test]
fn its_topics_are_the_configured_ones_and_prometheus_and_grafana_find_what_they_are_to_show() {
    let file = file();
    let services = &file["services"];
    let script = text(&services["topics"]["command"][0]);
    let made: BTreeSet<&str> = script
        .split(" in ")
        .nth(1)
        .and_then(|rest| rest.split(';').next())
        .expect("a list")
        .split_whitespace()
        .collect();
    let worker = &services["worker-1"]["environment"];
    let optional = entries(worker).filter(|(name, _)| name.starts_with("ORDERSTREAM__TOPICS__"));
    let mut configured: BTreeSet<String> = optional.map(|(_, topic)| text(topic).to_owned()).collect();
    configured.extend(["payment", "inventory", "shipping", "status"].map(default_of));
    assert_eq!(made, configured.iter().map(String::as_str).collect());

    let port = text(&worker["ORDERSTREAM__METRICS__LISTEN"]).rsplit(':').next().expect("a port");
    let prometheus = documents(&text_of("deploy/prometheus/prometheus.yaml")).pop().expect("one document");
    let targets: BTreeSet<&str> = items(&prometheus["scrape_configs"])
        .flat_map(|job| items(&job["static_configs"]))
        .flat_map(|config| words(&config["targets"]))
        .collect();
    let workers = ours(&file, "orderstream").into_iter().filter(|(_, service)| service["command"] == json!(["run"]));
    let workers: BTreeSet<String> = workers.map(|(name, _)| format!("{name}:{port}")).collect();
    assert_eq!(targets, workers.iter().map(String::as_str).collect());
    for rules in words(&prometheus["rule_files"]) {
        assert!(place("deploy/prometheus").join(rules).exists(), "{rules}");
    }

    let source = documents(&text_of("deploy/grafana/provisioning/datasources/prometheus.yaml")).pop().expect("one");
    let url = text(&source["datasources"][0]["url"]);
    let published = words(&services["prometheus"]["ports"])[0].rsplit(':').next().expect("a port");
    assert_eq!(url, format!("http://prometheus:{published}"));
    let dashboards = documents(&text_of("deploy/grafana/provisioning/dashboards/orderstream.yaml")).pop().expect("one");
    let path = text(&dashboards["providers"][0]["options"]["path"]);
    let mounts = words(&services["grafana"]["volumes"]);
    assert!(mounts.contains(&format!("./grafana:{path}:ro").as_str()), "{mounts:?}");
    assert!(mounts.contains(&"./grafana/provisioning:/etc/grafana/provisioning:ro"), "{mounts:?}");
}
