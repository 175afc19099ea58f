//! Who is turned away, and what both sides read in their logs.

use std::io::Write;

use super::*;

/// Member 1 dials member 2, whose setup and our own are changed; the reason must stand in both logs.
fn is_refused(change: impl FnOnce(&mut Setup, &mut Setup), reason: &str) {
    let (one, two) = (Setup::new(1), Setup::new(2));
    let second = two.address();
    let (mut one, mut two) = (one.knows(2, second), two.knows(1, nowhere()));
    change(&mut one, &mut two);
    let (two, one) = (two.start(), one.start());
    one.log.await_line(&["WARN", "no connection to a peer", "refuses us", reason]);
    two.log.await_line(&["WARN", "refused a connection", "127.0.0.1:", reason]);
    assert!(matches!(one.stats(2).state, PeerState::Failing(why) if why.contains(reason)));
    assert!(one.events.is_empty() && two.events.is_empty());
}

#[test]
fn a_member_of_another_cluster_is_refused_with_a_line_in_both_logs() {
    let reason = "the dialler is of cluster bad, the acceptor of cluster c1";
    is_refused(|one, _| one.cluster_id = 0xbad, reason);
}

#[test]
fn an_address_of_the_wrong_member_is_refused_with_a_line_in_both_logs() {
    let reason = "wants member 2, but this address belongs to member 5";
    is_refused(|_, two| two.node = 5, reason);
}

#[test]
fn a_stranger_is_refused_with_a_line_in_both_logs() {
    is_refused(|one, _| one.node = 7, "member 2 knows no member 7");
}

#[test]
fn a_refusal_that_repeats_is_logged_once_by_either_side() {
    let (mut one, two) = (Setup::new(1), Setup::new(2));
    one.cluster_id = 0xbad;
    one.options.max_redial_delay = one.options.first_redial_delay;
    let (second, two) = (two.address(), two.knows(1, nowhere()));
    // The third address lets us count the rounds.
    let counter = listener();
    let third = counter.local_addr().unwrap().to_string();
    let (two, one) = (two.start(), one.knows(2, second).knows(2, third).start());
    for _ in 0..5 {
        drop(accept(&counter));
    }
    one.transport.shutdown();
    two.transport.shutdown();
    let refusals = |log: &Log, what| log.rest().iter().filter(|line| line.contains(what)).count();
    assert_eq!(refusals(&two.log, "of cluster bad"), 1);
    // How the third address fails may differ from round to round.
    assert!(refusals(&one.log, "of cluster bad") < 5);
}

#[test]
fn a_dialler_of_another_version_is_told_so() {
    let two = Setup::new(2).knows(1, nowhere()).start();
    let mut stream = TcpStream::connect(two.address).unwrap();
    let mut hello = handshake::MAGIC.to_vec();
    hello.extend_from_slice(&9u32.to_le_bytes());
    frame::append_frame(&mut hello, 100, |body| {
        body.extend_from_slice(b"what version 9 says");
        Ok(())
    })
    .unwrap();
    stream.write_all(&hello).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(&handshake::MAGIC));
    drop(stream);
    two.log.await_line(&["WARN", "speaks version 9", "the acceptor version 1"]);
}

#[test]
fn a_dialler_notices_that_a_wrong_member_welcomes_it() {
    let imposter = listener();
    let one = Setup::new(1).knows(2, imposter.local_addr().unwrap().to_string()).start();
    let stream = accept_as(3, &imposter);
    one.log.await_line(&["WARN", "member 3 of cluster c1 answers at this address"]);
    await_close(&stream);
    assert!(one.events.is_empty());
}

#[test]
fn an_http_client_is_answered_in_its_own_tongue_and_named_in_the_log() {
    let two = Setup::new(2).knows(1, nowhere()).start();
    let mut stream = TcpStream::connect(two.address).unwrap();
    stream.write_all(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 400 ") && answer.contains("Clients use the client port"),
        "{answer}"
    );
    drop(stream);
    two.log.await_line(&["WARN", "refused a connection", "an HTTP client", "127.0.0.1:"]);
}

#[test]
fn garbage_in_place_of_a_handshake_closes_that_connection_and_nothing_else() {
    let (one, two) = pair();
    one.reaches(&two);
    let magic = handshake::MAGIC;
    let torn_hello = [&magic[..], &1u32.to_le_bytes(), &100u32.to_le_bytes(), &[9; 104]].concat();
    let endless_hello = [&magic[..], &1u32.to_le_bytes(), &[0xff; 8]].concat();
    for (garbage, reason) in [
        (&b"\x16\x03\x01\x02\x00"[..], "a TLS client"),
        (b"no member talks like this", "something unknown"),
        (&torn_hello, "checksum does not match"),
        (&endless_hello, "a frame of 4294967295 bytes is beyond the limit"),
    ] {
        let mut stream = TcpStream::connect(two.address).unwrap();
        stream.write_all(garbage).unwrap();
        await_close(&stream);
        two.log.await_line(&["WARN", "refused a connection", reason]);
    }
    let silent = TcpStream::connect(two.address).unwrap();
    drop(silent);
    two.log.await_line(&["WARN", "closed the connection without a word"]);
    one.reaches(&two);
    assert!(two.events.try_iter().all(|event| event != TransportEvent::Disconnected(NodeId(1))));
}

#[test]
fn connections_without_a_handshake_cannot_take_all_threads() {
    let mut setup = Setup::new(2).knows(1, nowhere());
    setup.options.max_handshakes = 2;
    let two = setup.start();
    let idle = [TcpStream::connect(two.address).unwrap(), TcpStream::connect(two.address).unwrap()];
    await_close(&TcpStream::connect(two.address).unwrap());
    two.log.await_line(&["WARN", "too many connections without a handshake"]);
    drop(idle);
    // Their seats become free, one of them at least by the time that its thread says so.
    two.log.await_line(&["WARN", "closed the connection without a word"]);
    loop {
        let stream = TcpStream::connect(two.address).unwrap();
        let hello = Hello { cluster_id: CLUSTER, from: NodeId(1), to: NodeId(2), purpose: Purpose::Messages };
        if handshake::introduce(&stream, &hello, PATIENCE).is_ok() {
            break;
        }
    }
    two.await_event(&TransportEvent::Connected(NodeId(1)));
}

#[test]
fn who_says_nothing_is_cut_off_at_the_handshakes_deadline() {
    let mut setup = Setup::new(2).knows(1, nowhere());
    setup.options.handshake_timeout = Duration::from_millis(50);
    let two = setup.start();
    let mut stream = TcpStream::connect(two.address).unwrap();
    // A byte now and then must not prolong it, so this one comes at once and no other.
    stream.write_all(&handshake::MAGIC[..1]).unwrap();
    await_close(&stream);
    two.log.await_line(&["WARN", "no handshake came", "nothing was heard for too long"]);
}
