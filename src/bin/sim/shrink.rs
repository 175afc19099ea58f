//! `sim shrink`: the shortest scenario that still goes wrong in the same way.

use std::fs;
use std::process::ExitCode;

use raftwright::sim::replay::shrink_violation;
use raftwright::sim::scenario::Scenario;

use crate::run::read;

/// Performs `sim shrink`.
///
/// # Errors
/// A sentence for the person who called it.
pub fn run(path: &str, out: Option<String>, mutant: Option<String>) -> Result<ExitCode, String> {
    let (mut scenario, _) = read(path)?;
    if mutant.is_some() {
        scenario.header.mutant = mutant;
    }
    let Some(small) = shrink(&scenario)? else {
        println!("{path} violates nothing; there is nothing to shrink.");
        return Ok(ExitCode::SUCCESS);
    };
    match out {
        Some(out) => {
            fs::write(&out, small.to_string()).map_err(|error| format!("{out} cannot be written: {error}"))?
        }
        None => print!("{small}"),
    }
    eprintln!("{} actions were enough, of {}.", small.actions.len(), scenario.actions.len());
    Ok(ExitCode::FAILURE)
}

/// Shrinks without a word about the assertions that fail on the way.
///
/// # Errors
/// If this build cannot perform the scenario.
pub fn shrink(scenario: &Scenario) -> Result<Option<Scenario>, String> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let small = shrink_violation(scenario);
    std::panic::set_hook(hook);
    small.map_err(|error| error.to_string())
}
