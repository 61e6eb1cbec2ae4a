//! The parts that pages are made of, on one page: for work on the style sheet.

use askama::Template;
use hoptrail_query::rollups::RollupSteps;

use super::red::{Spark, spark};
use super::search::form::Form;
use super::search::{Facet, FacetValue, Overview};
use crate::chrome::Chrome;
use crate::filters;

const MINUTE: u64 = 60_000_000_000;

#[derive(Debug, Template)]
#[template(path = "components.html")]
struct ComponentsPage {
    chrome: Chrome,
    rows: Vec<Row>,
    overview: Overview,
    form: Form,
}

/// A row of the table.
#[derive(Debug)]
struct Row {
    name: &'static str,
    rate: &'static str,
    errors: &'static str,
    share: u32,
    spark: Spark,
}

/// Every part that pages share, in the style of all pages.
#[must_use]
pub fn components() -> String {
    let page = ComponentsPage { chrome: Chrome::new(), rows: rows(), overview: overview(), form: Form::default() };
    page.render().unwrap_or_else(|error| error.to_string())
}

fn rows() -> Vec<Row> {
    let steps = RollupSteps { start: 0, step: MINUTE, count: 24 };
    let wave = |phase: f64| (0..steps.count).map(move |step| 5.0 + 3.0 * (step as f64 / 3.0 + phase).sin());
    let failed = |from: usize| (0..24).map(move |step| if step > from { (step - from) as f64 } else { 0.0 });
    let row = |(name, rate, errors, share, from): (_, _, _, u32, usize)| {
        let (rates, failed): (Vec<f64>, Vec<f64>) = (wave(from as f64).collect(), failed(from).collect());
        Row { name, rate, errors, share, spark: spark(&rates, &failed, &steps) }
    };
    [("checkout", "12.4/s", "19 %", 100, 12), ("cart", "8.1/s", "2.6 %", 55, 18), ("ads", "0.07/s", "0.3 %", 4, 22)]
        .map(row)
        .into()
}

fn overview() -> Overview {
    let value = |(text, spans, width): (&str, &str, &str)| FacetValue {
        text: text.to_owned(),
        spans: spans.to_owned(),
        width: width.to_owned(),
        include: "#facets".to_owned(),
        exclude: "#facets".to_owned(),
    };
    let facet = |label: &str, is_attribute, values: &[(&str, &str, &str)]| Facet {
        label: label.to_owned(),
        is_attribute,
        values: values.iter().copied().map(value).collect(),
        more: 3,
        all: "#facets".to_owned(),
    };
    let services = facet("Service", false, &[("frontend", "25 743", "100"), ("catalog", "20 441", "79")]);
    let routes = facet("span.http.route", true, &[("/products/{slug}", "1 204", "100"), ("/cart", "311", "26")]);
    Overview { facets: vec![services, routes], total: "46 184 spans".to_owned(), is_asked: true, ..Overview::default() }
}
