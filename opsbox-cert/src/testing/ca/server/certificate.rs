//! Certificates: download, revocation, and when to renew (RFC 8555, sections 7.4.2 and 7.6; RFC 9773).

use std::time::SystemTime;

use data_encoding::BASE64URL_NOPAD;
use hyper::StatusCode;
use serde_json::{Value, json};
use x509_parser::prelude::FromDer as _;

use super::answer::Answer;
use super::core::{Asked, Core, Signed, not_yours};
use super::order::rfc3339;
use crate::testing::ca::model::{CertificateId, RenewalInfo, no_certificate};
use crate::testing::ca::refusal::Refusal;

/// The reasons that a subscriber may give (RFC 5280, section 5.3.1).
const REASONS: [u64; 5] = [0, 1, 3, 4, 5];

impl Core {
    /// The leaf with the intermediate to the root of this number.
    pub(super) fn certificate(
        &self,
        id: CertificateId,
        chain: usize,
        signed: &Signed,
    ) -> Result<Answer, Refusal> {
        let known = self.model.certificates.get(id.0);
        if known.ok_or_else(no_certificate)?.account != signed.account.0 {
            return Err(not_yours());
        }
        let issued = self.issued.get(&id).ok_or_else(no_certificate)?;
        let intermediate = self
            .authority
            .intermediate(chain)
            .ok_or_else(no_certificate)?;
        let pem = format!("{}{intermediate}", issued.pem);
        let mut answer = Answer::text(StatusCode::OK, "application/pem-certificate-chain", pem);
        for other in (0..self.authority.chains()).filter(|other| *other != chain) {
            let url = self.url(&format!("/acme/certificate/{}/{other}", id.0));
            answer = answer.link(&url, "alternate");
        }
        Ok(answer)
    }

    pub(super) fn revoke(&mut self, asked: &Asked, now: SystemTime) -> Result<Answer, Refusal> {
        let (message, signer) = self.signed_by_either(asked)?;
        let wanted = message.object()?;
        let der = wanted
            .get("certificate")
            .and_then(Value::as_str)
            .unwrap_or("");
        let broken = || Refusal::malformed("the certificate cannot be read");
        let der = BASE64URL_NOPAD
            .decode(der.as_bytes())
            .map_err(|_| broken())?;
        let (_, certificate) =
            x509_parser::certificate::X509Certificate::from_der(&der).map_err(|_| broken())?;
        let id = self.serials.get(certificate.raw_serial());
        let id = *id.ok_or_else(no_certificate)?;
        let known = self
            .model
            .certificates
            .get(id.0)
            .ok_or_else(no_certificate)?;
        let issued = self.issued.get(&id).ok_or_else(no_certificate)?;
        let entitled = match &signer {
            Ok(account) => known.account == account.0,
            Err(key) => key.subject_key() == Some(&issued.key),
        };
        if !entitled {
            return Err(not_yours());
        }
        if let Some(reason) = wanted.get("reason")
            && !reason
                .as_u64()
                .is_some_and(|reason| REASONS.contains(&reason))
        {
            let detail = format!("the reason {reason} is not one of {REASONS:?}");
            return Err(Refusal::new(400, "badRevocationReason", detail));
        }
        self.model.revoke(id, now)?;
        Ok(Answer::empty(StatusCode::OK))
    }

    pub(super) fn renewal_info(&mut self, id: &str, now: SystemTime) -> Result<Answer, Refusal> {
        let id = self.certificate_of(id)?;
        let (body, wait) = match self.model.renewal_info(id, now)? {
            RenewalInfo::Window {
                start,
                end,
                retry_after,
                ..
            } => (
                json!({"suggestedWindow": {"start": rfc3339(start), "end": rfc3339(end)}}),
                retry_after,
            ),
            RenewalInfo::Malformed { retry_after, .. } => {
                let asked = self.model.report().requests().values().sum::<u64>();
                let body = match asked % 3 {
                    0 => json!({"suggestedWindow": {"start": rfc3339(now)}}),
                    1 => json!({"suggestedWindow": {
                        "start": rfc3339(now),
                        "end": rfc3339(SystemTime::UNIX_EPOCH),
                    }}),
                    _ => json!("soon"),
                };
                (body, retry_after)
            }
        };
        Ok(Answer::json(StatusCode::OK, &body).retry_after(wait))
    }
}
