//! Puts series together: `sum by (…)` and its like.

use std::collections::BTreeMap;

use hoptrail_storage::QueryContext;
use promql_parser::parser::LabelModifier;

use super::labels::{Labels, NAME};
use super::plan::{Aggregate, AggregateOp, Sort};
use super::select::Series;
use super::value::{EvalError, sort_by_first};

/// One series for each group, or the first of each group for `topk` and `bottomk`, which need `count`.
pub(super) fn aggregate(
    of: &Aggregate,
    count: Option<&[f64]>,
    series: Vec<Series>,
    context: &QueryContext,
) -> Result<Vec<Series>, EvalError> {
    let mut groups: BTreeMap<Labels, Vec<Series>> = BTreeMap::new();
    for one in series {
        groups.entry(group(&of.grouping, &one.labels)).or_default().push(one);
    }
    let mut answer = Vec::new();
    for (labels, members) in groups {
        context.check()?;
        match (of.op, count) {
            (AggregateOp::Top | AggregateOp::Bottom, Some(count)) => answer.extend(ranked(of.op, count, members)),
            _ => answer.push(Series { labels, values: together(of.op, &members) }),
        }
    }
    match of.op {
        AggregateOp::Top => sort_by_first(&mut answer, Sort::Descending),
        AggregateOp::Bottom => sort_by_first(&mut answer, Sort::Ascending),
        _ => {}
    }
    Ok(answer)
}

/// The labels that a group has in common.
pub(super) fn group(grouping: &LabelModifier, labels: &Labels) -> Labels {
    let listed = |name: &str| grouping.labels().labels.iter().any(|label| label == name);
    match grouping {
        LabelModifier::Include(_) => labels.only(listed),
        LabelModifier::Exclude(_) => labels.only(|name| name != NAME && !listed(name)),
    }
}

fn together(op: AggregateOp, members: &[Series]) -> Vec<Option<f64>> {
    let times = members.iter().map(|member| member.values.len()).max().unwrap_or_default();
    (0..times)
        .map(|at| {
            let present = members.iter().filter_map(move |member| member.values.get(at).copied().flatten());
            of_time(op, present)
        })
        .collect()
}

fn of_time(op: AggregateOp, numbers: impl Iterator<Item = f64>) -> Option<f64> {
    let (mut count, mut sum, mut least, mut most) = (0.0, 0.0, f64::NAN, f64::NAN);
    for number in numbers {
        count += 1.0;
        sum += number;
        least = number.min(least);
        most = number.max(most);
    }
    let number = match op {
        AggregateOp::Sum => sum,
        AggregateOp::Min => least,
        AggregateOp::Max => most,
        AggregateOp::Avg => sum / count,
        AggregateOp::Count => count,
        AggregateOp::Group | AggregateOp::Top | AggregateOp::Bottom => 1.0,
    };
    (count > 0.0).then_some(number)
}

/// At each time the `count` greatest or least numbers; of equal ones those that come first by labels.
fn ranked(op: AggregateOp, count: &[f64], mut members: Vec<Series>) -> Vec<Series> {
    members.sort_by(|one, other| one.labels.cmp(&other.labels));
    let mut present: Vec<(f64, usize)> = Vec::new();
    for (at, count) in count.iter().enumerate() {
        present.clear();
        let numbers = members.iter().enumerate();
        present
            .extend(numbers.filter_map(|(member, series)| Some((series.values.get(at).copied().flatten()?, member))));
        present.sort_by(|one, other| match op {
            AggregateOp::Bottom => one.0.total_cmp(&other.0),
            _ => other.0.total_cmp(&one.0),
        });
        // A number below 1, and none, keeps nothing.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturating")]
        for (_, member) in present.iter().skip(count.max(0.0) as usize) {
            let value = members.get_mut(*member).and_then(|series| series.values.get_mut(at));
            value.into_iter().for_each(|value| *value = None);
        }
    }
    members.retain(|member| member.values.iter().any(Option::is_some));
    members
}
