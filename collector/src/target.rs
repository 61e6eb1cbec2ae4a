//! What a request is for, by its path.

use hoptrail_proto::otlp::Signal;

/// Where traces go over HTTP.
pub(crate) const TRACES_PATH: &str = "/v1/traces";
/// Where traces go over gRPC.
pub(crate) const TRACES_METHOD: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";

/// What a request exports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Traces,
    Other(Signal),
}

impl Target {
    const ALL: [Self; 4] =
        [Self::Traces, Self::Other(Signal::Metrics), Self::Other(Signal::Logs), Self::Other(Signal::Profiles)];

    /// The target of a path of OTLP over HTTP.
    pub(crate) fn at_path(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|target| same(path, target.path()))
    }

    /// The target of a method of OTLP over gRPC.
    pub(crate) fn of_method(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|target| same(path, target.method()))
    }

    fn path(self) -> &'static str {
        match self {
            Self::Traces => TRACES_PATH,
            Self::Other(signal) => signal.path(),
        }
    }

    fn method(self) -> &'static str {
        match self {
            Self::Traces => TRACES_METHOD,
            Self::Other(signal) => signal.method(),
        }
    }
}

/// Whether two paths differ at most in doubled slashes and in one at the end: people join addresses by hand.
pub(crate) fn same(given: &str, path: &str) -> bool {
    given == path || segments(given).eq(segments(path))
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extra_slashes_do_not_matter() {
        for path in ["/v1/traces", "/v1/traces/", "//v1/traces", "/v1//traces//"] {
            assert_eq!(Target::at_path(path), Some(Target::Traces), "{path}");
        }
        assert_eq!(Target::at_path("//v1/logs/"), Some(Target::Other(Signal::Logs)));
        assert_eq!(Target::of_method(&format!("/{TRACES_METHOD}/")), Some(Target::Traces));
        for path in ["", "/", "/v1", "/v1/traces/x", "/v1/traces/v1/traces", "/V1/traces", "/v1/trace"] {
            assert_eq!(Target::at_path(path), None, "{path}");
        }
    }
}
