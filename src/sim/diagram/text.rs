//! The picture for a terminal: one line a row, one column a lane.

use std::fmt::Write;

use super::label::Sign;
use super::plan::{Arrow, Diagram, Lane, Mark, Row};
use crate::raft::NodeId;

/// How far two lanes stand apart at least, in characters.
const LEAST_GAP: usize = 16;
/// How far from its aim a lost message ends, in characters.
const MISSED: usize = 4;
/// The width of the column with the scenario's lines, in characters.
const ACTIONS: usize = 26;

impl Diagram {
    /// Draws with box-drawing characters. Every line ends with a line break and has no white space at its end.
    pub fn text(&self) -> String {
        let canvas = Canvas { diagram: self, gap: self.gap() };
        let mut out = String::new();
        let mut heads = canvas.blank();
        for member in &self.members {
            canvas.put(&mut heads, canvas.column(*member), &member.to_string());
        }
        push(&mut out, heads);
        for row in &self.rows {
            canvas.draw(row, &mut out);
        }
        out
    }

    /// Lanes stand so far apart that every message between neighbours has room for its words.
    fn gap(&self) -> usize {
        let arrows = self.rows.iter().filter_map(|row| row.arrow.as_ref());
        arrows.map(|arrow| arrow.words().chars().count() + 5 + MISSED).max().unwrap_or(0).max(LEAST_GAP)
    }
}

struct Canvas<'a> {
    diagram: &'a Diagram,
    gap: usize,
}

impl Canvas<'_> {
    fn column(&self, member: NodeId) -> usize {
        let lane = self.diagram.members.iter().position(|other| *other == member).unwrap_or(0);
        ACTIONS + 2 + lane * self.gap
    }

    fn blank(&self) -> Vec<char> {
        Vec::new()
    }

    fn put(&self, line: &mut Vec<char>, column: usize, text: &str) {
        let end = column + text.chars().count();
        if line.len() < end {
            line.resize(end, ' ');
        }
        line[column..end].iter_mut().zip(text.chars()).for_each(|(place, c)| *place = c);
    }

    /// A line with nothing but the lanes.
    fn lanes(&self, row: &Row) -> Vec<char> {
        let mut line = self.blank();
        for member in &self.diagram.members {
            let lane = match row.lanes.get(member).copied().unwrap_or_default() {
                Lane::Follows => "│",
                Lane::Stands => "┆",
                Lane::Leads => "┃",
                Lane::Down => " ",
            };
            self.put(&mut line, self.column(*member), lane);
        }
        line
    }

    fn draw(&self, row: &Row, out: &mut String) {
        if let Some(violation) = &row.violation {
            let _ = writeln!(out, "✘ {violation}");
            return;
        }
        let mut line = self.lanes(row);
        let action = row.action.as_deref().unwrap_or_default();
        self.put(&mut line, 0, action);
        if row.divides {
            let first = self.column(self.diagram.members[0]).max(action.chars().count() + 1);
            let last = self.column(*self.diagram.members.last().expect("there is a member"));
            let free = line[first..=last].iter_mut().filter(|place| **place == ' ');
            free.for_each(|place| *place = '╌');
        }
        let mut marks_at = None;
        if let Some(arrow) = &row.arrow {
            // Where the arrow comes from the right, the marks need a line of their own.
            marks_at = self.arrow(&mut line, arrow);
            if marks_at.is_none() {
                push(out, std::mem::replace(&mut line, self.lanes(row)));
            }
        }
        if !row.marks.is_empty() {
            let column = marks_at.unwrap_or_else(|| self.column(row.marks[0].member));
            self.put(&mut line, column, &marks(&row.marks));
            push(out, line);
        } else if row.arrow.is_none() || marks_at.is_some() {
            push(out, line);
        }
    }

    /// Draws an arrow. Gives the column behind its head, if that is free.
    fn arrow(&self, line: &mut Vec<char>, arrow: &Arrow) -> Option<usize> {
        let (from, to) = (self.column(arrow.sketch.from), self.column(arrow.sketch.to));
        let rightward = from < to;
        let missed = if arrow.lost.is_some() { MISSED } else { 0 };
        let tip = if rightward { to - 1 - missed } else { to + 1 + missed };
        let (left, right) = if rightward { (from, tip) } else { (tip, from) };
        for place in &mut line[left + 1..right] {
            *place = if matches!(place, '│' | '┃' | '┆') { '┼' } else { '─' };
        }
        let words = arrow.words();
        let length = words.chars().count();
        // The words stand beside the sender.
        let at = if rightward { left + 2 } else { right.saturating_sub(length + 3) };
        self.put(line, at, &format!(" {words} "));
        line[from] = if rightward { '├' } else { '┤' };
        let head = match (arrow.lost, rightward) {
            (Some(_), _) => '✗',
            (None, true) => '▶',
            (None, false) => '◀',
        };
        line[tip] = head;
        rightward.then_some(to)
    }
}

fn marks(marks: &[Mark]) -> String {
    let one = |mark: &Mark| {
        let sign = match mark.sign {
            Sign::Plain => '•',
            Sign::Stands => '◇',
            Sign::Leads => '★',
            Sign::Applies => '✓',
            Sign::Asked => '▸',
            Sign::Answered => '◂',
            Sign::Gone => '✖',
            Sign::Back => '↻',
        };
        format!("{sign} {}", mark.text)
    };
    marks.iter().map(one).collect::<Vec<_>>().join("  ")
}

/// Adds a line without the white space at its end.
fn push(out: &mut String, line: Vec<char>) {
    let line: String = line.into_iter().collect();
    out.push_str(line.trim_end());
    out.push('\n');
}
