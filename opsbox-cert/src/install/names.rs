//! Names as the index keeps them, and which name covers which.

use std::net::IpAddr;
use std::sync::Arc;

/// A name as a key: lower case, without the last dot, a wildcard without its star (`.example.com`).
///
/// So the wildcard of a host is found by a slice of the host name, without another string.
pub(super) fn key(name: &str) -> Arc<str> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let name = name
        .strip_prefix('*')
        .filter(|rest| rest.starts_with('.'))
        .unwrap_or(name);
    if let Ok(ip) = name.parse::<IpAddr>() {
        return ip.to_string().into();
    }
    name.to_ascii_lowercase().into()
}

/// The key as people write the name.
pub(super) fn shown(key: &str) -> String {
    if key.starts_with('.') {
        format!("*{key}")
    } else {
        key.to_owned()
    }
}

/// The key of the wildcard that covers a host; a wildcard stands for one label (RFC 9525, section 6.3).
pub(super) fn wildcard_of(host: &str) -> Option<&str> {
    if host.contains(':') || host.starts_with('.') {
        return None;
    }
    let (_, suffix) = host.split_at_checked(host.find('.')?)?;
    Some(suffix)
}

/// Whether one of the sorted `names` is `wanted` or covers it.
pub(super) fn covers(names: &[Arc<str>], wanted: &str) -> bool {
    let has = |key: &str| names.binary_search_by(|name| (**name).cmp(key)).is_ok();
    has(wanted) || wildcard_of(wanted).is_some_and(has)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(names: &[&str]) -> Vec<Arc<str>> {
        let mut keys: Vec<_> = names.iter().map(|name| key(name)).collect();
        keys.sort();
        keys
    }

    #[test]
    fn a_wildcard_covers_one_label() {
        let names = keys(&[
            "*.Example.com.",
            "example.org",
            "2001:DB8::0001",
            "192.0.2.1",
        ]);
        for covered in [
            "a.example.com",
            "*.example.com",
            "EXAMPLE.org",
            "2001:db8::1",
            "192.0.2.1",
        ] {
            assert!(covers(&names, &key(covered)), "{covered}");
        }
        for other in [
            "example.com",
            "a.b.example.com",
            "*.example.org",
            "a.example.org",
            "2001:db8::2",
            "1.192.0.2.1",
            "",
        ] {
            assert!(!covers(&names, &key(other)), "{other}");
        }
        assert_eq!(shown(&key("*.Example.com")), "*.example.com");
        assert_eq!(shown(&key("example.com")), "example.com");
    }
}
