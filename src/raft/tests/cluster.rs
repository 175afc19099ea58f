//! A cluster in memory whose every message and every write waits until the test lets it through, and an oracle that sees
//! all of it: after each step it holds the members to the properties of Raft's Figure 3, and their promises to
//! what their disks really hold.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use crate::raft::*;

/// What survives a crash.
#[derive(Clone, Debug, Default)]
pub struct Platter {
    pub hard_state: HardState,
    pub snapshot: Option<Snapshot>,
    pub entries: Vec<Entry>,
}

impl Platter {
    fn write(&mut self, write: Write) {
        self.hard_state = write.hard_state.unwrap_or(self.hard_state);
        if let Some(first) = write.entries.first() {
            self.entries.retain(|entry| entry.index < first.index);
            self.entries.extend(write.entries);
        }
    }

    fn install(&mut self, snapshot: Snapshot) {
        let last = snapshot.meta.last;
        let continues = self.entries.iter().any(|entry| entry.position() == last);
        self.entries.retain(|entry| continues && entry.index > last.index);
        self.snapshot = Some(snapshot);
    }

    fn holds(&self, position: Position) -> bool {
        let covered = self.snapshot.as_ref().is_some_and(|s| s.meta.last.index >= position.index);
        covered || self.entries.iter().any(|entry| entry.position() == position)
    }
}

/// A write that the disk has not confirmed.
#[derive(Clone, Debug)]
enum Pending {
    Write(Write),
    Install(Snapshot),
}

/// The state machine: how far it has come, and a digest of all that it applied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Machine {
    index: u64,
    digest: u64,
}

impl Machine {
    fn apply(&mut self, entry: &Entry) {
        assert_eq!(entry.index.0, self.index + 1, "entries are applied in order, each once");
        self.index = entry.index.0;
        let bytes: &[u8] = match &entry.payload {
            Payload::Empty => b"",
            Payload::Command(command) => command,
        };
        for byte in bytes.iter().chain(&entry.term.0.to_le_bytes()) {
            self.digest = (self.digest ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    }

    fn save(self) -> Bytes {
        Bytes::from([self.index.to_le_bytes(), self.digest.to_le_bytes()].concat())
    }

    fn load(data: &[u8]) -> Machine {
        let number = |at: usize| u64::from_le_bytes(data[at..at + 8].try_into().unwrap());
        Machine { index: number(0), digest: number(8) }
    }
}

/// One member: its core, unless it is down, and its disk.
pub struct Member {
    pub raft: Option<Raft>,
    pub platter: Platter,
    pub events: Vec<Event>,
    pub ready: Vec<(ReadId, Option<Index>)>,
    pub refused: Vec<(Refused, Reason)>,
    pub orders: Vec<SnapshotOrder>,
    pending: VecDeque<(WriteId, Pending)>,
    machine: Machine,
    lives: u64,
}

/// The whole world.
pub struct Cluster {
    pub members: BTreeMap<NodeId, Member>,
    /// Messages on their way.
    pub network: Vec<Envelope>,
    /// Settings for all; each member gets its own id and seed.
    pub config: Config,
    /// Writes are confirmed as soon as they are made.
    pub instant_disks: bool,
    voters: Membership,
    seed: u64,
    leaders: BTreeMap<Term, NodeId>,
    /// What the oracle has seen applied: the position and the digest after it.
    applied: BTreeMap<Index, (Term, u64)>,
    /// The commands among what was applied.
    pub commands: BTreeMap<Index, Bytes>,
    reads: BTreeMap<(NodeId, u64), Option<Index>>,
    next_read: u64,
}

pub const A: NodeId = NodeId(1);
pub const B: NodeId = NodeId(2);
pub const C: NodeId = NodeId(3);

impl Cluster {
    pub fn new(size: u64, seed: u64) -> Cluster {
        let ids: Vec<NodeId> = (1..=size).map(NodeId).collect();
        let config = Config { heartbeat_ticks: 2, election_ticks: 10, suspect_ticks: 3, ..Config::new(A, 0) };
        let mut cluster = Cluster {
            members: BTreeMap::new(),
            network: Vec::new(),
            config,
            instant_disks: true,
            voters: Membership::new(ids.clone()),
            seed,
            leaders: BTreeMap::new(),
            applied: BTreeMap::new(),
            commands: BTreeMap::new(),
            reads: BTreeMap::new(),
            next_read: 0,
        };
        for id in ids {
            cluster.members.insert(
                id,
                Member {
                    raft: None,
                    platter: Platter::default(),
                    events: Vec::new(),
                    ready: Vec::new(),
                    refused: Vec::new(),
                    orders: Vec::new(),
                    pending: VecDeque::new(),
                    machine: Machine::default(),
                    lives: 0,
                },
            );
            cluster.restart(id);
        }
        cluster
    }

    /// A cluster whose member `leader` leads and whose messages are all delivered.
    pub fn led_by(leader: NodeId, size: u64) -> Cluster {
        let mut cluster = Cluster::new(size, 7);
        cluster.elect(leader);
        cluster
    }

    pub fn raft(&self, id: NodeId) -> &Raft {
        self.members[&id].raft.as_ref().expect("the member is up")
    }

    pub fn status(&self, id: NodeId) -> Status {
        self.raft(id).status()
    }

    pub fn is_up(&self, id: NodeId) -> bool {
        self.members[&id].raft.is_some()
    }

    pub fn log_terms(&self, id: NodeId) -> Vec<u64> {
        self.raft(id).log.entries().map(|entry| entry.term.0).collect()
    }

    pub fn restart(&mut self, id: NodeId) {
        let member = self.members.get_mut(&id).unwrap();
        member.lives += 1;
        member.pending.clear();
        let platter = member.platter.clone();
        let restored = Restored {
            membership: self.voters.clone(),
            hard_state: platter.hard_state,
            snapshot: platter.snapshot.as_ref().map(|snapshot| snapshot.meta.clone()),
            entries: platter.entries,
        };
        member.machine = platter.snapshot.map_or(Machine::default(), |s| Machine::load(&s.data));
        let seed = self.seed.wrapping_mul(1000) + id.0 * 100 + member.lives;
        let config = Config { id, seed, ..self.config.clone() };
        member.raft = Some(Raft::new(config, restored).expect("what a disk holds can be restored"));
        self.drain(id);
    }

    /// Everything that was not confirmed is lost.
    pub fn crash(&mut self, id: NodeId) {
        let member = self.members.get_mut(&id).unwrap();
        member.raft = None;
        member.pending.clear();
    }

    /// Feeds one input and carries out what it leads to.
    pub fn step(&mut self, id: NodeId, input: Input) {
        self.feed(id, input);
        self.drain(id);
    }

    /// Feeds one input without draining.
    pub fn feed(&mut self, id: NodeId, input: Input) {
        let Some(raft) = &mut self.members.get_mut(&id).unwrap().raft else { return };
        let before = raft.clone();
        raft.step(input.clone());
        let checked = raft.check_state().and_then(|()| Raft::check_step(&before, raft));
        checked.unwrap_or_else(|what| panic!("{id} after {input:?}: {what}\n{raft:#?}"));
    }

    pub fn drain(&mut self, id: NodeId) {
        loop {
            let Some(raft) = &mut self.members.get_mut(&id).unwrap().raft else { return };
            let before = raft.clone();
            let outputs = raft.drain();
            let checked = raft.check_state().and_then(|()| Raft::check_step(&before, raft));
            checked.unwrap_or_else(|what| panic!("{id} after a drain: {what}\n{raft:#?}"));
            if outputs.is_empty() {
                return;
            }
            for output in outputs {
                self.carry_out(id, output);
            }
            if self.instant_disks {
                self.persist_all(id);
            }
        }
    }

    fn carry_out(&mut self, id: NodeId, output: Output) {
        let member = self.members.get_mut(&id).unwrap();
        match output {
            Output::Persist(ticket, write) => member.pending.push_back((ticket, Pending::Write(write))),
            Output::Install(ticket, snapshot) => {
                member.machine = Machine::load(&snapshot.data);
                self.witness(id, snapshot.meta.last);
                let member = self.members.get_mut(&id).unwrap();
                let index = snapshot.meta.last.index;
                member.pending.push_back((ticket, Pending::Install(snapshot)));
                self.feed(id, Input::Applied(index));
            }
            Output::Send(envelope) => {
                self.check_promise(&envelope);
                self.network.push(envelope);
            }
            Output::SendSnapshot(order) => member.orders.push(order),
            Output::Apply(entries) => {
                for entry in entries {
                    let member = self.members.get_mut(&id).unwrap();
                    member.machine.apply(&entry);
                    self.witness(id, entry.position());
                    self.feed(id, Input::Applied(entry.index));
                    if let Payload::Command(command) = entry.payload {
                        self.commands.insert(entry.index, command);
                    }
                }
            }
            Output::ReadReady(read, index) => {
                let began = self.reads[&(id, read.0)];
                assert!(index >= began, "read {read:?} at {index:?} misses what was applied when it began");
                member.ready.push((read, index));
            }
            Output::Rejected(refused, reason) => member.refused.push((refused, reason)),
            Output::Event(event) => {
                if let Event::BecameLeader { term, .. } = event {
                    self.check_new_leader(id, term);
                }
                self.members.get_mut(&id).unwrap().events.push(event);
            }
        }
    }

    /// State machine safety: whoever applies an index applies the same there, and has the same behind it.
    fn witness(&mut self, id: NodeId, position: Position) {
        let seen = (position.term, self.members[&id].machine.digest);
        let first = *self.applied.entry(position.index).or_insert(seen);
        assert_eq!(first, seen, "{id} applied something else at {}", position.index);
    }

    /// Election safety and leader completeness.
    fn check_new_leader(&mut self, id: NodeId, term: Term) {
        let first = *self.leaders.entry(term).or_insert(id);
        assert_eq!(first, id, "two leaders in term {term}");
        let log = &self.raft(id).log;
        for (index, (term, _)) in &self.applied {
            let is_forgotten = log.base().is_some_and(|base| base.index > *index);
            assert!(is_forgotten || log.term_of(*index) == Some(*term), "leader {id} lacks entry {index}");
        }
    }

    /// Promises rest on durable state.
    fn check_promise(&self, envelope: &Envelope) {
        let Envelope { from, to, term, ref message } = *envelope;
        let platter = &self.members[&from].platter;
        match message {
            Message::VoteResponse { granted: true } => {
                assert_eq!((platter.hard_state.term, platter.hard_state.vote), (term, Some(to)));
            }
            Message::VoteRequest { .. } => {
                assert_eq!((platter.hard_state.term, platter.hard_state.vote), (term, Some(from)));
            }
            Message::AppendResponse { outcome: AppendOutcome::Stored { matched: Some(matched) }, .. }
            | Message::InstallSnapshotResponse { matched } => {
                assert!(platter.hard_state.term >= term, "the term is durable");
                if let Some(term) = self.raft(from).log.term_of(*matched) {
                    assert!(platter.holds(Position { term, index: *matched }), "{from} lacks {matched}");
                }
            }
            _ => {}
        }
    }

    /// Log matching, for every pair of members that are up.
    pub fn check_log_matching(&self) {
        let logs: Vec<&log::Log> =
            self.members.values().filter_map(|member| member.raft.as_ref()).map(|raft| &raft.log).collect();
        for (nth, a) in logs.iter().enumerate() {
            for b in &logs[nth + 1..] {
                let mut must_match = false;
                for entry in a.entries().collect::<Vec<_>>().into_iter().rev() {
                    let same = b.entry(entry.index).map(|other| other == entry);
                    must_match |= b.term_of(entry.index) == Some(entry.term);
                    assert!(!must_match || same != Some(false), "logs differ before {}", entry.index);
                }
            }
        }
    }

    pub fn has_pending_write(&self, id: NodeId) -> bool {
        !self.members[&id].pending.is_empty()
    }

    /// Lets the disk confirm its oldest write. Returns whether there was one.
    pub fn persist_one(&mut self, id: NodeId) -> bool {
        let member = self.members.get_mut(&id).unwrap();
        let Some((ticket, pending)) = member.pending.pop_front() else { return false };
        match pending {
            Pending::Write(write) => member.platter.write(write),
            Pending::Install(snapshot) => member.platter.install(snapshot),
        }
        self.feed(id, Input::Persisted(ticket));
        true
    }

    fn persist_all(&mut self, id: NodeId) {
        while self.persist_one(id) {}
    }

    pub fn persist(&mut self, id: NodeId) {
        self.persist_all(id);
        self.drain(id);
    }

    pub fn tick(&mut self, id: NodeId, ticks: u32) {
        for _ in 0..ticks {
            self.step(id, Input::Tick);
        }
    }

    pub fn deliver(&mut self, envelope: Envelope) {
        let to = envelope.to;
        if self.members.contains_key(&to) {
            self.step(to, Input::Receive(envelope));
        }
    }

    /// Delivers all messages, and those that they lead to, of which `passes` holds; drops the rest.
    pub fn deliver_only(&mut self, passes: impl Fn(&Envelope) -> bool) {
        for _ in 0..10_000 {
            if self.network.is_empty() {
                return;
            }
            let envelope = self.network.remove(0);
            if passes(&envelope) {
                self.deliver(envelope);
            }
        }
        panic!("the messages never end: {:#?}", self.network);
    }

    /// Delivers all messages between members for which `connected` holds; drops the rest.
    pub fn deliver_where(&mut self, connected: impl Fn(NodeId, NodeId) -> bool) {
        self.deliver_only(|envelope| connected(envelope.from, envelope.to));
    }

    pub fn deliver_all(&mut self) {
        self.deliver_where(|_, _| true);
    }

    /// Takes the messages that are on their way.
    pub fn take_messages(&mut self) -> Vec<Envelope> {
        std::mem::take(&mut self.network)
    }

    /// Makes `id` the leader: only it is patient no longer, and everything is delivered.
    pub fn elect(&mut self, id: NodeId) {
        self.elect_through(id, |_| true);
    }

    /// As [`Cluster::elect`], through a network that delivers only what `passes`.
    pub fn elect_through(&mut self, id: NodeId, passes: impl Fn(&Envelope) -> bool) {
        let everybody: Vec<NodeId> = self.members.keys().copied().collect();
        for other in &everybody {
            // Old leaders are forgotten by all but the clock of `id`.
            if *other != id && self.is_up(*other) && self.status(*other).role == RoleName::Follower {
                let patience = self.config.election_ticks;
                let raft = self.members.get_mut(other).unwrap().raft.as_mut().unwrap();
                raft.timer.elapsed_ticks = patience;
                raft.timer.timeout_ticks = 1000;
            }
        }
        for _ in 0..1000 {
            if self.status(id).role == RoleName::Leader {
                return;
            }
            self.tick(id, 1);
            self.deliver_only(&passes);
        }
        panic!("{id} cannot be elected");
    }

    pub fn propose(&mut self, id: NodeId, command: &str) {
        self.step(id, Input::Propose(ProposalId(0), Bytes::copy_from_slice(command.as_bytes())));
    }

    pub fn read(&mut self, id: NodeId) -> ReadId {
        self.next_read += 1;
        let read = ReadId(self.next_read);
        let newest = self.applied.keys().next_back().copied();
        self.reads.insert((id, read.0), newest);
        self.step(id, Input::Read(read));
        read
    }

    /// Takes a snapshot of what `id` has applied.
    pub fn compact(&mut self, id: NodeId) {
        let Some(raft) = &self.members[&id].raft else { return };
        let Some(index) = raft.status().applied else { return };
        let Some(term) = raft.term_of(index) else { return };
        let meta = SnapshotMeta { last: Position { term, index }, membership: raft.membership().clone() };
        let member = self.members.get_mut(&id).unwrap();
        let snapshot = Snapshot { meta: meta.clone(), data: member.machine.save() };
        let is_newer = member.platter.snapshot.as_ref().is_none_or(|s| s.meta.last.index < index);
        if is_newer && member.platter.holds(meta.last) {
            member.platter.install(snapshot);
            self.step(id, Input::SnapshotTaken(meta));
        }
    }

    /// Sends the snapshots that `id` was ordered to send.
    pub fn send_snapshots(&mut self, id: NodeId) {
        let member = self.members.get_mut(&id).unwrap();
        for order in std::mem::take(&mut member.orders) {
            let snapshot = self.members[&id].platter.snapshot.clone().expect("it was taken");
            let index = snapshot.meta.last.index;
            let message = Message::InstallSnapshot { snapshot };
            self.network.push(Envelope { from: id, to: order.to, term: order.term, message });
            self.step(id, Input::SnapshotSent { to: order.to, index, delivered: true });
        }
    }
}
