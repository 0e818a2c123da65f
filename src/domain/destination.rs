//! Where an outgoing HTTP request goes, as far as rules about it look.

use std::fmt;
use std::net::IpAddr;

/// How a host is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Http,
    Https,
}

impl Scheme {
    pub fn as_str(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
        }
    }

    /// The port where none is written.
    pub fn port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }

    /// The scheme of this name, in lower case.
    pub fn named(name: &str) -> Option<Scheme> {
        [Scheme::Http, Scheme::Https].into_iter().find(|scheme| scheme.as_str() == name)
    }
}

/// A host by name, in lower case, or by address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    Name(String),
    Address(IpAddr),
}

/// A text that names no host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    #[error("a host has 1 to 253 letters, digits, `-`, `_` and `.`; other scripts are written as `xn--…`")]
    Malformed,
    #[error("an address is written as `192.0.2.1` or `[2001:db8::1]`, in full and in decimal")]
    Address,
}

impl Host {
    /// Reads what stands between `//` and the port: a name, an IPv4 address, or an IPv6 address in brackets. Other
    /// ways of writing an address, such as `0x7f.1`, are refused, since who compares names would not see one.
    ///
    /// # Errors
    /// See [`HostError`].
    pub fn parse(text: &str) -> Result<Host, HostError> {
        if let Some(inner) = text.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or(HostError::Address)?;
            let address: IpAddr = inner.parse().map_err(|_| HostError::Address)?;
            return if address.is_ipv6() { Ok(Host::Address(address.to_canonical())) } else { Err(HostError::Address) };
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return if address.is_ipv4() { Ok(Host::Address(address)) } else { Err(HostError::Address) };
        }
        let is_label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        };
        if text.len() > 253 || !text.split('.').all(is_label) {
            return Err(HostError::Malformed);
        }
        let last = text.rsplit('.').next().unwrap_or(text);
        if last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x") || last.starts_with("0X") {
            return Err(HostError::Address);
        }
        Ok(Host::Name(text.to_ascii_lowercase()))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Address(IpAddr::V4(address)) => address.fmt(f),
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// Where a request goes and by which method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    pub scheme: Scheme,
    pub host: Host,
    pub port: u16,
    /// In capitals.
    pub method: String,
    /// As it is sent, without the query.
    pub path: String,
}

impl Destination {
    /// The host with its port, as call records have it.
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// Without the path, which may have secrets in it: as a rule could be written that allows it.
impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Destination { scheme, host, port, .. } = self;
        write!(f, "{}://{host}", scheme.as_str())?;
        if *port == scheme.port() { Ok(()) } else { write!(f, ":{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_read_in_one_way_only() {
        let name = |text: &str| Ok(Host::Name(text.to_owned()));
        let address = |text: &str| Ok(Host::Address(text.parse().unwrap()));
        let long = ["a".repeat(63), "b".repeat(63), "c".repeat(63), "d".repeat(61)].join(".");
        for (text, expected) in [
            ("Example.COM", name("example.com")),
            ("localhost", name("localhost")),
            ("a_b.xn--bcher-kva.example", name("a_b.xn--bcher-kva.example")),
            (long.as_str(), name(&long)),
            ("127.0.0.1", address("127.0.0.1")),
            ("[::1]", address("::1")),
            ("[::ffff:127.0.0.1]", address("127.0.0.1")),
            ("", Err(HostError::Malformed)),
            ("example.com.", Err(HostError::Malformed)),
            (".example.com", Err(HostError::Malformed)),
            ("a..b", Err(HostError::Malformed)),
            ("bücher.example", Err(HostError::Malformed)),
            ("a%2eb", Err(HostError::Malformed)),
            ("a b", Err(HostError::Malformed)),
            ("::1", Err(HostError::Address)),
            ("[127.0.0.1]", Err(HostError::Address)),
            ("[fe80::1%eth0]", Err(HostError::Address)),
            ("[::1", Err(HostError::Address)),
            ("2130706433", Err(HostError::Address)),
            ("127.1", Err(HostError::Address)),
            ("0177.0.0.1", Err(HostError::Address)),
            ("127.0.0.0x1", Err(HostError::Address)),
            ("0x7f000001", Err(HostError::Address)),
        ] {
            assert_eq!(Host::parse(text), expected, "{text}");
        }
        assert_eq!(Host::parse(&format!("{long}d")), Err(HostError::Malformed));
        assert_eq!(Host::parse(&"a".repeat(64)), Err(HostError::Malformed));
    }
}
