//! What is written reads back, and nothing is read as something else without a word.

use proptest::prelude::*;

use super::*;

/// A pair in few letters: scope, key, sign, value; quoted words in quotes.
fn told(pair: &Pair) -> String {
    let word = |word: &Word| if word.quoted { format!("{:?}", word.text) } else { word.text.clone() };
    let scope = pair.scope.map(|scope| format!("[{}]", prefix(scope))).unwrap_or_default();
    format!("{scope}{}{}{}", word(&pair.key), if pair.negated { "≠" } else { "=" }, word(&pair.value))
}

#[test]
fn pairs_are_read() {
    for (text, told_pairs) in [
        ("", &[][..]),
        (" a=b\t c.d=5\n", &["a=b", "c.d=5"]),
        (r#"a="x \"y\" \\ \n\t\r""#, &[r#"a="x \"y\" \\ \n\t\r""#]),
        (r#"a= b="""#, &["a=", r#"b="""#]),
        ("url=http://x/?a=b", &["url=http://x/?a=b"]),
        ("n!=7 a!b=c", &["n≠7", "a!b=c"]),
        (r#""my key"=x "n!"=7 "k"!="v""#, &[r#""my key"=x"#, r#""n!"=7"#, r#""k"≠"v""#]),
        ("span.n=7 resource.service.name!=x .n=1", &["[span.]n=7", "[resource.]service.name≠x", "[.]n=1"]),
        (r#"span."my key"=x ."a"!=b "span.n"=7"#, &[r#"[span.]"my key"=x"#, r#"[.]"a"≠b"#, r#""span.n"=7"#]),
        ("spans.n=7 span.=x .=y", &["spans.n=7", "span.=x", ".=y"]),
        (r"dir=C:\new\x home=~/x", &[r"dir=C:\new\x", "home=~/x"]),
    ] {
        let pairs = read(text).expect(text);
        assert_eq!(pairs.iter().map(told).collect::<Vec<_>>(), told_pairs, "{text}");
    }
}

#[test]
fn a_backslash_that_begins_no_escape_is_itself() {
    for (text, value) in [
        (r#""App\Jobs\X""#, r"App\Jobs\X"),
        (r#""C:\users\Ünal\_\1""#, r"C:\users\Ünal\_\1"),
        (r#""\u202E\U0001f600\u00e9""#, "\u{202e}😀é"),
        (r#""\u12\ud800\U00110000""#, r"\u12\ud800\U00110000"),
        (r#""\\u0041""#, r"\u0041"),
    ] {
        assert_eq!(read(&format!("a={text}")).expect(text)[0].value.text, value, "{text}");
    }
}

#[test]
fn faults_have_their_place() {
    for (text, range, message) in [
        ("a", 0..1, "key=value"),
        ("a=b c", 4..5, "key=value"),
        ("a=b =c", 4..5, "name is missing"),
        ("!=c", 0..2, "name is missing"),
        ("\"\"=c", 0..3, "name is missing"),
        ("a=\"b", 2..4, "has no end"),
        ("a=\"b\\", 2..5, "has no end"),
        ("a=\"b\"c", 5..6, "space"),
        ("\"a\"b=c", 0..3, "key=value"),
        ("n>=7", 0..2, "TraceQL"),
        ("ok=1 n<=7", 5..7, "TraceQL"),
        ("n=~\"x.*\"", 2..8, "TraceQL"),
        ("n!~x", 0..4, "key=value"),
    ] {
        let error = read(text).expect_err(text);
        assert_eq!(error.range, range, "{text}");
        assert!(error.message.contains(message), "{text}: {}", error.message);
    }
}

/// What has a meaning somewhere, and any other text.
fn hostile() -> impl Strategy<Value = String> {
    let nasty = "[\"\\\\=!<>~{}.,: \\n\\r\\t\0uUnrt0a\u{85}\u{a0}\u{ad}\u{202e}\u{2028}\u{feff}é]{1,8}";
    prop_oneof![
        nasty,
        ".{1,6}",
        "(span|resource|event|link|instrumentation|)\\.[a-z\"!]{0,3}",
        "(all|true|error|-?[0-9]{1,20}|5e-07)",
    ]
}

fn word() -> impl Strategy<Value = Word> {
    (hostile(), any::<bool>()).prop_map(|(text, quoted)| Word { text, quoted })
}

fn scope() -> impl Strategy<Value = Option<AttributeScope>> {
    let known: Vec<_> = SCOPES.into_iter().map(|(_, scope)| Some(scope)).collect();
    prop_oneof![Just(None), Just(Some(AttributeScope::Any)), proptest::sample::select(known)]
}

fn pair() -> impl Strategy<Value = Pair> {
    let value = prop_oneof![word(), Just(Word::bare(""))];
    (scope(), word(), any::<bool>(), value).prop_map(|(scope, key, negated, value)| Pair { scope, key, negated, value })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_written_reads_back(pairs in proptest::collection::vec(pair(), 0..4)) {
        let text = write(&pairs);
        prop_assert!(!text.contains(is_invisible), "{text:?} could be changed on its way");
        let read = read(&text).map_err(|error| TestCaseError::fail(format!("{text:?}: {error}")))?;
        prop_assert_eq!(read.len(), pairs.len());
        for (read, pair) in read.iter().zip(&pairs) {
            prop_assert_eq!((read.scope, &read.key.text, read.negated), (pair.scope, &pair.key.text, pair.negated), "{}", text);
            prop_assert_eq!(&read.value.text, &pair.value.text, "{}", text);
            prop_assert!(read.key.quoted >= pair.key.quoted && read.value.quoted >= pair.value.quoted, "{}", text);
        }
        prop_assert_eq!(write(&read), text);
    }

    #[test]
    fn names_read_back(name in hostile()) {
        let text = write_name(&name);
        prop_assert_eq!(&read_name(&text), &name);
        prop_assert_eq!(read_name(&format!(" {} ", text)), name);
        prop_assert!(!text.contains(is_invisible) && text.trim() == text, "{:?}", text);
    }

    #[test]
    fn any_text_is_answered(text in prop_oneof![hostile(), "\\PC*", "[a=\" !.\\\\]{0,12}"]) {
        match read(&text) {
            Ok(pairs) => prop_assert_eq!(read(&write(&pairs)).map(|again| again.len()), Ok(pairs.len())),
            Err(error) => prop_assert!(text.get(error.range.clone()).is_some(), "{:?}", error),
        }
        prop_assert!(read_name(&text).len() <= text.len());
    }
}
