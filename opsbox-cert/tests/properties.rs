//! Properties of the parsers, and their comparison with `rustls-pki-types`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    reason = "a test fails by panicking, in its helpers too"
)]

mod common;

use std::collections::HashSet;
use std::sync::LazyLock;

use opsbox_cert::{Bundle, CertFacts, Fingerprint};
use proptest::prelude::*;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

use common::{fixture, single_fixtures};

static DERS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let read = |path: &std::path::PathBuf| CertificateDer::from_pem_file(path).unwrap().to_vec();
    single_fixtures().iter().map(read).collect()
});

static PEMS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let mut pems: Vec<Vec<u8>> = single_fixtures()
        .iter()
        .map(|p| std::fs::read(p).unwrap())
        .collect();
    pems.push(fixture("chain.pem"));
    pems
});

/// A small damage: a byte set, a run removed, doubled, or bytes put in.
#[derive(Debug, Clone)]
enum Damage {
    Set(prop::sample::Index, u8),
    Cut(prop::sample::Index, usize),
    Double(prop::sample::Index, usize),
    Insert(prop::sample::Index, Vec<u8>),
    Truncate(prop::sample::Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = any::<prop::sample::Index>;
    let text = prop::sample::select(vec![
        "\n",
        "\r",
        "\r\n",
        " ",
        "-",
        "=",
        "\0",
        "\u{feff}",
        "-----BEGIN CERTIFICATE-----\n",
        "-----END CERTIFICATE-----\n",
        "\n-----BEGIN PRIVATE KEY-----\n",
    ]);
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        (at(), 1_usize..40).prop_map(|(at, length)| Damage::Cut(at, length)),
        (at(), 1_usize..40).prop_map(|(at, length)| Damage::Double(at, length)),
        (at(), text).prop_map(|(at, text)| Damage::Insert(at, text.into())),
        at().prop_map(Damage::Truncate),
    ]
}

fn apply(mut bytes: Vec<u8>, damages: &[Damage]) -> Vec<u8> {
    for damage in damages {
        if bytes.is_empty() {
            break;
        }
        let length = bytes.len();
        match damage {
            Damage::Set(at, byte) => bytes[at.index(length)] = *byte,
            Damage::Cut(at, count) => {
                let at = at.index(length);
                bytes.drain(at..(at + count).min(length));
            }
            Damage::Double(at, count) => {
                let at = at.index(length);
                let run = bytes[at..(at + count).min(length)].to_vec();
                bytes.splice(at..at, run);
            }
            Damage::Insert(at, new) => {
                let at = at.index(length);
                bytes.splice(at..at, new.iter().copied());
            }
            Damage::Truncate(at) => bytes.truncate(at.index(length)),
        }
    }
    bytes
}

/// Whether a section begins inside another one.
fn has_nested_begin(text: &[u8]) -> bool {
    let mut open = false;
    text.split(|&byte| byte == b'\n' || byte == b'\r')
        .any(|line| {
            if line.starts_with(b"-----BEGIN ") {
                return std::mem::replace(&mut open, true);
            }
            open &= !line.starts_with(b"-----END ");
            false
        })
}

/// Reads `bytes` in every way and looks at all of the result.
fn exercise(bytes: &[u8]) {
    for facts in [CertFacts::from_der(bytes), CertFacts::from_pem(bytes)] {
        match facts {
            Ok(facts) => {
                let now = common::now();
                let shown = format!("{facts} {facts:?} {} {:?}", facts.serial(), facts.ari_id());
                assert!(
                    !facts.to_string().contains(['\n', '\u{1b}', '\0']),
                    "{shown}"
                );
                assert!((0.0..=1.0).contains(&facts.remaining_share(now)));
                assert!(facts.remaining_days(now).is_finite());
                std::hint::black_box((facts.not_before(), facts.not_after(), facts.state(now)));
            }
            Err(error) => {
                let shown = error.to_string();
                assert!(
                    shown.starts_with("cannot read ") && shown.contains("; "),
                    "{shown}"
                );
                assert!(!shown.ends_with('.') && shown.len() < 600, "{shown}");
            }
        }
    }
    if let Ok(bundle) = Bundle::parse("x", bytes) {
        assert_eq!(bundle.certificates().len(), bundle.places().len());
    }
}

/// As many cases as asked for here, or by `PROPTEST_CASES` if that is more.
fn cases(at_least: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig {
        cases: default.cases.max(at_least),
        ..default
    }
}

proptest! {
    #![proptest_config(cases(4_096))]

    #[test]
    fn damaged_der_never_panics(
        which in any::<prop::sample::Index>(),
        damages in prop::collection::vec(damage(), 1..4),
    ) {
        exercise(&apply(which.get(&DERS).clone(), &damages));
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        exercise(&bytes);
        // And behind a plausible header, which random bytes do not have.
        let mut der = vec![0x30, 0x82, 1, 0];
        der.extend(&bytes);
        exercise(&der);
    }

    /// Whatever `rustls-pki-types` reads is read here too, byte for byte; where it sees no fault
    /// there is none here.
    #[test]
    fn damaged_pem_is_read_as_rustls_pki_types_reads_it(
        which in any::<prop::sample::Index>(),
        damages in prop::collection::vec(damage(), 0..4),
    ) {
        let text = apply(which.get(&PEMS).clone(), &damages);
        exercise(&text);
        // The peer does not know the byte order mark.
        let without_bom = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&text);
        let peer: Vec<Result<CertificateDer<'_>, _>> =
            CertificateDer::pem_slice_iter(without_bom).collect();
        let clean = peer.iter().all(Result::is_ok);
        if has_nested_begin(&text) {
            // The peer adds up both bodies; here each section stands alone, so they may differ.
            return Ok(());
        }
        let bundle = Bundle::parse("x", &text);
        let ours: Vec<Fingerprint> = bundle
            .iter()
            .flat_map(|bundle| bundle.certificates().iter().map(CertFacts::fingerprint))
            .collect();
        // The peer does not look into the DER: compare those that are certificates.
        let theirs: Vec<Fingerprint> = peer
            .iter()
            .flatten()
            .filter(|der| CertFacts::from_der(der).is_ok())
            .map(|der| Fingerprint::of(der))
            .collect();
        if clean {
            prop_assert_eq!(&ours, &theirs);
        }
        let ours: HashSet<Fingerprint> = ours.into_iter().collect();
        prop_assert!(theirs.iter().all(|der| ours.contains(der)));
    }
}

/// Ways to break one section so that the ones around it stay what they are.
const BREAKS: usize = 5;

fn broken(pem: &str, way: usize) -> String {
    let lines: Vec<&str> = pem.lines().collect();
    match way {
        0 => lines[..lines.len() - 1].join("\n") + "\n",
        1 => pem.replacen("MII", "M!I", 1),
        2 => pem.replacen("MII", "AII", 1),
        3 => pem.replace("END CERTIFICATE", "END X509 CRL"),
        _ => [&lines[..3], &lines[4..]].concat().join("\n") + "\n",
    }
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn good_and_broken_sections_are_counted_at_their_places(
        parts in prop::collection::vec((any::<prop::sample::Index>(), prop::option::of(0..BREAKS)), 1..12),
        crlf in any::<bool>(),
        preamble in any::<bool>(),
    ) {
        let mut text = String::new();
        let mut lines = Vec::new();
        for (which, way) in &parts {
            if preamble {
                text.push_str("Certificate:\n    Data: as openssl prints it\n");
            }
            lines.push(text.lines().count() + 1);
            let pem = String::from_utf8(which.get(&PEMS[..PEMS.len() - 1]).clone()).unwrap();
            text.push_str(&way.map_or_else(|| pem.clone(), |way| broken(&pem, way)));
        }
        if crlf {
            text = text.replace('\n', "\r\n");
        }
        let split = |good: bool| -> Vec<(usize, usize)> {
            let parts = parts.iter().enumerate();
            parts.filter(|(_, (_, way))| way.is_none() == good).map(|(i, _)| (i, lines[i])).collect()
        };
        match Bundle::parse("x", text.as_bytes()) {
            Ok(bundle) => {
                let good: Vec<_> = bundle.places().iter().map(|p| (p.index, p.line)).collect();
                prop_assert_eq!(good, split(true));
                let bad: Vec<_> = bundle
                    .problems()
                    .iter()
                    .map(|problem| problem.place().unwrap())
                    .map(|place| (place.index, place.line))
                    .collect();
                prop_assert_eq!(bad, split(false));
                for place in bundle.places() {
                    prop_assert!(text[place.offset..].starts_with("-----BEGIN CERTIFICATE-----"));
                }
            }
            Err(error) => {
                prop_assert!(split(true).is_empty(), "{}", error);
                prop_assert_eq!(error.place().unwrap().index, 0);
            }
        }
    }
}
