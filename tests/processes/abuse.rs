//! Strangers, garbage and requests that are too large: whoever sends them is told, and the member goes on serving.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use raftwright::etcd::proto::etcdserverpb::PutRequest;
use raftwright::etcd::proto::etcdserverpb::kv_client::KvClient;
use serde_json::json;
use tonic::Code;

use crate::support::{Cluster, Node, PATIENCE, QUICK, encode, free_port, member_flags, url};

/// Says something to a port and reads what comes back, until the other end hangs up.
fn say(port: u16, words: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // The other end may hang up while this is still speaking; what it has answered can be lost then.
    let spoken = stream.write_all(words);
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => panic!("{error} after {spoken:?}"),
        _ => String::from_utf8_lossy(&answer).into_owned(),
    }
}

/// Bytes that no protocol begins with.
fn garbage() -> Vec<u8> {
    (0..100_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn goes_on(cluster: &Cluster) {
    for number in 0..cluster.size() {
        cluster.client(number).put("key", "it goes on").unwrap();
    }
}

#[test]
fn a_member_of_another_cluster_is_told_so_and_changes_nothing() {
    let cluster = Cluster::start(3, &QUICK);
    let (peer_port, client_port) = (free_port(), free_port());
    let mut flags = member_flags("stranger", &cluster.dir().join("stranger"), peer_port, client_port);
    let members = format!("stranger={},n0={}", url(peer_port), url(cluster.peer_port(0)));
    flags.extend(["--initial-cluster", &members, "--initial-cluster-token", "another"].map(str::to_owned));
    let mut stranger = Node::new(flags, cluster.dir().join("stranger.log"));
    stranger.start();
    let sentence = ["the dialler is of cluster", "check the list of members and the cluster's token on both"];
    let theirs = stranger.until_it_says(0, &sentence);
    let ours = cluster.node(0).until_it_says(0, &sentence);
    for line in [theirs, ours] {
        assert!(line.contains("WARN"), "{line}");
    }
    goes_on(&cluster);
}

#[test]
fn strangers_on_the_peer_port_are_hung_up_on_with_a_line_in_the_log() {
    let cluster = Cluster::start(1, &QUICK);
    let port = cluster.peer_port(0);
    let answer = say(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("Clients use the client port"), "{answer}");
    cluster.node(0).until_it_says(0, &["WARN", "refused a connection", "an HTTP client", "client port"]);
    assert_eq!(say(port, &garbage()), "");
    cluster.node(0).until_it_says(0, &["WARN", "refused a connection", "something unknown"]);
    // The right beginning, and then a frame that promises four gigabytes.
    let beginning = [&b"raftwrt\n"[..], &1_u32.to_le_bytes(), &[0xff; 64]].concat();
    assert_eq!(say(port, &beginning), "");
    goes_on(&cluster);
}

#[test]
fn strangers_on_the_client_port_are_hung_up_on() {
    let cluster = Cluster::start(1, &QUICK);
    let port = cluster.client_port(0);
    say(port, &garbage());
    let header = format!("GET /version HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(2 << 20));
    let answer = say(port, header.as_bytes());
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    // HTTP/2's beginning, and then nothing of HTTP/2.
    say(port, &[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &garbage()[..]].concat());
    // More than there is memory for, or less than was promised.
    for body in ["Content-Length: 1000000000000\r\n\r\n{", "Content-Length: x\r\n\r\n{}"] {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(format!("POST /v3/kv/put HTTP/1.1\r\nHost: x\r\n{body}").as_bytes()).unwrap();
    }
    goes_on(&cluster);
    assert!(!cluster.node(0).log().contains("ERROR"), "a stranger is no error of ours");
}

#[test]
fn clients_that_take_every_connection_leave_the_log_its_files() {
    let mut cluster = Cluster::start(1, &[&QUICK[..], &["--snapshot-count", "10"]].concat());
    cluster.kill(0);
    cluster.node_mut(0).limit_open_files(100);
    cluster.restart(0);
    let said_before = cluster.node(0).log().len();
    let mut client = cluster.client(0);
    client.put("key", "first").unwrap();
    let idle: Vec<TcpStream> =
        (0..120).map(|_| TcpStream::connect(("127.0.0.1", cluster.client_port(0))).unwrap()).collect();
    for number in 0..50 {
        client.put("key", &format!("value {number}")).unwrap();
    }
    cluster.node(0).until_it_says(said_before, &["saved snapshot"]);
    drop(idle);
    goes_on(&cluster);
    let log = cluster.node(0).log();
    assert!(!log.contains("Too many open files"), "it takes more than there is");
    assert!(log.contains("this process may have 100 files open"), "it says what it is limited to");
}

#[test]
fn requests_that_are_too_large_or_have_no_key_are_refused_in_etcds_words() {
    let cluster = Cluster::start(1, &["--max-request-bytes", "10000"]);
    let mut client = cluster.client(0);
    let mut refused = |key: &str, bytes: usize, sentence: &str| {
        let request = json!({"key": encode(key), "value": encode(&"x".repeat(bytes))});
        let reply = client.post("/v3/kv/put", &request).unwrap();
        assert_eq!((reply.status, reply.body["error"].as_str()), (400, Some(sentence)));
    };
    refused("key", 20_000, "etcdserver: request is too large");
    refused("", 1, "etcdserver: key is not provided");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut client = KvClient::connect(url(cluster.client_port(0))).await.unwrap();
        for (key, bytes, code, sentence) in [
            ("key", 20_000, Code::InvalidArgument, "etcdserver: request is too large"),
            ("key", 20_000_000, Code::ResourceExhausted, "grpc: received message larger than max"),
            ("", 1, Code::InvalidArgument, "etcdserver: key is not provided"),
        ] {
            let request =
                PutRequest { key: key.into(), value: vec![b'x'; bytes].into(), ..Default::default() };
            let status = client.put(request).await.unwrap_err();
            assert_eq!(status.code(), code, "{status}");
            assert!(status.message().starts_with(sentence), "{status}");
        }
    });
    goes_on(&cluster);
    assert_eq!(cluster.client(0).all_serializable().unwrap().len(), 1, "nothing of it was done");
}
