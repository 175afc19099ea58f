//! A follower that was away for so long that the others' logs no longer hold what it has missed.

use std::time::Instant;

use crate::leader_kills::same_history_everywhere;
use crate::support::{Cluster, Ledger, Route, Writers};

#[test]
fn a_follower_that_was_away_for_long_catches_up_by_a_snapshot_while_writes_go_on() {
    // The members keep 5,000 entries behind a snapshot for those who lag a little.
    catch_up_after(6_000, 500);
}

/// `cargo test --release --test processes -- --ignored --nocapture fifty_thousand`
#[test]
#[ignore = "takes long but in a release build"]
fn a_follower_that_was_away_for_fifty_thousand_writes_catches_up() {
    catch_up_after(50_000, 10_000);
}

fn catch_up_after(writes: u64, snapshot_count: u64) {
    let mut cluster = Cluster::start(3, &["--snapshot-count", &snapshot_count.to_string()]);
    let leader = cluster.until_all_follow_one_leader();
    let [away, other] = cluster.others(leader)[..] else { unreachable!("three members") };
    cluster.kill(away);
    let route = Route::through([cluster.client_port(leader), cluster.client_port(other)]);
    let writers = Writers::start(64, 2, &route);
    let began = Instant::now();
    writers.until_further(writes);
    println!("{writes} writes by 64 clients: {:.1} s", began.elapsed().as_secs_f64());

    let said_before = cluster.node(away).log().len();
    let returned = Instant::now();
    cluster.restart(away);
    cluster.node(away).until_it_says(said_before, &["installed the leader's snapshot"]);
    println!("the snapshot is installed after {:.2} s", returned.elapsed().as_secs_f64());
    let goal = cluster.status(leader).expect("the leader answers").applied_index;
    crate::support::until("it has what the leader had when the snapshot was installed", || {
        (cluster.status(away)?.applied_index >= goal).then_some(())
    });
    println!("it has caught up after {:.2} s, while writes went on", returned.elapsed().as_secs_f64());
    // Writes have gone on beside it, and go on with it.
    writers.until_further(100);
    let failures = writers.failures();
    let ledger: Ledger = writers.finish();
    assert_eq!(failures, [""; 0], "nobody else noticed");
    same_history_everywhere(&cluster, &ledger);
}
