//! What goes wrong at the CA, and what the issuer makes of it.

use std::sync::Arc;
use std::time::Duration;

use opsbox_cert::challenge::Http01;
use opsbox_cert::issuer::{AcmeIssuer, CertRequest, Issuer as _};
use opsbox_cert::store::Triple;
use opsbox_cert::testing::ca::{CaLimits, CaOptions, CaReport, Fault, Faults, RenewalInfo, TestCa};
use opsbox_cert::{Clock as _, ErrorKind, ManualClock};
use tokio::task::JoinSet;

use crate::client::Client;
use crate::issue::{DAY, builder, issue, issuer, memory, start};
use crate::pebble::provider;

/// Asks until the certificate is there: what a caller does, without the waits.
async fn patiently(issuer: &AcmeIssuer, request: &CertRequest) -> Triple {
    let mut said = Vec::new();
    for _ in 0..50 {
        match issuer.issue(request).await {
            Ok(triple) => {
                issuer.confirm(request).await.unwrap();
                return triple;
            }
            Err(error) => {
                let refused = error.kind() == ErrorKind::Refused;
                let by_fault = error.to_string().contains("as injected");
                assert!(error.is_retryable() || (refused && by_fault), "{error}");
                said.push(error.to_string());
            }
        }
    }
    panic!("{said:#?}");
}

fn names(n: usize) -> CertRequest {
    CertRequest::new([format!("a{n}.example"), format!("b{n}.example")]).unwrap()
}

#[track_caller]
fn assert_clean(report: &CaReport) {
    assert_eq!(report.duplicate_orders(), 0, "{report}");
    assert_eq!(report.overdrawn(), 0, "{report}");
}

pub(crate) async fn each_fault_is_survived_or_said() {
    const CERTIFICATES: u64 = 6;
    for (fault, rate) in [
        (Fault::TooManyRequests, 0.1),
        (Fault::Unavailable, 0.1),
        (Fault::ServerInternal, 0.1),
        (Fault::Html, 0.1),
        (Fault::BadNonce, 0.4),
        (Fault::LostAnswer, 0.1),
        (Fault::CutBody, 0.1),
        (Fault::Slow, 0.2),
        (Fault::RefusedChallenge, 0.2),
        (Fault::Processing, 0.5),
    ] {
        let faults = Faults::new(11)
            .retry_after(Duration::ZERO)
            .slow_for(Duration::from_millis(5));
        let options = CaOptions::new().limits(CaLimits::unlimited());
        let options = options.faults(faults.rate(fault, rate));
        let ca = TestCa::builder(provider())
            .options(options)
            .start()
            .await
            .unwrap();
        let store = memory();
        let issuer = issuer(&ca, &store);
        for n in 0..CERTIFICATES {
            patiently(&issuer, &names(n.try_into().unwrap())).await;
        }
        let report = ca.report();
        assert!(report.fault(fault) > 0, "{fault:?}: {report}");
        let struck: Vec<_> = report.faults().keys().collect();
        assert_eq!(struck, [&fault], "{report}");
        assert_eq!(report.certificates(), CERTIFICATES, "{fault:?}: {report}");
        assert_eq!(report.accounts(), 1, "{report}");
        let failed = report.failed_authorizations();
        assert!(
            report.orders() <= CERTIFICATES + failed,
            "{fault:?}: {report}"
        );
        assert_clean(&report);
    }
}

pub(crate) async fn an_outage_of_days_and_a_clock_that_jumps_are_survived() {
    let clock = Arc::new(ManualClock::new(start()));
    let faults = Faults::new(0).outage(start() + DAY, start() + 4 * DAY);
    let limits = CaLimits::lets_encrypt().without_request_limits();
    let options = CaOptions::new().limits(limits).faults(faults);
    let ca = TestCa::builder(provider())
        .options(options)
        .clock(clock.clone());
    let ca = ca.start().await.unwrap();
    let store = memory();
    let issuer = issuer(&ca, &store);
    issue(&issuer, &names(0)).await;
    clock.advance(2 * DAY);
    let error = issuer.issue(&names(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(ca.report().fault(Fault::Outage) > 0);
    clock.advance(3 * DAY);
    let triple = issue(&issuer, &names(1)).await;

    // The CA's clock goes an hour wrong, either way.
    for seconds in [-3_600, 3_600] {
        ca.set_skew(seconds);
        let now = clock.now().checked_add(Duration::from_secs(3_600)).unwrap();
        let ahead = seconds > 0;
        assert_eq!(ca.now() == now, ahead);
        issue(
            &issuer,
            &names(usize::try_from(seconds.unsigned_abs()).unwrap() + usize::from(ahead)),
        )
        .await;
    }
    ca.set_skew(0);

    // An incident: a batch is revoked, and its window is over.
    let id = triple.metadata().ari_id().unwrap();
    let certificate = ca.certificate(id).unwrap();
    let now = ca.now();
    let batch = start()..now + DAY;
    assert_eq!(ca.model(|model| model.revoke_issued(batch, now)), 4);
    let info = ca
        .model(|model| model.renewal_info(certificate, now))
        .unwrap();
    assert!(matches!(info, RenewalInfo::Window { end, .. } if end < now));
    issue(&issuer, &names(1).replaces(id)).await;
    assert_clean(&ca.report());

    // ARI that makes no sense, is absent or says no time.
    let client = Client::new(ca.directory_url(), ca.tls_root_pem()).await;
    let url = format!("{}/{id}", client.url("renewalInfo"));
    for fault in [Fault::MalformedAri, Fault::AbsentAri, Fault::NoRetryAfter] {
        ca.set_faults(Faults::new(0).rate(fault, 1.0));
        let mut bodies = std::collections::HashSet::new();
        for _ in 0..6 {
            let reply = client.get(&url).await;
            let says_when = !reply.header("retry-after").is_empty();
            let (status, says) = match fault {
                Fault::AbsentAri => (404, false),
                Fault::MalformedAri => (200, true),
                _ => (200, false),
            };
            assert_eq!((reply.status, says_when), (status, says), "{fault:?}");
            bodies.insert(reply.body);
        }
        let kinds = if fault == Fault::MalformedAri { 3 } else { 1 };
        assert_eq!(bodies.len(), kinds, "{fault:?}");
    }
    // Answers that no JSON parser, or no HTTP client, can make sense of.
    ca.set_faults(Faults::new(0).rate(Fault::Html, 1.0));
    let reply = client.get(&url).await;
    assert_eq!(
        (reply.status, reply.header("content-type")),
        (502, "text/html")
    );
    ca.set_faults(Faults::new(0).rate(Fault::CutBody, 1.0));
    let reply = client.get(&url).await;
    let announced: usize = reply.header("content-length").parse().unwrap();
    assert!(
        !reply.body.is_empty() && reply.body.len() < announced,
        "{announced}"
    );
}

pub(crate) async fn hundreds_are_issued_in_a_storm_without_a_duplicate() {
    // An order whose answer was lost is looked for among the last ones, by some eighty requests: one of two fails.
    const RARE: f64 = 0.01;
    const CERTIFICATES: usize = 200;
    const AT_ONCE: usize = 8;
    let clock = Arc::new(ManualClock::new(start()));
    let faults = Faults::new(23)
        .rate(Fault::BadNonce, 0.2)
        .rate(Fault::TooManyRequests, RARE)
        .rate(Fault::Unavailable, RARE)
        .rate(Fault::ServerInternal, RARE)
        .rate(Fault::Html, RARE)
        .rate(Fault::CutBody, RARE)
        .rate(Fault::LostAnswer, RARE)
        .rate(Fault::Processing, 0.05)
        .rate(Fault::RefusedChallenge, 0.01)
        .rate(Fault::NoRetryAfter, 0.5)
        .rate(Fault::Slow, 0.05)
        .slow_for(Duration::from_millis(5))
        .retry_after(Duration::ZERO);
    // All that Let's Encrypt counts, but for requests: the clock stands still.
    let limits = CaLimits::lets_encrypt().without_request_limits();
    let options = CaOptions::new().limits(limits).faults(faults);
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
    let mut renewals: Vec<CertRequest> = (0..CERTIFICATES).map(names).collect();
    for round in 1..=2_u64 {
        let mut work = JoinSet::new();
        let mut next = Vec::new();
        let mut left = renewals.into_iter();
        loop {
            while work.len() < AT_ONCE
                && let Some(request) = left.next()
            {
                let issuer = issuer.clone();
                work.spawn(async move { (patiently(&issuer, &request).await, request) });
            }
            let Some(done) = work.join_next().await else {
                break;
            };
            let (triple, request) = done.unwrap();
            next.push(request.replaces(triple.metadata().ari_id().unwrap()));
        }
        let report = ca.report();
        let issued = round * CERTIFICATES as u64;
        assert_eq!(report.certificates(), issued, "{report}");
        assert!(
            report.orders() <= issued + report.failed_authorizations(),
            "{report}"
        );
        let renewed = (round - 1) * CERTIFICATES as u64;
        assert!(report.ari_renewals() >= renewed, "{report}");
        assert_clean(&report);
        for set in ca.sets() {
            assert_eq!(
                (set.certificates(), set.duplicate_orders()),
                (round, 0),
                "{set:?}"
            );
        }
        assert!(report.fault(Fault::BadNonce) > 200, "{report}");
        assert!(report.fault(Fault::LostAnswer) > 0, "{report}");
        renewals = next;
        // Into the windows, which are two thirds of the way.
        clock.advance(60 * DAY);
    }
    assert_eq!(ca.report().accounts(), 1);
}
