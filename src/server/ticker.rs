//! From the machine's time to the core's ticks.

use std::time::{Duration, Instant};

/// How many ticks a late thread makes up for. A process that was stopped for a minute must not hear of its minute all at once: it
/// would campaign before it has read the messages that its leader has sent meanwhile.
const MOST_AT_ONCE: u32 = 2;

/// Says how many ticks are due.
pub(super) struct Ticker {
    tick: Duration,
    next: Instant,
}

impl Ticker {
    pub fn new(tick: Duration, now: Instant) -> Ticker {
        Ticker { tick, next: now + tick }
    }

    /// When the next tick is due.
    pub fn next(&self) -> Instant {
        self.next
    }

    /// How many ticks to deliver now, and by how much the first of them is late. More than a couple are forgotten.
    pub fn due(&mut self, now: Instant) -> (u32, Duration) {
        let Some(late) = now.checked_duration_since(self.next) else { return (0, Duration::ZERO) };
        let missed = late.as_nanos() / self.tick.as_nanos().max(1);
        if missed < u128::from(MOST_AT_ONCE) {
            let ticks = missed as u32 + 1;
            self.next += self.tick * ticks;
            (ticks, late)
        } else {
            self.next = now + self.tick;
            (MOST_AT_ONCE, late)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(10);

    #[test]
    fn a_tick_comes_when_its_time_has_come_and_a_little_lateness_is_made_up_for() {
        let start = Instant::now();
        let mut ticker = Ticker::new(TICK, start);
        assert_eq!(ticker.due(start + TICK / 2).0, 0);
        assert_eq!(ticker.due(start + TICK).0, 1);
        assert_eq!(ticker.due(start + TICK).0, 0);
        assert_eq!(ticker.due(start + TICK * 3).0, 2);
        assert_eq!(ticker.next(), start + TICK * 4, "the beat is kept");
    }

    #[test]
    fn a_long_pause_is_not_made_up_for() {
        let start = Instant::now();
        let mut ticker = Ticker::new(TICK, start);
        let resumed = start + Duration::from_secs(60);
        let (ticks, late) = ticker.due(resumed);
        assert_eq!(ticks, 2);
        assert_eq!(late, Duration::from_secs(60) - TICK);
        assert_eq!(ticker.due(resumed).0, 0);
        assert_eq!(ticker.next(), resumed + TICK);
    }
}
