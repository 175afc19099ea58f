//! `sim`: the simulator as a program.

mod run;
mod shrink;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) =
        arguments.split_first().map_or(("", [].as_slice()), |(first, rest)| (first.as_str(), rest));
    let ended = match command {
        "run" => run::run(rest),
        "shrink" => shrink::run(rest),
        _ => Err(format!("usage:\n  {}\n  {}", run::USAGE, shrink::USAGE)),
    };
    ended.unwrap_or_else(|sentence| {
        eprintln!("{sentence}");
        ExitCode::FAILURE
    })
}
