//! A log of one member's own, which a test can read.

use std::fmt::{Debug, Write};

use crossbeam_channel::{Receiver, Sender, unbounded};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber, dispatcher};

use super::PATIENCE;

/// The lines that one member has logged.
pub(super) struct Log {
    dispatch: dispatcher::Dispatch,
    lines: Receiver<String>,
}

impl Log {
    pub(super) fn new() -> Log {
        let (sender, lines) = unbounded();
        Log { dispatch: dispatcher::Dispatch::new(Recorder(sender)), lines }
    }

    /// Does some work whose log, and that of the threads that it starts, is recorded.
    pub(super) fn record<R>(&self, work: impl FnOnce() -> R) -> R {
        dispatcher::with_default(&self.dispatch, work)
    }

    /// Passes over lines until one has all of these parts.
    #[track_caller]
    pub(super) fn await_line(&self, parts: &[&str]) -> String {
        let mut seen = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) if parts.iter().all(|part| line.contains(part)) => return line,
                Ok(line) => seen.push(line),
                Err(_) => panic!("no line with {parts:?} among {seen:#?}"),
            }
        }
    }

    /// The lines that were not looked at yet.
    pub(super) fn rest(&self) -> Vec<String> {
        self.lines.try_iter().collect()
    }
}

struct Recorder(Sender<String>);

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::INFO && metadata.target().starts_with("raftwright::transport")
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        // A line after the test's end interests nobody.
        let _ = self.0.send(line.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}
