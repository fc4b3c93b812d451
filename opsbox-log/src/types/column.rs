//! A whole column at a time.

use std::net::{IpAddr, Ipv4Addr};

use super::{
    Example, Invalid, InvalidValues, PLACEHOLDER, TimeContext, TimestampFormat, Type, Validity,
    category::Categories,
    parse_boolean, parse_float, parse_integer, parse_ip_addr,
    timestamp::{Clf, Rfc3339, Syslog, parse_epoch},
};
use crate::{Column, error::Error, limits::MAX_CATEGORIES};

/// A column with its values read: one slice, a place for each row.
///
/// See [`types`](crate::types) for what becomes null.
#[derive(Clone, Debug)]
pub struct TypedColumn<'b> {
    data_type: Type,
    values: Values<'b>,
    validity: Validity,
    invalid: InvalidValues<'b>,
}

/// The values of a [`TypedColumn`], a place for each row. What is in the place of a null has no
/// meaning: zero, false, the empty text, 0.0.0.0.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Values<'b> {
    /// [`Type::Text`].
    Text(Vec<&'b [u8]>),
    /// [`Type::Integer`].
    Integer(Vec<i64>),
    /// [`Type::Float`].
    Float(Vec<f64>),
    /// [`Type::Boolean`].
    Boolean(Vec<bool>),
    /// [`Type::Timestamp`], in microseconds since the Unix epoch in UTC.
    Timestamp(Vec<i64>),
    /// [`Type::IpAddr`].
    IpAddr(Vec<IpAddr>),
    /// [`Type::Category`].
    #[non_exhaustive]
    Category {
        /// For each row the place of its value in the dictionary.
        codes: Vec<u32>,
        /// The distinct values, in the order in which they first come.
        dictionary: Vec<&'b [u8]>,
    },
}

impl<'b> Column<'b> {
    /// Reads the column as the type of its [field](crate::Field::data_type), with times without an
    /// offset in UTC.
    ///
    /// ```
    /// use opsbox_log::{Format, Parser};
    ///
    /// let line = "2026-01-02 03:04:05,978 INFO [main] org.example.Main: up\n";
    /// let batch = Parser::new(Format::preset("hadoop")?).parse(line);
    /// let times = batch.column("timestamp").unwrap().typed()?;
    /// assert_eq!(times.as_i64(), Some(&[1_767_323_045_978_000][..]));
    /// # Ok::<(), opsbox_log::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `TooManyCategories` for [`Type::Category`] if there are more distinct values than
    /// [`MAX_CATEGORIES`](crate::limits::MAX_CATEGORIES).
    pub fn typed(&self) -> Result<TypedColumn<'b>, Error> {
        self.typed_as(self.field().data_type())
    }

    /// Reads the column as a type, with times without an offset in UTC.
    ///
    /// # Errors
    ///
    /// As [`typed`](Self::typed).
    pub fn typed_as(&self, data_type: Type) -> Result<TypedColumn<'b>, Error> {
        self.typed_in(data_type, TimeContext::new())
    }

    /// Reads the column as a type, with what completes times that say too little.
    ///
    /// ```
    /// use opsbox_log::{Format, Parser, types::{TimeContext, TimestampFormat, Type}};
    ///
    /// let batch = Parser::new(Format::preset("syslog-rfc3164")?).parse("Jan  2 03:04:05 host su: hi\n");
    /// let read = TimeContext::new().reference(1_767_326_400_000_000); // 2026-01-02T04:00:00Z
    /// let format = Type::Timestamp(TimestampFormat::Syslog);
    /// let times = batch.column("timestamp").unwrap().typed_in(format, read)?;
    /// assert_eq!(times.as_i64(), Some(&[1_767_323_045_000_000][..]));
    /// # Ok::<(), opsbox_log::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`typed`](Self::typed).
    pub fn typed_in(
        &self,
        data_type: Type,
        context: TimeContext,
    ) -> Result<TypedColumn<'b>, Error> {
        let mut reader = Reader::new(self, data_type);
        let values = match data_type {
            Type::Text => Values::Text(reader.read(&[][..], Ok)),
            Type::Integer => Values::Integer(reader.read(0, parse_integer)),
            Type::Float => Values::Float(reader.read(0.0, parse_float)),
            Type::Boolean => Values::Boolean(reader.read(false, parse_boolean)),
            Type::IpAddr => {
                Values::IpAddr(reader.read(Ipv4Addr::UNSPECIFIED.into(), parse_ip_addr))
            }
            Type::Timestamp(format) => Values::Timestamp(match format {
                TimestampFormat::Rfc3339 => {
                    let mut times = Rfc3339::new(context);
                    reader.read(0, |value| times.parse(value))
                }
                TimestampFormat::Clf => {
                    let mut times = Clf::new(context);
                    reader.read(0, |value| times.parse(value))
                }
                TimestampFormat::Syslog => {
                    let mut times = Syslog::new(context);
                    reader.read(0, |value| times.parse(value))
                }
                TimestampFormat::Epoch(unit) => reader.read(0, |value| parse_epoch(value, unit)),
            }),
            Type::Category => {
                let mut categories = Categories::new();
                let codes = reader.read(0, |value| categories.code(value));
                let dictionary =
                    categories
                        .into_dictionary()
                        .ok_or_else(|| Error::TooManyCategories {
                            column: self.field().name().to_owned(),
                            limit: MAX_CATEGORIES,
                        })?;
                Values::Category { codes, dictionary }
            }
        };
        Ok(TypedColumn {
            data_type,
            values,
            validity: reader.validity,
            invalid: reader.invalid,
        })
    }
}

/// Rows that are read together: those of one word of the validity.
const TOGETHER: usize = 64;

/// Loads the ends of values that are worked on next. A large batch is in no cache any more when its columns are read, and a
/// processor waits for many bytes as long as for one if nothing that is done between depends on them.
fn ask_for(values: &[Option<&[u8]>]) {
    let ends = values
        .iter()
        .flatten()
        .filter_map(|value| Some(value.first()? ^ value.last()?));
    std::hint::black_box(ends.fold(0, |all, end| all ^ end));
}

/// What all types share: nulls, and the values that do not fit.
struct Reader<'c, 'b> {
    column: &'c Column<'b>,
    data_type: Type,
    validity: Validity,
    invalid: InvalidValues<'b>,
}

impl<'c, 'b> Reader<'c, 'b> {
    fn new(column: &'c Column<'b>, data_type: Type) -> Self {
        Self {
            column,
            data_type,
            validity: Validity::new(Vec::new(), 0),
            invalid: InvalidValues::new(),
        }
    }

    /// One pass over the column; `null` fills the places without a value.
    fn read<T: Copy>(
        &mut self,
        null: T,
        mut parse: impl FnMut(&'b [u8]) -> Result<T, Invalid>,
    ) -> Vec<T> {
        let is_text = matches!(self.data_type, Type::Text | Type::Category);
        let rows = self.column.len();
        let mut words = Vec::with_capacity(rows.div_ceil(TOGETHER));
        let mut values = Vec::with_capacity(rows);
        let column = *self.column;
        let mut texts = column.iter();
        let mut group = Vec::with_capacity(TOGETHER);
        loop {
            group.clear();
            group.extend(texts.by_ref().take(TOGETHER));
            if group.is_empty() {
                break;
            }
            ask_for(&group);
            let first = values.len();
            let mut word = 0_u64;
            for (place, text) in group.iter().enumerate() {
                let parsed = match *text {
                    Some(text) if is_text || text != PLACEHOLDER => match parse(text) {
                        Ok(parsed) => Some(parsed),
                        Err(reason) => {
                            self.note(first + place, text, reason);
                            None
                        }
                    },
                    _ => None,
                };
                word |= u64::from(parsed.is_some()) << place;
                values.push(parsed.unwrap_or(null));
            }
            words.push(word);
        }
        self.validity = Validity::new(words, rows);
        values
    }

    #[cold]
    fn note(&mut self, row: usize, value: &'b [u8], reason: Invalid) {
        self.invalid.note(reason, || Example {
            row,
            line_number: self.column.line_number(row).unwrap_or_default(),
            value,
            data_type: self.data_type,
            reason,
        });
    }
}

impl<'b> TypedColumn<'b> {
    /// The type that the column was read as.
    pub fn data_type(&self) -> Type {
        self.data_type
    }

    /// The values, a place for each row.
    pub fn values(&self) -> &Values<'b> {
        &self.values
    }

    /// Which rows have a value.
    pub fn validity(&self) -> &Validity {
        &self.validity
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.validity.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.validity.is_empty()
    }

    /// The number of rows without a value: absent ones and [those that do not fit](Self::invalid).
    pub fn null_count(&self) -> usize {
        self.validity.null_count()
    }

    /// The values that do not fit the type.
    pub fn invalid(&self) -> &InvalidValues<'b> {
        &self.invalid
    }

    /// The slice of an integer or a timestamp column, zero where there is no value.
    pub fn as_i64(&self) -> Option<&[i64]> {
        match &self.values {
            Values::Integer(values) | Values::Timestamp(values) => Some(values),
            _ => None,
        }
    }

    /// The slice of a float column, zero where there is no value.
    pub fn as_f64(&self) -> Option<&[f64]> {
        match &self.values {
            Values::Float(values) => Some(values),
            _ => None,
        }
    }

    /// The codes of a category column, zero where there is no value.
    pub fn codes(&self) -> Option<&[u32]> {
        match &self.values {
            Values::Category { codes, .. } => Some(codes),
            _ => None,
        }
    }

    /// The distinct values of a category column, in the order of their codes.
    pub fn dictionary(&self) -> Option<&[&'b [u8]]> {
        match &self.values {
            Values::Category { dictionary, .. } => Some(dictionary),
            _ => None,
        }
    }

    /// The rows of an integer or a timestamp column, `None` for a null; nothing for other types.
    pub fn integers(&self) -> impl Iterator<Item = Option<i64>> {
        self.present(self.as_i64().unwrap_or_default())
    }

    /// The rows of a float column, `None` for a null; nothing for other types.
    pub fn floats(&self) -> impl Iterator<Item = Option<f64>> {
        self.present(self.as_f64().unwrap_or_default())
    }

    /// The rows of one of the [slices](Self::values), `None` for a null.
    ///
    /// ```
    /// use opsbox_log::{Format, Parser, types::{Type, Values}};
    ///
    /// let batch = Parser::new(Format::pattern(r"(?P<up>\S+)")?).parse("yes\n-\noff\n");
    /// let column = batch.column("up").unwrap().typed_as(Type::Boolean)?;
    /// if let Values::Boolean(values) = column.values() {
    ///     assert_eq!(column.present(values).collect::<Vec<_>>(), [Some(true), None, Some(false)]);
    /// }
    /// # Ok::<(), opsbox_log::Error>(())
    /// ```
    pub fn present<T: Copy>(&self, values: &[T]) -> impl Iterator<Item = Option<T>> {
        let values = values.iter().enumerate();
        values.map(|(row, value)| self.validity.is_valid(row).then_some(*value))
    }

    #[cfg(feature = "arrow")]
    pub(crate) fn into_parts(self) -> (Values<'b>, Validity, InvalidValues<'b>) {
        (self.values, self.validity, self.invalid)
    }
}
