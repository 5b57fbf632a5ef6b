//! An Apicurio registry that keeps its schemas in a file, so that a kill and a start are an outage and not a loss.
//!
//! Invariant: a schema has the same id after a restart.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;

use super::ports::free_port;
use super::process::Process;
use super::tools;
use crate::wait;

const START_SECONDS: u64 = 120;
const STOP: Duration = Duration::from_secs(20);

/// A registry; killed when dropped.
#[derive(Debug)]
pub struct Registry {
    directory: PathBuf,
    port: u16,
    properties: Vec<(String, String)>,
    process: Option<Process>,
}

impl Registry {
    /// Starts a registry below a directory, with Java properties beside the usual ones, and waits until it answers plain HTTP.
    ///
    /// # Errors
    /// It does not come up.
    pub async fn start_in(directory: &Path, properties: &[(&str, &str)]) -> Result<Self> {
        let mut registry = Self::launch_in(directory, properties)?;
        registry.start().await?;
        Ok(registry)
    }

    /// The same without waiting, for those that speak to it in another way or start more meanwhile.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn launch_in(directory: &Path, properties: &[(&str, &str)]) -> Result<Self> {
        let directory = directory.join("registry");
        std::fs::create_dir_all(&directory).with_context(|| format!("no `{}`", directory.display()))?;
        let properties = properties.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let mut registry = Self { directory, port: free_port()?, properties: properties.collect(), process: None };
        registry.launch()?;
        Ok(registry)
    }

    /// Its base URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/apis/ccompat/v7", self.port)
    }

    /// Its port for plain HTTP.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it logged is here.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.directory.join("registry.log")
    }

    /// Its process, where it has one: alive, or ended by itself.
    pub fn process(&mut self) -> Result<&mut Process> {
        self.process.as_mut().context("the registry was not started")
    }

    /// Whether it lives, asleep or not.
    ///
    /// # Errors
    /// The system does not say.
    pub fn is_running(&mut self) -> Result<bool> {
        self.process.as_mut().map_or(Ok(false), Process::is_running)
    }

    /// Starts it unless it runs, and waits until it answers.
    ///
    /// # Errors
    /// It ends or does not answer.
    pub async fn start(&mut self) -> Result<()> {
        self.launch()?;
        let what = "the registry to answer";
        wait::within(START_SECONDS, what, async || Ok(!self.is_running()? || self.answers().await?)).await?;
        self.process()?.must_run()
    }

    /// Whether it answers plain HTTP.
    ///
    /// # Errors
    /// It does not.
    pub async fn answers(&self) -> Result<bool> {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(2)).no_proxy().build()?;
        Ok(client.get(format!("{}/subjects", self.url())).send().await?.status().is_success())
    }

    /// Stops it in good order.
    ///
    /// # Errors
    /// It does not end in time; it is killed then.
    pub async fn stop(&mut self) -> Result<()> {
        self.process()?.stop(Signal::TERM, STOP).await.map(|_| ())
    }

    /// Kills it with SIGKILL.
    ///
    /// # Errors
    /// The system refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.process()?.kill()
    }

    /// Starts it unless it runs, and waits for nothing.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn launch(&mut self) -> Result<()> {
        if self.is_running()? {
            return Ok(());
        }
        let tools = tools::tools()?;
        let directory = self.directory.display();
        let mut command = Process::command(&tools.java);
        command.args([
            "-Xms64m",
            "-Xmx256m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-XX:+ExitOnOutOfMemoryError",
        ]);
        command.args(["-Djava.awt.headless=true", "-Dquarkus.http.host=127.0.0.1"]);
        command.arg(format!("-Djava.io.tmpdir={directory}")).arg(format!("-Dquarkus.http.port={}", self.port));
        // Without a delay a schema that was confirmed is on the disk.
        command.arg(format!("-DREGISTRY_DATASOURCE_URL=jdbc:h2:file:{directory}/schemas;WRITE_DELAY=0"));
        command.args(self.properties.iter().map(|(key, value)| format!("-D{key}={value}")));
        command.arg("-jar").arg(tools.registry()?).current_dir(&self.directory);
        self.process = Some(Process::spawn("the registry", command, &self.log())?);
        Ok(())
    }
}
