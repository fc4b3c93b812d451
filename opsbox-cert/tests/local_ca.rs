//! The CA of the program: what rustls as a client thinks of its certificates, and what is kept.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use opsbox_cert::KeyAlgorithm;
use opsbox_cert::issuer::{
    CertRequest, Issuer, IssuerChain, LocalCa, LocalCaOptions, Refusals, Step,
};
use opsbox_cert::store::{Condition, Folder, MemoryStore, Name, Store as _, Triple};
use opsbox_cert::{Clock as _, Error, ErrorKind, ManualClock, SystemClock};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A whole handshake in memory, as a client that trusts this root and wants this name.
fn handshake(root_pem: &str, triple: &Triple, name: &str) -> Result<(), rustls::Error> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(root_pem.as_bytes()).unwrap())?;
    let client = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let server = rustls::ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(
            (*triple.certified_key()).clone(),
        )));
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = rustls::ClientConnection::new(Arc::new(client), name)?;
    let mut server = rustls::ServerConnection::new(Arc::new(server))?;
    while client.is_handshaking() || server.is_handshaking() {
        let mut bytes = Vec::new();
        client.write_tls(&mut bytes).unwrap();
        server.read_tls(&mut bytes.as_slice()).unwrap();
        server.process_new_packets()?;
        bytes.clear();
        server.write_tls(&mut bytes).unwrap();
        client.read_tls(&mut bytes.as_slice()).unwrap();
        client.process_new_packets()?;
    }
    Ok(())
}

#[tokio::test]
async fn a_client_that_trusts_the_root_accepts_names_and_addresses() {
    let store = Arc::new(MemoryStore::new());
    let ca = LocalCa::open("test", store.clone(), provider())
        .await
        .unwrap();
    for key in [KeyAlgorithm::EcdsaP256, KeyAlgorithm::EcdsaP384] {
        let names = ["a.internal", "*.b.internal", "10.0.0.7", "::1"];
        let request = CertRequest::new(names).unwrap().key(key);
        let triple = ca.issue(&request).await.unwrap();
        for good in ["a.internal", "x.b.internal", "10.0.0.7", "::1"] {
            handshake(ca.root_pem(), &triple, good).unwrap();
        }
        for bad in ["c.internal", "10.0.0.8"] {
            handshake(ca.root_pem(), &triple, bad).unwrap_err();
        }
    }
    let other = LocalCa::open("other", store, provider()).await.unwrap();
    let triple = other
        .issue(&CertRequest::new(["a.internal"]).unwrap())
        .await
        .unwrap();
    handshake(ca.root_pem(), &triple, "a.internal").unwrap_err();
}

#[tokio::test]
async fn the_ca_outlives_the_process_and_instances_agree_on_it() {
    let store = Arc::new(MemoryStore::new());
    let open = || LocalCa::open("shared", store.clone(), provider());
    let (one, two) = tokio::join!(open(), open());
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(one.root_pem(), two.root_pem());
    let request = CertRequest::new(["a.internal"]).unwrap();
    let name = Name::certificate("a.internal").unwrap();
    let triple = two.issue_into(&request, &store, &name).await.unwrap();
    handshake(one.root_pem(), &triple, "a.internal").unwrap();
    let stored = store.load(&name).await.unwrap().unwrap();
    let read = Triple::from_record(&name, &stored.record, &provider()).unwrap();
    assert_eq!(read.metadata().issuer(), "local-ca:shared");
    assert!(read.metadata().ari_id().is_some());
}

#[tokio::test]
async fn validity_is_chosen_and_never_longer_than_that_of_the_ca() {
    const DAY: Duration = Duration::from_secs(86_400);
    let start = UNIX_EPOCH + 20_000 * DAY;
    let clock = Arc::new(ManualClock::new(start));
    let options = LocalCaOptions::new()
        .clock(clock.clone())
        .leaf_validity(3 * DAY)
        .ca_validity(10 * DAY);
    let store = Arc::new(MemoryStore::new());
    let ca = LocalCa::open_with("short", store, provider(), options)
        .await
        .unwrap();
    let request = CertRequest::new(["a.internal"]).unwrap();
    let ends = |triple: Triple| triple.facts().unwrap().not_after();
    assert_eq!(ends(ca.issue(&request).await.unwrap()), start + 3 * DAY);
    clock.advance(9 * DAY);
    assert_eq!(ends(ca.issue(&request).await.unwrap()), start + 10 * DAY);
    clock.advance(2 * DAY);
    let error = ca.issue(&request).await.unwrap_err();
    assert_eq!(error.step(), Some(Step::Sign));
    let text = error.to_string();
    assert!(
        text.starts_with("cannot sign a.internal at local-ca:short: the CA has expired"),
        "{text}"
    );
}

#[tokio::test]
async fn a_damaged_ca_is_reported_and_not_replaced() {
    let store = Arc::new(MemoryStore::new());
    drop(
        LocalCa::open("damaged", store.clone(), provider())
            .await
            .unwrap(),
    );
    let name = Name::new(&Folder::new("authorities").unwrap(), "damaged").unwrap();
    let mut stored = store.load(&name).await.unwrap().unwrap();
    let key = stored.record.remove("tls.key").unwrap();
    store
        .save(&name, &stored.record, &Condition::Any, None)
        .await
        .unwrap();
    let open = || LocalCa::open("damaged", store.clone(), provider());
    let error = open().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    let other = KeyAlgorithm::EcdsaP384;
    let other = LocalCa::open("x", store.clone(), provider())
        .await
        .unwrap()
        .issue(&CertRequest::new(["x"]).unwrap().key(other))
        .await
        .unwrap();
    let foreign = other.to_record().unwrap();
    stored
        .record
        .insert("tls.key", foreign.part("tls.key").unwrap())
        .unwrap();
    store
        .save(&name, &stored.record, &Condition::Any, None)
        .await
        .unwrap();
    assert_eq!(open().await.unwrap_err().kind(), ErrorKind::KeyMismatch);
    let key = String::from_utf8(key.to_vec()).unwrap();
    let shown = format!("{error} {error:?} {:?}", open().await);
    for line in key.lines() {
        assert!(!shown.contains(line), "{line}");
    }
}

/// Refuses with one kind of error.
#[derive(Debug)]
struct Refuses(ErrorKind);

#[async_trait]
impl Issuer for Refuses {
    fn name(&self) -> &str {
        "refuses"
    }

    async fn issue(&self, _: &CertRequest) -> opsbox_cert::Result<Triple> {
        Err(Error::issuance(
            self.0,
            Step::Order,
            "refuses",
            "a.internal",
            "no; ask another",
        ))
    }
}

#[tokio::test]
async fn a_chain_asks_the_next_and_keeps_each_refusal() {
    let store = Arc::new(MemoryStore::new());
    let ca = LocalCa::open("last", store, provider()).await.unwrap();
    let request = CertRequest::new(["a.internal"]).unwrap();
    let refused = ErrorKind::Refused;
    let triple = IssuerChain::new(Refuses(refused)).then(ca);
    assert_eq!(triple.name(), "refuses, then local-ca:last");
    let triple = triple.issue(&request).await.unwrap();
    assert_eq!(triple.metadata().issuer(), "local-ca:last");
    assert!(triple.metadata().issued_at() <= SystemClock.now());

    let none = IssuerChain::new(Refuses(refused)).then(Refuses(ErrorKind::RateLimited));
    let error = none.issue(&request).await.unwrap_err();
    assert!(error.is_retryable(), "one of them can be tried again");
    let source = std::error::Error::source(&error).unwrap();
    let text = error.to_string();
    assert_eq!(text.matches("no; ask another").count(), 2, "{text}");
    let refusals = source.downcast_ref::<Refusals>().unwrap();
    assert_eq!(refusals.errors()[0].kind(), refused);

    let busy = IssuerChain::new(Refuses(ErrorKind::Busy)).then(Refuses(refused));
    let error = busy.issue(&request).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
}
