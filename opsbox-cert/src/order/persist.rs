//! What a CA says of dns-persist-01, and whether it is to be believed.

use serde::Deserialize;

use super::Work;
use crate::challenge::{Answer, hashed_account};
use crate::error::{ErrorKind, Result};
use crate::identifier::Identifier;
use crate::inventory::ChallengeType;
use crate::issuer::{Failure, Opened, Step};
use crate::limits::MAX_ISSUER_NAMES;

/// An authorization, as far as instant-acme leaves it out.
#[derive(Deserialize)]
struct Authorization {
    #[serde(default)]
    challenges: Vec<Challenge>,
}

#[derive(Deserialize)]
struct Challenge {
    r#type: String,
    /// Up to version 01 of the draft with dashes.
    #[serde(default, rename = "issuerDomainNames", alias = "issuer-domain-names")]
    issuers: Vec<String>,
}

impl Work<'_> {
    /// What has to be published so that the CA takes it for this account, now and later.
    pub(super) async fn persistent(
        &self,
        opened: &Opened,
        url: &str,
        identifier: Identifier,
        thumbprint: &str,
    ) -> Result<Answer> {
        let fail = |failure: Failure| self.error(failure.identifier(&identifier));
        let reply = opened.read(Step::Authorize, url).await.map_err(fail)?;
        let read: Result<Authorization, _> = serde_json::from_slice(&reply.body);
        let read = read.map_err(|error| fail(Failure::protocol(Step::Authorize, &error)))?;
        let kind = ChallengeType::DnsPersist01.as_str();
        let challenge = read.challenges.into_iter().find(|it| it.r#type == kind);
        let issuers = challenge.map_or_else(Vec::new, |challenge| challenge.issuers);
        let is_name = |text: &String| match text.parse() {
            Ok(name @ Identifier::Dns(_)) => !name.is_wildcard(),
            _ => false,
        };
        if !(1..=MAX_ISSUER_NAMES).contains(&issuers.len()) || !issuers.iter().all(is_name) {
            let what =
                format_args!("a {kind} challenge without 1 to {MAX_ISSUER_NAMES} names of the CA");
            return Err(fail(Failure::protocol(Step::Authorize, &what)));
        }
        let base = identifier.base();
        let account = match &opened.directory.meta.account_hash_prefix {
            Some(prefix) => hashed_account(prefix, &base, thumbprint, &opened.url),
            None => Some(opened.url.clone()),
        };
        let directory = &self.shared.directory_url;
        match account {
            Some(account) if is_of(&account, directory) => {
                Ok(Answer::for_account(identifier, issuers, account))
            }
            account => {
                let reason = format!(
                    "the CA calls the account {}, which is not at the host of its directory: a record for it could be one for a stranger's account at another CA; prove the name by another challenge",
                    crate::text::Escaped(&account.unwrap_or_default())
                );
                let failure = Failure::new(ErrorKind::Unsupported, Step::Authorize, reason);
                Err(fail(failure))
            }
        }
    }
}

/// Whether an account may be published: it is at the host of the directory, and fits into the record.
fn is_of(account: &str, directory: &str) -> bool {
    let host = |url: &str| {
        let url: http::Uri = url.parse().ok()?;
        let is_https = url.scheme() == Some(&http::uri::Scheme::HTTPS);
        let host = url.host().filter(|_| is_https)?;
        Some(host.to_ascii_lowercase())
    };
    let fits = |byte: u8| (0x21..=0x7e).contains(&byte) && byte != b';';
    account.bytes().all(fits) && host(account).is_some() && host(account) == host(directory)
}

#[cfg(test)]
mod tests {
    use super::is_of;

    #[test]
    fn only_accounts_at_the_host_of_the_directory_are_published() {
        let of = |account: &str| is_of(account, "https://Acme.ca.example:14000/dir");
        assert!(of("https://acme.ca.example/acct/1"));
        assert!(of("https://acme.ca.example:14000/hash/sha-256/x"));
        for other in [
            "https://acme.other.example/acct/1",
            "https://ca.example/acct/1",
            "https://acme.ca.example.other.example/acct/1",
            "https://acme.ca.example@other.example/acct/1",
            "http://acme.ca.example/acct/1",
            "https://acme.ca.example/acct/1; policy=wildcard",
            "https://acme.ca.example/acct/1;policy=wildcard",
            "/acct/1",
            "",
        ] {
            assert!(!of(other), "{other}");
        }
    }
}
