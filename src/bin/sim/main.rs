//! `sim`: the simulator as a program.

mod args;
mod campaign;
#[cfg(feature = "model-check")]
mod check;
mod run;
mod seed;
mod shrink;

use std::process::ExitCode;

use clap::Parser;

use args::{Command, CommandLine};

fn main() -> ExitCode {
    let line = CommandLine::parse();
    let ended = match line.command {
        None => seed::show(&line.seed),
        Some(Command::Campaign(args)) => campaign::campaign(&args),
        #[cfg(feature = "model-check")]
        Some(Command::Check { large }) => Ok(check::check(large)),
        Some(Command::Run { file, svg, mutant }) => run::run(&file, svg, mutant),
        Some(Command::Shrink(args)) => shrink::run(args),
    };
    ended.unwrap_or_else(|sentence| {
        eprintln!("{sentence}");
        ExitCode::FAILURE
    })
}
