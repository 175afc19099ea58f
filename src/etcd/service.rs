//! What all services have in common: the member behind them, and what a client may say about a request beside it.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use tokio::sync::{oneshot, watch};
use tonic::Status;

use super::errors;
use super::serve::DoorOptions;
use crate::server::{Handle, RequestError, Responder};
use crate::store::{Operation, Reply};

/// What gRPC spends on a message beside the request in it: the limits on messages are this much above the limit on
/// requests, as in etcd.
pub(super) const OVERHEAD_BYTES: usize = 512 << 10;

/// All services of the door. Cheap to clone; every connection has its own.
#[derive(Clone)]
pub(super) struct Service {
    /// The member.
    pub handle: Handle,
    /// How the door was told to behave.
    pub options: Arc<DoorOptions>,
    /// Turns true when the door shuts.
    pub closing: watch::Receiver<bool>,
}

impl Service {
    /// The largest message that is read, in bytes.
    pub fn max_message_bytes(&self) -> usize {
        self.handle.max_request_bytes().saturating_add(OVERHEAD_BYTES)
    }

    /// Lets a request in: reads what its client says about it, and refuses it if it asks for a leader and there is none.
    ///
    /// # Errors
    /// `etcdserver: no leader`, or that `grpc-timeout` cannot be understood.
    pub fn admit(&self, metadata: &HeaderMap) -> Result<Caller, Status> {
        let requires_leader = metadata.get_all("hasleader").iter().any(|value| value.as_bytes() == b"true");
        if requires_leader && self.handle.status().leader.is_none() {
            return Err(errors::no_leader());
        }
        let timeout = match metadata.get("grpc-timeout") {
            Some(value) => Some(grpc_timeout(value.as_bytes()).ok_or_else(|| {
                Status::invalid_argument(format!(
                    "invalid grpc-timeout: {}",
                    String::from_utf8_lossy(value.as_bytes())
                ))
            })?),
            None => None,
        };
        let patience = self.handle.default_timeout();
        Ok(Caller {
            requires_leader,
            deadline: Instant::now() + timeout.map_or(patience, |timeout| timeout.min(patience)),
            hurried: timeout.is_some_and(|timeout| timeout < patience),
        })
    }

    /// Replicates an operation and waits until this member has applied it.
    ///
    /// # Errors
    /// What the server or the store refuses, in etcd's words.
    pub async fn submit(&self, operation: Operation, caller: &Caller) -> Result<Reply, Status> {
        caller.answer(|respond| self.handle.submit(operation, caller.deadline, respond)).await
    }

    /// Waits until this member's store holds all that was acknowledged anywhere before.
    ///
    /// # Errors
    /// That no leader has said so before the deadline.
    pub async fn linearize(&self, caller: &Caller) -> Result<(), Status> {
        caller.answer(|respond| self.handle.read_barrier(caller.deadline, respond)).await
    }
}

/// What a client says about its request, beside the request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    /// When its answer is due: the member's own patience, or less if the client says so.
    pub deadline: Instant,
    /// The client's patience is less than ours, so that a timeout is its own.
    hurried: bool,
    /// It would rather be refused than wait for a leader, or watch a member that has lost touch.
    pub requires_leader: bool,
}

impl Caller {
    /// Turns a call that answers through a [`Responder`] into a future.
    fn answer<T: Send + 'static, S: FnOnce(Responder<T>)>(
        &self,
        start: S,
    ) -> impl Future<Output = Result<T, Status>> + use<T, S> {
        let (sender, receiver) = oneshot::channel();
        // If the client is gone, so is the receiver, and nobody misses the answer.
        start(Box::new(move |result| drop(sender.send(result))));
        let hurried = self.hurried;
        async move {
            match receiver.await.unwrap_or(Err(RequestError::Stopping)) {
                Ok(answer) => Ok(answer),
                Err(RequestError::NoLeader | RequestError::Timeout) if hurried => {
                    Err(errors::deadline_exceeded())
                }
                Err(error) => Err(errors::status(error)),
            }
        }
    }
}

/// Waits until the door shuts.
pub(super) async fn shut(closing: &mut watch::Receiver<bool>) {
    // An error means that the door is gone, which comes to the same.
    let _ = closing.wait_for(|closing| *closing).await;
}

/// Reads gRPC's form of a duration: at most eight digits and a unit.
fn grpc_timeout(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    match unit {
        b'H' => Some(Duration::from_secs(number * 3_600)),
        b'M' => Some(Duration::from_secs(number * 60)),
        b'S' => Some(Duration::from_secs(number)),
        b'm' => Some(Duration::from_millis(number)),
        b'u' => Some(Duration::from_micros(number)),
        b'n' => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grpc_timeout_is_digits_and_a_unit() {
        assert_eq!(grpc_timeout(b"2S"), Some(Duration::from_secs(2)));
        assert_eq!(grpc_timeout(b"99999999H"), Some(Duration::from_secs(99_999_999 * 3_600)));
        assert_eq!(grpc_timeout(b"1500m"), Some(Duration::from_millis(1_500)));
        assert_eq!(grpc_timeout(b"7u"), Some(Duration::from_micros(7)));
        for bad in [&b""[..], b"S", b"12", b"123456789S", b"-1S", b"1s", b"1.5S"] {
            assert_eq!(grpc_timeout(bad), None, "{}", String::from_utf8_lossy(bad));
        }
    }
}
