//! The shape of the JSON, which is part of the interface.

mod common;

use opsbox_cert::{CertFacts, Scan};
use serde_json::json;

use common::{fixture, write};

#[test]
fn facts_are_flat_with_rfc_3339_times() {
    let facts = CertFacts::from_pem(&fixture("ip.pem")).unwrap();
    let key_id: String = facts
        .subject_key_id()
        .unwrap()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    assert_eq!(
        serde_json::to_value(&facts).unwrap(),
        json!({
            "subject": "CN=ip.example.com",
            "common_name": "ip.example.com",
            "subject_alt_names": [
                {"type": "ip", "value": "192.0.2.7"},
                {"type": "ip", "value": "2001:db8::7"},
                {"type": "dns", "value": "ip.example.com"},
            ],
            "issuer": "CN=ip.example.com",
            "issuer_common_name": "ip.example.com",
            "serial": "2003",
            "not_before": "2025-01-01T00:00:00Z",
            "not_after": "2030-01-01T00:00:00Z",
            "key_type": {"type": "ecdsa", "curve": "P-256"},
            "signature_algorithm": "ecdsa-with-SHA256",
            "is_ca": false,
            "is_self_issued": true,
            "fingerprint_sha256": facts.fingerprint().to_string(),
            "subject_key_id": key_id,
            "authority_key_id": null,
            "ari_id": null,
        })
    );
    let rsa = CertFacts::from_pem(&fixture("rsa4096.pem")).unwrap();
    let key = &serde_json::to_value(&rsa).unwrap()["key_type"];
    assert_eq!(key, &json!({"type": "rsa", "bits": 4096}));
    let other = CertFacts::from_pem(&fixture("secp256k1.pem")).unwrap();
    let key = &serde_json::to_value(&other).unwrap()["key_type"];
    assert_eq!(key, &json!({"type": "ecdsa", "curve": "1.3.132.0.10"}));
}

#[test]
fn a_report_lists_bundles_problems_and_skipped_files() {
    let dir = tempfile::tempdir().unwrap();
    let mut bundle = fixture("chain.pem");
    let length = bundle.len();
    bundle.extend(b"-----BEGIN CERTIFICATE-----\nMII\n");
    let source = write(dir.path(), "a.pem", bundle);
    let key = write(dir.path(), "b.key", "");
    let report = serde_json::to_value(Scan::new().path(dir.path()).run()).unwrap();
    let found = &report["bundles"][0];
    assert_eq!(found["source"], json!(source));
    assert_eq!(found["format"], "pem");
    assert_eq!(found["chain_order"], json!({"state": "ordered"}));
    assert_eq!(found["certificates"][1]["index"], 1);
    assert_eq!(
        found["certificates"][1]["subject"],
        "CN=Example Issuing 1,O=Example Trust,C=SE"
    );
    let reason = "the `-----END CERTIFICATE-----` line is missing, so the section is truncated; copy \
                  the file again";
    let line = 1 + fixture("chain.pem")
        .iter()
        .filter(|&&byte| byte == b'\n')
        .count();
    assert_eq!(
        report["problems"],
        json!([{
            "path": source,
            "index": 3,
            "line": line,
            "offset": length,
            "kind": "truncated",
            "reason": reason,
            "message": format!(
                "cannot read the certificate at line {line} of {} (section index 3): {reason}",
                source.display()
            ),
            "retryable": true,
        }])
    );
    assert_eq!(
        report["skipped"],
        json!([{
            "path": key,
            "why": "private_key",
            "detail": "it is named as a private key and was not opened",
        }])
    );
    assert_eq!(report["counts"]["files"], 2);
    assert_eq!(report["counts"]["certificates"], 3);
}

#[cfg(unix)]
#[test]
fn a_path_that_is_not_utf8_does_not_fail() {
    use std::os::unix::ffi::OsStrExt as _;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(std::ffi::OsStr::from_bytes(b"\xff.pem"));
    std::fs::copy(common::data().join("leaf.pem"), &path).unwrap();
    std::fs::File::create(dir.path().join(std::ffi::OsStr::from_bytes(b"\xfe.pem"))).unwrap();
    let report = serde_json::to_value(Scan::new().path(dir.path()).run()).unwrap();
    assert!(
        report["bundles"][0]["source"]
            .as_str()
            .unwrap()
            .ends_with("\u{fffd}.pem")
    );
    assert!(
        report["problems"][0]["path"]
            .as_str()
            .unwrap()
            .ends_with("\u{fffd}.pem")
    );
}
