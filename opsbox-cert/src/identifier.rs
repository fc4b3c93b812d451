//! What a certificate is for: DNS names and IP addresses.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use crate::error::{Error, Reason, Result};
use crate::limits::{MAX_DNS_LABEL_BYTES, MAX_DNS_NAME_BYTES};

/// A DNS name, which may begin with the wildcard `*.` (RFC 8555, section 7.1.3), or an IP address
/// (RFC 8738) that a certificate is to be good for.
///
/// ```
/// use opsbox_cert::Identifier;
///
/// let wildcard: Identifier = "*.Shop.Example.com.".parse()?;
/// assert_eq!(wildcard.to_string(), "*.shop.example.com");
/// assert!(wildcard.is_wildcard());
/// assert!(matches!("2001:DB8::0:1".parse()?, Identifier::Ip(_)));
///
/// let error = "shop.exam ple.com".parse::<Identifier>().unwrap_err();
/// assert!(error.to_string().contains("`exam ple`"), "{error}");
/// # Ok::<(), opsbox_cert::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Identifier {
    /// A DNS name as it is parsed from text.
    Dns(DnsName),
    /// An IP address.
    Ip(IpAddr),
}

/// A DNS name that was checked: the content of [`Identifier::Dns`]. It is in lower case, without the dot
/// at the end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DnsName(Box<str>);

impl DnsName {
    /// The name, with its wildcard if it has one.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is one label alone, as `localhost`: no public CA issues for it.
    pub fn is_internal(&self) -> bool {
        !self.0.trim_start_matches("*.").contains('.')
    }
}

impl Identifier {
    /// Whether it stands for all names one label below another. A CA validates it by DNS only.
    pub fn is_wildcard(&self) -> bool {
        matches!(self, Self::Dns(name) if name.0.starts_with("*."))
    }

    /// The name whose control is to be proved: a wildcard's without `*.`.
    pub fn base(&self) -> String {
        let text = self.to_string();
        match text.strip_prefix("*.") {
            Some(base) => base.to_owned(),
            None => text,
        }
    }
}

impl fmt::Display for Identifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(name) => f.write_str(&name.0),
            Self::Ip(address) => address.fmt(f),
        }
    }
}

/// Takes a DNS name or an IP address, an IPv6 address also in the brackets of a URL.
impl FromStr for Identifier {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bare = text
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'));
        if let Ok(address) = bare.unwrap_or(text).parse() {
            return Ok(Self::Ip(address));
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
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            let dashes = label.starts_with('-') || label.ends_with('-');
            if label.is_empty() || label.len() > MAX_DNS_LABEL_BYTES || !letters || dashes {
                return refuse(format!(
                    "its part `{}` is not 1 to {MAX_DNS_LABEL_BYTES} letters, digits and `-` with no `-` at an end; correct it{}",
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
        Ok(Self::Dns(DnsName(name.to_ascii_lowercase().into())))
    }
}

impl From<IpAddr> for Identifier {
    fn from(address: IpAddr) -> Self {
        Self::Ip(address)
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
            ("*.com ", "`com `"),
            (&"a".repeat(64), "63"),
            (&"a.".repeat(130), "253"),
            ("a\n.example.com", "`a\\u{a}`"),
        ] {
            let error = text.parse::<Identifier>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
        assert!("*.".parse::<Identifier>().is_err());
        let name: Identifier = "localhost".parse().unwrap();
        assert!(matches!(name, Identifier::Dns(name) if name.is_internal()));
    }
}
