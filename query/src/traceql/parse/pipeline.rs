//! Pipelines, spanset expressions, scalars and metrics.

use super::super::ast::{
    Aggregate, Expr, ExprKind, FieldExpr, Hint, Literal, LogicOp, MetricsCall, MetricsFunction, Pipeline, Query, Rank,
    Relation, Stage, StageKind, StructuralMode, StructuralOp,
};
use super::super::names::function_words;
use super::super::power;
use super::super::suggest::did_you_mean;
use super::super::tokens::{Sign, TokenKind};
use super::Parser;
use super::field::{binary_op, logic_op};

impl Parser {
    /// Reads a whole query.
    pub(super) fn query(&mut self) -> Query {
        let start = self.here();
        if self.at_end() {
            self.error(start, "the query is empty; write { } for every span");
        }
        let pipeline = self.pipeline();
        let hints = if self.at_call("with") { self.hints() } else { Vec::new() };
        if !self.at_end() {
            self.unexpected("`|` or the end of the query");
        }
        Query { range: start.to(self.before()), pipeline, hints }
    }

    fn pipeline(&mut self) -> Pipeline {
        let failed = |range| Pipeline { stages: Vec::new(), range };
        self.deeper(failed, |parser| {
            let start = parser.here();
            let mut stages = Vec::new();
            loop {
                parser.stage(&mut stages);
                if !parser.take(Sign::Pipe) {
                    return Pipeline { stages, range: start.to(parser.before()) };
                }
            }
        })
    }

    fn stage(&mut self, stages: &mut Vec<Stage>) {
        let start = self.here();
        let kind = if self.at_call("by") {
            let mut keys = self.arguments(Self::field_expr);
            match (keys.pop(), keys.is_empty()) {
                (Some(key), true) => StageKind::By(key),
                _ => return self.error(start.to(self.before()), "by() groups by one expression"),
            }
        } else if self.at_call("coalesce") {
            if !self.arguments(Self::field_expr).is_empty() {
                self.error(start.to(self.before()), "coalesce() takes no argument");
            }
            StageKind::Coalesce
        } else if self.at_call("select") {
            let fields = self.arguments(Self::field_expr);
            if fields.is_empty() {
                self.error(start.to(self.before()), "select() needs at least one field");
            }
            StageKind::Select(fields)
        } else if self.at_call("sort") {
            self.sort()
        } else if self.at_word("spans") {
            self.next();
            StageKind::Spans
        } else if self.at_call("topk") || self.at_call("bottomk") {
            let rank = if self.at_word("topk") { Rank::Top } else { Rank::Bottom };
            let mut counts = self.arguments(Self::number);
            match (counts.pop().flatten(), counts.is_empty()) {
                (Some(count), true) => StageKind::Rank { rank, count },
                _ => return self.error(start.to(self.before()), "topk() and bottomk() take one number of series"),
            }
        } else {
            StageKind::Expr(self.expr(power::LOGIC))
        };
        let ranked = matches!(kind, StageKind::Rank { .. });
        stages.push(Stage { kind, range: start.to(self.before()) });
        while ranked && let Some(stage) = self.keep() {
            stages.push(stage);
        }
    }

    fn sort(&mut self) -> StageKind {
        self.next();
        self.expect(Sign::OpenParen);
        let value = self.field_expr();
        let descending = !self.at_word("asc");
        if self.at_word("asc") || self.at_word("desc") {
            self.next();
        }
        self.expect(Sign::CloseParen);
        StageKind::Sort { value, descending }
    }

    /// A comparison after `topk(…)`.
    fn keep(&mut self) -> Option<Stage> {
        let TokenKind::Sign(sign) = *self.peek() else { return None };
        let op = binary_op(sign).filter(|op| op.power() == power::COMPARE)?;
        let start = self.next();
        let value = self.number()?;
        Some(Stage { range: start.to(value.range), kind: StageKind::Keep { op, value } })
    }

    /// A number or duration, or an error.
    fn number(&mut self) -> Option<Literal> {
        let found = self.literal();
        if found.is_none() {
            self.unexpected("a number");
            self.next();
        }
        found
    }

    /// Reads `word(a, b, …)`, the word being here.
    fn arguments<T>(&mut self, mut each: impl FnMut(&mut Self) -> T) -> Vec<T> {
        self.next();
        self.expect(Sign::OpenParen);
        let mut out = Vec::new();
        if self.take(Sign::CloseParen) {
            return out;
        }
        loop {
            out.push(each(self));
            if !self.take(Sign::Comma) {
                self.expect(Sign::CloseParen);
                return out;
            }
        }
    }

    fn hints(&mut self) -> Vec<Hint> {
        self.arguments(|parser| {
            let TokenKind::Word(name) = parser.peek().clone() else {
                parser.unexpected("the name of a hint");
                parser.next();
                return None;
            };
            let start = parser.next();
            parser.expect(Sign::Eq);
            let value = parser.literal();
            if value.is_none() {
                parser.unexpected("a value");
            }
            value.map(|value| Hint { name, range: start.to(value.range), value })
        })
        .into_iter()
        .flatten()
        .collect()
    }

    fn expr(&mut self, least: u8) -> Expr {
        let failed = |range| Expr { kind: ExprKind::Error, range };
        self.deeper(failed, |parser| {
            let mut left = parser.operand();
            let mut links = 0;
            while let TokenKind::Sign(sign) = *parser.peek() {
                let structural = structural_op(sign).filter(|_| left.is_spans() || binary_op(sign).is_none());
                if let Some(op) = logic_op(sign).filter(|_| least <= power::LOGIC) {
                    parser.next();
                    let right = parser.expr(power::LOGIC + 1);
                    if !matches!(&left.kind, ExprKind::Logic { op: before, .. } if *before == op) {
                        parser.count_link(&mut links);
                    }
                    left = join(op, left, right);
                } else if let Some(op) = structural.filter(|_| least <= power::COMPARE) {
                    parser.next();
                    let right = parser.expr(power::COMPARE + 1);
                    parser.count_link(&mut links);
                    let range = left.range.to(right.range);
                    let kind = ExprKind::Structural { op, left: Box::new(left), right: Box::new(right) };
                    left = Expr { kind, range };
                } else if let Some(op) = binary_op(sign).filter(|op| structural.is_none() && op.power() >= least) {
                    parser.next();
                    let right = parser.expr(op.side_powers().1);
                    parser.count_link(&mut links);
                    let range = left.range.to(right.range);
                    let kind = ExprKind::Binary { op, left: Box::new(left), right: Box::new(right) };
                    left = Expr { kind, range };
                } else {
                    break;
                }
            }
            left
        })
    }

    fn operand(&mut self) -> Expr {
        let start = self.here();
        if let Some(literal) = self.literal() {
            return Expr { range: literal.range, kind: ExprKind::Literal(literal) };
        }
        let kind = match self.peek().clone() {
            TokenKind::Sign(Sign::OpenBrace) => ExprKind::Filter(self.filter().0),
            TokenKind::Sign(Sign::OpenParen) => self.parenthesised(),
            TokenKind::Sign(Sign::Minus) => {
                self.next();
                ExprKind::Negate(Box::new(self.expr(power::NEGATE)))
            }
            TokenKind::Word(word) => self.call(&word),
            TokenKind::Attribute { .. } | TokenKind::Intrinsic(_) => self.outside_of_braces(),
            _ => self.missing(),
        };
        Expr { kind, range: start.to(self.before()) }
    }

    /// Reads `( … )`; one expression alone stands for itself.
    fn parenthesised(&mut self) -> ExprKind {
        self.next();
        let mut inner = self.pipeline();
        self.expect(Sign::CloseParen);
        match inner.stages.pop() {
            Some(Stage { kind: StageKind::Expr(only), .. }) if inner.stages.is_empty() => only.kind,
            Some(last) => {
                inner.stages.push(last);
                ExprKind::Pipeline(inner)
            }
            None => ExprKind::Error,
        }
    }

    fn outside_of_braces(&mut self) -> ExprKind {
        let likely = match self.peek() {
            TokenKind::Word(word) => did_you_mean(word, function_words()),
            _ => String::new(),
        };
        self.error(self.here(), format!("conditions stand in braces: {{ … }}{likely}"));
        // One advice is enough for the whole condition.
        while !matches!(
            self.peek(),
            TokenKind::End | TokenKind::Sign(Sign::Pipe | Sign::CloseParen | Sign::OpenBrace | Sign::And | Sign::Or)
        ) {
            self.next();
        }
        ExprKind::Error
    }

    fn missing(&mut self) -> ExprKind {
        self.unexpected("{ … } or a function such as count()");
        if !matches!(self.peek(), TokenKind::Sign(Sign::CloseParen | Sign::Pipe | Sign::And | Sign::Or)) {
            self.next();
        }
        ExprKind::Error
    }

    fn call(&mut self, word: &str) -> ExprKind {
        if let Some(function) = aggregate(word) {
            return self.aggregate(function);
        }
        if *self.peek_after(1) != TokenKind::Sign(Sign::OpenParen) {
            return self.outside_of_braces();
        }
        let start = self.here();
        let function = match word {
            "quantile_over_time" => self.quantiles(),
            "compare" => self.compare(),
            _ => self.over_time(word),
        };
        let Some(function) = function else {
            let message = match word {
                "by" | "select" | "coalesce" | "sort" | "topk" | "bottomk" => {
                    format!("{word}() is a stage of its own, after `|`")
                }
                _ if function_words().any(|known| known == word) => format!("wrong arguments of {word}()"),
                _ => format!("unknown function `{word}`{}", did_you_mean(word, function_words())),
            };
            self.error(start.to(self.before()), message);
            return ExprKind::Error;
        };
        let by = if self.at_call("by") { self.arguments(Self::field_expr) } else { Vec::new() };
        ExprKind::Metrics(MetricsCall { function, by })
    }

    fn aggregate(&mut self, function: Aggregate) -> ExprKind {
        let start = self.here();
        let mut arguments = self.arguments(Self::field_expr);
        let argument = arguments.pop();
        let wanted = usize::from(function != Aggregate::Count);
        let given = arguments.len() + usize::from(argument.is_some());
        if given != wanted {
            let name = function.name();
            let message =
                format!("{name}() takes {wanted} argument{}, not {given}", if wanted == 1 { "" } else { "s" });
            self.error(start.to(self.before()), message);
        }
        ExprKind::Aggregate { function, argument }
    }

    /// Metrics functions with no or one field; `None` for another word or other arguments.
    fn over_time(&mut self, word: &str) -> Option<MetricsFunction> {
        let mut arguments = self.arguments(Self::field_expr);
        let (argument, alone) = (arguments.pop(), arguments.is_empty());
        match (word, argument, alone) {
            ("rate", None, _) => Some(MetricsFunction::Rate),
            ("count_over_time", None, _) => Some(MetricsFunction::CountOverTime),
            ("min_over_time", Some(value), true) => Some(MetricsFunction::MinOverTime(value)),
            ("max_over_time", Some(value), true) => Some(MetricsFunction::MaxOverTime(value)),
            ("avg_over_time", Some(value), true) => Some(MetricsFunction::AvgOverTime(value)),
            ("sum_over_time", Some(value), true) => Some(MetricsFunction::SumOverTime(value)),
            ("histogram_over_time", Some(value), true) => Some(MetricsFunction::HistogramOverTime(value)),
            _ => None,
        }
    }

    fn quantiles(&mut self) -> Option<MetricsFunction> {
        let mut value = None;
        let quantiles = self.arguments(|parser| {
            if value.is_none() {
                value = Some(parser.field_expr());
                return None;
            }
            parser.number()
        });
        let quantiles: Vec<Literal> = quantiles.into_iter().flatten().collect();
        value.filter(|_| !quantiles.is_empty()).map(|value| MetricsFunction::QuantileOverTime(value, quantiles))
    }

    fn compare(&mut self) -> Option<MetricsFunction> {
        let mut selection: Option<Option<FieldExpr>> = None;
        let numbers = self.arguments(|parser| {
            if selection.is_none() && parser.at_sign(Sign::OpenBrace) {
                selection = Some(parser.filter().0);
                return None;
            }
            parser.number()
        });
        let numbers = numbers.into_iter().flatten().collect();
        selection.map(|selection| MetricsFunction::Compare { selection, numbers })
    }
}

fn aggregate(word: &str) -> Option<Aggregate> {
    Some(match word {
        "count" => Aggregate::Count,
        "avg" => Aggregate::Avg,
        "min" => Aggregate::Min,
        "max" => Aggregate::Max,
        "sum" => Aggregate::Sum,
        _ => return None,
    })
}

fn structural_op(sign: Sign) -> Option<StructuralOp> {
    use Relation::{Ancestor, Child, Descendant, Parent, Sibling};
    use StructuralMode::{Negated, Plain, Union};
    let (mode, relation) = match sign {
        Sign::Gt => (Plain, Child),
        Sign::Lt => (Plain, Parent),
        Sign::Descendant => (Plain, Descendant),
        Sign::Ancestor => (Plain, Ancestor),
        Sign::Tilde => (Plain, Sibling),
        Sign::NotChild => (Negated, Child),
        Sign::NotParent => (Negated, Parent),
        Sign::NotDescendant => (Negated, Descendant),
        Sign::NotAncestor => (Negated, Ancestor),
        Sign::NotMatch => (Negated, Sibling),
        Sign::UnionChild => (Union, Child),
        Sign::UnionParent => (Union, Parent),
        Sign::UnionDescendant => (Union, Descendant),
        Sign::UnionAncestor => (Union, Ancestor),
        Sign::UnionSibling => (Union, Sibling),
        _ => return None,
    };
    Some(StructuralOp { relation, mode })
}

impl Expr {
    /// Whether this is a set of spans, as far as its form says: then `>` and `<` are structural after it.
    fn is_spans(&self) -> bool {
        match &self.kind {
            ExprKind::Filter(_) | ExprKind::Logic { .. } | ExprKind::Structural { .. } => true,
            ExprKind::Binary { op, left, .. } => !op.is_arithmetic() && !left.is_series(),
            ExprKind::Pipeline(pipeline) => match pipeline.stages.last().map(|stage| &stage.kind) {
                Some(StageKind::Expr(last)) => last.is_spans(),
                Some(StageKind::By(_) | StageKind::Coalesce | StageKind::Select(_)) => true,
                _ => false,
            },
            _ => false,
        }
    }

    /// Whether this is numbers over time, as far as its form says.
    pub(in crate::traceql) fn is_series(&self) -> bool {
        match &self.kind {
            ExprKind::Metrics(_) => true,
            ExprKind::Negate(inner) => inner.is_series(),
            ExprKind::Binary { left, right, .. } => left.is_series() || right.is_series(),
            ExprKind::Pipeline(pipeline) => match pipeline.stages.last().map(|stage| &stage.kind) {
                Some(StageKind::Expr(last)) => last.is_series(),
                Some(StageKind::Rank { .. } | StageKind::Keep { .. }) => true,
                _ => false,
            },
            _ => false,
        }
    }
}

/// `left op right`, operands of the same operator in one list.
fn join(op: LogicOp, left: Expr, right: Expr) -> Expr {
    let range = left.range.to(right.range);
    let mut operands = match left.kind {
        ExprKind::Logic { op: inner, operands } if inner == op => operands,
        kind => vec![Expr { kind, range: left.range }],
    };
    match right.kind {
        ExprKind::Logic { op: inner, operands: more } if inner == op => operands.extend(more),
        kind => operands.push(Expr { kind, range: right.range }),
    }
    Expr { kind: ExprKind::Logic { op, operands }, range }
}
