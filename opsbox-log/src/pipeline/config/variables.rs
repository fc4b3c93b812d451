//! Variables over a file.

use std::collections::BTreeMap;

use ::config::{Config, ConfigError, File, FileFormat, Value};

use super::settings::Settings;
use crate::error::Error;

/// What variables that change a setting begin with.
const PREFIX: &str = "OPSBOX_LOG";

/// Settings that are lists: in a variable, with commas.
const LISTS: [&str; 3] = ["input.select", "clean.columns", "output.json_columns"];

/// The setting that is a boolean or text.
const HOST: &str = "enrich.host";

/// The settings with what the variables change of them.
pub(super) fn with_variables(
    settings: &Settings,
    variables: &BTreeMap<String, String>,
) -> Result<Settings, Error> {
    let wrong = |setting: String, message: String| Error::Config {
        path: None,
        line_and_column: None,
        setting,
        message,
        source: None,
    };
    let ours = format!("{PREFIX}__");
    let mut ours = variables
        .iter()
        .filter(|(name, _)| name.starts_with(&ours))
        .peekable();
    if ours.peek().is_none() {
        return Ok(settings.clone());
    }
    let file =
        serde_json::to_string(settings).map_err(|error| wrong(String::new(), error.to_string()))?;
    // Read as text, which numbers and booleans are made of where a setting is one: else a version 1.10 would be 1.1.
    let text = ours
        .clone()
        .map(|(name, value)| (name.clone(), value.clone()));
    let environment = ::config::Environment::with_prefix(PREFIX)
        .prefix_separator("__")
        .separator("__")
        .source(Some(text.collect()));
    let mut builder = Config::builder()
        .add_source(File::from_str(&file, FileFormat::Json))
        .add_source(environment);
    for (name, value) in ours {
        let setting = setting(name);
        let value: Value = match value.to_ascii_lowercase().as_str() {
            _ if LISTS.contains(&&*setting) => value.split(',').collect::<Vec<_>>().into(),
            "true" if setting == HOST => true.into(),
            "false" if setting == HOST => false.into(),
            _ => continue,
        };
        builder = builder
            .set_override(&setting, value)
            .map_err(|error| wrong(setting.clone(), error.to_string()))?;
    }
    let merged = builder.build();
    let merged = merged.and_then(Config::try_deserialize::<Settings>);
    merged.map_err(|error| {
        let (setting, message) = explained(&error);
        wrong(
            setting,
            format!("{message}; look at the variables {PREFIX}__SECTION__SETTING"),
        )
    })
}

/// The setting that a variable is for.
fn setting(name: &str) -> String {
    let name = name.strip_prefix(PREFIX).unwrap_or(name);
    let name = name.strip_prefix("__").unwrap_or(name);
    name.to_lowercase().replace("__", ".")
}

/// The setting, and what is wrong with it.
fn explained(error: &ConfigError) -> (String, String) {
    let setting = match error {
        ConfigError::Type { key, .. } | ConfigError::At { key, .. } => key.clone(),
        _ => None,
    };
    (setting.unwrap_or_default(), error.to_string())
}
