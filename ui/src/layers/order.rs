//! The order of items in their layers, so that few lines cross.

use super::Items;

/// How often the order is improved, to the right and back.
const SWEEPS: usize = 12;

/// The items of each layer from top to bottom: the best order that was found.
pub(super) fn order(items: &Items) -> Vec<Vec<usize>> {
    let count = items.layers.iter().max().map_or(0, |last| last + 1);
    let mut layers: Vec<Vec<usize>> = vec![vec![]; count];
    for item in 0..items.layers.len() {
        layers.get_mut(items.layer(item)).into_iter().for_each(|layer| layer.push(item));
    }
    let [left, right] = items.neighbours();
    let mut best = (crossings(items, &layers), layers.clone());
    for sweep in 0..SWEEPS {
        if sweep % 2 == 0 {
            (1..count).for_each(|layer| sort(&mut layers, (layer, layer - 1), &left));
        } else {
            (1..count).rev().for_each(|layer| sort(&mut layers, (layer - 1, layer), &right));
        }
        let found = crossings(items, &layers);
        if found < best.0 {
            best = (found, layers.clone());
        }
    }
    best.1
}

/// Sorts a layer by the middle of each item's neighbours in another one. What has none keeps its place.
fn sort(layers: &mut [Vec<usize>], (layer, other): (usize, usize), neighbours: &[Vec<usize>]) {
    let places = places(layers.get(other).map_or(&[], Vec::as_slice), neighbours.len());
    let Some(own) = layers.get_mut(layer) else { return };
    let middle = |item: usize| {
        let known = neighbours.get(item).into_iter().flatten().filter_map(|near| places.get(*near).copied());
        let (sum, count) = known.fold((0, 0), |(sum, count), place| (sum + place, count + 1));
        (count > 0).then(|| sum as f64 / f64::from(count))
    };
    let mut keyed: Vec<(f64, usize)> =
        own.iter().enumerate().map(|(at, item)| (middle(*item).unwrap_or(at as f64), *item)).collect();
    keyed.sort_by(|one, another| one.0.total_cmp(&another.0));
    *own = keyed.into_iter().map(|(_, item)| item).collect();
}

/// The place of each item of a layer.
fn places(layer: &[usize], count: usize) -> Vec<usize> {
    let mut places = vec![0; count];
    for (place, item) in layer.iter().enumerate() {
        places.get_mut(*item).into_iter().for_each(|known| *known = place);
    }
    places
}

/// How many pairs of lines cross.
pub(super) fn crossings(items: &Items, layers: &[Vec<usize>]) -> usize {
    let mut all = vec![0; items.layers.len()];
    for layer in layers {
        for (place, item) in layer.iter().enumerate() {
            all.get_mut(*item).into_iter().for_each(|known| *known = place);
        }
    }
    let place = |item: usize| all.get(item).copied().unwrap_or_default();
    let mut lines: Vec<Vec<(usize, usize)>> = vec![vec![]; layers.len()];
    for (left, right) in items.pairs() {
        lines.get_mut(items.layer(left)).into_iter().for_each(|between| between.push((place(left), place(right))));
    }
    lines
        .into_iter()
        .map(|mut between| {
            between.sort_unstable();
            inversions(&mut between.into_iter().map(|(_, right)| right).collect::<Vec<_>>())
        })
        .sum()
}

/// Pairs in the wrong order, counted while sorting.
fn inversions(numbers: &mut [usize]) -> usize {
    let half = numbers.len() / 2;
    if half == 0 {
        return 0;
    }
    let (left, right) = numbers.split_at_mut(half);
    let mut found = inversions(left) + inversions(right);
    for number in right.iter() {
        found += left.len() - left.partition_point(|other| other <= number);
    }
    numbers.sort_unstable();
    found
}
