//! The second dialect: etcd's JSON gateway. Every method that gRPC has is a `POST` under `/v3` and `/v3beta`, and is
//! answered by the same service code; only the words around it differ.
//!
//! In reading order: this file has the table of paths and the way of one request; [`decode`] reads requests, helped by
//! [`syntax`] and [`base64`]; [`reply`] writes answers and errors; [`body`] bounds what is read; [`watch`] carries the
//! one stream.

mod base64;
mod body;
mod decode;
mod reply;
mod syntax;
mod watch;

use std::future::Future;
use std::pin::Pin;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, Method};
use axum::response::Response;
use axum::routing::{MethodRouter, any};
use prost::{Message, Name};
use serde::Serialize;
use tonic::Status;
use tonic::metadata::MetadataMap;

use super::errors;
use super::http;
use super::proto::etcdserverpb::cluster_server::Cluster;
use super::proto::etcdserverpb::kv_server::Kv;
use super::proto::etcdserverpb::lease_server::Lease;
use super::proto::etcdserverpb::maintenance_server::Maintenance;
use super::service::Service;

/// The gateway's routes.
pub(super) fn routes(service: &Service) -> Router {
    let mut router = Router::new();
    for prefix in ["/v3", "/v3beta"] {
        for (path, method) in table(service) {
            router = router.route(&format!("{prefix}{path}"), method);
        }
        router = router
            .route(&format!("{prefix}/"), any(http::unknown_method))
            .route(&format!("{prefix}/{{*rest}}"), any(http::unknown_method));
    }
    router
}

/// What is answered where, as in etcd. (etcd 3.5.1 has no path for `HashKV`, later ones have.)
fn table(service: &Service) -> Vec<(&'static str, MethodRouter)> {
    vec![
        ("/kv/range", unary(service, |service, request| service.range(request))),
        ("/kv/put", unary(service, |service, request| service.put(request))),
        ("/kv/deleterange", unary(service, |service, request| service.delete_range(request))),
        ("/kv/txn", unary(service, |service, request| service.txn(request))),
        ("/kv/compaction", unary(service, |service, request| service.compact(request))),
        ("/watch", watch::route(service)),
        ("/lease/grant", unary(service, |service, request| service.lease_grant(request))),
        ("/lease/revoke", unary(service, |service, request| service.lease_revoke(request))),
        ("/lease/keepalive", missing_stream("LeaseKeepAlive")),
        ("/lease/timetolive", unary(service, |service, request| service.lease_time_to_live(request))),
        ("/lease/leases", unary(service, |service, request| service.lease_leases(request))),
        ("/kv/lease/revoke", unary(service, |service, request| service.lease_revoke(request))),
        ("/kv/lease/timetolive", unary(service, |service, request| service.lease_time_to_live(request))),
        ("/kv/lease/leases", unary(service, |service, request| service.lease_leases(request))),
        ("/cluster/member/list", unary(service, |service, request| service.member_list(request))),
        ("/cluster/member/add", unary(service, |service, request| service.member_add(request))),
        ("/cluster/member/remove", unary(service, |service, request| service.member_remove(request))),
        ("/cluster/member/update", unary(service, |service, request| service.member_update(request))),
        ("/cluster/member/promote", unary(service, |service, request| service.member_promote(request))),
        ("/maintenance/status", unary(service, |service, request| service.status(request))),
        ("/maintenance/alarm", unary(service, |service, request| service.alarm(request))),
        ("/maintenance/defragment", unary(service, |service, request| service.defragment(request))),
        ("/maintenance/hash", unary(service, |service, request| Maintenance::hash(service, request))),
        ("/maintenance/snapshot", missing_stream("Snapshot")),
        ("/maintenance/transfer-leadership", unary(service, |service, request| service.move_leader(request))),
    ]
}

/// A method of a service, as `tonic` has it.
type Unary<Q, A> =
    for<'a> fn(
        &'a Service,
        tonic::Request<Q>,
    ) -> Pin<Box<dyn Future<Output = Result<tonic::Response<A>, Status>> + Send + 'a>>;

/// The route of a method with one request and one answer.
fn unary<Q, A>(service: &Service, method: Unary<Q, A>) -> MethodRouter
where
    Q: Message + Name + Default + 'static,
    A: Serialize + 'static,
{
    let service = service.clone();
    any(async move |request: Request| {
        if request.method() != Method::POST {
            return http::method_not_allowed();
        }
        match answer(&service, request, method).await {
            Ok(answer) => reply::message(&answer),
            Err(status) => reply::error(&status),
        }
    })
}

async fn answer<Q, A>(service: &Service, request: Request, method: Unary<Q, A>) -> Result<A, Status>
where
    Q: Message + Name + Default,
{
    let (parts, body) = request.into_parts();
    let text = body::read(body, body::limit_bytes(service)).await?;
    let message: Q = decode::decode(&text).map_err(Status::invalid_argument)?;
    drop(text);
    let (bytes, limit) = (message.encoded_len(), service.max_message_bytes());
    if bytes > limit {
        return Err(errors::message_too_large(bytes, limit));
    }
    let mut request = tonic::Request::new(message);
    *request.metadata_mut() = MetadataMap::from_headers(metadata(&parts.headers));
    Ok(method(service, request).await?.into_inner())
}

/// What the client says beside its request: `Grpc-Timeout`, and every `Grpc-Metadata-…` header without its prefix.
fn metadata(headers: &HeaderMap) -> HeaderMap {
    let mut metadata = HeaderMap::new();
    for (name, value) in headers {
        let name = match name.as_str() {
            "grpc-timeout" => Some(name.clone()),
            other => other
                .strip_prefix("grpc-metadata-")
                .and_then(|rest| HeaderName::from_bytes(rest.as_bytes()).ok()),
        };
        if let Some(name) = name {
            metadata.append(name, value.clone());
        }
    }
    metadata
}

/// The route of a streaming method that this server does not have.
fn missing_stream(method: &'static str) -> MethodRouter {
    any(async move |request: Request| -> Response {
        if request.method() != Method::POST {
            return http::method_not_allowed();
        }
        reply::stream_error(&errors::not_implemented(method))
    })
}
