//! The command line.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use raftwright::mutants::Mutant;
use raftwright::sim::Wishes;
use raftwright::sim::scenario::MAX_MEMBERS;

/// Runs whole clusters from one seed: real protocol, log and store under a simulated network, disk and clock.
#[derive(Debug, Parser)]
#[command(name = "sim", version, arg_required_else_help = true, args_conflicts_with_subcommands = true)]
pub struct CommandLine {
    #[command(flatten)]
    pub seed: SeedArgs,
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// `sim --seed N`.
#[derive(Debug, Args)]
pub struct SeedArgs {
    /// The seed: everything that happens follows from it
    #[arg(long)]
    pub seed: Option<u64>,
    #[command(flatten)]
    pub weather: WeatherArgs,
    /// Write what happened to this file, as a scenario that replays without the seed
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
}

/// What the seed shall not decide.
#[derive(Clone, Copy, Debug, Args)]
pub struct WeatherArgs {
    /// How many members there are; by default the seed decides
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=MAX_MEMBERS))]
    pub members: Option<u64>,
    /// How long the troubles last, in ticks of 50 ms; by default the seed decides
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub ticks: Option<u64>,
    /// A mistake that the code shall make (needs a build with `--features mutants`)
    #[arg(long)]
    pub mutant: Option<Mutant>,
}

impl WeatherArgs {
    /// For the library.
    pub fn wishes(&self) -> Wishes {
        Wishes { members: self.members, ticks: self.ticks }
    }

    /// The command that runs this seed again.
    pub fn replay_command(&self, seed: u64) -> String {
        let mut command = format!("sim --seed {seed}");
        if let Some(members) = self.members {
            command += &format!(" --members {members}");
        }
        if let Some(ticks) = self.ticks {
            command += &format!(" --ticks {ticks}");
        }
        if let Some(mutant) = self.mutant {
            command += &format!(" --mutant {mutant}");
        }
        command
    }
}

/// What else the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Explore every behaviour of very small clusters
    #[cfg(feature = "model-check")]
    Check {
        /// The bounds that take minutes, after those that take seconds
        #[arg(long)]
        large: bool,
    },
    /// Run many seeds, and say what they came to
    Campaign(CampaignArgs),
    /// Perform a scenario, show it as a space-time diagram, and say whether it went as expected
    Run {
        /// The scenario
        file: String,
        /// Write the diagram to this file, as SVG
        #[arg(long, value_name = "OUT")]
        svg: Option<String>,
        /// A mistake that the code shall make, in place of the scenario's own
        #[arg(long)]
        mutant: Option<String>,
    },
    /// Find the shortest scenario that goes wrong in the same way
    Shrink(ShrinkArgs),
}

/// `sim shrink`.
#[derive(Debug, Args)]
pub struct ShrinkArgs {
    /// The scenario
    #[arg(required_unless_present = "seed")]
    pub file: Option<String>,
    /// A seed, in place of a scenario
    #[arg(long, conflicts_with = "file")]
    pub seed: Option<u64>,
    #[command(flatten)]
    pub weather: WeatherArgs,
    /// Write it to this file instead of to the screen
    #[arg(long, value_name = "OUT")]
    pub out: Option<String>,
}

/// `sim campaign`.
#[derive(Debug, Args)]
pub struct CampaignArgs {
    /// How many seeds
    #[arg(long, default_value_t = 1_000)]
    pub seeds: u64,
    /// The first seed
    #[arg(long, value_name = "BASE", default_value_t = 0)]
    pub from: u64,
    /// How many threads; by default one for each core
    #[arg(long)]
    pub jobs: Option<NonZeroUsize>,
    #[command(flatten)]
    pub weather: WeatherArgs,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn the_replaying_command_is_understood_and_says_the_same() {
        let line = "sim --seed 7 --members 5 --ticks 90";
        let parsed = CommandLine::try_parse_from(line.split(' ')).unwrap();
        assert_eq!(parsed.seed.weather.replay_command(parsed.seed.seed.unwrap()), line);
    }
}
