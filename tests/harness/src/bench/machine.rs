//! Where and when it was measured: the sources, the machine and its servers, how long it took, and what neighbours took meanwhile.
//!
//! So that figures of two days can be told apart by more than their size. Invariant: what the system does not tell is left out, and
//! not guessed.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::{HumanCount, HumanDuration};
use serde_json::{Map, Value as Json};

use crate::database;
use crate::stack::Stack;

/// The repository that this was built from.
const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
/// What our scripts fetch and start.
const POM: &str = include_str!("../../../../deploy/local/pom.xml");

/// The sources, the machine and its servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The commit of the repository, with `-dirty` behind it where the sources are others by now; none without git.
    pub commit: Option<String>,
    /// How many processors.
    pub processors: usize,
    /// What they call themselves.
    pub processor: Option<String>,
    /// How much memory, in MiB.
    pub memory_mib: Option<u64>,
    /// The release of Postgres.
    pub postgres: String,
    /// The release of Kafka that our scripts start.
    pub kafka: Option<String>,
}

impl Machine {
    /// Looks.
    ///
    /// # Errors
    /// Postgres does not answer.
    pub async fn look(stack: &Stack) -> Result<Self> {
        let mut connection = database::connect(&stack.database).await?;
        let postgres = sqlx::query_scalar("show server_version").fetch_one(&mut connection).await?;
        Ok(Self {
            commit: commit(),
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            processor: told("/proc/cpuinfo", model_name),
            memory_mib: told("/proc/meminfo", total_mib),
            postgres,
            kafka: kafka_version(POM),
        })
    }

    /// For people, as much of it as is known.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let commit = self.commit.as_ref().map(|commit| format!("commit {commit}"));
        let memory = self.memory_mib.map(|mib| format!("{} MiB", HumanCount(mib)));
        [commit, self.processor.clone(), memory].into_iter().flatten().collect()
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> Map<String, Json> {
        let Self { commit, processors, processor, memory_mib, postgres, kafka } = self;
        known([
            ("commit", commit.clone().map(Json::from)),
            ("processors", Some((*processors).into())),
            ("processor", processor.clone().map(Json::from)),
            ("memory_mib", memory_mib.map(Json::from)),
            ("postgres", Some(postgres.clone().into())),
            ("kafka", kafka.clone().map(Json::from)),
        ])
    }
}

/// When a run began, and what became of the machine's time since then.
#[derive(Clone, Debug)]
pub struct Course {
    began_at: jiff::Timestamp,
    began: Instant,
    before: Option<Times>,
    duration: Duration,
    steal_share: Option<f64>,
}

impl Course {
    /// Begins now.
    #[must_use]
    pub fn begin() -> Self {
        Self {
            began_at: jiff::Timestamp::now(),
            began: Instant::now(),
            before: told("/proc/stat", Times::read),
            duration: Duration::ZERO,
            steal_share: None,
        }
    }

    /// Takes in what passed until now.
    pub fn look(&mut self) {
        self.duration = self.began.elapsed();
        let now = told("/proc/stat", Times::read);
        self.steal_share = self.before.zip(now).and_then(|(before, now)| now.steal_share(before));
    }

    /// For people.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let stolen =
            self.steal_share.map(|share| format!("{:.1} % of the machine taken by its neighbours", share * 100.0));
        let words = [Some(self.measured_at()), Some(HumanDuration(self.duration).to_string()), stolen];
        words.into_iter().flatten().collect()
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> Map<String, Json> {
        known([
            ("measured_at", Some(self.measured_at().into())),
            ("duration_seconds", Some(self.duration.as_secs_f64().round().into())),
            ("steal_share", self.steal_share.map(Json::from)),
        ])
    }

    /// When it began, to the second, as RFC 3339 has it.
    fn measured_at(&self) -> String {
        self.began_at.strftime("%FT%TZ").to_string()
    }
}

/// What became of the time of all processors since the machine started, in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Times {
    all: u64,
    /// In which somebody here wanted to work, and the hypervisor had the processor do something else.
    stolen: u64,
}

impl Times {
    /// The first line's numbers are user, nice, system, idle, iowait, irq, softirq, steal; what guests of our own took comes behind, and
    /// is in the first two already.
    fn read(stat: &str) -> Option<Self> {
        let numbers = stat.strip_prefix("cpu ")?.lines().next()?.split_ascii_whitespace().take(8);
        let numbers: Vec<u64> = numbers.map(str::parse).collect::<Result<_, _>>().ok()?;
        (numbers.len() == 8).then(|| Self { all: numbers.iter().sum(), stolen: numbers[7] })
    }

    /// The share that was stolen since an earlier look; none where no time passed.
    fn steal_share(self, before: Self) -> Option<f64> {
        let (all, stolen) = (self.all.checked_sub(before.all)?, self.stolen.saturating_sub(before.stolen));
        (all > 0).then(|| stolen as f64 / all as f64)
    }
}

/// What a file of the system tells.
fn told<T>(path: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
    read(&std::fs::read_to_string(path).ok()?)
}

fn model_name(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn total_mib(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? / 1024)
}

fn kafka_version(pom: &str) -> Option<String> {
    let (version, _) = pom.split_once("<kafka.version>")?.1.split_once('<')?;
    Some(version.to_owned())
}

/// What git says; nothing where there is no git or no repository of it.
fn commit() -> Option<String> {
    let mut git = Command::new("git");
    // No tag is to stand in the commit's place.
    git.args(["-C", REPOSITORY, "describe", "--always", "--dirty", "--exclude=*"]).stderr(Stdio::null());
    let said = git.output().ok().filter(|output| output.status.success())?;
    let commit = String::from_utf8(said.stdout).ok()?.trim().to_owned();
    (!commit.is_empty()).then_some(commit)
}

fn known<const N: usize>(all: [(&str, Option<Json>); N]) -> Map<String, Json> {
    all.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_tells_is_read_and_what_it_does_not_tell_is_left_out() {
        let cpuinfo = "processor\t: 0\nmodel\t\t: 85\nmodel name\t: Some (R) Processor @ 2.0GHz\nprocessor\t: 1\n";
        assert_eq!(model_name(cpuinfo).as_deref(), Some("Some (R) Processor @ 2.0GHz"));
        assert_eq!(total_mib("MemTotal:       24684084 kB\nMemFree:   1 kB\n"), Some(24_105));
        assert_eq!((model_name("processor\t: 0\n"), total_mib("MemTotal: much\n")), (None, None));
        let machine = Machine {
            commit: None,
            processors: 2,
            processor: None,
            memory_mib: Some(24_105),
            postgres: "15".to_owned(),
            kafka: kafka_version("<a><kafka.version>4.0</kafka.version></a>"),
        };
        assert!(kafka_version(POM).is_some() && kafka_version("<a/>").is_none());
        assert_eq!(machine.words(), ["24,105 MiB"]);
        assert_eq!(machine.json().keys().collect::<Vec<_>>(), ["kafka", "memory_mib", "postgres", "processors"]);
    }

    #[test]
    fn what_neighbours_took_is_a_share_of_all_time_since_the_beginning() {
        let [before, now] = ["cpu  10 0 10 60 0 0 0 20 5 5\ncpu0 1", "cpu  60 0 20 90 0 0 5 45 9 9\ncpu0 1"]
            .map(|stat| Times::read(stat).expect("eight numbers"));
        assert_eq!((before.all, now.all, now.stolen), (100, 220, 45));
        assert_eq!(now.steal_share(before), Some(25.0 / 120.0));
        assert_eq!((now.steal_share(now), before.steal_share(now)), (None, None));
        assert_eq!(Times::read("cpu  1 2 3 4 5 6 7"), None, "a system that does not tell of it");
    }

    #[test]
    fn a_course_says_when_it_began_in_utc_and_how_long_it_took() {
        let mut course = Course::begin();
        course.look();
        course.began_at = jiff::Timestamp::from_second(1_760_000_000).expect("a time");
        (course.duration, course.steal_share) = (Duration::from_secs(2_460), Some(0.125));
        assert_eq!(
            course.words(),
            ["2025-10-09T08:53:20Z", "41 minutes", "12.5 % of the machine taken by its neighbours"]
        );
        let json = course.json();
        assert_eq!(
            (&json["measured_at"], &json["duration_seconds"]),
            (&"2025-10-09T08:53:20Z".into(), &2_460.0.into())
        );
        assert_eq!(json["steal_share"], 0.125);
    }
}
