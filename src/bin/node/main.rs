//! `node`: a member of a Raftwright cluster, or a whole local cluster of them.
//!
//! The map, in reading order:
//!
//! - [`flags`]: the command line and the environment, as given; [`urls`]: how a URL is read; [`local`]: what `--id N`
//!   stands for; [`validate`]: from what was given to what it means, or a sentence about what cannot be.
//! - [`identity`]: how the members of a cluster agree on their ids without talking.
//! - [`logging`]: one line an event. [`stop`]: who may ask us to end. [`listen`]: taking the ports.
//! - [`run`]: one member's life. [`cluster`]: several of them as child processes, in one terminal.
//!
//! Exit codes: 0 stopped as asked; 1 could not start; 2 wrong usage; 3 stopped by a failure while running; and after a
//! second SIGINT or SIGTERM, 128 and the signal's number.

mod cluster;
mod flags;
mod identity;
mod listen;
mod local;
mod logging;
mod open_files;
mod run;
mod stop;
mod urls;
mod validate;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use tracing::{error, warn};

use flags::{Invocation, MemberFlags};
use run::RunError;
use validate::SettingsError;

/// Something could not begin: a value that cannot be, a port in use, a directory that cannot be used.
const COULD_NOT_START: u8 = 1;
/// A member has stopped because it could not go on.
const FAILED: u8 = 3;

fn main() -> ExitCode {
    let environment: BTreeMap<OsString, OsString> = std::env::vars_os().collect();
    match flags::parse(std::env::args_os().skip(1), &environment) {
        Ok(Invocation::Member(flags)) => member(&flags, &environment),
        Ok(Invocation::Cluster(flags)) => cluster::run(&flags),
        Err(error) => usage(&error),
    }
}

/// Runs one member and says how it went.
fn member(flags: &MemberFlags, environment: &BTreeMap<OsString, OsString>) -> ExitCode {
    let settings = match validate::settings(flags) {
        Ok(settings) => settings,
        Err(error) => return refuse(&error),
    };
    // `node cluster` puts the name before each line itself.
    let name = (!settings.supervised).then(|| settings.name.clone());
    logging::start(name, settings.log_level, settings.log_format);
    for variable in flags::unknown_variables(environment) {
        warn!("the environment sets {variable}, which names no flag of this version: it has no effect");
    }
    let stop = match stop::listen(settings.supervised) {
        Ok(stop) => stop,
        Err(error) => {
            error!("cannot start: signals cannot be heard: {error}");
            return COULD_NOT_START.into();
        }
    };
    match run::run(&settings, &stop) {
        Ok(()) => ExitCode::SUCCESS,
        // The server has said why when it happened.
        Err(RunError::Stopped(_)) => FAILED.into(),
        Err(error @ RunError::Vanished) => {
            error!("{error}");
            FAILED.into()
        }
        Err(error) => {
            error!("cannot start: {error}");
            COULD_NOT_START.into()
        }
    }
}

/// Says why what was given cannot be; with the usage, where that helps.
fn refuse(error: &SettingsError) -> ExitCode {
    if error.is_usage() { usage(&flags::usage_error(&error.to_string())) } else { complain(error) }
}

/// Prints what clap has to say: an error, the help or the version.
fn usage(error: &clap::Error) -> ExitCode {
    // If nobody reads it, the exit code still tells.
    let _ = error.print();
    u8::try_from(error.exit_code()).unwrap_or(COULD_NOT_START).into()
}

/// Prints one sentence, for what goes wrong before there is a log.
fn complain(sentence: impl fmt::Display) -> ExitCode {
    let _ = writeln!(io::stderr().lock(), "error: {sentence}");
    COULD_NOT_START.into()
}
