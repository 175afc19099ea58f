//! Exactly once, and the order of the log.

use super::*;
use crate::mutants::killing::{assert_all_killed, killers};

fn put(key: &'static str, value: &'static str) -> Operation {
    Operation::Put(Put { prev_kv: true, ..Put::new(key, value) })
}

proptest! {
    #[test]
    fn a_request_that_comes_again_changes_nothing_and_is_answered_as_before(
        operations in prop::collection::vec(operations(), 1..20),
        again in prop::collection::vec(any::<prop::sample::Index>(), 1..20),
        through_a_snapshot in any::<bool>(),
    ) {
        let mut bench = Bench::default();
        let commands: Vec<Command> =
            operations.into_iter().zip(1..).map(|(operation, sequence)| command(1, 1, sequence, operation)).collect();
        let answers: Vec<Applied> = commands.iter().map(|command| bench.apply(command)).collect();
        if through_a_snapshot {
            bench.store = Store::restore(&snapshot(&bench.store)[..]).unwrap();
        }
        let revision = bench.store.revision();
        for place in again {
            prop_assert_eq!(&bench.apply(place.get(&commands)), place.get(&answers));
            prop_assert_eq!(bench.store.revision(), revision);
        }
    }
}

#[test]
fn a_request_that_comes_twice_is_executed_once() {
    let mut bench = Bench::default();
    let command = command(1, 1, 1, put("k", "v"));
    let first = bench.apply(&command);
    assert_eq!(bench.apply(&command), first);
    assert_eq!(bench.store.revision(), Revision(2));
}

#[test]
fn the_mistake_to_execute_a_retry_again_is_caught() {
    assert_all_killed("store/", killers![RetryExecutedTwice by a_request_that_comes_twice_is_executed_once]);
}

#[test]
fn a_refusal_stays_a_refusal_even_if_a_second_try_would_succeed() {
    let mut bench = Bench::default();
    let keep = Put { ignore_value: true, ..Put::new("k", "") };
    let refused = command(1, 1, 1, Operation::Put(keep));
    assert_eq!(bench.apply(&refused).result, Some(Err(StoreError::KeyNotFound)));
    bench.apply(&command(1, 1, 2, put("k", "v")));
    assert_eq!(bench.apply(&refused).result, Some(Err(StoreError::KeyNotFound)));
    assert_eq!(bench.store.revision(), Revision(2));
}

#[test]
fn what_nobody_waits_for_is_passed_over() {
    let mut bench = Bench::default();
    bench.apply(&command(2, 5, 5, put("k", "v")));
    let older_life = bench.apply(&command(1, 1, 9, put("k", "old")));
    assert_eq!((older_life.result, older_life.skipped), (None, Some(Skipped::OlderLife)));
    let answered = bench.apply(&command(2, 1, 4, put("k", "old")));
    assert_eq!((answered.result, answered.skipped), (None, Some(Skipped::AlreadyAnswered)));
    assert_eq!(bench.store.revision(), Revision(2));
}

#[test]
fn an_entry_out_of_turn_is_refused_and_changes_nothing() {
    let mut bench = Bench::default();
    bench.put("k", "v");
    let command = command(1, 1, 9, put("k", "w")).encode();
    for index in [1, 3, u64::MAX].map(Index) {
        let refused = Err(OutOfOrder { expected: Index(2), given: Some(index) });
        assert_eq!(bench.store.apply(index, &command), refused);
        assert_eq!(bench.store.note_applied(index).is_err(), refused.is_err());
    }
    assert_eq!((bench.store.applied_index(), bench.store.revision()), (Some(Index(1)), Revision(2)));
    bench.store.note_applied(Index(2)).unwrap();
    assert!(bench.store.apply(Index(3), &command).unwrap().result.unwrap().is_ok());
}

#[test]
fn a_command_that_cannot_be_read_is_passed_over_and_reported() {
    let mut bench = Bench::default();
    let applied = bench.store.apply(Index(1), b"\xff\xff\xff").unwrap();
    assert_eq!((applied.id, applied.result), (None, None));
    assert!(matches!(applied.skipped, Some(Skipped::Undecodable(_))));
    assert_eq!((bench.store.applied_index(), bench.store.revision()), (Some(Index(1)), Revision(1)));
}

#[test]
fn a_member_publishes_its_attributes_without_a_revision() {
    let mut bench = Bench::default();
    for name in ["old", "new"] {
        let attributes = MemberAttributes {
            id: NodeId(7),
            name: name.into(),
            client_urls: vec!["http://127.0.0.1:2379".into()],
        };
        let reply = bench.execute(Operation::PublishMember(attributes));
        assert_eq!(reply, Ok(Reply::PublishMember { revision: Revision(1) }));
    }
    assert_eq!(bench.store.members()[&NodeId(7)].name, "new");
    let restored = Store::restore(&snapshot(&bench.store)[..]).unwrap();
    assert_eq!(restored.members(), bench.store.members());
}
