//! `sim run FILE`: performs a scenario, shows it, and says whether it went as expected.

use std::fs;
use std::process::ExitCode;

use raftwright::sim::diagram::Diagram;
use raftwright::sim::replay::replay;
use raftwright::sim::scenario::Scenario;
use raftwright::sim::trace::Trace;

/// Performs `sim run`.
///
/// # Errors
/// A sentence for the person who called it.
pub fn run(path: &str, svg: Option<String>, mutant: Option<String>) -> Result<ExitCode, String> {
    let (mut scenario, title) = read(path)?;
    if mutant.is_some() {
        scenario.header.mutant = mutant;
    }
    let replay = replay(&scenario, Trace::new()).map_err(|error| error.to_string())?;
    let diagram = Diagram::new(scenario.header.member_ids(), replay.world.trace());
    println!("{}", diagram.text());
    if let Some(out) = svg {
        fs::write(&out, diagram.svg(&title)).map_err(|error| format!("{out} cannot be written: {error}"))?;
    }
    println!("{} records, trace hash {:016x}", replay.world.trace().count(), replay.world.trace().hash());
    match replay.surprise(&scenario.header.expect) {
        None => {
            println!("{path} went as expected.");
            Ok(ExitCode::SUCCESS)
        }
        Some(surprise) => {
            println!("{path} did not go as expected: {surprise}");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Reads a scenario, with its title: the comment on its first line, or else its file's name.
pub fn read(path: &str) -> Result<(Scenario, String), String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{path} cannot be read: {error}"))?;
    let scenario = text.parse().map_err(|error| format!("{path}: {error}"))?;
    let first = text.lines().next().unwrap_or_default();
    let title = first.strip_prefix('#').map_or(path, str::trim).to_owned();
    Ok((scenario, title))
}
