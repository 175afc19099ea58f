//! The service of changes: one task for each stream, which holds the stream's watches.
//!
//! ```text
//! requests ──► session ◄── ready (ids of watches with news; the store's wake-up calls fill it)
//!                 │
//!                 └──► answers (a short queue) ──► the client
//! ```
//!
//! The store does not push. A watch that may have news puts its id into `ready`, and the session polls it *when the
//! client has taken what went before*. So a slow client holds up nobody but itself, and costs no memory but for the
//! short queue: what it has not read yet waits in the store's history.
//!
//! Read [`session`] first, then [`batches`], which cuts events into messages.

mod batches;
mod session;

use std::pin::Pin;

use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::proto::etcdserverpb::watch_server::Watch;
use super::proto::etcdserverpb::{WatchRequest, WatchResponse};
use super::service::{Caller, Service};
use session::Session;

/// How many messages wait for a client that does not read, before its session waits too.
const QUEUED_MESSAGES: usize = 4;

/// A stream of answers.
pub(super) type Answers = ReceiverStream<Result<WatchResponse, Status>>;

/// A stream of requests, from either dialect.
pub(super) type Requests = Pin<Box<dyn Stream<Item = Result<WatchRequest, Status>> + Send>>;

#[tonic::async_trait]
impl Watch for Service {
    type WatchStream = Answers;

    async fn watch(&self, request: Request<Streaming<WatchRequest>>) -> Result<Response<Answers>, Status> {
        let caller = self.admit(request.metadata().as_ref())?;
        Ok(Response::new(open(self, &caller, Box::pin(request.into_inner()))))
    }
}

/// Starts a session. It ends when the client goes, when the door shuts, or with an error, which is then its last answer;
/// the end of the requests does not end it.
pub(super) fn open(service: &Service, caller: &Caller, requests: Requests) -> Answers {
    let (answers, stream) = mpsc::channel(QUEUED_MESSAGES);
    let session = Session::new(service.clone(), caller.requires_leader, answers);
    tokio::spawn(session.run(requests));
    ReceiverStream::new(stream)
}
