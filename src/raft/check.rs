//! What must hold of one state, and of two successive ones, as code that tests and the simulator run after every step.

use super::promise::Disk;
use super::types::{Entry, Index};
use super::{Raft, Role};

/// Names what does not hold.
fn ensure(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

impl Raft {
    /// What must hold of every state.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn check_state(&self) -> Result<(), String> {
        self.check_log()?;
        let last = self.log.last_index();
        let base = self.log.base().map(|base| base.index);
        ensure(self.commit <= last, "commit is within the log")?;
        ensure(base <= self.commit, "what is forgotten is committed")?;
        ensure(self.applied <= self.handed_over, "what is applied was handed over")?;
        ensure(self.handed_over <= self.commit, "what was handed over is committed")?;
        ensure(self.handed_over <= self.disk.durable().max(base), "what was handed over is durable")?;
        Disk::check(&self.disk, last)?;
        match &self.role {
            Role::Leader(_) => self.check_leader(),
            Role::Candidate(_) => ensure(self.vote == Some(self.config.id), "a candidate votes for itself"),
            Role::Follower(_) | Role::PreCandidate(_) => {
                ensure(self.leader() != Some(self.config.id), "a member that follows does not lead")
            }
        }
    }

    fn check_log(&self) -> Result<(), String> {
        let mut previous = self.log.base();
        for entry in self.log.entries() {
            let expected = Index::after(previous.map(|previous| previous.index));
            ensure(entry.index == expected, "the log has no gaps")?;
            ensure(Some(entry.term) >= previous.map(|p| p.term), "terms in the log never decrease")?;
            previous = Some(entry.position());
        }
        ensure(previous.is_none_or(|last| last.term <= self.term), "no entry is of a term to come")?;
        let covered = self.log.snapshot().map(|meta| meta.last.index);
        ensure(self.log.base().map(|base| base.index) <= covered, "a snapshot covers what is forgotten")
    }

    fn check_leader(&self) -> Result<(), String> {
        let Role::Leader(leading) = &self.role else { return Ok(()) };
        ensure(self.vote == Some(self.config.id), "a leader voted for itself")?;
        for progress in leading.peers.values() {
            ensure(Some(progress.next) > progress.matched, "next is above match")?;
            ensure(progress.matched <= self.log.last_index(), "nobody matches more than there is")?;
            ensure(progress.heard_round <= leading.round, "no round is acknowledged before it began")?;
        }
        let uncommitted: usize = self.log.iter_from(Index::after(self.commit)).map(Entry::size_bytes).sum();
        ensure(leading.uncommitted_bytes == uncommitted, "uncommitted bytes are accounted for")?;
        ensure(
            leading.reads.iter().is_sorted_by(|a, b| a.round < b.round),
            "reads wait in the order of their rounds",
        )
    }

    /// What must hold of a state and the next one.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn check_step(before: &Raft, after: &Raft) -> Result<(), String> {
        ensure(before.term <= after.term, "terms only grow")?;
        if before.term == after.term {
            ensure(before.vote.is_none() || before.vote == after.vote, "a vote is given once a term")?;
        }
        ensure(before.commit <= after.commit, "commit only grows")?;
        ensure(before.applied <= after.applied, "applied only grows")?;
        let survives = |entry: &Entry| {
            after.log.term_of(entry.index).is_none_or(|term| term == entry.term)
                && Some(entry.index) <= after.log.last_index()
        };
        let committed = |entry: &&Entry| Some(entry.index) <= before.commit;
        ensure(before.log.entries().take_while(committed).all(survives), "what is committed stays")?;
        if matches!((&before.role, &after.role), (Role::Leader(_), Role::Leader(_)))
            && before.term == after.term
        {
            ensure(before.log.entries().all(survives), "a leader only appends to its log")?;
        }
        Ok(())
    }
}
