//! Connections that end, peers that come back, and the end of the transport itself.

use std::io::Write;

use super::*;

#[test]
fn a_peer_that_restarts_on_the_same_port_is_connected_again() {
    let (one, two) = pair();
    one.reaches(&two);
    two.reaches(&one);
    let (first, second) = (one.address, two.address);
    drop(two);
    one.await_event(&TransportEvent::Disconnected(NodeId(2)));

    let mut again = Setup::new(2);
    again.listener = TcpListener::bind(second).unwrap();
    let two = again.knows(1, first.to_string()).start();
    one.await_event(&TransportEvent::Connected(NodeId(2)));
    one.reaches(&two);
    two.reaches(&one);
}

#[test]
fn a_broken_connection_is_an_event_and_a_replaced_one_is_not() {
    let two = Setup::new(2).knows(3, nowhere()).start();
    let older = two.dial_as(3, Purpose::Messages);
    assert_eq!(two.next_event(), TransportEvent::Connected(NodeId(3)));
    let mut newer = two.dial_as(3, Purpose::Messages);
    await_close(&older);
    let mut bytes = Vec::new();
    frame::append_value(&mut bytes, 1000, &forward(3, 2, 1)).unwrap();
    newer.write_all(&bytes).unwrap();
    assert_eq!(two.next_event(), TransportEvent::Received(forward(3, 2, 1)));
    drop(newer);
    assert_eq!(two.next_event(), TransportEvent::Disconnected(NodeId(3)));
}

#[test]
fn a_connection_without_a_handshake_is_no_event_when_it_breaks() {
    let two = Setup::new(2).knows(3, nowhere()).start();
    drop(TcpStream::connect(two.address).unwrap());
    two.log.await_line(&["closed the connection without a word"]);
    assert!(two.events.is_empty());
}

#[test]
fn our_own_connection_to_a_peer_is_given_up_as_soon_as_the_peers_breaks() {
    // The peer is played by hand: its listener takes our connection, and it dials us.
    let peer = listener();
    let mut setup = Setup::new(1).knows(2, peer.local_addr().unwrap().to_string());
    setup.options.keepalive_interval = PATIENCE * 100;
    setup.options.silence_timeout = PATIENCE * 200;
    let one = setup.start();
    let ours = accept_as(2, &peer);
    let mut theirs = one.dial_as(2, Purpose::Messages);
    assert_eq!(one.next_event(), TransportEvent::Connected(NodeId(2)));
    // A message each way, so that nothing is under way any more when the peer dies.
    let mut bytes = Vec::new();
    frame::append_value(&mut bytes, 1000, &forward(2, 1, 1)).unwrap();
    theirs.write_all(&bytes).unwrap();
    assert_eq!(one.next_event(), TransportEvent::Received(forward(2, 1, 1)));
    one.send(2, 1);
    let mut frames = frame::FrameReader::new(&ours, 1000);
    while frames.next().unwrap().unwrap().is_empty() {}
    // The kernel closes both when a process is killed.
    drop(ours);
    drop(theirs);
    assert_eq!(one.next_event(), TransportEvent::Disconnected(NodeId(2)));
    // Nothing was sent, and the next keep-alive is far away: only the look at the socket can have told the sender.
    let _again = accept_as(2, &peer);
    assert_eq!(one.next_event(), TransportEvent::Connected(NodeId(2)));
}

#[test]
fn a_peer_that_dials_us_is_dialled_at_once_and_old_messages_are_not_sent_to_it() {
    let address = listener().local_addr().unwrap().to_string();
    let mut setup = Setup::new(1).knows(2, address.clone());
    // Without its call, nobody would try again before this test has failed.
    setup.options.first_redial_delay = PATIENCE * 4;
    setup.options.max_redial_delay = PATIENCE * 4;
    let one = setup.start();
    one.log.await_line(&["WARN", "no connection to a peer", "cannot be reached"]);
    one.send(2, 1);
    // It calls and cannot be called back yet: what waited is thrown away.
    let _first_call = one.dial_as(2, Purpose::Messages);
    let begun = std::time::Instant::now();
    while one.stats(2).dropped_messages == 0 && begun.elapsed() < PATIENCE {
        thread::yield_now();
    }
    one.send(2, 2);
    let peer = TcpListener::bind(address).unwrap();
    let _second_call = one.dial_as(2, Purpose::Messages);
    let stream = accept_as(2, &peer);
    let mut frames = frame::FrameReader::new(&stream, 1000);
    let first = loop {
        let body = frames.next().unwrap().unwrap();
        if !body.is_empty() {
            break crate::codec::decode::<Envelope>(body).unwrap();
        }
    };
    assert_eq!(first, forward(1, 2, 2));
}

#[test]
fn a_peer_that_does_not_answer_keepalives_is_dialled_anew() {
    let mute = listener();
    let mut setup = Setup::new(1).knows(2, mute.local_addr().unwrap().to_string());
    setup.options.keepalive_interval = Duration::from_millis(10);
    setup.options.silence_timeout = Duration::from_millis(50);
    let one = setup.start();
    for _ in 0..2 {
        let _stream = accept_as(2, &mute);
        one.log.await_line(&["WARN", "lost the connection to a peer", "has not answered for"]);
        one.await_event(&TransportEvent::Disconnected(NodeId(2)));
    }
}

#[test]
fn a_peer_that_has_gone_silent_is_cut_off() {
    let mut setup = Setup::new(2).knows(3, nowhere());
    setup.options.keepalive_interval = Duration::from_millis(10);
    setup.options.silence_timeout = Duration::from_millis(50);
    let two = setup.start();
    let stream = two.dial_as(3, Purpose::Messages);
    await_close(&stream);
    two.log.await_line(&["WARN", "cut a peer's connection", "nothing was heard for too long"]);
    two.await_event(&TransportEvent::Disconnected(NodeId(3)));
}

#[test]
fn keepalives_keep_an_idle_connection() {
    let (mut one, mut two) = (Setup::new(1), Setup::new(2));
    for setup in [&mut one, &mut two] {
        setup.options.keepalive_interval = Duration::from_millis(5);
    }
    let (first, second) = (one.address(), two.address());
    let (one, two) = (one.knows(2, second).start(), two.knows(1, first).start());
    one.reaches(&two);
    // A peer played by hand hears the question and sees that its own is answered.
    drop((one, two));
    let two = Setup::new(2).knows(3, nowhere()).start();
    let mut stream = two.dial_as(3, Purpose::Messages);
    for _ in 0..3 {
        stream.write_all(&frame::keepalive()).unwrap();
        let mut answer = [0; frame::HEADER_BYTES];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, frame::keepalive());
    }
}

#[test]
fn a_shutdown_ends_every_thread_though_connections_are_open_and_events_wait() {
    let (one, two) = (Setup::new(1), Setup::new(2));
    let (first, second) = (one.address(), two.address());
    let (sender, events) = crossbeam_channel::bounded(1);
    let two = two.knows(1, first).knows(9, nowhere()).start_into(sender, events);
    let one = one.knows(2, second).start();
    one.await_event(&TransportEvent::Connected(NodeId(2)));
    let stranger = TcpStream::connect(two.address).unwrap();
    // The first event stays in the channel, so that a reader of `two` waits with the next one.
    for number in 0..100 {
        one.send(2, number);
    }
    let (done, is_done) = unbounded();
    let Member { transport, events, address, .. } = two;
    thread::spawn(move || {
        transport.shutdown();
        transport.shutdown();
        let weak = Arc::downgrade(&transport.shared);
        drop(transport);
        done.send(weak.strong_count()).unwrap();
    });
    // Every thread holds the shared state, so none is left.
    assert_eq!(is_done.recv_timeout(PATIENCE), Ok(0));
    await_close(&stranger);
    drop(events);
    TcpListener::bind(address).expect("the port is free again");
    one.await_event(&TransportEvent::Disconnected(NodeId(2)));
}

#[test]
fn after_a_shutdown_nothing_is_sent() {
    let (one, two) = pair();
    one.reaches(&two);
    one.transport.shutdown();
    let dropped = one.stats(2).dropped_messages;
    one.send(2, 1);
    assert_eq!(one.stats(2).dropped_messages, dropped + 1);
}
