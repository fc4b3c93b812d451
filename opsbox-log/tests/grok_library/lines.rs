//! What the lines of syslog, servers, databases and runtimes fit, and parts that are theirs alone.

use super::Examples;

/// Their names, what they fit as a whole line, and what they do not.
pub(crate) const LINES: &[Examples] = &[
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
