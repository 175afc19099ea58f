//! `--write-out=table`: a box around columns; headings in the middle, everything else to the right.
//!
//! A cell wider than thirty characters is broken at its spaces so that its lines come out evenly, as etcdctl's library does.

use raftwright::etcd::proto::etcdserverpb::MemberListResponse;

use super::text::go_duration;
use super::{EndpointHealth, EndpointStatus, member_columns, status_columns};

/// A cell is broken into lines of at most this many characters, where its words allow it.
const WRAP_AT_CHARS: usize = 30;

pub fn member_list(response: &MemberListResponse) -> Vec<u8> {
    let headings = ["ID", "STATUS", "NAME", "PEER ADDRS", "CLIENT ADDRS", "IS LEARNER"];
    render(headings, response.members.iter().map(member_columns))
}

pub fn endpoint_status(reports: &[EndpointStatus]) -> Vec<u8> {
    let headings = [
        "ENDPOINT",
        "ID",
        "VERSION",
        "DB SIZE",
        "IS LEADER",
        "IS LEARNER",
        "RAFT TERM",
        "RAFT INDEX",
        "RAFT APPLIED INDEX",
        "ERRORS",
    ];
    render(headings, reports.iter().map(status_columns))
}

pub fn endpoint_health(reports: &[EndpointHealth]) -> Vec<u8> {
    render(
        ["ENDPOINT", "HEALTH", "TOOK", "ERROR"],
        reports.iter().map(|report| {
            let healthy = report.error.is_none().to_string();
            [
                report.endpoint.clone(),
                healthy,
                go_duration(report.took),
                report.error.clone().unwrap_or_default(),
            ]
        }),
    )
}

fn render<const COLUMNS: usize>(
    headings: [&str; COLUMNS],
    rows: impl Iterator<Item = [String; COLUMNS]>,
) -> Vec<u8> {
    let rows: Vec<[Cell; COLUMNS]> = rows.map(|row| row.map(|text| wrap(&text, WRAP_AT_CHARS))).collect();
    let mut widths = headings.map(chars);
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.width.max(*width);
        }
    }

    let rule: String =
        widths.iter().map(|width| format!("+{}", "-".repeat(width + 2))).collect::<String>() + "+\n";
    let mut table = rule.clone();
    for (heading, width) in headings.iter().zip(widths) {
        table.push_str(&format!("| {heading:^width$} "));
    }
    table.push_str("|\n");
    table.push_str(&rule);
    for row in &rows {
        let height = row.iter().map(|cell| cell.lines.len()).max().unwrap_or(0);
        for line in 0..height {
            for (cell, width) in row.iter().zip(widths) {
                let text = cell.lines.get(line).map_or("", String::as_str);
                table.push_str(&format!("| {text:>width$} "));
            }
            table.push_str("|\n");
        }
    }
    table.push_str(&rule);
    table.into_bytes()
}

fn chars(text: &str) -> usize {
    text.chars().count()
}

/// A text as it stands in the table.
#[derive(Debug, PartialEq, Eq)]
struct Cell {
    lines: Vec<String>,
    /// In characters: of a text that was broken, the limit and not its longest line.
    width: usize,
}

/// Breaks a text into lines of at most `limit` characters, or as many as its longest word has, such that the sum of the
/// squares of the room left over is least; the last line's room costs nothing.
fn wrap(text: &str, limit: usize) -> Cell {
    let words: Vec<&str> = text.split([' ', '\n']).collect();
    let limit = words.iter().map(|word| chars(word)).fold(limit, usize::max);
    // From the last word to the first: what the text from this word on costs, and where its first line ends.
    let mut best: Vec<(usize, usize)> = vec![(0, words.len()); words.len() + 1];
    for first in (0..words.len()).rev() {
        let mut width = 0;
        let mut found = (usize::MAX, words.len());
        for (last, word) in words.iter().enumerate().skip(first) {
            width += chars(word) + usize::from(last > first);
            if width > limit {
                break;
            }
            let is_last_line = last + 1 == words.len();
            let cost = if is_last_line { 0 } else { (limit - width).pow(2) + best[last + 1].0 };
            if cost < found.0 || is_last_line {
                found = (cost, last + 1);
            }
        }
        best[first] = found;
    }
    let mut lines = Vec::new();
    let mut first = 0;
    while first < words.len() {
        let end = best[first].1;
        lines.push(words[first..end].join(" "));
        first = end;
    }
    Cell { lines, width: chars(text).min(limit) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wide_cell_is_broken_evenly_and_only_at_spaces() {
        let cell = |lines: &[&str], width| Cell {
            lines: lines.iter().map(|line| line.to_string()).collect(),
            width,
        };
        // Recorded, as the name of a member. Filled line by line, the first would end with the second word.
        let name = "aaaaaaaaaaaaaaaaaaaa bbbbbbbbb ccccc dddddddddddddddddddddddddd eeeeeeeeee";
        let broken = ["aaaaaaaaaaaaaaaaaaaa", "bbbbbbbbb ccccc", "dddddddddddddddddddddddddd", "eeeeeeeeee"];
        assert_eq!(wrap(name, 30), cell(&broken, 30));
        assert_eq!(wrap("two words", 30), cell(&["two words"], 9));
        assert_eq!(wrap("", 30), cell(&[""], 0));
        let url = "http://a.very.long.name.of.a.host.example.org:2379";
        assert_eq!(wrap(url, 30), cell(&[url], 50));
    }
}
