//! Words of a status that a later version may extend.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;

/// A closed set of words that this version knows.
pub trait Vocabulary: Copy + Eq + 'static {
    /// Name of the type in the schema.
    const NAME: &'static str;
    /// Longest word that the API server admits, in characters.
    const MAX: u32;
    /// Pattern of the words that the API server admits.
    const PATTERN: &'static str;
    /// Returns the word that is written so. None if this version knows none.
    fn of(text: &str) -> Option<Self>;
    /// Returns the word as text.
    fn word(self) -> &'static str;
}

/// A word that was read: one of ours, or one that another version of the operator wrote. The
/// latter stays as it is, and the API server admits it whatever the version of the CRD.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Open<T> {
    /// A word that this version knows.
    Known(T),
    /// Another word.
    Other(Box<str>),
}

impl<T: Vocabulary> Open<T> {
    /// Returns the word, if this version knows it.
    pub fn known(&self) -> Option<T> {
        match self {
            Self::Known(word) => Some(*word),
            Self::Other(_) => None,
        }
    }

    /// Returns the word as text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(word) => word.word(),
            Self::Other(word) => word,
        }
    }
}

impl<T> From<T> for Open<T> {
    fn from(word: T) -> Self {
        Self::Known(word)
    }
}

impl<T: Vocabulary> PartialEq<T> for Open<T> {
    fn eq(&self, other: &T) -> bool {
        self.known() == Some(*other)
    }
}

impl<T: Vocabulary> fmt::Debug for Open<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<T: Vocabulary> Serialize for Open<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de, T: Vocabulary> Deserialize<'de> for Open<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Ok(T::of(&text).map_or_else(|| Self::Other(text.into()), Self::Known))
    }
}

impl<T: Vocabulary> JsonSchema for Open<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::NAME.into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "maxLength": T::MAX, "pattern": T::PATTERN })
    }
}

#[cfg(test)]
mod tests {
    use super::super::reason::Reason;
    use super::*;

    #[test]
    fn a_word_of_another_version_survives() {
        let read: Open<Reason> = serde_json::from_str(r#""QuantumDecay""#).unwrap();
        assert_eq!((read.known(), read.as_str()), (None, "QuantumDecay"));
        assert_eq!(serde_json::to_string(&read).unwrap(), r#""QuantumDecay""#);
        let ours: Open<Reason> = serde_json::from_str(r#""Pending""#).unwrap();
        assert_eq!(ours, Reason::Pending);
        assert_eq!(format!("{ours:?} {read:?}"), "Pending QuantumDecay");
    }
}
