//! Searches: traces, or spans where the query says so.

use hoptrail_query::traceql::Kind;
use serde_json::Value;

use super::printer::Printer;
use super::rows::{Page, Row};
use crate::client::{Answer, Client, Failure};
use crate::commands::remote::Format;
use crate::commands::times::Range;
use crate::terminal::text::shown;

/// Traces that are asked for when no limit is given.
const LIMIT: u32 = 20;
/// Traces on a page of `--all`.
const PAGE: u32 = 500;
/// The header with the place of the next page, and the parameter that takes it.
const NEXT: (&str, &str) = ("x-hoptrail-next", "after");

/// What is looked for, and where.
#[derive(Debug)]
pub(super) struct Question<'a> {
    pub(super) client: &'a Client,
    pub(super) q: &'a str,
    pub(super) kind: Kind,
    pub(super) range: Option<Range>,
}

impl Question<'_> {
    /// What is sent: the newest `limit` are wanted.
    pub(super) fn params(&self, limit: Option<u32>) -> Vec<(&'static str, String)> {
        let mut params = vec![("q", self.q.to_owned()), ("limit", limit.unwrap_or(LIMIT).to_string())];
        if let Some((start, end)) = self.range {
            params.extend([("start", start.to_string()), ("end", end.to_string())]);
        }
        params
    }

    /// The newest `limit`, or what comes after the place.
    pub(super) async fn page(&self, limit: u32, after: Option<String>) -> Result<Page, Failure> {
        let mut params = self.params(Some(limit));
        params.extend(after.map(|after| (NEXT.1, after)));
        let answer = self.client.get("/api/search", &params, "application/json").await?;
        Ok(Page {
            rows: self.rows(&answer)?,
            next: answer.header(NEXT.0).filter(|next| !next.is_empty()).map(str::to_owned),
            notice: answer.notice().map(str::to_owned),
            text: answer.text(),
        })
    }

    fn rows(&self, answer: &Answer) -> Result<Vec<Row>, Failure> {
        let mut answer = answer.json(self.client.address())?;
        let traces = match answer.get_mut("traces").map(Value::take) {
            Some(Value::Array(traces)) => traces,
            _ => Vec::new(),
        };
        Ok(traces.into_iter().map(|trace| Row::read(trace, self.kind)).collect())
    }
}

/// The newest traces. Whether there are any.
pub(super) async fn newest(question: &Question<'_>, mut printer: Printer, limit: Option<u32>) -> Result<bool, Failure> {
    let limit = limit.unwrap_or(LIMIT);
    let page = question.page(limit, None).await?;
    printer.page(&page)?;
    note(&page);
    if printer.format() == Format::Table && page.rows.len() >= limit as usize {
        eprintln!("the first {limit}; there may be more: --limit, --all");
    }
    Ok(!page.rows.is_empty())
}

/// All traces, page by page. Whether there are any.
pub(super) async fn all(question: &Question<'_>, mut printer: Printer) -> Result<bool, Failure> {
    let (mut found, mut place) = (false, None);
    loop {
        let page = question.page(PAGE, place.clone()).await?;
        printer.page(&page)?;
        note(&page);
        found |= !page.rows.is_empty();
        if page.next.is_none() {
            if place.is_none() && page.rows.len() >= PAGE as usize {
                eprintln!("the first {PAGE}; there may be more, which only hoptrail gives page by page");
            }
            return Ok(found);
        }
        if page.next == place {
            return Err(Failure::Mistake("the server gives the same page again and again".to_owned()));
        }
        place = page.next;
    }
}

/// Says what is missing in an answer.
pub(super) fn note(page: &Page) {
    if let Some(notice) = &page.notice {
        eprintln!("{}", shown(notice));
    }
}
