//! What a certificate is for: DNS names and IP addresses.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::error::{Error, Reason, Result};
use crate::limits::{MAX_DNS_LABEL_BYTES, MAX_DNS_NAME_BYTES};

/// An identifier of a certificate: a DNS name, which may begin with the wildcard `*.` (RFC 8555,
/// section 7.1.3), or an IP address (RFC 8738).
///
/// DNS names are kept in lower case and without the dot at the end. A name has two labels at least,
/// since no public CA issues for fewer, unless [`Identifier::internal`] makes it.
///
/// ```
/// use opsbox_cert::Identifier;
///
/// let wildcard: Identifier = "*.Shop.Example.com.".parse()?;
/// assert_eq!(wildcard.to_string(), "*.shop.example.com");
/// assert!(wildcard.is_wildcard() && !wildcard.is_ip());
/// let address: Identifier = "2001:DB8::0:1".parse()?;
/// assert_eq!(address.to_string(), "2001:db8::1");
///
/// let error = "shop.exam ple.com".parse::<Identifier>().unwrap_err();
/// assert!(error.to_string().contains("`exam ple`"), "{error}");
/// # Ok::<(), opsbox_cert::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identifier(Kind);

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kind {
    Dns(Box<str>),
    Ip(IpAddr),
}

impl Identifier {
    /// As parsing, but a DNS name of one label is taken: `localhost`, the name of a service in its own
    /// Kubernetes namespace. An internal CA issues for it.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) as for parsing.
    pub fn internal(text: &str) -> Result<Self> {
        Self::with_labels(text, 1)
    }

    fn with_labels(text: &str, least: usize) -> Result<Self> {
        if let Ok(address) = text.parse() {
            return Ok(Self(Kind::Ip(address)));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let refuse = |why: String| {
            let text = crate::text::Escaped(text).to_string();
            Err(Error::from(Reason::Identifier { text, why }))
        };
        if !name.is_ascii() {
            return refuse(
                "a DNS name is ASCII; give an international name in its ASCII form (xn--...)"
                    .into(),
            );
        }
        let labels = name.strip_prefix("*.").unwrap_or(name);
        if name.is_empty() || name.len() > MAX_DNS_NAME_BYTES {
            return refuse(format!(
                "a DNS name has 1 to {MAX_DNS_NAME_BYTES} bytes and not {}; correct it",
                name.len()
            ));
        }
        for label in labels.split('.') {
            let letters = label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
            let dashes = label.starts_with('-') || label.ends_with('-');
            if label.is_empty() || label.len() > MAX_DNS_LABEL_BYTES || !letters || dashes {
                return refuse(format!(
                    "its part `{}` is not 1 to {MAX_DNS_LABEL_BYTES} letters, digits, `-` and `_` with no `-` at an end; correct it{}",
                    crate::text::Escaped(label),
                    match label {
                        "*" => ", a wildcard is the first part only",
                        _ => "",
                    }
                ));
            }
        }
        let numeric = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
        if labels.rsplit('.').next().is_some_and(numeric) {
            return refuse(
                "its last part is a number, so it is neither a DNS name nor an IP address; correct it"
                    .into(),
            );
        }
        if labels.split('.').count() < least {
            return refuse(
                "a DNS name for a CA has a domain after a dot; give the whole name, or use an internal CA"
                    .into(),
            );
        }
        Ok(Self(Kind::Dns(name.to_ascii_lowercase().into())))
    }

    /// The DNS name, with its wildcard.
    pub fn dns_name(&self) -> Option<&str> {
        match &self.0 {
            Kind::Dns(name) => Some(name),
            Kind::Ip(_) => None,
        }
    }

    /// The IP address.
    pub fn ip_address(&self) -> Option<IpAddr> {
        match self.0 {
            Kind::Dns(_) => None,
            Kind::Ip(address) => Some(address),
        }
    }

    /// Whether it is an IP address.
    pub fn is_ip(&self) -> bool {
        self.ip_address().is_some()
    }

    /// Whether it is a wildcard, which a CA validates by DNS only.
    pub fn is_wildcard(&self) -> bool {
        self.dns_name().is_some_and(|name| name.starts_with("*."))
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Dns(name) => f.write_str(name),
            Kind::Ip(address) => address.fmt(f),
        }
    }
}

impl fmt::Debug for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identifier({self})")
    }
}

/// Takes a DNS name or an IP address.
impl FromStr for Identifier {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::with_labels(text, 2)
    }
}

impl From<IpAddr> for Identifier {
    fn from(address: IpAddr) -> Self {
        Self(Kind::Ip(address))
    }
}

#[cfg(test)]
mod tests {
    use super::Identifier;

    #[test]
    fn names_that_no_ca_takes_are_refused_with_the_part_that_is_wrong() {
        for (text, part) in [
            ("", "1 to 253 bytes"),
            (".", "1 to 253 bytes"),
            ("example..com", "its part ``"),
            ("-a.example.com", "`-a`"),
            ("a.*.example.com", "first part only"),
            ("*", "first part only"),
            ("*.*.example.com", "first part only"),
            ("bücher.example", "xn--"),
            ("192.0.2.300", "last part is a number"),
            ("localhost", "whole name"),
            ("*.com ", "`com `"),
            (&"a".repeat(64), "63"),
            (&"a.".repeat(130), "253"),
            ("a\n.example.com", "`a\\u{a}`"),
        ] {
            let error = text.parse::<Identifier>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!(Identifier::internal("localhost").is_ok());
        assert!(Identifier::internal("*.").is_err());
    }
}
