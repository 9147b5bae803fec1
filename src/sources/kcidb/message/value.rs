//! Deserializers of the values of a document, each of which checks its rule.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::json;
use super::judge::Judge;
use super::rule::Rule;

/// The name of a member, borrowed if it has no escapes.
#[derive(serde::Deserialize)]
pub(super) struct Key<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

/// A string that a rule allows.
pub(super) struct Text<'j>(pub(super) &'j Judge, pub(super) Rule);

impl<'de> DeserializeSeed<'de> for Text<'_> {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Text<'_> {
    type Value = Cow<'de, str>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.1.words())
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        self.0.text(self.1, text)?;
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        self.0.text(self.1, text)?;
        Ok(Cow::Owned(text.to_owned()))
    }
}

/// A number. Numbers in JSON are finite.
pub(super) struct Number;

impl<'de> DeserializeSeed<'de> for Number {
    type Value = f64;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<f64, D::Error> {
        deserializer.deserialize_f64(self)
    }
}

impl Visitor<'_> for Number {
    type Value = f64;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a number")
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<f64, E> {
        Ok(number)
    }

    #[expect(clippy::cast_precision_loss, reason = "KCIDB keeps numbers as double precision")]
    fn visit_i64<E: Error>(self, number: i64) -> Result<f64, E> {
        Ok(number as f64)
    }

    #[expect(clippy::cast_precision_loss, reason = "KCIDB keeps numbers as double precision")]
    fn visit_u64<E: Error>(self, number: u64) -> Result<f64, E> {
        Ok(number as f64)
    }
}

/// A whole number, at least 0. To JSON Schema, `1.0` is a whole number.
pub(super) struct Integer<'j>(pub(super) &'j Judge);

impl<'de> DeserializeSeed<'de> for Integer<'_> {
    type Value = i64;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<i64, D::Error> {
        deserializer.deserialize_i64(self)
    }
}

impl Visitor<'_> for Integer<'_> {
    type Value = i64;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a whole number, at least 0")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<i64, E> {
        i64::try_from(number).map_err(|_| self.0.unstorable("a number above 2^63 - 1"))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<i64, E> {
        if number < 0 {
            return Err(E::custom("a number below 0, expected a whole number, at least 0"));
        }
        Ok(number)
    }

    #[expect(clippy::cast_possible_truncation, reason = "checked just before")]
    fn visit_f64<E: Error>(self, number: f64) -> Result<i64, E> {
        if number < 0.0 || number.fract() != 0.0 {
            return Err(E::custom(format!("{number}, expected a whole number, at least 0")));
        }
        if number >= 9_223_372_036_854_775_808.0 {
            return Err(self.0.unstorable("a number above 2^63 - 1"));
        }
        Ok(number as i64)
    }
}

/// A list of strings; gives it as JSON.
pub(super) struct Texts<'j>(pub(super) &'j Judge, pub(super) Rule);

impl<'de> DeserializeSeed<'de> for Texts<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Texts<'_> {
    type Value = String;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of strings")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<String, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = list.next_element_seed(Text(self.0, self.1))? {
            texts.push(text);
        }
        serde_json::to_string(&texts).map_err(A::Error::custom)
    }
}

/// A list of files; gives it as JSON.
pub(super) struct Files<'j>(pub(super) &'j Judge);

impl<'de> DeserializeSeed<'de> for Files<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Files<'_> {
    type Value = String;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of files")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<String, A::Error> {
        let mut files = Vec::new();
        while let Some(file) = list.next_element_seed(OneFile(self.0))? {
            files.push(file);
        }
        serde_json::to_string(&files).map_err(A::Error::custom)
    }
}

#[derive(serde::Serialize)]
struct File<'a> {
    name: Cow<'a, str>,
    url: Cow<'a, str>,
}

struct OneFile<'j>(&'j Judge);

impl<'de> DeserializeSeed<'de> for OneFile<'_> {
    type Value = File<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<File<'de>, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OneFile<'_> {
    type Value = File<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object with `name` and `url`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<File<'de>, A::Error> {
        let (mut name, mut url) = (None, None);
        while let Some(Key(key)) = map.next_key()? {
            match &*key {
                "name" => name = Some(map.next_value_seed(Text(self.0, Rule::FileName))?),
                "url" => url = Some(map.next_value_seed(Text(self.0, Rule::Uri))?),
                _ => return Err(unknown(&key)),
            }
        }
        let name = name.ok_or_else(|| A::Error::missing_field("name"))?;
        let url = url.ok_or_else(|| A::Error::missing_field("url"))?;
        Ok(File { name: self.0.file_name(name)?, url: self.0.address(Rule::Uri, url) })
    }
}

/// The error for a member that the version does not have.
pub(super) fn unknown<E: Error>(name: &str) -> E {
    let name: String = name.chars().take(40).collect();
    E::custom(format!("unknown member `{name}`"))
}

/// An object of any members; gives its unchanged text.
pub(super) struct Misc<'j>(pub(super) &'j Judge);

impl<'de> DeserializeSeed<'de> for Misc<'_> {
    type Value = &'de str;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<&'de str, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?.get();
        if !raw.starts_with('{') {
            return Err(D::Error::custom("expected an object"));
        }
        match json::problem(raw) {
            Some(problem) => Err(self.0.unstorable(problem)),
            None => Ok(raw),
        }
    }
}
