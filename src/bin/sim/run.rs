//! `sim run FILE`: performs a scenario, shows it, and says whether it went as expected.

use std::fs;
use std::process::ExitCode;

use raftwright::sim::diagram::Diagram;
use raftwright::sim::replay::replay;
use raftwright::sim::scenario::Scenario;
use raftwright::sim::trace::Trace;

/// How the command is called.
pub const USAGE: &str = "sim run FILE [--svg OUT] [--mutant NAME]";

/// Performs `sim run` with what stands behind it on the command line.
///
/// # Errors
/// A sentence for the person who called it.
pub fn run(arguments: &[String]) -> Result<ExitCode, String> {
    let mut options = Options::parse(arguments)?;
    let path = options.file.take().ok_or_else(|| format!("which scenario? {USAGE}"))?;
    let (mut scenario, title) = read(&path)?;
    if options.mutant.is_some() {
        scenario.header.mutant = options.mutant;
    }
    let replay = replay(&scenario, Trace::new()).map_err(|error| error.to_string())?;
    let diagram = Diagram::new(scenario.header.member_ids(), replay.world.trace());
    println!("{}", diagram.text());
    if let Some(out) = options.svg {
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

/// What the command line says.
#[derive(Default)]
struct Options {
    file: Option<String>,
    svg: Option<String>,
    mutant: Option<String>,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Options, String> {
        let mut options = Options::default();
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let place = match argument.as_str() {
                "--svg" => &mut options.svg,
                "--mutant" => &mut options.mutant,
                file if !file.starts_with('-') && options.file.is_none() => {
                    options.file = Some(file.to_owned());
                    continue;
                }
                other => return Err(format!("`{other}` is not understood: {USAGE}")),
            };
            *place =
                Some(arguments.next().ok_or_else(|| format!("`{argument}` needs a value: {USAGE}"))?.clone());
        }
        Ok(options)
    }
}
