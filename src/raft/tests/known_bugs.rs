//! Bugs that real implementations of Raft had, by number: a test each, or why there is none here.
//!
//! | number | who had it | what happened | who tests it here |
//! |---|---|---|---|
//! | 1 | microsoft/CCF PR 8094, eliben/raft PR 27, ktoso/akka-raft #56 | stepping down in the same term clears the vote | below |
//! | 2 | eliben/raft PR 26 | a candidate's term and vote for itself are not durable | below |
//! | 3 | RedisLabs/raft 699e87d, d23f390 | loading a snapshot lowers the term and forgets the vote | below |
//! | 4 | RedisLabs/raft #11 | a sole voter leads without a new term | below |
//! | 5 | atomix/copycat #265, scylladb #9965, rabbitmq/ra PR 508 | a follower commits past what the append verified | below |
//! | 6 | openraft #1802 | a stale view of progress commits what 2 of 5 hold | below |
//! | 7 | openraft #1808 | a snapshot covers a configuration that is not committed | comes with changes of membership |
//! | 8 | etcd #11284, #12133 | an election with the voters of an older configuration | comes with changes of membership |
//! | 9 | atomix/copycat #23, braft #182 | a change of configuration before an entry of the own term | comes with changes of membership |
//! | 10 | etcd #20418, etcd-io/raft PR 397 | late acknowledgements confirm a retried read | below |
//! | 11 | RedisLabs/raft #34 | half of an even cluster confirms a read | below |
//! | 12 | openraft #1747, sofa-jraft PR 34 | a lease survives a transfer of leadership | comes with leases and transfers |
//! | 13 | etcd-io/raft PR 31 | after compaction, term 0 matches an entry that is not there | below |
//! | 14 | raft-rs PR 372, etcd #14370 | a single member acknowledges before its log is durable | below |
//! | 15 | raft-rs PR 417, etcd's "append ABA race" | the ticket of an overwritten write is taken for that of its successor | below |
//! | 16 | cockroach PR 37102, etcd #6368 | a sync that succeeds after one that failed; a rename without a sync of the directory | `wal/tests/known_bugs.rs` |
//! | 17 | camunda #6092, etcd PR 1763 | a stale snapshot takes newer entries away | below |
//! | 18 | hashicorp/raft PR 704, RedisLabs/raft PR 162 | replication never resumes after a snapshot | below |
//! | 19 | etcd #8243, openraft #1796, #2080 | a higher term never spreads; a bridge keeps a leader alive that nobody else hears | below |
//! | 20 | openraft #1500, raft-rs PR 557 | a refusal that an acknowledgement has overtaken | below |
//!
//! Where a rule of ours has a test under its own name, the number calls that.

use super::cluster::{A, B, C, Cluster};
use super::{elections, promises, reads, replication, snapshots};
use crate::raft::*;

#[test]
fn known_bug_01_stepping_down_in_the_same_term_clears_the_vote() {
    elections::stepping_down_within_a_term_does_not_free_the_vote();
}

#[test]
fn known_bug_02_a_candidate_asks_for_votes_that_a_crash_makes_it_forget() {
    promises::a_candidate_asks_nobody_before_its_term_and_its_own_vote_are_durable();
    let mut cluster = Cluster::new(3, 1);
    cluster.instant_disks = false;
    while cluster.status(A).role != RoleName::Candidate {
        cluster.tick(A, 1);
        cluster.deliver_all();
    }
    let asks = |envelope: &&Envelope| matches!(envelope.message, Message::VoteRequest { .. });
    assert_eq!(cluster.network.iter().filter(asks).count(), 0, "the disk has not confirmed the term yet");
    cluster.persist(A);
    assert_eq!(cluster.network.iter().filter(asks).count(), 2);
    cluster.crash(A);
    cluster.restart(A);
    cluster.take_messages();
    cluster.deliver(Envelope { from: C, to: A, term: Term(1), message: Message::VoteRequest { last: None } });
    cluster.persist(A);
    let answer = cluster.take_messages().pop().map(|envelope| envelope.message);
    assert_eq!(answer, Some(Message::VoteResponse { granted: false }), "it remembers whom it voted for");
}

#[test]
fn known_bug_03_loading_a_snapshot_lowers_the_term_and_forgets_the_vote() {
    snapshots::a_snapshot_changes_neither_term_nor_vote();
}

#[test]
fn known_bug_04_a_sole_voter_leads_without_a_new_term() {
    elections::a_single_member_begins_a_new_term_before_it_leads();
}

#[test]
fn known_bug_05_a_follower_with_a_diverging_tail_commits_past_what_was_verified() {
    replication::a_follower_commits_no_further_than_what_the_append_verified();
}

#[test]
fn known_bug_06_a_stale_view_of_progress_commits_what_two_of_five_hold() {
    let mut cluster = Cluster::led_by(A, 5);
    ["x", "y", "z"].into_iter().for_each(|command| cluster.propose(A, command));
    cluster.take_messages();
    let stored = |from: NodeId, index: u64| {
        let outcome = AppendOutcome::Stored { matched: Some(Index(index)) };
        let message = Message::AppendResponse { outcome, round: Round(0) };
        Envelope { from, to: A, term: Term(1), message }
    };
    // The order of the members by their progress changes with almost every answer.
    for (from, index, commit) in [(B, 2, 1), (C, 2, 2), (B, 4, 2), (C, 3, 3), (B, 3, 3), (NodeId(4), 4, 4)] {
        cluster.deliver(stored(from, index));
        assert_eq!(cluster.status(A).commit, Some(Index(commit)), "after {from} has stored {index}");
    }
}

#[test]
fn known_bug_10_late_acknowledgements_confirm_the_read_of_a_deposed_leader() {
    reads::an_old_acknowledgement_does_not_confirm_a_new_read();
    reads::a_deposed_leader_answers_nothing();
}

#[test]
fn known_bug_11_half_of_an_even_cluster_confirms_a_read() {
    let mut cluster = Cluster::led_by(A, 4);
    let read = cluster.read(A);
    cluster.deliver_where(|from, to| [from, to].iter().all(|id| [A, B].contains(id)));
    assert!(cluster.members[&A].ready.is_empty(), "two of four are no majority");
    cluster.tick(A, cluster.config.heartbeat_ticks);
    cluster.deliver_where(|from, to| [from, to].iter().all(|id| [A, C].contains(id)));
    assert_eq!(cluster.members[&A].ready, [(read, Some(Index(1)))]);
}

#[test]
fn known_bug_13_after_compaction_term_zero_matches_an_entry_that_is_not_there() {
    snapshots::an_append_behind_forgotten_entries_is_judged_by_what_is_committed();
}

#[test]
fn known_bug_14_a_single_member_acknowledges_before_its_log_is_durable() {
    promises::a_single_member_commits_only_what_its_disk_has_confirmed();
}

#[test]
fn known_bug_15_the_end_of_an_older_write_is_taken_for_that_of_the_one_that_replaced_it() {
    promises::a_late_ticket_for_an_overwritten_write_proves_nothing();
}

#[test]
fn known_bug_17_a_stale_snapshot_takes_newer_entries_away() {
    snapshots::an_old_snapshot_takes_nothing_away();
    snapshots::an_old_snapshot_rewinds_nothing_even_where_its_entries_are_forgotten();
}

#[test]
fn known_bug_18_replication_never_resumes_after_a_snapshot() {
    snapshots::a_log_that_conflicts_with_the_snapshot_is_replaced();
    snapshots::a_snapshot_that_could_not_be_delivered_is_tried_again_when_the_peer_answers();
}

#[test]
fn known_bug_19_a_higher_term_never_spreads_or_a_bridge_keeps_an_impotent_leader_alive() {
    elections::a_member_of_a_higher_term_is_taken_in_again();
    // Of five members only B hears the leader, and B hears everybody.
    let mut cluster = Cluster::led_by(A, 5);
    let everybody: Vec<NodeId> = cluster.members.keys().copied().collect();
    for _ in 0..100 {
        everybody.iter().for_each(|id| cluster.tick(*id, 1));
        cluster.deliver_where(|from, to| (from != A || to == B) && (to != A || from == B));
    }
    let leader = cluster.status(B).leader.expect("there is a leader again");
    assert_ne!(leader, A);
    assert!(everybody[1..].iter().all(|id| cluster.status(*id).leader == Some(leader)));
    assert_ne!(cluster.status(A).role, RoleName::Leader);
}

#[test]
fn known_bug_20_a_refusal_that_an_acknowledgement_has_overtaken() {
    replication::a_refusal_that_a_later_acknowledgement_overtook_is_ignored();
}
