//! An orderly end, and a leader that is frozen and thaws again.

use serde_json::json;

use crate::leader_kills::same_history_everywhere;
use crate::support::{Client, Cluster, QUICK, Route, Writers, encode};

#[test]
fn sigterm_ends_a_member_in_good_order_and_the_next_start_has_everything() {
    let mut cluster = Cluster::start(1, &["--snapshot-count", "50"]);
    let writers = Writers::start(2, 10, &Route::through([cluster.client_port(0)]));
    writers.until_further(120);
    cluster.node(0).signal("TERM");
    let status = cluster.node_mut(0).wait();
    assert_eq!(status.code(), Some(0));
    let log = cluster.node(0).log();
    assert!(log.contains("stopping: received SIGTERM") && log.trim_end().ends_with("stopped"), "{log}");
    let ledger = writers.finish();
    cluster.restart(0);
    same_history_everywhere(&cluster, &ledger);
}

#[test]
fn a_follower_that_is_asked_to_stop_answers_what_it_has_taken() {
    let mut cluster = Cluster::start(3, &QUICK);
    let leader = cluster.until_all_follow_one_leader();
    let follower = cluster.others(leader)[0];
    let writers = Writers::start(4, 10, &Route::through([cluster.client_port(follower)]));
    writers.until_further(40);
    cluster.node(follower).signal("INT");
    assert_eq!(cluster.node_mut(follower).wait().code(), Some(0));
    let ledger = writers.finish();
    cluster.restart(follower);
    same_history_everywhere(&cluster, &ledger);
}

#[test]
fn a_leader_that_freezes_and_thaws_steps_down_and_shows_nothing_old() {
    let cluster = Cluster::start(3, &QUICK);
    let frozen = cluster.until_all_follow_one_leader();
    let others = cluster.others(frozen);
    cluster.client(frozen).put("key", "before").unwrap();
    let said_before = cluster.node(frozen).log().len();

    cluster.node(frozen).signal("STOP");
    // Its kernel still takes connections and requests: it will read them when it thaws, before it has heard of anything.
    let mut reads = send_to_frozen(&cluster, frozen, "/v3/kv/range", |_| json!({"key": encode("key")}));
    let put = |number: usize| json!({"key": encode(&format!("late {number}")), "value": encode("late")});
    let mut puts = send_to_frozen(&cluster, frozen, "/v3/kv/put", put);
    let leader = cluster.until_leader_of(&others);
    cluster.client(leader).put("key", "after").unwrap();

    cluster.node(frozen).signal("CONT");
    for read in &mut reads {
        let reply = read.receive().unwrap();
        if reply.status == 200 {
            let value = reply.body.pointer("/kvs/0/value").and_then(|value| value.as_str());
            assert_eq!(value, Some(encode("after").as_str()), "a stale read: {}", reply.body);
        }
    }
    let outcomes: Vec<u16> = puts.iter_mut().map(|put| put.receive().unwrap().status).collect();
    cluster.node(frozen).until_it_says(said_before, &["lost leader"]);
    cluster.until_all_follow_one_leader();
    assert_ne!(cluster.leader_of(&[0, 1, 2]), None);
    for (number, status) in outcomes.into_iter().enumerate() {
        let (_, found) = cluster.client(leader).get(&format!("late {number}")).unwrap();
        if let Some(kv) = &found {
            assert_eq!(kv.version, 1, "a write that was taken over a change of leader is executed once");
        }
        assert!(status != 200 || found.is_some(), "an acknowledged write is lost");
    }
    let states: Vec<_> = (0..3).map(|number| cluster.client(number)).collect();
    cluster.until_all_have_applied_the_same();
    let states: Vec<_> = states.into_iter().map(|mut client| client.all_serializable().unwrap()).collect();
    assert!(states.iter().all(|state| *state == states[0]), "{states:?}");
}

fn send_to_frozen(
    cluster: &Cluster,
    frozen: usize,
    path: &str,
    request: impl Fn(usize) -> serde_json::Value,
) -> Vec<Client> {
    let sent = (0..10).map(|number| {
        let mut client = cluster.client(frozen);
        client.send(path, &request(number)).unwrap();
        client
    });
    sent.collect()
}
