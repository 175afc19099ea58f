//! What is written to standard output: etcdctl's five formats, to the letter.
//!
//! Every function takes an answer and gives bytes; none writes or asks anything, so that all of them can be held against
//! recorded outputs. A format that a command does not have is refused before a request is sent, by the types: what
//! speaks of keys takes a [`KeyFormat`], what speaks of endpoints a [`ReportFormat`].
//!
//! `text` (how Go writes things), `simple`, `fields`, `json`, `table`. The fifth, `protobuf`, is the answer itself.

pub mod text;

mod fields;
mod json;
mod simple;
mod table;
#[cfg(test)]
mod tests;

use std::time::Duration;

use prost::Message;
use raftwright::etcd::proto::etcdserverpb::{
    DeleteRangeResponse, Member, MemberListResponse, PutResponse, RangeResponse, ResponseHeader,
    StatusResponse, WatchResponse,
};

use crate::error::CtlError;

/// The values of `--write-out`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Simple,
    Fields,
    Json,
    Protobuf,
    Table,
}

impl Format {
    /// Reads the flag.
    ///
    /// # Errors
    /// If there is no such format.
    pub fn parse(name: &str) -> Result<Format, CtlError> {
        match name {
            "simple" => Ok(Format::Simple),
            "fields" => Ok(Format::Fields),
            "json" => Ok(Format::Json),
            "protobuf" => Ok(Format::Protobuf),
            "table" => Ok(Format::Table),
            _ => Err(CtlError::Unsupported("unsupported output format".to_owned())),
        }
    }

    /// The format of an answer about keys.
    ///
    /// # Errors
    /// If it is `table`.
    pub fn of_keys(self) -> Result<KeyFormat, CtlError> {
        match self {
            Format::Simple => Ok(KeyFormat::Simple),
            Format::Fields => Ok(KeyFormat::Fields),
            Format::Json => Ok(KeyFormat::Json),
            Format::Protobuf => Ok(KeyFormat::Protobuf),
            Format::Table => Err(CtlError::Unsupported("table not supported as output format".to_owned())),
        }
    }

    /// The format of a report about endpoints.
    ///
    /// # Errors
    /// If it is `protobuf`.
    pub fn of_reports(self) -> Result<ReportFormat, CtlError> {
        match self {
            Format::Simple => Ok(ReportFormat::Simple),
            Format::Fields => Ok(ReportFormat::Fields),
            Format::Json => Ok(ReportFormat::Json),
            Format::Table => Ok(ReportFormat::Table),
            Format::Protobuf => {
                Err(CtlError::Unsupported("protobuf not supported as output format".to_owned()))
            }
        }
    }
}

/// How keys and events can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFormat {
    Simple,
    Fields,
    Json,
    Protobuf,
}

/// How endpoints can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportFormat {
    Simple,
    Fields,
    Json,
    Table,
}

/// What one endpoint said of itself.
pub struct EndpointStatus {
    /// As the user wrote it.
    pub endpoint: String,
    /// Its answer.
    pub status: StatusResponse,
}

/// Whether one endpoint serves.
pub struct EndpointHealth {
    /// As the user wrote it.
    pub endpoint: String,
    /// How long the attempt took.
    pub took: Duration,
    /// Why it does not serve; `None` if it does.
    pub error: Option<String>,
}

/// The answer to a put.
pub fn put(format: KeyFormat, hex: bool, response: &PutResponse) -> Vec<u8> {
    match format {
        KeyFormat::Simple => simple::put(hex, response),
        KeyFormat::Fields => fields::put(response),
        KeyFormat::Json => json::put(response),
        KeyFormat::Protobuf => response.encode_to_vec(),
    }
}

/// The answer to a get. `values_only` leaves the keys out of the simple format.
pub fn get(format: KeyFormat, hex: bool, values_only: bool, response: &RangeResponse) -> Vec<u8> {
    match format {
        KeyFormat::Simple => simple::get(hex, values_only, response),
        KeyFormat::Fields => fields::get(response),
        KeyFormat::Json => json::get(response),
        KeyFormat::Protobuf => response.encode_to_vec(),
    }
}

/// The answer to a deletion.
pub fn del(format: KeyFormat, hex: bool, response: &DeleteRangeResponse) -> Vec<u8> {
    match format {
        KeyFormat::Simple => simple::del(hex, response),
        KeyFormat::Fields => fields::del(response),
        KeyFormat::Json => json::del(response),
        KeyFormat::Protobuf => response.encode_to_vec(),
    }
}

/// One answer of a watch.
pub fn watch(format: KeyFormat, hex: bool, response: &WatchResponse) -> Vec<u8> {
    match format {
        KeyFormat::Simple => simple::watch(hex, response),
        KeyFormat::Fields => fields::watch(response),
        KeyFormat::Json => json::watch(response),
        KeyFormat::Protobuf => response.encode_to_vec(),
    }
}

/// The members.
pub fn member_list(format: Format, hex: bool, response: &MemberListResponse) -> Vec<u8> {
    match format {
        Format::Simple => simple::member_list(response),
        Format::Fields => fields::member_list(response),
        Format::Json => json::member_list(hex, response),
        Format::Table => table::member_list(response),
        Format::Protobuf => response.encode_to_vec(),
    }
}

/// What the endpoints said of themselves.
pub fn endpoint_status(format: ReportFormat, reports: &[EndpointStatus]) -> Vec<u8> {
    match format {
        ReportFormat::Simple => simple::endpoint_status(reports),
        ReportFormat::Fields => fields::endpoint_status(reports),
        ReportFormat::Json => json::endpoint_status(reports),
        ReportFormat::Table => table::endpoint_status(reports),
    }
}

/// Which endpoints serve. The simple format names only those that do; the others are errors.
pub fn endpoint_health(format: ReportFormat, reports: &[EndpointHealth]) -> Vec<u8> {
    match format {
        ReportFormat::Simple => simple::endpoint_health(reports),
        ReportFormat::Fields => fields::endpoint_health(reports),
        ReportFormat::Json => json::endpoint_health(reports),
        ReportFormat::Table => table::endpoint_health(reports),
    }
}

/// The columns of a member, as `simple` and `table` show them.
fn member_columns(member: &Member) -> [String; 6] {
    let status = if member.name.is_empty() { "unstarted" } else { "started" };
    [
        format!("{:x}", member.id),
        status.to_owned(),
        member.name.clone(),
        member.peer_ur_ls.join(","),
        member.client_ur_ls.join(","),
        member.is_learner.to_string(),
    ]
}

/// The columns of an endpoint's status, as `simple` and `table` show them.
fn status_columns(report: &EndpointStatus) -> [String; 10] {
    let status = &report.status;
    let member_id = header(&status.header).member_id;
    [
        report.endpoint.clone(),
        format!("{member_id:x}"),
        status.version.clone(),
        text::human_bytes(u64::try_from(status.db_size).unwrap_or(0)),
        (status.leader == member_id).to_string(),
        status.is_learner.to_string(),
        status.raft_term.to_string(),
        status.raft_index.to_string(),
        status.raft_applied_index.to_string(),
        status.errors.join(", "),
    ]
}

/// An answer's header. etcd always sends one; from a server that does not, everything in it is zero.
fn header(header: &Option<ResponseHeader>) -> ResponseHeader {
    header.unwrap_or_default()
}
