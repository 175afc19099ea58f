//! What clients see of failures.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::unbounded;

use crate::server::RequestError;
use crate::store::Operation;

use super::cluster::{Cluster, get, put, put_through, value};

#[test]
fn without_a_majority_a_request_ends_with_its_deadline_and_nothing_is_half_done() {
    let mut cluster = Cluster::started(3, |_| {});
    put_through(&cluster.handle(1), "k", "acknowledged");
    let alone = cluster.followers()[0];
    let others: Vec<u64> = (1..=3).filter(|id| *id != alone).collect();
    assert_eq!(value(&cluster.handle(alone), "k"), Some("acknowledged".to_string()));
    for id in &others {
        cluster.stop(*id);
    }
    let handle = cluster.handle(alone);
    let put = Operation::Put(put("k", "too late"));
    let error = handle.submit_and_wait(put, Duration::from_millis(900)).expect_err("no majority");
    let timed_out = [RequestError::NoLeader, RequestError::Timeout, RequestError::TimeoutAfterLeaderFailure];
    assert!(timed_out.contains(&error), "{error:?}");
    let read = handle.wait_for_barrier(Duration::from_millis(300)).expect_err("no majority");
    assert!(timed_out.contains(&read), "{read:?}");
    assert_eq!(handle.range(&super::cluster::single("k")).unwrap().kvs.len(), 1, "a local read needs nobody");

    for id in others {
        cluster.start(id);
    }
    let now = value(&handle, "k").unwrap();
    if error.is_definite() {
        assert_eq!(now, "acknowledged");
    }
}

#[test]
fn a_request_that_came_while_there_was_no_leader_is_served_when_there_is_one() {
    let mut cluster = Cluster::new(3, |_| {});
    let handle = cluster.start(1);
    let (sender, outcome) = unbounded();
    let deadline = Instant::now() + Duration::from_secs(60);
    let respond = Box::new(move |result| sender.send(result).unwrap());
    handle.submit(Operation::Put(put("k", "v")), deadline, respond);
    cluster.start(2);
    outcome.recv().unwrap().expect("it was served");
    assert_eq!(get(&handle, "k").unwrap().version, 1);
}

#[test]
fn every_put_is_executed_once_and_answered_once_over_many_changes_of_leader() {
    let mut cluster = Cluster::started(3, |config| {
        config.snapshot_count = 40;
        config.retained_entries = 10;
    });
    let follower = cluster.followers()[0];
    let handle = cluster.handle(follower);
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let (handle, stop) = (handle.clone(), stop.clone());
            thread::spawn(move || {
                let mut count = 0;
                while !stop.load(Ordering::Relaxed) {
                    put_through(&handle, &format!("k{writer}"), count.to_string());
                    count += 1;
                }
                count
            })
        })
        .collect();
    for _ in 0..5 {
        let leader = cluster.leader();
        if leader == follower {
            // The one that the clients use stays: depose nobody, but let the other two come and go.
            let other = cluster.followers()[0];
            cluster.stop(other);
            cluster.start(other);
            continue;
        }
        cluster.stop(leader);
        cluster.leader();
        cluster.start(leader);
    }
    stop.store(true, Ordering::Relaxed);
    for (writer, thread) in writers.into_iter().enumerate() {
        let count = thread.join().expect("every put succeeds");
        assert!(count > 0);
        for handle in cluster.handles().into_values() {
            assert_eq!(get(&handle, &format!("k{writer}")).unwrap().version, count);
        }
    }
}

#[test]
fn everyone_who_waits_at_a_shutdown_is_answered_once() {
    let mut cluster = Cluster::new(3, |_| {});
    let handle = cluster.start(1);
    let answers = Arc::new(AtomicUsize::new(0));
    let deadline = Instant::now() + Duration::from_secs(60);
    for n in 0..50 {
        let (one, other) = (answers.clone(), answers.clone());
        let respond = Box::new(move |result: Result<_, _>| {
            assert_eq!(result.err(), Some(RequestError::Stopping));
            one.fetch_add(1, Ordering::Relaxed);
        });
        handle.submit(Operation::Put(put("k", n.to_string())), deadline, respond);
        let respond = Box::new(move |result| {
            assert_eq!(result, Err(RequestError::Stopping));
            other.fetch_add(1, Ordering::Relaxed);
        });
        handle.read_barrier(deadline, respond);
    }
    cluster.stop(1);
    assert_eq!(answers.load(Ordering::Relaxed), 100);
}

#[test]
fn more_requests_than_the_member_may_hold_are_refused_at_once() {
    let mut cluster = Cluster::new(3, |config| config.max_pending_requests = 10);
    let handle = cluster.start(1);
    let (sender, outcomes) = unbounded();
    for n in 0..12 {
        let sender = sender.clone();
        let respond = Box::new(move |result| sender.send(result).unwrap());
        handle.submit(
            Operation::Put(put("k", n.to_string())),
            Instant::now() + Duration::from_secs(60),
            respond,
        );
    }
    let refused: Vec<_> = outcomes.try_iter().collect();
    assert_eq!(refused, vec![Err(RequestError::TooManyRequests); 2]);
}

#[test]
fn an_entry_of_an_earlier_life_answers_nobody_in_this_one() {
    let mut cluster = Cluster::started(3, |_| {});
    let before: Vec<u64> = (0..30).map(|n| put_through(&cluster.handle(1), "old", n.to_string())).collect();
    let last_before = before[29];
    for id in 1..=3 {
        cluster.stop(id);
    }
    // Alone it does not know that the end of its log is committed. What it is asked now bears the same sequences.
    let handle = cluster.start(1);
    let (sender, outcomes) = unbounded();
    for n in 0..40 {
        let sender = sender.clone();
        let respond = Box::new(move |result| sender.send(result).unwrap());
        let deadline = Instant::now() + Duration::from_secs(60);
        handle.submit(Operation::Put(put("new", n.to_string())), deadline, respond);
    }
    cluster.start(2);
    cluster.start(3);
    let mut revisions: Vec<u64> = (0..40).map(|_| outcomes.recv().unwrap().unwrap().revision().0).collect();
    revisions.sort();
    assert_eq!(revisions, (last_before + 1..=last_before + 40).collect::<Vec<_>>());
}
