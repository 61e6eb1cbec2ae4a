//! Named steps of writing spans to the disk. A crash may come between any two.

use std::fmt::{Debug, Display, Formatter};

/// The tasks of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Task {
    /// Opening: catalog, pages, log.
    Start,
    /// Making a group of requests durable and visible.
    Commit,
    /// Turning a generation of the head into segments.
    Seal,
    /// Turning several segments into one.
    Merge,
    /// Retention.
    Drop,
}

impl Task {
    /// Its name in steps and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Commit => "commit",
            Self::Seal => "seal",
            Self::Merge => "merge",
            Self::Drop => "drop",
        }
    }
}

/// What has just been done. `storage/FORMAT.md` has the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Done {
    /// The task was chosen, and nothing is done yet.
    Begun,
    /// The database is open.
    Opened,
    /// Pages that the catalog does not name are gone.
    Swept,
    /// The log is in the head.
    Replayed,
    /// The record is in the log.
    Logged,
    /// Queries find the spans.
    Visible,
    /// The clients have their answers.
    Answered,
    /// The pages are in a file that nothing names.
    Staged,
    /// The file is part of the database; the catalog does not name it.
    Ingested,
    /// Catalog and log have the change.
    Entered,
    /// Readers see the change.
    Swapped,
    /// The space of the log is freed.
    Released,
    /// Old pages are deleted, as far as no query reads them.
    Deleted,
}

/// A moment at which a process may end.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Step(pub Task, pub Done);

impl Step {
    /// Every step there is.
    pub const ALL: &[Self] = &[
        Self(Task::Start, Done::Opened),
        Self(Task::Start, Done::Swept),
        Self(Task::Start, Done::Replayed),
        Self(Task::Commit, Done::Begun),
        Self(Task::Commit, Done::Logged),
        Self(Task::Commit, Done::Visible),
        Self(Task::Commit, Done::Answered),
        Self(Task::Seal, Done::Begun),
        Self(Task::Seal, Done::Staged),
        Self(Task::Seal, Done::Ingested),
        Self(Task::Seal, Done::Entered),
        Self(Task::Seal, Done::Swapped),
        Self(Task::Seal, Done::Released),
        Self(Task::Merge, Done::Begun),
        Self(Task::Merge, Done::Staged),
        Self(Task::Merge, Done::Ingested),
        Self(Task::Merge, Done::Entered),
        Self(Task::Merge, Done::Swapped),
        Self(Task::Merge, Done::Deleted),
        Self(Task::Drop, Done::Begun),
        Self(Task::Drop, Done::Entered),
        Self(Task::Drop, Done::Swapped),
        Self(Task::Drop, Done::Deleted),
    ];

    /// The step with this name, such as `seal.ingested`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|step| step.to_string() == name)
    }
}

impl Display for Step {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}.{}", self.0.name(), format!("{:?}", self.1).to_lowercase())
    }
}

impl Debug for Step {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        Display::fmt(self, out)
    }
}

/// Called at each step, on the thread that reaches it.
pub trait Watch: Send + Sync + Debug {
    /// The step is done, and the next one has not begun.
    fn reached(&self, step: Step);
}

/// Nobody watches.
impl Watch for () {
    fn reached(&self, _: Step) {}
}
