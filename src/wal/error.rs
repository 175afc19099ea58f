//! What can go wrong with a disk, in sentences for the person who has to deal with it.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::raft::Index;

/// What an operator can do about a damaged directory. A member that has lost what it promised must not come back under its
/// old id with an empty log: it could vote twice in one term. So the way out goes through the membership.
const WAY_OUT: &str = "Nothing was changed. If this member has peers that work, move its data directory away, \
                       remove the member from the cluster and add it again: it then rejoins with what they hold. \
                       If it is alone, restore the directory from a backup";

/// Why the log cannot do what it was asked to.
#[derive(Debug)]
pub enum WalError {
    /// The operating system refused something.
    Io {
        /// What was tried, as in "cannot …".
        doing: &'static str,
        /// On which file or directory.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// Another process has the directory open.
    InUse {
        /// The directory.
        dir: PathBuf,
    },
    /// The directory holds no log, but files that are not ours; they are left alone.
    NotOurs {
        /// The directory.
        dir: PathBuf,
        /// One of the files.
        name: String,
    },
    /// A file was written by another version of this program, in a format that this one does not know.
    OtherFormat {
        /// The file.
        path: PathBuf,
        /// The version of its format.
        version: u32,
    },
    /// What a file holds is not what was written to it, and it may have been acknowledged.
    Damaged {
        /// The file, or the directory where one is missing.
        path: PathBuf,
        /// Where in the file the damage begins.
        offset_bytes: u64,
        /// What should stand there.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// No usable snapshot continues into the log.
    NoSnapshot {
        /// The directory of the snapshots.
        dir: PathBuf,
        /// The first entry that the log still holds, or would hold next.
        log_begins: Index,
        /// The snapshots that were tried, the newest first, and what is wrong with each.
        tried: Vec<(PathBuf, String)>,
    },
    /// The caller asked for something that cannot follow what the log holds. This is a mistake in the program.
    OutOfPlace {
        /// What is wrong with it.
        what: String,
    },
    /// An entry is larger than a record can be.
    TooLarge {
        /// The size of the record.
        bytes: usize,
        /// The largest possible.
        limit_bytes: usize,
    },
    /// An earlier error was final: what reached the disk is not known any more, so nothing more is written.
    Poisoned {
        /// The sentence of the earlier error.
        cause: String,
    },
}

impl WalError {
    /// For `map_err`: says what was tried, and where.
    pub(super) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> WalError {
        let path = path.into();
        move |source| WalError::Io { doing, path, source }
    }
}

/// What a person can do about an error of the operating system.
fn hint(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            ". The disk is full: make room, then start this member again"
        }
        io::ErrorKind::PermissionDenied => {
            ". Give the user that runs this member the right to read and write there"
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            ". The file system is mounted read-only: mount it for writing, or choose another data directory"
        }
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            ". There is a file where a directory is needed: choose another data directory"
        }
        _ => "",
    }
}

impl fmt::Display for WalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WalError::Io { doing, path, source } => {
                write!(f, "cannot {doing} {}: {source}{}", path.display(), hint(source.kind()))
            }
            WalError::InUse { dir } => write!(
                f,
                "the data directory {} is in use by another process. A directory belongs to one member: stop the other \
                 process, or choose another directory for this one",
                dir.display()
            ),
            WalError::NotOurs { dir, name } => write!(
                f,
                "the directory {} holds no log of ours, but something else ({name}). Choose an empty or new data directory",
                dir.display()
            ),
            WalError::OtherFormat { path, version } => write!(
                f,
                "{} is in format version {version}; this program reads version {} only. Use the program that wrote it",
                path.display(),
                super::FORMAT_VERSION
            ),
            WalError::Damaged { path, offset_bytes, expected, found } => write!(
                f,
                "{} is damaged at byte {offset_bytes}: expected {expected}, found {found}. What is missing there may have \
                 been acknowledged, so this member does not start without it. {WAY_OUT}",
                path.display()
            ),
            WalError::NoSnapshot { dir, log_begins, tried } => {
                write!(f, "the log begins with entry {log_begins}, and no usable snapshot ")?;
                write!(f, "in {} leads up to it", dir.display())?;
                for (path, reason) in tried {
                    write!(f, "; {}: {reason}", path.display())?;
                }
                write!(f, ". {WAY_OUT}")
            }
            WalError::OutOfPlace { what } => {
                write!(
                    f,
                    "the log was asked to store what cannot follow: {what}. This is a mistake in the program"
                )
            }
            WalError::TooLarge { bytes, limit_bytes } => {
                write!(
                    f,
                    "a record of {bytes} bytes is too large for the log, which takes {limit_bytes} at most"
                )
            }
            WalError::Poisoned { cause } => write!(
                f,
                "the log takes nothing more after an error, since it cannot know what reached the disk ({cause}). Start this \
                 member again: it then reads what is there"
            ),
        }
    }
}

impl std::error::Error for WalError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            WalError::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
