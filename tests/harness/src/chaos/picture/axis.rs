//! The axis of time of a panel: times that do not touch.
//!
//! Pure. The axis of values is [`crate::svg::Scale`].

/// Seconds between two marks of the time axis, so that they do not touch.
pub(super) fn step_of_time(seconds: f64, width: f64) -> f64 {
    let least = seconds / (width / 60.0);
    [5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0].into_iter().find(|step| *step >= least).unwrap_or(600.0)
}
