//! Which hosts may be spoken to: rules that sink types, actions and secrets have in `allowed_hosts`.

use super::{Destination, Host, HostError, Scheme};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// One rule, written as `https://api.example.com`, or in full as
/// `private GET,POST https://*.example.com:8443/v1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AllowedHost {
    /// Whether it also leads to addresses that are not of the internet.
    private: bool,
    /// In capitals; empty for all.
    methods: Vec<String>,
    scheme: Scheme,
    host: HostPattern,
    /// `None` for all.
    port: Option<u16>,
    /// With what is below it; empty for all.
    path: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum HostPattern {
    /// `*`
    Any,
    /// `*.example.com`: what is below it, at any depth, and not the name itself.
    Below(String),
    Exactly(Host),
}

/// A text that is no rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AllowedHostError {
    #[error("a rule has at most {} bytes", AllowedHost::BYTES_MAX)]
    TooLong,
    #[error(
        "a rule is written as `https://api.example.com`, `GET,POST https://*.example.com:8443/v1` or \
         `private http://10.0.0.5:*`"
    )]
    Form,
    #[error("a rule begins with `https://` or `http://`, after its methods if it has any")]
    Scheme,
    #[error("a rule has no user, no query and no fragment: only a scheme, a host, a port and a path")]
    Surplus,
    #[error("{0}")]
    Host(#[from] HostError),
    #[error("`*` stands for a whole host, or as `*.example.com` for all below one")]
    Wildcard,
    #[error("a port is 1 to 65535, or `*` for all")]
    Port,
    #[error("a path has no `*`, since all below it is meant, and no `.`, `..`, `%` or `//`")]
    Path,
    #[error("`{0:.20}` is no method that can be allowed")]
    Method(String),
}

impl AllowedHost {
    pub const BYTES_MAX: usize = 512;
    /// Rules in one list.
    pub const LIST_MAX: usize = 100;
    const METHODS_MAX: usize = 10;

    /// Whether it also leads to addresses that are not of the internet.
    pub fn is_private(&self) -> bool {
        self.private
    }

    /// Whether a request may go there by this rule.
    pub fn allows(&self, destination: &Destination) -> bool {
        let Destination { scheme, host, port, method, path } = destination;
        self.scheme == *scheme
            && self.port.is_none_or(|own| own == *port)
            && self.host.has(host)
            && (self.methods.is_empty() || self.methods.contains(method))
            && (self.path.is_empty() || (is_plain(path) && is_below(path, &self.path)))
    }

    /// Whether all that `other` allows is allowed by this rule.
    pub fn covers(&self, other: &AllowedHost) -> bool {
        let methods = || !other.methods.is_empty() && other.methods.iter().all(|method| self.methods.contains(method));
        self.scheme == other.scheme
            && (self.private || !other.private)
            && (self.port.is_none() || self.port == other.port)
            && self.host.covers(&other.host)
            && (self.methods.is_empty() || methods())
            && (self.path.is_empty() || is_below(&other.path, &self.path))
    }
}

impl HostPattern {
    fn parse(text: &str) -> Result<HostPattern, AllowedHostError> {
        if text == "*" {
            return Ok(HostPattern::Any);
        }
        let (below, name) = text.strip_prefix("*.").map_or((false, text), |name| (true, name));
        if name.contains('*') {
            return Err(AllowedHostError::Wildcard);
        }
        match (below, Host::parse(name)?) {
            (false, host) => Ok(HostPattern::Exactly(host)),
            (true, Host::Name(name)) => Ok(HostPattern::Below(name)),
            (true, Host::Address(_)) => Err(AllowedHostError::Wildcard),
        }
    }

    fn has(&self, host: &Host) -> bool {
        match (self, host) {
            (HostPattern::Any, _) => true,
            (HostPattern::Below(parent), Host::Name(name)) => is_name_below(name, parent),
            (HostPattern::Below(_), Host::Address(_)) => false,
            (HostPattern::Exactly(own), host) => own == host,
        }
    }

    fn covers(&self, other: &HostPattern) -> bool {
        match (self, other) {
            (HostPattern::Any, _) => true,
            (_, HostPattern::Any) => false,
            (HostPattern::Below(own), HostPattern::Below(other)) => own == other || is_name_below(other, own),
            (HostPattern::Exactly(_), HostPattern::Below(_)) => false,
            (_, HostPattern::Exactly(host)) => self.has(host),
        }
    }
}

fn is_name_below(name: &str, parent: &str) -> bool {
    name.strip_suffix(parent).is_some_and(|rest| rest.ends_with('.'))
}

/// In whole segments: `/v1` has `/v1/users` below it and not `/v10`.
fn is_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| prefix.ends_with('/') || rest.is_empty() || rest.starts_with('/'))
}

/// Whether servers cannot read a path in two ways: a rule about paths must not be led around.
fn is_plain(path: &str) -> bool {
    let escaped = path.to_ascii_lowercase();
    !["%2e", "%2f", "%5c", "%00", "%25", "\\", "//"].iter().any(|trick| escaped.contains(trick))
        && !path.split('/').any(|segment| {
            // Some servers take what stands behind a `;` off before they look at the dots.
            matches!(segment.split(';').next(), Some("." | ".."))
        })
}

impl FromStr for AllowedHost {
    type Err = AllowedHostError;

    fn from_str(text: &str) -> Result<AllowedHost, AllowedHostError> {
        if text.len() > AllowedHost::BYTES_MAX {
            return Err(AllowedHostError::TooLong);
        }
        let mut words: Vec<&str> = text.split_ascii_whitespace().collect();
        let url = words.pop().ok_or(AllowedHostError::Form)?;
        let (private, methods) = match words.as_slice() {
            [] => (false, Vec::new()),
            ["private"] => (true, Vec::new()),
            [methods] => (false, parse_methods(methods)?),
            ["private", methods] => (true, parse_methods(methods)?),
            _ => return Err(AllowedHostError::Form),
        };
        let (scheme, rest) = url.split_once("://").ok_or(AllowedHostError::Scheme)?;
        let scheme = Scheme::named(&scheme.to_ascii_lowercase()).ok_or(AllowedHostError::Scheme)?;
        if rest.contains(['@', '?', '#']) {
            return Err(AllowedHostError::Surplus);
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let colon = authority.rfind(':').filter(|colon| !authority[*colon..].contains(']'));
        let (host, port) =
            colon.map_or((authority, None), |colon| (&authority[..colon], Some(&authority[colon + 1..])));
        let port = match port {
            None => Some(scheme.port()),
            Some("*") => None,
            Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(port.parse().ok().filter(|port| *port > 0).ok_or(AllowedHostError::Port)?)
            }
            Some(_) => return Err(AllowedHostError::Port),
        };
        let path = if path == "/" { "" } else { path };
        if !is_plain(path) || path.contains(['%', '*']) || !path.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(AllowedHostError::Path);
        }
        Ok(AllowedHost { private, methods, scheme, host: HostPattern::parse(host)?, port, path: path.to_owned() })
    }
}

fn parse_methods(text: &str) -> Result<Vec<String>, AllowedHostError> {
    let mut methods: Vec<String> = Vec::new();
    for method in text.split(',') {
        let method = method.to_ascii_uppercase();
        let is_word = (1..=16).contains(&method.len()) && method.bytes().all(|byte| byte.is_ascii_uppercase());
        if !is_word || ["CONNECT", "TRACE", "PRIVATE"].contains(&method.as_str()) {
            return Err(AllowedHostError::Method(method));
        }
        if !methods.contains(&method) {
            methods.push(method);
        }
    }
    if methods.len() > AllowedHost::METHODS_MAX { Err(AllowedHostError::Form) } else { Ok(methods) }
}

impl fmt::Display for AllowedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.private {
            f.write_str("private ")?;
        }
        if !self.methods.is_empty() {
            write!(f, "{} ", self.methods.join(","))?;
        }
        write!(f, "{}://", self.scheme.as_str())?;
        match &self.host {
            HostPattern::Any => f.write_str("*")?,
            HostPattern::Below(name) => write!(f, "*.{name}")?,
            HostPattern::Exactly(host) => host.fmt(f)?,
        }
        match self.port {
            None => f.write_str(":*")?,
            Some(port) if port != self.scheme.port() => write!(f, ":{port}")?,
            Some(_) => {}
        }
        f.write_str(&self.path)
    }
}

impl TryFrom<String> for AllowedHost {
    type Error = AllowedHostError;

    fn try_from(text: String) -> Result<AllowedHost, AllowedHostError> {
        text.parse()
    }
}

impl From<AllowedHost> for String {
    fn from(rule: AllowedHost) -> String {
        rule.to_string()
    }
}

#[cfg(test)]
#[path = "allowed_host_tests.rs"]
mod tests;
