//! Values by the keys above them, found in a walk through the document.

use std::ops::Range;

use crate::{clean::Visit, tokenize::json_string};

/// Where a value is.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// In the document's text.
    Text(Range<usize>),
    /// A string without its escapes.
    Own(Vec<u8>),
}

/// The keys of all paths as a tree.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    nodes: Vec<Node>,
}

#[derive(Clone, Debug, Default)]
struct Node {
    children: Vec<(Box<str>, usize)>,
    /// The rules whose path ends here.
    rules: Vec<usize>,
    /// Those whose path goes through here, or ends here.
    below: Vec<usize>,
}

impl Default for Paths {
    fn default() -> Self {
        Self {
            nodes: vec![Node::default()],
        }
    }
}

impl Paths {
    pub(super) fn add(&mut self, keys: &[String], rule: usize) {
        let mut at = 0;
        for key in keys {
            let count = self.nodes.len();
            let Some(node) = self.nodes.get_mut(at) else {
                return;
            };
            let found = node.children.iter().find(|(name, _)| **name == **key);
            at = match found {
                Some(&(_, child)) => child,
                None => {
                    node.children.push((key.as_str().into(), count));
                    self.nodes.push(Node::default());
                    count
                }
            };
            if let Some(node) = self.nodes.get_mut(at) {
                node.below.push(rule);
            }
        }
        if let Some(node) = self.nodes.get_mut(at) {
            node.rules.push(rule);
        }
    }

    pub(super) fn finder(&self, rules: usize) -> Finder<'_> {
        Finder {
            nodes: &self.nodes,
            found: vec![None; rules],
            open: Vec::new(),
            at: Some(0),
        }
    }
}

/// What a walk has found.
pub(super) struct Finder<'p> {
    nodes: &'p [Node],
    found: Vec<Option<Place>>,
    /// The nodes of what is open, and where it begins.
    open: Vec<(Option<usize>, usize)>,
    /// The node of the value that comes next.
    at: Option<usize>,
}

impl Finder<'_> {
    /// Makes ready for another document.
    pub(super) fn begin(&mut self) {
        self.found.fill(None);
        self.open.clear();
        self.at = Some(0);
    }

    /// The value of a rule.
    pub(super) fn found(&mut self, rule: usize) -> Option<Place> {
        self.found.get_mut(rule).and_then(Option::take)
    }

    fn take(&mut self, at: Option<usize>, place: impl Fn() -> Place) {
        let node = at.and_then(|at| self.nodes.get(at));
        for &rule in node.map_or(&[][..], |node| &node.rules) {
            if let Some(slot) = self.found.get_mut(rule) {
                *slot = Some(place());
            }
        }
    }

    /// The node of a key of the object that is open.
    fn child(&mut self, key: &[u8]) -> Option<usize> {
        let &(parent, _) = self.open.last()?;
        let parent = self.nodes.get(parent?)?;
        let mut children = parent.children.iter();
        let &(_, child) = children.find(|(name, _)| name.as_bytes() == key)?;
        // Of two equal keys the last counts, with all that is below it.
        for &rule in &self.nodes.get(child)?.below {
            if let Some(slot) = self.found.get_mut(rule) {
                *slot = None;
            }
        }
        Some(child)
    }
}

impl Visit for Finder<'_> {
    fn object(&mut self, at: usize) {
        self.open.push((self.at, at));
    }

    fn array(&mut self, at: usize) {
        self.open.push((self.at, at));
        // What is in it has no keys above it.
        self.at = None;
    }

    fn end(&mut self, _: &[u8], end: usize) {
        if let Some((at, start)) = self.open.pop() {
            self.take(at, || Place::Text(start..end));
        }
        // Items of an array, of which the next one is no path's either.
        self.at = None;
    }

    fn key(&mut self, text: &[u8], place: Range<usize>, escaped: bool) {
        self.at = match escaped {
            false => self.child(text.get(place).unwrap_or_default()),
            true => {
                let mut key = Vec::new();
                let string = text.get(place.start..=place.end).unwrap_or_default();
                json_string(string, &mut key).and_then(|_| self.child(&key))
            }
        };
    }

    fn string(&mut self, text: &[u8], place: Range<usize>, escaped: bool) {
        let at = self.at;
        match escaped {
            false => self.take(at, || Place::Text(place.clone())),
            true if at.is_some() => {
                let mut own = Vec::new();
                let string = text.get(place.start..=place.end).unwrap_or_default();
                json_string(string, &mut own);
                self.take(at, || Place::Own(own.clone()));
            }
            true => {}
        }
    }

    fn literal(&mut self, _: &[u8], place: Range<usize>) {
        self.take(self.at, || Place::Text(place.clone()));
    }

    fn null(&mut self) {}
}
