//! The services and span names to choose from, with how many spans each has in the time of the search.

use std::collections::HashMap;
use std::sync::Arc;

use hoptrail_proto::model::AnyValue;
use hoptrail_query::rollups::{RollupKey, RollupRequest, RollupSteps, RollupTable};
use hoptrail_query::{
    CompareOp, Field, FieldValuesRequest, Filter, Intrinsic, Pattern, TimeRange, Value, literal_pattern,
};

use crate::context::Visit;
use crate::error::PageError;
use crate::format;
use crate::kept::About;

/// Most services and span names offered.
const MOST: usize = 1_000;
/// Most that are known of, so that the page can say how many are not offered.
const MOST_KNOWN: usize = 10_000;

/// Most names offered for a text.
const MOST_LIKE: usize = 20;

/// The names that a field has, as many as are offered.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// In alphabetical order.
    pub(super) names: Vec<String>,
    /// How many spans have them, where that is known.
    pub(super) counts: Arc<HashMap<String, u64>>,
    /// How many there are, when there are more than are offered.
    pub(super) of: Option<usize>,
}

impl Names {
    /// `The 1 000 most frequent of 2 345`, when there are more than are offered.
    pub(super) fn cut(&self) -> Option<String> {
        let known = self.of?;
        let more = if known >= MOST_KNOWN { "more than " } else { "" };
        Some(format!("{} of {more}{}", format::count(self.names.len() as u64), format::count(known as u64)))
    }

    /// `12 spans`; empty when it has none in the time, or nobody knows.
    pub(super) fn spans(&self, name: &str) -> String {
        let spans = self.counts.get(name).copied().filter(|spans| *spans > 0);
        spans.map(|spans| format::counted(spans as usize, "span", "spans")).unwrap_or_default()
    }
}

/// All services, over all time.
pub(super) async fn services(visit: &Visit, range: Option<TimeRange>) -> Result<Names, PageError> {
    let names = values(visit, Field::service(), Filter::True).await?;
    let counts = counts(visit, RollupTable::Services, range, None).await;
    Ok(offered(names, counts))
}

/// The span names of a service, or of all, over all time.
pub(super) async fn span_names(visit: &Visit, service: &str, range: Option<TimeRange>) -> Result<Names, PageError> {
    let names = values(visit, Field::Intrinsic(Intrinsic::Name), of_service(service)).await?;
    let counts = counts(visit, RollupTable::Spans, range, Some(service)).await;
    Ok(offered(names, counts))
}

fn of_service(service: &str) -> Filter {
    match service {
        "" => Filter::True,
        service => Filter::compare(Field::service(), CompareOp::Eq, Value::string(service)),
    }
}

/// Names that have a text, in whatever case, however many names there are: of services or of the spans of a service. Those that begin with
/// it come first, then those with the most spans.
pub(super) async fn like(
    visit: &Visit,
    of: Of<'_>,
    text: &str,
    range: Option<TimeRange>,
) -> Result<Vec<(String, String)>, PageError> {
    let (field, service) = match of {
        Of::Services => (Field::service(), None),
        Of::Spans(service) => (Field::Intrinsic(Intrinsic::Name), Some(service)),
    };
    // A text that is too long for a pattern is no part of a name.
    let Ok(pattern) = Pattern::new(&format!("(?is).*{}.*", literal_pattern(text))) else { return Ok(vec![]) };
    let has_text = Filter::Matches { field: field.clone(), pattern, negated: false };
    let filter = Filter::And(vec![of_service(service.unwrap_or_default()), has_text]);
    let names = values(visit, field, filter).await?;
    let table = if service.is_some() { RollupTable::Spans } else { RollupTable::Services };
    let names = Names { counts: counts(visit, table, range, service).await, names, of: None };
    Ok(best(&names, text))
}

/// What names are of.
#[derive(Debug, Clone, Copy)]
pub(super) enum Of<'a> {
    Services,
    /// Spans of this service; of all without a name.
    Spans(&'a str),
}

/// The best of the names that have a text, with their spans.
fn best(names: &Names, text: &str) -> Vec<(String, String)> {
    let text = text.to_lowercase();
    let mut sorted: Vec<&String> = names.names.iter().collect();
    sorted.sort_by_cached_key(|name| {
        let spans = names.counts.get(*name).copied().unwrap_or_default();
        (!name.to_lowercase().starts_with(&text), std::cmp::Reverse(spans), name.len())
    });
    sorted.into_iter().take(MOST_LIKE).map(|name| (name.clone(), names.spans(name))).collect()
}

/// Whether there is no span at all; spans without a service name are spans, too.
pub(crate) async fn store_is_empty(visit: &Visit) -> Result<bool, PageError> {
    let request =
        FieldValuesRequest { field: Field::Intrinsic(Intrinsic::Name), filter: Filter::True, range: None, limit: 2 };
    let found = visit.service().field_values(&visit.tenant, request).await?.value;
    Ok(found.into_iter().filter_map(text_of).next().is_none())
}

/// When there are too many, those with the most spans.
fn offered(mut names: Vec<String>, counts: Arc<HashMap<String, u64>>) -> Names {
    let known = names.len();
    if known > MOST {
        let spans = |name: &String| counts.get(name).copied().unwrap_or_default();
        names.sort_by_key(|name| std::cmp::Reverse(spans(name)));
        names.truncate(MOST);
        names.sort();
    }
    Names { names, counts, of: (known > MOST).then_some(known) }
}

async fn values(visit: &Visit, field: Field, filter: Filter) -> Result<Vec<String>, PageError> {
    let request = FieldValuesRequest { field, filter, range: None, limit: MOST_KNOWN };
    let values = visit.service().field_values(&visit.tenant, request).await?.value;
    Ok(values.into_iter().filter_map(text_of).collect())
}

/// The text of a value; `None` when it is empty or no text.
fn text_of(value: Value) -> Option<String> {
    match value {
        Value::Any(AnyValue::String(text)) if !text.is_empty() => Some(text),
        _ => None,
    }
}

/// Spans of each name in the minutes of the range, of rollups. A store without them has no counts.
async fn counts(
    visit: &Visit,
    table: RollupTable,
    range: Option<TimeRange>,
    service: Option<&str>,
) -> Arc<HashMap<String, u64>> {
    let service = service.filter(|service| !service.is_empty()).map(str::to_owned);
    let range = range.unwrap_or(TimeRange { start: 0, end: u64::MAX });
    let what = format!("{table:?} {}", service.as_deref().unwrap_or_default());
    let about = About::new(&visit.tenant, &what, range.start, range.end.min(visit.now));
    if let Some(known) = visit.app.counts.get(&about) {
        return known;
    }
    let steps = RollupSteps::whole(TimeRange { start: about.start, end: about.end });
    let Ok(answer) = visit.service().rollups(&visit.tenant, vec![RollupRequest { table, steps, service }]).await else {
        return Arc::default();
    };
    let mut counts: HashMap<String, u64> = HashMap::new();
    for series in answer.value.into_iter().flat_map(|rollups| rollups.series) {
        let spans = u64::try_from(series.total().count).unwrap_or_default();
        if let RollupKey::Service { service: name, .. } | RollupKey::Span { name, .. } = series.key {
            *counts.entry(name).or_default() += spans;
        }
    }
    let counts = Arc::new(counts);
    visit.app.counts.keep(about, &counts, counts.len());
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_begin_with_a_text_come_first_then_the_most_frequent() {
        let names = ["a get b", "GET /rare", "get /often", "forget"].map(str::to_owned).to_vec();
        let counts = Arc::new(HashMap::from([("get /often".to_owned(), 9), ("forget".to_owned(), 99)]));
        let found = best(&Names { names, counts, of: None }, "Get");
        let found: Vec<(&str, &str)> = found.iter().map(|(name, spans)| (name.as_str(), spans.as_str())).collect();
        assert_eq!(found, [("get /often", "9 spans"), ("GET /rare", ""), ("forget", "99 spans"), ("a get b", "")]);
    }

    #[test]
    fn of_too_many_names_the_most_frequent_are_offered() {
        let names: Vec<String> = (0..MOST + 5).map(|number| format!("{number:05}")).collect();
        let counts: HashMap<String, u64> = names.iter().rev().take(10).map(|name| (name.clone(), 7)).collect();
        let offered = offered(names.clone(), Arc::new(counts));
        assert_eq!((offered.names.len(), offered.names.last()), (MOST, names.last()));
        assert_eq!(offered.cut().as_deref(), Some("1\u{202f}000 of 1\u{202f}005"));
        assert_eq!((offered.spans(&names[MOST + 4]).as_str(), offered.spans("0").as_str()), ("7 spans", ""));
        let few = super::offered(vec!["a".into()], Arc::default());
        assert_eq!((few.cut(), few.names.len()), (None, 1));
    }
}
