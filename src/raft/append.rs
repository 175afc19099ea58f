//! The follower's side of replication: verify, truncate what conflicts, store, acknowledge (Raft §5.3).

use crate::mutants::{self, Mutant};

use super::Raft;
use super::io::Event;
use super::message::{AppendOutcome, Message, Round};
use super::types::{Entry, Index, NodeId, Position};

/// An append, as it came in.
pub(super) struct Append {
    pub(super) previous: Option<Position>,
    pub(super) entries: Vec<Entry>,
    pub(super) commit: Option<Index>,
    pub(super) round: Round,
}

impl Append {
    /// The last index that the log is known to share with the leader's once the append is stored. Nothing behind it is
    /// verified, however long the log is.
    fn last_verified(&self) -> Option<Index> {
        let previous = self.previous.map(|previous| previous.index);
        if mutants::is(Mutant::PreviousTakenForLast) {
            return previous;
        }
        self.entries.last().map(|entry| entry.index).or(previous)
    }

    /// Whether the entries follow `previous` and each other, as all that a leader sends do.
    fn is_contiguous(&self) -> bool {
        let mut last = self.previous;
        let is_possible = self.last_verified() <= Some(Index::LAST);
        is_possible
            && self.entries.iter().all(|entry| {
                let fits = entry.index == Index::after(last.map(|last| last.index))
                    && Some(entry.term) >= last.map(|last| last.term);
                last = Some(entry.position());
                fits
            })
    }
}

impl Raft {
    // ANCHOR: append
    pub(super) fn on_append(&mut self, from: NodeId, append: Append) {
        if !self.follow(from) {
            return self.impossible(from, "it leads a term that has another leader");
        }
        if !append.is_contiguous() || append.entries.last().is_some_and(|last| last.term > self.term) {
            return self.impossible(from, "it appends entries that do not follow each other");
        }
        if self.contradicts_committed(&append) {
            return self.impossible(from, "it contradicts an entry that is committed");
        }
        let round = append.round;
        // Up to the commit index every leader's log agrees with ours (leader completeness, Raft §5.4), so what lies there
        // needs no check, and could not be checked where it is compacted.
        if let Some(previous) = append.previous
            && Some(previous.index) > self.commit
            && !self.log.holds(previous)
            && !(mutants::is(Mutant::PreviousBeyondEndAccepted)
                && Some(previous.index) > self.log.last_index())
        {
            let outcome = self.conflict(previous);
            self.send(from, Message::AppendResponse { outcome, round });
            if !mutants::is(Mutant::RefusedAndStored) {
                return;
            }
        }
        let verified = append.last_verified();
        let commit = if mutants::is(Mutant::CommitBeyondVerified) {
            append.commit.min(self.log.last_index().max(verified))
        } else {
            append.commit.min(verified)
        };
        self.store_entries(append.entries);
        self.commit_to(commit);
        let outcome = AppendOutcome::Stored { matched: verified.max(self.commit) };
        self.promise_message(from, Message::AppendResponse { outcome, round });
    }
    // ANCHOR_END: append

    fn contradicts_committed(&self, append: &Append) -> bool {
        let entries = append.entries.iter().map(Entry::position);
        append
            .previous
            .into_iter()
            .chain(entries)
            .take_while(|position| Some(position.index) <= self.commit)
            .any(|position| self.log.term_of(position.index).is_some_and(|term| term != position.term))
    }

    /// Where the logs might agree, for the leader to try next.
    fn conflict(&self, previous: Position) -> AppendOutcome {
        AppendOutcome::Conflict {
            refused: previous.index,
            hint: self.log.last_below(previous.index, previous.term),
        }
    }

    // ANCHOR: store
    /// Stores what is new. The log is truncated only at an entry that really conflicts: an old append that arrives late
    /// must not throw away what has come since.
    fn store_entries(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            let is_known = self.log.holds(entry.position()) && !mutants::is(Mutant::TruncatedWithoutConflict);
            if Some(entry.index) <= self.commit || is_known {
                continue;
            }
            if let Some(term) = self.log.term_of(entry.index) {
                self.event(Event::TruncatedLog { from: Position { term, index: entry.index } });
                self.log.truncate(entry.index);
                if !mutants::is(Mutant::TruncationNotDurable) {
                    self.disk.overwritten(entry.index);
                }
            }
            self.log.push(entry);
        }
    }
    // ANCHOR_END: store

    pub(super) fn on_heartbeat(&mut self, from: NodeId, commit: Option<Index>, round: Round) {
        if !self.follow(from) {
            return self.impossible(from, "it leads a term that has another leader");
        }
        self.commit_to(commit.min(self.log.last_index()));
        self.send(from, Message::HeartbeatResponse { round });
    }

    pub(super) fn on_commit(&mut self, from: NodeId, commit: Index) {
        if !self.follow(from) {
            return self.impossible(from, "it leads a term that has another leader");
        }
        self.commit_to(Some(commit).min(self.log.last_index()));
    }
}
