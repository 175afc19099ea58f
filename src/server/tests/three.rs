//! A cluster of three.

use std::sync::Arc;

use crate::server::MemberInfo;
use crate::store::{KeyRange, Revision, WatchPoll, WatchRequest};

use super::cluster::{Cluster, get, put_through, until, value};

#[test]
fn a_put_through_one_follower_is_read_through_the_other() {
    let cluster = Cluster::started(3, |_| {});
    let followers = cluster.followers();
    let (one, other) = (cluster.handle(followers[0]), cluster.handle(followers[1]));
    for n in 0..20 {
        put_through(&one, "n", n.to_string());
        assert_eq!(value(&other, "n"), Some(n.to_string()));
    }
    assert_eq!(get(&cluster.handle(cluster.leader()), "n").unwrap().version, 20);
}

#[test]
fn every_member_learns_the_names_and_client_urls_of_all() {
    let cluster = Cluster::started(3, |_| {});
    let complete = |members: &[MemberInfo]| {
        members.iter().all(|member| {
            member.client_urls == [format!("http://127.0.0.1:{}", 50_000 + member.id.0)]
                && member.name == format!("node{}", member.id)
        })
    };
    for handle in cluster.handles().into_values() {
        let members = until("all have published", || Some(handle.members()).filter(|m| complete(m)));
        assert_eq!(members.len(), 3);
        until("it is ready", || handle.status().ready.then_some(()));
    }
}

#[test]
fn the_others_go_on_when_the_leader_stops_and_it_catches_up_when_it_returns() {
    let mut cluster = Cluster::started(3, |_| {});
    put_through(&cluster.handle(1), "k", "before");
    let leader = cluster.leader();
    cluster.stop(leader);
    for handle in cluster.handles().values() {
        assert_eq!(value(handle, "k"), Some("before".to_string()));
    }
    for handle in cluster.handles().values() {
        put_through(handle, "k", "after");
    }
    let returned = cluster.start(leader);
    assert_eq!(value(&returned, "k"), Some("after".to_string()));
    assert_eq!(get(&returned, "k").unwrap().version, 3);
}

#[test]
fn nothing_is_lost_when_all_stop_and_return() {
    let mut cluster = Cluster::started(3, |_| {});
    for n in 0..30 {
        put_through(&cluster.handle(1 + n % 3), &format!("k{n}"), n.to_string());
    }
    for id in 1..=3 {
        cluster.stop(id);
    }
    for id in 1..=3 {
        cluster.start(id);
    }
    for n in 0..30 {
        assert_eq!(value(&cluster.handle(1 + n % 3), &format!("k{n}")), Some(n.to_string()));
    }
}

#[test]
fn a_member_whose_entries_are_gone_catches_up_by_snapshot_and_its_watchers_miss_nothing() {
    const PUTS: u64 = 300;
    let mut cluster = Cluster::new(3, |config| {
        config.snapshot_count = 50;
        config.retained_entries = 10;
    });
    cluster.start(1);
    cluster.start(2);
    let leader = cluster.handle(cluster.leader());
    for n in 0..PUTS {
        put_through(&leader, &format!("k{}", n % 7), n.to_string());
    }
    let late = cluster.start(3);
    let everything = WatchRequest {
        range: KeyRange::everything(),
        start_revision: Some(Revision(2)),
        prev_kv: false,
        no_put: false,
        no_delete: false,
    };
    let mut watch = late.watch(everything, Arc::new(|| {})).unwrap();
    // Writes go on while it catches up.
    for n in PUTS..PUTS + 100 {
        put_through(&leader, &format!("k{}", n % 7), n.to_string());
    }
    let last = (PUTS + 99).to_string();
    assert_eq!(value(&late, &format!("k{}", (PUTS + 99) % 7)), Some(last));

    let mut seen = Vec::new();
    until("the watch has shown every put", || {
        match watch.poll(64) {
            WatchPoll::Events { events, .. } => seen.extend(events.iter().map(|event| event.revision().0)),
            WatchPoll::Compacted { revision } => panic!("history is gone below {revision}"),
        }
        (seen.len() as u64 >= PUTS + 100).then_some(())
    });
    assert_eq!(seen, (2..PUTS + 102).collect::<Vec<_>>());
}
