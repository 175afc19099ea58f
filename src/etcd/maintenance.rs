//! The service of the operator.

use tokio_stream::Empty;
use tonic::{Request, Response, Status};

use super::errors;
use super::header::{header, header_without_revision, signed};
use super::http::ETCD_VERSION;
use super::proto::etcdserverpb::alarm_request::AlarmAction;
use super::proto::etcdserverpb::maintenance_server::Maintenance;
use super::proto::etcdserverpb::{
    AlarmRequest, AlarmResponse, DefragmentRequest, DefragmentResponse, HashKvRequest, HashKvResponse,
    HashRequest, HashResponse, MoveLeaderRequest, MoveLeaderResponse, ResponseHeader, SnapshotRequest,
    SnapshotResponse, StatusRequest, StatusResponse,
};
use super::service::Service;

#[tonic::async_trait]
impl Maintenance for Service {
    /// Answers from the member's own knowledge: it is asked when the cluster is in trouble.
    async fn status(&self, request: Request<StatusRequest>) -> Result<Response<StatusResponse>, Status> {
        self.admit(request.metadata().as_ref())?;
        let status = self.handle.status();
        let errors = match status.leader {
            Some(_) => vec![],
            None => vec![errors::no_leader().message().to_string()],
        };
        Ok(Response::new(StatusResponse {
            header: Some(ResponseHeader {
                revision: signed(status.revision.0),
                ..header_without_revision(&status)
            }),
            version: ETCD_VERSION.to_string(),
            db_size: signed(status.db_size_bytes),
            leader: status.leader.map_or(0, |leader| leader.0),
            raft_index: status.raft_index,
            raft_term: status.term.0,
            raft_applied_index: status.applied_index,
            errors,
            db_size_in_use: signed(status.db_size_in_use_bytes),
            is_learner: false,
        }))
    }

    /// No alarm can be raised, so that the list of them is empty; to tell it is what `etcdctl endpoint health` asks for.
    async fn alarm(&self, request: Request<AlarmRequest>) -> Result<Response<AlarmResponse>, Status> {
        let caller = self.admit(request.metadata().as_ref())?;
        if request.get_ref().action() != AlarmAction::Get {
            return Err(errors::not_implemented("Alarm (but for listing)"));
        }
        self.linearize(&caller).await?;
        let revision = self.handle.status().revision;
        Ok(Response::new(AlarmResponse { header: Some(header(&self.handle, revision)), alarms: vec![] }))
    }

    async fn defragment(
        &self,
        _: Request<DefragmentRequest>,
    ) -> Result<Response<DefragmentResponse>, Status> {
        Err(errors::not_implemented("Defragment"))
    }

    async fn hash(&self, _: Request<HashRequest>) -> Result<Response<HashResponse>, Status> {
        Err(errors::not_implemented("Hash"))
    }

    async fn hash_kv(&self, _: Request<HashKvRequest>) -> Result<Response<HashKvResponse>, Status> {
        Err(errors::not_implemented("HashKV"))
    }

    type SnapshotStream = Empty<Result<SnapshotResponse, Status>>;

    async fn snapshot(&self, _: Request<SnapshotRequest>) -> Result<Response<Self::SnapshotStream>, Status> {
        Err(errors::not_implemented("Snapshot"))
    }

    async fn move_leader(
        &self,
        _: Request<MoveLeaderRequest>,
    ) -> Result<Response<MoveLeaderResponse>, Status> {
        Err(errors::not_implemented("MoveLeader"))
    }
}
