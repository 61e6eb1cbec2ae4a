//! Other views of the same trace.

pub(super) mod events;
pub(super) mod flame;
pub(super) mod graph;
pub(super) mod messages;
pub(super) mod spans;
pub(super) mod statistics;

use std::borrow::Cow;

use hoptrail_proto::model::{AnyValue, TraceSpan};
use hoptrail_query::conventions;

use crate::format;
use crate::url::{Params, href};

/// Fields of a span that are no attributes.
pub(super) const INTRINSICS: [&str; 4] = ["service", "name", "kind", "status"];

/// The text of a field: service, name, kind, status, or an attribute of the span or else of its resource, by its old or new name.
pub(super) fn field_of<'s>(span: &'s TraceSpan, field: &str) -> Cow<'s, str> {
    let model = &span.span;
    match field {
        "service" => return span.resource.service_name().into(),
        "name" => return model.name.as_str().into(),
        "kind" => return model.kind.name().into(),
        "status" => return model.status.code.name().into(),
        _ => {}
    }
    let key = field.strip_prefix("span.").unwrap_or(field);
    let of_span = || match conventions::names_of(key) {
        Some(keys) => conventions::value(model, keys),
        None => model.attribute(key),
    };
    let of_resource = || span.resource.attribute(field.strip_prefix("resource.").unwrap_or(field));
    match of_span().or_else(of_resource) {
        Some(AnyValue::String(text)) => text.as_str().into(),
        Some(other) => format::value(other).into(),
        None => "".into(),
    }
}

/// A column by which rows can be sorted.
#[derive(Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) href: String,
    /// `ascending`, `descending`, or nothing.
    pub(crate) sorted: &'static str,
    pub(crate) number: bool,
}

/// How rows are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sort {
    /// Index of the column.
    pub(super) by: usize,
    pub(super) up: bool,
}

impl Sort {
    /// Reads `sort=WORD` and `order=asc` or `desc`.
    pub(super) fn read(params: &Params, words: &[&str], default: Self) -> Result<Self, String> {
        let (word, order) = (params.text("sort"), params.text("order"));
        let by = match word {
            "" => default.by,
            word => words.iter().position(|known| *known == word).ok_or_else(|| {
                format!("sort {:?} is unknown: it is one of {}", format::shortened(word, 60), words.join(", "))
            })?,
        };
        let up = match order {
            "asc" => true,
            "desc" => false,
            "" => default.up && word.is_empty(),
            _ => return Err(format!("order {:?} is unknown: it is asc or desc", format::shortened(order, 60))),
        };
        Ok(Self { by, up })
    }
}

/// An address with some parameters of a page changed.
pub(super) fn changed(trace: &str, params: &[(&str, String)], changes: &[(&str, &str)]) -> String {
    let kept = params.iter().filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    let kept = kept.map(|(name, value)| (*name, value.as_str()));
    href(&format!("/trace/{trace}"), kept.chain(changes.iter().copied()))
}

/// A page of many rows.
#[derive(Debug, Default)]
pub(super) struct Pager {
    pub(super) text: String,
    pub(super) previous: String,
    pub(super) next: String,
}

/// The rows of page `page` among `total`, and the ways to its neighbours.
pub(super) fn pager(
    total: usize,
    size: usize,
    page: usize,
    link: impl Fn(usize) -> String,
) -> (std::ops::Range<usize>, Pager) {
    let last = total.saturating_sub(1) / size;
    let page = page.min(last);
    let range = page * size..total.min((page + 1) * size);
    let pager = if last == 0 {
        Pager::default()
    } else {
        Pager {
            text: format!(
                "{} to {} of {}",
                format::count(range.start as u64 + 1),
                format::count(range.end as u64),
                format::count(total as u64)
            ),
            previous: if page > 0 { link(page - 1) } else { String::new() },
            next: if page < last { link(page + 1) } else { String::new() },
        }
    };
    (range, pager)
}

/// Reads `page=N`, from 0.
pub(super) fn page_number(params: &Params) -> Result<usize, String> {
    match params.text("page") {
        "" => Ok(0),
        text => text.parse().map_err(|_| format!("page {:?} is no number of a page", format::shortened(text, 60))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_have_all_rows() {
        let link = |page: usize| page.to_string();
        let (range, pages) = pager(250, 100, 1, link);
        assert_eq!((range, pages.previous.as_str(), pages.next.as_str()), (100..200, "0", "2"));
        assert_eq!(pager(250, 100, 99, link).0, 200..250);
        assert_eq!((pager(0, 100, 5, link).0, pager(100, 100, 0, link).1.text), (0..0, String::new()));
    }

    #[test]
    fn sorting_is_checked() {
        let read = |query: &str| {
            let params = Params::of(&format!("/?{query}").parse().expect("uri"));
            Sort::read(&params, &["name", "count"], Sort { by: 0, up: true })
        };
        assert_eq!(read(""), Ok(Sort { by: 0, up: true }));
        assert_eq!(read("sort=count"), Ok(Sort { by: 1, up: false }));
        assert_eq!(read("sort=count&order=asc"), Ok(Sort { by: 1, up: true }));
        assert!(read("sort=x").is_err_and(|text| text.contains("name, count")));
        assert!(read("order=up").is_err());
    }
}
