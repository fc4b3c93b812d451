//! XML as a flat JSON object.

use std::borrow::Cow;

use memchr::memmem;
use quick_xml::{
    Reader, XmlVersion,
    errors::{Error, IllFormedError},
    events::{BytesStart, Event},
};

use super::{
    json::push_string,
    report::{Refusal, Refused},
};
use crate::limits::{
    MAX_DOCUMENT_DEPTH, MAX_DOCUMENT_FIELDS, MAX_FIELD_NAME_BYTES, MAX_XML_EXPANSION,
    XML_ALLOWANCE_BYTES,
};

/// What is kept from document to document.
#[derive(Default)]
pub(super) struct Scratch {
    path: String,
    /// Of the elements that are open, and more that were.
    elements: Vec<Element>,
    /// Names of children, one after the other.
    names: String,
    children: Vec<Child>,
}

/// An element that is open.
#[derive(Default)]
struct Element {
    text: String,
    /// Bytes of the path of its parent.
    parent: usize,
    /// Where its children begin in the lists of names and children.
    names: usize,
    children: usize,
    /// Whether it has attributes or children.
    has_fields: bool,
}

/// Children of one name.
struct Child {
    hash: u32,
    start: usize,
    end: usize,
    count: usize,
}

/// Whether what begins with `<` is meant to be XML, if only a broken one: a closing tag is in it.
pub(super) fn is_meant(text: &[u8]) -> bool {
    memmem::find(text, b"</").is_some() || memmem::find(text, b"/>").is_some()
}

impl Scratch {
    /// Appends the document that `text` begins with as a JSON object with a key for each field, and
    /// returns where it ends.
    ///
    /// An element is the path of its name with its text, and an attribute a path that ends with `@` and
    /// its name. Of elements of one name under one parent the second has `.2` behind its name, the third
    /// `.3`. Text that stands between children is joined, and white space around it goes; an element with
    /// children or attributes and no text has no field of its own.
    pub(super) fn read(
        &mut self,
        text: &[u8],
        keep_prefixes: bool,
        out: &mut Vec<u8>,
    ) -> Result<usize, Refused> {
        // What is not UTF-8 may come after the document.
        let text = match std::str::from_utf8(text) {
            Ok(text) => text,
            Err(error) => {
                let valid = text.get(..error.valid_up_to()).unwrap_or_default();
                std::str::from_utf8(valid).unwrap_or_default()
            }
        };
        self.path.clear();
        self.names.clear();
        self.children.clear();
        let mut read = Read {
            reader: Reader::from_str(text),
            scratch: self,
            keep_prefixes,
            depth: 0,
            fields: 0,
            out,
        };
        read.document()
    }
}

struct Read<'r> {
    reader: Reader<&'r [u8]>,
    scratch: &'r mut Scratch,
    keep_prefixes: bool,
    depth: usize,
    fields: usize,
    out: &'r mut Vec<u8>,
}

impl Read<'_> {
    fn document(&mut self) -> Result<usize, Refused> {
        self.out.push(b'{');
        loop {
            let event = self.reader.read_event();
            match event.map_err(|error| self.fault(&error))? {
                Event::Start(tag) => self.open(&tag)?,
                Event::Empty(tag) => {
                    self.open(&tag)?;
                    self.close()?;
                }
                Event::End(_) => self.close()?,
                Event::Text(text) => self.text(&text.into_inner())?,
                Event::CData(text) => self.text(&text.into_inner())?,
                Event::GeneralRef(reference) => {
                    let char = match reference.resolve_char_ref() {
                        Ok(Some(char)) if is_xml(char) => Some(char),
                        Ok(None) => predefined(&reference.into_inner()),
                        _ => None,
                    };
                    let char = char.ok_or_else(|| self.refuse(Refusal::XmlEntity))?;
                    self.text(char.encode_utf8(&mut [0; 4]))?;
                }
                Event::DocType(_) => return Err(self.refuse(Refusal::XmlDoctype)),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) => continue,
                Event::Eof => return Err(self.refuse(Refusal::XmlSyntax)),
            }
            if self.depth == 0 && self.out.len() > 1 {
                self.out.push(b'}');
                return Ok(self.at());
            }
        }
    }

    fn open(&mut self, tag: &BytesStart<'_>) -> Result<(), Refused> {
        if self.depth == MAX_DOCUMENT_DEPTH {
            return Err(self.refuse(Refusal::TooDeep));
        }
        let name = tag.name();
        let name = match self.keep_prefixes {
            true => name.0,
            false => local(name.0),
        };
        let parent = self.scratch.path.len();
        let count = self.scratch.count(self.depth, name);
        let path = &mut self.scratch.path;
        if self.depth > 0 {
            path.push('.');
        }
        path.push_str(name);
        if count > 1 {
            path.push_str(&format!(".{count}"));
        }
        if path.len() > MAX_FIELD_NAME_BYTES {
            return Err(self.refuse(Refusal::NameTooLong));
        }
        let scratch = &mut *self.scratch;
        if scratch.elements.len() == self.depth {
            scratch.elements.push(Element::default());
        }
        let (names, children) = (scratch.names.len(), scratch.children.len());
        if let Some(element) = scratch.elements.get_mut(self.depth) {
            element.text.clear();
            (element.parent, element.names, element.children) = (parent, names, children);
            element.has_fields = false;
        }
        self.depth += 1;
        self.attributes(tag)
    }

    fn attributes(&mut self, tag: &BytesStart<'_>) -> Result<(), Refused> {
        // That names differ is not checked: a field that comes twice has the last value.
        for attribute in tag.attributes().with_checks(false) {
            let Ok(attribute) = attribute else {
                return Err(self.refuse(Refusal::XmlSyntax));
            };
            let key = attribute.key.0;
            // Namespaces are no data.
            if key == "xmlns" || key.starts_with("xmlns:") {
                continue;
            }
            let value: Cow<'_, str> = match attribute.normalized_value(XmlVersion::Implicit1_0) {
                Ok(value) if value.chars().all(is_xml) => value,
                _ => return Err(self.refuse(Refusal::XmlEntity)),
            };
            let key = if self.keep_prefixes { key } else { local(key) };
            let len = self.scratch.path.len();
            self.scratch.path.push_str(".@");
            self.scratch.path.push_str(key);
            let element = self.scratch.elements.get_mut(self.depth - 1);
            if let Some(element) = element {
                element.has_fields = true;
            }
            self.field(&value)?;
            self.scratch.path.truncate(len);
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), Refused> {
        let Some(depth) = self.depth.checked_sub(1) else {
            return Err(self.refuse(Refusal::XmlSyntax));
        };
        self.depth = depth;
        let Some(element) = self.scratch.elements.get_mut(depth) else {
            return Ok(());
        };
        let text = std::mem::take(&mut element.text);
        let (parent, has_fields) = (element.parent, element.has_fields);
        let (names, children) = (element.names, element.children);
        let trimmed = text.trim_ascii();
        if !trimmed.is_empty() || !has_fields {
            self.field(trimmed)?;
        }
        let scratch = &mut *self.scratch;
        scratch.names.truncate(names);
        scratch.children.truncate(children);
        scratch.path.truncate(parent);
        if let Some(element) = scratch.elements.get_mut(depth) {
            element.text = text;
        }
        if let Some(above) = depth.checked_sub(1)
            && let Some(above) = scratch.elements.get_mut(above)
        {
            above.has_fields = true;
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), Refused> {
        let depth = self.depth.checked_sub(1);
        match depth.and_then(|depth| self.scratch.elements.get_mut(depth)) {
            Some(element) => element.text.push_str(text),
            None if text.trim_ascii().is_empty() => {}
            None => return Err(self.refuse(Refusal::XmlSyntax)),
        }
        Ok(())
    }

    /// Writes the field of the path.
    fn field(&mut self, value: &str) -> Result<(), Refused> {
        self.fields += 1;
        let path = &self.scratch.path;
        if self.fields > MAX_DOCUMENT_FIELDS {
            return Err(self.refuse(Refusal::TooManyFields));
        }
        if path.len() > MAX_FIELD_NAME_BYTES {
            return Err(self.refuse(Refusal::NameTooLong));
        }
        if self.out.len() > 1 {
            self.out.push(b',');
        }
        push_string(path.as_bytes(), self.out);
        self.out.push(b':');
        push_string(value.as_bytes(), self.out);
        // By what was read so far, so that no more than one field is written in vain.
        let most = MAX_XML_EXPANSION.saturating_mul(self.at());
        if self.out.len() > most.saturating_add(XML_ALLOWANCE_BYTES) {
            return Err(self.refuse(Refusal::Expansion));
        }
        Ok(())
    }

    fn at(&self) -> usize {
        usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX)
    }

    fn fault(&self, error: &Error) -> Refused {
        self.refuse(match error {
            Error::IllFormed(IllFormedError::UnclosedReference) => Refusal::XmlEntity,
            _ => Refusal::XmlSyntax,
        })
    }

    fn refuse(&self, reason: Refusal) -> Refused {
        Refused::new(reason, self.at())
    }
}

impl Scratch {
    /// How many children of this name the element that is open at the depth has, with this one.
    fn count(&mut self, depth: usize, name: &str) -> usize {
        let first = depth
            .checked_sub(1)
            .and_then(|depth| self.elements.get(depth));
        let first = first.map_or(0, |element| element.children);
        let hash = hash(name);
        let siblings = self.children.get_mut(first..).unwrap_or_default();
        let names = &self.names;
        let mut same = siblings
            .iter_mut()
            .filter(|child| child.hash == hash && names.get(child.start..child.end) == Some(name));
        if let Some(child) = same.next() {
            child.count += 1;
            return child.count;
        }
        let start = self.names.len();
        self.names.push_str(name);
        self.children.push(Child {
            hash,
            start,
            end: self.names.len(),
            count: 1,
        });
        1
    }
}

/// FNV-1a.
fn hash(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

/// A name without its prefix.
fn local(name: &str) -> &str {
    name.split_once(':').map_or(name, |(_, local)| local)
}

/// XML 1.0 section 2.2, but for the control characters, which 1.1 allows as references.
fn is_xml(char: char) -> bool {
    !matches!(char, '\0' | '\u{fffe}' | '\u{ffff}')
}

/// The character of one of the five entities that XML has without a declaration.
fn predefined(name: &str) -> Option<char> {
    Some(match name {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "apos" => '\'',
        "quot" => '"',
        _ => return None,
    })
}
