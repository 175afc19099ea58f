//! Keeps one mis-configured or hostile machine from filling the log: a complaint is news once, and then once a
//! minute.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::line::lock;

/// How long the same complaint about the same address is no news.
const SILENCE: Duration = Duration::from_secs(60);
/// How many different complaints are remembered. Beyond it the oldest is forgotten, and may be said again.
const REMEMBERED: usize = 256;

/// What was said lately. The port of an address does not count: every attempt comes from another one.
#[derive(Default)]
pub(super) struct Complaints {
    said: Mutex<BTreeMap<(IpAddr, String), Said>>,
}

struct Said {
    at: Instant,
    unsaid: u64,
}

impl Complaints {
    /// Whether this is worth a line: `Some` with the number of times that it was kept back since it was last said.
    pub(super) fn is_news(&self, remote: IpAddr, what: &str, now: Instant) -> Option<u64> {
        let mut said = lock(&self.said);
        if let Some(before) = said.get_mut(&(remote, what.to_owned())) {
            if now.saturating_duration_since(before.at) < SILENCE {
                before.unsaid = before.unsaid.saturating_add(1);
                return None;
            }
            let unsaid = before.unsaid;
            *before = Said { at: now, unsaid: 0 };
            return Some(unsaid);
        }
        if said.len() >= REMEMBERED {
            let oldest = said.iter().min_by_key(|(_, said)| said.at).map(|(key, _)| key.clone());
            oldest.and_then(|key| said.remove(&key));
        }
        said.insert((remote, what.to_owned()), Said { at: now, unsaid: 0 });
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn the_same_complaint_is_said_once_a_minute_and_counts_what_it_kept_back() {
        let complaints = Complaints::default();
        let start = Instant::now();
        assert_eq!(complaints.is_news(HERE, "wrong cluster", start), Some(0));
        assert_eq!(complaints.is_news(HERE, "wrong cluster", start), None);
        assert_eq!(complaints.is_news(HERE, "wrong cluster", start + SILENCE / 2), None);
        assert_eq!(complaints.is_news(HERE, "an HTTP client", start), Some(0));
        assert_eq!(complaints.is_news(HERE, "wrong cluster", start + SILENCE), Some(2));
        assert_eq!(complaints.is_news(HERE, "wrong cluster", start + SILENCE), None);
    }

    #[test]
    fn its_memory_is_bounded() {
        let complaints = Complaints::default();
        let start = Instant::now();
        for number in 0..3 * REMEMBERED {
            assert_eq!(complaints.is_news(HERE, &number.to_string(), start), Some(0));
        }
        assert_eq!(lock(&complaints.said).len(), REMEMBERED);
    }
}
