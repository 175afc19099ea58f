//! Replication: agreement, conflicts, late answers, limits, and the commit rule.

use super::cluster::{A, B, C, Cluster};
use crate::raft::*;

fn entry(index: u64, term: u64) -> Entry {
    Entry { term: Term(term), index: Index(index), payload: Payload::Empty }
}

fn position(index: u64, term: u64) -> Position {
    Position { term: Term(term), index: Index(index) }
}

fn append(term: u64, previous: Option<Position>, entries: Vec<Entry>, commit: Option<u64>) -> Envelope {
    let message = Message::Append { previous, entries, commit: commit.map(Index), round: Round(0) };
    Envelope { from: A, to: B, term: Term(term), message }
}

/// What B has answered A's appends.
fn outcomes(cluster: &mut Cluster) -> Vec<AppendOutcome> {
    let answers = cluster.take_messages().into_iter().filter_map(|envelope| match envelope.message {
        Message::AppendResponse { outcome, .. } => Some(outcome),
        _ => None,
    });
    answers.collect()
}

/// A cluster whose members' disks hold logs of these terms.
fn with_logs<const N: usize>(logs: [&[u64]; N]) -> Cluster {
    let mut cluster = Cluster::new(N as u64, 3);
    for (id, terms) in (1..).map(NodeId).zip(logs) {
        cluster.crash(id);
        let platter = &mut cluster.members.get_mut(&id).unwrap().platter;
        platter.entries = (1..).zip(terms).map(|(index, term)| entry(index, *term)).collect();
        platter.hard_state.term = Term(terms.last().copied().unwrap_or(0));
    }
    (1..=N as u64).for_each(|id| cluster.restart(NodeId(id)));
    cluster
}

#[test]
pub(super) fn what_is_proposed_is_applied_by_all() {
    let mut cluster = Cluster::led_by(A, 3);
    cluster.propose(A, "x");
    cluster.propose(A, "y");
    cluster.deliver_all();
    assert_eq!([A, B, C].map(|id| cluster.status(id).applied), [Some(Index(3)); 3]);
}

#[test]
fn a_follower_passes_proposals_on_to_the_leader() {
    let mut cluster = Cluster::led_by(A, 3);
    cluster.propose(B, "x");
    cluster.deliver_all();
    assert_eq!([A, B, C].map(|id| cluster.status(id).applied), [Some(Index(2)); 3]);
}

#[test]
fn without_a_leader_a_proposal_is_refused() {
    let mut cluster = Cluster::new(3, 1);
    cluster.step(A, Input::Propose(ProposalId(9), "x".into()));
    assert_eq!(cluster.members[&A].refused, [(Refused::Proposal(ProposalId(9)), Reason::NoLeader)]);
}

#[test]
fn all_that_was_proposed_between_two_drains_leaves_as_one_write_and_one_append_a_peer() {
    let mut cluster = Cluster::led_by(A, 3);
    cluster.instant_disks = false;
    for nth in 0..50 {
        cluster.feed(A, Input::Propose(ProposalId(nth), "x".into()));
    }
    cluster.drain(A);
    let sent: Vec<usize> = cluster
        .take_messages()
        .into_iter()
        .map(|envelope| match envelope.message {
            Message::Append { entries, .. } => entries.len(),
            other => panic!("unexpected {other:?}"),
        })
        .collect();
    assert_eq!(sent, [50, 50]);
    assert!(cluster.persist_one(A));
    assert!(!cluster.has_pending_write(A));
}

#[test]
fn each_command_crosses_to_each_peer_once() {
    let mut cluster = Cluster::led_by(A, 3);
    let mut copies = 0;
    for _ in 0..10 {
        cluster.propose(A, "x");
        while let Some(envelope) = cluster.network.pop() {
            if let Message::Append { entries, .. } = &envelope.message {
                copies += entries.len();
            }
            cluster.deliver(envelope);
        }
    }
    assert_eq!(copies, 20);
}

#[test]
fn an_idle_cluster_says_one_heartbeat_and_one_answer_a_peer() {
    let mut cluster = Cluster::led_by(A, 3);
    cluster.tick(A, cluster.config.heartbeat_ticks);
    let mut messages = 0;
    while let Some(envelope) = cluster.network.pop() {
        messages += 1;
        cluster.deliver(envelope);
    }
    assert_eq!(messages, 4);
}

#[test]
pub(super) fn a_conflicting_tail_is_replaced_and_the_rest_is_kept() {
    let mut cluster = with_logs([&[], &[1, 1, 2, 2]]);
    cluster.deliver(append(3, Some(position(2, 1)), vec![entry(3, 3)], None));
    assert_eq!(cluster.log_terms(B), [1, 1, 3]);
    assert!(cluster.members[&B].events.contains(&Event::TruncatedLog { from: position(3, 2) }));
}

#[test]
pub(super) fn an_old_append_that_comes_late_throws_nothing_away() {
    let mut cluster = with_logs([&[], &[1, 1, 1]]);
    cluster.deliver(append(1, Some(position(1, 1)), vec![entry(2, 1)], None));
    assert_eq!(cluster.log_terms(B), [1, 1, 1]);
}

#[test]
pub(super) fn an_append_of_an_older_term_changes_nothing_and_learns_of_the_newer() {
    let mut cluster = with_logs([&[], &[1, 1, 2]]);
    cluster.deliver(append(1, Some(position(1, 1)), vec![entry(2, 1), entry(3, 1)], Some(3)));
    assert_eq!((cluster.log_terms(B), cluster.status(B).commit), (vec![1, 1, 2], None));
    let answer = cluster.take_messages().pop().expect("there is an answer");
    assert_eq!(answer.term, Term(2));
    assert!(!matches!(answer.message, Message::AppendResponse { .. }));
}

#[test]
pub(super) fn an_acknowledgement_of_an_older_term_counts_for_nothing() {
    let mut cluster = Cluster::led_by(A, 3);
    let higher = Message::VoteResponse { granted: false };
    cluster.deliver(Envelope { from: C, to: A, term: Term(5), message: higher });
    cluster.elect(A);
    let commit = cluster.status(A).commit;
    cluster.propose(A, "x");
    cluster.take_messages();
    let outcome = AppendOutcome::Stored { matched: cluster.status(A).last_index };
    let message = Message::AppendResponse { outcome, round: Round(0) };
    cluster.deliver(Envelope { from: B, to: A, term: Term(1), message });
    assert_eq!(cluster.status(A).commit, commit);
}

/// A heartbeat carries no entry to compare with, so it may speak only of what is known to agree.
#[test]
pub(super) fn a_heartbeat_commits_no_more_than_what_its_receiver_has_acknowledged() {
    let mut cluster = Cluster::led_by(A, 3);
    cluster.propose(A, "x");
    cluster.deliver_where(|from, to| from != C && to != C);
    assert_eq!(cluster.status(A).commit, Some(Index(2)));
    cluster.take_messages();
    cluster.tick(A, cluster.config.heartbeat_ticks);
    let told = cluster.take_messages().into_iter().filter_map(|envelope| match envelope.message {
        Message::Heartbeat { commit, .. } => Some((envelope.to, commit)),
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), [(B, Some(Index(2))), (C, Some(Index(1)))]);
}

/// atomix/copycat #265, scylladb #9965, rabbitmq/ra PR 508.
#[test]
pub(super) fn a_follower_commits_no_further_than_what_the_append_verified() {
    let mut cluster = with_logs([&[], &[1, 2, 2, 2]]);
    cluster.deliver(append(3, Some(position(1, 1)), vec![], Some(4)));
    assert_eq!(cluster.status(B).commit, Some(Index(1)));
    cluster.take_messages();
    cluster.deliver(append(3, Some(position(1, 1)), vec![entry(2, 2)], Some(4)));
    assert_eq!(cluster.status(B).commit, Some(Index(2)));
    assert_eq!(outcomes(&mut cluster), [AppendOutcome::Stored { matched: Some(Index(2)) }]);
}

#[test]
pub(super) fn a_refusal_says_where_the_logs_might_agree() {
    let mut cluster = with_logs([&[], &[1, 1, 4, 4]]);
    cluster.deliver(append(6, Some(position(9, 5)), vec![], None));
    cluster.deliver(append(6, Some(position(4, 3)), vec![], None));
    let conflict = |refused, hint| AppendOutcome::Conflict { refused: Index(refused), hint: Some(hint) };
    assert_eq!(outcomes(&mut cluster), [conflict(9, position(4, 4)), conflict(4, position(2, 1))]);
    assert_eq!(cluster.log_terms(B), [1, 1, 4, 4], "a refused append changes nothing");
}

/// Raft Figure 7: the followers of a leader of term 8, each with its own kind of divergence.
#[test]
fn a_new_leader_brings_all_logs_of_figure_7_into_line() {
    let leader: &[u64] = &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
    let mut cluster = with_logs([
        leader,
        &[1, 1, 1, 4, 4, 5, 5, 6, 6],
        &[1, 1, 1, 4],
        &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
        &[1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
        &[1, 1, 1, 4, 4, 4, 4],
        &[1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
    ]);
    cluster.elect(A);
    for _ in 0..5 {
        cluster.tick(A, cluster.config.heartbeat_ticks);
        cluster.deliver_all();
    }
    let term = cluster.status(A).term.0;
    let expected: Vec<u64> = leader.iter().copied().chain([term]).collect();
    for id in (1..=7).map(NodeId) {
        assert_eq!(cluster.log_terms(id), expected, "member {id}");
    }
}

#[test]
pub(super) fn fifty_diverging_entries_are_found_in_a_few_round_trips() {
    let ours: Vec<u64> = std::iter::once(1).chain([3; 50]).collect();
    let theirs: Vec<u64> = std::iter::once(1).chain([2; 50]).collect();
    let mut cluster = with_logs([&ours, &theirs, &ours]);
    let refusals = std::cell::Cell::new(0);
    cluster.elect_through(A, |envelope| {
        let is_refusal = |outcome: &AppendOutcome| matches!(outcome, AppendOutcome::Conflict { .. });
        if matches!(&envelope.message, Message::AppendResponse { outcome, .. } if is_refusal(outcome)) {
            refusals.set(refusals.get() + 1);
        }
        true
    });
    assert_eq!(refusals.get(), 1, "whole terms are skipped");
    let unexpected =
        |event: &&Event| matches!(event, Event::TruncatedLog { .. } | Event::ImpossibleMessage { .. });
    assert_eq!(cluster.members[&B].events.iter().filter(unexpected).count(), 1);
    assert_eq!(cluster.log_terms(B), cluster.log_terms(A));
}

/// Raft §5.4.2, Figure 8: counting copies of an old entry does not commit it; an entry of the own term behind it does.
#[test]
pub(super) fn entries_of_older_terms_are_committed_only_along_with_one_of_the_leaders_own() {
    let mut cluster = with_logs([&[1, 2], &[1, 2], &[1], &[1], &[1, 3]]);
    let between = |from: NodeId, to: NodeId| from.0 <= 3 && to.0 <= 3;
    while cluster.status(A).role != RoleName::Leader {
        cluster.tick(A, 1);
        for id in [B, C] {
            cluster.members.get_mut(&id).unwrap().raft.as_mut().unwrap().timer.timeout_ticks = 900;
        }
        cluster.instant_disks = cluster.status(A).role != RoleName::Leader;
        // Votes pass; appends only of what is older than the new term.
        while let Some(envelope) = cluster.network.pop() {
            let is_append = matches!(envelope.message, Message::Append { .. });
            if between(envelope.from, envelope.to) && !is_append {
                cluster.deliver(envelope);
            }
        }
    }
    // Index 2 of term 2 now reaches C, and with it a majority: A, B and C. It is not committed.
    let old = Message::AppendResponse {
        outcome: AppendOutcome::Stored { matched: Some(Index(2)) },
        round: Round(0),
    };
    let term = cluster.status(A).term;
    for from in [B, C] {
        cluster.deliver(Envelope { from, to: A, term, message: old.clone() });
    }
    assert_eq!(cluster.status(A).commit, None);
    // The leader's own entry, on a majority, commits both.
    let own = Message::AppendResponse {
        outcome: AppendOutcome::Stored { matched: Some(Index(3)) },
        round: Round(0),
    };
    for from in [B, C] {
        cluster.deliver(Envelope { from, to: A, term, message: own.clone() });
    }
    assert_eq!(cluster.status(A).commit, Some(Index(3)));
}

/// openraft #1802: in an even cluster half is not enough.
#[test]
pub(super) fn two_of_four_commit_nothing() {
    let mut cluster = Cluster::led_by(A, 4);
    cluster.propose(A, "x");
    cluster.deliver_where(|from, to| [from, to].iter().all(|id| [A, B].contains(id)));
    assert_eq!(cluster.status(A).commit, Some(Index(1)));
}

/// openraft #1500, raft-rs PR 557.
#[test]
pub(super) fn a_refusal_that_a_later_acknowledgement_overtook_is_ignored() {
    let mut cluster = Cluster::led_by(A, 3);
    cluster.propose(A, "x");
    cluster.deliver_all();
    let before = cluster.raft(A).clone();
    let outcome = AppendOutcome::Conflict { refused: Index(1), hint: None };
    let message = Message::AppendResponse { outcome, round: Round(0) };
    cluster.deliver(Envelope { from: B, to: A, term: Term(1), message });
    assert_eq!(*cluster.raft(A), before);
}

#[test]
fn a_lost_append_is_noticed_at_the_next_heartbeats_and_sent_again() {
    let mut cluster = Cluster::led_by(A, 3);
    cluster.propose(A, "lost");
    cluster.take_messages();
    cluster.propose(A, "arrives behind a gap");
    cluster.deliver_all();
    assert_eq!(cluster.status(A).commit, Some(Index(3)), "the gap was refused, and filled");
    cluster.propose(A, "lost too");
    cluster.take_messages();
    for _ in 0..2 {
        cluster.tick(A, cluster.config.heartbeat_ticks);
        cluster.deliver_all();
    }
    assert_eq!([A, B, C].map(|id| cluster.status(id).applied), [Some(Index(4)); 3]);
}

#[test]
pub(super) fn appends_in_flight_are_limited_in_messages_and_answers_make_room() {
    let mut cluster = Cluster::led_by(A, 3);
    let limit = cluster.config.max_inflight_messages as u64;
    for _ in 0..limit + 10 {
        cluster.propose(A, "x");
    }
    let to_b = |cluster: &Cluster| cluster.network.iter().filter(|envelope| envelope.to == B).count() as u64;
    assert_eq!(to_b(&cluster), limit);
    cluster.deliver_all();
    assert_eq!([A, B, C].map(|id| cluster.status(id).applied), [Some(Index(limit + 11)); 3]);
}

#[test]
fn a_leader_refuses_more_than_it_may_hold_uncommitted() {
    let mut cluster = Cluster::new(3, 7);
    cluster.config.max_uncommitted_bytes = 100;
    [A, B, C].into_iter().for_each(|id| cluster.restart(id));
    cluster.elect(A);
    let big = "x".repeat(100);
    cluster.propose(A, &big);
    cluster.propose(A, "one too many");
    assert_eq!(cluster.members[&A].refused, [(Refused::Proposal(ProposalId(0)), Reason::Overloaded)]);
    cluster.deliver_all();
    cluster.propose(A, "now there is room");
    cluster.deliver_all();
    assert_eq!(cluster.status(B).applied, Some(Index(3)));
}

/// Found by a random schedule: the entries in flight were compacted, and the peer was asked nothing any more.
#[test]
fn a_peer_whose_appends_were_lost_and_compacted_gets_a_snapshot() {
    let mut cluster = Cluster::new(3, 7);
    cluster.config.retained_entries = 0;
    cluster.config.max_inflight_messages = 2;
    [A, B, C].into_iter().for_each(|id| cluster.restart(id));
    cluster.elect(A);
    for _ in 0..6 {
        cluster.propose(A, "x");
        cluster.deliver_where(|from, to| from != C && to != C);
    }
    cluster.compact(A);
    for _ in 0..3 {
        cluster.tick(A, cluster.config.heartbeat_ticks);
        cluster.deliver_all();
        cluster.send_snapshots(A);
        cluster.deliver_all();
    }
    assert_eq!(cluster.status(C).applied, cluster.status(A).applied);
}
