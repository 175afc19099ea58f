//! The other dialect, with the client that the schema generates.

use std::time::Duration;

use raftwright::etcd::proto::etcdserverpb::kv_client::KvClient;
use raftwright::etcd::proto::etcdserverpb::watch_client::WatchClient;
use raftwright::etcd::proto::etcdserverpb::watch_request::RequestUnion;
use raftwright::etcd::proto::etcdserverpb::{
    CompactionRequest, PutRequest, RangeRequest, WatchCreateRequest, WatchProgressRequest, WatchRequest,
    WatchResponse,
};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Request, Status, Streaming};

use crate::client::Connection;
use crate::member::Member;

/// So that a missing answer fails the test instead of hanging it.
const PATIENCE: Duration = Duration::from_secs(30);

fn with_channel<F: Future<Output = ()>>(member: &Member, test: impl FnOnce(Channel) -> F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let address = format!("http://{}", member.address);
    runtime.block_on(async {
        let channel = Channel::from_shared(address).unwrap().connect().await.unwrap();
        timeout(PATIENCE * 2, test(channel)).await.unwrap();
    });
}

fn put(key: &str, value: Vec<u8>) -> PutRequest {
    PutRequest { key: key.as_bytes().to_vec().into(), value: value.into(), ..Default::default() }
}

fn create(key: &str, start_revision: i64) -> WatchRequest {
    let request =
        WatchCreateRequest { key: key.as_bytes().to_vec().into(), start_revision, ..Default::default() };
    WatchRequest { request_union: Some(RequestUnion::CreateRequest(request)) }
}

/// Opens a stream with these requests, and leaves it open.
async fn watch(
    channel: Channel,
    requests: Vec<WatchRequest>,
) -> (mpsc::Sender<WatchRequest>, Streaming<WatchResponse>) {
    let (sender, receiver) = mpsc::channel(16);
    for request in requests {
        sender.send(request).await.unwrap();
    }
    let answers = WatchClient::new(channel).watch(ReceiverStream::new(receiver)).await.unwrap();
    (sender, answers.into_inner())
}

async fn next(answers: &mut Streaming<WatchResponse>) -> Result<WatchResponse, Status> {
    timeout(PATIENCE, answers.message()).await.expect("an answer comes").map(|answer| answer.expect("no end"))
}

#[test]
fn a_put_is_read_back_and_an_error_keeps_its_code_and_sentence() {
    let member = Member::start();
    with_channel(&member, async |channel| {
        let mut kv = KvClient::new(channel);
        kv.put(put("k", b"v".to_vec())).await.unwrap();
        let read =
            kv.range(RangeRequest { key: "k".into(), ..Default::default() }).await.unwrap().into_inner();
        assert_eq!((&read.kvs[0].value[..], read.count), (&b"v"[..], 1));

        let future = RangeRequest { key: "k".into(), revision: 99, ..Default::default() };
        let refused = kv.range(future).await.unwrap_err();
        assert_eq!(refused.code(), Code::OutOfRange);
        assert_eq!(refused.message(), "etcdserver: mvcc: required revision is a future revision");
        assert_eq!(kv.compact(CompactionRequest::default()).await.unwrap_err().code(), Code::Unimplemented);
    });
}

#[test]
fn a_message_over_the_limit_is_refused_as_gos_library_refuses_it() {
    let member = Member::start();
    with_channel(&member, async |channel| {
        let refused = KvClient::new(channel).put(put("k", vec![0; 3_000_000])).await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted);
        assert_eq!(refused.message(), "grpc: received message larger than max (3000008 vs. 2097152)");
    });
}

#[test]
fn a_timeout_that_is_no_duration_is_refused() {
    let member = Member::start();
    with_channel(&member, async |channel| {
        let mut request = Request::new(RangeRequest { key: "k".into(), ..Default::default() });
        request.metadata_mut().insert("grpc-timeout", "1x".parse().unwrap());
        let refused = KvClient::new(channel).range(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
    });
}

#[test]
fn a_client_that_reads_late_gets_every_event_once_and_in_order() {
    const PUTS: i64 = 1_500;
    let member = Member::start();
    with_channel(&member, async |channel| {
        let (requests, mut answers) = watch(channel.clone(), vec![create("k", 0)]).await;
        assert!(next(&mut answers).await.unwrap().created);
        // More than the windows between here and there hold. Nobody reads it yet.
        let mut kv = KvClient::new(channel);
        for _ in 0..PUTS / 100 {
            let puts: Vec<_> = (0..100)
                .map(|_| {
                    let mut kv = kv.clone();
                    tokio::spawn(async move { kv.put(put("k", vec![b'x'; 10_000])).await.unwrap() })
                })
                .collect();
            for put in puts {
                put.await.unwrap();
            }
        }
        kv.put(put("other", vec![])).await.unwrap();
        let progress = RequestUnion::ProgressRequest(WatchProgressRequest {});
        requests.send(WatchRequest { request_union: Some(progress) }).await.unwrap();

        let mut revisions = Vec::new();
        let reported = loop {
            let answer = next(&mut answers).await.unwrap();
            if answer.watch_id == -1 {
                break answer.header.unwrap().revision;
            }
            revisions.extend(answer.events.iter().map(|event| event.kv.as_ref().unwrap().mod_revision));
        };
        assert_eq!(revisions, (2..PUTS + 2).collect::<Vec<_>>());
        assert_eq!(reported, PUTS + 2, "a progress report comes after all events that it covers");
    });
}

#[test]
fn a_door_that_shuts_tells_the_watchers_and_answers_no_more() {
    let mut member = Member::start();
    let door = member.door.take().unwrap();
    with_channel(&member, async |channel| {
        let (_requests, mut answers) = watch(channel, vec![create("k", 0)]).await;
        assert!(next(&mut answers).await.unwrap().created);
        let shut = std::thread::spawn(move || door.shutdown());
        let end = next(&mut answers).await.unwrap_err();
        assert_eq!((end.code(), end.message()), (Code::Unavailable, "etcdserver: server stopped"));
        tokio::task::spawn_blocking(move || shut.join().unwrap()).await.unwrap();
    });
}

/// What a request says beside itself.
fn with_metadata<T>(message: T, name: &'static str, value: &'static str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert(name, value.parse().unwrap());
    request
}

#[test]
fn without_a_leader_those_who_require_one_are_told_at_once() {
    let member = Member::start_without_quorum();
    with_channel(&member, async |channel| {
        let mut kv = KvClient::new(channel.clone());
        let refused = kv.put(with_metadata(put("k", vec![]), "hasleader", "true")).await.unwrap_err();
        assert_eq!((refused.code(), refused.message()), (Code::Unavailable, "etcdserver: no leader"));

        let read = RangeRequest { key: "k".into(), ..Default::default() };
        let own = kv.range(RangeRequest { serializable: true, ..read }).await.unwrap().into_inner();
        assert_eq!(own.header.unwrap().revision, 1);

        let requests = tokio_stream::iter(vec![create("k", 0)]);
        let request = with_metadata(requests, "hasleader", "true");
        let refused = WatchClient::new(channel).watch(request).await.unwrap_err();
        assert_eq!(refused.message(), "etcdserver: no leader");
    });
}

#[test]
fn a_client_in_a_hurry_is_told_of_its_own_deadline() {
    let member = Member::start_without_quorum();
    // By way of the gateway: the client for gRPC would give up by itself.
    let timeout = ("Grpc-Timeout", "100m");
    let reply =
        Connection::open(member.address).send_with(timeout, "POST", "/v3/kv/range", r#"{"key":"aw=="}"#);
    assert_eq!(reply.status, 504);
    assert!(reply.text.contains("context deadline exceeded"), "{}", reply.text);
    let leader = ("Grpc-Metadata-Hasleader", "true");
    let reply = Connection::open(member.address).send_with(leader, "POST", "/v3/kv/put", r#"{"key":"aw=="}"#);
    assert_eq!((reply.status, reply.text.contains("etcdserver: no leader")), (503, true));
}

#[test]
fn without_a_leader_the_status_and_the_health_say_so() {
    let member = Member::start_without_quorum();
    let status = Connection::open(member.address).send("POST", "/v3/maintenance/status", "");
    assert!(status.text.contains(r#""errors":["etcdserver: no leader"]"#), "{}", status.text);
    assert!(!status.text.contains(r#""leader""#), "{}", status.text);

    let health = Connection::open(member.address).send("GET", "/health", "");
    assert_eq!(
        (health.status, &health.text[..]),
        (503, "{\"health\":\"false\",\"reason\":\"RAFT NO LEADER\"}\n")
    );
    let own = Connection::open(member.address).send("GET", "/health?serializable=true", "");
    assert_eq!(own.status, 200);
}
