//! Quantiles of classic buckets, as Prometheus computes them.

use std::collections::BTreeMap;

use super::labels::{LE, Labels, NAME};
use super::select::Series;

/// The quantile of each histogram at each time. Series without `le` are none.
pub(super) fn histogram_quantile(q: &[f64], series: Vec<Series>) -> Vec<Series> {
    let mut histograms: BTreeMap<Labels, Vec<(f64, Series)>> = BTreeMap::new();
    for one in series {
        let Some(bound) = bound(one.labels.get(LE)) else { continue };
        let labels = one.labels.clone().without(LE).without(NAME);
        histograms.entry(labels).or_default().push((bound, one));
    }
    let of = |(labels, mut buckets): (Labels, Vec<(f64, Series)>)| {
        buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
        let values = q.iter().enumerate().map(|(at, q)| at_time(*q, at, &buckets)).collect();
        Series { labels, values }
    };
    histograms.into_iter().map(of).collect()
}

fn bound(text: &str) -> Option<f64> {
    if text == "+Inf" { Some(f64::INFINITY) } else { text.parse().ok() }
}

fn at_time(q: f64, at: usize, buckets: &[(f64, Series)]) -> Option<f64> {
    let present: Vec<(f64, f64)> = buckets
        .iter()
        .filter_map(|(bound, series)| Some((*bound, series.values.get(at).copied().flatten()?)))
        .collect();
    (!present.is_empty()).then(|| quantile(q, &present))
}

/// The quantile of buckets that end at their bounds, each with all before it; evenly spread within its bucket.
fn quantile(q: f64, buckets: &[(f64, f64)]) -> f64 {
    let Some((last, rest)) = buckets.split_last() else { return f64::NAN };
    if q.is_nan() || rest.is_empty() || last.0 != f64::INFINITY || last.1 <= 0.0 {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    let rank = q * last.1;
    let at = rest.partition_point(|(_, count)| *count < rank);
    let Some((end, count)) = rest.get(at) else { return rest.last().map_or(f64::NAN, |(bound, _)| *bound) };
    let (start, before) = at.checked_sub(1).and_then(|at| rest.get(at)).copied().unwrap_or((0.0, 0.0));
    if count <= &before {
        return *end;
    }
    start + (end - start) * (rank - before) / (count - before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_prometheus() {
        let buckets = [(1.0, 10.0), (2.0, 30.0), (4.0, 40.0), (f64::INFINITY, 40.0)];
        for (q, expected) in [(0.25, 1.0), (0.5, 1.5), (0.75, 2.0), (1.0, 4.0), (0.0, 0.0)] {
            assert_eq!(quantile(q, &buckets), expected, "{q}");
        }
        assert_eq!(quantile(-1.0, &buckets), f64::NEG_INFINITY);
        assert_eq!(quantile(2.0, &buckets), f64::INFINITY);
        let above = [(1.0, 0.0), (2.0, 0.0), (f64::INFINITY, 5.0)];
        assert_eq!(quantile(0.5, &above), 2.0, "beyond all bounds it is the last");
        assert!(quantile(0.5, &buckets[..3]).is_nan() && quantile(0.5, &[]).is_nan());
        assert!(quantile(0.5, &[(1.0, 0.0), (f64::INFINITY, 0.0)]).is_nan());
    }
}
