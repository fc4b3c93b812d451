//! What is issued, by each way.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use opsbox_cert::CertFacts;
use opsbox_cert::challenge::{Http01, TlsAlpn01};
use opsbox_cert::issuer::{CertRequest, Issuer as _, RevocationReason};
use opsbox_cert::store::{Folder, MemoryStore, Name, Store, Triple};
use opsbox_cert::{ErrorKind, KeyAlgorithm, Result};

use crate::pebble::{EAB_ID, EAB_KEY, Options, Pebble, provider};

pub(crate) fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new())
}

pub(crate) async fn assert_clean(store: &Arc<dyn Store>) {
    for folder in [Folder::CHALLENGES, Folder::ORDERS] {
        let left = store.list(&folder).await.unwrap();
        assert!(left.is_empty(), "left in the store: {left:?}");
    }
}

fn names(triple: &Triple) -> Vec<String> {
    let facts = triple.facts().unwrap();
    let mut names: Vec<String> = facts.names().map(|name| name.into_owned()).collect();
    names.sort();
    names
}

pub(crate) async fn http_01_issues_and_the_account_is_reused() {
    let pebble = Pebble::start(&Options::default());
    let store = memory();
    pebble.serve_http(Http01::new(store.clone())).await;
    let issuer = pebble.http01(&store);
    let request = CertRequest::new(["b.example", "a.example"])
        .unwrap()
        .key(KeyAlgorithm::EcdsaP384);
    let name = Name::certificate("a.example").unwrap();
    let triple = issuer.issue_into(&request, &*store, &name).await.unwrap();
    assert_eq!(names(&triple), ["a.example", "b.example"]);
    assert_eq!(triple.metadata().issuer(), pebble.url);
    assert_eq!(
        triple.facts().unwrap().key_type().to_string(),
        "ECDSA P-384"
    );
    let stored = store.load(&name).await.unwrap().unwrap();
    Triple::from_record(&name, &stored.record, &provider()).unwrap();
    assert_clean(&store).await;

    let again = pebble
        .builder(&store)
        .contact("mailto:ops@a.example")
        .solver(Http01::new(store.clone()))
        .build()
        .unwrap();
    let account = issuer.account_url().await.unwrap();
    assert_eq!(again.account_url().await.unwrap(), account);
    again.issue_into(&request, &*store, &name).await.unwrap();
    assert_eq!(pebble.orders(), 2);
    let log = pebble.log();
    assert_eq!(log.matches("There are now 1 accounts").count(), 1, "{log}");
}

pub(crate) async fn tls_alpn_01_issues_names_and_addresses() {
    let pebble = Pebble::start(&Options::default());
    let store = memory();
    // The instance that answers is another one than that which orders.
    pebble
        .serve_tls(TlsAlpn01::new(store.clone(), provider()))
        .await;
    let issuer = pebble
        .builder(&store)
        .solver(TlsAlpn01::new(store.clone(), provider()))
        .build()
        .unwrap();
    let request = CertRequest::new(["a.example", "127.0.0.1"]).unwrap();
    let triple = issuer.issue(&request).await.unwrap();
    assert_eq!(names(&triple), ["127.0.0.1", "a.example"]);
    issuer.confirm(&request).await.unwrap();
    assert_clean(&store).await;
}

pub(crate) async fn external_accounts_are_bound() {
    let pebble = Pebble::start(&Options {
        external: true,
        ..Options::default()
    });
    let store = memory();
    pebble.serve_http(Http01::new(store.clone())).await;
    let request = CertRequest::new(["a.example"]).unwrap();
    let error = pebble.http01(&store).issue(&request).await.unwrap_err();
    assert!(
        error.to_string().contains("wants an external account"),
        "{error}"
    );
    let bound = |key: &str| {
        pebble
            .builder(&store)
            .external_account(EAB_ID, key)
            .solver(Http01::new(store.clone()))
            .build()
            .unwrap()
    };
    let wrong = bound(&EAB_KEY.replace('z', "y"));
    let error = wrong.issue(&request).await.unwrap_err();
    assert!(error.problem().is_some(), "{error}");
    bound(EAB_KEY).issue(&request).await.unwrap();
}

pub(crate) async fn profiles_are_chosen() {
    let pebble = Pebble::start(&Options::default());
    let store = memory();
    pebble.serve_http(Http01::new(store.clone())).await;
    let issuer = pebble.http01(&store);
    let profiles = issuer.profiles().await.unwrap();
    assert_eq!(profiles["shortlived"], "six days");
    for (profile, days) in [("default", 90), ("shortlived", 6)] {
        let request = CertRequest::new(["a.example"]).unwrap().profile(profile);
        let facts = issuer.issue(&request).await.unwrap().facts().unwrap();
        issuer.confirm(&request).await.unwrap();
        let validity = facts
            .not_after()
            .duration_since(facts.not_before())
            .unwrap();
        assert_eq!(validity.as_secs().div_ceil(86_400), days, "{profile}");
    }
    let request = CertRequest::new(["a.example"]).unwrap().profile("none");
    let error = issuer.issue(&request).await.unwrap_err();
    assert_eq!(
        error.problem().unwrap().acme_type(),
        Some("invalidProfile"),
        "{error}"
    );
}

pub(crate) async fn refused_nonces_are_borne() {
    // At one refusal in two, one request in 4,000 exhausts its attempts; the order is gone on with then.
    for (nonce_reject, passes) in [(20, None), (50, Some("badNonce"))] {
        let pebble = Pebble::start(&Options {
            nonce_reject,
            ..Options::default()
        });
        let store = memory();
        pebble.serve_http(Http01::new(store.clone())).await;
        let issuer = pebble.http01(&store);
        for n in 0..10 {
            let request = CertRequest::new([format!("a{n}.example")]).unwrap();
            match passes {
                None => issuer.issue(&request).await.unwrap(),
                Some(passes) => patiently(passes, || issuer.issue(&request)).await,
            };
        }
        assert_eq!(pebble.orders(), 10);
    }
}

pub(crate) async fn valid_authorizations_are_reused() {
    let pebble = Pebble::start(&Options {
        authz_reuse: 100,
        ..Options::default()
    });
    let store = memory();
    let server = pebble.serve_http(Http01::new(store.clone())).await;
    let issuer = pebble.http01(&store);
    let request = CertRequest::new(["a.example"]).unwrap();
    issuer.issue(&request).await.unwrap();
    issuer.confirm(&request).await.unwrap();
    // Nothing answers any more, and nothing has to.
    server.abort();
    issuer.issue(&request).await.unwrap();
    issuer.confirm(&request).await.unwrap();
    assert_clean(&store).await;
}

pub(crate) async fn alternate_chains_are_chosen_by_name() {
    let pebble = Pebble::start(&Options {
        alternate_roots: 2,
        chain_length: 3,
        ..Options::default()
    });
    let store = memory();
    pebble.serve_http(Http01::new(store.clone())).await;
    let request = CertRequest::new(["a.example"]).unwrap();
    for root in 0..=2 {
        let root = pebble.root(root).await;
        let root = CertFacts::from_pem(root.as_bytes()).unwrap();
        let wanted = root.common_name().unwrap();
        let issuer = pebble
            .builder(&store)
            .preferred_chain(wanted)
            .solver(Http01::new(store.clone()))
            .build()
            .unwrap();
        let triple = issuer.issue(&request).await.unwrap();
        issuer.confirm(&request).await.unwrap();
        assert_eq!(triple.chain().len(), 4);
        let last = CertFacts::from_der(triple.chain().last().unwrap()).unwrap();
        assert_eq!(last.issuer_common_name(), Some(wanted));
    }
}

pub(crate) async fn certificates_are_revoked() {
    let pebble = Pebble::start(&Options::default());
    let store = memory();
    pebble.serve_http(Http01::new(store.clone())).await;
    let issuer = pebble.http01(&store);
    let request = CertRequest::new(["a.example"]).unwrap();
    let triple = issuer.issue(&request).await.unwrap();
    let serial = triple.facts().unwrap().serial();
    let serial = serial.replace(':', "");
    assert_eq!(pebble.status_of(&serial).await["Status"], "Valid");
    issuer
        .revoke(&triple, RevocationReason::Superseded)
        .await
        .unwrap();
    let status = pebble.status_of(&serial).await;
    assert_eq!(status["Status"], "Revoked", "{status}");
    assert_eq!(status["Reason"], 4);
    let error = issuer
        .revoke(&triple, RevocationReason::Unspecified)
        .await
        .unwrap_err();
    let said = error.problem().unwrap();
    assert_eq!(said.acme_type(), Some("alreadyRevoked"), "{error}");
    assert_eq!(error.status(), Some(400));
}

/// Tries again while the CA says what passes by itself.
pub(crate) async fn patiently<F: Future<Output = Result<Triple>>>(
    passes: &str,
    issue: impl Fn() -> F,
) -> Triple {
    let mut waited = 0;
    loop {
        match issue().await {
            Err(error)
                if error.kind() == ErrorKind::Unavailable
                    && error.to_string().contains(passes)
                    && waited < 50 =>
            {
                waited += 1;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            issued => return issued.unwrap(),
        }
    }
}

pub(crate) async fn a_replaced_certificate_is_no_obstacle() {
    let pebble = Pebble::start(&Options::default());
    let store = memory();
    pebble.serve_http(Http01::new(store.clone())).await;
    let issuer = pebble.http01(&store);
    let request = CertRequest::new(["a.example"]).unwrap();
    let first = issuer.issue(&request).await.unwrap();
    issuer.confirm(&request).await.unwrap();
    let id = first.metadata().ari_id().unwrap();
    for _ in 0..2 {
        // The second time the CA says alreadyReplaced.
        let renewal = request.clone().replaces(id);
        // Pebble gives a certificate out a moment before it can find the order of it, and says 500 until then.
        let next = patiently("could not find an order", || issuer.issue(&renewal)).await;
        assert_ne!(next.metadata().ari_id(), Some(id));
        issuer.confirm(&renewal).await.unwrap();
    }
    assert_eq!(pebble.orders(), 3, "{}", pebble.log());
    // What is no ARI id at all is left out.
    issuer.issue(&request.replaces("nonsense")).await.unwrap();
}

pub(crate) async fn a_ca_that_breaks_at_replaces_is_no_obstacle() {
    let pebble = Pebble::start(&Options::default());
    let store = memory();
    pebble.serve_http(Http01::new(store.clone())).await;
    let issuer = pebble.http01(&store);
    let request = CertRequest::new(["a.example"]).unwrap();
    let first = issuer.issue(&request).await.unwrap();
    issuer.confirm(&request).await.unwrap();
    // Another serial number of the same CA, which Pebble never gave: it says 500 each time.
    let (ca, _) = first.metadata().ari_id().unwrap().split_once('.').unwrap();
    let request = request.replaces(format!("{ca}.AIdlQyE"));
    let error = issuer.issue(&request).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    let problem = error.problem().unwrap().acme_type();
    assert_eq!(problem, Some("serverInternal"), "{error}");
    issuer.issue(&request).await.unwrap();
    assert_eq!(pebble.orders(), 2);
}

pub(crate) async fn account_keys_are_changed() {
    let pebble = Pebble::start(&Options::default());
    let store = memory();
    pebble.serve_http(Http01::new(store.clone())).await;
    let issuer = pebble.http01(&store);
    let account = issuer.account_url().await.unwrap();
    let name = store.list(&Folder::ACCOUNTS).await.unwrap().remove(0);
    let key = async || {
        let stored = store.load(&name).await.unwrap().unwrap();
        assert!(stored.record.part("next.key").is_none());
        stored.record.part("account.key").unwrap().to_vec()
    };
    let old = key().await;
    issuer.roll_account_key().await.unwrap();
    assert_ne!(key().await, old);
    let request = CertRequest::new(["a.example"]).unwrap();
    issuer.issue(&request).await.unwrap();
    let other = pebble.http01(&store);
    assert_eq!(other.account_url().await.unwrap(), account);
    other.issue(&request).await.unwrap();
}

pub(crate) async fn a_forgotten_account_is_opened_again() {
    let store = memory();
    let pebble = Pebble::start(&Options::default());
    pebble.serve_http(Http01::new(store.clone())).await;
    // The account of a CA that has lost its memory, under the name of this one.
    let former = Pebble::start(&Options::default());
    let make = |pebble: &Pebble| {
        pebble
            .builder(&store)
            .account_id("the-ca")
            .solver(Http01::new(store.clone()))
            .build()
            .unwrap()
    };
    make(&former).account_url().await.unwrap();
    let name = Name::account("the-ca").unwrap();
    let mut stored = store.load(&name).await.unwrap().unwrap();
    let state = String::from_utf8(stored.record.part("account.json").unwrap().to_vec()).unwrap();
    let port = |url: &str| {
        url.split(':')
            .nth(2)
            .unwrap()
            .split('/')
            .next()
            .unwrap()
            .to_owned()
    };
    let state = state.replace(&port(&former.url), &port(&pebble.url));
    stored.record.insert("account.json", state).unwrap();
    let any = opsbox_cert::store::Condition::Any;
    store.save(&name, &stored.record, &any, None).await.unwrap();
    let request = CertRequest::new(["a.example"]).unwrap();
    let triple = make(&pebble).issue(&request).await.unwrap();
    assert_eq!(names(&triple), ["a.example"]);
}
