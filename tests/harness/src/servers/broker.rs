//! One broker: its process, its directory and its addresses.
//!
//! Invariant: it counts as up when its own metadata name it, which they do once it may serve clients; never before.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::plan::{INTERNAL, Socket};
use super::process::Process;
use super::tools;
use crate::wait;

/// How long a broker may take to start; after a kill it recovers its logs and waits for its former session to end.
const START_SECONDS: u64 = 120;
const STOP: Duration = Duration::from_secs(30);
const FORMAT: Duration = Duration::from_secs(60);
const ANSWER: Duration = Duration::from_secs(2);

/// How a broker is formatted and started beside its properties.
#[derive(Debug)]
pub(super) struct Ways {
    /// The id of its cluster.
    pub cluster: String,
    /// More arguments for the formatting.
    pub format: Vec<String>,
    /// More arguments for Java.
    pub java: Vec<String>,
}

/// A broker; killed when dropped.
#[derive(Debug)]
pub struct Broker {
    id: u8,
    directory: PathBuf,
    sockets: Vec<Socket>,
    ways: Ways,
    formatting: Option<Process>,
    process: Option<Process>,
}

impl Broker {
    pub(super) fn new(id: u8, directory: PathBuf, sockets: Vec<Socket>, ways: Ways) -> Self {
        Self { id, directory, sockets, ways, formatting: None, process: None }
    }

    /// Its number, from 1 on.
    #[must_use]
    pub fn id(&self) -> u8 {
        self.id
    }

    /// Where it listens for clients of a listener.
    ///
    /// # Errors
    /// There is no such listener.
    pub fn address(&self, listener: &str) -> Result<SocketAddr> {
        Ok(self.socket(listener)?.bound)
    }

    /// What it tells clients of a listener as its address.
    ///
    /// # Errors
    /// There is no such listener.
    pub fn advertised(&self, listener: &str) -> Result<String> {
        Ok(self.socket(listener)?.advertised.clone())
    }

    /// Its process, where it has one: alive, or ended by itself.
    pub fn process(&mut self) -> Result<&mut Process> {
        let id = self.id;
        self.process.as_mut().with_context(|| format!("broker {id} was not started"))
    }

    /// Whether it lives, asleep or not.
    ///
    /// # Errors
    /// The system does not say.
    pub fn is_running(&mut self) -> Result<bool> {
        self.process.as_mut().map_or(Ok(false), Process::is_running)
    }

    /// What it logged is here.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.directory.join("kafka.log")
    }

    /// Starts it and waits until it serves clients; nothing happens when it runs already.
    ///
    /// # Errors
    /// It ends, with the last lines of its log, or does not come up.
    pub async fn start(&mut self) -> Result<()> {
        self.launch()?;
        let (what, id) = (format!("broker {} to serve clients", self.id), self.id);
        wait::within(START_SECONDS, &what, async || Ok(!self.is_running()? || self.knows().await?.contains(&id)))
            .await?;
        self.process()?.must_run()
    }

    /// Starts it and waits for nothing; nothing happens when it runs already.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn launch(&mut self) -> Result<()> {
        if self.is_running()? {
            return Ok(());
        }
        let mut command = self.java()?;
        command.args(["-Xms64m", "-Xmx384m", "-XX:+ExitOnOutOfMemoryError"]).args(&self.ways.java);
        command.arg("kafka.Kafka").arg(self.directory.join("server.properties"));
        self.process = Some(Process::spawn(&format!("broker {}", self.id), command, &self.log())?);
        Ok(())
    }

    /// Stops it in good order: it hands its leaderships over.
    ///
    /// # Errors
    /// It does not end in time; it is killed then.
    pub async fn stop(&mut self) -> Result<()> {
        self.process()?.stop(Signal::TERM, STOP).await.map(|_| ())
    }

    /// Stops it and starts it again.
    ///
    /// # Errors
    /// As [`Self::stop`] and [`Self::start`].
    pub async fn restart(&mut self) -> Result<()> {
        self.stop().await?;
        self.start().await
    }

    /// Kills it with SIGKILL.
    ///
    /// # Errors
    /// The system refuses.
    pub fn kill(&mut self) -> Result<()> {
        self.process()?.kill()
    }

    /// Sends it to sleep: its connections stand, and nothing happens.
    ///
    /// # Errors
    /// It does not run.
    pub fn freeze(&mut self) -> Result<()> {
        self.process()?.freeze()
    }

    /// Wakes it.
    ///
    /// # Errors
    /// It does not run.
    pub fn thaw(&mut self) -> Result<()> {
        self.process()?.thaw()
    }

    /// The brokers that it knows to serve clients, in order.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn knows(&self) -> Result<Vec<u8>> {
        let asked = ask_for_brokers(self.address(INTERNAL)?);
        tokio::time::timeout(ANSWER, asked).await.with_context(|| format!("broker {} does not answer", self.id))?
    }

    /// Begins to format its directory, which is done once.
    pub(super) fn begin_format(&mut self) -> Result<()> {
        let mut command = self.java()?;
        command.arg("-Xmx128m").arg("kafka.tools.StorageTool").arg("format").args(["-t", &self.ways.cluster]);
        command.arg("-c").arg(self.directory.join("server.properties")).args(&self.ways.format);
        self.formatting = Some(Process::spawn("the formatting", command, &self.log())?);
        Ok(())
    }

    pub(super) async fn end_format(&mut self) -> Result<()> {
        let mut formatting = self.formatting.take().context("the formatting was begun")?;
        let mut ended = None;
        wait::within(FORMAT.as_secs(), "a broker's directory to be formatted", async || {
            ended = formatting.ended()?;
            Ok(ended.is_some())
        })
        .await?;
        if !ended.is_some_and(|status| status.success()) {
            formatting.must_run()?;
        }
        Ok(())
    }

    fn java(&self) -> Result<Command> {
        let tools = tools::tools()?;
        let mut command = Process::command(&tools.java);
        command.arg("-cp").arg(tools.kafka()).arg("-Djava.awt.headless=true");
        command.args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
        command.arg(option("log4j2.configurationFile", &tools::template("kafka-log4j2.properties")));
        command.arg(option("jdk.net.hosts.file", &self.directory.join("hosts")));
        Ok(command)
    }

    fn socket(&self, listener: &str) -> Result<&Socket> {
        let socket = self.sockets.iter().find(|socket| socket.name == listener);
        socket.with_context(|| format!("brokers have no listener `{listener}`"))
    }
}

fn option(name: &str, path: &Path) -> String {
    format!("-D{name}={}", path.display())
}

/// The brokers that a broker's metadata name, asked for without any client library.
async fn ask_for_brokers(address: SocketAddr) -> Result<Vec<u8>> {
    // Metadata, version 1: size, api key 3, version, correlation id, no client id, no topics.
    const REQUEST: [u8; 18] = [0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0, 0, 0, 0];
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(&REQUEST).await?;
    let size = stream.read_u32().await?;
    ensure!((8..1 << 20).contains(&size), "the answer has {size} bytes");
    let mut answer = vec![0; size as usize];
    stream.read_exact(&mut answer).await?;
    // Behind the correlation id stand the brokers: id, host, port and rack of each.
    let mut rest = Rest(&answer[4..]);
    let mut ids = Vec::new();
    for _ in 0..rest.i32()? {
        ids.push(u8::try_from(rest.i32()?)?);
        rest.text()?;
        rest.i32()?;
        rest.text()?;
    }
    ids.sort_unstable();
    Ok(ids)
}

/// What is left to read of an answer.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N]> {
        let Some((taken, rest)) = self.0.split_first_chunk::<N>() else { bail!("the answer is too short") };
        self.0 = rest;
        Ok(*taken)
    }

    fn i32(&mut self) -> Result<i32> {
        Ok(i32::from_be_bytes(self.take()?))
    }

    /// Passes over a string; -1 is none.
    fn text(&mut self) -> Result<()> {
        let length = usize::try_from(i16::from_be_bytes(self.take()?)).unwrap_or(0);
        self.0 = self.0.get(length..).context("the answer is too short")?;
        Ok(())
    }
}
