//! The public key and the signature algorithm, by the names that operators use.

#![warn(clippy::indexing_slicing)]

use std::fmt;

use x509_parser::objects::{oid_registry, oid2sn};
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::RSAPublicKey;
use x509_parser::x509::{AlgorithmIdentifier, SubjectPublicKeyInfo};

use crate::error::Reason;

/// The type and size of a certificate's public key.
///
/// ```
/// use opsbox_cert::{EcCurve, KeyType};
///
/// assert_eq!(KeyType::Rsa { bits: 2048 }.to_string(), "RSA 2048");
/// assert_eq!(KeyType::Ecdsa { curve: EcCurve::P256 }.to_string(), "ECDSA P-256");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(tag = "type", rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum KeyType {
    /// RSA, by the length of the modulus.
    Rsa {
        /// Bits of the modulus.
        bits: usize,
    },
    /// RSA that is restricted to RSASSA-PSS signatures.
    RsaPss {
        /// Bits of the modulus.
        bits: usize,
    },
    /// A key on a named elliptic curve.
    Ecdsa {
        /// The curve.
        curve: EcCurve,
    },
    /// Ed25519 (RFC 8410).
    Ed25519,
    /// Ed448 (RFC 8410).
    Ed448,
    /// Anything else, by its object identifier.
    Other {
        /// The dotted object identifier of the algorithm.
        oid: String,
    },
}

/// The curve of an ECDSA key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum EcCurve {
    /// NIST P-256, also secp256r1 or prime256v1.
    #[cfg_attr(feature = "serde", serde(rename = "P-256"))]
    P256,
    /// NIST P-384, also secp384r1.
    #[cfg_attr(feature = "serde", serde(rename = "P-384"))]
    P384,
    /// NIST P-521, also secp521r1.
    #[cfg_attr(feature = "serde", serde(rename = "P-521"))]
    P521,
    /// Another curve by its dotted object identifier, or `explicit` if it is spelt out in the key.
    #[cfg_attr(feature = "serde", serde(untagged))]
    Other(String),
}

impl fmt::Display for KeyType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa { bits } => write!(f, "RSA {bits}"),
            Self::RsaPss { bits } => write!(f, "RSA-PSS {bits}"),
            Self::Ecdsa { curve } => write!(f, "ECDSA {curve}"),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::Ed448 => f.write_str("Ed448"),
            Self::Other { oid } => f.write_str(oid),
        }
    }
}

impl fmt::Display for EcCurve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
            Self::Other(name) => name,
        })
    }
}

impl KeyType {
    pub(super) fn read(spki: &SubjectPublicKeyInfo<'_>) -> Result<Self, Reason> {
        let algorithm = &spki.algorithm;
        Ok(match algorithm.algorithm.as_bytes() {
            // 1.2.840.113549.1.1.1 rsaEncryption
            [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1] => Self::Rsa {
                bits: modulus_bits(spki)?,
            },
            // 1.2.840.113549.1.1.10 id-RSASSA-PSS
            [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10] => Self::RsaPss {
                bits: modulus_bits(spki)?,
            },
            // 1.2.840.10045.2.1 id-ecPublicKey
            [0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1] => Self::Ecdsa {
                curve: EcCurve::read(algorithm),
            },
            // 1.3.101.112 and .113
            [0x2b, 0x65, 0x70] => Self::Ed25519,
            [0x2b, 0x65, 0x71] => Self::Ed448,
            _ => Self::Other {
                oid: algorithm.algorithm.to_id_string(),
            },
        })
    }
}

impl EcCurve {
    fn read(algorithm: &AlgorithmIdentifier<'_>) -> Self {
        let curve = algorithm
            .parameters
            .as_ref()
            .and_then(|parameters| parameters.as_oid().ok());
        let Some(curve) = curve else {
            return Self::Other("explicit".into());
        };
        match curve.as_bytes() {
            // 1.2.840.10045.3.1.7, 1.3.132.0.34 and 1.3.132.0.35
            [0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7] => Self::P256,
            [0x2b, 0x81, 4, 0, 34] => Self::P384,
            [0x2b, 0x81, 4, 0, 35] => Self::P521,
            _ => Self::Other(curve.to_id_string()),
        }
    }
}

/// The short name of a signature algorithm, else its dotted object identifier.
pub(super) fn signature_algorithm(algorithm: &AlgorithmIdentifier<'_>) -> String {
    oid2sn(&algorithm.algorithm, oid_registry())
        .map_or_else(|_| algorithm.algorithm.to_id_string(), str::to_owned)
}

fn modulus_bits(spki: &SubjectPublicKeyInfo<'_>) -> Result<usize, Reason> {
    let (_, key) =
        RSAPublicKey::from_der(&spki.subject_public_key.data).map_err(|_| Reason::Der {
            detail: "the RSA public key is damaged".into(),
        })?;
    let zeros = key.modulus.iter().take_while(|&&byte| byte == 0).count();
    let digits = key.modulus.get(zeros..).unwrap_or_default();
    let unused = digits
        .first()
        .map_or(0, |first| first.leading_zeros() as usize);
    Ok(digits.len() * 8 - unused)
}
