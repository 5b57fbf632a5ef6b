//! A Kafka cluster: brokers that are controllers too, each a process of its own.
//!
//! Brokers know each other as `broker-1` to `broker-3`, names that each of them looks up in a file of its own
//! (`jdk.net.hosts.file`). So each can reach each other one by way of an address of its own, and any pair can be parted.
//! Invariant: ports and addresses are settled before the first broker starts, and stay.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use uuid::Uuid;

use super::broker::{Broker, Ways};
use super::plan::{self, CONTROLLER, INTERNAL, Plan, Protocol, Socket};
use super::ports::free_port;
use crate::wait;

/// How long all brokers together may take to come up on a busy machine.
const START_SECONDS: u64 = 120;

/// Brokers that form one cluster; they end when it is dropped.
#[derive(Debug)]
pub struct Cluster {
    brokers: Vec<Broker>,
}

impl Cluster {
    /// Formats and starts the brokers of a plan below a directory, and waits until all serve and know each other.
    ///
    /// # Errors
    /// The plan makes no sense, an address cannot be had, or a broker does not come up; with the last lines of its log.
    pub async fn start(directory: &Path, plan: Plan) -> Result<Self> {
        let mut cluster = Self::prepare(directory, plan)?;
        for broker in &mut cluster.brokers {
            broker.begin_format()?;
        }
        for broker in &mut cluster.brokers {
            broker.end_format().await?;
            broker.launch()?;
        }
        let all: Vec<u8> = cluster.brokers.iter().map(Broker::id).collect();
        for broker in &mut cluster.brokers {
            let what = format!("broker {} to know all of {}", broker.id(), all.len());
            wait::within(START_SECONDS, &what, async || Ok(!broker.is_running()? || broker.knows().await? == all))
                .await?;
            broker.process()?.must_run()?;
        }
        Ok(cluster)
    }

    /// The brokers' direct addresses for clients of a listener, separated by commas.
    ///
    /// # Errors
    /// There is no such listener.
    pub fn bootstrap(&self, listener: &str) -> Result<String> {
        let addresses = self.brokers.iter().map(|broker| Ok(broker.address(listener)?.to_string()));
        Ok(addresses.collect::<Result<Vec<_>>>()?.join(","))
    }

    /// The addresses that clients of a listener are told, separated by commas: those of links, where the plan says so.
    ///
    /// # Errors
    /// There is no such listener.
    pub fn advertised(&self, listener: &str) -> Result<String> {
        let addresses = self.brokers.iter().map(|broker| broker.advertised(listener));
        Ok(addresses.collect::<Result<Vec<_>>>()?.join(","))
    }

    /// A broker by its number, from 1 on.
    ///
    /// # Errors
    /// There is no such broker.
    pub fn broker(&mut self, id: u8) -> Result<&mut Broker> {
        self.brokers.iter_mut().find(|broker| broker.id() == id).with_context(|| format!("there is no broker {id}"))
    }

    /// All brokers.
    pub fn brokers(&mut self) -> impl Iterator<Item = &mut Broker> {
        self.brokers.iter_mut()
    }

    fn prepare(directory: &Path, mut plan: Plan) -> Result<Self> {
        plan.check()?;
        let ids = 1..=plan.brokers;
        let internal: Vec<[SocketAddr; 2]> =
            ids.clone().map(|_| Ok([local(free_port()?), local(free_port()?)])).collect::<Result<_>>()?;
        let quorum = uuid_of_kafka();
        let voters = ids.clone().zip(&internal).map(|(id, ports)| format!("{id}@{}:{}", name(id), ports[1].port()));
        let voters = voters.collect::<Vec<_>>().join(",");
        let mut brokers = Vec::new();
        for (id, ports) in ids.clone().zip(&internal) {
            let mut sockets = Vec::new();
            for (listener, bound) in [INTERNAL, CONTROLLER].into_iter().zip(ports) {
                sockets.push(Socket {
                    name: listener.to_owned(),
                    protocol: Protocol::Plaintext,
                    bound: *bound,
                    advertised: format!("{}:{}", name(id), bound.port()),
                });
            }
            for listener in &mut plan.listeners {
                let bound = local(free_port()?);
                let advertised =
                    listener.advertise.as_mut().map_or_else(|| Ok(bound.to_string()), |say| say(id, bound))?;
                sockets.push(Socket { name: listener.name.clone(), protocol: listener.protocol, bound, advertised });
            }
            let mut hosts = vec![(Ipv4Addr::LOCALHOST, "localhost".to_owned()), (Ipv4Addr::LOCALHOST, host_name()?)];
            for (other, ports) in ids.clone().zip(&internal) {
                let apart = plan.between.as_mut().filter(|_| other != id);
                let Some(between) = apart else {
                    hosts.push((Ipv4Addr::LOCALHOST, name(other)));
                    continue;
                };
                let address = Ipv4Addr::new(127, 0, id, other);
                for server in ports {
                    between(id, other, SocketAddr::from((address, server.port())), *server)?;
                }
                hosts.push((address, name(other)));
            }
            let directory = directory.join(format!("kafka-{id}"));
            std::fs::create_dir_all(&directory).with_context(|| format!("no `{}`", directory.display()))?;
            let properties =
                plan::properties(id, (&sockets, &voters), &plan.overrides, plan.brokers, &directory.join("data"));
            std::fs::write(directory.join("server.properties"), properties)?;
            let hosts: String = hosts.iter().map(|(address, name)| format!("{address} {name}\n")).collect();
            std::fs::write(directory.join("hosts"), hosts)?;
            let ways = Ways {
                cluster: quorum.clone(),
                format: plan.format_arguments.clone(),
                java: plan.java_options.clone(),
            };
            brokers.push(Broker::new(id, directory, sockets, ways));
        }
        ensure!(!brokers.is_empty(), "a cluster has a broker");
        Ok(Self { brokers })
    }
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// What brokers call each other.
fn name(id: u8) -> String {
    format!("broker-{id}")
}

/// Java asks for the address of its own host, too, and the file is all it has.
fn host_name() -> Result<String> {
    Ok(std::fs::read_to_string("/proc/sys/kernel/hostname")?.trim().to_owned())
}

/// 16 random bytes as Kafka writes a uuid, in base64 for URLs; the `A` keeps it from beginning like an option.
fn uuid_of_kafka() -> String {
    format!("A{}", &Uuid::new_v4().simple().to_string()[..21])
}
