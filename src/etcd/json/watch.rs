//! The gateway's stream. Requests are JSON values one after the other in the request's body, which may stay open or end;
//! answers are chunks of the response's body, and go on until the client hangs up.

use axum::body::Body;
use axum::extract::Request;
use axum::http::Method;
use axum::response::Response;
use axum::routing::{MethodRouter, any};
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::syntax::Splitter;
use super::{body, decode, metadata, reply};
use crate::etcd::http;
use crate::etcd::proto::etcdserverpb::WatchRequest;
use crate::etcd::service::Service;
use crate::etcd::watch as service_watch;

/// Why there are no more requests, though the body has not ended in order.
#[derive(Debug, PartialEq)]
enum Interrupted {
    /// What came is no request; the sentence is for the client.
    Malformed(String),
    /// The client has hung up in the middle of its body.
    HungUp,
}

/// The route of `Watch`.
pub(super) fn route(service: &Service) -> MethodRouter {
    let service = service.clone();
    any(async move |request: Request| {
        if request.method() != Method::POST {
            return http::method_not_allowed();
        }
        serve(&service, request).await
    })
}

async fn serve(service: &Service, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let caller = match service.admit(&metadata(&parts.headers)) {
        Ok(caller) => caller,
        Err(status) => return reply::stream_error(&status),
    };
    let mut requests = requests(body, body::limit_bytes(service));
    let first = match requests.next().await {
        Some(Ok(first)) => Some(Ok(first)),
        // Of a stream's first request the gateway says what is wrong, under "unknown"; after that it only stops reading.
        Some(Err(Interrupted::Malformed(sentence))) => return reply::error(&Status::unknown(sentence)),
        Some(Err(Interrupted::HungUp)) => return reply::error(&hung_up()),
        None => None,
    };
    let rest = requests
        .take_while(|request| !matches!(request, Err(Interrupted::Malformed(_))))
        .map(|request| request.map_err(|_| hung_up()));
    let mut answers = service_watch::open(service, &caller, Box::pin(tokio_stream::iter(first).chain(rest)));
    // As with etcd, the status line waits for the first answer: an error may still set it.
    match answers.next().await {
        Some(Ok(first)) => reply::stream(tokio_stream::once(Ok(first)).chain(answers)),
        Some(Err(status)) => reply::stream_error(&status),
        None => reply::stream(answers),
    }
}

/// Ends the session. Nobody will read it.
fn hung_up() -> Status {
    Status::cancelled("the client has hung up")
}

/// Reads the requests of a body, one at a time and as they come. A value over `limit_bytes` ends them. If nobody takes
/// them any more, nobody needs to know why they end.
fn requests(body: Body, limit_bytes: usize) -> ReceiverStream<Result<WatchRequest, Interrupted>> {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let abandoned = sender.clone();
        tokio::select! {
            () = read_requests(body, limit_bytes, sender) => {}
            () = abandoned.closed() => {}
        }
    });
    ReceiverStream::new(receiver)
}

async fn read_requests(
    body: Body,
    limit_bytes: usize,
    sender: mpsc::Sender<Result<WatchRequest, Interrupted>>,
) {
    let mut pieces = body.into_data_stream();
    let mut splitter = Splitter::default();
    let mut value = Vec::new();
    while let Some(piece) = pieces.next().await {
        let Ok(piece) = piece else {
            let _ = sender.send(Err(Interrupted::HungUp)).await;
            return;
        };
        for byte in piece {
            value.push(byte);
            if splitter.ends_value(byte) {
                let request = decode::decode(&value).map_err(Interrupted::Malformed);
                value.clear();
                let over = request.is_err();
                if sender.send(request).await.is_err() || over {
                    return;
                }
            }
        }
        if value.len() > limit_bytes {
            let sentence = format!("etcdserver: a request is longer than {limit_bytes} bytes");
            let _ = sender.send(Err(Interrupted::Malformed(sentence))).await;
            return;
        }
    }
    // The body has ended in the middle of a value.
    if !value.trim_ascii().is_empty() {
        let _ = sender.send(decode::decode(&value).map_err(Interrupted::Malformed)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &'static [&'static str], limit_bytes: usize) -> Vec<Result<WatchRequest, Interrupted>> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let pieces = tokio_stream::iter(pieces.iter().map(|piece| Ok::<_, std::io::Error>(*piece)));
            requests(Body::from_stream(pieces), limit_bytes).collect().await
        })
    }

    #[test]
    fn several_requests_in_one_body_are_read_wherever_it_is_cut() {
        let requests =
            read(&[r#"{"create_request":{"key":"dw=="#, "\"}}\n", r#"{"cancel_request":{}}{}"#], 100);
        assert_eq!(requests.len(), 3);
        assert!(requests.iter().all(Result::is_ok), "{requests:?}");
    }

    #[test]
    fn a_value_that_is_wrong_cut_short_or_too_long_ends_the_requests() {
        assert_eq!(read(&["{}", "\"x\"", "{}"], 100).len(), 2);
        assert_eq!(read(&["{}{"], 100)[1], Err(Interrupted::Malformed("unexpected EOF".to_string())));
        let long = read(&["{\"create_request\":", "{\"key\":", "\"dw==\"}}"], 10);
        assert!(format!("{long:?}").contains("longer than 10 bytes"), "{long:?}");
    }
}
