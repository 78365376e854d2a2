//! [`Loose`]: JSON of a shape that is not known before, kept within bounds and wiped when dropped.

use super::{MOST_FIELDS, NameRoom, SourceError, Text};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// A value of JSON. Depth is bounded by serde_json.
pub(super) enum Loose {
    Null,
    /// A text, or a number or a truth as text.
    Text(Text),
    List(Vec<Loose>),
    Map(Vec<(Text, Loose)>),
}

impl Loose {
    /// Every text that is not empty, with the names that lead to it.
    ///
    /// # Errors
    ///
    /// [`SourceError::TooLarge`] if these names take more memory than is given to them.
    pub(super) fn leaves(&self, name: &str) -> Result<Vec<(String, &Text)>, SourceError> {
        let mut leaves = Leaves::default();
        leaves.collect(name, self)?;
        Ok(leaves.found)
    }
}

#[derive(Default)]
struct Leaves<'a> {
    found: Vec<(String, &'a Text)>,
    room: NameRoom,
}

impl<'a> Leaves<'a> {
    fn collect(&mut self, name: &str, of: &'a Loose) -> Result<(), SourceError> {
        match of {
            Loose::Null => {}
            Loose::Text(text) if text.is_empty() => {}
            Loose::Text(text) => {
                self.room.take(name.len())?;
                self.found.push((name.to_owned(), text));
            }
            Loose::List(list) => {
                for value in list {
                    self.collect(name, value)?;
                }
            }
            Loose::Map(map) => {
                for (key, value) in map {
                    let name = match name {
                        "" => key.to_string(),
                        name => format!("{name} {}", &**key),
                    };
                    self.collect(&name, value)?;
                }
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Loose;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {MOST_FIELDS} values")
    }

    fn visit_unit<E: Error>(self) -> Result<Loose, E> {
        Ok(Loose::Null)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Loose, E> {
        Ok(Loose::Text(Text::new(text)))
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<Loose, E> {
        self.visit_str(if truth { "true" } else { "false" })
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Loose, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Loose, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Loose, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Loose, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = elements.next_element()? {
            if list.len() >= MOST_FIELDS {
                return Err(A::Error::invalid_length(list.len() + 1, &self));
            }
            list.push(element);
        }
        Ok(Loose::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Loose, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            if pairs.len() >= MOST_FIELDS {
                return Err(A::Error::invalid_length(pairs.len() + 1, &self));
            }
            pairs.push(pair);
        }
        Ok(Loose::Map(pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_found_under_the_names_that_lead_to_it() {
        let json = r#"{"a":"x","b":{"c":1,"d":[true,null,"y",""]},"e":-1.5}"#;
        let loose: Loose = serde_json::from_str(json).unwrap();
        let leaves = loose.leaves("").unwrap();
        let shown: Vec<_> = leaves
            .iter()
            .map(|(name, text)| format!("{name}={}", &***text))
            .collect();
        assert_eq!(shown, ["a=x", "b c=1", "b d=true", "b d=y", "e=-1.5"]);
        assert_eq!(loose.leaves("n").unwrap()[0].0, "n a");
    }

    #[test]
    fn names_that_lead_to_many_are_bounded() {
        let long = "x".repeat(super::super::MOST_BYTES / 4);
        let of = |leaves: &str| {
            let json = format!("{{\"{long}\":[{leaves}]}}");
            let loose: Loose = serde_json::from_str(&json).unwrap();
            loose.leaves("").map(|leaves| leaves.len())
        };
        assert_eq!(of("1,2,3,4").ok(), Some(4));
        assert!(of("1,2,3,4,5").is_err());
    }

    #[test]
    fn depth_and_width_are_bounded() {
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(serde_json::from_str::<Loose>(&deep).is_err());
        let wide = format!("[{}0]", "0,".repeat(MOST_FIELDS));
        assert!(serde_json::from_str::<Loose>(&wide).is_err());
    }
}
