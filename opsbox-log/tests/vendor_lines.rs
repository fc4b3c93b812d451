//! The presets of single programs, on lines as their vendors document them or as they write them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use common::{fits, parse, refuses};
#[cfg(feature = "json")]
use opsbox_log::{Format, Parser};

#[test]
fn common_log_format() {
    // The example of Apache httpd's documentation.
    fits(
        "common",
        r#"127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /apache_pb.gif HTTP/1.0" 200 2326"#,
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
        ],
    );
}

#[test]
fn nginx_error() {
    fits(
        "nginx-error",
        r#"2026/11/02 09:25:11 [error] 29#31: *1213 upstream timed out (110: Connection timed out) while reading response header from upstream, client: 192.0.2.9, server: example.com, request: "GET / HTTP/1.1""#,
        &[
            ("timestamp", "2026/11/02 09:25:11"),
            ("level", "error"),
            ("pid", "29"),
            ("tid", "31"),
            ("connection", "1213"),
            (
                "message",
                r#"upstream timed out (110: Connection timed out) while reading response header from upstream, client: 192.0.2.9, server: example.com, request: "GET / HTTP/1.1""#,
            ),
        ],
    );
    // A message of the master process belongs to no connection.
    fits(
        "nginx-error",
        "2026/11/02 09:25:11 [notice] 1#1: start worker processes",
        &[
            ("timestamp", "2026/11/02 09:25:11"),
            ("level", "notice"),
            ("pid", "1"),
            ("tid", "1"),
            ("message", "start worker processes"),
        ],
    );
}

#[test]
fn apache_error() {
    // The example of Apache httpd's documentation of its logs.
    fits(
        "apache-error",
        "[Fri Sep 09 10:42:29.902022 2011] [core:error] [pid 35708:tid 4328636416] [client 72.15.99.187] File does not exist: /usr/local/apache2/htdocs/favicon.ico",
        &[
            ("timestamp", "Fri Sep 09 10:42:29.902022 2011"),
            ("module", "core"),
            ("level", "error"),
            ("pid", "35708"),
            ("tid", "4328636416"),
            ("client", "72.15.99.187"),
            (
                "message",
                "File does not exist: /usr/local/apache2/htdocs/favicon.ico",
            ),
        ],
    );
    fits(
        "apache-error",
        "[Mon Nov 02 09:00:00.000001 2026] [mpm_event:notice] [pid 1:tid 1] AH00489: Apache/2.4.65 (Unix) configured -- resuming normal operations",
        &[
            ("timestamp", "Mon Nov 02 09:00:00.000001 2026"),
            ("module", "mpm_event"),
            ("level", "notice"),
            ("pid", "1"),
            ("tid", "1"),
            (
                "message",
                "AH00489: Apache/2.4.65 (Unix) configured -- resuming normal operations",
            ),
        ],
    );
}

#[test]
fn haproxy() {
    // The example of HAProxy's configuration manual, section on the HTTP log format.
    let columns = [
        ("client", "10.0.1.2:33317"),
        ("accept_date", "06/Feb/2009:12:14:14.655"),
        ("frontend", "http-in"),
        ("backend", "static"),
        ("server", "srv1"),
        ("timers", "10/0/30/69/109"),
        ("status", "200"),
        ("bytes_read", "2750"),
        ("request_cookie", "-"),
        ("response_cookie", "-"),
        ("termination_state", "----"),
        ("connections", "1/1/1/1/0"),
        ("queues", "0/0"),
        ("request_headers", "1wt.eu"),
        ("response_headers", ""),
        ("request", "GET /index.html HTTP/1.1"),
    ];
    let line = r#"10.0.1.2:33317 [06/Feb/2009:12:14:14.655] http-in static/srv1 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 {1wt.eu} {} "GET /index.html HTTP/1.1""#;
    fits("haproxy-http", line, &columns);
    let with_header = format!("Feb  6 12:14:14 localhost haproxy[14389]: {line}");
    fits("haproxy-http", &with_header, &columns);
    refuses(
        "haproxy-http",
        "Feb  6 12:14:14 localhost haproxy[14389]: Proxy http-in started.",
    );
}

#[test]
fn iis() {
    fits(
        "iis",
        "2026-11-02 09:25:11 10.0.0.4 GET /index.html - 443 - 192.0.2.9 Mozilla/5.0+(X11;+Linux) - 404 0 2 15",
        &[
            ("date", "2026-11-02"),
            ("time", "09:25:11"),
            ("s_ip", "10.0.0.4"),
            ("cs_method", "GET"),
            ("cs_uri_stem", "/index.html"),
            ("cs_uri_query", "-"),
            ("s_port", "443"),
            ("cs_username", "-"),
            ("c_ip", "192.0.2.9"),
            ("cs_user_agent", "Mozilla/5.0+(X11;+Linux)"),
            ("cs_referer", "-"),
            ("sc_status", "404"),
            ("sc_substatus", "0"),
            ("sc_win32_status", "2"),
            ("time_taken", "15"),
        ],
    );
    refuses("iis", "#Fields: date time s-ip cs-method");
}

#[test]
fn klog() {
    fits(
        "klog",
        "E1102 09:25:11.123456       1 reflector.go:205] \"Failed to watch\" err=\"timeout\"",
        &[
            ("severity", "E"),
            ("timestamp", "1102 09:25:11.123456"),
            ("thread_id", "1"),
            ("file", "reflector.go"),
            ("line", "205"),
            ("message", "\"Failed to watch\" err=\"timeout\""),
        ],
    );
}

#[test]
fn databases() {
    fits(
        "postgresql",
        "2026-01-02 03:04:05.678 UTC [77] LOG:  checkpoint complete: wrote 42 buffers (0.3%)",
        &[
            ("timestamp", "2026-01-02 03:04:05.678 UTC"),
            ("pid", "77"),
            ("severity", "LOG"),
            ("message", "checkpoint complete: wrote 42 buffers (0.3%)"),
        ],
    );
    fits(
        "mysql-error",
        "2020-10-28T11:10:22.123456Z 0 [System] [MY-010931] [Server] /usr/sbin/mysqld: ready for connections.",
        &[
            ("timestamp", "2020-10-28T11:10:22.123456Z"),
            ("thread", "0"),
            ("priority", "System"),
            ("error_code", "MY-010931"),
            ("subsystem", "Server"),
            ("message", "/usr/sbin/mysqld: ready for connections."),
        ],
    );
}

#[test]
fn log4j() {
    fits(
        "hadoop",
        "2015-10-18 18:01:47,978 INFO [main] org.apache.hadoop.mapreduce.v2.app.MRAppMaster: Created MRAppMaster",
        &[
            ("timestamp", "2015-10-18 18:01:47,978"),
            ("level", "INFO"),
            ("thread", "main"),
            ("class", "org.apache.hadoop.mapreduce.v2.app.MRAppMaster"),
            ("message", "Created MRAppMaster"),
        ],
    );
    fits(
        "hadoop",
        "2026-01-02 03:04:05,678 WARN  org.apache.hadoop.hdfs.server.datanode.DataNode: Slow disk: sda",
        &[
            ("timestamp", "2026-01-02 03:04:05,678"),
            ("level", "WARN"),
            ("class", "org.apache.hadoop.hdfs.server.datanode.DataNode"),
            ("message", "Slow disk: sda"),
        ],
    );
    fits(
        "spark",
        "17/06/09 20:10:40 INFO spark.SecurityManager: Changing view acls to: yarn,curi",
        &[
            ("timestamp", "17/06/09 20:10:40"),
            ("level", "INFO"),
            ("class", "spark.SecurityManager"),
            ("message", "Changing view acls to: yarn,curi"),
        ],
    );
}

#[test]
fn logback_and_python() {
    // The example of logback's manual, chapter on configuration.
    fits(
        "logback",
        "16:06:29.031 [main] INFO  chapters.configuration.MyApp1 -- Entering application.",
        &[
            ("time", "16:06:29.031"),
            ("thread", "main"),
            ("level", "INFO"),
            ("logger", "chapters.configuration.MyApp1"),
            ("message", "Entering application."),
        ],
    );
    // The example of Python's logging tutorial.
    fits(
        "python-logging",
        "WARNING:root:Watch out!",
        &[
            ("levelname", "WARNING"),
            ("name", "root"),
            ("message", "Watch out!"),
        ],
    );
    refuses("python-logging", "Traceback (most recent call last):");
}

#[test]
fn cef() {
    // The example of the CEF implementation standard, with its escape of a pipe in the header.
    fits(
        "cef",
        r"Sep 19 08:26:10 host CEF:0|security|threatmanager|1.0|100|detected a \| in message|10|src=10.0.0.1 act=blocked a | dst=1.1.1.1",
        &[
            ("version", "0"),
            ("device_vendor", "security"),
            ("device_product", "threatmanager"),
            ("device_version", "1.0"),
            ("device_event_class_id", "100"),
            ("name", r"detected a \| in message"),
            ("severity", "10"),
            ("extension", "src=10.0.0.1 act=blocked a | dst=1.1.1.1"),
        ],
    );
}

/// The example of AWS's user guide for Application Load Balancers, "Access log entries", HTTPS.
const ALB: &str = concat!(
    r#"https 2018-07-02T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 192.168.131.39:2817 10.0.0.1:80 "#,
    r#"0.086 0.048 0.037 200 200 0 57 "GET https://www.example.com:443/ HTTP/1.1" "curl/7.46.0" "#,
    "ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 ",
    "arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067 ",
    r#""Root=1-58337281-1d84f3d73c47ec4e58577259" "www.example.com" "#,
    r#""arn:aws:acm:us-east-2:123456789012:certificate/12345678-1234-1234-1234-123456789012" "#,
    r#"1 2018-07-02T22:22:48.364000Z "authenticate,forward" "-" "-" "10.0.0.1:80" "200" "-" "-""#,
);

#[test]
fn aws_alb() {
    let columns = [
        ("type", "https"),
        ("time", "2018-07-02T22:23:00.186641Z"),
        ("elb", "app/my-loadbalancer/50dc6c495c0c9188"),
        ("client_port", "192.168.131.39:2817"),
        ("target_port", "10.0.0.1:80"),
        ("request_processing_time", "0.086"),
        ("target_processing_time", "0.048"),
        ("response_processing_time", "0.037"),
        ("elb_status_code", "200"),
        ("target_status_code", "200"),
        ("received_bytes", "0"),
        ("sent_bytes", "57"),
        ("request", "GET https://www.example.com:443/ HTTP/1.1"),
        ("request_verb", "GET"),
        ("request_url", "https://www.example.com:443/"),
        ("request_proto", "HTTP/1.1"),
        ("user_agent", "curl/7.46.0"),
        ("ssl_cipher", "ECDHE-RSA-AES128-GCM-SHA256"),
        ("ssl_protocol", "TLSv1.2"),
        (
            "target_group_arn",
            "arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067",
        ),
        ("trace_id", "Root=1-58337281-1d84f3d73c47ec4e58577259"),
        ("domain_name", "www.example.com"),
        (
            "chosen_cert_arn",
            "arn:aws:acm:us-east-2:123456789012:certificate/12345678-1234-1234-1234-123456789012",
        ),
        ("matched_rule_priority", "1"),
        ("request_creation_time", "2018-07-02T22:22:48.364000Z"),
        ("actions_executed", "authenticate,forward"),
        ("redirect_url", "-"),
        ("error_reason", "-"),
        ("target_port_list", "10.0.0.1:80"),
        ("target_status_code_list", "200"),
        ("classification", "-"),
        ("classification_reason", "-"),
        ("conn_trace_id", "TID_1234abcd5678ef90"),
        ("transformed_host", "internal.example.com"),
        ("transformed_uri", "/v2/"),
        ("request_transform_status", "TransformSuccess"),
    ];
    let of_today = format!(
        "{ALB} TID_1234abcd5678ef90 \"internal.example.com\" \"/v2/\" \"TransformSuccess\""
    );
    fits("aws-alb", &of_today, &columns);
    // As logs of 2026 go on, with fields that the guide does not have yet.
    let of_tomorrow = format!("{of_today} 100.51.96.60 \"-\" \"-\"");
    fits("aws-alb", &of_tomorrow, &columns);
    // Logs from before each of the fields after trace_id, which were added one by one.
    let ends = of_today.match_indices(' ').map(|(at, _)| at);
    let ends: Vec<_> = ends
        .filter(|&at| at > of_today.find("Root=").unwrap())
        .collect();
    assert_eq!(ends.len(), 15);
    for (&end, present) in ends.iter().zip(columns.len() - 15..) {
        fits("aws-alb", of_today.split_at(end).0, &columns[..present]);
    }
    refuses("aws-alb", &format!("{ALB} "));
    refuses("aws-alb", ALB.split_at(ALB.find(" \"Root=").unwrap()).0);
}

#[test]
fn aws_alb_requests_without_parts() {
    // A Lambda target and a request that never was one, by the same guide.
    let line = r#"http 2018-11-30T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 192.168.131.39:2817 - -1 -1 -1 400 - 0 272 "- http://www.example.com:80- -" "-" - - - "-" "-" "-" - 2018-11-30T22:22:48.364000Z "-" "-" "LambdaInvalidResponse" "-" "-" "Ambiguous" "UndefinedContentLengthSemantics""#;
    let columns = parse("aws-alb", line);
    let get = |name: &str| {
        let column = columns.iter().find(|(field, _)| field == name);
        column.map(|(_, value)| value.as_str())
    };
    assert_eq!(get("request"), Some("- http://www.example.com:80- -"));
    assert_eq!(get("request_verb"), None);
    assert_eq!(get("target_port"), Some("-"));
    assert_eq!(get("target_processing_time"), Some("-1"));
    assert_eq!(get("classification"), Some("Ambiguous"));
    // A space inside the URL stays inside.
    let spaced = ALB.replace("443/ HTTP", "443/a b HTTP");
    let columns = parse("aws-alb", &spaced);
    assert_eq!(
        columns[14],
        (
            "request_url".into(),
            "https://www.example.com:443/a b".into()
        )
    );
}

#[test]
fn aws_elb() {
    // The TCP example of AWS's user guide for Classic Load Balancers.
    fits(
        "aws-elb",
        r#"2015-05-13T23:39:43.945958Z my-loadbalancer 192.168.131.39:2817 10.0.0.1:80 0.001069 0.000028 0.000041 - - 82 305 "- - - " "-" - -"#,
        &[
            ("time", "2015-05-13T23:39:43.945958Z"),
            ("elb", "my-loadbalancer"),
            ("client_port", "192.168.131.39:2817"),
            ("backend_port", "10.0.0.1:80"),
            ("request_processing_time", "0.001069"),
            ("backend_processing_time", "0.000028"),
            ("response_processing_time", "0.000041"),
            ("elb_status_code", "-"),
            ("backend_status_code", "-"),
            ("received_bytes", "82"),
            ("sent_bytes", "305"),
            ("request", "- - - "),
            ("user_agent", "-"),
            ("ssl_cipher", "-"),
            ("ssl_protocol", "-"),
        ],
    );
    refuses("aws-elb", ALB);
}

#[test]
fn hdfs() {
    // Lines of Hadoop 0.18 as the log collection loghub has them.
    fits(
        "hdfs",
        "081109 203615 148 INFO dfs.DataNode$PacketResponder: PacketResponder 1 for block blk_38865049064139660 terminating",
        &[
            ("timestamp", "081109 203615"),
            ("pid", "148"),
            ("level", "INFO"),
            ("class", "dfs.DataNode$PacketResponder"),
            (
                "message",
                "PacketResponder 1 for block blk_38865049064139660 terminating",
            ),
        ],
    );
    refuses("hadoop", "081109 203615 148 INFO dfs.DataNode: x");
}

#[cfg(feature = "json")]
#[test]
fn journald() {
    // The example of systemd's "Journal Export Formats", in its JSON form on one line.
    let line = concat!(
        r#"{"__CURSOR":"s=739ad463348b4ceca5a9e69c95a3c93f;i=4ece7","#,
        r#""__REALTIME_TIMESTAMP":"1342540861416409","__MONOTONIC_TIMESTAMP":"21415215982","#,
        r#""_BOOT_ID":"6c7c6013a26343b29e964691ff25d04c","_TRANSPORT":"syslog","PRIORITY":"4","#,
        r#""SYSLOG_FACILITY":"3","SYSLOG_IDENTIFIER":"gdm-password]","SYSLOG_PID":"587","#,
        r#""MESSAGE":"AccountsService-DEBUG(+): ActUserManager: ignoring unspecified session '8'","#,
        r#""_PID":"587","_UID":"0","_HOSTNAME":"epsilon","_AUDIT_SESSION":"2"}"#,
    );
    fits(
        "journald-json",
        line,
        &[
            ("__REALTIME_TIMESTAMP", "1342540861416409"),
            ("_HOSTNAME", "epsilon"),
            ("SYSLOG_IDENTIFIER", "gdm-password]"),
            ("_PID", "587"),
            ("PRIORITY", "4"),
            (
                "MESSAGE",
                "AccountsService-DEBUG(+): ActUserManager: ignoring unspecified session '8'",
            ),
            ("SYSLOG_FACILITY", "3"),
            ("SYSLOG_PID", "587"),
            ("_TRANSPORT", "syslog"),
            ("_UID", "0"),
            ("_BOOT_ID", "6c7c6013a26343b29e964691ff25d04c"),
            ("__MONOTONIC_TIMESTAMP", "21415215982"),
            ("__CURSOR", "s=739ad463348b4ceca5a9e69c95a3c93f;i=4ece7"),
        ],
    );
    // The special cases of the same page: bytes that are no text, a field that stands there twice,
    // and one that is too large.
    fits(
        "journald-json",
        r#"{ "MESSAGE" : [ 104, 105, 7 ], "_SYSTEMD_UNIT" : [ "a.service", "b.service" ], "_CMDLINE" : null, "LARGE" : null }"#,
        &[
            ("_SYSTEMD_UNIT", r#"[ "a.service", "b.service" ]"#),
            ("MESSAGE", "[ 104, 105, 7 ]"),
        ],
    );
}

#[cfg(feature = "json")]
#[test]
fn docker() {
    // The example of Docker's page on the json-file driver.
    fits(
        "docker-json",
        r#"{"log":"Log line is here\n","stream":"stdout","time":"2019-01-01T11:11:11.111111111Z"}"#,
        &[
            ("log", "Log line is here\n"),
            ("stream", "stdout"),
            ("time", "2019-01-01T11:11:11.111111111Z"),
        ],
    );
    // With labels and variables, as number 8358 of elastic/beats shows them.
    fits(
        "docker-json",
        r#"{"log":"...log message...\n","stream":"stdout","attrs":{"MARATHON_APP_ID":"/test/test-service","stage":"prod"},"time":"2018-09-19T14:41:15.191384718Z"}"#,
        &[
            ("log", "...log message...\n"),
            ("stream", "stdout"),
            ("time", "2018-09-19T14:41:15.191384718Z"),
            (
                "attrs",
                r#"{"MARATHON_APP_ID":"/test/test-service","stage":"prod"}"#,
            ),
        ],
    );
}

#[cfg(feature = "json")]
#[test]
fn json_of_docker_and_journald_is_told_from_other_json() {
    let detect = |lines: &[&str]| {
        let sample = lines.join("\n") + "\n";
        let detection = Format::detect(sample.as_bytes()).unwrap();
        detection.format().name().to_owned()
    };
    let docker = r#"{"log":"a\n","stream":"stderr","time":"2019-01-01T11:11:11Z"}"#;
    let other = r#"{"time":"2019-01-01T11:11:11Z","log":"a"}"#;
    assert_eq!(detect(&[docker, docker]), "docker-json");
    assert_eq!(detect(&[other, other]), "ndjson");
    // Where some lines have other keys, those would be lost.
    assert_eq!(detect(&[docker, docker, other]), "ndjson");
    let journal = r#"{"MESSAGE":"a","__REALTIME_TIMESTAMP":"1"}"#;
    assert_eq!(detect(&[journal]), "journald-json");
    assert_eq!(detect(&[r#"{"MESSAGE":"a"}"#]), "ndjson");
    // A line without any of the keys is a row without values, as with columns that were selected.
    let parser = Parser::new(Format::preset("docker-json").unwrap());
    let batch = parser.parse("{\"level\":\"info\"}\nplain\n");
    assert_eq!((batch.len(), batch.unmatched().len()), (1, 1));
    assert!(
        batch
            .record(0)
            .unwrap()
            .iter()
            .all(|(_, value)| value.is_none())
    );
}

/// The columns of a line by name.
fn get(preset: &str, line: &str, name: &str) -> Option<String> {
    let columns = parse(preset, line);
    let column = columns.into_iter().find(|(field, _)| field == name);
    column.map(|(_, value)| value)
}

#[test]
fn access_logs_of_ipv6_and_of_absent_values() {
    let line = r#"2001:db8:0:1::7 - - [17/May/2026:10:05:03 -0330] "-" 408 - "-" "-""#;
    assert_eq!(
        get("combined", line, "remote_addr").unwrap(),
        "2001:db8:0:1::7"
    );
    assert_eq!(get("combined", line, "body_bytes_sent").unwrap(), "-");
    assert_eq!(get("combined", line, "request_method"), None);
    let (common, _) = line.split_at(line.find(" \"-\" \"-\"").unwrap());
    assert_eq!(get("common", common, "request").unwrap(), "-");
    // A reverse proxy's list of addresses is no remote_addr: its spaces would move the columns.
    refuses("common", &format!("192.0.2.7, {line}"));
}

#[test]
fn nginx_error_of_ipv6_and_without_a_connection() {
    let line = r#"2026/11/02 09:25:11 [crit] 1234#0: *12 SSL_do_handshake() failed (SSL: error:0A00006C:SSL routines::bad key share), client: 2001:db8::7, server: [::]:443"#;
    assert_eq!(get("nginx-error", line, "connection").unwrap(), "12");
    assert!(
        get("nginx-error", line, "message")
            .unwrap()
            .ends_with("client: 2001:db8::7, server: [::]:443")
    );
    let line =
        r#"2026/11/02 09:25:11 [emerg] 1#1: bind() to [::]:80 failed (98: Address already in use)"#;
    assert_eq!(get("nginx-error", line, "connection"), None);
    // What nginx writes to its standard error before there is a log.
    refuses(
        "nginx-error",
        "nginx: [emerg] unknown directive \"x\" in /etc/nginx/nginx.conf:1",
    );
}

#[test]
fn apache_error_of_the_system_and_of_older_servers() {
    // An error of the system and the file and line of the level debug, as ErrorLogFormat's %E and %F
    // put them before the client.
    fits(
        "apache-error",
        "[Mon Nov 02 09:00:00.000001 2026] [core:debug] [pid 7:tid 8] util.c(123): (13)Permission denied: [client 2001:db8::7:55014] AH00035: access to / denied, referer: http://a.test/",
        &[
            ("timestamp", "Mon Nov 02 09:00:00.000001 2026"),
            ("module", "core"),
            ("level", "debug"),
            ("pid", "7"),
            ("tid", "8"),
            ("source", "util.c(123)"),
            ("error_status", "(13)Permission denied"),
            ("client", "2001:db8::7:55014"),
            (
                "message",
                "AH00035: access to / denied, referer: http://a.test/",
            ),
        ],
    );
    for (status, rest) in [
        (
            "(70007)The timeout specified has expired",
            "AH01110: error reading response",
        ),
        (
            "(EAI 2)Name or service not known",
            "AH00547: Could not resolve host name",
        ),
        (
            "(OS 10054)An existing connection was closed.  ",
            "AH00341: winnt_accept",
        ),
    ] {
        let line = format!(
            "[Mon Nov 02 09:00:00.1 2026] [proxy:error] [pid 7] {status}: [client 192.0.2.7:5] {rest}"
        );
        assert_eq!(get("apache-error", &line, "error_status").unwrap(), status);
        assert_eq!(get("apache-error", &line, "client").unwrap(), "192.0.2.7:5");
        assert_eq!(get("apache-error", &line, "message").unwrap(), rest);
    }
    // A message of PHP, without a module's name.
    let line = "[Mon Nov 02 09:00:00.1 2026] [:error] [pid 7] [client ::1:5] PHP Notice:  x in /a.php on line 3";
    assert_eq!(get("apache-error", line, "module").unwrap(), "");
    assert_eq!(get("apache-error", line, "client").unwrap(), "::1:5");
    // The example of the documentation of 2.2.
    fits(
        "apache-error",
        "[Wed Oct 11 14:32:52 2000] [error] [client 127.0.0.1] client denied by server configuration: /export/home/live/ap/htdocs/test",
        &[
            ("timestamp", "Wed Oct 11 14:32:52 2000"),
            ("level", "error"),
            ("client", "127.0.0.1"),
            (
                "message",
                "client denied by server configuration: /export/home/live/ap/htdocs/test",
            ),
        ],
    );
}

#[test]
fn haproxy_of_tls_of_tcp_and_of_errors() {
    // The examples of HAProxy's configuration manual, sections on the HTTPS, TCP and error log formats.
    let line = r#"Feb  6 12:14:14 localhost haproxy[14389]: 10.0.1.2:33317 [06/Feb/2009:12:14:14.655] https-in~ static/srv1 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 {1wt.eu} {} "GET /index.html HTTP/1.1" 0/0/0/0/0 1wt.eu/TLSv1.3/TLS_AES_256_GCM_SHA384"#;
    assert_eq!(get("haproxy-http", line, "frontend").unwrap(), "https-in~");
    assert_eq!(
        get("haproxy-http", line, "ssl_errors").unwrap(),
        "0/0/0/0/0"
    );
    assert_eq!(
        get("haproxy-http", line, "ssl").unwrap(),
        "1wt.eu/TLSv1.3/TLS_AES_256_GCM_SHA384"
    );
    // A bad request from IPv6 with `option logasap`, of which no server knows.
    let line = r#"2001:db8::7:33317 [06/Feb/2009:12:14:14.655] http-in http-in/<NOSRV> -1/-1/-1/-1/+10 400 +187 - - PR-- 1/1/0/0/3 0/0 "<BADREQ>""#;
    assert_eq!(
        get("haproxy-http", line, "client").unwrap(),
        "2001:db8::7:33317"
    );
    assert_eq!(get("haproxy-http", line, "server").unwrap(), "<NOSRV>");
    assert_eq!(get("haproxy-http", line, "request").unwrap(), "<BADREQ>");
    fits(
        "haproxy-tcp",
        "Feb  6 12:12:56 localhost haproxy[14387]: 10.0.1.2:33313 [06/Feb/2009:12:12:51.443] fnt bck/srv1 0/0/5007 212 -- 0/0/0/0/3 0/0",
        &[
            ("client", "10.0.1.2:33313"),
            ("accept_date", "06/Feb/2009:12:12:51.443"),
            ("frontend", "fnt"),
            ("backend", "bck"),
            ("server", "srv1"),
            ("timers", "0/0/5007"),
            ("bytes_read", "212"),
            ("termination_state", "--"),
            ("connections", "0/0/0/0/3"),
            ("queues", "0/0"),
        ],
    );
    fits(
        "haproxy-error",
        "Dec  3 18:27:14 localhost haproxy[6103]: 127.0.0.1:56059 [03/Dec/2012:17:35:10.380] frt/f1: Connection error during SSL handshake",
        &[
            ("client", "127.0.0.1:56059"),
            ("accept_date", "03/Dec/2012:17:35:10.380"),
            ("frontend", "frt"),
            ("bind", "f1"),
            ("message", "Connection error during SSL handshake"),
        ],
    );
    refuses("haproxy-tcp", line);
    refuses(
        "haproxy-http",
        "127.0.0.1:56059 [03/Dec/2012:17:35:10.380] frt/f1: Timeout",
    );
}

#[test]
fn klog_with_long_threads_and_years() {
    let line = "I0102 15:04:05.678901 1234567 server.go:7] \"x]y\"";
    assert_eq!(get("klog", line, "thread_id").unwrap(), "1234567");
    assert_eq!(get("klog", line, "message").unwrap(), "\"x]y\"");
    // glog 0.5 and later.
    let line = "W20260102 15:04:05.678901 12345 main.cc:7] low memory";
    assert_eq!(
        get("klog", line, "timestamp").unwrap(),
        "20260102 15:04:05.678901"
    );
    assert_eq!(get("klog", line, "file").unwrap(), "main.cc");
}

#[test]
fn postgresql_of_sessions_and_zones() {
    // Debian's log_line_prefix; a client that has not said who it is.
    fits(
        "postgresql",
        "2026-01-02 03:04:05.678 +0530 [77] ada@shop ERROR:  relation \"t\" does not exist at character 15",
        &[
            ("timestamp", "2026-01-02 03:04:05.678 +0530"),
            ("pid", "77"),
            ("user", "ada"),
            ("database", "shop"),
            ("severity", "ERROR"),
            ("message", "relation \"t\" does not exist at character 15"),
        ],
    );
    let line =
        "2026-01-02 03:04:05.678 CET [77] [unknown]@[unknown] LOG:  incomplete startup packet";
    assert_eq!(get("postgresql", line, "user").unwrap(), "[unknown]");
    let line = "2026-01-02 03:04:05.678 UTC [77] STATEMENT:  select 'a@b LOG:  c';";
    assert_eq!(get("postgresql", line, "user"), None);
    assert_eq!(get("postgresql", line, "severity").unwrap(), "STATEMENT");
    let line = "2026-01-02 03:04:05.678 UTC [77] DEBUG1:  mapped win32 error code 2 to 2";
    assert_eq!(get("postgresql", line, "severity").unwrap(), "DEBUG1");
}

#[test]
fn mysql_error_of_5_7_and_8() {
    fits(
        "mysql-error",
        "2026-01-02T03:04:05.123456Z 0 [Note] InnoDB: Buffer pool(s) load completed at 260102  3:04:05",
        &[
            ("timestamp", "2026-01-02T03:04:05.123456Z"),
            ("thread", "0"),
            ("priority", "Note"),
            (
                "message",
                "InnoDB: Buffer pool(s) load completed at 260102  3:04:05",
            ),
        ],
    );
    let line = "2026-01-02T03:04:05.123456+02:00 12 [ERROR] [MY-000067] [Server] unknown variable 'x=[y]'.";
    assert_eq!(get("mysql-error", line, "error_code").unwrap(), "MY-000067");
    assert_eq!(get("mysql-error", line, "subsystem").unwrap(), "Server");
    // MariaDB's.
    refuses(
        "mysql-error",
        "2026-01-02  3:04:05 0 [Note] InnoDB: Completed initialization",
    );
}

#[test]
fn cef_with_escapes_and_headers() {
    let line = r"CEF:0|a\|b|c\\|1.0|x=y|n\|m|Very-High|msg=a\=b \| c\nd";
    assert_eq!(get("cef", line, "device_vendor").unwrap(), r"a\|b");
    assert_eq!(get("cef", line, "device_product").unwrap(), r"c\\");
    assert_eq!(get("cef", line, "name").unwrap(), r"n\|m");
    assert_eq!(get("cef", line, "severity").unwrap(), "Very-High");
    assert_eq!(get("cef", line, "extension").unwrap(), r"msg=a\=b \| c\nd");
    let with_header = format!("<134>1 2026-01-02T03:04:05Z host.test app - - - {line}");
    assert_eq!(parse("cef", &with_header), parse("cef", line));
    refuses("cef", "CEF:0|a|b|c|d|e");
}

#[test]
fn logback_with_pairs() {
    // SLF4J's key-value pairs, which %kvp writes between the two signs.
    let line = r#"16:06:29.031 [main] INFO  a.b.C -user="ada b" n="7"- logged in - again"#;
    assert_eq!(
        get("logback", line, "kvp").unwrap(),
        r#"user="ada b" n="7""#
    );
    assert_eq!(
        get("logback", line, "message").unwrap(),
        "logged in - again"
    );
    // The layout of versions before 1.3.
    let line = "16:06:29.031 [pool-1-thread-2] WARN  a.b.C - -k=\"v\"- x";
    assert_eq!(get("logback", line, "kvp"), None);
    assert_eq!(get("logback", line, "message").unwrap(), "-k=\"v\"- x");
}
