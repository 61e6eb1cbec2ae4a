//! The place where the next page begins, as text for links: opaque, and checked when it comes back.

use hoptrail_proto::model::{AnyValue, SpanId, TraceId};
use hoptrail_storage::{Order, Place, Rows, Value};

/// The form of the text. Another form gets another number.
const VERSION: u8 = 1;
/// Longest text that is read.
const MOST_CHARS: usize = 64 << 10;

/// A text that is no place in the answers of this query.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not the place of a page of this query: {0}; use the text that the page before gave, or leave it out")]
pub struct PlaceError(&'static str);

/// A place as text of the digits `0-9a-f`.
///
/// ```
/// use hoptrail_query::{Order, Place, Rows, place_from_text, place_text};
/// use hoptrail_proto::model::TraceId;
///
/// let place = Place { value: None, start: 5, trace_id: TraceId([7; 16]), span_id: None };
/// let text = place_text(&place);
/// assert_eq!(place_from_text(&text, &Order::Newest, Rows::Traces), Ok(place));
/// assert!(place_from_text("000", &Order::Newest, Rows::Traces).is_err());
/// ```
#[must_use]
pub fn place_text(place: &Place) -> String {
    let mut bytes = vec![VERSION];
    bytes.extend(place.start.to_be_bytes());
    bytes.extend(place.trace_id.0);
    match place.span_id {
        Some(id) => {
            bytes.push(1);
            bytes.extend(id.0);
        }
        None => bytes.push(0),
    }
    match &place.value {
        Some(Value::Any(AnyValue::String(text))) => tagged(&mut bytes, b's', text.as_bytes()),
        Some(Value::Any(AnyValue::Int(number))) => tagged(&mut bytes, b'i', &number.to_be_bytes()),
        Some(Value::Any(AnyValue::Double(number))) => tagged(&mut bytes, b'f', &number.to_bits().to_be_bytes()),
        Some(Value::Any(AnyValue::Bool(value))) => tagged(&mut bytes, b'b', &[u8::from(*value)]),
        Some(Value::Duration(nanos)) => tagged(&mut bytes, b'd', &nanos.to_be_bytes()),
        // Nothing else has a place in an order.
        _ => bytes.push(b'-'),
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn tagged(out: &mut Vec<u8>, tag: u8, value: &[u8]) {
    out.push(tag);
    out.extend(value);
}

/// Reads a place in answers of this order and kind.
///
/// # Errors
/// The text was not made by [`place_text`], or for another order or kind of rows.
pub fn place_from_text(text: &str, order: &Order, rows: Rows) -> Result<Place, PlaceError> {
    let bytes = bytes(text)?;
    let mut rest = bytes.as_slice();
    if take::<1>(&mut rest)? != [VERSION] {
        return Err(PlaceError("its form is unknown"));
    }
    let start = u64::from_be_bytes(take(&mut rest)?);
    let trace_id = TraceId(take(&mut rest)?);
    let span_id = match take(&mut rest)? {
        [0] => None,
        [1] => Some(SpanId(take(&mut rest)?)),
        _ => return Err(BROKEN),
    };
    let [tag] = take(&mut rest)?;
    let value = match tag {
        b'-' => None,
        b's' => {
            let text = std::str::from_utf8(std::mem::take(&mut rest)).map_err(|_| BROKEN)?;
            Some(Value::string(text))
        }
        b'i' => Some(Value::Any(AnyValue::Int(i64::from_be_bytes(take(&mut rest)?)))),
        b'f' => {
            let number = f64::from_bits(u64::from_be_bytes(take(&mut rest)?));
            Some(Value::Any(AnyValue::Double(number))).filter(|_| !number.is_nan())
        }
        b'b' => match take(&mut rest)? {
            [value @ (0 | 1)] => Some(Value::Any(AnyValue::Bool(value == 1))),
            _ => return Err(BROKEN),
        },
        b'd' => Some(Value::Duration(u64::from_be_bytes(take(&mut rest)?))),
        _ => return Err(BROKEN),
    };
    if !rest.is_empty() {
        return Err(BROKEN);
    }
    if (rows == Rows::Spans) != span_id.is_some() || (*order == Order::Newest && value.is_some()) {
        return Err(PlaceError("it is of a query with another order or other rows"));
    }
    Ok(Place { value, start, trace_id, span_id })
}

const BROKEN: PlaceError = PlaceError("it is cut or changed");

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], PlaceError> {
    let (taken, after) = rest.split_first_chunk().ok_or(BROKEN)?;
    *rest = after;
    Ok(*taken)
}

fn bytes(text: &str) -> Result<Vec<u8>, PlaceError> {
    if text.len() > MOST_CHARS {
        return Err(PlaceError("it is too long"));
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()).ok_or(BROKEN);
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return Err(BROKEN) };
    pairs.iter().map(|[high, low]| Ok(digit(*high)? << 4 | digit(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use hoptrail_storage::Expr;
    use proptest::prelude::*;

    use super::*;

    fn by_duration() -> Order {
        let value = Expr::Constant(Value::Duration(1));
        Order::By { value, descending: true }
    }

    fn values() -> impl Strategy<Value = Option<Value>> {
        prop_oneof![
            Just(None),
            "\\PC{0,20}".prop_map(|text| Some(Value::string(text))),
            any::<i64>().prop_map(|number| Some(Value::Any(AnyValue::Int(number)))),
            any::<f64>().prop_filter("a number", |f| !f.is_nan()).prop_map(|f| Some(Value::Any(AnyValue::Double(f)))),
            any::<bool>().prop_map(|value| Some(Value::Any(AnyValue::Bool(value)))),
            any::<u64>().prop_map(|nanos| Some(Value::Duration(nanos))),
        ]
    }

    proptest! {
        #[test]
        fn places_come_back(value in values(), start: u64, trace: [u8; 16], span: Option<[u8; 8]>) {
            let place = Place { value, start, trace_id: TraceId(trace), span_id: span.map(SpanId) };
            let rows = if span.is_some() { Rows::Spans } else { Rows::Traces };
            let text = place_text(&place);
            prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric()));
            prop_assert_eq!(place_from_text(&text, &by_duration(), rows), Ok(place.clone()));
            let other = if span.is_some() { Rows::Traces } else { Rows::Spans };
            prop_assert!(place_from_text(&text, &by_duration(), other).is_err());
            prop_assert_eq!(place_from_text(&text, &Order::Newest, rows).is_ok(), place.value.is_none());
            prop_assert!(place_from_text(&text[1..], &by_duration(), rows).is_err());
        }

        #[test]
        fn any_text_is_answered(text in "[0-9a-fé]{0,120}|01[0-9a-f]{48}00(2d|62|73|69)[0-9a-f]{0,20}") {
            if let Ok(place) = place_from_text(&text, &by_duration(), Rows::Traces) {
                prop_assert_eq!(place_text(&place), text.to_ascii_lowercase());
            }
        }
    }

    #[test]
    fn cut_texts_are_refused() {
        let value = Some(Value::Duration(1_500_000_000));
        let text = place_text(&Place { value, start: 5, trace_id: TraceId([7; 16]), span_id: None });
        for end in 0..text.len() {
            assert!(place_from_text(&text[..end], &by_duration(), Rows::Traces).is_err(), "{end}");
        }
        assert!(place_from_text(&format!("{text}00"), &by_duration(), Rows::Traces).is_err());
        assert!(place_from_text(&"0".repeat(MOST_CHARS + 2), &by_duration(), Rows::Traces).is_err());
    }
}
