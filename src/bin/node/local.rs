//! The local cluster: what `--id N` stands for.
//!
//! Members 1 to 6 on the loopback interface, on the ports that etcd's own examples use: 2379 and 2380 for the first,
//! 22379 and 22380 for the second, and so on up to 62379 and 62380; a seventh would have no ports below 65536.

use std::fmt;

use crate::urls::Url;

/// How many members the local cluster has unless `--size` says otherwise.
pub const DEFAULT_SIZE: u8 = 3;

/// How many there can be.
pub const MAX_SIZE: u8 = 6;

/// One member's place in the local cluster: a number from 1 to [`MAX_SIZE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LocalMember(u8);

/// There is no such local cluster, or no such member of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalError {
    /// `--size` is not from 1 to 6.
    Size(u64),
    /// `--id` is not from 1 to the size.
    Id {
        /// What was asked for.
        id: u64,
        /// How many members there are.
        size: u8,
    },
}

/// Checks the size of a local cluster.
pub fn size(size: u64) -> Result<u8, LocalError> {
    match u8::try_from(size) {
        Ok(members @ 1..=MAX_SIZE) => Ok(members),
        _ => Err(LocalError::Size(size)),
    }
}

impl LocalMember {
    /// Member `id` of a cluster of `size`.
    pub fn new(id: u64, size: u8) -> Result<LocalMember, LocalError> {
        match u8::try_from(id) {
            Ok(number) if (1..=size.min(MAX_SIZE)).contains(&number) => Ok(LocalMember(number)),
            _ => Err(LocalError::Id { id, size }),
        }
    }

    /// All members of a cluster of `size`, in order.
    pub fn all(size: u8) -> impl Iterator<Item = LocalMember> {
        (1..=size.min(MAX_SIZE)).map(LocalMember)
    }

    /// The number that `--id` takes.
    pub fn id(self) -> u8 {
        self.0
    }

    /// `node1`, `node2`, …
    pub fn name(self) -> String {
        format!("node{}", self.0)
    }

    /// `node1.etcd`, `node2.etcd`, …, relative to wherever the member is started.
    pub fn data_dir(self) -> String {
        format!("{}.etcd", self.name())
    }

    /// Where clients reach it.
    pub fn client_url(self) -> Url {
        Url::loopback(self.base_port() + 2379)
    }

    /// Where the other members reach it.
    pub fn peer_url(self) -> Url {
        Url::loopback(self.base_port() + 2380)
    }

    /// 0 for the first member, then 20000, 30000, … 60000.
    fn base_port(self) -> u16 {
        if self.0 == 1 { 0 } else { u16::from(self.0) * 10_000 }
    }
}

impl fmt::Display for LocalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LocalError::Size(size) => write!(
                f,
                "--size {size}: a local cluster has 1 to {MAX_SIZE} members, since each needs ports of its own; for more, \
                 give every member its addresses with --listen-client-urls, --listen-peer-urls and --initial-cluster"
            ),
            LocalError::Id { id, size } => {
                write!(f, "--id {id}: this local cluster has the members 1 to {size}; --size makes it larger")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn members_have_etcds_example_ports() {
        let places: Vec<String> = LocalMember::all(MAX_SIZE)
            .map(|member| format!("{} {} {}", member.data_dir(), member.client_url(), member.peer_url()))
            .collect();
        assert_eq!(
            places,
            [
                "node1.etcd http://127.0.0.1:2379 http://127.0.0.1:2380",
                "node2.etcd http://127.0.0.1:22379 http://127.0.0.1:22380",
                "node3.etcd http://127.0.0.1:32379 http://127.0.0.1:32380",
                "node4.etcd http://127.0.0.1:42379 http://127.0.0.1:42380",
                "node5.etcd http://127.0.0.1:52379 http://127.0.0.1:52380",
                "node6.etcd http://127.0.0.1:62379 http://127.0.0.1:62380",
            ]
        );
        assert_eq!(places.iter().collect::<BTreeSet<_>>().len(), usize::from(MAX_SIZE));
    }

    #[test]
    fn a_size_or_an_id_that_cannot_be_is_refused() {
        assert_eq!(size(6), Ok(6));
        for wrong in [0, 7, 256, u64::MAX] {
            assert_eq!(size(wrong), Err(LocalError::Size(wrong)));
        }
        assert_eq!(LocalMember::new(3, 3).map(LocalMember::id), Ok(3));
        for wrong in [0, 4, 257, u64::MAX] {
            assert_eq!(LocalMember::new(wrong, 3), Err(LocalError::Id { id: wrong, size: 3 }));
        }
    }
}
