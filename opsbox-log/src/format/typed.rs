//! What the columns of a format mean.

use std::sync::Arc;

use super::{Field, Format, Inner};
use crate::{
    error::Error,
    types::{EpochUnit, TimestampFormat, Type},
};

const RFC3339: Type = Type::Timestamp(TimestampFormat::Rfc3339);
const CLF: Type = Type::Timestamp(TimestampFormat::Clf);

/// The columns of presets that are not text: numbers and times that fit whenever the line does, but
/// for impossible dates and numbers beyond 64 bits. Text stays what only some lines have as a
/// number (`procid`), what may be a host name (`remote_addr`), and times without a year, with the
/// name of a zone or in a form of their own.
static PRESETS: [(&str, &[(&str, Type)]); 16] = [
    ("combined", ACCESS),
    ("common", ACCESS),
    (
        "nginx-error",
        &[
            ("pid", Type::Integer),
            ("tid", Type::Integer),
            ("connection", Type::Integer),
        ],
    ),
    (
        "apache-error",
        &[("pid", Type::Integer), ("tid", Type::Integer)],
    ),
    (
        "haproxy-http",
        &[
            ("accept_date", CLF),
            ("status", Type::Integer),
            ("bytes_read", Type::Integer),
        ],
    ),
    (
        "haproxy-tcp",
        &[("accept_date", CLF), ("bytes_read", Type::Integer)],
    ),
    (
        "iis",
        &[
            ("s_port", Type::Integer),
            ("sc_status", Type::Integer),
            ("sc_substatus", Type::Integer),
            ("sc_win32_status", Type::Integer),
            ("time_taken", Type::Integer),
        ],
    ),
    (
        "klog",
        &[("thread_id", Type::Integer), ("line", Type::Integer)],
    ),
    ("postgresql", &[("pid", Type::Integer)]),
    (
        "mysql-error",
        &[("timestamp", RFC3339), ("thread", Type::Integer)],
    ),
    (
        "mysql-slow",
        &[
            ("time", RFC3339),
            ("id", Type::Integer),
            ("query_time", Type::Float),
            ("lock_time", Type::Float),
            ("rows_sent", Type::Integer),
            ("rows_examined", Type::Integer),
            (
                "timestamp",
                Type::Timestamp(TimestampFormat::Epoch(EpochUnit::Seconds)),
            ),
        ],
    ),
    (
        "syslog-rfc5424",
        &[
            ("priority", Type::Integer),
            ("version", Type::Integer),
            ("timestamp", RFC3339),
        ],
    ),
    ("cri", &[("timestamp", RFC3339)]),
    ("app", &[("timestamp", RFC3339)]),
    ("hadoop", &[("timestamp", RFC3339)]),
    ("syslog-rfc3164", &[("priority", Type::Integer)]),
];

const ACCESS: &[(&str, Type)] = &[
    ("time_local", CLF),
    ("status", Type::Integer),
    ("body_bytes_sent", Type::Integer),
];

/// Gives the columns of a preset's format their types.
pub(super) fn of_preset(mut format: Format) -> Result<Format, Error> {
    let table = PRESETS.iter().find(|(name, _)| *name == format.name());
    for (column, data_type) in table.into_iter().flat_map(|(_, columns)| *columns) {
        format = format.with_type(column, *data_type)?;
    }
    Ok(format)
}

impl Format {
    /// The same format with a type for one of its columns, which [`Column::typed`] reads it as. The
    /// text stays there as it is.
    ///
    /// For the formats whose keys are in the line (`ndjson`, `logfmt`), [select](Self::select) the
    /// columns first.
    ///
    /// ```
    /// use opsbox_log::{Format, Parser, types::Type};
    ///
    /// let format = Format::preset("logfmt")?.select(["status"])?.with_type("status", Type::Integer)?;
    /// let batch = Parser::new(format).parse("level=info status=200\n");
    /// assert_eq!(batch.column("status").unwrap().typed()?.as_i64(), Some(&[200][..]));
    /// # Ok::<(), opsbox_log::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `UnknownField` if there is no such column.
    ///
    /// [`Column::typed`]: crate::Column::typed
    pub fn with_type(&self, name: &str, data_type: Type) -> Result<Self, Error> {
        let mut fields = self.inner.fields.to_vec();
        let Some(field) = fields.iter_mut().find(|field| field.name() == name) else {
            let names: Vec<_> = self.fields().iter().map(Field::name).collect();
            let message = match names.as_slice() {
                [] => "the columns of this format are in its lines; select them first".into(),
                _ => format!("there is none; the columns are {}", names.join(", ")),
            };
            return Err(Error::Field {
                format: self.name().to_owned(),
                name: name.to_owned(),
                message,
            });
        };
        field.data_type = data_type;
        let inner = Inner {
            name: self.inner.name.clone(),
            fields: fields.into(),
            engine: Arc::clone(&self.inner.engine),
            multiline: self.inner.multiline.clone(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_presets() {
        for (name, columns) in &PRESETS {
            let preset = Format::presets().iter().find(|it| it.name() == *name);
            let format = preset.unwrap().format().unwrap();
            for (column, data_type) in *columns {
                let field = format.fields().iter().find(|it| it.name() == *column);
                assert_eq!(field.unwrap().data_type(), *data_type, "{name}.{column}");
            }
        }
    }
}
