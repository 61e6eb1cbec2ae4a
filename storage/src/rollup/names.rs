//! Bounds of names. A service whose span names have ids in them would have a series for each id.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{Cell, RollupKey};

/// What stands for names beyond the bounds.
const OTHER: &str = "other";
/// What stands in a template for a part that looks like an id.
const HOLE: &str = "{}";

/// The names that have series of their own. The first ones have; later ones become templates, and in the end `other`.
#[derive(Debug)]
pub(crate) struct SpanNames {
    /// Most names of a service, and as many templates.
    most: usize,
    services: HashMap<String, Known>,
}

#[derive(Debug, Default)]
struct Known {
    names: HashSet<String>,
    templates: HashSet<String>,
}

impl SpanNames {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, services: HashMap::new() }
    }

    /// What a span name counts as.
    pub(crate) fn name_of(&mut self, service: &str, name: &str) -> String {
        let Self { most, services } = self;
        let known = services.entry(service.to_owned()).or_default();
        if known.names.contains(name) {
            return name.to_owned();
        }
        if known.names.len() < *most {
            known.names.insert(name.to_owned());
            return name.to_owned();
        }
        let template = template(name);
        let has_room = known.templates.len() < *most;
        if known.templates.contains(&template) || has_room && known.templates.insert(template.clone()) {
            return template;
        }
        OTHER.to_owned()
    }
}

/// A name whose parts that look like ids are holes: `GET /order/17` becomes `GET /order/{}`.
pub(crate) fn template(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !is_part(c)).unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        out.push_str(if looks_like_an_id(part) { HOLE } else { part });
        let separators = after.find(is_part).unwrap_or(after.len());
        let (between, left) = after.split_at(separators);
        out.push_str(between);
        rest = left;
    }
    out
}

fn is_part(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '_')
}

/// Whether a part has a digit and is no version such as `v2`, or is a long run of hexadecimal digits.
fn looks_like_an_id(part: &str) -> bool {
    let is_version = part.strip_prefix(['v', 'V']).is_some_and(|rest| rest.len() < 3 && is_number(rest));
    let is_hexadecimal = part.len() >= 16 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hexadecimal || part.bytes().any(|byte| byte.is_ascii_digit()) && !is_version
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Puts names of services that have more than `most` together: first those of one template, then the rarest. Answers which services those
/// are.
pub(crate) fn fold(series: &mut BTreeMap<RollupKey, BTreeMap<usize, Cell>>, most: usize) -> Vec<String> {
    let mut names: BTreeMap<&str, BTreeMap<&str, i64>> = BTreeMap::new();
    for (key, cells) in &*series {
        if let RollupKey::Span { service, name, .. } = key {
            *names.entry(service).or_default().entry(name).or_default() += cells.values().map(|c| c.count).sum::<i64>();
        }
    }
    names.retain(|_, names| names.len() > most || names.keys().any(|name| name.contains(HOLE) || *name == OTHER));
    let renamed: BTreeMap<String, BTreeMap<String, String>> =
        names.iter().map(|(service, names)| ((*service).to_owned(), new_names(names, most))).collect();
    for (key, cells) in std::mem::take(series) {
        let known = series.entry(rename(key, &renamed)).or_default();
        for (step, cell) in cells {
            known.entry(step).or_default().add(&cell);
        }
    }
    renamed.into_keys().collect()
}

fn rename(mut key: RollupKey, renamed: &BTreeMap<String, BTreeMap<String, String>>) -> RollupKey {
    if let RollupKey::Span { service, name, .. } = &mut key
        && let Some(new) = renamed.get(service).and_then(|names| names.get(name))
    {
        name.clone_from(new);
    }
    key
}

/// The new name of each name that gets one.
fn new_names(names: &BTreeMap<&str, i64>, most: usize) -> BTreeMap<String, String> {
    let templates: BTreeSet<&str> = names.keys().copied().filter(|name| name.contains(HOLE)).collect();
    let too_many = names.len() > most;
    let mut folded: BTreeMap<String, i64> = BTreeMap::new();
    let mut new = BTreeMap::new();
    for (name, count) in names {
        let template = template(name);
        let joins = too_many || templates.contains(template.as_str());
        let name_now = if joins { template } else { (*name).to_owned() };
        *folded.entry(name_now.clone()).or_default() += count;
        new.insert((*name).to_owned(), name_now);
    }
    let mut by_count: Vec<(&String, &i64)> = folded.iter().collect();
    by_count.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), *name));
    let rare: BTreeSet<String> = by_count.into_iter().skip(most).map(|(name, _)| name.clone()).collect();
    new.values_mut().filter(|name| rare.contains(*name)).for_each(|name| OTHER.clone_into(name));
    new.retain(|old, new| old != new);
    new
}

#[cfg(test)]
mod tests {
    use hoptrail_proto::model::{SpanKind, StatusCode};

    use super::*;

    #[test]
    fn ids_become_holes() {
        for (name, expected) in [
            ("GET /order/17", "GET /order/{}"),
            ("GET /api/v2/users/a81bc81b-dead-4e5d-abff-90865d1e13b1/cart", "GET /api/v2/users/{}/cart"),
            ("poll deadbeefdeadbeefdeadbeef", "poll {}"),
            ("cart.AddItem", "cart.AddItem"),
            ("job-17: retry #3", "{}: retry #{}"),
            ("größe 5", "größe {}"),
            ("", ""),
        ] {
            assert_eq!(template(name), expected);
        }
    }

    #[test]
    fn later_names_become_templates_and_then_other() {
        let mut names = SpanNames::new(2);
        let given: Vec<_> =
            ["a", "b", "GET /1", "GET /2", "c", "d", "a"].iter().map(|name| names.name_of("shop", name)).collect();
        assert_eq!(given, ["a", "b", "GET /{}", "GET /{}", "c", "other", "a"]);
        assert_eq!(names.name_of("cart", "d"), "d");
    }

    fn key(service: &str, name: &str) -> RollupKey {
        let (kind, status) = (SpanKind::Server, StatusCode::Unset);
        let (service, name) = (service.to_owned(), name.to_owned());
        RollupKey::Span { service, name, kind, status, entry: true, dimensions: Vec::new() }
    }

    #[test]
    fn an_answer_joins_names_of_a_template_and_then_the_rarest() {
        let cells = |count| BTreeMap::from([(0, Cell { count, ..Cell::default() })]);
        let mut series: BTreeMap<_, _> = [("/1", 1), ("/2", 2), ("/3", 3), ("rare", 1), ("often", 50)]
            .map(|(name, count)| (key("a", name), cells(count)))
            .into();
        series.insert(key("b", "GET /7"), cells(1));
        assert_eq!(fold(&mut series, 2), ["a"]);
        let left: Vec<_> = series.iter().map(|(key, cells)| (key.clone(), cells[&0].count)).collect();
        assert_eq!(
            left,
            [(key("a", "/{}"), 6), (key("a", "often"), 50), (key("a", "other"), 1), (key("b", "GET /7"), 1)]
        );
    }
}
