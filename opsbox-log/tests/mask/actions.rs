//! What becomes of a value.

use super::*;

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
