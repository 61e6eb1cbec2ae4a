//! The command line of hoptrail.

use std::process::ExitCode;

use clap::Parser;
use hoptrail::commands::{Cli, exit_code, run};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("hoptrail: {error:#}");
            exit_code(&error)
        }
    }
}
