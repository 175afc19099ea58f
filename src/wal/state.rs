//! What the log says at its end, without its entries' payloads; and the rules for what may follow.
//!
//! The writer and the recovery apply every record to a [`State`] by the same functions. So what the writer lets through, the
//! recovery understands, and a record that breaks a rule is refused on both ways.

use std::collections::BTreeMap;

use crate::raft::{Entry, HardState, Index, Position, SnapshotMeta, Term};

/// The end of the log in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    /// How often the log was opened.
    pub life: u64,
    /// The latest hard state.
    pub hard_state: HardState,
    /// Which entries there are.
    pub outline: Outline,
    /// The snapshots that count.
    pub marks: BTreeMap<Index, SnapshotMeta>,
}

impl State {
    /// Takes a write, or says what is wrong with it.
    ///
    /// Terms never go back, neither the member's nor the entries'; entries follow each other without gaps; and what a
    /// snapshot covers is never written again.
    pub(super) fn write(&mut self, hard_state: Option<HardState>, entries: &[Entry]) -> Result<(), String> {
        if let Some(hard_state) = hard_state {
            if hard_state.term < self.hard_state.term {
                return Err(format!("term {} after term {}", hard_state.term, self.hard_state.term));
            }
            self.hard_state = hard_state;
        }
        let covered = self.marks.last_key_value().map(|(index, _)| *index);
        match entries.first() {
            Some(first) if Some(first.index) <= covered => {
                Err(format!("entry {}, which a snapshot covers", first.index))
            }
            _ => self.outline.write(entries),
        }
    }

    /// Whether a snapshot takes the place of the whole log: when the log does not hold the snapshot's last entry.
    pub(super) fn is_replaced_by(&self, last: Position) -> bool {
        self.outline.term_at(last.index) != Some(last.term)
    }

    /// Lets a snapshot count.
    pub(super) fn mark(&mut self, meta: SnapshotMeta, replaces_log: bool) {
        if replaces_log {
            self.outline = Outline::behind(Some(meta.last));
        }
        self.marks.insert(meta.last.index, meta);
    }
}

/// The terms of the entries that the log holds, as runs of equal terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outline {
    /// The first index of each run, and its term. Indexes rise strictly and terms never fall.
    runs: Vec<(Index, Term)>,
    /// The index of the next entry.
    next: Index,
}

impl Outline {
    /// The outline of a log that holds nothing but knows what went before.
    pub(super) fn behind(last: Option<Position>) -> Outline {
        Outline {
            runs: last.map(|last| (last.index, last.term)).into_iter().collect(),
            next: Index::after(last.map(|last| last.index)),
        }
    }

    /// The index of the next entry.
    pub(super) fn next(&self) -> Index {
        self.next
    }

    /// The last entry that is known, or what a snapshot put in its place.
    pub(super) fn last(&self) -> Option<Position> {
        let (first, term) = *self.runs.last()?;
        self.next.previous().filter(|index| *index >= first).map(|index| Position { term, index })
    }

    /// The term of an entry, if it is known.
    pub(super) fn term_at(&self, index: Index) -> Option<Term> {
        if index >= self.next {
            return None;
        }
        self.runs.iter().rev().find(|(first, _)| *first <= index).map(|(_, term)| *term)
    }

    /// Takes entries; they replace what the log holds from the first of them on.
    fn write(&mut self, entries: &[Entry]) -> Result<(), String> {
        let Some(first) = entries.first() else { return Ok(()) };
        if first.index < Index::FIRST {
            return Err("an entry 0, but the first is 1".to_owned());
        }
        if first.index > self.next {
            return Err(format!("entry {}, but the next is {}", first.index, self.next));
        }
        while self.runs.last().is_some_and(|(begin, _)| *begin >= first.index) {
            self.runs.pop();
        }
        self.next = first.index;
        for entry in entries {
            if entry.index != self.next {
                return Err(format!("entry {}, but the next is {}", entry.index, self.next));
            }
            match self.runs.last() {
                Some((_, term)) if *term == entry.term => {}
                Some((_, term)) if *term > entry.term => {
                    return Err(format!("entry {} of term {} after term {term}", entry.index, entry.term));
                }
                _ => self.runs.push((entry.index, entry.term)),
            }
            self.next = entry.index.next();
        }
        Ok(())
    }

    /// Forgets the entries before `index`.
    pub(super) fn forget_before(&mut self, index: Index) {
        let first_needed = self.runs.iter().rposition(|(first, _)| *first <= index).unwrap_or(0);
        self.runs.drain(..first_needed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::{Membership, Payload};

    fn position(index: u64, term: u64) -> Position {
        Position { term: Term(term), index: Index(index) }
    }

    fn entries(positions: &[(u64, u64)]) -> Vec<Entry> {
        let entry = |&(index, term): &(u64, u64)| {
            let Position { term, index } = position(index, term);
            Entry { term, index, payload: Payload::Empty }
        };
        positions.iter().map(entry).collect()
    }

    fn state() -> State {
        State {
            life: 1,
            hard_state: HardState::default(),
            outline: Outline::behind(None),
            marks: BTreeMap::new(),
        }
    }

    #[test]
    fn entries_replace_from_their_first_index_on() {
        let mut state = state();
        state.write(None, &entries(&[(1, 1), (2, 1), (3, 2), (4, 2)])).unwrap();
        state.write(None, &entries(&[(3, 3)])).unwrap();
        let terms: Vec<_> = (0..6).map(|index| state.outline.term_at(Index(index))).collect();
        assert_eq!(terms, [None, Some(Term(1)), Some(Term(1)), Some(Term(3)), None, None]);
        assert_eq!(state.outline.last(), Some(position(3, 3)));
    }

    #[test]
    fn gaps_and_falling_terms_are_refused() {
        let mut full = state();
        full.write(None, &entries(&[(1, 1), (2, 2)])).unwrap();
        for wrong in [&[(4, 2)][..], &[(0, 1)], &[(3, 2), (5, 2)], &[(3, 3), (4, 2)], &[(3, 1)], &[(2, 0)]] {
            assert!(full.clone().write(None, &entries(wrong)).is_err(), "{wrong:?}");
        }
        let hard_state = |term| HardState { term: Term(term), vote: None, commit: None };
        full.write(Some(hard_state(5)), &[]).unwrap();
        assert!(full.write(Some(hard_state(4)), &[]).is_err());
    }

    #[test]
    fn a_snapshot_of_what_the_log_holds_leaves_it_and_any_other_replaces_it() {
        let meta =
            |index, term| SnapshotMeta { last: position(index, term), membership: Membership::default() };
        let mut state = state();
        state.write(None, &entries(&[(1, 1), (2, 1), (3, 2)])).unwrap();
        assert!(!state.is_replaced_by(position(2, 1)));
        for other in [position(3, 1), position(4, 2), position(2, 2)] {
            assert!(state.is_replaced_by(other), "{other}");
        }
        state.mark(meta(2, 1), false);
        assert_eq!(state.outline.next(), Index(4));
        assert!(state.write(None, &entries(&[(2, 2)])).is_err(), "an entry that a snapshot covers");
        state.mark(meta(9, 3), true);
        assert_eq!(state.outline, Outline::behind(Some(position(9, 3))));
        state.write(None, &entries(&[(10, 3)])).unwrap();
        assert!(state.clone().write(None, &entries(&[(11, 2)])).is_err());
        assert!(!state.is_replaced_by(position(9, 3)));
    }

    #[test]
    fn forgetting_keeps_what_is_needed() {
        let mut state = state();
        state.write(None, &entries(&[(1, 1), (2, 2), (3, 2), (4, 3)])).unwrap();
        state.outline.forget_before(Index(3));
        assert_eq!(state.outline.runs, [(Index(2), Term(2)), (Index(4), Term(3))]);
        assert_eq!(state.outline.term_at(Index(3)), Some(Term(2)));
        state.outline.forget_before(Index(99));
        assert_eq!(state.outline.last(), Some(position(4, 3)));
    }
}
