//! Masking as a whole: nothing of a secret leaves, and nothing else changes.
#![cfg(feature = "mask")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "tests fail by panicking"
)]

#[path = "common/linear.rs"]
mod linear;

use std::sync::Arc;

use opsbox_log::mask::{
    Action, Detector, Keys, MaskReport, Masker, Pattern, Policy, Salt, Scanner, SecretKey, Tag,
};
use opsbox_log::{ErrorKind, Format, Kernel, Parser};
use proptest::prelude::*;

/// A secret for each detector, with the part of it that must not be seen whatever the action.
const CANARIES: [(Detector, &str, &str); 16] = [
    (
        Detector::PrivateKey,
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEow1BAAKCAQEA7\n-----END RSA PRIVATE KEY-----",
        "MIIEow1BAAKCAQEA7",
    ),
    (
        Detector::Jwt,
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
        "eyJzdWIiOiIxMjM0In0",
    ),
    (Detector::AwsKey, "AKIAIOSFODNN7EXAMPLE", "OSFODNN7EXAM"),
    (
        Detector::GithubToken,
        "ghp_0123456789abcdefghijABCDEFGHIJ012345",
        "0123456789abcdefghij",
    ),
    (
        Detector::ApiToken,
        "glpat-abcdefghij0123456789",
        "abcdefghij0123",
    ),
    (Detector::UrlPassword, "hunter2canary", "hunter2canary"),
    (Detector::IdCardCn, "11010519491231002X", "19491231"),
    (Detector::LegacyIdCardCn, "110105491231002", "491231"),
    (Detector::Card, "4111 1111 1111 1111", "4111 1111 1111"),
    (Detector::Iban, "DE89370400440532013000", "37040044053201"),
    (Detector::PhoneCn, "13812345678", "81234567"),
    (Detector::PhoneE164, "+14155552671", "155552671"),
    (Detector::Email, "canary.person@example.com", "anary.person"),
    (Detector::Ipv4, "192.0.2.171", "2.171"),
    (Detector::Ipv6, "2001:db8::ff00:42:8329", "ff00:42:8329"),
    (Detector::SecretPair, "correct-horse-7", "orrect-horse"),
];

fn keys() -> Arc<Keys> {
    Arc::new(Keys::new("acme", [(1, SecretKey::new([7; 32]))]).unwrap())
}

fn actions() -> Vec<Action> {
    vec![
        Action::Redact,
        Action::RedactWith("---".into()),
        Action::Partial,
        Action::KeepLast(4),
        Action::Pseudonym,
        Action::Encrypt,
        Action::SaltedSha256(Salt::new("pepper-salt")),
        Action::Drop,
    ]
}

/// The canary as it stands in a line.
fn line(detector: Detector, secret: &str) -> String {
    match detector {
        Detector::UrlPassword => format!("connect to https://bob:{secret}@db.example.com/x failed"),
        Detector::SecretPair => format!("login password={secret} refused"),
        _ => format!("before {secret} after"),
    }
}

#[test]
fn no_canary_leaves_by_any_way() {
    for action in actions() {
        let policy = Policy::new()
            .default_action(action.clone())
            .detectors(Detector::ALL);
        let mut masker = Masker::new(policy, Some(keys())).unwrap();
        let mut seen = format!("{masker:?}");
        assert!(
            !seen.contains("pepper-salt") && !seen.contains("7, 7"),
            "{seen}"
        );
        for (detector, secret, core) in CANARIES {
            let text = line(detector, secret);
            let (mut out, mut report) = (Vec::new(), MaskReport::default());
            masker.mask_text("text", text.as_bytes(), &mut out, &mut report);
            let out = String::from_utf8(out).unwrap();
            assert_eq!(report.findings(), 1, "{detector} {action:?}: {out}");
            let (what, _) = report.counts().next().unwrap();
            assert_eq!((&*what.rule, &what.tag), (detector.name(), &detector.tag()));
            seen.push_str(&format!("{out} {report} {report:?}"));
            // By the whole column, and by the log of a batch.
            let format = Format::pattern(r"(?s)(?P<a>.*?)\|(?P<b>.*)").unwrap();
            let one_line = text.replace('\n', "\\n");
            let mut batch = Parser::new(format).parse(format!("{one_line}|{one_line}\n"));
            let mut tagged = Masker::new(
                Policy::new()
                    .default_action(action.clone())
                    .field("a", detector.tag())
                    .detectors(Detector::ALL),
                Some(keys()),
            )
            .unwrap();
            let report = tagged.mask(&mut batch);
            assert_eq!(report.findings(), 2);
            for value in batch.columns().flat_map(|column| column.iter()).flatten() {
                seen.push_str(&String::from_utf8_lossy(value));
            }
            seen.push_str(&format!(
                "{:?} {report} {report:?}",
                batch.record(0).unwrap()
            ));
            assert!(
                !seen.contains(core),
                "{detector} {action:?}: {core} in {seen}"
            );
        }
        // Only `drop` may leave nothing of the text around.
        assert_eq!(
            seen.contains("before "),
            action != Action::Drop,
            "{action:?}"
        );
    }
}

/// A column or text of a secret's name is one, without the name next to the value.
#[test]
fn no_canary_leaves_under_its_own_name() {
    const CANARY: &str = "hunter2canary";
    let logs = [
        (
            "logfmt",
            format!("level=info password={CANARY}\nlevel=info password=null\n"),
        ),
        (
            "ndjson",
            format!(
                "{{\"level\":\"info\",\"password\":\"{CANARY}\"}}\n{{\"level\":\"info\",\"password\":\"\"}}\n"
            ),
        ),
        (
            "ndjson",
            format!("{{\"level\":\"info\",\"message\":{{\"password\":\"{CANARY}\"}}}}\n"),
        ),
    ];
    for action in actions() {
        let policy = || Policy::new().default_action(action.clone());
        let all = [policy(), policy().free_text("level")];
        for policy in all {
            let mut masker = Masker::new(policy, Some(keys())).unwrap();
            for (preset, log) in &logs {
                let mut batch = Parser::new(Format::preset(preset).unwrap()).parse(log);
                let report = masker.mask(&mut batch);
                assert_eq!(report.findings_of(&Tag::PASSWORD), 1, "{log}");
                let (what, _) = report.counts().next().unwrap();
                assert_eq!(&*what.rule, "secret_pair");
                let mut seen = format!("{report} {report:?}");
                for value in batch.columns().flat_map(|column| column.iter()).flatten() {
                    seen.push_str(&String::from_utf8_lossy(value));
                }
                assert!(seen.contains("info"), "{seen}");
                assert!(!seen.contains("unter2canar"), "{action:?}: {seen}");
            }
            for name in [
                "password",
                "message.password",
                "a.@token",
                "@token",
                "user.apiKey",
                "HTTP_AUTHORIZATION",
                "password.0",
                "password[0]",
                "password.#text",
                "user.password.value",
                "a.password.item.3.$",
                "passwords",
                "apiKeys.2",
                "tokens.0",
                "token.value",
                "authorization.#text",
                "credentials.pass",
                "secret.data.db",
                "passwords.old.hash",
                "request.@password.x",
            ] {
                let mut of = |value: &str| {
                    let (mut out, mut report) = (Vec::new(), MaskReport::default());
                    masker.mask_text(name, value.as_bytes(), &mut out, &mut report);
                    String::from_utf8(out).unwrap()
                };
                assert!(!of(CANARY).contains("unter2canar"), "{name} {action:?}");
                for nothing in [
                    "",
                    "null",
                    "****",
                    "${PASSWORD}",
                    "[REDACTED:SECRET_PASSWORD]",
                ] {
                    assert_eq!(of(nothing), nothing, "{name}");
                }
            }
        }
    }
    // What is told otherwise stays.
    for policy in [
        Policy::new().ignore("*password"),
        Policy::new().detectors([Detector::Email]),
    ] {
        let (mut out, mut report) = (Vec::new(), MaskReport::default());
        let mut masker = Masker::new(policy, None).unwrap();
        masker.mask_text("a.password", b"hunter2", &mut out, &mut report);
        assert_eq!(out, b"hunter2");
    }
    let mut masker = Masker::new(Policy::new(), None).unwrap();
    for name in [
        "tokens",
        "password_count",
        "token.kind",
        "monkey",
        "message",
        "value",
        "0",
        "secret.name",
        "password.expires_at",
        "password.expiresAt",
        "credentials.type",
        "authorization.k8s.io/decision",
        "token.scope",
        "passwordless.user",
        "monkeys.0",
    ] {
        let (mut out, mut report) = (Vec::new(), MaskReport::default());
        masker.mask_text(name, b"hunter2", &mut out, &mut report);
        assert_eq!(out, b"hunter2", "{name}");
    }
}

#[test]
fn lists_of_secrets_are_found_in_columns_and_in_text() {
    let mut masker = Masker::new(Policy::new(), None).unwrap();
    let mut of = |name: &str, value: &str| {
        let (mut out, mut report) = (Vec::new(), MaskReport::default());
        masker.mask_text(name, value.as_bytes(), &mut out, &mut report);
        String::from_utf8(out).unwrap()
    };
    let hidden = "[REDACTED:SECRET_PASSWORD]";
    for (name, value) in [
        ("passwords", r#"["hunter2", "x"]"#),
        ("password", r#"["hunter2"]"#),
        ("password", r#"{"value":"hunter2"}"#),
        ("tokens", r#"["hunter2"]"#),
        ("passwords", "12345"),
        ("password.0", "12345"),
    ] {
        assert_eq!(of(name, value), hidden, "{name} {value}");
    }
    // Counts, and words of a model.
    for (name, value) in [
        ("tokens", "512"),
        ("tokens", "[15, 27]"),
        ("tokens.0", "15"),
        ("tokens.prompt", "512"),
        ("passwords", "[REDACTED:SECRET_PASSWORD]"),
        ("message", "tokens: [15, 27]"),
        ("message", "passwords: expired"),
        ("message", "secrets=5 tokens=512"),
        ("message", r#"{"tokens":[15,27],"max_tokens":"9"}"#),
    ] {
        assert_eq!(of(name, value), value, "{name}");
    }
    for (value, expected) in [
        (
            r#"{"passwords":["hunter2","x y"],"n":1}"#,
            r#"{"passwords":["[REDACTED:SECRET_PASSWORD]"],"n":1}"#,
        ),
        (
            r#"{"tokens":["hunter2"]}"#,
            r#"{"tokens":["[REDACTED:SECRET_PASSWORD]"]}"#,
        ),
        (
            r#"api_keys=[hunter2, hunter3] n=1"#,
            "api_keys=[[REDACTED:SECRET_PASSWORD]] n=1",
        ),
        (
            r#"users=[{"name":"a","password":"hunter2"}]"#,
            r#"users=[{"name":"a","password":"[REDACTED:SECRET_PASSWORD]"}]"#,
        ),
    ] {
        assert_eq!(of("message", value), expected);
    }
}

#[test]
fn errors_do_not_show_values_or_keys() {
    let keys = keys();
    let (mut out, mut report) = (Vec::new(), MaskReport::default());
    let policy = Policy::new().default_action(Action::Encrypt);
    let mut masker = Masker::new(policy, Some(Arc::clone(&keys))).unwrap();
    masker.mask_text(
        "t",
        b"mail canary.person@example.com",
        &mut out,
        &mut report,
    );
    let token = &out["mail ".len()..];
    for bad in [
        &token[..token.len() - 1],
        b"canary.person@example.com",
        b"[enc1:PII_EMAIL:1:AAAA]",
        b"",
    ] {
        let error = keys.decrypt(bad).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decrypt);
        let text = format!("{error} {error:?}");
        assert!(
            !text.contains("canary") && !text.contains(str::from_utf8(token).unwrap()),
            "{text}"
        );
    }
    let debug = format!(
        "{keys:?} {:?} {:?}",
        SecretKey::new([9; 32]),
        Salt::new("salt-canary")
    );
    assert_eq!(
        debug,
        r#"Keys { tenant: "acme", versions: [1], .. } SecretKey(..) Salt(..)"#
    );
}

#[test]
fn encrypted_values_come_back_for_whom_they_are() {
    let one = || SecretKey::new([1; 32]);
    let keys = Keys::new("acme", [(1, one()), (2, SecretKey::new([2; 32]))]).unwrap();
    let keys = Arc::new(keys);
    let policy = Policy::new().default_action(Action::Encrypt);
    let mut masker = Masker::new(policy, Some(Arc::clone(&keys))).unwrap();
    let mut encrypt = |text: &str| {
        let (mut out, mut report) = (Vec::new(), MaskReport::default());
        masker.mask_text("t", text.as_bytes(), &mut out, &mut report);
        String::from_utf8(out).unwrap()
    };
    let text = "to a.b@example.com, from +8613812345678-x";
    let masked = encrypt(text);
    assert!(masked.starts_with("to [enc1:PII_EMAIL:2:"), "{masked}");
    assert_ne!(masked, encrypt(text), "the nonce is random");
    let (back, count) = keys.decrypt_text(masked.as_bytes());
    assert_eq!(
        (&back[..], count.decrypted, count.failed),
        (text.as_bytes(), 2, 0)
    );

    let token = encrypt("a.b@example.com");
    assert_eq!(
        &keys.decrypt(token.as_bytes()).unwrap()[..],
        b"a.b@example.com"
    );
    let changed = |from: &str, to: &str| {
        assert!(token.contains(from));
        keys.decrypt(token.replacen(from, to, 1).as_bytes())
            .unwrap_err()
            .to_string()
    };
    let wrong = "it was encrypted for another tenant, tag or key version, with another key, or it was changed";
    assert_eq!(
        changed(":2:", ":1:"),
        format!("cannot decrypt a PII_EMAIL: {wrong}")
    );
    assert_eq!(
        changed("EMAIL", "PHONE"),
        format!("cannot decrypt a PII_PHONE: {wrong}")
    );
    assert!(changed(":2:", ":3:").contains("it is of key version 3, and there is 1, 2"));
    // The same key for another version or tenant is another.
    for other in [
        Keys::new("umbrella", [(2, SecretKey::new([2; 32]))]),
        Keys::new("acme", [(2, one())]),
    ] {
        let error = other.unwrap().decrypt(token.as_bytes()).unwrap_err();
        assert!(error.to_string().ends_with(wrong), "{error}");
    }
    let moved = Keys::new("acme", [(1, SecretKey::new([2; 32]))]).unwrap();
    let error = moved
        .decrypt(token.replacen(":2:", ":1:", 1).as_bytes())
        .unwrap_err();
    assert!(error.to_string().ends_with(wrong), "{error}");
    // Every byte counts.
    for at in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[at] ^= 1;
        assert!(keys.decrypt(&bytes).is_err(), "byte {at}");
        let (text, _) = keys.decrypt_text(&bytes);
        assert_eq!(&text[..], &bytes[..]);
    }
}

/// Tokens name their tags, which are not names of secrets.
#[test]
fn what_was_masked_stays_when_it_is_masked_again() {
    for action in [Action::Redact, Action::Pseudonym, Action::Encrypt] {
        let policy = Policy::new()
            .default_action(action.clone())
            .detectors(Detector::ALL);
        let mut masker = Masker::new(policy, Some(keys())).unwrap();
        let mut mask = |text: &[u8]| {
            let (mut out, mut report) = (Vec::new(), MaskReport::default());
            masker.mask_text("t", text, &mut out, &mut report);
            String::from_utf8(out).unwrap()
        };
        for (detector, secret, _) in CANARIES {
            let once = mask(line(detector, secret).as_bytes());
            assert_eq!(mask(once.as_bytes()), once, "{detector} {action:?}");
        }
    }
}

#[test]
fn pseudonyms_are_equal_for_equal_values_only() {
    let mask = |keys: Keys, text: &str| {
        let policy = Policy::new().default_action(Action::Pseudonym);
        let mut masker = Masker::new(policy, Some(Arc::new(keys))).unwrap();
        let (mut out, mut report) = (Vec::new(), MaskReport::default());
        masker.mask_text("t", text.as_bytes(), &mut out, &mut report);
        String::from_utf8(out).unwrap()
    };
    let of = |tenant: &str, version, byte| {
        Keys::new(tenant, [(version, SecretKey::new([byte; 32]))]).unwrap()
    };
    let token = mask(of("acme", 3, 1), "13812345678");
    assert!(
        token.starts_with("[pid1:PII_PHONE:3:") && token.len() == 18 + 22 + 1,
        "{token}"
    );
    assert_eq!(token, mask(of("acme", 3, 1), "13812345678"));
    for other in [
        mask(of("acme", 3, 1), "13812345679"),
        mask(of("acme", 3, 2), "13812345678"),
        mask(of("acme", 4, 1), "13812345678"),
        mask(of("umbrella", 3, 1), "13812345678"),
    ] {
        assert_ne!(other, token);
    }
}

/// By `printf 'pepper13812345678' | sha256sum`.
#[test]
fn salted_hashes_are_those_of_other_programs() {
    let policy = Policy::new().default_action(Action::SaltedSha256(Salt::new("pepper")));
    let (mut out, mut report) = (Vec::new(), MaskReport::default());
    Masker::new(policy, None)
        .unwrap()
        .mask_text("t", b"13812345678", &mut out, &mut report);
    assert_eq!(
        out,
        b"d21121191615ebdac6127f5fae336699616cee2c8b294b62e68b3543ae42cc4d"
    );
}

#[test]
fn what_is_left_in_part() {
    let (mut out, mut report) = (Vec::new(), MaskReport::default());
    let policy = Policy::new()
        .default_action(Action::Partial)
        .detectors(Detector::ALL);
    let mut masker = Masker::new(policy, None).unwrap();
    for (text, masked) in [
        ("13812341234", "138****1234"),
        ("+86 138-1234-5678", "+86 138-****-5678"),
        ("008613812345678", "0086138****5678"),
        ("010-62345678", "010-****5678"),
        ("+1 (415) 555-2671", "+1 (41*) ***-2671"),
        ("+85291234567", "+852****4567"),
        ("alice@example.com", "a***@example.com"),
        ("alice%40example.com", "a***%40example.com"),
        ("11010519491231002X", "110***********002X"),
        ("4111-1111-1111-1111", "****-****-****-1111"),
        ("DE89 3704 0044 0532 0130 00", "DE** **** **** **** **30 00"),
        ("192.0.2.1", "192.0.*.*"),
        ("2001:db8::1", "2001:db8:*"),
        ("AKIAIOSFODNN7EXAMPLE", "****"),
        ("password=abc", "password=****"),
    ] {
        out.clear();
        masker.mask_text("t", text.as_bytes(), &mut out, &mut report);
        assert_eq!(String::from_utf8_lossy(&out), masked, "{text}");
    }
    // A field whose value is not what its tag says keeps nothing.
    let policy = Policy::new()
        .default_action(Action::Partial)
        .field("phone", Tag::PHONE)
        .field("name", "PII_NAME".parse().unwrap());
    let mut masker = Masker::new(policy, None).unwrap();
    for (field, text, masked) in [
        ("phone", "call me maybe", "****"),
        ("phone", "12345", "****"),
        ("phone", "1381234567", "13****4567"),
        ("name", "Wei", "****"),
        ("name", "Maximiliane", "M*********e"),
    ] {
        out.clear();
        masker.mask_text(field, text.as_bytes(), &mut out, &mut report);
        assert_eq!(String::from_utf8_lossy(&out), masked, "{text}");
    }
}

#[test]
fn columns_without_findings_stay_spans_of_the_input() {
    let format = Format::pattern(r"(?P<a>\S+) (?P<b>.*)").unwrap();
    let mut batch = Parser::new(format).parse("x nothing here\ny mail a.b@example.com\nz fine\n");
    let before: Vec<_> = (0..3)
        .map(|row| batch.column("b").unwrap().span(row))
        .collect();
    let a: Vec<_> = (0..3)
        .map(|row| batch.column("a").unwrap().span(row))
        .collect();
    let report = Masker::new(Policy::new(), None).unwrap().mask(&mut batch);
    let b = batch.column("b").unwrap();
    assert_eq!(
        (b.span(0), b.span(2)),
        (before[0].clone(), before[2].clone())
    );
    assert_eq!(b.get(1), Some(&b"mail [REDACTED:PII_EMAIL]"[..]));
    for (row, span) in a.into_iter().enumerate() {
        assert_eq!(batch.column("a").unwrap().span(row), span);
    }
    assert_eq!(
        (
            report.scanned_values(),
            report.changed_values(),
            report.findings()
        ),
        (6, 1, 1)
    );
    let mut sum = report.clone();
    sum.merge(&report);
    assert_eq!(
        (sum.findings(), sum.scanned_bytes()),
        (2, 2 * report.scanned_bytes())
    );
    assert_eq!(
        report.to_string(),
        "b: 1 PII_EMAIL by email, redact\n1 findings; 1 values changed, 0 dropped; 6 scanned"
    );
}

#[test]
fn fields_are_dropped_and_ignored_by_name() {
    let format = Format::pattern(r"(?P<user_mail>\S+) (?P<client>\S+) (?P<text>.*)").unwrap();
    let mut batch =
        Parser::new(format).parse("a@example.com 192.0.2.7 x 192.0.2.8\nb@example.com - -\n");
    let policy = Policy::new()
        .field("*_mail", Tag::EMAIL)
        .action(Tag::EMAIL, Action::Drop)
        .action(Tag::IP, Action::Drop)
        .ignore("client");
    let report = Masker::new(policy, None).unwrap().mask(&mut batch);
    assert!(batch.column("user_mail").is_none());
    let record = batch.record(0).unwrap();
    assert_eq!(
        (record.get("client"), record.get("text")),
        (Some(&b"192.0.2.7"[..]), None)
    );
    assert_eq!(batch.record(1).unwrap().get("text"), Some(&b"-"[..]));
    assert_eq!((report.findings(), report.dropped_values()), (3, 3));
}

#[test]
fn policies_that_cannot_be_meant_are_refused() {
    let refused = |policy: Policy| Masker::new(policy, None).unwrap_err().to_string();
    assert_eq!(
        refused(Policy::new().action("PII_EMIAL".parse().unwrap(), Action::Partial)),
        "actions.PII_EMIAL: there is no tag \"PII_EMIAL\"; did you mean \"PII_EMAIL\"?; a tag is that of a detector, or given to a field or pattern"
    );
    assert_eq!(
        refused(Policy::new().default_action(Action::Encrypt)),
        "actions: an action is `encrypt` or `pseudonym`, and there are no keys; give those of a KeyRing"
    );
    let pattern = |name: &str, pattern: &str| {
        Policy::new().pattern(Pattern::new(name, pattern, "PII_X".parse().unwrap()))
    };
    assert_eq!(refused(pattern("order", "(")), "order: unclosed group");
    assert_eq!(
        refused(pattern("order", "a*")),
        "order: the pattern matches where nothing is; let it match a byte at least"
    );
    assert_eq!(
        refused(pattern("email", "a")),
        "patterns.email: there is a rule of that name already; give it another"
    );
    assert!(refused(pattern("big", r"(?:\w{1000}){1000}")).contains("write a smaller pattern"));
    let error = "emial".parse::<Detector>().unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string()),
        (
            ErrorKind::MaskRule,
            "there is no detector \"emial\"; did you mean \"email\"?".into()
        )
    );
}

#[test]
fn patterns_find_their_value_in_texts_of_any_length() {
    let pattern = Pattern::new(
        "order",
        r"order (?P<value>[A-Z]{2}\d+)",
        "PII_ORDER".parse().unwrap(),
    );
    let scanner = Scanner::new().with_pattern(pattern).unwrap();
    for before in [0, 1, 4000, 4090, 4096, 8187, 8191, 20_000] {
        let text = format!(
            "{}order AB12345 and order AB9, a@example.com",
            "- ".repeat(before / 2 + 1)
        );
        let found: Vec<_> = scanner
            .scan(text.as_bytes())
            .into_iter()
            .map(|it| (it.rule().to_owned(), text[it.range()].to_owned()))
            .collect();
        assert_eq!(
            found,
            [
                ("order".into(), "AB12345".into()),
                ("order".into(), "AB9".into()),
                ("email".into(), "a@example.com".to_owned())
            ],
            "{before}"
        );
    }
}

#[test]
fn overlaps_are_settled_as_the_scanner_says() {
    let found = |text: &str| {
        let scanner = Scanner::new();
        let found = scanner.scan(text.as_bytes()).into_iter();
        found
            .map(|it| format!("{}={}", it.rule(), &text[it.range()]))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        found("password=a.b@example.com"),
        ["secret_pair=a.b@example.com"]
    );
    assert_eq!(
        found("token: eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl"),
        ["jwt=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl"]
    );
    assert_eq!(
        found("redis://:s3cr3t@redis.example.com:6379/0"),
        ["url_password=s3cr3t"]
    );
    assert_eq!(
        found("amqp://bob:p@ss:w0rd@mq.example.com"),
        ["url_password=p@ss:w0rd"]
    );
    // The pair goes on behind the address: no part of the secret is left next to it.
    assert_eq!(
        found("secret=a.b@example.com/x9!"),
        ["secret_pair=a.b@example.com/x9!"]
    );
    // A pattern of the user's is no secret unless its tag says so.
    let named = |tag: &str| {
        let pattern = Pattern::new("pin", "[0-9]{4}", tag.parse().unwrap());
        let scanner = Scanner::new().with_pattern(pattern).unwrap();
        let found = scanner.scan(b"password=1234");
        found[0].rule().to_owned()
    };
    assert_eq!(
        (named("PII_PIN"), named("SECRET_PIN")),
        ("secret_pair".into(), "pin".into())
    );
}

/// A secret that looks like something milder is masked as a secret, and of two that overlap nothing is left.
#[test]
fn no_part_of_what_overlaps_is_left() {
    let masked = |action: Action, text: &str| {
        let policy = Policy::new()
            .action(Tag::PHONE, action.clone())
            .action(Tag::EMAIL, action.clone())
            .action(Tag::ID_CARD, action.clone())
            .action(Tag::CARD, action)
            .pattern(Pattern::new(
                "order",
                "AB[0-9]+",
                "PII_ORDER".parse().unwrap(),
            ))
            .pattern(Pattern::new("tail", "45678 tail-[a-z0-9]+", Tag::PHONE));
        let (mut out, mut report) = (Vec::new(), MaskReport::default());
        Masker::new(policy, None)
            .unwrap()
            .mask_text("t", text.as_bytes(), &mut out, &mut report);
        assert_eq!(report.findings(), 1, "{report}");
        String::from_utf8(out).unwrap()
    };
    for action in [Action::Partial, Action::KeepLast(4)] {
        for secret in [
            "13812345678",
            "a.b@example.com",
            "a.b@example.com/x9!tail",
            "AB12345",
            "4111111111111111",
            "x13812345678",
        ] {
            assert_eq!(
                masked(action.clone(), &format!("password={secret}")),
                "password=[REDACTED:SECRET_PASSWORD]",
                "{secret} {action:?}"
            );
        }
        assert_eq!(
            masked(action.clone(), "call 13812345678 tail-s3cr3t"),
            "call [REDACTED:PII_PHONE]"
        );
    }
    assert_eq!(
        masked(Action::Partial, "call 13812345678"),
        "call 138****5678"
    );
}

/// What secrets are named by, and what only looks so.
#[test]
fn named_secrets() {
    let found = |text: &str| {
        let scanner = Scanner::of([Detector::SecretPair]);
        let found = scanner.scan(text.as_bytes()).into_iter();
        found
            .map(|it| text[it.range()].to_owned())
            .collect::<Vec<_>>()
            .join("|")
    };
    for (text, secret) in [
        ("password=hunter2", "hunter2"),
        ("DB_PASSWORD = hunter2;", "hunter2"),
        (r#"{"password":"hun\"ter2","a":1}"#, r#"hun\"ter2"#),
        (r#"{"password" : "hunter2"}"#, "hunter2"),
        (r#"{\"userPwd\":\"hunter2\",\"a\":1}"#, "hunter2"),
        (r#"msg="{\\\"apiKey\\\": \\\"k-1\\\"}""#, "k-1"),
        ("passwd: Hunter2", "Hunter2"),
        ("GET /?access_token=abc&x=1", "abc"),
        ("Authorization: Bearer abc.def", "abc.def"),
        ("authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        (r#""Authorization": "Bearer abc""#, "abc"),
        ("mysql --password hunter2 -h db", "hunter2"),
        ("client-secret='a b c'", "a b c"),
        ("api_key=>\"x1\"", "x1"),
        ("X-Auth-Token: 12ab", "12ab"),
        ("AWS_SECRET_ACCESS_KEY=wJalr/K7+x", "wJalr/K7+x"),
        // Of headers all is one but the name of a scheme that is well known.
        ("Authorization: SSWS 00QCjAl4Ml", "SSWS 00QCjAl4Ml"),
        ("authorization: apikey 00QCj; x", "apikey 00QCj; x"),
        (
            "Authorization: Bot MTk4.Cl2FMQ\r\nHost: a",
            "Bot MTk4.Cl2FMQ",
        ),
        (
            r"Proxy-Authorization: NTLM TlRMTVNTUAAB\r\nHost: a",
            "TlRMTVNTUAAB",
        ),
        ("Authorization: Negotiate YIIJvwYGKwYB x", "YIIJvwYGKwYB x"),
        (
            r#"Authorization: Token token="abcdef", nonce="x""#,
            r#"token="abcdef", nonce="x""#,
        ),
        (
            r#"Authorization: Digest username="Bob", response="6629fae49393""#,
            r#"username="Bob", response="6629fae49393""#,
        ),
        (
            r#"curl -H "Authorization: SSWS 00QCj" https://a"#,
            "SSWS 00QCj",
        ),
        (
            r#"-H 'Authorization: Digest username="B", response="66"' x"#,
            r#"username="B", response="66""#,
        ),
        (
            r#"{"m":"sent Authorization: SSWS 00QCj","a":1}"#,
            "SSWS 00QCj",
        ),
        (
            r#"{"m":"{\"h\":\"Authorization: SSWS 00QCj\"}","a":1}"#,
            "SSWS 00QCj",
        ),
        ("{Authorization=[SSWS 00QCj], Accept=[*/*]}", "SSWS 00QCj"),
        (r#"{"Authorization":["SSWS 00QCj"],"a":1}"#, "SSWS 00QCj"),
        ("authorization: required for this", ""),
        ("authorization=null user=bob", ""),
        // Words are passwords.
        ("password: swordfish", "swordfish"),
        ("password: correct-horse-battery", "correct-horse-battery"),
        ("password: incorrect", ""),
        ("password: must not be empty", ""),
        ("password=ab,cd", "ab,cd"),
        ("password=ab;c&d)e rest", "ab;c&d)e"),
        ("password=ab,user=bob", "ab"),
        ("{password: ab,user: bob}", "ab"),
        ("password=ab, cd", "ab"),
        ("(password=ab)", "ab"),
        ("password=\"<hunter2>\"", "<hunter2>"),
        ("password=<hunter2", "<hunter2"),
        ("password=${hunter2", "${hunter2"),
        (r#"{"password":["hunter2"]}"#, "hunter2"),
        (r#"{"password":[ "a", "b" ],"c":1}"#, r#"a", "b"#),
        ("password=[hunter2, b] c", "hunter2, b"),
        ("<password>hunter 2</password>", "hunter 2"),
        // None of them:
        ("usage: login <password> <host>", ""),
        ("usage: login <password>", ""),
        ("password=\"<your password>\"", ""),
        ("password=<redacted>", ""),
        ("password=${DB_PASSWORD}", ""),
        ("password=\"${DB_PASSWORD}\"", ""),
        ("password=", ""),
        ("password=****", ""),
        ("password=null", ""),
        ("password=[REDACTED:SECRET_PASSWORD]", ""),
        ("wrong password for user bob", ""),
        ("invalid token: expired.", ""),
        ("tokens=5 token_count=7", ""),
        ("monkey=5 keyboard=x passwordless=1", ""),
        ("the key: value", ""),
        ("secretary: Anna", ""),
    ] {
        assert_eq!(found(text), secret, "{text}");
    }
}

#[test]
fn kernels_find_the_same() {
    let text: String = (0..200)
        .map(|at| {
            format!(
                "{}{} {}",
                "x".repeat(at % 67),
                line(CANARIES[at % 16].0, CANARIES[at % 16].1),
                at
            )
        })
        .collect();
    let of = |kernel| {
        Scanner::of(Detector::ALL)
            .kernel(kernel)
            .scan(text.as_bytes())
    };
    let expected = of(Kernel::Portable);
    assert!(expected.len() >= 190, "{}", expected.len());
    for kernel in Kernel::ALL {
        assert_eq!(of(kernel), expected, "{kernel}");
    }
}

/// What an escape in front of it belongs to is no part of it.
#[test]
fn escapes_in_front_hide_nothing() {
    let found = |text: &str| {
        let found = Scanner::of(Detector::ALL).scan(text.as_bytes()).into_iter();
        found
            .map(|it| (it.rule().to_owned(), text[it.range()].to_owned()))
            .collect::<Vec<_>>()
    };
    for escape in [
        r"\n", r"\r\n", r"\t", r"\u000a", r"\u0020", r"\u00a0", "%20", "%3D", "%0a", "%22", r"\\n",
    ] {
        for (detector, secret, _) in CANARIES {
            if matches!(detector, Detector::UrlPassword | Detector::SecretPair) {
                continue;
            }
            let text = format!("to:{escape}{secret}");
            let expected = (detector.name().to_owned(), secret.to_owned());
            assert_eq!(found(&text), [expected], "{text}");
        }
        for name in ["password=", "pwd=", "token=", "--password "] {
            let text = format!("a{escape}{name}hunter2");
            assert_eq!(
                found(&text),
                [("secret_pair".into(), "hunter2".into())],
                "{text}"
            );
        }
    }
    for (text, rule, value) in [
        ("tel=%2B8613812345678", "phone_cn", "8613812345678"),
        ("tel=%2b442071838750", "phone_e164", "442071838750"),
        (
            r"\npm_0123456789abcdefghijABCDEFGHIJ012345",
            "api_token",
            "npm_0123456789abcdefghijABCDEFGHIJ012345",
        ),
        (r"\n+8613812345678", "phone_cn", "+8613812345678"),
        ("100%13812345678", "phone_cn", "13812345678"),
    ] {
        assert_eq!(found(text), [(rule.into(), value.to_owned())], "{text}");
    }
    for text in ["n13812345678", "20x13812345678", "u000a13812345678"] {
        assert_eq!(found(text), [], "{text}");
    }
}

/// Bytes that detectors stumble over, more often than by chance.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        (0..16_usize).prop_map(|at| CANARIES[at].1.as_bytes().to_vec()),
        (0..16_usize).prop_map(|at| line(CANARIES[at].0, CANARIES[at].1).into_bytes()),
        "[0-9 .:+@-]{0,24}".prop_map(String::into_bytes),
        "[a-z@._=:/\"\\\\-]{0,24}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..12),
        Just(b"password=\"".to_vec()),
        Just(b"https://a:".to_vec()),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn bytes_outside_of_findings_stay(text in text()) {
        let findings = Scanner::of(Detector::ALL).scan(&text);
        let policy = Policy::new().default_action(Action::RedactWith("\u{1}".into())).detectors(Detector::ALL);
        let (mut out, mut report) = (Vec::new(), MaskReport::default());
        Masker::new(policy, None).unwrap().mask_text("t", &text, &mut out, &mut report);
        let mut expected = Vec::new();
        let mut at = 0;
        for finding in &findings {
            prop_assert!(finding.range().start >= at && !finding.range().is_empty());
            expected.extend_from_slice(&text[at..finding.range().start]);
            expected.push(1);
            at = finding.range().end;
        }
        expected.extend_from_slice(&text[at..]);
        prop_assert_eq!(out, expected);
        prop_assert_eq!(report.findings(), findings.len() as u64);
    }

    #[test]
    fn decrypting_gives_the_text_back(text in text()) {
        let keys = keys();
        let policy = Policy::new().default_action(Action::Encrypt).detectors(Detector::ALL);
        let (mut out, mut report) = (Vec::new(), MaskReport::default());
        Masker::new(policy, Some(Arc::clone(&keys))).unwrap().mask_text("t", &text, &mut out, &mut report);
        let (back, count) = keys.decrypt_text(&out);
        prop_assert_eq!(&back[..], &text[..]);
        prop_assert_eq!((count.decrypted, count.failed), (report.findings(), 0));
    }

    /// The fast pass finds nothing else than each detector does from every place.
    #[test]
    fn kernels_agree_on_any_bytes(text in text()) {
        let of = |kernel| Scanner::of(Detector::ALL).kernel(kernel).scan(&text);
        let expected = of(Kernel::Portable);
        for kernel in Kernel::ALL {
            prop_assert_eq!(of(kernel), expected.clone());
        }
    }

    /// Where in its block of 64 bytes something stands makes no difference.
    #[test]
    fn places_in_blocks_do_not_matter(text in text(), shift in 0..130_usize) {
        let shifted = [&vec![b' '; shift][..], &text].concat();
        let there: Vec<_> = Scanner::of(Detector::ALL).scan(&shifted).iter().map(|it| (it.rule().to_owned(), it.range().start - shift..it.range().end - shift)).collect();
        let here: Vec<_> = Scanner::of(Detector::ALL).scan(&text).iter().map(|it| (it.rule().to_owned(), it.range())).collect();
        prop_assert_eq!(there, here);
    }
}

#[test]
fn the_most_specific_rule_for_a_field_counts() {
    let tag = |name: &str| name.parse::<Tag>().unwrap();
    let policy = Policy::new()
        .field("*", tag("ANY"))
        .field("a.*", tag("STAR"))
        .field("a.b?", tag("ONE"))
        .field("a.bc", tag("NAME"))
        .field("*.*.*.*d", tag("DEEP"));
    let mut masker = Masker::new(policy, None).unwrap();
    for (name, tag) in [
        ("a.bc", "NAME"),
        ("a.bd", "ONE"),
        ("a.b", "STAR"),
        ("a.x.y.z.d", "DEEP"),
        ("a.x.y.z", "STAR"),
        ("", "ANY"),
    ] {
        let (mut out, mut report) = (Vec::new(), MaskReport::default());
        masker.mask_text(name, b"x", &mut out, &mut report);
        assert_eq!(
            String::from_utf8_lossy(&out),
            format!("[REDACTED:{tag}]"),
            "{name}"
        );
    }
}

/// One of each kind of key that says so by how it begins.
#[test]
fn keys_of_services() {
    let body = "0123456789abcdefghijABCDEFGHIJ0123456789abcdefghijABCDEFGHIJ0123456789";
    for (begins, len, rule) in [
        ("AKIA", 0, "aws_key"),
        ("ghp_", 36, "github_token"),
        ("gho_", 36, "github_token"),
        ("ghu_", 36, "github_token"),
        ("ghs_", 36, "github_token"),
        ("ghr_", 36, "github_token"),
        ("github_pat_", 60, "github_token"),
        ("glpat-", 20, "api_token"),
        ("xoxb-", 40, "api_token"),
        ("xoxp-", 40, "api_token"),
        ("AIza", 35, "api_token"),
        ("sk_live_", 24, "api_token"),
        ("rk_test_", 24, "api_token"),
        ("dckr_pat_", 27, "api_token"),
        ("dop_v1_", 64, "api_token"),
        ("npm_", 36, "api_token"),
    ] {
        let key = match len {
            0 => "AKIAIOSFODNN7EXAMPLE".to_owned(),
            _ => format!("{begins}{}", &body[..len]),
        };
        let text = format!("with {key}, and x{key} or {begins}short");
        let found = Scanner::new().scan(text.as_bytes());
        let found: Vec<_> = found
            .iter()
            .map(|it| (it.rule(), &text[it.range()]))
            .collect();
        assert_eq!(found, [(rule, &*key)], "{text}");
    }
}

#[test]
fn hostile_texts_take_linear_time() {
    let scan = |text: &str| _ = Scanner::of(Detector::ALL).scan(text.as_bytes());
    for piece in [
        "@",
        "a@",
        "a@b.",
        "x://a:",
        "x://a:b@",
        "://@@@@",
        "::",
        "a:",
        "1:",
        "1.",
        "1.1.1.",
        "+1",
        "1 ",
        "1-",
        "1",
        "eyJ",
        " eyJ",
        "eyJ.",
        "glpat-",
        "ghp_",
        "AKIA",
        "sk_live_",
        "xoxb-",
        "-----BEGIN PRIVATE KEY-----",
        "-----B",
        "password",
        "password=",
        "password=\"",
        "password=\\\"",
        "password='\"",
        "password=${",
        "password=<",
        "<password>",
        "<password>a</",
        "[enc1:TOKEN:1",
        "token: ",
        "token: a",
        "password=a&",
        "password=a,",
        "password=[\"a\",",
        "authorization=a\"",
        "authorization: [REDACTED",
        "authorization: ",
        "key=",
        "DE89",
        "DE89 ",
        "%40",
        "%20",
        "%2B1",
        "%201",
        "\\u0020",
        "\\n",
        "a%40b.c",
        "\\",
        "\"",
        "\\\"",
        "4111 ",
        "138 1234 5678 ",
    ] {
        for front in ["", "x://", "password=\"", "token="] {
            let text = |bytes: usize| format!("{front}{}", piece.repeat(bytes / piece.len()));
            let (small, large) = (text(8 << 10), text(64 << 10));
            linear::assert_linear(&format!("{front}{piece}"), || scan(&small), || scan(&large));
        }
    }
}
