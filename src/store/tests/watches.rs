//! Watches: against the model, however polls, changes and snapshots interleave.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::model::Model;
use super::*;

/// A watcher with somebody who polls it only when it asks for it.
struct Follower {
    watcher: Watcher,
    request: WatchRequest,
    registered: Revision,
    woken: Arc<AtomicUsize>,
    more: bool,
    events: Vec<Event>,
}

impl Follower {
    fn new(store: &Store, request: WatchRequest, buffer_events: usize) -> Follower {
        let woken = Arc::new(AtomicUsize::new(0));
        let counter = woken.clone();
        let wake: Wake = Arc::new(move || {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        let watcher = store.watch_with_buffer(request.clone(), buffer_events, wake).unwrap();
        Follower { watcher, request, registered: store.revision(), woken, more: false, events: Vec::new() }
    }

    fn wants_to_poll(&self) -> bool {
        self.more || self.woken.load(Ordering::Relaxed) > 0
    }

    fn poll(&mut self, store: &Store, max_events: usize) -> Revision {
        self.woken.store(0, Ordering::Relaxed);
        match self.watcher.poll(store, max_events) {
            WatchPoll::Events { events, complete_to, more } => {
                let seen = self.events.last().map(Event::revision);
                let split = events.first().is_some_and(|first| Some(first.revision()) <= seen);
                assert!(!split, "a revision was split, or came again");
                self.more = more;
                self.events.extend(events);
                complete_to
            }
            WatchPoll::Compacted { revision } => panic!("compacted to {revision}"),
        }
    }

    fn poll_to_the_end(&mut self, store: &Store) {
        while self.wants_to_poll() {
            self.poll(store, 1);
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Execute(Operation),
    Watch(WatchRequest, usize),
    Poll(prop::sample::Index, usize),
    Drop(prop::sample::Index),
    /// A snapshot comes from a store that has executed these already.
    Replace(Vec<Operation>),
}

fn steps() -> impl Strategy<Value = Step> {
    let starts = prop::option::of((1u64..25).prop_map(Revision));
    let requests =
        (key_ranges(), starts, any::<bool>(), 0..6).prop_map(|(range, start_revision, prev_kv, filter)| {
            WatchRequest { range, start_revision, prev_kv, no_put: filter == 0, no_delete: filter == 1 }
        });
    let requests = requests.prop_filter("it holds a key", |request| !request.range.is_empty());
    prop_oneof![
        12 => operations().prop_map(Step::Execute),
        3 => (requests, 1usize..6).prop_map(|(request, buffer)| Step::Watch(request, buffer)),
        6 => (any::<prop::sample::Index>(), 0usize..4).prop_map(|(which, max)| Step::Poll(which, max)),
        1 => any::<prop::sample::Index>().prop_map(Step::Drop),
        1 => prop::collection::vec(operations(), 0..4).prop_map(Step::Replace),
    ]
}

proptest! {
    #[test]
    fn every_watcher_sees_every_event_once_in_order(steps in prop::collection::vec(steps(), 1..60)) {
        let mut bench = Bench::default();
        let mut model = Model::default();
        let mut followers: Vec<Follower> = Vec::new();
        for step in steps {
            match step {
                Step::Execute(operation) => {
                    prop_assert_eq!(bench.execute(operation.clone()), model.execute(&operation));
                }
                Step::Watch(request, buffer) => followers.push(Follower::new(&bench.store, request, buffer)),
                Step::Poll(which, max_events) if !followers.is_empty() => {
                    let follower = which.get_mut(&mut followers);
                    if follower.wants_to_poll() {
                        let complete_to = follower.poll(&bench.store, max_events);
                        let mut expected = model.events(&follower.request, follower.registered);
                        expected.retain(|event| event.revision() <= complete_to);
                        prop_assert_eq!(&follower.events, &expected, "complete to {}", complete_to);
                    }
                }
                Step::Drop(which) if !followers.is_empty() => {
                    followers.swap_remove(which.index(followers.len()));
                }
                Step::Replace(operations) => {
                    let store = Store::restore(&snapshot(&bench.store)[..]).unwrap();
                    let mut ahead = Bench { store, sequence: bench.sequence };
                    for operation in operations {
                        prop_assert_eq!(ahead.execute(operation.clone()), model.execute(&operation));
                    }
                    bench.sequence = ahead.sequence;
                    bench.store.replace_with(ahead.store).unwrap();
                }
                Step::Poll(..) | Step::Drop(_) => {}
            }
        }
        prop_assert_eq!(bench.store.watcher_count(), followers.len());
        for mut follower in followers {
            follower.poll_to_the_end(&bench.store);
            prop_assert_eq!(&follower.events, &model.events(&follower.request, follower.registered));
            prop_assert_eq!(follower.poll(&bench.store, 1), bench.store.revision());
        }
        prop_assert_eq!(bench.store.watcher_count(), 0);
    }
}

#[test]
fn a_watcher_is_woken_once_until_it_has_run_dry() {
    let mut bench = Bench::default();
    let mut follower = Follower::new(&bench.store, WatchRequest::new(KeyRange::prefix("k")), 10);
    assert_eq!(follower.woken.load(Ordering::Relaxed), 0);
    bench.put("other", "v");
    assert_eq!(follower.woken.load(Ordering::Relaxed), 0, "not its key");
    bench.put("k1", "v");
    bench.put("k2", "v");
    assert_eq!(follower.woken.load(Ordering::Relaxed), 1);
    follower.poll(&bench.store, 1);
    assert!(follower.more);
    bench.put("k3", "v");
    assert_eq!(follower.woken.load(Ordering::Relaxed), 0, "it knows that there is more");
    follower.poll_to_the_end(&bench.store);
    assert_eq!(follower.events.len(), 3);
    bench.put("k4", "v");
    assert_eq!(follower.woken.load(Ordering::Relaxed), 1);
}

#[test]
fn a_watcher_that_nobody_polls_holds_no_more_than_its_buffer() {
    let mut bench = Bench::default();
    let mut follower = Follower::new(&bench.store, WatchRequest::new(KeyRange::everything()), 4);
    (0..10_000).for_each(|_| drop(bench.put("k", "v")));
    let WatchPoll::Events { events, complete_to, more } = follower.watcher.poll(&bench.store, 4) else {
        panic!("nothing was compacted")
    };
    assert_eq!((events.len(), complete_to, more), (4, Revision(5), true));
    follower.events = events;
    follower.more = true;
    while follower.more {
        follower.poll(&bench.store, 100);
    }
    assert_eq!(follower.events.len(), 10_000);
    bench.put("k", "last");
    let WatchPoll::Events { events, .. } = follower.watcher.poll(&bench.store, 4) else {
        panic!("nothing was compacted")
    };
    assert_eq!(events.len(), 1, "it is in step again");
}

#[test]
fn a_long_search_in_the_history_is_cut_into_short_polls() {
    let mut bench = Bench::default();
    (0..10_000).for_each(|_| drop(bench.put("other", "v")));
    bench.put("k", "v");
    let request =
        WatchRequest { start_revision: Some(Revision(1)), ..WatchRequest::new(KeyRange::Single("k".into())) };
    let mut follower = Follower::new(&bench.store, request, 4);
    follower.poll(&bench.store, 10);
    assert!(follower.more && follower.events.is_empty());
    follower.poll_to_the_end(&bench.store);
    assert_eq!(follower.events.len(), 1);
}

#[test]
fn a_revision_with_more_events_than_the_buffer_comes_whole() {
    let mut bench = Bench::default();
    for key in ["a", "b", "c", "d", "e"] {
        bench.put(key, "v");
    }
    let mut follower = Follower::new(&bench.store, WatchRequest::new(KeyRange::everything()), 3);
    let delete = DeleteRange { range: KeyRange::everything(), prev_kv: false };
    bench.execute(Operation::DeleteRange(delete)).unwrap();
    follower.poll(&bench.store, 1);
    let keys: Vec<_> = follower.events.iter().map(|event| event.key().clone()).collect();
    assert_eq!(keys, ["a", "b", "c", "d", "e"]);
    assert!(!follower.more);
}

#[test]
fn a_watch_on_an_empty_range_is_refused() {
    let store = Store::new();
    let request = WatchRequest::new(KeyRange::from_etcd("b", "a"));
    assert_eq!(store.watch(request, Arc::new(|| ())).unwrap_err(), StoreError::EmptyRange);
}

#[test]
fn a_start_below_the_history_ends_the_watch_and_says_where_one_could_start() {
    let store = Store::new();
    let request =
        WatchRequest { start_revision: Some(Revision(0)), ..WatchRequest::new(KeyRange::everything()) };
    let mut follower = Follower::new(&store, request, 3);
    assert!(follower.wants_to_poll());
    for _ in 0..2 {
        assert_eq!(follower.watcher.poll(&store, 1), WatchPoll::Compacted { revision: Revision(1) });
    }
}
