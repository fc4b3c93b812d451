//! What is found in text, and where it ends.

use super::*;

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
