//! What a process took of the machine so far: processor time and memory, as the system tells of it; and what all of them took.
//!
//! Read from `/proc`, so it is of the whole process, all threads of it, and costs it nothing.

use std::time::Duration;

use anyhow::{Context, Result};
use rustix::param::clock_ticks_per_second;

/// What a process took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Processor time, its own and what the system spent for it.
    pub processor: Duration,
    /// The most memory that it ever had resident, in bytes.
    pub peak_bytes: u64,
}

impl Usage {
    /// What the process of this id took until now.
    ///
    /// # Errors
    /// It is gone.
    pub fn of(pid: u32) -> Result<Self> {
        let gone = || format!("process {pid} is gone, or the system does not tell of it");
        Ok(Self {
            processor: processor(pid).with_context(gone)?,
            peak_bytes: of_status(pid, "VmHWM:").with_context(gone)?,
        })
    }
}

/// Processor time that everything on this machine took until now: all processes and the system itself, waiting left out.
///
/// # Errors
/// The system does not tell of it.
pub fn of_machine() -> Result<Duration> {
    let stat = std::fs::read_to_string("/proc/stat").context("`/proc/stat` cannot be read")?;
    let ticks = busy_ticks(&stat).context("`/proc/stat` does not begin with the time of all processors")?;
    Ok(of_ticks(ticks))
}

/// The line's numbers are user, nice, system, idle, iowait, irq, softirq; what other machines took of the processors comes behind.
fn busy_ticks(stat: &str) -> Option<u64> {
    let numbers = stat.strip_prefix("cpu ")?.lines().next()?.split_ascii_whitespace().take(7);
    let numbers: Vec<u64> = numbers.map(str::parse).collect::<Result<_, _>>().ok()?;
    let [user, nice, system, _, _, irq, softirq] = numbers[..] else { return None };
    Some(user + nice + system + irq + softirq)
}

/// A process's resident memory in bytes; none if it is gone.
#[must_use]
pub fn resident(pid: u32) -> Option<u64> {
    of_status(pid, "VmRSS:")
}

fn of_status(pid: u32, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024)
}

fn processor(pid: u32) -> Option<Duration> {
    Some(of_ticks(Stat::of(pid)?.ticks))
}

/// Processor time that a process took until now, with all children that it has or had.
///
/// # Errors
/// It is gone.
pub fn of_family(pid: u32) -> Result<Duration> {
    let parent = Stat::of(pid).with_context(|| format!("process {pid} is gone, or the system does not tell of it"))?;
    let children = processes().filter_map(Stat::of).filter(|stat| stat.parent == pid);
    let ticks: u64 = children.map(|child| child.ticks + child.ticks_of_ended).sum();
    Ok(of_ticks(parent.ticks + parent.ticks_of_ended + ticks))
}

/// The process that started this one; none if that is gone.
#[must_use]
pub fn parent(pid: u32) -> Option<u32> {
    Some(Stat::of(pid)?.parent)
}

/// The ids of all processes that the system tells of.
pub fn processes() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// What `/proc/<pid>/stat` says of a process; times in ticks of the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stat {
    parent: u32,
    ticks: u64,
    /// Of children that ended and were waited for.
    ticks_of_ended: u64,
}

impl Stat {
    fn of(pid: u32) -> Option<Self> {
        Self::read(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The name, in brackets, may hold anything. Behind it come, from the third field on, the state and the parent; utime, stime, cutime
    /// and cstime are the 14th to the 17th.
    fn read(stat: &str) -> Option<Self> {
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split_ascii_whitespace().collect();
        let ticks = |place: usize| fields.get(place)?.parse::<u64>().ok();
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            ticks: ticks(11)? + ticks(12)?,
            ticks_of_ended: ticks(13)? + ticks(14)?,
        })
    }
}

fn of_ticks(ticks: u64) -> Duration {
    Duration::from_secs_f64(ticks as f64 / clock_ticks_per_second() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_lives_has_memory_and_another_none() {
        assert!(resident(std::process::id()).is_some_and(|bytes| bytes > 1 << 20));
        assert_eq!(resident(u32::MAX), None);
    }

    #[test]
    fn a_process_is_read_whatever_its_name_is_and_its_children_count_with_it() {
        let stat = "7 (a) b (c) S 42 7 7 0 -1 4194560 1 2 3 4 100 20 3000 400 20 0 1 0 9";
        assert_eq!(Stat::read(stat), Some(Stat { parent: 42, ticks: 120, ticks_of_ended: 3_400 }));
        assert_eq!(Stat::read("7 (a) S 42"), None);
        let own = std::process::id();
        let parent = parent(own).expect("somebody started it");
        let alone = Usage::of(own).expect("it lives").processor;
        assert!(of_family(parent).expect("it lives") >= alone && of_family(u32::MAX).is_err());
        assert!(processes().any(|pid| pid == own));
    }

    #[test]
    fn a_machine_was_busy_with_everything_but_waiting() {
        assert_eq!(busy_ticks("cpu  1 20 300 4 5 6000 70000 8 9 0\ncpu0 1 1"), Some(76_321));
        assert_eq!(busy_ticks("cpu  1 20 300"), None);
        assert!(of_machine().expect("it tells") >= Usage::of(std::process::id()).expect("it lives").processor);
    }

    #[test]
    fn a_process_that_worked_took_time_and_at_its_peak_no_less_memory_than_now() {
        let before = Usage::of(std::process::id()).expect("it lives");
        let mut word = 1_u64;
        while Usage::of(std::process::id()).expect("it lives").processor == before.processor {
            word = (0..1_000_000_u64).fold(word, |word, step| word.rotate_left(7) ^ std::hint::black_box(step));
        }
        assert!(before.peak_bytes > 1 << 20, "{before:?} {word}");
        assert!(Usage::of(u32::MAX).is_err());
    }
}
