//! The account key and what it signs: RFC 7515 as RFC 8555 section 6.2 wants it.

use data_encoding::BASE64URL_NOPAD;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

/// An ECDSA P-256 key. On purpose no `Debug`.
pub(crate) struct AccountKey {
    pkcs8: Zeroizing<Vec<u8>>,
    pair: EcdsaKeyPair,
    random: SystemRandom,
}

/// Who signs: a known account, or a key that has none yet.
#[derive(Clone, Copy)]
pub(crate) enum Signer<'a> {
    Account(&'a str),
    Key,
}

impl AccountKey {
    /// `None` if the system gives no random numbers.
    pub(crate) fn generate() -> Option<Self> {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).ok()?;
        Self::from_pkcs8(pkcs8.as_ref())
    }

    /// `None` if the bytes are no ECDSA P-256 key in PKCS#8.
    pub(crate) fn from_pkcs8(pkcs8: &[u8]) -> Option<Self> {
        let random = SystemRandom::new();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, &random).ok()?;
        Some(Self {
            pkcs8: Zeroizing::new(pkcs8.to_vec()),
            pair,
            random,
        })
    }

    pub(crate) fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    pub(crate) fn jwk(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        let (x, y) = point
            .get(1..)
            .and_then(|point| point.split_at_checked(32))
            .unwrap_or_default();
        json!({
            "crv": "P-256",
            "kty": "EC",
            "x": BASE64URL_NOPAD.encode(x),
            "y": BASE64URL_NOPAD.encode(y),
        })
    }

    /// A signed message; no payload is a POST-as-GET (RFC 8555, section 6.3).
    pub(crate) fn sign(
        &self,
        signer: Signer<'_>,
        url: &str,
        nonce: Option<&str>,
        payload: Option<&Value>,
    ) -> Option<Value> {
        let mut header = Map::new();
        header.insert("alg".into(), "ES256".into());
        match signer {
            Signer::Account(account) => header.insert("kid".into(), account.into()),
            Signer::Key => header.insert("jwk".into(), self.jwk()),
        };
        if let Some(nonce) = nonce {
            header.insert("nonce".into(), nonce.into());
        }
        header.insert("url".into(), url.into());
        let payload = payload.map_or(String::new(), encode);
        self.sealed(&Value::Object(header), &payload)
    }

    /// The same message with another nonce.
    pub(crate) fn sign_again(&self, message: &[u8], nonce: &str) -> Option<Vec<u8>> {
        let message: Value = serde_json::from_slice(message).ok()?;
        let header = BASE64URL_NOPAD
            .decode(message.get("protected")?.as_str()?.as_bytes())
            .ok()?;
        let mut header: Map<String, Value> = serde_json::from_slice(&header).ok()?;
        header.insert("nonce".into(), nonce.into());
        let payload = message.get("payload")?.as_str()?;
        let message = self.sealed(&Value::Object(header), payload)?;
        serde_json::to_vec(&message).ok()
    }

    fn sealed(&self, header: &Value, payload: &str) -> Option<Value> {
        let header = encode(header);
        let signature = self
            .pair
            .sign(&self.random, format!("{header}.{payload}").as_bytes())
            .ok()?;
        Some(json!({
            "protected": header,
            "payload": payload,
            "signature": BASE64URL_NOPAD.encode(signature.as_ref()),
        }))
    }

    /// The binding to an account outside ACME (RFC 8555, section 7.3.4).
    pub(crate) fn bind(&self, id: &str, mac_key: &[u8], url: &str) -> Value {
        let header = encode(&json!({"alg": "HS256", "kid": id, "url": url}));
        let payload = encode(&self.jwk());
        let key = hmac::Key::new(hmac::HMAC_SHA256, mac_key);
        let tag = hmac::sign(&key, format!("{header}.{payload}").as_bytes());
        json!({
            "protected": header,
            "payload": payload,
            "signature": BASE64URL_NOPAD.encode(tag.as_ref()),
        })
    }
}

fn encode(value: &Value) -> String {
    BASE64URL_NOPAD.encode(value.to_string().as_bytes())
}
