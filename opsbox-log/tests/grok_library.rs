//! Grok's library: what each definition fits, by the plan and by the regular expression.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::collections::BTreeSet;

use opsbox_log::{Format, Parser};
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
        &["2014/01/09 20:03:28"],
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
    ("NAGIOSTIME", &["[1388606400]"], &["1388606400"]),
    (
        "NAGIOS_TYPE_CURRENT_SERVICE_STATE",
        &["CURRENT SERVICE STATE"],
        &["CURRENT_SERVICE_STATE"],
    ),
    (
        "NAGIOS_TYPE_CURRENT_HOST_STATE",
        &["CURRENT HOST STATE"],
        &["CURRENT_HOST_STATE"],
    ),
    (
        "NAGIOS_TYPE_SERVICE_NOTIFICATION",
        &["SERVICE NOTIFICATION"],
        &["SERVICE_NOTIFICATION"],
    ),
    (
        "NAGIOS_TYPE_HOST_NOTIFICATION",
        &["HOST NOTIFICATION"],
        &["HOST_NOTIFICATION"],
    ),
    (
        "NAGIOS_TYPE_SERVICE_ALERT",
        &["SERVICE ALERT"],
        &["SERVICE_ALERT"],
    ),
    ("NAGIOS_TYPE_HOST_ALERT", &["HOST ALERT"], &["HOST_ALERT"]),
    (
        "NAGIOS_TYPE_SERVICE_FLAPPING_ALERT",
        &["SERVICE FLAPPING ALERT"],
        &["SERVICE_FLAPPING_ALERT"],
    ),
    (
        "NAGIOS_TYPE_HOST_FLAPPING_ALERT",
        &["HOST FLAPPING ALERT"],
        &["HOST_FLAPPING_ALERT"],
    ),
    (
        "NAGIOS_TYPE_SERVICE_DOWNTIME_ALERT",
        &["SERVICE DOWNTIME ALERT"],
        &["SERVICE_DOWNTIME_ALERT"],
    ),
    (
        "NAGIOS_TYPE_HOST_DOWNTIME_ALERT",
        &["HOST DOWNTIME ALERT"],
        &["HOST_DOWNTIME_ALERT"],
    ),
    (
        "NAGIOS_TYPE_PASSIVE_SERVICE_CHECK",
        &["PASSIVE SERVICE CHECK"],
        &["PASSIVE_SERVICE_CHECK"],
    ),
    (
        "NAGIOS_TYPE_PASSIVE_HOST_CHECK",
        &["PASSIVE HOST CHECK"],
        &["PASSIVE_HOST_CHECK"],
    ),
    (
        "NAGIOS_TYPE_SERVICE_EVENT_HANDLER",
        &["SERVICE EVENT HANDLER"],
        &["SERVICE_EVENT_HANDLER"],
    ),
    (
        "NAGIOS_TYPE_HOST_EVENT_HANDLER",
        &["HOST EVENT HANDLER"],
        &["HOST_EVENT_HANDLER"],
    ),
    (
        "NAGIOS_TYPE_EXTERNAL_COMMAND",
        &["EXTERNAL COMMAND"],
        &["EXTERNAL_COMMAND"],
    ),
    (
        "NAGIOS_TYPE_TIMEPERIOD_TRANSITION",
        &["TIMEPERIOD TRANSITION"],
        &["TIMEPERIOD_TRANSITION"],
    ),
    (
        "NAGIOS_EC_DISABLE_SVC_CHECK",
        &["DISABLE_SVC_CHECK"],
        &["disable_svc_check"],
    ),
    (
        "NAGIOS_EC_DISABLE_HOST_CHECK",
        &["DISABLE_HOST_CHECK"],
        &["disable_host_check"],
    ),
    (
        "NAGIOS_EC_ENABLE_SVC_CHECK",
        &["ENABLE_SVC_CHECK"],
        &["enable_svc_check"],
    ),
    (
        "NAGIOS_EC_ENABLE_HOST_CHECK",
        &["ENABLE_HOST_CHECK"],
        &["enable_host_check"],
    ),
    (
        "NAGIOS_EC_PROCESS_SERVICE_CHECK_RESULT",
        &["PROCESS_SERVICE_CHECK_RESULT"],
        &["process_service_check_result"],
    ),
    (
        "NAGIOS_EC_PROCESS_HOST_CHECK_RESULT",
        &["PROCESS_HOST_CHECK_RESULT"],
        &["process_host_check_result"],
    ),
    (
        "NAGIOS_EC_SCHEDULE_SERVICE_DOWNTIME",
        &["SCHEDULE_SERVICE_DOWNTIME"],
        &["schedule_service_downtime"],
    ),
    (
        "NAGIOS_EC_SCHEDULE_HOST_DOWNTIME",
        &["SCHEDULE_HOST_DOWNTIME"],
        &["schedule_host_downtime"],
    ),
    ("NAGIOS_WARNING", &["Warning: no host"], &["warning: x"]),
    (
        "NAGIOS_CURRENT_SERVICE_STATE",
        &["CURRENT SERVICE STATE: hostname;service;state;statetyp;statecod;message"],
        &["CURRENT SERVICE STATE: x"],
    ),
    (
        "NAGIOS_CURRENT_HOST_STATE",
        &["CURRENT HOST STATE: hostname;state;statetyp;statecod;message"],
        &["CURRENT HOST STATE: x"],
    ),
    (
        "NAGIOS_SERVICE_NOTIFICATION",
        &["SERVICE NOTIFICATION: notifyna;hostname;service;state;contact;message"],
        &["SERVICE NOTIFICATION: x"],
    ),
    (
        "NAGIOS_HOST_NOTIFICATION",
        &["HOST NOTIFICATION: notifyna;hostname;state;contact;message"],
        &["HOST NOTIFICATION: x"],
    ),
    (
        "NAGIOS_SERVICE_ALERT",
        &["SERVICE ALERT: hostname;service;state;statelev;3;message"],
        &["SERVICE ALERT: x"],
    ),
    (
        "NAGIOS_HOST_ALERT",
        &["HOST ALERT: hostname;state;statelev;3;message"],
        &["HOST ALERT: x"],
    ),
    (
        "NAGIOS_SERVICE_FLAPPING_ALERT",
        &["SERVICE FLAPPING ALERT: hostname;service;state;message"],
        &["SERVICE FLAPPING ALERT: x"],
    ),
    (
        "NAGIOS_HOST_FLAPPING_ALERT",
        &["HOST FLAPPING ALERT: hostname;state;message"],
        &["HOST FLAPPING ALERT: x"],
    ),
    (
        "NAGIOS_SERVICE_DOWNTIME_ALERT",
        &["SERVICE DOWNTIME ALERT: hostname;service;state;comment"],
        &["SERVICE DOWNTIME ALERT: x"],
    ),
    (
        "NAGIOS_HOST_DOWNTIME_ALERT",
        &["HOST DOWNTIME ALERT: hostname;state;comment"],
        &["HOST DOWNTIME ALERT: x"],
    ),
    (
        "NAGIOS_PASSIVE_SERVICE_CHECK",
        &["PASSIVE SERVICE CHECK: hostname;service;state;comment"],
        &["PASSIVE SERVICE CHECK: x"],
    ),
    (
        "NAGIOS_PASSIVE_HOST_CHECK",
        &["PASSIVE HOST CHECK: hostname;state;comment"],
        &["PASSIVE HOST CHECK: x"],
    ),
    (
        "NAGIOS_SERVICE_EVENT_HANDLER",
        &["SERVICE EVENT HANDLER: hostname;service;state;statelev;event_ha"],
        &["SERVICE EVENT HANDLER: x"],
    ),
    (
        "NAGIOS_HOST_EVENT_HANDLER",
        &["HOST EVENT HANDLER: hostname;state;statelev;event_ha"],
        &["HOST EVENT HANDLER: x"],
    ),
    (
        "NAGIOS_TIMEPERIOD_TRANSITION",
        &["TIMEPERIOD TRANSITION: service;unknown1;unknown2"],
        &["TIMEPERIOD TRANSITION: x"],
    ),
    (
        "NAGIOS_EC_LINE_DISABLE_SVC_CHECK",
        &["EXTERNAL COMMAND: DISABLE_SVC_CHECK;hostname;service"],
        &["EXTERNAL COMMAND: DISABLE_SVC_CHECK"],
    ),
    (
        "NAGIOS_EC_LINE_DISABLE_HOST_CHECK",
        &["EXTERNAL COMMAND: DISABLE_HOST_CHECK;hostname"],
        &["EXTERNAL COMMAND: DISABLE_HOST_CHECK"],
    ),
    (
        "NAGIOS_EC_LINE_ENABLE_SVC_CHECK",
        &["EXTERNAL COMMAND: ENABLE_SVC_CHECK;hostname;service"],
        &["EXTERNAL COMMAND: ENABLE_SVC_CHECK"],
    ),
    (
        "NAGIOS_EC_LINE_ENABLE_HOST_CHECK",
        &["EXTERNAL COMMAND: ENABLE_HOST_CHECK;hostname"],
        &["EXTERNAL COMMAND: ENABLE_HOST_CHECK"],
    ),
    (
        "NAGIOS_EC_LINE_PROCESS_SERVICE_CHECK_RESULT",
        &["EXTERNAL COMMAND: PROCESS_SERVICE_CHECK_RESULT;hostname;service;state;check_re"],
        &["EXTERNAL COMMAND: PROCESS_SERVICE_CHECK_RESULT"],
    ),
    (
        "NAGIOS_EC_LINE_PROCESS_HOST_CHECK_RESULT",
        &["EXTERNAL COMMAND: PROCESS_HOST_CHECK_RESULT;hostname;state;check_re"],
        &["EXTERNAL COMMAND: PROCESS_HOST_CHECK_RESULT"],
    ),
    (
        "NAGIOS_EC_LINE_SCHEDULE_HOST_DOWNTIME",
        &[
            "EXTERNAL COMMAND: SCHEDULE_HOST_DOWNTIME;hostname;1388606400;1388610000;1;0;3600;author;comment",
        ],
        &["EXTERNAL COMMAND: SCHEDULE_HOST_DOWNTIME"],
    ),
    (
        "NAGIOSLOGLINE",
        &[
            "[1388606400] Warning: no host",
            "[1388606400] CURRENT SERVICE STATE: hostname;service;state;statetyp;statecod;message",
            "[1388606400] CURRENT HOST STATE: hostname;state;statetyp;statecod;message",
            "[1388606400] SERVICE NOTIFICATION: notifyna;hostname;service;state;contact;message",
            "[1388606400] HOST NOTIFICATION: notifyna;hostname;state;contact;message",
            "[1388606400] SERVICE ALERT: hostname;service;state;statelev;3;message",
            "[1388606400] HOST ALERT: hostname;state;statelev;3;message",
            "[1388606400] SERVICE FLAPPING ALERT: hostname;service;state;message",
            "[1388606400] HOST FLAPPING ALERT: hostname;state;message",
            "[1388606400] SERVICE DOWNTIME ALERT: hostname;service;state;comment",
            "[1388606400] HOST DOWNTIME ALERT: hostname;state;comment",
            "[1388606400] PASSIVE SERVICE CHECK: hostname;service;state;comment",
            "[1388606400] PASSIVE HOST CHECK: hostname;state;comment",
            "[1388606400] SERVICE EVENT HANDLER: hostname;service;state;statelev;event_ha",
            "[1388606400] HOST EVENT HANDLER: hostname;state;statelev;event_ha",
            "[1388606400] TIMEPERIOD TRANSITION: service;unknown1;unknown2",
            "[1388606400] EXTERNAL COMMAND: DISABLE_SVC_CHECK;hostname;service",
            "[1388606400] EXTERNAL COMMAND: DISABLE_HOST_CHECK;hostname",
            "[1388606400] EXTERNAL COMMAND: ENABLE_SVC_CHECK;hostname;service",
            "[1388606400] EXTERNAL COMMAND: ENABLE_HOST_CHECK;hostname",
            "[1388606400] EXTERNAL COMMAND: PROCESS_SERVICE_CHECK_RESULT;hostname;service;state;check_re",
            "[1388606400] EXTERNAL COMMAND: PROCESS_HOST_CHECK_RESULT;hostname;state;check_re",
            "[1388606400] EXTERNAL COMMAND: SCHEDULE_HOST_DOWNTIME;hostname;1388606400;1388610000;1;0;3600;author;comment",
        ],
        &["[1388606400] nothing known"],
    ),
    (
        "TIMESTAMP_CN",
        &["2026-01-02 03:04:05.678"],
        &["2026-01-02 03:04:05", "2026-01-02T03:04:05.678"],
    ),
    (
        "CATALINA7_DATESTAMP",
        &["Jan 9, 2014 7:13:13 AM"],
        &["09-Jan-2014 07:13:13"],
    ),
    (
        "CATALINA7_LOG",
        &[
            "Jan 9, 2014 7:13:13 AM org.apache.Foo start SEVERE: failed",
            "Jan 9, 2014 7:13:13 AM org.apache.Foo started up",
        ],
        &["org.apache.Foo start"],
    ),
    (
        "CATALINA8_DATESTAMP",
        &["31-Jul-2020 16:40:38.578"],
        &["Jan 9, 2014 7:13:13 AM"],
    ),
    (
        "CATALINA8_LOG",
        &[
            "31-Jul-2020 16:40:38.578 INFO [main] org.apache.catalina.core.StandardService.startInternal Starting service",
        ],
        &["31-Jul-2020 16:40:38.578 Starting"],
    ),
    (
        "TOMCAT50_DATESTAMP",
        &["2014-01-09 17:32:25,527 -0800", "2014-01-09 17:32:25"],
        &["09-Jan-2014 07:13:13"],
    ),
    (
        "TOMCAT50_LOG",
        &[
            "2014-01-09 17:32:25 StandardContext[/app]org.apache.Foo: run(x): failed",
            "2014-01-09 17:32:25 ERROR Bean[/a]: x",
        ],
        &["2014-01-09 17:32:25 ERROR x"],
    ),
    (
        "TOMCAT6_LOG",
        &["Jan 9, 2014 7:13:13 AM org.apache.Foo start INFO: x"],
        &["INFO: x"],
    ),
    (
        "TOMCAT8_LOG",
        &["31-Jul-2020 16:40:38.578 INFO [main] org.apache.Foo.run x"],
        &["INFO [main]"],
    ),
    (
        "TOMCATLEGACY_LOG",
        &["2014-01-09 20:03:28,269 -0800 | ERROR | com.example.Service - something happened"],
        &["ERROR | com.example.Service"],
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
        assert!(explained.contains("a plan of "), "{name}: {explained}");
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
