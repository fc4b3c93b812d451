use std::{
    io,
    path::{Path, PathBuf},
};

/// What went wrong, on which object, and what to do about it.
///
/// Lines that do not fit the format are not errors: they stay in the
/// [`Batch`](crate::Batch) as [`Unmatched`](crate::Unmatched), each with its
/// [`Reason`](crate::Reason).
///
/// ```
/// use opsbox_log::{ErrorKind, Format};
///
/// let error = Format::preset("combind").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::UnknownPreset);
/// assert_eq!(
///     error.to_string(),
///     "no preset is named \"combind\"; did you mean \"combined\"?"
/// );
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No preset has this name.
    #[error("no preset is named {name:?}; {hint}")]
    #[non_exhaustive]
    UnknownPreset {
        /// The name that was asked for.
        name: String,
        /// The nearest preset, or the list of all.
        hint: String,
    },

    /// The preset exists, but the feature that it needs was not compiled in.
    #[error(
        "preset {preset:?} needs the cargo feature {feature:?} of opsbox-log; build with it on"
    )]
    #[non_exhaustive]
    FeatureDisabled {
        /// The preset that was asked for.
        preset: &'static str,
        /// The feature to switch on.
        feature: &'static str,
    },

    /// A column cannot be selected.
    #[error("column {name:?} of format {format:?}: {message}")]
    #[non_exhaustive]
    Field {
        /// The format's name.
        format: String,
        /// The column that was asked for.
        name: String,
        /// What is wrong, and the columns that there are.
        message: String,
    },

    /// A column cannot be set or renamed in a batch.
    #[error("cannot set column {column:?}: {message}")]
    #[non_exhaustive]
    Column {
        /// The column.
        column: String,
        /// What is wrong.
        message: String,
    },

    /// A column has too many distinct values to be read as categories.
    #[error(
        "column {column:?} has more than {limit} distinct values in one batch; read it as text, or \
         parse fewer lines at once"
    )]
    #[non_exhaustive]
    TooManyCategories {
        /// The column.
        column: String,
        /// The limit, [`MAX_CATEGORIES`](crate::limits::MAX_CATEGORIES).
        limit: usize,
    },

    /// A pattern does not compile.
    #[error("pattern, byte {offset}, at {part:?}: {message}")]
    #[non_exhaustive]
    Pattern {
        /// Byte offset of the part inside the pattern.
        offset: usize,
        /// The part of the pattern that is refused.
        part: String,
        /// Why, and what to write instead.
        message: String,
    },

    /// A JMESPath expression does not compile.
    #[cfg(feature = "jmespath")]
    #[error("JMESPath expression \"{expression}\", byte {offset}: {message}")]
    #[non_exhaustive]
    Expression {
        /// The expression, or its beginning.
        expression: String,
        /// Byte offset in the expression.
        offset: usize,
        /// Why, and what to write instead.
        message: String,
    },

    /// No preset fits the sample.
    #[error("format{} not recognised: {message}", of(path.as_deref()))]
    #[non_exhaustive]
    Undetected {
        /// The file, if the sample was a file's.
        path: Option<PathBuf>,
        /// What was seen, and what to do.
        message: String,
    },

    /// A file could not be read.
    #[error("cannot read {}: {message}", path.display())]
    #[non_exhaustive]
    File {
        /// The file.
        path: PathBuf,
        /// What happened, and what to do.
        message: String,
        /// The error of the operating system, if it was one.
        source: Option<io::Error>,
    },

    /// A reader failed in the middle of the input; what came before was delivered.
    #[error("reading failed at byte {offset} (line {line}): {source}")]
    #[non_exhaustive]
    Read {
        /// Bytes read before.
        offset: u64,
        /// The line in which it happened, from 1.
        line: u64,
        /// The error of the reader.
        source: io::Error,
    },

    /// The configuration of a pipeline is wrong.
    #[cfg(all(feature = "config", feature = "pipeline"))]
    #[error(
        "configuration{}: {}{message}",
        place_of(path.as_deref(), *line_and_column),
        setting_of(setting)
    )]
    #[non_exhaustive]
    Config {
        /// The file; none if a variable is wrong.
        path: Option<PathBuf>,
        /// Line and column, from 1, if they are known.
        line_and_column: Option<(u64, u64)>,
        /// The setting, as in `output.format`; empty if it is none by itself.
        setting: String,
        /// What is wrong, and what to write instead.
        message: String,
        /// The error that it is about, if the setting names something that fails.
        source: Option<Box<Self>>,
    },

    /// A stage of a pipeline failed.
    #[cfg(feature = "pipeline")]
    #[error("stage {stage:?} failed in the batch that begins with line {line}: {source}")]
    #[non_exhaustive]
    Stage {
        /// Its name.
        stage: String,
        /// The first line of the batch, from 1.
        line: u64,
        /// What went wrong.
        source: Box<Self>,
    },

    /// The output of a pipeline could not be written.
    #[cfg(feature = "pipeline")]
    #[error("writing failed at or after byte {offset} of the output: {source}")]
    #[non_exhaustive]
    Write {
        /// Bytes that were written before.
        offset: u64,
        /// The error of the writer.
        source: io::Error,
    },

    /// The columns of a batch would take much more memory than its input: many keys that are in few
    /// lines.
    #[cfg(feature = "arrow")]
    #[error(
        "{columns} columns of {rows} rows, most of them empty, would take {bytes} bytes for an input \
         of {input_bytes}; parse fewer lines at once, or read the values record by record"
    )]
    #[non_exhaustive]
    TooSparse {
        /// Rows of the batch.
        rows: usize,
        /// Columns of the batch.
        columns: usize,
        /// What their arrays would take.
        bytes: usize,
        /// The input of the batch.
        input_bytes: usize,
    },

    /// A rule of masking cannot be used: a pattern, a name, a field of a policy.
    #[cfg(feature = "mask")]
    #[error("{}{}{message}", at(place.as_deref()), rule_of(rule))]
    #[non_exhaustive]
    MaskRule {
        /// The file with line and column, if the rule came from one.
        place: Option<Box<Place>>,
        /// The rule: a pattern's name, or the field of the policy; empty if it is none by itself.
        rule: String,
        /// What is wrong, and what to write instead.
        message: String,
    },

    /// A key cannot be made, read, wrapped or unwrapped.
    #[cfg(feature = "mask")]
    #[error("cannot {attempt}: {message}")]
    #[non_exhaustive]
    Key {
        /// What was attempted, on which file or key.
        attempt: String,
        /// Whether the same may succeed later.
        retryable: bool,
        /// What is wrong, and what to do.
        message: String,
    },

    /// A masked value cannot be decrypted.
    #[cfg(feature = "mask")]
    #[error("cannot decrypt {what}: {message}")]
    #[non_exhaustive]
    Decrypt {
        /// Which kind of value; nothing of the value.
        what: String,
        /// What is wrong, and what to do.
        message: String,
    },

    /// A batch could not be turned into Arrow arrays.
    #[cfg(feature = "arrow")]
    #[error("cannot build the Arrow batch: {0}")]
    Arrow(#[from] arrow_schema::ArrowError),
}

/// The kind of an [`Error`], for code that branches on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No preset has this name.
    UnknownPreset,
    /// A feature is not compiled in.
    FeatureDisabled,
    /// A column does not exist, or is named twice.
    UnknownField,
    /// A column cannot be set or renamed.
    InvalidColumn,
    /// The configuration of a pipeline is wrong.
    InvalidConfig,
    /// A column has too many distinct values to be categories.
    TooManyCategories,
    /// A pattern does not compile.
    InvalidPattern,
    /// A JMESPath expression does not compile.
    InvalidExpression,
    /// No preset fits the sample.
    Undetected,
    /// A file or a reader failed.
    Io,
    /// A rule of masking, or a policy, cannot be used.
    MaskRule,
    /// A key cannot be made, read, wrapped or unwrapped.
    Key,
    /// A masked value cannot be decrypted.
    Decrypt,
    /// The Arrow export failed.
    Arrow,
    /// The Arrow export would take too much memory.
    TooSparse,
}

/// Where in a file of rules something is.
#[cfg(feature = "mask")]
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// The file, as it was named.
    pub path: PathBuf,
    /// The line, from 1, and the column in characters, from 1, where the library that read it knows them.
    pub line_and_column: Option<(u64, u64)>,
}

#[cfg(feature = "mask")]
fn at(place: Option<&Place>) -> String {
    let Some(place) = place else {
        return String::new();
    };
    let path = place.path.display();
    match place.line_and_column {
        Some((line, column)) => format!("policy {path}: line {line} column {column}: "),
        None => format!("policy {path}: "),
    }
}

#[cfg(feature = "mask")]
fn rule_of(rule: &str) -> String {
    match rule {
        "" => String::new(),
        rule => format!("{rule}: "),
    }
}

fn of(path: Option<&Path>) -> String {
    path.map_or_else(String::new, |path| format!(" of {}", path.display()))
}

#[cfg(all(feature = "config", feature = "pipeline"))]
fn place_of(path: Option<&Path>, line_and_column: Option<(u64, u64)>) -> String {
    let path = path.map_or_else(String::new, |path| format!(" {}", path.display()));
    match line_and_column {
        Some((line, column)) => format!("{path}: line {line} column {column}"),
        None => path,
    }
}

#[cfg(all(feature = "config", feature = "pipeline"))]
fn setting_of(setting: &str) -> String {
    match setting {
        "" => String::new(),
        setting => format!("{setting}: "),
    }
}

impl Error {
    /// The kind of this error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::UnknownPreset { .. } => ErrorKind::UnknownPreset,
            Self::FeatureDisabled { .. } => ErrorKind::FeatureDisabled,
            Self::Field { .. } => ErrorKind::UnknownField,
            Self::Column { .. } => ErrorKind::InvalidColumn,
            Self::TooManyCategories { .. } => ErrorKind::TooManyCategories,
            Self::Pattern { .. } => ErrorKind::InvalidPattern,
            #[cfg(feature = "jmespath")]
            Self::Expression { .. } => ErrorKind::InvalidExpression,
            Self::Undetected { .. } => ErrorKind::Undetected,
            Self::File { .. } | Self::Read { .. } => ErrorKind::Io,
            #[cfg(all(feature = "config", feature = "pipeline"))]
            Self::Config { source, .. } => source
                .as_ref()
                .map_or(ErrorKind::InvalidConfig, |source| source.kind()),
            #[cfg(feature = "pipeline")]
            Self::Stage { source, .. } => source.kind(),
            #[cfg(feature = "pipeline")]
            Self::Write { .. } => ErrorKind::Io,
            #[cfg(feature = "mask")]
            Self::MaskRule { .. } => ErrorKind::MaskRule,
            #[cfg(feature = "mask")]
            Self::Key { .. } => ErrorKind::Key,
            #[cfg(feature = "mask")]
            Self::Decrypt { .. } => ErrorKind::Decrypt,
            #[cfg(feature = "arrow")]
            Self::Arrow(_) => ErrorKind::Arrow,
            #[cfg(feature = "arrow")]
            Self::TooSparse { .. } => ErrorKind::TooSparse,
        }
    }

    /// Whether the same call may succeed later: opening a file that was interrupted or timed out. A
    /// wrong name or pattern stays wrong, and a [reader](crate::Batches) that failed is at its end.
    pub fn is_retryable(&self) -> bool {
        #[cfg(feature = "mask")]
        if let Self::Key { retryable, .. } = self {
            return *retryable;
        }
        #[cfg(all(feature = "config", feature = "pipeline"))]
        if let Self::Config {
            source: Some(source),
            ..
        } = self
        {
            return source.is_retryable();
        }
        let source = match self {
            Self::File { source, .. } => source.as_ref(),
            _ => None,
        };
        source.is_some_and(|error| {
            matches!(
                error.kind(),
                io::ErrorKind::Interrupted | io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock
            )
        })
    }

    #[cfg(feature = "mask")]
    pub(crate) fn mask_rule(rule: &str, message: String) -> Self {
        Self::MaskRule {
            place: None,
            rule: rule.to_owned(),
            message,
        }
    }

    #[cfg(feature = "mask")]
    pub(crate) fn key(attempt: &str, retryable: bool, message: String) -> Self {
        Self::Key {
            attempt: attempt.to_owned(),
            retryable,
            message,
        }
    }

    #[cfg(feature = "mask")]
    pub(crate) fn decrypt(what: &str, message: String) -> Self {
        Self::Decrypt {
            what: what.to_owned(),
            message,
        }
    }
}
