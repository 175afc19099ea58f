//! Who may ask this process to stop: a person or a service manager by a signal, a parent by going away.
//!
//! The first SIGINT or SIGTERM asks for an orderly end; a second one means "now", and ends the process at once. Two at
//! the same moment are one: the terminal sends Ctrl-C to all processes in it, and wrappers pass it on once more.

use std::fmt;
use std::io::{self, Read};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Signals that are no further apart than this are one request.
const SAME_REQUEST: Duration = Duration::from_millis(250);

/// Why to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopRequest {
    /// SIGINT, as Ctrl-C sends it.
    Interrupt,
    /// SIGTERM, as service managers send it.
    Terminate,
    /// The standard input has ended: who started this process is gone, or wants it gone.
    ParentGone,
}

/// Begins to listen for signals and, if `supervised`, for the end of the standard input.
///
/// # Errors
/// If the system refuses a handler or a thread.
pub fn listen(supervised: bool) -> io::Result<Receiver<StopRequest>> {
    let (requests, stop) = crossbeam_channel::unbounded();
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    let to_main = requests.clone();
    thread::Builder::new().name("signals".into()).spawn(move || forward_signals(&mut signals, &to_main))?;
    if supervised {
        thread::Builder::new().name("parent".into()).spawn(move || {
            wait_for_end(io::stdin().lock());
            let _ = requests.send(StopRequest::ParentGone);
        })?;
    }
    Ok(stop)
}

fn forward_signals(signals: &mut Signals, requests: &Sender<StopRequest>) {
    let mut first_asked: Option<Instant> = None;
    for signal in signals.forever() {
        match first_asked {
            Some(asked) if asked.elapsed() > SAME_REQUEST => std::process::exit(128 + signal),
            Some(_) => continue,
            None => first_asked = Some(Instant::now()),
        }
        let request = if signal == SIGINT { StopRequest::Interrupt } else { StopRequest::Terminate };
        let _ = requests.send(request);
    }
}

/// Returns when there is nothing more to read. What comes before is nobody's business here.
fn wait_for_end(mut input: impl Read) {
    let mut buffer = [0; 256];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return,
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return,
            _ => {}
        }
    }
}

impl fmt::Display for StopRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StopRequest::Interrupt => "received SIGINT",
            StopRequest::Terminate => "received SIGTERM",
            StopRequest::ParentGone => "the process that started this member is gone or asks it to stop",
        })
    }
}
