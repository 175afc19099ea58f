//! Reading a request's body without trusting its sender.

use std::time::Duration;

use axum::body::{Body, Bytes};
use tokio::time::timeout;
use tokio_stream::StreamExt;
use tonic::Status;

use crate::etcd::service::Service;

/// How long a client may take to send a request's body.
const PATIENCE: Duration = Duration::from_secs(30);

/// How much of an oversized body is read and thrown away, so that its client gets to read why it was refused: a
/// connection that is closed on unread bytes takes the answer with it.
const DISCARDED_BYTES: usize = 64 << 20;

/// The longest text of a request: base64 makes three bytes four, and there must be room for names and white space.
pub(super) fn limit_bytes(service: &Service) -> usize {
    service.max_message_bytes().saturating_mul(2)
}

/// Reads a body of at most `limit_bytes`.
///
/// # Errors
/// That it is longer, came too slowly, or ended in the middle.
pub(super) async fn read(body: Body, limit_bytes: usize) -> Result<Vec<u8>, Status> {
    match timeout(PATIENCE, collect(body, limit_bytes)).await {
        Ok(text) => text,
        Err(_) => Err(Status::cancelled("etcdserver: the request's body did not arrive in time")),
    }
}

async fn collect(body: Body, limit_bytes: usize) -> Result<Vec<u8>, Status> {
    let mut pieces = body.into_data_stream();
    let mut text = Vec::new();
    let mut discarded = 0;
    while let Some(piece) = pieces.next().await {
        let piece: Bytes = piece
            .map_err(|error| Status::invalid_argument(format!("the request's body broke off: {error}")))?;
        if discarded == 0 && text.len() + piece.len() <= limit_bytes {
            text.extend_from_slice(&piece);
            continue;
        }
        text = Vec::new();
        discarded += piece.len();
        if discarded > DISCARDED_BYTES {
            break;
        }
    }
    if discarded > 0 {
        return Err(Status::resource_exhausted(format!(
            "etcdserver: the request's body is longer than {limit_bytes} bytes"
        )));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    #[test]
    fn a_body_up_to_the_limit_is_read_and_a_longer_one_is_refused() {
        assert_eq!(run(read(Body::from("abcd"), 4)).unwrap(), b"abcd");
        let refused = run(read(Body::from("abcde"), 4)).unwrap_err();
        assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
        assert!(refused.message().contains("4 bytes"), "{refused}");
    }
}
