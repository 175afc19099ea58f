//! A whole cluster as one value: the state of the model, and what can happen in it.

use std::cmp::Ordering;
use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use bytes::Bytes;
use stateright::Property;

use super::oracle::{self, Counters, Oracle};
use super::{Bounds, Disks, PreVotes, Start};
use crate::codec;
#[cfg(any(test, feature = "mutants"))]
use crate::mutants::{self, Mutant};
use crate::raft::{
    Config, Entry, Envelope, Event, HardState, Index, Input, Membership, Message, NodeId, Output, ProposalId,
    Raft, Restored, RoleName, Term, Write, WriteId,
};

/// More than a heartbeat takes.
const ELECTION_TICKS: u32 = 2;

/// What is on a member's disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Disk {
    pub(super) hard_state: HardState,
    pub(super) entries: Vec<Entry>,
}

impl Disk {
    pub(super) fn entry(&self, index: Index) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.index == index)
    }

    fn write(&mut self, write: Write) {
        self.hard_state = write.hard_state.unwrap_or(self.hard_state);
        if let Some(first) = write.entries.first() {
            self.entries.retain(|entry| entry.index < first.index);
        }
        self.entries.extend(write.entries);
    }
}

/// A member, its disk, and the writes on the way between them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Member {
    pub(super) core: Raft,
    pub(super) disk: Disk,
    under_way: VecDeque<(WriteId, Write)>,
}

impl Member {
    /// Its whole log: what is on the disk, and what will be.
    pub(super) fn log(&self) -> Vec<&Entry> {
        let mut log: Vec<&Entry> = self.disk.entries.iter().collect();
        for (_, write) in &self.under_way {
            if let Some(first) = write.entries.first() {
                log.retain(|entry| entry.index < first.index);
            }
            log.extend(&write.entries);
        }
        log
    }

    /// Brings it into the form in which equal states are equal.
    fn make_canonical(&mut self) {
        self.core = self.core.clone().canonical();
        (1..).zip(&mut self.under_way).for_each(|(number, (id, _))| *id = WriteId(number));
    }
}

/// A message, with its bytes to order it by.
#[derive(Clone, Debug)]
struct Letter {
    envelope: Envelope,
    bytes: Vec<u8>,
}

impl Letter {
    fn new(envelope: Envelope) -> Letter {
        let bytes = codec::encode(&envelope).expect("messages can be encoded");
        Letter { envelope, bytes }
    }
}

impl PartialEq for Letter {
    fn eq(&self, other: &Letter) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for Letter {}

impl PartialOrd for Letter {
    fn partial_cmp(&self, other: &Letter) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Letter {
    fn cmp(&self, other: &Letter) -> Ordering {
        self.bytes.cmp(&other.bytes)
    }
}

impl Hash for Letter {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes.hash(state);
    }
}

/// The state of the model. Parts that a step does not touch are shared with the state before it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Cluster {
    members: Vec<Arc<Member>>,
    /// All that was ever said.
    said: Arc<BTreeSet<Arc<Letter>>>,
    commands: u64,
    crashes: u64,
    pub(super) oracle: Oracle,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A member's patience ends: it stands for election, or gives up leading.
    TimeOut(NodeId),
    /// A leader says that it leads.
    Heartbeat(NodeId),
    /// A message arrives.
    Deliver(Envelope),
    /// The oldest write of a member becomes durable.
    Persist(NodeId),
    /// A member crashes and comes back. So many of its writes under way had become durable, the oldest first.
    Crash(NodeId, usize),
    /// A leader is given a command.
    Propose(NodeId),
}

impl Action {
    /// Whose turn it is.
    fn member(&self) -> NodeId {
        match self {
            Action::Deliver(envelope) => envelope.to,
            Action::TimeOut(id)
            | Action::Heartbeat(id)
            | Action::Persist(id)
            | Action::Crash(id, _)
            | Action::Propose(id) => *id,
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::TimeOut(member) => write!(f, "time-out {member}"),
            Action::Heartbeat(member) => write!(f, "heartbeat {member}"),
            Action::Deliver(Envelope { from, to, term, message }) => {
                write!(f, "deliver {from}->{to} in term {term}: {message:?}")
            }
            Action::Persist(member) => write!(f, "persist {member}"),
            Action::Crash(member, kept) => {
                write!(f, "crash {member}, keeping {kept} of the writes under way")
            }
            Action::Propose(member) => write!(f, "propose {member}"),
        }
    }
}

/// The model.
pub(super) struct Model {
    bounds: Bounds,
    #[cfg(any(test, feature = "mutants"))]
    pub(super) mutant: Option<Mutant>,
    pub(super) counters: Arc<Counters>,
}

impl Model {
    pub(super) fn new(bounds: Bounds) -> Model {
        Model {
            bounds,
            #[cfg(any(test, feature = "mutants"))]
            mutant: None,
            counters: Arc::default(),
        }
    }

    fn ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (1..=self.bounds.members).map(NodeId)
    }

    /// A member that continues from its disk.
    fn born(&self, id: NodeId, disk: Disk) -> Member {
        let config = Config {
            heartbeat_ticks: 1,
            election_ticks: ELECTION_TICKS,
            max_append_bytes: if self.bounds.one_entry_an_append { 1 } else { usize::MAX },
            // All draw alike: chance decides nothing here.
            ..Config::new(id, 0)
        };
        let restored = Restored {
            membership: Membership::new(self.ids()),
            hard_state: disk.hard_state,
            snapshot: None,
            entries: disk.entries.clone(),
        };
        let core = Raft::new(config, restored).expect("a disk holds what a core has written");
        Member { core: core.canonical(), disk, under_way: VecDeque::new() }
    }

    fn fresh(&self) -> Cluster {
        Cluster {
            members: self.ids().map(|id| Arc::new(self.born(id, Disk::default()))).collect(),
            said: Arc::default(),
            commands: 0,
            crashes: 0,
            oracle: Oracle::default(),
        }
    }

    /// Figure 8 up to (c), played by actions of the model.
    fn figure_8(&self) -> Cluster {
        let is_request = |message: &Message| matches!(message, Message::VoteRequest { .. });
        let is_vote = |message: &Message| matches!(message, Message::VoteResponse { granted: true });
        let mut cluster = self.fresh();
        for (candidate, term) in [(NodeId(1), Term(1)), (NodeId(3), Term(2)), (NodeId(1), Term(3))] {
            while cluster.member(candidate).is_some_and(|member| member.core.status().term < term) {
                cluster = self.perform(&cluster, &Action::TimeOut(candidate)).unwrap_or(cluster);
            }
            cluster = self.deliver_first(cluster, (candidate, NodeId(2)), term, is_request);
            cluster = self.deliver_first(cluster, (NodeId(2), candidate), term, is_vote);
        }
        let is_probe = |message: &Message| matches!(message, Message::Append { previous: Some(_), .. });
        let is_refusal = |message: &Message| matches!(message, Message::AppendResponse { .. });
        let is_first = |message: &Message| matches!(message, Message::Append { previous: None, .. });
        cluster = self.deliver_first(cluster, (NodeId(1), NodeId(2)), Term(3), is_probe);
        cluster = self.deliver_first(cluster, (NodeId(2), NodeId(1)), Term(3), is_refusal);
        self.deliver_first(cluster, (NodeId(1), NodeId(2)), Term(3), is_first)
    }

    fn deliver_first(
        &self,
        cluster: Cluster,
        (from, to): (NodeId, NodeId),
        term: Term,
        is_wanted: impl Fn(&Message) -> bool,
    ) -> Cluster {
        let found = cluster.said.iter().map(|letter| &letter.envelope).find(|envelope| {
            (envelope.from, envelope.to, envelope.term) == (from, to, term) && is_wanted(&envelope.message)
        });
        let next = found.and_then(|envelope| self.perform(&cluster, &Action::Deliver(envelope.clone())));
        next.unwrap_or(cluster)
    }

    /// What follows from an action, or `None` if it cannot happen.
    fn perform(&self, cluster: &Cluster, action: &Action) -> Option<Cluster> {
        #[cfg(any(test, feature = "mutants"))]
        let _alive = self.mutant.map(mutants::let_live);
        let mut turn = Turn { model: self, cluster: cluster.clone() };
        match action {
            Action::TimeOut(id) => turn.time_out(*id),
            Action::Heartbeat(id) => turn.step(*id, Input::Tick),
            Action::Deliver(envelope) => turn.step(envelope.to, Input::Receive(envelope.clone())),
            Action::Persist(id) => turn.persist(*id),
            Action::Crash(id, kept) => turn.crash(*id, *kept),
            Action::Propose(id) => {
                turn.cluster.commands += 1;
                let command = Bytes::from(turn.cluster.commands.to_string());
                turn.step(*id, Input::Propose(ProposalId(turn.cluster.commands), command));
            }
        }
        turn.end(action.member())
    }
}

/// One action under way.
struct Turn<'a> {
    model: &'a Model,
    cluster: Cluster,
}

impl Cluster {
    fn place(&self, id: NodeId) -> Option<usize> {
        usize::try_from(id.0.checked_sub(1)?).ok().filter(|place| *place < self.members.len())
    }

    fn member(&self, id: NodeId) -> Option<&Member> {
        self.members.get(self.place(id)?).map(Arc::as_ref)
    }

    fn member_mut(&mut self, id: NodeId) -> Option<&mut Member> {
        let place = self.place(id)?;
        self.members.get_mut(place).map(Arc::make_mut)
    }

    /// Forgets the messages that can make no difference to a member any more: answers of a term that is over for it, and a
    /// refused vote even of its own term. Its disk says so, so that no crash can bring the term back.
    fn forget_void(&mut self, id: NodeId) {
        let Some(term) = self.member(id).map(|member| member.disk.hard_state.term) else { return };
        let is_void = |envelope: &Envelope| {
            envelope.to == id
                && match envelope.message {
                    Message::VoteResponse { granted: false } => envelope.term <= term,
                    Message::PreVoteResponse { .. }
                    | Message::VoteResponse { .. }
                    | Message::AppendResponse { .. }
                    | Message::HeartbeatResponse { .. } => envelope.term < term,
                    _ => false,
                }
        };
        if self.said.iter().any(|letter| is_void(&letter.envelope)) {
            Arc::make_mut(&mut self.said).retain(|letter| !is_void(&letter.envelope));
        }
    }
}

impl Turn<'_> {
    /// Hands one input to a member, and carries out what follows.
    fn step(&mut self, id: NodeId, input: Input) {
        let Some(member) = self.cluster.member_mut(id) else { return };
        let before = member.core.clone();
        member.core.step(input);
        let outputs = member.core.drain();
        let invariants = member.core.check_state().and_then(|()| Raft::check_step(&before, &member.core));
        self.cluster.oracle.own_invariants(invariants);
        let mut applied = Vec::new();
        for output in outputs {
            match output {
                Output::Persist(write, content) => {
                    if let Some(member) = self.cluster.member_mut(id) {
                        member.under_way.push_back((write, content));
                    }
                }
                Output::Send(envelope) => self.send(id, envelope),
                Output::Apply(entries) => applied.extend(entries),
                Output::Event(event) => self.happened(id, &event),
                // Nobody reads, and no log is compacted.
                Output::Install(..)
                | Output::SendSnapshot(_)
                | Output::ReadReady(..)
                | Output::Rejected(..) => {}
            }
        }
        if let Some(place) = self.cluster.place(id) {
            self.cluster.oracle.look(&self.cluster.members, place, &self.model.counters);
        }
        if let Some(last) = applied.last().map(|entry| entry.index) {
            self.cluster.oracle.applied(&applied);
            self.step(id, Input::Applied(last));
        }
        if self.model.bounds.disks == Disks::Instant {
            self.persist(id);
        }
    }

    fn send(&mut self, id: NodeId, envelope: Envelope) {
        let Some(member) = self.cluster.member(id) else { return };
        let is_about_pre_votes =
            matches!(envelope.message, Message::PreVoteRequest { .. } | Message::PreVoteResponse { .. });
        if is_about_pre_votes && self.model.bounds.pre_votes == PreVotes::Granted {
            return;
        }
        let term = member.core.status().term;
        let mut oracle = std::mem::take(&mut self.cluster.oracle);
        if let Some(member) = self.cluster.member(id) {
            oracle.said(member, &envelope, term);
        }
        self.cluster.oracle = oracle;
        Arc::make_mut(&mut self.cluster.said).insert(Arc::new(Letter::new(envelope)));
    }

    fn happened(&mut self, id: NodeId, event: &Event) {
        self.model.counters.happened(event);
        if let Event::BecameLeader { term, .. } = event {
            self.cluster.oracle.elected(id, *term);
        }
    }

    /// Gives a member as many ticks as it takes to change its mind.
    fn time_out(&mut self, id: NodeId) {
        let Some(member) = self.cluster.member_mut(id) else { return };
        if member.core.status().role == RoleName::Leader {
            // It has heard from nobody, and nobody hears the heartbeats that it sends meanwhile.
            (0..ELECTION_TICKS).for_each(|_| member.core.step(Input::Tick));
            member.core.drain();
            return;
        }
        self.step(id, Input::Tick);
        if self.model.bounds.pre_votes == PreVotes::Granted {
            for from in self.model.ids().filter(|from| *from != id) {
                let Some(status) = self.cluster.member(id).map(|member| member.core.status()) else { return };
                if status.role == RoleName::PreCandidate {
                    let message = Message::PreVoteResponse { for_term: status.term.next(), granted: true };
                    let envelope = Envelope { from, to: id, term: status.term, message };
                    self.step(id, Input::Receive(envelope));
                }
            }
        }
    }

    /// The oldest write under way becomes durable.
    fn persist(&mut self, id: NodeId) {
        let Some(member) = self.cluster.member_mut(id) else { return };
        if let Some((ticket, write)) = member.under_way.pop_front() {
            member.disk.write(write);
            self.step(id, Input::Persisted(ticket));
        }
    }

    fn crash(&mut self, id: NodeId, kept: usize) {
        self.cluster.crashes += 1;
        let Some(member) = self.cluster.member_mut(id) else { return };
        let mut disk = std::mem::take(&mut member.disk);
        member.under_way.drain(..kept).for_each(|(_, write)| disk.write(write));
        self.model.counters.crashed(member.under_way.len());
        *member = self.model.born(id, disk);
    }

    /// The state after the turn of this member.
    fn end(mut self, id: NodeId) -> Option<Cluster> {
        self.cluster.member_mut(id)?.make_canonical();
        self.model.ids().for_each(|id| self.cluster.forget_void(id));
        Some(self.cluster)
    }
}

impl stateright::Model for Model {
    type State = Cluster;
    type Action = Action;

    fn init_states(&self) -> Vec<Cluster> {
        vec![match self.bounds.start {
            Start::Fresh => self.fresh(),
            Start::Figure8 => self.figure_8(),
        }]
    }

    fn actions(&self, cluster: &Cluster, actions: &mut Vec<Action>) {
        if cluster.oracle.violated.is_some() {
            return;
        }
        // Nothing tells the members of a fresh cluster apart, so it is all one which of them acts first.
        let is_untouched = cluster.crashes == 0
            && cluster.said.is_empty()
            && cluster.members.iter().all(|member| member.core.status().term == Term(0));
        let who = if is_untouched { 1 } else { cluster.members.len() };
        for (id, member) in self.ids().zip(&cluster.members).take(who) {
            let status = member.core.status();
            let leads = status.role == RoleName::Leader;
            if leads || status.term.0 < self.bounds.terms {
                actions.push(Action::TimeOut(id));
            }
            if leads && self.bounds.heartbeats {
                actions.push(Action::Heartbeat(id));
            }
            if leads && cluster.commands < self.bounds.commands {
                actions.push(Action::Propose(id));
            }
            if !member.under_way.is_empty() {
                actions.push(Action::Persist(id));
            }
            if cluster.crashes < self.bounds.crashes && !is_untouched {
                actions.extend((0..=member.under_way.len()).map(|kept| Action::Crash(id, kept)));
            }
        }
        actions.extend(cluster.said.iter().map(|letter| Action::Deliver(letter.envelope.clone())));
    }

    fn next_state(&self, cluster: &Cluster, action: Action) -> Option<Cluster> {
        self.perform(cluster, &action)
    }

    fn properties(&self) -> Vec<Property<Model>> {
        fn holds(cluster: &Cluster, property: &str) -> bool {
            cluster.oracle.violated != Some(property)
        }
        vec![
            Property::always(oracle::ELECTION_SAFETY, |_, c| holds(c, oracle::ELECTION_SAFETY)),
            Property::always(oracle::LOG_MATCHING, |_, c| holds(c, oracle::LOG_MATCHING)),
            Property::always(oracle::LEADER_COMPLETENESS, |_, c| holds(c, oracle::LEADER_COMPLETENESS)),
            Property::always(oracle::STATE_MACHINE_SAFETY, |_, c| holds(c, oracle::STATE_MACHINE_SAFETY)),
            Property::always(oracle::PROMISES_ARE_DURABLE, |_, c| holds(c, oracle::PROMISES_ARE_DURABLE)),
            Property::always(oracle::TERMS_FIRST, |_, c| holds(c, oracle::TERMS_FIRST)),
            Property::always(oracle::INVARIANTS, |_, c| holds(c, oracle::INVARIANTS)),
        ]
    }
}
