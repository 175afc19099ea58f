//! The leader's side of replication: what it sends to whom, and what it makes of the answers (Raft §5.3).

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use crate::mutants::{self, Mutant};

use super::io::{Event, LostLeader, Output};
use super::message::{AppendOutcome, Message, Round, SnapshotOrder};
use super::progress::{Flow, Progress};
use super::read::ReadBatch;
use super::types::{Entry, Index, NodeId, Payload, Position};
use super::{Raft, Role};

/// For how many election timeouts a delivered snapshot may go unanswered before the peer is probed again.
const SNAPSHOT_PATIENCE: u32 = 10;

/// What a leader knows besides its log (Raft Figure 2, "volatile state on leaders").
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Leading {
    /// Its view of every other member.
    pub(super) peers: BTreeMap<NodeId, Progress>,
    /// The latest round of heartbeats.
    pub(super) round: Round,
    /// Reads whose round waits for a majority, oldest first.
    pub(super) reads: VecDeque<ReadBatch>,
    /// Reads that have no round yet.
    pub(super) new_reads: Vec<super::read::Reader>,
    /// Bytes of entries that are not committed.
    pub(super) uncommitted_bytes: usize,
    heartbeat_elapsed_ticks: u32,
    quorum_elapsed_ticks: u32,
}

impl Raft {
    pub(super) fn become_leader(&mut self, votes: Vec<NodeId>) {
        self.disk.void_promises();
        let last = self.log.last_index();
        let peers = self.peers().into_iter().map(|peer| (peer, Progress::new(last))).collect();
        let uncommitted = self.log.iter_from(Index::after(self.commit)).map(Entry::size_bytes).sum();
        self.role = Role::Leader(Leading { peers, uncommitted_bytes: uncommitted, ..Leading::default() });
        self.event(Event::BecameLeader { term: self.term, votes });
        // Only an entry of its own term tells a leader what is committed (Raft §5.4.2, §8).
        self.append_own(Payload::Empty);
    }

    fn append_own(&mut self, payload: Payload) {
        let entry = Entry { term: self.term, index: Index::after(self.log.last_index()), payload };
        if let Role::Leader(leading) = &mut self.role {
            leading.uncommitted_bytes = leading.uncommitted_bytes.saturating_add(entry.size_bytes());
        }
        self.log.push(entry);
    }

    /// Appends a command, unless so much is uncommitted already that the leader's memory would grow without bound.
    pub(super) fn append_command(&mut self, command: Bytes) -> bool {
        let Role::Leader(leading) = &self.role else { return false };
        let has_room = leading.uncommitted_bytes < self.config.max_uncommitted_bytes;
        if has_room {
            self.append_own(Payload::Command(command));
        }
        has_room
    }

    pub(super) fn tick_leader(&mut self) {
        let Role::Leader(leading) = &mut self.role else { return };
        leading.heartbeat_elapsed_ticks += 1;
        leading.quorum_elapsed_ticks += 1;
        for progress in leading.peers.values_mut() {
            if let Flow::Snapshot { delivered_ticks: Some(ticks), .. } = &mut progress.flow {
                *ticks += 1;
                if *ticks > self.config.election_ticks.saturating_mul(SNAPSHOT_PATIENCE) {
                    progress.probe(None);
                }
            }
        }
        if leading.quorum_elapsed_ticks >= self.config.election_ticks {
            leading.quorum_elapsed_ticks = 0;
            if !self.has_heard_a_quorum() {
                self.lose_leader(LostLeader::NoQuorum);
                self.become_follower();
                return;
            }
        }
        if let Role::Leader(leading) = &mut self.role
            && leading.heartbeat_elapsed_ticks >= self.config.heartbeat_ticks
        {
            self.send_heartbeats();
        }
    }

    /// Check-quorum (thesis §6.2): a leader that a majority has not answered for an election timeout gives up, so that its
    /// clients do not wait for it for ever.
    fn has_heard_a_quorum(&mut self) -> bool {
        let Role::Leader(leading) = &mut self.role else { return false };
        let mut heard: std::collections::BTreeSet<NodeId> = leading
            .peers
            .iter_mut()
            .filter_map(|(peer, progress)| std::mem::take(&mut progress.recently_heard).then_some(*peer))
            .collect();
        heard.insert(self.config.id);
        self.membership.is_quorum(&heard)
    }

    fn send_heartbeats(&mut self) {
        let Role::Leader(leading) = &mut self.role else { return };
        leading.heartbeat_elapsed_ticks = 0;
        let round = leading.round;
        let mut heartbeats = Vec::with_capacity(leading.peers.len());
        for (peer, progress) in &mut leading.peers {
            progress.stalled = true;
            progress.told_round = round;
            let is_blind = mutants::is(Mutant::HeartbeatSkipsCheck);
            progress.told_commit = if is_blind { self.commit } else { self.commit.min(progress.matched) };
            heartbeats.push((*peer, Message::Heartbeat { commit: progress.told_commit, round }));
        }
        for (peer, heartbeat) in heartbeats {
            self.send(peer, heartbeat);
        }
    }

    /// Sends every peer all that it may get now: entries, the news of a commit, the round that a read waits for.
    pub(super) fn replicate(&mut self) {
        for peer in self.peers() {
            while self.send_append(peer) {}
            self.tell_commit_and_round(peer);
        }
    }

    /// Sends one append, if the peer has something to get and may get it. Whether another may follow at once.
    fn send_append(&mut self, peer: NodeId) -> bool {
        let Role::Leader(leading) = &mut self.role else { return false };
        let Some(progress) = leading.peers.get_mut(&peer) else { return false };
        let (max_messages, max_bytes) = (self.config.max_inflight_messages, self.config.max_inflight_bytes);
        let may_send = match &progress.flow {
            Flow::Probe { waiting } => !waiting,
            Flow::Replicate { inflight } => {
                Some(progress.next) <= self.log.last_index() && !inflight.is_full(max_messages, max_bytes)
            }
            Flow::Snapshot { .. } => false,
        };
        if !may_send {
            return false;
        }
        let Some(previous) = self.log.before(progress.next) else {
            self.send_snapshot(peer);
            return false;
        };
        let entries = self.log.slice(progress.next, self.log.last_index(), self.config.max_append_bytes);
        let bytes = entries.iter().map(Entry::size_bytes).sum();
        let last_sent = entries.last().map(|entry| entry.index);
        let may_follow = match &mut progress.flow {
            Flow::Probe { waiting } => {
                *waiting = true;
                false
            }
            Flow::Replicate { inflight } => {
                if let Some(last) = last_sent {
                    inflight.push(last, bytes);
                    progress.next = last.next();
                }
                true
            }
            Flow::Snapshot { .. } => false,
        };
        progress.told_round = leading.round;
        progress.told_commit = self.commit.min(last_sent.or(previous.map(|previous| previous.index)));
        let round = leading.round;
        self.send(peer, Message::Append { previous, entries, commit: self.commit, round });
        may_follow
    }

    fn tell_commit_and_round(&mut self, peer: NodeId) {
        let Role::Leader(leading) = &mut self.role else { return };
        let Some(progress) = leading.peers.get_mut(&peer) else { return };
        let known = self.commit.min(progress.matched);
        let has_news = known > progress.told_commit;
        let round = leading.round;
        if progress.told_round < round {
            progress.told_round = round;
            progress.told_commit = progress.told_commit.max(known);
            self.send(peer, Message::Heartbeat { commit: known, round });
        } else if has_news && let Some(commit) = known {
            progress.told_commit = known;
            self.send(peer, Message::Commit { commit });
        }
    }

    pub(super) fn on_append_response(&mut self, from: NodeId, outcome: AppendOutcome, round: Round) {
        let last_index = self.log.last_index();
        let Some(progress) = self.heard_from(from, round) else { return };
        match outcome {
            AppendOutcome::Stored { matched } if matched > last_index => {
                return self.impossible(from, "it acknowledges entries that do not exist");
            }
            AppendOutcome::Stored { matched: Some(matched) } => {
                let current = last_index.filter(|_| mutants::is(Mutant::MatchFromCurrentLog));
                progress.store(current.unwrap_or(matched));
            }
            AppendOutcome::Stored { matched: None } => {
                if let Flow::Probe { waiting } = &mut progress.flow {
                    *waiting = false;
                }
            }
            AppendOutcome::Conflict { refused, hint } => {
                if progress.is_news(refused) {
                    self.back_up(from, refused, hint);
                }
            }
        }
        if !mutants::is(Mutant::CommitOnlyWhenSending) {
            self.advance_commit();
        }
    }

    /// Tries again further back: from the last entry that may agree, given what the follower said about its own.
    fn back_up(&mut self, peer: NodeId, refused: Index, hint: Option<Position>) {
        let mut agree = hint.and_then(|hint| {
            let below = hint.index.next().min(refused);
            self.log.last_below(below, hint.term).map(|position| position.index)
        });
        if mutants::is(Mutant::BackUpOffByOne) {
            agree = Some(Index::after(agree));
        }
        if mutants::is(Mutant::BackUpOneAtATime) {
            agree = refused.previous();
        }
        let Role::Leader(leading) = &mut self.role else { return };
        if let Some(progress) = leading.peers.get_mut(&peer) {
            progress.probe(agree);
        }
    }

    pub(super) fn on_heartbeat_response(&mut self, from: NodeId, round: Round) {
        let last_index = self.log.last_index();
        let Some(progress) = self.heard_from(from, round) else { return };
        // A whole heartbeat without progress: an append or its answer was lost. An empty one asks where the peer is.
        let nudge = progress.stalled && progress.matched < last_index;
        match &mut progress.flow {
            Flow::Probe { waiting } => *waiting = false,
            Flow::Replicate { .. } if nudge => self.nudge(from),
            _ => {}
        }
    }

    /// Sends an empty append behind all that was sent: whatever the peer answers tells where it is. If compaction has
    /// forgotten what was sent meanwhile, there is nothing left to ask behind, and the peer is probed anew.
    fn nudge(&mut self, peer: NodeId) {
        let Role::Leader(leading) = &mut self.role else { return };
        let Some(progress) = leading.peers.get_mut(&peer) else { return };
        let (commit, round) = (self.commit, leading.round);
        match self.log.before(progress.next) {
            Some(previous) => {
                self.send(peer, Message::Append { previous, entries: Vec::new(), commit, round });
            }
            None => progress.probe(None),
        }
    }

    /// Takes note of a sign of life. `None` if the sender is no peer, or this member does not lead.
    pub(super) fn heard_from(&mut self, from: NodeId, round: Round) -> Option<&mut Progress> {
        let Role::Leader(leading) = &mut self.role else { return None };
        let latest = leading.round;
        let progress = leading.peers.get_mut(&from)?;
        progress.recently_heard = true;
        progress.heard_round = progress.heard_round.max(round.min(latest));
        self.confirm_reads();
        let Role::Leader(leading) = &mut self.role else { return None };
        leading.peers.get_mut(&from)
    }

    /// The entries that the peer needs are forgotten: it gets the newest snapshot.
    fn send_snapshot(&mut self, peer: NodeId) {
        let Some(meta) = self.log.snapshot().cloned() else { return };
        let Role::Leader(leading) = &mut self.role else { return };
        let Some(progress) = leading.peers.get_mut(&peer) else { return };
        progress.flow = Flow::Snapshot { index: meta.last.index, delivered_ticks: None };
        self.event(Event::SendingSnapshot { to: peer, last: meta.last });
        self.outputs.push(Output::SendSnapshot(SnapshotOrder { to: peer, term: self.term, meta }));
    }

    pub(super) fn on_snapshot_sent(&mut self, to: NodeId, delivered: bool) {
        let Role::Leader(leading) = &mut self.role else { return };
        let Some(progress) = leading.peers.get_mut(&to) else { return };
        let Flow::Snapshot { delivered_ticks, .. } = &mut progress.flow else { return };
        if delivered {
            *delivered_ticks = Some(0);
        } else {
            // The next answer to a heartbeat shows that the peer is there, and then it is tried again.
            progress.probe(None);
            progress.flow = Flow::Probe { waiting: true };
        }
    }

    pub(super) fn on_snapshot_response(&mut self, from: NodeId, matched: Index) {
        let last_index = self.log.last_index();
        let Some(progress) = self.heard_from(from, Round(0)) else { return };
        if Some(matched) > last_index {
            return self.impossible(from, "it acknowledges entries that do not exist");
        }
        progress.store(matched);
        self.advance_commit();
    }
}
