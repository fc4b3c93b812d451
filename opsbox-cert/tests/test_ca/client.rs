//! A client that is made for this test: it shares no code with the crate, and can be wrong on purpose.

use std::collections::BTreeMap;
use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
    RsaPublicKeyComponents,
};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::pebble::provider;

/// Made for the tests by `openssl genpkey -algorithm RSA`.
pub(crate) const RSA_KEY: &str = include_str!("../common/rsa.key");

pub(crate) struct Reply {
    pub(crate) status: u16,
    /// In lower case; several of one name are joined by a comma.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// A key of an account, of one of the kinds that the CA takes.
pub(crate) enum Key {
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

fn ecdsa(algorithm: &'static EcdsaSigningAlgorithm) -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
    EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap()
}

impl Key {
    pub(crate) fn new() -> Self {
        Self::P256(ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING))
    }

    pub(crate) fn of_each_kind() -> [Self; 4] {
        let ed25519 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let rsa = PrivatePkcs8KeyDer::from_pem_slice(RSA_KEY.as_bytes()).unwrap();
        [
            Self::new(),
            Self::P384(ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING)),
            Self::Ed25519(Ed25519KeyPair::from_pkcs8(ed25519.as_ref()).unwrap()),
            Self::Rsa(RsaKeyPair::from_pkcs8(rsa.secret_pkcs8_der()).unwrap()),
        ]
    }

    /// The key of a certificate, for the requests that are signed with one.
    pub(crate) fn of(key: &rcgen::KeyPair) -> Self {
        let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let der = key.serialize_der();
        Self::P256(EcdsaKeyPair::from_pkcs8(algorithm, &der, &random).unwrap())
    }

    pub(crate) fn algorithm(&self) -> &'static str {
        match self {
            Self::P256(_) => "ES256",
            Self::P384(_) => "ES384",
            Self::Ed25519(_) => "EdDSA",
            Self::Rsa(_) => "RS256",
        }
    }

    pub(crate) fn jwk(&self) -> Value {
        let encode = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        let point = |curve: &str, point: &[u8]| {
            let (x, y) = point[1..].split_at(point.len() / 2);
            json!({"kty": "EC", "crv": curve, "x": encode(x), "y": encode(y)})
        };
        match self {
            Self::P256(pair) => point("P-256", pair.public_key().as_ref()),
            Self::P384(pair) => point("P-384", pair.public_key().as_ref()),
            Self::Ed25519(pair) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": encode(pair.public_key().as_ref())})
            }
            Self::Rsa(pair) => {
                let key = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public());
                let (n, e) = (&key.n, &key.e);
                json!({"kty": "RSA", "n": encode(n), "e": encode(e)})
            }
        }
    }

    pub(crate) fn sign(&self, header: &Value, payload: &str) -> Value {
        let encode = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
        let (header, payload) = (encode(&header.to_string()), encode(payload));
        let message = format!("{header}.{payload}");
        let (message, random) = (message.as_bytes(), SystemRandom::new());
        let signature = match self {
            Self::P256(pair) | Self::P384(pair) => {
                pair.sign(&random, message).unwrap().as_ref().to_vec()
            }
            Self::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .unwrap();
                signature
            }
        };
        json!({
            "protected": header,
            "payload": payload,
            "signature": BASE64URL_NOPAD.encode(&signature),
        })
    }
}

/// One client of one CA.
pub(crate) struct Client {
    tls: TlsConnector,
    host: String,
    port: u16,
    pub(crate) directory: Value,
    pub(crate) key: Key,
    pub(crate) account: Option<String>,
}

impl Client {
    pub(crate) async fn new(directory_url: &str, root_pem: &str) -> Self {
        let mut roots = rustls::RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_slice(root_pem.as_bytes()).unwrap())
            .unwrap();
        let config = rustls::ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let url: http::Uri = directory_url.parse().unwrap();
        let mut client = Self {
            tls: Arc::new(config).into(),
            host: url.host().unwrap().to_owned(),
            port: url.port_u16().unwrap(),
            directory: Value::Null,
            key: Key::new(),
            account: None,
        };
        client.directory = client.get(directory_url).await.json();
        client
    }

    pub(crate) fn url(&self, resource: &str) -> String {
        self.directory[resource].as_str().unwrap().to_owned()
    }

    pub(crate) async fn get(&self, url: &str) -> Reply {
        self.send("GET", url, None, "").await
    }

    /// One request on a connection of its own.
    pub(crate) async fn send(
        &self,
        method: &str,
        url: &str,
        content_type: Option<&str>,
        body: &str,
    ) -> Reply {
        let url: http::Uri = url.parse().unwrap();
        let path = url.path_and_query().unwrap().as_str();
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}:{}\r\nUser-Agent: test\r\nConnection: close\r\n",
            self.host, self.port
        );
        if let Some(content_type) = content_type {
            request.push_str(&format!("Content-Type: {content_type}\r\n"));
        }
        if method == "POST" {
            request.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        request.push_str(body);
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let name = self.host.clone().try_into().unwrap();
        let mut stream = self.tls.connect(name, stream).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // Some servers close without a word of TLS.
        stream.read_to_end(&mut answer).await.ok();
        parse(&answer, method == "HEAD")
    }

    pub(crate) async fn nonce(&self) -> String {
        let reply = self.send("HEAD", &self.url("newNonce"), None, "").await;
        reply.header("replay-nonce").to_owned()
    }

    /// A header that is right.
    pub(crate) async fn header(&self, url: &str) -> Value {
        let mut header =
            json!({"alg": self.key.algorithm(), "nonce": self.nonce().await, "url": url});
        match &self.account {
            Some(account) => header["kid"] = account.as_str().into(),
            None => header["jwk"] = self.key.jwk(),
        }
        header
    }

    pub(crate) async fn post_signed(&self, url: &str, message: &Value) -> Reply {
        let jose = Some("application/jose+json");
        self.send("POST", url, jose, &message.to_string()).await
    }

    pub(crate) async fn post(&self, url: &str, payload: &Value) -> Reply {
        self.post_with(url, &payload.to_string(), |_| {}).await
    }

    pub(crate) async fn read(&self, url: &str) -> Reply {
        self.post_with(url, "", |_| {}).await
    }

    /// Signed with a header that is spoiled before.
    pub(crate) async fn post_with(
        &self,
        url: &str,
        payload: &str,
        spoil: impl FnOnce(&mut Value),
    ) -> Reply {
        let mut header = self.header(url).await;
        spoil(&mut header);
        self.post_signed(url, &self.key.sign(&header, payload))
            .await
    }
}

fn parse(answer: &[u8], is_head: bool) -> Reply {
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap();
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    for line in lines {
        let (name, value) = line.split_once(':').unwrap();
        let kept = headers.entry(name.to_ascii_lowercase()).or_default();
        if !kept.is_empty() {
            kept.push(',');
        }
        kept.push_str(value.trim());
    }
    let mut body = answer[end + 4..].to_vec();
    if headers
        .get("transfer-encoding")
        .is_some_and(|value| value == "chunked")
        && !is_head
    {
        let mut whole = Vec::new();
        let mut rest = &body[..];
        loop {
            let end = rest.windows(2).position(|two| two == b"\r\n").unwrap();
            let length = std::str::from_utf8(&rest[..end]).unwrap();
            let length = usize::from_str_radix(length, 16).unwrap();
            if length == 0 {
                break;
            }
            whole.extend_from_slice(&rest[end + 2..end + 2 + length]);
            rest = &rest[end + 4 + length..];
        }
        body = whole;
    }
    Reply {
        status: status.parse().unwrap(),
        headers,
        body,
    }
}
