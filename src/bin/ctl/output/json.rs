//! `--write-out=json`: one line, with the names, the order and the omissions of etcd's Go structs.
//!
//! Not the JSON of the door: there, numbers are strings. Here they are numbers, as Go's `encoding/json` writes them; a
//! field that is zero or empty is left out, but not in a watch's outermost object.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use raftwright::etcd::proto::etcdserverpb::{
    DeleteRangeResponse, Member, MemberListResponse, PutResponse, RangeResponse, ResponseHeader,
    StatusResponse, WatchResponse,
};
use raftwright::etcd::proto::mvccpb::{Event, KeyValue};

use super::text::{go_duration, go_json_string};
use super::{EndpointHealth, EndpointStatus, header};

pub fn put(response: &PutResponse) -> Vec<u8> {
    let mut object = Object::new();
    object.some("header", response.header.as_ref().map(header_object));
    object.some("prev_kv", response.prev_kv.as_ref().map(key_value));
    line(object.finish())
}

pub fn get(response: &RangeResponse) -> Vec<u8> {
    let mut object = Object::new();
    object.some("header", response.header.as_ref().map(header_object));
    object.unless_empty("kvs", response.kvs.iter().map(key_value));
    object.unless_default("more", response.more);
    object.unless_default("count", response.count);
    line(object.finish())
}

pub fn del(response: &DeleteRangeResponse) -> Vec<u8> {
    let mut object = Object::new();
    object.some("header", response.header.as_ref().map(header_object));
    object.unless_default("deleted", response.deleted);
    object.unless_empty("prev_kvs", response.prev_kvs.iter().map(key_value));
    line(object.finish())
}

pub fn watch(response: &WatchResponse) -> Vec<u8> {
    let mut object = Object::new();
    object.always("Header", header_object(&header(&response.header)));
    object.always("Events", array(response.events.iter().map(event)));
    object.always("CompactRevision", response.compact_revision);
    object.always("Canceled", response.canceled);
    object.always("Created", response.created);
    line(object.finish())
}

/// With `hex`, etcdctl writes ids in hexadecimal and spells `clientURLS` so; its scripts rely on it.
pub fn member_list(hex: bool, response: &MemberListResponse) -> Vec<u8> {
    let mut object = Object::new();
    if hex {
        object.some("header", response.header.as_ref().map(header_with_hex_ids));
        object.always("members", array(response.members.iter().map(member_with_hex_id)));
    } else {
        object.some("header", response.header.as_ref().map(header_object));
        object.unless_empty("members", response.members.iter().map(member));
    }
    line(object.finish())
}

pub fn endpoint_status(reports: &[EndpointStatus]) -> Vec<u8> {
    line(array(reports.iter().map(|report| {
        let mut object = Object::new();
        object.always("Endpoint", go_json_string(&report.endpoint));
        object.always("Status", status(&report.status));
        object.finish()
    })))
}

pub fn endpoint_health(reports: &[EndpointHealth]) -> Vec<u8> {
    line(array(reports.iter().map(|report| {
        let mut object = Object::new();
        object.always("endpoint", go_json_string(&report.endpoint));
        object.always("health", report.error.is_none());
        object.always("took", go_json_string(&go_duration(report.took)));
        object.unless_empty_text("error", report.error.as_deref().unwrap_or(""));
        object.finish()
    })))
}

fn header_object(header: &ResponseHeader) -> String {
    let mut object = Object::new();
    object.unless_default("cluster_id", header.cluster_id);
    object.unless_default("member_id", header.member_id);
    object.unless_default("revision", header.revision);
    object.unless_default("raft_term", header.raft_term);
    object.finish()
}

fn header_with_hex_ids(header: &ResponseHeader) -> String {
    let mut object = Object::new();
    object.always("cluster_id", format!("\"{:x}\"", header.cluster_id));
    object.always("member_id", format!("\"{:x}\"", header.member_id));
    object.unless_default("revision", header.revision);
    object.unless_default("raft_term", header.raft_term);
    object.finish()
}

fn key_value(key_value: &KeyValue) -> String {
    let mut object = Object::new();
    object.unless_empty_bytes("key", &key_value.key);
    object.unless_default("create_revision", key_value.create_revision);
    object.unless_default("mod_revision", key_value.mod_revision);
    object.unless_default("version", key_value.version);
    object.unless_empty_bytes("value", &key_value.value);
    object.unless_default("lease", key_value.lease);
    object.finish()
}

fn event(event: &Event) -> String {
    let mut object = Object::new();
    object.unless_default("type", event.r#type);
    object.some("kv", event.kv.as_ref().map(key_value));
    object.some("prev_kv", event.prev_kv.as_ref().map(key_value));
    object.finish()
}

fn member(member: &Member) -> String {
    let mut object = Object::new();
    object.unless_default("ID", member.id);
    object.unless_empty_text("name", &member.name);
    object.unless_empty("peerURLs", member.peer_ur_ls.iter().map(|url| go_json_string(url)));
    object.unless_empty("clientURLs", member.client_ur_ls.iter().map(|url| go_json_string(url)));
    object.unless_default("isLearner", member.is_learner);
    object.finish()
}

/// etcdctl loses `isLearner` here; that is not copied.
fn member_with_hex_id(member: &Member) -> String {
    let urls = |urls: &[String]| match urls {
        [] => "null".to_owned(),
        urls => array(urls.iter().map(|url| go_json_string(url))),
    };
    let mut object = Object::new();
    object.always("ID", format!("\"{:x}\"", member.id));
    object.always("name", go_json_string(&member.name));
    object.always("peerURLs", urls(&member.peer_ur_ls));
    object.always("clientURLS", urls(&member.client_ur_ls));
    object.unless_default("isLearner", member.is_learner);
    object.finish()
}

fn status(status: &StatusResponse) -> String {
    let mut object = Object::new();
    object.some("header", status.header.as_ref().map(header_object));
    object.unless_empty_text("version", &status.version);
    object.unless_default("dbSize", status.db_size);
    object.unless_default("leader", status.leader);
    object.unless_default("raftIndex", status.raft_index);
    object.unless_default("raftTerm", status.raft_term);
    object.unless_default("raftAppliedIndex", status.raft_applied_index);
    object.unless_empty("errors", status.errors.iter().map(|error| go_json_string(error)));
    object.unless_default("dbSizeInUse", status.db_size_in_use);
    object.unless_default("isLearner", status.is_learner);
    object.finish()
}

fn line(mut json: String) -> Vec<u8> {
    json.push('\n');
    json.into_bytes()
}

fn array(items: impl Iterator<Item = String>) -> String {
    format!("[{}]", items.collect::<Vec<_>>().join(","))
}

/// A JSON object that is being written.
struct Object(String);

impl Object {
    fn new() -> Object {
        Object("{".to_owned())
    }

    /// Writes a field whose value is JSON already.
    fn always(&mut self, name: &str, json: impl std::fmt::Display) {
        let comma = if self.0.len() > 1 { "," } else { "" };
        self.0.push_str(&format!("{comma}\"{name}\":{json}"));
    }

    fn some(&mut self, name: &str, json: Option<String>) {
        if let Some(json) = json {
            self.always(name, json);
        }
    }

    fn unless_default<T: Default + PartialEq + std::fmt::Display>(&mut self, name: &str, value: T) {
        if value != T::default() {
            self.always(name, value);
        }
    }

    fn unless_empty_text(&mut self, name: &str, text: &str) {
        if !text.is_empty() {
            self.always(name, go_json_string(text));
        }
    }

    fn unless_empty_bytes(&mut self, name: &str, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.always(name, format_args!("\"{}\"", STANDARD.encode(bytes)));
        }
    }

    fn unless_empty(&mut self, name: &str, items: impl ExactSizeIterator<Item = String>) {
        if items.len() > 0 {
            self.always(name, array(items));
        }
    }

    fn finish(mut self) -> String {
        self.0.push('}');
        self.0
    }
}
