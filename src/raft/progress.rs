//! What a leader knows about one peer, and how much it lets travel to it unanswered.
//!
//! A peer is *probed* until it is known where its log agrees with the leader's: one append at a time. Then it is
//! *replicated* to: appends leave without waiting for answers, up to a limit in messages and in bytes. If the entries that
//! it needs are forgotten it gets a *snapshot*, and no appends meanwhile.

use std::collections::VecDeque;

use super::message::Round;
use super::types::Index;

/// A leader's view of one peer.
///
/// Invariants: `next` is above `matched`; nothing is in flight but in `Replicate`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Progress {
    /// The peer durably holds the leader's log up to here; it has said so in this term (Raft Figure 2, `matchIndex`).
    pub(super) matched: Option<Index>,
    /// The next entry to send (`nextIndex`).
    pub(super) next: Index,
    /// How it is sent to.
    pub(super) flow: Flow,
    /// Whether it has been heard from since the last check of the quorum.
    pub(super) recently_heard: bool,
    /// Whether a heartbeat has gone by without `matched` moving.
    pub(super) stalled: bool,
    /// The commit index that it has been told.
    pub(super) told_commit: Option<Index>,
    /// The latest round that was sent to it.
    pub(super) told_round: Round,
    /// The latest round that it has acknowledged.
    pub(super) heard_round: Round,
}

/// How a peer is sent to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Flow {
    /// It is not known where the logs agree.
    Probe {
        /// An append is on its way; the next waits for its answer, or for the answer to a heartbeat if it was lost.
        waiting: bool,
    },
    /// It is known, and appends flow.
    Replicate {
        /// What travels unanswered.
        inflight: Inflight,
    },
    /// A snapshot is on its way.
    Snapshot {
        /// Its last entry.
        index: Index,
        /// For how many ticks its bytes have been delivered without an answer.
        delivered_ticks: Option<u32>,
    },
}

/// Appends on their way, oldest first: the last index of each, and its bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Inflight {
    appends: VecDeque<(Index, usize)>,
    bytes: usize,
}

impl Inflight {
    pub(super) fn is_full(&self, max_messages: usize, max_bytes: usize) -> bool {
        self.appends.len() >= max_messages || self.bytes >= max_bytes
    }

    pub(super) fn push(&mut self, last: Index, bytes: usize) {
        self.appends.push_back((last, bytes));
        self.bytes = self.bytes.saturating_add(bytes);
    }

    pub(super) fn free_up_to(&mut self, matched: Index) {
        while let Some(&(last, bytes)) = self.appends.front()
            && last <= matched
        {
            self.bytes = self.bytes.saturating_sub(bytes);
            self.appends.pop_front();
        }
    }
}

impl Progress {
    /// A peer of which a new leader knows nothing: it guesses that the logs are equal (Raft §5.3).
    pub(super) fn new(leader_last: Option<Index>) -> Progress {
        Progress {
            matched: None,
            next: Index::after(leader_last),
            flow: Flow::Probe { waiting: false },
            recently_heard: true,
            stalled: false,
            told_commit: None,
            told_round: Round(0),
            heard_round: Round(0),
        }
    }

    /// The peer holds the log up to `matched`. An old answer changes nothing.
    pub(super) fn store(&mut self, matched: Index) {
        if Some(matched) > self.matched {
            self.matched = Some(matched);
            self.stalled = false;
        }
        self.next = self.next.max(Index::after(self.matched));
        match &mut self.flow {
            Flow::Probe { .. } => self.flow = Flow::Replicate { inflight: Inflight::default() },
            Flow::Replicate { inflight } => inflight.free_up_to(matched),
            Flow::Snapshot { index, .. } if self.matched >= Some(*index) => self.probe(None),
            Flow::Snapshot { .. } => {}
        }
    }

    /// Probes from behind `agree`, the last index that might agree, but never from below what is known to.
    pub(super) fn probe(&mut self, agree: Option<Index>) {
        self.next = Index::after(agree.max(self.matched));
        self.flow = Flow::Probe { waiting: false };
    }

    /// Whether a refusal of the append behind `refused` says something new. A refusal may be overtaken by a later
    /// acknowledgement, or come twice (openraft #1500, raft-rs PR 557).
    pub(super) fn is_news(&self, refused: Index) -> bool {
        match &self.flow {
            Flow::Probe { .. } => self.next.previous() == Some(refused),
            Flow::Replicate { .. } => Some(refused) > self.matched && refused < self.next,
            Flow::Snapshot { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replicating() -> Progress {
        let mut progress = Progress::new(Some(Index(5)));
        progress.store(Index(3));
        progress
    }

    #[test]
    fn an_answer_to_a_probe_opens_the_flow_behind_what_was_sent() {
        let progress = replicating();
        assert_eq!((progress.matched, progress.next), (Some(Index(3)), Index(6)));
        assert!(matches!(progress.flow, Flow::Replicate { .. }));
    }

    #[test]
    fn a_late_acknowledgement_takes_nothing_back() {
        let mut progress = replicating();
        progress.store(Index(5));
        progress.store(Index(2));
        assert_eq!((progress.matched, progress.next), (Some(Index(5)), Index(6)));
    }

    #[test]
    fn an_answer_that_says_nothing_new_is_no_progress() {
        let mut progress = replicating();
        progress.stalled = true;
        progress.store(Index(3));
        assert!(progress.stalled);
        progress.store(Index(4));
        assert!(!progress.stalled);
    }

    #[test]
    fn a_snapshot_is_waited_for_until_what_it_holds_is_acknowledged() {
        let mut progress = replicating();
        progress.flow = Flow::Snapshot { index: Index(9), delivered_ticks: None };
        progress.store(Index(8));
        assert!(matches!(progress.flow, Flow::Snapshot { .. }), "the answer to an older append");
        assert!(!progress.is_news(Index(8)), "no append is under way");
        progress.store(Index(9));
        assert_eq!((&progress.flow, progress.next), (&Flow::Probe { waiting: false }, Index(10)));
    }

    #[test]
    fn a_refusal_that_an_acknowledgement_has_overtaken_is_no_news() {
        let mut progress = replicating();
        progress.store(Index(5));
        assert!(!progress.is_news(Index(5)));
        assert!(!progress.is_news(Index(7)), "nothing behind index 7 was ever sent");
    }

    #[test]
    fn a_refusal_is_news_where_it_speaks_of_what_was_sent_and_not_acknowledged() {
        let replicating = replicating();
        let news: Vec<u64> = (1..9).filter(|refused| replicating.is_news(Index(*refused))).collect();
        assert_eq!(news, [4, 5], "behind 3, which matches, and before 6, which comes next");
        let probing = Progress::new(Some(Index(5)));
        let news: Vec<u64> = (1..9).filter(|refused| probing.is_news(Index(*refused))).collect();
        assert_eq!(news, [5], "what the one probe was sent behind");
    }

    #[test]
    fn a_probe_never_starts_below_what_matches() {
        let mut progress = replicating();
        progress.probe(Some(Index(1)));
        assert_eq!(progress.next, Index(4));
    }

    #[test]
    fn what_is_in_flight_is_bounded_in_messages_and_in_bytes_and_freed_by_answers() {
        let mut inflight = Inflight::default();
        inflight.push(Index(1), 10);
        inflight.push(Index(2), 10);
        assert!(inflight.is_full(2, 100));
        assert!(inflight.is_full(9, 20));
        inflight.free_up_to(Index(1));
        assert!(!inflight.is_full(2, 100));
        assert!(!inflight.is_full(9, 20));
    }
}
