//! One file's certificates: pure parsing of bytes, PEM or DER.

#![warn(clippy::indexing_slicing)]

use std::fmt;
use std::path::{Path, PathBuf};

use crate::chain::ChainOrder;
use crate::der;
use crate::error::{Error, Place, Reason, Result};
use crate::facts::CertFacts;
use crate::limits::MAX_PEM_SECTIONS;
use crate::pem::{self, Label};

/// The encoding of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize),
    serde(rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum Format {
    /// Text with `-----BEGIN CERTIFICATE-----` sections.
    Pem,
    /// One binary certificate.
    Der,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pem => "PEM",
            Self::Der => "DER",
        })
    }
}

/// The certificates of one file, at least one, in the order of the file.
///
/// ```
/// use opsbox_cert::{Bundle, ErrorKind};
///
/// // A good certificate after a damaged one is still read, and the damage is kept.
/// let good = include_str!("../tests/data/rsa2048.pem");
/// let text = format!("-----BEGIN CERTIFICATE-----\nMIIC\n{good}");
/// let bundle = Bundle::parse("tls.crt", text.as_bytes())?;
/// assert_eq!(bundle.certificates().len(), 1);
/// assert_eq!(bundle.places()[0].line, 3);
/// assert_eq!(bundle.problems()[0].kind(), ErrorKind::Truncated);
/// # Ok::<(), opsbox_cert::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Bundle {
    source: PathBuf,
    format: Format,
    certificates: Vec<CertFacts>,
    places: Vec<Place>,
    chain_order: ChainOrder,
    private_keys: usize,
    problems: Vec<Error>,
}

impl Bundle {
    /// Reads all certificates in `bytes`; `source` is only the name for messages and labels.
    ///
    /// Sections that are no certificates are passed over undecoded.
    ///
    /// # Errors
    ///
    /// If no certificate can be read: the first fault. If there is at least one, the faults of the
    /// other sections are in [`problems`](Self::problems).
    pub fn parse(source: impl Into<PathBuf>, bytes: &[u8]) -> Result<Self> {
        let (bundle, problems) = parse_all(&source.into(), bytes);
        match (bundle, problems.into_iter().next()) {
            (Some(bundle), _) => Ok(bundle),
            (None, Some(problem)) => Err(problem),
            (None, None) => Err(Reason::NoSection.into()),
        }
    }

    /// The path as it was given or found.
    pub fn source(&self) -> &Path {
        &self.source
    }

    /// PEM or DER.
    pub fn format(&self) -> Format {
        self.format
    }

    /// The certificates that could be read, in file order.
    pub fn certificates(&self) -> &[CertFacts] {
        &self.certificates
    }

    /// Where each of [`certificates`](Self::certificates) stands in the file.
    pub fn places(&self) -> &[Place] {
        &self.places
    }

    /// Whether the readable certificates are one chain in the right order.
    pub fn chain_order(&self) -> &ChainOrder {
        &self.chain_order
    }

    /// How many private keys are in the same file. They are counted by label and never decoded.
    pub fn private_keys(&self) -> usize {
        self.private_keys
    }

    /// The sections that could not be read. A scan report lists them too.
    pub fn problems(&self) -> &[Error] {
        &self.problems
    }
}

/// What was read from bytes; if `bundle` is `None`, there is at least one problem.
pub(crate) fn parse_all(source: &Path, bytes: &[u8]) -> (Option<Bundle>, Vec<Error>) {
    let parsed = match parse_bytes(bytes) {
        Ok(parsed) => parsed,
        Err(error) => return (None, vec![error.with_path(source)]),
    };
    let problems: Vec<Error> = parsed
        .problems
        .into_iter()
        .map(|problem| problem.with_path(source))
        .collect();
    if parsed.facts.is_empty() {
        return (None, problems);
    }
    let bundle = Bundle {
        source: source.to_path_buf(),
        format: parsed.format,
        chain_order: ChainOrder::of(&parsed.facts),
        certificates: parsed.facts,
        places: parsed.places,
        private_keys: parsed.private_keys,
        problems: problems.clone(),
    };
    (Some(bundle), problems)
}

pub(crate) struct Parsed {
    format: Format,
    pub(crate) facts: Vec<CertFacts>,
    pub(crate) places: Vec<Place>,
    private_keys: usize,
    pub(crate) problems: Vec<Error>,
}

fn parse_bytes(bytes: &[u8]) -> Result<Parsed> {
    if bytes.is_empty() {
        return Err(Reason::Empty.into());
    }
    if !der::is_binary_container(bytes) {
        return parse_pem(bytes);
    }
    Ok(Parsed {
        format: Format::Der,
        facts: vec![CertFacts::read(bytes)?],
        places: vec![Place::START],
        private_keys: 0,
        problems: Vec::new(),
    })
}

/// Reads all PEM sections; an error if there is neither a certificate nor a damaged section.
pub(crate) fn parse_pem(input: &[u8]) -> Result<Parsed> {
    let mut parsed = Parsed {
        format: Format::Pem,
        facts: Vec::new(),
        places: Vec::new(),
        private_keys: 0,
        problems: Vec::new(),
    };
    let mut encrypted_key = false;
    let mut other: Option<String> = None;
    for section in pem::sections(input) {
        let place = section.place;
        if place.index >= MAX_PEM_SECTIONS {
            let reason = Reason::TooManySections {
                limit: MAX_PEM_SECTIONS,
            };
            parsed.problems.push(Error::from(reason).with_place(place));
            break;
        }
        let label = section
            .label_text()
            .map(|label| format!("a section `{label}`"));
        let result = match (section.kind(), section.armour) {
            // A key or a CRL is passed over, whole or not: its bytes are never looked at.
            (Label::PrivateKey { encrypted }, _) => {
                parsed.private_keys += 1;
                encrypted_key = encrypted;
                continue;
            }
            (
                Label::Other,
                Ok(_)
                | Err(Reason::NoEndLine { .. } | Reason::EndMismatch { .. } | Reason::BadEndLine),
            ) => {
                let what = label.unwrap_or_else(|| "a section of an unusual label".into());
                other.get_or_insert(what);
                continue;
            }
            // Parameters or a CRL on one line; what cannot be a label may be a damaged certificate.
            (Label::Other, Err(Reason::LineBreaks)) if label.is_some() => {
                other = other.or(label);
                continue;
            }
            (Label::Unsupported(reason), _) => Err(reason),
            (_, Err(reason)) => Err(reason),
            (Label::Certificate, Ok(armour)) => read_section(armour, place),
        };
        match result {
            Ok(facts) => {
                parsed.facts.push(facts);
                parsed.places.push(place);
            }
            Err(reason) => parsed.problems.push(Error::from(reason).with_place(place)),
        }
    }
    if !parsed.facts.is_empty() || !parsed.problems.is_empty() {
        return Ok(parsed);
    }
    Err(Error::from(if parsed.private_keys > 0 {
        Reason::PrivateKey {
            encrypted: encrypted_key,
        }
    } else if let Some(what) = other {
        Reason::OtherContent { what }
    } else {
        why_no_section(input)
    }))
}

fn read_section(armour: &[u8], place: Place) -> Result<CertFacts, Reason> {
    let der = pem::decode(armour, place)?;
    CertFacts::read(der.as_ref())
}

fn why_no_section(input: &[u8]) -> Reason {
    const BASE64_OF_DER_SEQUENCE: &[u8] = b"MII";
    if input.is_empty() {
        return Reason::Empty;
    }
    if input.starts_with(b"\xff\xfe") || input.starts_with(b"\xfe\xff") {
        return Reason::Utf16;
    }
    let is_text = |&b: &u8| b >= b' ' && b != 0x7f || b.is_ascii_whitespace();
    if !input.iter().all(is_text) || std::str::from_utf8(input).is_err() {
        return Reason::Binary;
    }
    if let Some(line) = pem::misplaced_begin(input) {
        return Reason::Indented { line };
    }
    let is_base64 =
        |&b: &u8| b.is_ascii_alphanumeric() || b.is_ascii_whitespace() || b"+/=".contains(&b);
    if input.starts_with(BASE64_OF_DER_SEQUENCE) && input.iter().all(is_base64) {
        return Reason::BareBase64;
    }
    Reason::NoSection
}

/// `source`, `format`, `chain_order`, `private_keys`, and `certificates`: the facts of each with its
/// `index`, `line` and `offset`. The problems are in the report.
#[cfg(feature = "serde")]
impl serde::Serialize for Bundle {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct as _;

        #[derive(serde::Serialize)]
        struct Placed<'a> {
            #[serde(flatten)]
            place: &'a Place,
            #[serde(flatten)]
            facts: &'a CertFacts,
        }
        let certificates: Vec<Placed<'_>> = self
            .places
            .iter()
            .zip(&self.certificates)
            .map(|(place, facts)| Placed { place, facts })
            .collect();
        let mut out = serializer.serialize_struct("Bundle", 5)?;
        out.serialize_field("source", &self.source.to_string_lossy())?;
        out.serialize_field("format", &self.format)?;
        out.serialize_field("chain_order", &self.chain_order)?;
        out.serialize_field("private_keys", &self.private_keys)?;
        out.serialize_field("certificates", &certificates)?;
        out.end()
    }
}
