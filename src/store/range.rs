//! Reading: what a range asks for, and how it is answered.

use std::num::NonZeroU64;

use super::key_range::KeyRange;
use super::key_value::{KeyValue, Revision};

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
