//! The last step of a start: waiting until the member can serve, then telling the others its name and where clients reach it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use tracing::{info, warn};

use crate::store::{MemberAttributes, Operation};

use super::handle::Handle;
use super::request::RequestError;
use super::shared::{Shared, read};

/// How long one attempt waits. It fails only where there is no leader, so its end is no news.
const ATTEMPT: Duration = Duration::from_secs(60);

/// Runs until the member's attributes stand in the store, or the member stops.
pub(super) fn announce(shared: &Arc<Shared>, attributes: MemberAttributes, closed: &Receiver<()>) {
    let handle = Handle::new(shared.clone());
    // A barrier is passed when a leader is known and everything that was committed before it is applied here.
    if !until_done(closed, shared.times.heartbeat, || handle.wait_for_barrier(ATTEMPT)) {
        return;
    }
    shared.ready.store(true, Ordering::Relaxed);
    info!("ready to serve client requests");

    if read(&shared.store).members().get(&attributes.id) == Some(&attributes) {
        return;
    }
    let publish = || {
        let operation = Operation::PublishMember(attributes.clone());
        handle.submit_and_wait(operation, ATTEMPT).map(drop)
    };
    if until_done(closed, shared.times.heartbeat, publish) {
        info!(name = attributes.name, client_urls = ?attributes.client_urls, "published this member's name and client URLs");
    }
}

/// Repeats `attempt`, with pauses, until it succeeds (`true`) or the member stops (`false`).
fn until_done(
    closed: &Receiver<()>,
    pause: Duration,
    attempt: impl Fn() -> Result<(), RequestError>,
) -> bool {
    loop {
        match attempt() {
            Ok(()) => return true,
            Err(RequestError::Stopping) => return false,
            Err(error) => warn!(%error, "not ready yet"),
        }
        if closed.recv_timeout(pause) == Err(RecvTimeoutError::Disconnected) {
            return false;
        }
    }
}
