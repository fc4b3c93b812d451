//! http-01: a file on port 80.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Answer, Solver, answers};
use crate::clock::{Clock, SystemClock};
use crate::error::Result;
use crate::inventory::ChallengeType;
use crate::limits::MAX_TOKEN_BYTES;
use crate::store::{Condition, Name, Store};

const PATH: &str = "/.well-known/acme-challenge/";

/// Answers to http-01 in a store, and what an HTTP server says to the CA. See the [module](super) for an
/// example.
#[derive(Debug, Clone)]
pub struct Http01 {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
}

impl Http01 {
    /// Keeps the answers in this store.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            store,
            clock: Arc::new(SystemClock),
        }
    }

    /// The same with a clock that answers expire by.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Whether a path is one of challenges, and not the server's own.
    pub fn is_challenge(path: &str) -> bool {
        path.starts_with(PATH)
    }

    /// The body to answer a GET for `path` with, as `text/plain` and status 200; `None` stands for 404.
    ///
    /// `host` is that of the request, with or without a port; it has to be the name that the answer is
    /// for. Leave it empty where a proxy does not pass it on.
    ///
    /// # Errors
    ///
    /// Those of the store; answer 503, the CA tries again.
    pub async fn respond(&self, host: &str, path: &str) -> Result<Option<String>> {
        let Some(name) = path.strip_prefix(PATH).and_then(record_name) else {
            return Ok(None);
        };
        let kept = answers::load(&*self.store, &*self.clock, &name).await?;
        let fits = |kept: &answers::Kept| {
            kept.kind == ChallengeType::Http01
                && (host.is_empty() || bare(host).eq_ignore_ascii_case(&kept.identifier))
        };
        Ok(kept.filter(fits).map(|kept| kept.key_authorization))
    }
}

/// The host without port, brackets and a dot at the end.
fn bare(host: &str) -> &str {
    if let Some(v6) = host.strip_prefix('[') {
        return v6.split(']').next().unwrap_or(v6);
    }
    let host = match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') && port.bytes().all(|b| b.is_ascii_digit()) => {
            name
        }
        _ => host,
    };
    host.strip_suffix('.').unwrap_or(host)
}

/// `None` for what is no token (RFC 8555, section 8.3: base64url).
fn record_name(token: &str) -> Option<Name> {
    let good = token.len() <= MAX_TOKEN_BYTES
        && token
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
    Name::challenge(token).ok().filter(|_| good)
}

#[async_trait]
impl Solver for Http01 {
    fn kind(&self) -> ChallengeType {
        ChallengeType::Http01
    }

    async fn present(&self, answer: &Answer) -> Result<()> {
        let name = Name::challenge(answer.token())?;
        answers::save(&*self.store, &*self.clock, &name, answer).await
    }

    async fn cleanup(&self, answer: &Answer) -> Result<()> {
        let name = Name::challenge(answer.token())?;
        self.store.delete(&name, &Condition::Any, None).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_compared_without_their_port() {
        for (host, expected) in [
            ("a.example", "a.example"),
            ("a.example:80", "a.example"),
            ("a.example.", "a.example"),
            ("[::1]:80", "::1"),
            ("::1", "::1"),
            ("10.0.0.7:5002", "10.0.0.7"),
        ] {
            assert_eq!(bare(host), expected);
        }
        for path in ["", "../x", "a/b", "a b", "%2e"] {
            assert_eq!(record_name(path), None, "{path}");
        }
        assert_eq!(record_name(&"a".repeat(129)), None);
    }
}
