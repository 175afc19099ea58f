//! What the store refuses, and why.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::key_value::{LeaseId, Revision};
use crate::raft::Index;

/// A request that cannot be done. Nothing was changed by it.
///
/// It is also remembered in the window of executed requests, hence part of snapshots: add variants at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoreError {
    /// The request names no key.
    EmptyKey,
    /// `ignore_value` together with a value.
    ValueProvided,
    /// `ignore_lease` together with a lease.
    LeaseProvided,
    /// `ignore_value` or `ignore_lease` for a key that is not there.
    KeyNotFound,
    /// There is no such lease.
    LeaseNotFound {
        /// The lease that was named.
        lease: LeaseId,
    },
    /// A read at a revision that the store has not reached.
    FutureRevision {
        /// The revision that was asked for.
        requested: Revision,
        /// Where the store stands.
        current: Revision,
    },
    /// A read at a revision whose history is gone.
    Compacted {
        /// The revision that was asked for.
        requested: Revision,
        /// The oldest revision that can still be read.
        oldest: Revision,
    },
    /// A watch on a range that holds no key.
    EmptyRange,
    /// The request was executed before, under the same id; its full answer can no longer be given, since it needs
    /// history that has been compacted.
    AlreadyExecuted {
        /// Where the store stood after it.
        revision: Revision,
    },
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::EmptyKey => write!(f, "the request names no key; give one of at least one byte"),
            StoreError::ValueProvided => {
                write!(f, "a put that keeps the key's value (ignore_value) must not bring one")
            }
            StoreError::LeaseProvided => {
                write!(f, "a put that keeps the key's lease (ignore_lease) must not bring one")
            }
            StoreError::KeyNotFound => {
                write!(f, "the key is not there, so that it has no value or lease to keep; put it in full")
            }
            StoreError::LeaseNotFound { lease } => {
                write!(f, "there is no lease {lease}; it was never granted, was revoked or has expired")
            }
            StoreError::FutureRevision { requested, current } => {
                write!(f, "revision {requested} lies in the future; the store stands at {current}")
            }
            StoreError::Compacted { requested, oldest } => {
                write!(f, "revision {requested} has been compacted; the oldest that can be read is {oldest}")
            }
            StoreError::EmptyRange => {
                write!(f, "the range holds no key, since its end is not greater than its start")
            }
            StoreError::AlreadyExecuted { revision } => write!(
                f,
                "the request was executed once, as of revision {revision}, and its full answer has been compacted; \
                 do not send it again"
            ),
        }
    }
}

impl std::error::Error for StoreError {}

/// A log entry or a snapshot was handed to the store out of turn. Nothing was changed.
///
/// Entries are applied in the order of the log, each exactly once; anything else is a mistake of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfOrder {
    /// The first index that the store would have taken.
    pub expected: Index,
    /// The index that it was given; `None` for a snapshot of a store to which nothing was applied.
    pub given: Option<Index>,
}

impl fmt::Display for OutOfOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.given {
            Some(given) => write!(f, "the store was given index {given} where {} comes next", self.expected),
            None => {
                write!(f, "the store was given an empty snapshot where index {} comes next", self.expected)
            }
        }
    }
}

impl std::error::Error for OutOfOrder {}
