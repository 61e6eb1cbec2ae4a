//! Attributes as people type them: `http.route=/cart error=true user.name="Jane Doe"`, all of which must hold.

use hoptrail_proto::model::SpanKind;
use hoptrail_query::pairs::{self, Pair, Word};
use hoptrail_query::traceql::field_text;
use hoptrail_query::{AttributeScope, Field, quoted};

use super::field_error::FieldError;

/// The pairs as conditions of TraceQL. A bare value matches whatever its type: `status=200` finds the int and the string.
pub(super) fn conditions(text: &str) -> Result<Vec<String>, FieldError> {
    let pairs = pairs::read(text).map_err(|error| FieldError::of_query(text, &[error]))?;
    Ok(pairs.iter().map(condition).collect())
}

fn condition(pair: &Pair) -> String {
    if let Some((field, constant, negated)) = intrinsic(pair) {
        let op = if negated == pair.negated { "=" } else { "!=" };
        return format!("{field} {op} {constant}");
    }
    let field = field_text(&Field::attribute(pair.scope.unwrap_or(AttributeScope::Any), pair.key.text.as_str()));
    let as_text = format!("{field} = {}", quoted(&pair.value.text));
    let other = Some(&pair.value).filter(|value| !value.quoted).and_then(|value| constant(&value.text));
    match (pair.negated, other) {
        (false, None) => as_text,
        (false, Some(other)) => format!("({as_text} || {field} = {other})"),
        // A value of another type differs as well. A span without the attribute does not.
        (true, None) => format!("({field} != nil && !({as_text}))"),
        (true, Some(other)) => format!("({field} != nil && !({as_text} || {field} = {other}))"),
    }
}

/// Jaeger's words for what is no attribute here: the field, its constant, and whether the field must differ from it. `error=false`
/// is `status != error`.
fn intrinsic(pair: &Pair) -> Option<(&'static str, &str, bool)> {
    let value = pair.value.text.as_str();
    match (pair.scope, pair.key.text.as_str(), value) {
        _ if pair.key.quoted || pair.value.quoted => None,
        (None, "error", "true") => Some(("status", "error", false)),
        (None, "error", "false") => Some(("status", "error", true)),
        (Some(AttributeScope::Span), "kind", value) if SpanKind::ALL.iter().any(|kind| kind.name() == value) => {
            Some(("kind", value, false))
        }
        _ => None,
    }
}

/// The boolean or number that a text is, as TraceQL writes it.
fn constant(text: &str) -> Option<String> {
    if matches!(text, "true" | "false") {
        return Some(text.to_owned());
    }
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    let int = || text.parse::<i64>().ok().map(|int| int.to_string());
    let double = || text.parse::<f64>().ok().filter(|double| double.is_finite()).map(|double| format!("{double:?}"));
    if plain { int().or_else(double) } else { None }
}

/// Jaeger's `tags` (a JSON object) or `tag` (`key:value`) as pairs in our form; what is neither stays as it is, and its faults are shown.
pub(super) fn of_jaeger(text: &str) -> String {
    from_jaeger(text).unwrap_or_else(|| text.trim().to_owned())
}

fn from_jaeger(text: &str) -> Option<String> {
    if !text.trim_start().starts_with('{') {
        return match text.split_once(':') {
            Some((key, value)) if !key.contains('=') => Some(pairs::write(&[pair(key, value)])),
            _ => (!text.trim().is_empty()).then(|| text.to_owned()),
        };
    }
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).ok()?;
    let pairs: Vec<Pair> = object.iter().map(|(key, value)| pair(key, &text_of(value))).collect();
    Some(pairs::write(&pairs))
}

/// A text as it is, anything else as JSON.
fn text_of(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A pair of Jaeger, which knows no scopes.
fn pair(key: &str, value: &str) -> Pair {
    let (scope, key) = if key == "span.kind" { (Some(AttributeScope::Span), "kind") } else { (None, key) };
    Pair { scope, key: Word::bare(key), negated: false, value: Word::bare(value) }
}

#[cfg(test)]
mod tests {
    use hoptrail_query::traceql::compile;

    use super::*;

    #[test]
    fn pairs_become_conditions() {
        let cases: [(&str, &[&str]); 23] = [
            ("a=b", &[r#".a = "b""#]),
            ("  a=b\n c=d ", &[r#".a = "b""#, r#".c = "d""#]),
            ("http.status_code=500", &[r#"(.http.status_code = "500" || .http.status_code = 500)"#]),
            ("x=-1.5", &[r#"(.x = "-1.5" || .x = -1.5)"#]),
            ("x=1.2.3", &[r#".x = "1.2.3""#]),
            ("retry=true", &[r#"(.retry = "true" || .retry = true)"#]),
            ("error=true", &["status = error"]),
            (r#"q="a \"b\" = c""#, &[r#".q = "a \"b\" = c""#]),
            ("empty=", &[r#".empty = """#]),
            ("k=\"a\\tb\\rc\"", &[r#".k = "a\tb\rc""#]),
            (r#"name="App\Jobs\X""#, &[r#".name = "App\\Jobs\\X""#]),
            ("n!=7", &[r#"(.n != nil && !(.n = "7" || .n = 7))"#]),
            ("n!=x", &[r#"(.n != nil && !(.n = "x"))"#]),
            ("error!=true", &["status != error"]),
            ("error!=false", &["status = error"]),
            ("span.n=7", &[r#"(span.n = "7" || span.n = 7)"#]),
            ("resource.service.name=x event.a=\"7\"", &[r#"resource.service.name = "x""#, r#"event.a = "7""#]),
            (r#""span.n"=x "error"=true"#, &[r#".span.n = "x""#, r#"(.error = "true" || .error = true)"#]),
            (r#""my key"=x span."a b"=y"#, &[r#"."my key" = "x""#, r#"span."a b" = "y""#]),
            ("span.kind=server", &["kind = server"]),
            ("id=1234567890123456789", &[r#"(.id = "1234567890123456789" || .id = 1234567890123456789)"#]),
            ("x=5e-07", &[r#"(.x = "5e-07" || .x = 5e-7)"#]),
            (
                "x=+1e300 y=-9223372036854775808 z=inf",
                &[
                    r#"(.x = "+1e300" || .x = 1e300)"#,
                    r#"(.y = "-9223372036854775808" || .y = -9223372036854775808)"#,
                    r#".z = "inf""#,
                ],
            ),
        ];
        for (text, expected) in cases {
            let found = conditions(text).expect(text);
            assert_eq!(found, expected, "{text}");
            let query = format!("{{ {} }}", found.join(" && "));
            assert!(compile(&query).is_ok(), "{query}");
        }
    }

    #[test]
    fn any_key_and_value_is_valid_traceql() {
        for text in ["ü=é", "a{b=1", "(=)", "a\"b=c", "1=2", "a\u{1}=b", "k=\u{0}", "a&&b=||", "x=99999999999999999999"]
        {
            for condition in conditions(text).expect(text) {
                let query = format!("{{ {condition} }}");
                assert!(compile(&query).is_ok(), "{text:?}: {query}: {:?}", compile(&query));
            }
        }
    }

    #[test]
    fn faults_are_shown_in_place() {
        let cases = [("a", "^"), ("a=b c", "    ^"), ("a=b =c", "    ^"), ("a=\"b", "  ^^")];
        for (text, carets) in cases {
            let error = conditions(text).expect_err(text);
            assert_eq!(error.faults[0].wide.carets, carets, "{error:?}");
        }
    }

    #[test]
    fn jaegers_forms() {
        assert_eq!(from_jaeger(r#"{"a":"b","n":5}"#).as_deref(), Some("a=b n=5"));
        assert_eq!(from_jaeger("a:b").as_deref(), Some("a=b"));
        assert_eq!(from_jaeger("{broken"), None);
        assert_eq!(of_jaeger(" {broken"), "{broken");
        for (text, pairs) in [
            ("url:http://x?a=b", "url=http://x?a=b"),
            ("k:a b:c", r#"k="a b:c""#),
            ("my key:x", r#""my key"=x"#),
            ("a=http://x", "a=http://x"),
            ("span.kind:server", "span.kind=server"),
            (r#"{"resource.name":"x","n!":"\"7\"","k":"a\tb\r"}"#, r#"k="a\tb\r" "n!"="\"7\"" "resource.name"=x"#),
        ] {
            assert_eq!(of_jaeger(text), pairs, "{text}");
            assert!(conditions(&of_jaeger(text)).is_ok(), "{text}");
        }
    }
}
