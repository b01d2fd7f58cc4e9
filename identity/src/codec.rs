//! The only door for CBOR: canonical out, strict and bounded in.
//!
//! `scan` walks untrusted bytes once, without allocating, and refuses whatever is not deterministic
//! CBOR (RFC 8949, section 4.2.1) of our dialect: shortest heads, definite lengths, sorted unique
//! keys, no tags, no floats, valid UTF-8, bounded depth, a bounded number of items, nothing after
//! the end. Only then is a `Value` built. `record!` declares a body's bytes once: its struct,
//! writer and reader in one place.
//!
//! Refused here: repairing bytes, guessing at unknown keys, keeping leftovers.

use crate::limits::{ITEMS_MAX, LIST_ITEMS_MAX, NESTING_MAX};
pub use ciborium::Value;

/// Why bytes are not an item of our dialect; always the sender's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// The bytes end inside an item.
    #[error("the bytes end inside an item")]
    Truncated,
    /// Bytes follow the item.
    #[error("bytes follow the end of the item")]
    Trailing,
    /// A length or number is not written in its shortest form.
    #[error("a head is not in its shortest form")]
    NotShortest,
    /// An indefinite length or a reserved head.
    #[error("indefinite lengths and reserved heads are not accepted")]
    Indefinite,
    /// A tag, a float or a simple value other than false, true and null.
    #[error("tags, floats and other simple values are not accepted")]
    Forbidden,
    /// Map keys out of order, or twice.
    #[error("map keys must be sorted and unique")]
    KeyOrder,
    /// A text that is not UTF-8.
    #[error("a text is not UTF-8")]
    NotUtf8,
    /// Nested deeper than `NESTING_MAX`.
    #[error("nested deeper than {NESTING_MAX}")]
    TooDeep,
    /// More than `ITEMS_MAX` items in all.
    #[error("more than {ITEMS_MAX} items in all")]
    TooMany,
    /// Longer than its kind may be.
    #[error("longer than its kind may be")]
    TooLong,
}

/// Why an item is not the record it should be: which record, which key, what is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The bytes are not an item of our dialect.
    #[error("{0}")]
    Scan(#[from] ScanError),
    /// A key's value is missing, of the wrong type or out of bounds.
    #[error("{record}, key {key}: {problem}")]
    Field {
        /// The record's name.
        record: &'static str,
        /// The key in it.
        key: u64,
        /// What is wrong with its value.
        problem: Problem,
    },
    /// The item is not the record at all.
    #[error("{record}: {problem}")]
    Shape {
        /// The record's name.
        record: &'static str,
        /// What is wrong with the item.
        problem: Problem,
    },
}

/// What is wrong with one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A required key is absent.
    #[error("missing")]
    Missing,
    /// The value has another type.
    #[error("of another type")]
    Type,
    /// The value is outside its bounds.
    #[error("out of bounds")]
    Bounds,
    /// A key that this version does not know.
    #[error("unknown key")]
    UnknownKey,
    /// A name, id or code that does not parse.
    #[error("not a valid name, id or code")]
    Invalid,
}

/// Checks that `bytes` are exactly one item of our dialect, in one pass without allocating.
pub fn scan(bytes: &[u8]) -> Result<(), ScanError> {
    let mut cursor = Cursor { bytes, at: 0, items_left: ITEMS_MAX };
    cursor.item(0)?;
    if cursor.at == bytes.len() { Ok(()) } else { Err(ScanError::Trailing) }
}

/// Scans, then builds the value.
pub fn read(bytes: &[u8]) -> Result<Value, ScanError> {
    scan(bytes)?;
    ciborium::from_reader(bytes).map_err(|_| ScanError::Forbidden)
}

/// Writes a value; canonical as long as maps were made by `Fields` or `record!`.
pub fn write(value: &Value) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    ciborium::into_writer(value, &mut out).expect("writing to memory cannot fail");
    debug_assert_eq!(scan(&out), Ok(()), "what we write, we accept");
    out
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    items_left: usize,
}

impl<'a> Cursor<'a> {
    fn item(&mut self, depth: usize) -> Result<(), ScanError> {
        if depth > NESTING_MAX {
            return Err(ScanError::TooDeep);
        }
        self.items_left = self.items_left.checked_sub(1).ok_or(ScanError::TooMany)?;
        let (major, value) = self.head()?;
        match major {
            0 | 1 => Ok(()),
            2 => self.skip(value).map(|_| ()),
            3 => std::str::from_utf8(self.skip(value)?).map(|_| ()).map_err(|_| ScanError::NotUtf8),
            4 => self.array(value, depth),
            5 => self.map(value, depth),
            7 if (20..=22).contains(&value) => Ok(()),
            _ => Err(ScanError::Forbidden),
        }
    }

    fn head(&mut self) -> Result<(u8, u64), ScanError> {
        let first = self.skip(1)?[0];
        let (major, short) = (first >> 5, first & 0x1f);
        if short < 24 {
            return Ok((major, u64::from(short)));
        }
        if short > 27 {
            return Err(ScanError::Indefinite);
        }
        if major == 7 {
            return Err(ScanError::Forbidden);
        }
        let width = 1usize << (short - 24);
        let value = self.skip(width as u64)?.iter().fold(0u64, |v, b| (v << 8) | u64::from(*b));
        let least = [24, 1 << 8, 1 << 16, 1 << 32][usize::from(short - 24)];
        if value < least { Err(ScanError::NotShortest) } else { Ok((major, value)) }
    }

    fn skip(&mut self, length: u64) -> Result<&'a [u8], ScanError> {
        let length = usize::try_from(length).map_err(|_| ScanError::Truncated)?;
        let end = self.at.checked_add(length).ok_or(ScanError::Truncated)?;
        let taken = self.bytes.get(self.at..end).ok_or(ScanError::Truncated)?;
        self.at = end;
        Ok(taken)
    }

    fn array(&mut self, items: u64, depth: usize) -> Result<(), ScanError> {
        (0..items).try_for_each(|_| self.item(depth + 1))
    }

    fn map(&mut self, pairs: u64, depth: usize) -> Result<(), ScanError> {
        let mut last: Option<&[u8]> = None;
        for _ in 0..pairs {
            let start = self.at;
            self.item(depth + 1)?;
            let key = &self.bytes[start..self.at];
            if last.is_some_and(|l| l >= key) {
                return Err(ScanError::KeyOrder);
            }
            last = Some(key);
            self.item(depth + 1)?;
        }
        Ok(())
    }
}

/// A value that has a place in a record.
pub trait Field: Sized {
    /// The value as written, or nothing where absence says it.
    fn encode(&self) -> Option<Value>;
    /// Reads the value back.
    fn decode(value: Value) -> Result<Self, Problem>;
    /// What an absent key means; nothing where the key is required.
    fn absent() -> Option<Self> {
        None
    }
}

/// The keys of one record while they are read; whatever is left over is refused.
pub struct Fields {
    record: &'static str,
    left: Vec<(u64, Value)>,
}

impl Fields {
    /// Opens a map with unsigned keys.
    pub fn open(record: &'static str, value: Value) -> Result<Self, CodecError> {
        let shape = |problem| CodecError::Shape { record, problem };
        let Value::Map(pairs) = value else { return Err(shape(Problem::Type)) };
        let left = pairs
            .into_iter()
            .map(|(k, v)| u64::decode(k).map(|k| (k, v)))
            .collect::<Result<Vec<_>, _>>()
            .map_err(shape)?;
        Ok(Self { record, left })
    }

    /// Takes one key's value.
    pub fn take<T: Field>(&mut self, key: u64) -> Result<T, CodecError> {
        let fail = |problem| CodecError::Field { record: self.record, key, problem };
        match self.left.iter().position(|(k, _)| *k == key) {
            Some(at) => T::decode(self.left.remove(at).1).map_err(fail),
            None => T::absent().ok_or(fail(Problem::Missing)),
        }
    }

    /// Refuses what nobody took.
    pub fn done(self) -> Result<(), CodecError> {
        match self.left.first() {
            None => Ok(()),
            Some((key, _)) => Err(CodecError::Field {
                record: self.record,
                key: *key,
                problem: Problem::UnknownKey,
            }),
        }
    }
}

/// Builds a map with unsigned keys, given in ascending order.
pub fn map(fields: impl IntoIterator<Item = (u64, Option<Value>)>) -> Value {
    let pairs: Vec<_> = fields.into_iter().filter_map(|(k, v)| Some((k, v?))).collect();
    debug_assert!(pairs.windows(2).all(|w| w[0].0 < w[1].0), "keys ascend");
    Value::Map(pairs.into_iter().map(|(k, v)| (Value::from(k), v)).collect())
}

impl Field for u64 {
    fn encode(&self) -> Option<Value> {
        Some(Value::from(*self))
    }
    fn decode(value: Value) -> Result<Self, Problem> {
        let Value::Integer(number) = value else { return Err(Problem::Type) };
        u64::try_from(number).map_err(|_| Problem::Bounds)
    }
}

impl Field for u32 {
    fn encode(&self) -> Option<Value> {
        Some(Value::from(*self))
    }
    fn decode(value: Value) -> Result<Self, Problem> {
        u32::try_from(u64::decode(value)?).map_err(|_| Problem::Bounds)
    }
}

impl Field for bool {
    fn encode(&self) -> Option<Value> {
        Some(Value::Bool(*self))
    }
    fn decode(value: Value) -> Result<Self, Problem> {
        value.into_bool().map_err(|_| Problem::Type)
    }
}

impl Field for String {
    fn encode(&self) -> Option<Value> {
        Some(Value::Text(self.clone()))
    }
    fn decode(value: Value) -> Result<Self, Problem> {
        value.into_text().map_err(|_| Problem::Type)
    }
}

impl<const N: usize> Field for [u8; N] {
    fn encode(&self) -> Option<Value> {
        Some(Value::Bytes(self.to_vec()))
    }
    fn decode(value: Value) -> Result<Self, Problem> {
        let bytes = value.into_bytes().map_err(|_| Problem::Type)?;
        bytes.try_into().map_err(|_| Problem::Bounds)
    }
}

/// A byte string of any length below its record's bound.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Bytes(pub Vec<u8>);

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Field for Bytes {
    fn encode(&self) -> Option<Value> {
        Some(Value::Bytes(self.0.clone()))
    }
    fn decode(value: Value) -> Result<Self, Problem> {
        value.into_bytes().map(Bytes).map_err(|_| Problem::Type)
    }
}

impl<T: Field> Field for Vec<T> {
    fn encode(&self) -> Option<Value> {
        let items = self.iter().map(|item| item.encode().unwrap_or(Value::Null));
        (!self.is_empty()).then(|| Value::Array(items.collect()))
    }
    fn decode(value: Value) -> Result<Self, Problem> {
        let items = value.into_array().map_err(|_| Problem::Type)?;
        // An empty list is written by absence, so that one meaning has one encoding.
        if items.is_empty() || items.len() > LIST_ITEMS_MAX {
            return Err(Problem::Bounds);
        }
        items.into_iter().map(T::decode).collect()
    }
    fn absent() -> Option<Self> {
        Some(Vec::new())
    }
}

impl<T: Field> Field for Option<T> {
    fn encode(&self) -> Option<Value> {
        self.as_ref().and_then(Field::encode)
    }
    fn decode(value: Value) -> Result<Self, Problem> {
        T::decode(value).map(Some)
    }
    fn absent() -> Option<Self> {
        Some(None)
    }
}

/// Declares a record: its struct, its keys on the wire, its writer and its strict reader.
#[macro_export]
macro_rules! record {
    ($(#[$doc:meta])* pub struct $name:ident ($text:literal) {
        $($(#[$fdoc:meta])* $key:literal => $field:ident : $type:ty,)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name { $($(#[$fdoc])* pub $field: $type,)* }

        impl $name {
            /// The record as a value with ascending keys.
            pub fn to_value(&self) -> $crate::codec::Value {
                $crate::codec::map([$(($key, $crate::codec::Field::encode(&self.$field)),)*])
            }
            /// Reads the record and refuses leftovers.
            pub fn from_value(
                value: $crate::codec::Value,
            ) -> Result<Self, $crate::codec::CodecError> {
                let mut fields = $crate::codec::Fields::open($text, value)?;
                let record = Self { $($field: fields.take($key)?,)* };
                fields.done()?;
                Ok(record)
            }
        }

        impl $crate::codec::Field for $name {
            fn encode(&self) -> Option<$crate::codec::Value> { Some(self.to_value()) }
            fn decode(
                value: $crate::codec::Value,
            ) -> Result<Self, $crate::codec::Problem> {
                Self::from_value(value).map_err(|error| match error {
                    $crate::codec::CodecError::Field { problem, .. }
                    | $crate::codec::CodecError::Shape { problem, .. } => problem,
                    $crate::codec::CodecError::Scan(_) => $crate::codec::Problem::Type,
                })
            }
        }
    };
}

/// Declares a closed set of codes: an enum, its numbers on the wire and its words on a screen.
#[macro_export]
macro_rules! codes {
    ($(#[$doc:meta])* pub enum $name:ident {
        $($(#[$vdoc:meta])* $variant:ident = $code:literal $text:literal,)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// Every code, in order.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];
            /// The number on the wire.
            pub fn code(self) -> u64 { match self { $($name::$variant => $code,)* } }
            /// The word on a screen.
            pub fn as_str(self) -> &'static str { match self { $($name::$variant => $text,)* } }
            /// The code that this word names.
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|code| code.as_str() == word)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl $crate::codec::Field for $name {
            fn encode(&self) -> Option<$crate::codec::Value> {
                Some($crate::codec::Value::from(self.code()))
            }
            fn decode(
                value: $crate::codec::Value,
            ) -> Result<Self, $crate::codec::Problem> {
                let code = <u64 as $crate::codec::Field>::decode(value)?;
                let known = Self::ALL.iter().copied().find(|c| c.code() == code);
                known.ok_or($crate::codec::Problem::Invalid)
            }
        }
    };
}
