//! Text from a pod list or a path, made safe to print on a terminal or in a log line.

use std::{
    borrow::Cow,
    fmt::{self, Write as _},
};

/// Displays text with control characters and invisible direction marks as `\u{..}`.
///
/// A message of a container is written by whoever built its image: an escape sequence in it must not
/// reach a terminal, a newline must not forge a log line.
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            if is_unprintable(c) {
                write!(f, "{}", c.escape_unicode())?;
            } else {
                f.write_char(c)?;
            }
        }
        Ok(())
    }
}

/// The text with such characters escaped; most texts have none and stay as they are.
pub(crate) fn escaped(text: Cow<'static, str>) -> Cow<'static, str> {
    match text.contains(is_unprintable) {
        true => Cow::Owned(Escaped(&text).to_string()),
        false => text,
    }
}

/// Of several names the one that was probably meant.
#[cfg(feature = "config")]
pub(crate) fn nearest<'n>(unknown: &str, names: &[&'n str]) -> Option<&'n str> {
    let unknown = unknown.to_lowercase();
    names
        .iter()
        .map(|name| (strsim::jaro_winkler(&unknown, &name.to_lowercase()), *name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

#[cfg(not(feature = "config"))]
pub(crate) fn nearest<'n>(_unknown: &str, _names: &[&'n str]) -> Option<&'n str> {
    None
}

/// That there is no such name, and which ones there are.
pub(crate) fn unknown_name(
    what: &str,
    unknown: &str,
    names: &[&str],
    nearest: Option<&str>,
) -> String {
    match nearest {
        Some(name) => format!("there is no {what} `{unknown}`; did you mean `{name}`?"),
        None => format!(
            "there is no {what} `{unknown}`; there are {}",
            names.join(", ")
        ),
    }
}

/// Control characters, line separators, and the marks that reorder or hide text around them.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{061c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{2069}'
                | '\u{feff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_direction_characters_are_escaped() {
        let text = "a\u{1b}[31m\n\u{202e}b ü\\";
        assert_eq!(
            Escaped(text).to_string(),
            "a\\u{1b}[31m\\u{a}\\u{202e}b ü\\"
        );
    }
}
