//! `node cluster`: a whole cluster in one terminal, to look at and to break.
//!
//! Every member is a process of its own, so that `kill -9` does what it does in earnest. This process only looks after
//! them: it takes their logs line by line and puts a coloured name before each ([`screen`]), asks them over the network
//! who leads, as any client could ([`poll`]), keeps what it learns and finds what is worth telling ([`view`]), and
//! says it in words that can be pasted into another terminal ([`commands`], [`table`]).
//!
//! A member is asked to stop by closing its standard input, a pipe from this process. That happens by itself when this
//! process dies, however it dies: no member outlives it. A member that ends is reported and nothing else: whoever killed
//! it wants to see the others go on, and brings it back by hand. Such a one is nobody's child here, and stays when
//! this process ends.

mod children;
mod commands;
mod poll;
mod screen;
mod table;
mod view;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, after, never, select};

use crate::flags::ClusterFlags;
use crate::listen;
use crate::local::{self, LocalMember};
use crate::stop::{self, StopRequest};
use crate::validate::{self, SettingsError};
use crate::{COULD_NOT_START, FAILED, complain, refuse};

use children::{Child, Event};
use commands::Commands;
use screen::Screen;
use view::{News, View};

/// How long the members may take to end in good order before they are killed.
const GRACE: Duration = Duration::from_secs(15);

/// Runs a local cluster until somebody asks it to stop.
pub fn run(flags: &ClusterFlags) -> ExitCode {
    let size = match local::size(flags.size).map_err(SettingsError::Local) {
        Ok(size) => size,
        Err(error) => return refuse(&error),
    };
    if let Err(error) = validate::check_shared(&flags.given) {
        return refuse(&error);
    }
    let base_dir = flags.base_dir.clone().map(PathBuf::from);
    if let Some(dir) = &base_dir
        && let Err(error) = fs::create_dir_all(dir)
    {
        return complain(format_args!(
            "the directory {} (--base-dir) cannot be made: {error}",
            dir.display()
        ));
    }
    if let Err(sentence) = check_ports(size) {
        return complain(sentence);
    }
    let stop = match stop::listen(false) {
        Ok(stop) => stop,
        Err(error) => return complain(format_args!("signals cannot be heard: {error}")),
    };
    let commands = Commands::new(size, base_dir, flags.given.to_arguments());
    let screen = Arc::new(Screen::new(size));
    for variable in &flags.inapplicable {
        screen.notice(&format!("the environment sets {variable}, which has no effect on a local cluster"));
    }
    Supervisor::start(size, commands, screen).map_or_else(complain, |supervisor| supervisor.run(&stop))
}

/// Finds out whether all ports are free, so that one sentence says it if they are not. Somebody may still take one
/// before its member does; then that member says so.
fn check_ports(size: u8) -> Result<(), String> {
    let mut held = Vec::new();
    for member in LocalMember::all(size) {
        for (flag, url) in
            [("listen-client-urls", member.client_url()), ("listen-peer-urls", member.peer_url())]
        {
            match listen::bind(flag, &[url]) {
                Ok(_) => {}
                Err(error) if error.is_in_use() => held.push(error.url().clone()),
                Err(error) => return Err(error.to_string()),
            }
        }
    }
    let Some(first) = held.first() else { return Ok(()) };
    Err(format!(
        "the local cluster cannot start: in use already: {}. Perhaps another cluster or an etcd still runs: \
         `ss -ltnp 'sport = :{}'` shows who; stop it first",
        crate::urls::join(&held),
        first.port()
    ))
}

/// The children, and what is known about them.
struct Supervisor {
    children: Vec<Child>,
    events: Receiver<Event>,
    view: View,
    commands: Commands,
    screen: Arc<Screen>,
}

impl Supervisor {
    fn start(size: u8, commands: Commands, screen: Arc<Screen>) -> Result<Supervisor, String> {
        let (sender, events) = crossbeam_channel::unbounded();
        let mut children = Vec::new();
        for member in LocalMember::all(size) {
            children.push(Child::spawn(member, &commands, &screen, &sender)?);
        }
        poll::start(size, sender)
            .map_err(|error| format!("the members cannot be asked how they are: {error}"))?;
        let view = View::new(children.iter().map(|child| (child.member(), child.pid())));
        Ok(Supervisor { children, events, view, commands, screen })
    }

    fn run(mut self, stop: &Receiver<StopRequest>) -> ExitCode {
        loop {
            select! {
                recv(stop) -> _ => return self.stop(),
                recv(self.events) -> event => match event {
                    Ok(event) => self.handle(event),
                    // The threads that watch the members are gone, which they are only if they have failed.
                    Err(_) => return self.stop(),
                }
            }
            if self.view.nobody_ever_started() {
                self.screen.notice("no member could start: the lines above say why");
                return COULD_NOT_START.into();
            }
        }
    }

    fn handle(&mut self, event: Event) {
        let news = match event {
            Event::Ended(member) => {
                let how = self.children.iter_mut().find(|child| child.member() == member).map(Child::reap);
                self.view.ended(member, how.unwrap_or_default())
            }
            Event::Seen(answers) => self.view.seen(&answers),
        };
        for item in news {
            self.screen.notice(&item.sentence(&self.commands));
            if item == News::Settled {
                let table = table::of(&self.view, &self.commands);
                self.screen.block(&format!("{table}\n\n{}", self.commands.suggestions(&self.view)));
            }
        }
    }

    /// Asks all members to stop, waits, and kills those that do not.
    fn stop(mut self) -> ExitCode {
        self.screen.notice("stopping the members; Ctrl-C again ends at once");
        self.children.iter_mut().for_each(Child::ask_to_stop);
        let deadline = after(GRACE);
        while self.children.iter().any(Child::is_running) {
            select! {
                recv(self.events) -> event => match event {
                    Ok(Event::Ended(member)) => {
                        self.children.iter_mut().filter(|child| child.member() == member).for_each(|child| drop(child.reap()));
                    }
                    Ok(Event::Seen(_)) => {}
                    Err(_) => self.events = never(),
                },
                recv(deadline) -> _ => return self.kill(),
            }
        }
        self.screen.notice("all members have stopped");
        ExitCode::SUCCESS
    }

    fn kill(mut self) -> ExitCode {
        for child in self.children.iter_mut().filter(|child| child.is_running()) {
            self.screen.notice(&format!("{} did not stop in time and is killed", child.member().name()));
            child.kill();
        }
        FAILED.into()
    }
}
