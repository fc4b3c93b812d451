//! `serde::Serialize` of the facts: a flat object of strings, times as RFC 3339 in UTC.
//!
//! RFC 3339 and not Unix seconds, as `jq`, JavaScript, SQL and people all read it; the seconds are one
//! call away in each. Nothing in it depends on the current time.

use data_encoding::HEXLOWER;
use serde::ser::{Serialize, SerializeStruct as _, Serializer};

use super::{CertFacts, validity};

/// Fields: `subject`, `common_name`, `subject_alt_names` (objects of `type` and `value`), `issuer`,
/// `issuer_common_name`, `serial`, `not_before`, `not_after` (RFC 3339), `key_type`,
/// `signature_algorithm`, `is_ca`, `is_self_issued`, `fingerprint_sha256`, `subject_key_id`,
/// `authority_key_id` (hex) and `ari_id`. What the certificate does not have is `null`.
impl Serialize for CertFacts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let hex = |bytes: &[u8]| HEXLOWER.encode(bytes);
        let mut out = serializer.serialize_struct("CertFacts", 16)?;
        out.serialize_field("subject", self.subject())?;
        out.serialize_field("common_name", &self.common_name())?;
        out.serialize_field("subject_alt_names", self.subject_alt_names())?;
        out.serialize_field("issuer", self.issuer())?;
        out.serialize_field("issuer_common_name", &self.issuer_common_name())?;
        out.serialize_field("serial", &self.serial())?;
        out.serialize_field("not_before", &validity::rfc3339(self.not_before))?;
        out.serialize_field("not_after", &validity::rfc3339(self.not_after))?;
        out.serialize_field("key_type", self.key_type())?;
        out.serialize_field("signature_algorithm", self.signature_algorithm())?;
        out.serialize_field("is_ca", &self.is_ca())?;
        out.serialize_field("is_self_issued", &self.is_self_issued())?;
        out.serialize_field("fingerprint_sha256", &self.fingerprint())?;
        out.serialize_field("subject_key_id", &self.subject_key_id().map(hex))?;
        out.serialize_field("authority_key_id", &self.authority_key_id().map(hex))?;
        out.serialize_field("ari_id", &self.ari_id())?;
        out.end()
    }
}
