//! Driving one core: bring it what has happened, drain it, carry out what it asks for, and look whether all is well.
//!
//! What the raft thread and the apply thread of the room `server` do, in their order: the disk gets writes, the network gets
//! messages, the state machine gets entries, clients get answers. Every hand-over passes the properties first.

use bytes::Bytes;

use super::clients::{Read, Want, single};
use super::dice::Digest;
use super::history;
use super::member::{Life, content_of};
use super::platter::Job;
use super::properties::{Change, Check, Effective, check_new_leader, check_step, violation};
use super::reached::Situation;
use super::stage::Stage;
use super::trace::{Answer, Happening, Record, RequestNumber};
use crate::raft::{
    AppendOutcome, Entry, Envelope, Event, Index, Input, LostLeader, Message, NodeId, Output, Payload,
    ProposalId, ReadId, RoleName, Snapshot, SnapshotOrder, Write, WriteId,
};
use crate::store::{Applied, Command, Event as StoreEvent, KeyValue, Operation, Range, Reply, Store};
use crate::store::{StoreError, WatchPoll};

/// Every how many entries the whole state is compared, and not the answers alone.
const CONTENT_EVERY: u64 = 16;

/// How many events a poll of a watcher takes: few, so that most changes need more than one.
const POLL_EVENTS: usize = 3;

impl Life {
    pub(super) fn id(&self) -> NodeId {
        self.raft.status().id
    }

    /// Brings the core what has happened, and carries out what comes of it.
    pub(super) fn act(&mut self, stage: &mut Stage, inputs: Vec<Input>) -> Check {
        let before = self.raft.clone();
        for input in inputs {
            self.raft.step(input);
        }
        self.carry_out(stage)?;
        check_step(&before, &self.raft)
    }

    fn carry_out(&mut self, stage: &mut Stage) -> Check {
        loop {
            let outputs = self.raft.drain();
            let is_quiet = outputs.is_empty();
            for output in outputs {
                self.carry_out_one(output, stage)?;
            }
            self.note_commit(stage)?;
            let is_known = self.notice_leader(stage);
            if is_quiet && is_known {
                break;
            }
        }
        stage.properties.leader_append_only.rests(self.raft.status())
    }

    fn carry_out_one(&mut self, output: Output, stage: &mut Stage) -> Check {
        match output {
            Output::Persist(ticket, write) => self.persist_later(ticket, write, stage),
            Output::Install(ticket, snapshot) => self.install(ticket, snapshot, stage),
            Output::Send(envelope) => self.send(envelope, stage),
            Output::SendSnapshot(order) => {
                self.order_snapshot(order, stage);
                Ok(())
            }
            Output::Apply(entries) => self.apply(entries, stage),
            Output::ReadReady(id, index) => self.locate(id, index, stage),
            // Whatever is refused waits for a leader: `notice_leader` proposes and asks again.
            Output::Rejected(..) => Ok(()),
            Output::Event(event) => self.note_event(&event, stage),
        }
    }

    fn persist_later(&mut self, ticket: WriteId, write: Write, stage: &mut Stage) -> Check {
        let id = self.id();
        stage.properties.leader_append_only.writes(self.raft.status(), &write)?;
        let previous = write.entries.first().and_then(|first| first.index.previous());
        let previous = previous.and_then(|index| self.raft.term_of(index));
        stage.properties.log_matching.written(id, &write.entries, previous)?;
        stage.happened(id, Happening::wrote(ticket, &write));
        self.hand_to_disk(Job::Persist(ticket, write), stage);
        Ok(())
    }

    fn send(&mut self, envelope: Envelope, stage: &mut Stage) -> Check {
        let platter = stage.platters.entry(envelope.from).or_default();
        stage.properties.durability.sends(&envelope, &self.raft, platter)?;
        match &envelope.message {
            Message::Forward { .. } => stage.reached(Situation::RequestForwarded),
            Message::AppendResponse { outcome: AppendOutcome::Conflict { .. }, .. } => {
                stage.reached(Situation::AppendRefused);
            }
            _ => {}
        }
        stage.network.send(envelope, self.number, &mut stage.trace);
        Ok(())
    }

    fn order_snapshot(&mut self, order: SnapshotOrder, stage: &mut Stage) {
        let (to, index) = (order.to, order.meta.last.index);
        if !stage.network.order_snapshot(self.id(), order, &mut stage.trace) {
            self.raft.step(Input::SnapshotSent { to, index, delivered: false });
        }
    }

    fn note_event(&mut self, event: &Event, stage: &mut Stage) -> Check {
        let id = self.id();
        stage.happened(id, Happening::from(event));
        match event {
            Event::BecameCandidate { term } => {
                let stood_before = self.candidacy.replace(*term).is_some();
                if stood_before {
                    stage.reached(Situation::ElectionRepeated);
                }
            }
            Event::BecameLeader { term, .. } => {
                self.candidacy = None;
                stage.reached(Situation::LeaderElected);
                stage.properties.election_safety.elected(id, *term)?;
                check_new_leader(&self.raft, &stage.properties.state_machine_safety)?;
            }
            Event::FoundLeader { .. } => self.candidacy = None,
            Event::LostLeader { cause: LostLeader::NoQuorum, .. } => stage.reached(Situation::QuorumLost),
            Event::LostLeader { cause: LostLeader::Suspected, .. } => {
                stage.reached(Situation::LeaderSuspected)
            }
            Event::LostLeader { leader, cause: LostLeader::HigherTerm, .. } if *leader == id => {
                stage.reached(Situation::LeaderDeposed);
            }
            Event::TruncatedLog { .. } => stage.reached(Situation::TailTruncated),
            Event::CompactedLog { .. } => stage.reached(Situation::LogCompacted),
            Event::ImpossibleMessage { from, what } => {
                return violation("monotonic", format!("member {id} holds {from} for mistaken: {what}"));
            }
            _ => {}
        }
        Ok(())
    }

    /// Tells the properties what is newly committed.
    fn note_commit(&mut self, stage: &mut Stage) -> Check {
        let status = self.raft.status();
        if status.commit <= self.commit {
            return Ok(());
        }
        let fresh = stage.properties.state_machine_safety.commits(&self.raft, self.commit)?;
        self.commit = status.commit;
        if status.role == RoleName::Leader && fresh.iter().any(|(_, term)| *term < status.term) {
            stage.reached(Situation::OldTermCommitted);
        }
        stage.properties.durability.committed(status.id, &fresh, self.raft.membership(), &stage.platters)
    }

    /// Whoever waits for a leader, or has asked another one, is served anew. Gives whether the leader was known already.
    fn notice_leader(&mut self, stage: &mut Stage) -> bool {
        let status = self.raft.status();
        let leader = status.leader.map(|leader| (leader, status.term));
        if leader == self.leader {
            return true;
        }
        self.leader = leader;
        if leader.is_some() {
            self.ask_again(stage);
        }
        false
    }

    /// Proposes and asks again whatever has no answer.
    pub(super) fn ask_again(&mut self, stage: &mut Stage) {
        for (sequence, command) in self.requests.again() {
            stage.reached(Situation::RequestRetried);
            self.raft.step(Input::Propose(ProposalId(sequence), command));
        }
        let reads = self.requests.ask_again();
        if !reads.is_empty() {
            stage.reached(Situation::ReadRetried);
            let id = self.requests.read(reads);
            self.raft.step(Input::Read(id));
        }
    }

    /// A client asks.
    pub(super) fn ask(&mut self, want: Want, stage: &mut Stage) -> Check {
        let number = stage.next_request();
        stage.trace.push(Record::Asked(self.id(), number));
        stage.properties.linearizable.invoked(number, self.id(), want.clone());
        let input = match want {
            Want::Read(key) => Input::Read(self.requests.read(vec![Read { number, key }])),
            change => {
                let (sequence, command) = self.requests.write(number, &change);
                Input::Propose(ProposalId(sequence), command)
            }
        };
        self.act(stage, vec![input])
    }

    // ---- the state machine -------------------------------------------------------------------------------------------

    fn apply(&mut self, entries: Vec<Entry>, stage: &mut Stage) -> Check {
        let id = self.id();
        let Some(last) = entries.last().map(|entry| entry.index) else { return Ok(()) };
        for entry in &entries {
            stage.properties.state_machine_safety.applies(id, entry)?;
            self.apply_one(entry, stage)?;
            stage.properties.equal_state.answered(id, entry.index, self.answers.0)?;
            if entry.index.0.is_multiple_of(CONTENT_EVERY) {
                let digest = Digest::of(&content_of(&self.store));
                stage.happened(id, Happening::State(Some(entry.index), digest));
                stage.properties.equal_state.content(id, entry.index, digest)?;
            }
        }
        stage.happened(id, Happening::Applied(last));
        self.raft.step(Input::Applied(last));
        self.poll_watchers(stage)?;
        let reads = self.requests.applied(last);
        self.serve(reads, stage)
    }

    fn apply_one(&mut self, entry: &Entry, stage: &mut Stage) -> Check {
        let id = self.id();
        let before = self.store.revision();
        let applied = match &entry.payload {
            Payload::Command(command) => self.store.apply(entry.index, command),
            Payload::Empty => self.store.note_applied(entry.index).map(|()| NOTHING),
        };
        let applied = match applied {
            Ok(applied) => applied,
            Err(error) => return violation("state-machine-safety", format!("member {id}: {error}")),
        };
        self.answers.number(entry.index.0);
        take_in(&mut self.answers, &applied);
        let (Some(request), Some(result), Payload::Command(command)) =
            (applied.id, applied.result, &entry.payload)
        else {
            return Ok(());
        };
        if let Ok(reply) = &result {
            if reply.revision() > before {
                note_change(command, reply, stage);
            } else if changed(reply) {
                stage.reached(Situation::RequestRepeated);
            }
        }
        match self.requests.executed(request) {
            Some(number) => answer(id, number, result, stage),
            None => Ok(()),
        }
    }

    fn install(&mut self, ticket: WriteId, snapshot: Snapshot, stage: &mut Stage) -> Check {
        let id = self.id();
        let last = snapshot.meta.last;
        let restored = Store::restore(&snapshot.data[..]).map_err(|error| error.to_string());
        let replaced = restored.and_then(|restored| {
            if restored.applied_index() != Some(last.index) {
                return Err(format!("its content ends at {:?}", restored.applied_index()));
            }
            self.store.replace_with(restored).map_err(|error| error.to_string())
        });
        if let Err(error) = replaced {
            return violation(
                "equal-state",
                format!("member {id} cannot install the snapshot at {last}: {error}"),
            );
        }
        stage.properties.equal_state.content(id, last.index, Digest::of(&content_of(&self.store)))?;
        let Some(answers) = stage.properties.equal_state.answers_at(last.index) else {
            return violation(
                "equal-state",
                format!("member {id} installs a snapshot at {last} that nobody has taken"),
            );
        };
        self.answers = Digest(answers);
        self.last_snapshot = Some(last.index);
        stage.reached(Situation::SnapshotInstalled);
        stage.happened(id, Happening::InstalledSnapshot(last));
        self.hand_to_disk(Job::Install(ticket, snapshot), stage);
        self.raft.step(Input::Applied(last.index));
        if self.poll_watchers(stage)? > 0 {
            stage.reached(Situation::WatchCaughtUp);
        }
        // A request may have been applied unseen, inside the snapshot: the store gives its answer from memory.
        if self.leader.is_some() {
            self.ask_again(stage);
        }
        let reads = self.requests.applied(last.index);
        self.serve(reads, stage)
    }

    // ---- reads and watches -------------------------------------------------------------------------------------------

    fn locate(&mut self, id: ReadId, index: Option<Index>, stage: &mut Stage) -> Check {
        let reads = self.requests.locate(id, index, self.store.applied_index());
        self.serve(reads, stage)
    }

    fn serve(&mut self, reads: Vec<Read>, stage: &mut Stage) -> Check {
        let status = self.raft.status();
        for Read { number, key } in reads {
            let found = match self.store.range(&Range::new(single(&key))) {
                Ok(found) => found,
                Err(error) => return violation("linearizable", format!("a read of {key} fails: {error}")),
            };
            if status.role != RoleName::Leader {
                stage.reached(Situation::ReadByFollower);
            }
            let held = found.kvs.first();
            stage.trace.push(Record::Answered(status.id, number, Answer::Value(held.map(text_of))));
            let (at, got) = (Effective::Saw(found.revision.0), history::Answer::Get(held.map(held_by)));
            stage.properties.linearizable.answered(number, at, got, &stage.properties.watches)?;
        }
        Ok(())
    }

    /// Gives watchers what is new. Tells how many changes they were given.
    pub(super) fn poll_watchers(&mut self, stage: &mut Stage) -> Check<usize> {
        let id = self.raft.status().id;
        let mut count = 0;
        for (watch, watcher) in &mut self.watchers {
            loop {
                let (events, complete_to, more) = match watcher.poll(&self.store, POLL_EVENTS) {
                    WatchPoll::Events { events, complete_to, more } => (events, complete_to, more),
                    WatchPoll::Compacted { revision } => {
                        return violation(
                            "watches",
                            format!("watch {} is told that {revision} is gone", watch.0),
                        );
                    }
                };
                let given: Vec<(u64, Change)> = events.iter().map(change_of).collect();
                count += given.len();
                for (revision, Change { key, value }) in given.iter().cloned() {
                    stage.trace.push(Record::Watched { member: id, watch: *watch, key, value, revision });
                }
                stage.properties.watches.sees(*watch, &given, complete_to.0)?;
                if !more {
                    break;
                }
            }
        }
        Ok(count)
    }
}

const NOTHING: Applied = Applied { id: None, result: None, skipped: None };

fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn text_of(kv: &KeyValue) -> String {
    text(&kv.value)
}

fn change_of(event: &StoreEvent) -> (u64, Change) {
    let value = match event {
        StoreEvent::Put { kv, .. } => Some(text_of(kv)),
        StoreEvent::Delete { .. } => None,
    };
    (event.revision().0, Change { key: text(event.key()), value })
}

/// Whether this answer was given for a change.
fn changed(reply: &Reply) -> bool {
    match reply {
        Reply::Put { .. } => true,
        Reply::DeleteRange { deleted, .. } => *deleted > 0,
        Reply::PublishMember { .. } => false,
    }
}

/// Tells the history of the store what a command has changed.
fn note_change(command: &Bytes, reply: &Reply, stage: &mut Stage) {
    let Ok(command) = Command::decode(command) else { return };
    let change = match command.operation {
        Operation::Put(put) => Change { key: text(&put.key), value: Some(text(&put.value)) },
        Operation::DeleteRange(delete) => Change { key: text(delete.range.start()), value: None },
        Operation::PublishMember(_) => return,
    };
    stage.properties.watches.changed(reply.revision().0, change);
}

fn answer(id: NodeId, number: RequestNumber, result: Result<Reply, StoreError>, stage: &mut Stage) -> Check {
    let (at, answer) = match result {
        Ok(Reply::Put { revision, prev_kv }) => {
            let previous = history::Previous::Told(prev_kv.as_ref().map(held_by));
            (Effective::Made(revision.0), history::Answer::Put { previous })
        }
        Ok(Reply::DeleteRange { revision, deleted, .. }) => {
            let existed = deleted > 0;
            let at = if existed { Effective::Made(revision.0) } else { Effective::Saw(revision.0) };
            (at, history::Answer::Delete { existed })
        }
        Ok(Reply::PublishMember { .. }) => return Ok(()),
        Err(error) => {
            stage.trace.push(Record::Answered(id, number, Answer::Refused(error.to_string())));
            stage.properties.linearizable.refused(number);
            return Ok(());
        }
    };
    let (Effective::Made(revision) | Effective::Saw(revision)) = at;
    stage.trace.push(Record::Answered(id, number, Answer::Done(revision)));
    stage.properties.linearizable.answered(number, at, answer, &stage.properties.watches)
}

fn held_by(kv: &KeyValue) -> history::Held {
    history::Held { value: kv.value.clone(), version: kv.version }
}

/// Takes what the state machine has answered into a fingerprint.
fn take_in(digest: &mut Digest, applied: &Applied) {
    let keys = |digest: &mut Digest, kvs: &[KeyValue]| {
        for kv in kvs {
            digest.bytes(&kv.key);
            digest.bytes(&kv.value);
            for number in [kv.create_revision.0, kv.mod_revision.0, kv.version] {
                digest.number(number);
            }
        }
    };
    if let Some(id) = applied.id {
        for number in [id.member.0, id.life, id.sequence] {
            digest.number(number);
        }
    }
    match &applied.result {
        None => digest.number(0),
        Some(Err(error)) => digest.bytes(error.to_string().as_bytes()),
        Some(Ok(reply)) => {
            digest.number(reply.revision().0);
            match reply {
                Reply::Put { prev_kv, .. } => keys(digest, prev_kv.as_slice()),
                Reply::DeleteRange { prev_kvs, .. } => keys(digest, prev_kvs),
                Reply::PublishMember { .. } => {}
            }
        }
    }
}
