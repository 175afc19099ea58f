//! Everything that can go wrong, with the sentence that a person reads and the exit code that a script reads.
//!
//! Where etcdctl has a sentence of its own it is kept to the letter, and so are its exit codes: 1 an error, 2 no usable
//! endpoint, 4 a feature that is not there, 5 a watch that was ended, 128 arguments that do not fit together.

use std::fmt;
use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use crate::output::text::go_duration;

/// What ended the command.
#[derive(Debug)]
pub enum CtlError {
    /// An unknown command or flag, or a flag's value that cannot be read. `help` is the command whose help to read.
    Usage { message: String, help: String },
    /// The arguments can be read but do not fit the command.
    BadArguments(String),
    /// A value that names something which does not exist, such as an output format.
    Unsupported(String),
    /// The list of endpoints is empty.
    NoEndpoints,
    /// No endpoint could be connected to: each with its reason.
    Unreachable(Vec<(String, String)>),
    /// A member answered with an error.
    Answered(tonic::Status),
    /// No answer came in time.
    TimedOut { endpoint: String, after: Duration, outcome: Outcome },
    /// The connection broke while the answer was awaited.
    ConnectionLost { endpoint: String, reason: String, outcome: Outcome },
    /// `endpoint --cluster` could not learn who the members are.
    MembersUnknown(Box<CtlError>),
    /// At least one endpoint is unhealthy; which ones was said before.
    UnhealthyCluster,
    /// The server ended the watch; why was said before.
    WatchCanceled,
    /// A command that `watch` was to execute failed.
    CommandFailed { command: String, reason: String },
    /// The sentence was already written; only the exit code is left to give.
    AlreadySaid,
    /// The runtime could not be started.
    Runtime(io::Error),
    /// Standard output cannot be written to.
    Output(io::Error),
}

/// What may have become of a request that was sent and not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was a read: nothing is left behind.
    Harmless,
    /// It was a write, and it may or may not have been executed.
    Unknown,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Harmless => Ok(()),
            Outcome::Unknown => {
                f.write_str("; it is not known whether the write was done: read the key to find out")
            }
        }
    }
}

impl CtlError {
    /// The exit code, as etcdctl has it.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            CtlError::NoEndpoints => 2,
            CtlError::Unsupported(_) => 4,
            CtlError::WatchCanceled => 5,
            CtlError::BadArguments(_) => 128,
            // What a shell shows for a program that a closed pipe ended.
            CtlError::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 141,
            _ => 1,
        })
    }

    /// Writes the sentence to standard error, where there is one to write.
    pub fn report(&self) {
        match self {
            CtlError::AlreadySaid => {}
            CtlError::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            CtlError::CommandFailed { .. } => say(self),
            CtlError::Usage { help, .. } => {
                say(format_args!("Error: {self}\nRun '{help} --help' for usage."))
            }
            _ => say(format_args!("Error: {self}")),
        }
    }
}

impl fmt::Display for CtlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CtlError::Usage { message, .. }
            | CtlError::BadArguments(message)
            | CtlError::Unsupported(message) => f.write_str(message),
            CtlError::NoEndpoints => f.write_str("etcdclient: no available endpoints"),
            CtlError::Unreachable(failures) => unreachable_sentence(f, failures),
            CtlError::Answered(status) => f.write_str(status.message()),
            CtlError::TimedOut { endpoint, after, outcome } => {
                let after = go_duration(*after);
                write!(f, "context deadline exceeded: {endpoint} gave no answer within {after}{outcome}")
            }
            CtlError::ConnectionLost { endpoint, reason, outcome } => {
                write!(f, "the connection to {endpoint} was lost before its answer came ({reason}){outcome}")
            }
            CtlError::MembersUnknown(cause) => {
                write!(f, "failed to fetch endpoints from etcd cluster member list: {cause}")
            }
            CtlError::UnhealthyCluster => f.write_str("unhealthy cluster"),
            CtlError::WatchCanceled => f.write_str("watch is canceled by the server"),
            CtlError::CommandFailed { command, reason } => write!(f, "command {command} error ({reason})"),
            CtlError::AlreadySaid => f.write_str("the command failed"),
            CtlError::Runtime(error) => write!(f, "the asynchronous runtime cannot be started: {error}"),
            CtlError::Output(error) => write!(f, "standard output cannot be written to: {error}"),
        }
    }
}

/// Writes a line to standard error. If that is closed or full, there is nobody left to tell.
pub fn say(sentence: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "{sentence}");
}

fn unreachable_sentence(f: &mut fmt::Formatter<'_>, failures: &[(String, String)]) -> fmt::Result {
    match failures {
        [(endpoint, reason)] => write!(f, "cannot connect to {endpoint}: {reason}"),
        _ => {
            f.write_str("cannot connect to any endpoint: ")?;
            for (position, (endpoint, reason)) in failures.iter().enumerate() {
                let comma = if position == 0 { "" } else { ", " };
                write!(f, "{comma}{endpoint} ({reason})")?;
            }
            Ok(())
        }
    }
}

impl std::error::Error for CtlError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_without_an_answer_is_said_to_be_unknown_and_a_read_is_not() {
        let lost = |outcome| {
            let endpoint = "127.0.0.1:2379".to_owned();
            CtlError::TimedOut { endpoint, after: Duration::from_secs(5), outcome }.to_string()
        };
        let read = "context deadline exceeded: 127.0.0.1:2379 gave no answer within 5s";
        assert_eq!(lost(Outcome::Harmless), read);
        assert!(lost(Outcome::Unknown).starts_with(&format!("{read}; it is not known")));
    }

    #[test]
    fn every_endpoint_that_could_not_be_reached_is_named() {
        let failure = |endpoint: &str| (endpoint.to_owned(), "connection refused".to_owned());
        assert_eq!(
            CtlError::Unreachable(vec![failure("a:1")]).to_string(),
            "cannot connect to a:1: connection refused"
        );
        assert_eq!(
            CtlError::Unreachable(vec![failure("a:1"), failure("b:2")]).to_string(),
            "cannot connect to any endpoint: a:1 (connection refused), b:2 (connection refused)"
        );
    }
}
