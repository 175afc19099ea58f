//! The model: a list of all changes, and answers by going through all of it.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use bytes::Bytes;

use super::*;

/// A key and its new value, or a deletion.
type Change = (Bytes, Option<Bytes>);

/// Item *n* holds the changes of revision *n* + 2.
#[derive(Default)]
pub(super) struct Model {
    changes: Vec<Vec<Change>>,
}

impl Model {
    pub(super) fn revision(&self) -> Revision {
        Revision(self.changes.len() as u64 + 1)
    }

    /// All keys at a revision.
    pub(super) fn at(&self, revision: Revision) -> BTreeMap<Bytes, KeyValue> {
        let mut state: BTreeMap<Bytes, KeyValue> = BTreeMap::new();
        for (changes, number) in self.changes.iter().zip(2..=revision.0) {
            for (key, value) in changes {
                let Some(value) = value.clone() else {
                    state.remove(key);
                    continue;
                };
                let (create_revision, version) =
                    state.get(key).map_or((Revision(number), 1), |kv| (kv.create_revision, kv.version + 1));
                let mod_revision = Revision(number);
                let kv =
                    KeyValue { key: key.clone(), value, create_revision, mod_revision, version, lease: None };
                state.insert(key.clone(), kv);
            }
        }
        state
    }

    /// Executes an operation and says what the store must answer.
    pub(super) fn execute(&mut self, operation: &Operation) -> Result<Reply, StoreError> {
        let now = self.at(self.revision());
        match operation {
            Operation::Put(put) => {
                if put.ignore_value && !put.value.is_empty() {
                    return Err(StoreError::ValueProvided);
                }
                if put.ignore_lease && put.lease.is_some() {
                    return Err(StoreError::LeaseProvided);
                }
                if let Some(lease) = put.lease {
                    return Err(StoreError::LeaseNotFound { lease });
                }
                let before = now.get(&put.key).cloned();
                if (put.ignore_value || put.ignore_lease) && before.is_none() {
                    return Err(StoreError::KeyNotFound);
                }
                let value = match &before {
                    Some(before) if put.ignore_value => before.value.clone(),
                    _ => put.value.clone(),
                };
                self.changes.push(vec![(put.key.clone(), Some(value))]);
                Ok(Reply::Put { revision: self.revision(), prev_kv: before.filter(|_| put.prev_kv) })
            }
            Operation::DeleteRange(delete) => {
                let gone: Vec<KeyValue> =
                    now.into_values().filter(|kv| contains(&delete.range, &kv.key)).collect();
                if !gone.is_empty() {
                    self.changes.push(gone.iter().map(|kv| (kv.key.clone(), None)).collect());
                }
                let deleted = gone.len() as u64;
                let prev_kvs = if delete.prev_kv { gone } else { Vec::new() };
                Ok(Reply::DeleteRange { revision: self.revision(), deleted, prev_kvs })
            }
            Operation::PublishMember(_) => Ok(Reply::PublishMember { revision: self.revision() }),
        }
    }

    /// A range, in the steps in which etcd takes them: read, drop by revision, sort, cut.
    pub(super) fn range(&self, range: &Range) -> Result<RangeReply, StoreError> {
        let current = self.revision();
        let at = range.revision.unwrap_or(current);
        if at > current {
            return Err(StoreError::FutureRevision { requested: at, current });
        }
        if at < Revision(1) {
            return Err(StoreError::Compacted { requested: at, oldest: Revision(1) });
        }
        let mut kvs: Vec<KeyValue> =
            self.at(at).into_values().filter(|kv| contains(&range.range, &kv.key)).collect();
        let count = kvs.len() as u64;
        if range.count_only {
            return Ok(RangeReply { revision: current, kvs: Vec::new(), more: false, count });
        }
        let limit = range.limit.map_or(usize::MAX, |limit| limit.get() as usize);
        let bounds = [
            (range.min_mod_revision, range.max_mod_revision),
            (range.min_create_revision, range.max_create_revision),
        ];
        let filtered = bounds.iter().any(|(min, max)| min.is_some() || max.is_some());
        if range.sort.order == SortOrder::None && !filtered {
            kvs.truncate(limit.saturating_add(1));
        }
        let zero = Revision(0);
        let last = Revision(u64::MAX);
        kvs.retain(|kv| {
            let revisions = [kv.mod_revision, kv.create_revision];
            revisions
                .iter()
                .zip(bounds)
                .all(|(revision, (min, max))| (min.unwrap_or(zero)..=max.unwrap_or(last)).contains(revision))
        });
        kvs.sort_by(|left, right| {
            let order = compare(left, right, range.sort.target);
            if range.sort.order == SortOrder::Descend { order.reverse() } else { order }
        });
        let more = kvs.len() > limit;
        kvs.truncate(limit);
        if range.keys_only {
            kvs.iter_mut().for_each(|kv| kv.value = Bytes::new());
        }
        Ok(RangeReply { revision: current, kvs, more, count })
    }

    /// All events that a watcher sees that began when the store stood at `registered`.
    pub(super) fn events(&self, request: &WatchRequest, registered: Revision) -> Vec<Event> {
        let first = request.start_revision.unwrap_or(registered.next());
        let mut events = Vec::new();
        for number in 2..=self.revision().0 {
            let revision = Revision(number);
            let (before, after) = (self.at(revision.previous()), self.at(revision));
            for (key, value) in &self.changes[number as usize - 2] {
                let prev_kv = before.get(key).cloned().filter(|_| request.prev_kv);
                let dropped = if value.is_some() { request.no_put } else { request.no_delete };
                if dropped || revision < first || !contains(&request.range, key) {
                    continue;
                }
                events.push(match after.get(key).cloned() {
                    Some(kv) => Event::Put { kv, prev_kv },
                    None => Event::Delete { key: key.clone(), revision, prev_kv },
                });
            }
        }
        events
    }
}

fn contains(range: &KeyRange, key: &Bytes) -> bool {
    match range {
        KeyRange::Single(only) => only == key,
        KeyRange::Between(start, end) => key >= start && key < end,
        KeyRange::From(start) => key >= start,
    }
}

fn compare(left: &KeyValue, right: &KeyValue, target: SortTarget) -> Ordering {
    match target {
        SortTarget::Key => left.key.cmp(&right.key),
        SortTarget::Version => left.version.cmp(&right.version),
        SortTarget::Create => left.create_revision.cmp(&right.create_revision),
        SortTarget::Mod => left.mod_revision.cmp(&right.mod_revision),
        SortTarget::Value => left.value.cmp(&right.value),
    }
}
