//! A promise waits for its disk.
//!
//! A vote, an acknowledgement and a candidate's request for votes are promises: whoever receives one builds on it, so what
//! it rests on must survive a crash of whoever made it (Raft Figure 2, "updated on stable storage before responding").
//! No caller has to remember that here. The core hands every promise to [`Raft::promise_message`], and lets it go when the
//! ticket of the write that it rests on comes back. A leader's appends are no promises, so they leave at once and its own
//! disk works in parallel with the others' (thesis §10.2.1).
//!
//! A write can be overwritten while it is under way: a new leader replaces a tail that the disk has not confirmed yet.
//! The ticket of the old write then proves nothing about the new entries at the same indexes ("append ABA race").

use std::collections::VecDeque;

use crate::mutants::{self, Mutant};

use super::Raft;
use super::io::Output;
use super::message::{Envelope, Message};
use super::types::{HardState, Index, NodeId, Write, WriteId};

/// Where the disk is in relation to the core.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Disk {
    /// The ticket of the next write.
    next: WriteId,
    /// Writes that are not confirmed, oldest first.
    under_way: VecDeque<UnderWay>,
    /// The hard state that was last handed over.
    handed_over: HardState,
    /// The first entry that was not handed over yet.
    unwritten_from: Index,
    /// The log is durable up to here.
    durable: Option<Index>,
    /// What waits, and for which ticket.
    held: VecDeque<(WriteId, Promise)>,
}

/// A write that is not confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct UnderWay {
    id: WriteId,
    /// With this write the log will be durable up to here: its last entry, unless that was overwritten since.
    last: Option<Index>,
}

/// What may happen once a write is durable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Promise {
    /// This message may leave.
    Message(Envelope),
    /// A candidate's vote for itself counts.
    OwnVote,
}

impl Disk {
    /// A disk that holds exactly this.
    pub(super) fn new(hard_state: HardState, last_index: Option<Index>) -> Disk {
        Disk {
            next: WriteId(1),
            under_way: VecDeque::new(),
            handed_over: hard_state,
            unwritten_from: Index::after(last_index),
            durable: last_index,
            held: VecDeque::new(),
        }
    }

    pub(super) fn durable(&self) -> Option<Index> {
        self.durable
    }

    /// The entries from `from` on were replaced: nothing that the disk says about older ones there counts any more.
    pub(super) fn overwritten(&mut self, from: Index) {
        let before = from.previous();
        self.unwritten_from = self.unwritten_from.min(from);
        self.durable = self.durable.min(before);
        for write in &mut self.under_way {
            write.last = write.last.min(before);
        }
    }

    fn issue(&mut self, last: Option<Index>) -> WriteId {
        let id = self.next;
        self.next = WriteId(id.0 + 1);
        self.under_way.push_back(UnderWay { id, last });
        id
    }

    /// What must hold of it, given the log's last index.
    pub(super) fn check(disk: &Disk, last_index: Option<Index>) -> Result<(), String> {
        let tickets = disk.under_way.iter().map(|write| write.id);
        let holds = disk.durable <= last_index
            && disk.unwritten_from <= Index::after(last_index)
            && disk.under_way.iter().all(|write| write.last <= last_index)
            && tickets.is_sorted_by(|a, b| a < b)
            && disk.held.iter().is_sorted_by_key(|(ticket, _)| *ticket)
            && disk.held.iter().all(|(ticket, _)| *ticket <= disk.next);
        if holds { Ok(()) } else { Err(format!("the disk's bookkeeping is wrong: {disk:?}")) }
    }

    /// Numbers the writes under way from 1 on, and holds each promise once. Numbers are only ever compared, and those of
    /// writes under way follow each other, so no more than the names of the tickets changes. And a message that is said
    /// twice tells no more than one that arrives twice.
    #[cfg(any(test, feature = "model-check"))]
    pub(super) fn renumber(&mut self) {
        let confirmed = self.next.0.saturating_sub(1 + self.under_way.len() as u64);
        let renumbered = |id: WriteId| WriteId(id.0.saturating_sub(confirmed));
        self.next = renumbered(self.next);
        self.under_way.iter_mut().for_each(|write| write.id = renumbered(write.id));
        for (ticket, promise) in std::mem::take(&mut self.held) {
            if self.held.iter().all(|(_, known)| *known != promise) {
                self.held.push_back((renumbered(ticket), promise));
            }
        }
    }

    /// All promises to members of an older term, and a candidate's to itself, are void.
    pub(super) fn void_promises(&mut self) {
        self.held.clear();
    }
}

impl Raft {
    /// The commit hint never goes beyond what is durable already. A crash may keep the hard state of a write and lose its
    /// entries; a hint about those would then declare the conflicting tail that they were to replace committed.
    fn hard_state(&self) -> HardState {
        HardState { term: self.term, vote: self.vote, commit: self.commit.min(self.disk.durable()) }
    }

    /// Whether term or vote differ from what was handed over. The commit hint alone is no reason to write.
    fn must_write_hard_state(&self) -> bool {
        (self.term, self.vote) != (self.disk.handed_over.term, self.disk.handed_over.vote)
    }

    fn has_unwritten(&self) -> bool {
        self.must_write_hard_state() || Some(self.disk.unwritten_from) <= self.log.last_index()
    }

    /// Hands over all that the disk does not know yet, as one write.
    pub(super) fn flush_writes(&mut self) {
        if !self.has_unwritten() {
            return;
        }
        let hard_state = self.hard_state();
        let changed = hard_state != self.disk.handed_over;
        let last = self.log.last_index();
        let entries = self.log.slice(self.disk.unwritten_from, last, usize::MAX);
        self.disk.handed_over = hard_state;
        self.disk.unwritten_from = Index::after(last);
        let id = self.disk.issue(last);
        self.outputs.push(Output::Persist(id, Write { hard_state: changed.then_some(hard_state), entries }));
    }

    /// A snapshot takes the place of the log; the disk is told by an install of its own. Returns its ticket.
    pub(super) fn begin_install(&mut self, last: Index) -> WriteId {
        self.disk.overwritten(Index::FIRST);
        self.disk.unwritten_from = last.next();
        self.disk.issue(Some(last))
    }

    // ANCHOR: ticket
    /// The ticket on which a promise made now must wait: that of the write which will carry what is not handed over yet, or
    /// of the last one under way. `None`: all of it is durable.
    fn ticket(&self) -> Option<WriteId> {
        if self.has_unwritten() {
            return Some(self.disk.next);
        }
        self.disk.under_way.back().map(|write| write.id)
    }
    // ANCHOR_END: ticket

    fn promise(&mut self, promise: Promise) {
        match self.ticket() {
            Some(ticket) if !leaves_early(&promise) => self.disk.held.push_back((ticket, promise)),
            _ => self.keep(promise),
        }
    }

    fn keep(&mut self, promise: Promise) {
        match promise {
            Promise::Message(envelope) => self.outputs.push(Output::Send(envelope)),
            Promise::OwnVote => self.count_vote(self.config.id),
        }
    }

    /// Sends a message that others will build on, as soon as what it rests on is durable.
    pub(super) fn promise_message(&mut self, to: NodeId, message: Message) {
        let envelope = self.envelope(to, message);
        self.promise(Promise::Message(envelope));
    }

    /// Counts this candidate's vote for itself, as soon as it is durable.
    pub(super) fn promise_own_vote(&mut self) {
        self.promise(Promise::OwnVote);
    }

    // ANCHOR: persisted
    /// Everything up to `id` is durable.
    pub(super) fn on_persisted(&mut self, id: WriteId) {
        while let Some(write) = self.disk.under_way.front()
            && write.id <= id
        {
            self.disk.durable = self.disk.durable.max(write.last);
            self.disk.under_way.pop_front();
        }
        // Keeping a promise can void the rest (a candidate that becomes leader), so each is taken anew.
        while let Some((ticket, _)) = self.disk.held.front()
            && *ticket <= id
            && let Some((_, promise)) = self.disk.held.pop_front()
        {
            self.keep(promise);
        }
        self.advance_commit();
    }
    // ANCHOR_END: persisted
}

/// Whether a promise shall not wait, by mistake.
fn leaves_early(promise: &Promise) -> bool {
    match promise {
        Promise::OwnVote => mutants::is(Mutant::VoteBeforeDurable),
        Promise::Message(envelope) => match envelope.message {
            Message::VoteRequest { .. } | Message::VoteResponse { .. } => {
                mutants::is(Mutant::VoteBeforeDurable)
            }
            _ => mutants::is(Mutant::AcknowledgedBeforeSync),
        },
    }
}
