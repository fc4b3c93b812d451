//! The document in a value: found, checked, repaired.

use std::ops::Range;

#[cfg(feature = "xml")]
use super::xml;
use super::{
    find::{Candidate, Kind, candidate},
    index::Index,
    repair::repair,
    report::{Refusal, Refused, Repair, Repairs},
    shapes::Mode,
    sink::{Nobody, Sink, Source},
    unescape::{source_len, unescape},
    walk::{Escaped, Fault, Text, walk, walk_through},
};
use crate::{
    limits::{DEFAULT_MAX_DOCUMENT_BYTES, MAX_DOCUMENT_CANDIDATES},
    scan::{Chosen, Kernel, Simd},
};

/// How documents are read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) kernel: Chosen,
    pub(super) json: bool,
    pub(super) xml: bool,
    pub(super) repair: bool,
    pub(super) max_bytes: usize,
    #[cfg(feature = "xml")]
    pub(super) keep_prefixes: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            kernel: Chosen::new(Kernel::best()),
            json: true,
            xml: cfg!(feature = "xml"),
            repair: true,
            max_bytes: DEFAULT_MAX_DOCUMENT_BYTES,
            #[cfg(feature = "xml")]
            keep_prefixes: false,
        }
    }
}

impl Rules {
    /// Whether documents of this kind are looked for.
    fn wants(&self, kind: Kind) -> bool {
        match kind {
            Kind::Xml => self.xml,
            Kind::Json | Kind::Escaped(_) => self.json,
        }
    }
}

/// What is in a value. Places are in the text that the value is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Plain,
    Json(Range<usize>),
    /// The document is in [`Scratch::text`].
    Repaired(Range<usize>, Repairs),
    /// The document is in [`Scratch::text`], as JSON.
    #[cfg(feature = "xml")]
    Xml(Range<usize>),
    Refused(Refused),
}

/// What is kept from value to value.
#[derive(Default)]
pub(super) struct Scratch {
    /// A repaired document, and before that an unescaped one.
    pub(super) text: Vec<u8>,
    other: Vec<u8>,
    index: Index,
    #[cfg(feature = "xml")]
    pub(super) xml: xml::Scratch,
}

/// Finds the document of the value that begins at `first` of the text and ends with it, and gives it to
/// the sink. `source` is where the text is.
pub(super) fn examine<S: Sink>(
    text: Text<'_>,
    first: usize,
    source: Source<'_>,
    rules: &Rules,
    scratch: &mut Scratch,
    sink: &mut S,
) -> Outcome {
    let mut at = first;
    let mut unsure = 0;
    let mut empty = None;
    while let Some(found) = candidate(text, first, at) {
        if found.kind == Kind::Json
            && rules.json
            && let Some(end) = valid(text, found.at, source, sink)
        {
            if is_empty(text, found.at..end) {
                sink.take_back();
                empty = empty.or(Some(found.at));
                at = end;
                continue;
            }
            sink.learn(text, found.at, Mode::Json);
            return Outcome::Json(found.at..end);
        }
        // It takes none of the places that a document is looked for at.
        if !rules.wants(found.kind) {
            at = found.at + 1;
            continue;
        }
        if S::IS_FLAT
            && found.kind == Kind::Escaped(1)
            && rules.json
            && rules.repair
            && let Some(end) = flat(text, found.at, source, sink)
        {
            sink.learn(text, found.at, Mode::Escaped);
            return escaped(text, first, found.at..end);
        }
        if let Some(outcome) = mend(text, first, found, rules, scratch, sink) {
            return outcome;
        }
        unsure += 1;
        if unsure == MAX_DOCUMENT_CANDIDATES {
            break;
        }
        at = found.at + 1;
    }
    let empty = empty.and_then(|at| Some(at..valid(text, at, source, sink)?));
    empty.map_or(Outcome::Plain, Outcome::Json)
}

/// The document at a place is escaped, and nothing else is the matter with it.
#[inline(always)]
fn escaped(text: Text<'_>, first: usize, place: Range<usize>) -> Outcome {
    let mut repairs = Repairs::default();
    repairs.note(Repair::Escaped);
    Outcome::Repaired(with_quotes(text, first, place), repairs)
}

/// [`examine`], which is for those that are not as documents before them.
#[inline(always)]
pub(super) fn examine_by<K: Simd, S: Sink>(
    simd: K,
    text: Text<'_>,
    first: usize,
    source: Source<'_>,
    (rules, scratch): (&Rules, &mut Scratch),
    sink: &mut S,
) -> Outcome {
    let mut at = text.index.open(first);
    if at >= text.end {
        return Outcome::Plain;
    }
    let mut found = sink.follow(simd, text, at, source);
    if found.is_none() {
        // What there is an edge for is a candidate; others are looked at first.
        match candidate(text, first, at) {
            None => return Outcome::Plain,
            Some(candidate) if candidate.at > at => {
                at = candidate.at;
                found = sink.follow(simd, text, at, source);
            }
            Some(_) => {}
        }
    }
    match found {
        None => examine(text, first, source, rules, scratch, sink),
        Some((Mode::Json, end)) => Outcome::Json(at..end),
        Some((Mode::Escaped, end)) => escaped(text, first, at..end),
        #[cfg(feature = "xml")]
        Some((Mode::Xml, end)) => Outcome::Xml(at..end),
    }
}

/// Whether a document is an object with nothing in it: an empty placeholder, more often than not, if
/// another document comes after it.
#[inline(always)]
fn is_empty(text: Text<'_>, place: Range<usize>) -> bool {
    match text.bytes.get(place) {
        None | Some([_, b'"', ..]) => false,
        Some([b'{', inside @ .., _]) => inside.iter().all(u8::is_ascii_whitespace),
        Some(_) => false,
    }
}

/// Bytes of a value that is too long for a document in which the beginning of one is looked for.
pub(super) const LONG_BYTES: usize = 16 << 10;

/// What is in a value that is longer than the limit, by its first [`LONG_BYTES`].
#[cold]
pub(super) fn too_long(text: Text<'_>, first: usize, rules: &Rules) -> Outcome {
    let mut at = first;
    while let Some(found) = candidate(text, first, at) {
        if rules.wants(found.kind) {
            return Outcome::Refused(Refused::new(Refusal::TooLong, found.at - first));
        }
        at = found.at + 1;
    }
    Outcome::Plain
}

/// The end of the document at `at`, if it is valid and not too large.
#[inline(always)]
fn valid(text: Text<'_>, at: usize, source: Source<'_>, sink: &mut impl Sink) -> Option<usize> {
    sink.begin(source);
    let end = walk(text, at, sink).ok();
    settle(text, at, end, sink)
}

/// The end of the escaped document at `at`, if its values are in the text as they are: strings without
/// escapes of their own.
#[inline(always)]
fn flat(text: Text<'_>, at: usize, source: Source<'_>, sink: &mut impl Sink) -> Option<usize> {
    sink.begin(source);
    let end = walk_through::<Escaped>(text, at, sink).ok();
    settle(text, at, end, sink)
}

/// The end of a document, if it is UTF-8 and not too large; else what it gave is taken back.
#[inline(always)]
fn settle(text: Text<'_>, at: usize, end: Option<usize>, sink: &mut impl Sink) -> Option<usize> {
    let end = end.filter(|_| !sink.is_full());
    let document = end.and_then(|end| text.bytes.get(at..end));
    if document.is_some_and(|document| utf8(document, text.index).is_ok()) {
        return end;
    }
    sink.take_back();
    None
}

/// The place of an escaped document with its quotes, if it is alone in a string of JSON.
fn with_quotes(text: Text<'_>, first: usize, place: Range<usize>) -> Range<usize> {
    let before = place.start.checked_sub(1).filter(|&at| at >= first);
    let quoted = before.and_then(|at| text.bytes.get(at)) == Some(&b'"')
        && text.bytes.get(place.end) == Some(&b'"')
        && place.end < text.end;
    match quoted {
        true => place.start - 1..place.end + 1,
        false => place,
    }
}

/// What becomes of a candidate that is not valid JSON. None if it is no document.
#[cold]
fn mend(
    text: Text<'_>,
    first: usize,
    found: Candidate,
    rules: &Rules,
    scratch: &mut Scratch,
    sink: &mut impl Sink,
) -> Option<Outcome> {
    let rest = text.bytes.get(found.at..text.end).unwrap_or_default();
    let refused = |reason, offset: usize| {
        let refused = Refused::new(reason, found.at - first + offset);
        let certain = found.sure || reason != Refusal::JsonSyntax;
        certain.then_some(Outcome::Refused(refused))
    };
    if found.kind == Kind::Xml {
        return xml_document(rest, found, rules, scratch, sink);
    }
    if !rules.repair {
        // Why the walk failed is asked again where nobody waits for it.
        return match walk(text, found.at, &mut Nobody) {
            Err(Fault::TooDeep(at)) => refused(Refusal::TooDeep, at - found.at),
            Err(Fault::Syntax(at)) => refused(Refusal::JsonSyntax, at - found.at),
            Ok(_) if sink.is_full() => refused(Refusal::TooManyFields, 0),
            Ok(_) => refused(Refusal::JsonSyntax, 0),
        };
    }
    let mended = match found.kind {
        Kind::Escaped(levels) => unescaped(text, found.at, levels, rules, scratch, sink),
        _ => repaired(rest, rules, scratch, sink),
    };
    match mended {
        Ok((repairs, len)) => {
            let place = found.at..found.at + len;
            let place = match found.kind {
                Kind::Escaped(_) => with_quotes(text, first, place),
                _ => place,
            };
            Some(match repairs.is_empty() {
                true => Outcome::Json(place),
                false => Outcome::Repaired(place, repairs),
            })
        }
        Err(fault) => refused(fault.reason, fault.offset),
    }
}

/// A document that is broken, but not escaped.
fn repaired(
    rest: &[u8],
    rules: &Rules,
    scratch: &mut Scratch,
    sink: &mut impl Sink,
) -> Result<(Repairs, usize), Refused> {
    scratch.text.clear();
    let done = repair(rest, &mut scratch.text)?;
    scratch.feed(rules, sink)?;
    Ok(done)
}

/// A document that is escaped so many times over, and may be broken as well. Returns its bytes in the text.
fn unescaped(
    text: Text<'_>,
    at: usize,
    levels: u8,
    rules: &Rules,
    scratch: &mut Scratch,
    sink: &mut impl Sink,
) -> Result<(Repairs, usize), Refused> {
    let mut repairs = Repairs::default();
    scratch.text.clear();
    let end = unescape(text, at, &mut scratch.text, &mut repairs);
    repairs.note(Repair::Escaped);
    if levels > 1 {
        repairs.note(Repair::EscapedTwice);
        let Scratch {
            text, other, index, ..
        } = &mut *scratch;
        std::mem::swap(text, other);
        text.clear();
        index.read(rules.kernel, other);
        let once = Text {
            bytes: other,
            index,
            end: other.len(),
        };
        unescape(once, 0, text, &mut repairs);
    }
    let all = scratch.text.len();
    let len = match scratch.feed(rules, sink) {
        Ok(len) => len,
        Err(fault) if fault.reason != Refusal::JsonSyntax => return Err(fault),
        Err(_) => {
            let mut mended = Vec::new();
            let (more, len) = repair(&scratch.text, &mut mended)?;
            more.iter().for_each(|repair| repairs.note(repair));
            scratch.text = mended;
            scratch.feed(rules, sink)?;
            len
        }
    };
    if levels == 1 && len == all {
        return Ok((repairs, end - at));
    }
    let len = match levels {
        1 => len,
        _ => source_len(&scratch.other, len),
    };
    let rest = text.bytes.get(at..text.end).unwrap_or_default();
    Ok((repairs, source_len(rest, len)))
}

#[cfg(feature = "xml")]
fn xml_document(
    rest: &[u8],
    found: Candidate,
    rules: &Rules,
    scratch: &mut Scratch,
    sink: &mut impl Sink,
) -> Option<Outcome> {
    let Scratch { text, xml, .. } = scratch;
    text.clear();
    let read = xml.read(rest, rules.keep_prefixes, text);
    let end = read.and_then(|len| {
        scratch.feed(rules, sink)?;
        Ok(found.at + len)
    });
    match end {
        Ok(end) => {
            let document = rest.get(..end - found.at).unwrap_or_default();
            sink.learn_xml(document, &scratch.text, rules.keep_prefixes);
            Some(Outcome::Xml(found.at..end))
        }
        // Many a text has a word in angle brackets.
        Err(fault) if !found.sure && fault.reason == Refusal::XmlSyntax && !xml::is_meant(rest) => {
            None
        }
        Err(fault) => Some(Outcome::Refused(fault)),
    }
}

#[cfg(not(feature = "xml"))]
fn xml_document(
    _: &[u8],
    _: Candidate,
    _: &Rules,
    _: &mut Scratch,
    _: &mut impl Sink,
) -> Option<Outcome> {
    None
}

fn utf8(text: &[u8], index: &Index) -> Result<(), std::str::Utf8Error> {
    match index.is_ascii() {
        true => Ok(()),
        false => std::str::from_utf8(text).map(|_| ()),
    }
}

impl Scratch {
    /// Gives the document that the text begins with to the sink, and cuts off what comes after it.
    /// Returns where it ends.
    fn feed(&mut self, rules: &Rules, sink: &mut impl Sink) -> Result<usize, Refused> {
        let Self { text, index, .. } = self;
        index.read(rules.kernel, text);
        sink.begin(Source::Text(text));
        let document = Text {
            bytes: text,
            index,
            end: text.len(),
        };
        let fault = match walk(document, 0, sink) {
            Ok(_) if sink.is_full() => Refused::new(Refusal::TooManyFields, 0),
            Ok(end) => match utf8(text.get(..end).unwrap_or_default(), index) {
                Ok(()) => {
                    text.truncate(end);
                    return Ok(end);
                }
                Err(fault) => Refused::new(Refusal::JsonSyntax, fault.valid_up_to()),
            },
            Err(Fault::TooDeep(at)) => Refused::new(Refusal::TooDeep, at),
            Err(Fault::Syntax(at)) => Refused::new(Refusal::JsonSyntax, at),
        };
        sink.take_back();
        Err(fault)
    }
}
