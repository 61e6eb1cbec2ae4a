//! Rules for documents: their length, their links, their words.

use std::path::Path;

use crate::tidy::{paths, root};

/// Lines of README.md and of ARCHITECTURE.md.
const README_LINES: usize = 90;
const ARCHITECTURE_LINES: usize = 200;
/// Characters of any line of ARCHITECTURE.md.
const ARCHITECTURE_COLUMNS: usize = 120;
/// Characters of a line of prose in any document. Rows of tables, code and pictures may be longer.
const PROSE_COLUMNS: usize = 140;

/// Words that have a better one (right). Compared without case and punctuation, so `known starts` also finds `known_starts`
/// and `KnownStarts`.
const BETTER: [(&str, &str); 19] = [
    ("keeper", "maintenance"),
    ("mend", "repair"),
    ("mended", "repaired"),
    ("belief", "clock guard"),
    ("patience", "timeout, deadline"),
    ("stranger", "unknown"),
    ("strangers", "unknown"),
    ("needle", "literal, substring"),
    ("twins", "duplicate ids"),
    ("hire", "parallel scan"),
    ("known start", "start hint"),
    ("known starts", "start hints"),
    ("to come back", "to retry"),
    ("set aside", "quarantine"),
    ("something odd", "warnings"),
    ("odd", "unusual, invalid"),
    ("the pages show", "the web UI shows"),
    ("damaged place", "damaged location"),
    ("description of the segment", "metadata"),
];

/// Where these words are looked for: paths of files, and of folders with a slash at the end.
const CHECKED: &[&str] = &[
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/",
    "storage/FORMAT.md",
    "proto/src/",
    "storage/src/",
    "collector/src/",
    "query/src/",
    "ui/src/",
    "src/",
    "demo/src/",
    "bench/src/",
];

/// Words that code may use: a number is odd, a test makes odd input.
const FINE_IN_CODE: &[&str] = &["odd"];

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn documents() -> Vec<String> {
    let found: Vec<_> = paths().into_iter().filter(|path| path.ends_with(".md")).collect();
    assert!(found.len() > 10, "the documents were not found");
    found
}

/// The numbered lines of a document, without code between fences.
fn prose_and_tables(text: &str) -> Vec<(usize, &str)> {
    let mut in_code = false;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code {
            lines.push((index + 1, line));
        }
    }
    lines
}

#[test]
fn the_first_documents_stay_short() {
    for (path, most) in [("README.md", README_LINES), ("ARCHITECTURE.md", ARCHITECTURE_LINES)] {
        let lines = read(path).lines().count();
        assert!(lines <= most, "{path} has {lines} lines, more than {most}");
    }
    for (index, line) in read("ARCHITECTURE.md").lines().enumerate() {
        let columns = line.chars().count();
        assert!(columns <= ARCHITECTURE_COLUMNS, "ARCHITECTURE.md:{} has {columns} columns", index + 1);
    }
}

#[test]
fn lines_of_prose_stay_short() {
    let mut long = Vec::new();
    for path in documents() {
        for (number, line) in prose_and_tables(&read(&path)) {
            let may_be_long = line.starts_with('|') || line.starts_with("![");
            if !may_be_long && line.chars().count() > PROSE_COLUMNS {
                long.push(format!("{path}:{number}"));
            }
        }
    }
    assert!(long.is_empty(), "prose of more than {PROSE_COLUMNS} columns: {long:#?}");
}

/// The targets of the links in a line. Text in backquotes is no link.
fn links(line: &str) -> Vec<String> {
    let outside: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
    let targets = outside.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.map(str::to_owned).collect()
}

/// The anchor that GitHub gives a heading: `### 5.1 Small fields` is `51-small-fields`.
fn anchor(heading: &str) -> String {
    let kept = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// Why a link of a document leads nowhere.
fn fault_of(document: &str, link: &str) -> Option<String> {
    let (file, heading) = link.split_once('#').unwrap_or((link, ""));
    let folder = Path::new(document).parent().unwrap_or(Path::new(""));
    let target = if file.is_empty() { root().join(document) } else { root().join(folder).join(file) };
    if !target.exists() {
        return Some(format!("{document}: no file {file}"));
    }
    if heading.is_empty() || target.extension().is_none_or(|extension| extension != "md") {
        return None;
    }
    let text = std::fs::read_to_string(&target).ok()?;
    let mut headings = prose_and_tables(&text).into_iter().filter(|(_, line)| line.starts_with('#'));
    let is_there = headings.any(|(_, line)| anchor(line) == heading);
    (!is_there).then(|| format!("{document}: no heading {heading} in {}", target.display()))
}

#[test]
fn every_link_leads_somewhere() {
    let mut faults = Vec::new();
    for path in documents() {
        for (_, line) in prose_and_tables(&read(&path)) {
            let inside = links(line).into_iter().filter(|link| !link.contains("://"));
            faults.extend(inside.filter_map(|link| fault_of(&path, &link)));
        }
    }
    assert!(faults.is_empty(), "broken links: {faults:#?}");
}

/// The pages of a folder, and whether its list of pages has a link to each.
fn listed_in(list: &str) {
    let folder = Path::new(list).parent().expect("a list lies in a folder");
    let text = read(list);
    for path in documents() {
        let page = Path::new(&path);
        let name = page.file_name().expect("a file").to_string_lossy();
        if page.parent() == Some(folder) && path != list {
            assert!(text.contains(&format!("({name})")), "{list} has no link to {name}");
            assert!(read(&path).contains("]("), "{path} has no link to another page");
        }
    }
}

#[test]
fn every_page_is_listed_and_leads_to_others() {
    listed_in("docs/index.md");
    listed_in("docs/adr/README.md");
    assert!(read("docs/index.md").contains("(adr/README.md)"), "docs/index.md has no link to the decisions");
}

/// The words of a text in lower case with one space around each. `known_starts` and `KnownStarts` are two words.
fn words(text: &str) -> String {
    let mut words = String::from(" ");
    let mut before = ' ';
    for c in text.chars() {
        if before.is_lowercase() && c.is_uppercase() {
            words.push(' ');
        }
        if c.is_alphanumeric() {
            words.extend(c.to_lowercase());
        } else if !words.ends_with(' ') {
            words.push(' ');
        }
        before = c;
    }
    if !words.ends_with(' ') {
        words.push(' ');
    }
    words
}

#[test]
fn words_that_have_a_better_one_are_not_used() {
    let is_checked = |path: &String| {
        CHECKED.iter().any(|checked| path == checked || (checked.ends_with('/') && path.starts_with(checked)))
    };
    let mut found = Vec::new();
    for path in paths().into_iter().filter(is_checked) {
        // Pictures are no text.
        let Ok(text) = std::fs::read_to_string(root().join(&path)) else { continue };
        for (index, line) in text.lines().enumerate() {
            let line = words(line);
            for (word, better) in BETTER {
                let is_fine = path.ends_with(".rs") && FINE_IN_CODE.contains(&word);
                if !is_fine && line.contains(&format!(" {word} ")) {
                    found.push(format!("{path}:{}: {word}; better: {better}", index + 1));
                }
            }
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn words_are_told_apart_in_any_writing() {
    assert_eq!(words("let known_starts: KnownStarts = x;"), " let known starts known starts x ");
    assert_eq!(anchor("### 5.1 Small fields"), "51-small-fields");
    assert_eq!(links("[a](b.md#c), `[d](e)` and [f](g)"), ["b.md#c", "g"]);
}
