//! Watches while members die: each event once and in order.

use std::thread;

use crate::support::{Cluster, Event, QUICK, Route, Watch, Writers};

#[test]
fn a_watch_on_a_follower_sees_every_event_once_while_leaders_are_killed() {
    let mut cluster = Cluster::start(3, &QUICK);
    let leader = cluster.until_all_follow_one_leader();
    let watched = cluster.others(leader)[0];
    let port = cluster.client_port(watched);
    let watch = Watch::open(port, "key-", None).unwrap();
    let events = thread::spawn(move || read_until_the_end(watch));

    let writers = Writers::start(3, 2, &Route::through([port]));
    for _ in 0..3 {
        writers.until_further(20);
        let leader = cluster.until_all_follow_one_leader();
        // The watched member may be elected itself; then another one goes.
        let victim = if leader == watched { cluster.others(leader)[0] } else { leader };
        cluster.kill(victim);
        writers.until_further(20);
        cluster.restart(victim);
    }
    let ledger = writers.finish();
    cluster.client(watched).put("key-end", "end").unwrap();
    let mut events = events.join().unwrap();
    assert_eq!(events.pop().map(|event| event.revision()), Some(ledger.last_revision() + 1));
    ledger.check(&events);
}

#[test]
fn a_client_whose_member_dies_resumes_its_watch_on_another_and_misses_nothing() {
    let mut cluster = Cluster::start(3, &QUICK);
    cluster.until_all_follow_one_leader();
    let ports: Vec<u16> = (0..3).map(|number| cluster.client_port(number)).collect();
    let writers = Writers::start(3, 2, &Route::through(ports.clone()));
    let events = thread::spawn(move || watch_wherever_possible(&ports));
    for victim in [0, 1, 2, 0] {
        writers.until_further(30);
        cluster.kill(victim);
        writers.until_further(30);
        cluster.restart(victim);
        cluster.until_all_follow_one_leader();
    }
    let ledger = writers.finish();
    cluster.client(0).put("key-end", "end").unwrap();
    let mut events = events.join().unwrap();
    events.pop();
    ledger.check(&events);
}

fn is_the_end(event: &Event) -> bool {
    matches!(event, Event::Put(kv) if kv.key == "key-end")
}

fn read_until_the_end(mut watch: Watch) -> Vec<Event> {
    let mut events = Vec::new();
    while !events.last().is_some_and(is_the_end) {
        events.push(watch.next().expect("the member that is watched lives"));
    }
    events
}

/// Watches through the first member until it dies, then through the next, from the revision behind the last event.
fn watch_wherever_possible(ports: &[u16]) -> Vec<Event> {
    let mut events: Vec<Event> = Vec::new();
    for port in ports.iter().cycle() {
        let next = events.last().map_or(1, Event::revision) + 1;
        // A dead member has no watch to give: on to the next.
        let Ok(mut watch) = Watch::open(*port, "key-", Some(next)) else { continue };
        while let Ok(event) = watch.next() {
            events.push(event);
            if events.last().is_some_and(is_the_end) {
                return events;
            }
        }
    }
    unreachable!("it goes round and round")
}
