//! The heights of items: near their neighbours, in their order, and never closer than their sizes allow.

use super::{Items, Sizes};

/// How often heights follow those of the neighbours, to the right and back.
const SWEEPS: usize = 8;

/// The middle of each item.
pub(super) fn heights(items: &Items, order: &[Vec<usize>], sizes: Sizes) -> Vec<f64> {
    let half = |item: usize| if items.is_node(item) { (sizes.height + sizes.gap) / 2.0 } else { sizes.lane / 2.0 };
    let mut heights = vec![0.0; items.layers.len()];
    for layer in order {
        let wanted = vec![0.0; layer.len()];
        place(layer, &wanted, half, &mut heights);
    }
    let neighbours = items.neighbours();
    for sweep in 0..SWEEPS {
        let near = neighbours.get(sweep % 2);
        let to_right = sweep % 2 == 0;
        for at in 0..order.len() {
            let Some(layer) = order.get(if to_right { at } else { order.len() - 1 - at }) else { continue };
            let wanted = |item: &usize| {
                let known = near.and_then(|near| near.get(*item)).into_iter().flatten();
                let known = known.filter_map(|other| heights.get(*other).copied());
                let (sum, count) = known.fold((0.0, 0.0), |(sum, count), height| (sum + height, count + 1.0));
                if count > 0.0 { sum / count } else { heights.get(*item).copied().unwrap_or_default() }
            };
            let wanted: Vec<f64> = layer.iter().map(wanted).collect();
            place(layer, &wanted, half, &mut heights);
        }
    }
    let top = (0..heights.len()).filter(|item| items.is_node(*item)).filter_map(|item| heights.get(item).copied());
    let top = top.fold(f64::INFINITY, f64::min) - sizes.height / 2.0;
    let lanes = heights.iter().copied().fold(f64::INFINITY, f64::min) - sizes.lane / 2.0;
    let top = top.min(lanes);
    heights.iter().map(|height| height - top).collect()
}

/// Puts the items of a layer as near to the wanted heights as their order and sizes allow: the least squares.
fn place(layer: &[usize], wanted: &[f64], half: impl Fn(usize) -> f64, heights: &mut [f64]) {
    // Where each would stand if all were as high as possible, and by how much it should be lower.
    let mut offsets = Vec::with_capacity(layer.len());
    let mut top = 0.0;
    for item in layer {
        top += half(*item);
        offsets.push(top);
        top += half(*item);
    }
    // Neighbours that would overlap move as one, by their mean.
    let mut blocks: Vec<(f64, f64)> = Vec::new();
    for (wanted, offset) in wanted.iter().zip(&offsets) {
        let mut block = (wanted - offset, 1.0);
        while let Some((sum, count)) = blocks.pop_if(|(sum, count)| *sum / *count > block.0 / block.1) {
            block = (block.0 + sum, block.1 + count);
        }
        blocks.push(block);
    }
    let moved = blocks.iter().flat_map(|(sum, count)| std::iter::repeat_n(sum / count, *count as usize));
    for ((item, offset), by) in layer.iter().zip(&offsets).zip(moved) {
        heights.get_mut(*item).into_iter().for_each(|height| *height = offset + by);
    }
}
