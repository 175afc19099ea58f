//! Every mistake that the protocol's code can be told to make is caught: by a named test, and most of them by the storms too.

use super::{elections, promises, random, reads, replication, snapshots};
use crate::mutants::Mutant;
use crate::mutants::killing::{Killer, assert_all_killed, is_killed, killers};

const KILLERS: &[Killer] = killers![
    MessageBeforeItsTerm by elections::a_vote_is_given_once_a_term_and_again_to_the_same,
    HigherTermIgnored by elections::a_shorter_log_gets_no_vote,
    TermTakenFromPreVote by elections::an_isolated_member_does_not_climb_in_term,
    VoteClearedOnStepDown by elections::stepping_down_within_a_term_does_not_free_the_vote,
    DuplicateVoteCounted by elections::a_vote_that_arrives_twice_counts_once,
    OldVoteCounted by elections::a_vote_of_an_older_term_does_not_count,
    TimerResetByAnyMessage by elections::a_refused_question_does_not_make_a_member_wait_anew,
    CandidateWaitsForEver by elections::a_candidate_whose_timeout_passes_stands_again_in_a_later_term,
    TimeoutsNotRandom by elections::members_draw_different_timeouts,
    StaleAppendAccepted by replication::an_append_of_an_older_term_changes_nothing_and_learns_of_the_newer,
    HeartbeatSkipsCheck by replication::a_heartbeat_commits_no_more_than_what_its_receiver_has_acknowledged,
    TruncatedWithoutConflict by replication::an_old_append_that_comes_late_throws_nothing_away,
    PreviousBeyondEndAccepted by replication::a_refusal_says_where_the_logs_might_agree,
    RefusedAndStored by replication::a_refusal_says_where_the_logs_might_agree,
    LogsComparedByLength by elections::a_longer_log_of_an_older_term_gets_no_vote,
    LogsComparedBackwards by elections::a_shorter_log_gets_no_vote,
    CommitBeyondVerified by replication::a_follower_commits_no_further_than_what_the_append_verified,
    OldTermCommittedByCounting by
        replication::entries_of_older_terms_are_committed_only_along_with_one_of_the_leaders_own,
    CommitMovesBack by snapshots::a_log_that_conflicts_with_the_snapshot_is_replaced,
    UncommittedApplied by replication::what_is_proposed_is_applied_by_all,
    CommitOnlyWhenSending by replication::what_is_proposed_is_applied_by_all,
    NextTakenForMatch by replication::two_of_four_commit_nothing,
    MatchFromCurrentLog by replication::appends_in_flight_are_limited_in_messages_and_answers_make_room,
    StaleRepliesProcessed by replication::an_acknowledgement_of_an_older_term_counts_for_nothing,
    BackUpOffByOne by replication::fifty_diverging_entries_are_found_in_a_few_round_trips,
    BackUpOneAtATime by replication::fifty_diverging_entries_are_found_in_a_few_round_trips,
    PreviousTakenForLast by replication::what_is_proposed_is_applied_by_all,
    VoteBeforeDurable by promises::a_vote_waits_for_its_write,
    AcknowledgedBeforeSync by promises::an_acknowledgement_waits_for_its_write,
    OwnCopyBeforeDurable by
        promises::a_leaders_appends_leave_before_its_own_disk_is_done_and_its_own_copy_counts_after,
    TruncationNotDurable by replication::a_conflicting_tail_is_replaced_and_the_rest_is_kept,
    OldSnapshotInstalled by snapshots::an_old_snapshot_rewinds_nothing_even_where_its_entries_are_forgotten,
    OffsetIgnoresCompaction by snapshots::a_log_that_conflicts_with_the_snapshot_is_replaced,
    SuffixThrownAway by snapshots::a_log_that_holds_the_snapshots_last_entry_keeps_what_is_behind_it,
    AppliedTwice by replication::what_is_proposed_is_applied_by_all,
    ReadsFromOwnMemory by reads::a_read_waits_for_a_majority_that_still_follows,
    ReadBeforeOwnCommit by reads::a_new_leader_answers_no_read_before_its_first_entry_is_committed,
    ReturningNodeDisrupts by elections::a_member_that_hears_a_leader_ignores_candidates_and_their_terms,
];

#[test]
fn every_mistake_is_caught_by_a_named_test() {
    assert_all_killed("raft/", KILLERS);
}

/// Those that a schedule must be lucky or long to find are not here: they have their tests above, and the simulator.
const FOUND_BY_STORMS: [Mutant; 22] = [
    Mutant::HigherTermIgnored,
    Mutant::TermTakenFromPreVote,
    Mutant::VoteClearedOnStepDown,
    Mutant::HeartbeatSkipsCheck,
    Mutant::TruncatedWithoutConflict,
    Mutant::PreviousBeyondEndAccepted,
    Mutant::RefusedAndStored,
    Mutant::LogsComparedBackwards,
    Mutant::CommitBeyondVerified,
    Mutant::CommitMovesBack,
    Mutant::UncommittedApplied,
    Mutant::CommitOnlyWhenSending,
    Mutant::NextTakenForMatch,
    Mutant::MatchFromCurrentLog,
    Mutant::BackUpOffByOne,
    Mutant::VoteBeforeDurable,
    Mutant::AcknowledgedBeforeSync,
    Mutant::TruncationNotDurable,
    Mutant::OldSnapshotInstalled,
    Mutant::OffsetIgnoresCompaction,
    Mutant::AppliedTwice,
    Mutant::ReadBeforeOwnCommit,
];

#[test]
fn a_hundred_storms_find_what_nobody_has_written_a_test_for() {
    for mutant in FOUND_BY_STORMS {
        let finds = |seed: &u64| is_killed(mutant, || random::run(*seed, 3, 2500));
        assert!((0..100).any(|seed| finds(&seed)), "no storm finds {mutant}");
    }
}
