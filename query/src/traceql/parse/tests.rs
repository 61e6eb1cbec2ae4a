use super::*;

mod round_trip;

fn printed(q: &str) -> String {
    match parse(q) {
        Ok(query) => query.to_string(),
        Err(errors) => panic!("{}", crate::traceql::render_errors(q, &errors)),
    }
}

/// Each query with its canonical form.
#[test]
fn the_whole_language_is_read() {
    for (q, canonical) in [
        ("{}", "{ }"),
        ("{.a=1}", "{ .a = 1 }"),
        ("{ span.a }", "{ span.a }"),
        ("{ (((.a = 1))) }", "{ .a = 1 }"),
        ("{ `a` = name }", "{ \"a\" = name }"),
        ("{ .a = -1 && .b = - 1.5 }", "{ .a = -1 && .b = -1.5 }"),
        ("{ .a = minInt }", "{ .a = -9223372036854775808 }"),
        ("{ .a = -9223372036854775808 }", "{ .a = -9223372036854775808 }"),
        ("{ duration > 1.5h }", "{ duration > 1h30m0s }"),
        ("{ 5 < .a }", "{ 5 < .a }"),
        ("{ .a = nil || .b != nil }", "{ .a = nil || .b != nil }"),
        ("{ status = error && kind = server }", "{ status = error && kind = server }"),
        ("{ name =~ `a\\d` }", "{ name =~ \"a\\\\d\" }"),
        ("{ parent.span.a = parent.b }", "{ parent.span.a = parent.b }"),
        ("{ span:childCount > 2 && nestedSetParent < 0 }", "{ span:childCount > 2 && nestedSetParent < 0 }"),
        // Precedence inside braces.
        ("{ .a = 1 && .b = 2 || .c = 3 }", "{ .a = 1 && .b = 2 || .c = 3 }"),
        ("{ .a = 1 || .b = 2 && .c = 3 }", "{ .a = 1 || .b = 2 && .c = 3 }"),
        ("{ .a = 1 || (.b = 2 && .c = 3) }", "{ .a = 1 || (.b = 2 && .c = 3) }"),
        ("{ (.a = 1 || .b = 2) && .c = 3 }", "{ .a = 1 || .b = 2 && .c = 3 }"),
        ("{ .a && (.b && .c) }", "{ .a && .b && .c }"),
        ("{ 1 + 2 * 3 ^ 4 ^ 5 = .a }", "{ 1 + 2 * 3 ^ 4 ^ 5 = .a }"),
        ("{ (1 + 2) * (3 ^ 4) ^ 5 = .a }", "{ (1 + 2) * (3 ^ 4) ^ 5 = .a }"),
        ("{ 1 - (2 - 3) - 4 = .a }", "{ 1 - (2 - 3) - 4 = .a }"),
        ("{ -2 ^ 2 = .a }", "{ -2 ^ 2 = .a }"),
        ("{ -(.a) ^ 2 = 1 }", "{ -.a ^ 2 = 1 }"),
        ("{ -(.a ^ 2) = 1 }", "{ -(.a ^ 2) = 1 }"),
        ("{ -(5) = .a }", "{ -(5) = .a }"),
        ("{ !.a = .b }", "{ !.a = .b }"),
        ("{ !(.a = .b) }", "{ !(.a = .b) }"),
        ("{ !!.a && !.b }", "{ !!.a && !.b }"),
        ("{ (!.a) * 2 = 1 }", "{ (!.a) * 2 = 1 }"),
        ("{ !.a * 2 = 1 }", "{ !.a * 2 = 1 }"),
        // Sets of spans.
        ("{.a}&&{.b}||{.c}", "{ .a } && { .b } || { .c }"),
        ("{.a}||({.b}&&{.c})", "{ .a } || ({ .b } && { .c })"),
        ("{.a}>{.b}>>{.c}", "{ .a } > { .b } >> { .c }"),
        ("{.a}>({.b}>>{.c})", "{ .a } > ({ .b } >> { .c })"),
        ("{.a}<{.b}<<{.c}~{.d}", "{ .a } < { .b } << { .c } ~ { .d }"),
        ("{.a}!>{.b}!>>{.c}!~{.d}", "{ .a } !> { .b } !>> { .c } !~ { .d }"),
        ("{.a}!<{.b}!<<{.c}", "{ .a } !< { .b } !<< { .c }"),
        ("{.a}&>{.b}&>>{.c}&~{.d}", "{ .a } &> { .b } &>> { .c } &~ { .d }"),
        ("{.a}&<{.b}&<<{.c}", "{ .a } &< { .b } &<< { .c }"),
        ("{.a} && {.b} >> {.c}", "{ .a } && { .b } >> { .c }"),
        ("({.a} && {.b}) >> {.c}", "({ .a } && { .b }) >> { .c }"),
        // Pipelines.
        ("{.a}|{.b}", "{ .a } | { .b }"),
        ("{} | count() > 2", "{ } | count() > 2"),
        ("count() > 2", "count() > 2"),
        ("{} | avg(duration) >= 1s | max(.a) < 3", "{ } | avg(duration) >= 1s | max(.a) < 3"),
        ("{} | min(.a + 1) != -1 | sum(.b) = 1.5", "{ } | min(.a + 1) != -1 | sum(.b) = 1.5"),
        ("{} | by(.a) | coalesce()", "{ } | by(.a) | coalesce()"),
        ("by(.a) | count() > 1", "by(.a) | count() > 1"),
        ("{} | select(.a, name, resource.b)", "{ } | select(.a, name, resource.b)"),
        ("({} | count() > 2) && ({} | by(.a))", "({ } | count() > 2) && ({ } | by(.a))"),
        ("({} | count()) > ({} | count())", "({ } | count()) > ({ } | count())"),
        ("{} | sort(duration desc)|spans", "{ } | sort(duration) | spans"),
        ("spans | sort( .a + 1 asc )", "spans | sort(.a + 1 asc)"),
        ("({.a} | {.b}) >> {.c}", "({ .a } | { .b }) >> { .c }"),
        ("({.a} | {.b}) > {.c}", "({ .a } | { .b }) > { .c }"),
        ("{} | count() + 1 > 2 * sum(.a)", "{ } | count() + 1 > 2 * sum(.a)"),
        ("{} | -count() < -2", "{ } | -count() < -2"),
        // Metrics.
        ("{} | rate()", "{ } | rate()"),
        ("{}|rate()by(.a,resource.b)", "{ } | rate() by (.a, resource.b)"),
        ("{} | count_over_time() by (name)", "{ } | count_over_time() by (name)"),
        ("{} | min_over_time(duration)", "{ } | min_over_time(duration)"),
        ("{} | max_over_time(duration)", "{ } | max_over_time(duration)"),
        ("{} | avg_over_time(.a)", "{ } | avg_over_time(.a)"),
        ("{} | sum_over_time(.a)", "{ } | sum_over_time(.a)"),
        ("{} | histogram_over_time(duration) by (.a)", "{ } | histogram_over_time(duration) by (.a)"),
        ("{} | quantile_over_time(duration,.5,0.99)", "{ } | quantile_over_time(duration, 0.5, 0.99)"),
        ("{} | compare({status=error})", "{ } | compare({ status = error })"),
        ("{} | compare({}, 10, 1, 2)", "{ } | compare({ }, 10, 1, 2)"),
        ("{} | rate() | topk(3)", "{ } | rate() | topk(3)"),
        ("{} | rate() by (.a) | bottomk(3) > 5 < 9", "{ } | rate() by (.a) | bottomk(3) > 5 < 9"),
        ("{} | rate() > 5", "{ } | rate() > 5"),
        ("({}|rate())/({}|rate())*100", "({ } | rate()) / ({ } | rate()) * 100"),
        ("{} | rate() with(sample=true, x=0.1)", "{ } | rate() with(sample=true, x=0.1)"),
        ("{} with(most_recent=true)", "{ } with(most_recent=true)"),
        // Names.
        ("{ .\"a b\" = span.\"c\\\"d\".e }", "{ .\"a b\" = span.\"c\\\"d.e\" }"),
        ("{ .a-b = 1 }", "{ .a-b = 1 }"),
        ("{ .\"5\" = 1 }", "{ .\"5\" = 1 }"),
        ("{ parent.\"span.x\" = 1 }", "{ parent.\"span.x\" = 1 }"),
    ] {
        assert_eq!(printed(q), canonical, "{q}");
        assert_eq!(printed(canonical), canonical, "{q} again");
        assert_eq!(parse(q), parse(canonical), "{q} as a tree");
    }
}

#[test]
fn nodes_know_their_bytes() {
    let q = "{ .a = 1 && (.b = 2) } | select(.c)";
    let query = parse(q).expect("sound");
    let ranges: Vec<&str> = query.pipeline.stages.iter().map(|stage| &q[stage.range.bytes()]).collect();
    assert_eq!(ranges, ["{ .a = 1 && (.b = 2) }", "select(.c)"]);
    assert_eq!(query.range.bytes(), 0..q.len());
}

#[test]
fn every_fault_is_reported_with_its_bytes() {
    for (q, faults) in [
        ("", vec![(0..0, "query is empty")]),
        ("{", vec![(1..1, "expected a field or a value, found the end")]),
        ("{ .a = 1", vec![(8..8, "expected `}`, found the end")]),
        ("{ .a = }", vec![(7..8, "expected a field or a value, found `}`")]),
        ("{ .a = && .b = }", vec![(7..9, "found `&&`"), (15..16, "found `}`")]),
        ("{ .a .b && 5x }", vec![(5..7, "expected an operator"), (11..13, "unknown unit")]),
        ("{ foo = 1 }", vec![(2..5, "unknown word `foo`; write .foo")]),
        ("{ (.a = 1 }", vec![(10..11, "expected `)`")]),
        ("{ .a = 1 } }", vec![(11..12, "end of the query")]),
        ("{ .a = 1 } {", vec![(11..12, "end of the query")]),
        ("name = \"x\"", vec![(0..4, "conditions stand in braces")]),
        ("span.a = 5 && { .b = }", vec![(0..6, "braces"), (21..22, "a field or a value")]),
        ("{} | foo()", vec![(5..10, "unknown function `foo`")]),
        ("{} | rate(.a)", vec![(5..13, "wrong arguments of rate()")]),
        ("{} | count(.a) > 1", vec![(5..14, "count() takes 0 arguments, not 1")]),
        ("{} | avg() > 1", vec![(5..10, "avg() takes 1 argument, not 0")]),
        ("{} | by()", vec![(5..9, "one expression")]),
        ("{} | select()", vec![(5..13, "at least one field")]),
        ("{} | coalesce(.a)", vec![(5..17, "no argument")]),
        ("{} | rate() | topk()", vec![(14..20, "one number")]),
        ("{} |", vec![(4..4, "expected { … } or a function")]),
        ("| {}", vec![(0..1, "expected { … } or a function")]),
        ("{} && ", vec![(6..6, "expected { … } or a function")]),
        ("{} with(5=1)", vec![(8..9, "name of a hint")]),
        ("{ .a = 9223372036854775808 }", vec![(7..26, "largest int")]),
    ] {
        let errors = parse(q).expect_err(q);
        let found: Vec<_> = errors.iter().map(|error| error.range.clone()).take(faults.len()).collect();
        let expected: Vec<_> = faults.iter().map(|(range, _)| range.clone()).collect();
        assert_eq!(found, expected, "{q}: {errors:?}");
        for (error, (_, message)) in errors.iter().zip(&faults) {
            assert!(error.message.contains(message), "{q}: {error}");
        }
    }
}

#[test]
fn long_and_deep_queries_are_refused_without_harm() {
    let deep = |open: &str, close: &str, count: usize| format!("{}{}", open.repeat(count), close.repeat(count));
    let hostile = [
        format!("{{ {} }}", deep("(", ")", 60_000)),
        deep("(", ")", 60_000),
        format!("{{ {}.a }}", "!".repeat(100_000)),
        format!("{{ {}.a }}", "-".repeat(100_000)),
        format!("{{ {}1 = 1 }}", "1 ^ ".repeat(30_000)),
        format!("{{ {}1 = 1 }}", "1 + ".repeat(30_000)),
        format!("{{ {}.a }}", ".a && .b || ".repeat(10_000)),
        format!("{{ {} }}", deep("(1+1+", ")", 20_000)),
        format!("{}{{}}", "{}>>".repeat(30_000)),
        format!("{}{{}}", "{}&&{}||".repeat(15_000)),
        "{ ".repeat(60_000),
        "} ".repeat(60_000),
        "\"".repeat(100_001),
    ];
    for q in hostile {
        let shown: String = q.chars().take(20).collect();
        // A small stack shows that depth is bounded.
        let refused = std::thread::Builder::new().stack_size(512 << 10).spawn(move || parse(&q).is_err());
        assert!(refused.expect("a thread").join().expect("no panic"), "{shown}");
    }
    let long = format!("{{ .a = \"{}\" }}", "x".repeat(MAX_QUERY_BYTES));
    assert!(parse(&long).expect_err("too long")[0].message.contains("at most 131072"));
}

#[test]
fn long_lists_of_one_operator_are_fine() {
    let many = vec![".a = 1"; 5_000].join(" || ");
    assert_eq!(parse(&format!("{{ {many} }}")).err(), None);
    assert_eq!(parse(&vec!["{ .a }"; 5_000].join(" && ")).err(), None);
}

#[test]
fn the_deepest_queries_allowed_can_be_printed_checked_and_planned() {
    let nested = format!("{{ {}.a = 1{} }}", "!(".repeat(60), ")".repeat(60));
    let chained = format!("{{ {}.a = 1 }}", ".a = 1 && .b = 1 || ".repeat(90));
    let summed = format!("{{ .a = {}1 }}", "1 + ".repeat(190));
    for q in [nested, chained, summed] {
        let work = move || {
            let query = parse(&q).expect("not too deep");
            assert_eq!(parse(&query.to_string()), Ok(query));
            crate::traceql::compile(&q).map(|compiled| format!("{:?}", compiled.spans).len())
        };
        let done = std::thread::Builder::new().stack_size(512 << 10).spawn(work).expect("a thread").join();
        assert!(done.expect("no panic").is_ok());
    }
}
