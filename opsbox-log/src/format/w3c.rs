//! The W3C Extended Log File Format (W3C working draft WD-logfile-960323), which IIS writes.

use super::Format;
use crate::error::Error;

/// The directive that names the fields of the lines after it.
const FIELDS: &[u8] = b"#Fields:";

impl Format {
    /// The W3C Extended Log Format with the fields of a `#Fields` directive, as IIS writes it at the
    /// beginning of a file: `#Fields: date time s-ip cs-method ...`. The preset `iis` has the fields
    /// that IIS writes unless told otherwise; [`detect`](Self::detect) takes those of the last
    /// directive in the sample.
    ///
    /// A column is named as its field, in lower case, and what is no letter or digit becomes `_`:
    /// `cs(User-Agent)` is `cs_user_agent`. Values stay as they are written: `-` is an absent one,
    /// and in IIS a `+` stands for a space.
    ///
    /// The directives are no data, and unmatched. So are, where another `#Fields` follows in the
    /// middle of a file, the lines after it that have more or fewer fields; as many other fields
    /// would go unnoticed, so split such a file before its directive.
    ///
    /// ```
    /// use opsbox_log::{Format, Parser};
    ///
    /// let log = "#Fields: date time c-ip cs-method cs(User-Agent) sc-status\n\
    ///            2026-11-02 09:25:11 192.0.2.9 GET Mozilla/5.0+(X11) 200\n";
    /// let format = Format::w3c_extended(log.lines().next().unwrap())?;
    /// let batch = Parser::new(format).parse(log);
    /// assert_eq!(batch.record(0).unwrap().get("cs_user_agent"), Some(&b"Mozilla/5.0+(X11)"[..]));
    /// assert_eq!(batch.unmatched().len(), 1);
    /// # Ok::<(), opsbox_log::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `UnknownField` if two fields get one name, a name has no letter or digit, or there is none at
    /// all; `InvalidPattern` if there are more than the [limits](crate::limits) allow.
    pub fn w3c_extended(directive: &str) -> Result<Self, Error> {
        let refuse = |name: &str, message: &str| Error::Field {
            format: "iis".to_owned(),
            name: name.to_owned(),
            message: message.to_owned(),
        };
        let names = directive.trim_start();
        let names = names.strip_prefix("#Fields:").unwrap_or(names);
        let mut columns: Vec<String> = Vec::new();
        let mut pattern = String::new();
        for name in names.split_ascii_whitespace() {
            let column = column_of(name);
            if !column.starts_with(|first: char| first.is_ascii_alphabetic()) {
                return Err(refuse(
                    name,
                    "it does not begin with a letter; give the line `#Fields: ...`",
                ));
            }
            if columns.contains(&column) {
                let message =
                    format!("its column {column:?} stands in #Fields twice; name it once");
                return Err(refuse(name, &message));
            }
            let value = match column.as_str() {
                "date" => r"\d{4}-\d{2}-\d{2}",
                "time" => r"\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?",
                // A directive is not to be taken for data.
                _ if columns.is_empty() => r"[^\s#]\S*",
                _ => r"\S+",
            };
            // IIS puts a space between the fields, others a tab.
            let separator = if columns.is_empty() { "" } else { r"[ \t]" };
            pattern += &format!("{separator}(?P<{column}>{value})");
            columns.push(column);
        }
        if columns.is_empty() {
            return Err(refuse(
                "",
                "the directive names no field; give the line `#Fields: ...`",
            ));
        }
        Self::named_pattern("iis", &pattern)
    }
}

/// The last `#Fields` directive of these lines, if it is text.
pub(super) fn last_directive<'l>(lines: impl Iterator<Item = &'l [u8]>) -> Option<&'l str> {
    let directives = lines.filter(|line| line.starts_with(FIELDS));
    directives
        .last()
        .and_then(|line| std::str::from_utf8(line).ok())
}

/// `cs(User-Agent)` as `cs_user_agent`.
fn column_of(field: &str) -> String {
    let plain = |char: char| match char.is_ascii_alphanumeric() {
        true => char.to_ascii_lowercase(),
        false => '_',
    };
    field.trim_end_matches(')').chars().map(plain).collect()
}
