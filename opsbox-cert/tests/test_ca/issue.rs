//! What this crate's own issuer gets from it.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opsbox_cert::challenge::{Dns01, Http01, TlsAlpn01};
use opsbox_cert::dns::MemoryZone;
use opsbox_cert::issuer::{
    AcmeBuilder, AcmeIssuer, CertRequest, Issuer as _, RevocationReason, Step,
};
use opsbox_cert::store::{MemoryStore, Store, Triple};
use opsbox_cert::testing::ca::{
    CaLimits, CaOptions, Limit, NetworkValidator, Rate, RenewalInfo, TestCa,
};
use opsbox_cert::{CertFacts, Clock as _, ErrorKind, ManualClock};

use crate::client::Client;
use crate::pebble::provider;
use crate::servers;

pub(crate) const DAY: Duration = Duration::from_secs(86_400);

pub(crate) fn start() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

pub(crate) fn memory() -> Arc<dyn Store> {
    Arc::new(MemoryStore::new())
}

pub(crate) fn builder(ca: &TestCa, store: &Arc<dyn Store>) -> AcmeBuilder {
    AcmeIssuer::builder(ca.directory_url(), store.clone(), provider())
        .root_pem(ca.tls_root_pem())
        .agree_to_terms()
}

pub(crate) fn issuer(ca: &TestCa, store: &Arc<dyn Store>) -> AcmeIssuer {
    let solver = Http01::new(store.clone());
    builder(ca, store).solver(solver).build().unwrap()
}

pub(crate) async fn issue(issuer: &AcmeIssuer, request: &CertRequest) -> Triple {
    let triple = issuer.issue(request).await.unwrap();
    issuer.confirm(request).await.unwrap();
    triple
}

fn names(triple: &Triple) -> Vec<String> {
    let facts = triple.facts().unwrap();
    let mut names: Vec<String> = facts.names().map(|name| name.into_owned()).collect();
    names.sort();
    names
}

async fn ca(options: CaOptions) -> TestCa {
    TestCa::builder(provider())
        .options(options)
        .start()
        .await
        .unwrap()
}

pub(crate) async fn each_challenge_issues() {
    let store = memory();
    let (http01, tls01) = (
        Http01::new(store.clone()),
        TlsAlpn01::new(store.clone(), provider()),
    );
    let zone = MemoryZone::new("example").unwrap();
    let server = zone.serve("127.0.0.1:0").await.unwrap();
    let shown = zone.clone();
    let validator = NetworkValidator::new(provider())
        .http(servers::http(http01.clone()).await)
        .tls(servers::tls(tls01.clone()).await)
        .txt(move |name| shown.texts(name));
    let ca = TestCa::builder(provider())
        .validator(validator)
        .start()
        .await
        .unwrap();
    let dns01 = Dns01::new(zone)
        .resolvers([server.address()])
        .authorities([server.address()]);
    for (solved, names_of) in [
        (
            builder(&ca, &store).solver(http01),
            &["a.example", "192.0.2.7"][..],
        ),
        (
            builder(&ca, &store).solver(tls01),
            &["192.0.2.8", "2001:db8::1", "b.example"],
        ),
        (
            builder(&ca, &store).solver(dns01),
            &["*.c.example", "c.example"],
        ),
    ] {
        let issuer = solved.build().unwrap();
        let request = CertRequest::new(names_of).unwrap().profile("shortlived");
        let triple = issue(&issuer, &request).await;
        let mut expected = names_of.to_vec();
        expected.sort_unstable();
        assert_eq!(names(&triple), expected);
    }
    let report = ca.report();
    assert_eq!((report.orders(), report.certificates()), (3, 3), "{report}");
    assert_eq!((report.accounts(), report.failed_authorizations()), (1, 0));
}

pub(crate) async fn wrong_answers_fail_with_what_the_ca_saw() {
    // Answers are in one store, and the server looks in another one.
    let (store, other) = (memory(), memory());
    let http = servers::http(Http01::new(other.clone())).await;
    let tls = servers::tls(TlsAlpn01::new(other, provider())).await;
    let network = NetworkValidator::new(provider());
    for (validator, kind) in [
        (network.clone(), "connection"),
        (
            network.clone().http("127.0.0.1:1".parse().unwrap()),
            "connection",
        ),
        (network.clone().http(tls), "unauthorized"),
        (network.clone().http(http), "unauthorized"),
    ] {
        let ca = TestCa::builder(provider())
            .validator(validator)
            .start()
            .await
            .unwrap();
        let request = CertRequest::new(["a.example"]).unwrap();
        let issuer = issuer(&ca, &store);
        let error = issuer.issue(&request).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.step()),
            (ErrorKind::Refused, Some(Step::Validate))
        );
        assert_eq!(error.identifier(), Some("a.example"));
        assert_eq!(error.problem().unwrap().acme_type(), Some(kind), "{error}");
        assert_eq!(ca.report().failed_authorizations(), 1);
    }
    let validator = network.tls(tls).txt(|_| vec!["another".into()]);
    let ca = TestCa::builder(provider())
        .validator(validator)
        .start()
        .await
        .unwrap();
    let zone = MemoryZone::new("example").unwrap();
    let server = zone.serve("127.0.0.1:0").await.unwrap();
    let dns01 = Dns01::new(zone)
        .resolvers([server.address()])
        .authorities([server.address()]);
    for (solved, kind) in [
        (
            builder(&ca, &store).solver(TlsAlpn01::new(store.clone(), provider())),
            "tls",
        ),
        (builder(&ca, &store).solver(dns01), "unauthorized"),
    ] {
        let issuer = solved.build().unwrap();
        let request = CertRequest::new(["a.example"]).unwrap();
        let error = issuer.issue(&request).await.unwrap_err();
        assert_eq!(error.problem().unwrap().acme_type(), Some(kind), "{error}");
    }
}

pub(crate) async fn certificates_are_renewed_inside_their_windows() {
    let clock = Arc::new(ManualClock::new(start()));
    let limits = CaLimits::lets_encrypt().without_request_limits();
    let options = CaOptions::new().limits(limits);
    let ca = TestCa::builder(provider())
        .options(options)
        .clock(clock.clone());
    let ca = ca.start().await.unwrap();
    let store = memory();
    let solver = Http01::new(store.clone());
    let issuer = builder(&ca, &store)
        .solver(solver)
        .clock(clock.clone())
        .build()
        .unwrap();
    let request = CertRequest::new(["a.example"])
        .unwrap()
        .profile("shortlived");
    let mut triple = issue(&issuer, &request).await;
    for round in 1..=3 {
        let id = triple.metadata().ari_id().unwrap().to_owned();
        let certificate = ca.certificate(&id).unwrap();
        let info = ca
            .model(|model| model.renewal_info(certificate, clock.now()))
            .unwrap();
        let RenewalInfo::Window { start, end, .. } = info else {
            panic!("{info:?}");
        };
        // 3.2 of 160 hours.
        assert_eq!(
            end.duration_since(start).unwrap(),
            Duration::from_secs(11_520)
        );
        let client = Client::new(ca.directory_url(), ca.tls_root_pem()).await;
        let said = client
            .get(&format!("{}/{id}", client.url("renewalInfo")))
            .await;
        assert_eq!((said.status, said.header("retry-after")), (200, "21600"));
        assert!(
            said.json()["suggestedWindow"]["start"].as_str()
                < said.json()["suggestedWindow"]["end"].as_str()
        );

        clock.advance(start.duration_since(clock.now()).unwrap());
        let renewal = request.clone().replaces(&id);
        let next = issue(&issuer, &renewal).await;
        assert_ne!(next.metadata().ari_id(), Some(&*id));
        assert_eq!(ca.report().ari_renewals(), round);
        triple = next;
    }
    let report = ca.report();
    assert_eq!(
        (report.certificates(), report.duplicate_orders()),
        (4, 0),
        "{report}"
    );
    assert_eq!(report.overdrawn(), 0, "{report}");

    // What is replaced already is ordered all the same, and counted as what it is.
    let id = triple.metadata().ari_id().unwrap();
    let renewal = request.clone().replaces(id);
    issue(&issuer, &renewal).await;
    issue(&issuer, &renewal).await;
    let report = ca.report();
    assert_eq!(
        (report.certificates(), report.ari_renewals()),
        (6, 3),
        "{report}"
    );
    assert_eq!(report.duplicate_orders(), 2, "{report}");
    let sets = ca.sets();
    assert_eq!(
        (sets[0].names(), sets[0].duplicate_orders()),
        ("a.example", 2)
    );
}

pub(crate) async fn chains_end_at_the_root_that_is_preferred() {
    let ca = TestCa::builder(provider()).roots(3).start().await.unwrap();
    let store = memory();
    for index in 0..3 {
        let root = CertFacts::from_pem(ca.root_pem(index).unwrap().as_bytes()).unwrap();
        let wanted = root.common_name().unwrap();
        let solver = Http01::new(store.clone());
        let issuer = builder(&ca, &store).solver(solver).preferred_chain(wanted);
        let issuer = issuer.build().unwrap();
        let request = CertRequest::new([format!("a{index}.example")]).unwrap();
        let triple = issue(&issuer, &request).await;
        verify(&triple, &ca.root_pem(index).unwrap());
    }
    assert_eq!(ca.root_pem(3), None);
}

/// By webpki, which does not know how it was made.
fn verify(triple: &Triple, root_pem: &str) {
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(root_pem.as_bytes()).unwrap())
        .unwrap();
    let verifier =
        rustls::client::WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider());
    let verifier = verifier.build().unwrap();
    let facts = triple.facts().unwrap();
    let name = facts.names().next().unwrap().into_owned();
    let now = facts.not_before().duration_since(UNIX_EPOCH).unwrap();
    use rustls::client::danger::ServerCertVerifier as _;
    verifier
        .verify_server_cert(
            &triple.chain()[0],
            &triple.chain()[1..],
            &ServerName::try_from(name).unwrap(),
            &[],
            UnixTime::since_unix_epoch(now + Duration::from_secs(60)),
        )
        .unwrap();
}

pub(crate) async fn limits_are_told_and_counted() {
    let clock = Arc::new(ManualClock::new(start()));
    let limits = CaLimits::unlimited().certificates_per_set(Some(Rate::new(1, 7 * DAY)));
    let options = CaOptions::new().limits(limits);
    let ca = TestCa::builder(provider())
        .options(options)
        .clock(clock.clone());
    let ca = ca.start().await.unwrap();
    let store = memory();
    let issuer = issuer(&ca, &store);
    let request = CertRequest::new(["a.example"]).unwrap();
    issue(&issuer, &request).await;
    let error = issuer.issue(&request).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.step()),
        (ErrorKind::RateLimited, Some(Step::Order))
    );
    assert_eq!(error.retry_after(), Some(7 * DAY), "{error}");
    assert_eq!(error.status(), Some(429));
    assert_eq!(ca.report().limit_refusals()[&Limit::CertificatesPerSet], 1);
    clock.advance(7 * DAY);
    issue(&issuer, &request).await;
    let report = ca.report();
    assert_eq!(
        (report.certificates(), report.overdrawn()),
        (2, 1),
        "{report}"
    );

    // Eleven clients at one address.
    let ca =
        self::ca(CaOptions::new().limits(CaLimits::lets_encrypt().without_request_limits())).await;
    for n in 0..11 {
        let store = memory();
        let opened = self::issuer(&ca, &store).account_url().await;
        match n {
            10 => {
                let error = opened.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::RateLimited, "{error}");
                assert!(error.retry_after().unwrap() <= Duration::from_secs(1_080));
            }
            _ => drop(opened.unwrap()),
        }
    }
    assert_eq!(ca.report().accounts(), 10);
}

pub(crate) async fn accounts_and_certificates_are_managed() {
    let ca = ca(CaOptions::new()).await;
    let store = memory();
    let solver = Http01::new(store.clone());
    let with_contact = |mail: &str| {
        builder(&ca, &store)
            .solver(solver.clone())
            .contact(mail)
            .build()
            .unwrap()
    };
    let issuer = with_contact("mailto:a@example.com");
    let account = issuer.account_url().await.unwrap();
    let issuer = with_contact("mailto:b@example.com");
    assert_eq!(issuer.account_url().await.unwrap(), account);
    issuer.roll_account_key().await.unwrap();
    let request = CertRequest::new(["a.example"]).unwrap();
    let triple = issue(&issuer, &request).await;
    issuer
        .revoke(&triple, RevocationReason::Superseded)
        .await
        .unwrap();
    let error = issuer
        .revoke(&triple, RevocationReason::Superseded)
        .await
        .unwrap_err();
    assert_eq!(
        error.problem().unwrap().acme_type(),
        Some("alreadyRevoked"),
        "{error}"
    );
    assert_eq!(ca.report().revoked(), 1);
    let certificate = ca.certificate(triple.metadata().ari_id().unwrap()).unwrap();
    let now = ca.now();
    let info = ca
        .model(|model| model.renewal_info(certificate, now))
        .unwrap();
    assert!(
        matches!(info, RenewalInfo::Window { end, .. } if end < now),
        "{info:?}"
    );
    let error = with_contact("tel:123").account_url().await.unwrap_err();
    assert_eq!(
        error.problem().unwrap().acme_type(),
        Some("unsupportedContact"),
        "{error}"
    );
}

pub(crate) async fn profiles_have_their_lifetimes() {
    let ca = ca(CaOptions::new().profile("hour", "one hour", Duration::from_secs(3_600))).await;
    let store = memory();
    let issuer = issuer(&ca, &store);
    let offered = issuer.profiles().await.unwrap();
    let offered: Vec<&str> = offered.keys().map(String::as_str).collect();
    assert_eq!(offered, ["classic", "hour", "shortlived", "tlsserver"]);
    for (profile, hours) in [
        ("classic", 90 * 24),
        ("tlsserver", 45 * 24),
        ("shortlived", 160),
        ("hour", 1),
    ] {
        let request = CertRequest::new(["a.example"]).unwrap().profile(profile);
        let facts = issue(&issuer, &request).await.facts().unwrap();
        let life = facts
            .not_after()
            .duration_since(facts.not_before())
            .unwrap();
        assert_eq!(life, Duration::from_secs(hours * 3_600), "{profile}");
        assert!(facts.not_before() <= ca.now());
    }
    for (request, kind) in [
        (
            CertRequest::new(["a.example"]).unwrap().profile("none"),
            "invalidProfile",
        ),
        (
            CertRequest::new(["192.0.2.1"]).unwrap(),
            "rejectedIdentifier",
        ),
    ] {
        let error = issuer.issue(&request).await.unwrap_err();
        assert_eq!(error.problem().unwrap().acme_type(), Some(kind), "{error}");
    }
}
