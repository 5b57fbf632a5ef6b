//! No secret is shown anywhere: every command and a worker, at the most talkative, with servers that let them in and that do not.
//!
//! Searched for as it is, as URLs write it, and as base64 does, in whichever place of three it may begin.

use std::process::Command;
use std::time::Duration;

use orderstream_harness::config_file::ConfigFile;
use orderstream_harness::otlp_receiver::OtlpReceiver;
use toml::Table;

use super::secured::{Secured, base64, canary};

const OF: [&str; 11] =
    ["otlp", "plain", "scram", "scram2", "worker", "worker2", "registry", "registry2", "reader", "property", "url"];

/// What commands need to be told beside the configuration, or to do more than look.
const WORDS: [(&str, &[&str]); 12] = [
    ("health", &["live"]),
    ("order show", &["ord-1"]),
    ("order history", &["ord-1"]),
    ("order explain", &["ord-1"]),
    ("dead-letters show", &["1"]),
    ("dead-letters replay", &["--yes"]),
    ("dead-letters discard", &["--all", "--yes", "--note", "none"]),
    ("rederive", &["--dry-run"]),
    ("archive", &["--older-than", "90d", "--yes"]),
    ("recover", &["--yes"]),
    ("repartition", &["--yes"]),
    ("topics add", &["payments", "--yes"]),
];
const USAGE: i32 = 64;

pub async fn no_secret_is_shown_anywhere(secured: &Secured) {
    let mut said: Vec<(String, String)> = Vec::new();
    let commands = commands();
    let receiver = OtlpReceiver::start().expect("a receiver");
    for (name, config) in configurations(secured, receiver.url()).await {
        for command in &commands {
            let (code, text) = secured.run(&config, &command.iter().map(String::as_str).collect::<Vec<_>>());
            assert_ne!(code, USAGE, "{command:?} needs other words: {text}");
            said.push((format!("{name}: {command:?}"), text));
        }
        let mut worker = secured.stage.worker_with(&format!("canary-{name}"), |usual| *usual = config.clone());
        secured
            .stage
            .until("a worker's first words", async || {
                Ok(worker.log()?.contains("starting") || worker.ended()?.is_some())
            })
            .await;
        if name == "good" {
            secured
                .stage
                .until("the worker to have its lane", async || {
                    worker.must_run()?;
                    Ok(worker.log()?.contains("lanes taken over"))
                })
                .await;
            let metrics = reqwest::get(format!("http://{}/metrics", worker.metrics())).await.expect("metrics");
            said.push((format!("{name}: metrics"), metrics.text().await.expect("text")));
        } else {
            // Long enough for a few attempts; most have ended by then.
            _ = worker.wait(Duration::from_secs(3)).await;
        }
        for file in ["cmdline", "comm"] {
            let shown = std::fs::read_to_string(format!("/proc/{}/{file}", worker.pid())).unwrap_or_default();
            said.push((format!("{name}: {file}"), shown));
        }
        if worker.ended().expect("known").is_none() {
            _ = worker.terminate();
            _ = worker.wait(Duration::from_secs(25)).await;
        }
    }
    for entry in std::fs::read_dir(secured.stage.logs()).expect("logs").flatten() {
        if entry.path().extension().is_some_and(|extension| extension == "log") {
            let text = String::from_utf8_lossy(&std::fs::read(entry.path()).expect("a log")).into_owned();
            said.push((entry.path().display().to_string(), text));
        }
    }
    assert!(said.iter().any(|(_, text)| text.contains("TRACE")), "nothing talks at the most talkative");
    for of in OF {
        for form in forms(&canary(of)) {
            for (place, text) in &said {
                if let Some(at) = text.find(&form) {
                    let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
                    let shown: String = text[line..].chars().take(300).collect();
                    panic!("the secret of `{of}` is shown ({place}):\n{shown}");
                }
            }
        }
    }
}

/// Every command that reads a configuration, but `run`, with its words. The program itself is asked for them, so none is forgotten.
fn commands() -> Vec<Vec<String>> {
    let mut paths = those_with_a_configuration("");
    for (path, _) in WORDS {
        assert!(paths.iter().any(|found| found == path), "there is no `{path}` that reads a configuration: {paths:?}");
    }
    paths.retain(|path| path != "run");
    let words = |path: &String| WORDS.iter().find(|(of, _)| of == path).map_or(&[][..], |(_, words)| words);
    paths.iter().map(|path| path.split(' ').chain(words(path).iter().copied()).map(str::to_owned).collect()).collect()
}

/// The commands below this one, or itself, whose help knows `--config`.
fn those_with_a_configuration(path: &str) -> Vec<String> {
    let mut asked = Command::new(env!("CARGO_BIN_EXE_orderstream"));
    let help = asked.args(path.split_whitespace()).arg("--help").output().expect("it runs").stdout;
    let help = String::from_utf8(help).expect("text");
    let Some((_, listed)) = help.split_once("Commands:\n") else {
        return if help.contains("--config <FILE>") { vec![path.to_owned()] } else { Vec::new() };
    };
    let listed = listed.lines().take_while(|line| !line.is_empty());
    let names = listed.filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
    names.flat_map(|name| those_with_a_configuration(format!("{path} {name}").trim_start())).collect()
}

/// Good servers, and those that refuse, are not there, or are something else; wrong configurations too.
async fn configurations(secured: &Secured, receiver: &str) -> Vec<(&'static str, ConfigFile)> {
    let mut good = secured.least().await;
    good.unset("kafka.sasl_password_file").set("kafka.sasl_password", canary("scram2"));
    good.unset("database.password_file").set("registry.password", canary("registry2")).unset("registry.password_file");
    let port = secured.postgres.port();
    let database = secured.stage.database.name();
    let escaped = |password: &str| password.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let in_url = |password: &str| {
        let password = escaped(password);
        format!("postgres://orderstream_worker:{password}@127.0.0.1:{port}/{database}")
    };
    good.set("database.url", in_url(&canary("worker2")));
    let key = format!("authorization=Bearer%20{}", escaped(&canary("otlp")));
    good.set("telemetry.otlp_endpoint", receiver).set("telemetry.otlp_headers", key);
    good.set("log.filter", "trace");
    let properties = |pairs: &[(&str, &str)]| -> Table {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect()
    };
    let talkative = [("debug", "all"), ("log_level", "7"), ("ssl.keystore.password", &canary("property"))];
    good.set("kafka.properties", properties(&talkative));
    let changed = |change: &dyn Fn(&mut ConfigFile)| {
        let mut config = good.clone();
        change(&mut config);
        config
    };
    let refused = changed(&|config| {
        config.set("kafka.sasl_password", canary("url")).set("registry.password", canary("url"));
        config.set("database.url", in_url(&canary("url")));
    });
    let away = changed(&|config| {
        config.set("kafka.brokers", "127.0.0.1:1").set("registry.url", "https://127.0.0.1:1/apis");
        config.set("database.url", in_url(&canary("url")).replace(&port.to_string(), "1"));
    });
    let untrusted = changed(&|config| {
        for section in ["kafka", "database", "registry"] {
            config.set(&format!("{section}.ssl_ca_file"), secured.file("stranger.pem"));
        }
    });
    let misspelt = changed(&|config| {
        config.set("kafka.properties", properties(&[("sasl.pasword", &canary("property"))]));
    });
    let impossible = changed(&|config| {
        config.set("kafka.properties", properties(&[("ssl.key.pem", &canary("property"))]));
    });
    let urls = changed(&|config| {
        config.set("database.url", format!("{}?pasword={}", in_url(&canary("url")), canary("url")));
        config.set("registry.url", format!("ftp://u:{}@registry", canary("url")));
        config.set("kafka.sasl_pasword", canary("property"));
    });
    vec![
        ("good", good.clone()),
        ("refused", refused),
        ("away", away),
        ("untrusted", untrusted),
        ("misspelt", misspelt),
        ("impossible", impossible),
        ("urls", urls),
    ]
}

/// The forms in which a secret might be written.
fn forms(secret: &str) -> Vec<String> {
    let url = secret.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let mut forms = vec![secret.to_owned(), url.clone(), url.to_lowercase(), secret.replace('+', "%2B")];
    for before in ["", "x", "xx"] {
        let encoded = base64(&format!("{before}{secret}xx"));
        // What its neighbours have a part in differs from place to place.
        let whole = encoded.trim_end_matches('=');
        let middle = &whole[if before.is_empty() { 0 } else { 4 }..whole.len() - 5];
        forms.push(middle.to_owned());
        forms.push(middle.replace('+', "-").replace('/', "_"));
    }
    forms
}
