//! Random workloads against a model.

use proptest::prelude::*;

use super::test_disk::Crash;
use super::*;
use crate::wal::Recovered;

#[derive(Clone, Debug)]
enum Step {
    /// So many entries, so far back from the end of the log, of so many bytes.
    Append {
        back: u64,
        count: u64,
        bytes: usize,
        sync: bool,
    },
    NewTerm,
    /// A snapshot of an entry so far back from the end, or so far beyond it.
    Snapshot {
        at: i64,
    },
    Purge,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let append = (0..6_u64, 0..5_u64, 0..300_usize, any::<bool>());
    prop_oneof![
        12 => append.prop_map(|(back, count, bytes, sync)| Step::Append { back, count, bytes, sync }),
        2 => Just(Step::NewTerm),
        2 => (-8..3_i64).prop_map(|at| Step::Snapshot { at }),
        2 => Just(Step::Purge),
        1 => Just(Step::Reopen),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_workload_reopens_to_what_was_written(steps in prop::collection::vec(step(), 1..80)) {
        let disk = TestDisk::default();
        let mut opened = start(&disk);
        let mut life = 1;
        let mut term = 1;
        let mut state = HardState::default();
        let mut newest: Option<SnapshotMeta> = None;
        let mut log: Vec<Entry> = Vec::new();
        let mut next = 1_u64;
        for step in steps.into_iter().chain([Step::Reopen]) {
            match step {
                Step::Append { back, count, bytes, sync } => {
                    let covered = newest.as_ref().map_or(0, |meta| meta.last.index.0);
                    let first = next.saturating_sub(back).max(covered + 1);
                    let last_kept = log.iter().rfind(|entry| entry.index.0 < first).map(|entry| entry.term.0);
                    let covered_term = newest.as_ref().map(|meta| meta.last.term.0);
                    term = term.max(last_kept.or(covered_term).unwrap_or(0));
                    let new: Vec<_> =
                        (first..first + count).map(|index| entry(index, term, &"a".repeat(bytes))).collect();
                    opened.wal.append(&write(None, new.clone())).unwrap();
                    if count > 0 {
                        log.retain(|entry| entry.index.0 < first);
                        log.extend(new);
                        next = first + count;
                    }
                    if sync {
                        opened.wal.sync().unwrap();
                    }
                }
                Step::NewTerm => {
                    term += 1;
                    state = hard_state(term, Some(term % 3), None);
                    opened.wal.append(&write(Some(state), vec![])).unwrap();
                }
                Step::Snapshot { at } => {
                    let index = (next - 1).saturating_add_signed(at).max(1);
                    let held = log.iter().find(|entry| entry.index.0 == index).map(|entry| entry.term.0);
                    let meta = meta(index, held.unwrap_or(term));
                    if newest.as_ref().is_some_and(|newest| newest.last.index >= meta.last.index) {
                        continue;
                    }
                    take_snapshot(&opened, &meta).unwrap();
                    opened.wal.mark_snapshot(&meta).unwrap();
                    if held.is_none() {
                        log.clear();
                        next = index + 1;
                    }
                    newest = Some(meta);
                }
                Step::Purge => drop(opened.wal.purge().unwrap()),
                Step::Reopen => {
                    opened.wal.sync().unwrap();
                    drop(opened);
                    disk.crash(Crash::LoseAll);
                    opened = start(&disk);
                    life += 1;
                    let behind = newest.as_ref().map_or(0, |meta| meta.last.index.0);
                    let expected = Recovered {
                        identity: identity(),
                        first_start: false,
                        life,
                        hard_state: state,
                        snapshot: newest.clone(),
                        entries: log.iter().filter(|entry| entry.index.0 > behind).cloned().collect(),
                        torn_tail: None,
                    };
                    prop_assert_eq!(&opened.recovered, &expected);
                    prop_assert_eq!(opened.snapshots.newest(), newest.clone());
                    prop_assert_eq!(opened.wal.next_index().0, next);
                }
            }
        }
    }
}
