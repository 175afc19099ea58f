//! The table of who listens where.

use super::commands::Commands;
use super::view::View;

/// The members as they are now.
pub fn of(view: &View, commands: &Commands) -> String {
    let headers = ["member", "id", "role", "clients", "peers", "data", "pid"].map(str::to_owned);
    let rows = view.members().iter().map(|known| {
        [
            known.member.name(),
            known.id.to_string(),
            view.role(known).to_owned(),
            known.member.client_url().to_string(),
            known.member.peer_url().to_string(),
            commands.data_dir(known.member),
            known.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string()),
        ]
    });
    render(&std::iter::once(headers).chain(rows).collect::<Vec<_>>())
}

/// Lines of cells, each column as wide as its widest cell.
fn render<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let mut widths = [0; COLUMNS];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: &[String; COLUMNS]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        format!("  {}", cells.collect::<Vec<_>>().join("   ").trim_end())
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::local::LocalMember;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a", "bb", ""], ["long", "b", "c"], ["é", "", ""]].map(|row| row.map(str::to_owned));
        assert_eq!(render(&rows), "  a      bb\n  long   b    c\n  é");
    }

    #[test]
    fn the_table_says_who_listens_where() {
        let view = View::new(LocalMember::all(2).map(|member| (member, 4710 + u32::from(member.id()))));
        let commands = Commands::new(2, Some(PathBuf::from("d")), Vec::new());
        let table = of(&view, &commands);
        assert_eq!(
            table.lines().collect::<Vec<_>>(),
            [
                "  member   id                 role       clients                  peers                    data           pid",
                "  node1    b33e57d37a66279f   starting   http://127.0.0.1:2379    http://127.0.0.1:2380    d/node1.etcd   4711",
                "  node2    5486e913c1a73442   starting   http://127.0.0.1:22379   http://127.0.0.1:22380   d/node2.etcd   4712",
            ]
        );
    }
}
