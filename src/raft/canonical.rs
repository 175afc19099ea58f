//! Members that differ in nothing that matters to safety, made equal, so that a model checker sees a finite number of them.
//!
//! Time and chance decide *when* a member acts. No safety property may rest on that (Raft §5.6), so a model checker lets
//! every member act at any moment, and need not tell apart how long it has waited.

use super::election::Timer;
use super::random::Dice;
use super::{Raft, Role};

impl Raft {
    /// The same member at the moment at which it is free to do all that time ever lets it do.
    ///
    /// - **Chance** draws nothing but waiting times (and names for reads, once, at birth): the dice are put back.
    /// - **A member that does not lead** has waited so long that it listens to candidates, and stands for election itself at
    ///   the next tick. That takes no behaviour away. A request for a vote that it would have ignored a moment ago could have
    ///   been lost as well, and it need not be given the tick.
    /// - **A leader** has heard nobody since its last check of the quorum. It leads on for as long as it is given fewer ticks
    ///   than an election timeout has; with so many it gives up, as it could if it really had heard nobody.
    /// - **Writes** under way are numbered from 1 on. The driver must number its own in the same way.
    /// - **A promise** that waits twice, since the request for it came twice, waits once.
    pub fn canonical(mut self) -> Raft {
        self.dice = Dice::new(0);
        let waited_ticks = self.config.election_ticks;
        self.timer = Timer { elapsed_ticks: waited_ticks, timeout_ticks: waited_ticks.saturating_add(1) };
        if let Role::Leader(leading) = &mut self.role {
            (leading.heartbeat_elapsed_ticks, leading.quorum_elapsed_ticks) = (0, 0);
            leading.peers.values_mut().for_each(|progress| progress.recently_heard = false);
        }
        self.disk.renumber();
        self
    }
}

#[cfg(test)]
mod tests {
    use crate::raft::*;

    fn born(seed: u64) -> Raft {
        let restored = Restored { membership: Membership::new([1, 2].map(NodeId)), ..Restored::default() };
        Raft::new(Config { seed: 0, ..Config::new(NodeId(1), seed) }, restored).unwrap()
    }

    #[test]
    fn waiting_makes_no_difference() {
        let fresh = born(1);
        let mut patient = fresh.clone();
        patient.step(Input::Tick);
        assert_ne!(fresh, patient);
        assert_eq!(fresh.canonical(), patient.canonical());
    }

    #[test]
    fn the_next_tick_makes_a_canonical_member_stand() {
        let mut raft = born(1).canonical();
        raft.step(Input::Tick);
        assert_eq!(raft.status().role, RoleName::PreCandidate);
    }

    #[test]
    fn tickets_are_numbered_from_one_on_and_still_fit_what_they_hold_back() {
        let mut raft = born(1).canonical();
        for _ in 0..2 {
            raft.step(Input::Tick);
            let term = raft.status().term;
            let message = Message::PreVoteResponse { for_term: term.next(), granted: true };
            raft.step(Input::Receive(Envelope { from: NodeId(2), to: NodeId(1), term, message }));
            let outputs = raft.drain();
            assert!(outputs.iter().any(|output| matches!(output, Output::Persist(WriteId(1), _))));
            let mut same = raft.clone().canonical();
            same.step(Input::Persisted(WriteId(1)));
            assert!(matches!(same.drain().as_slice(), [Output::Send(_)]), "the request for a vote leaves");
            raft = same.canonical();
        }
    }
}
