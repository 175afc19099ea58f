//! A crash after every single operation of a workload that has everything in it, with every way to lose what was not synced.

use std::io::ErrorKind;

use super::test_disk::Crash;
use super::*;
use crate::wal::Recovered;

/// What must and what may be there after a crash.
#[derive(Clone, Debug, Default)]
struct Model {
    hard_state: HardState,
    snapshot: Option<SnapshotMeta>,
    /// All entries there ever were that are not overwritten, from index 1 on; those that a snapshot brought are `None`.
    entries: Vec<Option<Entry>>,
}

impl Model {
    fn write(&mut self, write: &Write) {
        self.hard_state = write.hard_state.unwrap_or(self.hard_state);
        if let Some(first) = write.entries.first() {
            self.entries.truncate(first.index.0 as usize - 1);
            self.entries.extend(write.entries.iter().cloned().map(Some));
        }
    }

    fn mark(&mut self, meta: &SnapshotMeta) {
        let at = meta.last.index.0 as usize;
        let held = self.entries.get(at - 1).cloned().flatten();
        if held.is_none_or(|entry| entry.term != meta.last.term) {
            self.entries = vec![None; at];
        }
        self.snapshot = Some(meta.clone());
    }

    fn entries(&self) -> Vec<Entry> {
        let from = self.snapshot.as_ref().map_or(0, |meta| meta.last.index.0 as usize);
        self.entries[from..].iter().flatten().cloned().collect()
    }

    fn matches(&self, recovered: &Recovered) -> bool {
        self.hard_state == recovered.hard_state
            && self.snapshot == recovered.snapshot
            && self.entries() == recovered.entries
    }
}

/// A step of the workload.
enum Step {
    Append(Write),
    Snapshot(SnapshotMeta),
    Sync,
    Purge,
}

fn workload() -> Vec<Step> {
    use Step::*;
    let mut steps = vec![
        Append(write(Some(hard_state(1, Some(1), None)), vec![])),
        Sync,
        Append(write(None, entries(1, 3, 1))),
        Append(write(None, entries(4, 2, 1))),
        Sync,
        Append(write(Some(hard_state(2, None, None)), entries(3, 4, 2))),
        Append(write(None, entries(5, 1, 2))),
        Sync,
    ];
    for index in 6..30 {
        steps.push(Append(write(None, entries(index, 1, 2))));
        if index % 2 == 0 {
            steps.push(Sync);
        }
        if index % 8 == 0 {
            steps.extend([Snapshot(meta(index - 2, 2)), Append(write(None, vec![])), Sync, Purge]);
        }
    }
    steps.extend([
        Append(write(Some(hard_state(3, Some(2), None)), vec![entry(28, 3, &"z".repeat(1500))])),
        Sync,
        Snapshot(meta(40, 3)),
        Append(write(None, entries(41, 2, 3))),
        Sync,
        Purge,
        Append(write(None, entries(43, 12, 3))),
        Append(write(None, entries(50, 3, 3))),
        Sync,
    ]);
    steps
}

/// Runs the workload until the disk fails; returns the model at the last acknowledgement and all that came after it.
fn run(disk: &TestDisk) -> Vec<Model> {
    let mut possible = vec![Model::default()];
    let Ok(mut opened) = try_start(disk) else { return possible };
    for step in workload() {
        let mut model = possible.last().cloned().unwrap();
        let is_done = match step {
            Step::Append(write) => {
                model.write(&write);
                possible.push(model);
                opened.wal.append(&write).is_ok()
            }
            Step::Snapshot(meta) => {
                model.mark(&meta);
                possible.push(model);
                take_snapshot(&opened, &meta).is_ok() && opened.wal.mark_snapshot(&meta).is_ok()
            }
            Step::Sync => {
                let is_done = opened.wal.sync().is_ok();
                if is_done {
                    possible = vec![model];
                }
                is_done
            }
            Step::Purge => opened.wal.purge().is_ok(),
        };
        if !is_done {
            break;
        }
    }
    possible
}

#[test]
fn after_a_crash_at_any_operation_all_that_was_acknowledged_is_there_and_nothing_else() {
    let disk = TestDisk::default();
    assert_eq!(run(&disk).len(), 1);
    let operations = disk.operations();
    assert!(disk.paths(".log").len() > 1);
    let mut crashes = vec![Crash::KeepAll, Crash::LoseAll, Crash::LoseOne(0), Crash::LoseOne(1)];
    crashes.extend([1, 7, 35, 36, 37, 80, 200].map(Crash::CutLast));
    crashes.extend((1..6).map(Crash::Sectors));
    let mut points = 0;
    for operation in 0..operations {
        for crash in &crashes {
            let disk = TestDisk::default();
            disk.fail_after(operation, ErrorKind::Other);
            let possible = run(&disk);
            disk.crash(*crash);
            let opened =
                try_start(&disk).unwrap_or_else(|error| panic!("operation {operation}, {crash:?}: {error}"));
            let recovered = opened.recovered.clone();
            assert!(
                possible.iter().any(|model| model.matches(&recovered)),
                "operation {operation}, {crash:?}: {recovered:#?}\nis none of {possible:#?}"
            );
            drop(opened);
            disk.crash(Crash::LoseAll);
            let again = start(&disk).recovered;
            let expected =
                Recovered { life: recovered.life + 1, first_start: false, torn_tail: None, ..recovered };
            assert_eq!(again, expected, "operation {operation}, {crash:?}");
            points += 1;
        }
    }
    println!("{points} crash points");
}

#[test]
pub(super) fn what_was_synced_survives_the_loss_of_all_that_was_not() {
    let disk = TestDisk::default();
    let mut opened = start(&disk);
    opened.wal.append(&write(Some(hard_state(1, None, None)), entries(1, 3, 1))).unwrap();
    opened.wal.sync().unwrap();
    opened.wal.append(&write(None, entries(4, 2, 1))).unwrap();
    drop(opened);
    disk.crash(Crash::LoseAll);
    assert_eq!(start(&disk).recovered.entries, entries(1, 3, 1));
}

#[test]
fn a_crash_while_the_log_is_opened_again_loses_nothing() {
    let torn = || {
        let disk = TestDisk::default();
        let mut opened = start(&disk);
        opened.wal.append(&write(None, entries(1, 9, 1))).unwrap();
        opened.wal.sync().unwrap();
        opened.wal.append(&write(None, entries(10, 20, 1))).unwrap();
        disk.fail_after(1, ErrorKind::Other);
        opened.wal.sync().unwrap_err();
        disk.crash(Crash::CutLast(300));
        disk
    };
    let disk = torn();
    let before = disk.operations();
    assert!(start(&disk).recovered.torn_tail.is_some());
    for operation in 0..disk.operations() - before {
        for crash in
            [Crash::KeepAll, Crash::LoseAll, Crash::LoseOne(0), Crash::Sectors(3), Crash::CutLast(11)]
        {
            let disk = torn();
            disk.fail_after(operation, ErrorKind::Other);
            try_start(&disk).unwrap_err();
            disk.crash(crash);
            assert_eq!(start(&disk).recovered.entries, entries(1, 9, 1), "operation {operation}, {crash:?}");
        }
    }
}
