//! URLs without what must not leave.

/// The URL without user and password, which CI systems put into that of a repository. What is not of the form
/// `scheme://...` has no place for a password, and stays: `git@example.com:team/shop.git`.
pub(super) fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let authority_end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (authority, _) = rest.split_at(authority_end);
    let port = authority.rsplit_once(':').map(|(_, port)| port);
    let at = match authority.rfind('@') {
        Some(at) => Some(at),
        // A password with a `/` in it that should have been escaped: up to the last `@` it may go on.
        None if port.is_some_and(|port| port.parse::<u16>().is_err())
            && !authority.starts_with('[') =>
        {
            rest.rfind('@')
        }
        None => None,
    };
    let after = at.and_then(|at| rest.get(at + 1..)).unwrap_or(rest);
    format!("{scheme}://{after}")
}

/// The same without a query and a fragment, which may hold tokens.
pub(super) fn repository(url: &str) -> String {
    let url = without_credentials(url);
    match (url.contains("://"), url.find(['?', '#'])) {
        (true, Some(end)) => url.get(..end).unwrap_or_default().to_owned(),
        _ => url,
    }
}

/// A part of a path, with `%20` and the like for what a URL cannot have.
pub(super) fn path_part(part: &str) -> String {
    use std::fmt::Write as _;

    let mut out = String::with_capacity(part.len());
    for &byte in part.as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(byte));
            }
            // Writing to a string does not fail.
            _ => drop(write!(out, "%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_do_not_stay() {
        for (url, expected) in [
            ("https://u:p@example.com/a.git", "https://example.com/a.git"),
            (
                "https://gitlab-ci-token:glpat-x@example.com:8443/a",
                "https://example.com:8443/a",
            ),
            ("https://u:p@ss@example.com/a", "https://example.com/a"),
            ("https://u:p/ss@example.com/a", "https://example.com/a"),
            ("https://u:p?ss@example.com/a", "https://example.com/a"),
            ("https://token@example.com", "https://example.com"),
            (
                "https://example.com/@scope/a",
                "https://example.com/@scope/a",
            ),
            (
                "https://example.com:443/@scope/a",
                "https://example.com:443/@scope/a",
            ),
            ("https://[::1]:80/@a", "https://[::1]:80/@a"),
            (
                "ssh://git@example.com:22/a.git",
                "ssh://example.com:22/a.git",
            ),
            ("git@example.com:a/b.git", "git@example.com:a/b.git"),
            ("", ""),
        ] {
            assert_eq!(without_credentials(url), expected, "{url}");
        }
        assert_eq!(
            repository("https://x@e.com/a?private_token=t#f"),
            "https://e.com/a"
        );
        assert_eq!(path_part("My project/é"), "My%20project%2F%C3%A9");
    }
}
