//! The service of members.

use tonic::{Request, Response, Status};

use super::errors;
use super::header::header_without_revision;
use super::proto::etcdserverpb::cluster_server::Cluster;
use super::proto::etcdserverpb::{
    Member, MemberAddRequest, MemberAddResponse, MemberListRequest, MemberListResponse, MemberPromoteRequest,
    MemberPromoteResponse, MemberRemoveRequest, MemberRemoveResponse, MemberUpdateRequest,
    MemberUpdateResponse,
};
use super::service::Service;
use crate::server::MemberInfo;

#[tonic::async_trait]
impl Cluster for Service {
    async fn member_list(
        &self,
        request: Request<MemberListRequest>,
    ) -> Result<Response<MemberListResponse>, Status> {
        let caller = self.admit(request.metadata().as_ref())?;
        if request.into_inner().linearizable {
            self.linearize(&caller).await?;
        }
        Ok(Response::new(MemberListResponse {
            header: Some(header_without_revision(&self.handle.status())),
            members: self.handle.members().into_iter().map(member).collect(),
        }))
    }

    async fn member_add(&self, _: Request<MemberAddRequest>) -> Result<Response<MemberAddResponse>, Status> {
        Err(errors::not_implemented("MemberAdd"))
    }

    async fn member_remove(
        &self,
        _: Request<MemberRemoveRequest>,
    ) -> Result<Response<MemberRemoveResponse>, Status> {
        Err(errors::not_implemented("MemberRemove"))
    }

    async fn member_update(
        &self,
        _: Request<MemberUpdateRequest>,
    ) -> Result<Response<MemberUpdateResponse>, Status> {
        Err(errors::not_implemented("MemberUpdate"))
    }

    async fn member_promote(
        &self,
        _: Request<MemberPromoteRequest>,
    ) -> Result<Response<MemberPromoteResponse>, Status> {
        Err(errors::not_implemented("MemberPromote"))
    }
}

fn member(info: MemberInfo) -> Member {
    Member {
        id: info.id.0,
        name: info.name,
        peer_ur_ls: info.peer_urls,
        client_ur_ls: info.client_urls,
        is_learner: false,
    }
}
