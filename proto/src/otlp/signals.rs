//! The signals that are no traces: read far enough to know that a request is what its address says, and who sends it.

use super::malformed::{Malformation, MalformedRequest};
use super::schema::is_camel_case;
use super::warnings::Warning;
use super::wire::{Fields, WireValue};

/// A signal of OTLP besides traces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Signal {
    /// Metrics.
    Metrics,
    /// Logs.
    Logs,
    /// Profiles, which are in development.
    Profiles,
}

impl Signal {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Metrics, Self::Logs, Self::Profiles];

    /// Its name, for people and for metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Logs => "logs",
            Self::Profiles => "profiles",
        }
    }

    /// Its path in OTLP over HTTP.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Metrics => "/v1/metrics",
            Self::Logs => "/v1/logs",
            Self::Profiles => "/v1development/profiles",
        }
    }

    /// Its method in OTLP over gRPC, as a path.
    #[must_use]
    pub fn method(self) -> &'static str {
        match self {
            Self::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            Self::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
            Self::Profiles => "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export",
        }
    }

    /// The field of its request that holds everything, as in the .proto file.
    pub(crate) fn field(self) -> &'static str {
        match self {
            Self::Metrics => "resource_metrics",
            Self::Logs => "resource_logs",
            Self::Profiles => "resource_profiles",
        }
    }

    /// The signal whose requests have a field of this name.
    pub(crate) fn named(field: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|signal| signal.field() == field || is_camel_case(signal.field(), field))
    }

    /// Logs or metrics, when a request for traces holds nothing else. Profiles look like spans that are broken.
    pub(crate) fn of(body: &[u8]) -> Option<Self> {
        [Self::Logs, Self::Metrics].into_iter().find(|signal| signal.check(body).is_ok() && signal.is_evident_in(body))
    }

    /// Its name and its addresses, for senders that used the address of traces.
    pub(crate) fn elsewhere(self) -> String {
        format!("{}, which go to {} (gRPC: {})", self.name(), self.path(), self.method())
    }

    /// The warning of it among traces.
    pub(crate) fn warning(self) -> Warning {
        match self {
            Self::Metrics => Warning::Metrics,
            Self::Logs => Warning::Logs,
            Self::Profiles => Warning::Profiles,
        }
    }

    /// Whether every item has a field that it has and a span has not: a log record its time, a metric its name and data.
    fn is_evident_in(self, body: &[u8]) -> bool {
        items(body).next().is_some()
            && items(body).all(|item| {
                let mut fields = Fields::new(item).map_while(Result::ok);
                fields.any(|field| match (self, field) {
                    (Self::Logs, (1 | 11, WireValue::Fixed64(_))) => true,
                    (Self::Metrics, (5 | 7 | 9 | 10 | 11, WireValue::Bytes(data))) => is_metric_data(data),
                    _ => false,
                })
            })
    }

    /// Looks at a request in protobuf down to the fields of each metric or log record. Linear in the body's length.
    pub fn check(self, body: &[u8]) -> Result<(), MalformedRequest> {
        let mut named = body.is_empty();
        for field in Fields::new(body) {
            match field.map_err(|error| MalformedRequest::new("request", error))? {
                (1, WireValue::Bytes(group)) => {
                    named = true;
                    self.check_group(group).map_err(|reason| MalformedRequest::new(self.field(), reason))?;
                }
                (1, _) => return Err(MalformedRequest::new("request", format!("{} is no message", self.field()))),
                _ => {}
            }
        }
        if named {
            Ok(())
        } else {
            Err(MalformedRequest::new("request", format!("there are no {} in it", self.field())))
        }
    }

    /// A `ResourceMetrics` or its like: the resource, and what each scope has measured.
    fn check_group(self, group: &[u8]) -> Result<(), Malformation> {
        each_message(group, |number, message| match number {
            1 => well_formed(message),
            2 => each_message(message, |number, message| match number {
                1 => well_formed(message),
                2 => self.check_item(message),
                _ => Ok(()),
            }),
            _ => Ok(()),
        })
    }

    /// A metric or a log record. A span is neither: its times and its kind have other types.
    fn check_item(self, item: &[u8]) -> Result<(), Malformation> {
        for field in Fields::new(item) {
            let (number, value) = field?;
            if !self.fits(number, value) {
                return Err(format!("field {number} of {} has a wrong type", self.name()).into());
            }
        }
        Ok(())
    }

    /// Whether a `Metric` or a `LogRecord` may have this field. Profiles still change, so theirs are not looked at.
    fn fits(self, number: u32, value: WireValue<'_>) -> bool {
        let is_bytes = matches!(value, WireValue::Bytes(_));
        match (self, number) {
            (Self::Metrics, 1..=12) => is_bytes,
            (Self::Logs, 1 | 11) => matches!(value, WireValue::Fixed64(_)),
            (Self::Logs, 2 | 7) => matches!(value, WireValue::Varint(_)),
            (Self::Logs, 8) => matches!(value, WireValue::Fixed32(_)),
            (Self::Logs, 3 | 5 | 6 | 9 | 10 | 12) => is_bytes,
            _ => true,
        }
    }
}

/// Calls `then` with each field that is a message or text; the first two must be.
fn each_message(
    bytes: &[u8],
    mut then: impl FnMut(u32, &[u8]) -> Result<(), Malformation>,
) -> Result<(), Malformation> {
    for field in Fields::new(bytes) {
        match field? {
            (number, WireValue::Bytes(message)) => then(number, message)?,
            (number @ 1..=2, _) => return Err(format!("field {number} is no message").into()),
            _ => {}
        }
    }
    Ok(())
}

/// Whether these bytes are a `Gauge`, a `Sum` or their like: data points, how they add up, whether they only grow.
fn is_metric_data(bytes: &[u8]) -> bool {
    !bytes.is_empty()
        && Fields::new(bytes).all(|field| matches!(field, Ok((1, WireValue::Bytes(_)) | (2 | 3, WireValue::Varint(_)))))
}

/// The metrics, log records or spans of a request.
fn items(body: &[u8]) -> impl Iterator<Item = &[u8]> {
    messages::<1>(body).flat_map(messages::<2>).flat_map(messages::<2>)
}

fn well_formed(message: &[u8]) -> Result<(), Malformation> {
    Ok(Fields::new(message).try_for_each(|field| field.map(drop))?)
}

/// The `service.name` of the first resource of a request of any signal, traces included; none when it is not easily found.
#[must_use]
pub fn service_name(body: &[u8]) -> Option<String> {
    let resource = first_message(first_message(body)?)?;
    messages::<1>(resource).find_map(|pair| {
        let is_name = fields(pair).next() == Some((1, WireValue::Bytes(b"service.name")));
        let (_, WireValue::Bytes(any)) = fields(pair).find(|(number, _)| is_name && *number == 2)? else { return None };
        match fields(any).next()? {
            (1, WireValue::Bytes(text)) => Some(String::from_utf8_lossy(text).into_owned()),
            _ => None,
        }
    })
}

/// The fields of a message up to the first that is broken.
fn fields(bytes: &[u8]) -> impl Iterator<Item = (u32, WireValue<'_>)> {
    Fields::new(bytes).map_while(Result::ok)
}

/// The messages in field `N`.
fn messages<const N: u32>(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    fields(bytes).filter_map(|field| match field {
        (number, WireValue::Bytes(message)) if number == N => Some(message),
        _ => None,
    })
}

fn first_message(bytes: &[u8]) -> Option<&[u8]> {
    messages::<1>(bytes).next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::wire::put_field;

    /// A message of these fields.
    fn message(fields: &[(u32, WireValue<'_>)]) -> Vec<u8> {
        let mut out = Vec::new();
        fields.iter().for_each(|(number, value)| put_field(&mut out, *number, *value));
        out
    }

    /// A request of one item of a service.
    fn request(service: &str, item: &[u8]) -> Vec<u8> {
        let value = message(&[(1, WireValue::Bytes(service.as_bytes()))]);
        let other = message(&[(1, WireValue::Bytes(b"host.name")), (2, WireValue::Bytes(&value))]);
        let pair = message(&[(1, WireValue::Bytes(b"service.name")), (2, WireValue::Bytes(&value))]);
        let resource = message(&[(1, WireValue::Bytes(&other)), (1, WireValue::Bytes(&pair))]);
        let scope = message(&[(1, WireValue::Bytes(b"meter"))]);
        let scoped = message(&[(1, WireValue::Bytes(&scope)), (2, WireValue::Bytes(item))]);
        let group = message(&[(1, WireValue::Bytes(&resource)), (2, WireValue::Bytes(&scoped))]);
        message(&[(1, WireValue::Bytes(&group))])
    }

    #[test]
    fn each_signal_takes_its_own_items_and_no_spans() {
        let metric = message(&[(1, WireValue::Bytes(b"requests")), (7, WireValue::Bytes(&[]))]);
        let record = message(&[(1, WireValue::Fixed64(7)), (2, WireValue::Varint(9)), (8, WireValue::Fixed32(1))]);
        let times = [(7, WireValue::Fixed64(7)), (8, WireValue::Fixed64(8))];
        let span = message(&[&[(1, WireValue::Bytes(&[1; 16])), (2, WireValue::Bytes(&[2; 8]))], &times[..]].concat());
        assert!(Signal::Metrics.check(&request("a", &metric)).is_ok());
        assert!(Signal::Logs.check(&request("a", &record)).is_ok());
        assert!(Signal::Profiles.check(&request("a", &record)).is_ok());
        for (signal, item) in
            [(Signal::Metrics, &span), (Signal::Logs, &span), (Signal::Metrics, &record), (Signal::Logs, &metric)]
        {
            let error = signal.check(&request("a", item)).expect_err("another signal").to_string();
            assert!(error.contains(signal.name()), "{error}");
        }
    }

    #[test]
    fn logs_and_metrics_are_not_taken_for_broken_spans() {
        let record = message(&[(11, WireValue::Fixed64(7)), (2, WireValue::Varint(9)), (5, WireValue::Bytes(&[]))]);
        let data = message(&[(1, WireValue::Bytes(b"")), (2, WireValue::Varint(2)), (3, WireValue::Varint(1))]);
        let metric = message(&[(1, WireValue::Bytes(b"requests")), (7, WireValue::Bytes(&data))]);
        assert_eq!(Signal::of(&request("a", &record)), Some(Signal::Logs));
        assert_eq!(Signal::of(&request("a", &metric)), Some(Signal::Metrics));
        let pair = message(&[(1, WireValue::Bytes(b"key")), (2, WireValue::Bytes(&[]))]);
        let spans: [&[(u32, WireValue<'_>)]; 5] = [
            &[(1, WireValue::Bytes(&[1; 15])), (2, WireValue::Bytes(&[2; 8]))],
            &[(1, WireValue::Bytes(b"")), (5, WireValue::Bytes(b"GET /")), (9, WireValue::Bytes(&pair))],
            &[(1, WireValue::Bytes(&[1; 15])), (7, WireValue::Fixed64(1)), (9, WireValue::Bytes(&pair))],
            &[(1, WireValue::Varint(1))],
            &[(1, WireValue::Bytes(&[0; 16])), (2, WireValue::Bytes(&[2; 8])), (5, WireValue::Bytes(b""))],
        ];
        for span in spans {
            assert_eq!(Signal::of(&request("a", &message(span))), None, "{span:?}");
        }
    }

    #[test]
    fn nothing_is_an_empty_request_and_other_bytes_say_what_is_missing() {
        for signal in Signal::ALL {
            assert!(signal.check(&[]).is_ok());
            let whole = request("a", &[]);
            assert!(signal.check(&whole).is_ok());
            for cut in 1..whole.len() {
                assert!(signal.check(&whole[..cut]).is_err(), "{signal:?} {cut}");
            }
            for wrong in [b"<html>".as_slice(), &[0x10, 1], &[0x08, 1]] {
                assert!(signal.check(wrong).is_err(), "{signal:?} {wrong:?}");
            }
        }
    }

    #[test]
    fn the_service_is_found_in_the_first_resource() {
        assert_eq!(service_name(&request("checkout", &[])).as_deref(), Some("checkout"));
        for none in [b"".as_slice(), b"<html>", &[0x0a, 0], &[0x0a, 2, 0x0a, 0]] {
            assert_eq!(service_name(none), None, "{none:?}");
        }
    }
}
