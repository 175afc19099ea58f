//! Between our types and the schema's: the header of every answer, keys, events, and numbers.

use super::proto::{etcdserverpb as pb, mvccpb};
use crate::server::{Handle, ServerStatus};
use crate::store::{Event, KeyValue, LeaseId, Revision};

/// The header of an answer that tells where the store stands.
pub(super) fn header(handle: &Handle, revision: Revision) -> pb::ResponseHeader {
    pb::ResponseHeader { revision: signed(revision.0), ..header_without_revision(&handle.status()) }
}

/// The header of an answer about members, or of a watch's end: etcd leaves the revision out of these.
pub(super) fn header_without_revision(status: &ServerStatus) -> pb::ResponseHeader {
    pb::ResponseHeader {
        cluster_id: status.cluster_id,
        member_id: status.member_id.0,
        revision: 0,
        raft_term: status.term.0,
    }
}

/// The schema's signed form of a number that is never negative. What does not fit, which nothing does, is cut.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A lease of a request: 0 is none.
pub(super) fn lease(id: i64) -> Option<LeaseId> {
    (id != 0).then_some(LeaseId(id))
}

/// A key in the schema's form. Keys and values are shared, not copied.
pub(super) fn key_value(kv: KeyValue) -> mvccpb::KeyValue {
    mvccpb::KeyValue {
        key: kv.key,
        create_revision: signed(kv.create_revision.0),
        mod_revision: signed(kv.mod_revision.0),
        version: signed(kv.version),
        value: kv.value,
        lease: kv.lease.map_or(0, |lease| lease.0),
    }
}

/// An event in the schema's form.
pub(super) fn event(event: Event) -> mvccpb::Event {
    use mvccpb::event::EventType;
    match event {
        Event::Put { kv, prev_kv } => mvccpb::Event {
            r#type: EventType::Put.into(),
            kv: Some(key_value(kv)),
            prev_kv: prev_kv.map(key_value),
        },
        Event::Delete { key, revision, prev_kv } => mvccpb::Event {
            r#type: EventType::Delete.into(),
            kv: Some(mvccpb::KeyValue { key, mod_revision: signed(revision.0), ..Default::default() }),
            prev_kv: prev_kv.map(key_value),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deletion_tells_only_the_key_and_its_revision() {
        let event = event(Event::Delete { key: "k".into(), revision: Revision(38), prev_kv: None });
        let kv = event.kv.unwrap();
        assert_eq!((event.r#type, &kv.key[..], kv.mod_revision), (1, &b"k"[..], 38));
        assert_eq!((kv.create_revision, kv.version), (0, 0));
    }

    #[test]
    fn a_number_too_large_for_the_schema_is_cut_and_never_negative() {
        assert_eq!(signed(7), 7);
        assert_eq!(signed(u64::MAX), i64::MAX);
    }
}
