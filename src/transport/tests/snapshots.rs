//! Snapshots on connections of their own.

use std::io::Write;

use super::*;
use crate::raft::{Membership, Position, Snapshot};

fn meta(index: u64) -> SnapshotMeta {
    let last = Position { term: Term(3), index: Index(index) };
    SnapshotMeta { last, membership: Membership::new([NodeId(1), NodeId(2)]) }
}

fn order(to: u64) -> SnapshotOrder {
    SnapshotOrder { to: NodeId(to), term: Term(4), meta: meta(10) }
}

fn content(length_bytes: usize) -> Vec<u8> {
    (0..length_bytes).map(|place| (place * 31 % 251) as u8).collect()
}

fn sent(to: u64, index: u64, delivered: bool) -> TransportEvent {
    TransportEvent::SnapshotSent { to: NodeId(to), index: Index(index), delivered }
}

impl Member {
    fn send_snapshot(
        &self,
        to: u64,
        source: impl Read + Send + 'static,
        length_bytes: usize,
    ) -> Result<(), SnapshotRefused> {
        self.log.record(|| {
            self.transport.send_snapshot(&order(to), Box::new(source), meta(12), length_bytes as u64)
        })
    }

    #[track_caller]
    fn never_gets_a_snapshot(&self) {
        for event in self.events.try_iter() {
            let snapshot = matches!(
                event,
                TransportEvent::Received(Envelope { message: Message::InstallSnapshot { .. }, .. })
            );
            assert!(!snapshot);
        }
    }
}

/// A source that says when it is in the middle, and stops there until the test lets it go on.
struct Gated {
    before: io::Cursor<Vec<u8>>,
    reached: crossbeam_channel::Sender<()>,
    gate: Receiver<Vec<u8>>,
    after: Option<io::Cursor<Vec<u8>>>,
}

impl Read for Gated {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.before.read(buffer)?;
        if read > 0 || buffer.is_empty() {
            return Ok(read);
        }
        if self.after.is_none() {
            self.reached.send(()).map_err(io::Error::other)?;
            let rest = self.gate.recv_timeout(PATIENCE).map_err(io::Error::other)?;
            self.after = Some(io::Cursor::new(rest));
        }
        self.after.as_mut().map_or(Ok(0), |after| after.read(buffer))
    }
}

/// A gated source, how it says that it is in the middle, and how it gets the rest.
fn gated(before: Vec<u8>) -> (Gated, Receiver<()>, crossbeam_channel::Sender<Vec<u8>>) {
    let (open, gate) = unbounded();
    let (reached, in_the_middle) = unbounded();
    (Gated { before: io::Cursor::new(before), reached, gate, after: None }, in_the_middle, open)
}

#[test]
fn a_snapshot_arrives_as_it_was_sent_and_is_reported_as_delivered() {
    let (one, two) = pair();
    for length_bytes in [5 << 20, 1, 0, snapshot_stream::CHUNK_BYTES] {
        let data = content(length_bytes);
        one.send_snapshot(2, io::Cursor::new(data.clone()), length_bytes).unwrap();
        let received = two.next_message();
        assert_eq!((received.from, received.to, received.term), (NodeId(1), NodeId(2), Term(4)));
        let snapshot = Snapshot { meta: meta(12), data: data.into() };
        assert!(received.message == Message::InstallSnapshot { snapshot });
        one.await_event(&sent(2, 12, true));
    }
}

#[test]
fn messages_pass_a_snapshot_by_and_only_one_goes_to_a_peer_at_a_time() {
    let (one, two) = pair();
    let data = content(3 << 20);
    let (source, in_the_middle, open) = gated(data[..1 << 20].to_vec());
    one.send_snapshot(2, source, data.len()).unwrap();
    in_the_middle.recv_timeout(PATIENCE).unwrap();
    one.reaches(&two);
    let second = one.send_snapshot(2, io::empty(), 0);
    assert!(matches!(second, Err(SnapshotRefused::UnderWay { to: NodeId(2) })));
    open.send(data[1 << 20..].to_vec()).unwrap();
    one.await_event(&sent(2, 12, true));
    // Once it has been reported, the next one may go.
    one.send_snapshot(2, io::empty(), 0).unwrap();
    one.await_event(&sent(2, 12, true));
}

#[test]
fn a_source_that_fails_or_has_the_wrong_length_is_reported_as_not_delivered() {
    let (one, two) = pair();
    let failing = content(1000).into_iter().collect::<std::collections::VecDeque<u8>>();
    one.send_snapshot(2, failing.chain(Failing), 2000).unwrap();
    one.await_event(&sent(2, 12, false));
    one.log.await_line(&["WARN", "a snapshot was not delivered", "the disk is gone"]);
    one.send_snapshot(2, io::Cursor::new(content(999)), 1000).unwrap();
    one.await_event(&sent(2, 12, false));
    one.send_snapshot(2, io::Cursor::new(content(1001)), 1000).unwrap();
    one.await_event(&sent(2, 12, false));
    one.log.await_line(&["WARN", "a snapshot was not delivered", "1000 bytes that it was said to have"]);
    // The source's own check comes at its end, behind the last byte.
    one.send_snapshot(2, io::Cursor::new(content(1000)).chain(Failing), 1000).unwrap();
    one.await_event(&sent(2, 12, false));
    one.reaches(&two);
    two.never_gets_a_snapshot();
}

struct Failing;

impl Read for Failing {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("the disk is gone"))
    }
}

#[test]
fn a_receiver_that_dies_in_the_middle_is_reported_as_not_delivered() {
    let (one, two) = pair();
    let data = content(8 << 20);
    let (source, in_the_middle, open) = gated(data[..1 << 20].to_vec());
    one.send_snapshot(2, source, data.len()).unwrap();
    in_the_middle.recv_timeout(PATIENCE).unwrap();
    drop(two);
    open.send(data[1 << 20..].to_vec()).unwrap();
    one.await_event(&sent(2, 12, false));
}

#[test]
fn a_peer_out_of_reach_is_reported_as_not_delivered() {
    let one = Setup::new(1).knows(2, nowhere()).start();
    one.send_snapshot(2, io::empty(), 0).unwrap();
    one.await_event(&sent(2, 12, false));
    let unknown = one.send_snapshot(77, io::empty(), 0);
    assert!(matches!(unknown, Err(SnapshotRefused::UnknownPeer { to: NodeId(77) })));
    one.transport.shutdown();
    assert!(matches!(one.send_snapshot(2, io::empty(), 0), Err(SnapshotRefused::Stopping)));
}

#[test]
fn a_snapshot_beyond_the_receivers_limit_is_refused_with_a_line_in_both_logs() {
    let (one, mut two) = (Setup::new(1), Setup::new(2));
    two.options.max_snapshot_bytes = 100;
    let (first, second) = (one.address(), two.address());
    let (one, two) = (one.knows(2, second).start(), two.knows(1, first).start());
    one.send_snapshot(2, io::repeat(1), 101).unwrap();
    one.await_event(&sent(2, 12, false));
    one.log.await_line(&["WARN", "a snapshot was not delivered", "beyond 100 bytes"]);
    two.log.await_line(&["WARN", "a snapshot of 101 bytes is beyond the limit of 100"]);
    two.never_gets_a_snapshot();
}

/// Plays a sender by hand that has announced 1,000 bytes and sends `bytes`.
fn is_cut(bytes: &[u8], reason: &str) {
    let two = Setup::new(2).knows(3, nowhere()).start();
    let mut stream = two.dial_as(3, Purpose::Snapshot);
    let offer = Offer { term: Term(4), meta: meta(12), length_bytes: 1000 };
    let mut offered = Vec::new();
    frame::append_value(&mut offered, 1000, &offer).unwrap();
    stream.write_all(&offered).unwrap();
    frame::read_single(&mut stream, 100).unwrap();
    stream.write_all(bytes).unwrap();
    await_close(&stream);
    two.log.await_line(&["WARN", "peer=3", reason]);
    assert!(two.events.is_empty());
}

fn chunk(length_bytes: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::append_frame(&mut bytes, 1 << 20, |body| {
        body.extend(content(length_bytes));
        Ok(())
    })
    .unwrap();
    bytes
}

#[test]
fn a_damaged_chunk_or_a_wrong_length_is_never_delivered() {
    let mut damaged = chunk(1000);
    damaged[500] ^= 1;
    is_cut(&damaged, "checksum");
    is_cut(&[chunk(999), chunk(0)].concat(), "announced with 1000 bytes and came with 999");
    is_cut(&[chunk(999), chunk(2)].concat(), "announced with 1000 bytes and came with 1001");
    is_cut(&chunk(snapshot_stream::CHUNK_BYTES + 1), "beyond the limit");
}

#[test]
fn a_shutdown_ends_a_snapshot_under_way() {
    let (mut one, two) = (Setup::new(1), Setup::new(2));
    one.options.snapshot_bytes_per_second = std::num::NonZeroU64::new(8);
    let (first, second) = (one.address(), two.address());
    let (one, _two) = (one.knows(2, second).start(), two.knows(1, first).start());
    one.send_snapshot(2, io::repeat(1), 1 << 30).unwrap();
    one.log.await_line(&["sending a snapshot"]);
    one.transport.shutdown();
    one.log.await_line(&["WARN", "a snapshot was not delivered"]);
}
