//! How a leader comes to be: time-outs, pre-votes, votes (Raft §5.2, §5.4.1, thesis §9.6).
//!
//! A follower that has not heard from a leader for a random time first asks whether it *would* be elected. Only if a
//! majority says so does it begin a new term, so a member that was cut off does not come back with a term that unseats a
//! working leader. A member that hears from a leader does not even consider others (thesis §4.2.3).
//!
//! *Suspect* shortens the wait. When a leader's process dies, the connections from it break at once, and each follower is
//! told. It then grants pre-votes at once, and asks for them itself after a short random wait. If the leader is alive
//! after all, its next heartbeat ends the suspicion; and one follower's broken cable elects nobody, since a majority has
//! to suspect too.

use std::collections::BTreeSet;

use crate::mutants::{self, Mutant};

use super::io::{Event, LostLeader};
use super::message::Message;
use super::types::{NodeId, Position, Term};
use super::{Raft, Role};

/// How often a member whose leader is suspected asks for pre-votes in quick succession. If nobody agrees by then, the
/// leader is not what is missing, and it goes on at the ordinary pace.
const HURRIED_TRIES: u32 = 8;

/// How long a member has waited, and how long it will, in ticks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Timer {
    pub(super) elapsed_ticks: u32,
    pub(super) timeout_ticks: u32,
}

/// A follower's view of who leads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Following {
    /// The leader of the current term, once it has been heard from.
    pub(super) leader: Option<NodeId>,
    /// The leader's connection has broken since it was last heard from.
    pub(super) suspected: bool,
}

/// Votes, real or asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Ballot {
    /// Who has said yes. A set: a vote that arrives twice counts once.
    pub(super) granted: BTreeSet<NodeId>,
    /// How many more times it is tried again soon, since the last leader was suspected and not merely silent.
    pub(super) hurried_tries: u32,
}

// ANCHOR: up-to-date
/// Whether a log that ends in `theirs` is at least as up to date as one that ends in `ours` (Raft §5.4.1): the later term
/// wins, and only between equal terms does the length count.
fn is_up_to_date(theirs: Option<Position>, ours: Option<Position>) -> bool {
    let rank = |last: Option<Position>| last.map(|last| (last.term, last.index));
    if mutants::is(Mutant::LogsComparedByLength) {
        return theirs.map(|last| last.index) >= ours.map(|last| last.index);
    }
    if mutants::is(Mutant::LogsComparedBackwards) {
        return rank(theirs) <= rank(ours);
    }
    rank(theirs) >= rank(ours)
}
// ANCHOR_END: up-to-date

impl Raft {
    /// Draws a new election timeout, between one and two times the setting, and starts to wait anew.
    pub(super) fn restart_timer(&mut self) {
        let base = self.config.election_ticks.max(1);
        let more = if mutants::is(Mutant::TimeoutsNotRandom) { 0 } else { self.dice.below(base) };
        self.timer = Timer { elapsed_ticks: 0, timeout_ticks: base + more };
    }

    /// While a leader is suspected to be dead, everything is tried again soon.
    fn hurry_timer(&mut self) {
        let wait = self.config.suspect_ticks.max(1);
        self.timer = Timer { elapsed_ticks: 0, timeout_ticks: wait + self.dice.below(wait) };
    }

    pub(super) fn tick_election(&mut self) {
        self.timer.elapsed_ticks = self.timer.elapsed_ticks.saturating_add(1);
        if mutants::is(Mutant::CandidateWaitsForEver) && matches!(self.role, Role::Candidate(_)) {
            return;
        }
        if self.timer.elapsed_ticks >= self.timer.timeout_ticks && self.is_voter() {
            self.become_pre_candidate();
        }
    }

    // ANCHOR: suspect
    pub(super) fn on_suspect(&mut self, peer: NodeId) {
        let Role::Follower(following) = &mut self.role else { return };
        if following.leader != Some(peer) || following.suspected {
            return;
        }
        following.suspected = true;
        let wait = 1 + self.dice.below(self.config.suspect_ticks);
        let soon = self.timer.elapsed_ticks.saturating_add(wait);
        self.timer.timeout_ticks = self.timer.timeout_ticks.min(soon);
    }
    // ANCHOR_END: suspect

    /// Whether a leader has been heard from so lately that nobody else shall be considered (thesis §4.2.3). A leader
    /// counts itself: check-quorum makes it give up when it should.
    pub(super) fn hears_a_leader(&self) -> bool {
        match &self.role {
            _ if mutants::is(Mutant::ReturningNodeDisrupts) => false,
            Role::Leader(_) => true,
            Role::Follower(Following { leader: Some(_), suspected: false }) => {
                self.timer.elapsed_ticks < self.config.election_ticks
            }
            _ => false,
        }
    }

    fn become_pre_candidate(&mut self) {
        let hurried_tries = match &self.role {
            Role::Follower(following) if following.suspected => HURRIED_TRIES,
            Role::PreCandidate(ballot) => ballot.hurried_tries.saturating_sub(1),
            _ => 0,
        };
        let hurried = hurried_tries > 0;
        self.lose_leader(if hurried { LostLeader::Suspected } else { LostLeader::Silence });
        let for_term = self.term.next();
        if for_term == self.term {
            // The terms are used up, which only a dishonest peer can have done. There is nothing to stand in.
            return self.restart_timer();
        }
        if !matches!(self.role, Role::PreCandidate(_)) {
            self.event(Event::BecamePreCandidate { for_term });
        }
        self.role = Role::PreCandidate(Ballot { granted: [self.config.id].into(), hurried_tries });
        self.restart_timer();
        if hurried {
            self.hurry_timer();
        }
        let last = self.log.last();
        self.send_to_peers(|| Message::PreVoteRequest { for_term, last });
        self.count_pre_vote(self.config.id);
    }

    pub(super) fn on_pre_vote_request(&mut self, from: NodeId, for_term: Term, last: Option<Position>) {
        if mutants::is(Mutant::TermTakenFromPreVote) && for_term > self.term {
            self.adopt_term(for_term);
        }
        let granted = for_term > self.term && !self.hears_a_leader() && is_up_to_date(last, self.log.last());
        self.send(from, Message::PreVoteResponse { for_term, granted });
    }

    pub(super) fn on_pre_vote_response(&mut self, from: NodeId, for_term: Term, granted: bool) {
        if granted && for_term == self.term.next() {
            self.count_pre_vote(from);
        }
    }

    fn count_pre_vote(&mut self, from: NodeId) {
        let Role::PreCandidate(ballot) = &mut self.role else { return };
        ballot.granted.insert(from);
        if self.membership.is_quorum(&ballot.granted) {
            self.become_candidate();
        }
    }

    fn become_candidate(&mut self) {
        self.disk.void_promises();
        let hurried = matches!(&self.role, Role::PreCandidate(ballot) if ballot.hurried_tries > 0);
        self.term = self.term.next();
        self.vote = Some(self.config.id);
        self.role = Role::Candidate(Ballot::default());
        self.restart_timer();
        if hurried {
            // A split vote shall not cost a whole election timeout. If the disks are too slow for this, the next time is
            // an ordinary one, since a candidate is not in a hurry any more.
            self.hurry_timer();
        }
        self.event(Event::BecameCandidate { term: self.term });
        // The requests wait for the disk too. A candidate that crashed before its term was durable could stand in
        // the same term again, with a shorter log, and count votes that were given to the longer one.
        let last = self.log.last();
        for peer in self.peers() {
            self.promise_message(peer, Message::VoteRequest { last });
        }
        self.promise_own_vote();
    }

    // ANCHOR: vote
    pub(super) fn on_vote_request(&mut self, from: NodeId, last: Option<Position>) {
        let free = match self.vote {
            Some(voted_for) => voted_for == from,
            None => self.leader().is_none(),
        };
        if free && is_up_to_date(last, self.log.last()) {
            self.vote = Some(from);
            if !matches!(self.role, Role::Follower(_)) {
                self.become_follower();
            }
            self.restart_timer();
            self.promise_message(from, Message::VoteResponse { granted: true });
        } else {
            self.send(from, Message::VoteResponse { granted: false });
        }
    }
    // ANCHOR_END: vote

    pub(super) fn count_vote(&mut self, from: NodeId) {
        let Role::Candidate(ballot) = &mut self.role else { return };
        let is_new = ballot.granted.insert(from);
        if mutants::is(Mutant::DuplicateVoteCounted) && !is_new {
            let somebody = self.membership.voters.iter().find(|voter| !ballot.granted.contains(voter));
            ballot.granted.extend(somebody.copied());
        }
        if self.membership.is_quorum(&ballot.granted) {
            let votes = ballot.granted.iter().copied().collect();
            self.become_leader(votes);
        }
    }

    /// Adopts a higher term (Raft §5.1). Only here is the vote cleared: stepping down within a term must not free it.
    pub(super) fn adopt_term(&mut self, term: Term) {
        debug_assert!(term > self.term, "terms only grow");
        self.lose_leader(LostLeader::HigherTerm);
        self.disk.void_promises();
        self.reads.forget_asked();
        self.term = term;
        self.vote = None;
        self.become_follower();
    }

    /// Becomes a follower within the current term, with no leader known yet.
    pub(super) fn become_follower(&mut self) {
        if mutants::is(Mutant::VoteClearedOnStepDown) {
            self.vote = None;
        }
        let was_follower = matches!(self.role, Role::Follower(_));
        self.role = Role::Follower(Following::default());
        if !was_follower {
            self.event(Event::BecameFollower { term: self.term });
            self.restart_timer();
        }
    }

    /// Takes note that the leader of this term has spoken. `false` if that cannot be, since this member leads it.
    pub(super) fn follow(&mut self, leader: NodeId) -> bool {
        if matches!(self.role, Role::Leader(_)) {
            return false;
        }
        if matches!(self.role, Role::PreCandidate(_) | Role::Candidate(_)) {
            self.become_follower();
        }
        let Role::Follower(following) = &mut self.role else { return false };
        match following.leader {
            Some(known) if known != leader => return false,
            Some(_) => {}
            None => {
                following.leader = Some(leader);
                self.event(Event::FoundLeader { leader, term: self.term });
            }
        }
        if let Role::Follower(following) = &mut self.role
            && std::mem::take(&mut following.suspected)
        {
            self.restart_timer();
        }
        self.timer.elapsed_ticks = 0;
        true
    }

    /// Says, where a leader was known, that it is lost, and how.
    pub(super) fn lose_leader(&mut self, cause: LostLeader) {
        if let Some(leader) = self.leader() {
            self.event(Event::LostLeader { leader, term: self.term, cause });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::Index;

    #[test]
    fn a_later_term_beats_a_longer_log() {
        let at = |index, term| Some(Position { term: Term(term), index: Index(index) });
        assert!(is_up_to_date(at(1, 3), at(9, 2)));
        assert!(!is_up_to_date(at(9, 2), at(1, 3)));
        assert!(is_up_to_date(at(5, 2), at(5, 2)));
        assert!(!is_up_to_date(at(4, 2), at(5, 2)));
        assert!(is_up_to_date(None, None));
        assert!(!is_up_to_date(None, at(1, 1)));
    }
}
