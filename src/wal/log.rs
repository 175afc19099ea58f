//! The writer of the log.
//!
//! Records are gathered in a buffer and leave it in one write; a sync makes all of them durable at once. So a driver that
//! appends all that is waiting before it syncs has group commit.

use std::fmt;
use std::time::Duration;

use crate::codec;
use crate::mutants::{self, Mutant};
use crate::raft::{Entry, HardState, Index, SnapshotMeta, Write};

use super::disk::{Disk, DiskFile};
use super::record::{self, Chain, HEADER_BYTES, Head, Mark, WriteBody};
use super::segment::{self, Segment};
use super::snapshots::Snapshots;
use super::state::State;
use super::watermark::Watermark;
use super::{Dirs, Identity, Options, WalError};

/// How much is gathered before it is written without waiting for a sync, and how large a record of several entries gets.
const BUFFER_BYTES: usize = 1 << 20;

/// An open log.
///
/// One thread owns it. Any error but [`WalError::TooLarge`] and [`WalError::OutOfPlace`] leaves open what reached the disk; to
/// keep the rule simple, *every* error is final: afterwards each call fails with [`WalError::Poisoned`], and only opening
/// the directory again tells what is there. Above all a failed sync is never repeated, since the next one might succeed
/// without having written what the first one lost.
pub struct Wal<D: Disk> {
    pub(super) disk: D,
    pub(super) dirs: Dirs,
    pub(super) options: Options,
    pub(super) identity: Identity,
    pub(super) state: State,
    pub(super) segments: Vec<Segment>,
    pub(super) snapshots: Snapshots<D>,
    pub(super) poisoned: Option<String>,
    tail: Tail<D::File>,
    /// Records that are not written yet.
    buffer: Vec<u8>,
    /// The body of the record that is being made; kept for its memory.
    body: Vec<u8>,
    watermark: Watermark<D::File>,
    sync_count: u64,
    /// How long the disk was waited for since the last `sync`, by segments that began.
    waited: Duration,
    _lock: D::Lock,
}

/// The end of the last segment.
pub(super) struct Tail<F> {
    /// The segment's file.
    pub file: F,
    /// The position of the segment's first byte.
    pub start: u64,
    /// The position behind its last byte.
    pub end: u64,
    /// Where the next record goes, and what it has to follow.
    pub chain: Chain,
    /// Up to which position the log is in the hands of the operating system.
    pub written: u64,
    /// Up to which position the log is durable.
    pub synced: u64,
}

impl<F> Tail<F> {
    /// The end of this segment, when the log ends at `chain` and is durable.
    pub(super) fn new(file: F, segment: &Segment, chain: Chain) -> Tail<F> {
        let (written, synced) = (chain.position, chain.position);
        Tail { file, start: segment.head.start, end: segment.end(), chain, written, synced }
    }
}

/// All that an opened log is made of, besides what it starts with.
pub(super) struct Parts<D: Disk> {
    pub disk: D,
    pub dirs: Dirs,
    pub options: Options,
    pub identity: Identity,
    pub state: State,
    pub segments: Vec<Segment>,
    pub snapshots: Snapshots<D>,
    pub tail: Tail<D::File>,
    pub lock: D::Lock,
}

impl<D: Disk> Wal<D> {
    pub(super) fn new(parts: Parts<D>) -> Result<Wal<D>, WalError> {
        let Parts { disk, dirs, options, identity, state, segments, snapshots, tail, lock } = parts;
        let watermark = Watermark::open(&disk, &dirs.watermark, tail.synced)?;
        snapshots.publish(&state.marks);
        Ok(Wal {
            disk,
            dirs,
            options,
            identity,
            state,
            segments,
            snapshots,
            poisoned: None,
            tail,
            buffer: Vec::new(),
            body: Vec::new(),
            watermark,
            sync_count: 0,
            waited: Duration::ZERO,
            _lock: lock,
        })
    }

    /// Takes a write. It is durable after the next [`Wal::sync`]; after a crash before that, a prefix of what was appended
    /// since the last one is there, and of each write the hard state before its entries.
    ///
    /// # Errors
    /// [`WalError::OutOfPlace`] if the write breaks the rules of a log, [`WalError::TooLarge`] for an entry beyond half a
    /// gigabyte, [`WalError::Io`], [`WalError::Poisoned`]. All are final.
    pub fn append(&mut self, write: &Write) -> Result<(), WalError> {
        self.guarded(|wal| {
            let mut hard_state = write.hard_state;
            let mut rest = &write.entries[..];
            while hard_state.is_some() || !rest.is_empty() {
                let (now, later) = rest.split_at(entries_of_one_record(rest));
                wal.append_part(hard_state.take(), now)?;
                rest = later;
            }
            Ok(())
        })
    }

    fn append_part(&mut self, hard_state: Option<HardState>, entries: &[Entry]) -> Result<(), WalError> {
        self.encode(&WriteBody { hard_state, entries })?;
        self.make_room()?;
        let taken = self.state.write(hard_state, entries);
        taken.map_err(|what| WalError::OutOfPlace { what })?;
        self.push(record::WRITE)
    }

    /// Lets a finished snapshot count, once this is durable by the next [`Wal::sync`]. If the log does not hold the
    /// snapshot's last entry, the log is dropped and goes on behind it (Raft §7); otherwise it stays as it is. A
    /// snapshot that is not newer than the newest one is left aside.
    ///
    /// # Errors
    /// [`WalError::Io`] also if there is no such snapshot on the disk, [`WalError::Poisoned`]. All are final.
    pub fn mark_snapshot(&mut self, meta: &SnapshotMeta) -> Result<(), WalError> {
        self.guarded(|wal| {
            let newest = wal.state.marks.last_key_value().map(|(index, _)| *index);
            if newest >= Some(meta.last.index) {
                return Ok(());
            }
            wal.snapshots.open(meta)?;
            let replaces_log = wal.state.is_replaced_by(meta.last);
            let says_so = replaces_log && !mutants::is(Mutant::SnapshotAndLogApart);
            wal.encode(&Mark { meta: meta.clone(), replaces_log: says_so })?;
            wal.make_room()?;
            wal.state.mark(meta.clone(), replaces_log);
            wal.push(record::MARK)
        })
    }

    /// Makes durable all that was appended and marked, by one sync of the disk, and tells how long the disk was waited for.
    /// Does nothing if nothing is new.
    ///
    /// # Errors
    /// [`WalError::Io`], [`WalError::Poisoned`]. All are final: see [`Wal`].
    pub fn sync(&mut self) -> Result<Duration, WalError> {
        self.guarded(|wal| {
            wal.sync_segment()?;
            Ok(std::mem::take(&mut wal.waited))
        })
    }

    /// How often the log was synced, for a measure of group commit. Syncs that begin a segment count as well.
    pub fn sync_count(&self) -> u64 {
        self.sync_count
    }

    /// The index of the next entry.
    pub fn next_index(&self) -> Index {
        self.state.outline.next()
    }

    /// Counts one more life.
    pub(super) fn begin_life(&mut self) -> Result<(), WalError> {
        self.guarded(|wal| {
            let life = wal.state.life.saturating_add(1);
            wal.encode(&life)?;
            wal.make_room()?;
            wal.state.life = life;
            wal.push(record::LIFE)?;
            wal.sync_segment()?;
            wal.watermark.sync()
        })
    }

    /// Runs an operation unless an earlier one failed, and remembers its failure.
    pub(super) fn guarded<T>(
        &mut self,
        operation: impl FnOnce(&mut Wal<D>) -> Result<T, WalError>,
    ) -> Result<T, WalError> {
        if let Some(cause) = &self.poisoned {
            return Err(WalError::Poisoned { cause: cause.clone() });
        }
        let result = operation(self);
        if let Err(error) = &result {
            self.poisoned = Some(error.to_string());
        }
        result
    }

    /// Encodes the body of the next record.
    fn encode<T: serde::Serialize>(&mut self, value: &T) -> Result<(), WalError> {
        self.body.clear();
        codec::encode_into(value, &mut self.body)
            .map_err(|error| WalError::OutOfPlace { what: error.to_string() })
    }

    /// Sees to it that the record that was encoded fits into the segment. A segment that begins here repeats the state as
    /// of now, so this comes before the record is applied to the state.
    fn make_room(&mut self) -> Result<(), WalError> {
        let needed = (HEADER_BYTES + self.body.len()) as u64;
        if needed <= self.tail.end - self.tail.chain.position { Ok(()) } else { self.begin_segment(needed) }
    }

    /// Puts the record that was encoded behind the others.
    fn push(&mut self, kind: u32) -> Result<(), WalError> {
        self.tail.chain.push(&mut self.buffer, kind, &self.body, self.tail.synced)?;
        self.body.shrink_to(BUFFER_BYTES * 2);
        if self.buffer.len() >= BUFFER_BYTES { self.flush() } else { Ok(()) }
    }

    /// Hands the buffer to the operating system.
    fn flush(&mut self) -> Result<(), WalError> {
        let tail = &mut self.tail;
        let path = self.segments.last().map(|segment| segment.path.clone()).unwrap_or_default();
        let written = tail.file.write_at(&self.buffer, tail.written - tail.start);
        written.map_err(WalError::io("write the segment", path))?;
        tail.written = tail.chain.position;
        self.buffer.clear();
        self.buffer.shrink_to(BUFFER_BYTES * 2);
        Ok(())
    }

    // ANCHOR: sync
    fn sync_segment(&mut self) -> Result<(), WalError> {
        if self.tail.synced == self.tail.chain.position {
            return Ok(());
        }
        self.flush()?;
        let path = self.segments.last().map(|segment| segment.path.clone()).unwrap_or_default();
        if !mutants::is(Mutant::SyncSkipped) {
            self.waited += self.tail.file.sync_data().map_err(WalError::io("sync the segment", path))?;
        }
        self.sync_count += 1;
        self.tail.synced = self.tail.written;
        self.watermark.write(self.tail.synced)?;
        if self.snapshots.marked().len() != self.state.marks.len() {
            self.snapshots.publish(&self.state.marks);
        }
        Ok(())
    }
    // ANCHOR_END: sync

    /// Begins a segment with room for a record of `room_bytes`.
    fn begin_segment(&mut self, room_bytes: u64) -> Result<(), WalError> {
        self.sync_segment()?;
        let sequence = self.segments.last().map_or(0, |segment| segment.head.sequence);
        let is_forgetful = mutants::is(Mutant::SnapshotLostAtNextSegment);
        let head = Head {
            sequence: sequence + 1,
            start: self.tail.chain.position,
            file_bytes: self.options.segment_bytes,
            last: self.state.outline.last(),
            identity: self.identity.clone(),
            life: self.state.life,
            hard_state: self.state.hard_state,
            marks: self.state.marks.values().filter(|_| !is_forgetful).cloned().collect(),
        };
        let (segment, file, took) =
            segment::create(&self.disk, &self.dirs.log, head, self.tail.chain, room_bytes)?;
        self.waited += took;
        self.sync_count += 1;
        self.tail = Tail::new(file, &segment, segment.chain);
        self.segments.push(segment);
        self.watermark.write(self.tail.synced)?;
        // From now on not even the loss of power can hide the loss of this segment.
        self.watermark.sync()
    }
}

/// How many entries go into one record: as many as fit into the buffer's size, but one at least.
fn entries_of_one_record(entries: &[Entry]) -> usize {
    let mut bytes = 0_usize;
    let fitting = entries.iter().take_while(|entry| {
        bytes = bytes.saturating_add(entry.size_bytes());
        bytes <= BUFFER_BYTES
    });
    fitting.count().max(1).min(entries.len())
}

impl<D: Disk> fmt::Debug for Wal<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wal")
            .field("dir", &self.dirs.log)
            .field("state", &self.state)
            .field("synced", &self.tail.synced)
            .field("poisoned", &self.poisoned)
            .finish_non_exhaustive()
    }
}
