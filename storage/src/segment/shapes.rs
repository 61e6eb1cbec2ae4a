//! The page with the shapes of a table. It is read with the rows; ruling out a segment does not need it.

use super::metadata::{Metadata, seal, take_u32, unseal};
use super::write::TooLarge;
use crate::codec::Damaged;
use crate::codec::bytes::{Input, put_varint};
use crate::rows::{Shape, ShapeList, TableKind};

pub(super) fn encode(list: &ShapeList) -> Result<Vec<u8>, TooLarge> {
    let mut raw = Vec::new();
    put_varint(&mut raw, list.layouts.len() as u64);
    for columns in &list.layouts {
        put_varint(&mut raw, columns.len() as u64);
        columns.iter().for_each(|column| put_varint(&mut raw, u64::from(*column)));
    }
    put_varint(&mut raw, list.shapes.len() as u64);
    for shape in &list.shapes {
        raw.extend_from_slice(&[shape.kind, shape.status]);
        let numbers = [shape.resource, shape.scope, shape.name, shape.flags, shape.layout];
        numbers.iter().for_each(|number| put_varint(&mut raw, u64::from(*number)));
    }
    seal(&raw)
}

/// The shapes of table `kind` of the segment that `meta` describes.
pub(super) fn decode(page: &[u8], kind: TableKind, meta: &Metadata) -> Result<ShapeList, Damaged> {
    let raw = unseal(page)?;
    let mut input = Input(&raw);
    let count = input.count(8)?;
    let layouts = (0..count).map(|_| take_layout(&mut input)).collect::<Result<_, _>>()?;
    let count = input.count(56)?;
    let shapes = (0..count).map(|_| take_shape(&mut input)).collect::<Result<_, _>>()?;
    let list = ShapeList { shapes, layouts };
    if is_described(&list, kind, meta) { Ok(list) } else { Err(Damaged("shape of what is not described")) }
}

/// Whether everything that the shapes name exists.
fn is_described(list: &ShapeList, kind: TableKind, meta: &Metadata) -> bool {
    let table = &meta.tables[kind];
    list.shapes.iter().all(|shape| {
        is_in(shape.name, table.names.len())
            && is_in(shape.layout, list.layouts.len())
            && (kind != TableKind::Span || has_origins(shape, meta))
    }) && list.layouts.iter().flatten().all(|column| is_in(*column, table.columns.len()))
}

/// Whether the resource and scope of a span's shape exist.
fn has_origins(shape: &Shape, meta: &Metadata) -> bool {
    is_in(shape.resource, meta.resource_bytes.len()) && is_in(shape.scope, meta.scope_bytes.len())
}

/// Whether a list of this length has the index.
fn is_in(index: u32, len: usize) -> bool {
    (index as usize) < len
}

fn take_layout(input: &mut Input<'_>) -> Result<Box<[u32]>, Damaged> {
    let columns = input.count(8)?;
    (0..columns).map(|_| take_u32(input)).collect()
}

fn take_shape(input: &mut Input<'_>) -> Result<Shape, Damaged> {
    let [kind, status] = input.array()?;
    let (resource, scope, name) = (take_u32(input)?, take_u32(input)?, take_u32(input)?);
    Ok(Shape { kind, status, resource, scope, name, flags: take_u32(input)?, layout: take_u32(input)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::{ColumnKey, OriginBytes, Owner, ValueType};

    #[test]
    fn shapes_name_only_what_is_described() {
        let origin = || vec![OriginBytes { message: Box::default(), schema_url: Box::default() }];
        let mut meta = Metadata { resource_bytes: origin(), scope_bytes: origin(), ..Metadata::default() };
        meta.tables.spans.names = vec![Box::default()];
        let name = Box::default();
        meta.tables.spans.columns =
            vec![ColumnKey { owner: Owner::Attribute, value_type: ValueType::Int, occurrence: 0, name }];
        let read = |shape: Shape, columns: &[u32]| {
            let list = ShapeList { shapes: vec![shape], layouts: vec![columns.into()] };
            decode(&encode(&list).expect("fits"), TableKind::Span, &meta).map(|read| read == list)
        };
        let good = Shape { kind: 2, status: 1, flags: 257, ..Shape::default() };
        assert_eq!(read(good, &[0, 0]), Ok(true));
        for bad in [
            Shape { name: 1, ..good },
            Shape { resource: 1, ..good },
            Shape { scope: u32::MAX, ..good },
            Shape { layout: 1, ..good },
        ] {
            assert!(read(bad, &[]).is_err(), "{bad:?}");
        }
        assert!(read(good, &[1]).is_err());
    }
}
