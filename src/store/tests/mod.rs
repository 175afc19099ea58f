//! What no single file of the store can test: the whole against a model that remembers everything and is clever at nothing.

mod model;
mod once;
mod ranges;
mod snapshots;
mod watches;

use proptest::prelude::*;

use super::*;
use crate::raft::{Index, NodeId};

/// A store with somebody who sends it commands.
#[derive(Default)]
struct Bench {
    store: Store,
    sequence: u64,
}

impl Bench {
    /// Has a new request executed.
    fn execute(&mut self, operation: Operation) -> Result<Reply, StoreError> {
        self.sequence += 1;
        let sequence = self.sequence;
        let applied = self.apply(&command(1, sequence, sequence, operation));
        assert_eq!(applied.skipped, None);
        applied.result.expect("a new request is executed")
    }

    fn apply(&mut self, command: &Command) -> Applied {
        let index = Index::after(self.store.applied_index());
        self.store.apply(index, &command.encode()).expect("the index is the next one")
    }

    fn put(&mut self, key: &'static str, value: &'static str) -> Reply {
        self.execute(Operation::Put(Put::new(key, value))).expect("a plain put succeeds")
    }
}

fn command(life: u64, done_below: u64, sequence: u64, operation: Operation) -> Command {
    Command { id: RequestId { member: NodeId(1), life, sequence }, done_below, operation }
}

fn snapshot(store: &Store) -> Vec<u8> {
    let mut cut = store.begin_snapshot();
    let mut bytes = Vec::new();
    while let Some(chunk) = cut.next_chunk(store).unwrap() {
        bytes.extend(chunk);
    }
    bytes
}

fn keys() -> impl Strategy<Value = bytes::Bytes> {
    let keys: [&'static [u8]; 8] = [b"\0", b"a", b"a\0", b"a/1", b"a/2", b"a\xff", b"b", b"\xff"];
    prop::sample::select(keys.map(bytes::Bytes::from_static).to_vec())
}

fn key_ranges() -> impl Strategy<Value = KeyRange> {
    prop_oneof![
        3 => keys().prop_map(KeyRange::Single),
        2 => (keys(), keys()).prop_map(|(start, end)| KeyRange::Between(start, end)),
        1 => keys().prop_map(KeyRange::From),
        1 => keys().prop_map(KeyRange::prefix),
        1 => Just(KeyRange::everything()),
    ]
}

fn operations() -> impl Strategy<Value = Operation> {
    let values = prop::sample::select(vec!["", "x", "y", "zz"]);
    let puts = (keys(), values, any::<[bool; 3]>(), 0..20).prop_map(|(key, value, flags, lease)| {
        let lease = (lease == 0).then_some(LeaseId(9));
        let [prev_kv, ignore_value, ignore_lease] = flags;
        Operation::Put(Put { key, value: value.into(), lease, prev_kv, ignore_value, ignore_lease })
    });
    let plain = (keys(), "[a-c]{0,2}").prop_map(|(key, value)| Operation::Put(Put::new(key, value)));
    let deletes = (key_ranges(), any::<bool>())
        .prop_map(|(range, prev_kv)| Operation::DeleteRange(DeleteRange { range, prev_kv }));
    prop_oneof![3 => plain, 2 => puts, 2 => deletes]
}
