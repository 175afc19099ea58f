//! Five members lose one after the other, down to a minority, and one comes back.

use serde_json::json;

use crate::leader_kills::same_history_everywhere;
use crate::support::{Cluster, Failure, Ledger, Put, encode};
