//! A download or a look at the order fails after the CA has issued: the order is gone on with.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use opsbox_cert::Clock as _;
use opsbox_cert::budget::{Limits, Rate};
use opsbox_cert::install::Certificates;
use opsbox_cert::observe::Metrics;
use opsbox_cert::plan::{Band, Policy};
use opsbox_cert::testing::ca::{CaOptions, Fault, Faults};

use crate::world::{DAY, HOUR, Moment, World, names, start};

/// So slow that nothing comes back while a test runs.
const NEVER: Duration = Duration::from_secs(1_000_000 * 24 * 60 * 60);

/// What is left of the orders of the account.
fn left(metrics: &Metrics) -> String {
    let text = metrics.encode();
    let line = r#"tls_certificate_ca_limit_left{issuer="ca",limit="account"} "#;
    let left = text.lines().find_map(|it| it.strip_prefix(line));
    left.unwrap_or_else(|| panic!("{text}")).to_owned()
}

/// How many events there are of this kind.
fn count(certificates: &Certificates, label: &'static str) -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    certificates.events().hook(move |event| {
        if event.label() == label {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    count
}

/// From the moment on at which the certificate is issued, most answers are cut, lost, or errors of the server.
pub(crate) async fn what_is_issued_and_not_fetched_costs_no_second_order() {
    const NAMES: usize = 12;
    // With `Processing` the order is looked at after it is finalized; without, the chain is fetched at once.
    for processing in [0.0, 1.0] {
        let options = CaOptions::new();
        let world = World::new(options).await;
        world.issuer().account_url().await.unwrap();
        let ca = world.ca.clone();
        let good = Faults::new(0).rate(Fault::Processing, processing);
        let bad = Faults::new(3)
            .rate(Fault::CutBody, 0.3)
            .rate(Fault::ServerInternal, 0.1)
            .rate(Fault::Html, 0.1)
            .rate(Fault::LostAnswer, 0.1)
            .rate(Fault::Processing, processing);
        let issuer = world.seen(move |moment| match moment {
            Moment::NewOrder => ca.set_faults(good.clone()),
            Moment::Finalize => {
                let (ca, bad) = (ca.clone(), bad.clone());
                tokio::spawn(async move {
                    let before = ca.report().certificates();
                    while ca.report().certificates() == before {
                        tokio::task::yield_now().await;
                    }
                    ca.set_faults(bad);
                });
            }
            _ => {}
        });
        // One order for each name, and three more that must be left.
        let rate = Rate::new(u32::try_from(NAMES).unwrap() + 3, NEVER);
        let limits = Limits::none()
            .account(rate)
            .domain(Rate::new(1, NEVER))
            .exact_set(Rate::new(1, NEVER))
            .failures(Rate::new(1, NEVER));
        let names = names(NAMES);
        let (manager, certificates) = world.manager(issuer, limits, &names);
        let failures = count(&certificates, "issuance_failed");
        let limited = count(&certificates, "limited");
        let metrics = Metrics::new(&certificates);
        // One at a time: the faults are those of the order that is under way.
        let bands = [Band::Immediate, Band::Critical, Band::Urgent].into_iter();
        let policy = Policy::default().spread(false);
        let policy = bands.fold(policy, |policy, band| policy.at_once(band, 1));
        let mut manager = manager.policy(policy).metrics(metrics.clone());
        let served = || {
            names
                .iter()
                .all(|name| certificates.in_service(name).is_some())
        };
        let end = start() + DAY * 60;
        while !served() && world.clock.now() < end {
            let next = manager.pass().await;
            world.sleep_until(next, end);
        }
        let report = world.ca.report();
        let failed = failures.load(Ordering::SeqCst);
        assert!(served(), "{failed} failures\n{report}");
        assert_eq!(
            limited.load(Ordering::SeqCst),
            0,
            "no limit holds up what is placed"
        );
        assert!(failed > NAMES / 2, "{failed} failures\n{report}");
        let all = NAMES as u64;
        assert_eq!(
            (report.orders(), report.certificates()),
            (all, all),
            "{report}"
        );
        assert_eq!(report.duplicate_orders(), 0, "{report}");
        assert_eq!(left(&metrics), "3", "{failed} failures\n{report}");
        let tries = world.noted("try").len();
        assert_eq!(tries, NAMES + failed, "each failure is one more try");
        assert_eq!(world.noted("order").len(), NAMES);
    }
}

/// An order that the CA knows no more is no longer gone on with: the next one counts.
pub(crate) async fn an_order_that_is_gone_is_placed_and_counted_again() {
    let world = World::new(CaOptions::new().order_life(HOUR * 6)).await;
    world.issuer().account_url().await.unwrap();
    let ca = world.ca.clone();
    let down = Faults::new(1).rate(Fault::ServerInternal, 1.0);
    let placed = AtomicUsize::new(0);
    let issuer = world.seen(move |moment| {
        // The first order alone meets it.
        if moment == Moment::Placed && placed.fetch_add(1, Ordering::SeqCst) == 0 {
            ca.set_faults(down.clone());
        }
    });
    let limits = Limits::none().account(Rate::new(5, NEVER));
    let names = names(1);
    let (manager, certificates) = world.manager(issuer, limits, &names);
    let metrics = Metrics::new(&certificates);
    let mut manager = manager.metrics(metrics.clone());
    manager.pass().await;
    assert_eq!(
        (world.ca.report().orders(), left(&metrics).as_str()),
        (1, "4")
    );
    // For longer than the CA keeps the order.
    world.run(&mut manager, start() + HOUR * 7).await;
    assert_eq!(
        (world.ca.report().orders(), left(&metrics).as_str()),
        (1, "4")
    );
    world.no_faults();
    world.run(&mut manager, start() + HOUR * 13).await;
    let report = world.ca.report();
    assert!(certificates.in_service(&names[0]).is_some(), "{report}");
    assert_eq!((report.orders(), report.certificates()), (2, 1), "{report}");
    assert_eq!(left(&metrics), "3");
}
