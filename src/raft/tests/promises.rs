//! Promises wait for their disk, and only for theirs.

use super::cluster::{A, B, C, Cluster};
use crate::raft::*;

fn slow(mut cluster: Cluster) -> Cluster {
    cluster.instant_disks = false;
    cluster
}

fn entry(index: u64, term: u64) -> Entry {
    Entry { term: Term(term), index: Index(index), payload: Payload::Empty }
}

fn append(from: NodeId, term: u64, previous: Option<Position>, entries: Vec<Entry>) -> Envelope {
    let message = Message::Append { previous, entries, commit: None, round: Round(0) };
    Envelope { from, to: B, term: Term(term), message }
}

fn stored(cluster: &mut Cluster) -> Vec<Option<Index>> {
    let acknowledged = cluster.take_messages().into_iter().filter_map(|envelope| match envelope.message {
        Message::AppendResponse { outcome: AppendOutcome::Stored { matched }, .. } => Some(matched),
        _ => None,
    });
    acknowledged.collect()
}

#[test]
pub(super) fn an_acknowledgement_waits_for_its_write() {
    let mut cluster = slow(Cluster::new(3, 1));
    cluster.deliver(append(A, 1, None, vec![entry(1, 1)]));
    assert!(stored(&mut cluster).is_empty());
    cluster.persist(B);
    assert_eq!(stored(&mut cluster), [Some(Index(1))]);
}

#[test]
pub(super) fn a_vote_waits_for_its_write() {
    let mut cluster = slow(Cluster::new(3, 1));
    let message = Message::VoteRequest { last: None };
    cluster.deliver(Envelope { from: A, to: B, term: Term(1), message });
    assert!(cluster.take_messages().is_empty());
    cluster.persist(B);
    let granted = Message::VoteResponse { granted: true };
    assert_eq!(cluster.take_messages().pop().map(|envelope| envelope.message), Some(granted));
}

/// eliben/raft PR 26.
#[test]
pub(super) fn a_candidate_asks_nobody_before_its_term_and_its_own_vote_are_durable() {
    let mut cluster = slow(Cluster::new(1, 1));
    cluster.tick(A, 20);
    assert_eq!(cluster.status(A).role, RoleName::Candidate, "its own vote does not count yet");
    cluster.persist(A);
    assert_eq!(cluster.status(A).role, RoleName::Leader);
}

/// raft-rs PR 372, etcd #14370.
#[test]
pub(super) fn a_single_member_commits_only_what_its_disk_has_confirmed() {
    let mut cluster = slow(Cluster::led_by(A, 1));
    cluster.propose(A, "x");
    assert_eq!(cluster.status(A).commit, Some(Index(1)));
    cluster.persist(A);
    assert_eq!(cluster.status(A).applied, Some(Index(2)));
}

#[test]
pub(super) fn a_leaders_appends_leave_before_its_own_disk_is_done_and_its_own_copy_counts_after() {
    let mut cluster = slow(Cluster::led_by(A, 3));
    cluster.propose(A, "x");
    cluster.deliver_where(|_, to| to != C);
    cluster.persist(B);
    cluster.deliver_where(|_, to| to != C);
    assert_eq!(cluster.status(A).commit, Some(Index(1)), "only B holds it durably");
    cluster.persist(A);
    assert_eq!(cluster.status(A).commit, Some(Index(2)));
}

/// raft-rs PR 417, etcd's "append ABA race": the ticket of an overwritten write proves nothing.
#[test]
pub(super) fn a_late_ticket_for_an_overwritten_write_proves_nothing() {
    let mut cluster = slow(Cluster::new(3, 1));
    cluster.deliver(append(A, 1, None, vec![entry(1, 1), entry(2, 1)]));
    cluster.deliver(append(C, 2, None, vec![entry(1, 2), entry(2, 2)]));
    assert!(cluster.persist_one(B), "the first write is confirmed only now");
    cluster.drain(B);
    assert_eq!(cluster.raft(B).disk.durable(), None);
    assert!(stored(&mut cluster).is_empty(), "nothing is promised to either leader");
    cluster.persist(B);
    assert_eq!(stored(&mut cluster), [Some(Index(2))]);
}

#[test]
fn a_promise_of_an_older_term_is_dropped() {
    let mut cluster = slow(Cluster::new(3, 1));
    cluster.deliver(append(A, 1, None, vec![entry(1, 1)]));
    cluster.deliver(Envelope {
        from: C,
        to: B,
        term: Term(5),
        message: Message::AppendResponse {
            outcome: AppendOutcome::Stored { matched: None },
            round: Round(0),
        },
    });
    cluster.persist(B);
    assert!(stored(&mut cluster).is_empty());
}

/// A crash may keep a write's hard state and lose its entries: a hint beyond what was durable before would then declare
/// the conflicting tail committed.
#[test]
fn the_commit_hint_never_goes_beyond_what_was_durable_before_it() {
    let mut cluster = slow(Cluster::new(3, 1));
    let message = Message::Append {
        previous: None,
        entries: vec![entry(1, 1), entry(2, 1)],
        commit: Some(Index(2)),
        round: Round(0),
    };
    cluster.deliver(Envelope { from: A, to: B, term: Term(1), message });
    cluster.persist(B);
    assert_eq!(cluster.status(B).commit, Some(Index(2)));
    assert_eq!(cluster.members[&B].platter.hard_state.commit, None);
    let previous = Some(Position { term: Term(1), index: Index(2) });
    cluster.deliver(append(A, 1, previous, vec![entry(3, 1)]));
    cluster.persist(B);
    assert_eq!(cluster.members[&B].platter.hard_state.commit, Some(Index(2)));
}

#[test]
fn what_was_committed_before_a_crash_is_applied_after_it_without_a_leader() {
    let mut cluster = Cluster::led_by(A, 3);
    ["x", "y", "z"].into_iter().for_each(|command| {
        cluster.propose(A, command);
        cluster.deliver_all();
    });
    cluster.crash(B);
    cluster.restart(B);
    assert_eq!(cluster.status(B).leader, None);
    assert_eq!(cluster.status(B).applied, Some(Index(3)), "all but the last, which was never hinted at");
}

#[test]
fn no_more_is_handed_to_the_state_machine_than_it_may_hold() {
    let mut raft = Cluster::led_by(A, 1).raft(A).clone();
    raft.config.max_applying_bytes = 100;
    let mut handed_over = 0;
    for nth in 0..20 {
        raft.step(Input::Propose(ProposalId(nth), "x".into()));
        for output in raft.drain() {
            match output {
                Output::Persist(ticket, _) => raft.step(Input::Persisted(ticket)),
                Output::Apply(entries) => handed_over += entries.len(),
                _ => {}
            }
        }
    }
    assert_eq!(handed_over, 4, "what fills the limit, and no more");
    raft.step(Input::Applied(Index(5)));
    assert!(raft.drain().iter().any(|output| matches!(output, Output::Apply(_))), "there is room again");
}
