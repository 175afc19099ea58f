//! Cuts events into messages.

use prost::Message;

use crate::etcd::header::event as message;
use crate::etcd::proto::mvccpb;
use crate::store::{Event, Revision};

/// A message is closed when it holds so much, so that a long history of large values is never encoded as one.
const COMFORTABLE_BYTES: usize = 1 << 20;

/// The events of one message.
#[derive(Debug, PartialEq)]
pub(super) struct Batch {
    /// What happened.
    pub events: Vec<mvccpb::Event>,
    /// With this batch, and those before it, the client has every event up to this revision.
    pub complete_to: Revision,
    /// The last revision goes on in the next batch.
    pub unfinished: bool,
}

/// Cuts `events`, which end at `complete_to`, into messages of a comfortable size. A revision stays in one message,
/// unless the client allows that it be cut where a message would be over `fragment_bytes`.
pub(super) fn batches(
    events: Vec<Event>,
    complete_to: Revision,
    fragment_bytes: Option<usize>,
) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    let mut size_bytes = 0;
    for event in events {
        let revision = event.revision();
        let event = message(event);
        let event_bytes = event.encoded_len();
        match batches.last_mut() {
            Some(batch) if batch.complete_to == revision => {
                // The same revision goes on.
                let full = fragment_bytes.is_some_and(|limit| size_bytes + event_bytes > limit);
                if !full {
                    size_bytes += event_bytes;
                    batch.events.push(event);
                    continue;
                }
                batch.unfinished = true;
            }
            Some(batch) if size_bytes + event_bytes <= COMFORTABLE_BYTES => {
                size_bytes += event_bytes;
                batch.complete_to = revision;
                batch.events.push(event);
                continue;
            }
            Some(_) | None => {}
        }
        size_bytes = event_bytes;
        batches.push(Batch { events: vec![event], complete_to: revision, unfinished: false });
    }
    if let Some(last) = batches.last_mut() {
        last.complete_to = complete_to;
    }
    // An unfinished revision is not complete: what comes before it is.
    for batch in batches.iter_mut().filter(|batch| batch.unfinished) {
        batch.complete_to = batch.complete_to.previous();
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::KeyValue;

    fn put(revision: u64, value_bytes: usize) -> Event {
        let kv = KeyValue {
            key: "k".into(),
            value: vec![b'v'; value_bytes].into(),
            create_revision: Revision(revision),
            mod_revision: Revision(revision),
            version: 1,
            lease: None,
        };
        Event::Put { kv, prev_kv: None }
    }

    fn shape(batches: &[Batch]) -> Vec<(usize, u64, bool)> {
        batches.iter().map(|batch| (batch.events.len(), batch.complete_to.0, batch.unfinished)).collect()
    }

    #[test]
    fn no_events_are_no_message() {
        assert_eq!(batches(vec![], Revision(9), None), vec![]);
    }

    #[test]
    fn small_events_share_a_message_that_says_how_far_the_watch_has_come() {
        let events = vec![put(2, 10), put(3, 10), put(3, 10), put(5, 10)];
        assert_eq!(shape(&batches(events, Revision(8), None)), [(4, 8, false)]);
    }

    #[test]
    fn a_message_is_closed_when_it_is_full_but_never_within_a_revision() {
        let large = COMFORTABLE_BYTES / 2 + 1;
        let events = vec![put(2, large), put(3, large), put(3, large), put(3, large), put(4, 1)];
        assert_eq!(shape(&batches(events, Revision(4), None)), [(1, 2, false), (3, 3, false), (1, 4, false)]);
    }

    #[test]
    fn a_client_that_allows_it_gets_a_large_revision_in_fragments() {
        let events = vec![put(2, 600), put(2, 600), put(2, 600), put(3, 1)];
        let fragments = batches(events, Revision(3), Some(1_000));
        assert_eq!(shape(&fragments), [(1, 1, true), (1, 1, true), (2, 3, false)]);
    }
}
