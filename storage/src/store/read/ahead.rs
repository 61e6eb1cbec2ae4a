//! Work of one query that other threads do ahead of the one that takes what comes of it, in order.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

/// Most threads that help one query.
const MOST_HELPERS: usize = 7;
/// Items that each thread may be ahead of what was taken. What is not taken in the end was done for nothing.
const AHEAD: usize = 2;

/// Threads that may help at this moment, all queries together: as many as there are other cores. Many queries at once take so
/// many threads more, not so many each.
static FREE: LazyLock<AtomicUsize> = LazyLock::new(|| AtomicUsize::new(rayon_core::current_num_threads() - 1));

/// Calls `take` with what `work` makes of each item, in their order and on this thread, until one is not wanted or `take` fails.
/// Others help when the query is not done by `alone_until`.
pub(super) fn in_order<T: Sync, R: Send, E>(
    items: &[T],
    alone_until: Instant,
    is_wanted: impl Fn(&T) -> bool,
    work: impl Fn(&T) -> R + Sync,
    mut take: impl FnMut(&T, R) -> Result<(), E>,
) -> Result<(), E> {
    let mut left = items;
    while Instant::now() < alone_until {
        let Some((item, rest)) = left.split_first().filter(|(item, _)| is_wanted(item)) else { return Ok(()) };
        take(item, work(item))?;
        left = rest;
    }
    let helpers: Vec<Helper> = (0..MOST_HELPERS.min(left.len())).map_while(|_| Helper::hire()).collect();
    let queue = Queue::new(left, work, (helpers.len() + 1) * AHEAD);
    rayon_core::in_place_scope(|scope| {
        let _end = EndAtLast(&queue);
        let queue = &queue;
        for helper in helpers {
            scope.spawn(move |_| {
                queue.help();
                drop(helper);
            });
        }
        for (number, item) in left.iter().enumerate() {
            if !is_wanted(item) {
                break;
            }
            take(item, queue.result(number))?;
        }
        Ok(())
    })
}

/// One of the threads that may help. Since no more are asked than there are, none waits for a thread.
struct Helper;

impl Helper {
    fn hire() -> Option<Self> {
        FREE.try_update(Ordering::Relaxed, Ordering::Relaxed, |free| free.checked_sub(1)).ok().map(|_| Self)
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        FREE.fetch_add(1, Ordering::Relaxed);
    }
}

/// Items, and what was made of them.
struct Queue<'t, T, R, W> {
    items: &'t [T],
    work: W,
    ahead: usize,
    state: Mutex<State<R>>,
    changed: Condvar,
}

struct State<R> {
    /// The first item that nobody works on.
    next: usize,
    /// Results taken.
    taken: usize,
    /// Results that are not taken yet.
    done: BTreeMap<usize, thread::Result<R>>,
    /// Threads that wait for any of this to change.
    waiting: usize,
    is_over: bool,
}

impl<'t, T, R, W: Fn(&T) -> R> Queue<'t, T, R, W> {
    fn new(items: &'t [T], work: W, ahead: usize) -> Self {
        let state = State { next: 0, taken: 0, done: BTreeMap::new(), waiting: 0, is_over: false };
        Self { items, work, ahead, state: Mutex::new(state), changed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State<R>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works on the next item, when there is one that is not too far ahead.
    fn work_on<'s>(&'s self, mut state: MutexGuard<'s, State<R>>) -> Result<(), MutexGuard<'s, State<R>>> {
        let Some(item) = self.items.get(state.next).filter(|_| state.next < state.taken + self.ahead) else {
            return Err(state);
        };
        let number = state.next;
        state.next += 1;
        drop(state);
        let made = catch_unwind(AssertUnwindSafe(|| (self.work)(item)));
        let mut state = self.state();
        state.done.insert(number, made);
        self.leave(state);
        Ok(())
    }

    /// Leaves a state that has changed, and wakes those that wait for that. Mostly nobody does, and waking is a system call.
    fn leave(&self, state: MutexGuard<'_, State<R>>) {
        let is_awaited = state.waiting > 0;
        drop(state);
        if is_awaited {
            self.changed.notify_all();
        }
    }

    fn wait(&self, mut state: MutexGuard<'_, State<R>>) {
        state.waiting += 1;
        let mut state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        state.waiting -= 1;
    }

    /// Works until all is done.
    fn help(&self) {
        loop {
            let state = self.state();
            if state.is_over || state.next >= self.items.len() {
                return;
            }
            if let Err(state) = self.work_on(state) {
                self.wait(state);
            }
        }
    }

    /// What was made of an item, working on others while another thread is at it.
    fn result(&self, number: usize) -> R {
        loop {
            let mut state = self.state();
            if let Some(made) = state.done.remove(&number) {
                state.taken = number + 1;
                self.leave(state);
                return made.unwrap_or_else(|panic| resume_unwind(panic));
            }
            if let Err(state) = self.work_on(state) {
                self.wait(state);
            }
        }
    }
}

/// Sends the others home, however it ends.
struct EndAtLast<'q, 't, T, R, W: Fn(&T) -> R>(&'q Queue<'t, T, R, W>);

impl<T, R, W: Fn(&T) -> R> Drop for EndAtLast<'_, '_, T, R, W> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.is_over = true;
        self.0.leave(state);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn slowly(item: &usize) -> usize {
        thread::sleep(Duration::from_micros(*item as u64 % 5 * 25));
        item * 2
    }

    #[test]
    fn all_is_taken_once_and_in_order() {
        for count in [0, 1, 3, 100] {
            let items: Vec<usize> = (0..count).collect();
            let mut taken = Vec::new();
            let take = |item: &usize, made| {
                taken.push((*item, made));
                Ok::<_, ()>(())
            };
            assert_eq!(in_order(&items, Instant::now(), |_| true, slowly, take), Ok(()));
            assert_eq!(taken, items.iter().map(|item| (*item, item * 2)).collect::<Vec<_>>());
        }
    }

    #[test]
    fn work_ends_soon_after_the_last_that_is_wanted() {
        let (items, worked) = ((0..1000).collect::<Vec<usize>>(), AtomicUsize::new(0));
        let work = |item: &usize| {
            worked.fetch_add(1, Ordering::Relaxed);
            slowly(item)
        };
        assert_eq!(in_order(&items, Instant::now(), |item| *item < 50, work, |_, _| Ok::<_, ()>(())), Ok(()));
        let fail = |item: &usize, _| if *item == 49 { Err("enough") } else { Ok(()) };
        assert_eq!(in_order(&items, Instant::now(), |_| true, work, fail), Err("enough"));
        let most = 2 * (50 + (MOST_HELPERS + 1) * (AHEAD + 1));
        assert!((100..=most).contains(&worked.into_inner()));
    }

    /// How many threads worked at once.
    fn at_once() -> usize {
        let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let work = |_: &()| {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(5));
            running.fetch_sub(1, Ordering::SeqCst);
        };
        assert_eq!(in_order(&[(); 8], Instant::now(), |()| true, work, |(), ()| Ok::<_, ()>(())), Ok(()));
        most.into_inner()
    }

    #[test]
    fn several_work_at_once_again_and_again() {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..2 * cores {
            // Other tests may have all that help for a while.
            assert!((0..500).any(|_| at_once() >= 2.min(cores)), "one thread did it all on {cores} cores");
        }
    }

    #[test]
    fn a_panic_of_another_thread_is_one_of_this_thread() {
        let items: Vec<usize> = (0..100).collect();
        let work = |item: &usize| assert!(slowly(item) != 160, "no item is 80");
        let run = || in_order(&items, Instant::now(), |_| true, work, |_, ()| Ok::<_, ()>(()));
        assert!(catch_unwind(AssertUnwindSafe(run)).is_err());
    }
}
