//! Watching: every change of a range, in order, none lost, none twice.

use super::key_range::KeyRange;
use super::key_value::{KeyValue, Revision};

/// What a watcher wants to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchRequest {
    /// Changes of which keys.
    pub range: KeyRange,
    /// From which revision on, past or future; `None` means from the next change on.
    pub start_revision: Option<Revision>,
    /// Whether events carry the key as it was before.
    pub prev_kv: bool,
    /// Leave puts out.
    pub no_put: bool,
    /// Leave deletions out.
    pub no_delete: bool,
}

/// A change of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The key was set.
    Put {
        /// The key as it is since then.
        kv: KeyValue,
        /// The key as it was before, if that was asked for, it was there, and its history still is.
        prev_kv: Option<KeyValue>,
    },
    /// The key was deleted.
    Delete {
        /// Which key.
        key: bytes::Bytes,
        /// The revision of the deletion.
        revision: Revision,
        /// As for a put.
        prev_kv: Option<KeyValue>,
    },
}

impl Event {
    /// Which key has changed.
    pub fn key(&self) -> &bytes::Bytes {
        match self {
            Event::Put { kv, .. } => &kv.key,
            Event::Delete { key, .. } => key,
        }
    }

    /// The revision of the change.
    pub fn revision(&self) -> Revision {
        match self {
            Event::Put { kv, .. } => kv.mod_revision,
            Event::Delete { revision, .. } => *revision,
        }
    }
}

/// What a poll of a watcher gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchPoll {
    /// What is new since the last poll.
    Events {
        /// The events, by revision and within a revision in the order in which they happened; all events of a
        /// revision together. Empty if there is nothing new, or nothing yet (see `more`).
        events: Vec<Event>,
        /// The watcher has now been given every event up to and including this revision.
        complete_to: Revision,
        /// Whether it is worthwhile to poll again at once. If not, `wake` will be called when it is.
        more: bool,
    },
    /// The history that the watcher would need next is gone. It ends here: every later poll says the same.
    Compacted {
        /// The oldest revision from which a new watcher could start.
        revision: Revision,
    },
}
