//! `sim shrink`: the shortest scenario that still goes wrong in the same way.

use std::fs;
use std::process::ExitCode;

use raftwright::sim::replay::shrink_violation;
use raftwright::sim::scenario::Scenario;

use crate::args::ShrinkArgs;
use crate::run::read;
use crate::seed::run_one;

/// Performs `sim shrink`.
///
/// # Errors
/// A sentence for the person who called it.
pub fn run(args: ShrinkArgs) -> Result<ExitCode, String> {
    let (name, mut scenario) = match (args.file, args.seed) {
        (Some(path), _) => {
            let (scenario, _) = read(&path)?;
            (path, scenario)
        }
        (None, Some(seed)) => (format!("seed {seed}"), quietly(|| run_one(seed, &args.weather))?.scenario),
        (None, None) => return Err("which scenario? sim shrink FILE, or sim shrink --seed N".to_owned()),
    };
    if let Some(mutant) = args.weather.mutant {
        scenario.header.mutant = Some(mutant.name().to_owned());
    }
    let Some(small) = shrink(&scenario)? else {
        println!("{name} violates nothing; there is nothing to shrink.");
        return Ok(ExitCode::SUCCESS);
    };
    match args.out {
        Some(out) => {
            fs::write(&out, small.to_string()).map_err(|error| format!("{out} cannot be written: {error}"))?
        }
        None => print!("{small}"),
    }
    eprintln!("{} actions were enough, of {}.", small.actions.len(), scenario.actions.len());
    Ok(ExitCode::FAILURE)
}

/// Shrinks a scenario in which a property is violated; `None` if none is.
///
/// # Errors
/// If this build cannot perform the scenario.
pub fn shrink(scenario: &Scenario) -> Result<Option<Scenario>, String> {
    quietly(|| shrink_violation(scenario)).map_err(|error| error.to_string())
}

/// Runs something without a word about the assertions that fail on the way.
fn quietly<T>(run: impl FnOnce() -> T) -> T {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let result = run();
    std::panic::set_hook(hook);
    result
}
