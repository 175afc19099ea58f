//! Compaction and snapshots.

use super::cluster::{A, B, C, Cluster};
use crate::raft::*;

/// A leads, has compacted everything, and C has missed all of it.
fn with_laggard() -> Cluster {
    let mut cluster = Cluster::new(3, 7);
    cluster.config.retained_entries = 0;
    [A, B, C].into_iter().for_each(|id| cluster.restart(id));
    cluster.elect(A);
    cluster.crash(C);
    for _ in 0..5 {
        cluster.propose(A, "x");
        cluster.deliver_where(|_, to| to != C);
    }
    cluster.compact(A);
    cluster
}

fn snapshot(index: u64, term: u64) -> Snapshot {
    let last = Position { term: Term(term), index: Index(index) };
    let data = [index.to_le_bytes(), 0u64.to_le_bytes()].concat().into();
    Snapshot { meta: SnapshotMeta { last, membership: Membership::new([A, B, C]) }, data }
}

fn install(from: NodeId, to: NodeId, term: u64, snapshot: Snapshot) -> Envelope {
    Envelope { from, to, term: Term(term), message: Message::InstallSnapshot { snapshot } }
}

#[test]
fn a_laggard_whose_entries_are_forgotten_catches_up_by_snapshot_and_then_by_entries() {
    let mut cluster = with_laggard();
    assert!(cluster.log_terms(A).is_empty());
    cluster.restart(C);
    for _ in 0..3 {
        cluster.tick(A, cluster.config.heartbeat_ticks);
        cluster.deliver_all();
        cluster.send_snapshots(A);
        cluster.deliver_all();
    }
    cluster.propose(A, "y");
    cluster.deliver_all();
    assert_eq!([A, B, C].map(|id| cluster.status(id).applied), [Some(Index(7)); 3]);
    assert!(cluster.members[&C].events.iter().any(|e| matches!(e, Event::InstallingSnapshot { .. })));
}

#[test]
fn a_snapshot_is_acknowledged_only_when_it_is_durable() {
    let mut cluster = Cluster::new(3, 1);
    cluster.instant_disks = false;
    cluster.deliver(install(A, B, 3, snapshot(5, 2)));
    assert!(cluster.take_messages().is_empty());
    cluster.persist(B);
    let answer = Message::InstallSnapshotResponse { matched: Index(5) };
    assert_eq!(cluster.take_messages().pop().map(|envelope| envelope.message), Some(answer));
    cluster.crash(B);
    cluster.restart(B);
    let status = cluster.status(B);
    assert_eq!((status.term, status.applied, status.last_index), (Term(3), Some(Index(5)), Some(Index(5))));
}

/// camunda #6092, etcd PR 1763.
#[test]
pub(super) fn an_old_snapshot_takes_nothing_away() {
    let mut cluster = Cluster::led_by(A, 3);
    for _ in 0..3 {
        cluster.propose(A, "x");
        cluster.deliver_all();
    }
    let before = cluster.raft(B).log.clone();
    cluster.deliver(install(A, B, 1, snapshot(2, 1)));
    assert_eq!(cluster.raft(B).log, before);
    assert_eq!(cluster.status(B).applied, Some(Index(4)));
}

#[test]
pub(super) fn an_old_snapshot_rewinds_nothing_even_where_its_entries_are_forgotten() {
    let mut cluster = with_laggard();
    cluster.compact(B);
    let before = cluster.raft(B).log.clone();
    cluster.deliver(install(A, B, 1, snapshot(2, 1)));
    assert_eq!(cluster.raft(B).log, before);
    assert_eq!(cluster.status(B).applied, Some(Index(6)));
}

/// Raft §7: what follows the snapshot in the log is kept if it matches.
#[test]
pub(super) fn a_log_that_holds_the_snapshots_last_entry_keeps_what_is_behind_it() {
    let mut cluster = Cluster::new(3, 1);
    let entries =
        (1..=4).map(|i| Entry { term: Term(1), index: Index(i), payload: Payload::Empty }).collect();
    let message = Message::Append { previous: None, entries, commit: None, round: Round(0) };
    cluster.deliver(Envelope { from: A, to: B, term: Term(1), message });
    cluster.deliver(install(A, B, 1, snapshot(2, 1)));
    assert_eq!(cluster.log_terms(B), [1, 1, 1, 1]);
    assert_eq!(cluster.status(B).commit, Some(Index(2)), "and its last entry is known to be committed");
}

/// hashicorp/raft PR 704: a conflicting entry at the snapshot's index must not stay.
#[test]
pub(super) fn a_log_that_conflicts_with_the_snapshot_is_replaced() {
    let mut cluster = Cluster::new(3, 1);
    let entries =
        (1..=4).map(|i| Entry { term: Term(1), index: Index(i), payload: Payload::Empty }).collect();
    let message = Message::Append { previous: None, entries, commit: None, round: Round(0) };
    cluster.deliver(Envelope { from: A, to: B, term: Term(1), message });
    cluster.deliver(install(C, B, 3, snapshot(2, 2)));
    assert!(cluster.log_terms(B).is_empty());
    let previous = Some(Position { term: Term(2), index: Index(2) });
    let entries = vec![Entry { term: Term(3), index: Index(3), payload: Payload::Empty }];
    let message = Message::Append { previous, entries, commit: None, round: Round(0) };
    cluster.deliver(Envelope { from: C, to: B, term: Term(3), message });
    assert_eq!(cluster.log_terms(B), [3]);
    cluster.crash(B);
    cluster.restart(B);
    assert_eq!(cluster.log_terms(B), [3]);
}

/// RedisLabs/raft 699e87d, d23f390: loading a snapshot must not lower the term or forget the vote.
#[test]
pub(super) fn a_snapshot_changes_neither_term_nor_vote() {
    let mut cluster = Cluster::new(3, 1);
    let message = Message::VoteRequest { last: None };
    cluster.deliver(Envelope { from: C, to: B, term: Term(9), message });
    cluster.deliver(install(C, B, 9, snapshot(5, 2)));
    cluster.crash(B);
    cluster.restart(B);
    assert_eq!((cluster.raft(B).term, cluster.raft(B).vote), (Term(9), Some(C)));
}

/// etcd-io/raft PR 31: an entry that is forgotten matches no term.
#[test]
pub(super) fn an_append_behind_forgotten_entries_is_judged_by_what_is_committed() {
    let mut cluster = with_laggard();
    cluster.compact(B);
    let entries =
        (1..=6).map(|i| Entry { term: Term(1), index: Index(i), payload: Payload::Empty }).collect();
    let message = Message::Append { previous: None, entries, commit: None, round: Round(0) };
    cluster.deliver(Envelope { from: A, to: B, term: Term(1), message });
    assert_eq!((cluster.log_terms(B), cluster.status(B).last_index), (vec![], Some(Index(6))));
}

#[test]
pub(super) fn a_snapshot_that_could_not_be_delivered_is_tried_again_when_the_peer_answers() {
    let mut cluster = with_laggard();
    cluster.restart(C);
    cluster.tick(A, cluster.config.heartbeat_ticks);
    cluster.deliver_all();
    let order = cluster.members.get_mut(&A).unwrap().orders.pop().expect("a snapshot was ordered");
    let index = order.meta.last.index;
    cluster.step(A, Input::SnapshotSent { to: C, index, delivered: false });
    assert!(cluster.members[&A].orders.is_empty(), "not before it is known to be there");
    cluster.tick(A, cluster.config.heartbeat_ticks);
    cluster.deliver_all();
    assert_eq!(cluster.members[&A].orders.len(), 1);
}

#[test]
fn a_snapshot_of_what_is_not_applied_compacts_nothing() {
    let mut cluster = Cluster::led_by(A, 1);
    cluster.step(A, Input::SnapshotTaken(snapshot(9, 1).meta));
    assert_eq!(cluster.raft(A).log.snapshot(), None);
}
