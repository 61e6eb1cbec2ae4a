//! Numbers that are computed of a spanset.

use hoptrail_proto::model::AnyValue;

use super::{Spanset, Trace};
use crate::arithmetic::{arithmetic, of_real, of_whole};
use crate::judge::program::Number;
use crate::matcher::order;
use crate::{Aggregate, ReadError, Value};

/// The number; `None` when it is missing. The aggregates in it are added to `said`.
pub(super) fn number(
    trace: &Trace<'_>,
    number: &Number,
    spanset: &Spanset,
    said: &mut Vec<(String, Value)>,
) -> Result<Option<Value>, ReadError> {
    Ok(match number {
        Number::Constant(value) => Some(value.clone()),
        Number::Aggregate { function, argument, label } => {
            let value = match argument {
                None => i64::try_from(spanset.rows.len()).ok().map(|count| Value::Any(AnyValue::Int(count))),
                Some(argument) => {
                    let values = trace.calc(argument)?;
                    let own = spanset.rows.iter().filter_map(|row| values.get(*row as usize)?.as_ref());
                    aggregate(*function, own)
                }
            };
            said.extend(value.iter().map(|value| (label.clone(), value.clone())));
            value
        }
        Number::Arithmetic { op, left, right } => {
            let (left, right) = (self::number(trace, left, spanset, said)?, self::number(trace, right, spanset, said)?);
            left.zip(right).and_then(|(left, right)| arithmetic(*op, &left, &right))
        }
        Number::Pipeline(steps, of) => {
            let spansets = trace.run(steps, vec![Spanset { rows: spanset.rows.clone(), attributes: Vec::new() }])?;
            let set = trace.union(&spansets);
            let rows = (0u32..).zip(&set).filter(|(_, is_in)| **is_in).map(|(row, _)| row).collect();
            self::number(trace, of, &Spanset { rows, attributes: Vec::new() }, said)?
        }
    })
}

/// What numbers sum up to. Ints and durations are summed exactly.
#[derive(Default)]
struct Sum {
    count: usize,
    durations: usize,
    whole: i128,
    real: Option<f64>,
}

impl Sum {
    fn of<'v>(values: impl Iterator<Item = &'v Value>) -> Self {
        let mut sum = Self::default();
        for value in values {
            match value {
                Value::Duration(nanos) => {
                    sum.durations += 1;
                    sum.whole += i128::from(*nanos);
                }
                Value::Any(AnyValue::Int(number)) => sum.whole += i128::from(*number),
                Value::Any(AnyValue::Double(number)) => sum.real = Some(sum.real.unwrap_or_default() + number),
                _ => continue,
            }
            sum.count += 1;
        }
        sum
    }

    fn total(&self) -> f64 {
        self.whole as f64 + self.real.unwrap_or_default()
    }

    fn sum(&self) -> Option<Value> {
        match self.real {
            None if self.count == 0 => None,
            None => of_whole(self.whole, self.durations > 0),
            Some(_) => of_real(self.total(), self.durations > 0),
        }
    }

    fn mean(&self) -> Option<Value> {
        let count = i128::try_from(self.count).ok().filter(|count| *count > 0)?;
        if self.durations == self.count {
            of_whole(self.whole / count, true)
        } else {
            of_real(self.total() / count as f64, false)
        }
    }
}

fn aggregate<'v>(function: Aggregate, values: impl Iterator<Item = &'v Value>) -> Option<Value> {
    let numbers = values.filter(|value| match value {
        Value::Duration(_) | Value::Any(AnyValue::Int(_)) => true,
        Value::Any(AnyValue::Double(number)) => !number.is_nan(),
        _ => false,
    });
    match function {
        Aggregate::Count => i64::try_from(numbers.count()).ok().map(|count| Value::Any(AnyValue::Int(count))),
        Aggregate::Sum => Sum::of(numbers).sum(),
        Aggregate::Avg => Sum::of(numbers).mean(),
        Aggregate::Min => numbers
            .reduce(|one, other| if order(other, one).is_some_and(|it| it.is_lt()) { other } else { one })
            .cloned(),
        Aggregate::Max => numbers
            .reduce(|one, other| if order(other, one).is_some_and(|it| it.is_gt()) { other } else { one })
            .cloned(),
    }
}

#[cfg(test)]
mod tests {
    use Aggregate::{Avg, Max, Min, Sum};

    use super::*;

    fn int(number: i64) -> Value {
        Value::Any(AnyValue::Int(number))
    }

    fn double(number: f64) -> Value {
        Value::Any(AnyValue::Double(number))
    }

    #[test]
    fn aggregates_keep_the_type_where_they_can() {
        let (ints, mixed) = (vec![int(1), int(2), int(4)], vec![int(1), double(2.5), Value::string("9")]);
        let durations = vec![Value::Duration(5), Value::Duration(8)];
        let with_nan = vec![double(f64::NAN), int(3)];
        for (function, values, expected) in [
            (Sum, &ints, Some(int(7))),
            (Avg, &ints, Some(double(7.0 / 3.0))),
            (Min, &mixed, Some(int(1))),
            (Max, &mixed, Some(double(2.5))),
            (Sum, &mixed, Some(double(3.5))),
            (Sum, &durations, Some(Value::Duration(13))),
            (Avg, &durations, Some(Value::Duration(6))),
            (Max, &with_nan, Some(int(3))),
            (Avg, &with_nan, Some(double(3.0))),
            (Sum, &vec![int(i64::MAX), int(1)], None),
            (Sum, &vec![], None),
            (Min, &vec![Value::string("1")], None),
        ] {
            assert_eq!(aggregate(function, values.iter()), expected, "{function:?} of {values:?}");
        }
    }
}
