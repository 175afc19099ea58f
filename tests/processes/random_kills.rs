//! Members are killed and frozen at random under writers and readers, and what the readers saw is checked against time.
//!
//! `RAFTWRIGHT_ROUNDS=200 RAFTWRIGHT_SEED=7 cargo test --release --test processes -- --nocapture random` goes on for longer,
//! with another choice of what to do to whom and when.

use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::leader_kills::same_history_everywhere;
use crate::support::{Client, Cluster, Event, KeyValue, Ledger, QUICK, Route, Writers};

const WRITERS: usize = 4;
const READERS: usize = 3;
const KEYS: usize = 2;

/// What one linearizable read saw.
struct Seen {
    began: Instant,
    ended: Instant,
    key: String,
    /// Of the whole store.
    revision: u64,
    found: Option<KeyValue>,
}

#[test]
fn under_random_kills_and_freezes_no_write_is_lost_and_no_read_goes_back_in_time() {
    let (rounds, seed) = (number_of("RAFTWRIGHT_ROUNDS", 8), number_of("RAFTWRIGHT_SEED", 1));
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let mut below = |bound: u64| dice.next_u64() % bound;
    // Snapshots often, so that a kill can meet one.
    let flags = [&QUICK[..], &["--snapshot-count", "100"]].concat();
    let mut cluster = Cluster::start(3, &flags);
    let ports: Vec<u16> = (0..3).map(|number| cluster.client_port(number)).collect();
    let writers = Writers::start(WRITERS, KEYS, &Route::through(ports.clone()));
    let readers = Readers::start(&ports);
    for round in 0..rounds {
        let victim = below(3) as usize;
        writers.until_further(below(60));
        let frozen = below(3) == 0;
        let what = if frozen { "frozen" } else { "killed" };
        println!("round {round}: member {victim} is {what} after {} writes", writers.acknowledged());
        if frozen {
            cluster.node(victim).signal("STOP");
            // Its clients wait for it. The others may have to elect.
            cluster.until_leader_of(&cluster.others(victim));
            cluster.node(victim).signal("CONT");
        } else {
            cluster.kill(victim);
            writers.until_further(below(60));
            cluster.restart(victim);
        }
    }
    writers.until_further(50);
    let seen = readers.finish();
    let ledger = writers.finish();
    same_history_everywhere(&cluster, &ledger);
    let history = cluster.client(0).history(ledger.last_revision());
    println!("{} writes and {} reads", ledger.puts.len(), seen.len());
    assert!(seen.len() > 50, "the readers have read");
    never_back_in_time(&seen, &ledger);
    seen.iter().for_each(|read| is_of_its_revision(read, &history));
}

fn number_of(variable: &str, default: u64) -> u64 {
    env::var(variable).map_or(default, |text| text.parse().expect("a number"))
}

/// A read that began after another request had been answered shows no older state than that one did.
fn never_back_in_time(seen: &[Seen], ledger: &Ledger) {
    let reads = seen.iter().map(|read| (read.ended, read.revision));
    let writes = ledger.acknowledged().filter_map(|put| Some((put.ended, put.revision?)));
    let mut answered: Vec<(Instant, u64)> = reads.chain(writes).collect();
    answered.sort();
    let mut in_order: Vec<&Seen> = seen.iter().collect();
    in_order.sort_by_key(|read| read.began);
    let (mut next, mut floor) = (0, 0);
    for read in in_order {
        while answered.get(next).is_some_and(|(ended, _)| *ended < read.began) {
            floor = floor.max(answered[next].1);
            next += 1;
        }
        assert!(
            read.revision >= floor,
            "a read of {} showed revision {}, after revision {floor} had been shown",
            read.key,
            read.revision
        );
    }
}

/// A read shows its key as it was at the revision that the read names.
fn is_of_its_revision(read: &Seen, history: &[Event]) {
    // A write that nobody acknowledged may be behind what the history was asked for.
    if read.revision > history.last().map_or(1, Event::revision) {
        return;
    }
    let until_then = history.iter().take_while(|event| event.revision() <= read.revision);
    let there = until_then.filter_map(|event| match event {
        Event::Put(kv) if kv.key == read.key => Some(kv),
        _ => None,
    });
    assert_eq!(read.found.as_ref(), there.last(), "{} at revision {}", read.key, read.revision);
}

/// Clients that read the writers' keys, through one member after the other. They stop when this is dropped.
struct Readers {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Vec<Seen>>>,
}

impl Readers {
    fn start(ports: &[u16]) -> Readers {
        let stop = Arc::new(AtomicBool::new(false));
        let spawn = |reader: usize| {
            let (stop, ports) = (stop.clone(), ports.to_vec());
            thread::spawn(move || read_without_pause(reader, &ports, &stop))
        };
        Readers { threads: (0..READERS).map(spawn).collect(), stop }
    }

    fn finish(mut self) -> Vec<Seen> {
        self.stop.store(true, Ordering::SeqCst);
        self.threads.drain(..).flat_map(|thread| thread.join().unwrap()).collect()
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

fn read_without_pause(reader: usize, ports: &[u16], stop: &AtomicBool) -> Vec<Seen> {
    let mut clients: Vec<Client> = ports.iter().map(|port| Client::to(*port)).collect();
    let mut seen = Vec::new();
    for turn in reader.. {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let key = format!("key-{}-{}", turn % WRITERS, turn / WRITERS % KEYS);
        let member = turn % clients.len();
        let began = Instant::now();
        // A member that is dead has no answer, which is no wrong one.
        if let Ok((revision, found)) = clients[member].get(&key) {
            seen.push(Seen { began, ended: Instant::now(), key, revision, found });
        }
    }
    seen
}
