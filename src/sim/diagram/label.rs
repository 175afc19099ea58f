//! Short words for messages and for what happens within a member.

use crate::raft::{Index, Position};
use crate::sim::scenario::Action;
use crate::sim::trace::{Answer, Happening, Kind, Loss, Sketch};

/// What a message says, and its sender's term.
pub(super) fn message(sketch: &Sketch) -> String {
    let kind = match &sketch.kind {
        Kind::PreVoteRequest(for_term, _) => return format!("pre-vote? t{for_term}"),
        Kind::PreVoteResponse(for_term, true) => return format!("pre-vote t{for_term}"),
        Kind::PreVoteResponse(for_term, false) => return format!("no pre-vote t{for_term}"),
        Kind::VoteRequest(_) => "vote?".to_owned(),
        Kind::VoteResponse(true) => "vote".to_owned(),
        Kind::VoteResponse(false) => "no vote".to_owned(),
        Kind::Append { previous, last: None, .. } => format!("probe {}", or_none(previous.as_ref())),
        Kind::Append { previous, last: Some(last), .. } => {
            let first = Index::after(previous.map(|previous| previous.index));
            if first == last.index { format!("append {last}") } else { format!("append {first}..{last}") }
        }
        Kind::Stored(matched) => format!("stored {}", or_none(matched.as_ref())),
        Kind::Conflict(refused, _) => format!("conflict at {refused}"),
        Kind::Heartbeat(None) => "heartbeat".to_owned(),
        Kind::Heartbeat(Some(commit)) => format!("heartbeat, commit {commit}"),
        Kind::HeartbeatResponse => "heard".to_owned(),
        Kind::Commit(commit) => format!("commit {commit}"),
        Kind::Snapshot(last) => format!("snapshot {last}"),
        Kind::SnapshotStored(matched) => format!("stored {matched}"),
        Kind::Forward(1) => "forward".to_owned(),
        Kind::Forward(commands) => format!("forward {commands}"),
        Kind::ReadIndexRequest => "read?".to_owned(),
        Kind::ReadIndexResponse(index) => format!("read at {}", or_none(index.as_ref())),
    };
    format!("{kind} t{}", sketch.term)
}

fn or_none(value: Option<&impl ToString>) -> String {
    value.map_or_else(|| "nothing".to_owned(), ToString::to_string)
}

/// Why a message was lost.
pub(super) fn loss(loss: Loss) -> &'static str {
    match loss {
        Loss::Dropped => "dropped",
        Loss::Cut => "cut off",
        Loss::ReceiverDown => "nobody there",
        Loss::SenderDown => "broken off",
    }
}

/// What a client asks; `None` if the action asks nothing.
pub(super) fn request(action: &Action) -> Option<String> {
    match action {
        Action::Propose { key, value, .. } => Some(format!("put {key}={value}")),
        Action::Delete { key, .. } => Some(format!("delete {key}")),
        Action::Read { key, .. } => Some(format!("read {key}")),
        Action::Watch { key, .. } => Some(format!("watch {key}")),
        _ => None,
    }
}

/// What a client is told.
pub(super) fn answer(answer: &Answer) -> String {
    match answer {
        Answer::Done(revision) => format!("done, revision {revision}"),
        Answer::Value(Some(value)) => format!("it is {value}"),
        Answer::Value(None) => "no such key".to_owned(),
        Answer::Refused(why) => format!("refused: {why}"),
        Answer::Unknown => "outcome unknown".to_owned(),
    }
}

/// How a mark looks; by rising weight, since of several at one place the weightiest gives the look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sign {
    /// Something of no more than local interest.
    Plain,
    /// Entries are committed and applied.
    Applies,
    /// A client is answered.
    Answered,
    /// A client asks.
    Asked,
    /// An election begins.
    Stands,
    /// A member starts again.
    Back,
    /// An election is won.
    Leads,
    /// Entries or memory are gone.
    Gone,
}

/// What happened within a member; `None` for what a picture does not show.
pub(super) fn happening(happening: &Happening) -> Option<(Sign, String)> {
    let entry = |position: &Position| position.to_string();
    Some(match happening {
        Happening::PreCandidate(term) => (Sign::Stands, format!("would stand, term {term}")),
        Happening::Candidate(term) => (Sign::Stands, format!("stands, term {term}")),
        Happening::Leader(term, _) => (Sign::Leads, format!("leads term {term}")),
        Happening::Follower(term) => (Sign::Plain, format!("follows, term {term}")),
        Happening::LostLeader(_, _, cause @ ("suspected" | "no quorum")) => {
            (Sign::Plain, (*cause).to_owned())
        }
        Happening::Truncated(from) => (Sign::Gone, format!("cuts its log at {}", entry(from))),
        Happening::Impossible(from, what) => (Sign::Plain, format!("ignores {from}: {what}")),
        Happening::Applied(index) => (Sign::Applies, format!("applies {index}")),
        Happening::TookSnapshot(last) => (Sign::Plain, format!("snapshot {}", entry(last))),
        Happening::InstalledSnapshot(last) => (Sign::Applies, format!("installs {}", entry(last))),
        Happening::Crashed => (Sign::Gone, "crashes".to_owned()),
        Happening::Stopped(why) => (Sign::Gone, format!("stops: {why}")),
        Happening::Restarted(term, None) => (Sign::Back, format!("restarts: t{term}, no log")),
        Happening::Restarted(term, Some(last)) => {
            (Sign::Back, format!("restarts: t{term}, log {}", entry(last)))
        }
        Happening::FoundLeader(..)
        | Happening::LostLeader(..)
        | Happening::SendingSnapshot(..)
        | Happening::InstallingSnapshot(..)
        | Happening::Compacted(_)
        | Happening::Wrote { .. }
        | Happening::Persisted(_)
        | Happening::State(..) => return None,
    })
}
