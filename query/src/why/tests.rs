use hoptrail_proto::model::StatusCode;
use hoptrail_storage::{AttributeScope, Intrinsic, TellingPair, TellingValue};

use super::*;

fn question(selected: &str, others: &str) -> Question {
    Question { selected: selected.to_owned(), others: others.to_owned(), range: None }
}

fn field(key: &str) -> Field {
    Field::attribute(AttributeScope::Resource, key)
}

fn value(key: &str, selected: u64, others: u64, same_as: Option<usize>) -> TellingValue {
    TellingValue { field: field(key), value: Value::string("x"), traces: Sides { selected, others }, same_as }
}

#[test]
fn findings_lead_to_their_traces() {
    let pair = TellingPair {
        values: [
            (Field::Intrinsic(Intrinsic::Name), Value::string("SELECT \"orders\"")),
            (field("k8s.node.name"), Value::string("node-7")),
        ],
        is_of_one_span: true,
        traces: Sides { selected: 92, others: 30 },
    };
    let apart = TellingPair { is_of_one_span: false, ..pair.clone() };
    let values = vec![value("node", 80, 200, None), value("host", 80, 200, Some(0)), value("cached", 10, 900, None)];
    let contrast = Contrast {
        traces: Sides { selected: 100, others: 1_000 },
        values,
        pairs: vec![pair, apart],
        ..Contrast::default()
    };
    let found = findings(&question("{ status = error }", "{ }"), &contrast);
    assert_eq!(
        (found.more.len(), found.fewer.len()),
        (3, 1),
        "a value of just the same traces is no finding of its own"
    );
    let first = &found.more[0];
    let both = r#"name = "SELECT \"orders\"" && resource.k8s.node.name = "node-7""#;
    assert_eq!(first.query, Some(format!("{{ status = error }} && {{ {both} }}")));
    assert_eq!((first.lift(&found.traces) * 10.0).round(), 307.0);
    assert_eq!(first.confidence(&found.traces), Confidence::Certain);
    let apart = both.replace(" && ", " } && { ");
    assert_eq!(found.more[1].condition, Some(format!("{{ {apart} }}")));
    assert_eq!(found.more[2].alike, [Term { field: field("host"), value: Value::string("x") }]);
    assert_eq!(found.fewer[0].query.as_deref(), Some("{ resource.cached = \"x\" }"), "the others have it");
    for finding in found.more.iter().chain(&found.fewer) {
        assert!(traceql::compile(finding.query.as_deref().expect("a query")).is_ok());
    }
}

#[test]
fn any_selection_is_narrowed() {
    for (selected, expected) in [
        ("{ }", "{ a }"),
        ("{ .x = 1 || .y = 2 }", "{ .x = 1 || .y = 2 } && { a }"),
        ("{ } >> { status = error }", "({ } >> { status = error }) && { a }"),
        ("{ } | count() > 3", "({ } | count() > 3) && { a }"),
        ("{ .x = 1 } || { .y = 2 }", "({ .x = 1 } || { .y = 2 }) && { a }"),
    ] {
        let found = question(selected, "{ }").with("{ .a = 1 }", true);
        let expected = expected.replace("{ a }", "{ .a = 1 }");
        assert_eq!(found, Some(expected), "{selected}");
    }
}

#[test]
fn what_the_question_names_is_no_answer() {
    let query =
        "{ status = error && (span.a = 1 || .b = \"x\") } && { event:name = \"e\" && duration > 1s && .c != 2 }";
    let request = question(query, "{ }").request(&["*.id".to_owned()]).expect("asked");
    let named = |field: Field, value: Value| assert!(request.without.contains(&(field, value)));
    named(Field::Intrinsic(Intrinsic::Status), Value::Status(StatusCode::Error));
    named(Field::attribute(AttributeScope::Span, "a"), Value::Any(1i64.into()));
    named(field("b"), Value::string("x"));
    assert_eq!(request.without.len(), 8);
    let faults = question("{ }", "{ .a = }").request(&[]).expect_err("a fault");
    assert!(!faults.of_selection && faults.errors[0].range == (7..8));
}

#[test]
fn values_that_traceql_cannot_write_have_no_query() {
    let long = Value::string("x".repeat(2_000));
    assert_eq!(condition(&field("a"), &long), None);
    assert_eq!(condition(&field("a b"), &Value::Any(2.0.into())).as_deref(), Some("resource.\"a b\" = 2.0"));
    assert_eq!(condition(&field("a"), &Value::Any(f64::NAN.into())), None);
}
