//! The snapshots of a member, and which of them count.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::raft::{Index, Position, SnapshotMeta, Term};

use super::disk::Disk;
use super::snapshot_file::{SnapshotReader, SnapshotWriter};
use super::{TEMPORARY_SUFFIX, WalError};

const SUFFIX: &str = ".snap";

/// The directory of the snapshots. It may be used from any thread, beside the [`Wal`](super::Wal).
///
/// A snapshot is named `INDEX-TERM.snap` after its last entry, both as 16 hexadecimal digits.
#[derive(Clone)]
pub struct Snapshots<D> {
    disk: D,
    dir: PathBuf,
    shared: Arc<Shared>,
}

/// What all handles share.
#[derive(Debug, Default)]
struct Shared {
    /// The snapshots whose marks in the log are durable.
    marked: Mutex<BTreeMap<Index, SnapshotMeta>>,
    /// Gives each temporary file a name of its own.
    created: AtomicU64,
}

/// The last entry of a snapshot, from its file's name.
fn parse_name(name: &str) -> Option<Position> {
    let (index, term) = name.strip_suffix(SUFFIX)?.split_once('-')?;
    let number = |digits: &str| (digits.len() == 16).then(|| u64::from_str_radix(digits, 16).ok()).flatten();
    Some(Position { index: Index(number(index)?), term: Term(number(term)?) })
}

impl<D: Disk> Snapshots<D> {
    pub(super) fn new(disk: D, dir: PathBuf) -> Snapshots<D> {
        Snapshots { disk, dir, shared: Arc::default() }
    }

    /// Begins a snapshot. Nothing counts before it is finished *and* marked in the log.
    ///
    /// # Errors
    /// [`WalError::Io`], as when the disk is full. The log is not affected.
    pub fn create(&self, meta: SnapshotMeta) -> Result<SnapshotWriter<D>, WalError> {
        let number = self.shared.created.fetch_add(1, Ordering::Relaxed);
        let path = self.path_of(meta.last);
        let temporary = path.with_extension(format!("{number}{TEMPORARY_SUFFIX}"));
        SnapshotWriter::create(self.disk.clone(), temporary, path, meta)
    }

    /// The newest snapshot that counts.
    pub fn newest(&self) -> Option<SnapshotMeta> {
        self.marked().last_key_value().map(|(_, meta)| meta.clone())
    }

    /// Opens a snapshot. Only its beginning and its end are checked now; the rest is checked as it is read.
    ///
    /// # Errors
    /// [`WalError::Io`] if it is missing (a newer one may have taken its place: see [`Snapshots::newest`]) or damaged,
    /// [`WalError::OtherFormat`].
    pub fn open(&self, meta: &SnapshotMeta) -> Result<SnapshotReader<D>, WalError> {
        let path = self.path_of(meta.last);
        let reader = SnapshotReader::open(&self.disk, &path)?;
        if reader.meta() != meta {
            let source = std::io::Error::new(
                std::io::ErrorKind::InvalidData,
                format!(
                    "it holds the snapshot of {} with another meaning than the log says",
                    reader.meta().last
                ),
            );
            return Err(WalError::Io { doing: "use the snapshot", path, source });
        }
        Ok(reader)
    }

    /// Reads a whole snapshot to see whether it is sound.
    pub(super) fn verify(&self, meta: &SnapshotMeta) -> Result<(), WalError> {
        let read = self.open(meta)?.verify();
        read.map_err(WalError::io("read the snapshot", self.path_of(meta.last)))
    }

    /// From now on exactly these count; their marks are durable.
    pub(super) fn publish(&self, marks: &BTreeMap<Index, SnapshotMeta>) {
        self.marked().clone_from(marks);
    }

    /// The snapshots that count.
    pub(super) fn marked(&self) -> MutexGuard<'_, BTreeMap<Index, SnapshotMeta>> {
        // The map is replaced as a whole or read, so a panic elsewhere cannot have left it half-changed.
        self.shared.marked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a snapshot is kept.
    pub(super) fn path_of(&self, last: Position) -> PathBuf {
        self.dir.join(format!("{:016x}-{:016x}{SUFFIX}", last.index.0, last.term.0))
    }

    /// Whether there is any finished snapshot.
    pub(super) fn is_empty(&self) -> Result<bool, WalError> {
        Ok(self.names()?.iter().all(|name| parse_name(name).is_none()))
    }

    /// Removes the snapshots, finished or not, that `is_needless` names, durably. Returns how many finished ones it removed.
    pub(super) fn remove(&self, is_needless: impl Fn(Option<Position>) -> bool) -> Result<usize, WalError> {
        let mut removed = 0;
        let mut is_changed = false;
        for name in self.names()? {
            let last = parse_name(&name);
            let is_ours = last.is_some() || name.ends_with(TEMPORARY_SUFFIX);
            if is_ours && is_needless(last) {
                let path = self.dir.join(&name);
                self.disk.remove(&path).map_err(WalError::io("remove the snapshot", path))?;
                removed += usize::from(last.is_some());
                is_changed = true;
            }
        }
        if is_changed {
            self.disk.sync_dir(&self.dir).map_err(WalError::io("sync the directory", &self.dir))?;
        }
        Ok(removed)
    }

    /// The directory.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    fn names(&self) -> Result<Vec<String>, WalError> {
        self.disk.list(&self.dir).map_err(WalError::io("list the directory", &self.dir))
    }
}

impl<D> fmt::Debug for Snapshots<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshots").field("dir", &self.dir).finish_non_exhaustive()
    }
}
