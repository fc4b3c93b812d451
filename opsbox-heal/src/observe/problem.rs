//! An item of the input that could not be read.

use std::fmt;

use crate::{error::Position, text::Escaped};

/// An item that is, or may be, a pod but could not be read as one, so there is no verdict on it.
///
/// It is not healthy and not sick but unknown: show it to a human. `Display` is one line with
/// unprintable characters escaped; the accessors return the raw text of the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub(super) index: usize,
    /// Whether `index` counts the documents of a YAML stream rather than the items of a list.
    pub(super) of_document: bool,
    pub(super) namespace: Box<str>,
    pub(super) name: Box<str>,
    pub(super) reason: Box<str>,
    pub(super) position: Option<Position>,
}

impl Problem {
    /// Index in `items`, or number of the document in a YAML stream of pods, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// `metadata.namespace`, if it could be read.
    pub fn namespace(&self) -> Option<&str> {
        (!self.namespace.is_empty()).then_some(&self.namespace)
    }

    /// `metadata.name`, if it could be read.
    pub fn name(&self) -> Option<&str> {
        (!self.name.is_empty()).then_some(&self.name)
    }

    /// What is wrong with the item.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Line of the input, from 1: of the misfit in JSON, of the start of the item in a YAML list.
    pub fn line(&self) -> Option<u64> {
        self.position.map(|p| p.line)
    }

    /// Column of that line, from 1.
    pub fn column(&self) -> Option<u64> {
        self.position.map(|p| p.column)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.of_document {
            true => write!(f, "document {}", self.index)?,
            false => write!(f, "items[{}]", self.index)?,
        }
        if let Some(name) = self.name() {
            match self.namespace() {
                Some(namespace) => write!(f, " ({}/{})", Escaped(namespace), Escaped(name))?,
                None => write!(f, " ({})", Escaped(name))?,
            }
        }
        if let Some(p) = self.position {
            write!(f, ": line {} column {}", p.line, p.column)?;
        }
        write!(f, ": {}", Escaped(&self.reason))
    }
}
