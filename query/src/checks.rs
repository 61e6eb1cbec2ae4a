//! What must hold for any text. The function panics when it does not: fuzz target and property tests call the same one.

use crate::traceql::{
    QueryError, compile, compile_metrics, complete, is_metrics, lenient_filter, parse, render_errors,
};
use crate::{Order, Rows, place_from_text, place_text};

/// Any text is read, or refused with the bytes at fault. What was read is the same after it was printed and read again.
pub fn traceql(text: &str) {
    match parse(text) {
        Ok(query) => {
            let printed = query.to_string();
            let again = parse(&printed);
            assert_eq!(again.as_ref(), Ok(&query), "{printed}");
            assert_eq!(query.to_string(), again.map(|again| again.to_string()).unwrap_or_default());
        }
        Err(errors) => faults(text, &errors),
    }
    match compile(text) {
        Ok(compiled) => assert!(parse(text).is_ok(), "{compiled:?}"),
        Err(errors) => faults(text, &errors),
    }
    match compile_metrics(text) {
        Ok(_) => assert!(is_metrics(text) && compile(text).is_err()),
        Err(errors) => faults(text, &errors),
    }
    let _ = lenient_filter(text);
    for at in [0, text.len() / 2, text.len()] {
        let found = complete(text, at);
        assert!(text.get(found.replaces.clone()).is_some_and(|typed| typed.len() <= at), "{found:?}");
    }
    for rows in [Rows::Traces, Rows::Spans] {
        if let Ok(place) = place_from_text(text, &Order::Newest, rows) {
            assert_eq!(place_text(&place), text.to_ascii_lowercase());
        }
    }
}

fn faults(text: &str, errors: &[QueryError]) {
    assert!(!errors.is_empty());
    assert!(errors.iter().all(|error| text.get(error.range.clone()).is_some()), "{errors:?}");
    assert!(!render_errors(text, errors).is_empty());
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    /// What no script has.
    const MORE: [&str; 8] = [
        "({.a}>{.b}>>{.c}) && {.d}!<<{.e} || {.f}&~{.g}",
        "{ } | select(.a, span.b) | by(resource.service.name) | count() > 2 with (most_recent=true)",
        "{ span.a = 1 } | max(duration) - min(duration) >= 1h30m * 2 ^ 3 | coalesce()",
        "{ name =~ `a\\d` } | rate() by (.a, event:name) | topk(10)",
        "{ } | quantile_over_time(duration, 0.5, .99) by (name)",
        "{ } | compare({ status = error }, 10, 1, 2)",
        "({ } | rate() by (.a) | topk(2)) / ({ } | rate()) * 100 > 5 with (extrapolate=true, exemplars=5)",
        "{ parent.resource.a - .b > -nestedSetLeft } | by(.c ^ 2) | sort(duration asc) | spans",
    ];

    #[test]
    #[ignore = "writes the fuzzer's first inputs again: the queries of tests/traceql"]
    fn write_the_seeds() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let folder = here.join("../fuzz/corpus/traceql");
        std::fs::create_dir_all(&folder).expect("a folder");
        for script in std::fs::read_dir(here.join("tests/traceql")).expect("the scripts") {
            let script = script.expect("a script").path();
            let text = std::fs::read_to_string(&script).expect("text");
            let name = script.file_stem().and_then(|name| name.to_str()).expect("a name");
            for (number, query) in text.lines().filter_map(|line| line.strip_prefix("? ")).step_by(8).enumerate() {
                std::fs::write(folder.join(format!("{name}-{number}")), query).expect("written");
            }
        }
        for (number, query) in MORE.iter().enumerate() {
            std::fs::write(folder.join(format!("more-{number}")), query).expect("written");
        }
    }
}
