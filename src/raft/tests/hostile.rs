//! No message of a peer can make a member panic, whatever is in it.

use proptest::prelude::*;

use super::cluster::{A, B, C, Cluster};
use crate::raft::*;

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0u64..8, 1 => Just(u64::MAX), 1 => Just(u64::MAX >> 1), 1 => any::<u64>()]
}

fn position() -> impl Strategy<Value = Position> {
    (number(), number()).prop_map(|(term, index)| Position { term: Term(term), index: Index(index) })
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let wild = proptest::collection::vec(position(), 0..4);
    let tame = (number(), number(), 0u64..4).prop_map(|(index, term, count)| {
        (0..count).map(|i| Position { term: Term(term), index: Index(index.saturating_add(i)) }).collect()
    });
    prop_oneof![wild, tame].prop_map(|positions: Vec<Position>| {
        let entry =
            |p: Position| Entry { term: p.term, index: p.index, payload: Payload::Command("x".into()) };
        positions.into_iter().map(entry).collect()
    })
}

fn message() -> impl Strategy<Value = Message> {
    let index = || number().prop_map(Index);
    let maybe = || proptest::option::of(number().prop_map(Index));
    let round = || number().prop_map(Round);
    let last = || proptest::option::of(position());
    prop_oneof![
        (number(), last()).prop_map(|(t, last)| Message::PreVoteRequest { for_term: Term(t), last }),
        (number(), any::<bool>())
            .prop_map(|(t, granted)| Message::PreVoteResponse { for_term: Term(t), granted }),
        last().prop_map(|last| Message::VoteRequest { last }),
        any::<bool>().prop_map(|granted| Message::VoteResponse { granted }),
        (last(), entries(), maybe(), round()).prop_map(|(previous, entries, commit, round)| {
            Message::Append { previous, entries, commit, round }
        }),
        (maybe(), round()).prop_map(|(matched, round)| Message::AppendResponse {
            outcome: AppendOutcome::Stored { matched },
            round
        }),
        (index(), last(), round()).prop_map(|(refused, hint, round)| Message::AppendResponse {
            outcome: AppendOutcome::Conflict { refused, hint },
            round
        }),
        (maybe(), round()).prop_map(|(commit, round)| Message::Heartbeat { commit, round }),
        index().prop_map(|commit| Message::Commit { commit }),
        round().prop_map(|round| Message::HeartbeatResponse { round }),
        position().prop_map(|last| Message::InstallSnapshot {
            snapshot: Snapshot {
                meta: SnapshotMeta { last, membership: Membership::new([A, B, C]) },
                data: "0123456701234567".into()
            }
        }),
        index().prop_map(|matched| Message::InstallSnapshotResponse { matched }),
        Just(Message::Forward { commands: vec!["x".into()] }),
        number().prop_map(|read| Message::ReadIndexRequest { read: RemoteReadId(read) }),
        (number(), maybe())
            .prop_map(|(read, index)| Message::ReadIndexResponse { read: RemoteReadId(read), index }),
    ]
}

fn envelope() -> impl Strategy<Value = Envelope> {
    let term = prop_oneof![20 => 0u64..4, 1 => Just(u64::MAX)].prop_map(Term);
    let from = prop_oneof![8 => 2u64..4, 1 => 0u64..9].prop_map(NodeId);
    (from, term, message()).prop_map(|(from, term, message)| Envelope { from, to: A, term, message })
}

proptest! {
    /// What a lying peer says may break what it says it about, but the member stays upright: its own state stays consistent
    /// (which `feed` checks), it goes on ticking, and it takes proposals.
    #[test]
    fn a_member_survives_any_messages(
        leads in any::<bool>(),
        envelopes in proptest::collection::vec(envelope(), 1..30),
    ) {
        let cluster = if leads { Cluster::led_by(A, 3) } else { Cluster::new(3, 1) };
        let mut raft = cluster.raft(A).clone();
        let mut tickets = Vec::new();
        for (nth, envelope) in envelopes.into_iter().enumerate() {
            raft.step(Input::Receive(envelope));
            raft.step(Input::Tick);
            raft.step(Input::Propose(ProposalId(nth as u64), "y".into()));
            raft.step(Input::Read(ReadId(nth as u64)));
            for output in raft.drain() {
                if let Output::Persist(ticket, _) | Output::Install(ticket, _) = output {
                    tickets.push(ticket);
                }
            }
            if nth % 3 == 0 {
                tickets.drain(..).for_each(|ticket| raft.step(Input::Persisted(ticket)));
            }
            if let Err(what) = raft.check_state() {
                prop_assert!(false, "{what}\n{raft:#?}");
            }
        }
    }
}

#[test]
fn a_message_for_somebody_else_is_ignored() {
    let mut cluster = Cluster::led_by(A, 3);
    let message = Message::Heartbeat { commit: None, round: Round(0) };
    let astray = Envelope { from: C, to: A, term: Term(99), message };
    cluster.step(B, Input::Receive(astray));
    assert_eq!(cluster.status(B).term, Term(1));
    assert!(cluster.members[&B].events.iter().any(|e| matches!(e, Event::ImpossibleMessage { .. })));
}
