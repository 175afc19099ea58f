//! The bug of the list in `raft/tests/known_bugs.rs` that a disk had.

use super::test_disk::Crash;
use super::*;

/// cockroach PR 37102, etcd #6368.
#[test]
fn known_bug_16_a_sync_succeeds_after_one_that_failed_or_a_rename_is_not_durable() {
    super::stories::a_failed_sync_is_final_and_the_next_life_writes_the_doubtful_bytes_again();
    // A segment and a snapshot got their names by a rename; a loss of power right after the acknowledgement keeps both.
    let disk = TestDisk::default();
    let mut opened = start(&disk);
    let segments = disk.paths(".log").len();
    opened.wal.append(&write(None, vec![entry(1, 1, &"x".repeat(5000))])).unwrap();
    opened.wal.sync().unwrap();
    assert!(disk.paths(".log").len() > segments, "the entry needed a segment of its own");
    snapshot(&mut opened, &meta(1, 1));
    drop(opened);
    disk.crash(Crash::LoseAll);
    let opened = start(&disk);
    assert_eq!(opened.recovered.snapshot, Some(meta(1, 1)));
    assert_eq!(opened.wal.next_index(), Index(2));
}
