//! The Prometheus text, to the byte.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    reason = "a test fails by panicking, in its helpers too"
)]

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use opsbox_cert::observe::prometheus::encode;
use opsbox_cert::{CertFacts, Scan, limits};
use proptest::prelude::*;

use common::{data, fixture, now};

fn facts(name: &str) -> CertFacts {
    CertFacts::from_pem(&fixture(&format!("{name}.pem"))).unwrap()
}

#[test]
fn the_text_has_help_type_and_one_sample_a_certificate() {
    let (leaf, expired) = (facts("leaf"), facts("expired"));
    let text = encode(
        [("b.pem".as_ref(), &leaf), ("a.pem".as_ref(), &expired)],
        now(),
    );
    let expired = r#"common_name="expired.example.com",issuer="CN=expired.example.com",san="expired.example.com",source="a.pem""#;
    let leaf = r#"common_name="www.example.com",issuer="CN=Example Issuing 1,O=Example Trust,C=SE",san="www.example.com,*.www.example.com",source="b.pem""#;
    let expected = format!(
        "# HELP tls_certificate_expires_timestamp_seconds Time after which the certificate is no longer valid, in Unix seconds\n\
         # TYPE tls_certificate_expires_timestamp_seconds gauge\n\
         tls_certificate_expires_timestamp_seconds{{{expired}}} 1704067200\n\
         tls_certificate_expires_timestamp_seconds{{{leaf}}} 1893456000\n\
         # HELP tls_certificate_remaining_days Days until the certificate is no longer valid, negative once it has expired\n\
         # TYPE tls_certificate_remaining_days gauge\n\
         tls_certificate_remaining_days{{{expired}}} -731.0\n\
         tls_certificate_remaining_days{{{leaf}}} 1461.0\n"
    );
    assert_eq!(text, expected);
}

#[test]
fn only_now_changes_the_text() {
    let report = Scan::new().path(data()).run();
    let text = encode(report.certificates(), now());
    assert_eq!(text, encode(report.certificates(), now()));
    let mut reversed: Vec<_> = report.certificates().collect();
    reversed.reverse();
    assert_eq!(text, encode(reversed, now()));
    let later = encode(report.certificates(), now() + Duration::from_secs(43_200));
    let changed = |line: &str| line.starts_with("tls_certificate_remaining_days{");
    let stable = |text: &str| text.lines().filter(|line| !changed(line)).count();
    assert_eq!(stable(&text), stable(&later));
    assert!(
        text.lines()
            .zip(later.lines())
            .all(|(a, b)| (a != b) == changed(a))
    );
}

#[test]
fn equal_labels_become_one_series_with_the_earliest_expiry() {
    let key = rcgen::KeyPair::generate().unwrap();
    let of_year = |year| {
        let mut params = rcgen::CertificateParams::new(vec!["a.example.com".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, 1, 1);
        CertFacts::from_der(params.self_signed(&key).unwrap().der()).unwrap()
    };
    let (old, new) = (of_year(2027), of_year(2028));
    let path = Path::new("bundle.pem");
    for pair in [[(path, &old), (path, &new)], [(path, &new), (path, &old)]] {
        let text = encode(pair, now());
        assert_eq!(text.matches("tls_certificate_remaining_days{").count(), 1);
        assert!(text.contains("} 1798761600\n"), "{text}");
    }
    let other = Path::new("other.pem");
    let text = encode([(path, &old), (other, &new)], now());
    assert_eq!(text.matches("tls_certificate_remaining_days{").count(), 2);
}

#[test]
fn no_certificate_gives_the_headers_alone() {
    let text = encode([], now());
    assert_eq!(text.lines().count(), 4);
    assert!(text.lines().all(|line| line.starts_with("# ")));
}

#[test]
fn a_long_list_of_names_stays_below_the_limit() {
    let many = facts("manysans");
    let text = encode([("m.pem".as_ref(), &many)], now());
    let series = parse(&text);
    let san = &series[0].1["san"];
    assert!(san.len() <= limits::MAX_LABEL_BYTES);
    let (names, more) = san.rsplit_once(",+").unwrap();
    let more: usize = more.strip_suffix(" more").unwrap().parse().unwrap();
    assert_eq!(names.split(',').count() + more, 120);
    assert!(names.ends_with(".some-longer-name.example.org"));
}

/// A self-signed certificate, so that its issuer is as long as its subject.
fn named(common_name: &str, san: &str, year: i32) -> CertFacts {
    let mut params = rcgen::CertificateParams::default();
    let name = &mut params.distinguished_name;
    *name = rcgen::DistinguishedName::new();
    name.push(rcgen::DnType::CommonName, common_name);
    params.subject_alt_names = vec![
        rcgen::SanType::DnsName(san.try_into().unwrap()),
        rcgen::SanType::DnsName("second.example.com".try_into().unwrap()),
    ];
    params.not_after = rcgen::date_time_ymd(year, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    CertFacts::from_der(params.self_signed(&key).unwrap().der()).unwrap()
}

#[test]
fn every_label_stays_below_the_limit_and_tells_that_it_was_cut() {
    let facts = named(&"ü\n".repeat(3_000), &"a.".repeat(2_000), 2030);
    let source = "folder/".repeat(1_000);
    let series = parse(&encode([(Path::new(&source), &facts)], now()));
    assert_eq!(series.len(), 2);
    for (_, labels, _) in &series {
        for (label, value) in labels {
            assert!(value.len() <= limits::MAX_LABEL_BYTES, "{label}: {value}");
            assert!(
                value.len() > limits::MAX_LABEL_BYTES - 80,
                "{label}: {value}"
            );
            let marked = value.strip_suffix(",second.example.com").unwrap_or(value);
            let (kept, more) = marked.rsplit_once("...+").unwrap();
            let more: usize = more.strip_suffix(" bytes").unwrap().parse().unwrap();
            let whole = match label.as_str() {
                "common_name" => facts.common_name().unwrap().replace('\n', "\\u{a}"),
                "issuer" => facts.issuer().to_owned(),
                "san" => facts.subject_alt_names()[0].to_string(),
                _ => source.clone(),
            };
            assert!(whole.starts_with(kept), "{label}");
            assert_eq!(whole.len(), kept.len() + more, "{label}");
        }
    }
}

#[test]
fn labels_that_are_equal_once_cut_become_one_series_with_the_earliest_expiry() {
    let long = "a".repeat(limits::MAX_LABEL_BYTES);
    let of = |end: &str, year| named(&format!("{long}{end}"), "a.example.com", year);
    let (late, early) = (of("x", 2028), of("y", 2027));
    let path = Path::new("a.pem");
    for pair in [
        [(path, &late), (path, &early)],
        [(path, &early), (path, &late)],
    ] {
        let text = encode(pair, now());
        assert_eq!(text.matches("tls_certificate_remaining_days{").count(), 1);
        assert!(text.contains("} 1798761600\n"), "{text}");
    }
    let longer = of("xyz", 2028);
    let text = encode([(path, &longer), (path, &early)], now());
    assert_eq!(text.matches("tls_certificate_remaining_days{").count(), 2);
}

#[test]
fn odd_names_and_paths_are_escaped() {
    let odd = facts("odddn");
    let path = Path::new("a \"quoted\" \\ path\nwith a line.pem");
    let series = parse(&encode([(path, &odd)], now()));
    let labels = &series[0].1;
    assert_eq!(labels["common_name"], " two\\u{a}lines ");
    assert_eq!(labels["issuer"], odd.issuer());
    assert_eq!(labels["san"], "");
    assert_eq!(
        labels["source"],
        "a \"quoted\" \\ path\\u{a}with a line.pem"
    );
}

proptest! {
    #[test]
    fn any_source_survives_the_text(source in "\\PC{0,40}") {
        let leaf = facts("leaf");
        let text = encode([(Path::new(&source), &leaf)], now());
        let series = parse(&text);
        prop_assert_eq!(series.len(), 2);
        // Invisible direction marks are escaped, all else is as it was.
        if !series[0].1["source"].contains("\\u{") {
            prop_assert_eq!(&series[0].1["source"], &source);
        }
    }
}

type Series = (String, BTreeMap<String, String>, f64);

/// A strict reader of the text format, written from its specification.
fn parse(text: &str) -> Vec<Series> {
    assert!(text.ends_with('\n'));
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| parse_line(line).unwrap_or_else(|| panic!("{line}")))
        .collect()
}

fn parse_line(line: &str) -> Option<Series> {
    let (name, mut rest) = line.split_once('{')?;
    let mut labels = BTreeMap::new();
    loop {
        let (label, value) = rest.split_once("=\"")?;
        let mut text = String::new();
        let mut chars = value.chars();
        loop {
            match chars.next()? {
                '"' => break,
                '\\' => text.push(match chars.next()? {
                    'n' => '\n',
                    c @ ('\\' | '"') => c,
                    _ => return None,
                }),
                c => text.push(c),
            }
        }
        assert!(labels.insert(label.to_owned(), text).is_none());
        rest = chars.as_str();
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => break,
        }
    }
    let value = rest.strip_prefix("} ")?.parse().ok()?;
    Some((name.to_owned(), labels, value))
}
