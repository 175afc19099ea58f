//! The nouns of the data model: revisions, leases, and a key with its value.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// The store's clock: it moves by one with every command that changes at least one key.
///
/// A fresh store stands at revision 1, so that the first change bears revision 2, as in etcd.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Revision(pub u64);

impl Revision {
    /// Where a fresh store stands. No change bears it.
    pub const FRESH: Revision = Revision(1);

    /// The revision after this one. It saturates; no store lives long enough to notice.
    pub fn next(self) -> Revision {
        Revision(self.0.saturating_add(1))
    }

    /// The revision before this one; the one before 0 is 0.
    pub fn previous(self) -> Revision {
        Revision(self.0.saturating_sub(1))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// The name of a lease. etcd's are signed 64-bit numbers, chosen by the client or by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LeaseId(pub i64);

/// Shows in hexadecimal, as etcd's tools show it.
impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A key as it stood at some revision. Cloning one copies no bytes: keys and values are shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyValue {
    /// The key; never empty.
    pub key: Bytes,
    /// Its value; may be empty.
    pub value: Bytes,
    /// The revision of the put that brought the key to life, the last time that it was not there before.
    pub create_revision: Revision,
    /// The revision of its latest put.
    pub mod_revision: Revision,
    /// How often it was put since `create_revision`, from 1.
    pub version: u64,
    /// The lease that it is bound to.
    pub lease: Option<LeaseId>,
}
