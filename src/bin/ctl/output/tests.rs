//! Outputs of etcdctl 3.5.1, as they were recorded, against ours for the same answers.

use raftwright::etcd::proto::etcdserverpb::Member;
use raftwright::etcd::proto::mvccpb::event::EventType;
use raftwright::etcd::proto::mvccpb::{Event, KeyValue};

use super::*;

const FORMATS: [KeyFormat; 3] = [KeyFormat::Simple, KeyFormat::Fields, KeyFormat::Json];

fn at_revision(revision: i64) -> Option<ResponseHeader> {
    let (cluster_id, member_id) = (324952591200643719, 3319814642761637952);
    Some(ResponseHeader { cluster_id, member_id, revision, raft_term: 2 })
}

fn key_value(key: &'static str, value: &'static str, revisions: (i64, i64), version: i64) -> KeyValue {
    let (create_revision, mod_revision) = revisions;
    KeyValue { key: key.into(), value: value.into(), create_revision, mod_revision, version, lease: 0 }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("these outputs are UTF-8")
}

#[test]
fn a_put_looks_as_recorded() {
    let silent = PutResponse { header: at_revision(4), prev_kv: None };
    let telling = PutResponse { header: at_revision(3), prev_kv: Some(key_value("foo", "bar", (2, 2), 1)) };
    let [ok, _, json] = FORMATS.map(|format| text(put(format, false, &silent)));
    assert_eq!(ok, "OK\n");
    assert_eq!(
        json,
        "{\"header\":{\"cluster_id\":324952591200643719,\"member_id\":3319814642761637952,\"revision\":4,\"raft_term\":2}}\n"
    );
    assert_eq!(text(put(KeyFormat::Simple, false, &telling)), "OK\nfoo\nbar\n");
    assert_eq!(text(put(KeyFormat::Simple, true, &telling)), "OK\n\\x66\\x6f\\x6f\n\\x62\\x61\\x72\n");
    let fields = text(put(KeyFormat::Fields, false, &telling));
    assert!(fields.ends_with(
        "\"PrevKey\" : \"foo\"\n\"PrevCreateRevision\" : 2\n\"PrevModRevision\" : 2\n\"PrevVersion\" : 1\n\
         \"PrevValue\" : \"bar\"\n\"PrevLease\" : 0\n"
    ));
}

#[test]
fn a_get_looks_as_recorded() {
    let kvs = vec![key_value("foo", "bar3", (2, 4), 3)];
    let found = RangeResponse { header: at_revision(4), kvs, more: false, count: 1 };
    let [simple, fields, json] = FORMATS.map(|format| text(get(format, false, false, &found)));
    assert_eq!(simple, "foo\nbar3\n");
    assert_eq!(
        json,
        "{\"header\":{\"cluster_id\":324952591200643719,\"member_id\":3319814642761637952,\"revision\":4,\"raft_term\":2},\
         \"kvs\":[{\"key\":\"Zm9v\",\"create_revision\":2,\"mod_revision\":4,\"version\":3,\"value\":\"YmFyMw==\"}],\
         \"count\":1}\n"
    );
    assert_eq!(
        fields,
        "\"ClusterID\" : 324952591200643719\n\"MemberID\" : 3319814642761637952\n\"Revision\" : 4\n\"RaftTerm\" : 2\n\
         \"Key\" : \"foo\"\n\"CreateRevision\" : 2\n\"ModRevision\" : 4\n\"Version\" : 3\n\"Value\" : \"bar3\"\n\
         \"Lease\" : 0\n\"More\" : false\n\"Count\" : 1\n"
    );
    assert_eq!(text(get(KeyFormat::Simple, true, false, &found)), "\\x66\\x6f\\x6f\n\\x62\\x61\\x72\\x33\n");
    assert_eq!(text(get(KeyFormat::Simple, false, true, &found)), "bar3\n");
}

#[test]
fn bytes_that_are_no_text_pass_through_simple_and_are_escaped_elsewhere() {
    let value = KeyValue {
        key: b"k\xff".as_slice().into(),
        value: b"\0\xfe".as_slice().into(),
        ..KeyValue::default()
    };
    let found = RangeResponse { header: None, kvs: vec![value], more: true, count: 2 };
    assert_eq!(get(KeyFormat::Simple, false, false, &found), b"k\xff\n\0\xfe\n");
    let json = text(get(KeyFormat::Json, false, false, &found));
    assert_eq!(json, "{\"kvs\":[{\"key\":\"a/8=\",\"value\":\"AP4=\"}],\"more\":true,\"count\":2}\n");
    assert!(text(get(KeyFormat::Fields, false, false, &found)).contains("\"Key\" : \"k\\xff\"\n"));
}

#[test]
fn a_deletion_looks_as_recorded() {
    let prev_kvs = vec![key_value("p/2", "b", (6, 6), 1), key_value("p/3", "c", (7, 7), 1)];
    let telling = DeleteRangeResponse { header: at_revision(9), deleted: 2, prev_kvs };
    assert_eq!(text(del(KeyFormat::Simple, false, &telling)), "2\np/2\nb\np/3\nc\n");
    let silent = DeleteRangeResponse { header: at_revision(10), deleted: 1, prev_kvs: Vec::new() };
    let [simple, fields, json] = FORMATS.map(|format| text(del(format, false, &silent)));
    assert_eq!(simple, "1\n");
    assert!(fields.ends_with("\"RaftTerm\" : 2\n\"Deleted\" : 1\n"));
    assert!(json.ends_with("\"raft_term\":2},\"deleted\":1}\n"));
}

#[test]
fn a_watch_looks_as_recorded() {
    let event = |r#type: EventType, kv, prev_kv| Event { r#type: r#type.into(), kv: Some(kv), prev_kv };
    let written = key_value("w1", "a", (23, 23), 1);
    let deleted = KeyValue { key: "w1".into(), mod_revision: 25, ..KeyValue::default() };
    let events =
        vec![event(EventType::Put, written.clone(), None), event(EventType::Delete, deleted, Some(written))];
    let response = WatchResponse { header: at_revision(25), events, ..WatchResponse::default() };
    let [simple, fields, json] = FORMATS.map(|format| text(watch(format, false, &response)));
    assert_eq!(simple, "PUT\nw1\na\nDELETE\nw1\na\nw1\n\n");
    assert_eq!(
        json,
        "{\"Header\":{\"cluster_id\":324952591200643719,\"member_id\":3319814642761637952,\"revision\":25,\"raft_term\":2},\
         \"Events\":[{\"kv\":{\"key\":\"dzE=\",\"create_revision\":23,\"mod_revision\":23,\"version\":1,\"value\":\"YQ==\"}},\
         {\"type\":1,\"kv\":{\"key\":\"dzE=\",\"mod_revision\":25},\"prev_kv\":{\"key\":\"dzE=\",\"create_revision\":23,\
         \"mod_revision\":23,\"version\":1,\"value\":\"YQ==\"}}],\"CompactRevision\":0,\"Canceled\":false,\"Created\":false}\n"
    );
    assert!(fields.contains("\"Lease\" : 0\n\"Type\" : DELETE\n\"PrevKey\" : \"w1\"\n"));
}

fn two_members() -> MemberListResponse {
    let started = Member {
        id: 3319814642761637952,
        name: "default".to_owned(),
        peer_ur_ls: vec!["http://127.0.0.1:23800".to_owned()],
        client_ur_ls: vec!["http://127.0.0.1:23790".to_owned()],
        is_learner: false,
    };
    let unstarted = Member {
        id: 0xa9cc_e905_fe52_4c44,
        peer_ur_ls: vec!["http://127.0.0.1:23899".to_owned()],
        is_learner: true,
        ..Member::default()
    };
    MemberListResponse { header: at_revision(0), members: vec![started, unstarted] }
}

#[test]
fn members_look_as_recorded() {
    let response = two_members();
    assert_eq!(
        text(member_list(Format::Simple, false, &response)),
        "2e1259d415f2a040, started, default, http://127.0.0.1:23800, http://127.0.0.1:23790, false\n\
         a9cce905fe524c44, unstarted, , http://127.0.0.1:23899, , true\n"
    );
    assert_eq!(
        text(member_list(Format::Table, false, &response)),
        "\
+------------------+-----------+---------+------------------------+------------------------+------------+
|        ID        |  STATUS   |  NAME   |       PEER ADDRS       |      CLIENT ADDRS      | IS LEARNER |
+------------------+-----------+---------+------------------------+------------------------+------------+
| 2e1259d415f2a040 |   started | default | http://127.0.0.1:23800 | http://127.0.0.1:23790 |      false |
| a9cce905fe524c44 | unstarted |         | http://127.0.0.1:23899 |                        |       true |
+------------------+-----------+---------+------------------------+------------------------+------------+
"
    );
    assert_eq!(
        text(member_list(Format::Json, false, &response)),
        "{\"header\":{\"cluster_id\":324952591200643719,\"member_id\":3319814642761637952,\"raft_term\":2},\"members\":[\
         {\"ID\":3319814642761637952,\"name\":\"default\",\"peerURLs\":[\"http://127.0.0.1:23800\"],\
         \"clientURLs\":[\"http://127.0.0.1:23790\"]},\
         {\"ID\":12235410499609709636,\"peerURLs\":[\"http://127.0.0.1:23899\"],\"isLearner\":true}]}\n"
    );
    assert!(text(member_list(Format::Json, true, &response)).contains(
        "{\"ID\":\"2e1259d415f2a040\",\"name\":\"default\",\"peerURLs\":[\"http://127.0.0.1:23800\"],\
         \"clientURLS\":[\"http://127.0.0.1:23790\"]}"
    ));
}

fn one_status(errors: Vec<String>) -> EndpointStatus {
    let status = StatusResponse {
        header: at_revision(13),
        version: "3.5.1".to_owned(),
        db_size: 20480,
        leader: 3319814642761637952,
        raft_index: 25,
        raft_term: 2,
        raft_applied_index: 25,
        errors,
        db_size_in_use: 16384,
        is_learner: false,
    };
    EndpointStatus { endpoint: "http://127.0.0.1:23790".to_owned(), status }
}

#[test]
fn an_endpoints_status_looks_as_recorded() {
    let reports = [one_status(Vec::new())];
    assert_eq!(
        text(endpoint_status(ReportFormat::Simple, &reports)),
        "http://127.0.0.1:23790, 2e1259d415f2a040, 3.5.1, 20 kB, true, false, 2, 25, 25, \n"
    );
    assert_eq!(
        text(endpoint_status(ReportFormat::Json, &reports)),
        "[{\"Endpoint\":\"http://127.0.0.1:23790\",\"Status\":{\"header\":{\"cluster_id\":324952591200643719,\
         \"member_id\":3319814642761637952,\"revision\":13,\"raft_term\":2},\"version\":\"3.5.1\",\"dbSize\":20480,\
         \"leader\":3319814642761637952,\"raftIndex\":25,\"raftTerm\":2,\"raftAppliedIndex\":25,\"dbSizeInUse\":16384}}]\n"
    );
    assert!(text(endpoint_status(ReportFormat::Fields, &reports)).ends_with(
        "\"RaftTerm\" : 2\n\"Version\" : \"3.5.1\"\n\"DBSize\" : 20480\n\"Leader\" : 3319814642761637952\n\
         \"IsLearner\" : false\n\"RaftIndex\" : 25\n\"RaftTerm\" : 2\n\"RaftAppliedIndex\" : 25\n\"Errors\" : []\n\
         \"Endpoint\" : \"http://127.0.0.1:23790\"\n\n"
    ));
}

#[test]
fn a_table_is_drawn_as_recorded_with_rows_and_without() {
    assert_eq!(
        text(endpoint_status(ReportFormat::Table, &[])),
        "\
+----------+----+---------+---------+-----------+------------+-----------+------------+--------------------+--------+
| ENDPOINT | ID | VERSION | DB SIZE | IS LEADER | IS LEARNER | RAFT TERM | RAFT INDEX | RAFT APPLIED INDEX | ERRORS |
+----------+----+---------+---------+-----------+------------+-----------+------------+--------------------+--------+
+----------+----+---------+---------+-----------+------------+-----------+------------+--------------------+--------+
"
    );
    let table =
        text(endpoint_status(ReportFormat::Table, &[one_status(vec!["etcdserver: no leader".to_owned()])]));
    assert!(table.ends_with(
        "\
|        ENDPOINT        |        ID        | VERSION | DB SIZE | IS LEADER | IS LEARNER | RAFT TERM | RAFT INDEX | RAFT APPLIED INDEX |        ERRORS         |
+------------------------+------------------+---------+---------+-----------+------------+-----------+------------+--------------------+-----------------------+
| http://127.0.0.1:23790 | 2e1259d415f2a040 |   3.5.1 |   20 kB |      true |      false |         2 |         25 |                 25 | etcdserver: no leader |
+------------------------+------------------+---------+---------+-----------+------------+-----------+------------+--------------------+-----------------------+
"
    ));
}

#[test]
fn health_looks_as_recorded_and_simple_leaves_the_sick_to_standard_error() {
    let report = |endpoint: &str, took_ns, error: Option<&str>| EndpointHealth {
        endpoint: endpoint.to_owned(),
        took: Duration::from_nanos(took_ns),
        error: error.map(str::to_owned),
    };
    let reports = [
        report("127.0.0.1:47791", 2_648_998, None),
        report("127.0.0.1:1", 5_003_598_307, Some("context deadline exceeded")),
    ];
    assert_eq!(
        text(endpoint_health(ReportFormat::Simple, &reports)),
        "127.0.0.1:47791 is healthy: successfully committed proposal: took = 2.648998ms\n"
    );
    assert_eq!(
        text(endpoint_health(ReportFormat::Json, &reports)),
        "[{\"endpoint\":\"127.0.0.1:47791\",\"health\":true,\"took\":\"2.648998ms\"},\
         {\"endpoint\":\"127.0.0.1:1\",\"health\":false,\"took\":\"5.003598307s\",\"error\":\"context deadline exceeded\"}]\n"
    );
    assert_eq!(
        text(endpoint_health(ReportFormat::Table, &reports)),
        "\
+-----------------+--------+--------------+---------------------------+
|    ENDPOINT     | HEALTH |     TOOK     |           ERROR           |
+-----------------+--------+--------------+---------------------------+
| 127.0.0.1:47791 |   true |   2.648998ms |                           |
|     127.0.0.1:1 |  false | 5.003598307s | context deadline exceeded |
+-----------------+--------+--------------+---------------------------+
"
    );
    assert!(text(endpoint_health(ReportFormat::Fields, &reports)).ends_with(
        "\"Endpoint\" : \"127.0.0.1:1\"\n\"Health\" : false\n\"Took\" : 5.003598307s\n\"Error\" : context deadline exceeded\n\n"
    ));
}

#[test]
fn a_format_that_a_command_does_not_have_is_refused() {
    let refusal = |error: CtlError| error.to_string();
    assert_eq!(Format::parse("foo").map_err(refusal), Err("unsupported output format".to_owned()));
    let table = Err("table not supported as output format".to_owned());
    assert_eq!(Format::Table.of_keys().map_err(refusal), table);
    let protobuf = Err("protobuf not supported as output format".to_owned());
    assert_eq!(Format::Protobuf.of_reports().map_err(refusal), protobuf);
}
