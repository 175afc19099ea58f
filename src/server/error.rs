//! Why a member does not start, and why one stops.

use std::fmt;
use std::path::PathBuf;

use crate::raft::RestoreError;
use crate::transport::TransportError;
use crate::wal::WalError;

/// Why a member has not started. Its sentence is for the operator.
#[derive(Debug)]
pub enum StartError {
    /// A setting is missing, out of range or contradicts another.
    Config(String),
    /// The data directory cannot be used: held by another process, not writable, damaged.
    Disk(WalError),
    /// The data directory is readable, and what it says makes no sense.
    Contradiction {
        /// The directory.
        dir: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The peers' listeners or addresses cannot be used.
    Transport(TransportError),
    /// The operating system gives no thread.
    Thread(std::io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Config(sentence) => f.write_str(sentence),
            StartError::Disk(error) => error.fmt(f),
            StartError::Contradiction { dir, what } => write!(
                f,
                "the data directory {} contradicts itself: {what}. Move it away and let this member rejoin with an empty \
                 one; the others hold what was acknowledged",
                dir.display()
            ),
            StartError::Transport(error) => error.fmt(f),
            StartError::Thread(error) => write!(f, "a thread cannot be started: {error}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            StartError::Disk(error) => Some(error),
            StartError::Transport(error) => Some(error),
            StartError::Thread(error) => Some(error),
            StartError::Config(_) | StartError::Contradiction { .. } => None,
        }
    }
}

impl From<WalError> for StartError {
    fn from(error: WalError) -> StartError {
        StartError::Disk(error)
    }
}

impl From<TransportError> for StartError {
    fn from(error: TransportError) -> StartError {
        StartError::Transport(error)
    }
}

impl StartError {
    pub(super) fn contradiction(dir: &std::path::Path, error: &RestoreError) -> StartError {
        StartError::Contradiction { dir: dir.to_path_buf(), what: error.to_string() }
    }
}

/// Why a member has stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// It was asked to.
    Requested,
    /// A write to the disk or a sync has failed. What the disk holds now is not known, so nothing more may rest on it:
    /// the member stops, and a later start reads what is really there.
    Disk(String),
    /// A snapshot or an entry cannot be understood by the state machine. To skip it would let this member drift apart.
    State(String),
    /// A thread has panicked, which is a defect of this program.
    Panic {
        /// The thread.
        thread: &'static str,
        /// What it said.
        message: String,
    },
}

impl StopReason {
    /// Whether somebody should look into it.
    pub fn is_failure(&self) -> bool {
        *self != StopReason::Requested
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StopReason::Requested => f.write_str("the member was asked to stop"),
            StopReason::Disk(what) => write!(
                f,
                "the member stops because its disk failed, and starts again when that is mended; nothing that was \
                 acknowledged is lost: {what}"
            ),
            StopReason::State(what) => write!(f, "the member stops because its state cannot go on: {what}"),
            StopReason::Panic { thread, message } => {
                write!(
                    f,
                    "the member stops because its {thread} thread panicked, which is a defect: {message}"
                )
            }
        }
    }
}
