//! How many certificates are read a second?

#![allow(
    missing_docs,
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "a bench, made by criterion's macros, whose files need not survive a crash"
)]

use std::path::Path;
use std::process::Command;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use data_encoding::BASE64;
use opsbox_benches::{process::ratio_to_process, ratio};
use opsbox_cert::{Bundle, CertFacts};
use rcgen::{CertificateParams, KeyPair};

const CERTIFICATES: usize = 500;

/// Self-signed ECDSA P-256 certificates with three names each, as DER.
fn certificates() -> Vec<Vec<u8>> {
    let key = KeyPair::generate().expect("a key");
    let certificate = |index: usize| {
        let names = ["", "www.", "api."].map(|prefix| format!("{prefix}shop-{index}.example.com"));
        let params = CertificateParams::new(names.to_vec()).expect("names");
        params
            .self_signed(&key)
            .expect("a certificate")
            .der()
            .to_vec()
    };
    (0..CERTIFICATES).map(certificate).collect()
}

/// PEM as OpenSSL writes it, 64 characters a line.
fn pem(der: &[u8]) -> String {
    let text = BASE64.encode(der);
    let lines: Vec<_> = text
        .as_bytes()
        .chunks(64)
        .map(String::from_utf8_lossy)
        .collect();
    format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        lines.join("\n")
    )
}

fn read(criterion: &mut Criterion) {
    let der = certificates();
    let bundle: String = der.iter().map(|der| pem(der)).collect();
    let base64: Vec<_> = der.iter().map(|der| BASE64.encode(der)).collect();

    let mut group = criterion.benchmark_group("certificates");
    group
        .throughput(Throughput::Elements(CERTIFICATES as u64))
        .sample_size(20);
    group.bench_function("facts from PEM", |bench| bench.iter(|| from_pem(&bundle)));
    group.bench_function("facts from DER", |bench| bench.iter(|| from_der(&der)));
    group.bench_function("limit: base64", |bench| bench.iter(|| decode(&base64)));
    group.finish();

    ratio(
        "facts from PEM",
        "ours",
        || from_pem(&bundle),
        "decoding the base64",
        || decode(&base64),
    );

    other_languages(&bundle);

    #[cfg(feature = "peers")]
    {
        use x509_cert::der::{Decode, DecodePem};
        let by_x509_cert = || {
            let certificates = x509_cert::Certificate::load_pem_chain(bundle.as_bytes());
            certificates.expect("certificates").len()
        };
        assert_eq!(by_x509_cert(), from_pem(&bundle));
        assert!(x509_cert::Certificate::from_der(&der[0]).is_ok());
        assert!(x509_cert::Certificate::from_pem(pem(&der[0])).is_ok());
        ratio(
            "facts from PEM",
            "ours",
            || from_pem(&bundle),
            "x509-cert (fields undecoded)",
            by_x509_cert,
        );
    }
}

/// Go's crypto/x509 and Python's cryptography on the same file, where they are there.
fn other_languages(bundle: &str) {
    if !opsbox_benches::measuring() {
        return;
    }
    let benches = Path::new(env!("CARGO_MANIFEST_DIR"));
    let dir = tempfile::tempdir().expect("a folder");
    let (file, scan) = (dir.path().join("bench.pem"), dir.path().join("scan"));
    std::fs::write(&file, bundle).expect("a file");
    // If it fails, there is no program to run.
    let mut build = Command::new("go");
    build.arg("build").arg("-o").arg(&scan);
    drop(build.arg(benches.join("go/scan.go")).status());
    let work = || from_pem(bundle);
    ratio_to_process("facts from PEM", work, "Go's crypto/x509", || {
        let mut command = Command::new(&scan);
        command.arg(&file);
        command
    });
    ratio_to_process("facts from PEM", work, "Python's cryptography", || {
        let mut command = Command::new("python3");
        let script = benches.join("python/scan_certificates.py");
        command.arg(script).arg(&file);
        command
    });
}

fn from_pem(bundle: &str) -> usize {
    let bundle = Bundle::parse("bench.pem", bundle.as_bytes()).expect("a bundle");
    bundle.certificates().len()
}

fn from_der(certificates: &[Vec<u8>]) -> usize {
    certificates
        .iter()
        .filter(|der| CertFacts::from_der(der).is_ok())
        .count()
}

fn decode(texts: &[String]) -> usize {
    let decoded = texts.iter().map(|text| BASE64.decode(text.as_bytes()));
    decoded.map(|der| der.map_or(0, |der| der.len())).sum()
}

criterion_group!(benches, read);
criterion_main!(benches);
