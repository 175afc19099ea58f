//! The service of keys and values.

use std::num::NonZeroU64;

use tonic::{Request, Response, Status};

use super::errors;
use super::header::{header, key_value, lease, signed};
use super::proto::etcdserverpb::kv_server::Kv;
use super::proto::etcdserverpb::range_request::{SortOrder as PbSortOrder, SortTarget as PbSortTarget};
use super::proto::etcdserverpb::{
    CompactionRequest, CompactionResponse, DeleteRangeRequest, DeleteRangeResponse, PutRequest, PutResponse,
    RangeRequest, RangeResponse, TxnRequest, TxnResponse,
};
use super::service::Service;
use crate::store::{
    DeleteRange, KeyRange, Operation, Put, Range, Reply, Revision, Sort, SortOrder, SortTarget,
};

#[tonic::async_trait]
impl Kv for Service {
    async fn range(&self, request: Request<RangeRequest>) -> Result<Response<RangeResponse>, Status> {
        let caller = self.admit(request.metadata().as_ref())?;
        let request = request.into_inner();
        let serializable = request.serializable;
        let range = read_range(request)?;
        if !serializable {
            self.linearize(&caller).await?;
        }
        let reply = match range.range {
            KeyRange::Single(_) => self.handle.range(&range),
            // It may take long: let another thread see to the other clients meanwhile.
            _ => tokio::task::block_in_place(|| self.handle.range(&range)),
        }
        .map_err(errors::status)?;
        Ok(Response::new(RangeResponse {
            header: Some(header(&self.handle, reply.revision)),
            kvs: reply.kvs.into_iter().map(key_value).collect(),
            more: reply.more,
            count: signed(reply.count),
        }))
    }

    async fn put(&self, request: Request<PutRequest>) -> Result<Response<PutResponse>, Status> {
        let caller = self.admit(request.metadata().as_ref())?;
        let request = request.into_inner();
        let operation = Operation::Put(Put {
            key: request.key,
            value: request.value,
            lease: lease(request.lease),
            prev_kv: request.prev_kv,
            ignore_value: request.ignore_value,
            ignore_lease: request.ignore_lease,
        });
        match self.submit(operation, &caller).await? {
            Reply::Put { revision, prev_kv } => Ok(Response::new(PutResponse {
                header: Some(header(&self.handle, revision)),
                prev_kv: prev_kv.map(key_value),
            })),
            other => Err(wrong_reply("Put", &other)),
        }
    }

    async fn delete_range(
        &self,
        request: Request<DeleteRangeRequest>,
    ) -> Result<Response<DeleteRangeResponse>, Status> {
        let caller = self.admit(request.metadata().as_ref())?;
        let request = request.into_inner();
        let operation = Operation::DeleteRange(DeleteRange {
            range: KeyRange::from_etcd(request.key, request.range_end),
            prev_kv: request.prev_kv,
        });
        match self.submit(operation, &caller).await? {
            Reply::DeleteRange { revision, deleted, prev_kvs } => Ok(Response::new(DeleteRangeResponse {
                header: Some(header(&self.handle, revision)),
                deleted: signed(deleted),
                prev_kvs: prev_kvs.into_iter().map(key_value).collect(),
            })),
            other => Err(wrong_reply("DeleteRange", &other)),
        }
    }

    async fn txn(&self, _: Request<TxnRequest>) -> Result<Response<TxnResponse>, Status> {
        Err(errors::not_implemented("Txn"))
    }

    async fn compact(&self, _: Request<CompactionRequest>) -> Result<Response<CompactionResponse>, Status> {
        Err(errors::not_implemented("Compact"))
    }
}

/// The store answers what it was asked. Should it ever not, the client is told instead of the process killed.
fn wrong_reply(asked: &str, reply: &Reply) -> Status {
    tracing::error!(asked, ?reply, "the store has answered another question; this is a defect");
    Status::internal(format!("etcdserver: the store did not answer a {asked} with a {asked}'s reply"))
}

/// Reads a range request. Numbers that mean "none" become none; etcd takes some odd ones for that too.
fn read_range(request: RangeRequest) -> Result<Range, Status> {
    if request.key.is_empty() {
        return Err(errors::key_not_provided());
    }
    Ok(Range {
        sort: read_sort(request.sort_order, request.sort_target)?,
        limit: u64::try_from(request.limit).ok().and_then(NonZeroU64::new),
        revision: (request.revision > 0).then(|| Revision(request.revision.unsigned_abs())),
        keys_only: request.keys_only,
        count_only: request.count_only,
        min_mod_revision: bound(request.min_mod_revision),
        max_mod_revision: bound(request.max_mod_revision),
        min_create_revision: bound(request.min_create_revision),
        max_create_revision: bound(request.max_create_revision),
        range: KeyRange::from_etcd(request.key, request.range_end),
    })
}

/// A filter's bound. Below every revision there is no difference between a negative number and 0, but 0 means none.
fn bound(revision: i64) -> Option<Revision> {
    (revision != 0).then(|| Revision(u64::try_from(revision).unwrap_or(0)))
}

/// etcd sorts by an order that it does not know as if it were none; a target that it does not know crashes it, and is
/// refused here.
fn read_sort(order: i32, target: i32) -> Result<Sort, Status> {
    let target = match PbSortTarget::try_from(target).map_err(|_| errors::invalid_sort_option())? {
        PbSortTarget::Key => SortTarget::Key,
        PbSortTarget::Version => SortTarget::Version,
        PbSortTarget::Create => SortTarget::Create,
        PbSortTarget::Mod => SortTarget::Mod,
        PbSortTarget::Value => SortTarget::Value,
    };
    let order = match PbSortOrder::try_from(order) {
        Ok(PbSortOrder::Ascend) => SortOrder::Ascend,
        Ok(PbSortOrder::Descend) => SortOrder::Descend,
        Ok(PbSortOrder::None) => SortOrder::None,
        Err(_) => return Ok(Sort::default()),
    };
    Ok(Sort { target, order })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> RangeRequest {
        RangeRequest { key: "k".into(), ..Default::default() }
    }

    #[test]
    fn a_plain_request_asks_for_one_key_now() {
        assert_eq!(read_range(request()).unwrap(), Range::new(KeyRange::Single("k".into())));
    }

    #[test]
    fn odd_numbers_mean_what_they_mean_to_etcd() {
        let odd = RangeRequest { limit: -1, revision: -1, sort_order: 7, ..request() };
        assert_eq!(read_range(odd).unwrap(), Range::new(KeyRange::Single("k".into())));
        let nothing = read_range(RangeRequest { max_mod_revision: -5, ..request() }).unwrap();
        assert_eq!(nothing.max_mod_revision, Some(Revision(0)));
    }

    #[test]
    fn a_request_without_a_key_or_with_an_unknown_target_is_refused() {
        assert_eq!(
            read_range(RangeRequest::default()).unwrap_err().message(),
            "etcdserver: key is not provided"
        );
        let unknown = RangeRequest { sort_target: 9, ..request() };
        assert_eq!(read_range(unknown).unwrap_err().message(), "etcdserver: invalid sort option");
    }
}
