//! `--write-out=simple`: a key on a line, its value on the next; columns between commas.

use raftwright::etcd::proto::etcdserverpb::{
    DeleteRangeResponse, MemberListResponse, PutResponse, RangeResponse, WatchResponse,
};
use raftwright::etcd::proto::mvccpb::KeyValue;

use super::text::go_duration;
use super::{EndpointHealth, EndpointStatus, member_columns, status_columns};

pub fn put(hex: bool, response: &PutResponse) -> Vec<u8> {
    let mut out = b"OK\n".to_vec();
    if let Some(previous) = &response.prev_kv {
        push_key_value(&mut out, hex, previous);
    }
    out
}

pub fn get(hex: bool, values_only: bool, response: &RangeResponse) -> Vec<u8> {
    let mut out = Vec::new();
    for key_value in &response.kvs {
        if values_only {
            push_line(&mut out, hex, &key_value.value);
        } else {
            push_key_value(&mut out, hex, key_value);
        }
    }
    out
}

pub fn del(hex: bool, response: &DeleteRangeResponse) -> Vec<u8> {
    let mut out = format!("{}\n", response.deleted).into_bytes();
    for previous in &response.prev_kvs {
        push_key_value(&mut out, hex, previous);
    }
    out
}

pub fn watch(hex: bool, response: &WatchResponse) -> Vec<u8> {
    let mut out = Vec::new();
    for event in &response.events {
        out.extend_from_slice(event.r#type().as_str_name().as_bytes());
        out.push(b'\n');
        for key_value in [&event.prev_kv, &event.kv].into_iter().flatten() {
            push_key_value(&mut out, hex, key_value);
        }
    }
    out
}

pub fn member_list(response: &MemberListResponse) -> Vec<u8> {
    response
        .members
        .iter()
        .map(|member| member_columns(member).join(", ") + "\n")
        .collect::<String>()
        .into_bytes()
}

pub fn endpoint_status(reports: &[EndpointStatus]) -> Vec<u8> {
    reports.iter().map(|report| status_columns(report).join(", ") + "\n").collect::<String>().into_bytes()
}

pub fn endpoint_health(reports: &[EndpointHealth]) -> Vec<u8> {
    let healthy = reports.iter().filter(|report| report.error.is_none());
    let line = |report: &EndpointHealth| {
        let (endpoint, took) = (&report.endpoint, go_duration(report.took));
        format!("{endpoint} is healthy: successfully committed proposal: took = {took}\n")
    };
    healthy.map(line).collect::<String>().into_bytes()
}

fn push_key_value(out: &mut Vec<u8>, hex: bool, key_value: &KeyValue) {
    push_line(out, hex, &key_value.key);
    push_line(out, hex, &key_value.value);
}

/// The bytes as they are, or each as `\x` and two digits, and the end of the line.
fn push_line(out: &mut Vec<u8>, hex: bool, bytes: &[u8]) {
    if hex {
        for byte in bytes {
            out.extend_from_slice(format!("\\x{byte:02x}").as_bytes());
        }
    } else {
        out.extend_from_slice(bytes);
    }
    out.push(b'\n');
}
