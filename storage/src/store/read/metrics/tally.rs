//! Counts, sums and bounds of numbers.

use super::table::Content;
use crate::MetricsFunction;

/// What is known of the numbers of some spans.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tally {
    /// How many spans, or how many they stand for.
    pub(super) count: f64,
    sum: f64,
    least: f64,
    greatest: f64,
}

impl Default for Tally {
    fn default() -> Self {
        Self { count: 0.0, sum: 0.0, least: f64::INFINITY, greatest: f64::NEG_INFINITY }
    }
}

impl Content for Tally {
    fn add(&mut self, other: Self) -> usize {
        self.count += other.count;
        self.sum += other.sum;
        self.least = self.least.min(other.least);
        self.greatest = self.greatest.max(other.greatest);
        0
    }

    fn bytes(&self) -> usize {
        0
    }
}

impl Tally {
    /// So many spans without a number.
    pub(super) fn of_count(count: f64) -> Self {
        Self { count, ..Self::default() }
    }

    /// Adds a number that counts so many times.
    #[inline]
    pub(super) fn add_number(&mut self, number: f64, weight: f64) {
        self.count += weight;
        self.sum += number * weight;
        self.least = self.least.min(number);
        self.greatest = self.greatest.max(number);
    }

    /// What the function makes of it; NaN when there is none.
    pub(super) fn value(&self, function: &MetricsFunction) -> f64 {
        match function {
            MetricsFunction::Count | MetricsFunction::Histogram(_) => self.count,
            _ if self.count == 0.0 => f64::NAN,
            MetricsFunction::Min(_) => self.least,
            MetricsFunction::Max(_) => self.greatest,
            MetricsFunction::Avg(_) => self.sum / self.count,
            MetricsFunction::Sum(_) => self.sum,
            MetricsFunction::Quantiles(..) | MetricsFunction::Compare { .. } => f64::NAN,
        }
    }
}
