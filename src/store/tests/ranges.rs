//! Puts, deletions and ranges: against the model, and against what a real etcd said.

use std::num::NonZeroU64;

use super::model::Model;
use super::*;

fn ranges() -> impl Strategy<Value = Range> {
    let targets =
        vec![SortTarget::Key, SortTarget::Version, SortTarget::Create, SortTarget::Mod, SortTarget::Value];
    let orders = vec![SortOrder::None, SortOrder::Ascend, SortOrder::Descend];
    let sort = (prop::sample::select(targets), prop::sample::select(orders))
        .prop_map(|(target, order)| Sort { target, order });
    let filter = || prop::option::weighted(0.2, (0u64..20).prop_map(Revision));
    (
        key_ranges(),
        prop::option::of((1u64..5).prop_map(|limit| NonZeroU64::new(limit).unwrap())),
        prop::option::of((0u64..25).prop_map(Revision)),
        sort,
        any::<bool>(),
        prop::bool::weighted(0.1),
        (filter(), filter(), filter(), filter()),
    )
        .prop_map(|(range, limit, revision, sort, keys_only, count_only, filters)| Range {
            range,
            limit,
            revision,
            sort,
            keys_only,
            count_only,
            min_mod_revision: filters.0,
            max_mod_revision: filters.1,
            min_create_revision: filters.2,
            max_create_revision: filters.3,
        })
}

proptest! {
    #[test]
    fn every_answer_at_every_revision_is_the_models(
        operations in prop::collection::vec(operations(), 1..25),
        ranges in prop::collection::vec(ranges(), 1..25),
    ) {
        let mut bench = Bench::default();
        let mut model = Model::default();
        for operation in operations {
            let expected = model.execute(&operation);
            prop_assert_eq!(bench.execute(operation), expected);
            prop_assert_eq!(bench.store.revision(), model.revision());
        }
        for range in ranges {
            prop_assert_eq!(bench.store.range(&range), model.range(&range), "{:?}", range);
        }
    }
}

/// Eight keys, of which three were put again: as in the session with etcd 3.5.1 that the next test repeats.
fn as_in_the_session() -> Bench {
    let mut bench = Bench::default();
    let keys = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let values = ["h", "g", "f", "e", "d", "c", "b", "a"];
    keys.iter().zip(values).for_each(|(key, value)| drop(bench.put(key, value)));
    for (key, value) in [("c", "zz"), ("a", "hh"), ("c", "a")] {
        bench.put(key, value);
    }
    bench
}

#[test]
fn a_range_is_answered_as_a_real_etcd_answered_it() {
    let bench = as_in_the_session();
    let all = || Range::new(KeyRange::Between("a".into(), "z".into()));
    let limited = |limit| Range { limit: NonZeroU64::new(limit), ..all() };
    let sorted = |limit, order, target| Range { sort: Sort { target, order }, ..limited(limit) };
    let rev = |revision| Some(Revision(revision));
    let (none, up, down) = (SortOrder::None, SortOrder::Ascend, SortOrder::Descend);
    let asked = [
        (all(), "abcdefgh", false, 8),
        (limited(3), "abc", true, 8),
        (limited(8), "abcdefgh", false, 8),
        (sorted(3, up, SortTarget::Mod), "bde", true, 8),
        (sorted(3, down, SortTarget::Mod), "cah", true, 8),
        (sorted(2, down, SortTarget::Key), "hg", true, 8),
        (sorted(0, none, SortTarget::Mod), "bdefghac", false, 8),
        (sorted(0, down, SortTarget::Value), "abdefgch", false, 8),
        (sorted(0, down, SortTarget::Version), "cabdefgh", false, 8),
        (Range { min_mod_revision: rev(5), ..limited(3) }, "acd", true, 8),
        (Range { max_mod_revision: rev(4), ..limited(2) }, "b", false, 8),
        (Range { max_create_revision: rev(4), ..limited(1) }, "a", true, 8),
        (Range { min_mod_revision: rev(5), max_mod_revision: rev(7), ..limited(2) }, "de", true, 8),
        (Range { min_mod_revision: rev(99), ..all() }, "", false, 8),
        (Range { count_only: true, ..limited(2) }, "", false, 8),
        (Range { revision: rev(4), ..all() }, "abc", false, 3),
    ];
    for (range, keys, more, count) in asked {
        let reply = bench.store.range(&range).unwrap();
        let found: String = reply.kvs.iter().map(|kv| char::from(kv.key[0])).collect();
        assert_eq!((found.as_str(), reply.more, reply.count), (keys, more, count), "{range:?}");
        assert_eq!(reply.revision, Revision(12), "{range:?}");
    }
}

#[test]
fn a_limit_without_an_order_cuts_before_it_sorts_as_etcd_does() {
    let mut bench = Bench::default();
    ["e", "d", "c"].iter().zip(["p/0", "p/1", "p/2"]).for_each(|(value, key)| drop(bench.put(key, value)));
    bench.put("p/3", "a");
    let sort = Sort { target: SortTarget::Value, order: SortOrder::None };
    let range = Range { sort, limit: NonZeroU64::new(2), ..Range::new(KeyRange::prefix("p/")) };
    let reply = bench.store.range(&range).unwrap();
    let found: Vec<_> = reply.kvs.iter().map(|kv| &kv.key[..]).collect();
    assert_eq!(found, [b"p/2", b"p/1"], "the least of the first three, not of all four");
    assert!(reply.more);
}

#[test]
fn a_range_without_a_key_and_one_out_of_time_are_refused() {
    let bench = as_in_the_session();
    let refusal = |range: Range| bench.store.range(&range).unwrap_err();
    assert_eq!(refusal(Range::new(KeyRange::Single("".into()))), StoreError::EmptyKey);
    let at = |revision| Range { revision: Some(Revision(revision)), ..Range::new(KeyRange::everything()) };
    let (requested, current) = (Revision(13), Revision(12));
    assert_eq!(refusal(at(13)), StoreError::FutureRevision { requested, current });
    assert_eq!(refusal(at(0)), StoreError::Compacted { requested: Revision(0), oldest: Revision(1) });
    assert!(bench.store.range(&at(12)).is_ok() && bench.store.range(&at(1)).is_ok());
}
