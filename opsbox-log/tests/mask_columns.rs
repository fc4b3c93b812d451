//! A batch's columns are masked as each value by itself would be, though what is around values is loaded with them and parts
//! of texts without findings are not searched again.
#![cfg(all(feature = "mask", feature = "json"))]
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use opsbox_log::{
    ColumnBuilder, Field, Format, Kernel, Parser, Span,
    clean::Cleaner,
    mask::{Action, Detector, MaskReport, Masker, Pattern, Policy, Scanner, Tag},
};
use proptest::prelude::*;

/// Something for each detector, pieces of it, and what stands beside it.
const PIECES: [&str; 44] = [
    "-----BEGIN RSA PRIVATE KEY-----",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_0123456789abcdefghijABCDEFGHIJ012345",
    "glpat-abcdefghij0123456789",
    "xoxb-123456789012-abcdefABCDEF",
    "AIzaSyA1234567890abcdefghijklmnopqrstuv",
    "sk_live_0123456789abcdefghijABCD",
    "npm_0123456789abcdefghijABCDEFGHIJ012345",
    "dop_v1_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "https://bob:hunter2@db.example.com/x",
    "11010519491231002X",
    "4111 1111 1111 1111",
    "4111111111111111",
    "DE89370400440532013000",
    "+86 138-1234-5678",
    "13812345678",
    "138 1234 5678",
    "010-62345678",
    "%2B8613812345678",
    "\\n13812345678",
    "+1 (415) 555-2671",
    "canary.person@example.com",
    "a%40example.com",
    "192.0.2.171",
    "2001:db8::ff00:42:8329",
    "::1",
    "password=hunter2",
    "PASSWD: hunter2",
    "passphrase=x",
    "dbpwd=x",
    "client_secret=x",
    "credentials=x",
    "Authorization: Bearer abc",
    "apiKey=x",
    "token=x",
    " ",
    "-",
    "7",
    "12345678",
    "4294967295 ",
    "2026-11-02 03:04:05",
    "word",
    "key ssw swe crest key",
];

fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(PIECES.as_slice()).prop_map(str::to_owned),
        1 => "[a-z0-9 .:@+-]{0,70}",
    ];
    prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

/// A message with some words, and maybe a document with texts as values, of which some are parts of each other.
fn message() -> impl Strategy<Value = String> {
    let fields = prop::collection::btree_map("[a-d]|password|tokens|n", text(), 0..4);
    (text(), fields, any::<bool>(), 0..99_999_999_999_u64).prop_map(
        |(words, fields, flat, number)| match flat {
            true => words,
            false => {
                let mut document: serde_json::Map<_, _> = fields
                    .into_iter()
                    .map(|(key, value)| (key, value.into()))
                    .collect();
                document.insert("i".to_owned(), number.into());
                let document = serde_json::Value::Object(document);
                format!("{words} {document} {number}")
            }
        },
    )
}

fn policies() -> Vec<Policy> {
    let pattern = Pattern::new("seven", "7+", "PII_SEVEN".parse().unwrap());
    vec![
        Policy::new()
            .default_action(Action::Partial)
            .detectors(Detector::ALL),
        Policy::new().pattern(pattern),
        Policy::new()
            .free_text("message")
            .action(Tag::EMAIL, Action::Drop),
        Policy::new().detectors([Detector::Email, Detector::SecretPair]),
    ]
}

proptest! {
    #[test]
    fn as_each_value_by_itself(
        messages in prop::collection::vec(message(), 1..6),
        parts in prop::collection::vec((any::<prop::sample::Index>(), 0..40_usize), 6),
    ) {
        let mut log = String::new();
        for message in &messages {
            log += "2026-01-02 03:04:05 [INFO] ";
            log += &message.replace('\n', " ");
            log += "\n";
        }
        let mut cleaned = Parser::new(Format::preset("app").unwrap()).parse(log.as_str());
        Cleaner::new("message").clean(&mut cleaned);
        // A column may have any part of another.
        let mut column = ColumnBuilder::new();
        let message = cleaned.column("message").unwrap();
        for (row, (from, len)) in (0..cleaned.len()).zip(&parts) {
            if let Some(Span::Input(all)) = message.span(row)
                && !all.is_empty()
            {
                let start = all.start + from.index(all.len());
                column.push_span(row, Span::Input(start..all.end.min(start + len)));
            }
        }
        cleaned.set_column(Field::new("part"), column).unwrap();
        let plain = Parser::new(Format::preset("app").unwrap()).parse(log.as_str());
        for batch in [cleaned, plain] {
            for policy in policies() {
                let mut masked = batch.clone();
                let mut masker = Masker::new(policy, None).unwrap();
                let report = masker.mask(&mut masked);
                let mut expected = MaskReport::default();
                for column in batch.columns() {
                    let name = column.field().name();
                    for (row, value) in column.iter().enumerate() {
                        let mut out = Vec::new();
                        let before = expected.dropped_values();
                        let wanted = value.map(|value| {
                            masker.mask_text(name, value, &mut out, &mut expected);
                            out
                        });
                        let wanted = wanted.filter(|_| expected.dropped_values() == before);
                        let found = masked.column(name).and_then(|column| column.get(row));
                        prop_assert_eq!(
                            found.map(String::from_utf8_lossy),
                            wanted.as_deref().map(String::from_utf8_lossy),
                            "{} {}", name, log
                        );
                    }
                }
                prop_assert_eq!(report, expected);
            }
        }
    }

    #[test]
    fn all_kernels_find_the_same(text in text(), padding in "[ a-z]{0,80}") {
        let text = [padding, text].concat();
        let scanner = Scanner::of(Detector::ALL);
        let expected = scanner.clone().kernel(Kernel::Portable).scan(text.as_bytes());
        for kernel in Kernel::ALL.into_iter().filter(|kernel| kernel.is_available()) {
            let found = scanner.clone().kernel(kernel).scan(text.as_bytes());
            prop_assert_eq!(&found, &expected, "{} {}", kernel, text);
        }
    }
}

/// Each rule finds its examples wherever in a block they are: no trigram is missing.
#[test]
fn every_example_has_its_trigger() {
    let keys = [
        ("AKIA", 16),
        ("ASIA", 16),
        ("ghp_", 36),
        ("gho_", 36),
        ("ghu_", 36),
        ("ghs_", 36),
        ("ghr_", 36),
        ("github_pat_", 22),
        ("glpat-", 20),
        ("xoxb-", 20),
        ("xoxa-", 20),
        ("xoxp-", 20),
        ("xoxr-", 20),
        ("xoxs-", 20),
        ("AIza", 35),
        ("sk_live_", 16),
        ("sk_test_", 16),
        ("rk_live_", 16),
        ("rk_test_", 16),
        ("dckr_pat_", 27),
        ("dop_v1_", 64),
        ("npm_", 36),
    ];
    let names = [
        "password",
        "PASSWD",
        "passphrase",
        "db_pwd",
        "secret",
        "credential",
        "CREDENTIALS",
        "token",
        "Authorization",
        "secretKey",
        "api-key",
        "accessKey",
        "private_key",
        "auth_key",
        "encryptionkey",
        "SIGNING_KEY",
    ];
    let keys = keys.map(|(begins, len)| format!("{begins}{}", "Q7".repeat(len).split_at(len).0));
    let pairs = names.map(|name| format!("{name}=hunter2"));
    let others = [
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEow1BAAKCAQEA7\n-----END RSA PRIVATE KEY-----",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
        "https://bob:hunter2@db.example.com/x",
        "11010519491231002X",
        "110105491231002",
        "4111 1111 1111 1111",
        "DE89370400440532013000",
        "13812345678",
        "138 1234 5678",
        "010-62345678",
        "+1 (415) 555-2671",
        "%2B8613812345678",
        "canary.person@example.com",
        "canary%40example.com",
        "192.0.2.171",
        "2001:db8::ff00:42:8329",
        "::1",
    ]
    .map(str::to_owned);
    let scanner = Scanner::of(Detector::ALL);
    let found = |text: &str| -> Vec<_> {
        let found = scanner.scan(text.as_bytes());
        let found = found
            .iter()
            .map(|it| (it.rule().to_owned(), it.range().len()));
        found.collect()
    };
    for example in keys.iter().chain(&pairs).chain(&others) {
        let alone = found(example);
        assert_eq!(alone.len(), 1, "{example}: {alone:?}");
        for at in 0..140 {
            let text = format!("{} {example}\nx", ".".repeat(at));
            assert_eq!(found(&text), alone, "{at} {example}");
        }
    }
}
