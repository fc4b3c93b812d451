//! What does it cost a handshake to find its certificate, and a server to swap one?

#![allow(
    missing_docs,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench, made by criterion's macros"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use opsbox_benches::memory::{Counting, kept};
use opsbox_cert::install::{Candidate, Certificates, Policy};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::SignatureScheme;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const CERTIFICATES: usize = 10_000;
const OFFERED: &[SignatureScheme] = &[
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::RSA_PSS_SHA256,
];

struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Ca {
    fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params
            .distinguished_name
            .push(DnType::CommonName, "Bench CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).expect("a certificate").pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// PEM of the chain and the key, for two names.
    fn issue(&self, number: usize) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([name(number), format!("www.{}", name(number))]);
        let leaf = params
            .expect("names")
            .signed_by(&key, &self.issuer)
            .expect("a certificate");
        (leaf.pem() + &self.pem, key.serialize_pem())
    }
}

fn name(number: usize) -> String {
    format!("shop-{number}.example.com")
}

fn candidate((chain, key): &(String, String)) -> Candidate {
    let provider = rustls::crypto::ring::default_provider();
    Candidate::from_pem(chain.as_bytes(), key.as_bytes(), &provider).expect("a pair")
}

fn load(pairs: &[(String, String)]) -> Certificates {
    let all = Certificates::new();
    for (number, pair) in pairs.iter().enumerate() {
        let done = all.install(&name(number), candidate(pair), &Policy::new());
        done.expect("it is in service");
    }
    all
}

fn install(criterion: &mut Criterion) {
    let ca = Ca::new();
    let pairs: Vec<_> = (0..CERTIFICATES).map(|number| ca.issue(number)).collect();
    let (all, bytes) = kept(|| load(&pairs));
    println!(
        "{CERTIFICATES} certificates with keys: {} bytes each",
        bytes / CERTIFICATES
    );

    let names: Vec<String> = (0..CERTIFICATES)
        .map(|number| format!("www.{}", name(number)))
        .collect();
    let mut at = 0;
    let mut next = || {
        at = (at + 7_919) % CERTIFICATES;
        at
    };
    let resolve = |number: usize| {
        let name = names.get(number).map(String::as_str);
        all.select(name, OFFERED)
            .expect("it is in service")
            .certified_key()
    };
    let both: Vec<Candidate> = [ca.issue(0), ca.issue(0)].iter().map(candidate).collect();
    let mut turn = 0;
    let policy = Policy::new().allow_earlier_end(true);
    let mut swap = || {
        turn ^= 1;
        let candidate = both.get(turn).cloned().expect("one of two");
        all.install(&name(0), candidate, &policy)
            .expect("it is in service")
    };

    p99("resolve, with the copy of the chain", || {
        black_box(resolve(next()));
    });
    p99("swap", || {
        black_box(swap());
    });
    let mut group = criterion.benchmark_group("install");
    group.bench_function("resolve", |bench| bench.iter(|| resolve(next())));
    group.bench_function("swap", |bench| bench.iter(&mut swap));
    group.finish();
}

/// The times of single calls, which a mean hides.
fn p99(what: &str, mut call: impl FnMut()) {
    const CALLS: usize = 200_000;
    let mut times: Vec<Duration> = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let start = Instant::now();
        call();
        times.push(start.elapsed());
    }
    times.sort_unstable();
    let at = |share: usize| {
        times
            .get(CALLS * share / 1_000)
            .copied()
            .unwrap_or_default()
    };
    println!(
        "{what}: p50 {:?}, p99 {:?}, p99.9 {:?}",
        at(500),
        at(990),
        at(999)
    );
}

criterion_group!(benches, install);
criterion_main!(benches);
