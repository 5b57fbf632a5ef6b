//! The axes of a panel: round numbers for values, and times that do not touch.
//!
//! Pure. Invariant: every value lies between 0 and the axis's end.

/// The values of a panel's axis.
pub(super) struct Scale {
    pub top: f64,
    pub step: f64,
}

impl Scale {
    /// From 0 to a round number not below any value.
    pub(super) fn of(values: impl Iterator<Item = f64>) -> Self {
        let most = values.fold(1.0, f64::max);
        let magnitude = 10_f64.powf((most / 4.0).log10().floor());
        let step =
            [1.0, 2.0, 2.5, 5.0, 10.0].map(|round| round * magnitude).into_iter().find(|step| step * 4.0 >= most);
        let step = step.unwrap_or(10.0 * magnitude);
        Self { top: (most / step).ceil() * step, step }
    }

    pub(super) fn marks(&self) -> impl Iterator<Item = f64> {
        let count = if self.step > 0.0 { (self.top / self.step).round() as u32 } else { 0 };
        (0..=count).filter(move |_| count > 0).map(|number| f64::from(number) * self.step)
    }
}

/// Seconds between two marks of the time axis, so that they do not touch.
pub(super) fn step_of_time(seconds: f64, width: f64) -> f64 {
    let least = seconds / (width / 60.0);
    [5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0].into_iter().find(|step| *step >= least).unwrap_or(600.0)
}

pub(super) fn plain(value: f64) -> String {
    if value >= 10_000.0 { format!("{}k", value / 1_000.0) } else { format!("{value}") }
}
