//! The disk: what a member has promised, written down so that no crash can take it back.
//!
//! ESSAY
mod disk;
mod error;
mod log;
mod open;
mod preamble;
mod purge;
mod real_disk;
mod record;
mod recovery;
mod segment;
mod snapshot_file;
mod snapshots;
mod state;
mod tail;
mod watermark;
mod window;

#[cfg(test)]
mod tests;

pub use disk::{Disk, DiskFile};
pub use error::WalError;
pub use log::Wal;
pub use open::{Identity, Opened, Options, Recovered, TornTail, open};
pub use purge::Purged;
pub use real_disk::{RealDisk, RealFile};
pub use snapshot_file::{SnapshotReader, SnapshotWriter};
pub use snapshots::Snapshots;

use open::Dirs;

/// The version of the format that this module writes and reads.
pub const FORMAT_VERSION: u32 = 1;

/// Ends the name of a file that is being made.
const TEMPORARY_SUFFIX: &str = ".tmp";
