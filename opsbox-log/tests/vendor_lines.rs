//! The presets of single programs, on lines as their vendors document them or as they write them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use common::{fits, refuses};

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
