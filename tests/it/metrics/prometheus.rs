//! A real Prometheus, with the configuration that `deploy` ships.
//!
//! It is Debian's; `deploy/local/setup.sh` installs it. Invariant: the server listens on 127.0.0.1, keeps its data in the test's
//! folder and ends with the test.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use orderstream_harness::servers::{Process, free_port};
use reqwest::Url;
use serde_json::Value as Json;

use super::text_of;

use crate::patience;

/// A Prometheus that scrapes workers.
pub struct Prometheus {
    process: Process,
    address: String,
}

impl Prometheus {
    /// Starts one with the configuration of `deploy`, but for the targets, the place of the rules, and the intervals.
    pub async fn start(folder: &Path, rules: &Path, workers: &[SocketAddr]) -> Self {
        let mut config = text_of("deploy/prometheus/prometheus.yaml");
        let targets: Vec<String> = workers.iter().map(|worker| format!("          - {worker}")).collect();
        for (shipped, here) in [
            ("scrape_interval: 15s", "scrape_interval: 1s"),
            ("evaluation_interval: 15s", "evaluation_interval: 1s"),
            ("  - alerts.yaml", &format!("  - {}", rules.display())),
            ("          - worker-1:9464\n          - worker-2:9464", &targets.join("\n")),
        ] {
            assert_eq!(config.matches(shipped).count(), 1, "`{shipped}` in prometheus.yaml");
            config = config.replace(shipped, here);
        }
        let file = folder.join("prometheus.yaml");
        std::fs::write(&file, config).expect("the test's folder");
        let address = format!("127.0.0.1:{}", free_port().expect("a port"));
        let mut command = Process::command(Path::new("prometheus"));
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.tsdb.path={}", folder.join("prometheus").display()));
        command.arg(format!("--web.listen-address={address}"));
        let process = Process::spawn("prometheus", command, &folder.join("prometheus.log"));
        let process = process.expect("prometheus is installed: `deploy/local/setup.sh chaos` does it");
        let started = Self { process, address };
        let up = async || {
            let up = started.ask("query", &[("query", "up == 1")]).await?;
            Ok(up.as_array().is_some_and(|up| up.len() == workers.len()))
        };
        patience::until("prometheus to have scraped every worker", up)
            .await
            .unwrap_or_else(|error| panic!("{error:#}"));
        started
    }

    /// The result of a call of its API.
    pub async fn ask(&self, what: &str, parameters: &[(&str, &str)]) -> anyhow::Result<Json> {
        let url = Url::parse_with_params(&format!("http://{}/api/v1/{what}", self.address), parameters)?;
        let answer: Json = reqwest::get(url).await?.json().await?;
        ensure!(answer["status"] == "success", "{parameters:?}: {answer}");
        let data = &answer["data"];
        Ok(if data["result"].is_null() { data.clone() } else { data["result"].clone() })
    }

    /// All rules as it knows them.
    pub async fn rules(&self) -> anyhow::Result<Vec<Json>> {
        let groups = self.ask("rules", &[]).await?;
        let groups = groups["groups"].as_array().context("groups")?;
        Ok(groups.iter().filter_map(|group| group["rules"].as_array()).flatten().cloned().collect())
    }

    /// The number that an expression gives, which must be one.
    pub async fn number(&self, query: &str) -> anyhow::Result<f64> {
        let result = self.ask("query", &[("query", query)]).await?;
        let Some([one]) = result.as_array().map(Vec::as_slice) else { bail!("`{query}` gives {result}") };
        Ok(one["value"][1].as_str().context("a text")?.parse()?)
    }

    pub async fn state_of(&self, alert: &str) -> anyhow::Result<String> {
        let rules = self.rules().await?;
        let rule = rules.iter().find(|rule| rule["name"] == alert).with_context(|| format!("no alert `{alert}`"))?;
        Ok(rule["state"].as_str().context("a state")?.to_owned())
    }

    /// Whether an alert with these labels fires or has fired.
    pub async fn has_fired(&self, alert: &str, labels: &str) -> anyhow::Result<bool> {
        let of_it = format!("alertname=\"{alert}\", alertstate=\"firing\"{labels}");
        let query = format!("count(max_over_time(ALERTS{{{of_it}}}[1h])) or vector(0)");
        Ok(self.number(&query).await? > 0.0)
    }

    /// Ends it.
    pub fn end(mut self) {
        self.process.kill().expect("it is killed");
    }
}
