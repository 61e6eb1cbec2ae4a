//! The page with the shapes of a table. Read when rows are, not to rule a segment out.

use super::meta::{number, seal, unseal};
use crate::codec::Damaged;
use crate::codec::bytes::{Input, put_varint};
use crate::rows::{Shape, ShapeList};

pub(super) fn encode(list: &ShapeList) -> Vec<u8> {
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

pub(super) fn decode(page: &[u8]) -> Result<ShapeList, Damaged> {
    let raw = unseal(page)?;
    let mut input = Input(&raw);
    let count = input.count(8)?;
    let layouts = (0..count).map(|_| take_layout(&mut input)).collect::<Result<_, _>>()?;
    let count = input.count(56)?;
    let shapes = (0..count).map(|_| take_shape(&mut input)).collect::<Result<_, _>>()?;
    Ok(ShapeList { shapes, layouts })
}

fn take_layout(input: &mut Input<'_>) -> Result<Box<[u32]>, Damaged> {
    let columns = input.count(8)?;
    (0..columns).map(|_| number(input)).collect()
}

fn take_shape(input: &mut Input<'_>) -> Result<Shape, Damaged> {
    let [kind, status] = input.array()?;
    let (resource, scope, name) = (number(input)?, number(input)?, number(input)?);
    Ok(Shape { kind, status, resource, scope, name, flags: number(input)?, layout: number(input)? })
}
