//! Grok: columns, searching, limits and errors.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use opsbox_log::{ErrorKind, Format, Parser, limits, types::Type};
use proptest::prelude::*;

/// The columns of the only line, absent ones left out; `None` if it does not fit.
fn parse(format: &Format, line: &str) -> Option<Vec<(String, String)>> {
    let parser = Parser::new(format.clone());
    let batch = parser.parse(line);
    let by_regex = parser.regex_only(true).parse(line);
    let columns = |batch: &opsbox_log::Batch<&str>| {
        let record = batch.record(0)?;
        let columns = record.iter().filter_map(|(field, value)| {
            let value = String::from_utf8_lossy(value?).into_owned();
            Some((field.name().to_owned(), value))
        });
        Some(columns.collect::<Vec<_>>())
    };
    let found = columns(&batch);
    assert_eq!(found, columns(&by_regex), "{line}");
    found
}

#[track_caller]
fn fits(pattern: &str, line: &str, expected: &[(&str, &str)]) {
    let format = Format::grok(pattern).unwrap_or_else(|error| panic!("{error}"));
    let found = parse(&format, line).unwrap_or_else(|| panic!("{pattern} does not fit {line}"));
    let found: Vec<_> = found
        .iter()
        .map(|(a, b)| (a.as_str(), b.as_str()))
        .collect();
    assert_eq!(found, expected, "{line}");
}

#[track_caller]
fn error(pattern: &str) -> String {
    let error = Format::grok(pattern).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidPattern);
    error.to_string()
}

#[test]
fn columns_of_the_library() {
    fits(
        "^%{COMBINEDAPACHELOG}$",
        r#"127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /a.gif HTTP/1.0" 200 2326 "http://a/" "Mozilla/4.08""#,
        &[
            ("clientip", "127.0.0.1"),
            ("ident", "-"),
            ("auth", "frank"),
            ("timestamp", "10/Oct/2000:13:55:36 -0700"),
            ("verb", "GET"),
            ("request", "/a.gif"),
            ("httpversion", "1.0"),
            ("response", "200"),
            ("bytes", "2326"),
            ("referrer", r#""http://a/""#),
            ("agent", r#""Mozilla/4.08""#),
        ],
    );
    fits(
        "%{SYSLOGLINE}",
        "Oct 11 22:14:15 mymachine su[230]: 'su root' failed",
        &[
            ("timestamp", "Oct 11 22:14:15"),
            ("logsource", "mymachine"),
            ("program", "su"),
            ("pid", "230"),
            ("message", "'su root' failed"),
        ],
    );
    // Both of its alternatives have the same columns.
    let lines = [
        (
            "[Wed Oct 11 14:32:52 2000] [error] [client 127.0.0.1] denied",
            "denied",
        ),
        (
            "[Fri Sep 09 10:42:29 2011] [core:error] [pid 3] no file",
            "no file",
        ),
    ];
    for (line, message) in lines {
        let found = parse(&Format::grok("%{HTTPD_ERRORLOG}").unwrap(), line).unwrap();
        assert!(
            found.contains(&("loglevel".into(), "error".into())),
            "{line}"
        );
        assert!(
            found.contains(&("message".into(), message.into())),
            "{line}"
        );
    }
}

#[test]
fn names_and_types_of_columns() {
    let format = Format::grok(
        "%{WORD:@timestamp} %{WORD:[http][request][verb]} %{INT:a-b:int} %{NUMBER:took:float} \
         (?<queue-id>[0-9A-F]+) (?P<plain>x)",
    )
    .unwrap();
    let columns: Vec<_> = format
        .fields()
        .iter()
        .map(|it| (it.name(), it.data_type()))
        .collect();
    assert_eq!(
        columns,
        [
            ("@timestamp", Type::Text),
            ("http.request.verb", Type::Text),
            ("a-b", Type::Integer),
            ("took", Type::Float),
            ("queue-id", Type::Text),
            ("plain", Type::Text),
        ]
    );
    assert_eq!(format.name(), "grok");
    let found = parse(&format, "now GET -5 0.5 1F x").unwrap();
    assert_eq!(found[2], ("a-b".to_owned(), "-5".to_owned()));
    // Names that are alike as captures of a regular expression stay apart.
    fits(
        "%{INT:a-b} %{INT:a@b} %{INT:a_b}",
        "1 2 3",
        &[("a-b", "1"), ("a@b", "2"), ("a_b", "3")],
    );

    let selected = format.select(["took", "@timestamp"]).unwrap();
    assert_eq!(selected.fields()[0].data_type(), Type::Float);
    let found = parse(&selected, "now GET -5 0.5 1F x").unwrap();
    assert_eq!(
        found,
        [
            ("took".to_owned(), "0.5".to_owned()),
            ("@timestamp".to_owned(), "now".to_owned())
        ]
    );
}

#[test]
fn a_column_in_several_alternatives() {
    let pattern =
        "^(?:from %{IPV4:peer}|by %{HOSTNAME:peer}(?: port %{INT:port})?|port %{INT:port})$";
    fits(pattern, "from 192.0.2.1", &[("peer", "192.0.2.1")]);
    fits(
        pattern,
        "by db-1 port 5",
        &[("peer", "db-1"), ("port", "5")],
    );
    fits(pattern, "port 7", &[("port", "7")]);
    let format = Format::grok(pattern).unwrap().select(["port"]).unwrap();
    assert_eq!(
        parse(&format, "port 7").unwrap(),
        [("port".to_owned(), "7".to_owned())]
    );

    // In a repetition the last round counts, whichever alternative it takes.
    let pattern = "^(?:a=%{INT:n};|b=%{WORD:n};)+$";
    fits(pattern, "a=1;b=x;", &[("n", "x")]);
    fits(pattern, "b=x;a=1;", &[("n", "1")]);

    assert_eq!(
        error("%{IP:host} %{WORD:host}"),
        "pattern, byte 11, at \"%{WORD:host}\": column \"host\" is captured at byte 0, too, and both \
         can be in one line; name them apart, or put them in alternatives as in (?:A|B)"
    );
    assert!(error("(?:%{IP:a})?%{WORD:a}").contains("captured at byte 3, too"));
    assert!(error("%{SYSLOGBASE} %{SYSLOGBASE}").contains("pattern, byte 14, at"));
    assert!(error("%{URIHOST:port}").contains("column \"port\" is captured at byte 0"));
    assert!(error("%{INT:n:int}|%{INT:n}").contains("has another type at byte 0"));
}

#[test]
fn patterns_are_searched_for() {
    fits(
        "%{IPV4:ip}",
        "a line with 192.0.2.1 inside",
        &[("ip", "192.0.2.1")],
    );
    // The leftmost place wins, and there the longest word.
    fits("%{INT:n}", "ab 12 34", &[("n", "12")]);
    fits("%{WORD:first}", "  first second", &[("first", "first")]);
    fits("%{DATA:all} end", "the end of the end", &[("all", "the")]);
    fits(
        "%{GREEDYDATA:all} end",
        "the end of the end",
        &[("all", "the end of the")],
    );
    fits("x%{DATA:nothing}", "axb", &[("nothing", "")]);
    fits("(?i)%{WORD:w} END", "the end", &[("w", "the")]);
    fits("%{INT:n}$", "12 34", &[("n", "34")]);
    fits("%{INT:a}|x%{INT:b}", "x1", &[("b", "1")]);

    let refuses = |pattern: &str, line| {
        let format = Format::grok(pattern).unwrap();
        assert_eq!(parse(&format, line), None, "{pattern}");
        format
    };
    refuses("^%{INT:n}", "ab 12");
    refuses("%{INT:n}$", "12 ab");
    let format = refuses("^%{INT:n} %{WORD:w}$", "12 -");
    let batch = Parser::new(format).parse("12 -");
    let reason = batch.unmatched().next().unwrap().reason().to_string();
    assert_eq!(reason, "does not fit the pattern from byte 3 on");

    // What is added around a pattern is left out where it could never take a byte.
    let regex = |pattern| Format::grok(pattern).unwrap().regex().unwrap().to_owned();
    assert_eq!(
        regex("%{DATA:a} %{GREEDYDATA:b}"),
        "(?:(?P<a>.*?) (?P<b>.*))"
    );
    assert_eq!(regex("^(?<a>x)$"), "(?:^(?P<a>x)$)");
    assert_eq!(regex("(?<a>x)"), ".*?(?:(?P<a>x)).*");
}

#[test]
fn definitions_of_ones_own() {
    let own = [
        ("WORD", "[a-z]+"),
        ("PAIR", "%{WORD:key}=%{VALUE:value}"),
        ("VALUE", r#"%{QS}|[^ "]*"#),
    ];
    let format = Format::grok_with("^%{PAIR}(?: %{WORD:last})?$", own).unwrap();
    let found = parse(&format, r#"ab="c d" x"#).unwrap();
    assert_eq!(found[1], ("value".to_owned(), r#""c d""#.to_owned()));
    assert_eq!(parse(&format, "AB=1"), None);
    // The library uses them, too.
    let format = Format::grok_with("^%{IPORHOST:host}$", [("HOSTNAME", "[a-z_]+")]).unwrap();
    assert!(parse(&format, "my_host").is_some());

    let refused = |pattern: &str, own: &[(&str, &str)]| {
        let own = own.iter().copied();
        let error = Format::grok_with(pattern, own).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidPattern);
        error.to_string()
    };
    assert_eq!(
        refused("x %{A:a}", &[("A", "-%{B}"), ("B", "%{C}?"), ("C", "%{B}")]),
        "pattern, byte 2, at \"%{A:a}\": in the definition of C: the definition leads back to itself: \
         B -> C -> B; a pattern cannot be recursive"
    );
    assert!(refused("%{A:a}", &[("A", "%{A}")]).contains("A -> A"));
    assert!(refused("%{A:a}", &[("A", "b)(c")]).contains("in the definition of A: unopened group"));
    assert!(refused("%{A:a}", &[("A", "(b")]).contains("in the definition of A: unclosed group"));
    assert!(refused("%{A:a}", &[("A", "[b")]).contains("in the definition of A: unclosed class"));
    assert!(
        refused("%{A:a}", &[("A", "b\\")])
            .contains("in the definition of A: it ends with a backslash")
    );
    assert_eq!(
        refused(
            "%{IP:ip} (?:%{OUTER:x})",
            &[("OUTER", "a%{INNER}"), ("INNER", "b(?=c)")]
        ),
        "pattern, byte 12, at \"%{OUTER:x}\": in the definition of INNER, at \"(?=\": look-around is \
         refused, since no engine with a guaranteed linear time can run it; capture more of the line \
         and test the value in code"
    );
    assert!(refused("%{IP:ip}", &[("a b", "x")]).contains("\"a b\" is no name of a pattern"));
    assert!(refused("%{IP:ip}", &[("A", &"x".repeat(20_000))]).contains("the limit is 16384"));
}

#[test]
fn errors_name_the_part_of_the_pattern() {
    assert_eq!(
        error("%{IP:ip} %{TIMESTAMP_ISO8602:at}"),
        "pattern, byte 9, at \"%{TIMESTAMP_ISO8602:at}\": there is no pattern \"TIMESTAMP_ISO8602\"; \
         did you mean \"TIMESTAMP_ISO8601\"?"
    );
    assert!(error("%{ip:ip}").contains("did you mean \"IP\"?"));
    assert!(error("%{SOMETHING_ELSE:x}").contains("define it with Format::grok_with"));
    assert_eq!(
        error("%{IP:ip} (?=%{WORD:w})"),
        "pattern, byte 9, at \"(?=\": look-around is refused, since no engine with a guaranteed \
         linear time can run it; capture more of the line and test the value in code"
    );
    assert_eq!(
        error("%{IP:ip} (x"),
        "pattern, byte 9, at \"(\": unclosed group"
    );
    assert_eq!(
        error("%{IP:ip} é)"),
        "pattern, byte 11, at \")\": unopened group"
    );
    assert!(
        error("%{IP:ip} (?>x)")
            .starts_with("pattern, byte 11, at \">\": atomic groups are refused")
    );
    assert_eq!(
        error("[%{HTTPDATE:at}] %{IP:ip}"),
        "pattern, byte 1, at \"%{HTTPDATE:at}\": inside [...] this is a set of characters, no \
         reference; write \\[ for a bracket of the line"
    );
    assert!(error("%{IP:ip").contains("the reference is not closed; write }"));
    assert!(error("%{IP:a b}").contains("\"a b\" is no name of a column"));
    assert!(error("%{IP:}").contains("\"\" is no name of a column"));
    assert!(error("%{IP:[a][]}").contains("is no name of a column"));
    assert!(
        error("%{IP:ip:date}").contains("there is no type \"date\"; write int, float or string")
    );
    assert!(error("%{IP:ip:int:x}").contains("too many colons"));
    assert!(error("%{IP=x}").contains("is no name of a pattern"));
    assert!(
        error("%{IP} %{WORD}").contains("there is no column; name each one, as in %{IP:client}")
    );
    assert!(error("%{IP:ip}%{x").starts_with("pattern, byte 8"));
    // An escaped reference, a count and brackets in a class are none.
    fits(
        r"\%\{IP\} %{2}[\]%{(?<]%{INT:n}",
        "%{IP} %%{7",
        &[("n", "7")],
    );
}

#[test]
fn limits_hold_while_expanding() {
    // Each level doubles the text: 2^30 references if nothing stopped it.
    let mut own = vec![("L0".to_owned(), "x".to_owned())];
    for level in 1..=30 {
        let below = format!("%{{L{}}}", level - 1);
        own.push((format!("L{level}"), below.repeat(2)));
    }
    let error = |pattern: &str, own: &[(String, String)]| {
        let error = Format::grok_with(pattern, own.iter().cloned()).unwrap_err();
        error.to_string()
    };
    assert_eq!(
        error("a %{L30:all}", &own),
        format!(
            "pattern, byte 2, at \"%{{L30:all}}\": the definitions expand to more than the limit of \
             {} bytes",
            limits::MAX_GROK_EXPANDED_BYTES
        )
    );
    let chain: Vec<_> = (0..40)
        .map(|level| (format!("C{level}"), format!("%{{C{}}}", level + 1)))
        .collect();
    assert!(error("%{C0:all}", &chain).contains("nested deeper than the limit of 32 definitions"));

    let many: String = (0..300).map(|at| format!("%{{INT:c{at}}} ")).collect();
    assert!(error(&many, &[]).contains("more captures than the limit of 256"));
    let long = "x".repeat(limits::MAX_PATTERN_BYTES + 1);
    assert!(error(&long, &[]).contains("the limit is 16384"));
    let counts = [("BIG".to_owned(), "(?:x{1000}){1000}".to_owned())];
    assert!(error("%{BIG:big}", &counts).contains("exceeded limit of 2097152"));
    let definitions: Vec<_> = (0..=limits::MAX_GROK_DEFINITIONS)
        .map(|at| (format!("D{at}"), "x".to_owned()))
        .collect();
    assert!(error("%{D0:x}", &definitions).contains("more definitions than the limit of 1024"));
    // An expansion near to the limit is compiled: 25 addresses of any kind.
    let wide: Vec<_> = (0..25).map(|at| format!("%{{IP:ip{at}}}")).collect();
    let format = Format::grok(&format!("^{}$", wide.join(" "))).unwrap();
    let length = format.regex().unwrap().len();
    assert!(length > limits::MAX_GROK_EXPANDED_BYTES / 2, "{length}");
    assert!(parse(&format, &["::1"; 25].join(" ")).is_some());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases.max(1000), ..Default::default() })]

    #[test]
    fn no_pattern_and_no_definition_panics(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "%{", "}", "WORD", "A", "B", ":", "x", "int", "(", ")", "(?<", ">", "[", "]", "\\", "é",
                "%{A}", "%{B:y}", "|", "*", "+", "{2}", "^", "$", " ", "?", "(?x)", "#",
            ]),
            0..12,
        ),
        cut in 0_usize..12,
        line in "[ -~]{0,30}",
    ) {
        let cut = cut.min(parts.len());
        let (pattern, definition) = (parts[..cut].concat(), parts[cut..].concat());
        let own = [("A", definition.as_str()), ("B", "%{A}-")];
        for pattern in [&pattern, &definition, "%{A:a} %{B:b}"] {
            match Format::grok_with(pattern, own) {
                Ok(format) => drop(parse(&format, &line)),
                Err(error) => prop_assert_eq!(error.kind(), ErrorKind::InvalidPattern),
            }
        }
    }
}
