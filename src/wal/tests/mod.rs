//! The log against everything that a small disk in memory can do to it.

mod crash;
mod damage;
mod known_bugs;
mod model;
mod mutants;
mod stories;
mod test_disk;

use std::path::Path;

use crate::raft::{
    Entry, HardState, Index, Membership, NodeId, Payload, Position, SnapshotMeta, Term, Write,
};
use crate::wal::{Identity, Opened, Options, WalError, open};
use test_disk::TestDisk;

const DIR: &str = "/member";

fn identity() -> Identity {
    Identity { cluster_id: 7, node_id: NodeId(1), bootstrap: b"members".to_vec() }
}

fn options() -> Options {
    Options { segment_bytes: 1024, kept_snapshots: 2 }
}

fn start(disk: &TestDisk) -> Opened<TestDisk> {
    try_start(disk).unwrap_or_else(|error| panic!("{error}"))
}

fn try_start(disk: &TestDisk) -> Result<Opened<TestDisk>, WalError> {
    open(disk.clone(), Path::new(DIR), &identity(), options())
}

fn entry(index: u64, term: u64, command: &str) -> Entry {
    let payload = if command.is_empty() {
        Payload::Empty
    } else {
        Payload::Command(command.as_bytes().to_vec().into())
    };
    Entry { term: Term(term), index: Index(index), payload }
}

/// Entries from `first` on, `count` of them, all of one term.
fn entries(first: u64, count: u64, term: u64) -> Vec<Entry> {
    (first..first + count)
        .map(|index| entry(index, term, &format!("command {index} of term {term}")))
        .collect()
}

fn hard_state(term: u64, vote: Option<u64>, commit: Option<u64>) -> HardState {
    HardState { term: Term(term), vote: vote.map(NodeId), commit: commit.map(Index) }
}

fn write(hard_state: Option<HardState>, entries: Vec<Entry>) -> Write {
    Write { hard_state, entries }
}

fn meta(index: u64, term: u64) -> SnapshotMeta {
    let last = Position { term: Term(term), index: Index(index) };
    SnapshotMeta { last, membership: Membership::new([NodeId(1), NodeId(2), NodeId(3)]) }
}

/// Writes a snapshot file.
fn take_snapshot(opened: &Opened<TestDisk>, meta: &SnapshotMeta) -> Result<(), WalError> {
    let mut writer = opened.snapshots.create(meta.clone())?;
    writer.write(format!("the state at {}", meta.last).as_bytes())?;
    writer.finish().map(drop)
}

/// Writes a snapshot file, lets it count and makes that durable.
fn snapshot(opened: &mut Opened<TestDisk>, meta: &SnapshotMeta) {
    take_snapshot(opened, meta).unwrap();
    opened.wal.mark_snapshot(meta).unwrap();
    opened.wal.sync().unwrap();
}
