//! From the trace to a plan of the picture: rows, and what stands in each of them.

use std::collections::{BTreeMap, BTreeSet};

use super::label::{self, Sign};
use crate::raft::NodeId;
use crate::sim::scenario::Action;
use crate::sim::trace::{Happening, Loss, MessageId, Record, RequestNumber, Sketch, Trace};

/// A picture of one run, not drawn yet.
#[derive(Clone, Debug)]
pub struct Diagram {
    pub(super) members: Vec<NodeId>,
    pub(super) rows: Vec<Row>,
}

/// What happens at one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    /// The scenario's line, if its effects begin here.
    pub action: Option<String>,
    /// Whether the line changes the network: the picture draws a line across.
    pub divides: bool,
    /// The message that arrives or is lost.
    pub arrow: Option<Arrow>,
    /// What happens within one member.
    pub marks: Vec<Mark>,
    /// The violation of a property.
    pub violation: Option<String>,
    /// How the lanes look from here on.
    pub lanes: BTreeMap<NodeId, Lane>,
}

/// A message's way.
#[derive(Clone, Debug)]
pub(super) struct Arrow {
    pub sketch: Sketch,
    /// The row in which it was sent.
    pub sent: usize,
    /// Why it did not arrive, if it did not.
    pub lost: Option<Loss>,
    /// For how many equal ones it stands.
    pub times: u32,
}

impl Arrow {
    /// What is written at it.
    pub fn words(&self) -> String {
        let mut words = label::message(&self.sketch);
        if self.times > 1 {
            words += &format!(" ×{}", self.times);
        }
        if let Some(loss) = self.lost {
            words += &format!(", {}", label::loss(loss));
        }
        words
    }
}

/// Something within a member.
#[derive(Clone, Debug)]
pub(super) struct Mark {
    pub member: NodeId,
    pub sign: Sign,
    pub text: String,
}

/// What a member is for a while.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Lane {
    #[default]
    Follows,
    Stands,
    Leads,
    Down,
}

impl Diagram {
    /// Plans the picture of a run of these members.
    pub fn new(members: impl IntoIterator<Item = NodeId>, trace: &Trace) -> Diagram {
        let members: Vec<NodeId> = members.into_iter().collect();
        let lanes = members.iter().map(|member| (*member, Lane::Follows)).collect();
        let mut plan = Plan {
            rows: Vec::new(),
            lanes,
            flying: BTreeMap::new(),
            asked: BTreeSet::new(),
            action: Action::Heal,
            action_row: 0,
        };
        trace.records().iter().for_each(|record| plan.add(record));
        Diagram { members, rows: plan.rows }
    }
}

struct Plan {
    rows: Vec<Row>,
    /// How the lanes look now.
    lanes: BTreeMap<NodeId, Lane>,
    /// The messages on their way, with the row in which they were sent.
    flying: BTreeMap<MessageId, (Sketch, usize)>,
    /// What the scenario's clients have asked.
    asked: BTreeSet<RequestNumber>,
    /// What is being done.
    action: Action,
    /// The row in which that began.
    action_row: usize,
}

impl Plan {
    fn add(&mut self, record: &Record) {
        match record {
            Record::Action(action) => {
                let divides = matches!(action, Action::Partition { .. } | Action::Cut(_) | Action::Heal);
                let lanes = self.lanes.clone();
                self.action_row = self.rows.len();
                self.rows.push(Row { action: Some(action.to_string()), divides, lanes, ..Row::default() });
                self.action = action.clone();
            }
            Record::Skipped => {
                if let Some(line) = self.rows.last_mut().and_then(|row| row.action.as_mut()) {
                    line.push_str(" (skipped)");
                }
            }
            Record::Sent(id, sketch) => {
                self.flying.insert(*id, (sketch.clone(), self.rows.len().saturating_sub(1)));
            }
            Record::Duplicated { of, twin } => {
                if let Some((sketch, _)) = self.flying.get(of) {
                    self.flying.insert(*twin, (sketch.clone(), self.rows.len().saturating_sub(1)));
                }
            }
            Record::Arrived(id) => self.ends(*id, None),
            Record::Lost(id, loss) => self.ends(*id, Some(*loss)),
            Record::Member(member, happening) => self.happens(*member, happening),
            Record::Asked(member, request) => {
                if let Some(text) = label::request(&self.action) {
                    self.asked.insert(*request);
                    self.mark(*member, Sign::Asked, text);
                }
            }
            // Settling asks something of its own, to see whether clients are served.
            Record::Answered(member, request, answer) => {
                if self.asked.contains(request) {
                    self.mark(*member, Sign::Answered, label::answer(answer));
                }
            }
            Record::Watched { member, key, value, revision, .. } => {
                let change = match value {
                    Some(value) => format!("watcher sees {key}={value}, revision {revision}"),
                    None => format!("watcher sees no {key}, revision {revision}"),
                };
                self.mark(*member, Sign::Answered, change);
            }
            Record::Violated { property, sentence } => {
                let text = format!("{property}: {sentence}");
                self.row(|_| false).violation = Some(text);
            }
        }
    }

    /// The latest row if there is room in it, or else a new one.
    fn row(&mut self, has_room: impl Fn(&Row) -> bool) -> &mut Row {
        if !self.rows.last().is_some_and(has_room) {
            self.rows.push(Row::default());
        }
        let row = self.rows.last_mut().expect("there is one");
        row.lanes.clone_from(&self.lanes);
        row
    }

    /// A message has arrived or is lost.
    fn ends(&mut self, id: MessageId, lost: Option<Loss>) {
        let Some((sketch, sent)) = self.flying.remove(&id) else { return };
        if self.action == Action::Settle {
            return;
        }
        let same = |arrow: &&mut Arrow| {
            lost.is_some()
                && arrow.lost == lost
                && label::message(&arrow.sketch) == label::message(&sketch)
                && (arrow.sketch.from, arrow.sketch.to) == (sketch.from, sketch.to)
        };
        let of_this_action = self.rows[self.action_row..].iter_mut();
        if let Some(arrow) = of_this_action.filter_map(|row| row.arrow.as_mut()).find(same) {
            arrow.times += 1;
            return;
        }
        // An arrow needs a row below the one in which it was sent, or it would be flat.
        let row_below = self.rows.len() > sent + 1;
        let row = self.row(|row| row_below && row.arrow.is_none() && row.marks.is_empty());
        row.arrow = Some(Arrow { sketch, sent, lost, times: 1 });
    }

    /// Something happens within a member.
    fn happens(&mut self, member: NodeId, happening: &Happening) {
        let before = self.lanes.get(&member).copied().unwrap_or_default();
        let after = match happening {
            Happening::PreCandidate(_) | Happening::Candidate(_) => Lane::Stands,
            Happening::Leader(..) => Lane::Leads,
            Happening::Follower(_) | Happening::Restarted(..) => Lane::Follows,
            Happening::Crashed | Happening::Stopped(_) => Lane::Down,
            _ => before,
        };
        self.lanes.insert(member, after);
        if let Happening::Follower(_) = happening
            && before == Lane::Follows
        {
            return;
        }
        let settles = self.action == Action::Settle;
        if let Happening::Applied(_) = happening
            && settles
            && let Some(mark) = self.rows[self.action_row..]
                .iter_mut()
                .flat_map(|row| &mut row.marks)
                .find(|mark| mark.member == member && mark.sign == Sign::Applies)
            && let Some((_, text)) = label::happening(happening)
        {
            mark.text = text;
            return;
        }
        if let (Happening::Persisted(_), Action::Persist(_)) = (happening, &self.action) {
            self.mark(member, Sign::Plain, "durable".to_owned());
        } else if let Some((sign, text)) = label::happening(happening) {
            self.mark(member, sign, text);
        }
    }

    /// Puts a mark beside a lane, in the row of what caused it if that was at the same member.
    fn mark(&mut self, member: NodeId, sign: Sign, text: String) {
        let row = self.row(|row| {
            let same_lane = row.marks.iter().all(|mark| mark.member == member);
            let arrives =
                row.arrow.as_ref().is_none_or(|arrow| arrow.sketch.to == member && arrow.lost.is_none());
            same_lane && arrives && row.marks.len() < 2 && row.violation.is_none()
        });
        row.marks.push(Mark { member, sign, text });
    }
}
