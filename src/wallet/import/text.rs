//! [`Text`]: a text of a source, wiped when dropped; and lists that do not grow without bound.

use super::{MOST_FIELDS, MOST_SECRETS, SourceError};
use serde::de::{
    Deserialize, DeserializeOwned, Deserializer, Error, MapAccess, SeqAccess, Visitor,
};
use serde::{Serialize, Serializer};
use std::cmp::Ordering;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use zeroize::Zeroizing;

/// A text of a source: a value, or a name. No `Debug`: it may be a secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Text(Zeroizing<String>);

impl Text {
    /// A copy of `text`.
    pub fn new(text: &str) -> Text {
        Text(Zeroizing::new(text.to_owned()))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Text {
        Text(Zeroizing::new(text))
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self)
    }
}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Text) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Text) -> Ordering {
        str::cmp(self, other)
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Copied;
        impl Visitor<'_> for Copied {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text::new(text))
            }
        }
        // Not `deserialize_string`, which makes a copy that nobody wipes.
        from.deserialize_str(Copied)
    }
}

/// A list of at most [`MOST_SECRETS`] elements, for `#[serde(deserialize_with)]`.
pub(super) fn bounded<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    from: D,
) -> Result<Vec<T>, D::Error> {
    struct Bounded<T>(PhantomData<T>);
    impl<'de, T: Deserialize<'de>> Visitor<'de> for Bounded<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "a list of at most {MOST_SECRETS} elements")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Vec<T>, A::Error> {
            let mut list = Vec::new();
            while let Some(element) = elements.next_element()? {
                if list.len() >= MOST_SECRETS {
                    return Err(A::Error::invalid_length(list.len() + 1, &self));
                }
                list.push(element);
            }
            Ok(list)
        }

        fn visit_unit<E: Error>(self) -> Result<Vec<T>, E> {
            Ok(Vec::new())
        }
    }
    from.deserialize_any(Bounded(PhantomData))
}

/// Texts by their names, in their order, at most [`MOST_FIELDS`].
#[derive(Clone, Default)]
pub(super) struct Pairs(pub(super) Vec<(Text, Text)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Bounded;
        impl<'de> Visitor<'de> for Bounded {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "at most {MOST_FIELDS} texts by their names")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    if pairs.len() >= MOST_FIELDS {
                        return Err(A::Error::invalid_length(pairs.len() + 1, &self));
                    }
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        from.deserialize_map(Bounded)
    }
}

/// Objects and values that JSON may have: far more than an export of the most secrets, and few enough
/// for a machine's memory. An empty object takes three bytes there, and hundreds once it is read.
const MOST_OBJECTS: usize = 1 << 20;
const MOST_VALUES: usize = 8 << 20;

/// Reads JSON of a format.
pub(super) fn from_json<T: DeserializeOwned>(json: &[u8]) -> Result<T, SourceError> {
    check_shape(json)?;
    serde_json::from_slice(json).map_err(|error| SourceError::Malformed(json_trouble(&error)))
}

/// Counts objects and values by what begins them or stands before them, outside of texts.
fn check_shape(json: &[u8]) -> Result<(), SourceError> {
    let (mut objects, mut values) = (0, 0);
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => {
                // To the end of the text; what is escaped does not end it.
                while let Some(byte) = bytes.next().filter(|byte| **byte != b'"') {
                    if *byte == b'\\' {
                        bytes.next();
                    }
                }
            }
            b'{' => objects += 1,
            b'[' | b',' => values += 1,
            _ => {}
        }
    }
    match objects <= MOST_OBJECTS && values <= MOST_VALUES {
        true => Ok(()),
        false => Err(SourceError::TooLarge(
            "it holds more values than any export of passwords does".into(),
        )),
    }
}

/// Why JSON is not what it should be: where, and of which kind, but nothing of it. serde_json's own
/// messages quote what they found.
fn json_trouble(error: &serde_json::Error) -> String {
    use serde_json::error::Category;
    let what = match error.classify() {
        Category::Eof => "it ends too early",
        Category::Syntax => "it is not JSON",
        Category::Data => "it is JSON, but not of this format",
        Category::Io => "it cannot be read",
    };
    format!("{what} (line {}, column {})", error.line(), error.column())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct List(#[serde(deserialize_with = "bounded")] Vec<Text>);

    #[test]
    fn lists_are_bounded() {
        let json = |len: usize| format!("[{}\"x\"]", "\"x\",".repeat(len - 1));
        let list: List = serde_json::from_str(&json(MOST_SECRETS)).unwrap();
        assert_eq!(list.0.len(), MOST_SECRETS);
        assert!(serde_json::from_str::<List>(&json(MOST_SECRETS + 1)).is_err());
        assert!(serde_json::from_str::<List>("null").unwrap().0.is_empty());
    }

    #[test]
    fn what_would_fill_the_memory_is_refused_before_it_is_read() {
        let shape = |json: &str| check_shape(json.as_bytes()).is_ok();
        assert!(shape(&"{}".repeat(MOST_OBJECTS)) && !shape(&"{}".repeat(MOST_OBJECTS + 1)));
        assert!(shape(&",".repeat(MOST_VALUES)) && !shape(&",".repeat(MOST_VALUES + 1)));
        // Not what stands in texts.
        let text = |end: &str| format!("\"{}{end}", "{,\\\"".repeat(MOST_VALUES + 1));
        assert!(shape(&text("")) && shape(&text("\"")));
        assert!(!shape(&format!(
            "{}{}",
            text("\""),
            "[".repeat(MOST_VALUES + 1)
        )));
    }

    #[test]
    fn trouble_is_told_without_what_it_is_about() {
        for json in ["[\"Secret\", 7]", "[\"Secret\" \"Secret\"]", "[\"Secret"] {
            let error = serde_json::from_str::<List>(json).err().unwrap();
            let told = json_trouble(&error);
            assert!(
                told.contains("line 1") && !told.contains("Secret"),
                "{told}"
            );
        }
    }
}
