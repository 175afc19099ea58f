//! A small story in both styles, from a trace that is written by hand.

use super::*;
use crate::raft::{Index, NodeId, Position, Term};
use crate::sim::scenario::{Action, Scenario};
use crate::sim::trace::{Answer, Happening, Kind, Loss, MessageId, Record, RequestNumber, Sketch, Trace};

/// Writes traces as a cluster would.
struct Story {
    trace: Trace,
    actions: std::vec::IntoIter<Action>,
    messages: u64,
}

impl Story {
    fn of(text: &str) -> Story {
        let scenario: Scenario = text.parse().unwrap();
        Story { trace: Trace::new(), actions: scenario.actions.into_iter(), messages: 0 }
    }

    fn act(&mut self) -> &mut Story {
        let action = self.actions.next().expect("the text has an action more");
        self.push(Record::Action(action))
    }

    fn push(&mut self, record: Record) -> &mut Story {
        self.trace.push(record);
        self
    }

    fn send(&mut self, from: u64, to: u64, term: u64, kind: Kind) -> MessageId {
        self.messages += 1;
        let sketch = Sketch { from: NodeId(from), to: NodeId(to), term: Term(term), kind };
        self.push(Record::Sent(MessageId(self.messages), sketch));
        MessageId(self.messages)
    }

    fn at(&mut self, member: u64, happening: Happening) -> &mut Story {
        self.push(Record::Member(NodeId(member), happening))
    }

    fn diagram(&self) -> Diagram {
        Diagram::new([1, 2, 3].map(NodeId), &self.trace)
    }
}

/// An election, a write, a cut, a crash, and somebody who did not like it.
fn story() -> Story {
    let mut s = Story::of(
        "members 3\ntick 1 x20\ndeliver 1 2\npartition 1 2 | 3\npropose 2 x=1\ndeliver all\ntick 3 x9\n\
         crash 1\nheal\nrestart 1\nsettle",
    );
    let entry = Position { term: Term(1), index: Index(1) };
    s.act().at(1, Happening::Candidate(Term(1)));
    let asks = [2, 3].map(|to| s.send(1, to, 1, Kind::VoteRequest(None)));
    s.act().push(Record::Arrived(asks[0]));
    let vote = s.send(2, 1, 1, Kind::VoteResponse(true));
    s.push(Record::Arrived(vote)).at(1, Happening::Leader(Term(1), vec![NodeId(1), NodeId(2)]));
    let append = Kind::Append { previous: None, last: Some(entry), commit: None };
    let appends = [2, 3].map(|to| s.send(1, to, 1, append));
    s.act().push(Record::Lost(asks[1], Loss::Cut)).push(Record::Lost(appends[1], Loss::Cut));
    s.act().push(Record::Asked(NodeId(2), RequestNumber(1)));
    let forward = s.send(2, 1, 1, Kind::Forward(1));
    s.act().push(Record::Arrived(appends[0])).push(Record::Arrived(forward));
    let stored = s.send(2, 1, 1, Kind::Stored(Some(Index(1))));
    s.push(Record::Arrived(stored)).at(1, Happening::Applied(Index(1)));
    s.at(2, Happening::Applied(Index(1))).push(Record::Answered(
        NodeId(2),
        RequestNumber(1),
        Answer::Done(2),
    ));
    s.act();
    for _ in 0..3 {
        let vote = s.send(3, 2, 1, Kind::PreVoteRequest(Term(2), None));
        s.push(Record::Lost(vote, Loss::Cut));
    }
    s.act().at(1, Happening::Crashed);
    s.act();
    s.act().at(1, Happening::Restarted(Term(1), Some(entry)));
    s.act();
    let quiet = s.send(2, 1, 2, Kind::Heartbeat(None));
    s.push(Record::Arrived(quiet)).at(3, Happening::Applied(Index(1))).at(3, Happening::Applied(Index(2)));
    s.push(Record::Violated {
        property: "log-matching".into(),
        sentence: "1 and 2 disagree <&> at 1".into(),
    });
    s
}

#[test]
fn a_terminal_shows_lanes_arrows_and_marks() {
    let expected = r"
                            1                                2                                3
tick 1 x20                  ◇ stands, term 1                 │                                │
deliver 1 2                 ├─ vote? t1 ────────────────────▶│                                │
                            ┃◀───────────────────── vote t1 ─┤                                │
                            ★ leads term 1                   │                                │
partition 1 2 | 3           ├─ vote? t1, cut off ────────────┼───────────────────────────✗╌╌╌╌│
                            ├─ append 1@1 t1, cut off ───────┼───────────────────────────✗    │
propose 2 x=1               ┃                                ▸ put x=1                        │
deliver all                 ├─ append 1@1 t1 ───────────────▶│                                │
                            ┃◀────────────────── forward t1 ─┤                                │
                            ┃◀───────────────── stored 1 t1 ─┤                                │
                            ✓ applies 1                      │                                │
                            ┃                                ✓ applies 1  ◂ done, revision 2  │
tick 3 x9                   ┃                                │                                │
                            ┃                                │    ✗ pre-vote? t2 ×3, cut off ─┤
crash 1                     ✖ crashes                        │                                │
heal                        ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌│╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌│
restart 1                   ↻ restarts: t1, log 1@1          │                                │
settle                      │                                │                                ✓ applies 2
✘ log-matching: 1 and 2 disagree <&> at 1
";
    assert_eq!(story().diagram().text(), expected.trim_start_matches('\n'));
}

#[test]
fn a_page_holds_everything_it_needs() {
    let svg = story().diagram().svg("a <b> & \"c\"");
    assert!(svg.contains("<title>a &lt;b&gt; &amp; \"c\"</title>"));
    assert!(svg.contains("1 and 2 disagree &lt;&amp;&gt; at 1"));
    assert!(svg.contains("prefers-color-scheme: dark"));
    for outside in ["href", "url(", "@import", "<script", "NaN", "inf"] {
        assert!(!svg.contains(outside), "{outside}");
    }
    assert_eq!(svg.matches("class=\"head ").count(), 5);
    assert_eq!(svg.matches("class=\"arrow lost\"").count(), 3);
    assert_eq!(svg.matches("<text").count(), svg.matches("</text>").count());
}
