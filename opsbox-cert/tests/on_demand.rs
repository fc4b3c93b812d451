//! Certificates at the first handshake: real handshakes over TCP, a CA that counts, and a clock that is set.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

#[path = "common/demand.rs"]
mod demand;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use demand::{DAY, MINUTE, World};
use opsbox_cert::install::Certificates;
use opsbox_cert::manager::{Denial, Manager, OnDemandOptions};
use opsbox_cert::store::{MemoryStore, Name, Owner, Store as _};
use opsbox_cert::{ACME_TLS_ALPN, CertSpec, ErrorKind};

const UNRECOGNIZED: &str = "UnrecognisedName";
const INTERNAL: &str = "InternalError";

fn as_it_is(options: OnDemandOptions) -> OnDemandOptions {
    options
}

#[tokio::test]
async fn the_first_handshake_issues_and_the_second_is_served_from_memory() {
    let world = World::new(as_it_is).await;
    let server = world.serve(|acceptor| acceptor).await;
    let first = server.connect("tea.shop.test").await.unwrap();
    let second = server.connect("tea.shop.test").await.unwrap();
    assert_eq!(first, second);
    assert_eq!((world.asked(), world.ca.calls()), (1, 1));
    assert_eq!(world.events(), ["issued", "installed"]);
    // In whatever case; and each name has its own.
    world.on_demand.ensure("TEA.shop.test.").await.unwrap();
    let other = server.connect("coffee.shop.test").await.unwrap();
    assert_ne!(first, other);
    assert_eq!((world.asked(), world.ca.calls()), (2, 2));
    assert_eq!(world.on_demand.len(), 2);
}

#[tokio::test]
async fn a_refused_name_gets_an_alert_and_no_order() {
    let world = World::new(as_it_is).await;
    let server = world.serve(|acceptor| acceptor).await;
    // A default certificate is for those who ask for no name.
    server.connect("default.test").await.unwrap();
    world.certificates.set_default(Some("default.test"));
    world.events();
    for _ in 0..3 {
        let error = server.connect("tea.example").await.unwrap_err();
        assert!(error.contains(UNRECOGNIZED), "{error}");
    }
    assert_eq!((world.asked(), world.ca.calls()), (2, 1));
    assert_eq!(world.events(), ["denied"]);
    assert_eq!(
        server.errors()[0],
        "no certificate is issued on demand for tea.example: the ask function does not allow it; \
         if it should, correct what it decides by"
    );
    // It is asked again after a while, and a change of mind counts.
    world.clock.advance(5 * MINUTE - Duration::from_secs(1));
    server.connect("tea.example").await.unwrap_err();
    assert_eq!(world.asked(), 2);
    world.clock.advance(Duration::from_secs(1));
    world.allow_all();
    server.connect("tea.example").await.unwrap();
    assert_eq!((world.asked(), world.ca.calls()), (3, 2));
}

#[tokio::test]
async fn what_is_no_name_for_it_is_not_asked_about() {
    let world = World::new(as_it_is).await;
    for (name, why) in [
        ("localhost", "one label alone"),
        ("192.0.2.1", "an IP address"),
        ("2001:db8::1", "an IP address"),
        ("*.shop.test", "a wildcard"),
        ("a_b.test", "neither a DNS name"),
        ("", "neither a DNS name"),
        (".test", "neither a DNS name"),
        ("a\u{1b}[2J.test", "neither a DNS name"),
    ] {
        let denial = world.on_demand.ensure(name).await.unwrap_err();
        assert_eq!(denial.label(), "not_a_name", "{name}");
        assert!(denial.to_string().contains(why), "{name}: {denial}");
    }
    let server = world.serve(|acceptor| acceptor).await;
    let error = server.connect("localhost").await.unwrap_err();
    assert!(error.contains(UNRECOGNIZED), "{error}");
    // Who asks for no name gets the default, and there is none.
    let error = server.connect("127.0.0.1").await.unwrap_err();
    assert!(error.contains("AccessDenied"), "{error}");
    assert_eq!((world.asked(), world.ca.calls()), (0, 0));

    let world = World::new(|options| options.with_addresses().with_single_labels()).await;
    world.allow_all();
    let server = world.serve(|acceptor| acceptor).await;
    server.connect("127.0.0.1").await.unwrap();
    server.connect("localhost").await.unwrap();
    assert_eq!((world.asked(), world.ca.calls()), (2, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handshakes_at_once_make_one_ask_and_one_order() {
    let world = World::new(as_it_is).await;
    let server = world.serve(|acceptor| acceptor).await;
    world.ca.hold();
    let clients: Vec<_> = (0..50)
        .map(|_| tokio::spawn(server.connect("tea.test")))
        .collect();
    world.ca.reached(1).await;
    world.ca.go_on();
    let mut chains = Vec::new();
    for client in clients {
        chains.push(client.await.unwrap().unwrap());
    }
    chains.dedup();
    assert_eq!(chains.len(), 1);
    assert_eq!((world.asked(), world.ca.calls()), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_at_once_make_one_order() {
    let first = World::new(as_it_is).await;
    let (second, third) = (first.beside(as_it_is), first.beside(as_it_is));
    let worlds = [&first, &second, &third];
    first.ca.hold();
    let running = worlds.map(|world| {
        let on_demand = world.on_demand.clone();
        tokio::spawn(async move { on_demand.ensure("tea.test").await })
    });
    first.ca.reached(1).await;
    // The others find the lock held, and look again later.
    tokio::time::sleep(Duration::from_millis(600)).await;
    first.ca.go_on();
    for done in running {
        done.await.unwrap().unwrap();
    }
    assert_eq!(first.ca.calls(), 1);
    let served = worlds.map(|world| world.in_service("tea.test").unwrap());
    assert!(served[0] == served[1] && served[0] == served[2]);
}

#[tokio::test]
async fn a_dead_instance_holds_up_a_name_until_its_lock_ends() {
    let world = World::new(as_it_is).await;
    let lock = Name::certificate("tea.test").unwrap();
    let [dead, next] = ["dead", "next"].map(|owner| Owner::new(owner).unwrap());
    let ttl = Duration::from_secs(2);
    let held = world.store.acquire(&lock, &dead, ttl).await.unwrap();
    held.lease().unwrap();
    let begun = std::time::Instant::now();
    world.on_demand.ensure("tea.test").await.unwrap();
    assert!(begun.elapsed() >= ttl - Duration::from_millis(100));
    // It is released at the end of the work, for the next instance.
    let free = world.store.acquire(&lock, &next, ttl).await.unwrap();
    assert!(free.lease().is_some());
    assert_eq!((world.asked(), world.ca.calls()), (1, 1));
}

#[tokio::test]
async fn no_more_are_issued_at_once_and_in_a_time_than_allowed() {
    let options = |options: OnDemandOptions| options.at_once(2).window(5, 60 * MINUTE);
    let world = World::new(options).await;
    let server = world.serve(|acceptor| acceptor).await;
    world.ca.hold();
    let clients: Vec<_> = (0..5)
        .map(|number| tokio::spawn(server.connect(&format!("a{number}.test"))))
        .collect();
    world.ca.reached(2).await;
    // A third would come now.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(world.ca.calls(), 2);
    world.ca.go_on();
    for client in clients {
        client.await.unwrap().unwrap();
    }
    assert_eq!((world.ca.calls(), world.ca.most_at_once()), (5, 2));

    world.events();
    let error = server.connect("b.test").await.unwrap_err();
    assert!(error.contains(INTERNAL), "{error}");
    let said = server.errors().remove(0);
    assert!(said.contains("the next may be in 3600 s"), "{said}");
    assert_eq!(world.events(), ["denied"]);
    // For a while that is known without an ask; what is in service or in the store needs no order.
    let asked = world.asked();
    server.connect("b.test").await.unwrap_err();
    server.connect("a0.test").await.unwrap();
    assert_eq!(world.asked(), asked);
    let other = world.beside(options);
    other.on_demand.ensure("a1.test").await.unwrap();
    assert_eq!(world.ca.calls(), 5);
    world.clock.advance(60 * MINUTE);
    server.connect("b.test").await.unwrap();
    assert_eq!(world.ca.calls(), 6);
}

#[tokio::test]
async fn a_ca_that_is_down_is_not_asked_by_each_handshake() {
    let world = World::new(as_it_is).await;
    let server = world.serve(|acceptor| acceptor).await;
    world.ca.refuse(true);
    // Each wait is over to the second: 1, 10 and then 60 minutes.
    for (attempt, minutes) in (1..).zip([1, 10, 60, 60]) {
        for _ in 0..3 {
            let error = server.connect("tea.test").await.unwrap_err();
            assert!(error.contains(INTERNAL), "{error}");
        }
        world
            .clock
            .advance(minutes * MINUTE - Duration::from_secs(1));
        server.connect("tea.test").await.unwrap_err();
        assert_eq!((world.asked(), world.ca.calls()), (attempt, attempt));
        assert_eq!(world.events(), ["issuance_failed"]);
        world.clock.advance(Duration::from_secs(1));
    }
    let said = server.errors().remove(0);
    assert!(said.contains("the CA does not answer"), "{said}");
    world.ca.refuse(false);
    server.connect("tea.test").await.unwrap();
    assert_eq!(world.ca.calls(), 5);
}

#[tokio::test]
async fn a_restart_finds_it_in_the_store() {
    let world = World::new(as_it_is).await;
    world.on_demand.ensure("tea.test").await.unwrap();
    let again = world.beside(as_it_is);
    let server = again.serve(|acceptor| acceptor).await;
    server.connect("tea.test").await.unwrap();
    assert_eq!(world.ca.calls(), 1);
    assert_eq!(again.events(), ["installed"]);
    // Whether it may have one is asked all the same.
    let changed = world.beside(as_it_is);
    changed.allow_none();
    let denial = changed.on_demand.ensure("tea.test").await.unwrap_err();
    assert!(matches!(denial, Denial::Refused));
    assert!(changed.in_service("tea.test").is_none());
}

#[tokio::test]
async fn a_handshake_waits_so_long_and_the_work_goes_on() {
    let world = World::new(|options| options.wait(Duration::from_millis(50))).await;
    let server = world.serve(|acceptor| acceptor).await;
    world.ca.hold();
    let error = server.connect("tea.test").await.unwrap_err();
    assert!(error.contains(INTERNAL), "{error}");
    let said = server.errors().remove(0);
    assert!(said.contains("it is not there after 0.05 s"), "{said}");
    // Nor does a client that goes away break it off.
    let gone = tokio::time::timeout(
        Duration::from_millis(10),
        world.on_demand.ensure("tea.test"),
    );
    assert!(gone.await.is_err());
    world.ca.go_on();
    let issued = async {
        while world.in_service("tea.test").is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let patience = Duration::from_secs(120);
    tokio::time::timeout(patience, issued).await.unwrap();
    server.connect("tea.test").await.unwrap();
    assert_eq!((world.asked(), world.ca.calls()), (1, 1));
}

#[tokio::test]
async fn those_who_wait_hold_up_no_others() {
    let world = World::new(|options| options.waiting(2)).await;
    let server = world.serve(|acceptor| acceptor.max_handshakes(1)).await;
    server.connect("tea.test").await.unwrap();
    world.ca.hold();
    let first = tokio::spawn(server.connect("a.test"));
    world.ca.reached(2).await;
    let second = tokio::spawn(server.connect("b.test"));
    world.ca.reached(3).await;
    // There is one turn, and two wait: it is free.
    server.connect("tea.test").await.unwrap();
    // More than two may not wait.
    let error = server.connect("c.test").await.unwrap_err();
    assert!(error.contains(INTERNAL), "{error}");
    assert!(server.errors()[0].contains("too many handshakes wait"));
    // A validation by TLS-ALPN-01 does not wait for the certificate that waits for it.
    let error = server.connect_with("a.test", &[ACME_TLS_ALPN]).await;
    assert!(error.unwrap_err().contains("AccessDenied"));
    world.ca.go_on();
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_wait_is_no_time_of_the_handshake() {
    let world = World::new(as_it_is).await;
    let limit = Duration::from_millis(500);
    let server = world.serve(|acceptor| acceptor.time_limit(limit)).await;
    world.ca.hold();
    let client = tokio::spawn(server.connect("tea.test"));
    world.ca.reached(1).await;
    tokio::time::sleep(2 * limit).await;
    world.ca.go_on();
    client.await.unwrap().unwrap();
    // Who says nothing is cut in time all the same.
    server.silence().await;
    let said = server.errors();
    assert!(said[0].contains("not done within 0.5 s"), "{said:?}");
}

#[tokio::test]
async fn they_are_renewed_while_they_are_asked_for() {
    let mut world = World::new(as_it_is).await;
    for name in ["asked.test", "idle.test"] {
        world.on_demand.ensure(name).await.unwrap();
    }
    let due = world.pass().await;
    assert!(due > DAY * 59 && due <= DAY * 60, "{due:?}");
    let before = world.in_service("asked.test").unwrap().not_after();
    world.clock.advance(due + MINUTE);
    world.on_demand.ensure("asked.test").await.unwrap();
    world.events();
    world.pass().await;
    assert_eq!(world.events(), ["issued", "installed"]);
    assert!(world.in_service("asked.test").unwrap().not_after() > before);
    assert_eq!(world.in_service("idle.test").unwrap().not_after(), before);
    // Asked about before the first and before the renewal.
    assert_eq!((world.asked(), world.ca.calls()), (3, 3));

    // It is served until it ends, and renewed if it is asked for before.
    let mut other = world.beside(as_it_is);
    other.on_demand.ensure("idle.test").await.unwrap();
    world.clock.advance(DAY * 31);
    world.events();
    world.pass().await;
    assert_eq!(world.events(), ["removed"]);
    assert_eq!(world.on_demand.len(), 1);
    other.pass().await;
    assert_eq!(other.on_demand.len(), 0);
    // And issued anew when it is asked for after its end.
    world.on_demand.ensure("idle.test").await.unwrap();
    assert_eq!(world.ca.calls(), 4);
}

#[tokio::test]
async fn an_ended_one_is_no_certificate() {
    let world = World::new(as_it_is).await;
    let first = world.on_demand.ensure("tea.test").await;
    first.unwrap();
    // No manager runs.
    world.clock.advance(DAY * 91);
    world.on_demand.ensure("tea.test").await.unwrap();
    assert_eq!((world.asked(), world.ca.calls()), (2, 2));
}

#[tokio::test]
async fn who_may_no_longer_have_one_is_taken_out_of_service() {
    let mut world = World::new(as_it_is).await;
    world.on_demand.ensure("tea.test").await.unwrap();
    world.clock.advance(DAY * 61);
    world.on_demand.ensure("tea.test").await.unwrap();
    world.allow_none();
    world.events();
    world.pass().await;
    assert_eq!(world.events(), ["removed", "denied"]);
    let denial = world.on_demand.ensure("tea.test").await.unwrap_err();
    assert!(matches!(denial, Denial::Refused));
    assert_eq!((world.asked(), world.ca.calls()), (2, 1));
}

#[tokio::test]
async fn of_too_many_the_one_not_asked_for_longest_goes() {
    let mut world = World::new(|options| options.kept(2)).await;
    for name in ["a.test", "b.test", "a.test", "c.test"] {
        world.on_demand.ensure(name).await.unwrap();
        world.clock.advance(Duration::from_secs(1));
    }
    let ids = world.certificates.all();
    let ids: Vec<_> = ids.iter().map(|(id, _)| &**id).collect();
    assert_eq!(ids, ["a.test", "c.test"]);
    world.pass().await;
    world.on_demand.ensure("b.test").await.unwrap();
    assert_eq!(world.ca.calls(), 3, "it was in the store");
    assert_eq!(world.on_demand.len(), 2);
}

#[tokio::test]
async fn the_certificates_of_the_manager_are_its_own() {
    let first = World::new(as_it_is).await;
    let (store, clock, ca) = (first.store.clone(), first.clock.clone(), first.ca.clone());
    let mut world = World::with(store, clock, ca, as_it_is, |manager| {
        let names = ["shop.test", "*.shop.test"].map(|name| name.parse().unwrap());
        let spec = CertSpec::new(names).unwrap().with_id("managed.test");
        manager.certificate(spec).unwrap()
    });
    for name in ["shop.test", "a.shop.test", "managed.test"] {
        world.on_demand.ensure(name).await.unwrap();
    }
    assert_eq!((world.asked(), world.ca.calls()), (0, 0));
    world.pass().await;
    assert_eq!(world.ca.calls(), 1);
    world.on_demand.ensure("a.b.shop.test").await.unwrap();
    assert_eq!((world.asked(), world.ca.calls()), (1, 2));
}

#[tokio::test]
async fn an_ask_function_that_cannot_say_or_panics_refuses_nothing_for_long() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let options = OnDemandOptions::new(move |_| {
        let call = counted.fetch_add(1, Ordering::SeqCst);
        async move {
            match call {
                0 => panic!("a bug of the program"),
                1 => Err("the database\nis away"),
                2 => std::future::pending().await,
                _ => Ok(true),
            }
        }
    });
    let options = options.ask_time(Duration::from_millis(20));
    let world = World::new(move |_| options).await;
    let ensure = || world.on_demand.ensure("tea.test");
    let says = |denial: Result<(), Denial>, what: &str| {
        let denial = denial.unwrap_err();
        assert_eq!(denial.label(), "failed");
        assert!(denial.to_string().contains(what), "{denial}");
    };
    says(ensure().await, "panicked");
    says(ensure().await, "failed (the database\\u{a}is away)");
    says(ensure().await, "failed (the database\\u{a}is away)");
    world.clock.advance(MINUTE);
    says(ensure().await, "did not answer within 0.02 s");
    world.clock.advance(10 * MINUTE);
    ensure().await.unwrap();
    assert_eq!((calls.load(Ordering::SeqCst), world.ca.calls()), (4, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_names_is_asked_about_a_few_at_a_time() {
    const NAMES: usize = 2_000;
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (asking, highest) = (now.clone(), most.clone());
    let options = OnDemandOptions::new(move |_| {
        let (asking, highest) = (asking.clone(), highest.clone());
        async move {
            highest.fetch_max(asking.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(1)).await;
            asking.fetch_sub(1, Ordering::SeqCst);
            Ok::<_, std::convert::Infallible>(false)
        }
    });
    let options = options.asks_at_once(4).waiting(100).remembered(50);
    let world = World::new(move |_| options).await;
    let all: Vec<_> = (0..NAMES)
        .map(|number| {
            let on_demand = world.on_demand.clone();
            tokio::spawn(async move { on_demand.ensure(&format!("a{number}.test")).await })
        })
        .collect();
    let mut refused = 0;
    for done in all {
        match done.await.unwrap().unwrap_err() {
            Denial::Refused => refused += 1,
            Denial::TooMany => {}
            other => panic!("{other}"),
        }
    }
    assert!((100..NAMES).contains(&refused), "{refused}");
    assert_eq!(most.load(Ordering::SeqCst), 4);
    assert_eq!((world.ca.calls(), world.certificates.len()), (0, 0));
}

#[tokio::test]
async fn what_is_ordered_can_be_said_but_not_for_whom() {
    let world = World::new(|options| {
        options.spec(|spec| match spec.id() {
            "issuer.test" => Ok(spec.issuers(["nobody"])),
            "id.test" => Ok(spec.with_id("other.test")),
            _ => Ok(spec.key(opsbox_cert::KeyAlgorithm::EcdsaP384)),
        })
    })
    .await;
    world.on_demand.ensure("tea.test").await.unwrap();
    let facts = world.in_service("tea.test").unwrap().facts().unwrap();
    assert_eq!(facts.key_type().to_string(), "ECDSA P-384");
    for (name, says) in [
        ("issuer.test", "there is no issuer for it"),
        ("id.test", "the options give it another id"),
    ] {
        let denial = world.on_demand.ensure(name).await.unwrap_err().to_string();
        assert!(denial.contains(says), "{denial}");
    }
    assert_eq!(world.ca.calls(), 1);
}

#[tokio::test]
async fn mistakes_are_told_before_it_runs() {
    let world = World::new(as_it_is).await;
    let never = || OnDemandOptions::new(|_| async { Ok::<_, std::convert::Infallible>(false) });
    let twice = world.manager.on_demand(never()).unwrap_err();
    assert!(twice.to_string().contains("it is done already"), "{twice}");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let store = Arc::new(MemoryStore::new());
    let none = Manager::new(store, Certificates::new(), provider).on_demand(never());
    let none = none.unwrap_err();
    assert_eq!(none.kind(), ErrorKind::Invalid);
    assert!(none.to_string().contains("there is no issuer"), "{none}");
}

#[cfg(feature = "metrics")]
#[tokio::test]
async fn metrics_count_denials_and_know_the_renewals() {
    let mut world = World::new(as_it_is).await;
    let metrics = opsbox_cert::observe::Metrics::new(&world.certificates);
    world.manager = world.manager.metrics(metrics.clone());
    world.on_demand.ensure("tea.test").await.unwrap();
    world.on_demand.ensure("tea.example").await.unwrap_err();
    world.manager.pass().await;
    let text = metrics.encode();
    for line in [
        "tls_certificate_on_demand_denials_total{reason=\"refused\"} 1",
        "tls_certificate_issuances_total{outcome=\"issued\",kind=\"\"} 1",
        "tls_certificate_next_renewal_timestamp_seconds ",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[tokio::test]
async fn the_manager_wakes_for_what_is_due_before() {
    // A lifetime of a day, all but a little of it gone when it is found in the store.
    let first = World::new(as_it_is).await;
    first.on_demand.ensure("tea.test").await.unwrap();
    first.clock.advance(DAY * 61);
    let world = first.beside(as_it_is);
    let (certificates, on_demand) = (world.certificates.clone(), world.on_demand.clone());
    let running = tokio::spawn(world.manager.run(std::future::pending()));
    tokio::time::sleep(Duration::from_millis(50)).await;
    on_demand.ensure("tea.test").await.unwrap();
    let found = certificates.in_service("tea.test").unwrap();
    let renewed = async {
        while certificates.in_service("tea.test").unwrap() == found {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    // Without being woken it sleeps for ten minutes.
    let patience = Duration::from_secs(60);
    tokio::time::timeout(patience, renewed).await.unwrap();
    running.abort();
}
