//! No import circles between the files of a crate.
//!
//! A file depends on the file that defines what it names: a re-export (`pub use error::Error` in a `mod.rs`) is followed to the
//! file behind it, and is no dependency of the file that has it. A child may use what its parent (or a parent of that) defines,
//! although the parent uses the child: a module is one thing with what lies in its folder. Tests do not count.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

#[test]
fn files_do_not_import_each_other_in_circles() {
    let roots = super::files(&["src/lib.rs"]).into_iter().filter(|file| !file.starts_with(super::root().join("fuzz")));
    let roots: Vec<PathBuf> = roots.collect();
    assert!(roots.len() >= 7, "a crate was not found: {roots:?}");
    for file in roots {
        let circles = Crate::read(&file).circles();
        assert!(circles.is_empty(), "{}: import circles: {circles:#?}", file.display());
    }
}

#[test]
fn a_circle_is_found_and_a_child_may_use_its_parent() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("written");
    };
    let circles = || Crate::read(&folder.path().join("lib.rs")).circles();
    write("lib.rs", "mod a; mod b; mod c; pub use b::{B, Other as Renamed};");
    write("a.rs", "use crate::Renamed; fn a() { /* crate::c::C */ \"crate::c::C\"; }");
    write("b.rs", "pub struct B; pub struct Other; #[cfg(test)] mod tests { use crate::a::A; }");
    write("c/mod.rs", "mod child; pub struct C; use child::Child; ");
    write("c/child.rs", "use super::C; pub struct Child;");
    assert_eq!(circles(), Vec::<Vec<String>>::new());

    // Through a re-export, and in the middle of code.
    write("b.rs", "pub struct B; fn b<'a>() -> &'a str { crate::a::a() }");
    assert_eq!(circles(), [["a", "b"]]);
    write("b.rs", "pub struct B; pub struct Other;");

    // What a child needs may not need the child's parent.
    write("c/child.rs", "use crate::{B, a::{self, A}}; pub struct Child;");
    write("a.rs", "use super::c::C;");
    assert_eq!(circles(), [["a", "c", "c::child"]]);
}

/// The files of a crate by the path of their module, such as `traceql::lex`; the first has none.
struct Crate {
    modules: BTreeMap<String, Module>,
}

/// What a file says, without its tests.
#[derive(Default)]
struct Module {
    children: BTreeSet<String>,
    /// What it imports or re-exports: the path behind each name.
    imports: BTreeMap<String, String>,
    /// Paths that it uses itself.
    uses: BTreeSet<String>,
}

impl Crate {
    fn read(root: &Path) -> Self {
        let mut modules = BTreeMap::new();
        let mut open = vec![(String::new(), root.to_owned())];
        while let Some((path, file)) = open.pop() {
            let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            let module = Module::read(&path, &text);
            for child in &module.children {
                open.push((joined(&path, child), file_of(&file, child)));
            }
            modules.insert(path, module);
        }
        Self { modules }
    }

    /// Each group of files that reach each other.
    fn circles(&self) -> Vec<Vec<String>> {
        let direct: BTreeMap<&str, BTreeSet<String>> =
            self.modules.iter().map(|(path, module)| (path.as_str(), self.needs(path, module))).collect();
        let reached: BTreeMap<&str, BTreeSet<String>> =
            direct.keys().map(|path| (*path, reachable(path, &direct))).collect();
        let mut circles = BTreeSet::new();
        for (path, others) in &reached {
            let circle: Vec<String> =
                others.iter().filter(|other| reached[other.as_str()].contains(*path)).cloned().collect();
            if circle.len() > 1 {
                circles.insert(circle);
            }
        }
        circles.into_iter().collect()
    }

    /// The files that a file needs, without those in whose folder it lies.
    fn needs(&self, path: &str, module: &Module) -> BTreeSet<String> {
        let files = module.uses.iter().filter_map(|used| self.definer(used, 0));
        files.filter(|file| file != path && !is_inside(path, file)).collect()
    }

    /// The file that defines what a path names.
    fn definer(&self, path: &str, depth: usize) -> Option<String> {
        let mut file = String::new();
        let mut rest = path.split("::").filter(|name| !name.is_empty());
        while let Some(name) = rest.next() {
            let module = &self.modules[&file];
            if module.children.contains(name) {
                file = joined(&file, name);
            } else if let Some(behind) = module.imports.get(name).filter(|_| depth < 8) {
                let behind = rest.fold(behind.clone(), |path, name| joined(&path, name));
                return self.definer(&behind, depth + 1);
            } else {
                break;
            }
        }
        Some(file)
    }
}

fn is_inside(path: &str, folder: &str) -> bool {
    folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with("::"))
}

fn reachable(from: &str, direct: &BTreeMap<&str, BTreeSet<String>>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![from.to_owned()];
    while let Some(path) = open.pop() {
        for next in &direct[path.as_str()] {
            if found.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    found
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}::{name}") }
}

/// The file of a child: `parse.rs` has its children in `parse/`, `mod.rs` and `lib.rs` beside themselves.
fn file_of(parent: &Path, child: &str) -> PathBuf {
    let folder = match parent.file_name().and_then(|name| name.to_str()) {
        Some("mod.rs" | "lib.rs" | "main.rs") => parent.with_file_name(""),
        _ => parent.with_extension(""),
    };
    let file = folder.join(format!("{child}.rs"));
    if file.exists() { file } else { folder.join(child).join("mod.rs") }
}

impl Module {
    fn read(path: &str, text: &str) -> Self {
        let tokens = without_tests(tokens(text));
        let mut module = Self::default();
        for window in tokens.windows(3) {
            if let [first, name, end] = window
                && (first.as_str(), end.as_str()) == ("mod", ";")
            {
                module.children.insert(name.clone());
            }
        }
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            let before = at.checked_sub(1).map_or("", |before| tokens[before].as_str());
            at += match token.as_str() {
                "use" => {
                    let length = tokens[at..].iter().position(|token| token == ";").unwrap_or(tokens.len() - at);
                    let exported = matches!(before, "pub" | ")");
                    module.import(path, "", &tokens[at + 1..at + length], exported);
                    length
                }
                _ if before == "::" => 1,
                _ => {
                    let names: Vec<&str> = names_at(&tokens[at..]);
                    if names.len() > 1 {
                        module.uses.extend(module.absolute(path, &names.join("::")));
                    }
                    1
                }
            };
        }
        module
    }

    /// Takes a tree of imports apart: `a::{b, c as d}`.
    fn import(&mut self, path: &str, prefix: &str, tree: &[String], exported: bool) {
        let names = names_at(tree);
        let whole = names
            .iter()
            .filter(|name| **name != "self" || prefix.is_empty())
            .fold(prefix.to_owned(), |path, name| joined(&path, name));
        // Between two names stands a `::`; behind the last one may stand another, before a group or a star.
        let rest = &tree[(names.len() * 2).saturating_sub(1).min(tree.len())..];
        match rest.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["::", "{", ..] | ["{", ..] => {
                let open = rest.iter().position(|token| token == "{").unwrap_or_default();
                for branch in branches(&rest[open + 1..rest.len() - 1]) {
                    self.import(path, &whole, branch, exported);
                }
            }
            _ => {
                let Some(absolute) = self.absolute(path, &whole) else { return };
                let local = match rest {
                    [word, local, ..] if word == "as" => local.clone(),
                    _ => whole.rsplit("::").next().unwrap_or_default().to_owned(),
                };
                if !exported {
                    self.uses.insert(absolute.clone());
                }
                self.imports.insert(local, absolute);
            }
        }
    }

    /// The path from the root of the crate; none of what is another crate's, or a name of this file.
    fn absolute(&self, module: &str, path: &str) -> Option<String> {
        let mut names = path.split("::").peekable();
        let mut base: Vec<&str> = match *names.peek()? {
            "crate" => Vec::new(),
            "self" | "super" => module.split("::").filter(|name| !name.is_empty()).collect(),
            name if self.children.contains(name) => module.split("::").filter(|name| !name.is_empty()).collect(),
            _ => return None,
        };
        while let Some(name) = names.next_if(|name| matches!(*name, "crate" | "self" | "super")) {
            if name == "super" {
                base.pop();
            }
        }
        base.extend(names);
        Some(base.join("::"))
    }
}

/// The names of the path with which the tokens begin.
fn names_at(tokens: &[String]) -> Vec<&str> {
    let is_name = |token: &&String| token.starts_with(|c: char| c.is_alphabetic() || c == '_');
    let mut names: Vec<&str> = Vec::new();
    let mut rest = tokens.iter().peekable();
    while let Some(name) = rest.next_if(is_name) {
        names.push(name);
        if rest.next_if(|token| *token == "::").is_none() {
            break;
        }
    }
    names
}

/// What stands between the commas that are in no inner group.
fn branches(tokens: &[String]) -> Vec<&[String]> {
    let mut depth = 0;
    let parts = tokens.split(|token| {
        match token.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        token == "," && depth == 0
    });
    parts.filter(|part| !part.is_empty()).collect()
}

/// The tokens without items under `#[cfg(test)]`.
fn without_tests(tokens: Vec<String>) -> Vec<String> {
    let mark = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut out = Vec::new();
    let mut rest = tokens.into_iter().peekable();
    while let Some(token) = rest.next() {
        out.push(token);
        if !out.ends_with(&mark.map(str::to_owned)) {
            continue;
        }
        out.truncate(out.len() - mark.len());
        let mut depth = 0;
        for token in rest.by_ref() {
            match token.as_str() {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 && matches!(token.as_str(), "}" | ";") {
                break;
            }
        }
    }
    out
}

/// Names, `::`, and single signs; comments, texts and characters are left out.
fn tokens(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = raw_text(rest) {
            length
        } else if c == '"' {
            quoted(rest, '"')
        } else if c == '\'' {
            character(rest)
        } else if c.is_alphanumeric() || c == '_' {
            rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            c.len_utf8()
        };
        let (token, after) = rest.split_at(length);
        if !c.is_whitespace() && !token.contains(['"', '\'']) && !token.starts_with("//") && !token.starts_with("/*") {
            out.push(token.to_owned());
        }
        rest = after;
    }
    out
}

/// The length of a text like `r#"..."#`, when one begins here.
fn raw_text(text: &str) -> Option<usize> {
    let rest = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let marks = rest.find(|c| c != '#')?;
    let content = rest[marks..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(marks));
    let length = content.find(&end).map_or(content.len(), |at| at + end.len());
    Some(text.len() - content.len() + length)
}

/// The length of a text in quotes.
fn quoted(text: &str, quote: char) -> usize {
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            chars.next();
        } else if c == quote {
            return at + 1;
        }
    }
    text.len()
}

/// The length of a character like `'a'`, or of the mark alone before the name of a lifetime.
fn character(text: &str) -> usize {
    let mut chars = text.chars().skip(1);
    let first = chars.next();
    if first == Some('\\') || chars.next() == Some('\'') { quoted(text, '\'') } else { 1 }
}
