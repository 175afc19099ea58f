//! The protocol: a pure machine that turns inputs into outputs.
//!
//! There is no I/O in this room, no clock, no thread and no ambient chance. [`Raft::step`] takes one [`Input`]; when all
//! that was waiting has been taken in, [`Raft::drain`] gives the [`Output`]s, and the driver carries them out. The same
//! inputs give the same outputs, bit for bit, on every machine. That is what lets the server run it on real threads,
//! the simulator run a whole cluster from one seed, and a model checker hold all of it in its hand.
//!
//! # In reading order
//!
//! | file | what it is about | Raft paper |
//! |---|---|---|
//! | `types.rs` | terms, indexes, entries | §5.1 |
//! | `message.rs` | what members say | Figure 2 |
//! | `io.rs` | what goes in and what comes out | |
//! | `config.rs` | settings, and what a disk remembers | |
//! | `mod.rs` | the machine; the rule about terms | §5.1 |
//! | `election.rs` | time-outs, pre-votes, votes | §5.2, §5.4.1 |
//! | `log.rs` | the log in memory | §5.3 |
//! | `append.rs` | the follower's side of replication | §5.3 |
//! | `progress.rs`, `replication.rs` | the leader's side | §5.3 |
//! | `quorum.rs`, `commit.rs` | majorities; what is committed | §5.4.2 |
//! | `promise.rs` | what must wait for the disk | Figure 2 |
//! | `read.rs` | reads without a write | §8 |
//! | `snapshot.rs` | forgetting | §7 |
//! | `check.rs` | what must always hold | Figure 3 |
//! | `canonical.rs` | what is all one to a model checker | |
//!
//! Here and there the code asks `mutants::is(…)` whether it shall make a known mistake. In a release the answer is the
//! constant `false`; read past it at first, and see [`crate::mutants`] when you wonder what could go wrong there.
//!
//! # Three members in memory
//!
//! ```
//! use std::collections::BTreeMap;
//! use raftwright::raft::*;
//!
//! // Carries out what the cores ask for. This disk is instant and these wires are perfect; yours will not be.
//! fn run(cluster: &mut BTreeMap<NodeId, Raft>, applied: &mut Vec<(NodeId, Payload)>) {
//!     loop {
//!         let outputs: Vec<(NodeId, Output)> =
//!             cluster.iter_mut().flat_map(|(id, raft)| raft.drain().into_iter().map(|o| (*id, o))).collect();
//!         if outputs.is_empty() {
//!             return;
//!         }
//!         for (id, output) in outputs {
//!             match output {
//!                 Output::Persist(write, _) => cluster.get_mut(&id).unwrap().step(Input::Persisted(write)),
//!                 Output::Send(envelope) => {
//!                     if let Some(peer) = cluster.get_mut(&envelope.to) {
//!                         peer.step(Input::Receive(envelope));
//!                     }
//!                 }
//!                 Output::Apply(entries) => {
//!                     let last = entries.last().unwrap().index;
//!                     applied.extend(entries.into_iter().map(|entry| (id, entry.payload)));
//!                     cluster.get_mut(&id).unwrap().step(Input::Applied(last));
//!                 }
//!                 _ => {}
//!             }
//!         }
//!     }
//! }
//!
//! let members = [NodeId(1), NodeId(2), NodeId(3)];
//! let mut cluster: BTreeMap<NodeId, Raft> = members
//!     .map(|id| {
//!         let first_start = Restored { membership: Membership::new(members), ..Restored::default() };
//!         (id, Raft::new(Config::new(id, id.0), first_start).unwrap())
//!     })
//!     .into();
//! let mut applied = Vec::new();
//! let leader_of = |cluster: &BTreeMap<NodeId, Raft>| cluster.values().find_map(|raft| raft.status().leader);
//!
//! // Time passes until one of them stands for election and wins.
//! while leader_of(&cluster).is_none() {
//!     cluster.values_mut().for_each(|raft| raft.step(Input::Tick));
//!     run(&mut cluster, &mut applied);
//! }
//! let first_leader = leader_of(&cluster).unwrap();
//!
//! // A command is replicated, committed and applied by all three.
//! let set_x = Payload::Command("x = 1".into());
//! cluster.get_mut(&first_leader).unwrap().step(Input::Propose(ProposalId(1), "x = 1".into()));
//! run(&mut cluster, &mut applied);
//! for _ in 0..10 {
//!     cluster.values_mut().for_each(|raft| raft.step(Input::Tick));
//!     run(&mut cluster, &mut applied);
//! }
//! assert_eq!(applied.iter().filter(|(_, payload)| *payload == set_x).count(), 3);
//!
//! // The leader crashes; the other two elect one of them in a later term, and go on.
//! let old_term = cluster.remove(&first_leader).unwrap().status().term;
//! while !cluster.values().any(|raft| raft.status().role == RoleName::Leader) {
//!     cluster.values_mut().for_each(|raft| raft.step(Input::Tick));
//!     run(&mut cluster, &mut applied);
//! }
//! let new_leader = cluster.values().find(|raft| raft.status().role == RoleName::Leader).unwrap().status();
//! assert!(new_leader.id != first_leader && new_leader.term > old_term);
//! assert_eq!(new_leader.last_index, Some(Index(3)), "two leaders' empty entries, and x = 1 between them");
//! ```

mod append;
#[cfg(any(test, feature = "model-check"))]
mod canonical;
mod check;
mod commit;
mod config;
mod election;
mod io;
mod log;
mod message;
mod progress;
mod promise;
mod quorum;
mod random;
mod read;
mod replication;
mod snapshot;
mod types;

#[cfg(test)]
mod tests;

use std::fmt;

use bytes::Bytes;

use crate::mutants::{self, Mutant};

pub use config::{Config, Restored};
pub use io::{Event, Input, LostLeader, Output, Reason, Refused, RoleName, Status};
pub use message::{AppendOutcome, Envelope, Message, RemoteReadId, Round, SnapshotOrder};
pub use quorum::majority;
pub use types::{
    Entry, HardState, Index, Membership, NodeId, Payload, Position, ProposalId, ReadId, Snapshot,
    SnapshotMeta, Term, Write, WriteId,
};

use append::Append;
use election::{Ballot, Following, Timer};
use log::Log;
use progress::Inflight;
use promise::Disk;
use random::Dice;
use read::Reads;
use replication::Leading;

/// One member's part in the protocol.
///
/// Invariants: [`Raft::check_state`] says them as code.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Raft {
    config: Config,
    membership: Membership,
    dice: Dice,
    /// Raft Figure 2: `currentTerm`.
    term: Term,
    /// Raft Figure 2: `votedFor`, in `term`.
    vote: Option<NodeId>,
    log: Log,
    /// Raft Figure 2: `commitIndex`.
    commit: Option<Index>,
    /// What was handed to the state machine.
    handed_over: Option<Index>,
    /// What of it is on its way.
    applying: Inflight,
    /// Raft Figure 2: `lastApplied`.
    applied: Option<Index>,
    role: Role,
    timer: Timer,
    disk: Disk,
    /// Proposals since the last drain.
    proposals: Vec<(ProposalId, Bytes)>,
    reads: Reads,
    outputs: Vec<Output>,
}

/// What a member is at the moment (Raft §5.1), with what it knows only then.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Role {
    Follower(Following),
    PreCandidate(Ballot),
    Candidate(Ballot),
    Leader(Leading),
}

/// What the disk remembers contradicts itself, so no member can be made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreError(String);

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the restored log contradicts itself: {}", self.0)
    }
}

impl std::error::Error for RestoreError {}

impl Raft {
    /// A follower that continues from what its disk remembers.
    ///
    /// # Errors
    /// If the restored entries have a gap, or terms that go back or lie beyond the hard state's.
    pub fn new(config: Config, restored: Restored) -> Result<Raft, RestoreError> {
        let Restored { membership, hard_state, snapshot, entries } = restored;
        let covered = snapshot.as_ref().map(|meta| meta.last.index);
        let membership = snapshot.as_ref().map_or(membership, |meta| meta.membership.clone());
        let log = Log::restore(snapshot, entries).map_err(RestoreError)?;
        if let Some(last) = log.last()
            && last.term > hard_state.term
        {
            let reason = format!("its last entry is of term {}, the vote of {}", last.term, hard_state.term);
            return Err(RestoreError(reason));
        }
        let mut dice = Dice::new(config.seed);
        let mut raft = Raft {
            disk: Disk::new(hard_state, log.last_index()),
            reads: Reads::new(dice.any()),
            membership,
            dice,
            term: hard_state.term,
            vote: hard_state.vote,
            commit: hard_state.commit.min(log.last_index()).max(covered),
            handed_over: covered,
            applying: Inflight::default(),
            applied: covered,
            role: Role::Follower(Following::default()),
            timer: Timer::default(),
            proposals: Vec::new(),
            outputs: Vec::new(),
            log,
            config,
        };
        raft.restart_timer();
        Ok(raft)
    }

    /// Takes one input in. What it leads to comes out at the next [`drain`](Raft::drain).
    pub fn step(&mut self, input: Input) {
        match input {
            Input::Tick => self.tick(),
            Input::Receive(envelope) => self.receive(envelope),
            Input::Propose(id, command) => self.proposals.push((id, command)),
            Input::Read(id) => self.reads.push(id),
            Input::Persisted(id) => self.on_persisted(id),
            Input::Applied(index) => self.on_applied(index),
            Input::SnapshotTaken(meta) => self.on_snapshot_taken(meta),
            Input::SnapshotSent { to, delivered, .. } => self.on_snapshot_sent(to, delivered),
            Input::Suspect(peer) => self.on_suspect(peer),
        }
    }

    // ANCHOR: drain
    /// Gives all that the inputs since the last drain have led to, in the order in which it shall be carried out.
    ///
    /// All that was proposed since then leaves as one write, and as one append to each peer.
    pub fn drain(&mut self) -> Vec<Output> {
        self.place_proposals();
        self.place_reads();
        self.flush_writes();
        if matches!(self.role, Role::Leader(_)) {
            self.replicate();
        }
        self.apply_committed();
        std::mem::take(&mut self.outputs)
    }
    // ANCHOR_END: drain

    /// A view of the state.
    pub fn status(&self) -> Status {
        Status {
            id: self.config.id,
            term: self.term,
            role: match &self.role {
                Role::Follower(_) => RoleName::Follower,
                Role::PreCandidate(_) => RoleName::PreCandidate,
                Role::Candidate(_) => RoleName::Candidate,
                Role::Leader(_) => RoleName::Leader,
            },
            leader: self.leader(),
            last_index: self.log.last_index(),
            commit: self.commit,
            applied: self.applied,
        }
    }

    /// Who takes part, as far as this member knows.
    pub fn membership(&self) -> &Membership {
        &self.membership
    }

    /// The term of an entry, unless it is forgotten or not there. A driver needs it to label a snapshot.
    pub fn term_of(&self, index: Index) -> Option<Term> {
        self.log.term_of(index)
    }

    fn tick(&mut self) {
        match &self.role {
            Role::Leader(_) => self.tick_leader(),
            _ => self.tick_election(),
        }
    }

    // ANCHOR: terms
    /// The rule about terms (Raft §5.1), once, ahead of every role: a higher term is adopted before anything else is
    /// looked at, and what a lower term says is answered with ours, so that its sender learns of it.
    fn receive(&mut self, envelope: Envelope) {
        let Envelope { from, to, term, message } = envelope;
        if to != self.config.id || from == self.config.id {
            return self.impossible(from, "it takes this member for another");
        }
        if mutants::is(Mutant::TimerResetByAnyMessage) {
            self.timer.elapsed_ticks = 0;
        }
        if term > self.term && !mutants::is(Mutant::HigherTermIgnored) {
            let asks_for_votes =
                matches!(message, Message::VoteRequest { .. } | Message::PreVoteRequest { .. });
            if asks_for_votes && self.hears_a_leader() {
                return;
            }
            if mutants::is(Mutant::MessageBeforeItsTerm) {
                self.dispatch(from, message);
                return self.adopt_term(term);
            }
            self.adopt_term(term);
        }
        if term < self.term && !outlives_its_term(&message) {
            return self.answer_stale(from, &message);
        }
        self.dispatch(from, message);
    }
    // ANCHOR_END: terms

    fn dispatch(&mut self, from: NodeId, message: Message) {
        match message {
            Message::PreVoteRequest { for_term, last } => self.on_pre_vote_request(from, for_term, last),
            Message::PreVoteResponse { for_term, granted } => {
                self.on_pre_vote_response(from, for_term, granted);
            }
            Message::VoteRequest { last } => self.on_vote_request(from, last),
            Message::VoteResponse { granted: true } => self.count_vote(from),
            Message::VoteResponse { granted: false } => {}
            Message::Append { previous, entries, commit, round } => {
                self.on_append(from, Append { previous, entries, commit, round });
            }
            Message::AppendResponse { outcome, round } => self.on_append_response(from, outcome, round),
            Message::Heartbeat { commit, round } => self.on_heartbeat(from, commit, round),
            Message::Commit { commit } => self.on_commit(from, commit),
            Message::HeartbeatResponse { round } => self.on_heartbeat_response(from, round),
            Message::InstallSnapshot { snapshot } => self.on_install_snapshot(from, snapshot),
            Message::InstallSnapshotResponse { matched } => self.on_snapshot_response(from, matched),
            Message::Forward { commands } => {
                for command in commands {
                    self.append_command(command);
                }
            }
            Message::ReadIndexRequest { read } => self.on_read_index_request(from, read),
            Message::ReadIndexResponse { read, index } => self.on_read_index_response(read, index),
        }
    }

    /// Tells a sender of a lower term that its time is over. Without an answer a member with a higher term, and an old
    /// leader that cannot reach it otherwise, would ignore each other for ever (etcd #8243).
    fn answer_stale(&mut self, to: NodeId, message: &Message) {
        let answer = match message {
            Message::PreVoteRequest { for_term, .. } => {
                Message::PreVoteResponse { for_term: *for_term, granted: false }
            }
            Message::VoteRequest { .. } => Message::VoteResponse { granted: false },
            Message::Append { .. }
            | Message::Heartbeat { .. }
            | Message::Commit { .. }
            | Message::InstallSnapshot { .. } => Message::HeartbeatResponse { round: Round(0) },
            _ => return,
        };
        self.send(to, answer);
    }

    /// Appends what was proposed since the last drain, or passes it on to the leader.
    fn place_proposals(&mut self) {
        let proposals = std::mem::take(&mut self.proposals);
        let leader = self.leader();
        let mut forwarded: Vec<Bytes> = Vec::new();
        for (id, command) in proposals {
            let reason = match leader {
                Some(leader) if leader != self.config.id => {
                    forwarded.push(command);
                    continue;
                }
                Some(_) if self.append_command(command) => continue,
                Some(_) => Reason::Overloaded,
                None => Reason::NoLeader,
            };
            self.outputs.push(Output::Rejected(Refused::Proposal(id), reason));
        }
        if let Some(leader) = leader {
            self.forward(leader, forwarded);
        }
    }

    fn forward(&mut self, leader: NodeId, commands: Vec<Bytes>) {
        let mut batch = Vec::new();
        let mut bytes = 0usize;
        for command in commands {
            if bytes >= self.config.max_append_bytes {
                self.send(leader, Message::Forward { commands: std::mem::take(&mut batch) });
                bytes = 0;
            }
            bytes = bytes.saturating_add(command.len() + Entry::OVERHEAD_BYTES);
            batch.push(command);
        }
        if !batch.is_empty() {
            self.send(leader, Message::Forward { commands: batch });
        }
    }

    fn is_voter(&self) -> bool {
        self.membership.voters.contains(&self.config.id)
    }

    fn leader(&self) -> Option<NodeId> {
        match &self.role {
            Role::Leader(_) => Some(self.config.id),
            Role::Follower(following) => following.leader,
            _ => None,
        }
    }

    /// All other members, in order.
    fn peers(&self) -> Vec<NodeId> {
        self.membership.voters.iter().copied().filter(|id| *id != self.config.id).collect()
    }

    fn envelope(&self, to: NodeId, message: Message) -> Envelope {
        Envelope { from: self.config.id, to, term: self.term, message }
    }

    fn send(&mut self, to: NodeId, message: Message) {
        let envelope = self.envelope(to, message);
        self.outputs.push(Output::Send(envelope));
    }

    fn send_to_peers(&mut self, message: impl Fn() -> Message) {
        for peer in self.peers() {
            self.send(peer, message());
        }
    }

    fn event(&mut self, event: Event) {
        self.outputs.push(Output::Event(event));
    }

    fn impossible(&mut self, from: NodeId, what: &'static str) {
        self.event(Event::ImpossibleMessage { from, what });
    }
}

/// Whether a message means the same in a later term than its sender's: what asks the leader, whoever leads, does.
fn outlives_its_term(message: &Message) -> bool {
    match message {
        Message::Forward { .. } | Message::ReadIndexRequest { .. } => true,
        Message::Append { .. } | Message::Heartbeat { .. } | Message::Commit { .. } => {
            mutants::is(Mutant::StaleAppendAccepted)
        }
        Message::VoteResponse { .. } => mutants::is(Mutant::OldVoteCounted),
        Message::AppendResponse { .. } | Message::HeartbeatResponse { .. } => {
            mutants::is(Mutant::StaleRepliesProcessed)
        }
        _ => false,
    }
}
