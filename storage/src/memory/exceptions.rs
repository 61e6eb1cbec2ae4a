//! Exceptions in groups, written directly from the rules of [`crate::exceptions`].

use std::collections::BTreeMap;

use hoptrail_proto::model::{AnyValue, Attribute, TraceSpan};

use super::pipeline::{spansets, union};
use super::whole::WholeTrace;
use crate::exceptions::{
    EVENT, ExceptionExample, ExceptionGroup, Exceptions, ExceptionsRequest, KIND, MESSAGE, VERSION, message_template,
    shown,
};
use crate::{Inspected, QueryContext, ReadError};

/// Collects exceptions.
pub(super) struct Plain<'r> {
    request: &'r ExceptionsRequest,
    groups: BTreeMap<(String, String, String), ExceptionGroup>,
    inspected: Inspected,
}

impl<'r> Plain<'r> {
    pub(super) fn new(request: &'r ExceptionsRequest) -> Self {
        Self { request, groups: BTreeMap::new(), inspected: Inspected::default() }
    }

    pub(super) fn add(&mut self, spans: &[TraceSpan], context: &QueryContext) -> Result<(), ReadError> {
        context.check()?;
        let trace = &WholeTrace::new(spans);
        self.inspected.spans += spans.len() as u64;
        for span in union(&spansets(trace, &self.request.spans, context)?) {
            self.add_span(trace.spans[span]);
        }
        Ok(())
    }

    fn add_span(&mut self, span: &TraceSpan) {
        let start = span.span.start_unix_nano;
        let Some(interval) = self.request.steps.interval(start) else { return };
        for event in span.span.events.iter().filter(|event| event.name == EVENT) {
            let service = span.resource.service_name().to_owned();
            let (kind, message) = (first_text(&event.attributes, KIND), first_text(&event.attributes, MESSAGE));
            let key = (service.clone(), kind.clone(), message_template(&message));
            let mut counts = vec![0; self.request.steps.count];
            counts[interval] = 1;
            let example = ExceptionExample {
                start_unix_nano: start,
                trace_id: span.span.trace_id,
                span_id: span.span.span_id,
                message: shown(&message),
            };
            let one = ExceptionGroup {
                counts,
                seen: (start, start),
                versions: vec![(first_text(&span.resource.attributes, VERSION), 1)],
                examples: vec![example],
                ..ExceptionGroup::default()
            };
            let group = self.groups.entry(key.clone()).or_default();
            (group.service, group.kind, group.template) = key;
            group.add(one, self.request.examples);
        }
    }

    pub(super) fn finish(self) -> Exceptions {
        let inspected = Inspected { segments: 1, ..self.inspected };
        Exceptions { groups: self.groups.into_values().collect(), inspected }
    }
}

/// The first text that an attribute has; empty without one.
fn first_text(attributes: &[Attribute], key: &str) -> String {
    let texts = attributes.iter().filter(|own| own.key == key).filter_map(|own| match &own.value {
        AnyValue::String(text) => Some(text.clone()),
        _ => None,
    });
    texts.into_iter().next().unwrap_or_default()
}
