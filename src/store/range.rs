//! Reading: what a range asks for, and how it is answered.

use std::cmp::Ordering;
use std::num::NonZeroU64;

use bytes::Bytes;

use super::error::StoreError;
use super::history::History;
use super::key_range::KeyRange;
use super::key_value::{KeyValue, Revision};
use super::version::{KeyVersions, Live};

/// A read of the keys of a range, now or at an older revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// Which keys.
    pub range: KeyRange,
    /// At most so many of them.
    pub limit: Option<NonZeroU64>,
    /// As of this revision; `None` means now.
    pub revision: Option<Revision>,
    /// In which order.
    pub sort: Sort,
    /// Leave the values out.
    pub keys_only: bool,
    /// Only count; no key is returned.
    pub count_only: bool,
    /// Drop keys with a lesser mod revision.
    pub min_mod_revision: Option<Revision>,
    /// Drop keys with a greater mod revision.
    pub max_mod_revision: Option<Revision>,
    /// Drop keys with a lesser create revision.
    pub min_create_revision: Option<Revision>,
    /// Drop keys with a greater create revision.
    pub max_create_revision: Option<Revision>,
}

impl Range {
    /// All keys of `range`, now, in their order.
    pub fn new(range: KeyRange) -> Range {
        Range {
            range,
            limit: None,
            revision: None,
            sort: Sort::default(),
            keys_only: false,
            count_only: false,
            min_mod_revision: None,
            max_mod_revision: None,
            min_create_revision: None,
            max_create_revision: None,
        }
    }
}

/// An order of keys. The default is the order of the keys themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sort {
    /// By what.
    pub target: SortTarget,
    /// Which way.
    pub order: SortOrder,
}

/// By what keys are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortTarget {
    /// The bytes of the key.
    #[default]
    Key,
    /// How often it was put.
    Version,
    /// When it came to life.
    Create,
    /// When it was last put.
    Mod,
    /// The bytes of the value.
    Value,
}

/// Which way keys are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SortOrder {
    /// Not said.
    #[default]
    None,
    /// The least first.
    Ascend,
    /// The greatest first.
    Descend,
}

/// What a range answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeReply {
    /// Where the store stands; not the revision that was read.
    pub revision: Revision,
    /// The keys.
    pub kvs: Vec<KeyValue>,
    /// Whether the limit left some out.
    pub more: bool,
    /// How many keys the range holds, whatever the limit and the filters by revision leave of them.
    pub count: u64,
}

/// Answers a range from a history.
///
/// # Errors
/// [`StoreError::EmptyKey`], [`StoreError::FutureRevision`], [`StoreError::Compacted`].
pub(super) fn read(history: &History, range: &Range) -> Result<RangeReply, StoreError> {
    if range.range.start().is_empty() {
        return Err(StoreError::EmptyKey);
    }
    let (current, oldest) = (history.revision(), history.oldest());
    let at = range.revision.unwrap_or(current);
    if at > current {
        return Err(StoreError::FutureRevision { requested: at, current });
    }
    if at < oldest {
        return Err(StoreError::Compacted { requested: at, oldest });
    }
    let found = history.keys_in(&range.range).filter_map(|(key, versions)| Found::at(key, versions, at));
    if range.count_only {
        let count = found.count() as u64;
        return Ok(RangeReply { revision: current, kvs: Vec::new(), more: false, count });
    }
    let selected = match (range.sort.order, range.sort.target) {
        (SortOrder::None | SortOrder::Ascend, SortTarget::Key) => range.select(found),
        (SortOrder::Descend, SortTarget::Key) => range.select(found.rev()),
        (SortOrder::None, target) => range.select_then_sort(found, target),
        (SortOrder::Ascend, target) => {
            range.sort_then_select(found, |left, right| left.compare(right, target))
        }
        (SortOrder::Descend, target) => {
            range.sort_then_select(found, |left, right| right.compare(left, target))
        }
    };
    let kvs = selected.found.iter().map(|found| found.key_value(range.keys_only)).collect();
    Ok(RangeReply { revision: current, kvs, more: selected.more, count: selected.count })
}

/// A key that was there at the revision of the read. References only: what is counted is not copied.
#[derive(Clone, Copy)]
struct Found<'a> {
    key: &'a Bytes,
    mod_revision: Revision,
    live: &'a Live,
}

/// What a range has chosen from what it found.
struct Selected<'a> {
    found: Vec<Found<'a>>,
    more: bool,
    count: u64,
}

impl<'a> Found<'a> {
    fn at(key: &'a Bytes, versions: &'a KeyVersions, revision: Revision) -> Option<Found<'a>> {
        let version = versions.at(revision)?;
        Some(Found { key, mod_revision: version.mod_revision, live: version.live.as_ref()? })
    }

    fn compare(&self, other: &Found, target: SortTarget) -> Ordering {
        match target {
            SortTarget::Key => self.key.cmp(other.key),
            SortTarget::Version => self.live.version.cmp(&other.live.version),
            SortTarget::Create => self.live.create_revision.cmp(&other.live.create_revision),
            SortTarget::Mod => self.mod_revision.cmp(&other.mod_revision),
            SortTarget::Value => self.live.value.cmp(&other.live.value),
        }
    }

    fn key_value(&self, without_value: bool) -> KeyValue {
        let mut kv = self.live.key_value(self.key, self.mod_revision);
        if without_value {
            kv.value = Bytes::new();
        }
        kv
    }
}

impl Range {
    fn limit(&self) -> usize {
        self.limit.map_or(usize::MAX, |limit| usize::try_from(limit.get()).unwrap_or(usize::MAX))
    }

    fn filters(&self) -> bool {
        let filters = [
            self.min_mod_revision,
            self.max_mod_revision,
            self.min_create_revision,
            self.max_create_revision,
        ];
        filters.iter().any(Option::is_some)
    }

    fn passes(&self, found: &Found) -> bool {
        let within = |revision, min: Option<Revision>, max: Option<Revision>| {
            min.is_none_or(|min| revision >= min) && max.is_none_or(|max| revision <= max)
        };
        within(found.mod_revision, self.min_mod_revision, self.max_mod_revision)
            && within(found.live.create_revision, self.min_create_revision, self.max_create_revision)
    }

    /// The first ones that pass the filters, up to the limit; the rest is only counted.
    fn select<'a>(&self, all: impl Iterator<Item = Found<'a>>) -> Selected<'a> {
        let mut selected = Selected { found: Vec::new(), more: false, count: 0 };
        for found in all {
            selected.count += 1;
            if selected.more || !self.passes(&found) {
                continue;
            }
            if selected.found.len() < self.limit() {
                selected.found.push(found);
            } else {
                selected.more = true;
            }
        }
        selected
    }

    /// etcd sorts by a target even if no order is given. But then it sorts only what it has read: one key more than
    /// the limit, in the order of keys, unless filters by revision made it read everything.
    fn select_then_sort<'a>(&self, all: impl Iterator<Item = Found<'a>>, target: SortTarget) -> Selected<'a> {
        if self.filters() {
            return self.sort_then_select(all, |left, right| left.compare(right, target));
        }
        let mut selected = Selected { found: Vec::new(), more: false, count: 0 };
        let read = self.limit().saturating_add(1);
        for found in all {
            selected.count += 1;
            if selected.found.len() < read {
                selected.found.push(found);
            }
        }
        selected.found.sort_by(|left, right| left.compare(right, target));
        selected.cut(self.limit());
        selected
    }

    /// The first ones in the given order, up to the limit. Equals stay in the order of their keys.
    fn sort_then_select<'a>(
        &self,
        all: impl Iterator<Item = Found<'a>>,
        compare: impl Fn(&Found, &Found) -> Ordering,
    ) -> Selected<'a> {
        let mut selected = Selected { found: Vec::new(), more: false, count: 0 };
        for found in all {
            selected.count += 1;
            if self.passes(&found) {
                selected.found.push(found);
            }
        }
        selected.found.sort_by(compare);
        selected.cut(self.limit());
        selected
    }
}

impl Selected<'_> {
    fn cut(&mut self, limit: usize) {
        self.more = self.found.len() > limit;
        self.found.truncate(limit);
    }
}
