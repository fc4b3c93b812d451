//! Policies as data, and what is said of those that cannot be used.
#![cfg(all(feature = "config", feature = "mask"))]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests fail by panicking"
)]

use std::{fs, path::Path};

use opsbox_log::{
    ErrorKind,
    config::Language,
    mask::{Action, Detector, Pattern, Policy, Salt, Tag},
};

const TOML: &str = r#"
default_action = "partial"
detectors = ["email", "phone_cn"]
free_text = ["message", "*.text"]
ignore = ["level"]

[fields]
"user.email" = "PII_EMAIL"
"*.phone" = "PII_PHONE"

[actions]
PII_EMAIL = "encrypt"
PII_PHONE = { action = "keep_last", chars = 4 }
PII_CARD = { action = "redact", text = "<card>" }
PII_ORDER = { action = "salted_sha256", salt = "salt-canary" }

[[patterns]]
name = "order"
pattern = "order (?P<value>[A-Z]{2}[0-9]{8})"
tag = "PII_ORDER"
"#;

const YAML: &str = r#"
default_action: partial
detectors: [email, phone_cn]
free_text: [message, "*.text"]
ignore: [level]
fields:
  user.email: PII_EMAIL
  "*.phone": PII_PHONE
actions:
  PII_EMAIL: encrypt
  PII_PHONE: {action: keep_last, chars: 4}
  PII_CARD: {action: redact, text: <card>}
  PII_ORDER: {action: salted_sha256, salt: salt-canary}
patterns:
  - name: order
    pattern: order (?P<value>[A-Z]{2}[0-9]{8})
    tag: PII_ORDER
"#;

const JSON: &str = r#"{
  "default_action": "partial", "detectors": ["email", "phone_cn"], "free_text": ["message", "*.text"], "ignore": ["level"],
  "fields": {"user.email": "PII_EMAIL", "*.phone": "PII_PHONE"},
  "actions": {"PII_EMAIL": "encrypt", "PII_PHONE": {"action": "keep_last", "chars": 4},
    "PII_CARD": {"action": "redact", "text": "<card>"}, "PII_ORDER": {"action": "salted_sha256", "salt": "salt-canary"}},
  "patterns": [{"name": "order", "pattern": "order (?P<value>[A-Z]{2}[0-9]{8})", "tag": "PII_ORDER"}]
}"#;

fn order() -> Tag {
    "PII_ORDER".parse().unwrap()
}

#[test]
fn the_three_languages_say_the_same() {
    let expected = Policy::new()
        .default_action(Action::Partial)
        .detectors([Detector::Email, Detector::PhoneCn])
        .free_text("message")
        .free_text("*.text")
        .ignore("level")
        .field("user.email", Tag::EMAIL)
        .field("*.phone", Tag::PHONE)
        .action(Tag::CARD, Action::RedactWith("<card>".into()))
        .action(Tag::EMAIL, Action::Encrypt)
        .action(order(), Action::SaltedSha256(Salt::new("salt-canary")))
        .action(Tag::PHONE, Action::KeepLast(4))
        .pattern(Pattern::new(
            "order",
            "order (?P<value>[A-Z]{2}[0-9]{8})",
            order(),
        ));
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("p.toml", TOML),
        ("p.yaml", YAML),
        ("p.yml", YAML),
        ("p.json", JSON),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        let policy = Policy::read(&path).unwrap();
        assert_eq!(policy, expected, "{name}");
        assert!(!format!("{policy:?}").contains("canary"));
    }
    assert_eq!(
        Policy::parse("p", "", Language::Toml).unwrap(),
        Policy::new()
    );
    assert_eq!(
        Policy::parse("p", "", Language::Yaml).unwrap(),
        Policy::new()
    );
    assert_eq!(
        Policy::parse("p", "{}", Language::Json).unwrap(),
        Policy::new()
    );
}

#[track_caller]
fn refused(language: Language, text: &str, says: &str) {
    let name = match language {
        Language::Toml => "p.toml",
        Language::Yaml => "p.yaml",
        _ => "p.json",
    };
    let error = Policy::parse(name, text, language).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MaskRule);
    assert_eq!(
        error.to_string(),
        format!("policy {name}: {says}"),
        "{text}"
    );
}

#[test]
fn errors_name_line_column_and_rule() {
    use Language::{Json, Toml, Yaml};
    refused(
        Toml,
        "detectors = [\"emial\"]\n",
        "line 1 column 13: detectors[0]: there is no detector \"emial\"; did you mean \"email\"?",
    );
    refused(
        Yaml,
        "detectors:\n  - card\n  - emial\n",
        "line 3 column 5: detectors[1]: there is no detector \"emial\"; did you mean \"email\"?",
    );
    refused(
        Toml,
        "[actions]\nPII_EMAIL = \"encript\"\n",
        "line 2 column 13: actions.PII_EMAIL: there is no action \"encript\"; did you mean \"encrypt\"?",
    );
    refused(
        Toml,
        "[action]\nPII_EMAIL = \"encrypt\"\n",
        "line 1 column 2: action: there is no field \"action\"; did you mean \"actions\"?",
    );
    refused(
        Toml,
        "[actions]\nPII_EMIAL = \"drop\"\n",
        "actions.PII_EMIAL: there is no tag \"PII_EMIAL\"; did you mean \"PII_EMAIL\"?; a tag is that of a detector, or given to a field or pattern",
    );
    refused(
        Toml,
        "[actions]\nPII_PHONE = \"keep_last\"\n",
        "line 2 column 13: actions.PII_PHONE: `keep_last` needs `chars`, a number such as 4",
    );
    refused(
        Toml,
        "[actions]\nPII_PHONE = { action = \"drop\", chars = 4 }\n",
        "line 2 column 13: actions.PII_PHONE: `drop` has no `chars`; leave it out",
    );
    refused(
        Toml,
        "[[patterns]]\nname = \"a\"\npattern = \"(\"\ntag = \"PII_A\"\n",
        "a: unclosed group",
    );
    let error = Policy::parse("p.json", "{\"fields\": {\"a\": \"mail\"}}", Json)
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("policy p.json: line 1 column ")
            && error.contains("fields.a: \"mail\" is no tag;"),
        "{error}"
    );
    let error = Policy::parse("p.json", "{\"fields\": ", Json)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("line 1 column 11") && error.contains("EOF while parsing"),
        "{error}"
    );
    let error = Policy::parse(
        "p.json",
        "{\"fields\": {\"a\": \"PII_A\", \"a\": \"PII_B\"}}",
        Json,
    )
    .unwrap_err()
    .to_string();
    assert!(error.contains("it is there twice; keep one"), "{error}");
    let error = Policy::parse("p.yaml", &format!("ignore: {}x", "[".repeat(100)), Yaml)
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("policy p.yaml: "), "{error}");
    let error = Policy::parse("p.json", &" ".repeat((1 << 20) + 1), Json)
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "policy p.json: it is larger than the limit of 1048576 bytes"
    );
}

#[test]
fn nothing_is_there_twice() {
    let text = r#"{"actions": {"PII_IP": "drop", "PII_IP": "partial"}}"#;
    let error = Policy::parse("p.json", text, Language::Json).unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("actions") && error.contains("it is there twice"),
        "{error}"
    );
}

#[test]
fn salts_are_not_in_errors() {
    for text in [
        "[actions]\nPII_A = { action = \"salted_sha256\", salt = \"salt-canary\" }\n",
        "[actions]\nPII_EMAIL = { action = \"drop\", salt = \"salt-canary\" }\n",
    ] {
        let error = Policy::parse("p", text, Language::Toml).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"), "{error}");
    }
    // Of another type, too.
    for value in [
        "8675309",
        "-8675309",
        "8675309.25",
        "86753098675309867530",
        "[\"8675309\"]",
        "[8675309]",
        "{\"a\": 8675309}",
        "{\"8675309\": 1}",
        "true",
        "null",
    ] {
        let toml = value.replace(": ", " = ");
        let texts = [
            (
                Language::Toml,
                format!("[actions]\nPII_A = {{ action = \"salted_sha256\", salt = {toml} }}\n"),
            ),
            (
                Language::Json,
                format!(
                    "{{\"actions\": {{\"PII_IP\": {{\"action\": \"salted_sha256\", \"salt\": {value}}}}}}}"
                ),
            ),
            (
                Language::Yaml,
                format!("actions:\n  PII_IP: {{action: salted_sha256, salt: {value}}}\n"),
            ),
        ];
        for (language, text) in texts {
            let error = Policy::parse("p", &text, language).unwrap_err();
            let said = format!("{error} {error:?}");
            assert!(!said.contains("8675309"), "{text}: {said}");
            let says = match value {
                "null" | "86753098675309867530" => "policy p: ",
                _ => "the salt is no text; write it in quotes",
            };
            assert!(said.contains(says), "{text}: {said}");
        }
    }
}

#[test]
fn files_are_named() {
    let error = Policy::read("absent.toml").unwrap_err().to_string();
    assert!(
        error.starts_with("policy absent.toml: No such file"),
        "{error}"
    );
    let error = Policy::read(Path::new("policy.ini"))
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "policy policy.ini: the name of the file says no language; end it in .toml, .yaml or .json"
    );
}
