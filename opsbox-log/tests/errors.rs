//! What a user reads when the input is bad.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::{
    fs,
    io::{Read, Write},
};

use opsbox_log::{ErrorKind, Format, Parser, Reason, limits};

#[track_caller]
fn pattern_error(pattern: &str) -> String {
    let error = Format::pattern(pattern).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidPattern);
    assert!(!error.is_retryable());
    error.to_string()
}

#[test]
fn unknown_preset() {
    let message = |name| Format::preset(name).unwrap_err().to_string();
    for (name, nearest) in [
        ("combind", "combined"),
        ("Combined", "combined"),
        ("json", "ndjson"),
        ("syslog-5424", "syslog-rfc5424"),
        ("rfc3164", "syslog-rfc3164"),
    ] {
        assert_eq!(
            message(name),
            format!("no preset is named {name:?}; did you mean {nearest:?}?")
        );
    }
    let all: Vec<_> = Format::presets()
        .iter()
        .map(|preset| preset.name())
        .collect();
    for name in ["", "weblogic"] {
        assert_eq!(
            message(name),
            format!(
                "no preset is named {name:?}; the presets are {}; any other format can be given as a \
                 pattern with named captures",
                all.join(", ")
            )
        );
    }
}

#[test]
fn patterns() {
    assert_eq!(
        pattern_error(r"(?P<user>\w+)(?=@)"),
        "pattern, byte 13, at \"(?=\": look-around is refused, since no engine with a guaranteed \
         linear time can run it; capture more of the line and test the value in code"
    );
    assert_eq!(
        pattern_error(r"(?P<a>\w) (?P=a)"),
        "pattern, byte 12, at \"P\": backreferences are refused, since no engine with a \
         guaranteed linear time can run it; capture both parts and compare them in code"
    );
    assert_eq!(
        pattern_error(r"(\d+)"),
        "pattern, byte 0, at \"(\\\\d+)\": there is no named capture; name each column, as in \
         (?P<level>[A-Z]+)"
    );
    assert_eq!(
        pattern_error(r"(?P<a>[éa])"),
        "pattern, byte 7, at \"é\": patterns match bytes; write (?u:...) around a part with \
         non-ASCII text"
    );
    assert_eq!(
        pattern_error(r"(?P<a>x"),
        "pattern, byte 0, at \"(\": unclosed group"
    );
    assert!(pattern_error(r"(?P<a>x)(?P<a>y)").contains("duplicate capture group name"));
    assert!(
        pattern_error(r"(?P<a>(?:x{1000}){1000})")
            .contains("exceeded limit of 2097152; lower the counts")
    );
    assert!(pattern_error(&format!("{}{}", "(".repeat(200), ")".repeat(200))).contains("nest"));
    assert!(
        pattern_error(&"x".repeat(limits::MAX_PATTERN_BYTES + 1)).contains("the limit is 16384")
    );
    // Counts cost nothing before they are refused.
    for count in ["100000000", "4294967295,", "0,4294967295"] {
        let huge = format!("(?P<a>[a-z]{{{count}}})");
        assert!(
            Format::pattern(&huge).map_or_else(|_| true, |it| it.fields().len() == 1),
            "{huge}"
        );
    }
    let many: String = (0..300).map(|i| format!("(?P<f{i}>.)")).collect();
    assert!(pattern_error(&many).contains("300 named captures, the limit is 256"));
}

#[test]
fn patterns_that_are_fine() {
    for (pattern, line) in [
        (r"(?P<a>é+)", "éé"),
        (r"(?P<a>(?u:[é]+))", "éé"),
        (r"(?<a>x)", "x"),
        (r"(?P<a>a)|(?P<b>b)", "b"),
        (r"(?i)(?P<a>LEVEL)", "level"),
        (r"^(?P<a>.*)$", "anchors are allowed"),
        (r"(?P<a>(?u:\b)\w+(?u:\b))", "word"),
        (r"(?P<a>(x(y)))(?P<b>z){2}", "xyzz"),
        (r"(?P<gone>x){0}(?P<a>y)", "y"),
    ] {
        let batch = Parser::new(Format::pattern(pattern).unwrap()).parse(line);
        assert_eq!(batch.len(), 1, "{pattern}");
    }
}

#[test]
fn files() {
    let folder = tempfile::tempdir().unwrap();
    let parser = Parser::new(Format::preset("app").unwrap());
    let error = parser.parse_file(folder.path()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
    assert_eq!(
        error.to_string(),
        format!(
            "cannot read {}: it is a folder; give a log file",
            folder.path().display()
        )
    );
    let missing = folder.path().join("missing.log");
    let error = parser.read_file(&missing).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot read {}: there is no such file", missing.display())
    );

    let empty = folder.path().join("empty.log");
    fs::File::create(&empty).unwrap();
    assert_eq!(parser.parse_file(&empty).unwrap().line_count(), 0);
    assert_eq!(parser.read_file(&empty).unwrap().count(), 0);

    let log = folder.path().join("app.log");
    fs::File::create(&log)
        .unwrap()
        .write_all(b"2026-01-02 03:04:05 [INFO] x\n")
        .unwrap();
    assert_eq!(Format::detect_file(&log).unwrap().format().name(), "app");
    let error = Format::detect_file("/dev/null").unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot read /dev/null: it is not a regular file, whose beginning can be read twice; name \
         its format"
    );
}

#[test]
fn samples_that_no_preset_fits() {
    let message = |sample: &[u8]| {
        let error = Format::detect(sample).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Undetected);
        error.to_string()
    };
    assert_eq!(
        message(b""),
        "format not recognised: the sample has no line with text"
    );
    assert_eq!(
        message(b"\x7fELF\x02\x01\x01\0\0\0 binary"),
        "format not recognised: there is a NUL at byte 7, so this looks like a binary file or \
         UTF-16; decompress it, or convert it to UTF-8, first"
    );
    assert_eq!(
        message(b"some words\nwith no form\nand=one pair\n"),
        "format not recognised: no preset fits any of 3 lines; name a preset, or give a pattern \
         with named captures"
    );
    assert_eq!(
        message(b"2026-01-02 03:04:05 [INFO] x\nb\nc\n"),
        "format not recognised: \"app\" fits best, but only 1 of 3 lines; name a preset, or give a \
         pattern with named captures"
    );
}

#[test]
fn a_line_of_a_hundred_megabytes_costs_a_limit_of_memory() {
    const LINE: usize = 100 << 20;
    let log = std::io::repeat(b'x').take(LINE as u64);
    let log = log.chain(&b"\r\n2026-01-02 03:04:05 [INFO] after\n"[..]);
    let parser = Parser::new(Format::preset("app").unwrap());
    let batches: Vec<_> = parser.read(log).map(Result::unwrap).collect();
    let kept: usize = batches.iter().map(|batch| batch.input().len()).sum();
    assert!(kept < 2 * limits::DEFAULT_MAX_LINE_BYTES, "{kept}");

    let unmatched = batches[0].unmatched().next().unwrap();
    assert_eq!(unmatched.line_bytes(), LINE as u64);
    assert_eq!(unmatched.raw().len(), limits::DEFAULT_MAX_LINE_BYTES);
    assert!(matches!(unmatched.reason(), Reason::TooLong { limit, .. } if limit == 1 << 20));
    assert!(
        unmatched
            .to_string()
            .starts_with("line 1 (byte 0): longer than the limit of 1048576 bytes: xxx")
    );

    let after = batches[1].record(0).unwrap();
    assert_eq!((after.line_number(), after.offset()), (2, LINE as u64 + 2));
}

#[test]
fn a_reader_that_fails_gives_what_came_before() {
    struct Fails;
    impl Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("cable pulled"))
        }
    }
    let log = &b"2026-01-02 03:04:05 [INFO] one\n2026-01-02 03:04"[..];
    let parser = Parser::new(Format::preset("app").unwrap());
    let mut batches = parser.read(log.chain(Fails));
    assert_eq!(batches.next().unwrap().unwrap().len(), 1);
    assert_eq!(
        batches.next().unwrap().unwrap_err().to_string(),
        "reading failed at byte 47 (line 2): cable pulled"
    );
    assert!(batches.next().is_none());
}

#[test]
fn control_characters_are_escaped_where_a_line_is_shown() {
    let batch = Parser::new(Format::preset("app").unwrap()).parse("\x1b[2Jgone\0\u{85}ü");
    let shown = batch.unmatched().next().unwrap().to_string();
    assert!(shown.ends_with(r"\u{1b}[2Jgone\u{0}\u{85}ü"), "{shown}");
}

#[cfg(feature = "json")]
#[test]
fn discovered_columns_have_a_limit() {
    let parser = Parser::new(Format::preset("ndjson").unwrap());
    let log: String = (0..2000).map(|i| format!("{{\"k{i}\":{i}}}\n")).collect();
    let batch = parser.parse(&log);
    assert_eq!(batch.fields().len(), limits::MAX_DISCOVERED_FIELDS);
    assert_eq!(batch.line_count(), 2000);
    let first = batch.unmatched().next().unwrap();
    assert_eq!(
        (first.line_number(), first.reason().to_string().as_str()),
        (1025, "has a new key, and there are 1024 columns already")
    );

    let long = format!("{{\"ok\":1,\"{}\":2}}", "k".repeat(2000));
    let batch = parser.parse(&long);
    // The refused line leaves no column behind.
    assert_eq!((batch.fields().len(), batch.unmatched().len()), (0, 1));

    // Deep objects stay text below the limit, and no depth overflows a stack.
    let deep = format!("{}1{}", "{\"a\":".repeat(40), "}".repeat(40));
    let batch = parser.parse(&deep);
    assert_eq!(batch.fields()[0].name().matches('a').count(), 33);
    assert_eq!(
        batch.column_at(0).unwrap().get(0),
        Some(&deep.as_bytes()[33 * 5..deep.len() - 33])
    );
    let bomb = "[".repeat(1_000_000);
    assert_eq!(parser.parse(&bomb).unmatched().len(), 1);
}
