//! Linearizable reads.

use super::cluster::{A, B, C, Cluster};
use crate::raft::*;

fn ready(cluster: &Cluster, id: NodeId) -> Vec<(ReadId, Option<Index>)> {
    cluster.members[&id].ready.clone()
}

#[test]
pub(super) fn a_read_waits_for_a_majority_that_still_follows() {
    let mut cluster = Cluster::led_by(A, 3);
    let read = cluster.read(A);
    assert!(ready(&cluster, A).is_empty(), "the leader's own word is not enough");
    cluster.deliver_all();
    assert_eq!(ready(&cluster, A), [(read, Some(Index(1)))]);
}

#[test]
fn a_follower_reads_through_the_leader() {
    let mut cluster = Cluster::led_by(A, 3);
    cluster.propose(A, "x");
    cluster.deliver_all();
    let read = cluster.read(B);
    cluster.deliver_all();
    assert_eq!(ready(&cluster, B), [(read, Some(Index(2)))]);
}

#[test]
fn a_single_member_reads_at_once() {
    let mut cluster = Cluster::led_by(A, 1);
    let read = cluster.read(A);
    assert_eq!(ready(&cluster, A), [(read, Some(Index(1)))]);
}

#[test]
fn reads_that_wait_together_share_a_round() {
    let mut cluster = Cluster::led_by(A, 3);
    for nth in 0..10 {
        cluster.feed(A, Input::Read(ReadId(100 + nth)));
    }
    let before = cluster.network.len();
    cluster.members.get_mut(&A).unwrap().raft.as_mut().unwrap().place_reads();
    cluster.members.get_mut(&A).unwrap().raft.as_mut().unwrap().replicate();
    let sent = cluster.raft(A).outputs.iter().filter(|output| matches!(output, Output::Send(_))).count();
    assert_eq!((before, sent), (0, 2), "one heartbeat a peer for ten reads");
}

/// etcd #20418: an acknowledgement of an older round confirms nothing.
#[test]
pub(super) fn an_old_acknowledgement_does_not_confirm_a_new_read() {
    let mut cluster = Cluster::led_by(A, 3);
    cluster.tick(A, cluster.config.heartbeat_ticks);
    cluster.network.retain(|envelope| envelope.to == B);
    let heartbeat = cluster.network.pop().unwrap();
    cluster.deliver(heartbeat);
    let old_answer = cluster.network.pop().unwrap();
    cluster.read(A);
    cluster.take_messages();
    cluster.deliver(old_answer);
    assert!(ready(&cluster, A).is_empty());
}

/// Raft §8: until an entry of its own term is committed a leader does not know what is.
#[test]
pub(super) fn a_new_leader_answers_no_read_before_its_first_entry_is_committed() {
    let mut cluster = Cluster::led_by(A, 3);
    cluster.propose(A, "x");
    cluster.deliver_all();
    cluster.crash(A);
    [B, C].into_iter().for_each(|id| cluster.step(id, Input::Suspect(A)));
    let leader = loop {
        [B, C].into_iter().for_each(|id| cluster.tick(id, 1));
        let mail = cluster.take_messages();
        for envelope in mail {
            let is_answer = matches!(envelope.message, Message::AppendResponse { .. });
            if envelope.to != A && !is_answer {
                cluster.deliver(envelope);
            }
        }
        if let Some(leader) = [B, C].into_iter().find(|id| cluster.status(*id).role == RoleName::Leader) {
            break leader;
        }
    };
    let read = cluster.read(leader);
    for _ in 0..5 {
        cluster.tick(leader, cluster.config.heartbeat_ticks);
        for envelope in cluster.take_messages() {
            let passes =
                matches!(envelope.message, Message::Heartbeat { .. } | Message::HeartbeatResponse { .. });
            if passes && envelope.to != A {
                cluster.deliver(envelope);
            }
        }
    }
    assert!(ready(&cluster, leader).is_empty());
    for _ in 0..3 {
        cluster.tick(leader, cluster.config.heartbeat_ticks);
        cluster.deliver_where(|_, to| to != A);
    }
    assert_eq!(ready(&cluster, leader), [(read, Some(Index(3)))]);
}

#[test]
pub(super) fn a_deposed_leader_answers_nothing() {
    let mut cluster = Cluster::led_by(A, 3);
    cluster.read(A);
    cluster.take_messages();
    [B, C].into_iter().for_each(|id| cluster.tick(id, 40));
    for _ in 0..100 {
        [B, C].into_iter().for_each(|id| cluster.tick(id, 1));
        cluster.deliver_where(|from, to| from != A && to != A);
    }
    cluster.tick(A, 2);
    cluster.deliver_all();
    assert!(ready(&cluster, A).is_empty());
    assert_ne!(cluster.status(A).role, RoleName::Leader);
}

#[test]
fn without_a_leader_a_read_is_refused() {
    let mut cluster = Cluster::new(3, 1);
    let read = cluster.read(A);
    assert_eq!(cluster.members[&A].refused, [(Refused::Read(read), Reason::NoLeader)]);
}

/// The answer to a question of an earlier life must not be taken for the answer to a new one.
#[test]
fn an_answer_to_a_read_of_an_earlier_life_is_ignored() {
    let mut cluster = Cluster::led_by(A, 3);
    cluster.read(B);
    let question = cluster.network.pop().unwrap();
    cluster.deliver(question);
    cluster.deliver_where(|_, to| to != B);
    let round = cluster.take_messages();
    cluster.crash(B);
    cluster.restart(B);
    for envelope in round {
        cluster.deliver(envelope);
    }
    cluster.tick(A, cluster.config.heartbeat_ticks);
    cluster.deliver_all();
    cluster.propose(A, "newer");
    cluster.deliver_all();
    let old = cluster.raft(B).reads.clone();
    let read = cluster.read(B);
    assert_ne!(old, cluster.raft(B).reads, "the question has a fresh name");
    cluster.deliver_all();
    assert_eq!(ready(&cluster, B), [(read, Some(Index(2)))]);
}
