//! What a CA says of its limits when one is met after all.

use super::rates::Scope;

/// Which limit a CA means, by the text of its problem of the type `rateLimited`, and the name in it if the
/// limit is one of a name or a domain. The texts are those of Boulder, Let's Encrypt's software; of others it
/// is the limit of the account, which holds up the most.
///
/// ```
/// use opsbox_cert::budget::{Scope, limit_in};
///
/// let text = "too many certificates (50) already issued for \"example.com\" in the last 168h0m0s, \
///     retry after 2026-12-01 00:00:00 UTC: see https://letsencrypt.org/docs/rate-limits/";
/// assert_eq!(limit_in(text), (Scope::Domain, Some("example.com")));
/// ```
pub fn limit_in(detail: &str) -> (Scope, Option<&str>) {
    let name = detail.split('"').nth(1).filter(|name| !name.is_empty());
    let has = |text: &str| detail.contains(text);
    if let Some(paused) = paused(detail) {
        (Scope::ConsecutiveFailures, Some(paused))
    } else if has("exact set") {
        (Scope::ExactSet, None)
    } else if has("failed authorizations") {
        (Scope::Failures, name)
    } else if has("already issued for") {
        (Scope::Domain, name)
    } else if has("new registrations") || has("new accounts") {
        (Scope::NewAccounts, None)
    } else if has("busy") || has("Service") || has("overloaded") {
        (Scope::Pause, None)
    } else {
        (Scope::Account, None)
    }
}

/// The first of the names that the CA takes no order for any more, until somebody ends its pause: they failed too
/// often in a row. The others of the account go on.
fn paused(detail: &str) -> Option<&str> {
    let (_, rest) = detail.split_once("temporarily prevented from requesting certificates for ")?;
    let first = rest.split([' ', ',']).next()?.trim_matches('"');
    (!first.is_empty()).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_of_boulder_are_known() {
        for (text, wanted) in [
            (
                "too many new orders (300) from this account in the last 3h0m0s",
                (Scope::Account, None),
            ),
            (
                "too many certificates (5) already issued for this exact set of identifiers in the last 168h0m0s",
                (Scope::ExactSet, None),
            ),
            (
                "too many failed authorizations (5) for \"a.example\" in the last 1h0m0s",
                (Scope::Failures, Some("a.example")),
            ),
            (
                "too many new registrations (10) from this IP address in the last 3h0m0s",
                (Scope::NewAccounts, None),
            ),
            (
                "Your account is temporarily prevented from requesting certificates for a.example and possibly others. Please visit: https://ca.example/unpause",
                (Scope::ConsecutiveFailures, Some("a.example")),
            ),
            (
                "Your account is temporarily prevented from requesting certificates for \"a.example\", \"b.example\" and possibly others.",
                (Scope::ConsecutiveFailures, Some("a.example")),
            ),
            ("Service busy; retry later.", (Scope::Pause, None)),
            ("", (Scope::Account, None)),
        ] {
            assert_eq!(limit_in(text), wanted, "{text}");
        }
    }
}
