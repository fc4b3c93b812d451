//! The W3C Extended Log Format by its `#Fields` directive.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use opsbox_log::{ErrorKind, Format, Parser, Reason};

/// The example of Microsoft's page on the IISW3C input format of Log Parser, with a change of the
/// fields as that page describes it. The third line is as the page has it: a value is missing.
const CHANGING: &str = "#Software: Microsoft Internet Information Services 5.0\n\
    #Version: 1.0\n\
    #Date: 2003-11-18 00:28:33\n\
    #Fields: date c-ip cs-uri-stem cs-bytes\n\
    2003-11-18 192.168.1.101 /Default.htm 100\n\
    2003-11-18 192.168.1.104 /hitcount.asp 200\n\
    2003-11-18 192.168.1.102 /images/address.gif\n\
    2003-11-18 192.168.1.102 /cgi-bin/counts.exe 400\n\
    #Fields: date time c-ip cs-uri-stem cs-bytes\n\
    2003-11-18 00:30:01 192.168.1.102 /cgi-bin/counts.exe 400\n";

fn columns(format: &Format) -> Vec<&str> {
    format.fields().iter().map(|field| field.name()).collect()
}

#[test]
fn the_directive_names_the_columns() {
    // The fields of Microsoft's table for IIS 6 and later, headers and a custom field included.
    let format = Format::w3c_extended(
        "#Fields: date time s-sitename s-computername s-ip cs-method cs-uri-stem cs-uri-query s-port \
         cs-username c-ip cs-version cs(User-Agent) cs(Cookie) cs(Referer) cs-host sc-status \
         sc-substatus sc-win32-status sc-bytes cs-bytes time-taken X-Forwarded-For\r\n",
    )
    .unwrap();
    assert_eq!(format.name(), "iis");
    let names = columns(&format);
    assert_eq!(names.len(), 23);
    assert_eq!(names[4..7], ["s_ip", "cs_method", "cs_uri_stem"]);
    assert_eq!(names[12..15], ["cs_user_agent", "cs_cookie", "cs_referer"]);
    assert_eq!(names[22], "x_forwarded_for");
    assert!(format.explain().contains("a plan of "));

    // The preset is what the default directive gives.
    let by_default = Format::w3c_extended(
        "#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip \
         cs(User-Agent) cs(Referer) sc-status sc-substatus sc-win32-status time-taken",
    );
    let preset = Format::preset("iis").unwrap();
    assert_eq!(columns(&by_default.unwrap()), columns(&preset));
}

#[test]
fn directives_and_lines_of_other_fields_are_unmatched() {
    let directive = CHANGING.lines().nth(3).unwrap();
    let batch = Parser::new(Format::w3c_extended(directive).unwrap()).parse(CHANGING);
    let numbers: Vec<_> = batch.records().map(|record| record.line_number()).collect();
    assert_eq!(numbers, [5, 6, 8]);
    let bytes: Vec<_> = batch.column("cs_bytes").unwrap().iter().flatten().collect();
    assert_eq!(bytes, [b"100", b"200", b"400"]);
    let unmatched: Vec<_> = batch
        .unmatched()
        .map(|line| (line.line_number(), line.reason()))
        .collect();
    assert_eq!(unmatched.len(), 7);
    for (number, reason) in unmatched {
        match number {
            1..=4 | 9 => assert_eq!(
                reason.to_string(),
                "does not fit the pattern from byte 0 on"
            ),
            7 => assert_eq!(reason, Reason::EndsEarly),
            10 => assert_eq!(
                reason.to_string(),
                "does not fit the pattern from byte 53 on"
            ),
            other => panic!("line {other}: {reason}"),
        }
    }
    // Where nothing says how a line begins, a directive is told by its first byte.
    let format = Format::w3c_extended("#Fields: c-ip cs-method x y").unwrap();
    let batch = Parser::new(format).parse("#Date: 2003-11-18 00:28:33 x\n::1 GET - -\n");
    assert_eq!((batch.len(), batch.unmatched().len()), (1, 1));
}

#[test]
fn detection_takes_the_last_directive() {
    let (before, _) = CHANGING.split_at(CHANGING.rfind('#').unwrap());
    let detection = Format::detect(before.as_bytes()).unwrap();
    assert_eq!(detection.format().name(), "iis");
    assert_eq!(
        columns(detection.format()),
        ["date", "c_ip", "cs_uri_stem", "cs_bytes"]
    );
    // Directives are not counted: three of four lines fit.
    assert_eq!(
        (detection.lines(), detection.candidates()[0].matched()),
        (4, 3)
    );

    let after = format!("{CHANGING}{}", "2003-11-18 00:30:02 ::1 / 1\n".repeat(5));
    let detection = Format::detect(after.as_bytes()).unwrap();
    assert_eq!(columns(detection.format())[..2], ["date", "time"]);

    // A directive that says nothing leaves the fields of the preset.
    let example = Format::presets()
        .iter()
        .find(|preset| preset.name() == "iis")
        .unwrap()
        .example();
    for directive in ["#Fields:", "#Fields: a a", "#Fields: \u{e9}", "#Fields"] {
        let sample = format!("{directive}\n{example}\n{example}\n");
        let detection = Format::detect(sample.as_bytes()).unwrap();
        assert_eq!(detection.format().fields().len(), 15, "{directive}");
    }
    // A comment in another file is a line like any other.
    let app = "# hello\n2026-01-02 03:04:05 [INFO] up\n2026-01-02 03:04:06 [INFO] up\n";
    assert_eq!(Format::detect(app.as_bytes()).unwrap().lines(), 3);
}

#[test]
fn other_writers_put_tabs() {
    // The beginning of the example of Amazon CloudFront's developer guide, "Standard log file fields".
    let format = Format::w3c_extended("#Fields: date time x-edge-location sc-bytes c-ip").unwrap();
    let batch = Parser::new(format).parse("2019-12-04\t21:02:31\tLAX1\t392\t192.0.2.100\n");
    let values: Vec<_> = batch
        .record(0)
        .unwrap()
        .iter()
        .map(|(_, value)| value)
        .collect();
    assert_eq!(
        values,
        [
            &b"2019-12-04"[..],
            b"21:02:31",
            b"LAX1",
            b"392",
            b"192.0.2.100"
        ]
        .map(Some)
    );
}

#[test]
fn directives_that_cannot_be_used_say_why() {
    for (directive, message) in [
        (
            "#Fields: ",
            "column \"\" of format \"iis\": the directive names no field; give the line `#Fields: ...`",
        ),
        (
            "#Fields: date c-ip c_ip",
            "column \"c_ip\" of format \"iis\": its column \"c_ip\" stands in #Fields twice; name it once",
        ),
        (
            "#Version: 1.0",
            "column \"#Version:\" of format \"iis\": it does not begin with a letter; give the line `#Fields: ...`",
        ),
    ] {
        let error = Format::w3c_extended(directive).unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string()),
            (ErrorKind::UnknownField, message.to_owned())
        );
    }
    let many: String = (0..300).map(|number| format!(" f{number}")).collect();
    let error = Format::w3c_extended(&format!("#Fields:{many}")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidPattern);
}
