//! Binding: every port is taken before anything else begins, so that a member that cannot listen leaves no trace.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};

use crate::urls::Url;

/// A place could not be listened at.
#[derive(Debug)]
pub struct BindError {
    /// The flag that named it.
    flag: &'static str,
    url: Url,
    error: io::Error,
}

/// Listens at all of `urls`, which `flag` named.
///
/// # Errors
/// At the first that cannot be bound; the others are free again then.
pub fn bind(flag: &'static str, urls: &[Url]) -> Result<Vec<TcpListener>, BindError> {
    urls.iter()
        .map(|url| bind_one(url).map_err(|error| BindError { flag, url: url.clone(), error }))
        .collect()
}

/// Takes the first address that this machine has: `localhost` is IPv4's loopback, as with etcd, and IPv6's where there
/// is no other.
fn bind_one(url: &Url) -> io::Result<TcpListener> {
    let mut outcome =
        Err(io::Error::new(ErrorKind::InvalidInput, "the host is neither an IP address nor localhost"));
    for address in url.bind_addresses().unwrap_or_default() {
        outcome = TcpListener::bind(SocketAddr::new(address, url.port()));
        match &outcome {
            Err(error) if matches!(error.kind(), ErrorKind::AddrNotAvailable | ErrorKind::Unsupported) => {}
            _ => break,
        }
    }
    outcome
}

/// Where the listeners listen, as URLs: port 0 has become the port that the system chose.
pub fn bound_urls(listeners: &[TcpListener]) -> String {
    let url = |listener: &TcpListener| match listener.local_addr() {
        Ok(address) => format!("http://{address}"),
        Err(error) => format!("an unknown address ({error})"),
    };
    listeners.iter().map(url).collect::<Vec<_>>().join(",")
}

impl BindError {
    /// Whether somebody else listens there.
    pub fn is_in_use(&self) -> bool {
        self.error.kind() == ErrorKind::AddrInUse
    }

    /// Where it was.
    pub fn url(&self) -> &Url {
        &self.url
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BindError { flag, url, error } = self;
        match error.kind() {
            ErrorKind::AddrInUse => write!(
                f,
                "cannot listen on {url} (--{flag}): the port is in use, perhaps by another member or an etcd that still \
                 runs; `ss -ltnp 'sport = :{}'` shows who; stop it, or choose another port with --{flag}",
                url.port()
            ),
            ErrorKind::PermissionDenied => write!(
                f,
                "cannot listen on {url} (--{flag}): not permitted; ports below 1024 usually belong to root, so choose \
                 a higher one with --{flag}"
            ),
            ErrorKind::AddrNotAvailable => write!(
                f,
                "cannot listen on {url} (--{flag}): no interface of this machine has this address; use one that it has, \
                 or 0.0.0.0 for all"
            ),
            _ => write!(f, "cannot listen on {url} (--{flag}): {error}"),
        }
    }
}

impl std::error::Error for BindError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_named_with_its_flag_and_a_way_out() {
        let held = bind("listen-peer-urls", &[Url::localhost(0)]).expect("some port is free");
        let port = held.first().and_then(|listener| listener.local_addr().ok()).expect("it is bound").port();
        let error = bind("listen-client-urls", &[Url::loopback(port)]).expect_err("the port is taken");
        assert!(error.is_in_use());
        let sentence = error.to_string();
        assert!(
            sentence.starts_with(&format!("cannot listen on http://127.0.0.1:{port} (--listen-client-urls)"))
        );
        assert!(sentence.contains("choose another port with --listen-client-urls"), "{sentence}");
    }

    #[test]
    fn port_zero_is_shown_as_the_port_that_the_system_chose() {
        let listeners = bind("listen-peer-urls", &[Url::loopback(0)]).expect("some port is free");
        let shown = bound_urls(&listeners);
        assert!(shown.starts_with("http://127.0.0.1:") && !shown.ends_with(":0"), "{shown}");
    }

    #[test]
    fn an_address_that_this_machine_lacks_is_said_to_be_that() {
        let url = Url::parse("http://192.0.2.1:0").expect("a URL");
        let error = bind("listen-peer-urls", &[url]).expect_err("192.0.2.0/24 is for documentation");
        assert!(error.to_string().contains("no interface of this machine has this address"), "{error}");
    }
}
