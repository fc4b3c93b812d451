//! The named formats, each from its vendor's documentation.

use std::sync::OnceLock;

use super::{Engine, Format};
use crate::error::Error;

/// A named format: what it is, an example, and the regular expression that defines it.
///
/// ```
/// use opsbox_log::Format;
///
/// for preset in Format::presets() {
///     println!("{:16} {}\n{:16} {}", preset.name(), preset.summary(), "", preset.example());
/// }
/// ```
#[derive(Debug)]
pub struct Preset {
    name: &'static str,
    summary: &'static str,
    example: &'static str,
    rule: Rule,
    compiled: OnceLock<Format>,
}

#[derive(Debug)]
enum Rule {
    Pattern(&'static str),
    Logfmt,
    Json,
}

impl Preset {
    const fn pattern(
        name: &'static str,
        summary: &'static str,
        example: &'static str,
        pattern: &'static str,
    ) -> Self {
        Self::new(name, summary, example, Rule::Pattern(pattern))
    }

    const fn new(
        name: &'static str,
        summary: &'static str,
        example: &'static str,
        rule: Rule,
    ) -> Self {
        Self {
            name,
            summary,
            example,
            rule,
            compiled: OnceLock::new(),
        }
    }

    /// The name that [`Format::preset`] takes.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What writes it, and the source of its definition.
    pub fn summary(&self) -> &'static str {
        self.summary
    }

    /// A line that fits.
    pub fn example(&self) -> &'static str {
        self.example
    }

    /// The format, compiled at the first call.
    ///
    /// # Errors
    ///
    /// `FeatureDisabled` for `ndjson` without the feature `json`.
    pub fn format(&self) -> Result<Format, Error> {
        if let Some(format) = self.compiled.get() {
            return Ok(format.clone());
        }
        let format = match self.rule {
            Rule::Pattern(pattern) => Format::named_pattern(self.name, pattern)?,
            Rule::Logfmt => Format::new(self.name, Vec::new(), Engine::Logfmt),
            #[cfg(feature = "json")]
            Rule::Json => Format::new(self.name, Vec::new(), Engine::Json),
            #[cfg(not(feature = "json"))]
            Rule::Json => {
                return Err(Error::FeatureDisabled {
                    preset: self.name,
                    feature: "json",
                });
            }
        };
        Ok(self.compiled.get_or_init(|| format).clone())
    }
}

/// The preset of a name.
pub(super) fn find(name: &str) -> Result<&'static Preset, Error> {
    if let Some(preset) = ALL.iter().find(|preset| preset.name == name) {
        return Ok(preset);
    }
    let wanted = name.to_lowercase();
    let distance = |preset: &Preset| strsim::damerau_levenshtein(&wanted, preset.name);
    let nearest = ALL
        .iter()
        .map(|preset| (distance(preset), preset.name))
        // A third of the letters may be wrong, or the name is the tail of a longer one.
        .filter(|(distance, name)| *distance <= 2.max(name.len() / 3) || name.ends_with(&wanted))
        .min();
    let hint = match nearest {
        Some((_, nearest)) if !wanted.is_empty() => format!("did you mean {nearest:?}?"),
        _ => {
            let names: Vec<_> = ALL.iter().map(Preset::name).collect();
            format!(
                "the presets are {}; any other format can be given as a pattern with named captures",
                names.join(", ")
            )
        }
    };
    Err(Error::UnknownPreset {
        name: name.to_owned(),
        hint,
    })
}

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

// From the particular to the general: the order decides between equals in `detect`.
pub(super) static ALL: [Preset; 7] = [
    Preset::pattern(
        "combined",
        "access log of nginx (log_format combined) and Apache httpd (LogFormat combined); columns \
         are named as nginx's variables, `ident` is Apache's %l",
        r#"192.0.2.7 - ada [17/May/2026:10:05:03 +0000] "GET /a?b=1 HTTP/1.1" 200 2326 "-" "curl/8.5""#,
        concat!(
            // In a name, nginx writes a quote as \x22 and Apache as \"; Apache's empty name is "".
            r#"(?P<remote_addr>\S+) (?P<ident>\S+) (?P<remote_user>""|(?:[^"\\]|\\.)+?) "#,
            r"\[(?P<time_local>\d{2}/[A-Z][a-z]{2}/\d{4}:\d{2}:\d{2}:\d{2} [+-]\d{4})\] ",
            // A request that is no request line (an empty one, a TLS hello) has no parts.
            r#""(?P<request>(?P<request_method>[A-Z][A-Z-]*) (?P<request_uri>(?:[^"\\]|\\.)+?)"#,
            r#"(?: (?P<server_protocol>HTTP/\d(?:\.\d)?))?|"#,
            quoted!(),
            r#")" (?P<status>\d{3}|-) (?P<body_bytes_sent>\d+|-) "#,
            r#""(?P<http_referer>"#,
            quoted!(),
            r#")" "(?P<http_user_agent>"#,
            quoted!(),
            r#")""#,
        ),
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
