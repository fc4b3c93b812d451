//! Keys of accounts and of certificates, by a client that is not of this crate.

use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use opsbox_cert::testing::ca::{CaLimits, CaOptions, Limit, RequestClass, TestCa};
use opsbox_cert::{CertFacts, ManualClock};
use rcgen::KeyPair;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};

use crate::client::{Client, Key, RSA_KEY, Reply};
use crate::issue::start;
use crate::pebble::provider;

async fn unlimited() -> TestCa {
    let options = CaOptions::new().limits(CaLimits::unlimited());
    TestCa::builder(provider())
        .options(options)
        .start()
        .await
        .unwrap()
}

async fn opened(ca: &TestCa, key: Key) -> Client {
    let mut client = Client::new(ca.directory_url(), ca.tls_root_pem()).await;
    client.key = key;
    let url = client.url("newAccount");
    let reply = client
        .post(&url, &json!({"termsOfServiceAgreed": true}))
        .await;
    assert_eq!(reply.status, 201, "{}", reply.json());
    client.account = Some(reply.header("location").to_owned());
    client
}

/// Finalizes a new order with what is given as its request.
async fn finalized(client: &Client, names: &[&str], csr: &[u8]) -> Reply {
    let names = names
        .iter()
        .map(|name| json!({"type": "dns", "value": name}));
    let order = json!({"identifiers": names.collect::<Vec<_>>()});
    let reply = client.post(&client.url("newOrder"), &order).await;
    let order = reply.json();
    for proof in order["authorizations"].as_array().unwrap() {
        let proof = client.read(proof.as_str().unwrap()).await.json();
        let challenge = proof["challenges"][0]["url"].as_str().unwrap();
        client.post(challenge, &json!({})).await;
    }
    let csr = json!({"csr": BASE64URL_NOPAD.encode(csr)});
    client.post(order["finalize"].as_str().unwrap(), &csr).await
}

fn csr(names: &[&str], key: &KeyPair) -> Vec<u8> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let params = rcgen::CertificateParams::new(names).unwrap();
    let mut params = params;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.serialize_request(key).unwrap().der().to_vec()
}

fn kind(reply: &Reply) -> String {
    let kind = reply.json()["type"].as_str().unwrap_or("").to_owned();
    kind.replace("urn:ietf:params:acme:error:", "")
}

pub(crate) async fn accounts_sign_by_each_algorithm() {
    let ca = unlimited().await;
    for key in Key::of_each_kind() {
        let algorithm = key.algorithm();
        let mut client = opened(&ca, key).await;
        let account = client.account.clone().unwrap();
        let reply = client.read(&account).await;
        assert_eq!(reply.status, 200, "{algorithm}");
        // Another key of the same kind is not taken for it.
        let own = std::mem::replace(&mut client.key, Key::new());
        let reply = client.read(&account).await;
        assert_eq!((reply.status, client.key.algorithm()), (400, "ES256"));
        client.key = own;
        let spoiled = client.post_with(&account, "", |header| header["alg"] = "none".into());
        assert_eq!(kind(&spoiled.await), "badSignatureAlgorithm");
    }
    assert_eq!(ca.report().accounts(), 4);
}

pub(crate) async fn keys_of_each_kind_are_certified() {
    let ca = unlimited().await;
    let client = opened(&ca, Key::new()).await;
    let names = ["a.example", "b.example"];
    for (key, expected) in [
        (KeyPair::generate().unwrap(), "ECDSA P-256"),
        (
            KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap(),
            "ECDSA P-384",
        ),
        (
            KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap(),
            "Ed25519",
        ),
        (KeyPair::from_pem(RSA_KEY).unwrap(), "RSA 2048"),
    ] {
        let reply = finalized(&client, &names, &csr(&names, &key)).await;
        assert_eq!(reply.status, 200, "{expected}: {}", reply.json());
        let url = reply.json()["certificate"].as_str().unwrap().to_owned();
        let pem = client.read(&url).await.body;
        let der = CertificateDer::pem_slice_iter(&pem)
            .next()
            .unwrap()
            .unwrap();
        let facts = CertFacts::from_der(&der).unwrap();
        assert_eq!(facts.key_type().to_string(), expected);
        assert_eq!(facts.names().count(), 2);
        // It is the key of the request, which can revoke.
        if expected == "ECDSA P-256" {
            revoked_by_its_key(&client, &key, &der).await;
        }
    }
    assert_eq!(ca.report().revoked(), 1);
}

async fn revoked_by_its_key(client: &Client, key: &KeyPair, der: &[u8]) {
    let (key, url) = (Key::of(key), client.url("revokeCert"));
    let header = json!({
        "alg": "ES256", "jwk": key.jwk(), "nonce": client.nonce().await, "url": url,
    });
    let payload = json!({"certificate": BASE64URL_NOPAD.encode(der), "reason": 1}).to_string();
    let reply = client.post_signed(&url, &key.sign(&header, &payload)).await;
    assert_eq!(reply.status, 200, "{}", reply.json());
}

pub(crate) async fn signing_requests_are_checked() {
    let ca = unlimited().await;
    let key = KeyPair::generate().unwrap();
    let client = opened(&ca, Key::of(&KeyPair::generate().unwrap())).await;
    let names = ["a.example"];
    let good = csr(&names, &key);
    let mut spoiled = good.clone();
    // In the signature, whose last byte it is.
    *spoiled.last_mut().unwrap() ^= 1;
    let longer = [&good[..], &[0]].concat();
    for (csr, expected) in [
        (spoiled, (400, "badCSR")),
        (longer, (400, "malformed")),
        (good[..good.len() - 9].to_vec(), (400, "malformed")),
        (csr(&["b.example"], &key), (403, "unauthorized")),
    ] {
        let reply = finalized(&client, &names, &csr).await;
        assert_eq!((reply.status, &*kind(&reply)), expected, "{}", reply.json());
    }
    // The key of an account is no key of a server.
    let own = KeyPair::generate().unwrap();
    let client = opened(&ca, Key::of(&own)).await;
    let reply = finalized(&client, &names, &csr(&names, &own)).await;
    assert_eq!(kind(&reply), "badCSR", "{}", reply.json());
    assert_eq!(ca.report().certificates(), 0);
}

pub(crate) async fn strangers_see_nothing() {
    let ca = unlimited().await;
    let client = opened(&ca, Key::new()).await;
    let names = ["a.example"];
    let key = KeyPair::generate().unwrap();
    let order = finalized(&client, &names, &csr(&names, &key)).await;
    let order_url = order.header("location").to_owned();
    let order = order.json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let proof = text(&order["authorizations"][0]);
    let challenge = client.read(&proof).await.json();
    let stranger = opened(&ca, Key::new()).await;
    for url in [
        order_url,
        text(&order["finalize"]),
        text(&order["certificate"]),
        proof,
        text(&challenge["challenges"][0]["url"]),
        client.account.clone().unwrap(),
        format!("{}/orders", client.account.clone().unwrap()),
    ] {
        let reply = stranger.read(&url).await;
        assert_eq!(
            (reply.status, &*kind(&reply)),
            (403, "unauthorized"),
            "{url}"
        );
        let reply = stranger.post(&url, &json!({"status": "deactivated"})).await;
        assert_eq!(reply.status, 403, "{url}");
        assert_eq!(client.get(&url).await.status, 405, "{url}");
    }
}

pub(crate) async fn requests_are_limited_by_their_address() {
    let clock = Arc::new(ManualClock::new(start()));
    let ca = TestCa::builder(provider())
        .clock(clock.clone())
        .start()
        .await
        .unwrap();
    let client = Client::new(ca.directory_url(), ca.tls_root_pem()).await;
    for _ in 0..10 {
        assert!(!client.nonce().await.is_empty());
    }
    let url = client.url("newNonce");
    let reply = client.send("GET", &url, None, "").await;
    assert_eq!((reply.status, &*kind(&reply)), (503, "rateLimited"));
    assert_eq!(reply.header("retry-after"), "1");
    assert!(
        reply.header("link").contains("rel=\"help\""),
        "{}",
        reply.header("link")
    );
    let limit = Limit::Requests(RequestClass::Nonce);
    assert_eq!(ca.report().limit_refusals()[&limit], 1);
    assert_eq!(ca.report().requests()[&RequestClass::Nonce], 11);
    clock.advance(std::time::Duration::from_secs(1));
    assert_eq!(client.send("GET", &url, None, "").await.status, 204);
}
