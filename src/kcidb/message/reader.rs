//! Reads a document in one pass: what it says is checked while it is read, by the schema of its own version.

use std::borrow::Cow;
use std::cell::Cell as Mutable;
use std::collections::HashMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::rule::Rule;
use super::schema::{self, Field, Into, Value};
use super::upgrade::{self, Draft};
use super::value::{Files, Integer, Key, Misc, Number, Text, Texts, unknown};
use super::version::Version;
use crate::envelope::field::without_credentials;
use crate::envelope::time::bounded_micros;
use crate::kcidb::record::{Cell, Excerpt, Kind, Object};

/// Why a document is refused, beside what the schema says: set just before the error is returned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Fault {
    /// The schema of its version does not allow it.
    #[default]
    Schema,
    /// It is valid, but the newest version does not allow what it would become.
    Upgrade,
    /// It is valid, but PostgreSQL does not store it.
    Storage,
}

/// Says what is allowed.
pub(super) struct Judge {
    pub(super) version: Version,
    /// Whether only the schema counts: to find out if a document that cannot be upgraded is valid at all.
    pub(super) schema_only: bool,
    pub(super) fault: Mutable<Fault>,
}

impl Judge {
    /// Whether a string may be there; if the version allows what the newest does not, it cannot be upgraded.
    pub(super) fn text<E: Error>(&self, rule: Rule, text: &str) -> Result<(), E> {
        let refusal = || E::custom(format!("a string of {} bytes, expected {}", text.len(), rule.words()));
        if !rule.allows(self.version, text) {
            return Err(refusal());
        }
        // What is put together from several members is checked by `upgrade`.
        let changes = self.version < Version::V4_0 && matches!(rule, Rule::Id | Rule::Origin | Rule::Revision)
            || self.version == Version::V1_1 && rule == Rule::FileName;
        if self.version < Version::V5_0 && !changes && !rule.allows(Version::NEWEST, text) {
            return self.fail(Fault::Upgrade, refusal);
        }
        if rule == Rule::Email && text.contains('\0') {
            return Err(self.unstorable("a NUL (\\u0000), which PostgreSQL does not store"));
        }
        Ok(())
    }

    /// An address without the user and password that it may hold: CI systems write the address that they cloned from, with its token.
    pub(super) fn address<'a>(&self, rule: Rule, text: Cow<'a, str>) -> Cow<'a, str> {
        match rule {
            Rule::Repository | Rule::Uri => without_credentials(text),
            _ => text,
        }
    }

    /// The name of a file as the newest version has it: in 1.1 it could be a path.
    pub(super) fn file_name<'a, E: Error>(&self, name: Cow<'a, str>) -> Result<Cow<'a, str>, E> {
        if self.version > Version::V1_1 {
            return Ok(name);
        }
        let name = name.replace('/', "_");
        if !Rule::FileName.allows(Version::NEWEST, &name) {
            let refusal = || E::custom(format!("name: not {}", Rule::FileName.words()));
            self.fail(Fault::Upgrade, refusal)?;
        }
        Ok(name.into())
    }

    /// The error for a value that is valid and cannot be stored.
    pub(super) fn unstorable<E: Error>(&self, what: &str) -> E {
        self.fault.set(Fault::Storage);
        E::custom(what)
    }

    fn fail<E>(&self, fault: Fault, error: impl FnOnce() -> E) -> Result<(), E> {
        if self.schema_only {
            return Ok(());
        }
        self.fault.set(fault);
        Err(error())
    }
}

/// What has been read so far.
pub(super) struct Reader<'de> {
    pub(super) judge: Judge,
    pub(super) objects: [Vec<Object>; 5],
    pub(super) excerpts: Vec<Excerpt>,
    /// Excerpts by their JSON: most of a submission repeats a few of them, so each is unescaped and hashed once.
    known: HashMap<&'de str, usize>,
    waived: Vec<String>,
}

impl<'de> Reader<'de> {
    pub(super) fn new(version: Version, schema_only: bool) -> Self {
        Self {
            judge: Judge { version, schema_only, fault: Mutable::default() },
            objects: Default::default(),
            excerpts: Vec::new(),
            known: HashMap::new(),
            waived: Vec::new(),
        }
    }

    /// Ends the reading: what `waived` meant is added.
    pub(super) fn finish(&mut self) {
        if !self.waived.is_empty() {
            self.objects[Kind::Issue as usize].push(upgrade::waived_issue());
        }
        let incidents = self.waived.iter().map(|test| upgrade::waived_incident(test));
        self.objects[Kind::Incident as usize].extend(incidents);
    }

    /// A part of a log; gives its hash.
    fn excerpt<E: Error>(&mut self, raw: &'de str) -> Result<Cell, E> {
        let index = match self.known.get(raw) {
            Some(index) => *index,
            None => {
                if !raw.starts_with('"') {
                    return Err(E::custom("expected a string"));
                }
                // It has been read as JSON before, where halves of surrogate pairs are let through.
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
            // A list that comes twice: the last one wins, as everywhere in JSON.
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
        // Once a value has been read as raw JSON, the parser may know the place of the object around it only.
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
