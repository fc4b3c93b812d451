//! The presets: what every kernel finds is what the regular expression finds.

use std::sync::OnceLock;

use opsbox_log::{Format, Parser, Preset};

use super::{input::Input, rows::parse_everywhere};

/// Columns of `combined` that leave parts of a line out.
const SELECTED: [&str; 9] = [
    "remote_addr",
    "time_local",
    "request_method",
    "request_uri",
    "server_protocol",
    "status",
    "body_bytes_sent",
    "http_referer",
    "http_user_agent",
];

/// The presets in the order of the numbers that inputs have for them; those that are not here come
/// after all others, so that committed inputs stay what they are.
const PRESETS: [&str; 26] = [
    "combined",
    "common",
    "nginx-error",
    "apache-error",
    "haproxy-http",
    "aws-alb",
    "aws-elb",
    "iis",
    "klog",
    "postgresql",
    "mysql-error",
    "syslog-rfc5424",
    "cri",
    "app",
    "hadoop",
    "hdfs",
    "spark",
    "logback",
    "python-logging",
    "cef",
    "openssh-auth",
    "syslog-rfc3164",
    "journald-json",
    "docker-json",
    "ndjson",
    "logfmt",
];

fn others() -> impl Iterator<Item = &'static Preset> {
    let presets = Format::presets().iter();
    presets.filter(|preset| !PRESETS.contains(&preset.name()))
}

/// All presets, and selections of columns.
pub fn formats() -> &'static [Format] {
    static FORMATS: OnceLock<Vec<Format>> = OnceLock::new();
    FORMATS.get_or_init(|| {
        let mut formats = PRESETS.map(|name| Format::preset(name).unwrap()).to_vec();
        let select =
            |name, columns: &[&str]| Format::preset(name).unwrap().select(columns).unwrap();
        formats.push(select("combined", &SELECTED));
        formats.push(select("combined", &["status"]));
        formats.push(select("iis", &["time_taken"]));
        formats.extend(others().map(|preset| preset.format().unwrap()));
        formats
    })
}

/// The examples of the presets.
pub fn examples() -> &'static [&'static [u8]] {
    static EXAMPLES: OnceLock<Vec<&'static [u8]>> = OnceLock::new();
    EXAMPLES.get_or_init(|| {
        let known = |name| {
            Format::presets()
                .iter()
                .find(|it| it.name() == name)
                .unwrap()
        };
        let presets = PRESETS.into_iter().map(known).chain(others());
        presets.map(|preset| preset.example().as_bytes()).collect()
    })
}

pub fn run(bytes: &[u8]) {
    let mut input = Input(bytes);
    let (format, size) = input.one_of_and_size(formats());
    let log = input.log(examples(), size);
    parse_everywhere(&Parser::new(format.clone()), &log);
}
