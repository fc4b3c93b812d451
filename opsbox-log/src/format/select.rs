//! Some of a format's columns instead of all.

use super::{Engine, Field, Format};
use crate::error::Error;

impl Format {
    /// The same lines with these columns only, in this order. What is not asked for costs less time
    /// and no memory.
    ///
    /// For the formats whose keys are in the line (`ndjson`, `logfmt`) these are the keys to look
    /// for, dots between the levels; a line without a key has no value there, and other keys are
    /// left alone. Where the key of an object is selected itself, its value is the object as JSON text,
    /// and the keys inside are not looked at.
    ///
    /// ```
    /// use opsbox_log::{Format, Parser};
    ///
    /// let format = Format::preset("combined")?.select(["status", "remote_addr"])?;
    /// let line = r#"192.0.2.7 - - [17/May/2026:10:05:03 +0000] "GET / HTTP/1.1" 200 5 "-" "curl""#;
    /// let batch = Parser::new(format).parse(line);
    /// let values: Vec<_> = batch.record(0).unwrap().iter().map(|(_, value)| value).collect();
    /// assert_eq!(values, [Some(&b"200"[..]), Some(b"192.0.2.7")]);
    ///
    /// let format = Format::preset("ndjson")?.select(["http.status"])?;
    /// let batch = Parser::new(format).parse(r#"{"level":"info","http":{"status":200}}"#);
    /// assert_eq!(batch.record(0).unwrap().get("http.status"), Some(&b"200"[..]));
    /// # Ok::<(), opsbox_log::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `UnknownField` if there is no such column, or it is named twice, or none is named.
    pub fn select<I>(&self, names: I) -> Result<Self, Error>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let refuse = |name: &str, message: String| Error::Field {
            format: self.name().to_owned(),
            name: name.to_owned(),
            message,
        };
        let mut fields: Vec<Field> = Vec::new();
        for name in names {
            let name = name.as_ref();
            if fields.iter().any(|field| field.name() == name) {
                return Err(refuse(name, "it is selected twice; name it once".into()));
            }
            let known = self.fields().iter().find(|field| field.name() == name);
            match known {
                Some(field) => fields.push(field.clone()),
                None if self.fields().is_empty() && !name.is_empty() => {
                    fields.push(Field::new(name));
                }
                None => {
                    let names: Vec<_> = self.fields().iter().map(Field::name).collect();
                    let message = format!("there is none; the columns are {}", names.join(", "));
                    return Err(refuse(name, message));
                }
            }
        }
        if fields.is_empty() {
            return Err(refuse(
                "",
                "no column is selected; name one at least".into(),
            ));
        }
        let (fields, engine) = match self.engine() {
            Engine::Pattern(pattern) => {
                let (pattern, fields) = pattern.select(&fields)?;
                (fields, Engine::Pattern(Box::new(pattern)))
            }
            Engine::Logfmt => (fields, Engine::Logfmt),
            #[cfg(feature = "json")]
            Engine::Json => (fields, Engine::Json),
        };
        Ok(Self::new(self.name(), fields, engine).spanning(self.multiline().cloned()))
    }
}
