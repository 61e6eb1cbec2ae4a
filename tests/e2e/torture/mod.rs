//! Faults: the end of the process at any moment, full disks, too much load, hostile queries. `make torture` runs the long form,
//! every other run a short one.

mod answers;
mod connections;
mod disk;
mod kill;
pub(super) mod load;
mod overload;
pub(super) mod queries;

/// Rounds of kills that the long form is to run; `None` is the short form.
fn rounds() -> Option<usize> {
    let rounds = std::env::var("TORTURE_ROUNDS").ok()?;
    Some(rounds.parse().unwrap_or_else(|_| panic!("TORTURE_ROUNDS={rounds} is no number")))
}

/// Says how far it is; seen in the long form and when the test fails.
fn log(line: &str) {
    eprintln!("torture: {line}");
}
