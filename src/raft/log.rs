//! The log in memory: the entries that are still needed, behind the point up to which compaction has forgotten them.

use std::collections::VecDeque;

use crate::mutants::{self, Mutant};

use super::types::{Entry, Index, Position, SnapshotMeta, Term};

// ANCHOR: log
/// A member's log.
///
/// Invariants: the entries' indexes follow `base` without gaps; their terms never decrease; `snapshot`, where there is
/// one, covers `base`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Log {
    /// The last entry that is forgotten. Its term is kept, so that an append that follows it can be verified.
    base: Option<Position>,
    /// The entries behind `base`.
    entries: VecDeque<Entry>,
    /// The newest durable snapshot: what a peer gets whose entries are forgotten.
    snapshot: Option<SnapshotMeta>,
}
// ANCHOR_END: log

impl Log {
    /// The log as a disk remembers it, or what is wrong with it.
    pub(super) fn restore(snapshot: Option<SnapshotMeta>, entries: Vec<Entry>) -> Result<Log, String> {
        let mut log =
            Log { base: snapshot.as_ref().map(|meta| meta.last), entries: VecDeque::new(), snapshot };
        for entry in entries {
            let expected = Index::after(log.last_index());
            if entry.index != expected {
                return Err(format!("entry {} follows where {expected} should", entry.index));
            }
            if Some(entry.term) < log.last().map(|last| last.term) {
                return Err(format!(
                    "entry {} has term {}, below its predecessor's",
                    entry.index, entry.term
                ));
            }
            log.entries.push_back(entry);
        }
        Ok(log)
    }

    pub(super) fn base(&self) -> Option<Position> {
        self.base
    }

    pub(super) fn snapshot(&self) -> Option<&SnapshotMeta> {
        self.snapshot.as_ref()
    }

    pub(super) fn first_index(&self) -> Index {
        Index::after(self.base.map(|base| base.index))
    }

    pub(super) fn last(&self) -> Option<Position> {
        self.entries.back().map(Entry::position).or(self.base)
    }

    pub(super) fn last_index(&self) -> Option<Index> {
        self.last().map(|last| last.index)
    }

    /// The term of the entry at `index`, unless it is forgotten or not there yet. Never a zero that might "match"
    /// (etcd-io/raft PR 31).
    pub(super) fn term_of(&self, index: Index) -> Option<Term> {
        match self.base {
            Some(base) if base.index == index => Some(base.term),
            _ => self.entry(index).map(|entry| entry.term),
        }
    }

    /// Whether this very entry is in the log, or is the last one that was forgotten.
    pub(super) fn holds(&self, position: Position) -> bool {
        self.term_of(position.index) == Some(position.term)
    }

    /// The entry before `index`, if it is known what it was: the outer `None` says that it is forgotten or missing.
    pub(super) fn before(&self, index: Index) -> Option<Option<Position>> {
        match index.previous() {
            None => self.base.is_none().then_some(None),
            Some(previous) => self.term_of(previous).map(|term| Some(Position { term, index: previous })),
        }
    }

    fn offset(&self, index: Index) -> Option<usize> {
        let is_naive = mutants::is(Mutant::OffsetIgnoresCompaction);
        let first = if is_naive { Index::FIRST } else { self.first_index() };
        usize::try_from(index.0.checked_sub(first.0)?).ok()
    }

    pub(super) fn entry(&self, index: Index) -> Option<&Entry> {
        self.entries.get(self.offset(index)?)
    }

    /// The entries from `from` to `to`, both included, as far as they are there and `max_bytes` allow; at least one, if
    /// one is there.
    pub(super) fn slice(&self, from: Index, to: Option<Index>, max_bytes: usize) -> Vec<Entry> {
        let mut bytes = 0usize;
        self.iter_from(from)
            .take_while(|entry| Some(entry.index) <= to)
            .enumerate()
            .take_while(|(nth, entry)| {
                bytes = bytes.saturating_add(entry.size_bytes());
                *nth == 0 || bytes <= max_bytes
            })
            .map(|(_, entry)| entry.clone())
            .collect()
    }

    /// The bytes of the entries from `from` to `to`, both included.
    pub(super) fn slice_bytes(&self, from: Index, to: Option<Index>) -> usize {
        let entries = self.iter_from(from).take_while(|entry| Some(entry.index) <= to);
        entries.map(Entry::size_bytes).sum()
    }

    /// The entries from `from` on.
    pub(super) fn iter_from(&self, from: Index) -> impl Iterator<Item = &Entry> {
        let start = self.offset(from).unwrap_or(self.entries.len()).min(self.entries.len());
        self.entries.range(start..)
    }

    // ANCHOR: hint
    /// The largest position below `below` whose term is not above `term`: where a leader and a follower whose logs
    /// differ might agree. It skips a term at a time (Raft §5.3, the end).
    pub(super) fn last_below(&self, below: Index, term: Term) -> Option<Position> {
        let candidate = self.entries.partition_point(|entry| entry.index < below && entry.term <= term);
        match candidate.checked_sub(1) {
            Some(offset) => self.entries.get(offset).map(Entry::position),
            None => self.base.filter(|base| base.index < below && base.term <= term),
        }
    }
    // ANCHOR_END: hint

    pub(super) fn push(&mut self, entry: Entry) {
        debug_assert_eq!(entry.index, Index::after(self.last_index()), "a log has no gaps");
        self.entries.push_back(entry);
    }

    /// Throws away everything from `from` on.
    pub(super) fn truncate(&mut self, from: Index) {
        self.entries.truncate(self.offset(from).unwrap_or(0));
    }

    /// Takes note of a durable snapshot, and forgets entries that it covers, but for the last ones: no more than
    /// `retained_entries` of them, and no more than `retained_bytes`.
    pub(super) fn compact(&mut self, meta: SnapshotMeta, retained_entries: u64, retained_bytes: usize) {
        let covered = meta.last.index;
        let cut = Index(covered.0.saturating_sub(retained_entries));
        let mut bytes = self.slice_bytes(self.first_index(), Some(covered));
        self.snapshot = Some(meta);
        while let Some(first) = self.entries.front()
            && (first.index <= cut || (first.index <= covered && bytes > retained_bytes))
        {
            bytes = bytes.saturating_sub(first.size_bytes());
            self.base = self.entries.pop_front().map(|entry| entry.position());
        }
    }

    /// Lets a snapshot take the place of everything.
    pub(super) fn replace(&mut self, meta: SnapshotMeta) {
        self.entries.clear();
        self.base = Some(meta.last);
        self.snapshot = Some(meta);
    }

    /// The entries that are in memory, for checks.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::{Membership, Payload};

    /// A log whose entries have these terms.
    fn log(terms: &[u64]) -> Log {
        let entries = (1..).zip(terms).map(|(index, term)| entry(index, *term)).collect();
        Log::restore(None, entries).unwrap()
    }

    fn entry(index: u64, term: u64) -> Entry {
        Entry { term: Term(term), index: Index(index), payload: Payload::Empty }
    }

    fn position(index: u64, term: u64) -> Position {
        Position { term: Term(term), index: Index(index) }
    }

    fn meta(index: u64, term: u64) -> SnapshotMeta {
        SnapshotMeta { last: position(index, term), membership: Membership::default() }
    }

    #[test]
    fn an_empty_log_has_a_beginning_and_nothing_else() {
        let log = log(&[]);
        assert_eq!((log.first_index(), log.last()), (Index(1), None));
        assert_eq!(log.before(Index(1)), Some(None));
        assert_eq!(log.before(Index(2)), None);
    }

    #[test]
    fn compaction_keeps_the_term_of_the_last_entry_it_forgets() {
        let mut log = log(&[1, 1, 2, 3]);
        log.compact(meta(3, 2), 1, usize::MAX);
        assert_eq!(log.base(), Some(position(2, 1)));
        assert_eq!(log.term_of(Index(1)), None);
        assert_eq!(log.term_of(Index(2)), Some(Term(1)));
        assert_eq!(log.term_of(Index(5)), None);
        assert_eq!(log.before(Index(1)), None, "the beginning is forgotten");
        assert_eq!(log.before(Index(3)), Some(Some(position(2, 1))));
        assert_eq!(log.before(Index(2)), None);
    }

    #[test]
    fn compaction_keeps_no_more_bytes_than_it_may_and_nothing_that_the_snapshot_lacks() {
        let mut log = log(&[1, 1, 1, 1]);
        log.compact(meta(3, 1), 9, Entry::OVERHEAD_BYTES * 2);
        assert_eq!(log.first_index(), Index(2));
        log.compact(meta(3, 1), 9, 0);
        assert_eq!(log.first_index(), Index(4));
    }

    #[test]
    fn a_hint_skips_whole_terms() {
        let log = log(&[1, 1, 4, 4, 4, 6]);
        assert_eq!(log.last_below(Index(6), Term(3)), Some(position(2, 1)));
        assert_eq!(log.last_below(Index(5), Term(4)), Some(position(4, 4)));
        assert_eq!(log.last_below(Index(9), Term(9)), Some(position(6, 6)));
        assert_eq!(log.last_below(Index(1), Term(9)), None);
    }

    #[test]
    fn a_hint_below_what_is_forgotten_is_none() {
        let mut log = log(&[1, 1, 1, 1]);
        log.compact(meta(3, 1), 0, usize::MAX);
        assert_eq!(log.last_below(Index(4), Term(1)), Some(position(3, 1)));
        assert_eq!(log.last_below(Index(3), Term(1)), None);
    }

    #[test]
    fn a_slice_takes_at_least_one_entry_and_no_more_than_fits() {
        let log = log(&[1, 1, 1]);
        assert_eq!(log.slice(Index(1), Some(Index(3)), 0).len(), 1);
        assert_eq!(log.slice(Index(1), Some(Index(3)), 2 * Entry::OVERHEAD_BYTES).len(), 2);
        assert_eq!(log.slice(Index(2), Some(Index(2)), usize::MAX).len(), 1);
        assert_eq!(log.slice(Index(4), Some(Index(9)), usize::MAX).len(), 0);
    }

    #[test]
    fn a_log_with_a_gap_or_a_falling_term_is_not_restored() {
        assert!(Log::restore(None, vec![entry(2, 1)]).is_err());
        assert!(Log::restore(None, vec![entry(1, 2), entry(2, 1)]).is_err());
        assert!(Log::restore(Some(meta(4, 3)), vec![entry(5, 2)]).is_err());
        assert!(Log::restore(Some(meta(4, 3)), vec![entry(5, 3)]).is_ok());
    }
}
