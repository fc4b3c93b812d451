//! Grok: patterns by name.

mod expand;
mod library;
mod nagios;

use std::collections::BTreeSet;

use regex_syntax::hir::{Hir, HirKind, Look};

use super::{
    Engine, Format, Pattern,
    definition::{Captures, Definition},
    pattern::{parse, refuse},
};
use crate::{
    error::Error,
    limits::{MAX_GROK_DEFINITIONS, MAX_GROK_EXPANDED_BYTES, MAX_PATTERN_BYTES},
};
use expand::{Definitions, Expansion, definition_name, expand};

impl Format {
    /// A format from a grok pattern, as Logstash, Vector and others have them: `%{NAME:column}` is
    /// what the pattern called NAME fits, as a column.
    ///
    /// ```
    /// use opsbox_log::{Format, Parser, types::Type};
    ///
    /// let format = Format::grok("%{IP:client} %{WORD:method} %{URIPATH:path} %{INT:bytes:int}")?;
    /// let batch = Parser::new(format).parse("request: 192.0.2.7 GET /index.html 512 end\n");
    /// let record = batch.record(0).unwrap();
    /// assert_eq!(record.get("path"), Some(&b"/index.html"[..]));
    /// assert_eq!(batch.fields()[3].data_type(), Type::Integer);
    /// # Ok::<(), opsbox_log::Error>(())
    /// ```
    ///
    /// - `%{NAME}` is no column, `%{NAME:column:int}` and `%{NAME:column:float}` are columns of a
    ///   type. Names of columns have letters, digits, `_`, `.`, `@` and `-`; `[a][b]` is `a.b`.
    /// - The text between is a regular expression as in [`pattern`](Self::pattern), with
    ///   `(?<column>...)` for columns without a name of a pattern: write `\[` for a bracket.
    /// - The pattern is searched for, as in Logstash: it may fit a part of the line. With `^` and `$`
    ///   it has to fit from the beginning and to the end, which is the better choice where it can be
    ///   made: a line that does not fit is then reported with the place, and found to be so sooner.
    /// - One column may be in several alternatives, as in `(?:%{IP:host}|%{HOSTNAME:host})`, and has
    ///   the value of the one that fits. In a repetition the last round counts.
    /// - The names are those of Logstash's pattern library, see
    ///   [`grok_library`](Self::grok_library); `%{COMBINEDAPACHELOG}` and others have columns of their
    ///   own, named as in Logstash without ECS.
    ///
    /// # Errors
    ///
    /// `InvalidPattern` with the byte offset and the part: an unknown name, with the nearest known
    /// one; a definition that leads back to itself; a column captured twice where both can be in one
    /// line; what [`pattern`](Self::pattern) refuses; a [limit](crate::limits) exceeded.
    pub fn grok(pattern: &str) -> Result<Self, Error> {
        compile(pattern, &Definitions::new())
    }

    /// [`grok`](Self::grok) with definitions of one's own. They may use each other and the library,
    /// and go before a definition of the library with the same name, also where the library uses it.
    ///
    /// ```
    /// use opsbox_log::{Format, Parser};
    ///
    /// let own = [("QUEUE", "[0-9A-F]{10}"), ("STAMP", r"%{YEAR}\.%{MONTHNUM}")];
    /// let format = Format::grok_with("^%{STAMP:month} %{QUEUE:queue}: %{GREEDYDATA:rest}$", own)?;
    /// let batch = Parser::new(format).parse("2026.05 3F2504E04F: removed\n");
    /// assert_eq!(batch.record(0).unwrap().get("queue"), Some(&b"3F2504E04F"[..]));
    /// # Ok::<(), opsbox_log::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As `grok`; and a name that is none, a definition or their number over its
    /// [limit](crate::limits). Of two definitions of a name the last one counts; one that the pattern
    /// does not use is not looked at.
    pub fn grok_with<I, N, D>(pattern: &str, definitions: I) -> Result<Self, Error>
    where
        I: IntoIterator<Item = (N, D)>,
        N: Into<String>,
        D: Into<String>,
    {
        let mut own = Definitions::new();
        for (name, definition) in definitions {
            let (name, definition) = (name.into(), definition.into());
            definition_name(&name).map_err(|message| refuse(&name, 0..name.len(), message))?;
            if definition.len() > MAX_PATTERN_BYTES {
                let message = format!(
                    "the definition has {} bytes, the limit is {MAX_PATTERN_BYTES}",
                    definition.len()
                );
                return Err(refuse(&name, 0..name.len(), message));
            }
            own.insert(name, definition);
            if own.len() > MAX_GROK_DEFINITIONS {
                let message =
                    format!("there are more definitions than the limit of {MAX_GROK_DEFINITIONS}");
                return Err(refuse(pattern, 0..0, message));
            }
        }
        compile(pattern, &own)
    }

    /// The names that [`grok`](Self::grok) knows, with their definitions: numbers, words, addresses,
    /// paths, times, and lines of syslog, Apache httpd, HAProxy, Java and Tomcat, MongoDB, Redis,
    /// PostgreSQL, Ruby and Nagios.
    ///
    /// ```
    /// use opsbox_log::Format;
    ///
    /// assert!(Format::grok_library().any(|it| it == ("NOTSPACE", r"\S+")));
    /// ```
    pub fn grok_library() -> impl Iterator<Item = (&'static str, &'static str)> {
        library::all()
    }
}

fn compile(pattern: &str, own: &Definitions) -> Result<Format, Error> {
    if pattern.len() > MAX_PATTERN_BYTES {
        let message = format!(
            "the pattern has {} bytes, the limit is {MAX_PATTERN_BYTES}",
            pattern.len()
        );
        return Err(refuse(pattern, 0..0, message));
    }
    let mut expansion = expand(pattern, own)?;
    let hir = parse(&expansion.regex, MAX_GROK_EXPANDED_BYTES).map_err(|error| match error {
        Error::Pattern {
            offset,
            part,
            message,
        } => expansion.locate(offset, &part, message),
        error => error,
    })?;
    if expansion.captures.len() == 0 {
        let message = "there is no column; name each one, as in %{IP:client}";
        return Err(refuse(pattern, 0..pattern.len(), message.into()));
    }
    columns(&hir, &expansion.captures).map_err(|column| captured_twice(&expansion, &column))?;

    let captures = std::mem::take(&mut expansion.captures);
    let regex = search(&hir, expansion.regex);
    let limit = MAX_GROK_EXPANDED_BYTES + SEARCH_BYTES;
    let definition = Definition::translated(regex, limit, captures);
    // What is left to be wrong is wrong with the whole.
    let (compiled, fields) = Pattern::compile(definition, None).map_err(|error| match error {
        Error::Pattern { message, .. } => refuse(pattern, 0..pattern.len(), message),
        error => error,
    })?;
    Ok(Format::new(
        "grok",
        fields,
        Engine::Pattern(Box::new(compiled)),
    ))
}

/// What [`search`] adds, at most.
const SEARCH_BYTES: usize = 16;

/// The regular expression for a whole line in which `regex` is searched for.
fn search(hir: &Hir, regex: String) -> String {
    let look = hir.properties();
    let is_open = |part: Option<&Hir>, greedy| part.is_some_and(|part| takes_any(part, greedy));
    // `.*?` before a pattern that begins with `.*` would never take a byte, nor `.*` after one that
    // ends with it.
    let begins = look.look_set_prefix().contains(Look::Start) || is_open(edge(hir, false), None);
    let ends = look.look_set_suffix().contains(Look::End) || is_open(edge(hir, true), Some(true));
    let (before, after) = (
        if begins { "" } else { ".*?" },
        if ends { "" } else { ".*" },
    );
    format!("{before}(?:{regex}){after}")
}

/// The first or last part of a sequence.
fn edge(hir: &Hir, last: bool) -> Option<&Hir> {
    match hir.kind() {
        HirKind::Capture(capture) => edge(&capture.sub, last),
        HirKind::Concat(parts) if last => edge(parts.last()?, last),
        HirKind::Concat(parts) => edge(parts.first()?, last),
        _ => Some(hir),
    }
}

/// Whether a part is `.*`, or `.*?` if it need not be greedy.
fn takes_any(hir: &Hir, greedy: Option<bool>) -> bool {
    let HirKind::Repetition(repetition) = hir.kind() else {
        return false;
    };
    let HirKind::Class(regex_syntax::hir::Class::Bytes(class)) = repetition.sub.kind() else {
        return false;
    };
    let bytes: usize = class
        .ranges()
        .iter()
        .map(|range| usize::from(range.end() - range.start()) + 1)
        .sum();
    // All bytes that a line can have.
    let all_but_lf = bytes == 256 || (bytes == 255 && !has(class, b'\n'));
    let as_greedy = greedy.is_none_or(|greedy| repetition.greedy == greedy);
    all_but_lf && as_greedy && repetition.min == 0 && repetition.max.is_none()
}

fn has(class: &regex_syntax::hir::ClassBytes, byte: u8) -> bool {
    let mut ranges = class.ranges().iter();
    ranges.any(|range| (range.start()..=range.end()).contains(&byte))
}

/// The columns captured in a part.
///
/// # Errors
///
/// A column that two captures can fill in one line.
fn columns<'c>(hir: &Hir, captures: &'c Captures) -> Result<BTreeSet<&'c str>, Box<str>> {
    let mut all = BTreeSet::new();
    let parts = match hir.kind() {
        HirKind::Capture(capture) => {
            all = columns(&capture.sub, captures)?;
            let name = capture.name.as_deref().unwrap_or_default();
            let position = captures.position(name);
            if let Some(field) = position.and_then(|at| captures.fields().nth(at))
                && !all.insert(field.name())
            {
                return Err(field.name().into());
            }
            return Ok(all);
        }
        HirKind::Repetition(repetition) => return columns(&repetition.sub, captures),
        HirKind::Alternation(parts) => {
            for part in parts {
                all.append(&mut columns(part, captures)?);
            }
            return Ok(all);
        }
        HirKind::Concat(parts) => parts,
        _ => return Ok(all),
    };
    for part in parts {
        for column in columns(part, captures)? {
            if !all.insert(column) {
                return Err(column.into());
            }
        }
    }
    Ok(all)
}

fn captured_twice(expansion: &Expansion<'_>, column: &str) -> Error {
    let fields = expansion.captures.fields().zip(&expansion.places);
    let mut places = fields.filter(|(field, _)| field.name() == column);
    let first = places.next().map_or(0, |(_, place)| place.start);
    let second = places.next().map_or(0..0, |(_, place)| place.clone());
    let message = format!(
        "column {column:?} is captured at byte {first}, too, and both can be in one line; name them \
         apart, or put them in alternatives as in (?:A|B)"
    );
    expansion.refuse(second, message)
}
