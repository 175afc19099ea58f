//! The versions of one key.

use std::mem;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::key_value::{KeyValue, LeaseId, Revision};

/// A key as one change left it: with a value, or deleted (a *tombstone*).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Version {
    /// When it was changed.
    pub mod_revision: Revision,
    /// The change's place among the changes of the same revision, from 0.
    pub position: u32,
    /// What it holds since then; `None` in a tombstone.
    pub live: Option<Live>,
}

/// What a key holds while it is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Live {
    /// The value.
    pub value: Bytes,
    /// When the key came to life.
    pub create_revision: Revision,
    /// How often it was put since then, from 1.
    pub version: u64,
    /// The lease that it is bound to.
    pub lease: Option<LeaseId>,
}

impl Version {
    /// What a version costs beyond the bytes of key and value; an estimate.
    const OVERHEAD_BYTES: u64 = 64;

    /// What it counts towards the store's size.
    pub(super) fn size_bytes(&self, key: &Bytes) -> u64 {
        let value = self.live.as_ref().map_or(0, |live| live.value.len());
        Version::OVERHEAD_BYTES + key.len() as u64 + value as u64
    }
}

impl Live {
    /// The key with what it holds, for an answer. Shares the bytes.
    pub(super) fn key_value(&self, key: &Bytes, mod_revision: Revision) -> KeyValue {
        KeyValue {
            key: key.clone(),
            value: self.value.clone(),
            create_revision: self.create_revision,
            mod_revision,
            version: self.version,
            lease: self.lease,
        }
    }
}

/// All known versions of a key, at least one, with rising revisions.
///
/// The newest stands apart: most reads want it, and most keys have no other, so that no vector is allocated for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyVersions {
    newest: Version,
    older: Vec<Version>,
}

impl KeyVersions {
    /// A key that was never there before.
    pub(super) fn new(first: Version) -> KeyVersions {
        KeyVersions { newest: first, older: Vec::new() }
    }

    /// Adds a change. Its revision must be greater than that of the newest.
    pub(super) fn push(&mut self, version: Version) {
        debug_assert!(
            self.newest.mod_revision < version.mod_revision,
            "a key changes once a revision at most"
        );
        self.older.push(mem::replace(&mut self.newest, version));
    }

    /// The latest change.
    pub(super) fn newest(&self) -> &Version {
        &self.newest
    }

    /// The latest change at or before `revision`.
    pub(super) fn at(&self, revision: Revision) -> Option<&Version> {
        if self.newest.mod_revision <= revision {
            return Some(&self.newest);
        }
        let behind = self.older.partition_point(|version| version.mod_revision <= revision);
        self.older[..behind].last()
    }

    /// The changes after `after`, up to and including `last`, in order.
    pub(super) fn between(&self, after: Revision, last: Revision) -> impl Iterator<Item = &Version> {
        let first = self.older.partition_point(|version| version.mod_revision <= after);
        let newest = Some(&self.newest).filter(|newest| newest.mod_revision > after);
        self.older[first..].iter().chain(newest).take_while(move |version| version.mod_revision <= last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tombstone(revision: u64) -> Version {
        Version { mod_revision: Revision(revision), position: 0, live: None }
    }

    fn versions(revisions: &[u64]) -> KeyVersions {
        let mut versions = KeyVersions::new(tombstone(revisions[0]));
        revisions[1..].iter().for_each(|&revision| versions.push(tombstone(revision)));
        versions
    }

    #[test]
    fn the_version_at_a_revision_is_the_latest_not_after_it() {
        let versions = versions(&[3, 5, 9]);
        let at = |revision| versions.at(Revision(revision)).map(|version| version.mod_revision.0);
        assert_eq!(
            [2, 3, 4, 5, 8, 9, 10].map(at),
            [None, Some(3), Some(3), Some(5), Some(5), Some(9), Some(9)]
        );
    }

    #[test]
    fn the_versions_between_exclude_the_first_bound_and_include_the_last() {
        let versions = versions(&[3, 5, 9]);
        let between = |after, last| {
            let found = versions.between(Revision(after), Revision(last));
            found.map(|version| version.mod_revision.0).collect::<Vec<_>>()
        };
        assert_eq!(between(0, 99), [3, 5, 9]);
        assert_eq!(between(3, 9), [5, 9]);
        assert_eq!(between(3, 8), [5]);
        assert!(between(9, 99).is_empty());
        assert!(between(5, 8).is_empty());
    }
}
