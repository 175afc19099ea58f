//! Snapshots: what comes back, what is refused, and what writers may do meanwhile.

use super::*;

/// A history of some chunks: many keys, one key with many versions, deletions, a member, a window of requests.
fn long_history() -> Bench {
    let mut bench = Bench::default();
    let value: &'static str = "0123456789abcdef".repeat(64).leak();
    for number in 0..300 {
        let key: &'static str = format!("key/{:03}", number % 100).leak();
        bench.put(key, value);
        bench.put("hot", value);
    }
    for (start, end) in [("key/01", "key/02"), ("key/05", "key/09")] {
        let range = KeyRange::Between(start.into(), end.into());
        bench.execute(Operation::DeleteRange(DeleteRange { range, prev_kv: true })).unwrap();
    }
    let attributes = MemberAttributes { id: NodeId(1), name: "one".into(), client_urls: Vec::new() };
    bench.execute(Operation::PublishMember(attributes)).unwrap();
    bench
}

fn assert_same(left: &Store, right: &Store) {
    assert_eq!(left.history, right.history);
    assert_eq!(left.sessions, right.sessions);
    assert_eq!((left.applied_index(), left.members()), (right.applied_index(), right.members()));
}

proptest! {
    #[test]
    fn a_restored_store_is_the_same_store(operations in prop::collection::vec(operations(), 0..40)) {
        let mut bench = Bench::default();
        operations.into_iter().for_each(|operation| drop(bench.execute(operation)));
        let bytes = snapshot(&bench.store);
        let restored = Store::restore(&bytes[..]).unwrap();
        assert_same(&restored, &bench.store);
        prop_assert_eq!(snapshot(&restored), bytes);
    }

    #[test]
    fn no_byte_can_be_changed_or_cut_off_unnoticed(
        operations in prop::collection::vec(operations(), 1..10),
        place in any::<prop::sample::Index>(),
        flip in 1u8..,
    ) {
        let mut bench = Bench::default();
        operations.into_iter().for_each(|operation| drop(bench.execute(operation)));
        let mut bytes = snapshot(&bench.store);
        let place = place.index(bytes.len());
        prop_assert!(Store::restore(&bytes[..place]).is_err());
        bytes[place] ^= flip;
        prop_assert!(Store::restore(&bytes[..]).is_err());
    }

    #[test]
    fn garbage_in_a_sound_frame_is_refused_without_a_panic(
        header in prop::collection::vec(any::<u8>(), 0..40),
        rest in prop::collection::vec((0u8..4, prop::collection::vec(any::<u8>(), 0..40)), 0..4),
    ) {
        let frame = |content: &[u8]| {
            let mut bytes = (content.len() as u32).to_le_bytes().to_vec();
            bytes.extend(crc32fast::hash(content).to_le_bytes());
            bytes.extend(content);
            bytes
        };
        let mut garbage = b"rwstore\x01".to_vec();
        garbage.extend(frame(&header));
        prop_assert!(Store::restore(&garbage[..]).is_err());
        let chunk = Store::new().begin_snapshot().next_chunk(&Store::new()).unwrap().unwrap();
        let mut begun_well = chunk;
        for (kind, content) in rest {
            begun_well.extend(frame(&[&[kind], &content[..]].concat()));
        }
        // A lucky end record may make a whole empty snapshot; anything else is refused.
        if let Ok(restored) = Store::restore(&begun_well[..]) {
            assert_same(&restored, &Store::new());
        }
    }
}

#[test]
fn a_snapshot_holds_the_cut_whatever_writers_do_between_its_chunks() {
    let mut bench = long_history();
    let quiet = snapshot(&bench.store);
    let (index, revision) = (bench.store.applied_index(), bench.store.revision());
    let mut cut = bench.store.begin_snapshot();
    let mut bytes = Vec::new();
    let mut chunks = 0;
    while let Some(chunk) = cut.next_chunk(&bench.store).unwrap() {
        bytes.extend(chunk);
        chunks += 1;
        for key in ["a", "hot", "key/000", "key/050", "key/099", "z", format!("key/x{chunks}").leak()] {
            bench.put(key, "new");
        }
        let range = KeyRange::Between("key/03".into(), "key/04".into());
        bench.execute(Operation::DeleteRange(DeleteRange { range, prev_kv: false })).unwrap();
    }
    assert!(chunks > 5, "{chunks} chunks are no test");
    assert!(bytes == quiet, "the bytes are not those of a store at rest");
    assert_eq!((cut.applied_index(), cut.revision()), (index, revision));
    let restored = Store::restore(&bytes[..]).unwrap();
    assert_eq!((restored.applied_index(), restored.revision()), (index, revision));
}

#[test]
fn many_new_keys_behind_the_cut_do_not_make_a_long_chunk() {
    let mut bench = Bench::default();
    bench.put("a", "v");
    let mut cut = bench.store.begin_snapshot();
    for number in 0..10_000 {
        bench.put(format!("new/{number}").leak(), "v");
    }
    bench.put("z", "v");
    let mut chunks = Vec::new();
    while let Some(chunk) = cut.next_chunk(&bench.store).unwrap() {
        chunks.push(chunk);
    }
    assert!(chunks.iter().filter(|chunk| chunk.is_empty()).count() >= 2);
    let restored = Store::restore(&chunks.concat()[..]).unwrap();
    assert_eq!(restored.revision(), Revision(2));
}

#[test]
fn a_snapshot_of_another_history_is_given_up() {
    let bench = long_history();
    let mut cut = bench.store.begin_snapshot();
    let other = Store::new();
    cut.next_chunk(&other).unwrap();
    assert!(matches!(cut.next_chunk(&other), Err(SnapshotError::Overtaken)));
}

#[test]
fn strange_bytes_are_told_from_another_version_and_from_damage() {
    let refusal = |bytes: &[u8]| Store::restore(bytes).unwrap_err();
    assert!(matches!(refusal(b"SQLite format 3\0"), SnapshotError::NotASnapshot));
    assert!(matches!(refusal(b"rwstore\x02rest"), SnapshotError::UnknownVersion(2)));
    assert!(matches!(refusal(b"rwst"), SnapshotError::Damaged { .. }));
    let huge = [b"rwstore\x01".as_slice(), &u32::MAX.to_le_bytes(), b"crc.few bytes"].concat();
    assert!(matches!(refusal(&huge), SnapshotError::Damaged { frame: 0, .. }));
    let behind = [snapshot(&Store::new()), b"x".to_vec()].concat();
    assert!(matches!(refusal(&behind), SnapshotError::Damaged { .. }));
}

#[test]
fn a_store_is_not_replaced_by_an_older_one() {
    let mut bench = Bench::default();
    bench.put("k", "v");
    let older = Store::restore(&snapshot(&bench.store)[..]).unwrap();
    bench.put("k", "w");
    let refused = OutOfOrder { expected: Index(3), given: Some(Index(1)) };
    assert_eq!(bench.store.replace_with(older), Err(refused));
    assert_eq!(bench.store.revision(), Revision(3));
}
