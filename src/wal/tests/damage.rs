//! Every byte of a recorded log, damaged in every way that is likely, and files that are gone, swapped or cut.

use std::path::PathBuf;

use super::test_disk::Crash;
use super::*;
use crate::wal::Recovered;

/// A log of several segments with snapshots, as a killed process leaves it, and what is in it.
fn recorded() -> (TestDisk, Recovered) {
    let disk = TestDisk::default();
    let mut opened = start(&disk);
    for index in 1..=71 {
        let state = (index % 10 == 0).then(|| hard_state(index / 10, Some(1), Some(index - 1)));
        opened.wal.append(&write(state, entries(index, 1, 1 + index / 10))).unwrap();
        opened.wal.sync().unwrap();
        if index % 30 == 0 {
            snapshot(&mut opened, &meta(index - 2, 1 + (index - 2) / 10));
            opened.wal.purge().unwrap();
        }
    }
    drop(opened);
    let disk = disk.image();
    let recovered = start(&disk.image()).recovered;
    assert_eq!(recovered.entries.len(), 13);
    assert!(disk.paths(".log").len() > 2);
    (disk, recovered)
}

/// The damaged directory is refused with a good sentence, or all is there. Returns whether it was refused.
fn judge(disk: &TestDisk, expected: &Recovered, what: &str) -> bool {
    match try_start(disk) {
        Err(error) => {
            let sentence = error.to_string();
            assert!(sentence.contains("/member/"), "{what}: {sentence}");
            assert!(sentence.contains("Nothing was changed. If this member has peers"), "{what}: {sentence}");
            assert!(
                sentence.contains("expected") || matches!(error, WalError::NoSnapshot { .. }),
                "{sentence}"
            );
            true
        }
        Ok(opened) => {
            let recovered = opened.recovered;
            let everything = |r: &Recovered| {
                let snapshot = r.snapshot.as_ref().map_or(0, |meta| meta.last.index.0);
                (r.hard_state, snapshot + r.entries.len() as u64, r.entries.last().cloned())
            };
            assert_eq!(everything(&recovered), everything(expected), "{what}");
            assert!(
                expected.entries.ends_with(&recovered.entries)
                    || recovered.entries.ends_with(&expected.entries)
            );
            false
        }
    }
}

#[test]
fn no_damaged_byte_ever_makes_the_log_shorter_in_silence() {
    let (disk, expected) = recorded();
    let mut refused = 0;
    for path in disk.paths("") {
        let sound = disk.read(&path);
        let mut check = |bytes: &[u8], what: String| {
            if bytes != sound {
                let damaged = disk.image();
                damaged.put(&path, bytes);
                refused += u64::from(judge(&damaged, &expected, &format!("{}: {what}", path.display())));
            }
        };
        for at in 0..sound.len() {
            for damage in [sound[at] ^ 1, sound[at] ^ 0x80, 0, 0xff] {
                let mut bytes = sound.clone();
                bytes[at] = damage;
                check(&bytes, format!("byte {at} is {damage}"));
            }
        }
        for at in (0..sound.len()).step_by(16) {
            for len in [16, 64, 512, 4096] {
                let mut bytes = sound.clone();
                let end = (at + len).min(bytes.len());
                bytes[at..end].fill(0);
                check(&bytes, format!("{len} zeros at {at}"));
            }
            check(&sound[..at], format!("cut at {at}"));
        }
        check(&[&sound[..], b"garbage"].concat(), "garbage behind the end".to_owned());
        check(&[&sound[..], &sound[..]].concat(), "twice".to_owned());
    }
    assert!(refused > 1000, "{refused}");
}

#[test]
fn a_file_that_is_missing_or_swapped_is_noticed() {
    let (disk, expected) = recorded();
    let logs = disk.paths(".log");
    for path in disk.paths("") {
        let damaged = disk.image();
        damaged.take(&path);
        let is_refused = judge(&damaged, &expected, &format!("{} is missing", path.display()));
        // Of the first segment, all that is still needed may stand in a snapshot and in the next segment's head.
        let must_be = logs[1..].contains(&path);
        assert!(is_refused || !must_be, "{}", path.display());
    }
    let swap = |a: &PathBuf, b: &PathBuf| {
        let damaged = disk.image();
        damaged.put(a, &disk.read(b));
        damaged.put(b, &disk.read(a));
        judge(&damaged, &expected, "swapped")
    };
    assert!(swap(&logs[0], &logs[1]));
    assert!(swap(&logs[1], &logs[2]));
    let snapshots = disk.paths(".snap");
    swap(&snapshots[0], &snapshots[1]);
    let damaged = disk.image();
    for log in &logs {
        damaged.take(log);
    }
    assert!(judge(&damaged, &expected, "no segment at all"));
}

#[test]
fn a_record_repeated_or_taken_from_elsewhere_is_noticed() {
    let (disk, expected) = recorded();
    let logs = disk.paths(".log");
    let last = logs.last().unwrap();
    let sound = disk.read(last);
    let other = disk.read(&logs[0]);
    for from in (0..sound.len() - 100).step_by(4) {
        for source in [&sound, &other] {
            for shift in [0_usize, 36, 69, 100] {
                let mut bytes = sound.clone();
                let to = (from + shift).min(sound.len() - 100);
                bytes[to..to + 100].copy_from_slice(&source[from..from + 100]);
                if bytes != sound {
                    let damaged = disk.image();
                    damaged.put(last, &bytes);
                    judge(&damaged, &expected, &format!("{from} copied to {to}"));
                }
            }
        }
    }
}

#[test]
fn without_the_watermark_only_the_last_batch_can_be_lost() {
    // The power has failed, and the watermark that reached the disk is an old one.
    let disk = TestDisk::default();
    let mut opened = start(&disk);
    let old = disk.read(&disk.paths("watermark")[0]);
    for index in 1..=5 {
        opened.wal.append(&write(None, entries(index, 1, 1))).unwrap();
        opened.wal.sync().unwrap();
    }
    drop(opened);
    disk.put(&disk.paths("watermark")[0], &old);
    let log = disk.paths(".log").remove(0);
    let sound = disk.read(&log);
    let end = sound.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let begin = sound.windows(9).position(|bytes| bytes == b"command 1").unwrap();
    let last = sound.windows(9).position(|bytes| bytes == b"command 5").unwrap();
    for at in begin..end {
        let damaged = disk.image();
        let mut bytes = sound.clone();
        bytes[at] ^= 4;
        damaged.put(&log, &bytes);
        match try_start(&damaged) {
            Err(WalError::Damaged { .. }) => assert!(at < last),
            Err(error) => panic!("{error}"),
            Ok(opened) => {
                assert!(at > last - 60, "byte {at}");
                assert_eq!(opened.recovered.entries, entries(1, 4, 1));
                assert!(opened.recovered.torn_tail.is_some());
            }
        }
    }
}

#[test]
fn a_segment_of_another_member_is_noticed() {
    let (disk, _) = recorded();
    let other = TestDisk::default();
    let identity = Identity { node_id: NodeId(2), ..identity() };
    let mut opened = open(other.clone(), Path::new(DIR), &identity, options()).unwrap();
    for index in 1..=40 {
        opened.wal.append(&write(None, entries(index, 1, 1))).unwrap();
        opened.wal.sync().unwrap();
    }
    disk.crash(Crash::KeepAll);
    for (ours, theirs) in disk.paths(".log").into_iter().skip(1).zip(other.paths(".log").into_iter().skip(1))
    {
        let damaged = disk.image();
        damaged.take(&ours);
        damaged.put(&theirs, &other.read(&theirs));
        try_start(&damaged).unwrap_err();
    }
}

#[test]
fn a_file_of_another_version_is_named_as_such() {
    let (disk, _) = recorded();
    let log = disk.paths(".log").remove(0);
    let mut bytes = disk.read(&log);
    bytes[8] = 2;
    let checksum = crc32fast::hash(&bytes[..12]);
    bytes[12..16].copy_from_slice(&checksum.to_le_bytes());
    disk.put(&log, &bytes);
    let refused = try_start(&disk).unwrap_err().to_string();
    assert!(refused.contains("is in format version 2; this program reads version 1 only"), "{refused}");
}
