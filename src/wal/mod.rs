//! The disk: what a member has promised, written down so that no crash can take it back.
//!
//! Before a member votes, acknowledges an entry or counts itself towards a quorum, the vote or the entry must be durable
//! (Raft Figure 2, "persistent state"). This room makes it so, and finds it again at the next start. It knows nothing of
//! elections or commands: it is handed a [`Write`](crate::raft::Write), and says when that can no longer be lost.
//!
//! # How to read it
//!
//! 1. [`disk`](Disk) and `real_disk`: the traits through which alone files are touched, and the operating system behind them.
//! 2. `preamble`, `record`, `segment`: the format, from the first bytes of a file to its name.
//! 3. `state`: the rules for what may follow what. The writer and the recovery share them.
//! 4. `watermark` and `log`: how the log is written, and how it is known to be durable.
//! 5. `window`, `tail`, `recovery`: how it is read again, and how a torn tail is told from damage.
//! 6. `snapshot_file`, `snapshots`, `purge`: what takes the place of old entries.
//! 7. `open`: all of it together. `error`: the sentences for when it fails.
//!
//! # What it promises
//!
//! - What was appended before a successful [`Wal::sync`] is there after any crash. Of what was appended later, a prefix is
//!   there, and of each write the hard state before its entries.
//! - One sync serves everything that was appended before it (group commit); [`Wal::sync_count`] tells how many there were.
//! - Any error while writing is final. The log is poisoned, the member stops, and a sync that failed is never repeated: the
//!   operating system may have dropped the bytes and forgotten that it did (PostgreSQL met this in 2018). The next start
//!   writes whatever is in doubt once more.
//! - A torn tail is cut, damage is refused: see below. A directory that is refused keeps all its files as they were.
//! - A name is never relied upon before its directory was synced, and nothing is removed before what replaces it is durable.
//! - No length found in a file makes us take more memory than the file is large, and nothing in a file makes us panic.
//!
//! # The format
//!
//! ```text
//! DIR/lock                                    locked while the directory is open
//! DIR/watermark                               how far the log is durable
//! DIR/log/SEQUENCE-INDEX.log                  segments
//! DIR/snap/INDEX-TERM.snap                    snapshots
//! DIR/*/*.tmp                                 being made; removed at the next start
//! ```
//!
//! `SEQUENCE`, `INDEX` and `TERM` are 16 hexadecimal digits. All numbers in files are little-endian; checksums are CRC-32 as
//! in zlib. Bodies of records are in the encoding of [`codec`](crate::codec): fields in the order of their declaration, integers
//! below 251 as one byte and larger ones as 251, 252 or 253 followed by two, four or eight; an `Option` as 0, or 1 and the
//! value; a variant as its number; a sequence, string or `Bytes` as its length and its elements; newtypes as what they hold.
//!
//! **A file** of the log or of a snapshot begins with 16 bytes: `RWRTLOG\n` or `RWRTSNP\n`, the version of the format as a `u32`
//! ([`FORMAT_VERSION`]), and the checksum of these twelve.
//!
//! **The log** is one sequence of bytes, numbered from 0 by their *position*, cut into segments. The bytes of a segment's file up to
//! its last record are the log's bytes from the position `start` on, its preamble included; what is behind the last record
//! is zeros and does not count. The next segment's `start` is where this one's last record ends.
//!
//! **A record** is a header of 36 bytes and a body:
//!
//! | bytes | type | what |
//! |---|---|---|
//! | 0–3 | `u32` | checksum of bytes 4–35 |
//! | 4–7 | `u32` | bytes 0–3 of the record before, also across segments; 0 in the first of all |
//! | 8–15 | `u64` | the record's position |
//! | 16–23 | `u64` | up to which position the log was durable when the record was written |
//! | 24–27 | `u32` | kind |
//! | 28–31 | `u32` | length of the body |
//! | 32–35 | `u32` | checksum of the body |
//!
//! | kind | body | meaning |
//! |---|---|---|
//! | 1 head | `sequence: u64, start: u64, file_bytes: u64, last: Option<Position>, identity: Identity, life: u64, hard_state: HardState, marks: Vec<SnapshotMeta>` | A segment begins, here and nowhere else. It repeats what the log before it comes to; `last` is the last entry, or what a snapshot put in its place. |
//! | 2 write | `hard_state: Option<HardState>, entries: Vec<Entry>` | The hard state is replaced. The entries replace all from the first one's index on. A large write makes several records, the first of which has the hard state. |
//! | 3 life | `u64` | The directory was opened for the so-manieth time. (The first time stands in the first head.) |
//! | 4 mark | `meta: SnapshotMeta, replaces_log: bool` | The snapshot file of this name counts. If `replaces_log`, all entries are dropped, and the log goes on behind the snapshot. |
//!
//! A reader begins with the first segment that is there, takes its head for the state so far, and then takes one record after the
//! other. A record follows if its header's checksum, its position, the checksum of the record before and the body's checksum
//! are all right. So a stale record in the right place does not follow: its past is another. A segment is read up to the
//! `start` of the next one, and the last segment as far as records follow. The *state* is then the last hard state, the last life,
//! the newest marked snapshot that is sound, and the entries behind it. An older marked snapshot does as well, if the log still
//! holds all entries behind that; and none does, if the log begins with entry 1.
//!
//! **Snapshots** and the **watermark** are described in `snapshot_file.rs` and `watermark.rs`.
//!
//! # Torn or damaged?
//!
//! A crash can leave the last unsynced batch in any state: no byte of it, a part, or a part with holes. That is an honest torn
//! tail; nobody was told that the batch was there, and it must be cut for the member to live. A disk can also lose what it
//! had made durable: a sector reads as zeros, a bit has turned. To cut *that* would be to forget what others rely upon, as when
//! etcd 3.4 started with 286 of 300 acknowledged keys after one sector was zeroed.
//!
//! So the log carries proofs of how far it was durable, in three places:
//!
//! - *The next segment.* It gets its name after the one before it was synced: a middle segment has no torn tail.
//! - *The header of every record* names a position up to which the log was durable when it was written. Headers are found
//!   behind damage too, by their own checksum and position. So one batch proves the ones before it.
//! - *The watermark*, a file beside the log, names the end of the last successful sync. It is written after each sync without a
//!   sync of its own. So it is exact when a process is killed, and may be up to a segment old when power fails.
//!
//! Where the records end below the highest proved position, the log is damaged, and [`open`] refuses. Where they end at or above
//! it, what follows was never acknowledged by this log, and is cut.
//!
//! **What one member cannot see.** If the power fails, the watermark on the disk may be older than the last sync. If then the
//! last synced batch is damaged as well, and with it every later header, no trace is left that it was ever synced: it looks as
//! a torn tail does, and is cut. To close this gap would take a second sync for every first one, at half the speed. The same holds for
//! someone who puts back an older copy of the whole directory. In both cases the other members know better: but
//! this one has then broken a promise, and a majority that relied on it may not be one. The watermark narrows the gap to a power
//! failure together with damage to just the last batches. A damaged or missing watermark alone is not refused, since the log is
//! whole; it is made anew.

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
