//! Rows in the order of their traces.

use super::Rows;

/// What is known of a trace while its rows are found.
struct Trace {
    rows: usize,
    is_wanted: bool,
    /// Where its next row goes.
    next: usize,
}

impl Rows {
    /// The rows of all traces that have any from row `first` on: trace by trace, each in the order in which its rows came, and whether a row
    /// is the first of its trace.
    pub(crate) fn by_trace(&self, first: usize) -> Vec<(u32, bool)> {
        if first >= self.spans.len() {
            return Vec::new();
        }
        let (of_rows, mut traces) = self.traces_of_rows(first);
        let mut end = 0;
        for trace in traces.iter_mut().filter(|trace| trace.is_wanted) {
            trace.next = end;
            end += trace.rows;
        }
        let mut order = vec![(0, false); end];
        for (row, (trace, is_first)) in (0_u32..).zip(of_rows) {
            let Some(trace) = traces.get_mut(trace).filter(|trace| trace.is_wanted) else { continue };
            order.get_mut(trace.next).into_iter().for_each(|place| *place = (row, is_first));
            trace.next += 1;
        }
        order
    }

    /// For each row the number of its trace, and whether it is the first one of it; and the traces by their numbers.
    fn traces_of_rows(&self, first: usize) -> (Vec<(usize, bool)>, Vec<Trace>) {
        let (mut of_rows, mut traces) = (Vec::with_capacity(self.spans.len()), Vec::<Trace>::new());
        for (row, span) in self.spans.iter().enumerate() {
            let previous = span.previous.and_then(|previous| of_rows.get(previous as usize));
            let known = previous.map(|(trace, _)| *trace);
            let (number, is_wanted) = (known.unwrap_or(traces.len()), row >= first);
            of_rows.push((number, known.is_none()));
            match traces.get_mut(number) {
                Some(trace) => {
                    trace.rows += 1;
                    trace.is_wanted |= is_wanted;
                }
                None => traces.push(Trace { rows: 1, is_wanted, next: 0 }),
            }
        }
        (of_rows, traces)
    }
}
