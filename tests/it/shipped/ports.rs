//! Who reaches whom: ports of configuration, Service and network policy agree, Prometheus finds the workers, and Kafka's rights are for
//! the topics that are configured.
//!
//! Invariant: what is not listed in the network policy is closed, so what is listed is all that there is.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::{Value as Json, json};

use super::kubernetes::{Manifests, selects};
use super::{Folder, assert_refused, documents, items, text, text_of, verdict};

#[test]
fn its_ports_are_those_of_the_configuration_and_the_network_policy_lets_them_through_and_nothing_else() {
    for manifests in Manifests::all() {
        let settings = manifests.settings();
        let setting = |section: &str, key: &str| settings[section][key].as_str().expect("text").to_owned();
        let metrics = port(&setting("metrics", "listen"));
        let workers = &manifests.workers()["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(workers["ports"], json!([{"name": "metrics", "containerPort": metrics}]), "{}", manifests.name);
        let service = manifests.one("Service");
        assert_eq!(service["spec"]["ports"], json!([{"name": "metrics", "port": metrics, "targetPort": "metrics"}]));

        let policy = &manifests.one("NetworkPolicy")["spec"];
        assert_eq!(policy["policyTypes"], json!(["Ingress", "Egress"]), "what is not listed is closed");
        for pod in manifests.pods() {
            assert!(selects(&policy["podSelector"]["matchLabels"], pod.labels()), "{}: {}", manifests.name, pod.of);
        }
        let open = |ways: &Json, of: &str| -> BTreeSet<(String, u64)> {
            let ports = items(ways).flat_map(|way| items(&way["ports"])).filter(|port| port["port"].is_u64());
            let ports =
                ports.map(|port| (text(&port["protocol"]).to_owned(), port["port"].as_u64().expect("a number")));
            let all: BTreeSet<_> = ports.collect();
            assert_eq!(all.len(), items(ways).flat_map(|way| items(&way["ports"])).count(), "{of}: numbers, once each");
            all
        };
        let tcp = |port: u64| ("TCP".to_owned(), port);
        assert_eq!(open(&policy["ingress"], "ingress"), [tcp(metrics)].into());
        assert!(items(&policy["ingress"]).all(|way| way["from"].is_array()), "not from everywhere");
        let mut out: BTreeSet<_> = setting("kafka", "brokers").split(',').map(|broker| tcp(port(broker))).collect();
        let registry = setting("registry", "url");
        out.insert(tcp(if registry.matches(':').count() > 1 { port(&registry) } else { 443 }));
        assert!(registry.starts_with("https://"), "{registry}");
        let secrets = documents(&text_of("deploy/kubernetes/secret.example.yaml"));
        for secret in &secrets {
            let url = text(&secret["stringData"]["database_url"]);
            out.insert(tcp(port(url.rsplit_once('/').expect("a database behind the port").0)));
        }
        out.insert(tcp(metrics));
        // Names are looked up in the cluster's own namespace and nowhere else.
        let is_of_names = |way: &&Json| items(&way["ports"]).all(|port| port["port"] == 53);
        let names: Vec<&Json> = items(&policy["egress"]).filter(is_of_names).collect();
        assert!(names.len() == 1 && names[0]["to"].is_array(), "{}", manifests.name);
        out.extend([("UDP".to_owned(), 53), tcp(53)]);
        assert_eq!(open(&policy["egress"], "egress"), out, "{}", manifests.name);
    }
}

#[test]
fn whoever_types_reaches_the_workers_metrics_and_workers_do_not_reach_each_other() {
    for manifests in Manifests::all() {
        let at = &manifests.name;
        let policy = &manifests.one("NetworkPolicy")["spec"];
        let metrics = &manifests.one("Service")["spec"]["ports"][0]["port"];
        let peers = |ways: &Json, side: &str| -> Vec<Json> {
            let ways = items(ways).filter(|way| items(&way["ports"]).any(|port| port["port"] == *metrics));
            let peers = ways.flat_map(|way| items(&way[side])).map(|peer| &peer["podSelector"]["matchLabels"]);
            peers.filter(|labels| !labels.is_null()).cloned().collect()
        };
        let (from, to) = (peers(&policy["ingress"], "from"), peers(&policy["egress"], "to"));
        assert_eq!((from.len(), to.len()), (1, 1), "{at}");
        for pod in manifests.pods() {
            assert_eq!(selects(&from[0], pod.labels()), pod.of == "Deployment orderstream-by-hand", "{at}: {}", pod.of);
            assert_eq!(selects(&to[0], pod.labels()), pod.is_worker(), "{at}: {}", pod.of);
        }
    }
}

#[test]
fn prometheus_takes_the_block_for_kubernetes_and_it_names_the_service() {
    const SHIPPED: &str = "deploy/prometheus/prometheus.yaml";
    let folder = Folder::with(&["deploy/prometheus"]);
    let shipped = text_of(SHIPPED);
    let (head, commented) = shipped.split_once("    # dns_sd_configs:\n").expect("the block");
    let (head, _) = head.split_once("    static_configs:\n").expect("what it stands for");
    let block = commented.replace("    # ", "    ");
    folder.write(SHIPPED, &format!("{head}    dns_sd_configs:\n{block}"));
    let check = || {
        let mut promtool = Command::new("promtool");
        verdict(promtool.args(["check", "config"]).arg(folder.path(SHIPPED)))
    };
    check().unwrap_or_else(|said| panic!("{said}"));
    let config = documents(&std::fs::read_to_string(folder.path(SHIPPED)).expect("it is written")).remove(0);
    let found = &config["scrape_configs"][0]["dns_sd_configs"][0];
    for manifests in Manifests::all() {
        let service = manifests.one("Service");
        let (name, namespace) = (text(&service["metadata"]["name"]), text(&service["metadata"]["namespace"]));
        assert_eq!(found["names"], json!([format!("{name}.{namespace}.svc")]), "{}", manifests.name);
        assert_eq!((&found["type"], &found["port"]), (&json!("A"), &service["spec"]["ports"][0]["port"]));
    }
    folder.exchange(SHIPPED, "type: A", "typ: A");
    assert_refused(check(), "typ");
}

#[test]
fn the_page_asks_for_rights_to_every_topic_of_the_configuration() {
    let page = text_of("deploy/kubernetes/README.md");
    let named = |variable: &str| -> BTreeSet<String> {
        let rest = page.split_once(&format!("{variable}='")).unwrap_or_else(|| panic!("no {variable}")).1;
        rest.split('\'').next().expect("a first part").split(' ').map(str::to_owned).collect()
    };
    let settings: toml::Table = toml::from_str(&text_of("deploy/kubernetes/base/orderstream.toml")).expect("TOML");
    let topics = |roles: &[&str]| -> BTreeSet<String> {
        roles.iter().map(|role| settings["topics"][*role].as_str().expect("a name").to_owned()).collect()
    };
    assert_eq!(named("INPUTS"), topics(&["payment", "inventory", "shipping", "order"]));
    assert_eq!(named("OUTPUTS"), topics(&["status", "command", "dead_letter"]));
}

/// The port behind the last colon of an address.
fn port(address: &str) -> u64 {
    let digits = address.rsplit(':').next().expect("a last part").split('/').next().expect("a first part");
    digits.parse().unwrap_or_else(|_| panic!("`{address}` ends in no port"))
}
