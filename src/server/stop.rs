//! Stopping: in good order, and when something breaks.
//!
//! The first reason wins. It closes a channel on which nothing is ever sent; the raft thread waits on it among others, and
//! ends. The inboxes behind it then have no sender any more, so each thread ends in its turn, after it has done
//! all that was in its inbox: apply, snapshots, wal. A thread that fails or panics names a reason, which sets the same
//! chain in motion; so no thread runs on without the others.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};
use tracing::{dispatcher, error, info};

use super::error::StopReason;
use super::shared::lock;

/// What stops a member, shared by its threads.
pub(super) struct Stop {
    reason: Sender<StopReason>,
    /// Dropped when the member shall stop.
    open: Mutex<Option<Sender<()>>>,
}

/// The two ends that others hold: who waits for the reason, and who must stop.
pub(super) struct StopSignals {
    /// Gives the reason, once.
    pub reason: Receiver<StopReason>,
    /// Disconnected when the member shall stop.
    pub closed: Receiver<()>,
}

impl Stop {
    pub fn new() -> (Arc<Stop>, StopSignals) {
        let (reason_sender, reason) = bounded(1);
        let (open, closed) = bounded(0);
        let stop = Stop { reason: reason_sender, open: Mutex::new(Some(open)) };
        (Arc::new(stop), StopSignals { reason, closed })
    }

    /// Lets the member stop, for this reason if it is the first.
    pub fn because(&self, reason: StopReason) {
        if lock(&self.open).take().is_none() {
            return;
        }
        if reason.is_failure() {
            error!("{reason}");
        } else {
            info!("stopping");
        }
        // It has room for one, and this is the only one.
        let _ = self.reason.try_send(reason);
    }

    /// Runs `body` on a thread of its own. Its failure or panic stops the member. `at_the_end` runs in any case.
    pub fn spawn<B, E>(
        self: &Arc<Self>,
        name: &'static str,
        body: B,
        at_the_end: E,
    ) -> std::io::Result<JoinHandle<()>>
    where
        B: FnOnce() -> Result<(), StopReason> + Send + 'static,
        E: FnOnce() + Send + 'static,
    {
        let stop = self.clone();
        // The member logs to where its starter does, even if that is not the whole process's log.
        let log = dispatcher::get_default(dispatcher::Dispatch::clone);
        thread::Builder::new().name(name.to_string()).spawn(move || {
            let _log = dispatcher::set_default(&log);
            // Whatever the panic left half-done belongs to the thread that is gone, or is taken apart by the stop.
            match catch_unwind(AssertUnwindSafe(body)) {
                Ok(Ok(())) => {}
                Ok(Err(reason)) => stop.because(reason),
                Err(panic) => stop.because(StopReason::Panic { thread: name, message: message_of(&*panic) }),
            }
            at_the_end();
        })
    }
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_string());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_the_reason_and_what_must_run_at_the_end_runs() {
        let (stop, signals) = Stop::new();
        let (ended, end) = bounded(1);
        let thread = stop
            .spawn("teapot", || panic!("short and stout"), move || ended.send(()).unwrap())
            .expect("the system gives a thread");
        assert!(thread.join().is_ok());
        assert!(end.try_recv().is_ok());
        assert!(signals.closed.recv().is_err(), "everyone else is told");
        let expected = StopReason::Panic { thread: "teapot", message: "short and stout".to_string() };
        assert_eq!(signals.reason.try_recv(), Ok(expected));
    }

    #[test]
    fn the_first_reason_is_the_reason() {
        let (stop, signals) = Stop::new();
        stop.because(StopReason::Disk("no space left".to_string()));
        stop.because(StopReason::Requested);
        assert_eq!(signals.reason.try_recv(), Ok(StopReason::Disk("no space left".to_string())));
        assert!(signals.reason.try_recv().is_err());
    }
}
