//! Ports for members.
//!
//! A member's ports must be known before it starts and must be free again when it comes back from the dead, so the system
//! cannot choose them: what it gives for port 0 is from the range out of which it also gives outgoing connections their
//! ports. A peer that dials a dead member there can even be given the very port that it dials, and then it is
//! connected to itself. So these are from below that range, and are tried before they are used.

use std::net::TcpListener;
use std::sync::Mutex;

const FIRST: u16 = 10_000;
const COUNT: u16 = 22_000;

/// A port that is free now, and that no other test of this process has been given. Somebody else may still take it:
/// whoever starts a member on it must be ready for that.
pub fn free_port() -> u16 {
    static NEXT: Mutex<Option<u16>> = Mutex::new(None);
    let mut next = NEXT.lock().unwrap();
    // Processes that run at the same time begin at different places.
    let mut offset = next.unwrap_or_else(|| (std::process::id().wrapping_mul(613) % u32::from(COUNT)) as u16);
    for _ in 0..COUNT {
        let port = FIRST + offset;
        offset = (offset + 1) % COUNT;
        // Those of the local cluster stay free for it.
        let reserved = matches!(port % 10_000, 2379 | 2380);
        if !reserved && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            *next = Some(offset);
            return port;
        }
    }
    panic!("there is no free port from {FIRST} on");
}
