//! What no client of good will sends.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::client::Connection;
use crate::member::Member;

fn range_of_a(member: &Member) -> (u16, String) {
    let reply = Connection::open(member.address).send("POST", "/v3/kv/range", r#"{"key":"YQ=="}"#);
    (reply.status, reply.text)
}

#[test]
fn garbage_on_the_client_port_is_refused_and_hurts_nobody() {
    let member = Member::start();
    for garbage in [&b"garbage\r\n\r\n"[..], b"\0\x01\x02\x03\xff\xfe\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"] {
        let mut stream = TcpStream::connect(member.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all(garbage).unwrap();
        let mut answer = Vec::new();
        // The connection ends; an error is an end too.
        let _ = stream.read_to_end(&mut answer);
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
    }
    assert_eq!(range_of_a(&member).0, 200);
}

#[test]
fn a_message_over_the_transports_limit_is_refused_with_both_numbers() {
    let member = Member::start();
    let body = format!(r#"{{"key":"YQ==","value":"{}"}}"#, "eHh4".repeat(1_000_000));
    let reply = Connection::open(member.address).send("POST", "/v3/kv/put", &body);
    assert_eq!(reply.status, 429);
    assert!(
        reply.text.contains("grpc: received message larger than max (3000008 vs. 2097152)"),
        "{}",
        reply.text
    );
    assert_eq!(range_of_a(&member).0, 200);
}

#[test]
fn a_body_without_end_is_cut_off_and_its_sender_is_told() {
    let member = Member::start();
    let body = format!(r#"{{"key":"YQ==","value":"{}"}}"#, "eHh4".repeat(3_000_000));
    let reply = Connection::open(member.address).send("POST", "/v3/kv/put", &body);
    assert_eq!(reply.status, 429);
    assert!(reply.text.contains("longer than 4194304 bytes"), "{}", reply.text);
    assert_eq!(range_of_a(&member).0, 200);
}

#[test]
fn a_request_that_is_never_finished_holds_up_nobody_and_does_not_keep_the_door_open() {
    let mut member = Member::start();
    let mut unfinished = Vec::new();
    for beginning in [
        "",
        "POST /v3/kv/put HTTP/1.1\r\nHo",
        "POST /v3/kv/put HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n\r\n{\"key\":",
        "PRI * HTTP/2.0\r\n\r\nSM",
    ] {
        let mut stream = TcpStream::connect(member.address).unwrap();
        stream.write_all(beginning.as_bytes()).unwrap();
        unfinished.push(stream);
    }
    assert_eq!(range_of_a(&member).0, 200);
    // It waits for them a little, and returns.
    member.door.take().unwrap().shutdown();
    assert!(TcpStream::connect(member.address).is_err(), "nobody listens any more");
}

#[test]
fn a_watcher_that_hangs_up_makes_room_for_the_next_client() {
    let member = Member::start_for_one_client();
    for last_chunk in ["", "0\r\n\r\n"] {
        let mut stream = Connection::open(member.address);
        stream.begin("POST", "/v3/watch");
        stream.write_chunk(r#"{"create_request":{"key":"YQ=="}}"#);
        stream.write(last_chunk);
        assert_eq!(stream.read_head().status, 200);
        assert!(stream.read_line().contains("created"));
    }
    assert_eq!(range_of_a(&member).0, 200);
}
