use std::collections::BTreeMap;

use super::{Action, Detector, Keys, Pattern, Scanner, Tag, names::unknown};
use crate::{error::Error, limits::MAX_POLICY_RULES};

/// What is sensitive, and what becomes of it: which fields have which tag, which are scanned as free
/// text and for what, and which action each tag has. It is data, and can be read from a file with the
/// feature `config`.
///
/// Names of fields may have `*` for any characters, dots included, and `?` for one. A field with a tag
/// is masked as a whole; if several rules fit its name, the most specific counts: a name without `*`
/// and `?`, else the one with the most other characters. Of the others, those with the [name of a
/// secret](#names-of-secrets) are masked as what [`Detector::SecretPair`] finds if that is looked for, unless they are
/// ignored. All other fields are scanned as free text unless told otherwise. A tag without an action is redacted.
///
/// ```
/// use opsbox_log::mask::{Action, Detector, Masker, Policy, Tag};
/// use opsbox_log::{Format, Parser};
///
/// let policy = Policy::new()
///     .field("user", "PII_USER".parse()?)
///     .action(Tag::PHONE, Action::Partial)
///     .detectors([Detector::PhoneCn, Detector::Email]);
/// let mut masker = Masker::new(policy, None)?;
///
/// let format = Format::pattern(r"(?P<user>\w+): (?P<message>.*)")?;
/// let mut batch = Parser::new(format).parse("wei: call 138 1234 5678\nli: nothing\n");
/// let report = masker.mask(&mut batch);
///
/// assert_eq!(batch.record(0).unwrap().text("user").unwrap(), "[REDACTED:PII_USER]");
/// assert_eq!(batch.record(0).unwrap().text("message").unwrap(), "call 138 **** 5678");
/// assert_eq!(report.findings(), 3);
/// # Ok::<(), opsbox_log::Error>(())
/// ```
///
/// # Names of secrets
///
/// Of a name with dots the last part counts that has a meaning: not a number, and none of `#text`, `$`, `value`, `data`,
/// `item` and their like, which say where a value is kept. An `@` before a part is that of an attribute.
///
/// | name | its values |
/// |---|---|
/// | `password`, `user.apiKey`, `request.@token`, `passwords`, `api_keys` | secrets as a whole, also if they are JSON text, as of an array |
/// | `password.0`, `password[0]`, `password.#text`, `user.password.value`, `tokens.3` | the same |
/// | `tokens` | a secret if it is a list of texts; else it is a count |
/// | `credentials.user`, `secret.data.db`, `passwords.old.hash`: below secrets | secrets |
/// | `secret.name`, `password.expires_at`, `credentials.type`: about secrets | free text |
/// | `token.scope`, `authorization.decision` | free text: below these two other things are |
///
/// Where one of them is not meant, [`ignore`](Self::ignore) or a [tag](Self::field) of its own says so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    pub(super) default_action: Action,
    pub(super) actions: BTreeMap<Tag, Action>,
    pub(super) fields: BTreeMap<Glob, Tag>,
    pub(super) free_text: Option<Vec<Glob>>,
    pub(super) ignored: Vec<Glob>,
    pub(super) detectors: Option<Vec<Detector>>,
    pub(super) patterns: Vec<Pattern>,
}

impl Policy {
    /// All fields are scanned for the [usual](Detector::USUAL) detectors, and what is found is redacted.
    pub fn new() -> Self {
        Self::default()
    }

    /// The action of tags that have none of their own; [`Action::Redact`] unless set.
    #[must_use]
    pub fn default_action(mut self, action: Action) -> Self {
        self.default_action = action;
        self
    }

    /// The action of a tag.
    #[must_use]
    pub fn action(mut self, tag: Tag, action: Action) -> Self {
        self.actions.insert(tag, action);
        self
    }

    /// The tag of the fields of a name.
    #[must_use]
    pub fn field(mut self, name: &str, tag: Tag) -> Self {
        self.fields.insert(Glob::new(name), tag);
        self
    }

    /// Scans the fields of a name as free text, and no others but those that are named so, too.
    #[must_use]
    pub fn free_text(mut self, name: &str) -> Self {
        self.free_text.get_or_insert_default().push(Glob::new(name));
        self
    }

    /// Does not look at the fields of a name, unless they have a tag.
    #[must_use]
    pub fn ignore(mut self, name: &str) -> Self {
        self.ignored.push(Glob::new(name));
        self
    }

    /// Looks for these in free text, instead of the [usual](Detector::USUAL) ones.
    #[must_use]
    pub fn detectors(mut self, detectors: impl IntoIterator<Item = Detector>) -> Self {
        self.detectors = Some(detectors.into_iter().collect());
        self
    }

    /// Looks for this in free text, too.
    #[must_use]
    pub fn pattern(mut self, pattern: Pattern) -> Self {
        self.patterns.push(pattern);
        self
    }

    /// Whether [`Keys`] are needed for one of the actions.
    pub fn needs_keys(&self) -> bool {
        let mut all = self.actions.values().chain([&self.default_action]);
        all.any(Action::needs_keys)
    }

    /// The action of a tag.
    pub(super) fn action_of(&self, tag: &Tag) -> &Action {
        self.actions.get(tag).unwrap_or(&self.default_action)
    }

    /// The tag of a field: of the rules that fit, the most specific counts.
    pub(super) fn tag_of(&self, name: &str) -> Option<&Tag> {
        let fit = self.fields.iter().filter(|(glob, _)| glob.matches(name));
        let most = fit.max_by_key(|(glob, _)| glob.specificity());
        most.map(|(_, tag)| tag)
    }

    /// The scanner of the free text.
    pub(super) fn scanner(&self) -> Result<Scanner, Error> {
        let mut scanner = match &self.detectors {
            Some(detectors) => Scanner::of(detectors.iter().copied()),
            None => Scanner::new(),
        };
        for pattern in &self.patterns {
            scanner = scanner.with_pattern(pattern.clone())?;
        }
        Ok(scanner)
    }

    /// What each rule by itself cannot see.
    pub(super) fn check(&self, keys: Option<&Keys>) -> Result<(), Error> {
        let counts = [
            ("actions", self.actions.len()),
            ("fields", self.fields.len()),
            ("free_text", self.free_text.as_ref().map_or(0, Vec::len)),
            ("ignore", self.ignored.len()),
        ];
        for (what, count) in counts {
            if count > MAX_POLICY_RULES {
                return Err(Error::mask_rule(
                    what,
                    format!("there are more than {MAX_POLICY_RULES}; join some by `*`"),
                ));
            }
        }
        for (at, pattern) in self.patterns.iter().enumerate() {
            let taken = self
                .patterns
                .iter()
                .take(at)
                .any(|it| it.name == pattern.name);
            if taken || pattern.name.parse::<Detector>().is_ok() {
                let message = "there is a rule of that name already; give it another".to_owned();
                return Err(Error::mask_rule(
                    &format!("patterns.{}", pattern.name),
                    message,
                ));
            }
        }
        let built_in = Tag::ALL;
        let mut known: Vec<&str> = built_in.iter().map(Tag::as_str).collect();
        known.extend(self.fields.values().map(Tag::as_str));
        known.extend(self.patterns.iter().map(|it| it.tag.as_str()));
        for tag in self.actions.keys() {
            if !known.contains(&tag.as_str()) {
                let message = unknown("tag", tag.as_str(), known);
                let hint = "; a tag is that of a detector, or given to a field or pattern";
                return Err(Error::mask_rule(&format!("actions.{tag}"), message + hint));
            }
        }
        if self.needs_keys() && keys.is_none() {
            let message = "an action is `encrypt` or `pseudonym`, and there are no keys; give those of a KeyRing";
            return Err(Error::mask_rule("actions", message.to_owned()));
        }
        Ok(())
    }
}

/// A name with `*` and `?`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Glob(Box<str>);

impl Glob {
    pub(super) fn new(glob: &str) -> Self {
        Self(glob.into())
    }

    /// Whether it is a name alone, and how many characters are not `*` or `?`.
    fn specificity(&self) -> (bool, usize) {
        let open = self
            .0
            .bytes()
            .filter(|it| matches!(it, b'*' | b'?'))
            .count();
        (open == 0, self.0.len() - open)
    }

    /// Each star takes as little as it can, and more only from the last one on: the time is that of the
    /// product of the lengths.
    pub(super) fn matches(&self, name: &str) -> bool {
        let (glob, name) = (self.0.as_bytes(), name.as_bytes());
        let (mut at, mut place) = (0, 0);
        let mut star: Option<(usize, usize)> = None;
        while place < name.len() {
            match glob.get(at) {
                Some(b'*') => {
                    star = Some((at, place));
                    at += 1;
                }
                Some(&it) if it == b'?' || Some(&it) == name.get(place) => {
                    at += 1;
                    place += 1;
                }
                _ => match &mut star {
                    Some((star, from)) => {
                        *from += 1;
                        (at, place) = (*star + 1, *from);
                    }
                    None => return false,
                },
            }
        }
        glob.get(at..)
            .unwrap_or_default()
            .iter()
            .all(|it| *it == b'*')
    }
}
