//! Clients that write without pause, beside the test, and keep account.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::client::{Client, Failure};
use super::ledger::{Ledger, Put};
use super::until::until;

/// How long a client waits before it tries again where nobody listens.
const BACK_OFF: Duration = Duration::from_millis(5);

/// Which members the writers write through, as client ports. A test changes it under way.
pub struct Route(Mutex<Vec<u16>>);

/// Some writers. They stop when this is dropped.
pub struct Writers {
    route: Arc<Route>,
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<Ledger>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    acknowledged: AtomicU64,
    /// What clients were told when a write was not acknowledged.
    failures: Mutex<Vec<String>>,
}

impl Route {
    pub fn through(ports: impl IntoIterator<Item = u16>) -> Arc<Route> {
        Arc::new(Route(Mutex::new(ports.into_iter().collect())))
    }

    pub fn change(&self, ports: impl IntoIterator<Item = u16>) {
        *self.0.lock().unwrap() = ports.into_iter().collect();
    }

    fn port(&self, place: usize) -> u16 {
        let ports = self.0.lock().unwrap();
        ports[place % ports.len()]
    }
}

impl Writers {
    /// Starts `count` writers, each with `keys` keys of its own, one write after the other.
    pub fn start(count: usize, keys: usize, route: &Arc<Route>) -> Writers {
        let shared = Arc::new(Shared::default());
        let spawn = |writer: usize| {
            let (route, shared) = (route.clone(), shared.clone());
            thread::spawn(move || write_without_pause(writer, keys, &route, &shared))
        };
        Writers { route: route.clone(), threads: (0..count).map(spawn).collect(), shared }
    }

    /// How many writes were acknowledged so far.
    pub fn acknowledged(&self) -> u64 {
        self.shared.acknowledged.load(Ordering::SeqCst)
    }

    /// Waits until `more` further writes are acknowledged.
    pub fn until_further(&self, more: u64) {
        let goal = self.acknowledged() + more;
        until(&format!("{goal} writes are acknowledged"), || (self.acknowledged() >= goal).then_some(()));
    }

    /// Sends the writers elsewhere, and waits until they are there.
    pub fn change_route(&self, ports: impl IntoIterator<Item = u16>) {
        self.route.change(ports);
        // Each may have one write under way on its old route, and what follows is on the new one.
        self.until_further(2 * self.threads.len() as u64);
    }

    /// What clients were told when a write was not acknowledged.
    pub fn failures(&self) -> Vec<String> {
        self.shared.failures.lock().unwrap().clone()
    }

    /// Stops them, after the writes that are under way, and gives what they wrote.
    pub fn finish(mut self) -> Ledger {
        self.shared.stop.store(true, Ordering::SeqCst);
        let ledgers: Vec<Ledger> = self.threads.drain(..).map(|thread| thread.join().unwrap()).collect();
        Ledger::merge(ledgers)
    }
}

impl Drop for Writers {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
    }
}

fn write_without_pause(writer: usize, keys: usize, route: &Route, shared: &Shared) -> Ledger {
    let mut ledger = Ledger::default();
    let mut place = writer;
    let mut client = Client::to(route.port(place));
    for number in 0.. {
        if shared.stop.load(Ordering::SeqCst) {
            break;
        }
        let port = route.port(place);
        if client.port() != port {
            client = Client::to(port);
        }
        let (key, value) = (format!("key-{writer}-{}", number % keys), format!("value-{writer}-{number}"));
        let began = Instant::now();
        let outcome = client.put(&key, &value);
        let put = |revision| Put { key, value, began, ended: Instant::now(), revision };
        match outcome {
            Ok(revision) => {
                ledger.record(put(Some(revision)));
                shared.acknowledged.fetch_add(1, Ordering::SeqCst);
            }
            Err(failure) => {
                if !failure.is_definite() {
                    ledger.record(put(None));
                }
                if matches!(failure, Failure::NotSent(_)) {
                    thread::sleep(BACK_OFF);
                }
                shared.failures.lock().unwrap().push(failure.to_string());
                place += 1;
            }
        }
    }
    ledger
}
