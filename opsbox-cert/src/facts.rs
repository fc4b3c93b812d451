//! What one certificate says about itself.

#![warn(clippy::indexing_slicing)]

mod id;
mod key;
mod name;
mod ordinary;
#[cfg(feature = "serde")]
mod serialize;
mod validity;

use std::borrow::Cow;
use std::fmt;

use x509_parser::certificate::{TbsCertificate, X509Certificate, X509CertificateParser};
use x509_parser::error::X509Error;
use x509_parser::extensions::{
    AuthorityKeyIdentifier, BasicConstraints, KeyIdentifier, SubjectAlternativeName,
};
use x509_parser::nom::Parser as _;
use x509_parser::prelude::FromDer;

pub use self::id::Fingerprint;
pub use self::key::{EcCurve, KeyType};
pub use self::name::SubjectAltName;
pub use self::validity::ValidityState;
pub(crate) use self::validity::rfc3339;
#[cfg(feature = "install")]
pub(crate) use self::validity::unix_seconds;
use crate::der;
use crate::error::{Error, Reason, Result};
use crate::text::Escaped;

/// The facts of one X.509 certificate, independent of the bytes they were read from.
///
/// Nothing is verified: no signature, no trust, no name rule. `Display` is one line for a human.
///
/// ```
/// use opsbox_cert::{CertFacts, KeyType, SubjectAltName};
///
/// let pem = include_bytes!("../tests/data/rsa2048.pem");
/// let facts = CertFacts::from_pem(pem)?;
/// assert_eq!(facts.common_name(), Some("rsa2048.example.com"));
/// assert_eq!(facts.key_type(), &KeyType::Rsa { bits: 2048 });
/// assert!(facts.names().eq(["rsa2048.example.com"]));
/// # Ok::<(), opsbox_cert::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CertFacts {
    subject: String,
    common_name: Option<String>,
    subject_alt_names: Vec<SubjectAltName>,
    issuer: String,
    issuer_common_name: Option<String>,
    serial_der: Box<[u8]>,
    not_before: i64,
    not_after: i64,
    key_type: KeyType,
    signature_algorithm: String,
    is_ca: bool,
    subject_key_id: Option<Box<[u8]>>,
    authority_key_id: Option<Box<[u8]>>,
    fingerprint: Fingerprint,
}

/// Reading.
impl CertFacts {
    /// Reads exactly one certificate in DER.
    ///
    /// # Errors
    ///
    /// If the bytes are cut short, have anything after the certificate, or are something else; what
    /// is often given by mistake (PEM, a private key, PKCS#12, PKCS#7) is named in the message.
    pub fn from_der(der: &[u8]) -> Result<Self> {
        Self::read(der).map_err(Error::from)
    }

    /// Reads the first certificate of a PEM text: the leaf, in a file as servers want it.
    ///
    /// [`Bundle::parse`](crate::Bundle::parse) reads all of them.
    ///
    /// # Errors
    ///
    /// If there is no certificate in the text, or the first one is damaged.
    pub fn from_pem(pem: &[u8]) -> Result<Self> {
        let parsed = crate::bundle::parse_pem(pem)?;
        let first = parsed.facts.into_iter().zip(parsed.places).next();
        match (first, parsed.problems.into_iter().next()) {
            // A damaged first section is an error: the facts of the second would pass for the leaf.
            (Some((_, place)), Some(problem)) if problem.place() < Some(place) => Err(problem),
            (Some((facts, _)), _) => Ok(facts),
            (None, Some(problem)) => Err(problem),
            (None, None) => Err(Reason::NoSection.into()),
        }
    }

    pub(crate) fn read(der: &[u8]) -> Result<Self, Reason> {
        ordinary::read(der).map_or_else(|| Self::read_any(der), Ok)
    }

    /// By the full parser, which takes all forms and says what is wrong.
    fn read_any(der: &[u8]) -> Result<Self, Reason> {
        if der.is_empty() {
            return Err(Reason::Empty);
        }
        if let Err(fault) = der::check_whole(der) {
            return Err(der::recognise(der).unwrap_or(fault));
        }
        let parsed = X509CertificateParser::new()
            // Only four extensions are used; a fault in any other is none of our business.
            .with_deep_parse_extensions(false)
            .parse(der);
        let certificate = match parsed {
            Ok((_, certificate)) => certificate,
            Err(error) => {
                return Err(der::recognise(der).unwrap_or_else(|| Reason::Der {
                    detail: fault(&X509Error::from(error)),
                }));
            }
        };
        Self::from_certificate(&certificate, Fingerprint::of(der))
    }

    fn from_certificate(
        certificate: &X509Certificate<'_>,
        fingerprint: Fingerprint,
    ) -> Result<Self, Reason> {
        let tbs: &TbsCertificate<'_> = &certificate.tbs_certificate;
        let extensions = Extensions::read(tbs)?;
        Ok(Self {
            subject: name::distinguished_name(&tbs.subject),
            common_name: name::common_name(&tbs.subject),
            subject_alt_names: extensions.subject_alt_names.unwrap_or_default(),
            issuer: name::distinguished_name(&tbs.issuer),
            issuer_common_name: name::common_name(&tbs.issuer),
            serial_der: tbs.raw_serial().into(),
            not_before: tbs.validity.not_before.timestamp(),
            not_after: tbs.validity.not_after.timestamp(),
            key_type: KeyType::read(&tbs.subject_pki)?,
            signature_algorithm: key::signature_algorithm(&certificate.signature_algorithm),
            is_ca: extensions.is_ca.unwrap_or(false),
            subject_key_id: extensions.subject_key_id,
            authority_key_id: extensions.authority_key_id.flatten(),
            fingerprint,
        })
    }
}

/// Names and identifiers.
impl CertFacts {
    /// Subject as in RFC 4514, the most specific part first: `CN=example.com,O=Example,C=SE`.
    ///
    /// Keywords beyond those of RFC 4514 are OpenSSL's short names; an unknown type is dotted with its
    /// value in hex. Control characters are escaped.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The last common name of the subject, as it stands in the certificate.
    pub fn common_name(&self) -> Option<&str> {
        self.common_name.as_deref()
    }

    /// All entries of the subjectAltName extension, in order.
    pub fn subject_alt_names(&self) -> &[SubjectAltName] {
        &self.subject_alt_names
    }

    /// The DNS names and IP addresses that a TLS client accepts this certificate for.
    ///
    /// The common name is not one of them: clients have stopped to look at it (RFC 9525).
    pub fn names(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.subject_alt_names.iter().filter_map(|name| match name {
            SubjectAltName::Dns(name) => Some(Cow::Borrowed(name.as_str())),
            SubjectAltName::Ip(ip) => Some(Cow::Owned(ip.to_string())),
            _ => None,
        })
    }

    /// Issuer, in the form of [`subject`](Self::subject).
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The last common name of the issuer.
    pub fn issuer_common_name(&self) -> Option<&str> {
        self.issuer_common_name.as_deref()
    }

    /// Serial number in lower-case hex, two digits a byte, no colons, no sign-keeping zero byte: what
    /// `openssl x509 -serial` prints, in lower case. A negative number starts with `-`.
    pub fn serial(&self) -> String {
        id::serial_hex(&self.serial_der)
    }

    /// Serial number as the content octets of the DER integer, a leading zero byte included.
    pub fn serial_der(&self) -> &[u8] {
        &self.serial_der
    }

    /// Type and size of the public key.
    pub fn key_type(&self) -> &KeyType {
        &self.key_type
    }

    /// Name of the algorithm of the issuer's signature, `ecdsa-with-SHA256` for instance; the dotted
    /// object identifier if it has no well-known name.
    pub fn signature_algorithm(&self) -> &str {
        &self.signature_algorithm
    }

    /// Whether basicConstraints says that this is a CA.
    pub fn is_ca(&self) -> bool {
        self.is_ca
    }

    /// Whether subject and issuer are the same name, as in a root.
    ///
    /// It does not say that the certificate signed itself: no signature is verified.
    pub fn is_self_issued(&self) -> bool {
        self.subject == self.issuer
    }

    /// SHA-256 of the DER.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The subjectKeyIdentifier extension.
    pub fn subject_key_id(&self) -> Option<&[u8]> {
        self.subject_key_id.as_deref()
    }

    /// The keyIdentifier of the authorityKeyIdentifier extension.
    pub fn authority_key_id(&self) -> Option<&[u8]> {
        self.authority_key_id.as_deref()
    }

    /// The certificate's id for ACME renewal information (RFC 9773, section 4.1); `None` without an
    /// authority key identifier.
    pub fn ari_id(&self) -> Option<String> {
        self.authority_key_id()
            .map(|key_id| id::ari_certificate_id(key_id, &self.serial_der))
    }
}

impl fmt::Display for CertFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 3;
        if self.subject_alt_names.is_empty() {
            f.write_str(&self.subject)?;
        }
        for (position, name) in self.subject_alt_names.iter().take(SHOWN).enumerate() {
            let comma = if position > 0 { ", " } else { "" };
            write!(f, "{comma}{name}")?;
        }
        if let Some(more @ 1..) = self.subject_alt_names.len().checked_sub(SHOWN) {
            write!(f, " and {more} more")?;
        }
        let issuer = self.issuer_common_name.as_deref().unwrap_or(&self.issuer);
        write!(
            f,
            ": {}, valid {} to {}, issued by {}",
            self.key_type,
            rfc3339(self.not_before),
            rfc3339(self.not_after),
            Escaped(issuer)
        )
    }
}

/// The parser's word for it, unless that is about its own inner working.
fn fault(error: &X509Error) -> String {
    match error {
        X509Error::Der(_) | X509Error::NomError(_) | X509Error::Generic => {
            "the structure is damaged".into()
        }
        named => named.to_string(),
    }
}

#[derive(Default)]
struct Extensions {
    subject_alt_names: Option<Vec<SubjectAltName>>,
    is_ca: Option<bool>,
    subject_key_id: Option<Box<[u8]>>,
    authority_key_id: Option<Option<Box<[u8]>>>,
}

impl Extensions {
    fn read(tbs: &TbsCertificate<'_>) -> Result<Self, Reason> {
        let mut out = Self::default();
        for extension in tbs.extensions() {
            let value = extension.value;
            match extension.oid.as_bytes() {
                [0x55, 0x1d, 17] => {
                    let san = whole::<SubjectAlternativeName<'_>>(value);
                    let names =
                        san.map(|san| san.general_names.iter().map(SubjectAltName::read).collect());
                    set("subjectAltName", &mut out.subject_alt_names, names)?;
                }
                [0x55, 0x1d, 19] => {
                    let is_ca = whole::<BasicConstraints>(value).map(|constraints| constraints.ca);
                    set("basicConstraints", &mut out.is_ca, is_ca)?;
                }
                [0x55, 0x1d, 14] => {
                    let id = whole::<KeyIdentifier<'_>>(value).map(|id| id.0.into());
                    set("subjectKeyIdentifier", &mut out.subject_key_id, id)?;
                }
                [0x55, 0x1d, 35] => {
                    let id = whole::<AuthorityKeyIdentifier<'_>>(value);
                    let id = id.map(|id| id.key_identifier.map(|id| id.0.into()));
                    set("authorityKeyIdentifier", &mut out.authority_key_id, id)?;
                }
                _ => {}
            }
        }
        Ok(out)
    }
}

/// An extension that is damaged or there twice makes the facts unsure, so there are none.
fn set<T>(name: &str, slot: &mut Option<T>, value: Option<T>) -> Result<(), Reason> {
    let fault = |what: &str| Reason::Der {
        detail: format!("extension {name} {what}"),
    };
    let value = value.ok_or_else(|| fault("is damaged"))?;
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(fault("is there twice")),
    }
}

fn whole<'a, T: FromDer<'a, X509Error>>(value: &'a [u8]) -> Option<T> {
    let (rest, out) = T::from_der(value).ok()?;
    rest.is_empty().then_some(out)
}
