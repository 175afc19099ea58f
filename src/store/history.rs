//! Every version of every key, and every change by its revision: the store's multi-version memory.
//!
//! Two structures say the same thing from two sides. `keys` answers "what did this key hold at revision *r*?", which
//! serves ranges and snapshots; `changes` answers "which keys changed at revision *r*?", which serves watches. The keys'
//! bytes are shared between them.

use std::collections::VecDeque;
use std::collections::btree_map::{BTreeMap, Entry};
use std::ops::Bound;

use bytes::Bytes;

use super::key_range::KeyRange;
use super::key_value::{KeyValue, LeaseId, Revision};
use super::version::{KeyVersions, Live, Version};
use super::watch::Event;

/// The versions of all keys since `oldest`.
///
/// Invariants: every revision from `first_change()` to `revision` has one item in `changes`, which is not empty; a key
/// changes at most once in a revision; the two sizes are those of `keys`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct History {
    keys: BTreeMap<Bytes, KeyVersions>,
    changes: VecDeque<Changes>,
    revision: Revision,
    oldest: Revision,
    size_bytes: u64,
    in_use_bytes: u64,
}

/// The keys that changed at one revision, in the order in which they did. Mostly it is one key, which needs no vector.
#[derive(Debug, PartialEq, Eq)]
enum Changes {
    One(Bytes),
    Several(Box<[Bytes]>),
}

impl Changes {
    /// `None` if nothing has changed.
    fn new(mut keys: Vec<Bytes>) -> Option<Changes> {
        if keys.len() > 1 {
            return Some(Changes::Several(keys.into_boxed_slice()));
        }
        keys.pop().map(Changes::One)
    }

    fn keys(&self) -> &[Bytes] {
        match self {
            Changes::One(key) => std::slice::from_ref(key),
            Changes::Several(keys) => keys,
        }
    }
}

impl History {
    /// The history of a fresh store.
    pub(super) fn new() -> History {
        History {
            keys: BTreeMap::new(),
            changes: VecDeque::new(),
            revision: Revision::FRESH,
            oldest: Revision::FRESH,
            size_bytes: 0,
            in_use_bytes: 0,
        }
    }

    /// Puts a history together again from its keys.
    ///
    /// # Errors
    /// If they cannot have been the keys of a history from `oldest` to `revision`; the sentence says why.
    pub(super) fn from_keys(
        keys: Vec<(Bytes, KeyVersions)>,
        oldest: Revision,
        revision: Revision,
    ) -> Result<History, &'static str> {
        if oldest < Revision::FRESH || revision < oldest {
            return Err("its oldest revision is 0 or newer than its newest");
        }
        let mut history = History { oldest, revision, ..History::new() };
        let first_change = history.first_change();
        let mut changes = Vec::new();
        for (key, versions) in &keys {
            for version in versions.between(Revision(0), revision) {
                history.size_bytes += version.size_bytes(key);
                if version.mod_revision >= first_change {
                    changes.push((version.mod_revision, version.position, key.clone()));
                }
            }
            if versions.newest().live.is_some() {
                history.in_use_bytes += versions.newest().size_bytes(key);
            }
        }
        changes.sort_unstable();
        let mut expected = first_change;
        for same_revision in changes.chunk_by(|left, right| left.0 == right.0) {
            let in_turn = same_revision.iter().zip(0..).all(|(change, position)| change.1 == position);
            if same_revision[0].0 != expected || !in_turn {
                return Err("a change is missing from its history");
            }
            let keys = same_revision.iter().map(|(_, _, key)| key.clone()).collect();
            history.changes.extend(Changes::new(keys));
            expected = expected.next();
        }
        if expected != revision.next().max(first_change) {
            return Err("its latest changes are missing");
        }
        history.keys = keys.into_iter().collect();
        Ok(history)
    }

    /// Where the history stands.
    pub(super) fn revision(&self) -> Revision {
        self.revision
    }

    /// The floor: the oldest revision that can be read, and from which changes are known.
    pub(super) fn oldest(&self) -> Revision {
        self.oldest
    }

    /// What all versions take, about.
    pub(super) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// What the versions take that a read of now can see, about.
    pub(super) fn in_use_bytes(&self) -> u64 {
        self.in_use_bytes
    }

    /// The first revision whose changes are known. No change bears the fresh revision.
    pub(super) fn first_change(&self) -> Revision {
        self.oldest.max(Revision::FRESH.next())
    }

    /// The keys that changed at `revision`, in order; none if that is not known (any more, or yet).
    pub(super) fn changes_at(&self, revision: Revision) -> &[Bytes] {
        let place =
            revision.0.checked_sub(self.first_change().0).and_then(|place| usize::try_from(place).ok());
        place.and_then(|place| self.changes.get(place)).map_or(&[], Changes::keys)
    }

    /// The versions of a key.
    pub(super) fn key(&self, key: &[u8]) -> Option<&KeyVersions> {
        self.keys.get(key)
    }

    /// The keys of a range, deleted ones too, in order.
    pub(super) fn keys_in<'a>(
        &'a self,
        range: &'a KeyRange,
    ) -> impl DoubleEndedIterator<Item = (&'a Bytes, &'a KeyVersions)> {
        range.bounds().into_iter().flat_map(|bounds| self.keys.range::<[u8], _>(bounds))
    }

    /// All keys from `first` on, deleted ones too, in order.
    pub(super) fn keys_from<'a>(
        &'a self,
        first: Bound<&'a [u8]>,
    ) -> impl Iterator<Item = (&'a Bytes, &'a KeyVersions)> {
        self.keys.range::<[u8], _>((first, Bound::Unbounded))
    }

    /// What a key held at `revision`, if it was there. The revision must not be older than [`History::oldest`].
    pub(super) fn get(&self, key: &[u8], revision: Revision) -> Option<KeyValue> {
        let (key, versions) = self.keys.get_key_value(key)?;
        let version = versions.at(revision)?;
        Some(version.live.as_ref()?.key_value(key, version.mod_revision))
    }

    /// What a key held just before `revision`, if it was there and that is still known.
    pub(super) fn get_before(&self, key: &[u8], revision: Revision) -> Option<KeyValue> {
        (revision > self.oldest).then(|| self.get(key, revision.previous())).flatten()
    }

    /// The change of `key` at `revision`, as an event with what was before; `None` if there was no such change.
    pub(super) fn event(&self, key: &Bytes, revision: Revision) -> Option<Event> {
        let version = self.keys.get(key)?.at(revision)?;
        if version.mod_revision != revision {
            return None;
        }
        let prev_kv = self.get_before(key, revision);
        Some(match &version.live {
            Some(live) => Event::Put { kv: live.key_value(key, revision), prev_kv },
            None => Event::Delete { key: key.clone(), revision, prev_kv },
        })
    }

    /// Makes changes under the next revision. If `write` makes none, the revision stays.
    pub(super) fn write<T>(&mut self, write: impl FnOnce(&mut Writer) -> T) -> T {
        let revision = self.revision.next();
        let mut writer = Writer { history: self, revision, changed: Vec::new() };
        let result = write(&mut writer);
        if let Some(changes) = Changes::new(writer.changed) {
            self.changes.push_back(changes);
            self.revision = revision;
        }
        result
    }
}

/// Changes a history under one revision.
pub(super) struct Writer<'a> {
    history: &'a mut History,
    revision: Revision,
    changed: Vec<Bytes>,
}

impl Writer<'_> {
    /// The revision of the changes.
    pub(super) fn revision(&self) -> Revision {
        self.revision
    }

    /// Sets a key, which must not have been changed under this revision before.
    pub(super) fn put(&mut self, key: Bytes, value: Bytes, lease: Option<LeaseId>) {
        let before = self.history.key(&key).and_then(|versions| versions.newest().live.as_ref());
        let (create_revision, version) = match before {
            Some(live) => (live.create_revision, live.version.saturating_add(1)),
            None => (self.revision, 1),
        };
        self.change(key, Some(Live { value, create_revision, version, lease }));
    }

    /// Deletes a key, which must be there and must not have been changed under this revision before.
    pub(super) fn delete(&mut self, key: Bytes) {
        self.change(key, None);
    }

    fn change(&mut self, key: Bytes, live: Option<Live>) {
        let position = u32::try_from(self.changed.len()).expect("no command changes four billion keys");
        let version = Version { mod_revision: self.revision, position, live };
        let history = &mut *self.history;
        let size_bytes = version.size_bytes(&key);
        history.size_bytes += size_bytes;
        if version.live.is_some() {
            history.in_use_bytes += size_bytes;
        }
        match history.keys.entry(key) {
            Entry::Vacant(entry) => {
                self.changed.push(entry.key().clone());
                entry.insert(KeyVersions::new(version));
            }
            Entry::Occupied(mut entry) => {
                // The key that the map holds already is shared, so that the command's copy of it can go.
                self.changed.push(entry.key().clone());
                let before = entry.get().newest();
                if before.live.is_some() {
                    history.in_use_bytes -= before.size_bytes(entry.key());
                }
                entry.get_mut().push(version);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(history: &mut History, key: &'static str, value: &'static str) -> Revision {
        history.write(|writer| {
            writer.put(key.into(), value.into(), None);
            writer.revision()
        })
    }

    #[test]
    fn several_changes_share_a_revision_in_their_order() {
        let mut history = History::new();
        put(&mut history, "b", "1");
        history.write(|writer| {
            writer.put("c".into(), "2".into(), None);
            writer.delete("b".into());
            writer.put("a".into(), "3".into(), None);
        });
        assert_eq!(history.revision(), Revision(3));
        assert_eq!(history.changes_at(Revision(3)), ["c", "b", "a"]);
        assert_eq!(history.changes_at(Revision(2)), ["b"]);
        assert!(history.changes_at(Revision(4)).is_empty() && history.changes_at(Revision(0)).is_empty());
    }

    #[test]
    fn a_write_without_changes_does_not_move_the_revision() {
        let mut history = History::new();
        history.write(|_| ());
        assert_eq!(history.revision(), Revision::FRESH);
        assert_eq!(put(&mut history, "a", "1"), Revision(2));
    }

    #[test]
    fn a_deleted_key_that_returns_counts_its_versions_anew() {
        let mut history = History::new();
        put(&mut history, "a", "1");
        put(&mut history, "a", "2");
        let before = history.get(b"a", Revision(3)).unwrap();
        assert_eq!((before.create_revision, before.version), (Revision(2), 2));
        history.write(|writer| writer.delete("a".into()));
        assert_eq!(history.get(b"a", Revision(4)), None);
        put(&mut history, "a", "3");
        let after = history.get(b"a", Revision(5)).unwrap();
        assert_eq!((after.create_revision, after.version), (Revision(5), 1));
        assert_eq!(history.get_before(b"a", Revision(4)), Some(before));
    }

    #[test]
    fn the_size_in_use_falls_with_a_deletion_and_the_whole_size_never() {
        let mut history = History::new();
        put(&mut history, "a", "12345");
        let one = (history.size_bytes(), history.in_use_bytes());
        assert_eq!(one.0, one.1);
        put(&mut history, "a", "12345");
        assert_eq!((history.size_bytes(), history.in_use_bytes()), (2 * one.0, one.1));
        history.write(|writer| writer.delete("a".into()));
        assert_eq!(history.in_use_bytes(), 0);
        assert!(history.size_bytes() > 2 * one.0);
    }

    #[test]
    fn a_history_with_a_gap_is_not_put_together() {
        let versions = |revision, position| {
            let live = Live { value: Bytes::new(), create_revision: Revision(2), version: 1, lease: None };
            KeyVersions::new(Version { mod_revision: Revision(revision), position, live: Some(live) })
        };
        let from = |keys: &[(&'static str, u64, u32)], newest| {
            let keys =
                keys.iter().map(|&(key, revision, position)| (key.into(), versions(revision, position)));
            History::from_keys(keys.collect(), Revision(1), Revision(newest)).is_ok()
        };
        assert!(from(&[("a", 2, 0), ("b", 3, 0), ("c", 3, 1)], 3));
        assert!(!from(&[("a", 2, 0), ("b", 4, 0)], 4), "no change at 3");
        assert!(!from(&[("a", 2, 0), ("b", 2, 2)], 2), "no second change at 2");
        assert!(!from(&[("a", 2, 0), ("b", 2, 0)], 2), "two first changes at 2");
        assert!(!from(&[("a", 2, 0)], 3), "no change at the newest revision");
        assert!(!from(&[], 0) && !from(&[], u64::MAX), "revisions that no store has");
        assert!(from(&[], 1));
    }
}
