//! The metrics that rollups answer, with Tempo's names and labels.

use hoptrail_proto::model::{SpanKind, StatusCode};
use hoptrail_storage::{Bucket, Cell, Connection, Durations, Node, NodeKind, RollupKey, RollupTable};

use super::labels::{LE, Labels, NAME};

/// The longest durations of classic buckets are powers of two of seconds, which the stored buckets have too. From 2 ms to 16 s.
const EXPONENTS: std::ops::RangeInclusive<i16> = -9..=4;
/// Stored buckets for each power of two.
const PER_OCTAVE: i16 = 8;
/// Labels that no dimension may take.
const OWN_LABELS: [&str; 8] = ["service", "span_name", "span_kind", "status_code", "le", "overflow", "job", "instance"];

/// A metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// Its name, without what its samples add.
    pub name: &'static str,
    /// What it is, for people.
    pub help: &'static str,
    /// Where its numbers are.
    pub table: RollupTable,
    /// Which they are.
    pub number: Number,
}

/// A number of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Number {
    /// Spans or calls.
    Count,
    /// Failed calls.
    Errors,
    /// Bytes of spans.
    Bytes,
    /// How long spans took, or calls as the called side saw it.
    Durations,
    /// How long calls took as the caller saw it.
    Caller,
}

/// Every metric.
pub const FAMILIES: [Family; 7] = [
    Family {
        name: "traces_spanmetrics_calls_total",
        help: "Spans by service, name, kind and status",
        table: RollupTable::Spans,
        number: Number::Count,
    },
    Family {
        name: "traces_spanmetrics_latency",
        help: "Durations of spans in seconds",
        table: RollupTable::Spans,
        number: Number::Durations,
    },
    Family {
        name: "traces_spanmetrics_size_total",
        help: "Bytes of spans as OTLP",
        table: RollupTable::Spans,
        number: Number::Bytes,
    },
    Family {
        name: "traces_service_graph_request_total",
        help: "Calls from one node to another",
        table: RollupTable::Edges,
        number: Number::Count,
    },
    Family {
        name: "traces_service_graph_request_failed_total",
        help: "Calls that failed",
        table: RollupTable::Edges,
        number: Number::Errors,
    },
    Family {
        name: "traces_service_graph_request_server_seconds",
        help: "Durations of calls in seconds as the called side saw them",
        table: RollupTable::Edges,
        number: Number::Durations,
    },
    Family {
        name: "traces_service_graph_request_client_seconds",
        help: "Durations of calls in seconds as the caller saw them",
        table: RollupTable::Edges,
        number: Number::Caller,
    },
];

/// Which sample of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sample {
    /// The counter.
    Total,
    /// Durations up to that of a bucket; `None` for all.
    Bucket(Option<Bucket>),
    /// All durations together, in seconds.
    Sum,
    /// How many durations.
    Count,
}

impl Family {
    /// Whether it is a histogram, and not a counter.
    #[must_use]
    pub fn is_histogram(&self) -> bool {
        matches!(self.number, Number::Durations | Number::Caller)
    }

    /// The names of its series, each with its samples.
    #[must_use]
    pub fn names(&self) -> Vec<(String, Vec<Sample>)> {
        if !self.is_histogram() {
            return vec![(self.name.to_owned(), vec![Sample::Total])];
        }
        let named = |part: &str, samples| (format!("{}_{part}", self.name), samples);
        let buckets = bounds().map(Some).chain([None]).map(Sample::Bucket).collect();
        vec![named("bucket", buckets), named("count", vec![Sample::Count]), named("sum", vec![Sample::Sum])]
    }

    /// Its durations.
    #[must_use]
    pub fn durations<'c>(&self, numbers: &Numbers<'c>) -> &'c Durations {
        if self.number == Number::Caller { numbers.by_caller } else { numbers.by_callee }
    }

    /// A number.
    #[must_use]
    pub fn value(&self, sample: Sample, numbers: &Numbers<'_>) -> f64 {
        // Counts of spans and their bytes are far below 2^52.
        match (sample, self.number) {
            (Sample::Total, Number::Bytes) => numbers.bytes as f64,
            (Sample::Total, Number::Errors) => numbers.errors as f64,
            (Sample::Total, _) => numbers.count as f64,
            (Sample::Bucket(Some(bound)), _) => self.durations(numbers).up_to(bound) as f64,
            (Sample::Bucket(None) | Sample::Count, _) => self.durations(numbers).count_all() as f64,
            (Sample::Sum, _) => seconds(self.durations(numbers)),
        }
    }
}

/// What was counted, as metrics have it.
#[derive(Debug, Clone, Copy)]
pub struct Numbers<'c> {
    /// Spans or calls.
    pub count: i64,
    /// Failed ones.
    pub errors: i64,
    /// Bytes of spans.
    pub bytes: i64,
    /// How long spans took, or calls as the called side saw them.
    pub by_callee: &'c Durations,
    /// How long calls took as the caller saw them.
    pub by_caller: &'c Durations,
}

impl<'c> Numbers<'c> {
    /// The numbers of a cell. What only one side of a call saw stands for the other, which sends no spans.
    #[must_use]
    pub fn of(key: &RollupKey, cell: &'c Cell) -> Self {
        let Cell { count, errors, bytes, durations, caller, .. } = cell;
        let is_service = |node: &Node| node.kind == NodeKind::Service;
        let (by_callee, by_caller) = match key {
            RollupKey::Edge { callee, .. } if !is_service(callee) => (caller, caller),
            RollupKey::Edge { caller: from, .. } if !is_service(from) => (durations, durations),
            _ => (durations, caller),
        };
        Self { count: *count, errors: *errors, bytes: *bytes, by_callee, by_caller }
    }
}

/// All durations together in seconds.
#[must_use]
pub fn seconds(durations: &Durations) -> f64 {
    durations.sum_nanos as f64 / 1e9
}

/// The classic buckets.
pub fn bounds() -> impl Iterator<Item = Bucket> {
    EXPONENTS.map(|exponent| Bucket(exponent * PER_OCTAVE))
}

/// The value of the label `le`, as OpenMetrics writes it.
#[must_use]
pub fn le(bound: Option<Bucket>) -> String {
    bound.map_or_else(|| "+Inf".to_owned(), |bound| format!("{:?}", bound.longest_seconds()))
}

/// The labels of one sample: those of the key, its name, and its bucket.
pub(super) fn sample_labels(of_key: &Labels, name: &str, sample: Sample) -> Labels {
    let labels = of_key.clone().with(NAME, name);
    match sample {
        Sample::Bucket(bound) => labels.with(LE, le(bound)),
        _ => labels,
    }
}

/// The labels of a key without the name of a metric. `dimensions` are the labels of its dimensions.
#[must_use]
pub fn labels_of(key: &RollupKey, dimensions: &[String]) -> Option<Labels> {
    match key {
        RollupKey::Span { service, name, kind, status, dimensions: values, .. } => {
            let labels = service_labels(service, *kind, *status).with("span_name", name);
            let named = dimensions.iter().zip(values);
            Some(named.fold(labels, |labels, (label, value)| labels.with(label.clone(), value)))
        }
        RollupKey::Edge { caller, callee, connection } => Some(
            Labels::default()
                .with("client", &caller.name)
                .with("server", &callee.name)
                .with("connection_type", connection_label(*connection))
                .with("virtual_node", virtual_label(caller, callee, *connection)),
        ),
        RollupKey::Service { service, kind, status, .. } => Some(service_labels(service, *kind, *status)),
        RollupKey::Instance { .. } => None,
    }
}

fn service_labels(service: &str, kind: SpanKind, status: StatusCode) -> Labels {
    Labels::default()
        .with("service", service)
        .with("span_kind", kind_label(kind))
        .with("status_code", status_label(status))
}

/// The labels of dimensions: names of attributes with `_` for what no label may have.
#[must_use]
pub fn dimension_labels(attributes: &[String]) -> Vec<String> {
    attributes.iter().map(|attribute| dimension_label(attribute)).collect()
}

fn dimension_label(attribute: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let label: String = attribute.chars().map(plain).collect();
    let is_taken = OWN_LABELS.contains(&label.as_str()) || label.starts_with(|c: char| c.is_ascii_digit());
    if is_taken { format!("__{label}") } else { label }
}

fn kind_label(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Unspecified => "SPAN_KIND_UNSPECIFIED",
        SpanKind::Internal => "SPAN_KIND_INTERNAL",
        SpanKind::Server => "SPAN_KIND_SERVER",
        SpanKind::Client => "SPAN_KIND_CLIENT",
        SpanKind::Producer => "SPAN_KIND_PRODUCER",
        SpanKind::Consumer => "SPAN_KIND_CONSUMER",
    }
}

fn status_label(status: StatusCode) -> &'static str {
    match status {
        StatusCode::Unset => "STATUS_CODE_UNSET",
        StatusCode::Ok => "STATUS_CODE_OK",
        StatusCode::Error => "STATUS_CODE_ERROR",
    }
}

fn connection_label(connection: Connection) -> &'static str {
    match connection {
        Connection::Request => "",
        Connection::Message => "messaging_system",
        Connection::Database => "database",
        Connection::Virtual => "virtual_node",
    }
}

/// Which end of a call sends no spans.
fn virtual_label(caller: &Node, callee: &Node, connection: Connection) -> &'static str {
    match connection {
        Connection::Virtual if caller.kind != NodeKind::Service => "client",
        Connection::Virtual if callee.kind != NodeKind::Service => "server",
        _ => "",
    }
}

/// A name that may be none of ours.
pub(super) fn is_known(name: &str) -> bool {
    FAMILIES.iter().any(|family| family.names().iter().any(|(known, _)| known == name))
}

/// All names of series, for messages.
pub(super) fn all_names() -> String {
    let names: Vec<String> = FAMILIES
        .iter()
        .map(|family| format!("{}{}", family.name, if family.is_histogram() { "_*" } else { "" }))
        .collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_powers_of_two_as_openmetrics_writes_them() {
        let all: Vec<String> = bounds().map(|bound| le(Some(bound))).collect();
        assert_eq!(all.len(), 14);
        assert_eq!((all[0].as_str(), all[9].as_str(), all[13].as_str()), ("0.001953125", "1.0", "16.0"));
        assert_eq!(le(None), "+Inf");
    }

    #[test]
    fn dimensions_become_labels() {
        for (attribute, label) in [
            ("http.request.method", "http_request_method"),
            ("service", "__service"),
            ("1st", "__1st"),
            ("größe", "gr__e"),
        ] {
            assert_eq!(dimension_label(attribute), label);
        }
    }
}
