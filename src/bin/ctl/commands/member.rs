//! `ctl member list`: who is in the cluster.

use raftwright::etcd::proto::etcdserverpb::cluster_client::ClusterClient;
use raftwright::etcd::proto::etcdserverpb::{MemberListRequest, MemberListResponse};

use crate::args::Global;
use crate::client::Client;
use crate::commands::print;
use crate::error::CtlError;
use crate::output::{self, Format};

/// Lists the members.
///
/// # Errors
/// What the arguments, the way to the cluster or the cluster have against it.
pub async fn list(global: &Global) -> Result<(), CtlError> {
    let format = Format::parse(&global.write_out)?;
    let response = members(&Client::new(global)?).await?;
    print(&output::member_list(format, global.hex, &response))
}

/// The members, as the cluster agrees on them.
pub async fn members(client: &Client) -> Result<MemberListResponse, CtlError> {
    let request = MemberListRequest { linearizable: true };
    client
        .read(request, async |channel, request| ClusterClient::new(channel).member_list(request).await)
        .await
}
