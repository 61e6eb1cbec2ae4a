//! Histograms over time as a heatmap: intervals from left to right, buckets from bottom to top.

use super::Columns;

/// Colours from few to many.
const LEVELS: f64 = 8.0;
/// Most rows with buckets between them that are empty.
const MOST_ROWS: usize = 80;
/// Most rows with a label.
const LABELS: usize = 8;

/// A heatmap.
#[derive(Debug)]
pub(crate) struct Heat {
    /// From the top.
    pub(crate) rows: Vec<Row>,
    /// Those that have any, interval by interval.
    pub(crate) cells: Vec<Cell>,
    /// The greatest number of a cell.
    pub(crate) most: f64,
}

/// A bucket. Its values are more than `above` and up to `upto`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// `None` for the first bucket.
    pub(crate) above: Option<f64>,
    pub(crate) upto: f64,
    /// Percent from the top.
    pub(crate) top: f64,
    pub(crate) height: f64,
    /// Whether its upper end is written beside it.
    pub(crate) is_labelled: bool,
}

/// A bucket in an interval.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cell {
    pub(crate) interval: usize,
    /// Which of the rows.
    pub(crate) row: usize,
    pub(crate) value: f64,
    /// 1 to 8.
    pub(crate) level: u8,
}

impl Heat {
    /// The heatmap of buckets, each with its upper end. A bucket ends at a power of two of a `unit`.
    pub(crate) fn of(buckets: &[(f64, &[f64])], unit: f64, columns: Columns) -> Self {
        let mut powers: Vec<i32> = buckets.iter().map(|(upto, _)| power(*upto, unit)).collect();
        powers.sort_unstable();
        powers.dedup();
        let rows = rows(&powers, unit);
        let most = buckets.iter().flat_map(|(_, values)| values.iter().copied()).fold(0.0, f64::max);
        let mut cells: Vec<Cell> = Vec::new();
        for (upto, values) in buckets {
            let power = power(*upto, unit);
            let Some(row) = rows.iter().position(|row| self::power(row.upto, unit) == power) else { continue };
            let here = values.iter().copied().enumerate().take(columns.0.count).filter(|(_, value)| *value > 0.0);
            cells.extend(here.map(|(interval, value)| Cell { interval, row, value, level: level(value, most) }));
        }
        cells.sort_by_key(|cell| (cell.interval, cell.row));
        Self { rows, cells, most }
    }

    /// The least number that has each colour.
    pub(crate) fn thresholds(&self) -> Vec<(u8, f64)> {
        let from = |level: u8| (self.most * ((f64::from(level) - 1.0) / LEVELS).powi(2)).floor() + 1.0;
        let all: Vec<(u8, f64)> = (1..=LEVELS as u8).map(|level| (level, from(level))).collect();
        let exists = |at: usize| all.get(at + 1).is_none_or(|next| next.1 > all[at].1) && all[at].1 <= self.most;
        (0..all.len()).filter(|at| exists(*at)).map(|at| all[at]).collect()
    }

    /// Where the mark of a value stands, percent from the top: above the middle of its row, so that the cell can be reached.
    pub(crate) fn at(&self, value: f64) -> Option<f64> {
        let holds = |row: &&Row| row.above.is_none_or(|above| value > above) && value <= row.upto;
        self.rows.iter().find(holds).map(|row| row.top + row.height / 5.0)
    }
}

/// The power of two units at which a bucket ends.
fn power(upto: f64, unit: f64) -> i32 {
    (upto / unit).log2().round() as i32
}

fn rows(powers: &[i32], unit: f64) -> Vec<Row> {
    let (Some(first), Some(last)) = (powers.first(), powers.last()) else { return vec![] };
    let all: Vec<i32> = (*first..=*last).rev().take(MOST_ROWS + 1).collect();
    let all = if all.len() > MOST_ROWS { powers.iter().rev().copied().collect() } else { all };
    let height = 100.0 / all.len() as f64;
    let every = all.len().div_ceil(LABELS);
    let row = |(at, power): (usize, &i32)| Row {
        above: (*power > 0).then(|| unit * 2_f64.powi(power - 1)),
        upto: unit * 2_f64.powi(*power),
        top: at as f64 * height,
        height,
        is_labelled: at % every == 0,
    };
    all.iter().enumerate().map(row).collect()
}

/// Few and many differ by orders of magnitude: colours follow the square root.
fn level(value: f64, most: f64) -> u8 {
    (LEVELS * (value / most).sqrt()).ceil().clamp(1.0, LEVELS) as u8
}

#[cfg(test)]
mod tests {
    use hoptrail_query::Steps;

    use super::*;

    const COLUMNS: Columns = Columns(Steps { start: 0, step: 1, count: 3 });

    #[test]
    fn buckets_are_rows_and_empty_ones_between_them_too() {
        let heat = Heat::of(&[(8e-9, &[1.0, 0.0, f64::NAN]), (1e-9, &[0.0, 100.0, 25.0])], 1e-9, COLUMNS);
        let ends: Vec<(Option<f64>, f64)> = heat.rows.iter().map(|row| (row.above, row.upto)).collect();
        assert_eq!(ends, [(Some(4e-9), 8e-9), (Some(2e-9), 4e-9), (Some(1e-9), 2e-9), (None, 1e-9)]);
        assert_eq!((heat.rows[1].top, heat.rows[1].height), (25.0, 25.0));
        let cells: Vec<(usize, usize, u8)> =
            heat.cells.iter().map(|cell| (cell.interval, cell.row, cell.level)).collect();
        assert_eq!(cells, [(0, 0, 1), (1, 3, 8), (2, 3, 4)]);
        assert_eq!((heat.at(3e-9), heat.at(0.5e-9), heat.at(1.0)), (Some(30.0), Some(80.0), None));
    }

    #[test]
    fn colours_say_from_which_number_on_they_are() {
        let heat = Heat::of(&[(1.0, &[64.0, 1.0, 2.0])], 1.0, COLUMNS);
        assert_eq!(heat.thresholds().first(), Some(&(1, 1.0)));
        for cell in &heat.cells {
            let (level, _) = heat.thresholds().into_iter().rfind(|(_, from)| *from <= cell.value).expect("a colour");
            assert_eq!(level, cell.level, "{}", cell.value);
        }
        assert_eq!(Heat::of(&[(1.0, &[1.0])], 1.0, COLUMNS).thresholds(), [(8, 1.0)]);
        assert!(Heat::of(&[], 1.0, COLUMNS).rows.is_empty());
    }

    #[test]
    fn buckets_far_apart_have_no_rows_between() {
        let heat = Heat::of(&[(1.0, &[1.0]), (2_f64.powi(900), &[1.0])], 1.0, COLUMNS);
        assert_eq!(heat.rows.len(), 2);
        let full: Vec<(f64, &[f64])> = (0..64).map(|power| (2_f64.powi(power), &[1.0, 2.0, 3.0][..])).collect();
        let heat = Heat::of(&full, 1.0, COLUMNS);
        assert_eq!((heat.rows.len(), heat.cells.len()), (64, 192));
        assert!(heat.rows.iter().filter(|row| row.is_labelled).count() <= 8);
    }
}
