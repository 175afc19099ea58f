//! What is plain HTTP on the client port: the version, the health, and the answers to what does not belong there.

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use serde_json::json;

use super::proto::etcdserverpb::RangeRequest;
use super::proto::etcdserverpb::kv_server::Kv;
use super::service::Service;

/// The version of etcd whose ways we follow. Clients parse it as three numbers and decide by it what they may ask.
pub(super) const ETCD_VERSION: &str = "3.5.0";

/// `/version` and `/health`.
pub(super) fn routes(service: &Service) -> Router {
    let service = service.clone();
    Router::new().route("/version", any(version)).route(
        "/health",
        any(async move |request: Request| match *request.method() {
            Method::GET => health(&service, request.uri().query().unwrap_or_default()).await,
            _ => get_only(),
        }),
    )
}

async fn version(method: Method) -> Response {
    if method != Method::GET {
        return get_only();
    }
    let versions = format!(r#"{{"etcdserver":"{ETCD_VERSION}","etcdcluster":"{ETCD_VERSION}"}}"#);
    ([(header::CONTENT_TYPE, "application/json")], versions).into_response()
}

/// Whether this member can serve a read: a linearizable one, or with `?serializable=true` one of its own state.
async fn health(service: &Service, query: &str) -> Response {
    let serializable = query.split('&').any(|pair| pair == "serializable=true");
    let reason = if !serializable && service.handle.status().leader.is_none() {
        Some("RAFT NO LEADER".to_string())
    } else {
        let probe = RangeRequest {
            key: vec![0].into(),
            limit: 1,
            keys_only: true,
            serializable,
            ..Default::default()
        };
        let answer = service.range(tonic::Request::new(probe)).await;
        answer.err().map(|status| format!("RANGE ERROR:{}", status.message()))
    };
    match reason {
        None => {
            let healthy = r#"{"health":"true","reason":""}"#;
            ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], healthy).into_response()
        }
        // As etcd writes it, with a line's end.
        Some(reason) => plain(
            StatusCode::SERVICE_UNAVAILABLE,
            format!("{{\"health\":\"false\",\"reason\":{}}}\n", json!(reason)),
        ),
    }
}

/// The answer to a path that is none of ours.
pub(super) async fn unknown_path(uri: Uri, headers: HeaderMap) -> Response {
    if is_grpc(&headers) {
        let service = uri.path().split('/').nth(1).unwrap_or_default();
        return tonic::Status::unimplemented(format!("unknown service {service}")).into_http::<Body>();
    }
    plain(StatusCode::NOT_FOUND, "404 page not found\n")
}

/// The answer to a path below `/v3` at which there is no method.
pub(super) async fn unknown_method() -> Response {
    plain(StatusCode::NOT_FOUND, "Not Found\n")
}

/// The answer to anything but `POST` where there is a method.
pub(super) fn method_not_allowed() -> Response {
    plain(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed\n")
}

fn get_only() -> Response {
    let mut response = method_not_allowed();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET"));
    response
}

fn plain(status: StatusCode, text: impl Into<Body>) -> Response {
    let headers =
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (status, headers, text.into()).into_response()
}

/// Whether a request is gRPC's.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// Lets pages of any origin read the answers, as etcd does, and answers their preflight requests.
pub(super) async fn allow_origins(request: Request, next: Next) -> Response {
    if is_grpc(request.headers()) {
        return next.run(request).await;
    }
    let mut response = if request.method() == Method::OPTIONS {
        StatusCode::OK.into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("accept, content-type, authorization"),
    );
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("POST, GET, OPTIONS, PUT, DELETE"),
    );
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}
