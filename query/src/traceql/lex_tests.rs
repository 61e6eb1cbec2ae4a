use super::*;

fn kinds(text: &str) -> Vec<TokenKind> {
    let (tokens, errors) = lex(text);
    assert_eq!(errors, [], "{text}");
    tokens.into_iter().map(|token| token.kind).filter(|kind| *kind != TokenKind::End).collect()
}

fn attribute(scope: AttributeScope, key: &str) -> TokenKind {
    TokenKind::Attribute { of_parent: false, scope, key: key.to_owned() }
}

fn word(text: &str) -> TokenKind {
    TokenKind::Word(text.to_owned())
}

#[test]
fn attribute_names_end_where_the_language_says() {
    use TokenKind::{Int, Sign as S};
    for (text, expected) in [
        (".a-b", vec![attribute(AttributeScope::Any, "a-b")]),
        ("span.http.status_code=5", vec![attribute(AttributeScope::Span, "http.status_code"), S(Sign::Eq), Int(5)]),
        ("span.a*2", vec![attribute(AttributeScope::Span, "a*2")]),
        ("span.a - 1", vec![attribute(AttributeScope::Span, "a"), S(Sign::Minus), Int(1)]),
        ("resource.a/b:c[0]!=1", vec![attribute(AttributeScope::Resource, "a/b:c[0]"), S(Sign::Ne), Int(1)]),
        ("event.\"a b\".c", vec![attribute(AttributeScope::Event, "a b.c")]),
        (r#"link.x"q\"\\\n"y"#, vec![attribute(AttributeScope::Link, r#"xq"\\ny"#)]),
        (
            "instrumentation.x,.y",
            vec![attribute(AttributeScope::Instrumentation, "x"), S(Sign::Comma), attribute(AttributeScope::Any, "y")],
        ),
        (".ключ", vec![attribute(AttributeScope::Any, "ключ")]),
        (".span.x", vec![attribute(AttributeScope::Any, "span.x")]),
        ("span span", vec![word("span"), word("span")]),
        ("resource", vec![word("resource")]),
    ] {
        assert_eq!(kinds(text), expected, "{text}");
    }
}

#[test]
fn attributes_of_the_parent_have_scopes_too() {
    for (text, scope, key) in [
        ("parent.x", AttributeScope::Any, "x"),
        ("parent.span.x", AttributeScope::Span, "x"),
        ("parent.resource.x", AttributeScope::Resource, "x"),
        ("parent.\"span.x\"", AttributeScope::Any, "span.x"),
    ] {
        assert_eq!(kinds(text), [TokenKind::Attribute { of_parent: true, scope, key: key.to_owned() }], "{text}");
    }
}

#[test]
fn numbers_and_durations_are_told_apart() {
    use TokenKind::{Duration, Float, Int, Sign as S};
    for (text, expected) in [
        ("0", vec![Int(0)]),
        ("9223372036854775808", vec![Int(1 << 63)]),
        ("1.5", vec![Float(1.5)]),
        (".5", vec![Float(0.5)]),
        ("1e3", vec![Float(1000.0)]),
        ("1.5e-3", vec![Float(0.0015)]),
        ("1E+2", vec![Float(100.0)]),
        ("1h30m", vec![Duration(5_400_000_000_000)]),
        ("1.5ms", vec![Duration(1_500_000)]),
        ("2µs", vec![Duration(2_000)]),
        ("5-3", vec![Int(5), S(Sign::Minus), Int(3)]),
        ("-3", vec![S(Sign::Minus), Int(3)]),
    ] {
        assert_eq!(kinds(text), expected, "{text}");
    }
}

#[test]
fn signs_are_taken_as_long_as_possible() {
    use TokenKind::Sign as S;
    assert_eq!(
        kinds("!>>!<<&>>&<<"),
        [S(Sign::NotDescendant), S(Sign::NotAncestor), S(Sign::UnionDescendant), S(Sign::UnionAncestor)]
    );
    assert_eq!(
        kinds(">=>!~&~&&!||"),
        [S(Sign::Ge), S(Sign::Gt), S(Sign::NotMatch), S(Sign::UnionSibling), S(Sign::And), S(Sign::Not), S(Sign::Or)]
    );
}

#[test]
fn strings_are_unescaped() {
    for (text, expected) in [
        (r#""a\"b\\c\n""#, "a\"b\\c\n"),
        (r#""\x41\u00e9\U0001F600\101""#, "Aé😀A"),
        (r#"`raw \d "" `"#, r#"raw \d "" "#),
        (r#""""#, ""),
    ] {
        assert_eq!(kinds(text), [TokenKind::String(expected.to_owned())], "{text}");
    }
}

#[test]
fn comments_are_blanks() {
    assert_eq!(
        kinds("{ // } \n } /* { */ a"),
        [TokenKind::Sign(Sign::OpenBrace), TokenKind::Sign(Sign::CloseBrace), word("a")]
    );
}

#[test]
fn scoped_intrinsics_are_one_token() {
    assert_eq!(kinds("span:childCount"), [TokenKind::Intrinsic(Name::ChildCount)]);
    assert_eq!(kinds("trace:id=name"), [TokenKind::Intrinsic(Name::TraceId), TokenKind::Sign(Sign::Eq), word("name")]);
}

#[test]
fn every_fault_is_reported_with_its_bytes() {
    for (text, range, message) in [
        (r#"{ "abc"#, 2..6, "no end"),
        ("\"a\nb", 0..2, "no end"),
        ("`abc", 0..4, "no end"),
        (r#""\d""#, 1..3, "unknown escape \\d"),
        (r#""\xff""#, 1..5, "names no character"),
        (r#""\u12""#, 1..5, "names no character"),
        ("/* x", 0..2, "no end"),
        ("span.", 0..5, "name is missing"),
        (". a", 0..1, "name is missing"),
        ("span.\"x", 0..7, "no end"),
        ("service.name", 0..12, "no scope"),
        ("span:foo", 0..8, "span:childCount"),
        ("foo:bar", 0..7, "no scope of intrinsics"),
        ("5x", 0..2, "unknown unit"),
        ("1.2.3", 0..5, "unit is missing"),
        ("99999999999999999999", 0..20, "largest int"),
        ("1e999", 0..5, "largest float"),
        ("300y", 0..4, "292 years"),
        ("a & b", 2..3, "write &&"),
        ("a é€", 4..7, "unexpected character '€'"),
        ("#", 0..1, "unexpected character '#'"),
    ] {
        let (_, errors) = lex(text);
        let found = errors.first().unwrap_or_else(|| panic!("{text}: no error"));
        assert_eq!((errors.len(), found.range.clone()), (1, range), "{text}: {found}");
        assert!(found.message.contains(message), "{text}: {found}");
    }
}
