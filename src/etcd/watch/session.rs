//! One stream: its requests, its watches, its answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tokio_stream::StreamExt;
use tonic::Status;

use super::Requests;
use super::batches::batches;
use crate::etcd::errors;
use crate::etcd::header::{header, header_without_revision, signed};
use crate::etcd::proto::etcdserverpb::watch_create_request::FilterType;
use crate::etcd::proto::etcdserverpb::watch_request::RequestUnion;
use crate::etcd::proto::etcdserverpb::{WatchCreateRequest, WatchRequest, WatchResponse};
use crate::etcd::service::{Service, shut};
use crate::server::{RequestError, Watch};
use crate::store::{Event, KeyRange, Revision, StoreError, WatchPoll, WatchRequest as StoreWatch};

/// How many events a watch is given at a time, before the others have their turn.
const EVENTS_A_POLL: usize = 1_000;

/// Not the id of any watch: of answers about the whole stream, and about a watch that could not be created.
const NO_WATCH: i64 = -1;

/// For so many checks in a row there must have been no leader before a client that requires one is told.
const MISSED_LEADERS: u32 = 3;

/// The session is over: its client is gone, or it has been told why.
struct Over;

type Step<T = ()> = Result<T, Over>;

/// A stream and its watches.
pub(super) struct Session {
    service: Service,
    requires_leader: bool,
    answers: mpsc::Sender<Result<WatchResponse, Status>>,
    watches: BTreeMap<i64, OpenWatch>,
    /// Where the search for a free id goes on.
    next_id: i64,
    ready: Arc<Ready>,
    /// How many checks in a row have found no leader.
    without_leader: u32,
}

struct OpenWatch {
    watch: Watch,
    progress_notify: bool,
    /// Whether its client can put messages together that are cut within a revision.
    fragment: bool,
    /// Nothing was sent since the last tick of the progress clock.
    quiet: bool,
    /// It has been given every event up to this revision.
    complete_to: Revision,
}

/// The watches that may have news. The store's threads put ids in, the session takes them out.
#[derive(Default)]
struct Ready {
    ids: Mutex<BTreeSet<i64>>,
    news: Notify,
}

impl Ready {
    fn insert(&self, id: i64) {
        if self.lock().insert(id) {
            self.news.notify_one();
        }
    }

    fn take(&self) -> BTreeSet<i64> {
        std::mem::take(&mut *self.lock())
    }

    /// A set of numbers is whole whatever panicked beside it.
    fn lock(&self) -> MutexGuard<'_, BTreeSet<i64>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Session {
    pub(super) fn new(
        service: Service,
        requires_leader: bool,
        answers: mpsc::Sender<Result<WatchResponse, Status>>,
    ) -> Session {
        Session {
            service,
            requires_leader,
            answers,
            watches: BTreeMap::new(),
            next_id: 0,
            ready: Arc::default(),
            without_leader: 0,
        }
    }

    /// Serves the stream until it is over.
    pub(super) async fn run(mut self, mut requests: Requests) {
        let ready = self.ready.clone();
        let answers = self.answers.clone();
        let mut closing = self.service.closing.clone();
        let mut progress_clock = clock(self.service.options.watch_progress_interval);
        let mut leader_clock = clock(self.service.options.leader_check_interval);
        let mut requests_open = true;
        loop {
            let step = tokio::select! {
                request = requests.next(), if requests_open => match request {
                    Some(Ok(request)) => self.take_request(request).await,
                    Some(Err(_)) => Err(Over),
                    // The client has said all that it has to say, and goes on listening.
                    None => {
                        requests_open = false;
                        Ok(())
                    }
                },
                () = ready.news.notified() => self.deliver().await,
                _ = progress_clock.tick() => self.notify_progress().await,
                _ = leader_clock.tick(), if self.requires_leader => self.check_leader().await,
                () = answers.closed() => Err(Over),
                () = shut(&mut closing) => self.end(errors::stopped()).await,
            };
            if step.is_err() {
                return;
            }
        }
    }

    async fn take_request(&mut self, request: WatchRequest) -> Step {
        match request.request_union {
            Some(RequestUnion::CreateRequest(request)) => self.create(request).await,
            Some(RequestUnion::CancelRequest(request)) => self.cancel(request.watch_id).await,
            Some(RequestUnion::ProgressRequest(_)) => self.report_progress().await,
            // etcd, too, takes an empty request for none.
            None => Ok(()),
        }
    }

    async fn create(&mut self, request: WatchCreateRequest) -> Step {
        let revision = self.service.handle.status().revision;
        let head = header(&self.service.handle, revision);
        let created =
            |watch_id| WatchResponse { header: Some(head), watch_id, created: true, ..Default::default() };
        let refused = |reason: &str| WatchResponse {
            canceled: true,
            cancel_reason: reason.to_string(),
            ..created(NO_WATCH)
        };
        let range = read_range(&request);
        if range.is_empty() {
            return self.send(refused("mvcc: watcher range is empty")).await;
        }
        let Some(id) = self.free_id(request.watch_id) else {
            return self.send(refused("mvcc: duplicate watch ID provided on the WatchStream")).await;
        };

        let ready = self.ready.clone();
        let wanted = StoreWatch {
            range,
            // Before the first revision there is nothing, so that a negative one means "all that there is".
            start_revision: match request.start_revision {
                // After the revision that the client is told.
                0 => Some(revision.next()),
                start => Some(Revision(u64::try_from(start).unwrap_or(1))),
            },
            prev_kv: request.prev_kv,
            no_put: request.filters.contains(&FilterType::Noput.into()),
            no_delete: request.filters.contains(&FilterType::Nodelete.into()),
        };
        let watch = match self.service.handle.watch(wanted, Arc::new(move || ready.insert(id))) {
            Ok(watch) => watch,
            Err(RequestError::Store(StoreError::EmptyRange)) => {
                return self.send(refused("mvcc: watcher range is empty")).await;
            }
            Err(error) => return self.send(refused(errors::status(error).message())).await,
        };
        self.send(created(id)).await?;
        let open = OpenWatch {
            watch,
            progress_notify: request.progress_notify,
            fragment: request.fragment,
            quiet: true,
            complete_to: revision,
        };
        self.watches.insert(id, open);
        // There may be history to deliver, and a wake-up call may have come before the watch was here.
        self.ready.insert(id);
        Ok(())
    }

    /// The id for a new watch: the one that is asked for, if it is free, or for 0 the next free one, from 0 on.
    fn free_id(&mut self, wanted: i64) -> Option<i64> {
        if wanted != 0 {
            return (!self.watches.contains_key(&wanted)).then_some(wanted);
        }
        while self.watches.contains_key(&self.next_id) {
            self.next_id = self.next_id.wrapping_add(1);
        }
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        Some(id)
    }

    async fn cancel(&mut self, id: i64) -> Step {
        if self.watches.remove(&id).is_none() {
            return Ok(());
        }
        let revision = self.service.handle.status().revision;
        self.send(WatchResponse {
            header: Some(header(&self.service.handle, revision)),
            watch_id: id,
            canceled: true,
            ..Default::default()
        })
        .await
    }

    /// Gives every watch that may have news one turn.
    async fn deliver(&mut self) -> Step {
        for id in self.ready.take() {
            if self.poll(id).await? {
                self.ready.insert(id);
            }
        }
        Ok(())
    }

    /// Polls a watch and sends what is new. Returns whether there is more.
    async fn poll(&mut self, id: i64) -> Step<bool> {
        let Some(open) = self.watches.get_mut(&id) else {
            return Ok(false);
        };
        match open.watch.poll(EVENTS_A_POLL) {
            WatchPoll::Events { events, complete_to, more } => {
                open.complete_to = complete_to;
                open.quiet &= events.is_empty();
                let fragment = open.fragment;
                self.send_events(id, events, complete_to, fragment).await?;
                Ok(more)
            }
            WatchPoll::Compacted { revision } => {
                self.watches.remove(&id);
                self.send(WatchResponse {
                    header: Some(header_without_revision(&self.service.handle.status())),
                    watch_id: id,
                    canceled: true,
                    compact_revision: signed(revision.0),
                    ..Default::default()
                })
                .await?;
                Ok(false)
            }
        }
    }

    async fn send_events(
        &mut self,
        id: i64,
        events: Vec<Event>,
        complete_to: Revision,
        fragment: bool,
    ) -> Step {
        let fragment_bytes = fragment.then(|| self.service.max_message_bytes());
        for batch in batches(events, complete_to, fragment_bytes) {
            self.send(WatchResponse {
                header: Some(header(&self.service.handle, batch.complete_to)),
                watch_id: id,
                fragment: batch.unfinished,
                events: batch.events,
                ..Default::default()
            })
            .await?;
        }
        Ok(())
    }

    /// Answers a progress request: every event up to the header's revision has been sent on this stream.
    async fn report_progress(&mut self) -> Step {
        let now = self.service.handle.status().revision;
        let ids: Vec<i64> = self.watches.keys().copied().collect();
        for id in ids {
            while self.poll(id).await? && self.watches.get(&id).is_some_and(|open| open.complete_to < now) {}
        }
        let revision = self.watches.values().map(|open| open.complete_to).min().unwrap_or(now);
        self.send(WatchResponse {
            header: Some(header(&self.service.handle, revision)),
            watch_id: NO_WATCH,
            ..Default::default()
        })
        .await
    }

    /// Tells the watches that asked for it, and that had nothing to tell for a while, how far they have come.
    async fn notify_progress(&mut self) -> Step {
        let ids: Vec<i64> =
            self.watches.iter().filter(|(_, open)| open.progress_notify).map(|(id, _)| *id).collect();
        for id in ids {
            let more = self.poll(id).await?;
            let Some(open) = self.watches.get_mut(&id) else {
                continue;
            };
            let (quiet, revision) = (std::mem::replace(&mut open.quiet, true), open.complete_to);
            if more {
                self.ready.insert(id);
            } else if quiet {
                self.send(WatchResponse {
                    header: Some(header(&self.service.handle, revision)),
                    watch_id: id,
                    ..Default::default()
                })
                .await?;
            }
        }
        Ok(())
    }

    async fn check_leader(&mut self) -> Step {
        match self.service.handle.status().leader {
            Some(_) => self.without_leader = 0,
            None => self.without_leader += 1,
        }
        if self.without_leader < MISSED_LEADERS { Ok(()) } else { self.end(errors::no_leader()).await }
    }

    /// Sends an answer, and waits for a client that is slow to read.
    async fn send(&self, answer: WatchResponse) -> Step {
        self.answers.send(Ok(answer)).await.map_err(|_| Over)
    }

    /// Tells the client why this is the end.
    async fn end(&self, why: Status) -> Step {
        // If the client is gone, there is nobody to tell.
        let _ = self.answers.send(Err(why)).await;
        Err(Over)
    }
}

/// What a watch's request means by its keys. An empty key stands for the least one.
fn read_range(request: &WatchCreateRequest) -> KeyRange {
    let key = if request.key.is_empty() { vec![0].into() } else { request.key.clone() };
    KeyRange::from_etcd(key, request.range_end.clone())
}

/// A clock whose first tick is one period away, and which does not catch up on what it missed.
fn clock(period: std::time::Duration) -> Interval {
    let mut clock = interval_at(Instant::now() + period, period);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    clock
}
