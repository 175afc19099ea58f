//! The leader is killed again and again, while a client writes through a follower.

use std::time::{Duration, Instant};

use crate::support::{Cluster, Ledger, Put, Route, Writers};

const KILLS: usize = 10;

#[test]
fn ten_leaders_are_killed_and_every_acknowledged_write_is_there_once_on_every_member() {
    let mut cluster = Cluster::start(3, &[]);
    let leader = cluster.until_all_follow_one_leader();
    let first = cluster.others(leader)[0];
    let route = Route::through([cluster.client_port(first)]);
    let writers = Writers::start(1, 5, &route);

    let mut kills: Vec<Instant> = Vec::new();
    for _ in 0..KILLS {
        let leader = cluster.until_all_follow_one_leader();
        let others = cluster.others(leader);
        writers.change_route([cluster.client_port(others[0])]);
        kills.push(Instant::now());
        cluster.kill(leader);
        writers.until_further(20);
        cluster.until_leader_of(&others);
        cluster.restart(leader);
    }
    let failures = writers.failures();
    let ledger = writers.finish();
    assert_eq!(failures, [""; 0], "a client of a living member does not see an election");
    same_history_everywhere(&cluster, &ledger);
    print_waits(&kills, &ledger);
}

/// Every member has the same history and state, and they are what the ledger's writes make.
pub fn same_history_everywhere(cluster: &Cluster, ledger: &Ledger) {
    cluster.until_all_follow_one_leader();
    // Linearizable: so this member has everything that was acknowledged, and what may still come has come.
    let (last, _) = cluster.client(0).get("no such key").unwrap();
    cluster.until_all_have_applied_the_same();
    assert!(last >= ledger.last_revision(), "the store is at {last}, behind what was acknowledged");
    for number in 0..cluster.size() {
        let mut client = cluster.client(number);
        let history = client.history(last);
        ledger.check(&history);
        let state = client.all_serializable().unwrap();
        assert_eq!(state, Ledger::state_after(&history), "member {number} contradicts its own history");
    }
}

/// How long the client waited at the longest after each kill: for the reader of the test's output.
fn print_waits(kills: &[Instant], ledger: &Ledger) {
    let mut waits: Vec<Duration> = Vec::new();
    println!("kill   longest wait of a write that ended after it");
    for (number, kill) in kills.iter().enumerate() {
        let next = kills.get(number + 1);
        let of_this =
            ledger.puts.iter().filter(|put| put.ended >= *kill && next.is_none_or(|n| put.ended < *n));
        let longest = of_this.map(Put::took).max().unwrap_or_default();
        println!("{:4}   {:8.1} ms", number + 1, longest.as_secs_f64() * 1e3);
        waits.push(longest);
    }
    waits.sort();
    let median = (waits[(waits.len() - 1) / 2] + waits[waits.len() / 2]) / 2;
    println!("median {:8.1} ms", median.as_secs_f64() * 1e3);
    let best = ledger.puts.iter().map(Put::took).min().unwrap_or_default();
    println!(
        "without a kill a write takes {:.1} ms at best; there were {}",
        best.as_secs_f64() * 1e3,
        ledger.puts.len()
    );
}
