//! Some of a format's columns instead of all.

use super::{Engine, Field, Format};
use crate::error::Error;

impl Format {
    /// The same lines with these columns only, in this order. What is not asked for costs less time
    /// and no memory.
    ///
    /// For the formats whose keys are in the line (`ndjson`, `logfmt`) these are the keys to look
    /// for, dots between the levels; a line without a key has no value there, and other keys are
    /// left alone.
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
    /// # JSON
    ///
    /// From `ndjson` lines the selected paths are taken without a parse of the rest, at several times
    /// the speed; so are the columns of the presets whose lines are JSON with known keys. A value is
    ///
    /// - of a string, its text without escapes: if there are none, the bytes between the quotes; else
    ///   a copy in [`Batch::arena`](crate::Batch::arena),
    /// - of a number, `true` and `false`, the text of the line, and of `null` none,
    /// - of an object or array, its JSON text as it is in the line. (Without a selection an object has
    ///   columns for its keys instead of one of its own.)
    ///
    /// `a.b` is both the key `b` of the object `a` and the key `a.b`; with `a` selected as well, each
    /// has its value. Objects inside arrays are not looked into. Of equal paths the last one counts.
    /// Keys may come in any order, and be written with escapes.
    ///
    /// Lines that are JSON have exactly the values of a full parse. Lines that are not may pass:
    /// what is selected is looked at, and that brackets and quotes pair up, no more. Such a line is
    /// a row if it begins with `{` and ends with the `}` that closes it, if each colon outside of
    /// strings follows a quote and no backslash is outside of them, and if the selected values are
    /// not empty and have no escape that JSON lacks; numbers and literals are taken up to a comma,
    /// closing bracket or space, which has to come before a quote. A value need not be UTF-8 then.
    /// All other lines are parsed in full, and refused with that parse's reason if they are not
    /// JSON; so are those with an escape in any key, and those longer than 63 KiB or with brackets
    /// more than 64 deep, where the saving would be small.
    /// [`Parser::strict`](crate::Parser::strict) parses all lines in full.
    ///
    /// Some thousand paths can be looked for at once, fewer if they have dots; with more, each line is
    /// parsed in full. Those that end alike, or many, cost somewhat more.
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
            Engine::Json(_) => {
                let engine = Engine::json(&fields);
                (fields, engine)
            }
        };
        Ok(Self::new(self.name(), fields, engine).spanning(self.multiline().cloned()))
    }
}
