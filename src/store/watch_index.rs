//! Who watches this key? The cost of a change must not grow with the number of watchers on other keys.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;

use super::interval_tree::{End, Interval, IntervalTree};
use super::key_range::KeyRange;

/// Watchers by what they watch, told apart by numbers.
#[derive(Debug)]
pub(super) struct WatchIndex<T> {
    /// Those of a single key. Only ever asked for a key, so that its arbitrary order cannot leak.
    single: HashMap<Bytes, BTreeMap<u64, T>>,
    ranges: IntervalTree<T>,
    len: usize,
}

/// A range as the tree wants it; `None` for a single key.
fn interval(range: &KeyRange) -> Option<Interval> {
    match range {
        KeyRange::Single(_) => None,
        KeyRange::Between(start, end) => Some((start.clone(), End::Before(end.clone()))),
        KeyRange::From(start) => Some((start.clone(), End::Never)),
    }
}

impl<T> WatchIndex<T> {
    pub(super) fn new() -> WatchIndex<T> {
        WatchIndex { single: HashMap::new(), ranges: IntervalTree::new(), len: 0 }
    }

    /// Adds a watcher under a number that was never given before.
    pub(super) fn insert(&mut self, range: &KeyRange, id: u64, watcher: T) {
        self.len += 1;
        match interval(range) {
            None => drop(self.single.entry(range.start().clone()).or_default().insert(id, watcher)),
            Some(interval) => self.ranges.insert(interval, id, watcher),
        }
    }

    /// Removes the watcher that was added with this range and number.
    pub(super) fn remove(&mut self, range: &KeyRange, id: u64) {
        self.len -= 1;
        if let Some(interval) = interval(range) {
            self.ranges.remove(&interval, id);
        } else if let Some(watchers) = self.single.get_mut(range.start()) {
            watchers.remove(&id);
            if watchers.is_empty() {
                self.single.remove(range.start());
            }
        }
    }

    /// How many watchers there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Calls `found` with every watcher of `key`.
    pub(super) fn watching<'a>(&'a self, key: &[u8], mut found: impl FnMut(&'a T)) {
        if let Some(watchers) = self.single.get(key) {
            watchers.values().for_each(&mut found);
        }
        self.ranges.holding(key, &mut found);
    }

    /// Calls `each` with every watcher.
    pub(super) fn for_each<'a>(&'a self, mut each: impl FnMut(&'a T)) {
        self.single.values().flat_map(BTreeMap::values).for_each(&mut each);
        self.ranges.for_each(&mut each);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_finds_its_own_watchers_and_those_of_its_ranges() {
        let mut index = WatchIndex::new();
        let ranges = [KeyRange::Single("a".into()), KeyRange::prefix("a"), KeyRange::everything()];
        for (range, id) in ranges.iter().chain(&ranges).zip(0..) {
            index.insert(range, id, id);
        }
        let watching = |index: &WatchIndex<u64>, key: &str| {
            let mut found = Vec::new();
            index.watching(key.as_bytes(), |id| found.push(*id));
            found.sort_unstable();
            found
        };
        assert_eq!(watching(&index, "a"), [0, 1, 2, 3, 4, 5]);
        assert_eq!(watching(&index, "ab"), [1, 2, 4, 5]);
        assert_eq!(watching(&index, "b"), [2, 5]);
        (0..4).for_each(|id| index.remove(&ranges[id as usize % 3], id));
        assert_eq!(watching(&index, "a"), [4, 5]);
        assert_eq!(index.len(), 2);
        assert!(index.single.is_empty(), "nothing is left behind of a key without watchers");
    }
}
