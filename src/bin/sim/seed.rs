//! `sim --seed N`: one run, and what came up in it.

use std::fs;
use std::process::ExitCode;

use raftwright::sim::replay::with_mutant;
use raftwright::sim::trace::Trace;
use raftwright::sim::{Run, run};

use crate::args::{SeedArgs, WeatherArgs};

/// Runs a seed, with the mistake that the code shall make.
///
/// # Errors
/// A sentence, if this build cannot make the mistake.
pub fn run_one(seed: u64, weather: &WeatherArgs) -> Result<Run, String> {
    let run = || run(seed, weather.wishes(), Trace::hash_only());
    match weather.mutant {
        None => Ok(run()),
        Some(mutant) => with_mutant(mutant, run).map_err(|error| error.to_string()),
    }
}

/// Performs `sim --seed N`.
///
/// # Errors
/// A sentence for the person who called it.
pub fn show(args: &SeedArgs) -> Result<ExitCode, String> {
    let seed = args.seed.ok_or("which seed? sim --seed N; or sim --help")?;
    let run = run_one(seed, &args.weather)?;
    let (members, actions) = (run.scenario.header.members, run.scenario.actions.len());
    println!("seed {seed}: {members} members, {:.1} s of virtual time", run.virtual_us as f64 / 1e6);
    println!("{actions} actions, {} records, trace hash {:016x}", run.records, run.hash);
    for (fault, count) in &run.faults {
        println!("{count:>12}  {} (fault)", fault.name());
    }
    for line in run.reached.to_string().lines().filter(|line| !line.trim_start().starts_with("0 ")) {
        println!("{line}");
    }
    if let Some(path) = &args.save {
        let text = format!("# seed {seed}\n{}", run.scenario);
        fs::write(path, text).map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
    }
    let Some(violation) = run.violation else {
        println!("All properties held.");
        return Ok(ExitCode::SUCCESS);
    };
    println!("{violation}");
    println!("{}", args.weather.replay_command(seed));
    Ok(ExitCode::FAILURE)
}
