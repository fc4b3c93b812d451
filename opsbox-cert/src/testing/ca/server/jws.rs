//! Signed requests as RFC 8555, section 6.2, wants them: read and verified.

use data_encoding::BASE64URL_NOPAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RsaPublicKeyComponents, UnparsedPublicKey,
};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::testing::ca::refusal::Refusal;

/// The algorithms that are taken.
pub(super) const ALGORITHMS: [&str; 4] = ["ES256", "ES384", "RS256", "EdDSA"];

/// A public key of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Jwk {
    /// The curve as JWK names it, and the uncompressed point.
    Ec(&'static str, Vec<u8>),
    Ed25519(Vec<u8>),
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
}

fn bytes(text: Option<&Value>) -> Option<Vec<u8>> {
    BASE64URL_NOPAD.decode(text?.as_str()?.as_bytes()).ok()
}

impl Jwk {
    fn parse(jwk: &Value) -> Option<Self> {
        let part = |name| bytes(jwk.get(name));
        match jwk.get("kty")?.as_str()? {
            "EC" => {
                let (curve, length) = match jwk.get("crv")?.as_str()? {
                    "P-256" => ("P-256", 32),
                    "P-384" => ("P-384", 48),
                    _ => return None,
                };
                let (x, y) = (part("x")?, part("y")?);
                if x.len() != length || y.len() != length {
                    return None;
                }
                // SEC 1, section 2.3.3: 4 stands for a point that is not compressed.
                Some(Self::Ec(curve, [&[4], &*x, &*y].concat()))
            }
            "OKP" if jwk.get("crv")?.as_str()? == "Ed25519" => Some(Self::Ed25519(part("x")?)),
            "RSA" => Some(Self::Rsa {
                n: part("n")?,
                e: part("e")?,
            }),
            _ => None,
        }
    }

    /// As it is hashed (RFC 7638): the required members alone, sorted.
    pub(super) fn to_json(&self) -> Value {
        let text = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        match self {
            Self::Ec(curve, point) => {
                let coordinates = point.get(1..).unwrap_or_default();
                let (x, y) = coordinates.split_at(coordinates.len() / 2);
                json!({"crv": curve, "kty": "EC", "x": text(x), "y": text(y)})
            }
            Self::Ed25519(x) => json!({"crv": "Ed25519", "kty": "OKP", "x": text(x)}),
            Self::Rsa { n, e } => json!({"e": text(e), "kty": "RSA", "n": text(n)}),
        }
    }

    pub(super) fn thumbprint(&self) -> String {
        BASE64URL_NOPAD.encode(&Sha256::digest(self.to_json().to_string()))
    }

    fn algorithm(&self) -> &'static str {
        match self {
            Self::Ec("P-256", _) => "ES256",
            Self::Ec(..) => "ES384",
            Self::Ed25519(_) => "EdDSA",
            Self::Rsa { .. } => "RS256",
        }
    }

    /// The bits of a subject public key in a certificate that has this key; `None` for RSA.
    pub(super) fn subject_key(&self) -> Option<&[u8]> {
        match self {
            Self::Ec(_, point) => Some(point),
            Self::Ed25519(x) => Some(x),
            Self::Rsa { .. } => None,
        }
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let by = |algorithm, key: &[u8]| {
            UnparsedPublicKey::new(algorithm, key)
                .verify(message, signature)
                .is_ok()
        };
        match self {
            Self::Ec("P-256", point) => by(&ECDSA_P256_SHA256_FIXED, point),
            Self::Ec(_, point) => by(&ECDSA_P384_SHA384_FIXED, point),
            Self::Ed25519(key) => by(&ED25519, key),
            Self::Rsa { n, e } => RsaPublicKeyComponents { n, e }
                .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
                .is_ok(),
        }
    }
}

/// Whose key signed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Signer {
    Key(Jwk),
    /// The URL of an account.
    Account(String),
}

/// A message that is not verified yet.
#[derive(Debug)]
pub(super) struct Message {
    header: Map<String, Value>,
    signed: String,
    signature: Vec<u8>,
    pub(super) signer: Signer,
    /// Empty for a POST-as-GET.
    pub(super) payload: Vec<u8>,
}

impl Message {
    /// Reads the flattened JSON form.
    pub(super) fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let broken = |what: &str| Refusal::malformed(format!("the JWS has {what}"));
        let whole: Value =
            serde_json::from_slice(body).map_err(|_| Refusal::malformed("the body is no JSON"))?;
        if whole.get("header").is_some() || whole.get("signatures").is_some() {
            return Err(broken("an unprotected header or several signatures"));
        }
        let part = |name: &str| {
            let part = whole.get(name).and_then(Value::as_str);
            part.ok_or_else(|| broken(&format!("no {name}")))
        };
        let (protected, payload) = (part("protected")?, part("payload")?);
        let decode = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).ok();
        let signature = decode(part("signature")?);
        let signature = signature.ok_or_else(|| broken("a signature that is no base64url"))?;
        let header: Map<String, Value> = decode(protected)
            .and_then(|header| serde_json::from_slice(&header).ok())
            .ok_or_else(|| broken("a protected header that is no JSON in base64url"))?;
        let signed = format!("{protected}.{payload}");
        let payload = decode(payload).ok_or_else(|| broken("a payload that is no base64url"))?;
        let signer = match (header.get("jwk"), header.get("kid")) {
            (Some(jwk), None) => Jwk::parse(jwk)
                .map(Signer::Key)
                .ok_or_else(|| Refusal::new(400, "badPublicKey", "the key cannot be used"))?,
            (None, Some(kid)) => match kid.as_str() {
                Some(kid) => Signer::Account(kid.to_owned()),
                None => return Err(broken("a kid that is no text")),
            },
            (Some(_), Some(_)) => return Err(broken("both a jwk and a kid")),
            (None, None) => return Err(broken("neither a jwk nor a kid")),
        };
        let algorithm = header.get("alg").and_then(Value::as_str).unwrap_or("");
        if !ALGORITHMS.contains(&algorithm) {
            let detail = format!(
                "the algorithm {algorithm:?} is not taken, only {}",
                ALGORITHMS.join(", ")
            );
            return Err(Refusal::new(400, "badSignatureAlgorithm", detail));
        }
        Ok(Self {
            header,
            signed,
            signature,
            signer,
            payload,
        })
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.header.get(name)?.as_str()
    }

    pub(super) fn verify(&self, key: &Jwk) -> Result<(), Refusal> {
        if self.text("alg") != Some(key.algorithm()) {
            let detail = format!("this key signs by {}", key.algorithm());
            return Err(Refusal::new(400, "badSignatureAlgorithm", detail));
        }
        match key.verify(self.signed.as_bytes(), &self.signature) {
            true => Ok(()),
            false => Err(Refusal::malformed("the signature does not fit the key")),
        }
    }

    /// Whether it asks to read alone.
    pub(super) fn is_get(&self) -> bool {
        self.payload.is_empty()
    }

    /// The payload as an object.
    pub(super) fn object(&self) -> Result<Map<String, Value>, Refusal> {
        serde_json::from_slice(&self.payload)
            .map_err(|_| Refusal::malformed("the payload is no JSON object"))
    }
}
