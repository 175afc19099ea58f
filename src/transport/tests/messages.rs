//! What arrives, in which order, and what happens when too much is sent.

use super::*;

#[test]
fn two_members_exchange_messages_and_each_arrives_once_and_in_order() {
    let (one, two) = pair();
    one.reaches(&two);
    two.reaches(&one);
    const COUNT: usize = 3000;
    for number in 10_000..10_000 + COUNT {
        one.send(2, number);
        two.send(1, number);
    }
    for (member, from) in [(&two, 1), (&one, 2)] {
        for number in 10_000..10_000 + COUNT {
            let wanted = forward(from, member.node, number);
            let mut next = member.next_message();
            // What `reaches` had sent more than once may still be on its way.
            while next != wanted && number == 10_000 {
                next = member.next_message();
            }
            assert_eq!(next, wanted);
        }
        let stats = member.stats(from);
        assert!(stats.received_messages > COUNT as u64 && stats.received_bytes > stats.received_messages);
        assert_eq!(stats.state, PeerState::Connected);
    }
}

#[test]
fn both_members_are_told_of_the_connection_once() {
    let (one, two) = pair();
    one.reaches(&two);
    assert_eq!(one.next_event(), TransportEvent::Connected(NodeId(2)));
    two.reaches(&one);
    for event in one.events.try_iter() {
        assert_ne!(event, TransportEvent::Connected(NodeId(2)));
    }
}

#[test]
fn a_full_outbox_drops_and_the_sender_never_waits() {
    // This peer's connections are accepted by the system and never by anybody else, so the handshake hangs.
    let deaf = listener();
    let mut setup = Setup::new(1).knows(2, deaf.local_addr().unwrap().to_string());
    setup.options.max_queued_messages = 10;
    let one = setup.start();
    for number in 0..25 {
        one.send(2, number);
    }
    assert_eq!(one.stats(2).dropped_messages, 15);
    assert_eq!(one.stats(2).sent_messages, 0);
}

#[test]
fn a_slow_member_slows_its_peer_down_and_loses_nothing_that_was_sent() {
    let (one, two) = (Setup::new(1), Setup::new(2));
    let (first, second) = (one.address(), two.address());
    let (sender, events) = crossbeam_channel::bounded(1);
    let two = two.knows(1, first).start_into(sender, events);
    let one = one.knows(2, second).start();
    one.await_event(&TransportEvent::Connected(NodeId(2)));
    for number in 0..2000 {
        one.send(2, number);
    }
    for number in 0..2000 {
        assert_eq!(two.next_message(), forward(1, 2, number));
    }
}

#[test]
fn a_message_beyond_the_limit_is_dropped_by_its_sender_and_holds_nobody_up() {
    let (mut one, two) = (Setup::new(1), Setup::new(2));
    let (first, second) = (one.address(), two.address());
    one.options.max_frame_bytes = 1000;
    let two = two.knows(1, first).start();
    let one = one.knows(2, second).start();
    one.await_event(&TransportEvent::Connected(NodeId(2)));
    let commands = vec![Bytes::from(vec![7; 2000])];
    one.transport.send(Envelope { message: Message::Forward { commands }, ..forward(1, 2, 0) });
    one.send(2, 1);
    assert_eq!(two.next_message(), forward(1, 2, 1));
    one.log.await_line(&["WARN", "dropped a message", "beyond the limit of 1000"]);
    assert_eq!(one.stats(2).dropped_messages, 1);
}

#[test]
fn a_large_message_arrives_whole() {
    let (one, two) = pair();
    one.await_event(&TransportEvent::Connected(NodeId(2)));
    let commands = vec![Bytes::from(vec![7; 5 << 20]), Bytes::from_static(b"small")];
    let large = Envelope { message: Message::Forward { commands }, ..forward(1, 2, 0) };
    one.reaches(&two);
    one.transport.send(large.clone());
    while two.next_message() != large {}
}

#[test]
fn a_message_to_a_stranger_is_dropped() {
    let (one, two) = pair();
    one.send(77, 0);
    one.reaches(&two);
}

#[test]
fn the_second_address_is_tried_when_the_first_leads_nowhere() {
    let (one, two) = (Setup::new(1), Setup::new(2));
    let second = two.address();
    let two = two.knows(1, one.address()).start();
    let one = one.knows(2, nowhere()).knows(2, second).start();
    one.reaches(&two);
}

#[test]
fn a_configuration_that_cannot_work_is_refused_with_a_sentence() {
    let refusal = |change: fn(&mut TransportConfig)| {
        let mut config = TransportConfig {
            node_id: NodeId(1),
            cluster_id: CLUSTER,
            listeners: vec![listener()],
            peers: BTreeMap::from([(NodeId(2), vec![nowhere()])]),
            names: BTreeMap::new(),
            options: TransportOptions::default(),
        };
        change(&mut config);
        Transport::start(config, unbounded().0).err().map(|error| error.to_string())
    };
    assert_eq!(refusal(|_| {}), None);
    let own = refusal(|config| drop(config.peers.insert(NodeId(1), vec!["a:1".into()])));
    assert!(own.unwrap().contains("member 1 is listed among its own peers"));
    let homeless = refusal(|config| drop(config.peers.insert(NodeId(3), vec![])));
    assert!(homeless.unwrap().contains("peer 3 has no address"));
    let timeless = refusal(|config| config.options.connect_timeout = Duration::ZERO);
    assert!(timeless.unwrap().contains("connect_timeout must be a millisecond"));
    let hasty = refusal(|config| config.options.silence_timeout = config.options.keepalive_interval);
    assert!(hasty.unwrap().contains("silence_timeout must be twice"));
}
