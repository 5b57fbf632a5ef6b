//! The servers of a world, kept running unless a fault says otherwise.
//!
//! Invariant: what ends although nobody asked it to is started again and told, except Postgres while its disk is full.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::links::{Links, Making};
use super::{DIRECT, Disk, listener_of};
use crate::proxy::Link;
use crate::servers::{Cluster, Listener, Plan, Postgres, Process, Registry, Settings};

/// How long what ended by itself rests.
const REST: Duration = Duration::from_secs(1);
/// Room for a run's orders, journal and WAL.
const DISK_MIB: u64 = 1_536;

/// One of the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Server {
    /// A broker, from 1 on.
    Broker(u8),
    /// The database.
    Postgres,
    /// The schema registry.
    Registry,
}

/// How a server should be.
#[derive(Clone, Copy, Debug)]
struct Kept {
    /// Whether it should run.
    wanted: bool,
    /// Whether its end was asked for.
    asked: bool,
    not_before: Instant,
}

/// The servers.
#[derive(Debug)]
pub struct Servers {
    /// The brokers.
    pub cluster: Cluster,
    /// The database.
    pub postgres: Postgres,
    /// The schema registry.
    pub registry: Registry,
    /// Where the database's data lie, where a disk of its own could be had. Behind Postgres, so that it goes later.
    pub disk: Option<Disk>,
    kept: BTreeMap<Server, Kept>,
    findings: Vec<String>,
}

impl Servers {
    pub(super) async fn start(directory: &Path, parties: usize) -> Result<(Self, Links)> {
        let (workers, brokers) = (Making::default(), Making::default());
        let mut plan = Plan::three();
        plan.listeners = vec![Listener::plain(DIRECT)];
        for party in 0..parties {
            let made = workers.clone();
            plan.listeners.push(Listener::plain(&listener_of(party)).advertising(move |broker, server| {
                let link = Arc::new(Link::to(&server.to_string())?);
                let address = link.address().to_string();
                made.lock().unwrap_or_else(PoisonError::into_inner).push(((party, broker), link));
                Ok(address)
            }));
        }
        let made = brokers.clone();
        plan.between = Some(Box::new(move |from: u8, to: u8, listen: SocketAddr, server: SocketAddr| {
            let link = Arc::new(Link::at(listen, &server.to_string())?);
            made.lock().unwrap_or_else(PoisonError::into_inner).push(((from, to), link));
            Ok(())
        }));
        let disk = Disk::mount(&directory.join("disk-postgres"), DISK_MIB).ok();
        let settings = Settings {
            settings: [("max_wal_size", "256MB"), ("wal_recycle", "off"), ("log_lock_waits", "off")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .to_vec(),
            data: disk.as_ref().map(|disk| disk.path().join("data")),
            ..Settings::default()
        };
        let mut registry = Registry::launch_in(directory, &[])?;
        let (cluster, postgres) =
            tokio::try_join!(Cluster::start(directory, plan), Postgres::start_in(directory, &settings))?;
        registry.start().await?;
        let links = Links::of_cluster(&workers, &brokers);
        let all = (1..=3).map(Server::Broker).chain([Server::Postgres, Server::Registry]);
        let kept =
            all.map(|server| (server, Kept { wanted: true, asked: false, not_before: Instant::now() })).collect();
        Ok((Self { cluster, postgres, registry, disk, kept, findings: Vec::new() }, links))
    }

    /// The process of a server that was started.
    ///
    /// # Errors
    /// It never was.
    pub fn process(&mut self, server: Server) -> Result<&mut Process> {
        match server {
            Server::Broker(id) => self.cluster.broker(id)?.process(),
            Server::Postgres => self.postgres.process(),
            Server::Registry => self.registry.process(),
        }
    }

    /// Whether a server should run.
    #[must_use]
    pub fn is_wanted(&self, server: Server) -> bool {
        self.kept.get(&server).is_some_and(|kept| kept.wanted)
    }

    /// Says that a server is about to be ended, and whether it should be started again at once.
    pub fn let_end(&mut self, server: Server, start_again: bool) {
        if let Some(kept) = self.kept.get_mut(&server) {
            (kept.wanted, kept.asked) = (start_again, true);
        }
    }

    /// Says that a server should run.
    pub fn want(&mut self, server: Server) {
        if let Some(kept) = self.kept.get_mut(&server) {
            kept.wanted = true;
        }
    }

    /// What ended by itself.
    #[must_use]
    pub fn findings(&self) -> &[String] {
        &self.findings
    }

    pub(super) fn tend(&mut self) -> Result<()> {
        for server in self.kept.keys().copied().collect::<Vec<_>>() {
            let ended = self.process(server)?.ended()?;
            let kept = self.kept.get_mut(&server).expect("a key of the same map");
            let Some(status) = ended.filter(|_| kept.wanted && kept.not_before <= Instant::now()) else { continue };
            kept.not_before = Instant::now() + REST;
            let asked = std::mem::take(&mut kept.asked);
            let full = server == Server::Postgres && self.disk.as_ref().is_some_and(Disk::was_full);
            if !asked && !full {
                self.findings.push(format!("{server:?} ended by itself ({status})"));
            }
            match server {
                Server::Broker(id) => self.cluster.broker(id)?.launch()?,
                Server::Postgres => _ = self.postgres.launch()?,
                Server::Registry => self.registry.launch()?,
            }
        }
        Ok(())
    }

    pub(super) async fn missing(&mut self) -> Vec<String> {
        let mut missing = Vec::new();
        for broker in self.cluster.brokers() {
            match broker.knows().await {
                Ok(known) if known == [1, 2, 3] => {}
                Ok(known) => missing.push(format!("broker {} knows only of {known:?}", broker.id())),
                Err(error) => missing.push(format!("broker {}: {error:#}", broker.id())),
            }
        }
        if !self.postgres.answers().unwrap_or(false) {
            missing.push("postgres takes no sessions".to_owned());
        }
        if !self.registry.answers().await.unwrap_or(false) {
            missing.push("the registry does not answer".to_owned());
        }
        missing
    }

    pub(super) fn bootstrap(&self, listener: &str) -> Result<String> {
        self.cluster.bootstrap(listener)
    }

    pub(super) fn advertised(&self, listener: &str) -> Result<String> {
        self.cluster.advertised(listener)
    }

    pub(super) fn registry_url(&self) -> String {
        self.registry.url()
    }

    pub(super) fn database_url(&self) -> String {
        self.postgres.url()
    }
}
