//! Certificates that were issued: when to renew them, incidents and revocation.

use std::time::SystemTime;

use super::{CaModel, CertificateId, RenewalInfo, no_certificate};
use crate::testing::ca::faults::Fault;
use crate::testing::ca::limits::{moment, time};
use crate::testing::ca::refusal::Refusal;

impl CaModel {
    /// When a certificate is valid.
    ///
    /// # Errors
    ///
    /// 404 if there is no such certificate any more.
    pub fn validity(&self, id: CertificateId) -> Result<(SystemTime, SystemTime), Refusal> {
        let certificate = self.certificates.get(id.0).ok_or_else(no_certificate)?;
        Ok((time(certificate.issued), time(certificate.expires)))
    }

    /// What ARI says of a certificate.
    ///
    /// # Errors
    ///
    /// 404 if there is no such certificate any more, there is no ARI, or a fault strikes.
    pub fn renewal_info(
        &mut self,
        id: CertificateId,
        now: SystemTime,
    ) -> Result<RenewalInfo, Refusal> {
        let now = moment(now);
        self.forget(now);
        let window = self.window(id.0, now).filter(|_| self.options.ari);
        let (start, end) = window.ok_or_else(no_certificate)?;
        if self.strikes(Fault::AbsentAri) {
            return Err(no_certificate().of_fault(Fault::AbsentAri));
        }
        let retry_after = self.said(Some(self.options.ari_retry_after));
        if self.strikes(Fault::MalformedAri) {
            return Ok(RenewalInfo::Malformed { retry_after });
        }
        Ok(RenewalInfo::Window {
            start: time(start),
            end: time(end),
            retry_after,
        })
    }

    /// Gives a certificate this window of ARI.
    pub fn set_window(&mut self, id: CertificateId, start: SystemTime, end: SystemTime) {
        self.windows.insert(id.0, (moment(start), moment(end)));
    }

    /// Gives this window of ARI to all certificates that were issued from one moment until another, as after
    /// an incident; tells how many.
    pub fn move_windows(
        &mut self,
        issued: std::ops::Range<SystemTime>,
        start: SystemTime,
        end: SystemTime,
    ) -> usize {
        let issued = moment(issued.start)..moment(issued.end);
        let window = (moment(start), moment(end));
        let mut moved = 0;
        for (id, certificate) in self.certificates.iter() {
            if issued.contains(&certificate.issued) {
                self.windows.insert(id, window);
                moved += 1;
            }
        }
        moved
    }

    /// Revokes a certificate; its window of ARI is in the past from then on.
    ///
    /// # Errors
    ///
    /// `alreadyRevoked`, and 404 if there is no such certificate any more.
    pub fn revoke(&mut self, id: CertificateId, now: SystemTime) -> Result<(), Refusal> {
        let certificate = self.certificates.get_mut(id.0).ok_or_else(no_certificate)?;
        if certificate.revoked.is_some() {
            let detail = "the certificate is already revoked";
            return Err(Refusal::new(400, "alreadyRevoked", detail));
        }
        certificate.revoked = Some(moment(now));
        self.report.revoked += 1;
        Ok(())
    }

    /// Revokes all certificates that were issued from one moment until another, as after an incident; tells
    /// how many.
    pub fn revoke_issued(&mut self, issued: std::ops::Range<SystemTime>, now: SystemTime) -> usize {
        let issued = moment(issued.start)..moment(issued.end);
        let now = moment(now);
        let mut revoked = 0;
        for (_, certificate) in self.certificates.iter_mut() {
            if issued.contains(&certificate.issued) && certificate.revoked.is_none() {
                certificate.revoked = Some(now);
                revoked += 1;
            }
        }
        self.report.revoked += revoked as u64;
        revoked
    }
}
