//! A search with one more condition.

use hoptrail_query::traceql;

use crate::pages::search::attributes;
use crate::pages::search::form::{Form, SEARCH};
use crate::pages::search::text;

/// The page of this search with one condition more; `None` when that is no query.
pub(in crate::pages::search) fn narrowed(form: &Form, condition: &str) -> Option<String> {
    let query = match form.query.trim() {
        "" => format!("{{ {condition} }}"),
        typed if text::is_traceql(typed) => text::joined(&[condition.to_owned()], typed),
        pairs => {
            let mut all = attributes::conditions(pairs).ok()?;
            all.push(condition.to_owned());
            format!("{{ {} }}", all.join(" && "))
        }
    };
    traceql::compile(&query).ok()?;
    Some(form.link(SEARCH, &[("q", &query)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::url::Params;

    fn query(typed: &str, condition: &str) -> Option<String> {
        let form = Form { query: typed.to_owned(), after: "1".into(), ..Form::default() };
        let link = narrowed(&form, condition)?;
        assert!(!link.contains("after="), "{link}");
        Some(Params::of(&link.parse().expect("uri")).text("q").to_owned())
    }

    #[test]
    fn the_condition_joins_what_was_typed() {
        for (typed, whole) in [
            ("", "{ span.x = 1 }"),
            ("{ }", "{ span.x = 1 }"),
            ("{ .a = 1 || .b = 2 }", "{ span.x = 1 && (.a = 1 || .b = 2) }"),
            ("{ .a = 1 } | count() > 2", "{ span.x = 1 } | { .a = 1 } | count() > 2"),
            ("error=true", "{ status = error && span.x = 1 }"),
        ] {
            assert_eq!(query(typed, "span.x = 1").as_deref(), Some(whole), "{typed}");
        }
        assert_eq!(query("{", "span.x = 1"), None);
        assert_eq!(query("{ }", "!(span.x = 1)").as_deref(), Some("{ !(span.x = 1) }"));
    }
}
