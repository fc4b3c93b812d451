//! Which rule counts, and which are refused.

use super::*;

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
