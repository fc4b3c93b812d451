//! The document of one value.

use std::{borrow::Cow, ops::Range};

use super::{
    document::{Outcome, Rules, Scratch, examine},
    index::Index,
    report::{Refused, Repairs},
    sink::{Arena, Source, Whole},
    walk::Text,
};

/// What a document was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DocumentKind {
    /// JSON.
    Json,
    /// What had to be [repaired](Repairs) to be JSON.
    Repaired,
    /// XML.
    Xml,
}

/// A document that was found in a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document<'v> {
    kind: DocumentKind,
    place: Range<usize>,
    text: Cow<'v, [u8]>,
    repairs: Repairs,
}

impl<'v> Document<'v> {
    /// What it was.
    pub fn kind(&self) -> DocumentKind {
        self.kind
    }

    /// Where it is in the value, in bytes.
    pub fn place(&self) -> Range<usize> {
        self.place.clone()
    }

    /// The document as JSON: as it is in the value if it is JSON there, else a text of its own. That of
    /// XML is an object with a key for each field.
    pub fn json(&self) -> &[u8] {
        &self.text
    }

    /// What was repaired.
    pub fn repairs(&self) -> Repairs {
        self.repairs
    }
}

/// Finds the document in one value, with the default rules of a [`Cleaner`](super::Cleaner), which is
/// faster on a whole column.
///
/// ```
/// use opsbox_log::clean::{self, DocumentKind};
///
/// let value = br#"payload={"a":1,} received"#;
/// let document = clean::find(value)?.unwrap();
/// assert_eq!(document.kind(), DocumentKind::Repaired);
/// assert_eq!(document.json(), br#"{"a":1}"#);
/// assert_eq!(document.place(), 8..16);
/// assert_eq!(clean::find(b"nothing {in} here")?, None);
/// # Ok::<(), clean::Refused>(())
/// ```
///
/// # Errors
///
/// Why a document is refused, and where.
pub fn find(value: &[u8]) -> Result<Option<Document<'_>>, Refused> {
    let rules = Rules::default();
    let mut index = Index::default();
    index.read(rules.kernel, value);
    let text = Text {
        bytes: value,
        index: &index,
        end: value.len(),
    };
    let mut scratch = Scratch::default();
    let mut sink = Whole::new("", Arena::new(0, Vec::new()));
    let outcome = examine(text, 0, Source::Input(0), &rules, &mut scratch, &mut sink);
    let own = |scratch: Scratch| Cow::Owned(scratch.text);
    let (kind, place, text, repairs) = match outcome {
        Outcome::Plain => return Ok(None),
        Outcome::Refused(refused) => return Err(refused),
        Outcome::Json(place) => {
            let text = value.get(place.clone()).unwrap_or_default();
            (
                DocumentKind::Json,
                place,
                Cow::Borrowed(text),
                Repairs::default(),
            )
        }
        Outcome::Repaired(place, repairs) => (DocumentKind::Repaired, place, own(scratch), repairs),
        Outcome::Xml(place) => (DocumentKind::Xml, place, own(scratch), Repairs::default()),
    };
    Ok(Some(Document {
        kind,
        place,
        text,
        repairs,
    }))
}
