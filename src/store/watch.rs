//! Watching: every change of a range, in order, none lost, none twice.
//!
//! A watcher is *in step* or *lagging*. While it is in step, the writer puts each change into its buffer. The buffer is
//! bounded: when it is full, the watcher turns lagging, and the writer leaves it alone. A lagging watcher reads on from
//! the history at its own pace, in its own thread; once it has read all, it is in step again. That last moment is safe
//! because a poll holds the store for reading, so that no change can slip in between. A slow watcher therefore costs a
//! writer nothing, and the store no memory beyond the bound.
//!
//! Locks, in the order in which they are taken: the store (by the caller), the registry, one watcher's state.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::history::History;
use super::key_range::KeyRange;
use super::key_value::{KeyValue, Revision};
use super::state::Store;
use super::watch_index::WatchIndex;

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

impl WatchRequest {
    /// Everything that will happen to `range`.
    pub fn new(range: KeyRange) -> WatchRequest {
        WatchRequest { range, start_revision: None, prev_kv: false, no_put: false, no_delete: false }
    }

    fn wants(&self, event: &Event) -> bool {
        match event {
            Event::Put { .. } => !self.no_put,
            Event::Delete { .. } => !self.no_delete,
        }
    }

    fn tailor(&self, mut event: Event) -> Event {
        if !self.prev_kv {
            let (Event::Put { prev_kv, .. } | Event::Delete { prev_kv, .. }) = &mut event;
            *prev_kv = None;
        }
        event
    }
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
        key: Bytes,
        /// The revision of the deletion.
        revision: Revision,
        /// As for a put.
        prev_kv: Option<KeyValue>,
    },
}

impl Event {
    /// Which key has changed.
    pub fn key(&self) -> &Bytes {
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

/// Called when a poll would yield something and the last one said that there is no more.
///
/// It is called by the writer, once for each time that the watcher has run dry, and once before `Store::watch` returns if
/// the watch starts in the past. It must be quick and must not call into the store or its watchers; sending a message that
/// somebody else takes up is what it is for.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// How many events wait in a watcher's buffer at most before it is left to the history.
pub(super) const BUFFER_EVENTS: usize = 1024;

/// How many revisions of the history one poll looks at, at most, while it holds the store for reading.
const SCAN_REVISIONS: usize = 4096;

/// Follows the changes of a range. Dropping it ends the watch.
pub struct Watcher {
    id: u64,
    shared: Arc<Shared>,
    registry: Registry,
}

/// What a watcher and the writer share.
struct Shared {
    request: WatchRequest,
    buffer_events: usize,
    wake: Wake,
    state: Mutex<State>,
}

/// Where a watcher stands.
struct State {
    /// Events for the next polls, oldest first.
    buffer: VecDeque<Arc<Event>>,
    /// Whether the writer is to fill the buffer.
    in_step: bool,
    /// Where the watcher goes on behind its buffer: in step, it takes no event below this; lagging, it reads on here.
    next: Revision,
    /// Whether to wake it with the next event.
    waiting: bool,
    /// Set once the history that it needs is gone: the floor at that time.
    ended: Option<Revision>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in here panics halfway through a change of what is locked, so that a poisoned lock is as good as any.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Watcher {
    /// Takes up to `max_events` events, or more if the last revision has more: a revision is never split.
    ///
    /// `store` must be the one that was asked for the watcher, held for reading for as long as this call takes. When the
    /// answer says that there is no more, `wake` will be called once there is.
    pub fn poll(&mut self, store: &Store, max_events: usize) -> WatchPoll {
        let max_events = max_events.max(1);
        let mut state = lock(&self.shared.state);
        let mut events = state.take(max_events, &self.shared.request);
        if state.buffer.is_empty() && !state.in_step && events.len() < max_events {
            let oldest = store.history().oldest();
            if state.next >= oldest {
                state.read_on(store.history(), &self.shared.request, max_events, &mut events);
            } else if events.is_empty() {
                return WatchPoll::Compacted { revision: *state.ended.get_or_insert(oldest) };
            }
        }
        let more = !state.buffer.is_empty() || !state.in_step;
        state.waiting = !more;
        let complete_to = match state.buffer.front() {
            Some(event) => event.revision().previous(),
            None if !state.in_step => state.next.previous(),
            None => store.revision(),
        };
        WatchPoll::Events { events, complete_to, more }
    }

    /// What it was asked to watch.
    pub fn request(&self) -> &WatchRequest {
        &self.shared.request
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        lock(&self.registry.0).index.remove(&self.shared.request.range, self.id);
    }
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher").field("id", &self.id).field("request", &self.shared.request).finish()
    }
}

impl State {
    /// Moves events out of the buffer, whole revisions, until there are `max_events`.
    fn take(&mut self, max_events: usize, request: &WatchRequest) -> Vec<Event> {
        let mut events: Vec<Event> = Vec::new();
        while let Some(next) = self.buffer.front() {
            let begins_a_revision = events.last().is_none_or(|last| last.revision() != next.revision());
            if begins_a_revision && events.len() >= max_events {
                break;
            }
            events.extend(self.buffer.pop_front().map(|event| request.tailor(Arc::unwrap_or_clone(event))));
        }
        events
    }

    /// Reads on from the history, whole revisions, until there are `max_events` or enough was looked at.
    fn read_on(
        &mut self,
        history: &History,
        request: &WatchRequest,
        max_events: usize,
        events: &mut Vec<Event>,
    ) {
        for _ in 0..SCAN_REVISIONS {
            if self.next > history.revision() || events.len() >= max_events {
                break;
            }
            let changed = history.changes_at(self.next).iter().filter(|key| request.range.contains(key));
            let found = changed.filter_map(|key| history.event(key, self.next));
            events.extend(found.filter(|event| request.wants(event)).map(|event| request.tailor(event)));
            self.next = self.next.next();
        }
        self.in_step = self.next > history.revision();
    }

    /// Puts an event into the buffer, or turns lagging. Says whether the watcher is to be woken.
    fn offer(&mut self, event: &Arc<Event>, buffer_events: usize) -> bool {
        let revision = event.revision();
        if !self.in_step || revision < self.next {
            return false;
        }
        if self.buffer.len() < buffer_events {
            self.buffer.push_back(event.clone());
        } else {
            // The history gives revisions whole: what the buffer holds of this one already must go again.
            while self.buffer.back().is_some_and(|last| last.revision() == revision) {
                self.buffer.pop_back();
            }
            self.in_step = false;
            self.next = revision;
        }
        std::mem::take(&mut self.waiting)
    }
}

/// All watchers of a store. Clones mean the same one, so that a watcher can take itself off the list.
#[derive(Clone)]
pub(super) struct Registry(Arc<Mutex<Watchers>>);

struct Watchers {
    registered: u64,
    index: WatchIndex<Arc<Shared>>,
}

impl Registry {
    pub(super) fn new() -> Registry {
        Registry(Arc::new(Mutex::new(Watchers { registered: 0, index: WatchIndex::new() })))
    }

    /// How many watchers there are.
    pub(super) fn len(&self) -> usize {
        lock(&self.0).index.len()
    }

    /// Adds a watcher to a store that stands at `revision`.
    pub(super) fn register(
        &self,
        request: WatchRequest,
        buffer_events: usize,
        wake: Wake,
        revision: Revision,
    ) -> Watcher {
        let next = request.start_revision.unwrap_or(revision.next());
        let in_step = next > revision;
        let state = State { buffer: VecDeque::new(), in_step, next, waiting: in_step, ended: None };
        let shared = Arc::new(Shared { request, buffer_events, wake, state: Mutex::new(state) });
        let mut watchers = lock(&self.0);
        watchers.registered += 1;
        let id = watchers.registered;
        watchers.index.insert(&shared.request.range, id, shared.clone());
        drop(watchers);
        if !in_step {
            (shared.wake)();
        }
        Watcher { id, shared, registry: self.clone() }
    }

    /// Hands the changes of the history's latest revision to all whom they concern.
    pub(super) fn publish(&self, history: &History) {
        let revision = history.revision();
        let mut to_wake: Vec<Arc<Shared>> = Vec::new();
        let watchers = lock(&self.0);
        if watchers.index.len() == 0 {
            return;
        }
        for key in history.changes_at(revision) {
            // Made once, by the first watcher that there is, and shared by all.
            let mut event: Option<Arc<Event>> = None;
            watchers.index.watching(key, |watcher| {
                if event.is_none() {
                    event = history.event(key, revision).map(Arc::new);
                }
                let Some(event) = event.as_ref().filter(|event| watcher.request.wants(event)) else { return };
                if lock(&watcher.state).offer(event, watcher.buffer_events) {
                    to_wake.push(watcher.clone());
                }
            });
        }
        drop(watchers);
        to_wake.iter().for_each(|watcher| (watcher.wake)());
    }

    /// Lets all watchers go on from a history that takes the place of one that stood at `revision`.
    pub(super) fn carry_over(&self, revision: Revision) {
        let mut to_wake: Vec<Arc<Shared>> = Vec::new();
        lock(&self.0).index.for_each(|watcher| {
            let mut state = lock(&watcher.state);
            if state.in_step {
                state.in_step = false;
                state.next = state.next.max(revision.next());
            }
            if std::mem::take(&mut state.waiting) {
                to_wake.push(watcher.clone());
            }
        });
        to_wake.iter().for_each(|watcher| (watcher.wake)());
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} watchers", self.len())
    }
}
