//! Criterion over the core: what it estimates for a pass, here and in `benches/core.rs`.
//!
//! Criterion warms up, takes many samples and tells how sure it is; what it says of a pass is read from the file that it leaves.
//! Invariant: what is reported is criterion's own estimate and the bounds that it gives, divided by what a pass goes through.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use criterion::{Criterion, Throughput};
use serde::Deserialize;

use super::Core;

/// Orders whose events a pass goes through.
pub const ORDERS: u64 = 2_000;
/// The name of the group, and of the directory with its estimates.
const GROUP: &str = "core";

/// How long something takes, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The most likely value.
    pub point: f64,
    /// It is between these with a probability of 95 %.
    pub bounds: (f64, f64),
}

/// What each of them takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimates {
    /// Decoding an event.
    pub decode: Estimate,
    /// Folding an event.
    pub fold: Estimate,
    /// Encoding a status event.
    pub encode: Estimate,
}

/// Has criterion judge each function by itself.
pub fn judge(criterion: &mut Criterion, core: &Core) {
    let mut group = criterion.benchmark_group(GROUP);
    group.throughput(Throughput::Elements(core.events() as u64));
    group.bench_function("decode", |bencher| bencher.iter(|| core.decode()));
    group.bench_function("fold", |bencher| bencher.iter(|| core.fold()));
    group.throughput(Throughput::Elements(core.status_events() as u64));
    group.bench_function("encode", |bencher| bencher.iter(|| core.encode()));
    group.finish();
}

/// Has criterion judge each function by itself, and reads what it estimates. Its files go into a directory.
///
/// # Errors
/// Criterion could not leave its estimates there.
pub fn estimate(core: &Core, quick: bool, directory: &Path) -> Result<Estimates> {
    let (samples, warm_up, measured) = if quick { (30, 1, 2) } else { (100, 3, 10) };
    let mut criterion = Criterion::default()
        .without_plots()
        .output_directory(directory)
        .sample_size(samples)
        .warm_up_time(Duration::from_secs(warm_up))
        .measurement_time(Duration::from_secs(measured));
    judge(&mut criterion, core);
    read(core, directory)
}

fn read(core: &Core, directory: &Path) -> Result<Estimates> {
    let of = |name: &str, passed: usize| {
        let path = directory.join(GROUP).join(name).join("new/estimates.json");
        let text = std::fs::read_to_string(&path);
        let text = text.with_context(|| format!("criterion left no estimates in `{}`", path.display()))?;
        of_text(&text, passed).with_context(|| format!("`{}` holds no estimates of criterion's", path.display()))
    };
    Ok(Estimates {
        decode: of("decode", core.events())?,
        fold: of("fold", core.events())?,
        encode: of("encode", core.status_events())?,
    })
}

/// The file of one function, as far as it is read. All times are in nanoseconds a pass.
#[derive(Deserialize)]
struct Told {
    mean: Value,
    /// By how much more time each pass more takes; none where every sample had as many passes.
    slope: Option<Value>,
}

#[derive(Deserialize)]
struct Value {
    point_estimate: f64,
    confidence_interval: Interval,
}

#[derive(Deserialize)]
struct Interval {
    lower_bound: f64,
    upper_bound: f64,
}

/// As criterion's own summary has it: the slope, and the mean where there is none.
fn of_text(text: &str, passed: usize) -> Result<Estimate> {
    let Told { mean, slope } = serde_json::from_str(text)?;
    let Value { point_estimate, confidence_interval: Interval { lower_bound, upper_bound } } = slope.unwrap_or(mean);
    let each = |pass: f64| pass / passed.max(1) as f64;
    Ok(Estimate { point: each(point_estimate), bounds: (each(lower_bound), each(upper_bound)) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::workload::Workload;

    #[test]
    fn an_estimate_is_the_slope_or_the_mean_divided_by_what_a_pass_went_through() {
        let value = |point: u32| {
            let (low, high) = (point - 100, point + 300);
            let bounds = format!("{{\"confidence_level\":0.95,\"lower_bound\":{low}.0,\"upper_bound\":{high}.0}}");
            format!("{{\"confidence_interval\":{bounds},\"point_estimate\":{point}.0,\"standard_error\":1.5}}")
        };
        let file = |slope: &str| format!("{{\"mean\":{},\"median\":{},\"slope\":{slope}}}", value(1_200), value(9_000));
        let flat = of_text(&file("null"), 10).expect("estimates");
        assert_eq!(flat, Estimate { point: 120.0, bounds: (110.0, 150.0) });
        assert_eq!(of_text(&file(&value(1_000)), 100).expect("estimates").point, 10.0);
        assert!(of_text("{}", 10).is_err());
    }

    #[tokio::test]
    async fn criterion_leaves_its_estimates_where_they_are_read() {
        let core = Core::prepare(Workload::local(20)).await.expect("prepared");
        let directory = std::env::temp_dir().join(format!("orderstream-criterion-{}", std::process::id()));
        let text = read(&core, &directory).expect_err("nobody judged").to_string();
        assert!(text.contains("left no estimates"), "{text}");
        let moment = Duration::from_millis(1);
        let criterion = Criterion::default().without_plots().output_directory(&directory);
        let mut criterion = criterion.sample_size(10).nresamples(100).warm_up_time(moment).measurement_time(moment);
        judge(&mut criterion, &core);
        let Estimates { decode, fold, encode } = read(&core, &directory).expect("estimates");
        for Estimate { point, bounds: (low, high) } in [decode, fold, encode] {
            assert!(0.0 < low && low <= point && point <= high, "{low} {point} {high}");
        }
        std::fs::remove_dir_all(&directory).expect("it is removed");
    }
}
