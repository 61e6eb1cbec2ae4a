//! A trace in the terminal: the tree on the left, when each span ran on the right.

use hoptrail_proto::model::TraceSpan;
use hoptrail_query::assemble::{Interval, Node, NodeKind, TraceTree, Warning};
use jiff::tz::TimeZone;

use super::rows::write_all;
use crate::client::Failure;
use crate::terminal::number::{counted, duration, moment, zone_name};
use crate::terminal::text::{cut, fitted, shown, width};
use crate::terminal::{Paint, Screen};

/// Nodes that are drawn unless all are wanted.
const NODES: usize = 1_000;
/// Errors and warnings that are told below the tree.
const TOLD: usize = 10;
/// Columns where nothing says how many there are.
const COLUMNS: usize = 120;
/// Levels whose branches are drawn; further ones are a number.
const LEVELS: usize = 12;
/// Columns of the longest duration, such as `213503 d 23 h`.
const DURATION: usize = 13;

/// How the columns of the screen are shared.
#[derive(Debug, Clone, Copy)]
struct Widths {
    label: usize,
    bar: usize,
    duration: usize,
}

/// Draws the tree, the first nodes of it unless `all` are wanted.
pub(super) fn draw(tree: &TraceTree<'_>, screen: Screen, zone: &TimeZone, all: bool) -> Result<(), Failure> {
    let most = if all { usize::MAX } else { NODES };
    write_all(pieces(tree, screen, zone, most))
}

/// The picture from top to bottom.
fn pieces<'t>(
    tree: &'t TraceTree<'_>,
    screen: Screen,
    zone: &TimeZone,
    most: usize,
) -> impl Iterator<Item = String> + 't {
    let widths = widths(tree, screen, most);
    let lines = (0..tree.nodes.len().min(most)).map(move |at| line(tree, at, widths, screen));
    let head = head(tree, zone, screen) + &axis(tree, widths, screen);
    let left = tree.nodes.len().saturating_sub(most);
    let rest = if left > 0 { format!("… {left} more lines: --all shows them\n") } else { String::new() };
    let notes = [rest, errors(tree, screen), warnings(tree, screen)];
    std::iter::once(head).chain(lines).chain(notes)
}

fn head(tree: &TraceTree<'_>, zone: &TimeZone, screen: Screen) -> String {
    let summary = &tree.summary;
    let mut parts = vec![
        (format!("{} ({})", moment(tree.interval.start, zone), zone_name(zone)), Paint::Plain),
        (duration(summary.duration_nanos), Paint::Plain),
        (counted(summary.spans, "span", "spans"), Paint::Plain),
        (counted(summary.errors, "error", "errors"), if summary.errors > 0 { Paint::Error } else { Paint::Plain }),
        (counted(summary.services.len(), "service", "services"), Paint::Plain),
    ];
    if summary.missing > 0 {
        parts.push((format!("{} not received", counted(summary.missing, "span", "spans")), Paint::Warning));
    }
    format!("{} {}\n{}\n\n", screen.paint(Paint::Dim, "trace"), tree.id, wrapped(&parts, screen))
}

/// The parts in one line, or in as many as the screen needs.
fn wrapped(parts: &[(String, Paint)], screen: Screen) -> String {
    let (mut out, mut used) = (String::new(), 0);
    for (text, paint) in parts {
        let columns = width(text) + 2;
        let fits = screen.width.is_none_or(|most| used + columns <= most + 2);
        if used > 0 {
            out += if fits { "  " } else { "\n" };
        }
        used = if fits { used + columns } else { columns };
        out += &screen.paint(*paint, text);
    }
    out
}

/// Where the bars begin and end.
fn axis(tree: &TraceTree<'_>, widths: Widths, screen: Screen) -> String {
    let end = duration(tree.interval.nanos());
    let line = format!("{}  0{}", " ".repeat(widths.label), fitted(&end, widths.bar.saturating_sub(1), true));
    screen.paint(Paint::Dim, &line) + "\n"
}

fn widths(tree: &TraceTree<'_>, screen: Screen, most: usize) -> Widths {
    let columns = screen.width.unwrap_or(COLUMNS);
    let nodes = || tree.nodes.iter().take(most);
    let longest = nodes().map(|node| width(&duration(node.interval.nanos()))).max().unwrap_or_default().min(DURATION);
    let label = |node: &Node<'_>| (node.depth.min(LEVELS) * 3) + 8 + width(&label(node).plain());
    let widest = nodes().map(label).max().unwrap_or_default();
    let label = widest.min(columns / 2).max(20);
    Widths { label, bar: columns.saturating_sub(label + longest + 4).max(10), duration: longest }
}

/// What a node is called.
struct Label {
    mark: &'static str,
    service: String,
    name: String,
    paint: Paint,
}

impl Label {
    fn plain(&self) -> String {
        [self.mark, &self.service, &self.name].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
    }
}

fn label(node: &Node<'_>) -> Label {
    let warned = node.warnings.iter().any(|warning| !warning.is_remark());
    match &node.kind {
        NodeKind::Span(span) => {
            let (mark, paint) = match (node.is_error(), warned) {
                (true, _) => ("✗", Paint::Error),
                (false, true) => ("!", Paint::Warning),
                (false, false) => ("", Paint::Plain),
            };
            Label { mark, service: shown(span.resource.service_name()), name: shown(&span.span.name), paint }
        }
        NodeKind::Missing => {
            let name = format!("span {} was not received", node.key);
            Label { mark: "?", service: String::new(), name, paint: Paint::Warning }
        }
        NodeKind::Inferred(peer) => {
            let name = format!("({})", peer.kind.name());
            Label { mark: "", service: shown(&peer.name), name, paint: Paint::Dim }
        }
    }
}

fn line(tree: &TraceTree<'_>, at: usize, widths: Widths, screen: Screen) -> String {
    let Some(node) = tree.nodes.get(at) else { return String::new() };
    let label = label(node);
    let branches = branches(tree, at);
    let room = widths.label.saturating_sub(width(&branches));
    let plain = cut(&label.plain(), room);
    let blanks = " ".repeat(room.saturating_sub(width(&plain)));
    let text = screen.paint(Paint::Dim, &branches) + &painted(&plain, &label, screen) + &blanks;
    let bar = screen.paint(if node.is_error() { Paint::Error } else { Paint::Service }, &bar(tree, node, widths.bar));
    let time = if node.outlier { "time?".to_owned() } else { duration(node.interval.nanos()) };
    let time = match node.kind {
        NodeKind::Missing => String::new(),
        NodeKind::Span(_) | NodeKind::Inferred(_) => time,
    };
    format!("{text}  {bar}  {}", fitted(&time, widths.duration, true)).trim_end().to_owned() + "\n"
}

/// The label in colours: the service in its own, when it was not cut.
fn painted(plain: &str, label: &Label, screen: Screen) -> String {
    match plain.strip_prefix(&label.service) {
        Some(name) if label.mark.is_empty() && !label.service.is_empty() => {
            screen.paint(Paint::Service, &label.service) + &screen.paint(label.paint, name)
        }
        _ => screen.paint(label.paint, plain),
    }
}

/// The lines from the parent to the node. Only the nearest levels are drawn, so that a long chain is no square.
fn branches(tree: &TraceTree<'_>, at: usize) -> String {
    let is_last = |at: usize| {
        let node = tree.nodes.get(at);
        let parent = node.and_then(|node| tree.nodes.get(node.parent?));
        node.zip(parent).is_none_or(|(node, parent)| node.next >= parent.next)
    };
    let Some(depth) = tree.nodes.get(at).map(|node| node.depth).filter(|depth| *depth > 0) else {
        return String::new();
    };
    let mut parts = vec![if is_last(at) { "└─ " } else { "├─ " }];
    for ancestor in tree.ancestors(at).take((depth - 1).min(LEVELS - 1)) {
        parts.push(if is_last(ancestor) { "   " } else { "│  " });
    }
    parts.reverse();
    let above = depth.saturating_sub(LEVELS);
    if above > 0 { format!("+{above} {}", parts.concat()) } else { parts.concat() }
}

/// When a node ran. What was inferred is drawn lighter; a time that cannot be real is not drawn.
fn bar(tree: &TraceTree<'_>, node: &Node<'_>, columns: usize) -> String {
    let Interval { start, end } = tree.interval;
    if node.outlier || matches!(node.kind, NodeKind::Missing) {
        return " ".repeat(columns);
    }
    let place = |time: u64| {
        let whole = end.saturating_sub(start).max(1) as f64;
        time.clamp(start, end).saturating_sub(start) as f64 / whole * columns as f64
    };
    let (from, to) = (place(node.interval.start), place(node.interval.end));
    let first = (from.floor() as usize).min(columns.saturating_sub(1));
    let last = (to.ceil() as usize).clamp(first + 1, columns.max(first + 1));
    let block = match node.kind {
        NodeKind::Inferred(_) => "░",
        _ if to - from < 0.5 => "▌",
        _ => "█",
    };
    let cells = if block == "▌" { 1 } else { last - first };
    " ".repeat(first) + &block.repeat(cells) + &" ".repeat(columns.saturating_sub(first + cells))
}

/// What failed, in the words of the spans that have any.
fn errors(tree: &TraceTree<'_>, screen: Screen) -> String {
    let failed = tree.nodes.iter().filter(|node| node.is_error()).filter_map(Node::span);
    let said = || failed.clone().filter(|span| !span.span.status.message.is_empty());
    let told = |span: &TraceSpan| format!("{}: {}", called(span), shown(&span.span.status.message));
    section("errors", Paint::Error, &said().take(TOLD).map(told).collect::<Vec<_>>(), said().count(), screen)
}

/// What a reader should know before trusting the picture.
fn warnings(tree: &TraceTree<'_>, screen: Screen) -> String {
    let all = || {
        let pairs = tree.nodes.iter().flat_map(|node| node.warnings.iter().map(move |warning| (node, warning)));
        // The placeholder of a missing span stands in the tree and says so.
        pairs.filter(|(_, warning)| !warning.is_remark() && **warning != Warning::NotReceived)
    };
    let told = |(node, warning): (&Node<'_>, &Warning)| {
        let called = node.span().map(called).unwrap_or_default();
        format!("{called}: {}", shown(&warning.to_string()))
    };
    section("warnings", Paint::Warning, &all().take(TOLD).map(told).collect::<Vec<_>>(), all().count(), screen)
}

fn called(span: &TraceSpan) -> String {
    format!("{} {}", shown(span.resource.service_name()), shown(&span.span.name)).trim().to_owned()
}

fn section(title: &str, paint: Paint, lines: &[String], all: usize, screen: Screen) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let fit = |line: &String| screen.width.map_or_else(|| line.clone(), |width| cut(line, width.saturating_sub(2)));
    let mut out = format!("\n{}\n", screen.paint(paint, title));
    out.extend(lines.iter().map(|line| format!("  {}\n", fit(line))));
    if all > lines.len() {
        out += &format!("  … and {} more\n", all - lines.len());
    }
    out
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hoptrail_proto::model::{Attribute, Resource, Span, SpanId, Status, StatusCode, Trace, TraceId};
    use hoptrail_query::assemble::{Clocks, assemble};

    use super::*;

    const T0: u64 = 1_760_000_000_000_000_000;

    fn span(number: u64, parent: u64, name: &str, (start, end): (u64, u64)) -> TraceSpan {
        let span = Span {
            trace_id: TraceId([7; 16]),
            span_id: SpanId(number.to_be_bytes()),
            parent_span_id: (parent > 0).then(|| SpanId(parent.to_be_bytes())),
            name: name.into(),
            start_unix_nano: T0 + start * 1_000_000,
            end_unix_nano: T0 + end * 1_000_000,
            ..Span::default()
        };
        let resource = Resource { attributes: vec![Attribute::new("service.name", "shop")], ..Resource::default() };
        TraceSpan { span, resource: Arc::new(resource), scope: Arc::default() }
    }

    fn drawn(spans: Vec<TraceSpan>, width: usize, most: usize) -> String {
        let trace = Trace { id: TraceId([7; 16]), spans };
        let tree = assemble(&trace, Clocks::AsSent);
        let screen = Screen { width: Some(width), colours: false };
        pieces(&tree, screen, &TimeZone::UTC, most).collect()
    }

    #[test]
    fn the_tree_stands_left_and_the_time_right() {
        let mut failed = span(3, 1, "pay\u{1b}[2J", (50, 100));
        failed.span.status = Status { code: StatusCode::Error, message: "card\ndeclined".into() };
        let spans =
            vec![span(1, 0, "GET /", (0, 100)), span(2, 1, "list", (0, 50)), failed, span(4, 2, "read", (25, 26))];
        let text = drawn(spans, 70, 100);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "trace 07070707070707070707070707070707");
        assert_eq!(lines[1], "2025-10-09 08:53:20.000 (UTC)  100 ms  4 spans  1 error  1 service");
        assert!(lines[3].trim_start().starts_with("0 ") && lines[3].ends_with("100 ms"), "{text}");
        assert!(lines[4].starts_with("shop GET / ") && lines[4].ends_with("█  100 ms"), "{text}");
        assert!(lines[5].starts_with("├─ shop list ") && lines[5].ends_with("   50 ms"), "{text}");
        assert!(lines[6].starts_with("│  └─ shop read ") && lines[6].ends_with("    1 ms"), "{text}");
        assert!(lines[7].starts_with("└─ ✗ shop pay[U+001B][2J ") && lines[7].ends_with("█   50 ms"), "{text}");
        let (full, half) = (lines[4].matches('█').count(), lines[5].matches('█').count());
        assert!(full.abs_diff(2 * half) <= 2 && full > 10, "{text}");
        assert!(text.ends_with("\nerrors\n  shop pay[U+001B][2J: card[U+000A]declined\n"), "{text}");
        assert!(lines.iter().all(|line| width(line) <= 70), "{text}");
    }

    #[test]
    fn a_missing_parent_is_a_line_and_a_warning() {
        let text = drawn(vec![span(2, 9, "GET /", (0, 100))], 100, 100);
        assert!(text.contains("1 span not received"), "{text}");
        assert!(text.contains("\n? span 0000000000000009 was not received\n└─ ! shop GET /"), "{text}");
        assert!(
            text.contains("\nwarnings\n  shop GET /: Its parent 0000000000000009 has not been received."),
            "{text}"
        );
    }

    #[test]
    fn a_chain_of_100_000_spans_is_cut_and_drawn_whole_on_request() {
        let chain = || (1..=100_000).map(|number| span(number, number - 1, "step", (0, 100_000 - number))).collect();
        let text = drawn(chain(), 100, NODES);
        assert!(text.contains("\n… 99000 more lines: --all shows them\n"), "{}", text.len());
        assert_eq!(text.lines().filter(|line| line.contains("shop ")).count(), NODES);
        let text = drawn(chain(), 100, usize::MAX);
        assert_eq!(text.lines().filter(|line| line.contains("shop ")).count(), 100_000);
        assert!(text.lines().all(|line| width(line) <= 100));
        assert!(text.contains("\n+99987 "), "further levels are a number");
    }

    #[test]
    fn a_narrow_screen_keeps_a_bar() {
        let text = drawn(vec![span(1, 0, &"long name ".repeat(20), (0, 1))], 60, 100);
        assert!(text.contains('█') && text.contains('…'), "{text}");
        assert!(text.lines().all(|line| width(line) <= 60), "{text}");
        assert!(drawn(vec![span(1, 0, "a", (0, 1))], 20, 100).contains('█'));
    }

    #[test]
    fn times_that_cannot_be_are_not_drawn() {
        let mut spans = vec![span(1, 0, "a", (0, 10)), span(2, 1, "b", (0, 10))];
        spans[1].span.start_unix_nano = u64::MAX - 5;
        spans[1].span.end_unix_nano = u64::MAX;
        let text = drawn(spans, 80, 100);
        assert!(text.lines().any(|line| line.contains("shop b") && line.ends_with("time?")), "{text}");
    }
}
