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
        "{ parent = nil || parent != nil || .a + .b = nil || -.a != nil }",
        "{ } | count() > count() | 2 < count() | ({ .a } | count()) > max(.b) * 2",
        "({ } | by(.a) | coalesce()) >> { } | by(.b) | { .c } > { } | ({ } | by(.d)) && { }",
        "{ } | count() > 1 | avg(.a) < 1s | select(.a, name) | by(.a) | coalesce() | { .b }",
        "by(.a)",
        "{ } | by(.a) | sort(duration desc) | spans",
        "sort(.a + .b asc)",
        "spans | sort(name)",
        "count() > 1",
        "({ } | count() > 1) && { .b } >> { .c }",
        "{ } | rate() by (.a, .b, .c, .d, .e) | topk(5) > 1 | bottomk(2)",
        "{ } | quantile_over_time(duration, 0, .5, 1) by (.a)",
        "{ } | compare({ .a }, 10)",
        "({ } | rate()) / ({ } | rate()) * 100 > 5",
        "{ } | histogram_over_time(.a * 2)",
        "{ } | 5 < rate() with(exemplars=5, sample=true, sample=.1, extrapolate=false, foo=nil)",
        "{ } | compare({ }, 1000) | topk(3)",
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
        ("{ 1 + 1 = nil }", vec![(2..13, "nil compares with a field")]),
        ("{ parent > nil }", vec![(2..14, "= and != only")]),
        ("{ parent = 5 }", vec![(2..12, "a string does not compare with an int")]),
        // Pipelines.
        ("{ } | count()", vec![(0..13, "ends in spans or metrics")]),
        ("{ } | avg(5) > 1", vec![(10..11, "avg() needs a field")]),
        ("{ } | max(name) > 1", vec![(10..14, "max() needs a number")]),
        ("{ } | by(1 + 1)", vec![(9..14, "by() needs a field")]),
        ("{ } | select(.a + 1)", vec![(13..19, "names of fields")]),
        ("{ } | 2 < 3", vec![(6..11, "one side needs a function of the spans")]),
        ("({ } | by(.a)) >> { .b }", vec![(0..14, "write | coalesce() after by()")]),
        ("{ .b } !~ (({ } | by(.a)) | { .c })", vec![(10..35, "`!~` needs one set of spans")]),
        ("{ } | count() = \"x\"", vec![(16..19, "only numbers")]),
        ("{ } && 5", vec![(7..8, "`&&` joins sets of spans, but this is a number")]),
        ("count() > 3 && { .a }", vec![(0..11, "write ({ } | …) around this condition")]),
        ("{ } >> count()", vec![(7..14, "joins sets of spans")]),
        ("{ } + 1 > 2", vec![(0..3, "needs numbers, but this is a set of spans")]),
        ("{ } = { }", vec![(0..9, "compares numbers")]),
        ("{ } =~ { }", vec![(0..10, "inside of braces only")]),
        ("coalesce()", vec![(0..10, "first stage")]),
        // Our own last stages.
        ("{ } | sort(5)", vec![(11..12, "sort() needs a field")]),
        ("{ } | sort(.a) | { .b } | spans", vec![(17..23, "nothing comes after sort()")]),
        ("{ } | spans | sort(.a) | count() > 1", vec![(25..36, "nothing comes after spans and sort()")]),
        (
            "{ } | sort(.a) | sort(.b) | spans | spans",
            vec![(17..25, "sort() stands once"), (36..41, "spans stands once")],
        ),
        ("({ } | sort(.a)) >> { } || ({ } | spans)", vec![(7..15, "not in brackets"), (34..39, "not in brackets")]),
        ("{ } | spans | rate()", vec![(14..20, "nothing comes after spans")]),
        ("{ } | rate() | sort(.a)", vec![(15..23, "needs a set of spans, but the stage before gives metrics")]),
        ("{ } | count() | spans", vec![(16..21, "needs a set of spans")]),
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
        ("{ } | compare({ }, 0)", vec![(19..20, "the top 1 to 1000")]),
        ("({ } | rate()) > ({ } | rate())", vec![(0..31, "metrics compare with one number")]),
        ("({ } | rate()) + ({ } | count())", vec![(17..32, "a number for each set of spans")]),
        ("({ } | compare({ })) * 2", vec![(0..20, "does not take compare()")]),
        ("{ } | rate() with(exemplars=-1, sample=2)", vec![(28..30, "exemplars is true,"), (39..40, "from 0 to 1")]),
        ("{ } with(extrapolate=1, most_recent=nil)", vec![(21..22, "true or false"), (36..39, "true or false")]),
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

#[test]
fn what_is_too_much_is_refused() {
    let many = format!("{{ }}{}", " | { }".repeat(100));
    let errors = check(&parse(&many).expect("sound"));
    assert_eq!((errors.len(), errors[0].range.clone()), (1, 6 * 100..6 * 100 + 3), "{errors:?}");
    let calls = vec!["({ } | rate())"; 17].join(" + ");
    let errors = check(&parse(&calls).expect("sound"));
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].message.contains("at most 16"), "{errors:?}");
}
