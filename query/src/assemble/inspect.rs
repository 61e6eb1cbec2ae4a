//! Warnings about a span by itself.

use std::collections::HashSet;

use hoptrail_proto::model::{Attribute, TraceSpan};
use hoptrail_proto::otlp::REPAIRED;

use super::Warning;
use super::draft::Draft;

/// Marks every span with what its own content shows.
pub(super) fn mark(drafts: &mut [Draft<'_>]) {
    for draft in drafts {
        if let Some(span) = draft.span() {
            draft.warnings.extend(warnings(span));
        }
    }
}

fn warnings(span: &TraceSpan) -> Vec<Warning> {
    let mut found = Vec::new();
    let model = &span.span;
    if model.name.is_empty() {
        found.push(Warning::EmptyName);
    }
    if span.resource.service_name().is_empty() {
        found.push(Warning::EmptyService);
    }
    if model.end_unix_nano < model.start_unix_nano {
        found.push(Warning::EndBeforeStart { nanos: model.start_unix_nano - model.end_unix_nano });
    }
    found.extend(repaired(span));
    found.extend(dropped(span));
    found.extend(repeated(&model.attributes).map(|key| Warning::RepeatedAttribute(key.to_owned())));
    found.extend(events_outside(span));
    found
}

/// What the collector says it repaired on the span, its resource and its scope.
fn repaired(span: &TraceSpan) -> Option<Warning> {
    let places = [&span.span.attributes, &span.resource.attributes, &span.scope.attributes];
    let marks = places.into_iter().flatten().filter(|attribute| attribute.key == REPAIRED);
    let texts: Vec<&str> = marks.map(|mark| mark.value.as_str().unwrap_or("by the collector")).collect();
    (!texts.is_empty()).then(|| Warning::Repaired(texts.join("; ")))
}

fn dropped(span: &TraceSpan) -> Option<Warning> {
    let model = &span.span;
    let of_events = model.events.iter().map(|event| u64::from(event.dropped_attributes_count));
    let of_links = model.links.iter().map(|link| u64::from(link.dropped_attributes_count));
    let own =
        [model.dropped_attributes_count, span.resource.dropped_attributes_count, span.scope.dropped_attributes_count];
    let attributes = own.into_iter().map(u64::from).chain(of_events).chain(of_links).sum();
    let (events, links) = (model.dropped_events_count, model.dropped_links_count);
    (attributes > 0 || events > 0 || links > 0).then_some(Warning::Dropped { attributes, events, links })
}

/// The first key that appears a second time.
fn repeated(attributes: &[Attribute]) -> Option<&str> {
    // Most spans have few attributes: comparing is faster than hashing.
    if attributes.len() <= 16 {
        let twice =
            |(at, attribute): &(usize, &Attribute)| attributes[..*at].iter().any(|one| one.key == attribute.key);
        return attributes.iter().enumerate().find(twice).map(|(_, attribute)| attribute.key.as_str());
    }
    let mut seen = HashSet::with_capacity(attributes.len());
    attributes.iter().map(|attribute| attribute.key.as_str()).find(|key| !seen.insert(*key))
}

fn events_outside(span: &TraceSpan) -> Option<Warning> {
    let model = &span.span;
    let outside = |time: u64| time < model.start_unix_nano || time > model.end_unix_nano;
    let events = model.events.iter().filter(|event| outside(event.time_unix_nano)).count();
    let valid = model.start_unix_nano != 0 && model.end_unix_nano >= model.start_unix_nano;
    (events > 0 && valid).then(|| Warning::EventsOutside { events: u32::try_from(events).unwrap_or(u32::MAX) })
}
