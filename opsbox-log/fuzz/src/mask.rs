//! Any text: all kernels find the same, what is outside of findings stays, encrypted values come back.
//! Any policy: it is read or refused.

use std::sync::{Arc, OnceLock};

use opsbox_log::{
    Kernel,
    config::Language,
    mask::{
        Action, Detector, Keys, MaskReport, Masker, Pattern, Policy, Salt, Scanner, SecretKey, Tag,
    },
};

use super::input::{Input, SMALL_LOG};

/// Something for each detector.
const EXAMPLES: [&[u8]; 18] = [
    b"-----BEGIN RSA PRIVATE KEY-----\nMIIEow1BAAKCAQEA7\n-----END RSA PRIVATE KEY-----",
    b"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
    b"AKIAIOSFODNN7EXAMPLE",
    b"ghp_0123456789abcdefghijABCDEFGHIJ012345",
    b"glpat-abcdefghij0123456789",
    b"https://bob:hunter2@db.example.com/x",
    b"11010519491231002X",
    b"110105491231002",
    b"4111 1111 1111 1111",
    b"DE89370400440532013000",
    b"+86 138-1234-5678",
    b"+1 (415) 555-2671",
    b"canary.person@example.com",
    b"192.0.2.171",
    b"2001:db8::ff00:42:8329",
    b"{\\\"password\\\":\\\"hunter2\\\"}",
    b"Authorization: Bearer abc",
    b"[enc1:PII_EMAIL:1:AAAA]",
];

fn keys() -> Arc<Keys> {
    static KEYS: OnceLock<Arc<Keys>> = OnceLock::new();
    Arc::clone(
        KEYS.get_or_init(|| Arc::new(Keys::new("t", [(1, SecretKey::new([7; 32]))]).unwrap())),
    )
}

pub fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let kind = input.byte();
    if kind % 8 == 7 {
        policy(input.0, kind);
        return;
    }
    let text = input.log(&EXAMPLES, SMALL_LOG);
    let scanner = Scanner::of(Detector::ALL);
    let findings = scanner.clone().kernel(Kernel::Portable).scan(&text);
    for kernel in Kernel::ALL.into_iter().filter(|it| it.is_available()) {
        assert_eq!(
            scanner.clone().kernel(kernel).scan(&text),
            findings,
            "{kernel}"
        );
    }
    let mut end = 0;
    for finding in &findings {
        let range = finding.range();
        assert!(end <= range.start && range.start < range.end && range.end <= text.len());
        end = range.end;
    }

    let actions = [
        Action::RedactWith("\u{1}".into()),
        Action::Partial,
        Action::KeepLast(4),
        Action::Pseudonym,
        Action::Encrypt,
        Action::SaltedSha256(Salt::new("s")),
    ];
    let action = &actions[usize::from(kind / 8) % actions.len()];
    let policy = Policy::new()
        .default_action(action.clone())
        .detectors(Detector::ALL);
    let mut masker = Masker::new(policy, Some(keys())).unwrap();
    let (mut out, mut report) = (Vec::new(), MaskReport::default());
    masker.mask_text("t", &text, &mut out, &mut report);
    assert_eq!(report.findings(), findings.len() as u64);
    match action {
        Action::RedactWith(_) => {
            let mut expected = Vec::new();
            let mut at = 0;
            for finding in &findings {
                expected.extend_from_slice(&text[at..finding.range().start]);
                expected.push(1);
                at = finding.range().end;
            }
            expected.extend_from_slice(&text[at..]);
            assert_eq!(out, expected);
        }
        Action::Encrypt => {
            let (back, count) = keys().decrypt_text(&out);
            assert_eq!(&back[..], &text[..]);
            assert!(count.decrypted >= report.findings());
        }
        _ => {}
    }
    // As a whole value of each tag.
    for tag in Tag::ALL {
        let policy = Policy::new().default_action(action.clone()).field("t", tag);
        out.clear();
        Masker::new(policy, Some(keys()))
            .unwrap()
            .mask_text("t", &text, &mut out, &mut report);
    }
    // Only what is a token and nothing else.
    if keys().decrypt(&text).is_ok() {
        assert!(text.starts_with(b"[enc1:") && text.ends_with(b"]"));
    }
}

fn policy(text: &[u8], kind: u8) {
    let Ok(text) = str::from_utf8(text) else {
        return;
    };
    let languages = [Language::Toml, Language::Yaml, Language::Json];
    match Policy::parse("f", text, languages[usize::from(kind / 8) % 3]) {
        Ok(policy) => drop(Masker::new(policy, Some(keys())).unwrap()),
        Err(error) => assert!(error.to_string().starts_with("policy f: ")),
    }
    let pattern = Pattern::new("p", text, Tag::EMAIL);
    if let Ok(scanner) = Scanner::new().with_pattern(pattern) {
        scanner.scan(text.as_bytes());
    }
}
