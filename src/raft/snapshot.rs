//! Compaction and snapshots (Raft §7): forgetting what a durable snapshot covers, and taking in a leader's.

use crate::mutants::{self, Mutant};

use super::Raft;
use super::io::{Event, Output};
use super::message::Message;
use super::progress::Inflight;
use super::types::{Index, NodeId, Snapshot, SnapshotMeta};

impl Raft {
    /// A snapshot of our own state machine is durable.
    pub(super) fn on_snapshot_taken(&mut self, meta: SnapshotMeta) {
        let is_newer = self.log.snapshot().is_none_or(|known| known.last.index < meta.last.index);
        if Some(meta.last.index) > self.applied || !self.log.holds(meta.last) || !is_newer {
            return;
        }
        self.log.compact(meta, self.config.retained_entries, self.config.retained_bytes);
        self.event(Event::CompactedLog { first: self.log.first_index() });
    }

    // ANCHOR: install
    pub(super) fn on_install_snapshot(&mut self, from: NodeId, snapshot: Snapshot) {
        if !self.follow(from) {
            return self.impossible(from, "it leads a term that has another leader");
        }
        let last = snapshot.meta.last;
        if last.term > self.term || !(Index::FIRST..=Index::LAST).contains(&last.index) {
            return self.impossible(from, "it sends a snapshot that nobody can have taken");
        }
        // What is committed here already covers an old snapshot; it must not take newer entries away (camunda #6092).
        // And a log that holds the snapshot's last entry has everything before it too (log matching): it needs no
        // snapshot, and keeps what it has behind (Raft §7).
        let is_news = Some(last.index) > self.commit || mutants::is(Mutant::OldSnapshotInstalled);
        let is_held = self.log.holds(last) && !mutants::is(Mutant::SuffixThrownAway);
        if is_news && !is_held {
            self.install(from, snapshot);
        }
        self.commit_to(Some(last.index));
        if let Some(matched) = self.commit {
            self.promise_message(from, Message::InstallSnapshotResponse { matched });
        }
    }
    // ANCHOR_END: install

    /// Lets the snapshot take the place of the log, of the state and of the membership.
    fn install(&mut self, from: NodeId, snapshot: Snapshot) {
        let meta = snapshot.meta.clone();
        self.event(Event::InstallingSnapshot { from, last: meta.last });
        // The term first: a snapshot on the disk must never be of a later term than the hard state beside it.
        self.flush_writes();
        let write = self.begin_install(meta.last.index);
        self.outputs.push(Output::Install(write, snapshot));
        self.handed_over = Some(meta.last.index);
        self.applying = Inflight::default();
        self.membership = meta.membership.clone();
        self.log.replace(meta);
    }
}
