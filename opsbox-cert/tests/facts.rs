//! The facts of the committed fixtures and of fresh certificates.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    reason = "a test fails by panicking, in its helpers too"
)]

mod common;

use std::time::{Duration, UNIX_EPOCH};

use opsbox_cert::{CertFacts, EcCurve, Fingerprint, KeyType, SubjectAltName, ValidityState};

use common::{fixture, fresh, now};

fn facts(name: &str) -> CertFacts {
    CertFacts::from_pem(&fixture(&format!("{name}.pem"))).unwrap()
}

#[test]
fn every_key_type_is_named() {
    let ec = |curve| KeyType::Ecdsa { curve };
    let cases = [
        (
            "rsa2048",
            KeyType::Rsa { bits: 2048 },
            "sha256WithRSAEncryption",
        ),
        (
            "rsa4096",
            KeyType::Rsa { bits: 4096 },
            "sha256WithRSAEncryption",
        ),
        ("rsapss", KeyType::RsaPss { bits: 2048 }, "rsassa-pss"),
        ("p256", ec(EcCurve::P256), "ecdsa-with-SHA256"),
        ("p384", ec(EcCurve::P384), "ecdsa-with-SHA256"),
        ("p521", ec(EcCurve::P521), "ecdsa-with-SHA256"),
        (
            "secp256k1",
            ec(EcCurve::Other("1.3.132.0.10".into())),
            "ecdsa-with-SHA256",
        ),
        ("ed25519", KeyType::Ed25519, "ed25519"),
        ("ed448", KeyType::Ed448, "ed448"),
    ];
    for (name, key_type, signature) in cases {
        assert_eq!(facts(name).key_type(), &key_type, "{name}");
        assert_eq!(facts(name).signature_algorithm(), signature, "{name}");
    }
}

#[test]
fn validity_is_a_function_of_now() {
    let seconds = |unix: u64| UNIX_EPOCH + Duration::from_secs(unix);
    let expired = facts("expired");
    let (start, end) = (1_672_531_200, 1_704_067_200);
    assert_eq!(expired.not_before(), seconds(start));
    assert_eq!(expired.not_after(), seconds(end));
    assert_eq!(expired.lifetime(), Duration::from_secs(365 * 86_400 + 1));

    assert_eq!(
        expired.state(seconds(start - 1)),
        ValidityState::NotYetValid
    );
    assert_eq!(expired.state(seconds(start)), ValidityState::Valid);
    assert_eq!(expired.state(seconds(end)), ValidityState::Valid);
    assert_eq!(
        expired.state(seconds(end) + Duration::from_millis(999)),
        ValidityState::Valid
    );
    assert_eq!(expired.state(seconds(end + 1)), ValidityState::Expired);

    assert_eq!(expired.remaining_seconds(seconds(end + 86_400)), -86_400);
    assert!((expired.remaining_days(seconds(end + 43_200)) - -0.5).abs() < 1e-9);
    assert!((expired.remaining_share(seconds(start - 10)) - 1.0).abs() < 1e-6);
    assert!((expired.remaining_share(seconds((start + end) / 2)) - 0.5).abs() < 1e-6);
    assert!(expired.remaining_share(seconds(end)).abs() < 1e-9);
}

#[test]
fn the_ends_of_the_calendar_work() {
    let forever = facts("forever");
    assert_eq!(forever.not_after_unix(), 253_402_300_799);
    assert!(forever.remaining_days(now()) > 2_900_000.0);
    assert!(forever.to_string().contains("9999-12-31T23:59:59Z"));

    let before1970 = facts("before1970");
    assert_eq!(before1970.not_after_unix(), -1);
    assert!(before1970.not_before() < UNIX_EPOCH);
    assert_eq!(before1970.state(now()), ValidityState::Expired);
}

#[test]
fn names_are_those_that_clients_accept() {
    let ip = facts("ip");
    assert!(
        ip.names()
            .eq(["192.0.2.7", "2001:db8::7", "ip.example.com"])
    );
    assert_eq!(facts("manysans").names().count(), 120);
    // The common name is no name for a client.
    assert_eq!(facts("nosans").names().count(), 0);
    assert_eq!(facts("nosans").common_name(), Some("nosans.example.com"));
    assert_eq!(facts("nocn").common_name(), None);
    assert_eq!(facts("nocn").subject(), "O=Example Without Name");

    let other = facts("othernames");
    let shown: Vec<String> = other
        .subject_alt_names()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        shown,
        [
            "ops@example.com",
            "spiffe://example.com/ns/x",
            "otherName:1.2.3.4:#a0070c0568656c6c6f",
            "registeredID:1.2.3.5",
            "directoryName:CN=in\\, dir,O=Example",
        ]
    );
    assert!(matches!(
        other.subject_alt_names()[0],
        SubjectAltName::Email(_)
    ));
    assert!(matches!(
        other.subject_alt_names()[1],
        SubjectAltName::Uri(_)
    ));
    assert_eq!(other.names().count(), 0);
}

#[test]
fn distinguished_names_lose_nothing() {
    let odd = facts("odddn");
    assert_eq!(
        odd.subject(),
        "CN=\\ two\\0Alines\\ ,1.2.3.4.5=#0c036f6464,serialNumber=42,emailAddress=ops@example.com,\
         OU=\\#1 unit\\ ,O=Smith\\, \\\"Jones\\\" \\+ Sons\\; \\<Ltd\\>\\\\x=1,DC=example,DC=com"
    );
    assert_eq!(odd.common_name(), Some(" two\nlines "));
    assert!(!odd.to_string().contains('\n'));

    assert_eq!(
        facts("utf8dn").subject(),
        "CN=brödbod.example.com,O=Åkerö Brödbod,C=SE"
    );
    assert_eq!(facts("bmp").subject(), "CN=bmp.example.com,O=Überbau");
    assert_eq!(facts("t61").subject(), "CN=t61.example.com,O=Überbau");
    assert_eq!(facts("multirdn").common_name(), Some("multi.example.com"));
}

#[test]
fn serials_and_identifiers() {
    assert_eq!(facts("nosans").serial(), "0a");
    assert_eq!(facts("negserial").serial(), "-0f");
    assert_eq!(
        facts("manyserial").serial(),
        format!("7f{}", "ff".repeat(19))
    );
    let zeropad = facts("zeropad");
    assert_eq!(zeropad.serial(), "87654321");
    assert_eq!(zeropad.serial_der(), [0, 0x87, 0x65, 0x43, 0x21]);
    let ari = zeropad.ari_id().unwrap();
    assert!(ari.ends_with(".AIdlQyE"), "{ari}");
    assert_eq!(zeropad.authority_key_id(), facts("root").subject_key_id());
    assert_eq!(facts("p256").ari_id(), None);
    assert_eq!(
        facts("p256").fingerprint(),
        Fingerprint::of(&fixture("p256.der"))
    );
}

#[test]
fn cas_and_old_versions() {
    assert!(facts("root").is_ca());
    assert!(facts("root").is_self_issued());
    assert!(facts("intermediate").is_ca());
    assert!(!facts("intermediate").is_self_issued());
    assert!(!facts("leaf").is_ca());
    assert_eq!(
        facts("leaf").issuer(),
        "CN=Example Issuing 1,O=Example Trust,C=SE"
    );
    assert_eq!(
        facts("leaf").issuer_common_name(),
        Some("Example Issuing 1")
    );
    assert_eq!(
        facts("leaf").authority_key_id(),
        facts("intermediate").subject_key_id()
    );
    assert!(!facts("v1").is_ca());
    assert!(facts("v1").subject_alt_names().is_empty());
}

#[test]
fn der_and_pem_give_equal_facts() {
    assert_eq!(
        CertFacts::from_der(&fixture("p256.der")).unwrap(),
        facts("p256")
    );
    let fresh = fresh("fresh.example.com");
    let facts = CertFacts::from_der(&fresh.der).unwrap();
    assert_eq!(facts, CertFacts::from_pem(fresh.pem.as_bytes()).unwrap());
    assert!(facts.names().eq(["fresh.example.com"]));
}

#[test]
fn display_is_one_line() {
    assert_eq!(
        facts("leaf").to_string(),
        "www.example.com, *.www.example.com: ECDSA P-256, valid 2025-01-01T00:00:00Z to \
         2030-01-01T00:00:00Z, issued by Example Issuing 1"
    );
    assert!(facts("manysans").to_string().contains(" and 117 more: "));
    assert!(facts("v1").to_string().starts_with("CN=v1.example.com: "));
}

#[test]
fn the_first_certificate_of_a_text_is_the_leaf_or_an_error() {
    let leaf = facts("leaf");
    assert_eq!(CertFacts::from_pem(&fixture("chain.pem")).unwrap(), leaf);
    let mut text = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_vec();
    text.extend(fixture("chain.pem"));
    assert_eq!(
        CertFacts::from_pem(&text)
            .unwrap_err()
            .place()
            .unwrap()
            .index,
        0
    );
    let mut text = fixture("leaf.pem");
    text.extend(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    assert_eq!(CertFacts::from_pem(&text).unwrap(), leaf);
}
