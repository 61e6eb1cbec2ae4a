//! What of a trace is drawn, and where. Pure: a tree and a view in, lines and positions out.

mod bars;
mod fold;
mod gaps;
mod minimap;
mod outline;
mod scale;
#[cfg(test)]
mod tests;
mod view;

pub(crate) use bars::{merged, union};
pub(crate) use fold::{Line, Rest, fold};
pub(crate) use gaps::{Gap, gaps, own};
pub(crate) use minimap::{Block, minimap};
pub(crate) use outline::{Outline, outline};
pub(crate) use scale::{Scale, ticks};
pub(crate) use view::{Reduce, RowKey, Tab, View, Window};
