//! Several instances of a service over one store, some of which die.

use std::time::Duration;

use opsbox_cert::ErrorKind;
use opsbox_cert::challenge::Http01;
use opsbox_cert::issuer::{AcmeIssuer, CertRequest, Issuer as _};
use opsbox_cert::store::Triple;
use opsbox_cert::testing::ca::{CaLimits, CaOptions, Fault, Faults, TestCa};
use tokio::task::JoinSet;

use crate::issue::{builder, memory};
use crate::pebble::provider;

/// Asks until the certificate is there.
async fn patiently(issuer: AcmeIssuer, request: CertRequest) -> Triple {
    for _ in 0..200 {
        match issuer.issue(&request).await {
            Ok(triple) => return triple,
            Err(error) if error.kind() == ErrorKind::Busy => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(error) => assert!(error.is_retryable(), "{error}"),
        }
    }
    panic!("the certificate does not come");
}

/// Each name is asked for by three instances at once. The first one is dropped after some milliseconds, wherever
/// it is, and the others go on with its order: there is one order for each name.
pub(crate) async fn calls_that_are_cut_at_any_moment_order_once() {
    const NAMES: u64 = 40;
    let faults = Faults::new(5)
        .rate(Fault::BadNonce, 0.2)
        .rate(Fault::LostAnswer, 0.003)
        .rate(Fault::Slow, 1.0)
        .slow_for(Duration::from_millis(2));
    let limits = CaLimits::lets_encrypt().without_request_limits();
    let options = CaOptions::new().limits(limits).faults(faults);
    let ca = TestCa::builder(provider())
        .options(options)
        .start()
        .await
        .unwrap();
    let store = memory();
    let instance = || {
        let solver = Http01::new(store.clone());
        let lease = Duration::from_secs(1);
        builder(&ca, &store)
            .solver(solver)
            .lease_time(lease)
            .build()
            .unwrap()
    };
    // One account for all: its lock is not what this is about.
    instance().account_url().await.unwrap();
    let (dying, others) = (instance(), [instance(), instance()]);
    let mut work = JoinSet::new();
    for n in 0..NAMES {
        let request = CertRequest::new([format!("a{n}.example")]).unwrap();
        let (dying, others) = (dying.clone(), others.clone());
        work.spawn(async move {
            let first = request.clone();
            let cut = tokio::spawn(async move { dying.issue(&first).await.map(drop) });
            tokio::time::sleep(Duration::from_millis(5 + 7 * n)).await;
            cut.abort();
            let was_cut = cut.await.is_err_and(|error| error.is_cancelled());
            let [one, two] = others;
            let (one, two) =
                tokio::join!(patiently(one, request.clone()), patiently(two, request),);
            assert_eq!(one.chain(), two.chain(), "both have the same certificate");
            was_cut
        });
    }
    let cut = work.join_all().await.into_iter().filter(|cut| *cut).count();
    let report = ca.report();
    assert!(cut > 0, "no call was cut in its middle");
    assert_eq!(
        (report.orders(), report.certificates()),
        (NAMES, NAMES),
        "{cut} cut\n{report}"
    );
    assert_eq!(
        (report.duplicate_orders(), report.overdrawn()),
        (0, 0),
        "{report}"
    );
    assert_eq!(report.accounts(), 1);
}
