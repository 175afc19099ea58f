//! What is committed, and what of it goes to the state machine (Raft §5.3, §5.4.2).

use crate::mutants::{self, Mutant};

use super::io::Output;
use super::types::{Entry, Index};
use super::{Raft, Role};

impl Raft {
    // ANCHOR: rule
    /// The leader's rule: an index is committed when a majority holds it durably *and* its entry is of the leader's own
    /// term. Entries of older terms are committed only along with one of its own: counting their copies proves nothing
    /// (Raft §5.4.2, Figure 8). The leader's own copy counts once its disk has confirmed it, and not before.
    pub(super) fn advance_commit(&mut self) {
        let Role::Leader(leading) = &self.role else { return };
        let replicated = self.membership.replicated(|voter| {
            if voter == self.config.id {
                let is_early = mutants::is(Mutant::OwnCopyBeforeDurable);
                if is_early { self.log.last_index() } else { self.disk.durable() }
            } else {
                let progress = leading.peers.get(&voter)?;
                let is_hasty = mutants::is(Mutant::NextTakenForMatch);
                if is_hasty { progress.next.previous() } else { progress.matched }
            }
        });
        let is_own = |index: Index| {
            self.log.term_of(index) == Some(self.term) || mutants::is(Mutant::OldTermCommittedByCounting)
        };
        if replicated.is_some_and(is_own) {
            self.commit_to(replicated);
        }
    }
    // ANCHOR_END: rule

    /// Whether an entry of the current term is committed: only then does a leader know all that is (Raft §8).
    pub(super) fn has_committed_in_term(&self) -> bool {
        self.commit.is_some_and(|commit| self.log.term_of(commit) == Some(self.term))
    }

    /// Moves the commit index forward, never back.
    pub(super) fn commit_to(&mut self, commit: Option<Index>) {
        if commit <= self.commit && !mutants::is(Mutant::CommitMovesBack) {
            return;
        }
        let newly = self.log.slice_bytes(Index::after(self.commit), commit);
        if let Role::Leader(leading) = &mut self.role {
            leading.uncommitted_bytes = leading.uncommitted_bytes.saturating_sub(newly);
        }
        self.commit = commit;
    }

    /// Hands what is committed, and durable here too, to the state machine: each entry once, in order.
    pub(super) fn apply_committed(&mut self) {
        let is_rash = mutants::is(Mutant::UncommittedApplied);
        let until = if is_rash { self.disk.durable() } else { self.commit.min(self.disk.durable()) };
        while self.handed_over < until && !self.applying.is_full(usize::MAX, self.config.max_applying_bytes) {
            let from = match self.handed_over {
                Some(last) if mutants::is(Mutant::AppliedTwice) => last,
                last => Index::after(last),
            };
            let entries = self.log.slice(from, until, self.config.max_applying_bytes);
            let Some(last) = entries.last().map(|entry| entry.index) else { return };
            self.applying.push(last, entries.iter().map(Entry::size_bytes).sum());
            self.handed_over = Some(last);
            self.outputs.push(Output::Apply(entries));
        }
    }

    pub(super) fn on_applied(&mut self, index: Index) {
        let index = Some(index).min(self.handed_over);
        self.applied = self.applied.max(index);
        if let Some(applied) = self.applied {
            self.applying.free_up_to(applied);
        }
    }
}
