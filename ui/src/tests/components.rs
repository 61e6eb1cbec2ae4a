//! The parts of pages: one page has them all, and no template writes them anew.

use std::path::Path;

/// What begins a part that `parts.html` has.
const PARTS: [&str; 4] = [
    r##"<use href="#i-warn"/></svg>"##,
    r#"<div class="panel nothing"#,
    r#"<svg class="spark""#,
    r#"<svg class="hit-bar""#,
];
/// The file that has them; rows that a stream sends; and what a trace is drawn with, whose markup differs.
const OTHERS: [&str; 6] = ["parts.html", "hit.html", "trace.html", "trace_", "detail.html", "talk.html"];

#[test]
fn one_page_has_every_part() {
    let page = crate::components();
    for part in PARTS.into_iter().chain([r#"class="facet-not""#, r#"class="field-error""#, r#"class="primary""#]) {
        assert!(page.contains(part), "{part}");
    }
    for kind in ["error", "warning", "quiet"] {
        assert!(page.contains(&format!(r#"<p class="notice {kind}""#)), "{kind}");
    }
}

#[test]
fn templates_take_their_parts_from_one_file() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let mut read = 0;
    for entry in std::fs::read_dir(folder).expect("templates") {
        let path = entry.expect("a file").path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if OTHERS.iter().any(|other| name.starts_with(other)) {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("text");
        for part in PARTS {
            assert!(!text.contains(part), "{name} writes {part} itself: take it from parts.html");
        }
        read += 1;
    }
    assert!(read > 20, "the templates were not found");
}
