use super::*;
use crate::traceql::parse;

#[test]
fn sound_queries_pass() {
    for q in [
        "{ .a }",
        "{ !.a }",
        "{ true }",
        "{ 1 = 1.5 }",
        "{ duration > 5 && duration < 1.5 && 1s < traceDuration }",
        "{ name = \"x\" && name < \"y\" && name =~ \"z|.*\" }",
        "{ status = error && status != .a && kind = server }",
        "{ .a + 1 > 2 * duration }",
        "{ .a = nil && name != nil && resource.service.name != nil && span.service.name = nil }",
        "{ (.a = 1) = true }",
        "{ .a = .b }",
        "{ nestedSetParent < 0 && span:childCount = 2 }",
        "{ } | count() > 1 | avg(.a) < 1s | select(.a, name) | by(.a) | coalesce() | { .b }",
        "by(.a)",
        "count() > 1",
        "({ } | count() > 1) && { .b } >> { .c }",
        "{ } | rate() by (.a, .b, .c, .d, .e) | topk(5) > 1 | bottomk(2)",
        "{ } | quantile_over_time(duration, 0, .5, 1) by (.a)",
        "{ } | compare({ .a }, 10)",
        "({ } | rate()) / ({ } | rate()) * 100 > 5",
        "{ } | histogram_over_time(.a * 2)",
    ] {
        let query = parse(q).unwrap_or_else(|errors| panic!("{q}: {errors:?}"));
        assert_eq!(check(&query), [], "{q}");
    }
}

#[test]
fn every_breach_is_reported_with_its_bytes() {
    for (q, faults) in [
        // Conditions.
        ("{ 1 }", vec![(2..3, "needs a condition, but this is an int")]),
        ("{ name }", vec![(2..6, "but this is a string")]),
        ("{ duration }", vec![(2..10, "but this is a duration")]),
        ("{ .a + 1 }", vec![(2..8, "but this is")]),
        ("{ .a && \"x\" }", vec![(8..11, "`&&` joins conditions, but this is a string")]),
        ("{ !5 }", vec![(3..4, "`!` needs a condition, but this is an int")]),
        ("{ nil }", vec![(2..5, "but this is nil")]),
        // Types.
        ("{ 1 = \"x\" }", vec![(2..9, "an int does not compare with a string")]),
        ("{ name = 5 }", vec![(2..10, "a string does not compare with an int")]),
        ("{ duration = \"1s\" }", vec![(2..17, "without quotes")]),
        ("{ status = \"error\" }", vec![(2..18, "a status is ok, error or unset")]),
        ("{ status = 2 }", vec![(2..12, "a status is ok")]),
        ("{ kind = \"server\" || status = server }", vec![(2..17, "a kind is"), (21..36, "a status is")]),
        ("{ status > ok }", vec![(2..13, "`>` needs an order")]),
        ("{ kind <= server }", vec![(2..16, "`<=` needs an order")]),
        ("{ .a > true }", vec![(2..11, "`>` needs an order, which a boolean has not")]),
        ("{ .a + \"x\" = 1 }", vec![(7..10, "`+` needs numbers")]),
        ("{ -name = 1 }", vec![(3..7, "`-` needs numbers")]),
        ("{ name * 2 = true - 1 }", vec![(2..6, "needs numbers"), (13..17, "needs numbers")]),
        // Patterns.
        ("{ .a =~ \"(\" }", vec![(8..11, "not a regular expression: unclosed group")]),
        ("{ .a =~ \"a)(b\" }", vec![(8..14, "not a regular expression")]),
        ("{ .a =~ 5 }", vec![(8..9, "in quotes, not an int")]),
        ("{ .a =~ .b }", vec![(8..10, "in quotes on its right")]),
        ("{ duration !~ \"x\" }", vec![(2..10, "matches strings, but this is a duration")]),
        // Presence.
        ("{ name = nil }", vec![(2..12, "name is never nil")]),
        ("{ span:duration = nil }", vec![(2..21, "span:duration is never nil")]),
        ("{ resource.service.name = nil }", vec![(2..29, "resource.service.name is never nil")]),
        ("{ .a > nil }", vec![(2..10, "= and != only")]),
        ("{ 5 = nil }", vec![(2..9, "nil compares with a field")]),
        ("{ parent != nil }", vec![(2..8, "`parent` is not supported")]),
        // Pipelines.
        ("{ } | count()", vec![(0..13, "ends in spans or metrics")]),
        ("{ } | avg(5) > 1", vec![(10..11, "avg() needs a field")]),
        ("{ } | max(name) > 1", vec![(10..14, "max() needs a number")]),
        ("{ } | by(1 + 1)", vec![(9..14, "by() needs a field")]),
        ("{ } | select(.a + 1)", vec![(13..19, "names of fields")]),
        ("{ } | count() > count()", vec![(6..23, "not supported yet")]),
        ("{ } | 2 < count()", vec![(6..17, "not supported yet")]),
        ("{ } | count() = \"x\"", vec![(16..19, "only numbers")]),
        ("{ } && 5", vec![(7..8, "`&&` joins sets of spans, but this is a number")]),
        ("{ } >> count()", vec![(7..14, "joins sets of spans")]),
        ("{ } + 1 > 2", vec![(0..3, "needs numbers, but this is a set of spans")]),
        ("{ } = { }", vec![(0..9, "compares numbers")]),
        ("{ } =~ { }", vec![(0..10, "inside of braces only")]),
        ("coalesce()", vec![(0..10, "first stage")]),
        // Metrics.
        ("rate()", vec![(0..6, "first stage")]),
        ("{ } | rate() | { }", vec![(15..18, "needs a set of spans, but the stage before gives metrics")]),
        ("{ } | topk(5)", vec![(6..13, "needs metrics")]),
        ("{ } | rate() | topk(0)", vec![(20..21, "positive int")]),
        ("{ } | rate() by (.a, .b, .c, .d, .e, .f)", vec![(6..40, "at most 5")]),
        ("{ } | histogram_over_time(.x) by (.a, .b, .c, .d, .e)", vec![(6..53, "at most 4")]),
        ("{ } | quantile_over_time(.x, 5)", vec![(29..30, "between 0 and 1")]),
        ("{ } | sum_over_time(1)", vec![(20..21, "needs a field")]),
        ("{ } | compare({ 5 })", vec![(16..17, "needs a condition")]),
        ("{ } | compare({ }, -1)", vec![(6..22, "compare() takes")]),
    ] {
        let query = parse(q).unwrap_or_else(|errors| panic!("{q}: {errors:?}"));
        let errors = check(&query);
        let found: Vec<_> = errors.iter().map(|error| error.range.clone()).collect();
        let expected: Vec<_> = faults.iter().map(|(range, _)| range.clone()).collect();
        assert_eq!(found, expected, "{q}: {errors:?}");
        for (error, (_, message)) in errors.iter().zip(&faults) {
            assert!(error.message.contains(message), "{q}: {error}");
        }
    }
}
