//! Items of one query that several threads work on, and one takes what comes of them, in their order.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rayon_core::{ThreadPool, ThreadPoolBuilder};

/// Most workers that help one query.
const MOST_WORKERS: usize = 7;
/// Items that each thread may be ahead of what was taken. What is not taken in the end was done for nothing.
const AHEAD: usize = 2;

/// The threads that help queries, all together: many queries at once take so many threads more, not so many each.
pub(in crate::store) struct Workers {
    threads: usize,
    /// Started when the first query takes long; `None` inside when they cannot be, and each query works alone.
    pool: OnceLock<Option<ThreadPool>>,
    /// How many are free at this moment.
    free: AtomicUsize,
    /// How long a query works alone: most end sooner, and waking a thread that does work for nothing in the end costs them more than it
    /// saves.
    alone: Duration,
}

impl fmt::Debug for Workers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workers").field("threads", &self.threads).field("free", &self.free).finish_non_exhaustive()
    }
}

impl Workers {
    /// So many threads, for queries that take longer than `alone`.
    pub(in crate::store) fn new(threads: usize, alone: Duration) -> Self {
        Self { threads, pool: OnceLock::new(), free: AtomicUsize::new(threads), alone }
    }

    /// One for each core but that of the thread that asks.
    pub(in crate::store) fn for_this_machine(alone: Duration) -> Self {
        Self::new(thread::available_parallelism().map_or(0, |cores| cores.get() - 1), alone)
    }

    /// Calls `take` with what `work` makes of each item, in their order and on this thread, until one is not wanted or `take` fails.
    /// Others help when the query, which has `begun` then, takes long.
    pub(super) fn in_order<T: Sync, R: Send, E>(
        &self,
        items: &[T],
        begun: Instant,
        is_wanted: impl Fn(&T) -> bool,
        work: impl Fn(&T) -> R + Sync,
        mut take: impl FnMut(&T, R) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut left = items;
        while begun.elapsed() < self.alone {
            let Some((item, rest)) = left.split_first().filter(|(item, _)| is_wanted(item)) else { return Ok(()) };
            take(item, work(item))?;
            left = rest;
        }
        let helpers: Vec<Worker<'_>> = (0..MOST_WORKERS.min(left.len())).map_while(|_| self.free_worker()).collect();
        let queue = Queue::new(left, work, (helpers.len() + 1) * AHEAD);
        let pool = if helpers.is_empty() { None } else { self.pool() };
        let Some(pool) = pool else { return queue.take_all(is_wanted, take) };
        pool.in_place_scope(|scope| {
            let _end = EndAtLast(&queue);
            let queue = &queue;
            for helper in helpers {
                scope.spawn(move |_| {
                    queue.help();
                    drop(helper);
                });
            }
            queue.take_all(is_wanted, take)
        })
    }

    fn pool(&self) -> Option<&ThreadPool> {
        self.pool.get_or_init(|| start_threads(self.threads)).as_ref()
    }

    fn free_worker(&self) -> Option<Worker<'_>> {
        let free = self.free.try_update(Ordering::Relaxed, Ordering::Relaxed, |free| free.checked_sub(1));
        free.ok().map(|_| Worker(&self.free))
    }
}

fn start_threads(count: usize) -> Option<ThreadPool> {
    let threads = ThreadPoolBuilder::new().num_threads(count).thread_name(|index| format!("query-{index}"));
    let failed = |error| tracing::warn!(%error, "no threads to help queries; each works alone");
    threads.build().map_err(failed).ok()
}

/// One of the threads that may help. Since no more are asked than there are, none waits for a thread.
struct Worker<'w>(&'w AtomicUsize);

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
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
        let index = state.next;
        state.next += 1;
        drop(state);
        let made = catch_unwind(AssertUnwindSafe(|| (self.work)(item)));
        let mut state = self.state();
        state.done.insert(index, made);
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

    /// Gives what is made of each item to `take`, in their order.
    fn take_all<E>(
        &self,
        is_wanted: impl Fn(&T) -> bool,
        mut take: impl FnMut(&T, R) -> Result<(), E>,
    ) -> Result<(), E> {
        for (index, item) in self.items.iter().enumerate() {
            if !is_wanted(item) {
                break;
            }
            take(item, self.result(index))?;
        }
        Ok(())
    }

    /// What was made of an item, working on others while another thread is at it.
    fn result(&self, index: usize) -> R {
        loop {
            let mut state = self.state();
            if let Some(made) = state.done.remove(&index) {
                state.taken = index + 1;
                self.leave(state);
                return made.unwrap_or_else(|panic| resume_unwind(panic));
            }
            if let Err(state) = self.work_on(state) {
                self.wait(state);
            }
        }
    }
}

/// Ends the work of the others, however it ends here.
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
    use super::*;

    fn workers() -> Workers {
        Workers::new(3, Duration::ZERO)
    }

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
            assert_eq!(workers().in_order(&items, crate::clock::instant(), |_| true, slowly, take), Ok(()));
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
        assert_eq!(
            workers().in_order(&items, crate::clock::instant(), |item| *item < 50, work, |_, _| Ok::<_, ()>(())),
            Ok(())
        );
        let fail = |item: &usize, _| if *item == 49 { Err("enough") } else { Ok(()) };
        assert_eq!(workers().in_order(&items, crate::clock::instant(), |_| true, work, fail), Err("enough"));
        let most = 2 * (50 + (MOST_WORKERS + 1) * (AHEAD + 1));
        assert!((100..=most).contains(&worked.into_inner()));
    }

    /// How many threads worked at once.
    fn at_once(workers: &Workers) -> usize {
        let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let work = |_: &()| {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(5));
            running.fetch_sub(1, Ordering::SeqCst);
        };
        assert_eq!(
            workers.in_order(&[(); 8], crate::clock::instant(), |()| true, work, |(), ()| Ok::<_, ()>(())),
            Ok(())
        );
        most.into_inner()
    }

    #[test]
    fn several_work_at_once_again_and_again() {
        let workers = workers();
        for _ in 0..4 {
            assert!((0..500).any(|_| at_once(&workers) >= 2), "one thread did it all");
        }
        assert_eq!(workers.free.load(Ordering::Relaxed), 3, "all are free again");
    }

    #[test]
    fn a_query_works_alone_where_nobody_helps_and_at_first() {
        assert_eq!(at_once(&Workers::new(0, Duration::ZERO)), 1);
        assert_eq!(at_once(&Workers::new(3, Duration::from_secs(3600))), 1);
    }

    #[test]
    fn a_panic_of_another_thread_is_one_of_this_thread() {
        let items: Vec<usize> = (0..100).collect();
        let work = |item: &usize| assert!(slowly(item) != 160, "no item is 80");
        let run = || workers().in_order(&items, crate::clock::instant(), |_| true, work, |_, ()| Ok::<_, ()>(()));
        assert!(catch_unwind(AssertUnwindSafe(run)).is_err());
    }
}
