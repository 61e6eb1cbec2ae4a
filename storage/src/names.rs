//! The services of a segment and the names of their spans, from which people choose before they search. One page of the segment lists them,
//! so that no other page is read.

use std::collections::BTreeMap;

use hoptrail_proto::model::{AnyValue, Resource};
use rustc_hash::FxHashMap;

use crate::codec::Damaged;
use crate::codec::bytes::{Input, put_bytes, put_varint};
use crate::rows::{ShapeList, text};

/// Most names that a segment lists. A sender that puts ids into span names has more; then the spans of the segment are read instead.
const MOST: usize = 4096;
const VERSION: u8 = 1;
/// Memory of a name beside its text, about.
const ENTRY_BYTES: usize = 48;
/// The attribute that names a service.
const SERVICE: &str = "service.name";

/// For each service and span name the number of spans. A missing service or name is an empty text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Names(BTreeMap<Box<str>, BTreeMap<Box<str>, u64>>);

/// How many rows have each shape.
#[derive(Debug, Default)]
pub(crate) struct ShapeCounts(Vec<u64>);

impl ShapeCounts {
    pub(crate) fn add(&mut self, shape: u32) {
        let shape = shape as usize;
        if self.0.len() <= shape {
            self.0.resize(shape + 1, 0);
        }
        if let Some(count) = self.0.get_mut(shape) {
            *count += 1;
        }
    }
}

impl Names {
    /// The names of rows, of which `counts` says how many have each shape. `None` when there are too many names, or when the service of a
    /// resource is not one text.
    pub(crate) fn of<R: AsRef<Resource>>(
        shapes: &ShapeList,
        counts: &ShapeCounts,
        resources: &[R],
        name: impl Fn(u32) -> String,
    ) -> Option<Self> {
        let mut pairs: FxHashMap<(u32, u32), u64> = FxHashMap::default();
        for (shape, count) in shapes.shapes.iter().zip(&counts.0).filter(|(_, count)| **count > 0) {
            *pairs.entry((shape.resource, shape.name)).or_default() += count;
        }
        let services = resources.iter().map(|resource| service_of(resource.as_ref())).collect::<Vec<_>>();
        let mut names: BTreeMap<Box<str>, BTreeMap<Box<str>, u64>> = BTreeMap::new();
        let mut known = 0;
        for ((resource, index), count) in pairs {
            let service = services.get(resource as usize).copied().flatten()?;
            let of_service = names.entry(service.into()).or_default();
            let before = of_service.len();
            *of_service.entry(name(index).into()).or_default() += count;
            known += of_service.len() - before;
            if known > MOST {
                return None;
            }
        }
        Some(Self(names))
    }

    /// The services that have a name.
    pub(crate) fn services(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|service| &**service).filter(|service| !service.is_empty())
    }

    /// The names of a service's spans, or of all.
    pub(crate) fn of_service<'a>(&'a self, service: Option<&'a str>) -> impl Iterator<Item = &'a str> {
        let chosen = self.0.iter().filter(move |(known, _)| service.is_none_or(|service| service == &***known));
        chosen.flat_map(|(_, names)| names.keys()).map(|name| &**name)
    }

    /// The page of a segment that lists these, or nothing.
    pub(crate) fn encode_list(names: Option<&Self>) -> Vec<u8> {
        let mut out = vec![VERSION, u8::from(names.is_some())];
        if let Some(names) = names {
            names.encode(&mut out);
        }
        out
    }

    /// Reads what [`Names::encode_list`] wrote.
    pub(crate) fn decode_list(page: &[u8]) -> Result<Option<Self>, Damaged> {
        let mut input = Input(page);
        if input.byte()? != VERSION {
            return Err(Damaged("unknown version of a list of names"));
        }
        if input.byte()? == 0 { Ok(None) } else { Self::decode(&mut input).map(Some) }
    }

    /// Bytes held, about.
    pub(crate) fn memory(&self) -> usize {
        let of_names =
            |names: &BTreeMap<Box<str>, u64>| names.keys().map(|name| name.len() + ENTRY_BYTES).sum::<usize>();
        self.0.iter().map(|(service, names)| service.len() + ENTRY_BYTES + of_names(names)).sum()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, self.0.len() as u64);
        for (service, names) in &self.0 {
            put_bytes(out, service.as_bytes());
            put_varint(out, names.len() as u64);
            for (name, spans) in names {
                put_bytes(out, name.as_bytes());
                put_varint(out, *spans);
            }
        }
    }

    fn decode(input: &mut Input<'_>) -> Result<Self, Damaged> {
        let mut services = BTreeMap::new();
        for _ in 0..input.count(16)? {
            let (service, mut names) = (text(input.bytes()?), BTreeMap::new());
            for _ in 0..input.count(16)? {
                names.insert(text(input.bytes()?).into(), input.varint()?);
            }
            services.insert(service.into(), names);
        }
        Ok(Self(services))
    }
}

/// The service of a resource; empty when it has none; `None` when it is anything but one text.
pub(crate) fn service_of(resource: &Resource) -> Option<&str> {
    let mut found = resource.attributes.iter().filter(|attribute| attribute.key == SERVICE);
    match (found.next().map(|attribute| &attribute.value), found.next()) {
        (None, _) => Some(""),
        (Some(AnyValue::String(service)), None) if !service.is_empty() => Some(service),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back() {
        let pair = |name: &str, spans: u64| (Box::from(name), spans);
        let services =
            [("", BTreeMap::from([pair("lost", 1)])), ("shop", BTreeMap::from([pair("", 2), pair("buy", u64::MAX)]))];
        let names = Names(services.into_iter().map(|(service, names)| (service.into(), names)).collect());
        let mut bytes = Vec::new();
        names.encode(&mut bytes);
        assert_eq!(Names::decode(&mut Input(&bytes)), Ok(names.clone()));
        for end in 0..bytes.len() {
            assert!(Names::decode(&mut Input(&bytes[..end])).is_err(), "{end} bytes");
        }
        assert_eq!(names.services().collect::<Vec<_>>(), ["shop"]);
        assert_eq!(names.of_service(None).collect::<Vec<_>>(), ["lost", "", "buy"]);
        assert_eq!(names.of_service(Some("shop")).collect::<Vec<_>>(), ["", "buy"]);
    }
}
