//! Five members lose one after the other, down to a minority, and one comes back.

use std::time::Instant;

use crate::leader_kills::same_history_everywhere;
use crate::support::{Client, Cluster, Failure, Ledger, Put, Route, Writers};

/// Short, so that the members' own patience of five seconds and two elections ends soon.
const VERY_QUICK: [&str; 4] = ["--heartbeat-interval", "20", "--election-timeout", "200"];

#[test]
fn four_and_three_of_five_go_on_and_two_refuse_until_a_third_returns() {
    let mut cluster = Cluster::start(5, &VERY_QUICK);
    let first_leader = cluster.until_all_follow_one_leader();
    let mut living = cluster.others(first_leader);
    let route = Route::through(living.iter().map(|number| cluster.client_port(*number)));
    let writers = Writers::start(2, 3, &route);
    writers.until_further(20);

    // Four of five. Nothing can go wrong for a client of a living member.
    cluster.kill(first_leader);
    writers.until_further(50);
    // Three of five, and this time a follower goes.
    let leader = cluster.until_leader_of(&living);
    let follower = *living.iter().find(|number| **number != leader).unwrap();
    living.retain(|number| *number != follower);
    writers.change_route(living.iter().map(|number| cluster.client_port(*number)));
    cluster.kill(follower);
    writers.until_further(50);
    let failures = writers.failures();
    let mut ledger = writers.finish();
    assert_eq!(failures, [""; 0], "three of five are a majority");

    // Two of five, with the leader among them: its log takes what it can never commit alone.
    let leader = cluster.until_leader_of(&living);
    let third = *living.iter().find(|number| **number != leader).unwrap();
    living.retain(|number| *number != third);
    cluster.kill(third);
    two_of_five_refuse(&cluster, &living, &mut ledger);

    cluster.restart(third);
    for number in [third, living[0], living[1]] {
        put(&mut cluster.client(number), &format!("with three through {number}"), &mut ledger).unwrap();
    }
    cluster.restart(first_leader);
    cluster.restart(follower);
    same_history_everywhere(&cluster, &ledger);
}

fn two_of_five_refuse(cluster: &Cluster, living: &[usize], ledger: &mut Ledger) {
    for number in living {
        // The client's deadline, twice, and then the member's own.
        let mut hurried = cluster.client(*number).with_timeout_ms(500);
        for attempt in 0..2 {
            let value = format!("hurried {number} {attempt}");
            timed_out(put(&mut hurried, &value, ledger));
        }
        timed_out(hurried.get("key").map(|_| 0));
    }
    std::thread::scope(|scope| {
        let patient = living.iter().map(|number| {
            let mut client = cluster.client(*number);
            scope.spawn(move || {
                let mut ledger = Ledger::default();
                let value = format!("patient {number}");
                let outcome = put(&mut client, &value, &mut ledger);
                timed_out(outcome);
                ledger
            })
        });
        let patient: Vec<_> = patient.collect();
        for number in living {
            let state = cluster.client(*number).all_serializable().unwrap();
            assert!(!state.is_empty(), "what a member has, it still shows to those who do not mind its age");
            assert!(state.iter().all(|kv| kv.key != "key"), "nothing is done by a minority: {state:?}");
        }
        ledger.puts.extend(patient.into_iter().flat_map(|thread| thread.join().unwrap().puts));
    });
}

fn put(client: &mut Client, value: &str, ledger: &mut Ledger) -> Result<u64, Failure> {
    let began = Instant::now();
    let outcome = client.put("key", value);
    let revision = outcome.as_ref().ok().copied();
    let (key, value) = ("key".to_owned(), value.to_owned());
    ledger.record(Put { key, value, began, ended: Instant::now(), revision });
    outcome
}

/// A client hears of the timeout in etcd's words: of its own, or of the member's, which may name a reason.
fn timed_out(outcome: Result<u64, Failure>) {
    match outcome {
        Err(Failure::Refused { status: 503, text }) => {
            assert!(text.starts_with("etcdserver: request timed out"), "{text}");
        }
        Err(Failure::Refused { status: 504, text }) => assert_eq!(text, "context deadline exceeded"),
        Err(failure) => panic!("a timeout should be said to be one: {failure}"),
        Ok(_) => panic!("two of five are no majority"),
    }
}
