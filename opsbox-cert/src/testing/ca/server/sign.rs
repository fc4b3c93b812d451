//! The keys of the CA, signing requests, and certificates.

use std::net::IpAddr;
use std::time::SystemTime;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SanType, SerialNumber, SignatureAlgorithm,
};
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P384_SHA384_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256,
    UnparsedPublicKey, VerificationAlgorithm,
};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::FromDer as _;

use crate::identifier::Identifier;
use crate::testing::ca::refusal::Refusal;

/// A public key as a signing request has it.
pub(super) struct SubjectKey {
    algorithm: &'static SignatureAlgorithm,
    bits: Vec<u8>,
}

impl PublicKeyData for SubjectKey {
    fn der_bytes(&self) -> &[u8] {
        &self.bits
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.algorithm
    }
}

/// What a signing request asks for, its signature verified.
pub(super) struct Requested {
    pub(super) key: SubjectKey,
    /// Sorted, each once, in lower case.
    pub(super) names: Vec<String>,
}

fn bad_csr(detail: impl Into<String>) -> Refusal {
    Refusal::new(400, "badCSR", detail)
}

impl Requested {
    /// The bits of the public key.
    pub(super) fn key_bits(&self) -> &[u8] {
        &self.key.bits
    }

    pub(super) fn parse(der: &[u8]) -> Result<Self, Refusal> {
        let (rest, csr) = X509CertificationRequest::from_der(der)
            .map_err(|_| Refusal::malformed("the signing request cannot be read"))?;
        if !rest.is_empty() {
            return Err(Refusal::malformed(
                "the signing request has bytes behind its end",
            ));
        }
        let info = &csr.certification_request_info;
        let bits = info.subject_pki.subject_public_key.data.to_vec();
        let oid = info.subject_pki.algorithm.algorithm.to_id_string();
        let curve = info.subject_pki.algorithm.parameters.as_ref();
        let curve = curve.and_then(|any| any.as_oid().ok());
        let curve = curve.map(|oid| oid.to_id_string()).unwrap_or_default();
        // RFC 5480, section 2.1.1; RFC 8410, section 3; RFC 3279, section 2.3.1.
        let (algorithm, verifier): (_, &dyn VerificationAlgorithm) = match (&*oid, &*curve) {
            ("1.2.840.10045.2.1", "1.2.840.10045.3.1.7") => {
                (&rcgen::PKCS_ECDSA_P256_SHA256, &ECDSA_P256_SHA256_ASN1)
            }
            ("1.2.840.10045.2.1", "1.3.132.0.34") => {
                (&rcgen::PKCS_ECDSA_P384_SHA384, &ECDSA_P384_SHA384_ASN1)
            }
            ("1.3.101.112", _) => (&rcgen::PKCS_ED25519, &ED25519),
            ("1.2.840.113549.1.1.1", _) => (&rcgen::PKCS_RSA_SHA256, &RSA_PKCS1_2048_8192_SHA256),
            _ => return Err(bad_csr("the key is of a kind that is not taken")),
        };
        UnparsedPublicKey::new(verifier, &bits)
            .verify(info.raw, &csr.signature_value.data)
            .map_err(|_| bad_csr("the signature does not fit the key, or its hash is not taken"))?;
        let mut names = Vec::new();
        for name in info.subject.iter_common_name() {
            names.extend(name.as_str().ok().map(str::to_ascii_lowercase));
        }
        for extension in csr.requested_extensions().into_iter().flatten() {
            let ParsedExtension::SubjectAlternativeName(alternatives) = extension else {
                continue;
            };
            for name in &alternatives.general_names {
                names.push(match name {
                    GeneralName::DNSName(name) => name.to_ascii_lowercase(),
                    GeneralName::IPAddress(octets) => address(octets)
                        .ok_or_else(|| bad_csr("an IP address has a wrong length"))?
                        .to_string(),
                    _ => return Err(bad_csr("a name is neither a DNS name nor an IP address")),
                });
            }
        }
        names.sort_unstable();
        names.dedup();
        let key = SubjectKey { algorithm, bits };
        Ok(Self { key, names })
    }
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(octets) {
        return Some(IpAddr::from(v4));
    }
    <[u8; 16]>::try_from(octets).ok().map(IpAddr::from)
}

/// What could not be made: a caller's own message.
type Failed = String;

fn failed(what: &str) -> impl Fn(rcgen::Error) -> Failed {
    let what = what.to_owned();
    move |error| format!("{what}: {error}")
}

fn ca_params(common_name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.use_authority_key_identifier_extension = true;
    params
}

/// The roots, and the intermediate that all of them have signed. They are valid at any time, since the time of
/// a test may be any.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(super) key_id: Vec<u8>,
    roots: Vec<String>,
    /// In PEM, one a root.
    intermediates: Vec<String>,
}

impl Authority {
    pub(super) fn new(roots: usize) -> Result<Self, Failed> {
        let key = KeyPair::generate().map_err(failed("the key of the CA"))?;
        let params = ca_params("Test CA Intermediate");
        let key_id = params.key_identifier(&key);
        let (mut root_pems, mut intermediates) = (Vec::new(), Vec::new());
        for n in 0..roots.max(1) {
            let root_key = KeyPair::generate().map_err(failed("the key of a root"))?;
            let root = ca_params(&format!("Test CA Root {n}"));
            let made = root.self_signed(&root_key).map_err(failed("a root"))?;
            root_pems.push(made.pem());
            let root = Issuer::new(root, root_key);
            let made = params.signed_by(&key, &root);
            intermediates.push(made.map_err(failed("the intermediate"))?.pem());
        }
        Ok(Self {
            issuer: Issuer::new(params, key),
            key_id,
            roots: root_pems,
            intermediates,
        })
    }

    pub(super) fn root(&self, index: usize) -> Option<&str> {
        self.roots.get(index).map(String::as_str)
    }

    pub(super) fn chains(&self) -> usize {
        self.intermediates.len()
    }

    /// The rest of a chain to this root.
    pub(super) fn intermediate(&self, index: usize) -> Option<&str> {
        self.intermediates.get(index).map(String::as_str)
    }

    /// The certificate in DER and in PEM.
    pub(super) fn sign(
        &self,
        requested: &Requested,
        serial: &[u8],
        validity: (SystemTime, SystemTime),
    ) -> Result<(Vec<u8>, String), Refusal> {
        let broken = |error: rcgen::Error| Refusal::new(500, "serverInternal", error.to_string());
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        for name in &requested.names {
            let identifier: Identifier = name.parse().map_err(|_| bad_csr("a name is none"))?;
            params.subject_alt_names.push(match identifier {
                Identifier::Dns(name) => {
                    SanType::DnsName(name.as_str().try_into().map_err(broken)?)
                }
                Identifier::Ip(ip) => SanType::IpAddress(ip),
            });
        }
        params.serial_number = Some(SerialNumber::from_slice(serial));
        params.not_before = validity.0.into();
        params.not_after = validity.1.into();
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let made = params
            .signed_by(&requested.key, &self.issuer)
            .map_err(broken)?;
        Ok((made.der().to_vec(), made.pem()))
    }
}

/// A certificate for the server itself with its key, and the root to trust for it.
pub(super) fn server_identity() -> Result<(Vec<u8>, Vec<u8>, String), Failed> {
    let root_key = KeyPair::generate().map_err(failed("the key of the server's root"))?;
    let root = ca_params("Test CA Transport Root");
    let root_pem = root
        .self_signed(&root_key)
        .map_err(failed("the server's root"))?
        .pem();
    let root = Issuer::new(root, root_key);
    let key = KeyPair::generate().map_err(failed("the server's key"))?;
    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let mut params = CertificateParams::new(names).map_err(failed("the server's names"))?;
    params.use_authority_key_identifier_extension = true;
    let made = params
        .signed_by(&key, &root)
        .map_err(failed("the server's certificate"))?;
    Ok((made.der().to_vec(), key.serialize_der(), root_pem))
}
