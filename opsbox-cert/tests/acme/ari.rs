//! When a real CA wants certificates to be renewed, and the manager's plan against one.

use std::sync::Arc;
use std::time::Duration;

use opsbox_cert::budget::{Limits, Rate};
use opsbox_cert::challenge::Http01;
use opsbox_cert::install::Certificates;
use opsbox_cert::issuer::{CertRequest, Issuer as _};
use opsbox_cert::manager::Manager;
use opsbox_cert::plan::{Band, Policy};
use opsbox_cert::store::Store;
use opsbox_cert::{CertSpec, Clock as _, ErrorKind, SystemClock};

use crate::issue::{assert_clean, memory};
use crate::pebble::{Options, Pebble, provider};

pub(crate) async fn windows_are_asked_for_and_any_answer_is_borne() {
    let pebble = Pebble::start(&Options::default());
    let store = memory();
    pebble.serve_http(Http01::new(store.clone())).await;
    let issuer = pebble.http01(&store);
    let request = CertRequest::new(["a.example"]).unwrap();
    let triple = issuer.issue(&request).await.unwrap();
    let facts = triple.facts().unwrap();
    let ari_id = triple.metadata().ari_id().unwrap();

    let info = issuer.renewal_info(ari_id).await.unwrap().unwrap();
    assert!(
        info.start() > facts.not_before() && info.end() < facts.not_after(),
        "{info:?}"
    );
    assert!(info.start() < info.end());
    assert!(info.retry_after().is_some(), "{info:?}");

    let leaf = triple.to_record().unwrap();
    let chain = String::from_utf8(leaf.part("tls.crt").unwrap().to_vec()).unwrap();
    let end = "-----END CERTIFICATE-----\n";
    let leaf = format!("{}{end}", chain.split_once(end).unwrap().0);
    let over = r#"{"suggestedWindow": {"start": "2020-01-01T00:00:00Z", "end": "2020-01-02T00:00:00+01:00"}}"#;
    pebble.set_renewal_info(&leaf, over).await;
    let info = issuer.renewal_info(ari_id).await.unwrap().unwrap();
    assert!(info.end() < SystemClock.now());
    for broken in [
        "{",
        "<html>",
        r#"{"suggestedWindow": {}}"#,
        r#"{"suggestedWindow": {"start": "2020-01-02T00:00:00Z", "end": "2020-01-01T00:00:00Z"}}"#,
    ] {
        pebble.set_renewal_info(&leaf, broken).await;
        let error = issuer.renewal_info(ari_id).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{broken}: {error}");
        let text = error.to_string();
        assert!(text.starts_with("cannot ask for the renewal of"), "{text}");
    }
    for unknown in ["", "../dir", "aaaa.bbbb"] {
        issuer.renewal_info(unknown).await.unwrap_err();
    }
}

/// Two instances, a fifth of the nonces refused, and a limit that both have to keep.
pub(crate) async fn two_managers_order_each_name_once_and_keep_the_limit() {
    const NAMES: usize = 24;
    let pebble = Pebble::start(&Options {
        nonce_reject: 20,
        ..Options::default()
    });
    let store = memory();
    pebble.serve_http(Http01::new(store.clone())).await;
    let limits = || Limits::none().account(Rate::new(20, Duration::from_secs(40)));
    let policy = || Policy::default().spread(false).at_once(Band::Urgent, 4);
    let manager = |store: &Arc<dyn Store>| {
        let certificates = Certificates::new();
        let manager = Manager::new(store.clone(), certificates.clone(), provider())
            .issuer("pebble", pebble.http01(store))
            .policy(policy())
            .limits("pebble", limits());
        let manager = (0..NAMES).fold(manager, |manager, n| {
            let name = format!("n{n}.example").parse().unwrap();
            manager.certificate(CertSpec::new([name]).unwrap()).unwrap()
        });
        (manager, certificates)
    };
    let ((a, first), (b, second)) = (manager(&store), manager(&store));
    let (stop, stopped) = tokio::sync::watch::channel(());
    let until = |mut stopped: tokio::sync::watch::Receiver<()>| async move {
        stopped.changed().await.ok();
    };
    let running = [
        tokio::spawn(a.run(until(stopped.clone()))),
        tokio::spawn(b.run(until(stopped))),
    ];
    let served = |certificates: &Certificates| {
        (0..NAMES).all(|n| certificates.in_service(&format!("n{n}.example")).is_some())
    };
    let both = async {
        while !(served(&first) && served(&second)) {
            // The limit gives 20 at once, and one each two seconds.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(180), both)
        .await
        .unwrap();
    stop.send(()).unwrap();
    for running in running {
        running.await.unwrap();
    }
    assert_eq!(pebble.orders(), NAMES);
    assert_clean(&store).await;
}
