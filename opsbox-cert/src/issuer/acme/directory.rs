//! What a CA offers, and where.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::transport::{Transport, what_it_is};
use crate::error::ErrorKind;
use crate::issuer::{Failure, Step};

/// RFC 8555, section 7.1.1, as far as it is used here.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Directory {
    pub(crate) new_nonce: String,
    pub(crate) new_account: String,
    #[serde(default)]
    pub(crate) key_change: Option<String>,
    #[serde(default)]
    pub(crate) renewal_info: Option<String>,
    #[serde(default)]
    pub(crate) meta: Meta,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Meta {
    #[serde(default)]
    pub(crate) external_account_required: bool,
    #[serde(default)]
    pub(crate) terms_of_service: Option<String>,
    /// draft-ietf-acme-dns-persist-02, section 3.2.
    #[serde(default)]
    pub(crate) account_hash_prefix: Option<String>,
    #[serde(default)]
    pub(crate) profiles: BTreeMap<String, String>,
}

impl Directory {
    pub(crate) async fn fetch(transport: &Transport, url: &str) -> Result<Self, Failure> {
        let reply = transport
            .get(url)
            .await
            .map_err(|fault| Failure::http(Step::Directory, fault))?;
        serde_json::from_slice(&reply.body).map_err(|error| {
            let what = what_it_is(http::StatusCode::OK, &reply.headers, &reply.body);
            let reason = format!(
                "the answer is no ACME directory ({}); check the URL, that of Let's Encrypt ends in /directory",
                crate::text::Escaped(&what)
            );
            Failure::new(ErrorKind::Protocol, Step::Directory, reason).caused_by(error)
        })
    }
}
