//! Replays what a real etcd answered, case by case and in order, against a member of ours, and compares letter by
//! letter. `README.md` beside this file says where the cases come from and what is left out.
//!
//! A case is one line of `one-member.jsonl`: what is done silently before it, the request, and what etcd answered. A case
//! with `lines` is a stream: after its requests come the lines that etcd sent at once, then in `then` what others do
//! meanwhile, each with the lines that it causes. At the end of a stream we ask for its progress: if the answer to that
//! is the very next line, then nothing was sent that etcd did not send.

#![cfg(feature = "etcd")]

mod abuse;
mod client;
mod grpc;
mod member;

use std::collections::BTreeMap;

use client::{Connection, Reply};
use member::Member;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    name: String,
    method: String,
    path: String,
    #[serde(default)]
    before: Vec<Action>,
    /// The request's body, or nothing.
    #[serde(default)]
    body: String,
    /// The body is a put with a value of so many bytes.
    value_bytes: Option<usize>,
    /// The requests of a stream.
    requests: Option<Vec<String>>,
    status: u16,
    headers: BTreeMap<String, String>,
    /// The answer's body.
    text: Option<String>,
    /// The answer's lines, if it is a stream.
    lines: Option<Vec<String>>,
    #[serde(default)]
    then: Vec<Action>,
}

#[derive(Deserialize)]
struct Action {
    path: String,
    request: serde_json::Value,
    #[serde(default)]
    lines: Vec<String>,
}

#[test]
fn a_fresh_member_answers_what_etcd_answers() {
    let member = Member::start();
    let mut differences = Vec::new();
    let mut count = 0;
    for line in include_str!("one-member.jsonl").lines().skip(1) {
        let case: Case = serde_json::from_str(line).unwrap();
        count += 1;
        if let Err(difference) = member.replay(&case) {
            differences.push(format!("{}: {difference}", case.name));
        }
    }
    assert!(count > 100, "the cases are there");
    assert!(differences.is_empty(), "{} of {count} differ:\n{}", differences.len(), differences.join("\n"));
}

impl Member {
    fn replay(&self, case: &Case) -> Result<(), String> {
        for action in &case.before {
            self.act(action);
        }
        match (&case.requests, &case.lines) {
            (Some(requests), Some(lines)) => self.replay_stream(case, requests, lines),
            _ => self.replay_unary(case),
        }
    }

    fn replay_unary(&self, case: &Case) -> Result<(), String> {
        let body = match (case.value_bytes, &case.requests) {
            (Some(bytes), _) => format!(r#"{{"key":"YQ==","value":"{}"}}"#, base64_of_x(bytes)),
            (None, Some(requests)) => requests.join("\n"),
            (None, None) => case.body.clone(),
        };
        let reply = Connection::open(self.address).send(&case.method, &case.path, &body);
        compare_head(case, &reply)?;
        compare(&case.path, case.text.as_deref().unwrap_or_default(), &reply.text)
    }

    fn replay_stream(&self, case: &Case, requests: &[String], lines: &[String]) -> Result<(), String> {
        let mut stream = Connection::open(self.address);
        stream.begin(&case.method, &case.path);
        for request in requests {
            stream.write_chunk(request);
        }
        compare_head(case, &stream.read_head())?;
        for line in lines {
            compare(&case.path, line, &stream.read_line())?;
        }
        for action in &case.then {
            self.act(action);
            for line in &action.lines {
                compare(&case.path, line, &stream.read_line())?;
            }
        }
        stream.write_chunk(r#"{"progress_request":{}}"#);
        let progress = stream.read_line();
        if progress.contains(r#""watch_id":"-1"}}"#) && !progress.contains("events") {
            Ok(())
        } else {
            Err(format!("more than etcd sent: {progress}"))
        }
    }

    fn act(&self, action: &Action) {
        let reply = Connection::open(self.address).send("POST", &action.path, &action.request.to_string());
        assert_eq!(reply.status, 200, "{}", reply.text);
    }
}

fn compare_head(case: &Case, reply: &Reply) -> Result<(), String> {
    if reply.status != case.status {
        return Err(format!("status {} where etcd says {}: {}", reply.status, case.status, reply.text));
    }
    for (name, value) in &case.headers {
        let ours = reply.headers.get(&name.to_ascii_lowercase());
        if ours != Some(value) {
            return Err(format!("header {name} is {ours:?} where etcd says {value:?}"));
        }
    }
    Ok(())
}

fn compare(path: &str, theirs: &str, ours: &str) -> Result<(), String> {
    let (theirs, ours) = (normalised(path, theirs), normalised(path, ours));
    if ours == theirs { Ok(()) } else { Err(format!("\n  etcd {theirs}\n  ours {ours}")) }
}

/// Replaces what cannot be the same: ids, terms, and how much a store takes.
fn normalised(path: &str, text: &str) -> String {
    let mut varying = vec!["cluster_id", "member_id", "raft_term", "ID"];
    if path == "/version" {
        varying.extend(["etcdserver", "etcdcluster"]);
    }
    if path.ends_with("/maintenance/status") {
        varying.extend([
            "version",
            "leader",
            "dbSize",
            "dbSizeInUse",
            "raftIndex",
            "raftTerm",
            "raftAppliedIndex",
        ]);
    }
    varying.into_iter().fold(text.to_string(), |text, name| hide(&text, &format!("\"{name}\":\"")))
}

/// Replaces what stands between each `opening` and the next quote.
fn hide(text: &str, opening: &str) -> String {
    let mut pieces = text.split(opening);
    let mut hidden = pieces.next().unwrap_or_default().to_string();
    for piece in pieces {
        let (_, rest) = piece.split_once('"').unwrap();
        hidden.push_str(&format!("{opening}*\"{rest}"));
    }
    hidden
}

fn base64_of_x(bytes: usize) -> String {
    let (groups, rest) = (bytes / 3, bytes % 3);
    "eHh4".repeat(groups) + ["", "eA==", "eHg="][rest]
}
