pub(crate) mod ahead;
mod aws;
mod catalogue;
mod definition;
mod detect;
mod dissect;
mod explain;
mod grok;
pub(crate) mod head;
mod language;
mod mysql_slow;
mod openssh;
pub(crate) mod pack;
mod part;
mod pattern;
pub(crate) mod plan;
mod preset;
mod select;
pub(crate) mod signature;
mod start;
pub(crate) mod straight;
mod template;
mod typed;
mod w3c;

pub(crate) use definition::Definition;
pub use detect::{Candidate, Detection};
use language::{Language, language};
pub(crate) use pattern::{Fit, LentScratch, Pattern};
pub use preset::Preset;
pub(crate) use start::{Scratch as StartScratch, StartPattern};

use std::{fmt, path::Path, str::FromStr, sync::Arc};

#[cfg(feature = "json")]
use crate::tokenize::Dictionary;
use crate::{error::Error, file, limits::DETECT_SAMPLE_BYTES, multiline::Multiline, types::Type};

/// A column of a format or a batch.
///
/// ```
/// use opsbox_log::{Field, types::Type};
///
/// let field = Field::new("http.response.status_code").with_type(Type::Integer);
/// assert_eq!(field.data_type(), Type::Integer);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Field {
    name: Box<str>,
    data_type: Type,
}

impl Field {
    /// A column of text.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            data_type: Type::Text,
        }
    }

    /// The column with values of another type.
    #[must_use]
    pub fn with_type(mut self, data_type: Type) -> Self {
        self.data_type = data_type;
        self
    }

    /// What the column's values mean; text unless the format says otherwise.
    pub fn data_type(&self) -> Type {
        self.data_type
    }

    /// The column's name: the capture's, or the key's path with dots.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// What a line looks like, compiled: a [preset](Self::preset), a regular expression with named
/// captures ([`pattern`](Self::pattern)), or a pattern of [`grok`](Self::grok) or
/// [`dissect`](Self::dissect). Cheap to clone.
///
/// ```
/// use opsbox_log::{Format, Parser};
///
/// // A pattern fits the whole line. `.`, `\d`, `\w` and `\s` are ASCII bytes, any byte for `.`.
/// let format = Format::pattern(r"(?P<host>\S+) took (?P<millis>\d+) ms")?;
/// let batch = Parser::new(format).parse("db-1 took 12 ms\ndb-2 took ages\n");
/// assert_eq!(batch.record(0).unwrap().get("millis"), Some(&b"12"[..]));
/// assert_eq!(batch.unmatched().len(), 1);
///
/// // Not sure which format a file has? Ask a sample of it.
/// let detection = Format::detect(b"ts=1 level=info\nts=2 level=warn\n")?;
/// assert_eq!(detection.format().name(), "logfmt");
/// # Ok::<(), opsbox_log::Error>(())
/// ```
#[derive(Clone)]
pub struct Format {
    inner: Arc<Inner>,
}

struct Inner {
    name: Box<str>,
    fields: Arc<[Field]>,
    engine: Arc<Engine>,
    /// How its records are put together, if they have several lines.
    multiline: Option<Multiline>,
}

pub(crate) enum Engine {
    Pattern(Box<Pattern>),
    Logfmt,
    /// With the keys to look for, if there is a selection that can be looked for.
    #[cfg(feature = "json")]
    Json(Option<Box<Dictionary>>),
}

impl Engine {
    /// Whether lines are JSON, of which strings without escapes are where they are, between their quotes.
    pub(crate) fn is_json(&self) -> bool {
        match self {
            Self::Pattern(_) | Self::Logfmt => false,
            #[cfg(feature = "json")]
            Self::Json(_) => true,
        }
    }

    /// For JSON with these columns, or all if there are none.
    #[cfg(feature = "json")]
    fn json(fields: &[Field]) -> Self {
        Self::Json(Dictionary::new(fields).map(Box::new))
    }
}

impl Format {
    /// The format of a [preset](Self::presets).
    ///
    /// # Errors
    ///
    /// `UnknownPreset` with the nearest name; `FeatureDisabled` for `ndjson`, `journald-json` and
    /// `docker-json` without the feature `json`.
    pub fn preset(name: &str) -> Result<Self, Error> {
        preset::find(name)?.format()
    }

    /// All presets.
    pub fn presets() -> &'static [Preset] {
        &catalogue::ALL
    }

    /// A format from a regular expression with named captures, `(?P<name>...)` or `(?<name>...)`,
    /// one a column, in their order. It has to fit the whole line.
    ///
    /// The syntax is that of regex-automata, over bytes: `.` is any byte but LF; `\d`, `\w`, `\s`
    /// and case folding are ASCII. Switch Unicode on for a part with `(?u:...)`. The time to match a
    /// line is linear in its length, times the size of the pattern. A capture that can never take
    /// part, as in `(?P<a>x){0}`, is no column.
    ///
    /// A column that stands at different places in different alternatives is captured at each:
    /// `name`, `name[or]`, `name[or2]` and so on are one column `name`, whose value is that of the
    /// first of them, in the order of the pattern, that took part.
    ///
    /// ```
    /// use opsbox_log::{Format, Parser};
    ///
    /// let format = Format::pattern(r"from (?P<host>\S+)|host (?P<host[or]>\S+) left")?;
    /// let batch = Parser::new(format).parse("from db-1\nhost db-2 left\n");
    /// let hosts: Vec<_> = batch.column("host").unwrap().iter().collect();
    /// assert_eq!(hosts, [Some(&b"db-1"[..]), Some(b"db-2")]);
    /// # Ok::<(), opsbox_log::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `InvalidPattern` with the byte offset and the part: a syntax error; look-around and
    /// backreferences, which no linear-time engine has; no named capture; a
    /// [limit](crate::limits) exceeded.
    pub fn pattern(pattern: &str) -> Result<Self, Error> {
        Self::named_pattern("pattern", pattern)
    }

    pub(crate) fn named_pattern(name: &str, pattern: &str) -> Result<Self, Error> {
        let (pattern, fields) = Pattern::compile(Definition::regex(pattern), None)?;
        Ok(Self::new(name, fields, Engine::Pattern(Box::new(pattern))))
    }

    pub(crate) fn new(name: &str, fields: Vec<Field>, engine: Engine) -> Self {
        let inner = Inner {
            name: name.into(),
            fields: fields.into(),
            engine: Arc::new(engine),
            multiline: None,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// The same with records of several lines.
    fn spanning(self, multiline: Option<Multiline>) -> Self {
        let inner = Inner {
            name: self.inner.name.clone(),
            fields: Arc::clone(&self.inner.fields),
            engine: Arc::clone(&self.inner.engine),
            multiline,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// How records of several lines are put together: that of the preset `mysql-slow`, none for
    /// the others. A [`Parser`](crate::Parser) goes by it unless it is
    /// [told otherwise](crate::Parser::multiline).
    ///
    /// ```
    /// use opsbox_log::{Format, Parser};
    ///
    /// let format = Format::preset("mysql-slow")?;
    /// let longer = format.multiline().unwrap().clone().max_lines(50_000);
    /// let parser = Parser::new(format).multiline(longer);
    /// # Ok::<(), opsbox_log::Error>(())
    /// ```
    pub fn multiline(&self) -> Option<&Multiline> {
        self.inner.multiline.as_ref()
    }

    /// Finds the preset that fits a sample: the beginning of a file, some tens of lines or more.
    /// A last line without LF is left out when there are others, since it may be cut. With a
    /// `#Fields` directive in the sample, the format `iis` is that of
    /// [`w3c_extended`](Self::w3c_extended), and lines that begin with `#` are left out.
    ///
    /// # Errors
    ///
    /// `Undetected` if no preset fits half of the lines, or the sample is empty or binary.
    pub fn detect(sample: &[u8]) -> Result<Detection, Error> {
        detect::detect(sample, None)
    }

    /// [`detect`](Self::detect) on the beginning of a file.
    ///
    /// # Errors
    ///
    /// As `detect`, and `Io` if the file cannot be read or is not a regular one.
    pub fn detect_file(path: impl AsRef<Path>) -> Result<Detection, Error> {
        let path = path.as_ref();
        let sample = file::sample(path, DETECT_SAMPLE_BYTES)?;
        detect::detect(&sample, Some(path))
    }

    /// The preset's name, or `pattern`, `grok`, `dissect`.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The columns, in order. Empty for the formats whose keys are in the line (`ndjson`,
    /// `logfmt`): see [`Batch::fields`](crate::Batch::fields).
    pub fn fields(&self) -> &[Field] {
        &self.inner.fields
    }

    /// The regular expression that defines this format; none for `logfmt` and those of JSON. That of
    /// grok and dissect is a translation, in which captures may have other names than their columns.
    pub fn regex(&self) -> Option<&str> {
        match self.engine() {
            Engine::Pattern(pattern) => Some(pattern.source()),
            _ => None,
        }
    }

    /// What finds the columns, in plain words for a person: a line for each engine, the first one
    /// first, then, indented, one for each column and for each part between.
    ///
    /// A pattern is compiled to a plan where that can be done: its parts one after the other, each
    /// choice made by the bytes that come next. A line on which the plan gets stuck is matched by the
    /// regular expression, at a small part of the speed. Before the plan, many patterns have an engine
    /// that looks at many lines at once. All always give the same columns. If there is no plan, the
    /// text says which part of the pattern is in the way, and what to write instead.
    ///
    /// ```
    /// use opsbox_log::Format;
    ///
    /// let format = Format::pattern(r"(?P<host>\S+) (?P<rest>.*)")?;
    /// let lines: Vec<_> = format.explain().lines().map(str::to_owned).collect();
    /// assert!(lines[0].starts_with("operations on blocks of 64 bytes find the columns"));
    /// assert!(lines[1].starts_with("a plan of 7 steps finds the columns"));
    /// assert_eq!(lines[2..], [
    ///     r#"  "host": \S once or more, up to " ""#,
    ///     r#"  " ""#,
    ///     r#"  "rest": the rest of the line"#,
    /// ]);
    ///
    /// let format = Format::pattern(r"(?P<word>(?u:\w)+).*")?;
    /// assert!(format.explain().starts_with("the regular expression finds the columns"));
    /// # Ok::<(), opsbox_log::Error>(())
    /// ```
    pub fn explain(&self) -> String {
        match self.engine() {
            Engine::Pattern(_) if self.multiline().is_some_and(Multiline::is_whole) => {
                "the regular expression finds the columns of every record, which has several lines; \
                 plans are for single lines"
                    .into()
            }
            Engine::Pattern(pattern) => pattern.explain(self.fields()),
            Engine::Logfmt => "a scanner for logfmt finds the keys and values of each line".into(),
            #[cfg(feature = "json")]
            Engine::Json(Some(_)) => {
                "the keys are looked for in vector registers, and simd-json parses the lines on which \
                 that is not enough"
                    .into()
            }
            #[cfg(feature = "json")]
            Engine::Json(None) => {
                "simd-json checks each line and unescapes its strings; the places of the values are \
                 those of its structural index"
                    .into()
            }
        }
    }

    pub(crate) fn shared_fields(&self) -> Arc<[Field]> {
        Arc::clone(&self.inner.fields)
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.inner.engine
    }
}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Format")
            .field("name", &self.name())
            .field("regex", &self.regex())
            .finish_non_exhaustive()
    }
}

/// Takes what a user types: the name of a preset, or a pattern in one of three languages.
///
/// A text with `%{...}` is a pattern of [grok](Self::grok) if the names are in capitals, as in
/// `%{IP:client}`, and of [dissect](Self::dissect) if not, as in `%{client}`; with both it is refused.
/// Without, it is a [regular expression](Self::pattern) if it has a parenthesis, a bracket or a
/// backslash, and else the name of a [preset](Self::preset). A dissect key in capitals needs
/// `Format::dissect`, a grok name of one's own `Format::grok_with`.
///
/// ```
/// use opsbox_log::Format;
///
/// assert_eq!("%{IP:client} %{GREEDYDATA:rest}".parse::<Format>()?.name(), "grok");
/// assert_eq!("%{client} %{rest}".parse::<Format>()?.name(), "dissect");
/// assert_eq!("combined".parse::<Format>()?.name(), "combined");
/// assert_eq!(r"(?P<word>\w+)".parse::<Format>()?.fields().len(), 1);
/// # Ok::<(), opsbox_log::Error>(())
/// ```
impl FromStr for Format {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match language(text)? {
            Language::Preset => Self::preset(text),
            Language::Regex => Self::pattern(text),
            Language::Grok => Self::grok(text),
            Language::Dissect => Self::dissect(text),
        }
    }
}
