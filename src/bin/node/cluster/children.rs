//! The members as child processes.

use std::io::{BufRead, BufReader, Read};
use std::process::{self, ChildStderr, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::thread;

use crossbeam_channel::Sender;

use super::commands::Commands;
use super::poll::Answer;
use super::screen::Screen;
use crate::local::LocalMember;

/// The longest piece of a line that is held in memory; what is longer appears as several lines.
const MAX_LINE_BYTES: u64 = 1 << 16;

/// What the supervisor hears.
pub enum Event {
    /// A child has closed its log, which it does only by ending.
    Ended(LocalMember),
    /// What the members answered when asked how they are, in their order; nothing from those that did not.
    Seen(Vec<Option<Answer>>),
}

/// A member that was started here.
pub struct Child {
    member: LocalMember,
    process: process::Child,
    /// Closed to ask the member to stop.
    stdin: Option<ChildStdin>,
    reaped: bool,
}

impl Child {
    /// Starts a member of this very program; its log goes to the screen, its end to `events`.
    pub fn spawn(
        member: LocalMember,
        commands: &Commands,
        screen: &Arc<Screen>,
        events: &Sender<Event>,
    ) -> Result<Child, String> {
        let fail = |error| format!("{} cannot be started as a process: {error}", member.name());
        let mut command = Command::new(std::env::current_exe().map_err(fail)?);
        command.args(commands.member_arguments(member)).arg("--supervised");
        // What the environment says to one member it would say to all of them; what suits all is in the arguments.
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ETCD_")) {
            command.env_remove(name);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.spawn().map_err(fail)?;
        let (stdin, log) = (process.stdin.take(), process.stderr.take());
        let (screen, events) = (screen.clone(), events.clone());
        thread::Builder::new()
            .name(format!("log {}", member.id()))
            .spawn(move || {
                log.into_iter().for_each(|log| copy_lines(log, |line| screen.log_line(member, line)));
                let _ = events.send(Event::Ended(member));
            })
            .map_err(fail)?;
        Ok(Child { member, process, stdin, reaped: false })
    }

    /// Which member it is.
    pub fn member(&self) -> LocalMember {
        self.member
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Whether it has not been found ended yet.
    pub fn is_running(&self) -> bool {
        !self.reaped
    }

    /// Takes notice that it has ended, and tells how.
    pub fn reap(&mut self) -> String {
        self.reaped = true;
        match self.process.wait() {
            Ok(status) => status.to_string(),
            Err(error) => format!("how is not known: {error}"),
        }
    }

    /// Asks it to end in good order.
    pub fn ask_to_stop(&mut self) {
        self.stdin = None;
    }

    /// Ends it at once.
    pub fn kill(&mut self) {
        // It fails if the process has ended just now.
        let _ = self.process.kill();
        self.reap();
    }
}

/// Hands on a log line by line, without the line's end, until it ends.
fn copy_lines(log: ChildStderr, mut print: impl FnMut(&[u8])) {
    let mut log = BufReader::new(log);
    let mut line = Vec::new();
    loop {
        line.clear();
        match log.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => print(line.strip_suffix(b"\n").unwrap_or(&line)),
        }
    }
}
