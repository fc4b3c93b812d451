//! What of a certificate's names the limits are counted by, as keys of 64 bits.

use std::hash::{BuildHasherDefault, Hasher};

use sha2::{Digest as _, Sha256};

use crate::identifier::Identifier;

/// A map by keys that are hashes, which need little more.
pub(crate) type KeyMap<V> = std::collections::HashMap<u64, V, BuildHasherDefault<KeyHasher>>;

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, key: u64) {
        // Keys of simulations are small numbers, and the table looks at the upper bits too.
        self.0 = key.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    }
}

/// The start of the SHA-256 of a text: the same in every version and on every machine, and nobody can make
/// a name that shares the buckets of another's.
pub(crate) fn key(text: &[u8]) -> u64 {
    let hash = Sha256::digest(text);
    let mut first = [0; 8];
    first.copy_from_slice(hash.get(..8).unwrap_or(&[0; 8]));
    u64::from_be_bytes(first)
}

/// What kind of certificate it is, for its weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// One name.
    Single,
    /// Several names.
    San,
    /// One wildcard at least.
    Wildcard,
}

/// The names of a certificate as the limits of a CA count them: the exact set, each name, and each
/// registered domain by the public suffix list.
///
/// ```
/// use opsbox_cert::budget::Subject;
///
/// let a = Subject::new(&["www.example.co.uk".parse()?, "example.co.uk".parse()?]);
/// let b = Subject::new(&["example.co.uk".parse()?, "www.example.co.uk".parse()?]);
/// assert_eq!(a, b, "a set has no order");
/// assert_eq!(a.domains().len(), 1);
/// # Ok::<(), opsbox_cert::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subject {
    set: u64,
    kind: Kind,
    identifiers: Keys,
    domains: Keys,
}

/// Most certificates have one name, which wants no memory of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Keys {
    One([u64; 1]),
    Many(Box<[u64]>),
}

impl Keys {
    fn new(mut keys: Vec<u64>) -> Self {
        keys.sort_unstable();
        keys.dedup();
        match *keys.as_slice() {
            [one] => Self::One([one]),
            _ => Self::Many(keys.into()),
        }
    }

    pub(crate) fn as_slice(&self) -> &[u64] {
        match self {
            Self::One(one) => one,
            Self::Many(many) => many,
        }
    }
}

impl Subject {
    /// By the public suffix list that this crate was built with.
    pub fn new(identifiers: &[Identifier]) -> Self {
        Self::with(identifiers, registered_domain)
    }

    /// By another notion of what a registered domain is; `None` for a name that is under none.
    pub fn with<'a>(
        identifiers: &'a [Identifier],
        registered: impl Fn(&'a Identifier) -> Option<String>,
    ) -> Self {
        let kind = match identifiers {
            _ if identifiers.iter().any(Identifier::is_wildcard) => Kind::Wildcard,
            [_] => Kind::Single,
            _ => Kind::San,
        };
        let domain = |name: &'a Identifier| match registered(name) {
            Some(domain) => key(domain.as_bytes()),
            None => key(name.to_string().as_bytes()),
        };
        if let [one] = identifiers {
            let base = key(one.base().as_bytes());
            return Self {
                set: if one.is_wildcard() { !base } else { base },
                kind,
                identifiers: Keys::One([base]),
                domains: Keys::One([domain(one)]),
            };
        }
        let mut names: Vec<String> = identifiers.iter().map(ToString::to_string).collect();
        names.sort_unstable();
        names.dedup();
        let bases = identifiers.iter().map(|it| key(it.base().as_bytes()));
        Self {
            set: key(names.join(",").as_bytes()),
            kind,
            identifiers: Keys::new(bases.collect()),
            domains: Keys::new(identifiers.iter().map(domain).collect()),
        }
    }

    /// One name by keys of one's own: for simulations, which have no names.
    pub fn single(set: u64, domain: u64) -> Self {
        Self {
            set,
            kind: Kind::Single,
            identifiers: Keys::One([set]),
            domains: Keys::One([domain]),
        }
    }

    /// Any certificate by keys of one's own: for simulations, which have no names.
    pub fn from_keys(set: u64, kind: Kind, identifiers: Vec<u64>, domains: Vec<u64>) -> Self {
        Self {
            set,
            kind,
            identifiers: Keys::new(identifiers),
            domains: Keys::new(domains),
        }
    }

    /// The key of the exact set.
    pub fn set(&self) -> u64 {
        self.set
    }

    /// What kind of certificate it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The keys of the names that are validated, in order.
    pub fn identifiers(&self) -> &[u64] {
        self.identifiers.as_slice()
    }

    /// The keys of the registered domains, in order.
    pub fn domains(&self) -> &[u64] {
        self.domains.as_slice()
    }
}

/// The domain that somebody registered to have this name: the public suffix and one label more. Of an
/// address it is the IPv4 address itself, or the first 64 bits of an IPv6 address, which is what Let's
/// Encrypt counts by.
///
/// ```
/// use opsbox_cert::budget::registered_domain;
///
/// let domain = |name: &str| registered_domain(&name.parse().unwrap());
/// assert_eq!(domain("*.shop.example.co.uk").as_deref(), Some("example.co.uk"));
/// assert_eq!(domain("2001:db8::7").as_deref(), Some("2001:db8::/64"));
/// assert_eq!(domain("co.uk"), None);
/// ```
pub fn registered_domain(name: &Identifier) -> Option<String> {
    match name {
        Identifier::Ip(std::net::IpAddr::V4(address)) => Some(address.to_string()),
        Identifier::Ip(std::net::IpAddr::V6(address)) => {
            let prefix = u128::from(*address) & (u128::MAX << 64);
            Some(format!("{}/64", std::net::Ipv6Addr::from(prefix)))
        }
        Identifier::Dns(_) => psl::domain_str(&name.base()).map(Into::into),
    }
}
