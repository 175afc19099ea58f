//! How a peer is reached: its addresses in turn, until one leads to a connection with a finished handshake.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::Shared;
use super::config::TransportOptions;
use super::handshake::{self, HandshakeError, Hello, Purpose};
use super::line::Line;
use super::peer::Peer;

/// Why a peer could not be reached: what went wrong at each of its addresses.
#[derive(Debug, Default)]
pub(super) struct DialError(Vec<Attempt>);

/// One address that did not lead to the peer.
#[derive(Debug)]
enum Attempt {
    Resolve { name: String, source: io::Error },
    Nowhere { name: String },
    Connect { address: SocketAddr, source: io::Error },
    Handshake { address: SocketAddr, source: HandshakeError },
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Attempt::Resolve { name, source } => write!(f, "{name} cannot be resolved: {source}"),
            Attempt::Nowhere { name } => write!(f, "{name} resolves to no address"),
            Attempt::Connect { address, source } => write!(f, "{address} cannot be reached: {source}"),
            Attempt::Handshake { address, source: HandshakeError::Refused(refusal) } => {
                write!(f, "{address} refuses us: {refusal}")
            }
            Attempt::Handshake { address, source } => write!(f, "{address}: {source}"),
        }
    }
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, attempt) in self.0.iter().enumerate() {
            let separator = if number == 0 { "" } else { "; " };
            write!(f, "{separator}{attempt}")?;
        }
        Ok(())
    }
}

impl std::error::Error for DialError {}

/// Connects to the peer. Neither a name server nor a connection attempt can be interrupted, so a shutdown may have to
/// wait for the one that is in flight; no further one is begun.
pub(super) fn dial(shared: &Shared, peer: &Peer, purpose: Purpose) -> Result<Arc<Line>, DialError> {
    let mut failed = DialError::default();
    for name in &peer.addresses {
        let resolved = match name.to_socket_addrs() {
            Ok(resolved) => resolved,
            Err(source) => {
                failed.0.push(Attempt::Resolve { name: name.clone(), source });
                continue;
            }
        };
        let before = failed.0.len();
        for address in resolved {
            if shared.stop.is_declared() {
                return Err(failed);
            }
            match attempt(shared, peer, purpose, address) {
                Ok(line) => return Ok(line),
                Err(attempt) => failed.0.push(attempt),
            }
        }
        if failed.0.len() == before {
            failed.0.push(Attempt::Nowhere { name: name.clone() });
        }
    }
    Err(failed)
}

fn attempt(
    shared: &Shared,
    peer: &Peer,
    purpose: Purpose,
    address: SocketAddr,
) -> Result<Arc<Line>, Attempt> {
    let stream = connect(address, &shared.options).map_err(|source| Attempt::Connect { address, source })?;
    let line = shared.switchboard.plug_in(Line::new(stream, address));
    let hello = Hello { cluster_id: shared.cluster_id, from: shared.node_id, to: peer.id, purpose };
    handshake::introduce(&line.stream, &hello, shared.options.handshake_timeout)
        .map_err(|source| Attempt::Handshake { address, source })?;
    Ok(line)
}

fn connect(address: SocketAddr, options: &TransportOptions) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, options.connect_timeout)?;
    // Where nobody listens on a port that the system also gives to outgoing connections, an attempt can by chance
    // meet itself. It would then keep the peer from listening there.
    if stream.local_addr()? == address {
        return Err(io::ErrorKind::ConnectionRefused.into());
    }
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// How long to wait between attempts: a random time, up to a bound that doubles with every failure.
pub(super) struct Backoff {
    random: ChaCha8Rng,
    first: Duration,
    max: Duration,
    bound: Duration,
}

impl Backoff {
    /// The seed only has to differ between members, so that they do not dial in step.
    pub(super) fn new(seed: u64, options: &TransportOptions) -> Backoff {
        Backoff {
            random: ChaCha8Rng::seed_from_u64(seed),
            first: options.first_redial_delay,
            max: options.max_redial_delay,
            bound: options.first_redial_delay,
        }
    }

    /// The next wait: between half the bound and the bound.
    pub(super) fn next(&mut self) -> Duration {
        let bound = self.bound;
        self.bound = bound.saturating_mul(2).min(self.max);
        bound.mul_f64(self.random.random_range(0.5..=1.0))
    }

    /// The peer was reached, and has shown that it hears us.
    pub(super) fn reset(&mut self) {
        self.bound = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_limit_and_begin_small_after_a_success() {
        let options = TransportOptions::default();
        let mut backoff = Backoff::new(1, &options);
        let waits: Vec<Duration> = (0..20).map(|_| backoff.next()).collect();
        assert!(waits[0] <= options.first_redial_delay);
        for pair in waits[..6].windows(2) {
            assert!(pair[1] >= pair[0] && pair[1] <= pair[0] * 4, "{pair:?}");
        }
        assert!(waits.iter().all(|wait| *wait <= options.max_redial_delay));
        assert!(waits[19] >= options.max_redial_delay / 2);
        assert_ne!(waits[18], waits[19]);
        backoff.reset();
        assert!(backoff.next() <= options.first_redial_delay);
    }

    #[test]
    fn two_members_do_not_wait_in_step() {
        let options = TransportOptions::default();
        assert_ne!(Backoff::new(1, &options).next(), Backoff::new(2, &options).next());
    }
}
