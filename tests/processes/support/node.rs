//! One member as a process.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use super::until::until;

/// How much of a log is shown when a test fails.
const SHOWN_LINES: usize = 60;

/// A process of `node`, and where it says what it does. It dies with this value, and the end of its log is shown if
/// that is because a test fails.
pub struct Node {
    arguments: Vec<String>,
    log: PathBuf,
    max_open_files: Option<u32>,
    process: Option<Child>,
}

/// How a process that was not to stay has ended.
pub struct Outcome {
    /// Its exit code, if no signal has ended it.
    pub code: Option<i32>,
    /// All that it wrote.
    pub output: String,
}

impl Node {
    /// A process that is not started yet. What it writes is appended to the file `log`.
    pub fn new(arguments: Vec<String>, log: PathBuf) -> Node {
        Node { arguments, log, max_open_files: None, process: None }
    }

    /// Lets the system give it so many descriptors and no more.
    pub fn limit_open_files(&mut self, max: u32) {
        self.max_open_files = Some(max);
    }

    pub fn start(&mut self) {
        assert!(self.process.is_none(), "it runs already");
        let log = OpenOptions::new().create(true).append(true).open(&self.log).unwrap();
        self.process = Some(spawn(&self.arguments, self.max_open_files, log));
    }

    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("it runs").id()
    }

    pub fn is_started(&self) -> bool {
        self.process.is_some()
    }

    /// Ends it as a crash of the process would: nothing that it holds in memory survives.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may have ended by itself.
            let _ = process.kill();
            process.wait().unwrap();
        }
    }

    /// Sends a signal by its name, such as `STOP`.
    pub fn signal(&self, name: &str) {
        signal(self.pid(), name);
    }

    /// Waits for its end, and gives how it ended.
    pub fn wait(&mut self) -> ExitStatus {
        let process = self.process.as_mut().expect("it was started");
        let status = until("a process ends", || process.try_wait().unwrap());
        self.process = None;
        status
    }

    /// How it has ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.process.as_mut().expect("it was started").try_wait().unwrap()
    }

    /// All that it has written, in all its lives.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Waits until its log has, behind its first `from` bytes, a line with all of `words`. Gives the line.
    pub fn until_it_says(&self, from: usize, words: &[&str]) -> String {
        let path = self.log.display();
        until(&format!("{path} has a line with {words:?}"), || {
            let log = self.log();
            let mut lines = log.get(from..)?.lines();
            lines.find(|line| words.iter().all(|word| line.contains(word))).map(str::to_owned)
        })
    }

    /// Prints the end of its log, for whoever has to find out why a test failed.
    fn show_log(&self) {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        eprintln!("---- {} (its last lines)", self.log.display());
        lines.iter().skip(lines.len().saturating_sub(SHOWN_LINES)).for_each(|line| eprintln!("{line}"));
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            self.show_log();
        }
    }
}

/// Runs `node` with arguments that it should refuse, to its end.
pub fn run_node(arguments: &[&str], dir: &Path) -> Outcome {
    let log = dir.join("refused.log");
    let arguments: Vec<String> = arguments.iter().map(|argument| argument.to_string()).collect();
    let mut process = Node::new(arguments, log);
    process.start();
    let status = process.wait();
    Outcome { code: status.code(), output: process.log() }
}

pub fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap();
    assert!(sent.success(), "SIG{name} could not be sent to {pid}");
}

fn spawn(arguments: &[String], max_open_files: Option<u32>, log: File) -> Child {
    let mut command = Command::new("sh");
    let limit = max_open_files.map_or_else(String::new, |max| format!("ulimit -n {max};"));
    command.args(["-c", &format!("{limit} exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_node")]);
    // What whoever runs the tests has set must not reach the members.
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ETCD_")) {
        command.env_remove(name);
    }
    let both = log.try_clone().unwrap();
    command.args(arguments).stdin(Stdio::null()).stdout(both).stderr(log).spawn().unwrap()
}
