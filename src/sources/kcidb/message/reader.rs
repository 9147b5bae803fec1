//! Reads a document in one pass: values are checked by the schema of the document's own version while they are read.

use std::collections::HashMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::judge::{Fault, Judge};
use super::rule::Rule;
use super::schema::{self, Field, Into, Value};
use super::upgrade::{self, Draft};
use super::value::{Files, Integer, Key, Misc, Number, Text, Texts, unknown};
use super::version::Version;
use crate::sources::kcidb::record::{Cell, Excerpt, Kind, Object};
use crate::transport::time::bounded_micros;

/// The state of the reading: the objects and excerpts read so far.
pub(super) struct Reader<'de> {
    pub(super) judge: Judge,
    pub(super) objects: [Vec<Object>; 5],
    pub(super) excerpts: Vec<Excerpt>,
    /// Indexes of excerpts by their JSON: most submissions repeat a few of them, so each is unescaped and hashed once.
    known: HashMap<&'de str, usize>,
    /// Ids of the tests that are `waived`.
    waived: Vec<String>,
}

impl<'de> Reader<'de> {
    pub(super) fn new(version: Version, schema_only: bool) -> Self {
        Self {
            judge: Judge::new(version, schema_only),
            objects: Default::default(),
            excerpts: Vec::new(),
            known: HashMap::new(),
            waived: Vec::new(),
        }
    }

    /// Ends the reading: adds the issue and the incidents that stand for `waived` tests.
    pub(super) fn finish(&mut self) {
        if !self.waived.is_empty() {
            self.objects[Kind::Issue as usize].push(upgrade::waived_issue());
        }
        let incidents = self.waived.iter().map(|test| upgrade::waived_incident(test));
        self.objects[Kind::Incident as usize].extend(incidents);
    }

    /// Reads a log excerpt; gives its hash.
    fn excerpt<E: Error>(&mut self, raw: &'de str) -> Result<Cell, E> {
        let index = match self.known.get(raw) {
            Some(index) => *index,
            None => {
                if !raw.starts_with('"') {
                    return Err(E::custom("expected a string"));
                }
                // It has been parsed as JSON before, which accepts halves of surrogate pairs.
                let Ok(Key(text)) = serde_json::from_str(raw) else {
                    return Err(self.judge.unstorable("half of a surrogate pair, which is no character"));
                };
                let length = text.chars().count();
                if length > 16_384 {
                    return Err(E::custom(format!("a string of {length} characters, expected at most 16384")));
                }
                self.judge.text(Rule::Text, &text)?;
                let sha256 = Sha256::digest(text.as_bytes()).into();
                self.excerpts.push(Excerpt { sha256, text: text.into() });
                self.known.insert(raw, self.excerpts.len() - 1);
                self.excerpts.len() - 1
            }
        };
        Ok(Cell::Excerpt(Box::new(self.excerpts[index].sha256)))
    }
}

/// The whole document.
pub(super) struct Document<'r, 'de>(pub(super) &'r mut Reader<'de>);

impl<'de> DeserializeSeed<'de> for Document<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Document<'_, 'de> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a submission of KCIDB")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let lists = schema::lists(self.0.judge.version);
        while let Some(Key(key)) = map.next_key()? {
            if key == "version" {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let Some((_, kind)) = lists.iter().find(|(name, _)| *name == key) else { return Err(unknown(&key)) };
            // Of two lists of one name the last one wins, as everywhere in JSON.
            self.0.objects[*kind as usize].clear();
            if *kind == Kind::Test {
                self.0.waived.clear();
            }
            map.next_value_seed(List(self.0, *kind))?;
        }
        Ok(())
    }
}

struct List<'r, 'de>(&'r mut Reader<'de>, Kind);

impl<'de> DeserializeSeed<'de> for List<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for List<'_, 'de> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a list of {}", self.1.list())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self(reader, kind) = self;
        let fields = schema::fields(kind);
        loop {
            let mut draft = Draft::new(kind);
            if list.next_element_seed(Members { reader, fields, draft: &mut draft })?.is_none() {
                return Ok(());
            }
            let version = reader.judge.version;
            match upgrade::upgrade(draft, kind, version) {
                Ok((object, waived)) => {
                    if waived {
                        reader.waived.push(object.id.clone());
                    }
                    reader.objects[kind as usize].push(object);
                }
                Err(problem) => reader.judge.fail(Fault::Upgrade, || A::Error::custom(problem))?,
            }
        }
    }
}

/// The members of an object, or of an object inside of it.
pub(super) struct Members<'r, 'de, 'd> {
    pub(super) reader: &'r mut Reader<'de>,
    pub(super) fields: &'static [Field],
    pub(super) draft: &'d mut Draft,
}

impl<'de> DeserializeSeed<'de> for Members<'_, 'de, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members<'_, 'de, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let version = self.reader.judge.version;
        let mut seen = 0_u64;
        while let Some(Key(key)) = map.next_key()? {
            let known = self.fields.iter().position(|field| field.name == key && field.is_in(version));
            let Some(index) = known else { return Err(unknown(&key)) };
            seen |= 1 << index;
            self.read(&self.fields[index], &mut map)?;
        }
        let missing = |(index, field): &(usize, &Field)| seen & (1 << index) == 0 && field.is_required(version);
        match self.fields.iter().enumerate().find(missing) {
            Some((_, field)) => Err(A::Error::missing_field(field.name)),
            None => Ok(()),
        }
    }
}

impl<'de> Members<'_, 'de, '_> {
    fn read<A: MapAccess<'de>>(&mut self, field: &Field, map: &mut A) -> Result<(), A::Error> {
        let judge = &self.reader.judge;
        // For a value that is read as raw JSON, the parser may know the path of the object around it only.
        let named = |error: A::Error| A::Error::custom(format_args!("{}: {error}", field.name));
        let cell = match field.value {
            Value::Text(rule) => {
                let text = map.next_value_seed(Text(judge, rule))?;
                if field.into == Into::Id {
                    self.draft.id = Some(text.into_owned());
                    return Ok(());
                }
                Cell::Text(judge.address(rule, text).into())
            }
            Value::Time => {
                let text = map.next_value_seed(Text(judge, Rule::Time))?;
                Cell::Time(bounded_micros(super::time::parse(&text).unwrap_or_default()))
            }
            Value::Texts(rule) => Cell::Json(map.next_value_seed(Texts(judge, rule))?.into()),
            Value::Files => Cell::Json(map.next_value_seed(Files(judge))?.into()),
            Value::Flag => Cell::Flag(map.next_value()?),
            Value::Number => Cell::Number(map.next_value_seed(Number)?),
            Value::Integer => {
                let number = map.next_value_seed(Integer(judge))?;
                if field.into == Into::IssueVersion {
                    self.draft.version = number;
                    return Ok(());
                }
                Cell::Integer(number)
            }
            Value::Excerpt => {
                let raw = map.next_value::<&'de RawValue>()?;
                self.reader.excerpt(raw.get()).map_err(named)?
            }
            Value::Misc => Cell::Json(map.next_value_seed(Misc(judge)).map_err(named)?.into()),
            Value::Inside(fields) => {
                for field in fields {
                    self.put(field.into, None);
                }
                return map.next_value_seed(Members { reader: self.reader, fields, draft: self.draft });
            }
        };
        self.put(field.into, Some(cell));
        Ok(())
    }

    fn put(&mut self, into: Into, cell: Option<Cell>) {
        match (into, cell) {
            (Into::Column(column), cell) => self.draft.cells[column] = cell,
            (Into::Older(older), Some(cell)) => self.draft.older.push((older, cell)),
            _ => {}
        }
    }
}
