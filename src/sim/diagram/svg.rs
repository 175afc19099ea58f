//! The picture for a page: one file, nothing loaded from elsewhere, colours for light and for dark surroundings.

use std::fmt::Write;

use super::label::Sign;
use super::plan::{Arrow, Diagram, Lane, Mark, Row};
use crate::raft::NodeId;
use crate::sim::trace::{Kind, Sketch};

/// Lengths are in pixels.
const ROW: f64 = 26.0;
const HEAD: f64 = 62.0;
const MARGIN: f64 = 20.0;
const LEAST_GAP: f64 = 150.0;
/// The width of a character, about, in the two fonts that are used.
const TEXT_CHAR: f64 = 6.3;
const CODE_CHAR: f64 = 7.3;

const STYLE: &str = "\
text { font: 12px system-ui, 'Segoe UI', 'Helvetica Neue', 'DejaVu Sans', sans-serif; fill: #1f2328; }
.title { font-size: 14px; font-weight: 600; }
.action { font: 12px ui-monospace, Menlo, 'DejaVu Sans Mono', monospace; fill: #57606a; }
.name { font-weight: 600; font-size: 13px; text-anchor: middle; }
.end { text-anchor: end; }
.label { font-size: 11px; fill: #57606a; }
.label, .mark { paint-order: stroke; stroke: #ffffff; stroke-width: 4px; stroke-linejoin: round; }
.page { fill: #ffffff; }
.rule { stroke: #eaeef2; }
.divide { stroke: #cf222e; stroke-dasharray: 3 5; opacity: 0.6; }
.lane { stroke: #afb8c1; stroke-width: 2; }
.leads { stroke: #0969da; stroke-width: 5; }
.stands { stroke: #8250df; stroke-width: 2; stroke-dasharray: 5 4; }
.down { stroke: #afb8c1; stroke-width: 2; stroke-dasharray: 2 6; }
.arrow { fill: none; stroke-width: 1.4; }
.vote { stroke: #8250df; } .head.vote, .sign.vote { fill: #8250df; }
.order { stroke: #0969da; } .head.order, .sign.order { fill: #0969da; }
.reply { stroke: #8c959f; } .head.reply, .sign.reply { fill: #8c959f; }
.state { stroke: #9a6700; } .head.state, .sign.state { fill: #9a6700; }
.done { stroke: #1a7f37; } .head.done, .sign.done { fill: #1a7f37; }
.lost { stroke: #cf222e; } .arrow.lost { stroke-dasharray: 4 3; } .sign.lost { fill: none; stroke-width: 2; }
.sign.open { fill: #ffffff; stroke-width: 2; }
.violation { fill: #cf222e; font-weight: 600; }
";

const DARK: &str = "\
text { fill: #e6edf3; }
.action, .label { fill: #9ea7b3; }
.label, .mark { stroke: #0d1117; }
.page { fill: #0d1117; }
.rule { stroke: #1c2128; }
.divide { stroke: #ff7b72; }
.lane { stroke: #4a525c; }
.leads { stroke: #4493f8; }
.stands { stroke: #b083f0; }
.down { stroke: #4a525c; }
.vote { stroke: #b083f0; } .head.vote, .sign.vote { fill: #b083f0; }
.order { stroke: #4493f8; } .head.order, .sign.order { fill: #4493f8; }
.reply { stroke: #768390; } .head.reply, .sign.reply { fill: #768390; }
.state { stroke: #d29922; } .head.state, .sign.state { fill: #d29922; }
.done { stroke: #3fb950; } .head.done, .sign.done { fill: #3fb950; }
.lost { stroke: #ff7b72; } .sign.lost { fill: none; }
.sign.open { fill: #0d1117; }
.violation { fill: #ff7b72; }
";

impl Diagram {
    /// Draws a self-contained SVG. `title` stands above the picture.
    pub fn svg(&self, title: &str) -> String {
        let page = Page::new(self);
        // What is drawn later lies on top: words over arrows over lanes.
        let (mut rules, mut lanes, mut arrows, mut words) = Default::default();
        page.lanes(&mut lanes);
        for (at, row) in self.rows.iter().enumerate() {
            page.row(at, row, &mut rules, &mut arrows, &mut words);
        }
        let (width, height) = (page.width(title), page.y(self.rows.len()) + MARGIN / 2.0);
        let title = escape(title);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
             viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\">\n<title>{title}</title>\n\
             <style>\n{STYLE}@media (prefers-color-scheme: dark) {{\n{DARK}}}\n</style>\n\
             <rect class=\"page\" width=\"100%\" height=\"100%\" rx=\"8\"/>\n\
             <text class=\"title\" x=\"{MARGIN}\" y=\"26\">{title}</text>\n{rules}{lanes}{arrows}{words}</svg>\n"
        )
    }
}

struct Page<'a> {
    diagram: &'a Diagram,
    /// Where the first lane stands.
    first: f64,
    /// How far two lanes stand apart.
    gap: f64,
    /// How much room the marks of the last lane need.
    right: f64,
}

impl<'a> Page<'a> {
    fn new(diagram: &'a Diagram) -> Page<'a> {
        let longest = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or(0) as f64;
        let rows = || diagram.rows.iter();
        let marks_of = |member: Option<&NodeId>| {
            let rows = rows().filter(|row| row.marks.first().map(|mark| mark.member) == member.copied());
            longest(&mut rows.map(|row| marks(&row.marks).chars().count())) * TEXT_CHAR + 16.0
        };
        let actions = longest(&mut rows().filter_map(|row| Some(row.action.as_ref()?.chars().count())));
        let arrows = rows().filter_map(|row| row.arrow.as_ref());
        let labels = longest(&mut arrows.map(|arrow| arrow.words().chars().count()));
        Page {
            diagram,
            first: MARGIN + actions * CODE_CHAR + 24.0 + marks_of(diagram.members.first()),
            gap: (labels * TEXT_CHAR + 60.0).max(LEAST_GAP),
            right: marks_of(diagram.members.last()),
        }
    }

    fn x(&self, member: NodeId) -> f64 {
        let lane = self.diagram.members.iter().position(|other| *other == member).unwrap_or(0);
        self.first + lane as f64 * self.gap
    }

    fn y(&self, row: usize) -> f64 {
        HEAD + ROW * (row as f64 + 0.7)
    }

    fn last_x(&self) -> f64 {
        self.x(*self.diagram.members.last().expect("a cluster has a member"))
    }

    fn width(&self, title: &str) -> f64 {
        let violations = self.diagram.rows.iter().filter_map(|row| row.violation.as_ref());
        let texts = violations.map(String::as_str).chain([title]).map(|text| text.chars().count());
        let longest = texts.max().unwrap_or(0) as f64 * (TEXT_CHAR + 1.4);
        (self.last_x() + self.right + MARGIN).max(longest + 2.0 * MARGIN)
    }

    /// The lanes, in pieces of equal look, under the members' names.
    fn lanes(&self, out: &mut String) {
        for member in &self.diagram.members {
            let x = self.x(*member);
            let _ =
                writeln!(out, "<text class=\"name\" x=\"{x:.1}\" y=\"{:.1}\">{member}</text>", HEAD - 8.0);
            let mut from = HEAD;
            let mut look = Lane::Follows;
            let rows = self.diagram.rows.iter().enumerate();
            let looks =
                rows.map(|(at, row)| (self.y(at), row.lanes.get(member).copied().unwrap_or_default()));
            let end = self.y(self.diagram.rows.len()) - ROW / 2.0;
            for (y, next) in looks.map(|(y, look)| (y, Some(look))).chain([(end, None)]) {
                if next == Some(look) {
                    continue;
                }
                let class = match look {
                    Lane::Follows => "lane",
                    Lane::Stands => "stands",
                    Lane::Leads => "leads",
                    Lane::Down => "down",
                };
                let _ = writeln!(
                    out,
                    "<line class=\"{class}\" x1=\"{x:.1}\" y1=\"{from:.1}\" x2=\"{x:.1}\" y2=\"{y:.1}\"/>"
                );
                (from, look) = (y, next.unwrap_or(look));
            }
        }
    }

    fn row(&self, at: usize, row: &Row, rules: &mut String, arrows: &mut String, words: &mut String) {
        let y = self.y(at);
        if let Some(action) = &row.action {
            let above = y - ROW / 2.0;
            let end = self.last_x() + self.right;
            let _ = writeln!(
                rules,
                "<line class=\"rule\" x1=\"{MARGIN}\" y1=\"{above:.1}\" x2=\"{end:.1}\" y2=\"{above:.1}\"/>"
            );
            let base = y + 4.0;
            let _ = writeln!(
                words,
                "<text class=\"action\" x=\"{MARGIN}\" y=\"{base:.1}\">{}</text>",
                escape(action)
            );
        }
        if row.divides {
            let (left, right) = (self.first - 12.0, self.last_x() + 12.0);
            let _ = writeln!(
                arrows,
                "<line class=\"divide\" x1=\"{left:.1}\" y1=\"{y:.1}\" x2=\"{right:.1}\" y2=\"{y:.1}\"/>"
            );
        }
        if let Some(arrow) = &row.arrow {
            self.arrow(y, arrow, !row.marks.is_empty(), arrows, words);
        }
        if let Some(mark) = row.marks.first() {
            self.marks(y, mark.member, row, arrows, words);
        }
        if let Some(violation) = &row.violation {
            let base = y + 4.0;
            let text = escape(violation);
            let _ =
                writeln!(words, "<text class=\"violation\" x=\"{MARGIN}\" y=\"{base:.1}\">✘ {text}</text>");
        }
    }

    fn arrow(&self, y: f64, arrow: &Arrow, is_marked: bool, arrows: &mut String, labels: &mut String) {
        let (from, lane) = (self.x(arrow.sketch.from), self.x(arrow.sketch.to));
        let side = (lane - from).signum();
        let is_lost = arrow.lost.is_some();
        let class = if is_lost { "lost" } else { class_of(&arrow.sketch) };
        let (start_x, start_y) = (from + 3.0 * side, self.y(arrow.sent));
        let x = match is_lost {
            true => lane - 0.3 * self.gap * side,
            false => lane - if is_marked { 8.0 } else { 3.0 } * side,
        };
        // What passes other lanes passes them in a bow: else it might seem to begin or to end there.
        let sag = if (lane - from).abs() > 1.5 * self.gap { 20.0 } else { 0.0 };
        let (bend_x, bend_y) = ((start_x + x) / 2.0, (start_y + y) / 2.0 + sag);
        let _ = writeln!(
            arrows,
            "<path class=\"arrow {class}\" d=\"M{start_x:.1} {start_y:.1}Q{bend_x:.1} {bend_y:.1} {x:.1} {y:.1}\"/>"
        );
        if is_lost {
            let _ = writeln!(arrows, "<path class=\"sign lost\" d=\"{}\"/>", cross(x, y));
        } else {
            let angle = (y - bend_y).atan2(x - bend_x);
            let wing = |turn: f64| (x - 9.0 * (angle + turn).cos(), y - 9.0 * (angle + turn).sin());
            let ((ax, ay), (bx, by)) = (wing(0.38), wing(-0.38));
            let _ = writeln!(
                arrows,
                "<path class=\"head {class}\" d=\"M{x:.1} {y:.1}L{ax:.1} {ay:.1}L{bx:.1} {by:.1}Z\"/>"
            );
        }
        // The words lie along the line, above it, beside its head: there no other arrow leaves.
        let (end, at) = if side > 0.0 { (" end", x - 14.0) } else { ("", x + 14.0) };
        let slope = ((y - bend_y) / (x - bend_x)).atan().to_degrees();
        let _ = writeln!(
            labels,
            "<text class=\"label{end}\" x=\"{at:.1}\" y=\"{:.1}\" transform=\"rotate({slope:.1} {x:.1} {y:.1})\">{}</text>",
            y - if sag > 0.0 { 7.0 } else { 4.5 },
            escape(&arrow.words())
        );
    }

    /// Words stand beside the lane, on the side from which no arrow comes.
    fn marks(&self, y: f64, member: NodeId, row: &Row, arrows: &mut String, labels: &mut String) {
        let x = self.x(member);
        let from_left = row.arrow.as_ref().is_some_and(|arrow| self.x(arrow.sketch.from) < x);
        let is_first = self.diagram.members.first() == Some(&member);
        let is_last = self.diagram.members.last() == Some(&member);
        let on_right = !is_first && (is_last || from_left || row.arrow.is_none());
        let (end, at) = if on_right { ("", x + 12.0) } else { (" end", x - 12.0) };
        let _ = writeln!(
            labels,
            "<text class=\"mark{end}\" x=\"{at:.1}\" y=\"{:.1}\">{}</text>",
            y + 4.0,
            escape(&marks(&row.marks))
        );
        let strongest = row.marks.iter().max_by_key(|mark| mark.sign);
        let Some(mark) = strongest else { return };
        let (class, d) = match mark.sign {
            Sign::Plain => ("sign open reply", disc(x, y, 3.5)),
            Sign::Stands => ("sign open vote", polygon(x, y, &[(0, -6), (6, 0), (0, 6), (-6, 0)])),
            Sign::Leads => ("sign order", star(x, y)),
            Sign::Applies => ("sign done", disc(x, y, 4.5)),
            Sign::Asked => ("sign state", polygon(x, y, &[(-5, -5), (5, 0), (-5, 5)])),
            Sign::Answered => ("sign state", polygon(x, y, &[(5, -5), (-5, 0), (5, 5)])),
            Sign::Gone => ("sign lost", cross(x, y)),
            Sign::Back => ("sign open done", disc(x, y, 5.0)),
        };
        let _ = writeln!(arrows, "<path class=\"{class}\" d=\"{d}\"/>");
    }
}

fn marks(marks: &[Mark]) -> String {
    marks.iter().map(|mark| mark.text.as_str()).collect::<Vec<_>>().join(" · ")
}

/// The colour of a message: elections, a leader's orders, answers, states and clients' business.
fn class_of(sketch: &Sketch) -> &'static str {
    match sketch.kind {
        Kind::PreVoteRequest(..)
        | Kind::PreVoteResponse(..)
        | Kind::VoteRequest(_)
        | Kind::VoteResponse(_) => "vote",
        Kind::Append { .. } | Kind::Heartbeat(_) => "order",
        Kind::Commit(_) => "done",
        Kind::Stored(_) | Kind::Conflict(..) | Kind::HeartbeatResponse | Kind::SnapshotStored(_) => "reply",
        Kind::Snapshot(_) | Kind::Forward(_) | Kind::ReadIndexRequest | Kind::ReadIndexResponse(_) => "state",
    }
}

fn disc(x: f64, y: f64, radius: f64) -> String {
    let (left, across) = (x - radius, 2.0 * radius);
    format!("M{left:.1} {y:.1}a{radius} {radius} 0 1 0 {across} 0a{radius} {radius} 0 1 0 -{across} 0Z")
}

fn polygon(x: f64, y: f64, corners: &[(i32, i32)]) -> String {
    let corner = |(dx, dy): &(i32, i32)| format!("{:.1} {:.1}", x + f64::from(*dx), y + f64::from(*dy));
    format!("M{}Z", corners.iter().map(corner).collect::<Vec<_>>().join("L"))
}

fn cross(x: f64, y: f64) -> String {
    let (left, right, top, bottom) = (x - 5.0, x + 5.0, y - 5.0, y + 5.0);
    format!("M{left:.1} {top:.1}L{right:.1} {bottom:.1}M{left:.1} {bottom:.1}L{right:.1} {top:.1}")
}

fn star(x: f64, y: f64) -> String {
    let corners = [(0, -9), (2, -3), (9, -3), (4, 2), (6, 8), (0, 4), (-6, 8), (-4, 2), (-9, -3), (-2, -3)];
    polygon(x, y, &corners)
}

/// Text as it must stand in XML, which has no room for control characters.
fn escape(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
