//! How threads that block are told to stop: every socket in use is a [`Line`] that any thread can hang up.
//!
//! A reader blocks in two places: on its socket and on the bounded channel of events. Hanging up shuts the socket,
//! which ends a read or a write in flight, and declares an [`Ending`], for which the delivery of an event waits as
//! well.

use std::convert::Infallible;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, bounded, select};

use super::TransportEvent;

/// Locks, whatever became of an earlier holder: no invariant here spans a panic.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Something that happens once and for which blocked threads can wait: the sending half of an empty channel is
/// dropped.
pub(super) struct Ending {
    sender: Mutex<Option<Sender<Infallible>>>,
    receiver: Receiver<Infallible>,
}

impl Ending {
    pub(super) fn new() -> Ending {
        let (sender, receiver) = bounded(0);
        Ending { sender: Mutex::new(Some(sender)), receiver }
    }

    /// Declares the end. It may be declared more than once.
    pub(super) fn declare(&self) {
        lock(&self.sender).take();
    }

    pub(super) fn is_declared(&self) -> bool {
        matches!(self.receiver.try_recv(), Err(TryRecvError::Disconnected))
    }

    /// Waits for the end.
    pub(super) fn wait(&self) {
        // Nothing can be sent, so this returns when the sender is dropped and not before.
        let _ = self.receiver.recv();
    }

    /// Waits for the end, but no longer than this. `true`: it has come.
    pub(super) fn wait_timeout(&self, timeout: Duration) -> bool {
        matches!(self.receiver.recv_timeout(timeout), Err(RecvTimeoutError::Disconnected))
    }
}

/// The way to the member's own thread. The channel is bounded: who delivers waits for a slow member, and TCP makes
/// the peer wait in turn.
pub(super) struct Events(pub(super) Sender<TransportEvent>);

impl Events {
    /// Delivers, unless `unless` is declared before there is room. `false`: not delivered.
    pub(super) fn deliver(&self, event: TransportEvent, unless: &Ending) -> bool {
        select! {
            send(self.0, event) -> outcome => outcome.is_ok(),
            recv(unless.receiver) -> _ => false,
        }
    }
}

/// A connection in use.
pub(super) struct Line {
    pub(super) stream: TcpStream,
    pub(super) remote: SocketAddr,
    /// Somebody wants this line to end.
    pub(super) hung_up: Ending,
    /// The thread that served the line has done its last deed.
    pub(super) left: Ending,
}

impl Line {
    pub(super) fn new(stream: TcpStream, remote: SocketAddr) -> Line {
        Line { stream, remote, hung_up: Ending::new(), left: Ending::new() }
    }

    /// Ends the line: whoever blocks on it comes back at once.
    pub(super) fn hang_up(&self) {
        self.hung_up.declare();
        // It fails where the connection is gone already, which is what we want.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// All lines in use, so that a shutdown finds them.
#[derive(Default)]
pub(super) struct Switchboard {
    state: Mutex<Board>,
}

#[derive(Default)]
struct Board {
    closed: bool,
    lines: Vec<Weak<Line>>,
}

impl Switchboard {
    /// Makes a line known. After [`Switchboard::close`] it is hung up at once.
    pub(super) fn plug_in(&self, line: Line) -> Arc<Line> {
        let line = Arc::new(line);
        let mut board = lock(&self.state);
        if board.closed {
            line.hang_up();
        } else {
            board.lines.retain(|line| line.strong_count() > 0);
            board.lines.push(Arc::downgrade(&line));
        }
        drop(board);
        line
    }

    /// Hangs up every line, and every one that is still to come.
    pub(super) fn close(&self) {
        let mut board = lock(&self.state);
        board.closed = true;
        for line in board.lines.drain(..).filter_map(|line| line.upgrade()) {
            line.hang_up();
        }
    }
}
