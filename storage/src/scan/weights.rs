//! How many spans each row stands for, by its trace state.

use hoptrail_proto::model::{AnyValue, TraceId, sampling};

use super::SpanColumns;
use super::coded::of_column;
use crate::codec::bits::Bitmap;
use crate::rows::{Owner, TableKind, fields};
use crate::{ReadError, Value};

/// What a trace state says, decided once for all rows that have it.
enum Weight {
    Unknown,
    Known(f64),
    /// The trace id decides whether it contradicts.
    ByTrace(String),
}

/// For each of these rows of spans, ascending, how many spans it stands for; `None` when that is unknown.
pub(crate) fn weights(group: &dyn SpanColumns, rows: &Bitmap) -> Result<Vec<Option<f64>>, ReadError> {
    let spans = &*group.table(TableKind::Span);
    let Some(states) = of_column(spans, Owner::Field, fields::TRACE_STATE, rows)? else {
        return Ok(vec![None; rows.count()]);
    };
    let said: Vec<Weight> = states.values.iter().map(weight).collect();
    let of_row = |(row, code): (usize, &u32)| match said.get(*code as usize) {
        None | Some(Weight::Unknown) => Ok(None),
        Some(Weight::Known(weight)) => Ok(Some(*weight)),
        Some(Weight::ByTrace(state)) => Ok(sampling::weight(state, group.trace_id(row)?)),
    };
    rows.iter().zip(&states.codes).map(of_row).collect()
}

fn weight(state: &Option<Value>) -> Weight {
    let Some(Value::Any(AnyValue::String(state))) = state else { return Weight::Unknown };
    // Without a randomness of its own, the trace with the least randomness contradicts any threshold, and that with the most none.
    match (sampling::weight(state, TraceId([0; 16])), sampling::weight(state, TraceId([0xff; 16]))) {
        (Some(weight), _) => Weight::Known(weight),
        (None, Some(_)) => Weight::ByTrace(state.clone()),
        (None, None) => Weight::Unknown,
    }
}
