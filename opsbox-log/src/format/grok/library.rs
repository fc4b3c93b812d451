//! The patterns that grok knows by name.
//!
//! Names, meanings and columns are those that Logstash's patterns have made common (the plugin
//! `logstash-patterns-core`, columns without ECS). The definitions are made for a linear-time engine
//! and its plans: no look-around, alternatives that a few bytes decide, the longer one first.

use super::nagios::NAGIOS;

pub(super) type Table = &'static [(&'static str, &'static str)];

/// The definition of a name.
pub(super) fn find(name: &str) -> Option<&'static str> {
    let found = all().find(|(known, _)| *known == name);
    found.map(|(_, definition)| definition)
}

/// All names with their definitions.
pub(super) fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    [
        WORDS, NETWORK, PATHS, TIMES, SYSLOG, HTTPD, HAPROXY, JAVA, DATABASES, RUBY, NAGIOS,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// 0 to 255.
macro_rules! octet {
    () => {
        r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
    };
}

macro_rules! ipv4 {
    () => {
        concat!(octet!(), r"(?:\.", octet!(), "){3}")
    };
}

/// Hexadecimal digits of an IPv6 group, and of a group with its colon.
macro_rules! hex {
    () => {
        "[0-9A-Fa-f]{1,4}"
    };
    (:) => {
        "[0-9A-Fa-f]{1,4}:"
    };
}

/// What may come after `::` when this many groups and a last one, or groups and an IPv4 address in
/// the place of two, have room.
macro_rules! compressed {
    ($before:literal, $groups:literal, $before_ipv4:literal) => {
        concat!(
            "|(?:", hex!(:), "){", $before, "}:(?:(?:", hex!(:), "){0,", $before_ipv4, "}", ipv4!(),
            "|(?:", hex!(:), "){0,", $groups, "}", hex!(), ")?",
        )
    };
}

const WORDS: Table = &[
    ("WORD", r"\b\w+\b"),
    ("NOTSPACE", r"\S+"),
    ("SPACE", r"\s*"),
    ("DATA", ".*?"),
    ("GREEDYDATA", ".*"),
    ("INT", r"[+-]?\d+"),
    ("BASE10NUM", r"[+-]?(?:\d+(?:\.\d+)?|\.\d+)"),
    ("NUMBER", "%{BASE10NUM}"),
    ("BASE16NUM", "[+-]?(?:0x)?[0-9A-Fa-f]+"),
    (
        "BASE16FLOAT",
        r"[+-]?(?:0x)?(?:[0-9A-Fa-f]+(?:\.[0-9A-Fa-f]*)?|\.[0-9A-Fa-f]+)",
    ),
    ("POSINT", r"\b[1-9]\d*\b"),
    ("NONNEGINT", r"\b\d+\b"),
    (
        "QUOTEDSTRING",
        r#""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`"#,
    ),
    ("QS", "%{QUOTEDSTRING}"),
    (
        "UUID",
        "[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}",
    ),
    // RFC 2141: urn:<namespace>:<string>
    (
        "URN",
        r"urn:[0-9A-Za-z][0-9A-Za-z-]{0,31}:(?:[0-9A-Za-z()+,.:=@;$_!*'/?#-]|%[0-9A-Fa-f]{2})+",
    ),
    (
        "LOGLEVEL",
        "(?i:alert|trace|debug|notice|info(?:rmation)?|warn(?:ing)?|err(?:or)?|crit(?:ical)?|fatal|\
         severe|emerg(?:ency)?)",
    ),
];

const NETWORK: Table = &[
    ("USERNAME", "[0-9A-Za-z._-]+"),
    ("USER", "%{USERNAME}"),
    ("EMAILLOCALPART", "[0-9A-Za-z!#$%&'*+/=?^_`{|}~.-]{1,64}"),
    ("EMAILADDRESS", "%{EMAILLOCALPART}@%{HOSTNAME}"),
    ("CISCOMAC", r"(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4}"),
    ("WINDOWSMAC", "(?:[0-9A-Fa-f]{2}-){5}[0-9A-Fa-f]{2}"),
    ("COMMONMAC", "(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}"),
    ("MAC", "%{CISCOMAC}|%{WINDOWSMAC}|%{COMMONMAC}"),
    ("IPV4", concat!(r"\b", ipv4!(), r"\b")),
    // RFC 4291, section 2.2: eight groups, or fewer around one `::`; RFC 4007, section 11: the zone.
    (
        "IPV6",
        concat!(
            "(?:(?:",
            hex!(:),
            "){6}(?:",
            ipv4!(),
            "|",
            hex!(:),
            hex!(),
            ")",
            "|::(?:(?:",
            hex!(:),
            "){0,5}",
            ipv4!(),
            "|(?:",
            hex!(:),
            "){0,6}",
            hex!(),
            ")?",
            compressed!(1, 5, 4),
            compressed!(2, 4, 3),
            compressed!(3, 3, 2),
            compressed!(4, 2, 1),
            compressed!(5, 1, 0),
            "|(?:",
            hex!(:),
            "){6}:(?:",
            hex!(),
            ")?|(?:",
            hex!(:),
            "){7}:",
            ")(?:%[0-9A-Za-z._~-]+)?",
        ),
    ),
    ("IP", "%{IPV4}|%{IPV6}"),
    (
        "HOSTNAME",
        r"\b[0-9A-Za-z][0-9A-Za-z-]{0,62}(?:\.[0-9A-Za-z][0-9A-Za-z-]{0,62})*\.?",
    ),
    ("IPORHOST", "%{IP}|%{HOSTNAME}"),
    ("HOST", "%{HOSTNAME}"),
    ("HOSTPORT", "%{IPORHOST}:%{POSINT}"),
    ("URIPROTO", "[A-Za-z][0-9A-Za-z+.-]+"),
    ("URIHOST", "%{IPORHOST}(?::%{POSINT:port})?"),
    ("URIPATH", "(?:/[0-9A-Za-z$.+!*'(){},~:;=@#%&_-]*)+"),
    ("URIQUERY", r"[0-9A-Za-z$.+!*'|(){},~@#%&/=:;_?\[\]<>-]*"),
    ("URIPARAM", r"\?%{URIQUERY}"),
    ("URIPATHPARAM", "%{URIPATH}(?:%{URIPARAM})?"),
    (
        "URI",
        "%{URIPROTO}://(?:%{USER}(?::[^@]*)?@)?(?:%{URIHOST})?(?:%{URIPATHPARAM})?",
    ),
];

const PATHS: Table = &[
    ("UNIXPATH", r"(?:/[\w%!$@:.,+~-]*)+"),
    ("WINPATH", r"(?:[A-Za-z]+:|\\)(?:\\[^\\?*]*)+"),
    ("PATH", "%{UNIXPATH}|%{WINPATH}"),
    ("TTY", r"/dev/(?:pts|tty[pq]?)(?:\w+)?/?\d+"),
];

const TIMES: Table = &[
    // English and German, as a program writes them by its locale.
    (
        "MONTH",
        r"\b(?:[Jj]an(?:uary|uar)?|[Ff]eb(?:ruary|ruar)?|[Mm](?:arch|ar|ärz|är|rz)|[Aa]pr(?:il)?|[Mm]a[iy]|[Jj]un[ei]?|[Jj]ul[iy]?|[Aa]ug(?:ust)?|[Ss]ep(?:tember|t)?|[Oo][ck]t(?:ober)?|[Nn]ov(?:ember)?|[Dd]e[cz](?:ember)?)\b",
    ),
    ("MONTHNUM", "1[0-2]|0?[1-9]"),
    ("MONTHNUM2", "1[0-2]|0[1-9]"),
    ("MONTHDAY", r"3[01]|[12]\d|0?[1-9]"),
    (
        "DAY",
        "Mon(?:day)?|Tue(?:sday)?|Wed(?:nesday)?|Thu(?:rsday)?|Fri(?:day)?|Sat(?:urday)?|Sun(?:day)?",
    ),
    ("YEAR", r"\d{4}|\d{2}"),
    ("HOUR", r"2[0-3]|[01]?\d"),
    ("MINUTE", r"[0-5]\d"),
    // 60 is a leap second.
    ("SECOND", r"(?:60|[0-5]?\d)(?:[:.,]\d+)?"),
    ("TIME", "%{HOUR}:%{MINUTE}:%{SECOND}"),
    ("DATE_US", "%{MONTHNUM}[/-]%{MONTHDAY}[/-]%{YEAR}"),
    ("DATE_EU", "%{MONTHDAY}[./-]%{MONTHNUM}[./-]%{YEAR}"),
    ("DATE", "%{DATE_US}|%{DATE_EU}"),
    ("DATESTAMP", "%{DATE}[- ]%{TIME}"),
    ("ISO8601_TIMEZONE", r"Z|[+-]%{HOUR}(?::?%{MINUTE})?"),
    ("ISO8601_SECOND", "%{SECOND}"),
    ("ISO8601_HOUR", r"2[0-4]|[01]\d"),
    (
        "TIMESTAMP_ISO8601",
        "%{YEAR}-%{MONTHNUM}-%{MONTHDAY}[T ]%{HOUR}:?%{MINUTE}(?::?%{SECOND})?(?:%{ISO8601_TIMEZONE})?",
    ),
    (
        "TIMESTAMP_CN",
        r"%{YEAR}-%{MONTHNUM}-%{MONTHDAY} %{HOUR}:%{MINUTE}:(?:60|[0-5]?\d)\.\d{3}",
    ),
    ("TZ", "[APMCE][SD]T|UTC"),
    (
        "DATESTAMP_RFC822",
        "%{DAY} %{MONTH} %{MONTHDAY} %{YEAR} %{TIME} %{TZ}",
    ),
    (
        "DATESTAMP_RFC2822",
        "%{DAY}, %{MONTHDAY} %{MONTH} %{YEAR} %{TIME} %{ISO8601_TIMEZONE}",
    ),
    (
        "DATESTAMP_OTHER",
        "%{DAY} %{MONTH} %{MONTHDAY} %{TIME} %{TZ} %{YEAR}",
    ),
    (
        "DATESTAMP_EVENTLOG",
        r"\d{4}%{MONTHNUM2}[0-3]\d[0-2]\d%{MINUTE}[0-6]\d",
    ),
    ("SYSLOGTIMESTAMP", "%{MONTH} +%{MONTHDAY} %{TIME}"),
    ("HTTPDATE", "%{MONTHDAY}/%{MONTH}/%{YEAR}:%{TIME} %{INT}"),
];

const SYSLOG: Table = &[
    // Printable ASCII but the brackets of the process id.
    ("PROG", r"[!-Z\\^-~]+"),
    ("SYSLOGPROG", r"%{PROG:program}(?:\[%{POSINT:pid}\])?"),
    ("SYSLOGHOST", "%{IPORHOST}"),
    (
        "SYSLOGFACILITY",
        r"<%{NONNEGINT:facility}\.%{NONNEGINT:priority}>",
    ),
    (
        "SYSLOGBASE",
        "%{SYSLOGTIMESTAMP:timestamp} (?:%{SYSLOGFACILITY} )?%{SYSLOGHOST:logsource} %{SYSLOGPROG}:",
    ),
    (
        "SYSLOGBASE2",
        "(?:%{SYSLOGTIMESTAMP:timestamp}|%{TIMESTAMP_ISO8601:timestamp8601}) (?:%{SYSLOGFACILITY} )?\
         %{SYSLOGHOST:logsource}(?: %{SYSLOGPROG}:)?",
    ),
    ("SYSLOGLINE", "%{SYSLOGBASE2} %{GREEDYDATA:message}"),
    (
        "SYSLOGPAMSESSION",
        r"%{SYSLOGBASE} (?P<message>%{WORD:pam_module}\(%{DATA:pam_caller}\): session %{WORD:pam_session_state} for user %{USERNAME:username}(?: by %{GREEDYDATA:pam_by})?)",
    ),
    ("CRON_ACTION", "[A-Z ]+"),
    (
        "CRONLOG",
        r"%{SYSLOGBASE} \(%{USER:user}\) %{CRON_ACTION:action} \(%{DATA:message}\)",
    ),
    // RFC 5424, section 6.
    ("SYSLOG5424PRINTASCII", "[!-~]+"),
    ("SYSLOG5424PRI", "<%{NONNEGINT:syslog5424_pri}>"),
    (
        "SYSLOG5424SD",
        r#"(?:\[[^ =\]"]+(?: [^ =\]"]+="(?:[^"\\\]]|\\.)*")*\])+"#,
    ),
    (
        "SYSLOG5424BASE",
        "%{SYSLOG5424PRI}%{NONNEGINT:syslog5424_ver} +(?:-|%{TIMESTAMP_ISO8601:syslog5424_ts}) +\
         (?:-|%{IPORHOST:syslog5424_host}) +(?:-|%{SYSLOG5424PRINTASCII:syslog5424_app}) +\
         (?:-|%{SYSLOG5424PRINTASCII:syslog5424_proc}) +\
         (?:-|%{SYSLOG5424PRINTASCII:syslog5424_msgid}) +(?:-|%{SYSLOG5424SD:syslog5424_sd}|)",
    ),
    (
        "SYSLOG5424LINE",
        "%{SYSLOG5424BASE} +%{GREEDYDATA:syslog5424_msg}",
    ),
];

const HTTPD: Table = &[
    // A name, or an address of e-mail.
    ("HTTPDUSER", "[0-9A-Za-z._+=:-]+(?:@%{HOSTNAME})?"),
    (
        "HTTPDERROR_DATE",
        "%{DAY} %{MONTH} %{MONTHDAY} %{TIME} %{YEAR}",
    ),
    (
        "HTTPD_COMMONLOG",
        r#"%{IPORHOST:clientip} %{HTTPDUSER:ident} %{HTTPDUSER:auth} \[%{HTTPDATE:timestamp}\] "(?:%{WORD:verb} %{NOTSPACE:request}(?: HTTP/%{NUMBER:httpversion})?|%{DATA:rawrequest})" (?:-|%{NUMBER:response}) (?:-|%{NUMBER:bytes})"#,
    ),
    (
        "HTTPD_COMBINEDLOG",
        "%{HTTPD_COMMONLOG} %{QS:referrer} %{QS:agent}",
    ),
    ("COMMONAPACHELOG", "%{HTTPD_COMMONLOG}"),
    ("COMBINEDAPACHELOG", "%{HTTPD_COMBINEDLOG}"),
    (
        "HTTPD20_ERRORLOG",
        r"\[%{HTTPDERROR_DATE:timestamp}\] \[%{LOGLEVEL:loglevel}\] (?:\[client %{IPORHOST:clientip}\] )?%{GREEDYDATA:message}",
    ),
    (
        "HTTPD24_ERRORLOG",
        r"\[%{HTTPDERROR_DATE:timestamp}\] \[(?:%{WORD:module})?:%{LOGLEVEL:loglevel}\] \[pid %{POSINT:pid}(?::tid %{NUMBER:tid})?\](?: \(%{POSINT:proxy_errorcode}\)%{DATA:proxy_message}:)?(?: \[client %{IPORHOST:clientip}:%{POSINT:clientport}\])?(?: (?P<errorcode>AH\d+):)? %{GREEDYDATA:message}",
    ),
    ("HTTPD_ERRORLOG", "%{HTTPD20_ERRORLOG}|%{HTTPD24_ERRORLOG}"),
];

/// Of the documentation of HAProxy, section "Log formats".
const HAPROXY: Table = &[
    (
        "HAPROXYTIME",
        "%{HOUR:haproxy_hour}:%{MINUTE:haproxy_minute}:(?P<haproxy_second>60|[0-5][0-9])",
    ),
    (
        "HAPROXYDATE",
        r"%{MONTHDAY:haproxy_monthday}/%{MONTH:haproxy_month}/%{YEAR:haproxy_year}:%{HAPROXYTIME:haproxy_time}\.%{INT:haproxy_milliseconds}",
    ),
    (
        "HAPROXYCAPTUREDREQUESTHEADERS",
        "(?P<captured_request_headers>[^}]*)",
    ),
    (
        "HAPROXYCAPTUREDRESPONSEHEADERS",
        "(?P<captured_response_headers>[^}]*)",
    ),
    (
        "HAPROXYURI",
        "(?:%{URIPROTO:http_proto}://)?(?:%{USER:http_user}(?::[^@ ]*)?@)?(?:%{URIHOST:http_host})?\
         (?:%{URIPATHPARAM:http_request})?",
    ),
    (
        "HAPROXYHTTPREQUESTLINE",
        "<BADREQ>|%{WORD:http_verb} %{HAPROXYURI}(?: HTTP/%{NUMBER:http_version})?",
    ),
    (
        "HAPROXYHTTPBASE",
        r#"%{IP:client_ip}:%{INT:client_port} \[%{HAPROXYDATE:accept_date}\] %{NOTSPACE:frontend_name} (?P<backend_name>[^ /]+)/%{NOTSPACE:server_name} %{INT:time_request}/%{INT:time_queue}/%{INT:time_backend_connect}/%{INT:time_backend_response}/%{NOTSPACE:time_duration} %{INT:http_status_code} %{NOTSPACE:bytes_read} %{NOTSPACE:captured_request_cookie} %{NOTSPACE:captured_response_cookie} %{NOTSPACE:termination_state} %{INT:actconn}/%{INT:feconn}/%{INT:beconn}/%{INT:srvconn}/%{NOTSPACE:retries} %{INT:srv_queue}/%{INT:backend_queue} (?:\{%{HAPROXYCAPTUREDREQUESTHEADERS}\} )?(?:\{%{HAPROXYCAPTUREDRESPONSEHEADERS}\} )?"(?:%{HAPROXYHTTPREQUESTLINE})?"?"#,
    ),
    (
        "HAPROXYHTTP",
        "(?:%{SYSLOGTIMESTAMP:syslog_timestamp}|%{TIMESTAMP_ISO8601:timestamp8601}) \
         %{IPORHOST:syslog_server} %{SYSLOGPROG}: %{HAPROXYHTTPBASE}",
    ),
    (
        "HAPROXYTCP",
        r"(?:%{SYSLOGTIMESTAMP:syslog_timestamp}|%{TIMESTAMP_ISO8601:timestamp8601}) %{IPORHOST:syslog_server} %{SYSLOGPROG}: %{IP:client_ip}:%{INT:client_port} \[%{HAPROXYDATE:accept_date}\] %{NOTSPACE:frontend_name} (?P<backend_name>[^ /]+)/%{NOTSPACE:server_name} %{INT:time_queue}/%{INT:time_backend_connect}/%{NOTSPACE:time_duration} %{NOTSPACE:bytes_read} %{NOTSPACE:termination_state} %{INT:actconn}/%{INT:feconn}/%{INT:beconn}/%{INT:srvconn}/%{NOTSPACE:retries} %{INT:srv_queue}/%{INT:backend_queue}",
    ),
    (
        "HAPROXYERROR",
        r"(?:%{SYSLOGTIMESTAMP:syslog_timestamp}|%{TIMESTAMP_ISO8601:timestamp8601}) %{IPORHOST:syslog_server} %{SYSLOGPROG}: %{IP:client_ip}:%{INT:client_port} \[%{HAPROXYDATE:accept_date}\] (?P<frontend_name>[^ /]+)/(?P<bind_name>[^ :]+): %{GREEDYDATA:error_message}",
    ),
];

const JAVA: Table = &[
    ("JAVACLASS", r"[A-Za-z_$][\w$-]*(?:\.[A-Za-z_$][\w$-]*)*"),
    ("JAVAFILE", "[0-9A-Za-z_. -]+"),
    ("JAVAMETHOD", r"<(?:cl)?init>|[A-Za-z_$][\w$]*"),
    (
        "JAVASTACKTRACEPART",
        r"%{SPACE}at (?P<class>[A-Za-z_$][\w$-]*(?:\.[A-Za-z_$][\w$-]*)*)\.%{JAVAMETHOD:method}\(%{JAVAFILE:file}(?::%{INT:line})?\)",
    ),
    ("JAVATHREAD", r"[A-Z]{2}-Processor\d+"),
    ("JAVALOGMESSAGE", ".*"),
    // Tomcat up to 7, Tomcat since 8, and servlet logs of 5.0.
    (
        "CATALINA7_DATESTAMP",
        "%{MONTH} %{MONTHDAY}, %{YEAR} %{HOUR}:%{MINUTE}:%{SECOND} (?:AM|PM)",
    ),
    (
        "CATALINA7_LOG",
        r"%{CATALINA7_DATESTAMP:timestamp} %{JAVACLASS:class}(?: %{JAVAMETHOD:method})? *(?:%{LOGLEVEL:level}:)? %{JAVALOGMESSAGE:logmessage}",
    ),
    (
        "CATALINA8_DATESTAMP",
        "%{MONTHDAY}-%{MONTH}-%{YEAR} %{HOUR}:%{MINUTE}:%{SECOND}",
    ),
    (
        "CATALINA8_LOG",
        r"%{CATALINA8_DATESTAMP:timestamp} %{LOGLEVEL:level} \[(?P<thread>[^\]]*)\] (?P<class>[\w$-]+(?:\.[\w$-]+)*)\.%{JAVAMETHOD:method} %{JAVALOGMESSAGE:logmessage}",
    ),
    (
        "CATALINA_DATESTAMP",
        "%{CATALINA8_DATESTAMP}|%{CATALINA7_DATESTAMP}",
    ),
    ("CATALINALOG", "%{CATALINA8_LOG}|%{CATALINA7_LOG}"),
    (
        "TOMCAT50_DATESTAMP",
        "%{YEAR}-%{MONTHNUM}-%{MONTHDAY} %{HOUR}:%{MINUTE}:%{SECOND}(?: %{ISO8601_TIMEZONE})?",
    ),
    (
        "TOMCAT50_LOG",
        r"%{TOMCAT50_DATESTAMP:timestamp}(?: %{LOGLEVEL:level})? [^\[]*\[(?P<context>[^\]]*)\](?:%{JAVACLASS:class}: %{JAVAMETHOD:method}\([^)]*\))?(?:: %{JAVALOGMESSAGE:logmessage})?",
    ),
    ("TOMCAT6_LOG", "%{CATALINA7_LOG}"),
    ("TOMCAT8_LOG", "%{CATALINA8_LOG}"),
    (
        "TOMCATLEGACY_LOG",
        r"%{TOMCAT50_DATESTAMP:timestamp} \| %{LOGLEVEL:level} \| %{JAVACLASS:class} - %{JAVALOGMESSAGE:logmessage}",
    ),
    (
        "TOMCAT_DATESTAMP",
        "%{CATALINA8_DATESTAMP}|%{CATALINA7_DATESTAMP}|%{TOMCAT50_DATESTAMP}",
    ),
    (
        "TOMCATLOG",
        "%{TOMCAT8_LOG}|%{TOMCAT6_LOG}|%{TOMCAT50_LOG}|%{TOMCATLEGACY_LOG}",
    ),
];

const DATABASES: Table = &[
    (
        "MONGO_LOG",
        r"%{SYSLOGTIMESTAMP:timestamp} \[%{WORD:component}\] %{GREEDYDATA:message}",
    ),
    ("MONGO_QUERY", r"\{ .* \}"),
    ("MONGO_WORDDASH", r"\b[\w-]+\b"),
    (
        "MONGO_SLOWQUERY",
        r"%{WORD} %{MONGO_WORDDASH:database}\.%{MONGO_WORDDASH:collection} %{WORD}: %{MONGO_QUERY:query} %{WORD}:%{NONNEGINT:ntoreturn} %{WORD}:%{NONNEGINT:ntoskip} %{WORD}:%{NONNEGINT:nscanned}.*? nreturned:%{NONNEGINT:nreturned}.*? (?P<duration>\d+)ms",
    ),
    ("MONGO3_SEVERITY", r"\w"),
    ("MONGO3_COMPONENT", r"\w+|-"),
    (
        "MONGO3_LOG",
        r"%{TIMESTAMP_ISO8601:timestamp} %{MONGO3_SEVERITY:severity} %{MONGO3_COMPONENT:component}%{SPACE}(?:\[(?P<context>[^\]]*)\])? %{GREEDYDATA:message}",
    ),
    (
        "REDISTIMESTAMP",
        "%{MONTHDAY} %{MONTH}(?: %{YEAR})? %{TIME}",
    ),
    // Since Redis 3 the process id has its role after it, and a sign stands for the level.
    (
        "REDISLOG",
        r"(?:\[%{POSINT:pid}\]|%{POSINT:pid}:[A-Z]) %{REDISTIMESTAMP:timestamp} [*#.-] ",
    ),
    (
        "REDISMONLOG",
        r#"%{NUMBER:timestamp} \[%{INT:database} %{IP:client}:%{NUMBER:port}\] "%{WORD:command}" ?%{GREEDYDATA:params}"#,
    ),
    (
        "POSTGRESQL",
        "(?P<timestamp>%{DATESTAMP}|%{TIMESTAMP_ISO8601}) %{TZ} %{DATA:user_id} %{GREEDYDATA:connection_id} \
         %{POSINT:pid}",
    ),
];

const RUBY: Table = &[
    ("RUBY_LOGLEVEL", "DEBUG|FATAL|ERROR|WARN|INFO"),
    (
        "RUBY_LOGGER",
        r"[DFEWIA], \[%{TIMESTAMP_ISO8601:timestamp} #%{POSINT:pid}\] *%{RUBY_LOGLEVEL:loglevel} -- +%{DATA:progname}: %{GREEDYDATA:message}",
    ),
];
