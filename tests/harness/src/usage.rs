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
    Ok(Duration::from_secs_f64(ticks as f64 / clock_ticks_per_second() as f64))
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
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in brackets, may hold anything. Behind it, from the third field on: utime is the 14th, stime the 15th.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
    let (own, of_the_system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(Duration::from_secs_f64((own + of_the_system) as f64 / clock_ticks_per_second() as f64))
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
