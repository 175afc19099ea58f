//! The one way in which these tests wait.

use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take. It is generous, since nothing is measured by it: a test that meets it has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);

const PAUSE: Duration = Duration::from_millis(5);

/// Waits until `condition` gives something. `hope` is the sentence that did not come true: "member 2 serves clients".
pub fn until<T>(hope: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain until {hope}");
        thread::sleep(PAUSE);
    }
}
