//! Bytes of a private key are in no message, report or JSON, however the file is damaged.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    reason = "a test fails by panicking, in its helpers too"
)]

mod common;

use opsbox_cert::{Bundle, CertFacts, ErrorKind, Scan, SkipReason};
use proptest::prelude::*;

use common::{fresh, write};

const KEY_LABELS: [&str; 4] = [
    "PRIVATE KEY",
    "EC PRIVATE KEY",
    "RSA PRIVATE KEY",
    "ENCRYPTED PRIVATE KEY",
];

struct Pair {
    certificate: String,
    key: String,
    secret: String,
}

fn pair(label: &str) -> Pair {
    let fresh = fresh("key.example.com");
    let key = fresh.key.serialize_pem().replace("PRIVATE KEY", label);
    Pair {
        certificate: fresh.pem,
        secret: body(&key),
        key,
    }
}

fn body(pem: &str) -> String {
    pem.lines().filter(|line| !line.starts_with('-')).collect()
}

#[track_caller]
fn assert_hidden(secret: &str, shown: &str) {
    const LONGEST: usize = 8;
    for at in 0..=secret.len() - LONGEST {
        let part = &secret[at..at + LONGEST];
        assert!(!shown.contains(part), "`{part}` is shown: {shown}");
    }
}

/// All that anybody can see of a text that is read as bytes, as a file, and in a folder with and
/// without a telling extension.
fn all_shown(text: &str) -> String {
    let mut shown = String::new();
    match Bundle::parse("given", text.as_bytes()) {
        Ok(bundle) => {
            shown.push_str(&format!("{bundle:?} {:?}", bundle.problems()));
            for problem in bundle.problems() {
                shown.push_str(&format!("{problem} {problem:#?}"));
            }
        }
        Err(error) => shown.push_str(&format!("{error} {error:?} {}", error.reason())),
    }
    for facts in [
        CertFacts::from_pem(text.as_bytes()),
        CertFacts::from_der(text.as_bytes()),
    ] {
        match facts {
            Ok(facts) => shown.push_str(&format!("{facts} {facts:?}")),
            Err(error) => shown.push_str(&format!("{error} {error:?}")),
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let file = write(dir.path(), "a.pem", text);
    write(dir.path(), "noextension", text);
    for scan in [Scan::new().path(dir.path()), Scan::new().path(file)] {
        let report = scan.run();
        shown.push_str(&format!("{report:?}"));
        for problem in report.problems() {
            shown.push_str(&problem.to_string());
        }
        for skipped in report.skipped() {
            shown.push_str(&format!("{skipped} {}", skipped.detail()));
        }
        #[cfg(feature = "serde")]
        shown.push_str(&serde_json::to_string(&report).unwrap());
    }
    shown
}

#[test]
fn a_pair_without_line_breaks_shows_nothing_and_is_explained() {
    for label in KEY_LABELS {
        let Pair {
            certificate,
            key,
            secret,
        } = pair(label);
        for (text, index) in [
            (format!("{key}{certificate}"), 1),
            (format!("{certificate}{key}"), 0),
        ] {
            for replacement in ["", " ", "  "] {
                let text = text.replace('\n', replacement).replace('\r', "");
                assert_hidden(&secret, &all_shown(&text));
                let error = Bundle::parse("given", text.as_bytes()).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Pem, "{error}");
                assert_eq!(error.place().unwrap().index, index, "{error}");
                let message = error.to_string();
                assert!(
                    message.contains("the line breaks are missing: "),
                    "{message}"
                );
                assert!(message.contains("; copy the file again"), "{message}");
                let dir = tempfile::tempdir().unwrap();
                write(dir.path(), "noextension", &text);
                let report = Scan::new().path(dir.path()).run();
                assert_eq!(report.problems().len(), 1, "{report:?}");
            }
        }
    }
}

#[test]
fn a_key_on_one_line_is_a_key() {
    let dir = tempfile::tempdir().unwrap();
    for label in KEY_LABELS {
        let Pair { key, secret, .. } = pair(label);
        let text = key.replace(['\n', '\r'], "");
        assert_hidden(&secret, &all_shown(&text));
        let error = Bundle::parse("given", text.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PrivateKey, "{error}");
        write(dir.path(), "a.pem", &text);
        write(dir.path(), "b", &text);
        let report = Scan::new().path(dir.path()).run();
        let why: Vec<SkipReason> = report.skipped().iter().map(|s| s.why()).collect();
        assert_eq!(why, [SkipReason::PrivateKey; 2]);
    }
}

#[test]
fn one_lost_line_break_shows_nothing_and_hides_no_certificate() {
    for label in KEY_LABELS {
        let Pair {
            certificate,
            key,
            secret,
        } = pair(label);
        for text in [format!("{key}{certificate}"), format!("{certificate}{key}")] {
            let text = text.replace('\r', "");
            for (at, _) in text.match_indices('\n') {
                let glued = format!("{}{}", &text[..at], &text[at + 1..]);
                assert_hidden(&secret, &all_shown(&glued));
                match Bundle::parse("given", glued.as_bytes()) {
                    Ok(bundle) => assert_eq!(bundle.certificates().len(), 1),
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Pem, "{error}"),
                }
            }
        }
    }
}

#[test]
fn a_key_in_place_of_a_marker_is_not_shown() {
    let Pair {
        certificate,
        key,
        secret,
    } = pair("PRIVATE KEY");
    let one_line = format!("-----BEGIN {secret}-----\n-----END {secret}-----\n");
    let texts = [
        one_line.clone(),
        format!("{one_line}{certificate}"),
        format!("-----BEGIN CERTIFICATE-----\n-----END {secret}-----\n"),
        format!("-----BEGIN CERTIFICATE-----\n-----END {secret}\n"),
        format!("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE{secret}-----\n"),
        format!("-----BEGIN {secret}-----\n-----END CERTIFICATE-----\n"),
        format!("-----BEGIN {secret}\n"),
        format!("-----BEGIN CERTIFICATE--{secret}-----\n-----END CERTIFICATE-----\n"),
        key.replace("PRIVATE KEY", "CERTIFICATE"),
        key.replace("PRIVATE KEY", "CERTIFICATE").replace('\n', ""),
        key.replace("-----BEGIN", "-----BEGIN CERTIFICATE-----\n-----END"),
        key.replace('\n', "\\n"),
        format!("{{\"key\": \"{}\"}}", key.replace('\n', "\\n")),
    ];
    for text in texts {
        assert_hidden(&secret, &all_shown(&text));
    }
}

#[test]
fn a_certificate_glued_to_the_end_before_it_is_a_problem() {
    let Pair {
        certificate, key, ..
    } = pair("PRIVATE KEY");
    let glued = format!("{}{certificate}", key.trim_end());
    let error = Bundle::parse("given", glued.as_bytes()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Pem);
    let place = error.place().unwrap();
    assert!(glued[place.offset..].starts_with("-----BEGIN CERTIFICATE-----"));
    let glued = format!("{}{certificate}", certificate.trim_end());
    let bundle = Bundle::parse("given", glued.as_bytes()).unwrap();
    assert_eq!(
        (bundle.certificates().len(), bundle.problems().len()),
        (1, 1)
    );
}

proptest! {
    /// Line breaks lost, replaced or put in, and the text cut at both ends.
    #[test]
    fn no_damage_to_the_line_breaks_shows_a_key(
        label in prop::sample::select(KEY_LABELS.to_vec()),
        key_first in any::<bool>(),
        edits in prop::collection::vec(
            (any::<prop::sample::Index>(), prop::sample::select(vec!["", " ", "\r", "\n", "\t", "\\n", "-", "--", "-----"])),
            0..12,
        ),
        cut in (0_usize..40, 0_usize..40),
    ) {
        let Pair { certificate, key, secret } = pair(label);
        let text = if key_first { key + &certificate } else { certificate + &key };
        let mut lines: Vec<(&str, &str)> = text.lines().map(|line| (line, "\n")).collect();
        for (at, ending) in edits {
            let at = at.index(lines.len());
            lines[at].1 = ending;
        }
        let text: String = lines.iter().flat_map(|(line, ending)| [*line, *ending]).collect();
        let text = &text[cut.0..text.len() - cut.1];
        let shown = match Bundle::parse("given", text.as_bytes()) {
            Ok(bundle) => {
                let problems: Vec<String> = bundle.problems().iter().map(|p| p.to_string()).collect();
                format!("{bundle:?} {problems:?}")
            }
            Err(error) => format!("{error} {error:?}"),
        };
        assert_hidden(&secret, &shown);
    }
}
