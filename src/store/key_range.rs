//! Which keys a request means.

use std::ops::Bound;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// What a map's `range` takes.
type Bounds<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

/// A set of neighbouring keys, in the order of their bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum KeyRange {
    /// This key alone.
    Single(Bytes),
    /// From the first key up to, but without, the second. Holds nothing if the second is not the greater one.
    Between(Bytes, Bytes),
    /// From this key to the end of all keys.
    From(Bytes),
}

impl KeyRange {
    /// Reads etcd's pair: no `range_end` means the key alone, a single zero byte means "and everything after it".
    pub fn from_etcd(key: impl Into<Bytes>, range_end: impl Into<Bytes>) -> KeyRange {
        let (key, range_end) = (key.into(), range_end.into());
        match &range_end[..] {
            [] => KeyRange::Single(key),
            [0] => KeyRange::From(key),
            _ => KeyRange::Between(key, range_end),
        }
    }

    /// Every key that begins with `prefix`; every key at all if it is empty.
    pub fn prefix(prefix: impl Into<Bytes>) -> KeyRange {
        let prefix = prefix.into();
        if prefix.is_empty() {
            return KeyRange::everything();
        }
        // The first key behind all with this prefix: drop trailing 0xff bytes, which have no successor, and add one.
        match prefix.iter().rposition(|&byte| byte != u8::MAX) {
            None => KeyRange::From(prefix),
            Some(last) => {
                let mut end = prefix[..=last].to_vec();
                end[last] += 1;
                KeyRange::Between(prefix, end.into())
            }
        }
    }

    /// Every key that there is: the least possible key is one zero byte.
    pub fn everything() -> KeyRange {
        KeyRange::From(Bytes::from_static(&[0]))
    }

    /// The key, or the first of the range.
    pub fn start(&self) -> &Bytes {
        match self {
            KeyRange::Single(key) | KeyRange::Between(key, _) | KeyRange::From(key) => key,
        }
    }

    /// Whether `key` belongs to it.
    pub fn contains(&self, key: &[u8]) -> bool {
        match self {
            KeyRange::Single(only) => key == only,
            KeyRange::Between(start, end) => start <= key && key < &end[..],
            KeyRange::From(start) => start <= key,
        }
    }

    /// Whether no key at all can belong to it.
    pub fn is_empty(&self) -> bool {
        matches!(self, KeyRange::Between(start, end) if end <= start)
    }

    /// The bounds for a map's `range`; `None` for an empty range, for which a `BTreeMap` would panic.
    pub(super) fn bounds(&self) -> Option<Bounds<'_>> {
        match self {
            KeyRange::Single(key) => Some((Bound::Included(&key[..]), Bound::Included(&key[..]))),
            KeyRange::Between(start, end) => {
                (start < end).then_some((Bound::Included(&start[..]), Bound::Excluded(&end[..])))
            }
            KeyRange::From(start) => Some((Bound::Included(&start[..]), Bound::Unbounded)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etcds_pair_is_read_as_etcd_reads_it() {
        assert_eq!(KeyRange::from_etcd("a", ""), KeyRange::Single("a".into()));
        assert_eq!(KeyRange::from_etcd("a", "\0"), KeyRange::From("a".into()));
        assert_eq!(KeyRange::from_etcd("a", "\0\0"), KeyRange::Between("a".into(), "\0\0".into()));
        assert_eq!(KeyRange::from_etcd("a", "b"), KeyRange::Between("a".into(), "b".into()));
    }

    #[test]
    fn a_prefix_ends_before_its_successor() {
        let prefix = KeyRange::prefix("a/");
        assert_eq!(prefix, KeyRange::Between("a/".into(), "a0".into()));
        assert!(prefix.contains(b"a/") && prefix.contains(b"a/\xff\xff"));
        assert!(!prefix.contains(b"a0") && !prefix.contains(b"a"));
    }

    #[test]
    fn a_prefix_of_highest_bytes_has_no_end() {
        assert_eq!(KeyRange::prefix(&b"a\xff"[..]), KeyRange::Between(b"a\xff"[..].into(), "b".into()));
        assert_eq!(KeyRange::prefix(&b"\xff\xff"[..]), KeyRange::From(b"\xff\xff"[..].into()));
        assert_eq!(KeyRange::prefix(""), KeyRange::everything());
    }

    #[test]
    fn a_reversed_range_holds_nothing_and_has_no_bounds() {
        for range in [KeyRange::from_etcd("b", "a"), KeyRange::from_etcd("b", "b")] {
            assert!(range.is_empty());
            assert!(range.bounds().is_none());
            assert!(!range.contains(b"a") && !range.contains(b"b"));
        }
        assert!(!KeyRange::from_etcd("b", "").is_empty());
    }
}
