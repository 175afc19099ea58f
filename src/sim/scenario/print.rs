//! A scenario as text: the one canonical way to write it, which `parse.rs` reads back as the same scenario.

use std::collections::BTreeSet;
use std::fmt::{self, Display, Formatter};

use super::action::{Action, Expectation, Header, Link, Nth, Scenario, Unsynced};
use crate::raft::NodeId;

impl Display for Scenario {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.header)?;
        self.actions.iter().try_for_each(|action| writeln!(f, "{action}"))
    }
}

/// One line for the members, one for each setting that is not as usual, one for the end.
impl Display for Header {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let usual = Header::default();
        writeln!(f, "members {}", self.members)?;
        let settings = [
            ("seed", self.seed, usual.seed),
            ("election_ticks", self.election_ticks.into(), usual.election_ticks.into()),
            ("heartbeat_ticks", self.heartbeat_ticks.into(), usual.heartbeat_ticks.into()),
            ("retained_entries", self.retained_entries, usual.retained_entries),
            ("append_bytes", self.append_bytes.into(), usual.append_bytes.into()),
        ];
        for (name, value, _) in settings.iter().filter(|(_, value, usual)| value != usual) {
            writeln!(f, "{name} {value}")?;
        }
        if let Some(mutant) = &self.mutant {
            writeln!(f, "mutant {mutant}")?;
        }
        match &self.expect {
            Expectation::Ok => writeln!(f, "expect ok"),
            Expectation::Violation(property) => writeln!(f, "expect violation {property}"),
        }
    }
}

impl Display for Link {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}->{}", self.from, self.to)
    }
}

impl Display for Action {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Action::Tick { member, times } if times.get() == 1 => write!(f, "tick {member}"),
            Action::Tick { member, times } => write!(f, "tick {member} x{times}"),
            Action::Deliver { link, nth } => write!(f, "deliver {link}{}", Place(*nth)),
            Action::DeliverAmong { members: None } => write!(f, "deliver all"),
            Action::DeliverAmong { members: Some(members) } => write!(f, "deliver {}", Side(members)),
            Action::Drop { link, nth } => write!(f, "drop {link}{}", Place(*nth)),
            Action::Duplicate { link, nth } => write!(f, "duplicate {link}{}", Place(*nth)),
            Action::Partition { sides } => {
                write!(f, "partition")?;
                for (at, side) in sides.iter().enumerate() {
                    write!(f, "{} {}", if at == 0 { "" } else { " |" }, Side(side))?;
                }
                Ok(())
            }
            Action::Cut(link) => write!(f, "cut {link}"),
            Action::Heal => write!(f, "heal"),
            Action::Persist(member) => write!(f, "persist {member}"),
            Action::Crash { member, unsynced } => match unsynced {
                Unsynced::Lose => write!(f, "crash {member}"),
                Unsynced::Keep => write!(f, "crash {member} keep"),
                Unsynced::Torn(bytes) => write!(f, "crash {member} torn {bytes}"),
                Unsynced::Scatter(seed) => write!(f, "crash {member} scatter {seed}"),
            },
            Action::Restart(member) => write!(f, "restart {member}"),
            Action::FailSync(member) => write!(f, "fail-sync {member}"),
            Action::FillDisk(member) => write!(f, "fill-disk {member}"),
            Action::EmptyDisk(member) => write!(f, "empty-disk {member}"),
            Action::Propose { member, key, value } => write!(f, "propose {member} {key}={value}"),
            Action::Delete { member, key } => write!(f, "delete {member} {key}"),
            Action::Read { member, key } => write!(f, "read {member} {key}"),
            Action::Watch { member, key } => write!(f, "watch {member} {key}"),
            Action::Retry(member) => write!(f, "retry {member}"),
            Action::Snapshot(member) => write!(f, "snapshot {member}"),
            Action::Suspect { member, of } => write!(f, "suspect {member} {of}"),
            Action::SendSnapshot(link) => write!(f, "send-snapshot {link}"),
            Action::LoseSnapshot(link) => write!(f, "lose-snapshot {link}"),
            Action::Settle => write!(f, "settle"),
        }
    }
}

/// The place of a message on its link; the first one goes without saying.
struct Place(Nth);

impl Display for Place {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.0.get() == 1 { Ok(()) } else { write!(f, " #{}", self.0) }
    }
}

/// Members, with a space between them.
struct Side<'a>(&'a BTreeSet<NodeId>);

impl Display for Side<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (at, member) in self.0.iter().enumerate() {
            write!(f, "{}{member}", if at == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}
