//! Variables over a file.

use std::collections::BTreeMap;

use ::config::{Config, ConfigError, File, FileFormat};

use super::settings::Settings;
use crate::error::Error;

/// What variables that change a setting begin with.
const PREFIX: &str = "OPSBOX_LOG";

/// Settings that are lists: in a variable, with commas.
const LISTS: [&str; 3] = ["input.select", "clean.columns", "output.json_columns"];

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
    let ours = ours.map(|(name, value)| (name.clone(), value.clone()));
    let mut environment = ::config::Environment::with_prefix(PREFIX)
        .prefix_separator("__")
        .separator("__")
        .try_parsing(true)
        .list_separator(",")
        .source(Some(ours.collect()));
    for list in LISTS {
        environment = environment.with_list_parse_key(list);
    }
    let merged = Config::builder()
        .add_source(File::from_str(&file, FileFormat::Json))
        .add_source(environment)
        .build();
    let merged = merged.and_then(Config::try_deserialize::<Settings>);
    merged.map_err(|error| {
        let (setting, message) = explained(&error);
        wrong(
            setting,
            format!("{message}; look at the variables {PREFIX}__SECTION__SETTING"),
        )
    })
}

/// The setting, and what is wrong with it.
fn explained(error: &ConfigError) -> (String, String) {
    let setting = match error {
        ConfigError::Type { key, .. } | ConfigError::At { key, .. } => key.clone(),
        _ => None,
    };
    (setting.unwrap_or_default(), error.to_string())
}
