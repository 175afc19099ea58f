//! Several members die at the same moment.

use crate::leader_kills::same_history_everywhere;
use crate::support::{Cluster, QUICK, Route, Writers};

#[test]
fn all_members_die_at_once_three_times_and_nothing_acknowledged_is_lost() {
    let mut cluster = Cluster::start(3, &[&QUICK[..], &["--snapshot-count", "100"]].concat());
    let ports: Vec<u16> = (0..3).map(|number| cluster.client_port(number)).collect();
    let writers = Writers::start(6, 3, &Route::through(ports));
    for _ in 0..3 {
        writers.until_further(150);
        // As near to one moment as processes can be killed.
        (0..3).for_each(|number| cluster.kill(number));
        (0..3).for_each(|number| cluster.restart(number));
    }
    writers.until_further(50);
    let ledger = writers.finish();
    same_history_everywhere(&cluster, &ledger);
}

#[test]
fn a_member_that_dies_again_and_again_while_it_catches_up_comes_back_in_the_end() {
    let mut cluster = Cluster::start(3, &[&QUICK[..], &["--snapshot-count", "200"]].concat());
    let leader = cluster.until_all_follow_one_leader();
    let unlucky = cluster.others(leader)[0];
    let living = cluster.others(unlucky);
    let ports: Vec<u16> = living.iter().map(|number| cluster.client_port(*number)).collect();
    cluster.kill(unlucky);
    let writers = Writers::start(32, 2, &Route::through(ports));
    // More than the others keep in memory behind a snapshot.
    writers.until_further(6_000);
    for _ in 0..4 {
        // It has just begun to serve, so that it meets its death somewhere in the midst of the leader's snapshot.
        cluster.restart(unlucky);
        cluster.kill(unlucky);
    }
    cluster.restart(unlucky);
    writers.until_further(100);
    let failures = writers.failures();
    let ledger = writers.finish();
    assert_eq!(failures, [""; 0], "nobody else noticed");
    same_history_everywhere(&cluster, &ledger);
    // It may have died when the snapshot was durable and not yet in use: that it was sent is what can be seen.
    let sent = |number: &usize| cluster.node(*number).log().contains("sending a snapshot");
    assert!(living.iter().any(sent), "the log in memory was long enough, so that this tested nothing");
}
