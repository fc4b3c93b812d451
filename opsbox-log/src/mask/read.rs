//! A [`Policy`] from a file in TOML, YAML or JSON.

use std::{
    fmt,
    marker::PhantomData,
    path::{Path, PathBuf},
};

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::{Action, Detector, Pattern, Policy, Salt, Tag, names::unknown};
use crate::{
    config::{self, Language, Wrong},
    error::{Error, Place},
};

impl Policy {
    /// Reads a policy from a file, whose ending says its [language](Language).
    ///
    /// All fields may be left out. A field that does not exist is an error, never ignored, so that a
    /// slip of the pen does not let through what should be masked.
    ///
    /// ```toml
    /// default_action = "redact"
    /// detectors = ["email", "phone_cn", "id_card_cn", "card", "secret_pair"]  # else the usual ones
    /// free_text = ["message", "*.text"]                                       # else all fields
    /// ignore = ["level"]
    ///
    /// [fields]                       # name, or pattern with * and ?, to tag
    /// "user.email" = "PII_EMAIL"
    /// "*.phone" = "PII_PHONE"
    ///
    /// [actions]                      # tag to action
    /// PII_EMAIL = "partial"
    /// PII_IDCARD = "encrypt"
    /// PII_PHONE = { action = "keep_last", chars = 4 }
    /// PII_CARD = { action = "redact", text = "<card>" }
    /// PII_ORDER = { action = "salted_sha256", salt = "from another program" }
    ///
    /// [[patterns]]
    /// name = "order"
    /// pattern = "order (?P<value>[A-Z]{2}[0-9]{8})"
    /// tag = "PII_ORDER"
    /// ```
    ///
    /// # Errors
    ///
    /// `MaskRule` with file, line, column and field: if the file cannot be read, is larger than
    /// [`MAX_CONFIG_BYTES`](crate::limits::MAX_CONFIG_BYTES), or for a reason of [`parse`](Self::parse).
    pub fn read(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let (text, language) = config::read(path).map_err(|wrong| error(path, wrong))?;
        Self::parse(path, &text, language)
    }

    /// Reads a policy from text; `file` is what errors call it.
    ///
    /// # Errors
    ///
    /// `MaskRule` if the text is not of that language, if a field does not exist or has a wrong value,
    /// or if a pattern does not compile.
    ///
    /// ```
    /// use opsbox_log::{config::Language, mask::Policy};
    ///
    /// let text = "actions:\n  PII_EMAIL: partail\n";
    /// let error = Policy::parse("mask.yaml", text, Language::Yaml).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "policy mask.yaml: line 2 column 14: actions.PII_EMAIL: \
    ///      there is no action \"partail\"; did you mean \"partial\"?"
    /// );
    /// # Ok::<(), opsbox_log::Error>(())
    /// ```
    pub fn parse(file: impl AsRef<Path>, text: &str, language: Language) -> Result<Self, Error> {
        let file = file.as_ref();
        let read: Raw = config::parse(text, language).map_err(|wrong| error(file, wrong))?;
        let policy = read.policy();
        // All but the keys, which are not data.
        let checked = policy.clone().without_keys().check(None);
        checked
            .and_then(|()| policy.scanner().map(drop))
            .map_err(|error| placed(file, error))?;
        Ok(policy)
    }

    /// The same without what needs keys.
    fn without_keys(mut self) -> Self {
        for action in self.actions.values_mut() {
            if action.needs_keys() {
                *action = Action::Redact;
            }
        }
        if self.default_action.needs_keys() {
            self.default_action = Action::Redact;
        }
        self
    }
}

fn error(file: &Path, wrong: Wrong) -> Error {
    Error::MaskRule {
        place: Some(Box::new(Place {
            path: PathBuf::from(file),
            line_and_column: wrong.place,
        })),
        rule: wrong.field,
        message: explained(&wrong.message),
    }
}

/// An error of what each field by itself cannot see.
fn placed(file: &Path, error: Error) -> Error {
    match error {
        Error::MaskRule { rule, message, .. } => Error::MaskRule {
            place: Some(Box::new(Place {
                path: PathBuf::from(file),
                line_and_column: None,
            })),
            rule,
            message,
        },
        other => other,
    }
}

/// What serde says of a name that it does not know, with the nearest one.
fn explained(message: &str) -> String {
    let Some((said, expected)) = message.split_once(", expected ") else {
        return message.to_owned();
    };
    let quoted = |text: &str| -> Vec<String> {
        text.split('`')
            .skip(1)
            .step_by(2)
            .map(ToOwned::to_owned)
            .collect()
    };
    match (&*quoted(said), said.strip_prefix("unknown field ")) {
        ([name], Some(_)) => unknown("field", name, quoted(expected).iter().map(String::as_str)),
        _ => message.to_owned(),
    }
}

/// A policy as it is written.
#[derive(Deserialize, Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Policy"))]
#[serde(deny_unknown_fields, default)]
pub(super) struct Raw {
    /// What is done with what no other action is for.
    default_action: Option<Written<Action>>,
    /// The rules that search text; else the usual ones.
    detectors: Option<Vec<Written<Detector>>>,
    /// Names of the fields that are searched, or patterns with `*` and `?`; else all.
    free_text: Option<Vec<String>>,
    /// Names or patterns of fields that are left alone.
    ignore: Vec<String>,
    /// Names or patterns of fields, and the tag of what they hold as a whole.
    fields: Entries<String, Written<Tag>>,
    /// Tags, and what is done with what has them.
    actions: Entries<Written<Tag>, Written<Action>>,
    /// Patterns of one's own.
    patterns: Vec<RawPattern>,
}

/// A pattern of one's own, and the tag of what it finds.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Pattern"))]
#[serde(deny_unknown_fields)]
struct RawPattern {
    /// What reports call it.
    name: String,
    /// A regular expression; with a group of the name `value` only what that captures is found.
    pattern: String,
    tag: Written<Tag>,
}

impl Raw {
    fn policy(self) -> Policy {
        let mut policy = Policy::new();
        if let Some(action) = self.default_action {
            policy = policy.default_action(action.0);
        }
        if let Some(detectors) = self.detectors {
            policy = policy.detectors(detectors.into_iter().map(|it| it.0));
        }
        if let Some(names) = self.free_text {
            policy.free_text = Some(Vec::new());
            policy = names
                .iter()
                .fold(policy, |policy, name| policy.free_text(name));
        }
        for name in &self.ignore {
            policy = policy.ignore(name);
        }
        for (name, tag) in self.fields.0 {
            policy = policy.field(&name, tag.0);
        }
        for (tag, action) in self.actions.0 {
            policy = policy.action(tag.0, action.0);
        }
        for RawPattern { name, pattern, tag } in self.patterns {
            policy = policy.pattern(Pattern::new(&name, &pattern, tag.0));
        }
        policy
    }
}

/// What is written as its name.
#[derive(PartialEq)]
pub(super) struct Written<T>(T);

/// The entries of a map, none of which may be there twice.
pub(super) struct Entries<K, T>(Vec<(K, T)>);

impl<K, T> Default for Entries<K, T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, K: Deserialize<'de> + PartialEq, T: Deserialize<'de>> Deserialize<'de> for Entries<K, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read<K, T>(PhantomData<(K, T)>);

        impl<'de, K: Deserialize<'de> + PartialEq, T: Deserialize<'de>> Visitor<'de> for Read<K, T> {
            type Value = Vec<(K, T)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("names, and for each what belongs to it")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut all: Self::Value = Vec::new();
                while let Some(entry) = map.next_entry::<K, T>()? {
                    if all.iter().any(|(name, _)| *name == entry.0) {
                        return Err(de::Error::custom("it is there twice; keep one"));
                    }
                    all.push(entry);
                }
                Ok(all)
            }
        }

        deserializer.deserialize_map(Read(PhantomData)).map(Self)
    }
}

fn name<'de, D: Deserializer<'de>, T: std::str::FromStr<Err = Error>>(
    deserializer: D,
) -> Result<T, D::Error> {
    let name = String::deserialize(deserializer)?;
    name.parse().map_err(|error: Error| match error {
        Error::MaskRule { message, .. } => de::Error::custom(message),
        other => de::Error::custom(other),
    })
}

impl<'de> Deserialize<'de> for Written<Tag> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        name(deserializer).map(Self)
    }
}

impl<'de> Deserialize<'de> for Written<Detector> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        name(deserializer).map(Self)
    }
}

/// An action by its name alone, or with what belongs to it.
impl<'de> Deserialize<'de> for Written<Action> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameOrMap;

        impl<'de> Visitor<'de> for NameOrMap {
            type Value = Action;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of an action, or `action` with what belongs to it")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Action, E> {
                let action = RawAction {
                    action: name.to_owned(),
                    ..RawAction::default()
                };
                action.action().map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Action, A::Error> {
                let action = RawAction::deserialize(MapAccessDeserializer::new(map))?;
                action.action().map_err(de::Error::custom)
            }
        }

        deserializer.deserialize_any(NameOrMap).map(Self)
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct RawAction {
    action: String,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    chars: Option<u8>,
    #[serde(default)]
    salt: Option<RawSalt>,
}

/// Text that no error shows: what serde says of another type has the value in it.
struct RawSalt(Salt);

impl<'de> Deserialize<'de> for RawSalt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;

        /// What is no text is refused alike.
        macro_rules! refuse {
            ($($visit:ident($of:ty)),*) => {$(
                fn $visit<E: de::Error>(self, _: $of) -> Result<RawSalt, E> {
                    Err(not_text())
                }
            )*};
        }

        impl<'de> Visitor<'de> for Read {
            type Value = RawSalt;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text in quotes")
            }

            fn visit_str<E: de::Error>(self, salt: &str) -> Result<RawSalt, E> {
                Ok(RawSalt(Salt::new(salt)))
            }

            fn visit_string<E: de::Error>(self, salt: String) -> Result<RawSalt, E> {
                Ok(RawSalt(Salt::new(salt)))
            }

            refuse!(
                visit_bool(bool),
                visit_i64(i64),
                visit_i128(i128),
                visit_u64(u64),
                visit_u128(u128),
                visit_f64(f64),
                visit_bytes(&[u8])
            );

            fn visit_unit<E: de::Error>(self) -> Result<RawSalt, E> {
                Err(not_text())
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, _: A) -> Result<RawSalt, A::Error> {
                Err(not_text())
            }

            fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<RawSalt, A::Error> {
                Err(not_text())
            }
        }

        fn not_text<E: de::Error>() -> E {
            E::custom("the salt is no text; write it in quotes")
        }

        deserializer.deserialize_any(Read)
    }
}

impl RawAction {
    const NAMES: [&str; 7] = [
        "redact",
        "partial",
        "keep_last",
        "pseudonym",
        "encrypt",
        "salted_sha256",
        "drop",
    ];

    fn action(self) -> Result<Action, String> {
        let Self {
            action: name,
            text,
            chars,
            salt,
        } = self;
        let (mut text, mut chars, mut salt) = (text, chars, salt);
        let action = match &*name {
            "redact" => match text.take() {
                Some(text) => Action::RedactWith(text.into()),
                None => Action::Redact,
            },
            "partial" => Action::Partial,
            "keep_last" => Action::KeepLast(
                chars
                    .take()
                    .ok_or("`keep_last` needs `chars`, a number such as 4")?,
            ),
            "pseudonym" => Action::Pseudonym,
            "encrypt" => Action::Encrypt,
            "salted_sha256" => {
                let salt = salt.take().ok_or("`salted_sha256` needs `salt`")?;
                Action::SaltedSha256(salt.0)
            }
            "drop" => Action::Drop,
            _ => return Err(unknown("action", &name, Self::NAMES)),
        };
        let left = [
            ("text", text.is_some()),
            ("chars", chars.is_some()),
            ("salt", salt.is_some()),
        ];
        match left.into_iter().find(|(_, left)| *left) {
            Some((field, _)) => Err(format!("`{name}` has no `{field}`; leave it out")),
            None => Ok(action),
        }
    }
}
