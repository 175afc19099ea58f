//! How many files this process may have open, and how many of them clients may take.
//!
//! A client's connection takes a descriptor, and so does a segment of the log. If clients could take all of them, the log
//! could not begin its next segment, and a member whose log cannot be written has to stop. So the limit is raised as far
//! as this process may raise it (the usual 1,024 suits programs of another age), and the door takes fewer
//! connections than that leaves room for.

use raftwright::etcd::DoorOptions;
use tracing::warn;

/// What the member keeps for itself: segments and snapshots, two connections a peer and two for snapshots, strangers at the
/// peers' port, the runtimes. It is generous.
const RESERVED: u64 = 128;

/// Raises the limit, and gives how many connections the door may take.
pub fn connections_for_clients() -> usize {
    let wanted = DoorOptions::default().max_connections;
    let Some(limit) = raise_limit() else { return wanted };
    let connections = wanted.min(left_for_clients(limit));
    if connections < wanted {
        warn!(
            "this process may have {limit} files open, so that {connections} clients can be connected at a time and more \
             have to wait; raise the limit (`ulimit -n`) if there are more"
        );
    }
    connections
}

/// What a limit leaves for clients: one connection at least, half of it at least where it is low.
fn left_for_clients(limit: u64) -> usize {
    let left = limit.saturating_sub(RESERVED).max(limit / 2).max(1);
    usize::try_from(left).unwrap_or(usize::MAX)
}

/// Raises the soft limit of open files to the hard one. Gives the limit, if there is one that is known.
#[cfg(target_os = "linux")]
fn raise_limit() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum,
        Err(_) => current,
    }
}

#[cfg(not(target_os = "linux"))]
fn raise_limit() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_member_keeps_descriptors_for_itself_however_few_there_are() {
        assert_eq!(left_for_clients(1_024), 896);
        assert_eq!(left_for_clients(200), 100);
        assert_eq!(left_for_clients(0), 1);
        for limit in 4..2_000 {
            let left = left_for_clients(limit) as u64;
            assert!(left >= 1 && limit - left >= RESERVED.min(limit / 2), "{limit}");
        }
    }
}
