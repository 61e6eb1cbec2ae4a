//! What is counted.

use hoptrail_proto::model::{SpanKind, StatusCode};

use super::PeerKind;

/// The tables of a rollup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RollupTable {
    /// Spans of each service, kind and status.
    Services,
    /// Spans of each service, name, kind and status.
    Spans,
    /// Calls from one node to another.
    Edges,
    /// Spans of each version and instance of a service.
    Instances,
}

impl RollupTable {
    /// All tables, in the order of the format.
    pub(crate) const ALL: [Self; 4] = [Self::Services, Self::Spans, Self::Edges, Self::Instances];
}

/// What one series counts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RollupKey {
    /// Spans of a service ([`RollupTable::Services`]).
    Service {
        /// `service.name`.
        service: String,
        /// Their kind.
        kind: SpanKind,
        /// Their status.
        status: StatusCode,
        /// Whether they are where the service is entered: a server or consumer, a root, or a span whose parent is remote by its flags.
        entry: bool,
    },
    /// Spans of a service with one name ([`RollupTable::Spans`]).
    Span {
        /// `service.name`.
        service: String,
        /// The span name; for services with very many names a template such as `GET /order/{}`, or `other`.
        name: String,
        /// Their kind.
        kind: SpanKind,
        /// Their status.
        status: StatusCode,
        /// As for services.
        entry: bool,
        /// The values of the configured dimensions, in the order of the settings; empty where a span has none.
        dimensions: Vec<String>,
    },
    /// Calls ([`RollupTable::Edges`]).
    Edge {
        /// Who calls.
        caller: Node,
        /// Who is called.
        callee: Node,
        /// How.
        connection: Connection,
    },
    /// Spans of an instance of a service ([`RollupTable::Instances`]).
    Instance {
        /// `service.name`.
        service: String,
        /// `service.version`; empty when not sent.
        version: String,
        /// `service.instance.id`, or else `k8s.pod.name` or `host.name`; empty when none is sent.
        instance: String,
    },
}

impl RollupKey {
    /// The table that has the key.
    #[must_use]
    pub fn table(&self) -> RollupTable {
        match self {
            Self::Service { .. } => RollupTable::Services,
            Self::Span { .. } => RollupTable::Spans,
            Self::Edge { .. } => RollupTable::Edges,
            Self::Instance { .. } => RollupTable::Instances,
        }
    }

    /// Whether the key concerns a service.
    #[must_use]
    pub fn concerns(&self, wanted: &str) -> bool {
        let is_wanted = |node: &Node| node.kind == NodeKind::Service && node.name == wanted;
        match self {
            Self::Service { service, .. } | Self::Span { service, .. } | Self::Instance { service, .. } => {
                service == wanted
            }
            Self::Edge { caller, callee, .. } => is_wanted(caller) || is_wanted(callee),
        }
    }

    /// The key of the services table that spans of this key count for as well.
    pub(crate) fn of_service(&self) -> Option<Self> {
        let Self::Span { service, kind, status, entry, .. } = self else { return None };
        Some(Self::Service { service: service.clone(), kind: *kind, status: *status, entry: *entry })
    }
}

/// One end of a call.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    /// What it is.
    pub kind: NodeKind,
    /// `service.name`, or what a caller says about a peer that sends no spans.
    pub name: String,
}

/// What a node is. The numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeKind {
    /// A service that sends spans.
    Service = 0,
    /// A database or cache that sends no spans.
    Database = 1,
    /// A queue, topic or broker.
    Queue = 2,
    /// A service that sends no spans: legacy, foreign, or just not instrumented.
    External = 3,
    /// Whoever calls without sending spans.
    User = 4,
}

impl NodeKind {
    /// All kinds, by their numbers.
    pub const ALL: [Self; 5] = [Self::Service, Self::Database, Self::Queue, Self::External, Self::User];

    /// What a reader calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Database => "database",
            Self::Queue => "queue",
            Self::External => "external",
            Self::User => "user",
        }
    }
}

impl From<PeerKind> for NodeKind {
    fn from(kind: PeerKind) -> Self {
        match kind {
            PeerKind::Database => Self::Database,
            PeerKind::Queue => Self::Queue,
            PeerKind::Service => Self::External,
        }
    }
}

/// How a call is made. The numbers are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Connection {
    /// A request to a service that sends spans.
    Request = 0,
    /// A message, through a queue.
    Message = 1,
    /// A request to a database.
    Database = 2,
    /// A request from or to somebody who sends no spans.
    Virtual = 3,
}

impl Connection {
    /// All of them, by their numbers.
    pub const ALL: [Self; 4] = [Self::Request, Self::Message, Self::Database, Self::Virtual];
}
