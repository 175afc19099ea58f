//! One story a test.

use std::io::{ErrorKind, Read};

use super::test_disk::Crash;
use super::*;
use crate::wal::{RealDisk, Recovered};

/// Makes all writes durable one by one.
fn put(opened: &mut Opened<TestDisk>, writes: &[Write]) {
    for write in writes {
        opened.wal.append(write).unwrap();
        opened.wal.sync().unwrap();
    }
}

fn restart(disk: &TestDisk) -> Recovered {
    disk.crash(Crash::KeepAll);
    start(disk).recovered
}

#[test]
fn what_was_written_is_there_again_in_the_next_life() {
    let disk = TestDisk::default();
    let mut opened = start(&disk);
    assert!(opened.recovered.first_start);
    assert_eq!(opened.recovered.life, 1);
    let state = hard_state(2, Some(3), Some(1));
    put(&mut opened, &[write(Some(state), entries(1, 3, 1)), write(None, entries(3, 2, 2))]);
    drop(opened);
    let recovered = start(&disk).recovered;
    let expected = Recovered {
        identity: identity(),
        first_start: false,
        life: 2,
        hard_state: state,
        snapshot: None,
        entries: [entries(1, 2, 1), entries(3, 2, 2)].concat(),
        torn_tail: None,
    };
    assert_eq!(recovered, expected);
    assert_eq!(start(&disk).recovered, Recovered { life: 3, ..expected });
}

#[test]
fn the_first_identity_stays() {
    let disk = TestDisk::default();
    drop(start(&disk));
    let other = Identity { cluster_id: 8, ..identity() };
    let opened = open(disk, Path::new(DIR), &other, options()).unwrap();
    assert_eq!(opened.recovered.identity, identity());
}

#[test]
fn one_sync_serves_all_that_was_appended_before_it() {
    let disk = TestDisk::default();
    let mut opened = start(&disk);
    let before = opened.wal.sync_count();
    for index in 1..=5 {
        opened.wal.append(&write(None, entries(index, 1, 1))).unwrap();
    }
    let operations = disk.operations();
    assert_eq!(opened.wal.sync().unwrap().as_millis(), 1);
    assert_eq!(disk.operations() - operations, 3, "one write, one sync, one watermark");
    assert_eq!(opened.wal.sync_count() - before, 1);
    assert!(opened.wal.sync().unwrap().is_zero(), "nothing is new");
    assert_eq!(opened.wal.sync_count() - before, 1);
}

#[test]
fn a_log_of_many_segments_and_a_record_larger_than_one_are_read_back() {
    let disk = TestDisk::default();
    let mut opened = start(&disk);
    let mut expected = entries(1, 60, 1);
    expected.push(entry(61, 1, &"x".repeat(5000)));
    expected.extend(entries(62, 5, 2));
    for entry in &expected {
        put(&mut opened, &[write(None, vec![entry.clone()])]);
    }
    assert!(disk.paths(".log").len() > 5, "{:?}", disk.paths(".log"));
    assert_eq!(restart(&disk).entries, expected);
}

#[test]
fn a_large_batch_is_split_and_read_back() {
    let disk = TestDisk::default();
    let mut opened = start(&disk);
    let payload = "y".repeat(100_000);
    let batch: Vec<_> = (1..=25).map(|index| entry(index, 1, &payload)).collect();
    put(&mut opened, &[write(Some(hard_state(1, None, None)), batch.clone())]);
    let recovered = restart(&disk);
    assert_eq!(recovered.entries, batch);
    assert_eq!(recovered.hard_state, hard_state(1, None, None));
}

#[test]
fn the_real_disk_holds_a_log_in_a_directory_that_did_not_exist() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("not").join("yet");
    let mut opened = open(RealDisk, &dir, &identity(), options()).unwrap();
    opened.wal.append(&write(Some(hard_state(1, None, None)), entries(1, 30, 1))).unwrap();
    opened.wal.append(&write(None, entries(31, 1, 1))).unwrap();
    assert!(!opened.wal.sync().unwrap().is_zero());
    drop(opened);
    let recovered = open(RealDisk, &dir, &identity(), options()).unwrap().recovered;
    assert_eq!(recovered.entries, entries(1, 31, 1));
    assert_eq!(recovered.hard_state, hard_state(1, None, None));
}

/// Where the zeros begin that end a segment. Our records never end in a zero.
fn end_of(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1
}

#[test]
pub(super) fn every_cut_of_an_unsynced_batch_leaves_a_prefix_and_the_hard_state_first() {
    let make = || {
        let disk = TestDisk::default();
        let mut opened = start(&disk);
        put(&mut opened, &[write(Some(hard_state(1, None, None)), entries(1, 2, 1))]);
        let watermark = disk.read(&disk.paths("watermark")[0]);
        let begin = end_of(&disk.read(&disk.paths(".log")[0]));
        opened.wal.append(&write(Some(hard_state(2, Some(1), None)), entries(3, 1, 1))).unwrap();
        opened.wal.append(&write(None, entries(4, 2, 2))).unwrap();
        opened.wal.sync().unwrap();
        (disk, watermark, begin)
    };
    let (whole, _, begin) = make();
    let log = whole.paths(".log").remove(0);
    let bytes = whole.read(&log);
    let end = end_of(&bytes);
    let all = [entries(1, 3, 1), entries(4, 2, 2)].concat();
    let mut seen = std::collections::BTreeSet::new();
    for cut in begin..=end {
        let (disk, watermark, _) = make();
        disk.put(&disk.paths("watermark")[0], &watermark);
        let mut torn = bytes.clone();
        torn[cut..].fill(0);
        disk.put(&log, &torn);
        let recovered = restart(&disk);
        let count = recovered.entries.len();
        assert_eq!(recovered.entries, all[..count], "cut at {cut}");
        let term = if count > 2 { 2 } else { 1 };
        assert_eq!(recovered.hard_state.term, Term(term));
        assert_eq!(restart(&disk).entries, recovered.entries, "the second time as the first");
        seen.insert(count);
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [2, 3, 5]);
}

#[test]
fn a_stale_record_does_not_continue_a_shorter_new_life() {
    let disk = TestDisk::default();
    let mut opened = start(&disk);
    put(&mut opened, &[write(None, entries(1, 1, 1))]);
    let log = disk.paths(".log").remove(0);
    let begin_stale = end_of(&disk.read(&log));
    // In one life two records are torn off; in the next, records of the same lengths take their place.
    opened.wal.append(&write(None, entries(2, 1, 1))).unwrap();
    opened.wal.append(&write(None, entries(3, 1, 1))).unwrap();
    opened.wal.append(&write(None, entries(4, 1, 1))).unwrap();
    opened.wal.sync().unwrap();
    let old = disk.read(&log);
    let image = disk.image();
    image.put(&image.paths("watermark")[0], &[]);
    let mut torn = old.clone();
    torn[begin_stale..].fill(0);
    image.put(&log, &torn);
    let mut opened = start(&image);
    put(&mut opened, &[write(None, entries(2, 1, 1))]);
    let mut new = image.read(&log);
    let from = end_of(&new);
    new[from..].copy_from_slice(&old[from..]);
    image.put(&log, &new);
    let recovered = restart(&image);
    assert_eq!(recovered.entries, entries(1, 2, 1));
    assert_eq!(recovered.torn_tail.unwrap().offset_bytes, from as u64);
    assert_eq!(
        end_of(&image.read(&log)),
        from + 37,
        "the stale bytes are gone, a record of the new life is there"
    );
}

#[test]
fn a_sound_record_of_the_right_place_but_another_past_does_not_follow() {
    let make = |second: &str, has_third: bool| {
        let disk = TestDisk::default();
        let mut opened = start(&disk);
        opened.wal.append(&write(None, entries(1, 1, 1))).unwrap();
        opened.wal.append(&write(None, vec![entry(2, 1, second)])).unwrap();
        let before_third = opened.wal.sync().map(|_| end_of(&disk.read(&disk.paths(".log")[0]))).unwrap();
        if has_third {
            put(&mut opened, &[write(None, entries(3, 1, 1))]);
        }
        (disk, before_third)
    };
    let (theirs, at) = make("one", true);
    let (ours, same) = make("two", false);
    assert_eq!(at, same);
    let log = ours.paths(".log").remove(0);
    let mut bytes = ours.read(&log);
    bytes[at..].copy_from_slice(&theirs.read(&log)[at..]);
    ours.put(&log, &bytes);
    let recovered = restart(&ours);
    assert_eq!(recovered.entries, [entries(1, 1, 1), vec![entry(2, 1, "two")]].concat());
    assert_eq!(recovered.torn_tail.unwrap().offset_bytes, at as u64);
}

#[test]
fn a_purged_log_starts_again_with_hard_state_identity_and_life() {
    let disk = TestDisk::default();
    let mut opened = start(&disk);
    let state = hard_state(4, Some(2), None);
    put(&mut opened, &[write(Some(state), vec![])]);
    for index in 1..=90 {
        put(&mut opened, &[write(None, entries(index, 1, 3))]);
        if index % 30 == 0 {
            snapshot(&mut opened, &meta(index - 5, 3));
        }
        if index == 30 {
            assert_eq!(
                opened.wal.purge().unwrap().segments,
                0,
                "the first snapshot has only the log to fall back to"
            );
        }
    }
    let before = disk.operations();
    let purged = opened.wal.purge().unwrap();
    assert!(purged.segments >= 3, "{purged:?}");
    let operations = disk.operations() - before;
    assert_eq!(
        operations,
        2 * purged.segments as u64 + 2,
        "each removal of a segment is made durable by itself"
    );
    assert_eq!(purged.snapshots, 1);
    assert_eq!(opened.wal.purge().unwrap(), Default::default());
    assert_eq!(opened.snapshots.newest(), Some(meta(85, 3)));
    drop(opened);
    let opened = start(&disk);
    assert_eq!(opened.recovered.life, 2);
    assert_eq!(opened.recovered.identity, identity());
    assert_eq!(opened.recovered.hard_state, state);
    assert_eq!(opened.recovered.snapshot, Some(meta(85, 3)));
    assert_eq!(opened.recovered.entries, entries(86, 5, 3));
    let mut data = String::new();
    opened.snapshots.open(&meta(85, 3)).unwrap().read_to_string(&mut data).unwrap();
    assert_eq!(data, "the state at 85@3");
}

#[test]
pub(super) fn a_segment_remembers_the_snapshot_whose_mark_is_purged() {
    let disk = TestDisk::default();
    let options = Options { kept_snapshots: 1, ..options() };
    let mut opened = open(disk.clone(), Path::new(DIR), &identity(), options).unwrap();
    put(&mut opened, &[write(None, entries(1, 3, 1))]);
    snapshot(&mut opened, &meta(3, 1));
    let needs_a_segment = vec![entry(4, 1, &"x".repeat(5000))];
    put(&mut opened, &[write(None, needs_a_segment.clone())]);
    assert_eq!(opened.wal.purge().unwrap().segments, 1);
    drop(opened);
    let recovered = restart(&disk);
    assert_eq!((recovered.snapshot, recovered.entries), (Some(meta(3, 1)), needs_a_segment));
}

#[test]
fn a_broken_snapshot_is_replaced_by_an_older_one_and_the_log_or_refused() {
    let disk = TestDisk::default();
    let mut opened = start(&disk);
    for index in 1..=60 {
        put(&mut opened, &[write(None, entries(index, 1, 1))]);
        if index % 20 == 0 {
            snapshot(&mut opened, &meta(index, 1));
            opened.wal.purge().unwrap();
        }
    }
    drop(opened);
    let [older, newest] = &disk.paths(".snap")[..] else { panic!("{:?}", disk.paths(".snap")) };
    let mut bytes = disk.read(newest);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    disk.put(newest, &bytes);
    let mut opened = start(&disk);
    assert_eq!(opened.recovered.snapshot, Some(meta(40, 1)));
    assert_eq!(opened.recovered.entries, entries(41, 20, 1));
    assert_eq!(opened.snapshots.newest(), Some(meta(40, 1)));
    // A new snapshot may be older than the broken one.
    snapshot(&mut opened, &meta(50, 1));
    drop(opened);
    let opened = start(&disk);
    assert_eq!(opened.recovered.snapshot, Some(meta(50, 1)));
    assert_eq!(opened.recovered.entries, entries(51, 10, 1));
    drop(opened);
    disk.take(older);
    disk.take(&disk.paths("32-")[0]);
    let refused = try_start(&disk).unwrap_err();
    assert!(matches!(&refused, WalError::NoSnapshot { tried, .. } if tried.len() == 3), "{refused}");
    assert!(refused.to_string().contains("wrong checksum"), "{refused}");
}

#[test]
fn a_first_snapshot_that_is_broken_is_replaced_by_the_whole_log() {
    let disk = TestDisk::default();
    let mut opened = start(&disk);
    put(&mut opened, &[write(None, entries(1, 5, 1))]);
    snapshot(&mut opened, &meta(4, 1));
    drop(opened);
    disk.put(&disk.paths(".snap")[0], b"");
    let recovered = start(&disk).recovered;
    assert_eq!((recovered.snapshot, recovered.entries), (None, entries(1, 5, 1)));
}

#[test]
pub(super) fn an_installed_snapshot_replaces_a_log_that_does_not_lead_to_it() {
    for (kept, position) in [(entries(5, 2, 2), meta(4, 2)), (vec![], meta(4, 3)), (vec![], meta(9, 2))] {
        let disk = TestDisk::default();
        let mut opened = start(&disk);
        put(&mut opened, &[write(None, entries(1, 6, 2))]);
        snapshot(&mut opened, &position);
        drop(opened);
        let mut opened = start(&disk);
        assert_eq!(opened.recovered.entries, kept);
        assert_eq!(opened.recovered.snapshot.as_ref(), Some(&position));
        let next = opened.wal.next_index().0;
        put(&mut opened, &[write(None, entries(next, 2, 3))]);
        assert_eq!(restart(&disk).entries, [kept, entries(next, 2, 3)].concat());
    }
}

#[test]
fn an_older_snapshot_never_rewinds_a_newer_one() {
    let disk = TestDisk::default();
    let mut opened = start(&disk);
    put(&mut opened, &[write(None, entries(1, 3, 1))]);
    snapshot(&mut opened, &meta(10, 2));
    snapshot(&mut opened, &meta(2, 1));
    assert_eq!(opened.snapshots.newest(), Some(meta(10, 2)));
    let recovered = restart(&disk);
    assert_eq!((recovered.snapshot, recovered.entries), (Some(meta(10, 2)), vec![]));
}

#[test]
fn a_snapshot_that_could_not_be_written_cannot_be_finished_and_does_not_harm_the_log() {
    let disk = TestDisk::default();
    let mut opened = start(&disk);
    put(&mut opened, &[write(None, entries(1, 3, 1))]);
    let mut writer = opened.snapshots.create(meta(2, 1)).unwrap();
    disk.fail_after(0, ErrorKind::StorageFull);
    assert!(writer.write(&vec![1; 1 << 20]).unwrap_err().to_string().contains("The disk is full"));
    disk.fail_after(99, ErrorKind::StorageFull);
    writer.finish().unwrap_err();
    assert!(disk.paths("/snap/").is_empty());
    put(&mut opened, &[write(None, entries(4, 1, 1))]);
    assert_eq!(restart(&disk).entries, entries(1, 4, 1));
}

#[test]
fn the_log_goes_to_its_thread_and_snapshots_to_any() {
    fn moves<T: Send>() {}
    fn is_shared<T: Send + Sync + Clone>() {}
    moves::<crate::wal::Wal<RealDisk>>();
    moves::<crate::wal::SnapshotReader<RealDisk>>();
    moves::<crate::wal::SnapshotWriter<RealDisk>>();
    is_shared::<crate::wal::Snapshots<RealDisk>>();
}

#[test]
fn a_snapshot_counts_only_when_it_is_marked() {
    let disk = TestDisk::default();
    let mut opened = start(&disk);
    put(&mut opened, &[write(None, entries(1, 3, 1))]);
    take_snapshot(&opened, &meta(2, 1)).unwrap();
    opened.snapshots.create(meta(3, 1)).map(std::mem::forget).unwrap();
    assert_eq!(opened.snapshots.newest(), None);
    assert_eq!(disk.paths("/snap/").len(), 2);
    assert_eq!(restart(&disk).snapshot, None);
    assert!(disk.paths("/snap/").is_empty());
    let mut opened = {
        disk.crash(Crash::KeepAll);
        start(&disk)
    };
    take_snapshot(&opened, &meta(1, 1)).unwrap();
    opened.wal.mark_snapshot(&meta(1, 1)).unwrap();
    assert_eq!(opened.snapshots.newest(), None, "its mark is not durable");
    opened.wal.sync().unwrap();
    assert_eq!(opened.snapshots.newest(), Some(meta(1, 1)));
    opened.wal.mark_snapshot(&meta(2, 1)).unwrap_err();
    assert!(matches!(opened.wal.sync(), Err(WalError::Poisoned { .. })));
}

#[test]
fn the_commit_hint_never_points_behind_the_log() {
    let disk = TestDisk::default();
    let mut opened = start(&disk);
    put(&mut opened, &[write(Some(hard_state(1, None, Some(9))), entries(1, 2, 1))]);
    assert_eq!(restart(&disk).hard_state, hard_state(1, None, Some(2)));
}

#[test]
pub(super) fn a_failed_sync_is_final_and_the_next_life_writes_the_doubtful_bytes_again() {
    let disk = TestDisk::default();
    let mut opened = start(&disk);
    put(&mut opened, &[write(None, entries(1, 1, 1))]);
    opened.wal.append(&write(None, entries(2, 1, 1))).unwrap();
    disk.fail_after(1, ErrorKind::TimedOut);
    assert!(opened.wal.sync().unwrap_err().to_string().starts_with("cannot sync the segment /member/log/"));
    disk.fail_after(99, ErrorKind::TimedOut);
    for result in [opened.wal.append(&Write::default()), opened.wal.mark_snapshot(&meta(1, 1))] {
        assert!(matches!(result, Err(WalError::Poisoned { .. })));
    }
    let again = opened.wal.sync().unwrap_err();
    assert!(again.to_string().contains("cannot sync the segment"), "{again}");
    assert!(matches!(opened.wal.purge(), Err(WalError::Poisoned { .. })));
    drop(opened);
    // The process dies, the machine does not: the file still shows what was never made durable.
    let opened = start(&disk);
    assert_eq!(opened.recovered.entries, entries(1, 2, 1));
    drop(opened);
    disk.crash(Crash::LoseAll);
    assert_eq!(start(&disk).recovered.entries, entries(1, 2, 1));
}

#[test]
fn a_full_disk_stops_the_log_and_room_lets_it_go_on() {
    let disk = TestDisk::default();
    let mut opened = start(&disk);
    let mut acknowledged = 0;
    disk.fail_after(120, ErrorKind::StorageFull);
    let error = loop {
        let next = entries(acknowledged + 1, 1, 1);
        match opened.wal.append(&write(None, next)).and_then(|()| opened.wal.sync()) {
            Ok(_) => acknowledged += 1,
            Err(error) => break error,
        }
    };
    assert!(error.to_string().contains("The disk is full: make room"), "{error}");
    let recovered = restart(&disk);
    assert!(recovered.entries.starts_with(&entries(1, acknowledged, 1)));
}

#[test]
fn a_second_process_is_told_that_the_directory_is_in_use() {
    let dir = tempfile::tempdir().unwrap();
    let opened = open(RealDisk, dir.path(), &identity(), options()).unwrap();
    let refused = open(RealDisk, dir.path(), &identity(), options()).unwrap_err().to_string();
    assert!(refused.contains("in use by another process") && refused.contains(dir.path().to_str().unwrap()));
    drop(opened);
    open(RealDisk, dir.path(), &identity(), options()).unwrap();
}

#[test]
fn a_directory_of_somebody_else_and_a_file_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("diary.txt"), "mine").unwrap();
    let refused = open(RealDisk, dir.path(), &identity(), options()).unwrap_err();
    assert!(matches!(&refused, WalError::NotOurs { name, .. } if name == "diary.txt"), "{refused}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    let refused = open(RealDisk, &dir.path().join("diary.txt"), &identity(), options()).unwrap_err();
    assert!(refused.to_string().contains("There is a file where a directory is needed"), "{refused}");
}

#[test]
fn what_cannot_follow_is_refused_and_leaves_no_trace() {
    let disk = TestDisk::default();
    let mut opened = start(&disk);
    put(&mut opened, &[write(Some(hard_state(3, None, None)), entries(1, 2, 1))]);
    let gap = opened.wal.append(&write(None, entries(4, 1, 1))).unwrap_err();
    assert!(gap.to_string().contains("entry 4, but the next is 3"), "{gap}");
    assert_eq!(restart(&disk).entries, entries(1, 2, 1));
}
