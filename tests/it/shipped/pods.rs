//! The pods: restricted as the standard of pod security asks, and each container finds the files that its configuration names.
//!
//! Invariant: the configuration is read by the program itself, out of a folder that holds what the pod mounts and nothing else.

use orderstream_harness::certificates::Authority;
use serde_json::{Value as Json, json};

use super::kubernetes::{Manifests, Pod};
use super::{Folder, documents, exchanged, items, orderstream, text, text_of, verdict, words};

/// Where the configuration is mounted.
const CONFIGURATION: &str = "/etc/orderstream/orderstream.toml";
/// What `health` answers of a worker that is not there.
const NOT_ALIVE: [&str; 2] = ["exit status: 69", "exit status: 75"];

/// Volumes that the restricted standard allows.
const VOLUMES: [&str; 8] =
    ["configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"];

/// What is less than restricted in a pod, or less than we ask of our own.
fn lax(spec: &Json) -> Vec<String> {
    let mut found = Vec::new();
    let mut ask = |is_so: bool, what: String| found.extend((!is_so).then_some(what));
    for host in ["hostNetwork", "hostPID", "hostIPC"] {
        ask(spec[host].is_null() || spec[host] == false, host.to_owned());
    }
    for volume in items(&spec["volumes"]) {
        let mut kinds = volume.as_object().expect("a table").keys().filter(|key| *key != "name");
        ask(kinds.all(|kind| VOLUMES.contains(&kind.as_str())), format!("volume {}", volume["name"]));
    }
    ask(spec["automountServiceAccountToken"] == false, "automountServiceAccountToken".to_owned());
    ask(spec["enableServiceLinks"] == false, "enableServiceLinks".to_owned());
    let pod = &spec["securityContext"];
    ask(pod["seccompProfile"]["type"] == "RuntimeDefault", "seccompProfile".to_owned());
    ask(pod["runAsNonRoot"] == true, "runAsNonRoot".to_owned());
    ask(pod["runAsUser"] == 10001 && pod["runAsGroup"] == 10001 && pod["fsGroup"] == 10001, "runAsUser".to_owned());
    ask(pod["sysctls"].is_null() && pod["windowsOptions"].is_null(), "sysctls".to_owned());
    for container in items(&spec["initContainers"]).chain(items(&spec["containers"])) {
        let mut ask = |is_so: bool, what: &str| ask(is_so, format!("{what} of {}", text(&container["name"])));
        let own = &container["securityContext"];
        ask(own["allowPrivilegeEscalation"] == false, "allowPrivilegeEscalation");
        ask(own["capabilities"] == json!({"drop": ["ALL"]}), "capabilities");
        ask(own["readOnlyRootFilesystem"] == true, "readOnlyRootFilesystem");
        // What loosens the pod's own, or asks for the host's.
        for loose in ["privileged", "procMount", "runAsNonRoot", "runAsUser", "seccompProfile", "seLinuxOptions"] {
            ask(own[loose].is_null(), loose);
        }
        ask(items(&container["ports"]).all(|port| port["hostPort"].is_null()), "hostPort");
        let resources = &container["resources"];
        ask(resources["requests"]["cpu"].is_string() && resources["requests"]["memory"].is_string(), "requests");
        ask(resources["limits"]["memory"].is_string() && resources["limits"]["cpu"].is_null(), "limits");
        ask(!text(&container["image"]).ends_with(":latest") && text(&container["image"]).contains(':'), "image");
        let secrets = items(&container["env"]).all(|one| one["valueFrom"]["secretKeyRef"].is_null());
        ask(secrets && container["envFrom"].is_null(), "secrets in variables");
        ask(
            items(&container["volumeMounts"]).all(|one| one["readOnly"] == true || one["mountPath"] == "/tmp"),
            "mounts",
        );
    }
    found
}

#[test]
fn every_pod_is_restricted_and_each_thing_that_loosens_it_is_noticed() {
    for manifests in Manifests::all() {
        for pod in manifests.pods() {
            assert_eq!(lax(pod.spec()), Vec::<String>::new(), "{}: {}", manifests.name, pod.of);
        }
        let pods = manifests.pods();
        let spec = pods[0].spec();
        for (pointer, value, noticed) in [
            ("/hostNetwork", json!(true), "hostNetwork"),
            ("/volumes/0", json!({"name": "node", "hostPath": {"path": "/"}}), "volume \"node\""),
            ("/automountServiceAccountToken", json!(true), "automountServiceAccountToken"),
            ("/securityContext/runAsNonRoot", json!(false), "runAsNonRoot"),
            ("/securityContext/runAsUser", json!(0), "runAsUser"),
            ("/securityContext/seccompProfile", json!({"type": "Unconfined"}), "seccompProfile"),
            ("/containers/0/securityContext/allowPrivilegeEscalation", json!(true), "allowPrivilegeEscalation"),
            ("/containers/0/securityContext/privileged", json!(true), "privileged"),
            ("/containers/0/securityContext/capabilities", json!({"drop": ["NET_RAW"]}), "capabilities"),
            ("/containers/0/securityContext/readOnlyRootFilesystem", json!(false), "readOnlyRootFilesystem"),
            ("/containers/0/resources/limits", json!({}), "limits"),
            ("/containers/0/image", json!("orderstream"), "image"),
            ("/containers/0/envFrom", json!([{"secretRef": {"name": "orderstream"}}]), "secrets in variables"),
        ] {
            let mut loosened = spec.clone();
            let (above, key) = pointer.rsplit_once('/').expect("a pointer");
            let above = loosened.pointer_mut(above).unwrap_or_else(|| panic!("there is no `{above}`"));
            match above {
                Json::Array(list) => list[0] = value,
                table => table[key] = value,
            }
            let found = lax(&loosened);
            assert!(found.len() == 1 && found[0].starts_with(noticed), "{pointer}: {found:?}");
        }
    }
}

/// What a secret of the example holds; certificates are some, as the program looks at them.
fn secret(name: &str) -> Vec<(String, String)> {
    let certificate = Authority::new("nobody").and_then(|authority| authority.pem()).expect("a certificate");
    let all = documents(&text_of("deploy/kubernetes/secret.example.yaml"));
    let found = all.iter().find(|secret| secret["metadata"]["name"] == name);
    let found = found.unwrap_or_else(|| panic!("the example has no secret `{name}`"));
    let keys = found["stringData"].as_object().expect("a table").iter();
    keys.map(|(key, value)| {
        let is_certificate = key.ends_with(".pem");
        (key.clone(), if is_certificate { certificate.clone() } else { text(value).to_owned() })
    })
    .collect()
}

/// A folder in which everything lies that a container mounts.
struct Mounted {
    folder: Folder,
    paths: Vec<String>,
}

impl Mounted {
    fn of(manifests: &Manifests, pod: &Pod<'_>, container: &Json) -> Self {
        let mut mounted = Self { folder: Folder::new(), paths: Vec::new() };
        for mount in items(&container["volumeMounts"]) {
            let path = text(&mount["mountPath"]);
            let volume = items(&pod.spec()["volumes"]).find(|volume| volume["name"] == mount["name"]);
            let volume = volume.unwrap_or_else(|| panic!("{}: no volume {}", pod.of, mount["name"]));
            mounted.paths.push(path.to_owned());
            std::fs::create_dir_all(mounted.folder.path(path)).expect("a folder");
            for (name, text) in files(manifests, volume) {
                mounted.folder.write(&format!("{path}/{name}"), &text);
            }
        }
        // The configuration names files where they are mounted.
        let configuration = std::fs::read_to_string(mounted.folder.path(CONFIGURATION)).expect("it is mounted");
        mounted.folder.write(CONFIGURATION, &mounted.moved(&configuration));
        mounted
    }

    /// A text that names mounted files, with these where they lie here.
    fn moved(&self, text: &str) -> String {
        let paths = self.paths.iter().filter(|path| *path != "/tmp");
        paths.fold(text.to_owned(), |text, path| {
            text.replace(path.as_str(), self.folder.path(path).to_str().expect("a plain path"))
        })
    }

    /// The program with a container's variables and these words.
    fn ask(&self, container: &Json, words: &[&str]) -> Result<String, String> {
        let mut command = orderstream();
        for variable in items(&container["env"]) {
            let value = variable["value"].as_str().unwrap_or("worker-0");
            command.env(text(&variable["name"]), value);
        }
        command.env("TMPDIR", self.folder.path("/tmp")).args(words.iter().map(|word| self.moved(word)));
        verdict(&mut command)
    }
}

/// The files of a volume.
fn files(manifests: &Manifests, volume: &Json) -> Vec<(String, String)> {
    if let Some(name) = volume["secret"]["secretName"].as_str() {
        return secret(name);
    }
    if volume["configMap"]["name"].is_string() {
        let map = manifests.one("ConfigMap")["data"].as_object().expect("a table").iter();
        return map.map(|(name, content)| (name.clone(), text(content).to_owned())).collect();
    }
    let sources = items(&volume["projected"]["sources"]).map(|source| &source["secret"]);
    let picked = sources.flat_map(|source| {
        let all = secret(text(&source["name"]));
        items(&source["items"]).map(move |item| {
            let (_, content) = all.iter().find(|(key, _)| item["key"] == key.as_str()).expect("the secret has the key");
            (text(&item["path"]).to_owned(), content.clone())
        })
    });
    picked.collect()
}

#[test]
fn every_container_finds_what_its_configuration_names_and_the_program_knows_its_command_and_its_probes() {
    let (mut commands, mut probes) = (0, 0);
    for manifests in Manifests::all() {
        for pod in manifests.pods() {
            for container in pod.containers() {
                let at = format!("{}, {}, {}", manifests.name, pod.of, container["name"]);
                let mounted = Mounted::of(&manifests, &pod, container);
                let checked = mounted.ask(container, &["config", "check", "--config", CONFIGURATION]);
                checked.unwrap_or_else(|said| panic!("{at}: {said}"));

                let mut arguments = words(&container["args"]);
                if container["command"].is_null() {
                    assert!(arguments.ends_with(&["--config", CONFIGURATION]), "{at}: {arguments:?}");
                    // Everything before it is looked at, then nothing is done.
                    arguments.push("--help");
                    mounted.ask(container, &arguments).unwrap_or_else(|said| panic!("{at}: {said}"));
                    commands += 1;
                }
                for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
                    let command = words(&container[probe]["exec"]["command"]);
                    let Some((program, arguments)) = command.split_first() else { continue };
                    assert_eq!(*program, "/usr/local/bin/orderstream", "{at}: where the image has it");
                    let said = mounted.ask(container, arguments).expect_err("there is no worker");
                    assert!(NOT_ALIVE.iter().any(|code| said.starts_with(code)), "{at}, {probe}: {said}");
                    probes += 1;
                }
            }
        }
    }
    assert!(commands >= 9 && probes >= 9, "{commands} commands and {probes} probes");
}

#[test]
fn a_setting_that_does_not_exist_and_a_secret_that_is_not_mounted_are_noticed() {
    let manifests = Manifests::all().next().expect("the base");
    let pods = manifests.pods();
    let worker = pods.iter().find(|pod| pod.of == "Deployment orderstream").expect("the workers");
    let container = &worker.spec()["containers"][0];
    let check = ["config", "check", "--config", CONFIGURATION];

    let mounted = Mounted::of(&manifests, worker, container);
    let configuration = std::fs::read_to_string(mounted.folder.path(CONFIGURATION)).expect("it is mounted");
    mounted.folder.write(CONFIGURATION, &exchanged(&configuration, "shutdown_timeout", "shutdown_timout"));
    super::assert_refused(mounted.ask(container, &check), "shutdown_timout");

    let mounted = Mounted::of(&manifests, worker, container);
    std::fs::remove_file(mounted.folder.path("/run/secrets/orderstream/kafka_ca.pem")).expect("it is mounted");
    super::assert_refused(mounted.ask(container, &check), "kafka_ca.pem");

    let mounted = Mounted::of(&manifests, worker, container);
    let said = mounted.ask(container, &["health", "redy", "--config", CONFIGURATION]).expect_err("no such question");
    assert!(!NOT_ALIVE.iter().any(|code| said.starts_with(code)), "{said}");
}
