//! Grok: the library's definitions, columns, searching, limits and errors.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::BTreeSet;

use opsbox_log::{ErrorKind, Format, Parser, limits, types::Type};
use proptest::{prelude::*, strategy::ValueTree};

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

type Examples = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

/// For each name of the library what it fits as a whole line, and what it does not.
const LIBRARY: &[Examples] = &[
    ("WORD", &["a", "word_1"], &["", "two words", "a-b"]),
    ("NOTSPACE", &["a", "-;'"], &["", "a b"]),
    ("SPACE", &["", " \t "], &["a"]),
    ("DATA", &["", "anything at all"], &[]),
    ("GREEDYDATA", &["", "anything at all"], &[]),
    ("INT", &["0", "-12", "+7"], &["", "1.5", "a"]),
    (
        "BASE10NUM",
        &["0", "-12.5", ".5", "+7"],
        &["1.", "1e3", "", "0x1"],
    ),
    ("NUMBER", &["3.14", "42"], &["three", "1,5"]),
    (
        "BASE16NUM",
        &["ff", "0xDEADbeef", "-0x1f"],
        &["0x", "xyz", ""],
    ),
    ("BASE16FLOAT", &["ff.8", "0x.8", "1f"], &["", "g"]),
    ("POSINT", &["1", "120"], &["0", "012", "-1"]),
    ("NONNEGINT", &["0", "007"], &["-1", "1.5"]),
    (
        "QUOTEDSTRING",
        &[r#""a \" b""#, "'it'", "``", r#""""#],
        &["a", r#""open"#, r#""a"b""#],
    ),
    ("QS", &[r#""quoted""#], &["plain"]),
    (
        "UUID",
        &["123e4567-e89b-12d3-a456-426614174000"],
        &[
            "123e4567-e89b-12d3-a456",
            "123e4567e89b12d3a456426614174000",
        ],
    ),
    (
        "URN",
        &["urn:isbn:0451450523", "urn:a:b%20c"],
        &["urn:isbn", "isbn:045", "urn::x"],
    ),
    (
        "LOGLEVEL",
        &[
            "INFO",
            "info",
            "Information",
            "WARN",
            "warning",
            "ERR",
            "error",
            "emerg",
            "EMERGENCY",
            "crit",
        ],
        &["", "informal", "loud"],
    ),
    ("USERNAME", &["ada", "a.b-c_1"], &["", "a b", "a@b"]),
    ("USER", &["root", "-"], &["a b"]),
    ("EMAILLOCALPART", &["ada.l+tag"], &["a b", "a@b", ""]),
    (
        "EMAILADDRESS",
        &["ada@example.org"],
        &["ada", "@example.org", "ada@"],
    ),
    ("CISCOMAC", &["0123.4567.89ab"], &["01:23:45:67:89:ab"]),
    (
        "WINDOWSMAC",
        &["01-23-45-67-89-ab"],
        &["01:23:45:67:89:ab", "01-23"],
    ),
    (
        "COMMONMAC",
        &["01:23:45:67:89:AB"],
        &["01:23:45:67:89", "01:23:45:67:89:ag"],
    ),
    (
        "MAC",
        &["0123.4567.89ab", "01-23-45-67-89-ab", "01:23:45:67:89:ab"],
        &["1:2:3:4:5:6"],
    ),
    (
        "IPV4",
        &["0.0.0.0", "255.255.255.255", "192.0.2.29", "10.20.30.249"],
        &["256.0.0.1", "1.2.3", "1.2.3.4.5", "1.2.3.300"],
    ),
    (
        "IPV6",
        &[
            "::",
            "::1",
            "1::",
            "2001:db8::1",
            "fe80::1%eth0",
            "1:2:3:4:5:6:7:8",
            "::ffff:192.0.2.1",
            "1:2:3:4:5:6:192.0.2.1",
            "1::7:8",
            "1:2:3:4:5:6:7::",
            "1:2:3:4:5:6::8",
            "1::3:4:5:6:7:8",
            "1:2:3:4:5::192.0.2.1",
            "::2:3:4:5:6:7:8",
        ],
        &[
            ":",
            "1",
            "10:05:03",
            ":::",
            "1::2::3",
            "1:2:3:4:5:6:7:8:9",
            "12345::",
            "1:2:3:4:5:6:7",
            "01:23:45:67:89:ab",
            "1:2:3:4:5:6:7::8",
            "1:2:3:4:5:6::192.0.2.1",
            "::256.0.0.1",
        ],
    ),
    ("IP", &["192.0.2.1", "2001:db8::1"], &["host", "1.2.3"]),
    (
        "HOSTNAME",
        &["db-1", "example.org", "example.org.", "3com"],
        &["-a", "", "a_b", "a..b"],
    ),
    (
        "IPORHOST",
        &["192.0.2.1", "::1", "example.org"],
        &["a b", ""],
    ),
    ("HOST", &["example.org"], &["a/b"]),
    (
        "HOSTPORT",
        &["example.org:80", "192.0.2.1:8080", "::1:80"],
        &["example.org", "a:0"],
    ),
    ("URIPROTO", &["http", "svn+ssh"], &["h", "1http", "a:b"]),
    (
        "URIHOST",
        &["example.org", "192.0.2.1:8080"],
        &["/a", "host:"],
    ),
    ("URIPATH", &["/", "/a/b%20c;d"], &["a", "/a?b", "/a b"]),
    ("URIQUERY", &["", "a=1&b[]=2"], &["a b", "\""]),
    ("URIPARAM", &["?", "?a=1"], &["a=1"]),
    ("URIPATHPARAM", &["/a", "/a?b=1"], &["?b=1", "/a b"]),
    (
        "URI",
        &[
            "http://example.org/a?b=1",
            "ftp://ada:pw@192.0.2.1:21/",
            "file:///etc/hosts",
        ],
        &["example.org", "http:/a", "http://exa mple"],
    ),
    (
        "UNIXPATH",
        &["/", "/var/log/a-b.log"],
        &["var/log", "C:\\x", ""],
    ),
    (
        "WINPATH",
        &[r"C:\Windows\x.dll", r"\\server\share"],
        &["/x", "C:", r"C:\a*"],
    ),
    ("PATH", &["/etc", r"C:\x"], &["etc"]),
    (
        "TTY",
        &["/dev/pts/3", "/dev/tty1", "/dev/ttyS0", "/dev/ttyp1"],
        &["/dev/tty", "/dev/sda1"],
    ),
    (
        "MONTH",
        &[
            "Jan", "March", "Mar", "März", "Sept", "okt", "Mai", "December",
        ],
        &["Foo", "Janu", "Marc"],
    ),
    ("MONTHNUM", &["1", "01", "10", "12"], &["0", "13", "00"]),
    ("MONTHNUM2", &["01", "12"], &["1", "13"]),
    ("MONTHDAY", &["1", "09", "10", "31"], &["0", "32", "00"]),
    ("DAY", &["Mon", "Thursday"], &["Mo", "Month"]),
    ("YEAR", &["2026", "26"], &["226", "x", "20265"]),
    ("HOUR", &["0", "9", "09", "19", "23"], &["24", "007"]),
    ("MINUTE", &["00", "59"], &["60", "5"]),
    (
        "SECOND",
        &["00", "7", "59", "60", "05.123", "05,5"],
        &["61", "5."],
    ),
    ("TIME", &["10:05:03", "23:59:60.5"], &["10:05", "25:00:00"]),
    (
        "DATE_US",
        &["10/31/2026", "1-2-26"],
        &["31/10/2026", "10.31.2026"],
    ),
    ("DATE_EU", &["31/10/2026", "31.10.2026"], &["10/31/2026"]),
    ("DATE", &["10/31/2026", "31.10.26"], &["2026-10-31"]),
    (
        "DATESTAMP",
        &["10/31/2026 10:05:03", "31.10.26-10:05:03,1"],
        &["10/31/2026"],
    ),
    (
        "ISO8601_TIMEZONE",
        &["Z", "+01:00", "-0130", "+02"],
        &["UTC", "01:00"],
    ),
    ("ISO8601_SECOND", &["00", "59.123", "60"], &["61"]),
    ("ISO8601_HOUR", &["00", "24", "19"], &["25", "9"]),
    (
        "TIMESTAMP_ISO8601",
        &[
            "2026-01-02T03:04:05Z",
            "2026-01-02 03:04:05,678",
            "2026-01-02T03:04:05.678+01:00",
            "2026-01-02 03:04",
            "2026-10-31T10:05:03-0700",
        ],
        &["2026-13-02T03:04:05Z", "2026-01-02", "2026/01/02 03:04:05"],
    ),
    ("TZ", &["UTC", "PST", "CDT"], &["GMT", "utc"]),
    (
        "DATESTAMP_RFC822",
        &["Mon Jan 02 2026 10:05:03 UTC"],
        &["Mon, 02 Jan 2026 10:05:03 UTC"],
    ),
    (
        "DATESTAMP_RFC2822",
        &["Mon, 02 Jan 2026 10:05:03 +0100"],
        &["Mon 02 Jan 2026 10:05:03"],
    ),
    (
        "DATESTAMP_OTHER",
        &["Mon Jan 2 10:05:03 PST 2026"],
        &["Mon Jan 2 10:05:03 2026"],
    ),
    (
        "DATESTAMP_EVENTLOG",
        &["20260102030405"],
        &["2026010203040", "20261302030405"],
    ),
    (
        "SYSLOGTIMESTAMP",
        &["Jan  2 03:04:05", "Oct 11 22:14:15"],
        &["2 Jan 03:04:05", "Oct 11"],
    ),
    (
        "HTTPDATE",
        &["17/May/2026:10:05:03 +0000"],
        &["17/May/2026 10:05:03", "17/05/2026:10:05:03 +0000"],
    ),
    ("PROG", &["sshd", "postfix/smtp"], &["a b", "sshd[1]"]),
    (
        "SYSLOGPROG",
        &["sshd", "sshd[12]", "postfix/smtp[1]"],
        &["sshd[a]", "sshd[0]"],
    ),
    ("SYSLOGHOST", &["web-1", "192.0.2.1"], &["a b"]),
    ("SYSLOGFACILITY", &["<4.6>"], &["<46>", "4.6"]),
    (
        "SYSLOGBASE",
        &[
            "Oct 11 22:14:15 mymachine su[230]:",
            "Oct 11 22:14:15 <4.6> h kernel:",
        ],
        &["Oct 11 22:14:15 h su"],
    ),
    (
        "SYSLOGBASE2",
        &[
            "2026-01-02T03:04:05Z mymachine su[230]:",
            "Oct 11 22:14:15 host",
        ],
        &["Oct 11 mymachine su:"],
    ),
    (
        "SYSLOGLINE",
        &["Oct 11 22:14:15 mymachine su[230]: 'su root' failed"],
        &["su: failed"],
    ),
    (
        "SYSLOGPAMSESSION",
        &[
            "Oct 11 22:14:15 h sshd[1]: pam_unix(sshd:session): session opened for user ada by (uid=0)",
            "Oct 11 22:14:15 h su: pam_unix(su:session): session closed for user ada",
        ],
        &["Oct 11 22:14:15 h sshd[1]: session opened for user ada"],
    ),
    ("CRON_ACTION", &["CMD", "END EDIT"], &["cmd"]),
    (
        "CRONLOG",
        &["Oct 11 22:14:15 h CRON[1]: (root) CMD (run-parts /etc/cron.hourly)"],
        &["Oct 11 22:14:15 h CRON[1]: root CMD"],
    ),
    ("SYSLOG5424PRINTASCII", &["su", "!~"], &["a b", ""]),
    ("SYSLOG5424PRI", &["<34>"], &["34", "<a>"]),
    (
        "SYSLOG5424SD",
        &[r#"[a@1 b="c" d="\]"][e]"#],
        &["-", "[]", r#"[a b=c]"#],
    ),
    (
        "SYSLOG5424BASE",
        &[
            "<34>1 2026-01-02T03:04:05.003Z host su 77 ID47 -",
            "<34>1 - - - - - -",
        ],
        &["34 1 - - - - - -", "<34>1 - -"],
    ),
    (
        "SYSLOG5424LINE",
        &[r#"<34>1 2026-01-02T03:04:05.003Z host su 77 ID47 [ex@32473 iut="3"] 'su root' failed"#],
        &["Oct 11 22:14:15 mymachine su: x"],
    ),
    (
        "HTTPDUSER",
        &["-", "ada", "ada@example.org"],
        &["a b", "@example.org"],
    ),
    (
        "HTTPDERROR_DATE",
        &["Fri Sep 09 10:42:29.902022 2011"],
        &["09 Sep 2011"],
    ),
    (
        "HTTPD_COMMONLOG",
        &[
            r#"127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /a HTTP/1.0" 200 2326"#,
            r#"::1 - - [10/Oct/2000:13:55:36 -0700] "-" 408 -"#,
        ],
        &[r#"127.0.0.1 - frank "GET /a HTTP/1.0" 200 2326"#],
    ),
    (
        "COMMONAPACHELOG",
        &[r#"example.org - - [10/Oct/2000:13:55:36 -0700] "GET /a" 304 -"#],
        &["GET /a"],
    ),
    (
        "HTTPD_COMBINEDLOG",
        &[
            r#"127.0.0.1 - - [10/Oct/2000:13:55:36 -0700] "GET /a HTTP/1.0" 200 23 "-" "curl \"8\"""#,
        ],
        &[r#"127.0.0.1 - - [10/Oct/2000:13:55:36 -0700] "GET /a HTTP/1.0" 200 23"#],
    ),
    (
        "COMBINEDAPACHELOG",
        &[r#"127.0.0.1 - - [10/Oct/2000:13:55:36 -0700] "GET /a HTTP/1.0" 200 23 "-" "curl""#],
        &["x"],
    ),
    (
        "HTTPD20_ERRORLOG",
        &["[Wed Oct 11 14:32:52 2000] [error] [client 127.0.0.1] client denied"],
        &["[error] x"],
    ),
    (
        "HTTPD24_ERRORLOG",
        &[
            "[Fri Sep 09 10:42:29.902022 2011] [core:error] [pid 35708:tid 4328636416] [client 72.15.99.187:80] File does not exist",
            "[Fri Sep 09 10:42:29.902022 2011] [ssl:warn] [pid 3] AH01909: no name",
            "[Fri Sep 09 10:42:29.902022 2011] [proxy:error] [pid 3] (111)Connection refused: AH00957: HTTP",
        ],
        &["[Wed Oct 11 14:32:52 2000] [error] x"],
    ),
    (
        "HTTPD_ERRORLOG",
        &[
            "[Wed Oct 11 14:32:52 2000] [error] [client 127.0.0.1] client denied",
            "[Fri Sep 09 10:42:29.902022 2011] [core:error] [pid 35708] File does not exist",
        ],
        &["error"],
    ),
    ("HAPROXYTIME", &["12:14:14"], &["12:14", "12:14:61"]),
    (
        "HAPROXYDATE",
        &["06/Feb/2009:12:14:14.655"],
        &["06/Feb/2009 12:14:14"],
    ),
    ("HAPROXYCAPTUREDREQUESTHEADERS", &["", "1wt.eu|x"], &["}"]),
    ("HAPROXYCAPTUREDRESPONSEHEADERS", &["", "apache"], &["}"]),
    (
        "HAPROXYURI",
        &["/index.html", "http://ada:pw@example.org:80/a?b", ""],
        &["a b"],
    ),
    (
        "HAPROXYHTTPREQUESTLINE",
        &["GET / HTTP/1.1", "<BADREQ>"],
        &["GET", "<bad>"],
    ),
    (
        "HAPROXYHTTPBASE",
        &[
            r#"10.0.1.2:33317 [06/Feb/2009:12:14:14.655] http-in static/srv1 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 {1wt.eu} {} "GET /index.html HTTP/1.1""#,
            r#"10.0.1.2:33317 [06/Feb/2009:12:14:14.655] http-in http-in/<NOSRV> -1/-1/-1/-1/+50 400 +187 - - CR-- 1/1/1/1/+0 0/0 "<BADREQ>""#,
        ],
        &["10.0.1.2:33317 x"],
    ),
    (
        "HAPROXYHTTP",
        &[
            r#"Feb  6 12:14:14 localhost haproxy[14389]: 10.0.1.2:33317 [06/Feb/2009:12:14:14.655] http-in static/srv1 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 "GET /index.html HTTP/1.1""#,
        ],
        &["haproxy: x"],
    ),
    (
        "HAPROXYTCP",
        &[
            "Feb  6 12:12:56 localhost haproxy[14387]: 10.0.1.2:33313 [06/Feb/2009:12:12:51.443] fnt bck/srv1 0/0/5007 212 -- 0/0/0/0/3 0/0",
        ],
        &["Feb  6 12:12:56 localhost haproxy[14387]: 10.0.1.2:33313"],
    ),
    (
        "HAPROXYERROR",
        &[
            "Dec  3 18:27:14 localhost haproxy[6103]: 127.0.0.1:56059 [03/Dec/2012:17:35:10.380] frt/f1: Connection error during SSL handshake",
        ],
        &["frt/f1: error"],
    ),
    (
        "JAVACLASS",
        &["Main", "org.apache.X$Inner", "o.a.b-c.D"],
        &["a..b", ".a", "1a"],
    ),
    ("JAVAFILE", &["Main.java", "Native Method"], &["", "a:b"]),
    (
        "JAVAMETHOD",
        &["run", "<init>", "<clinit>", "lambda$0"],
        &["<x>", "a b"],
    ),
    (
        "JAVASTACKTRACEPART",
        &[
            "\tat com.example.Main.run(Main.java:12)",
            "at java.lang.Thread.<init>(Unknown Source)",
        ],
        &["com.example.Main.run(Main.java:12)"],
    ),
    (
        "JAVATHREAD",
        &["TP-Processor12"],
        &["Processor1", "tp-Processor1"],
    ),
    ("JAVALOGMESSAGE", &["", "any"], &[]),
    (
        "CATALINA_DATESTAMP",
        &["Jan 9, 2014 7:13:13 AM"],
        &["Jan 9 2014 7:13:13"],
    ),
    (
        "CATALINALOG",
        &["Jan 9, 2014 7:13:13 AM org.apache.Foo started up"],
        &["started up"],
    ),
    (
        "TOMCAT_DATESTAMP",
        &["2014-01-09 20:03:28,269 -0800"],
        &["2014-01-09 20:03:28"],
    ),
    (
        "TOMCATLOG",
        &["2014-01-09 20:03:28,269 -0800 | ERROR | com.example.Service - something happened"],
        &["ERROR | com.example.Service"],
    ),
    (
        "MONGO_LOG",
        &["Jan  2 03:04:05 [conn1] end connection"],
        &["[conn1] end"],
    ),
    (
        "MONGO_QUERY",
        &["{ a: 1 }", "{ a: { b: 1 } }"],
        &["{a}", "x"],
    ),
    ("MONGO_WORDDASH", &["my-db"], &["a b", "-"]),
    (
        "MONGO_SLOWQUERY",
        &[
            "query my-db.users query: { a: 1 } ntoreturn:1 ntoskip:0 nscanned:12 keyUpdates:0 nreturned:1 reslen:40 12ms",
        ],
        &["query my-db.users"],
    ),
    ("MONGO3_SEVERITY", &["I"], &["II", "-"]),
    ("MONGO3_COMPONENT", &["NETWORK", "-"], &["--", ""]),
    (
        "MONGO3_LOG",
        &["2014-11-03T18:28:32.450-0500 I NETWORK  [initandlisten] waiting"],
        &["I NETWORK x"],
    ),
    (
        "REDISTIMESTAMP",
        &["14 Nov 07:01:22.119", "14 Nov 2026 07:01:22.119"],
        &["Nov 14 07:01:22"],
    ),
    (
        "REDISLOG",
        &[
            "[18024] 14 Nov 07:01:22.119 * ",
            "1:M 14 Nov 2026 07:01:22.119 # ",
        ],
        &["18024 x"],
    ),
    (
        "REDISMONLOG",
        &[r#"1470637867.953466 [0 127.0.0.1:49502] "GET" "key""#],
        &["GET key"],
    ),
    (
        "POSTGRESQL",
        &[
            "01/02/2026 03:04:05 UTC ada db 52b47d63.1 1234",
            "2026-01-02 03:04:05 UTC ada c 12",
        ],
        &["ERROR: x"],
    ),
    ("RUBY_LOGLEVEL", &["DEBUG", "WARN"], &["warn"]),
    (
        "RUBY_LOGGER",
        &[
            "I, [2026-01-02T03:04:05.123456 #1234]  INFO -- : started",
            "F, [2026-01-02T03:04:05 #1] FATAL -- app: x",
        ],
        &["INFO -- : started"],
    ),
];

#[test]
fn each_definition_fits_what_it_says() {
    let known: BTreeSet<_> = Format::grok_library().map(|(name, _)| name).collect();
    let tested: BTreeSet<_> = LIBRARY.iter().map(|(name, ..)| *name).collect();
    assert_eq!(known, tested);
    assert_eq!(known.len(), LIBRARY.len());
    for (name, accepted, refused) in LIBRARY {
        let format = Format::grok(&format!("^%{{{name}:whole}}$")).unwrap();
        let explained = format.explain();
        assert!(explained.starts_with("a plan of "), "{name}: {explained}");
        for line in *accepted {
            let found = parse(&format, &format!("{line}\n"));
            let found = found.unwrap_or_else(|| panic!("{name} does not fit {line:?}"));
            assert!(
                found.contains(&("whole".to_owned(), (*line).to_owned())),
                "{name}: {line}"
            );
        }
        for line in *refused {
            let found = parse(&format, &format!("{line}\n"));
            assert_eq!(found, None, "{name} fits {line:?}");
        }
    }
}

/// Examples with some bytes changed find the same columns, or none, by the plan and by the regular
/// expression, which `parse` compares.
#[test]
fn damaged_examples_change_nothing_between_engines() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let changes = prop::collection::vec((any::<prop::sample::Index>(), " -~"), 1..4);
    for (name, accepted, _) in LIBRARY {
        for pattern in [format!("^%{{{name}:whole}}$"), format!("%{{{name}:part}}")] {
            let format = Format::grok(&pattern).unwrap();
            for line in *accepted {
                for _ in 0..10 {
                    let mut line: Vec<char> = format!("x {line}").chars().collect();
                    let changes = changes.new_tree(&mut runner).unwrap().current();
                    for (at, new) in changes {
                        let at = at.index(line.len());
                        line.splice(at..=at, new.chars());
                    }
                    parse(&format, &line.into_iter().collect::<String>());
                }
            }
        }
    }
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
