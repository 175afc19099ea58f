//! `ctl endpoint health` and `ctl endpoint status`: how each endpoint is. All are asked at the same time, and reported
//! in the order in which they were named.

use std::time::Instant;

use bytes::Bytes;
use raftwright::etcd::proto::etcdserverpb::kv_client::KvClient;
use raftwright::etcd::proto::etcdserverpb::maintenance_client::MaintenanceClient;
use raftwright::etcd::proto::etcdserverpb::{RangeRequest, StatusRequest};
use tokio::task::JoinHandle;
use tonic::Code;

use crate::args::Global;
use crate::client::Client;
use crate::commands::{member, print};
use crate::error::{CtlError, say};
use crate::output::{self, EndpointHealth, EndpointStatus, Format, ReportFormat};

/// Tells which endpoints can reach a quorum: each is asked for a key, linearizably.
///
/// # Errors
/// [`CtlError::UnhealthyCluster`] if one of them cannot, and what else is wrong.
pub async fn health(global: &Global, cluster: bool) -> Result<(), CtlError> {
    let format = Format::parse(&global.write_out)?.of_reports()?;
    let reports = of_each(&asked_endpoints(global, cluster).await?, one_health).await;
    print(&output::endpoint_health(format, &reports))?;
    let mut all_healthy = true;
    for EndpointHealth { endpoint, error, .. } in &reports {
        let Some(error) = error else { continue };
        all_healthy = false;
        if format == ReportFormat::Simple {
            say(format_args!("{endpoint} is unhealthy: failed to commit proposal: {error}"));
        }
    }
    if all_healthy { Ok(()) } else { Err(CtlError::UnhealthyCluster) }
}

async fn one_health(endpoint: String, client: Client) -> EndpointHealth {
    let started = Instant::now();
    let request = RangeRequest { key: Bytes::from_static(b"health"), ..RangeRequest::default() };
    let answer =
        client.read(request, async |channel, request| KvClient::new(channel).range(request).await).await;
    let error = match answer {
        Ok(_) => None,
        // A refusal for want of rights has been through the quorum as well.
        Err(CtlError::Answered(status)) if status.code() == Code::PermissionDenied => None,
        Err(error) => Some(error.to_string()),
    };
    EndpointHealth { endpoint, took: started.elapsed(), error }
}

/// Tells what each endpoint says of itself.
///
/// # Errors
/// [`CtlError::AlreadySaid`] if one of them did not answer, and what else is wrong.
pub async fn status(global: &Global, cluster: bool) -> Result<(), CtlError> {
    let format = Format::parse(&global.write_out)?.of_reports()?;
    let mut reports = Vec::new();
    let mut all_answered = true;
    for answer in of_each(&asked_endpoints(global, cluster).await?, one_status).await {
        match answer {
            Ok(report) => reports.push(report),
            Err((endpoint, error)) => {
                all_answered = false;
                say(format_args!("Failed to get the status of endpoint {endpoint} ({error})"));
            }
        }
    }
    print(&output::endpoint_status(format, &reports))?;
    if all_answered { Ok(()) } else { Err(CtlError::AlreadySaid) }
}

async fn one_status(endpoint: String, client: Client) -> Result<EndpointStatus, (String, CtlError)> {
    let call = async |channel, request| MaintenanceClient::new(channel).status(request).await;
    match client.read(StatusRequest {}, call).await {
        Ok(status) => Ok(EndpointStatus { endpoint, status }),
        Err(error) => Err((endpoint, error)),
    }
}

/// The endpoints to ask: those that were named, or with `--cluster` the client addresses of all members.
async fn asked_endpoints(global: &Global, cluster: bool) -> Result<Client, CtlError> {
    let named = Client::new(global)?;
    if !cluster {
        return Ok(named);
    }
    let members = member::members(&named).await.map_err(|error| CtlError::MembersUnknown(Box::new(error)))?;
    let urls = members.members.into_iter().flat_map(|member| member.client_ur_ls).collect();
    Client::of(urls, global)
}

/// Asks each endpoint, all at the same time, and gives the answers in their order.
async fn of_each<T, F>(client: &Client, ask: impl Fn(String, Client) -> F) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let asked: Vec<JoinHandle<T>> =
        client.each().into_iter().map(|(endpoint, client)| tokio::spawn(ask(endpoint, client))).collect();
    let mut answers = Vec::with_capacity(asked.len());
    for answer in asked {
        match answer.await {
            Ok(answer) => answers.push(answer),
            Err(failed) => std::panic::resume_unwind(failed.into_panic()),
        }
    }
    answers
}
