use std::{collections::BTreeMap, fmt};

/// Variables of an environment: those of the process, or any that are given. What is written of it is what is asked
/// for by name; `Debug` shows the names alone, since values may be secrets.
///
/// ```
/// use opsbox_log::enrich::Environment;
///
/// let environment = Environment::from_iter([("APP_ENV", "prod"), ("EMPTY", "")]);
/// assert_eq!(environment.get("APP_ENV"), Some("prod"));
/// // As for a shell, an empty variable says nothing.
/// assert_eq!(environment.get("EMPTY"), None);
/// assert_eq!(format!("{environment:?}"), r#"Environment{"APP_ENV", "EMPTY"}"#);
/// ```
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

impl Environment {
    /// The environment of this process, as it is now. Variables that are not UTF-8 are left out.
    pub fn of_process() -> Self {
        let variables = std::env::vars_os();
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        Self {
            variables: variables.filter_map(text).collect(),
        }
    }

    /// A variable that is set and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        let value = self.variables.get(name)?;
        (!value.is_empty()).then_some(value)
    }

    /// Whether a variable says yes, as CI systems write it: `true` in any case, or `1`.
    pub(super) fn is_true(&self, name: &str) -> bool {
        let value = self.get(name);
        value.is_some_and(|value| value == "1" || value.eq_ignore_ascii_case("true"))
    }

    /// The first of these that is set and not empty.
    pub(super) fn first_of(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.get(name))
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        let variables = variables.into_iter();
        Self {
            variables: variables
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Environment")?;
        f.debug_set().entries(self.variables.keys()).finish()
    }
}
