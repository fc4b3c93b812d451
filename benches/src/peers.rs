//! Other libraries on the same work (feature `peers`). Each is set up once, as its documentation says
//! to, and gives the number of lines that it takes.

use std::{cell::RefCell, hint::black_box};

use bytes::Bytes;
use grok::Grok;
use serde::Deserialize;
use sonic_rs::{PointerTree, pointer};
use vrl::{
    compiler::{Context, Program, TargetValue, TimeZone, state::RuntimeState},
    diagnostic::DiagnosticList,
    stdlib,
    value::{ObjectMap, Secrets, Value},
};

/// The nine values of a combined log line as Grok has them.
pub const GROK: &str = concat!(
    r"^%{NOTSPACE:remote_addr} %{NOTSPACE:ident} %{NOTSPACE:remote_user} \[%{HTTPDATE:time_local}\] ",
    r#""%{DATA:request}" %{INT:status} (?:%{INT:body_bytes_sent}|-) "%{DATA:http_referer}" "#,
    r#""%{DATA:http_user_agent}"$"#,
);

/// Lines that the crate `regex` matches, with the places of all groups.
///
/// # Errors
///
/// If the pattern is none.
pub fn regex(pattern: &str) -> Result<impl Fn(&str) -> usize, regex::Error> {
    let regex = regex::bytes::Regex::new(&format!("(?-u)^(?:{pattern})$"))?;
    let captures = RefCell::new(regex.capture_locations());
    Ok(move |log: &str| {
        let captures = &mut *captures.borrow_mut();
        let matches = |line: &&str| regex.captures_read(captures, line.as_bytes()).is_some();
        log.lines().filter(matches).count()
    })
}

/// Lines that the crate `grok` matches, with all values taken out by name.
///
/// # Errors
///
/// If the pattern is none.
pub fn grok(pattern: &str) -> Result<impl Fn(&str) -> usize, grok::Error> {
    let pattern = Grok::with_default_patterns().compile(pattern, true)?;
    Ok(move |log: &str| {
        let matches = |line: &&str| {
            let found = pattern.match_against(line);
            found.is_some_and(|found| found.iter().count() > 0)
        };
        log.lines().filter(matches).count()
    })
}

/// A program in VRL, the language of Vector, on an event with the line as its `.message`.
#[derive(Debug)]
pub struct Vrl {
    program: Program,
}

impl Vrl {
    /// `parse_regex` with the pattern.
    ///
    /// # Errors
    ///
    /// If it does not compile.
    pub fn regex(pattern: &str) -> Result<Self, DiagnosticList> {
        Self::new(&format!("parse_regex!(string!(.message), r'{pattern}')"))
    }

    /// `parse_grok` with the pattern.
    ///
    /// # Errors
    ///
    /// If it does not compile.
    pub fn grok(pattern: &str) -> Result<Self, DiagnosticList> {
        Self::new(&format!("parse_grok!(string!(.message), s'{pattern}')"))
    }

    /// `parse_nginx_log` for the format combined.
    ///
    /// # Errors
    ///
    /// If it does not compile.
    pub fn nginx() -> Result<Self, DiagnosticList> {
        Self::new("parse_nginx_log!(string!(.message), \"combined\")")
    }

    /// The head of a line by `parse_regex`, and the JSON in its message by `parse_json`, with one level of
    /// escapes taken off if that fails. What is XML is left as it is.
    ///
    /// # Errors
    ///
    /// If it does not compile.
    pub fn documents() -> Result<Self, DiagnosticList> {
        Self::new(concat!(
            r"line = parse_regex!(string!(.message), ",
            r"r'^(?P<timestamp>\S+ \S+) \[(?P<level>\w+)\] (?P<message>[^{]*(?P<json>\{.*\})?.*)$')",
            "\n",
            "if is_string(line.json) {\n",
            "  json = string!(line.json)\n",
            "  document, error = parse_json(json)\n",
            "  if error != null { document, error = parse_json(replace(json, \"\\\\\\\"\", \"\\\"\")) }\n",
            "  if error == null { line.json = document }\n",
            "}\n",
            ". = line\n",
        ))
    }

    fn new(source: &str) -> Result<Self, DiagnosticList> {
        let program = vrl::compiler::compile(source, &stdlib::all())?.program;
        Ok(Self { program })
    }

    /// Lines whose event has an object under `json` after the run.
    pub fn objects(&self, log: &Bytes) -> usize {
        let is_object = |target: &TargetValue| match &target.value {
            Value::Object(event) => event.get("json").is_some_and(Value::is_object),
            _ => false,
        };
        self.run(log, is_object)
    }

    /// Runs on each line; the message is a slice of the log, not a copy.
    pub fn count(&self, log: &Bytes) -> usize {
        self.run(log, |_| true)
    }

    fn run(&self, log: &Bytes, counts: impl Fn(&TargetValue) -> bool) -> usize {
        let timezone = TimeZone::default();
        let mut state = RuntimeState::default();
        let mut target = TargetValue {
            value: Value::Null,
            metadata: Value::Object(ObjectMap::new()),
            secrets: Secrets::default(),
        };
        let mut start = 0;
        let mut matched = 0;
        for end in memchr::memchr_iter(b'\n', log) {
            let line = Value::Bytes(log.slice(start..end));
            target.value = Value::Object(ObjectMap::from([("message".into(), line)]));
            let mut context = Context::new(&mut target, &mut state, &timezone);
            let resolved = self.program.resolve(&mut context).is_ok();
            matched += usize::from(resolved && counts(&target));
            start = end + 1;
        }
        matched
    }
}

/// The keys of the generated NDJSON lines, dots between the levels.
pub const KEYS: [&str; 9] = [
    "ts",
    "level",
    "logger",
    "msg",
    "http.status",
    "http.ms",
    "trace",
    "host",
    "pid",
];

/// A generated NDJSON line with strings that point into it.
#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "what is measured is that they are made")]
struct Entry<'l> {
    ts: &'l str,
    level: &'l str,
    logger: &'l str,
    msg: &'l str,
    http: Http,
    trace: &'l str,
    host: &'l str,
    pid: u32,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "as above")]
struct Http {
    status: u16,
    ms: f64,
}

/// Lines that sonic-rs deserializes into a struct that borrows. It picks its instructions when it is
/// compiled: for its best figures build with `RUSTFLAGS="-C target-cpu=native"`.
pub fn sonic_struct(log: &str) -> usize {
    let entries = log.lines().map(sonic_rs::from_str::<Entry<'_>>);
    entries.filter(Result::is_ok).count()
}

/// A line of [`requests`](crate::data::requests), with the values that the bench selects.
#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "as above")]
struct Request<'l> {
    time: &'l str,
    level: &'l str,
    service: &'l str,
    message: &'l str,
    duration_ms: f64,
    #[serde(borrow)]
    http: RequestHttp<'l>,
}

#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "as above")]
struct RequestHttp<'l> {
    method: &'l str,
    status: u16,
}

/// [`sonic_struct`] for the lines of [`requests`](crate::data::requests).
pub fn sonic_requests(log: &str) -> usize {
    let requests = log.lines().map(sonic_rs::from_str::<Request<'_>>);
    requests.filter(|it| black_box(it).is_ok()).count()
}

/// Lines in which sonic-rs finds all [`KEYS`] in one pass, as raw JSON.
pub fn sonic_keys() -> impl Fn(&str) -> usize {
    let mut tree = PointerTree::new();
    for key in KEYS {
        match key.split_once('.') {
            Some((object, key)) => tree.add_path(&pointer![object, key]),
            None => tree.add_path(&pointer![key]),
        }
    }
    move |log: &str| {
        let found = log.lines().map(|line| sonic_rs::get_many(line, &tree));
        let all = found.filter(|found| {
            let Ok(values) = found else { return false };
            values.iter().all(Option::is_some)
        });
        all.count()
    }
}

/// Lines that `serde_json` reads into a value.
pub fn serde_values(log: &str) -> usize {
    let values = log.lines().map(serde_json::from_str::<serde_json::Value>);
    values.filter(Result::is_ok).count()
}
