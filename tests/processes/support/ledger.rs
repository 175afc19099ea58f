//! The account of what was written, and its comparison with what a member remembers.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::client::{Event, KeyValue};

/// A write that was sent. No two writes of a test have the same value.
#[derive(Clone, Debug)]
pub struct Put {
    pub key: String,
    pub value: String,
    pub began: Instant,
    pub ended: Instant,
    /// `None`: no answer came, or one that leaves it open whether it has happened.
    pub revision: Option<u64>,
}

impl Put {
    pub fn took(&self) -> Duration {
        self.ended - self.began
    }
}

/// All writes of a test, but for those that certainly never happened.
#[derive(Default)]
pub struct Ledger {
    pub puts: Vec<Put>,
}

impl Ledger {
    pub fn record(&mut self, put: Put) {
        self.puts.push(put);
    }

    pub fn merge(ledgers: impl IntoIterator<Item = Ledger>) -> Ledger {
        Ledger { puts: ledgers.into_iter().flat_map(|ledger| ledger.puts).collect() }
    }

    pub fn acknowledged(&self) -> impl Iterator<Item = &Put> {
        self.puts.iter().filter(|put| put.revision.is_some())
    }

    pub fn last_revision(&self) -> u64 {
        self.acknowledged().filter_map(|put| put.revision).max().unwrap_or(1)
    }

    /// Compares with a member's history, in which nobody else has put or deleted anything: every acknowledged write is
    /// there once, at the revision that its client was told; every other one once or never; and nothing else is there.
    pub fn check(&self, history: &[Event]) {
        let sent: BTreeMap<&str, &Put> = self.puts.iter().map(|put| (put.value.as_str(), put)).collect();
        assert_eq!(sent.len(), self.puts.len(), "no two writes have the same value");
        let mut found = BTreeMap::new();
        let mut versions: BTreeMap<&str, u64> = BTreeMap::new();
        for (place, event) in history.iter().enumerate() {
            assert_eq!(event.revision(), place as u64 + 2, "each revision is one event: {event:?}");
            let Event::Put(kv) = event else { panic!("nobody deleted anything: {event:?}") };
            let put = sent.get(kv.value.as_str()).unwrap_or_else(|| panic!("nobody wrote this: {kv:?}"));
            assert_eq!(kv.key, put.key, "a value under another key: {kv:?}");
            if let Some(earlier) = found.insert(kv.value.as_str(), kv.mod_revision) {
                panic!("a write was executed twice, at {earlier} and again: {kv:?}");
            }
            let version = versions.entry(&kv.key).or_default();
            *version += 1;
            assert_eq!(kv.version, *version, "a version counts the writes of its key: {kv:?}");
        }
        for put in self.acknowledged() {
            let there = found.get(put.value.as_str()).copied();
            assert_eq!(there, put.revision, "an acknowledged write is not where it was said to be: {put:?}");
        }
    }

    /// The state that a history leads to.
    pub fn state_after(history: &[Event]) -> Vec<KeyValue> {
        let mut state = BTreeMap::new();
        for event in history {
            match event {
                Event::Put(kv) => drop(state.insert(kv.key.clone(), kv.clone())),
                Event::Delete { key, .. } => drop(state.remove(key)),
            }
        }
        state.into_values().collect()
    }
}
