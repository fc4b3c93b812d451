//! The named formats, each from its vendor's documentation.

use super::{
    aws, mysql_slow, openssh,
    preset::{Preset, Rule},
};

/// Inside double quotes: anything but a quote, which Apache escapes as `\"` and nginx as `\x22`.
macro_rules! quoted {
    () => {
        r#"(?:[^"\\]|\\.)*"#
    };
}

/// RFC 3339 as the log formats use it: date, `T` or a space, time, fraction, offset.
macro_rules! iso_time {
    () => {
        r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:[.,]\d{1,9})?(?:Z|[+-]\d{2}:?\d{2})?"
    };
}

/// What the access logs have in common: up to the bytes sent.
macro_rules! access {
    () => {
        concat!(
            // In a name, nginx writes a quote as \x22 and Apache as \"; Apache's empty name is "".
            r#"(?P<remote_addr>\S+) (?P<ident>\S+) (?P<remote_user>""|(?:[^"\\]|\\.)+?) "#,
            r"\[(?P<time_local>\d{2}/[A-Z][a-z]{2}/\d{4}:\d{2}:\d{2}:\d{2} [+-]\d{4})\] ",
            // A request that is no request line (an empty one, a TLS hello) has no parts.
            r#""(?P<request>(?P<request_method>[A-Z][A-Z-]*) (?P<request_uri>(?:[^"\\]|\\.)+?)"#,
            r#"(?: (?P<server_protocol>HTTP/\d(?:\.\d)?))?|"#,
            quoted!(),
            r#")" (?P<status>\d{3}|-) (?P<body_bytes_sent>\d+|-)"#,
        )
    };
}

// From the particular to the general: the order decides between equals in `detect`.
pub(super) static ALL: [Preset; 29] = [
    Preset::pattern(
        "combined",
        "access log of nginx (log_format combined) and Apache httpd (LogFormat combined); columns \
         are named as nginx's variables, `ident` is Apache's %l",
        r#"192.0.2.7 - ada [17/May/2026:10:05:03 +0000] "GET /a?b=1 HTTP/1.1" 200 2326 "-" "curl/8.5""#,
        concat!(
            access!(),
            r#" "(?P<http_referer>"#,
            quoted!(),
            r#")" "(?P<http_user_agent>"#,
            quoted!(),
            r#")""#,
        ),
    ),
    Preset::pattern(
        "common",
        "access log in the Common Log Format of Apache httpd (LogFormat common) and others; columns are \
         those of `combined`",
        r#"127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326"#,
        concat!(access!()),
    ),
    Preset::pattern(
        "nginx-error",
        "error log of nginx; the pairs that nginx adds (client, server, request, ...) stay in `message`",
        r#"2026/11/02 09:25:11 [error] 29#31: *1213 open() "/srv/x" failed (2: No such file or directory), client: 192.0.2.9, server: example.com"#,
        concat!(
            r"(?P<timestamp>\d{4}/\d{2}/\d{2} \d{2}:\d{2}:\d{2}) \[(?P<level>[a-z]+)\] ",
            r"(?P<pid>\d+)#(?P<tid>\d+): (?:\*(?P<connection>\d+) )?(?P<message>.*)",
        ),
    ),
    Preset::pattern(
        "apache-error",
        "error log of Apache httpd 2.4 in its default ErrorLogFormat, and of 2.2, which has no module and \
         no process; `source` is there from the level debug on, `error_status` is the system's own",
        "[Fri Sep 09 10:42:29.902022 2011] [core:error] [pid 35708:tid 4328636416] [client 72.15.99.187] File does not exist: /usr/local/apache2/htdocs/favicon.ico",
        concat!(
            r"\[(?P<timestamp>[A-Z][a-z]{2} [A-Z][a-z]{2} \d{2} \d{2}:\d{2}:\d{2}(?:\.\d{1,6})? \d{4})\] ",
            r"\[(?:(?P<module>[^:\]]*):)?(?P<level>[a-z0-9]+)\] ",
            r"(?:\[pid (?P<pid>\d+)(?::tid (?P<tid>\d+))?\] )?",
            r"(?:(?P<source>[A-Za-z0-9_./-]+\(\d+\)): )?",
            r"(?:(?P<error_status>\((?:[A-Z]+ )?\d+\)[^:]*): )?",
            r"(?:\[client (?P<client>[^\]]+)\] )?(?P<message>.*)",
        ),
    ),
    Preset::pattern(
        "haproxy-http",
        "HTTP log of HAProxy (option httplog, and httpslog with `ssl_errors` and `ssl`), with or without a \
         syslog header before it; timers and counts stay together, as HAProxy writes them",
        r#"Feb  6 12:14:14 localhost haproxy[14389]: 10.0.1.2:33317 [06/Feb/2009:12:14:14.655] http-in static/srv1 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 {1wt.eu} {} "GET /index.html HTTP/1.1""#,
        concat!(
            r"(?:[A-Z<][^\[]{0,300}\[\d+\]: )?(?P<client>\S+:\d+) ",
            r"\[(?P<accept_date>\d{2}/[A-Z][a-z]{2}/\d{4}:\d{2}:\d{2}:\d{2}\.\d{3})\] ",
            r"(?P<frontend>\S+) (?P<backend>[^ /]+)/(?P<server>\S+) (?P<timers>[-+\d/]+) ",
            r"(?P<status>\d{3}|-1) (?P<bytes_read>\+?\d+) (?P<request_cookie>\S+) (?P<response_cookie>\S+) ",
            r"(?P<termination_state>\S{4}) (?P<connections>[+\d/]+) (?P<queues>\d+/\d+) ",
            r"(?:\{(?P<request_headers>[^}]*)\} )?(?:\{(?P<response_headers>[^}]*)\} )?",
            r#""(?P<request>[^"]*)"(?: (?P<ssl_errors>[\dA-Fa-f/-]+) (?P<ssl>\S+))?"#,
        ),
    ),
    Preset::pattern(
        "haproxy-tcp",
        "TCP log of HAProxy (option tcplog), with or without a syslog header before it, as in `haproxy-http`",
        "Feb  6 12:12:56 localhost haproxy[14387]: 10.0.1.2:33313 [06/Feb/2009:12:12:51.443] fnt bck/srv1 0/0/5007 212 -- 0/0/0/0/3 0/0",
        concat!(
            r"(?:[A-Z<][^\[]{0,300}\[\d+\]: )?(?P<client>\S+:\d+) ",
            r"\[(?P<accept_date>\d{2}/[A-Z][a-z]{2}/\d{4}:\d{2}:\d{2}:\d{2}\.\d{3})\] ",
            r"(?P<frontend>\S+) (?P<backend>[^ /]+)/(?P<server>\S+) (?P<timers>[-+\d/]+) ",
            r"(?P<bytes_read>\+?\d+) (?P<termination_state>\S{2}) (?P<connections>[+\d/]+) (?P<queues>\d+/\d+)",
        ),
    ),
    Preset::pattern(
        "haproxy-error",
        "what HAProxy logs of connections that fail before a request (its error log format), with or \
         without a syslog header before it",
        "Dec  3 18:27:14 localhost haproxy[6103]: 127.0.0.1:56059 [03/Dec/2012:17:35:10.380] frt/f1: Connection error during SSL handshake",
        concat!(
            r"(?:[A-Z<][^\[]{0,300}\[\d+\]: )?(?P<client>\S+:\d+) ",
            r"\[(?P<accept_date>\d{2}/[A-Z][a-z]{2}/\d{4}:\d{2}:\d{2}:\d{2}\.\d{3})\] ",
            r"(?P<frontend>[^ /]+)/(?P<bind>[^ :]+): (?P<message>.*)",
        ),
    ),
    Preset::pattern(
        "aws-alb",
        "access log of the AWS Application Load Balancer; columns are named as in its user guide, with _ \
         for `:` (`client_port` is address and port), the parts of `request` as in AWS's Athena tables; \
         fields that a later version appends are left out",
        r#"http 2018-07-02T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 192.168.131.39:2817 10.0.0.1:80 0.000 0.001 0.000 200 200 34 366 "GET http://www.example.com:80/ HTTP/1.1" "curl/7.46.0" - - arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067 "Root=1-58337262-36d228ad5d99923122bbe354" "-" "-" 0 2018-07-02T22:22:48.364000Z "forward" "-" "-" "10.0.0.1:80" "200" "-" "-" TID_1234abcd5678ef90 "-" "-" "-""#,
        aws::ALB,
    ),
    Preset::pattern(
        "aws-elb",
        "access log of the AWS Classic Load Balancer; columns are named as in its user guide, as in `aws-alb`",
        r#"2015-05-13T23:39:43.945958Z my-loadbalancer 192.168.131.39:2817 10.0.0.1:80 0.000073 0.001048 0.000057 200 200 0 29 "GET http://www.example.com:80/ HTTP/1.1" "curl/7.38.0" - -"#,
        aws::ELB,
    ),
    Preset::pattern(
        "iis",
        "W3C Extended Log Format with the fields that IIS writes by default, named as in its #Fields line; \
         the lines that begin with # are unmatched (for other fields see Format::w3c_extended)",
        "2026-11-02 09:25:11 10.0.0.4 GET /index.html q=1 443 - 192.0.2.9 Mozilla/5.0+(X11) https://example.com/ 200 0 0 15",
        concat!(
            r"(?P<date>\d{4}-\d{2}-\d{2}) (?P<time>\d{2}:\d{2}:\d{2}) (?P<s_ip>\S+) (?P<cs_method>\S+) ",
            r"(?P<cs_uri_stem>\S+) (?P<cs_uri_query>\S+) (?P<s_port>\d+) (?P<cs_username>\S+) (?P<c_ip>\S+) ",
            r"(?P<cs_user_agent>\S+) (?P<cs_referer>\S+) (?P<sc_status>\d+) (?P<sc_substatus>\d+) ",
            r"(?P<sc_win32_status>\d+) (?P<time_taken>\d+)",
        ),
    ),
    Preset::pattern(
        "klog",
        "logs of Kubernetes components (klog), and of C++ programs with glog, which may write the year",
        "I0102 15:04:05.678901   12345 controller.go:123] \"Starting\" worker=1",
        concat!(
            r"(?P<severity>[IWEF])(?P<timestamp>\d{4}(?:\d{4})? \d{2}:\d{2}:\d{2}\.\d{6}) +(?P<thread_id>\d+) ",
            r"(?P<file>[^:\]]+):(?P<line>\d+)\] (?P<message>.*)",
        ),
    ),
    Preset::pattern(
        "postgresql",
        "server log of PostgreSQL with its default log_line_prefix '%m [%p] ', and with that of Debian's \
         packages, '%m [%p] %q%u@%d ', where sessions have `user` and `database`",
        "2026-01-02 03:04:05.678 UTC [1234] ERROR:  relation \"t\" does not exist at character 15",
        concat!(
            r"(?P<timestamp>\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}\.\d{3} [A-Za-z0-9+:-]+) \[(?P<pid>\d+)\] ",
            r"(?:(?P<user>[^\s@:]+)@(?P<database>\S+) )?",
            r"(?P<severity>[A-Z]+\d?): +(?P<message>.*)",
        ),
    ),
    Preset::pattern(
        "mysql-error",
        "error log of MySQL 8 (log_sink_internal), and of 5.7, which has no `error_code` and no `subsystem`; \
         MariaDB's is another",
        "2020-10-28T11:10:22.123456Z 0 [Warning] [MY-010068] [Server] CA certificate ca.pem is self signed.",
        concat!(
            r"(?P<timestamp>\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}(?:Z|[+-]\d{2}:\d{2})) ",
            r"(?P<thread>\d+) \[(?P<priority>[A-Za-z]+)\] ",
            r"(?:\[(?P<error_code>MY-\d+)\] \[(?P<subsystem>[^\]]*)\] )?",
            r"(?P<message>.*)",
        ),
    ),
    Preset::new(
        "mysql-slow",
        "slow query log of MySQL 5.1 and later, Percona Server and MariaDB, a record of several lines each; \
         `time` is that of MySQL 5.7 and later, `time_local` that of the others, which leave it out while \
         the second is the same; `user` is USER(), `current_user` CURRENT_USER()",
        mysql_slow::EXAMPLE,
        Rule::Records {
            pattern: mysql_slow::PATTERN,
            start: mysql_slow::START,
            heading: mysql_slow::TIME,
        },
    ),
    Preset::pattern(
        "syslog-rfc5424",
        "syslog as in RFC 5424; absent values stay `-`, as they are written",
        r#"<34>1 2026-01-02T03:04:05.003Z host su 77 ID47 [ex@32473 iut="3"] 'su root' failed"#,
        concat!(
            r"<(?P<priority>\d{1,3})>(?P<version>[1-9]\d{0,2}) ",
            r"(?P<timestamp>-|",
            iso_time!(),
            r") (?P<hostname>\S+) (?P<app_name>\S+) (?P<procid>\S+) (?P<msgid>\S+) ",
            r#"(?P<structured_data>-|(?:\[[^ =\]"]+(?: [^ =\]"]+="(?:[^"\\\]]|\\.)*")*\])+)"#,
            // A byte order mark says that the message is UTF-8; it is not part of it.
            r"(?: (?:\xEF\xBB\xBF)?(?P<message>.*))?",
        ),
    ),
    Preset::pattern(
        "cri",
        "container log file of the Kubernetes Container Runtime Interface (containerd, CRI-O)",
        "2026-01-02T03:04:05.669794202Z stdout F the line that the container wrote",
        concat!(
            r"(?P<timestamp>\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})) ",
            r"(?P<stream>stdout|stderr) (?P<logtag>[FP](?::\S*)?) (?P<message>.*)",
        ),
    ),
    Preset::pattern(
        "app",
        "application log: a timestamp, the level in brackets, the message",
        "2026-01-02 03:04:05 [INFO] listening on port 8080",
        concat!(
            r"(?P<timestamp>",
            iso_time!(),
            r") \[ *(?P<level>[A-Za-z]+) *\](?: (?P<message>.*))?",
        ),
    ),
    Preset::pattern(
        "hadoop",
        "log4j as Hadoop and HBase set it up: timestamp, level, optional thread, class, message",
        "2015-10-18 18:01:47,978 INFO [main] org.apache.hadoop.mapreduce.v2.app.MRAppMaster: Created MRAppMaster",
        concat!(
            r"(?P<timestamp>\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2},\d{3}) +(?P<level>[A-Z]+) +",
            r"(?:\[(?P<thread>[^\]]*)\] )?(?P<class>[A-Za-z_$][^ :]*): (?P<message>.*)",
        ),
    ),
    Preset::pattern(
        "hdfs",
        "log4j as early HDFS set it up, which the log collection loghub has: six-digit date and time, id \
         of the thread, level, class, message",
        "081109 203615 148 INFO dfs.DataNode$PacketResponder: PacketResponder 1 for block blk_38865049064139660 terminating",
        concat!(
            r"(?P<timestamp>\d{6} \d{6}) (?P<pid>\d+) (?P<level>[A-Z]+) ",
            r"(?P<class>[A-Za-z_$][^ :]*): (?P<message>.*)",
        ),
    ),
    Preset::pattern(
        "spark",
        "log4j as Spark sets it up: two-digit year, level, class, message",
        "17/06/09 20:10:40 INFO executor.CoarseGrainedExecutorBackend: Registered signal handlers for [TERM, HUP, INT]",
        concat!(
            r"(?P<timestamp>\d{2}/\d{2}/\d{2} \d{2}:\d{2}:\d{2}) (?P<level>[A-Z]+) ",
            r"(?P<class>[A-Za-z_$][^ :]*): (?P<message>.*)",
        ),
    ),
    Preset::pattern(
        "logback",
        "logback's default layout of Java programs: time of day, thread, level, logger, key-value pairs, \
         message",
        "16:06:29.031 [main] DEBUG chapters.configuration.MyApp1 -- Entering application.",
        concat!(
            r"(?P<time>\d{2}:\d{2}:\d{2}\.\d{3}) \[(?P<thread>[^\]]*)\] (?P<level>[A-Z]+) +",
            r"(?P<logger>\S+) ",
            r#"-(?:(?P<kvp>[^ "=]+="[^"]*"(?: [^ "=]+="[^"]*")*)?-)? (?P<message>.*)"#,
        ),
    ),
    Preset::pattern(
        "python-logging",
        "logging.basicConfig of Python: level, logger, message",
        "WARNING:root:This will get logged to a file",
        r"(?P<levelname>DEBUG|INFO|WARNING|ERROR|CRITICAL):(?P<name>[^:\s]+):(?P<message>.*)",
    ),
    Preset::pattern(
        "cef",
        "ArcSight Common Event Format, with or without a syslog header; the extension stays one column",
        "CEF:0|Security|threatmanager|1.0|100|worm successfully stopped|10|src=10.0.0.1 dst=2.1.2.2 spt=1232",
        concat!(
            r"(?:[^|]* )?CEF:(?P<version>\d+)\|(?P<device_vendor>(?:[^|\\]|\\.)*)\|",
            r"(?P<device_product>(?:[^|\\]|\\.)*)\|(?P<device_version>(?:[^|\\]|\\.)*)\|",
            r"(?P<device_event_class_id>(?:[^|\\]|\\.)*)\|(?P<name>(?:[^|\\]|\\.)*)\|",
            r"(?P<severity>[^|]*)\|(?P<extension>.*)",
        ),
    ),
    Preset::pattern(
        "openssh-auth",
        "what sshd of OpenSSH writes to auth.log, syslog header included: each line has its `message`, the \
         known ones `action`, `method`, `user`, `source_address` and `source_port`",
        "Mar 27 13:08:09 host sshd[1361]: Accepted publickey for ubuntu from 192.0.2.7 port 57009 ssh2: RSA SHA256:Kl8kPGZrTiz7g4FO1hyqHdsSBBb5Fge6NWOobN03XJg",
        openssh::PATTERN,
    ),
    Preset::pattern(
        "syslog-rfc3164",
        "BSD syslog as in RFC 3164, and as files have it: with or without <priority>, with the \
         traditional or rsyslog's RFC 3339 timestamp",
        "<34>Oct 11 22:14:15 mymachine su[230]: 'su root' failed for lonvick on /dev/pts/8",
        concat!(
            r"(?:<(?P<priority>\d{1,3})>)?",
            r"(?P<timestamp>[A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2}|",
            r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,6})?(?:Z|[+-]\d{2}:\d{2})) ",
            r"(?P<hostname>\S+) ",
            r"(?:(?P<app_name>[^\s:\[\]]+)(?:\[(?P<procid>[^\s\]]*)\])?:(?: |$))?",
            r"(?P<message>.*)",
        ),
    ),
    Preset::json(
        "journald-json",
        "journalctl -o json of systemd; columns are the fields that most entries have (for others select \
         them from `ndjson`). What journald writes as an array, a field that is not text or that \
         stands there twice, stays JSON text; a line without a key has no value there",
        r#"{"__CURSOR":"s=739ad463;i=4ece7","__REALTIME_TIMESTAMP":"1342540861416409","PRIORITY":"6","SYSLOG_IDENTIFIER":"CROND","MESSAGE":"(root) CMD (run-parts /etc/cron.hourly)","_PID":"8278","_HOSTNAME":"epsilon"}"#,
        &[
            "__REALTIME_TIMESTAMP",
            "_HOSTNAME",
            "_SYSTEMD_UNIT",
            "SYSLOG_IDENTIFIER",
            "_PID",
            "PRIORITY",
            "MESSAGE",
            "MESSAGE_ID",
            "SYSLOG_FACILITY",
            "SYSLOG_PID",
            "UNIT",
            "USER_UNIT",
            "ERRNO",
            "CODE_FILE",
            "CODE_LINE",
            "CODE_FUNC",
            "_TRANSPORT",
            "_UID",
            "_GID",
            "_COMM",
            "_EXE",
            "_CMDLINE",
            "_SYSTEMD_CGROUP",
            "_SYSTEMD_SLICE",
            "_SYSTEMD_USER_UNIT",
            "_SYSTEMD_INVOCATION_ID",
            "_STREAM_ID",
            "_BOOT_ID",
            "_MACHINE_ID",
            "_SOURCE_REALTIME_TIMESTAMP",
            "__MONOTONIC_TIMESTAMP",
            "__SEQNUM",
            "__CURSOR",
        ],
        1,
    ),
    Preset::json(
        "docker-json",
        "container log file of Docker's json-file driver; `log` ends in LF unless the line was cut, `attrs` \
         is JSON text; a line without a key has no value there",
        r#"{"log":"Log line is here\n","stream":"stdout","time":"2019-01-01T11:11:11.111111111Z"}"#,
        &["log", "stream", "time", "attrs"],
        3,
    ),
    Preset::new(
        "ndjson",
        "one JSON object a line (NDJSON, JSON Lines); nested keys become columns with dots",
        r#"{"time":"2026-01-02T03:04:05Z","level":"info","http":{"status":200}}"#,
        Rule::Json,
    ),
    Preset::new(
        "logfmt",
        "key=value pairs with double-quoted values where needed (Heroku, Go, Grafana)",
        r#"level=info msg="request done" status=200 dur=1.3ms"#,
        Rule::Logfmt,
    ),
];
