//! The TXT record of dns-persist-01: an issue-value of RFC 8659, section 4.2, as
//! draft-ietf-acme-dns-persist uses it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Persistent;

impl Persistent {
    /// The text to publish.
    pub(crate) fn text(&self, wildcard: bool, until: Option<SystemTime>) -> String {
        let issuer = self.issuers.first().map_or("", String::as_str);
        let mut text = format!("{issuer}; accounturi={}", self.account);
        if wildcard {
            text.push_str("; policy=wildcard");
        }
        if let Some(until) = until {
            text.push_str(&format!("; persistUntil={}", seconds(until)));
        }
        text
    }

    /// Whether the CA takes a record with this text for the name itself, or for its wildcard.
    pub(crate) fn is_met_by(&self, text: &str, wildcard: bool, now: SystemTime) -> bool {
        let Some(said) = Said::parse(text) else {
            return false;
        };
        self.is_by(&said)
            && (!wildcard || said.wildcard)
            && said.until.is_none_or(|until| seconds(now) <= until)
    }

    /// Whether a record with this text is for this account at this CA, whatever it allows.
    pub(crate) fn is_about(&self, text: &str) -> bool {
        Said::parse(text).is_some_and(|said| self.is_by(&said))
    }

    fn is_by(&self, said: &Said<'_>) -> bool {
        let issuer = said.issuer.strip_suffix('.').unwrap_or(said.issuer);
        let is_named = |name: &String| name.eq_ignore_ascii_case(issuer);
        self.issuers.iter().any(is_named) && said.account == self.account
    }
}

/// A record as it was published.
struct Said<'a> {
    issuer: &'a str,
    account: &'a str,
    wildcard: bool,
    until: Option<u64>,
}

impl<'a> Said<'a> {
    /// `None` if a CA would not read it: what is unknown is passed over, what is known is there once.
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(trim);
        let issuer = parts.next()?;
        let (mut account, mut policy, mut until) = (None, None, None);
        for part in parts {
            let (tag, value) = part.split_once('=')?;
            let (tag, value) = (trim(tag), trim(value));
            let good = |byte: u8| (0x21..=0x7e).contains(&byte);
            if tag.is_empty() || !value.bytes().all(good) {
                return None;
            }
            let known = match tag.to_ascii_lowercase().as_str() {
                "accounturi" => &mut account,
                "policy" => &mut policy,
                "persistuntil" => &mut until,
                _ => continue,
            };
            if known.replace(value).is_some() {
                return None;
            }
        }
        let until = match until {
            Some(until) => Some(until.parse().ok()?),
            None => None,
        };
        Some(Self {
            issuer,
            account: account?,
            wildcard: policy.is_some_and(|policy| policy.eq_ignore_ascii_case("wildcard")),
            until,
        })
    }
}

fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ACCOUNT: &str = "https://ca.example/acct/123";

    fn wanted() -> Persistent {
        let issuers = ["authority.example", "other.example"];
        Persistent {
            issuers: issuers.map(String::from).into(),
            account: ACCOUNT.into(),
        }
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn records_are_judged_as_cas_do() {
        // For the name itself, for its wildcard.
        for (text, itself, wildcard) in [
            (
                "authority.example; accounturi=https://ca.example/acct/123",
                true,
                false,
            ),
            (
                "authority.example;accounturi=https://ca.example/acct/123;policy=wildcard",
                true,
                true,
            ),
            (
                "Other.Example.; AccountURI=https://ca.example/acct/123; POLICY=WildCard",
                true,
                true,
            ),
            (
                "authority.example\t;\taccounturi = https://ca.example/acct/123",
                true,
                false,
            ),
            (
                "authority.example; policy=narrow; accounturi=https://ca.example/acct/123",
                true,
                false,
            ),
            (
                "authority.example; accounturi=https://ca.example/acct/123; new=1; new=2",
                true,
                false,
            ),
            (
                "authority.example; accounturi=https://ca.example/acct/123; persistUntil=1000",
                true,
                false,
            ),
            (
                "authority.example; accounturi=https://ca.example/acct/123; persistUntil=999",
                false,
                false,
            ),
            (
                "authority.example; accounturi=https://ca.example/acct/123; persistUntil=soon",
                false,
                false,
            ),
            (
                "authority.example; accounturi=https://ca.example/acct/123; persistUntil=-1",
                false,
                false,
            ),
            (
                "authority.example; accounturi=https://ca.example/acct/124",
                false,
                false,
            ),
            (
                "authority.example; accounturi=https://ca.example/acct/123 4",
                false,
                false,
            ),
            (
                "authority.example; accounturi=https://CA.example/acct/123",
                false,
                false,
            ),
            (
                "third.example; accounturi=https://ca.example/acct/123",
                false,
                false,
            ),
            (
                "authority.example; accounturi=https://ca.example/acct/123;",
                false,
                false,
            ),
            (
                "authority.example; accounturi=a; accounturi=https://ca.example/acct/123",
                false,
                false,
            ),
            (
                "authority.example; =x; accounturi=https://ca.example/acct/123",
                false,
                false,
            ),
            ("authority.example", false, false),
            ("; accounturi=https://ca.example/acct/123", false, false),
            ("", false, false),
        ] {
            let judged = |wildcard| wanted().is_met_by(text, wildcard, at(1000));
            assert_eq!((judged(false), judged(true)), (itself, wildcard), "{text}");
        }
    }

    #[test]
    fn what_is_ours_is_told_from_what_is_of_others() {
        for (text, ours) in [
            (
                "authority.example; accounturi=https://ca.example/acct/123; persistUntil=1",
                true,
            ),
            (
                "authority.example; accounturi=https://ca.example/acct/123",
                true,
            ),
            (
                "authority.example; accounturi=https://ca.example/acct/9",
                false,
            ),
            (
                "third.example; accounturi=https://ca.example/acct/123",
                false,
            ),
            ("v=spf1 -all", false),
        ] {
            assert_eq!(wanted().is_about(text), ours, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(wildcard: bool, until in prop::option::of(0_u64..1 << 40), now in 0_u64..1 << 40) {
            let text = wanted().text(wildcard, until.map(at));
            let good = until.is_none_or(|until| now <= until);
            prop_assert_eq!(wanted().is_met_by(&text, false, at(now)), good);
            prop_assert_eq!(wanted().is_met_by(&text, true, at(now)), good && wildcard);
            prop_assert!(wanted().is_about(&text));
        }

        #[test]
        fn no_text_panics(text: String) {
            wanted().is_met_by(&text, true, at(0));
            wanted().is_met_by(&format!("authority.example;{text}"), true, at(0));
        }
    }
}
