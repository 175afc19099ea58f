//! Elections: time-outs, pre-votes, votes, and who must not be unseated.

use super::cluster::{A, B, C, Cluster};
use crate::raft::*;

fn vote_request(from: NodeId, to: NodeId, term: u64, last: Option<Position>) -> Envelope {
    Envelope { from, to, term: Term(term), message: Message::VoteRequest { last } }
}

fn is_pre_vote(envelope: &Envelope) -> bool {
    matches!(envelope.message, Message::PreVoteRequest { .. } | Message::PreVoteResponse { .. })
}

/// Lets A stand for election; its requests for votes are lost.
fn make_candidate(cluster: &mut Cluster) {
    while cluster.status(A).role != RoleName::Candidate {
        cluster.tick(A, 1);
        cluster.deliver_only(is_pre_vote);
    }
}

/// The answers to requests for votes that `from` has sent since they were last taken.
fn votes(cluster: &mut Cluster, from: NodeId) -> Vec<bool> {
    let sent = cluster.take_messages().into_iter().filter(|envelope| envelope.from == from);
    sent.filter_map(|envelope| match envelope.message {
        Message::VoteResponse { granted } => Some(granted),
        _ => None,
    })
    .collect()
}

#[test]
fn three_members_elect_one_leader_and_its_term_stays() {
    let mut cluster = Cluster::led_by(A, 3);
    let term = cluster.status(A).term;
    for _ in 0..100 {
        [A, B, C].into_iter().for_each(|id| cluster.tick(id, 1));
        cluster.deliver_all();
    }
    assert_eq!([A, B, C].map(|id| cluster.status(id).leader), [Some(A); 3]);
    assert_eq!([A, B, C].map(|id| cluster.status(id).term), [term; 3]);
}

#[test]
pub(super) fn a_single_member_begins_a_new_term_before_it_leads() {
    let mut cluster = Cluster::led_by(A, 1);
    assert_eq!((cluster.status(A).term, cluster.status(A).commit), (Term(1), Some(Index(1))));
    cluster.crash(A);
    cluster.restart(A);
    cluster.elect(A);
    assert_eq!((cluster.status(A).term, cluster.status(A).commit), (Term(2), Some(Index(2))));
}

#[test]
fn the_leader_names_its_voters() {
    let cluster = Cluster::led_by(A, 3);
    let votes = cluster.members[&A].events.iter().find_map(|event| match event {
        Event::BecameLeader { votes, .. } => Some(votes.clone()),
        _ => None,
    });
    assert_eq!(votes, Some(vec![A, B]), "the second vote decides; the third comes too late to count");
}

#[test]
pub(super) fn a_vote_is_given_once_a_term_and_again_to_the_same() {
    let mut cluster = Cluster::new(3, 1);
    cluster.deliver(vote_request(B, A, 1, None));
    assert_eq!(votes(&mut cluster, A), [true]);
    cluster.deliver(vote_request(C, A, 1, None));
    assert_eq!(votes(&mut cluster, A), [false]);
    cluster.deliver(vote_request(B, A, 1, None));
    assert_eq!(votes(&mut cluster, A), [true]);
}

/// microsoft/CCF PR 8094, eliben/raft PR 27, ktoso/akka-raft #56.
#[test]
pub(super) fn stepping_down_within_a_term_does_not_free_the_vote() {
    let mut cluster = Cluster::new(3, 1);
    make_candidate(&mut cluster);
    let term = cluster.status(A).term;
    let heartbeat = Message::Heartbeat { commit: None, round: Round(0) };
    cluster.deliver(Envelope { from: B, to: A, term, message: heartbeat });
    assert_eq!(cluster.status(A).role, RoleName::Follower);
    cluster.take_messages();
    cluster.deliver(vote_request(C, A, term.0, None));
    assert_eq!(votes(&mut cluster, A), [false], "A has voted for itself in this term");
}

#[test]
fn a_vote_survives_a_crash() {
    let mut cluster = Cluster::new(3, 1);
    cluster.deliver(vote_request(B, A, 5, None));
    cluster.crash(A);
    cluster.restart(A);
    cluster.take_messages();
    cluster.deliver(vote_request(C, A, 5, None));
    assert_eq!(votes(&mut cluster, A), [false]);
    assert_eq!(cluster.status(A).term, Term(5));
}

#[test]
pub(super) fn a_shorter_log_gets_no_vote() {
    let mut cluster = Cluster::led_by(A, 3);
    cluster.propose(A, "x");
    cluster.deliver_all();
    cluster.tick(B, 10);
    cluster.take_messages();
    cluster.deliver(vote_request(C, B, 9, Some(Position { term: Term(1), index: Index(1) })));
    assert_eq!(votes(&mut cluster, B), [false]);
    assert_eq!(cluster.status(B).term, Term(9), "the term is adopted all the same");
}

/// Raft §5.4.1: the later term wins, however long the other log is.
#[test]
pub(super) fn a_longer_log_of_an_older_term_gets_no_vote() {
    let mut cluster = Cluster::led_by(A, 3);
    cluster.tick(B, 10);
    cluster.take_messages();
    cluster.deliver(vote_request(C, B, 9, Some(Position { term: Term(0), index: Index(7) })));
    assert_eq!(votes(&mut cluster, B), [false]);
}

#[test]
pub(super) fn a_vote_that_arrives_twice_counts_once() {
    let mut cluster = Cluster::new(5, 1);
    make_candidate(&mut cluster);
    let term = cluster.status(A).term;
    let vote = Envelope { from: B, to: A, term, message: Message::VoteResponse { granted: true } };
    cluster.deliver(vote.clone());
    cluster.deliver(vote);
    assert_eq!(cluster.status(A).role, RoleName::Candidate);
}

#[test]
pub(super) fn a_vote_of_an_older_term_does_not_count() {
    let mut cluster = Cluster::new(3, 1);
    make_candidate(&mut cluster);
    let first = cluster.status(A).term;
    while cluster.status(A).term == first {
        cluster.tick(A, 1);
        cluster.deliver_only(is_pre_vote);
    }
    assert_eq!(cluster.status(A).role, RoleName::Candidate);
    let late = Envelope { from: B, to: A, term: first, message: Message::VoteResponse { granted: true } };
    cluster.deliver(late);
    assert_eq!(cluster.status(A).role, RoleName::Candidate);
}

/// The Students' Guide: whoever cannot win must not keep those who can from trying.
#[test]
pub(super) fn a_refused_question_does_not_make_a_member_wait_anew() {
    let mut cluster = Cluster::led_by(A, 3);
    cluster.crash(A);
    cluster.crash(C);
    cluster.crash(B);
    cluster.restart(B);
    for _ in 0..2 * cluster.config.election_ticks {
        cluster.tick(B, 1);
        let message = Message::PreVoteRequest { for_term: Term(2), last: None };
        cluster.deliver(Envelope { from: C, to: B, term: Term(1), message });
    }
    assert_eq!(cluster.status(B).role, RoleName::PreCandidate);
}

/// thesis §4.2.3: without this, a member that was cut off unseats a working leader when it comes back.
#[test]
pub(super) fn a_member_that_hears_a_leader_ignores_candidates_and_their_terms() {
    let mut cluster = Cluster::led_by(A, 3);
    let last = Some(Position { term: Term(9), index: Index(9) });
    for receiver in [A, B] {
        cluster.deliver(vote_request(C, receiver, 8, last));
        assert_eq!(cluster.status(receiver).term, Term(1));
        assert!(votes(&mut cluster, receiver).is_empty());
    }
}

#[test]
pub(super) fn an_isolated_member_does_not_climb_in_term() {
    let mut cluster = Cluster::led_by(A, 3);
    for _ in 0..20 {
        [A, B, C].into_iter().for_each(|id| cluster.tick(id, 5));
        cluster.deliver_where(|from, to| from != C && to != C);
    }
    assert_eq!(cluster.status(C).role, RoleName::PreCandidate);
    assert_eq!([A, B, C].map(|id| cluster.status(id).term), [Term(1); 3]);
    for _ in 0..3 {
        [A, B, C].into_iter().for_each(|id| cluster.tick(id, 1));
        cluster.deliver_all();
    }
    assert_eq!([A, B, C].map(|id| cluster.status(id).leader), [Some(A); 3]);
}

/// etcd #8243: with pre-votes, a member of a higher term and a leader that ignores it must not be stuck for ever.
#[test]
pub(super) fn a_member_of_a_higher_term_is_taken_in_again() {
    let mut cluster = Cluster::led_by(A, 3);
    cluster.crash(C);
    cluster.members.get_mut(&C).unwrap().platter.hard_state.term = Term(7);
    cluster.restart(C);
    for _ in 0..60 {
        [A, B, C].into_iter().for_each(|id| cluster.tick(id, 1));
        cluster.deliver_all();
    }
    let leader = cluster.status(A).leader;
    assert!(leader.is_some());
    assert_eq!([A, B, C].map(|id| cluster.status(id).leader), [leader; 3]);
    assert!(cluster.status(A).term >= Term(7));
}

#[test]
fn a_leader_without_a_majority_gives_up() {
    let mut cluster = Cluster::led_by(A, 3);
    cluster.tick(A, 21);
    assert_ne!(cluster.status(A).role, RoleName::Leader);
    let lost = Event::LostLeader { leader: A, term: Term(1), cause: LostLeader::NoQuorum };
    assert!(cluster.members[&A].events.contains(&lost));
}

#[test]
fn a_leader_that_half_of_four_answer_gives_up() {
    let mut cluster = Cluster::led_by(A, 4);
    for _ in 0..25 {
        cluster.tick(A, 1);
        cluster.deliver_where(|from, to| [from, to].iter().all(|id| [A, B].contains(id)));
    }
    assert_ne!(cluster.status(A).role, RoleName::Leader);
}

#[test]
fn a_crashed_leader_whose_connections_broke_is_replaced_before_an_election_timeout_has_passed() {
    let mut waits = Vec::new();
    for seed in 0..51 {
        let mut cluster = Cluster::new(3, seed);
        cluster.elect(A);
        cluster.crash(A);
        [B, C].into_iter().for_each(|id| cluster.step(id, Input::Suspect(A)));
        let mut ticks = 0;
        while ![B, C].iter().any(|id| cluster.status(*id).role == RoleName::Leader) {
            [B, C].into_iter().for_each(|id| {
                cluster.tick(id, 1);
                cluster.deliver_all();
            });
            ticks += 1;
        }
        waits.push(ticks);
        let lost = Event::LostLeader { leader: A, term: Term(1), cause: LostLeader::Suspected };
        assert!([B, C].iter().any(|id| cluster.members[id].events.contains(&lost)));
    }
    waits.sort_unstable();
    assert!(waits[50] < Cluster::new(1, 1).config.election_ticks, "{waits:?}");
}

#[test]
fn a_split_vote_in_a_hurry_is_soon_repeated() {
    let mut cluster = Cluster::led_by(A, 3);
    cluster.crash(A);
    [B, C].into_iter().for_each(|id| cluster.step(id, Input::Suspect(A)));
    // Both stand before they hear of each other.
    for id in [B, C] {
        while cluster.status(id).role != RoleName::PreCandidate {
            cluster.tick(id, 1);
        }
    }
    let mut ticks = 0;
    while ![B, C].iter().any(|id| cluster.status(*id).role == RoleName::Leader) {
        [B, C].into_iter().for_each(|id| cluster.tick(id, 1));
        cluster.deliver_all();
        ticks += 1;
        assert!(ticks <= 100, "nobody is elected");
    }
    assert!(cluster.status(B).term >= Term(3), "the vote was split once");
}

#[test]
fn one_broken_cable_unseats_nobody() {
    let mut cluster = Cluster::led_by(A, 3);
    cluster.step(B, Input::Suspect(A));
    for _ in 0..40 {
        [A, B, C].into_iter().for_each(|id| cluster.tick(id, 1));
        cluster.deliver_where(|from, to| !(from == A && to == B || from == B && to == A));
    }
    assert_eq!((cluster.status(A).role, cluster.status(A).term), (RoleName::Leader, Term(1)));
    assert_eq!(cluster.status(C).leader, Some(A));
}

#[test]
fn a_heartbeat_ends_the_suspicion() {
    let mut cluster = Cluster::led_by(A, 3);
    [B, C].into_iter().for_each(|id| cluster.step(id, Input::Suspect(A)));
    cluster.tick(A, cluster.config.heartbeat_ticks);
    cluster.deliver_all();
    let last = Some(Position { term: Term(9), index: Index(9) });
    cluster.deliver(vote_request(C, B, 8, last));
    assert_eq!(cluster.status(B).term, Term(1), "B trusts its leader again");
}

#[test]
fn to_suspect_somebody_who_does_not_lead_changes_nothing() {
    let mut cluster = Cluster::led_by(A, 3);
    let before = cluster.raft(B).clone();
    cluster.step(B, Input::Suspect(C));
    assert_eq!(*cluster.raft(B), before);
}

#[test]
pub(super) fn a_candidate_whose_timeout_passes_stands_again_in_a_later_term() {
    let mut cluster = Cluster::new(3, 1);
    let mut terms = std::collections::BTreeSet::new();
    for _ in 0..200 {
        cluster.tick(A, 1);
        // Everybody would elect A, and no vote ever arrives.
        cluster.deliver_only(is_pre_vote);
        terms.insert(cluster.status(A).term);
    }
    assert!(terms.len() > 3, "A stood only in {terms:?}");
}

#[test]
pub(super) fn members_draw_different_timeouts() {
    let timeouts: std::collections::BTreeSet<u32> =
        (0..100).map(|seed| Cluster::new(1, seed).raft(A).timer.timeout_ticks).collect();
    assert_eq!(timeouts, (10..20).collect());
}

#[test]
fn who_suspected_the_last_leader_waits_for_the_next_one_as_long_as_anybody() {
    let [d, e] = [NodeId(4), NodeId(5)];
    let mut cluster = Cluster::led_by(A, 5);
    // B's longer log keeps it from voting for C.
    cluster.propose(A, "only B gets it");
    cluster.deliver_where(|from, to| from.max(to) == B);
    [B, C, d, e].into_iter().for_each(|id| cluster.step(id, Input::Suspect(A)));
    while cluster.status(C).role != RoleName::Leader {
        cluster.tick(C, 1);
        cluster.deliver_where(|from, to| from != A && to != A);
    }
    cluster.deliver_where(|from, to| from != A && to != A);
    assert_eq!(cluster.status(B).leader, Some(C));
    cluster.tick(B, 9);
    assert_eq!(cluster.status(B).leader, Some(C), "it has waited for less than an election timeout");
}
