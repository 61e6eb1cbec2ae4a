//! OTLP/JSON: reading, and reading again what was written.

use super::walk::promised;
use crate::model::{Trace, TraceId, TraceSpan};
use crate::otlp::json::{read, write_trace};
use crate::otlp::{Limits, decode, validate};

/// Any bytes are refused or become protobuf that validation can take apart; and the spans that are kept are the same after they
/// were written as OTLP/JSON and read again.
pub fn otlp_json(body: &[u8]) {
    let Ok(request) = read(body, &Limits::default()) else { return };
    let validated = request.validate(&Limits::default()).expect("the reader writes protobuf");
    promised(&validated);
    let spans = decode(&validated.body).expect("accepted bytes decode");
    let text = write_trace(&Trace { id: TraceId([1; 16]), spans: spans.clone() });
    let again = read(text.as_bytes(), &Limits::default()).expect("own json");
    let revalidated = validate(again.body.clone(), &Limits::default()).expect("own protobuf");
    assert_eq!((again.refused.total(), revalidated.refused.total()), (0, 0), "{text}");
    assert_eq!(revalidated.body, again.body, "nothing to repair");
    assert!(revalidated.warnings.is_empty() && again.warnings.is_empty(), "{text}");
    assert_eq!(in_any_order(&decode(&again.body).expect("own protobuf")), in_any_order(&spans), "{text}");
}

/// As texts, since a NaN is not equal to itself; sorted, since spans of equal resources are written together.
fn in_any_order(spans: &[TraceSpan]) -> Vec<String> {
    let mut texts: Vec<String> = spans.iter().map(|span| format!("{span:?}")).collect();
    texts.sort_unstable();
    texts
}
