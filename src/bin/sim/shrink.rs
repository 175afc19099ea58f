//! `sim shrink`: the shortest scenario that still goes wrong in the same way.

use std::fs;
use std::process::ExitCode;

use raftwright::sim::Wishes;
use raftwright::sim::replay::{run_seed, shrink_violation};
use raftwright::sim::scenario::Scenario;
use raftwright::sim::trace::Trace;

use crate::run::read;

/// How the command is called.
pub const USAGE: &str = "sim shrink FILE|--seed N [--members N] [--ticks N] [--mutant NAME] [--out OUT]";

/// Performs `sim shrink` with what stands behind it on the command line.
///
/// # Errors
/// A sentence for the person who called it.
pub fn run(arguments: &[String]) -> Result<ExitCode, String> {
    let options = Options::parse(arguments)?;
    let (name, mut scenario) = match (options.file, options.seed) {
        (Some(path), None) => (path.clone(), read(&path)?.0),
        (None, Some(seed)) => {
            let wishes = Wishes { members: options.members, ticks: options.ticks };
            let run = quietly(|| run_seed(seed, wishes, options.mutant.as_deref(), Trace::hash_only()));
            (format!("seed {seed}"), run.map_err(|error| error.to_string())?.scenario)
        }
        _ => return Err(format!("a scenario or a seed is wanted: {USAGE}")),
    };
    if options.mutant.is_some() {
        scenario.header.mutant = options.mutant;
    }
    let Some(small) = shrink(&scenario)? else {
        println!("{name} violates nothing; there is nothing to shrink.");
        return Ok(ExitCode::SUCCESS);
    };
    match options.out {
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

/// What the command line says.
#[derive(Default)]
struct Options {
    file: Option<String>,
    seed: Option<u64>,
    members: Option<u64>,
    ticks: Option<u64>,
    mutant: Option<String>,
    out: Option<String>,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Options, String> {
        let mut options = Options::default();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            if !argument.starts_with('-') && options.file.is_none() {
                options.file = Some(argument.clone());
                continue;
            }
            let mut value = || arguments.next().ok_or_else(|| format!("`{argument}` needs a value: {USAGE}"));
            let number = |text: &String| text.parse().map_err(|_| format!("`{text}` should be a number"));
            match argument.as_str() {
                "--seed" => options.seed = Some(number(value()?)?),
                "--members" => options.members = Some(number(value()?)?),
                "--ticks" => options.ticks = Some(number(value()?)?),
                "--mutant" => options.mutant = Some(value()?.clone()),
                "--out" => options.out = Some(value()?.clone()),
                other => return Err(format!("`{other}` is not understood: {USAGE}")),
            }
        }
        Ok(options)
    }
}
