//! What a CA says of a refusal.

use std::fmt;

use serde::Deserialize;

use crate::limits::{MAX_PROBLEM_CHARS, MAX_SUBPROBLEMS};
use crate::text::Escaped;

/// A problem document (RFC 7807, RFC 8555 section 6.7), as the CA sent it.
///
/// `Display` is safe to print: control characters are escaped, and long text is cut. The methods give
/// the text as it came, cut to [`MAX_PROBLEM_CHARS`] and [`MAX_SUBPROBLEMS`].
///
/// ```
/// use opsbox_cert::issuer::Problem;
///
/// let json = br#"{"type": "urn:ietf:params:acme:error:dns", "detail": "no such name", "status": 400}"#;
/// let problem = Problem::from_json(json).unwrap();
/// assert_eq!(problem.acme_type(), Some("dns"));
/// assert_eq!(problem.to_string(), "no such name (urn:ietf:params:acme:error:dns)");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Problem {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    detail: Option<String>,
    #[serde(default)]
    status: Option<u16>,
    #[serde(default)]
    subproblems: Vec<Subproblem>,
}

/// The part of a problem that is about one name (RFC 8555, section 6.7.1).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Subproblem {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    detail: Option<String>,
    #[serde(default)]
    identifier: Option<Subject>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Subject {
    #[serde(default)]
    value: String,
}

const ACME: &str = "urn:ietf:params:acme:error:";

impl Problem {
    /// Reads a problem document; `None` if the bytes are none that says anything.
    pub fn from_json(json: &[u8]) -> Option<Self> {
        let problem: Self = serde_json::from_slice(json).ok()?;
        let says = problem.kind.is_some() || problem.detail.is_some() || problem.title.is_some();
        says.then(|| problem.cut())
    }

    #[cfg(feature = "acme")]
    pub(crate) fn new(kind: Option<String>, detail: Option<String>, status: Option<u16>) -> Self {
        Self {
            kind,
            title: None,
            detail,
            status,
            subproblems: Vec::new(),
        }
        .cut()
    }

    #[cfg(feature = "acme")]
    pub(crate) fn with(mut self, subproblems: impl IntoIterator<Item = Subproblem>) -> Self {
        self.subproblems.extend(subproblems);
        self.cut()
    }

    fn cut(mut self) -> Self {
        for text in [&mut self.kind, &mut self.title, &mut self.detail] {
            cut(text);
        }
        self.subproblems.truncate(MAX_SUBPROBLEMS);
        for sub in &mut self.subproblems {
            cut(&mut sub.kind);
            cut(&mut sub.detail);
            let mut value = sub.identifier.take().map(|subject| subject.value);
            cut(&mut value);
            sub.identifier = value.map(|value| Subject { value });
        }
        self
    }

    /// The whole type, a URI.
    pub fn type_uri(&self) -> Option<&str> {
        self.kind.as_deref()
    }

    /// The type without `urn:ietf:params:acme:error:`, if it is one of ACME: `rateLimited`, `dns`.
    pub fn acme_type(&self) -> Option<&str> {
        self.kind.as_deref()?.strip_prefix(ACME)
    }

    /// What the CA says for a human to read.
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref().or(self.title.as_deref())
    }

    /// The HTTP status in the document.
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// The parts that are about one name each.
    pub fn subproblems(&self) -> &[Subproblem] {
        &self.subproblems
    }
}

impl Subproblem {
    #[cfg(feature = "acme")]
    pub(crate) fn new(
        kind: Option<String>,
        detail: Option<String>,
        identifier: Option<String>,
    ) -> Self {
        let identifier = identifier.map(|value| Subject { value });
        Self {
            kind,
            detail,
            identifier,
        }
    }

    /// The whole type, a URI.
    pub fn type_uri(&self) -> Option<&str> {
        self.kind.as_deref()
    }

    /// What the CA says for a human to read.
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }

    /// The name or address that it is about.
    pub fn identifier(&self) -> Option<&str> {
        self.identifier
            .as_ref()
            .map(|subject| subject.value.as_str())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self.detail(), self.type_uri())?;
        for sub in &self.subproblems {
            let identifier = sub.identifier().unwrap_or("a part of it");
            write!(f, "; {}: ", Escaped(identifier))?;
            write(f, sub.detail(), sub.type_uri())?;
        }
        Ok(())
    }
}

fn write(f: &mut fmt::Formatter<'_>, detail: Option<&str>, kind: Option<&str>) -> fmt::Result {
    write!(f, "{}", Escaped(detail.unwrap_or("no detail")))?;
    match kind {
        Some(kind) => write!(f, " ({})", Escaped(kind)),
        None => Ok(()),
    }
}

fn cut(text: &mut Option<String>) {
    if let Some(text) = text {
        cut_text(text);
    }
}

/// Keeps the start of a text.
pub(crate) fn cut_text(text: &mut String) {
    if let Some((end, _)) = text.char_indices().nth(MAX_PROBLEM_CHARS) {
        text.truncate(end);
        text.push_str("...");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_and_hostile_text_is_cut_and_escaped() {
        let detail = format!("\u{1b}[2J{}", "ü".repeat(10_000));
        let json = serde_json::json!({"type": "x", "detail": detail, "subproblems": [
            {"detail": "a\nb", "identifier": {"type": "dns", "value": "a.example"}}]});
        let shown = Problem::from_json(json.to_string().as_bytes())
            .unwrap()
            .to_string();
        assert!(shown.starts_with("\\u{1b}[2J"), "{shown}");
        assert!(shown.chars().count() < 600, "{shown}");
        assert!(shown.ends_with("... (x); a.example: a\\u{a}b"), "{shown}");
    }

    #[test]
    fn what_is_no_problem_document_is_none() {
        for text in ["", "[]", "{}", "<html>", r#"{"status": 500}"#] {
            assert_eq!(Problem::from_json(text.as_bytes()), None, "{text}");
        }
    }
}
