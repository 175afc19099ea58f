//! What a peer says wrong after its handshake costs it that connection, and costs nobody else anything.

use std::io::Write;

use super::*;
use crate::codec;

/// An envelope's frame.
fn framed(envelope: &Envelope) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::append_value(&mut bytes, 1 << 20, envelope).unwrap();
    bytes
}

fn flipped(mut bytes: Vec<u8>, byte: usize) -> Vec<u8> {
    bytes[byte] ^= 0x10;
    bytes
}

/// Member 3, played by hand, says something good and then `bytes`; members 1 and 2 have their own conversation.
fn is_cut(bytes: &[u8], reason: &str) {
    let (one, two) = (Setup::new(1), Setup::new(2));
    let (first, second) = (one.address(), two.address());
    let one = one.knows(2, second).start();
    let two = two.knows(1, first).knows(3, nowhere()).start();
    one.reaches(&two);

    let mut stream = two.dial_as(3, Purpose::Messages);
    stream.write_all(&framed(&forward(3, 2, 5))).unwrap();
    while two.next_message() != forward(3, 2, 5) {}
    stream.write_all(bytes).unwrap();
    await_close(&stream);
    two.log.await_line(&["WARN", "cut a peer's connection", "peer=3", "remote=127.0.0.1:", reason]);
    two.await_event(&TransportEvent::Disconnected(NodeId(3)));
    one.reaches(&two);
    assert!(two.events.try_iter().all(|event| event != TransportEvent::Disconnected(NodeId(1))));
}

#[test]
fn a_flipped_bit_closes_its_own_connection_and_other_traffic_goes_on() {
    let good = framed(&forward(3, 2, 5));
    let last = good.len() - 1;
    is_cut(&flipped(good.clone(), last), "checksum");
    is_cut(&flipped(good, 5), "checksum");
}

#[test]
fn a_frame_of_garbage_closes_its_own_connection_and_other_traffic_goes_on() {
    let mut junk = Vec::new();
    frame::append_frame(&mut junk, 1 << 20, |body| {
        body.extend_from_slice(&[0xee; 40]);
        Ok(())
    })
    .unwrap();
    is_cut(&junk, "makes no sense");
    let mut tail = Vec::new();
    frame::append_frame(&mut tail, 1 << 20, |body| {
        body.extend(codec::encode(&forward(3, 2, 5))?);
        body.push(0);
        Ok(())
    })
    .unwrap();
    is_cut(&tail, "makes no sense");
}

#[test]
fn an_oversized_frame_closes_its_own_connection_and_other_traffic_goes_on() {
    is_cut(&[0xff; 100], "a frame of 4294967295 bytes is beyond the limit of 67108864");
}

#[test]
fn a_message_that_does_not_fit_the_handshake_closes_its_own_connection() {
    is_cut(&framed(&forward(1, 2, 5)), "a message from 1 to 2 has no business");
    is_cut(&framed(&forward(3, 1, 5)), "a message from 3 to 1 has no business");
}

#[test]
fn an_envelope_is_the_same_after_its_journey_in_pieces() {
    let two = Setup::new(2).knows(3, nowhere()).start();
    let mut stream = two.dial_as(3, Purpose::Messages);
    for byte in framed(&forward(3, 2, 123_456)) {
        stream.write_all(&[byte]).unwrap();
    }
    assert_eq!(two.next_message(), forward(3, 2, 123_456));
}
