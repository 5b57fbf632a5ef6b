//! The axes of a panel: round numbers from nothing upwards, or steps of 1, 2, 5 and 10 where values differ by their size.
//!
//! Pure. Invariant: every value of which an axis was made lies between its ends.

/// An axis from 0 upwards.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// Its upper end.
    pub top: f64,
    /// From one mark to the next.
    pub step: f64,
}

impl Scale {
    /// From 0 to a round number not below any value.
    pub fn of(values: impl Iterator<Item = f64>) -> Self {
        let most = values.fold(1.0, f64::max);
        let magnitude = 10_f64.powf((most / 4.0).log10().floor());
        let step =
            [1.0, 2.0, 2.5, 5.0, 10.0].map(|round| round * magnitude).into_iter().find(|step| step * 4.0 >= most);
        let step = step.unwrap_or(10.0 * magnitude);
        Self { top: (most / step).ceil() * step, step }
    }

    /// Its marks, 0 the first.
    pub fn marks(&self) -> impl Iterator<Item = f64> {
        let (count, step) = (if self.step > 0.0 { (self.top / self.step).round() as u32 } else { 0 }, self.step);
        (0..=count).filter(move |_| count > 0).map(move |number| f64::from(number) * step)
    }
}

/// An axis on which twice as much is always as far.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    marks: Vec<f64>,
}

impl Log {
    /// From a mark not above any value to one not below any; what is not above 0 has no place on it and counts for nothing.
    pub fn of(values: impl Iterator<Item = f64>) -> Self {
        let (least, most) = values
            .filter(|value| *value > 0.0 && value.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| (least.min(value), most.max(value)));
        let (least, most) = if least <= most { (least, most) } else { (1.0, 10.0) };
        let steps = (-6..12).flat_map(|power| [1.0, 2.0, 5.0].map(|round| round * 10_f64.powi(power)));
        let steps: Vec<f64> = steps.collect();
        let from = steps.iter().rposition(|step| *step <= least).unwrap_or(0);
        let to = steps.iter().position(|step| *step >= most).unwrap_or(steps.len() - 1);
        Self { marks: steps[from..=to.max(from + 1).min(steps.len() - 1)].to_vec() }
    }

    /// Its marks, the least first.
    #[must_use]
    pub fn marks(&self) -> &[f64] {
        &self.marks
    }

    /// How far along the axis a value stands, from 0 to 1.
    #[must_use]
    pub fn share(&self, value: f64) -> f64 {
        let (from, to) = (self.marks[0], self.marks[self.marks.len() - 1]);
        (value.clamp(from, to) / from).ln() / (to / from).ln()
    }
}

/// A number as a mark shows it.
#[must_use]
pub fn plain(value: f64) -> String {
    if value >= 10_000.0 { format!("{}k", value / 1_000.0) } else { format!("{value}") }
}

#[cfg(test)]
mod tests {
    use super::{Log, Scale};

    #[test]
    fn an_axis_ends_at_a_round_number() {
        let tops = [3.0, 400.0, 7_310.0, 0.0].map(|most| Scale::of([most].into_iter()).top);
        assert_eq!(tops, [3.0, 400.0, 8_000.0, 1.0]);
    }

    #[test]
    fn an_axis_of_sizes_holds_all_values_between_marks_of_1_2_and_5() {
        let axis = Log::of([3.1, 84.0, 0.0].into_iter());
        assert_eq!(axis.marks(), [2.0, 5.0, 10.0, 20.0, 50.0, 100.0]);
        assert_eq!((axis.share(2.0), axis.share(100.0), axis.share(0.0)), (0.0, 1.0, 0.0));
        assert!((axis.share(20.0) - axis.share(10.0) - (axis.share(10.0) - axis.share(5.0))).abs() < 1e-9);
    }

    #[test]
    fn an_axis_of_one_value_or_of_none_is_an_axis_too() {
        assert_eq!(Log::of([5.0].into_iter()).marks(), [5.0, 10.0]);
        assert_eq!(Log::of(std::iter::empty()).marks(), [1.0, 2.0, 5.0, 10.0]);
    }
}
