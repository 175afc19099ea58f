//! What all members share while they act: the network, the record of what happens, and those who watch over it.

use std::collections::BTreeMap;

use super::network::Network;
use super::platter::Platter;
use super::properties::Properties;
use super::reached::{Reached, Situation};
use super::scenario::Header;
use super::trace::{Happening, Record, RequestNumber, Trace};
use crate::raft::NodeId;

/// The stage.
#[derive(Debug)]
pub struct Stage {
    /// What is fixed before anything happens.
    pub header: Header,
    /// What is in flight.
    pub network: Network,
    /// What has happened.
    pub trace: Trace,
    /// What must hold.
    pub properties: Properties,
    /// What has come up.
    pub reached: Reached,
    /// What each member's disk must hold.
    pub platters: BTreeMap<NodeId, Platter>,
    /// How many requests clients have made.
    pub requests: u64,
}

impl Stage {
    /// An empty stage.
    pub fn new(header: Header, trace: Trace) -> Stage {
        let platters = header.member_ids().map(|id| (id, Platter::default())).collect();
        Stage {
            header,
            network: Network::default(),
            trace,
            properties: Properties::default(),
            reached: Reached::default(),
            platters,
            requests: 0,
        }
    }

    /// Notes that something happened within a member.
    pub fn happened(&mut self, member: NodeId, what: Happening) {
        self.trace.push(Record::Member(member, what));
    }

    /// Notes that a situation came up.
    pub fn reached(&mut self, situation: Situation) {
        self.reached.note(situation);
    }

    /// The number of a new request.
    pub fn next_request(&mut self) -> RequestNumber {
        self.requests += 1;
        RequestNumber(self.requests)
    }

    /// What a member's disk must hold.
    pub fn platter(&mut self, member: NodeId) -> &mut Platter {
        self.platters.entry(member).or_default()
    }
}
