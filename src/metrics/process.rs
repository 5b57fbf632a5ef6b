//! What the operating system says about this process, read from `/proc` whenever somebody asks for the metrics.
//!
//! The names are Prometheus' own (`process_…`), which every dashboard knows. Away from Linux they are left out.

use std::fmt::Write;
use std::fs;

/// Clock ticks a second in `/proc`: fixed to 100 by the kernel's interface on every platform that we build for.
const TICKS_PER_SECOND: f64 = 100.0;

/// One metric of the process: name, type, help, and how to read it.
pub struct ProcessMetric {
    /// The name.
    pub name: &'static str,
    /// `counter` or `gauge`.
    pub kind: &'static str,
    /// What it says.
    pub help: &'static str,
    read: fn() -> Option<f64>,
}

/// All of them.
pub const PROCESS_METRICS: &[ProcessMetric] = &[
    metric("process_cpu_seconds_total", "counter", "Processor time used, user and system.", cpu_seconds),
    metric("process_resident_memory_bytes", "gauge", "Resident memory.", resident_bytes),
    metric("process_open_fds", "gauge", "Open file descriptors.", open_fds),
    metric("process_max_fds", "gauge", "File descriptors that may be open.", max_fds),
    metric("process_start_time_seconds", "gauge", "When the process started, in seconds since 1970.", start_seconds),
];

const fn metric(
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    read: fn() -> Option<f64>,
) -> ProcessMetric {
    ProcessMetric { name, kind, help, read }
}

/// Appends what can be read, in the exposition format.
pub fn render(text: &mut String) {
    for metric in PROCESS_METRICS {
        if let Some(value) = (metric.read)() {
            let ProcessMetric { name, kind, help, .. } = metric;
            // Writing to a String cannot fail.
            _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n\n");
        }
    }
}

fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    Some((stat_field(&stat, 14)? + stat_field(&stat, 15)?) / TICKS_PER_SECOND)
}

fn start_seconds() -> Option<f64> {
    let started = stat_field(&fs::read_to_string("/proc/self/stat").ok()?, 22)? / TICKS_PER_SECOND;
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let booted: f64 = stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(booted + started)
}

fn resident_bytes() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    kib.trim().strip_suffix("kB")?.trim().parse::<f64>().ok().map(|kib| kib * 1024.0)
}

#[expect(clippy::cast_precision_loss, reason = "nobody has 2^52 open files")]
fn open_fds() -> Option<f64> {
    // One of them is the directory that is being read.
    Some(fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1) as f64)
}

fn max_fds() -> Option<f64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let soft = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace().next()?;
    soft.parse().ok()
}

/// A field of `/proc/self/stat`, counted as in proc(5); the name in brackets may hold blanks and brackets itself.
fn stat_field(stat: &str, number: usize) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(number - 3)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_behind_the_last_bracket() {
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 1 0 4711 99";
        assert_eq!(stat_field(stat, 14), Some(250.0));
        assert_eq!(stat_field(stat, 15), Some(50.0));
        assert_eq!(stat_field(stat, 22), Some(4711.0));
        assert_eq!(stat_field("", 14), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn every_metric_of_this_process_is_read_and_plausible() {
        let read = |name: &str| {
            let metric = PROCESS_METRICS.iter().find(|metric| metric.name == name).unwrap();
            (metric.read)().unwrap()
        };
        assert!(read("process_resident_memory_bytes") > 1e6);
        assert!(read("process_open_fds") >= 3.0 && read("process_open_fds") <= read("process_max_fds"));
        assert!(read("process_cpu_seconds_total") >= 0.0);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
        let age = now - read("process_start_time_seconds");
        assert!((-5.0..86_400.0).contains(&age), "{age}");
    }
}
