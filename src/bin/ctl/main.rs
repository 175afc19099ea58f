//! `ctl`: Raftwright's own client, with etcdctl's commands, flags and output.
//!
//! It speaks etcd's gRPC API and nothing else of Raftwright, so that it works against a real etcd and etcdctl works
//! against Raftwright; `.ci/compare-ctl.sh` holds the two against each other. In reading order:
//!
//! - `args`: what can be typed;
//! - `client`: the way to the members, with deadlines and the next endpoint when one is down;
//! - `commands`: one file each;
//! - `output`: the five formats, as pure functions from an answer to bytes;
//! - `error`: what can go wrong, its sentence and its exit code.
//!
//! Where it differs from etcdctl, on purpose:
//!
//! - arguments that nobody would read are refused: `put motto festina lente` does not write `festina`;
//! - a format that a command does not have is refused before anything is sent;
//! - a flag on the command line outweighs its variable in the environment; etcdctl refuses the two together;
//! - an endpoint that cannot be reached is given up after `--dial-timeout`, with the reason, and without etcdctl's log
//!   line; a write that was not answered is said to be of unknown outcome;
//! - `endpoint health` reports in the order of the endpoints; a wrong flag is told once, without a page of usage.

mod args;
mod client;
mod commands;
mod error;
mod output;

use std::process::ExitCode;

use args::{Asked, Command, Endpoint, EndpointCommand, Global, Member, MemberCommand};
use error::{CtlError, say};

/// The version of etcd's API that is spoken.
const API_VERSION: &str = "3.5";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error.report();
            error.exit_code()
        }
    }
}

fn run() -> Result<(), CtlError> {
    let cli = match args::parse(std::env::args_os())? {
        Asked::For(cli) => cli,
        Asked::Help(page) => return commands::print(page.as_bytes()),
    };
    for name in args::unknown_variables(std::env::vars_os().map(|(name, _)| name)) {
        say(format_args!("Warning: ctl does not know the environment variable {name}; it has no effect"));
    }
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CtlError::Runtime)?;
    runtime.block_on(execute(&cli.global, cli.command))
}

async fn execute(global: &Global, command: Command) -> Result<(), CtlError> {
    match command {
        Command::Put(args) => commands::put::run(global, args).await,
        Command::Get(args) => commands::get::run(global, args).await,
        Command::Del(args) => commands::del::run(global, args).await,
        Command::Watch(args) => commands::watch::run(global, args).await,
        Command::Endpoint(Endpoint { command, cluster }) => match command {
            EndpointCommand::Health => commands::endpoint::health(global, cluster).await,
            EndpointCommand::Status => commands::endpoint::status(global, cluster).await,
        },
        Command::Member(Member { command }) => match command {
            MemberCommand::List => commands::member::list(global).await,
        },
        Command::Version => {
            let version = env!("CARGO_PKG_VERSION");
            commands::print(format!("ctl version: {version}\nAPI version: {API_VERSION}\n").as_bytes())
        }
    }
}
