//! What kustomize builds of the base and of every overlay: the API takes it, and what it says in two places it says alike.
//! Its ports are [`super::ports`]'s question.
//!
//! Invariant: overlays are found by looking, so a new one is judged from its first day.

use std::path::Path;

use serde_json::{Value as Json, json};

use super::{
    Folder, assert_refused, default_of, documents, entries, items, judge, place, seconds, text, text_of, verdict, words,
};

const KUBERNETES: &str = "deploy/kubernetes";
/// The oldest and the newest release that the manifests are for.
const RELEASES: [&str; 2] = ["1.29", "1.37"];
/// What KEDA brings, of which the API's schemas know nothing.
const OF_KEDA: &str = "ScaledObject";

/// The base, and every overlay.
fn kustomizations() -> Vec<String> {
    let overlays = std::fs::read_dir(place(KUBERNETES).join("overlays")).expect("the overlays");
    let names = overlays.map(|entry| entry.expect("an overlay").file_name().to_string_lossy().into_owned());
    let mut found: Vec<String> = names.map(|name| format!("overlays/{name}")).collect();
    found.sort();
    assert!(found.len() >= 2, "{found:?}");
    found.insert(0, "base".to_owned());
    found
}

fn built(root: &Path, kustomization: &str) -> Result<String, String> {
    verdict(judge("kubectl").arg("kustomize").arg(root.join(kustomization)))
}

/// Whether the API of every release takes it, unknown fields refused.
fn judged(yaml: &str) -> Result<(), String> {
    let folder = Folder::new();
    let file = folder.write("built.yaml", yaml);
    for release in RELEASES {
        let said = verdict(judge("kubernetes-validate").args(["--strict", "--quiet", "-k", release]).arg(&file))?;
        // A kind that it has no schema of is no success.
        if let Some(line) = said.lines().find(|line| !line.contains(OF_KEDA)) {
            return Err(line.to_owned());
        }
    }
    Ok(())
}

/// All that one kustomization builds.
pub struct Manifests {
    pub name: String,
    pub objects: Vec<Json>,
}

/// A pod, as the object that makes it says it.
pub struct Pod<'a> {
    pub of: String,
    pub template: &'a Json,
}

impl Pod<'_> {
    pub fn spec(&self) -> &Json {
        &self.template["spec"]
    }

    pub fn labels(&self) -> &Json {
        &self.template["metadata"]["labels"]
    }

    /// The containers that run first and those that stay.
    pub fn containers(&self) -> impl Iterator<Item = &Json> {
        items(&self.spec()["initContainers"]).chain(items(&self.spec()["containers"]))
    }

    pub fn is_worker(&self) -> bool {
        self.labels()["app.kubernetes.io/component"] == "worker"
    }
}

impl Manifests {
    /// Of the base and of every overlay.
    pub fn all() -> impl Iterator<Item = Self> {
        kustomizations().into_iter().map(|name| {
            let yaml = built(&place(KUBERNETES), &name).unwrap_or_else(|said| panic!("{name}: {said}"));
            Self { objects: documents(&yaml), name }
        })
    }

    pub fn of<'a>(&'a self, kind: &str) -> impl Iterator<Item = &'a Json> {
        let kind = json!(kind);
        self.objects.iter().filter(move |object| object["kind"] == kind)
    }

    pub fn one(&self, kind: &str) -> &Json {
        let mut found = self.of(kind);
        let first = found.next().unwrap_or_else(|| panic!("{}: there is no {kind}", self.name));
        assert!(found.next().is_none(), "{}: there is more than one {kind}", self.name);
        first
    }

    pub fn pods(&self) -> Vec<Pod<'_>> {
        let makers = ["Deployment", "StatefulSet", "Job"].into_iter().flat_map(|kind| self.of(kind));
        let pods: Vec<Pod> =
            makers.map(|maker| Pod { of: name_of(maker), template: &maker["spec"]["template"] }).collect();
        assert!(pods.len() >= 3, "{}: workers, migration, by hand", self.name);
        pods
    }

    /// What makes the workers.
    pub fn workers(&self) -> &Json {
        let is_worker = |maker: &&Json| maker["metadata"]["labels"]["app.kubernetes.io/component"] == "worker";
        let mut makers = self.of("Deployment").chain(self.of("StatefulSet")).filter(is_worker);
        makers.next().unwrap_or_else(|| panic!("{}: nothing makes workers", self.name))
    }

    /// The configuration that all pods mount.
    pub fn settings(&self) -> toml::Table {
        toml::from_str(text(&self.one("ConfigMap")["data"]["orderstream.toml"])).expect("TOML")
    }
}

fn name_of(object: &Json) -> String {
    format!("{} {}", text(&object["kind"]), text(&object["metadata"]["name"]))
}

pub fn selects(selector: &Json, labels: &Json) -> bool {
    entries(selector).all(|(key, value)| labels[key] == *value)
}

#[test]
fn what_kustomize_builds_is_what_the_api_takes_and_what_it_builds_of_broken_copies_is_not() {
    let readme = text_of("deploy/kubernetes/README.md");
    assert!(readme.contains(&format!("{} to {}", RELEASES[0], RELEASES[1])), "the page says other releases");
    for name in kustomizations() {
        let yaml = built(&place(KUBERNETES), &name).unwrap_or_else(|said| panic!("{name}: {said}"));
        judged(&yaml).unwrap_or_else(|said| panic!("{name}: {said}"));

        let misspelt = Folder::with(&[KUBERNETES]);
        misspelt.exchange("deploy/kubernetes/base/worker.yaml", "readinessProbe:", "readynessProbe:");
        let yaml = built(&misspelt.path(KUBERNETES), &name).expect("kustomize knows no schema");
        assert_refused(judged(&yaml).map(|()| yaml), "readynessProbe");

        let unknown = Folder::with(&[KUBERNETES]);
        unknown.exchange("deploy/kubernetes/base/disruption.yaml", "policy/v1", "policy/v9");
        let yaml = built(&unknown.path(KUBERNETES), &name).expect("kustomize knows no schema");
        assert_refused(judged(&yaml).map(|()| yaml), "policy/v9");

        let incomplete = Folder::with(&[KUBERNETES]);
        std::fs::remove_file(incomplete.path("deploy/kubernetes/base/network-policy.yaml")).expect("it is there");
        assert_refused(built(&incomplete.path(KUBERNETES), &name), "network-policy.yaml");
    }
}

#[test]
fn its_selectors_select_the_workers_and_its_names_name_what_is_there() {
    for manifests in Manifests::all() {
        let at = &manifests.name;
        let worker = manifests.workers();
        let selectors = [
            &worker["spec"]["selector"]["matchLabels"],
            &manifests.one("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
            &manifests.one("Service")["spec"]["selector"],
        ];
        let spread = items(&worker["spec"]["template"]["spec"]["topologySpreadConstraints"]);
        let selectors = selectors.into_iter().chain(spread.map(|one| &one["labelSelector"]["matchLabels"]));
        let mut seen = 0;
        for selector in selectors {
            seen += 1;
            for pod in manifests.pods() {
                assert_eq!(selects(selector, pod.labels()), pod.is_worker(), "{at}: {selector} of {}", pod.of);
            }
        }
        assert_eq!(seen, 5, "{at}: the maker, the budget, the service, zones and hosts");
        assert_eq!(manifests.one("PodDisruptionBudget")["spec"]["maxUnavailable"], 1, "{at}: one rebalance at a time");

        let namespace = manifests.one("Namespace");
        for mode in ["enforce", "warn", "audit"] {
            let label = format!("pod-security.kubernetes.io/{mode}");
            assert_eq!(namespace["metadata"]["labels"][&label], "restricted", "{at}");
        }
        for object in manifests.objects.iter().filter(|object| object["kind"] != "Namespace") {
            assert_eq!(object["metadata"]["namespace"], namespace["metadata"]["name"], "{at}: {}", name_of(object));
        }
        let configuration = text(&manifests.one("ConfigMap")["metadata"]["name"]);
        let secrets = documents(&text_of("deploy/kubernetes/secret.example.yaml"));
        let secrets: Vec<&str> = secrets.iter().map(|secret| text(&secret["metadata"]["name"])).collect();
        for pod in manifests.pods() {
            assert_eq!(pod.spec()["serviceAccountName"], manifests.one("ServiceAccount")["metadata"]["name"], "{at}");
            for volume in items(&pod.spec()["volumes"]) {
                let projected = items(&volume["projected"]["sources"]).map(|source| &source["secret"]["name"]);
                let named = [&volume["secret"]["secretName"]].into_iter().chain(projected).filter_map(Json::as_str);
                assert!(named.into_iter().all(|name| secrets.contains(&name)), "{at}: {volume}");
                let map = &volume["configMap"]["name"];
                assert!(map.is_null() || map == configuration, "{at}: {volume}");
            }
            for container in pod.containers() {
                let image = format!("orderstream:{}", env!("CARGO_PKG_VERSION"));
                assert_eq!(container["image"], image.as_str(), "{at}: {}", pod.of);
            }
        }
        if worker["kind"] == "StatefulSet" {
            assert_eq!(worker["spec"]["serviceName"], manifests.one("Service")["metadata"]["name"], "{at}");
            let environment = items(&worker["spec"]["template"]["spec"]["containers"][0]["env"]);
            let instance = environment.filter(|one| one["name"] == "ORDERSTREAM__KAFKA__INSTANCE");
            let field = instance.map(|one| text(&one["valueFrom"]["fieldRef"]["fieldPath"])).collect::<Vec<_>>();
            assert_eq!(field, ["metadata.name"], "{at}: each member has its pod's name");
        }
    }
}

#[test]
fn workers_have_the_time_to_drain_and_the_scaler_scales_what_is_there() {
    let mut scalers = 0;
    for manifests in Manifests::all() {
        let at = &manifests.name;
        let settings = manifests.settings();
        let timeout = settings.get("worker").and_then(|worker| worker.get("shutdown_timeout")?.as_str());
        let timeout = timeout.map_or_else(|| default_of("shutdown_timeout"), str::to_owned);
        let worker = manifests.workers();
        let grace = worker["spec"]["template"]["spec"]["terminationGracePeriodSeconds"].as_u64().expect("a number");
        assert!(grace > seconds(&timeout) + 1, "{at}: {grace} s to end, and {timeout} to drain");

        let Some(scaler) = manifests.of(OF_KEDA).next() else {
            assert!(worker["spec"]["replicas"].as_u64().is_some_and(|replicas| replicas >= 2), "{at}: one may die");
            continue;
        };
        scalers += 1;
        let spec = &scaler["spec"];
        assert_eq!(unknown_of_keda(spec), Vec::<String>::new(), "{at}");
        let target = &spec["scaleTargetRef"];
        assert_eq!((&target["kind"], &target["name"]), (&worker["kind"], &worker["metadata"]["name"]), "{at}");
        assert!(worker["spec"]["replicas"].is_null(), "{at}: an apply would set the number back");
        let number = |key: &str| spec[key].as_u64().expect("a number");
        assert!(2 <= number("minReplicaCount") && number("minReplicaCount") < number("maxReplicaCount"), "{at}");

        let mut misspelt = spec.clone();
        misspelt["maxReplicas"] = json!(8);
        misspelt["triggers"][0]["metadata"]["treshold"] = json!("1");
        assert_eq!(unknown_of_keda(&misspelt), ["maxReplicas", "treshold"]);
    }
    assert_eq!(scalers, 1);
}

/// Fields that KEDA 2 knows nothing of; of what we use, with what stands beside it.
fn unknown_of_keda(spec: &Json) -> Vec<String> {
    const SPEC: [&str; 10] = [
        "scaleTargetRef",
        "pollingInterval",
        "cooldownPeriod",
        "initialCooldownPeriod",
        "idleReplicaCount",
        "minReplicaCount",
        "maxReplicaCount",
        "fallback",
        "advanced",
        "triggers",
    ];
    const TRIGGER: [&str; 6] = ["type", "metadata", "name", "useCachedMetrics", "authenticationRef", "metricType"];
    const PROMETHEUS: [&str; 12] = [
        "serverAddress",
        "query",
        "queryParameters",
        "threshold",
        "activationThreshold",
        "namespace",
        "cortexOrgID",
        "customHeaders",
        "ignoreNullValues",
        "unsafeSsl",
        "timeout",
        "authModes",
    ];
    let triggers = || items(&spec["triggers"]);
    let unknown = |table: &Json, known: &[&str]| -> Vec<String> {
        entries(table).map(|(key, _)| key.to_owned()).filter(|key| !known.contains(&key.as_str())).collect()
    };
    let mut found = unknown(spec, &SPEC);
    found.extend(triggers().flat_map(|trigger| unknown(trigger, &TRIGGER)));
    found.extend(triggers().flat_map(|trigger| unknown(&trigger["metadata"], &PROMETHEUS)));
    found.extend(unknown(&spec["fallback"], &["failureThreshold", "replicas", "behavior"]));
    found.extend(unknown(&spec["scaleTargetRef"], &["apiVersion", "kind", "name", "envSourceContainerName"]));
    assert_eq!(words(&json!([spec["triggers"][0]["type"]])), ["prometheus"]);
    found
}
