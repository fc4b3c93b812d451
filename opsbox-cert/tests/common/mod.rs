//! Helpers of the integration tests: fixtures, fresh certificates, files.

#![allow(dead_code, reason = "every test binary uses its own part of it")]
#![allow(clippy::unwrap_used, reason = "a helper that fails must fail the test")]
#![allow(clippy::disallowed_methods, reason = "test files need no atomic write")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{CertificateParams, DnType, KeyPair};

/// 2026-01-01T00:00:00Z, the `now` of the tests.
pub(crate) const NOW: u64 = 1_767_225_600;

pub(crate) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW)
}

pub(crate) fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

pub(crate) fn fixture(name: &str) -> Vec<u8> {
    fs::read(data().join(name)).unwrap()
}

/// All PEM fixtures with one certificate.
pub(crate) fn single_fixtures() -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(data())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "pem"))
        .filter(|path| path.file_stem().is_some_and(|stem| stem != "chain"))
        .collect();
    paths.sort();
    assert!(paths.len() > 25, "the fixtures are there");
    paths
}

/// A fresh self-signed certificate: PEM, DER, and its private key in PEM.
pub(crate) struct Fresh {
    pub(crate) pem: String,
    pub(crate) der: Vec<u8>,
    pub(crate) key: KeyPair,
}

pub(crate) fn fresh(name: &str) -> Fresh {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    Fresh {
        pem: certificate.pem(),
        der: certificate.der().to_vec(),
        key,
    }
}

/// Writes `dir/name`, making the folders between.
pub(crate) fn write(dir: &Path, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    path
}

/// Waits until it is so. What never becomes so fails the test in place of hanging it.
pub(crate) async fn until(what: &str, is_so: impl Fn() -> bool) {
    const GUARD: Duration = Duration::from_secs(120);
    let waited = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(GUARD, waited).await;
    assert!(waited.is_ok(), "{what}: not within {GUARD:?}");
}
