//! Each preset on lines as its vendors document them, and on look-alikes that it must refuse.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use common::{fits, parse, refuses_at};
use opsbox_log::{Format, Parser, Reason};

#[test]
fn every_example_fits_its_own_preset_and_is_detected() {
    for preset in Format::presets() {
        let Ok(format) = preset.format() else {
            assert!(!cfg!(feature = "json") && preset.name().contains("json"));
            continue;
        };
        let lines = preset.example().lines().count();
        assert_eq!(lines > 1, format.multiline().is_some());
        let batch = Parser::new(format).parse(preset.example());
        assert_eq!(
            (batch.len(), batch.line_count()),
            (1, lines),
            "{}",
            preset.name()
        );
        let sample = format!("{}\n", preset.example()).repeat(30);
        let detection = Format::detect(sample.as_bytes()).unwrap();
        assert_eq!(detection.format().name(), preset.name());
        assert_eq!(detection.lines(), 30 * lines);
        let lines = 30.0 * lines as f64;
        assert!((detection.confidence() - lines / (lines + 1.0)).abs() < 1e-9);
    }
}

#[test]
fn every_pattern_of_a_preset_has_a_plan() {
    for preset in Format::presets() {
        if let Ok(format) = preset.format()
            && format.regex().is_some()
            && format.multiline().is_none()
        {
            assert!(format.explain().contains("a plan of "), "{}", preset.name());
        }
    }
}

#[test]
fn combined() {
    // The example of Apache httpd's documentation of mod_log_config's combined format.
    fits(
        "combined",
        r#"127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326 "http://www.example.com/start.html" "Mozilla/4.08 [en] (Win98; I ;Nav)""#,
        &[
            ("remote_addr", "127.0.0.1"),
            ("ident", "-"),
            ("remote_user", "frank"),
            ("time_local", "10/Oct/2000:13:55:36 -0700"),
            ("request", "GET /apache_pb.gif HTTP/1.0"),
            ("request_method", "GET"),
            ("request_uri", "/apache_pb.gif"),
            ("server_protocol", "HTTP/1.0"),
            ("status", "200"),
            ("body_bytes_sent", "2326"),
            ("http_referer", "http://www.example.com/start.html"),
            ("http_user_agent", "Mozilla/4.08 [en] (Win98; I ;Nav)"),
        ],
    );
    // A TLS hello on a plain port, as nginx escapes it: a request, but no request line.
    fits(
        "combined",
        r#"2001:db8::7 - - [01/Jan/2026:00:00:00 +0000] "\x16\x03\x01\x00" 400 157 "-" "-""#,
        &[
            ("remote_addr", "2001:db8::7"),
            ("ident", "-"),
            ("remote_user", "-"),
            ("time_local", "01/Jan/2026:00:00:00 +0000"),
            ("request", r"\x16\x03\x01\x00"),
            ("status", "400"),
            ("body_bytes_sent", "157"),
            ("http_referer", "-"),
            ("http_user_agent", "-"),
        ],
    );
}

#[test]
fn combined_oddities_of_real_traffic() {
    let line = |user: &str, request: &str, agent: &str| {
        let line = format!(
            r#"192.0.2.1 - {user} [01/Jan/2026:00:00:00 +0000] "{request}" 200 - "-" "{agent}""#
        );
        let columns = parse("combined", &line);
        let get = |name: &str| {
            let column = columns.iter().find(|(field, _)| field == name);
            column.map(|(_, value)| value.clone())
        };
        (
            get("remote_user").unwrap(),
            get("request").unwrap(),
            get("request_uri"),
            get("server_protocol"),
            get("http_user_agent").unwrap(),
        )
    };
    let some = |text: &str| Some(text.to_owned());
    // A user name with spaces and brackets cannot move the other columns.
    assert_eq!(line("a [b] c", "GET / HTTP/2.0", "x").0, "a [b] c");
    // As Apache writes a quote in a name, and no name.
    assert_eq!(line(r#"a\"b"#, "GET / HTTP/2.0", "x").0, r#"a\"b"#);
    assert_eq!(line("\"\"", "GET / HTTP/2.0", "x").0, "\"\"");
    let forged = r#"x [01/Jan/2020:00:00:00 +0000] \"GET /forged HTTP/1.1\" 200 1 \"-\" \"-\""#;
    assert_eq!(line(forged, "GET / HTTP/2.0", "x").0, forged);
    assert_eq!(line(forged, "GET / HTTP/2.0", "x").2, some("/"));
    // HTTP/0.9 has no protocol; an unescaped space stays inside the URI.
    assert_eq!(
        (line("-", "GET /x", "x").2, line("-", "GET /x", "x").3),
        (some("/x"), None)
    );
    assert_eq!(line("-", "GET /a b HTTP/1.1", "x").2, some("/a b"));
    assert_eq!(line("-", "", "x").1, "");
    assert_eq!(line("-", "-", "x").2, None);
    // Apache's escape of a quote.
    assert_eq!(
        line("-", "GET / HTTP/1.1", r#"say \"hi\""#).4,
        r#"say \"hi\""#
    );
}

#[test]
fn combined_tells_where_a_line_stops_fitting() {
    let start = r#"192.0.2.1 - - [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 200 5 "-" "agent"#;
    refuses_at("combined", start, "ends before the pattern does");
    refuses_at(
        "combined",
        r#"192.0.2.1 - - [01/Jan/2026:00:00:00 +0000] "GET / HTTP/1.1" 2x0 5 "-" "a""#,
        "does not fit the pattern from byte 61 on",
    );
    let batch = Parser::new(Format::preset("combined").unwrap()).parse("\n");
    assert_eq!(batch.unmatched().next().unwrap().reason(), Reason::Empty);
}

#[test]
fn app() {
    fits(
        "app",
        "2026-01-02 03:04:05 [WARN] disk [/dev/sda] 91% full",
        &[
            ("timestamp", "2026-01-02 03:04:05"),
            ("level", "WARN"),
            ("message", "disk [/dev/sda] 91% full"),
        ],
    );
    fits(
        "app",
        "2026-01-02T03:04:05,123+02:00 [INFO ]",
        &[
            ("timestamp", "2026-01-02T03:04:05,123+02:00"),
            ("level", "INFO"),
        ],
    );
    refuses_at(
        "app",
        "2026-01-02 03:04:05 INFO no brackets",
        "does not fit the pattern from byte 20 on",
    );
}

#[test]
fn syslog_rfc3164() {
    // The examples of RFC 3164, section 5.4.
    fits(
        "syslog-rfc3164",
        "<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8",
        &[
            ("priority", "34"),
            ("timestamp", "Oct 11 22:14:15"),
            ("hostname", "mymachine"),
            ("app_name", "su"),
            ("message", "'su root' failed for lonvick on /dev/pts/8"),
        ],
    );
    fits(
        "syslog-rfc3164",
        "<13>Feb  5 17:32:18 10.0.0.99 Use the BFG!",
        &[
            ("priority", "13"),
            ("timestamp", "Feb  5 17:32:18"),
            ("hostname", "10.0.0.99"),
            ("message", "Use the BFG!"),
        ],
    );
    // rsyslog's file format of today, with a process id and a slash in the tag.
    fits(
        "syslog-rfc3164",
        "2026-01-02T03:04:05.123456+01:00 mail postfix/smtpd[812]: connect from unknown[192.0.2.9]",
        &[
            ("timestamp", "2026-01-02T03:04:05.123456+01:00"),
            ("hostname", "mail"),
            ("app_name", "postfix/smtpd"),
            ("procid", "812"),
            ("message", "connect from unknown[192.0.2.9]"),
        ],
    );
    fits(
        "syslog-rfc3164",
        "Mar  1 00:00:01 host last message repeated 2 times",
        &[
            ("timestamp", "Mar  1 00:00:01"),
            ("hostname", "host"),
            ("message", "last message repeated 2 times"),
        ],
    );
}

#[test]
fn syslog_rfc5424() {
    // The examples of RFC 5424, section 6.5.
    fits(
        "syslog-rfc5424",
        "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \u{feff}'su root' failed for lonvick on /dev/pts/8",
        &[
            ("priority", "34"),
            ("version", "1"),
            ("timestamp", "2003-10-11T22:14:15.003Z"),
            ("hostname", "mymachine.example.com"),
            ("app_name", "su"),
            ("procid", "-"),
            ("msgid", "ID47"),
            ("structured_data", "-"),
            ("message", "'su root' failed for lonvick on /dev/pts/8"),
        ],
    );
    let two = r#"[exampleSDID@32473 iut="3" eventSource="Application" eventID="1011"][examplePriority@32473 class="high"]"#;
    fits(
        "syslog-rfc5424",
        &format!("<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 {two}"),
        &[
            ("priority", "165"),
            ("version", "1"),
            ("timestamp", "2003-10-11T22:14:15.003Z"),
            ("hostname", "mymachine.example.com"),
            ("app_name", "evntslog"),
            ("procid", "-"),
            ("msgid", "ID47"),
            ("structured_data", two),
        ],
    );
    // Escapes of section 6.3.3 inside a value, and no timestamp.
    let escaped = r#"[a@1 b="\"\\\]"]"#;
    let columns = parse("syslog-rfc5424", &format!("<0>1 - - - - - {escaped} m"));
    assert_eq!(columns[7].1, escaped);
    assert_eq!(columns[8].1, "m");
    refuses_at(
        "syslog-rfc5424",
        "<34>Oct 11 22:14:15 mymachine su: old",
        "does not fit the pattern from byte 4 on",
    );
}

#[test]
fn cri() {
    // The example of the Kubernetes design document on CRI logging.
    fits(
        "cri",
        "2016-10-06T00:17:09.669794202Z stdout P log content 1",
        &[
            ("timestamp", "2016-10-06T00:17:09.669794202Z"),
            ("stream", "stdout"),
            ("logtag", "P"),
            ("message", "log content 1"),
        ],
    );
    fits(
        "cri",
        "2016-10-06T00:17:10.113242941Z stderr F ",
        &[
            ("timestamp", "2016-10-06T00:17:10.113242941Z"),
            ("stream", "stderr"),
            ("logtag", "F"),
            ("message", ""),
        ],
    );
}

#[test]
fn logfmt() {
    fits(
        "logfmt",
        r#"at=info method=GET path="/a b" host=x.test empty= flag url=http://h/?q=1 esc="a\"b\\\n\u00e9\ud83d\ude00""#,
        &[
            ("at", "info"),
            ("method", "GET"),
            ("path", "/a b"),
            ("host", "x.test"),
            ("empty", ""),
            ("flag", ""),
            ("url", "http://h/?q=1"),
            ("esc", "a\"b\\\né😀"),
        ],
    );
    // As Go's %q writes what cannot be shown.
    fits(
        "logfmt",
        r#"a="\a\v\x1b[0m\'\U0001F600""#,
        &[("a", "\u{7}\u{b}\u{1b}[0m'😀")],
    );
    // Of two equal keys the last wins.
    fits("logfmt", "a=1 b=2 a=3", &[("a", "3"), ("b", "2")]);
    for (line, reason) in [
        ("just some words", "byte 15: there is no key=value pair"),
        ("a=1 =2", "byte 4: a value without a key"),
        ("a=\"open", "byte 2: the quote is never closed"),
        ("a=\"open\\", "byte 2: the quote is never closed"),
        ("a=\"x\"y", "byte 5: no space after the closing quote"),
        ("a\"b=1", "byte 1: a quote inside a key"),
        (r#"a="\q""#, "byte 3: an unknown escape"),
        (r#"a="b\ud800x""#, "byte 4: an unknown escape"),
        (r#"a="\xg0""#, "byte 3: an unknown escape"),
        (r#"a="\Uffffffff""#, "byte 3: an unknown escape"),
        (r#"a="\u12""#, "byte 3: an unknown escape"),
    ] {
        refuses_at("logfmt", line, &format!("not logfmt at {reason}"));
    }
}

#[cfg(feature = "json")]
#[test]
fn ndjson() {
    fits(
        "ndjson",
        r#"{"t":"2026","n":-1.50e3,"ok":true,"no":null,"http":{"status":200,"h":{"a":[1,{"b":2}]}},"e":{},"s":"a\"\u00e9"}"#,
        &[
            ("t", "2026"),
            ("n", "-1.50e3"),
            ("ok", "true"),
            ("http.status", "200"),
            ("http.h.a", r#"[1,{"b":2}]"#),
            ("e", "{}"),
            ("s", "a\"é"),
        ],
    );
    fits("ndjson", r#" { "a" : "1" , "a" : 2 } "#, &[("a", "2")]);
    // An integer beyond 64 bits keeps its digits.
    fits(
        "ndjson",
        r#"{"big":123456789012345678901234567890}"#,
        &[("big", "123456789012345678901234567890")],
    );
    refuses_at("ndjson", "[1]", "valid JSON, but not an object");
    for line in [
        r#"{"a":1"#,
        r#"{"a":1}}"#,
        r#"{"a" 1}"#,
        "{'a':1}",
        "{\"a\":\"\u{1}\"}",
        "plain",
    ] {
        let batch = Parser::new(Format::preset("ndjson").unwrap()).parse(line);
        let reason = batch.unmatched().next().expect(line).reason();
        assert!(reason.to_string().starts_with("not valid JSON"), "{line}");
    }
    refuses_at("ndjson", "{\"a\":tru}", "not valid JSON at byte 5");
    // Beyond what simd-json takes.
    refuses_at("ndjson", "{\"a\":1e400}", "not valid JSON at byte 5");
    refuses_at("ndjson", r#"{"a":"\ud800"}"#, "not valid JSON");
}

#[cfg(feature = "json")]
#[test]
fn an_object_is_json_and_its_keys_are_columns_where_both_are_selected() {
    let format = Format::preset("ndjson").unwrap();
    let parser = Parser::new(format.select(["http", "level", "http.status"]).unwrap());
    let batch = parser.parse(r#"{"http":{"status":200,"h":{"a":1}},"level":"info"}"#);
    let record = batch.record(0).unwrap();
    assert_eq!(
        record.get("http"),
        Some(&br#"{"status":200,"h":{"a":1}}"#[..])
    );
    assert_eq!(record.get("level"), Some(&b"info"[..]));
    assert_eq!(record.get("http.status"), Some(&b"200"[..]));
}

#[cfg(feature = "json")]
#[test]
fn ndjson_columns_are_found_in_order_and_null_where_missing() {
    let log = "{\"a\":1,\"b\":\"x\"}\nnot json\n{\"c\":true,\"a\":2}\n";
    let batch = Parser::new(Format::preset("ndjson").unwrap()).parse(log);
    let names: Vec<_> = batch.fields().iter().map(|field| field.name()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    let column = |name| batch.column(name).unwrap().iter().collect::<Vec<_>>();
    assert_eq!(column("a"), [Some(&b"1"[..]), Some(b"2")]);
    assert_eq!(column("b"), [Some(&b"x"[..]), None]);
    assert_eq!(column("c"), [None, Some(&b"true"[..])]);
    assert_eq!(batch.record(1).unwrap().line_number(), 3);
}
