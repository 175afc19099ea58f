//! Writes answers and errors as the gateway does.

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde::Serialize;
use tokio_stream::{Stream, StreamExt};
use tonic::Status;

use crate::etcd::errors;

/// An error, which says everything twice.
#[derive(Serialize)]
struct Refusal<'a> {
    error: &'a str,
    code: i32,
    message: &'a str,
}

/// An error within a stream.
#[derive(Serialize)]
struct RefusalInStream<'a> {
    error: StreamRefusal<'a>,
}

#[derive(Serialize)]
struct StreamRefusal<'a> {
    grpc_code: i32,
    http_code: u16,
    message: &'a str,
    http_status: &'static str,
}

/// The one answer of a unary method.
pub(super) fn message<A: Serialize>(answer: &A) -> Response {
    match serde_json::to_vec(answer) {
        Ok(text) => success(Body::from(text)),
        Err(error) => self::error(&Status::internal(error.to_string())),
    }
}

/// The error of a unary method, or of a stream's first request.
pub(super) fn error(status: &Status) -> Response {
    let (error, code) = (status.message(), i32::from(status.code()));
    failure(status, &Refusal { error, code, message: error })
}

/// The error of a stream that has not answered anything yet.
pub(super) fn stream_error(status: &Status) -> Response {
    failure(status, &error_in_stream(status))
}

/// A stream of answers, each one chunk: a line of JSON. An error is the last chunk.
pub(super) fn stream<A, S>(answers: S) -> Response
where
    A: Serialize,
    S: Stream<Item = Result<A, Status>> + Send + 'static,
{
    success(Body::from_stream(answers.map(|answer| Ok::<Bytes, std::convert::Infallible>(chunk(answer)))))
}

fn chunk<A: Serialize>(answer: Result<A, Status>) -> Bytes {
    let written = answer.and_then(|answer| {
        let mut text = br#"{"result":"#.to_vec();
        serde_json::to_writer(&mut text, &answer).map_err(|error| Status::internal(error.to_string()))?;
        text.extend_from_slice(b"}\n");
        Ok(text)
    });
    written.unwrap_or_else(|status| to_json(&error_in_stream(&status))).into()
}

fn error_in_stream(status: &Status) -> RefusalInStream<'_> {
    let http_code = errors::http_code(status.code());
    let http_status = StatusCode::from_u16(http_code).ok().and_then(|code| code.canonical_reason());
    RefusalInStream {
        error: StreamRefusal {
            grpc_code: status.code().into(),
            http_code,
            message: status.message(),
            http_status: http_status.unwrap_or_default(),
        },
    }
}

fn to_json(refusal: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(refusal).expect("numbers and strings can always be written as JSON")
}

fn success(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("grpc-metadata-content-type", HeaderValue::from_static("application/grpc"));
    response
}

fn failure(status: &Status, body: &impl Serialize) -> Response {
    let mut response = Response::new(Body::from(to_json(body)));
    *response.status_mut() =
        StatusCode::from_u16(errors::http_code(status.code())).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::etcd::proto::etcdserverpb::{ResponseHeader, WatchResponse};
    use crate::etcd::proto::mvccpb::{Event, KeyValue};

    #[test]
    fn an_answer_is_written_as_etcd_writes_it() {
        let kv = KeyValue { key: "w".into(), mod_revision: 38, lease: -1, ..Default::default() };
        let answer = WatchResponse {
            header: Some(ResponseHeader { cluster_id: u64::MAX, raft_term: 2, ..Default::default() }),
            events: vec![Event { r#type: 1, kv: Some(kv), prev_kv: None }],
            ..Default::default()
        };
        assert_eq!(
            chunk(Ok(answer)),
            "{\"result\":{\"header\":{\"cluster_id\":\"18446744073709551615\",\"raft_term\":\"2\"},\
             \"events\":[{\"type\":\"DELETE\",\"kv\":{\"key\":\"dw==\",\"mod_revision\":\"38\",\"lease\":\"-1\"}}]}}\n"
        );
    }

    #[test]
    fn an_error_in_a_stream_names_both_codes() {
        assert_eq!(
            chunk(Err::<WatchResponse, _>(errors::no_leader())),
            "{\"error\":{\"grpc_code\":14,\"http_code\":503,\"message\":\"etcdserver: no leader\",\
             \"http_status\":\"Service Unavailable\"}}"
        );
    }
}
