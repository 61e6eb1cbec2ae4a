//! Labels beside the ends of lines, so that none covers another.

/// Moves positions, percent from the top, apart by at least `gap`, as little as an order from top to bottom allows. The answer is in the order
/// of the input. With too many for the space they stand closer.
pub(crate) fn spread(positions: &[f64], gap: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..positions.len()).collect();
    order.sort_by(|one, other| positions[*one].total_cmp(&positions[*other]));
    let gap = gap.min(100.0 / positions.len().max(1) as f64);
    let mut placed = vec![0.0; positions.len()];
    let mut least = gap / 2.0;
    for at in &order {
        placed[*at] = positions[*at].max(least);
        least = placed[*at] + gap;
    }
    let mut most = 100.0 - gap / 2.0;
    for at in order.iter().rev() {
        placed[*at] = placed[*at].min(most);
        most = placed[*at] - gap;
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_keep_apart_and_inside() {
        assert_eq!(spread(&[20.0, 80.0], 10.0), [20.0, 80.0]);
        assert_eq!(spread(&[50.0, 49.0, 50.0], 10.0), [59.0, 49.0, 69.0]);
        assert_eq!(spread(&[100.0, 99.0], 10.0), [95.0, 85.0]);
        assert_eq!(spread(&[0.0; 4], 50.0), [12.5, 37.5, 62.5, 87.5]);
        assert_eq!(spread(&[], 5.0), [0.0; 0]);
    }
}
