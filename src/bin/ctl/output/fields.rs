//! `--write-out=fields`: one `"Name" : value` a line, an empty line behind each member or endpoint.

use std::fmt::Write as _;

use raftwright::etcd::proto::etcdserverpb::{
    DeleteRangeResponse, MemberListResponse, PutResponse, RangeResponse, ResponseHeader, WatchResponse,
};
use raftwright::etcd::proto::mvccpb::KeyValue;

use super::text::{go_duration, go_quote};
use super::{EndpointHealth, EndpointStatus, header};

pub fn put(response: &PutResponse) -> Vec<u8> {
    let mut fields = Fields::starting_with(&response.header);
    if let Some(previous) = &response.prev_kv {
        fields.key_value("Prev", previous);
    }
    fields.finish()
}

pub fn get(response: &RangeResponse) -> Vec<u8> {
    let mut fields = Fields::starting_with(&response.header);
    for key_value in &response.kvs {
        fields.key_value("", key_value);
    }
    fields.field("More", response.more);
    fields.field("Count", response.count);
    fields.finish()
}

pub fn del(response: &DeleteRangeResponse) -> Vec<u8> {
    let mut fields = Fields::starting_with(&response.header);
    fields.field("Deleted", response.deleted);
    for previous in &response.prev_kvs {
        fields.key_value("Prev", previous);
    }
    fields.finish()
}

pub fn watch(response: &WatchResponse) -> Vec<u8> {
    let mut fields = Fields::starting_with(&response.header);
    for event in &response.events {
        fields.field("Type", event.r#type().as_str_name());
        if let Some(previous) = &event.prev_kv {
            fields.key_value("Prev", previous);
        }
        if let Some(key_value) = &event.kv {
            fields.key_value("", key_value);
        }
    }
    fields.finish()
}

pub fn member_list(response: &MemberListResponse) -> Vec<u8> {
    let mut fields = Fields::starting_with(&response.header);
    for member in &response.members {
        fields.field("ID", member.id);
        fields.quoted("Name", member.name.as_bytes());
        for url in &member.peer_ur_ls {
            fields.quoted("PeerURL", url.as_bytes());
        }
        for url in &member.client_ur_ls {
            fields.quoted("ClientURL", url.as_bytes());
        }
        fields.field("IsLearner", member.is_learner);
        fields.empty_line();
    }
    fields.finish()
}

pub fn endpoint_status(reports: &[EndpointStatus]) -> Vec<u8> {
    let mut fields = Fields::default();
    for EndpointStatus { endpoint, status } in reports {
        fields.header(&header(&status.header));
        fields.quoted("Version", status.version.as_bytes());
        fields.field("DBSize", status.db_size);
        fields.field("Leader", status.leader);
        fields.field("IsLearner", status.is_learner);
        fields.field("RaftIndex", status.raft_index);
        fields.field("RaftTerm", status.raft_term);
        fields.field("RaftAppliedIndex", status.raft_applied_index);
        fields.field("Errors", format_args!("[{}]", status.errors.join(" ")));
        fields.quoted("Endpoint", endpoint.as_bytes());
        fields.empty_line();
    }
    fields.finish()
}

pub fn endpoint_health(reports: &[EndpointHealth]) -> Vec<u8> {
    let mut fields = Fields::default();
    for report in reports {
        fields.quoted("Endpoint", report.endpoint.as_bytes());
        fields.field("Health", report.error.is_none());
        fields.field("Took", go_duration(report.took));
        fields.field("Error", report.error.as_deref().unwrap_or(""));
        fields.empty_line();
    }
    fields.finish()
}

/// The lines written so far.
#[derive(Default)]
struct Fields(String);

impl Fields {
    fn starting_with(first: &Option<ResponseHeader>) -> Fields {
        let mut fields = Fields::default();
        fields.header(&header(first));
        fields
    }

    fn header(&mut self, header: &ResponseHeader) {
        self.field("ClusterID", header.cluster_id);
        self.field("MemberID", header.member_id);
        self.field("Revision", header.revision);
        self.field("RaftTerm", header.raft_term);
    }

    fn key_value(&mut self, prefix: &str, key_value: &KeyValue) {
        self.quoted(&format!("{prefix}Key"), &key_value.key);
        self.field(&format!("{prefix}CreateRevision"), key_value.create_revision);
        self.field(&format!("{prefix}ModRevision"), key_value.mod_revision);
        self.field(&format!("{prefix}Version"), key_value.version);
        self.quoted(&format!("{prefix}Value"), &key_value.value);
        self.field(&format!("{prefix}Lease"), key_value.lease);
    }

    fn quoted(&mut self, name: &str, value: &[u8]) {
        self.field(name, go_quote(value));
    }

    fn field(&mut self, name: &str, value: impl std::fmt::Display) {
        let _ = writeln!(self.0, "\"{name}\" : {value}");
    }

    fn empty_line(&mut self) {
        self.0.push('\n');
    }

    fn finish(self) -> Vec<u8> {
        self.0.into_bytes()
    }
}
