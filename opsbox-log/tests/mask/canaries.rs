//! Secrets leave by no way.

use super::*;

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
