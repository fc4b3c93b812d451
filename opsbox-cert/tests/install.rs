//! Which certificate is served to whom, and what may take its place.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking, in its helpers too"
)]

mod common;
#[path = "common/issue.rs"]
mod issue;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use opsbox_cert::install::{Candidate, Certificates, Installed, Policy, Refusal, may_replace};
use opsbox_cert::store::{Condition, Folder, FsStore, Metadata, Name, Store as _, Triple};
use opsbox_cert::{ErrorKind, ManualClock};
use proptest::prelude::*;
use rustls::SignatureScheme;

use common::now;
use issue::{Ca, DAY, Order, Pair, provider};

const ECDSA: &[SignatureScheme] = &[
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::RSA_PSS_SHA256,
];
const RSA: &[SignatureScheme] = &[SignatureScheme::RSA_PSS_SHA256];

fn certificates() -> Certificates {
    Certificates::with_clock(Arc::new(ManualClock::new(now())))
}

fn put(certificates: &Certificates, id: &str, pair: &Pair) -> Candidate {
    let candidate = pair.candidate();
    certificates
        .install(id, candidate.clone(), &Policy::new())
        .unwrap();
    candidate
}

fn served(certificates: &Certificates, name: &str) -> Option<Candidate> {
    certificates.select(Some(name), ECDSA)
}

#[test]
fn each_name_gets_its_certificate() {
    let ca = Ca::new();
    let all = certificates();
    let exact = put(
        &all,
        "a",
        &ca.issue(&Order::new(&["example.com", "www.example.com"], now(), 90)),
    );
    let wildcard = put(
        &all,
        "b",
        &ca.issue(&Order::new(&["*.example.com"], now(), 90)),
    );
    let ip = put(
        &all,
        "c",
        &ca.issue(&Order::new(&["192.0.2.1", "2001:db8::1"], now(), 90)),
    );
    for name in [
        "example.com",
        "www.example.com",
        "WWW.Example.com",
        "www.example.com.",
    ] {
        assert_eq!(served(&all, name), Some(exact.clone()), "{name}");
    }
    assert_eq!(served(&all, "api.example.com"), Some(wildcard.clone()));
    assert_eq!(served(&all, "192.0.2.1"), Some(ip.clone()));
    assert_eq!(served(&all, "2001:db8::1"), Some(ip));
    for name in [
        "a.api.example.com",
        "example.org",
        "192.0.2.2",
        "com",
        ".example.com",
        "",
    ] {
        assert_eq!(served(&all, name), None, "{name}");
    }
    assert_eq!(all.select(None, ECDSA), None);

    all.set_default(Some("a"));
    assert_eq!(served(&all, "example.org"), Some(exact.clone()));
    assert_eq!(all.select(None, ECDSA), Some(exact.clone()));
    all.set_default(Some("later"));
    assert_eq!(all.select(None, ECDSA), None);
    let later = put(
        &all,
        "later",
        &ca.issue(&Order::new(&["later.example"], now(), 90)),
    );
    assert_eq!(all.select(None, ECDSA), Some(later.clone()));

    assert_eq!(all.remove("a"), Some(exact));
    assert_eq!(all.remove("a"), None);
    assert_eq!(served(&all, "example.com"), Some(later));
    assert_eq!(served(&all, "www.example.com"), Some(wildcard));
    all.remove("later");
    assert_eq!(served(&all, "example.com"), None);
    assert_eq!(all.select(None, ECDSA), None);
    let ids: Vec<_> = all
        .all()
        .into_iter()
        .map(|(id, _)| id.to_string())
        .collect();
    assert_eq!((ids, all.len()), (vec!["b".to_owned(), "c".to_owned()], 2));
}

#[test]
fn rsa_is_for_those_who_know_nothing_else() {
    let ca = Ca::new();
    let names = ["example.com"];
    let rsa = Order {
        rsa: true,
        ..Order::new(&names, now(), 90)
    };
    for rsa_first in [true, false] {
        let all = certificates();
        let mut rsa_candidate = None;
        if rsa_first {
            rsa_candidate = Some(put(&all, "rsa", &ca.issue(&rsa)));
        }
        let ecdsa = put(&all, "ecdsa", &ca.issue(&Order::new(&names, now(), 30)));
        let rsa = rsa_candidate.unwrap_or_else(|| put(&all, "rsa", &ca.issue(&rsa)));
        assert_eq!(all.select(Some("example.com"), ECDSA), Some(ecdsa.clone()));
        assert_eq!(all.select(Some("example.com"), RSA), Some(rsa.clone()));
        // An exact name that the client cannot verify is less than a wildcard that it can.
        let wild = Order {
            rsa: true,
            ..Order::new(&["*.com"], now(), 90)
        };
        let wild = put(&all, "wild", &ca.issue(&wild));
        assert_eq!(all.select(Some("example.com"), RSA), Some(rsa));
        all.remove("rsa");
        assert_eq!(all.select(Some("example.com"), RSA), Some(wild));
        // Of two that fit equally, the one that ends later.
        let longer = put(&all, "longer", &ca.issue(&Order::new(&names, now(), 31)));
        assert_eq!(all.select(Some("example.com"), ECDSA), Some(longer));
        all.remove("longer");
        assert_eq!(all.select(Some("example.com"), ECDSA), Some(ecdsa));
    }
}

#[test]
fn only_what_is_no_worse_takes_the_place() {
    let ca = Ca::new();
    let names = ["a.example", "b.example"];
    let old = ca.issue(&Order::new(&names, now(), 30));
    let refused = |pair: &Pair, policy: &Policy| {
        let all = certificates();
        let in_service = put(&all, "id", &old);
        let refusal = all.install("id", pair.candidate(), policy).unwrap_err();
        assert_eq!(served(&all, "a.example"), Some(in_service.clone()));
        assert_eq!(served(&all, "b.example"), Some(in_service));
        let text = refusal.to_string();
        assert!(text.contains("; "), "{text}");
        assert!(Refusal::LABELS.contains(&refusal.label()));
        (refusal.label(), text)
    };
    let taken = |pair: &Pair, policy: &Policy| {
        let all = certificates();
        put(&all, "id", &old);
        let candidate = pair.candidate();
        assert_eq!(
            all.install("id", candidate.clone(), policy).unwrap(),
            Installed::Replaced
        );
        assert_eq!(all.in_service("id"), Some(candidate.clone()));
        assert_eq!(
            all.install("id", pair.candidate(), policy).unwrap(),
            Installed::Unchanged
        );
        for name in ["a.example", "b.example", "c.example"] {
            let covered = candidate.covers(name);
            assert_eq!(
                served(&all, name),
                covered.then(|| candidate.clone()),
                "{name}"
            );
        }
    };
    let any = Policy::new();
    taken(&ca.issue(&Order::new(&names, now(), 30)), &any);
    taken(
        &ca.issue(&Order::new(
            &["a.example", "c.example", "b.example"],
            now(),
            31,
        )),
        &any,
    );
    taken(&ca.issue(&Order::new(&["*.example"], now(), 31)), &any);

    let expired = Order {
        begin: now() - DAY * 90,
        ..Order::new(&names, now() - DAY, 0)
    };
    let (label, text) = refused(&ca.issue(&expired), &any);
    assert_eq!(label, "expired");
    assert!(text.contains("2025-12-31T00:00:00Z"), "{text}");
    let early = Order {
        begin: now() + DAY,
        ..Order::new(&names, now(), 90)
    };
    let (label, text) = refused(&ca.issue(&early), &any);
    assert_eq!(label, "not_yet_valid");
    assert!(
        text.contains("2026-01-02T00:00:00Z") && text.contains("clock"),
        "{text}"
    );

    let shorter = ca.issue(&Order::new(&names, now(), 29));
    assert_eq!(refused(&shorter, &any).0, "ends_earlier");
    taken(&shorter, &Policy::new().allow_earlier_end(true));
    assert_eq!(
        refused(
            &shorter,
            &Policy::new()
                .allow_earlier_end(true)
                .min_remaining(DAY * 30)
        )
        .0,
        "ends_soon"
    );

    let fewer = ca.issue(&Order::new(&["a.example"], now(), 90));
    let (label, text) = refused(&fewer, &any);
    assert!(
        label == "names_lost" && text.contains("b.example"),
        "{text}"
    );
    taken(&fewer, &Policy::new().allow_lost_names(true));
    let required = Policy::new()
        .allow_lost_names(true)
        .require(["a.example", "B.example"]);
    let (label, text) = refused(&fewer, &required);
    assert!(
        label == "not_covered" && text.contains("B.example"),
        "{text}"
    );

    assert_eq!(
        refused(&Order::new(&names, now(), 90).self_signed(), &any).0,
        "self_signed"
    );
    assert_eq!(
        refused(&ca.leaf(&Order::new(&names, now(), 90)), &any).0,
        "chain_lost"
    );
    assert_eq!(
        refused(&ca.issue(&Order::new(&[], now(), 90)), &any).0,
        "nameless"
    );

    let other = ca.issue(&Order::new(&names, now(), 90));
    let error = Candidate::from_pem(other.chain.as_bytes(), old.key.as_bytes(), &provider());
    let refusal = Refusal::from(error.unwrap_err());
    assert_eq!(refusal.label(), "key_mismatch");
    assert!(
        ["key_mismatch", "unusable"]
            .iter()
            .all(|label| Refusal::LABELS.contains(label))
    );
    assert!(matches!(&refusal, Refusal::Unusable(error) if error.kind() == ErrorKind::KeyMismatch));
    let error = Candidate::from_pem(b"x", old.key.as_bytes(), &provider()).unwrap_err();
    assert_eq!(Refusal::from(error).label(), "unusable");
}

#[test]
fn anything_valid_is_better_than_an_expired_one() {
    let ca = Ca::new();
    let clock = Arc::new(ManualClock::new(now()));
    let all = Certificates::with_clock(clock.clone());
    put(
        &all,
        "id",
        &ca.issue(&Order::new(&["a.example", "b.example"], now(), 30)),
    );
    clock.advance(DAY * 30);
    let next = ca.leaf(&Order::new(&["a.example"], now(), 40)).candidate();
    // Its last second is still its own.
    assert_eq!(
        all.install("id", next.clone(), &Policy::new())
            .unwrap_err()
            .label(),
        "names_lost"
    );
    clock.advance(Duration::from_secs(1));
    assert_eq!(
        all.install("id", next.clone(), &Policy::new()).unwrap(),
        Installed::Replaced
    );
    assert_eq!(served(&all, "a.example"), Some(next));
    assert_eq!(served(&all, "b.example"), None);

    let expired = ca.issue(&Order::new(&["c.example"], now(), 1)).candidate();
    let alone = Policy::new().allow_expired_alone(true);
    let refusal = all
        .install("c", expired.clone(), &Policy::new())
        .unwrap_err();
    assert!(matches!(refusal, Refusal::Expired { .. }));
    assert_eq!(all.install("c", expired, &alone).unwrap(), Installed::New);
    let older = Order {
        begin: now() - DAY * 9,
        ..Order::new(&["c.example"], now(), 0)
    };
    let refusal = all
        .install("c", ca.issue(&older).candidate(), &alone)
        .unwrap_err();
    assert!(matches!(refusal, Refusal::Expired { .. }));
}

#[test]
fn no_key_is_shown() {
    let pair = Ca::new().issue(&Order::new(&["a.example"], now(), 30));
    let all = certificates();
    let candidate = put(&all, "id", &pair);
    let resolver = all.for_address(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let shown = format!("{candidate:?} {candidate:#?} {all:?} {resolver:?}");
    assert!(shown.contains("a.example"), "{shown}");
    let body: String = pair
        .key
        .lines()
        .filter(|line| !line.starts_with('-'))
        .collect();
    for at in 0..body.len() - 8 {
        assert!(!shown.contains(body.get(at..at + 8).unwrap()), "{shown}");
    }
    assert!(!shown.contains("48, 129"), "{shown}");
}

/// `OPSBOX_LOAD=10000` in a release build measures what is promised of that.
#[tokio::test]
async fn many_certificates_are_loaded_and_found() {
    let count: usize = std::env::var("OPSBOX_LOAD")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(100);
    let dir = tempfile::tempdir().unwrap();
    let store = FsStore::open(dir.path().join("store")).await.unwrap();
    let ca = Ca::new();
    for number in 0..count {
        let names = ["", "www."].map(|prefix| format!("{prefix}shop-{number}.example.com"));
        let [bare, www] = &names;
        let pair = ca.issue(&Order::new(&[bare, www], now(), 90));
        let (key, chain) = (pair.key.as_bytes(), pair.chain.as_bytes());
        let triple = Triple::new(key, chain, Metadata::new("test", now()), &provider()).unwrap();
        let name = Name::certificate(bare).unwrap();
        let record = triple.to_record().unwrap();
        store
            .save(&name, &record, &Condition::Any, None)
            .await
            .unwrap();
    }
    let (cpu, memory) = usage();
    let mut own = 0;
    let all = certificates();
    let names = store.list(&Folder::CERTIFICATES).await.unwrap();
    for names in names.chunks(256) {
        let loaded = store.load_many(names).await;
        let start = thread_nanoseconds();
        for (name, stored) in names.iter().zip(loaded) {
            let record = stored.unwrap().unwrap().record;
            let triple = Triple::from_record(name, &record, &provider()).unwrap();
            let candidate = Candidate::from_triple(&triple).unwrap();
            all.install(name.id(), candidate, &Policy::new()).unwrap();
        }
        own += thread_nanoseconds() - start;
    }
    let (cpu_after, memory_after) = usage();
    println!(
        "{count} certificates in service: {} CPU ms, {} of them without the store, {} bytes each",
        (cpu_after - cpu) * 10,
        own / 1_000_000,
        memory_after.saturating_sub(memory) / count
    );
    assert_eq!(all.len(), count);
    for number in [0, count / 2, count - 1] {
        let name = format!("www.shop-{number}.example.com");
        assert!(served(&all, &name).unwrap().covers(&name));
    }
}

/// CPU time of this thread.
fn thread_nanoseconds() -> u64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    stat.split(' ').next().unwrap().parse().unwrap()
}

/// CPU time of the process in ticks of 10 ms, and its resident bytes.
fn usage() -> (u64, usize) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    (ticks, fields[21].parse::<usize>().unwrap() * 4096)
}

/// What the index is compared with: every certificate is asked.
fn oracle(all: &[(u8, Candidate)], name: &str) -> Vec<SystemTime> {
    let mut ends: Vec<_> = all
        .iter()
        .filter(|(_, candidate)| candidate.covers(name))
        .map(|(_, candidate)| {
            let exact = candidate.names().any(|own| own == name);
            (exact, candidate.not_after())
        })
        .collect();
    ends.sort();
    ends.last().map(|(_, end)| *end).into_iter().collect()
}

fn cases(n: u32) -> ProptestConfig {
    let cases = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok());
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases.unwrap_or(n))
    }
}

const NAMES: [&str; 6] = [
    "a.example",
    "b.example",
    "*.example",
    "c.a.example",
    "*.a.example",
    "192.0.2.1",
];
const ASKED: [&str; 8] = [
    "a.example",
    "b.example",
    "x.example",
    "c.a.example",
    "d.a.example",
    "192.0.2.1",
    "example",
    "x.d.a.example",
];

proptest! {
    #![proptest_config(cases(40))]

    /// After any sequence of installations and removals, each name gets what a search of all would find.
    #[test]
    fn the_index_finds_what_a_search_finds(
        steps in prop::collection::vec((0_u8..4, prop::option::of(prop::sample::subsequence(&NAMES[..], 1..=4))), 1..12)
    ) {
        let ca = Ca::new();
        let all = certificates();
        let mut model: Vec<(u8, Candidate)> = Vec::new();
        for (step, (id, names)) in steps.iter().enumerate() {
            model.retain(|(held, _)| held != id);
            match names {
                None => {
                    all.remove(&id.to_string());
                }
                Some(names) => {
                    let days = u32::try_from(step).unwrap() + 10;
                    let candidate = ca.issue(&Order::new(names, now(), days)).candidate();
                    let policy = Policy::new().allow_lost_names(true);
                    prop_assert!(may_replace(&candidate, all.in_service(&id.to_string()).as_ref(), &policy, now()).is_ok());
                    all.install(&id.to_string(), candidate.clone(), &policy).unwrap();
                    model.push((*id, candidate));
                }
            }
            for name in ASKED {
                let found: Vec<_> = served(&all, name).map(|found| found.not_after()).into_iter().collect();
                prop_assert_eq!(found, oracle(&model, name), "{} after {:?}", name, &steps[..=step]);
            }
        }
    }
}
