//! The workers, and the orchestrator that starts them again.
//!
//! One that ends is started again after a pause that grows while it keeps ending soon, and one that does not stop in its time is
//! killed, as Kubernetes does it. How each ended is judged, and every end that nothing excuses is a finding. Invariant: what is written
//! down about an end is never forgotten within a run, and nobody gets a second SIGTERM while it heeds the first.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::exits::{Asked, Exit};
use super::{Clock, Disk};
use crate::config_file::ConfigFile;
use crate::servers::free_port;
use crate::worker::{Program, Worker};

/// The pause before a worker is started again, at first and at most.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));
/// A worker that lived this long did not end soon.
const LONG_LIFE: Duration = Duration::from_secs(20);
/// How long a life of one that comes and goes is, and its absence.
const COME_AND_GO: Duration = Duration::from_millis(2_500);
/// More than any of them may take before it is killed.
const DISMISSAL: Duration = Duration::from_secs(60);
const LOG_MIB: u64 = 256;

/// What a worker is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// It runs, and is started again when it ends.
    Works,
    /// It does not run.
    Rests,
    /// It is started and stopped again and again.
    ComesAndGoes,
}

/// A worker's place: one process after the other.
#[derive(Debug)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its time, where it can be changed.
    pub clock: Option<Clock>,
    /// The process of the moment.
    pub worker: Option<Worker>,
    /// What it logs to, where a disk of its own could be had.
    pub disk: Option<Disk>,
    duty: Duty,
    program: Program,
    config: PathBuf,
    logs: PathBuf,
    metrics: SocketAddr,
    asked: Asked,
    started: Instant,
    not_before: Instant,
    pause: Duration,
    starts: u32,
}

/// The workers.
#[derive(Debug)]
pub struct Crew {
    members: Vec<Member>,
    program: Program,
    directory: PathBuf,
    began: Instant,
    exits: Vec<Exit>,
    findings: Vec<String>,
}

impl Crew {
    pub(super) fn new(program: &Program, directory: &Path) -> Self {
        let (program, directory) = (program.clone(), directory.to_owned());
        Self { members: Vec::new(), program, directory, began: Instant::now(), exits: vec![], findings: vec![] }
    }

    pub(super) fn hire(&mut self, name: &str, config: ConfigFile, duty: Duty) -> Result<()> {
        let directory = self.directory.join(name);
        std::fs::create_dir_all(&directory)?;
        let path = directory.join("orderstream.toml");
        config.write(&path)?;
        let disk = Disk::mount(&directory.join("disk"), LOG_MIB).ok();
        let clock = Clock::new(&directory.join("clock"))?;
        let words = clock.as_ref().map(Clock::words).unwrap_or_default();
        self.members.push(Member {
            name: name.to_owned(),
            program: self.program.clone().by_way_of(words),
            logs: disk.as_ref().map_or(directory, |disk| disk.path().to_owned()),
            clock,
            worker: None,
            disk,
            duty,
            config: path,
            metrics: SocketAddr::from(([127, 0, 0, 1], free_port()?)),
            asked: Asked::default(),
            started: Instant::now(),
            not_before: Instant::now(),
            pause: PAUSE.0,
            starts: 0,
        });
        Ok(())
    }

    /// All places, from worker-1 on, the spare ones last.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The place of a number, from 0 on.
    ///
    /// # Errors
    /// There is no such place.
    pub fn member(&mut self, place: usize) -> Result<&mut Member> {
        self.members.get_mut(place).with_context(|| format!("there is no worker {}", place + 1))
    }

    /// The places whose workers should run.
    #[must_use]
    pub fn on_duty(&self) -> Vec<usize> {
        (0..self.members.len()).filter(|place| self.members[*place].duty == Duty::Works).collect()
    }

    /// How often a worker was started beyond the first time, all together.
    #[must_use]
    pub fn restarts(&self) -> u32 {
        self.members.iter().map(|member| member.starts.saturating_sub(1)).sum()
    }

    /// How lives ended, in the order in which that was noticed.
    #[must_use]
    pub fn exits(&self) -> &[Exit] {
        &self.exits
    }

    /// Ends that nobody asked for and that ask for more than a new start.
    #[must_use]
    pub fn findings(&self) -> &[String] {
        &self.findings
    }

    pub(super) fn tend(&mut self, may_stop: bool) -> Result<()> {
        for member in &mut self.members {
            if let Some((pid, status)) = member.ended()? {
                if let Some(finding) = member.judged(status, may_stop) {
                    self.findings.push(finding);
                }
                let asked = std::mem::take(&mut member.asked).anything();
                let (worker, at) = (member.name.clone(), self.began.elapsed());
                self.exits.push(Exit { worker, pid, status, asked, at });
            }
            self.findings.extend(member.hurried()?);
            member.tend()?;
        }
        Ok(())
    }

    pub(super) fn missing(&self) -> Vec<String> {
        let on_duty = self.members.iter().filter(|member| member.duty == Duty::Works);
        let missing = on_duty.filter_map(|Member { name, worker, asked, .. }| match worker {
            None => Some(format!("{name} does not run")),
            Some(_) => asked.anything().then(|| format!("{name} is still stopping")),
        });
        missing.collect()
    }

    pub(super) async fn dismiss(&mut self) -> Result<()> {
        for member in &mut self.members {
            member.set_duty(Duty::Rests);
            if !member.is_stopping() {
                // One that ended by itself at this moment is seen below.
                _ = member.terminate();
            }
        }
        crate::wait::until(Instant::now() + DISMISSAL, "all workers to stop", async || {
            self.tend(false)?;
            Ok(self.members.iter().all(|member| member.worker.is_none()))
        })
        .await
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.worker = None;
        // Its disk goes, its log stays.
        if self.disk.is_some() {
            _ = std::fs::copy(self.log(), self.config.with_file_name(format!("{}.log", self.name)));
        }
    }
}

impl Member {
    /// What it is for at the moment.
    #[must_use]
    pub fn duty(&self) -> Duty {
        self.duty
    }

    /// Gives it another duty; [`super::World::tend`] does the rest.
    pub fn set_duty(&mut self, duty: Duty) {
        (self.duty, self.not_before) = (duty, Instant::now());
    }

    /// How often it was started.
    #[must_use]
    pub fn starts(&self) -> u32 {
        self.starts
    }

    /// Where it serves its metrics, whenever it runs.
    #[must_use]
    pub fn metrics(&self) -> SocketAddr {
        self.metrics
    }

    /// The process of the moment.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.worker.as_ref().map(Worker::pid)
    }

    /// The log of all its lives.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.logs.join(format!("{}.log", self.name))
    }

    /// The process of the moment.
    ///
    /// # Errors
    /// There is none.
    pub fn process(&mut self) -> Result<&mut Worker> {
        let name = &self.name;
        self.worker.as_mut().with_context(|| format!("{name} does not run"))
    }

    /// Kills it with SIGKILL.
    ///
    /// # Errors
    /// It does not run.
    pub fn kill(&mut self) -> Result<()> {
        self.process()?.kill()?;
        self.asked.nothing_more();
        Ok(())
    }

    /// Sends it SIGTERM, and waits for nothing.
    ///
    /// # Errors
    /// It does not run.
    pub fn terminate(&mut self) -> Result<()> {
        self.process()?.terminate()?;
        self.asked.terminated(Instant::now());
        Ok(())
    }

    /// Whether somebody asked it to stop, and it still runs.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.worker.is_some() && self.asked.anything()
    }

    fn ended(&mut self) -> Result<Option<(u32, ExitStatus)>> {
        let Some(worker) = &mut self.worker else { return Ok(None) };
        let Some(status) = worker.ended()? else { return Ok(None) };
        let pid = worker.pid();
        self.worker = None;
        if self.started.elapsed() > LONG_LIFE {
            self.pause = PAUSE.0;
        }
        self.not_before = Instant::now() + self.pause;
        self.pause = (self.pause * 2).min(PAUSE.1);
        Ok(Some((pid, status)))
    }

    /// What is wrong with an end, if anything is.
    fn judged(&self, status: ExitStatus, may_stop: bool) -> Option<String> {
        let good = self.asked.excuses(status, may_stop);
        (!good).then(|| format!("{} ended with {status}; see `{}`", self.name, self.log().display()))
    }

    /// Kills one that was asked to stop and did not in its time, and says so.
    fn hurried(&mut self) -> Result<Option<String>> {
        let Some(worker) = &mut self.worker else { return Ok(None) };
        let Some(stopping) = self.asked.overdue(Instant::now()) else { return Ok(None) };
        worker.kill()?;
        self.asked.nothing_more();
        let (name, seconds) = (&self.name, stopping.as_secs());
        let log = self.log();
        Ok(Some(format!("{name} still ran {seconds} s after SIGTERM and was killed; see `{}`", log.display())))
    }

    fn tend(&mut self) -> Result<()> {
        let due = self.not_before <= Instant::now();
        match (self.duty, &self.worker) {
            (Duty::Works | Duty::ComesAndGoes, None) if due => {
                let worker = self.program.start_at(&self.config, &self.name, &self.logs, self.metrics)?;
                self.worker = Some(worker);
                self.started = Instant::now();
                self.not_before = Instant::now() + COME_AND_GO;
                self.starts += 1;
            }
            (Duty::ComesAndGoes, Some(_)) if due && !self.asked.anything() => self.terminate()?,
            _ => {}
        }
        Ok(())
    }
}
