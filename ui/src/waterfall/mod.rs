//! What of a trace is drawn, and where. Pure: a tree and a view in, lines and positions out.

mod fold;
mod minimap;
mod scale;
mod view;

pub(crate) use fold::{Line, Rest, fold};
pub(crate) use minimap::{Block, minimap};
pub(crate) use scale::{Scale, ticks};
pub(crate) use view::{View, Window};
