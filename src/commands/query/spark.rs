//! A series as a line of blocks.

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The numbers in at most `columns` columns, from the least of them to the greatest. Where several share a column, the greatest is
/// shown, so that no spike is lost. A gap is blank.
pub(super) fn sparkline(values: &[Option<f64>], columns: usize) -> String {
    let cells = squeezed(values, columns);
    let known = || cells.iter().copied().flatten();
    let (least, most) = (known().fold(f64::INFINITY, f64::min), known().fold(f64::NEG_INFINITY, f64::max));
    let block = |value: f64| {
        // Halves, because the span between the two may be more than a number holds.
        let part = if most > least { (value / 2.0 - least / 2.0) / (most / 2.0 - least / 2.0) } else { 0.0 };
        BLOCKS[((part * 8.0) as usize).min(7)]
    };
    cells.into_iter().map(|cell| cell.map_or(' ', block)).collect()
}

fn squeezed(values: &[Option<f64>], columns: usize) -> Vec<Option<f64>> {
    let columns = columns.min(values.len());
    let edge = |column: usize| column * values.len() / columns.max(1);
    let greatest = |column: usize| {
        let part = values.get(edge(column)..edge(column + 1)).unwrap_or_default();
        part.iter().copied().flatten().filter(|value| value.is_finite()).reduce(f64::max)
    };
    (0..columns).map(greatest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64], columns: usize) -> String {
        sparkline(&values.iter().map(|value| Some(*value)).collect::<Vec<_>>(), columns)
    }

    #[test]
    fn the_least_is_low_and_the_greatest_high() {
        assert_eq!(of(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], 20), "▁▂▃▄▅▆▇█");
        assert_eq!(of(&[5.0, 5.0], 20), "▁▁");
        assert_eq!(of(&[f64::MAX, f64::MIN], 20), "█▁");
    }

    #[test]
    fn a_spike_is_seen_when_columns_are_few() {
        let mut values = vec![1.0; 1_000];
        values[777] = 9.0;
        let line = of(&values, 10);
        assert_eq!(line, "▁▁▁▁▁▁▁█▁▁");
    }

    #[test]
    fn gaps_and_what_is_no_number_are_blank() {
        assert_eq!(sparkline(&[Some(1.0), None, Some(f64::NAN), Some(2.0)], 4), "▁  █");
        assert_eq!(sparkline(&[], 4), "");
        assert_eq!(sparkline(&[None], 0), "");
    }
}
