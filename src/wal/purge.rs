//! Purging: what a snapshot covers may go.
//!
//! The newest [`kept_snapshots`](super::Options::kept_snapshots) stay, with all entries behind the *oldest* of them, so that a
//! broken snapshot can be replaced by an older one. Until there are that many, nothing goes: the whole log is then the
//! replacement of the first snapshot.

use super::WalError;
use super::disk::Disk;
use super::log::Wal;
use crate::raft::Index;

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purged {
    /// How many segments.
    pub segments: usize,
    /// How many snapshots.
    pub snapshots: usize,
}

impl<D: Disk> Wal<D> {
    /// Removes segments and snapshots that are not needed any more. Only snapshots whose marks are durable count.
    ///
    /// # Errors
    /// [`WalError::Io`], [`WalError::Poisoned`]. All are final.
    pub fn purge(&mut self) -> Result<Purged, WalError> {
        self.guarded(Wal::purge_covered)
    }

    fn purge_covered(&mut self) -> Result<Purged, WalError> {
        let kept = self.options.kept_snapshots.max(1);
        let oldest = self.snapshots.marked().keys().rev().nth(kept - 1).copied();
        let Some(oldest) = oldest else { return Ok(Purged::default()) };
        // A segment can be the first if no entry between the oldest snapshot and its head would be missing.
        let first = self
            .segments
            .iter()
            .rposition(|segment| Index::after(segment.head.last.map(|last| last.index)) <= oldest.next());
        let mut purged = Purged::default();
        for _ in 0..first.unwrap_or(0) {
            // One after the other, each durably: a crash in between must not leave a gap.
            let path = self.segments.remove(0).path;
            self.disk.remove(&path).map_err(WalError::io("remove the segment", path))?;
            let dir = &self.dirs.log;
            self.disk.sync_dir(dir).map_err(WalError::io("sync the directory", dir))?;
            purged.segments += 1;
        }
        // A newer one may just have been finished by another thread, and its mark be on its way.
        purged.snapshots = self.snapshots.remove(|last| last.is_some_and(|last| last.index < oldest))?;
        self.state.marks.retain(|index, _| *index >= oldest);
        self.state.outline.forget_before(oldest);
        self.snapshots.marked().retain(|index, _| *index >= oldest);
        Ok(purged)
    }
}
