//! What a search reads of a span.

use crate::scan::Projection;
use crate::{AttributeScope, Expr, Field, Filter, Intrinsic, SearchRequest};

/// The columns that a filter and a selection read.
pub(super) struct NeededColumns {
    names: Vec<Vec<u8>>,
    children: bool,
}

impl NeededColumns {
    pub(super) fn of(request: &SearchRequest) -> Self {
        let mut needed = Self { names: Vec::new(), children: false };
        needed.add_filter(request.filter());
        request.select.iter().for_each(|field| needed.add(field));
        needed.names.sort();
        needed.names.dedup();
        needed
    }

    pub(super) fn projection(&self) -> Projection<'_> {
        Projection::Only { names: &self.names, children: self.children }
    }

    fn add_filter(&mut self, filter: &Filter) {
        match filter {
            Filter::True => {}
            Filter::And(parts) | Filter::Or(parts) => parts.iter().for_each(|part| self.add_filter(part)),
            Filter::Not(inner) => self.add_filter(inner),
            Filter::Event(inner) | Filter::Link(inner) => {
                self.children = true;
                self.add_filter(inner);
            }
            Filter::Compare { field, .. } | Filter::Matches { field, .. } | Filter::Exists { field, .. } => {
                self.add(field)
            }
            Filter::Relation { left, right, .. } => {
                self.add_expr(left);
                self.add_expr(right);
            }
            Filter::Computed { value, .. } => self.add_expr(value),
        }
    }

    fn add_expr(&mut self, expr: &Expr) {
        match expr {
            Expr::Constant(_) => {}
            Expr::Field(field) => self.add(field),
            Expr::Negate(inner) => self.add_expr(inner),
            Expr::Arithmetic { left, right, .. } => {
                self.add_expr(left);
                self.add_expr(right);
            }
            Expr::Condition(filter) => self.add_filter(filter),
        }
    }

    fn add(&mut self, field: &Field) {
        match field {
            Field::Parent(field) => self.add(field),
            Field::Attribute { scope, key } => {
                self.children |= matches!(scope, AttributeScope::Any | AttributeScope::Event | AttributeScope::Link);
                self.names.push(key.clone().into_bytes());
            }
            Field::Intrinsic(Intrinsic::StatusMessage) => self.names.push(b"status_message".to_vec()),
            Field::Intrinsic(
                Intrinsic::EventName | Intrinsic::EventTimeSinceStart | Intrinsic::LinkTraceId | Intrinsic::LinkSpanId,
            ) => self.children = true,
            Field::Intrinsic(_) => {}
        }
    }
}
