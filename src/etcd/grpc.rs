//! The first dialect: the gRPC services as routes.

use axum::Router;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::middleware::{self, Next};
use axum::response::Response;
use tonic::server::NamedService;
use tonic::{Code, Status};

use super::errors;
use super::proto::etcdserverpb::cluster_server::ClusterServer;
use super::proto::etcdserverpb::kv_server::KvServer;
use super::proto::etcdserverpb::lease_server::LeaseServer;
use super::proto::etcdserverpb::maintenance_server::MaintenanceServer;
use super::proto::etcdserverpb::watch_server::WatchServer;
use super::service::Service;

/// All services of the schema.
pub(super) fn routes(service: &Service) -> Router {
    let limit = service.max_message_bytes();
    let router = Router::new()
        .route_service(
            &path::<KvServer<Service>>(),
            KvServer::new(service.clone()).max_decoding_message_size(limit),
        )
        .route_service(
            &path::<WatchServer<Service>>(),
            WatchServer::new(service.clone()).max_decoding_message_size(limit),
        )
        .route_service(
            &path::<LeaseServer<Service>>(),
            LeaseServer::new(service.clone()).max_decoding_message_size(limit),
        )
        .route_service(
            &path::<ClusterServer<Service>>(),
            ClusterServer::new(service.clone()).max_decoding_message_size(limit),
        )
        .route_service(
            &path::<MaintenanceServer<Service>>(),
            MaintenanceServer::new(service.clone()).max_decoding_message_size(limit),
        );
    router.layer(middleware::from_fn(name_oversize))
}

fn path<S: NamedService>() -> String {
    format!("/{}/{{*method}}", S::NAME)
}

/// `tonic` calls a message over the limit "out of range"; gRPC's other libraries say "resource exhausted", and their
/// words are what clients of etcd know.
async fn name_oversize(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let oversize = Status::from_header_map(headers)
        .filter(|status| status.code() == Code::OutOfRange)
        .and_then(|status| {
            let numbers = status.message().strip_prefix("Error, decoded message length too large: found ")?;
            let (found, limit) = numbers.strip_suffix(" bytes")?.split_once(" bytes, the limit is: ")?;
            Some(errors::message_too_large(found.parse().ok()?, limit.parse().ok()?))
        });
    if let Some(status) = oversize
        && let Ok(message) = HeaderValue::from_str(status.message())
    {
        headers.insert("grpc-status", HeaderValue::from(i32::from(status.code())));
        headers.insert("grpc-message", message);
    }
    response
}
