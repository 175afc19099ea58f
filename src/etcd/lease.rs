//! The service of leases. The store does not keep any yet: a put that names one is told that there is no such lease,
//! and every method here says that it is not implemented.

use tokio_stream::Empty;
use tonic::{Request, Response, Status, Streaming};

use super::errors;
use super::proto::etcdserverpb::lease_server::Lease;
use super::proto::etcdserverpb::{
    LeaseGrantRequest, LeaseGrantResponse, LeaseKeepAliveRequest, LeaseKeepAliveResponse, LeaseLeasesRequest,
    LeaseLeasesResponse, LeaseRevokeRequest, LeaseRevokeResponse, LeaseTimeToLiveRequest,
    LeaseTimeToLiveResponse,
};
use super::service::Service;

#[tonic::async_trait]
impl Lease for Service {
    async fn lease_grant(
        &self,
        _: Request<LeaseGrantRequest>,
    ) -> Result<Response<LeaseGrantResponse>, Status> {
        Err(errors::not_implemented("LeaseGrant"))
    }

    async fn lease_revoke(
        &self,
        _: Request<LeaseRevokeRequest>,
    ) -> Result<Response<LeaseRevokeResponse>, Status> {
        Err(errors::not_implemented("LeaseRevoke"))
    }

    type LeaseKeepAliveStream = Empty<Result<LeaseKeepAliveResponse, Status>>;

    async fn lease_keep_alive(
        &self,
        _: Request<Streaming<LeaseKeepAliveRequest>>,
    ) -> Result<Response<Self::LeaseKeepAliveStream>, Status> {
        Err(errors::not_implemented("LeaseKeepAlive"))
    }

    async fn lease_time_to_live(
        &self,
        _: Request<LeaseTimeToLiveRequest>,
    ) -> Result<Response<LeaseTimeToLiveResponse>, Status> {
        Err(errors::not_implemented("LeaseTimeToLive"))
    }

    async fn lease_leases(
        &self,
        _: Request<LeaseLeasesRequest>,
    ) -> Result<Response<LeaseLeasesResponse>, Status> {
        Err(errors::not_implemented("LeaseLeases"))
    }
}
