//! Every mistake that the log's code can be told to make is caught by a named test.

use super::{crash, stories};
use crate::mutants::killing::{Killer, assert_all_killed, killers};

const KILLERS: &[Killer] = killers![
    SyncSkipped by crash::what_was_synced_survives_the_loss_of_all_that_was_not,
    TornTailAccepted by stories::every_cut_of_an_unsynced_batch_leaves_a_prefix_and_the_hard_state_first,
    GoodEntriesCutWithTornTail by
        stories::every_cut_of_an_unsynced_batch_leaves_a_prefix_and_the_hard_state_first,
    SnapshotAndLogApart by stories::an_installed_snapshot_replaces_a_log_that_does_not_lead_to_it,
    SnapshotLostAtNextSegment by
        stories::a_segment_remembers_the_snapshot_whose_mark_is_purged,
];

#[test]
fn every_mistake_is_caught_by_a_named_test() {
    assert_all_killed("wal/", KILLERS);
}
