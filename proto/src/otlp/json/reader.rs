//! What the reader of OTLP/JSON has written, and what it has to say of it.

use crate::otlp::malformed::MalformedRequest;
use crate::otlp::signals::Signal;
use crate::otlp::validate::{Notes, Path, Reason, Refusals, Repairs, cut};
use crate::otlp::warnings::{Warning, Warnings};

pub(super) struct Reader {
    /// The request in protobuf.
    pub(super) out: Vec<u8>,
    /// Where the reader is.
    pub(super) path: Path,
    /// `ResourceSpans` in `out`.
    pub(super) groups: usize,
    /// `ScopeSpans` in `out`.
    pub(super) scopes: usize,
    /// Spans in `out`.
    spans: usize,
    /// Why this is no request.
    pub(super) malformed: Option<MalformedRequest>,
    /// Why the span that is being read cannot be kept.
    unusable: Option<(Reason, String)>,
    /// What was repaired in the span that is being read.
    notes: Notes,
    pub(super) repairs: Repairs,
    pub(super) refused: Refusals,
    pub(super) warnings: Warnings,
    messages: usize,
}

impl Reader {
    /// A reader that expects to write so many bytes, and names so many refused spans.
    pub(super) fn new(bytes: usize, messages: usize) -> Self {
        Self {
            out: Vec::with_capacity(bytes),
            path: Path::default(),
            groups: 0,
            scopes: 0,
            spans: 0,
            malformed: None,
            unusable: None,
            notes: Notes::default(),
            repairs: Repairs::default(),
            refused: Refusals::default(),
            warnings: Warnings::default(),
            messages,
        }
    }

    /// What is read is no request.
    pub(super) fn malformed(&mut self, reason: String) {
        let path = &self.path;
        self.malformed.get_or_insert_with(|| MalformedRequest::new(path.text(), reason));
    }

    /// The span that is being read cannot be kept.
    pub(super) fn unusable(&mut self, reason: Reason, what: &str) {
        let path = || self.path.text();
        self.unusable.get_or_insert_with(|| (reason, format!("{}: {what}", path())));
    }

    /// A value is not of its kind, and this became of it.
    pub(super) fn mismatch(&mut self, outcome: &str, what: &str) {
        self.note(|path| format!("{path} {outcome}: {what}"));
    }

    /// A value is deeper than values are kept.
    pub(super) fn too_deep(&mut self) {
        self.note(|path| cut(&path));
    }

    /// Notes what happens here for the span, scope or resource; where there is none, the sender is warned.
    fn note(&mut self, text: impl FnOnce(String) -> String) {
        let (path, repairs) = (&self.path, &mut self.repairs);
        let (notes, outer) = match path.first() {
            [_, "scope_spans", "spans"] if path.len() > 3 => (&mut self.notes, 3),
            [_, "scope_spans", "scope"] if path.len() > 3 => (repairs.scopes.entry(self.scopes).or_default(), 3),
            [_, "scope_spans", "scope" | "schema_url"] => (repairs.scopes.entry(self.scopes).or_default(), 2),
            [_, "resource", _] if path.len() > 2 => (repairs.resources.entry(self.groups).or_default(), 2),
            [_, "resource" | "schema_url", _] => (repairs.resources.entry(self.groups).or_default(), 1),
            _ => return self.warnings.add(Warning::Fields, || text(path.text())),
        };
        notes.add(|| text(path.text_from(outer)));
    }

    /// A field of an envelope is unknown. In a request itself, the sender is warned at once.
    pub(super) fn foreign(&mut self, name: String, found: &mut Option<String>) {
        if self.path.len() > 0 {
            _ = found.get_or_insert(name);
            return;
        }
        match Signal::named(&name) {
            Some(signal) => self.warnings.add(signal.warning(), || {
                format!("{name:?} is no part of a request for traces: it holds {}", signal.elsewhere())
            }),
            None => self.warnings.add(Warning::Fields, || {
                format!("{name:?} is no part of a request for traces, which has \"resourceSpans\"")
            }),
        }
    }

    /// An envelope holds nothing else than unknown fields, of which this is one.
    pub(super) fn nothing_known(&mut self, name: &str) {
        let path = || self.path.text();
        self.warnings.add(Warning::Fields, || format!("{}: nothing in it is known, but it has {name:?}", path()));
    }

    /// A span is read; what was written of it begins at `start`.
    pub(super) fn end_span(&mut self, start: usize) {
        let notes = std::mem::take(&mut self.notes);
        if let Some((reason, text)) = self.unusable.take() {
            self.refused.add(reason, 1, self.messages, || text);
            self.out.truncate(start);
            return;
        }
        if !notes.is_empty() {
            self.repairs.spans.insert(self.spans, notes);
        }
        self.spans += 1;
    }
}
