//! Input that is made to be slow or large.

use super::*;

/// A value that is too long is not indexed, so that it takes no memory to speak of besides itself. `.ci/deep` has a
/// GiB (`OPSBOX_HOSTILE_BYTES`).
#[test]
fn one_endless_line_is_refused() {
    let size =
        std::env::var("OPSBOX_HOSTILE_BYTES").map_or(1 << 26, |bytes| bytes.parse().unwrap());
    for part in ["[", "{\"a\":", "<a>", "9"] {
        let mut log = HEAD.as_bytes().to_vec();
        log.extend_from_slice(part.repeat((size - 100) / part.len()).as_bytes());
        let parser = Parser::new(Format::preset("app").unwrap()).max_line_bytes(size);
        let mut batch = parser.parse(log);
        let report = Cleaner::new("message").clean(&mut batch);
        let is_document = part != "9" && !(part == "<a>" && cfg!(not(feature = "xml")));
        assert_eq!(report.refused(), u64::from(is_document), "{part}");
        assert_eq!(report.examined(), 1);
        assert_eq!(batch.arena().len(), 0);
    }
}

/// Inputs that would take hours if anything were quadratic in them.
#[test]
fn hostile_values_take_linear_time() {
    let parts = [
        "{",
        "[",
        "{\"",
        "{\"a\":",
        "{'",
        "{a:",
        "{\\\"",
        "\\",
        "\"",
        "<",
        "<a>",
        "<a ",
        "</a>",
        "&a;",
        "{}",
        "{a:1} ",
        "[[",
        "{\"a\":1,",
        "\u{1}",
        "\x1b]",
        "\x1b[",
        "{ ",
        "{\\u",
        "{\"\\ud800",
    ];
    let begun = [
        ("{\"a\":\"", "x"),
        ("{\"a\":", "9"),
        ("{\\\"a\\\":\\\"", "\\\\"),
        ("{\"a\":\"", "\u{1}"),
    ];
    let cleaner = Cleaner::new("message")
        .strip_ansi(true)
        .max_document_bytes(1 << 30);
    let clean = |text: &str| {
        let log = format!("{HEAD}{text}\n");
        let parser = Parser::new(Format::preset("app").unwrap()).max_line_bytes(4 << 20);
        let mut batch = parser.parse(log);
        let report = cleaner.clean(&mut batch);
        assert_eq!(report.examined(), 1);
        assert!(
            batch.arena().len() <= 16 * text.len() + (1 << 16),
            "{:.20}",
            text
        );
    };
    for (front, part) in parts.map(|part| ("", part)).into_iter().chain(begun) {
        let text = |size: usize| format!("{front}{}", part.repeat(size / part.len()));
        let (small, large) = (text(128 << 10), text(1 << 20));
        linear::assert_linear(
            &format!("{front}{part}"),
            || clean(&small),
            || clean(&large),
        );
    }
}
