//! URLs as etcd's flags take them: `http://host:port`, and lists of them with commas between.
//!
//! The same text names a place to listen at, a place that others reach, and (for peers) the member itself, since its
//! id is made of its peer URLs. So a URL is brought to one spelling when it is read.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// One `http://host:port`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Url {
    /// A name in lower case, or an IP address in its canonical spelling; IPv6 without its brackets.
    host: String,
    port: u16,
}

/// Why a text is no URL that we can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlError {
    /// It does not begin with `http://`.
    Scheme,
    /// `https://`: this member speaks no TLS.
    Tls,
    /// `unix://` or `unixs://`: this member listens on TCP alone.
    UnixSocket,
    /// There is something behind the port.
    Path,
    /// The port is missing, or not a number up to 65535.
    Port,
    /// The host is missing, or has characters that no host has.
    Host,
}

impl Url {
    /// A URL on the loopback interface.
    pub fn loopback(port: u16) -> Url {
        Url { host: "127.0.0.1".into(), port }
    }

    /// A URL on this machine by name, as etcd's defaults have it.
    pub fn localhost(port: u16) -> Url {
        Url { host: "localhost".into(), port }
    }

    /// Reads one URL; blanks around it do not matter.
    pub fn parse(text: &str) -> Result<Url, UrlError> {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        match scheme.to_ascii_lowercase().as_str() {
            "http" => {}
            "https" => return Err(UrlError::Tls),
            "unix" | "unixs" => return Err(UrlError::UnixSocket),
            _ => return Err(UrlError::Scheme),
        }
        if rest.contains(['/', '?', '#']) {
            return Err(UrlError::Path);
        }
        let (host, port) = rest.rsplit_once(':').ok_or(UrlError::Port)?;
        if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(UrlError::Port);
        }
        let port = port.parse().map_err(|_| UrlError::Port)?;
        Ok(Url { host: canonical_host(host)?, port })
    }

    /// Reads a list of URLs with commas between; it comes out sorted, as etcd keeps them. The error names the item that
    /// is wrong. A URL that stands there twice stays twice: whether that matters is the caller's to say.
    pub fn parse_list(text: &str) -> Result<Vec<Url>, (String, UrlError)> {
        let mut urls = text
            .split(',')
            .map(|item| Url::parse(item).map_err(|error| (item.trim().to_owned(), error)))
            .collect::<Result<Vec<_>, _>>()?;
        urls.sort();
        Ok(urls)
    }

    /// The port; 0 asks the system for a free one.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where to bind: the address, if the host is an IP, or the loopback addresses for `localhost`, in the order in
    /// which to try them. `None` for any other name: a listener needs to know its interface.
    pub fn bind_addresses(&self) -> Option<Vec<IpAddr>> {
        if self.host == "localhost" {
            return Some(vec![IpAddr::from([127, 0, 0, 1]), IpAddr::V6(Ipv6Addr::LOCALHOST)]);
        }
        self.host.parse().ok().map(|address| vec![address])
    }

    /// The same URL with `localhost` written as the address that it stands for: `http://localhost:2380` and
    /// `http://127.0.0.1:2380` are one place.
    pub fn resolved(&self) -> Url {
        if self.host == "localhost" { Url::loopback(self.port) } else { self.clone() }
    }
}

/// `HOST:PORT`, with brackets round an IPv6 address.
fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

fn canonical_host(host: &str) -> Result<String, UrlError> {
    if let Some(inside) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return inside.parse::<Ipv6Addr>().map(|address| address.to_string()).map_err(|_| UrlError::Host);
    }
    let is_host_character = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    if host.is_empty() || !host.chars().all(is_host_character) {
        return Err(UrlError::Host);
    }
    Ok(host.to_ascii_lowercase())
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", authority(&self.host, self.port))
    }
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            UrlError::Scheme => "a URL begins with http://, as in http://127.0.0.1:2379",
            UrlError::Tls => "https:// needs TLS, which this version does not speak; use http://",
            UrlError::UnixSocket => "unix sockets are not supported; use http://IP:PORT",
            UrlError::Path => "a URL ends with its port, without a path, as in http://127.0.0.1:2379",
            UrlError::Port => "a port from 0 to 65535 is missing, as in http://127.0.0.1:2379",
            UrlError::Host => {
                "the host must be a name or an IP address (IPv6 in brackets), as in http://127.0.0.1:2379"
            }
        })
    }
}

/// The list as it would be given on the command line.
pub fn join(urls: &[Url]) -> String {
    urls.iter().map(Url::to_string).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_and_shown_in_one_spelling() {
        for (given, shown) in [
            ("http://localhost:2379", "http://localhost:2379"),
            (" HTTP://LocalHost:2379 ", "http://localhost:2379"),
            ("http://10.0.0.1:02380", "http://10.0.0.1:2380"),
            ("http://[::0001]:1", "http://[::1]:1"),
            ("http://node-1.example.org:65535", "http://node-1.example.org:65535"),
            ("http://0.0.0.0:0", "http://0.0.0.0:0"),
        ] {
            assert_eq!(Url::parse(given).map(|url| url.to_string()), Ok(shown.to_owned()), "{given}");
        }
    }

    #[test]
    fn what_is_no_url_is_refused_with_its_reason() {
        for (given, error) in [
            ("", UrlError::Scheme),
            ("foo", UrlError::Scheme),
            ("127.0.0.1:2379", UrlError::Scheme),
            ("ftp://127.0.0.1:2379", UrlError::Scheme),
            ("https://127.0.0.1:2379", UrlError::Tls),
            ("unix://localhost:1", UrlError::UnixSocket),
            ("http://127.0.0.1:2379/", UrlError::Path),
            ("http://127.0.0.1:2379/v3", UrlError::Path),
            ("http://127.0.0.1", UrlError::Port),
            ("http://127.0.0.1:", UrlError::Port),
            ("http://127.0.0.1:65536", UrlError::Port),
            ("http://127.0.0.1:+80", UrlError::Port),
            ("http://:2379", UrlError::Host),
            ("http://::1:2379", UrlError::Host),
            ("http://[nonsense]:2379", UrlError::Host),
            ("http://a b:2379", UrlError::Host),
            ("http://user@host:2379", UrlError::Host),
        ] {
            assert_eq!(Url::parse(given), Err(error), "{given}");
        }
    }

    #[test]
    fn a_list_comes_out_sorted_and_its_error_names_the_item() {
        let urls = Url::parse_list("http://b:2, http://a:1").expect("both are URLs");
        assert_eq!(join(&urls), "http://a:1,http://b:2");
        assert_eq!(Url::parse_list("http://a:1,b"), Err(("b".to_owned(), UrlError::Scheme)));
        assert_eq!(Url::parse_list("http://a:1,"), Err((String::new(), UrlError::Scheme)));
    }

    #[test]
    fn one_can_bind_to_an_address_or_to_localhost_but_to_no_other_name() {
        let addresses = |text: &str| Url::parse(text).expect("a URL").bind_addresses();
        assert_eq!(addresses("http://10.0.0.7:1"), Some(vec![IpAddr::from([10, 0, 0, 7])]));
        assert_eq!(addresses("http://localhost:1").map(|list| list.len()), Some(2));
        assert_eq!(addresses("http://example.org:1"), None);
    }

    #[test]
    fn localhost_and_the_loopback_address_are_one_place() {
        assert_eq!(Url::localhost(7).resolved(), Url::loopback(7).resolved());
        assert_ne!(Url::localhost(7).resolved(), Url::loopback(8).resolved());
    }
}
