//! Finds known issues in what failed, by regular expressions: which of them match an object, all at once. Pure.
//!
//! The expressions of issues and their eight filters are those of CKI's triager. A filter that an expression does not
//! have lets everything through; those that it has must all match.

use std::borrow::Cow;

use regex::{RegexSet, RegexSetBuilder};
use regex_syntax::ast::{self, Ast};
use serde_json::value::RawValue;

use super::record::{Cell, INCIDENT, IssueRegex, Kind, Object, View, at};
use crate::envelope::Head;

/// Filters that are regular expressions, in the order of [`IssueRegex::filters`].
pub(super) const FILTERS: [&str; 7] = [
    "text_match",
    "file_name_match",
    "test_name_match",
    "testresult_name_match",
    "architecture_match",
    "kpet_tree_name_match",
    "tree_match",
];

/// Bounds what one expression may become.
const SIZE: usize = 1 << 20;

fn set(patterns: &[&str]) -> Result<RegexSet, regex::Error> {
    RegexSetBuilder::new(patterns).multi_line(true).size_limit(SIZE * patterns.len().max(1)).build()
}

/// Whether a text is a regular expression that [`Matcher`] can use, else why not. Only its syntax: ingest needs the parser
/// for this, and neither the engine, which is 2 MB, nor the tables of Unicode, which are 200 kB.
///
/// # Errors
/// In words, when it is none.
pub(super) fn check(pattern: &str) -> Result<(), String> {
    let tree = ast::parse::Parser::new().parse(pattern).map_err(|error| error.to_string())?;
    ast::visit(&tree, Usable)
}

/// Looks for what is well written, and still not for this engine: classes of Unicode by name, for which it has no tables
/// but those of `\w`, `\d` and `\s`, and bytes instead of characters.
struct Usable;

const PROPERTY: &str = "classes of Unicode by name (\\p{..}) are not supported";

impl ast::Visitor for Usable {
    type Output = ();
    type Err = String;

    fn finish(self) -> Result<(), String> {
        Ok(())
    }

    fn visit_pre(&mut self, tree: &Ast) -> Result<(), String> {
        let flags = match tree {
            Ast::ClassUnicode(_) => return Err(PROPERTY.to_owned()),
            Ast::Flags(set) => Some(&set.flags),
            Ast::Group(group) => group.flags(),
            _ => None,
        };
        match flags.and_then(|flags| flags.flag_state(ast::Flag::Unicode)) {
            Some(false) => Err("bytes instead of characters (?-u) are not supported".to_owned()),
            _ => Ok(()),
        }
    }

    fn visit_class_set_item_pre(&mut self, item: &ast::ClassSetItem) -> Result<(), String> {
        match item {
            ast::ClassSetItem::Unicode(_) => Err(PROPERTY.to_owned()),
            _ => Ok(()),
        }
    }
}

/// What of an object, its build and its checkout the filters look at.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Subject<'v> {
    texts: [Vec<Cow<'v, str>>; 7],
    package: Option<Cow<'v, str>>,
}

impl<'v> Subject<'v> {
    /// Of a build or test, with what it belongs to as far as that is there.
    #[must_use]
    pub(super) fn new(
        object: &View<'v>,
        build: Option<&View<'v>>,
        checkout: Option<&View<'v>>,
        excerpt: Option<&'v str>,
    ) -> Self {
        let mut files = names(object.text("output_files"));
        let log = object.text("log_url").and_then(|url| url.rsplit('/').next());
        files.extend(log.map(Cow::Borrowed));
        let is_test = object.kind == Kind::Test;
        let test: Vec<_> =
            [object.text("path"), object.text("comment")].into_iter().flatten().map(Cow::Borrowed).collect();
        let misc = |view: Option<&View<'v>>, name: &str| {
            let head = Head::read(view?.text("misc")?).ok()?;
            head.string(name)
        };
        let anywhere =
            |name: &str| misc(Some(object), name).or_else(|| misc(build, name)).or_else(|| misc(checkout, name));
        let results = object.text("misc").and_then(|misc| Head::read(misc).ok()?.get("results").map(RawValue::get));
        let text = |text: Option<&'v str>| text.map(Cow::Borrowed).into_iter().collect::<Vec<_>>();
        Self {
            texts: [
                text(excerpt),
                files,
                if is_test { test } else { Vec::new() },
                if is_test { names(results) } else { Vec::new() },
                text(build.and_then(|build| build.text("architecture"))),
                anywhere("kpet_tree_name").into_iter().collect(),
                text(checkout.and_then(|checkout| checkout.text("tree_name"))),
            ],
            package: anywhere("package_name"),
        }
    }
}

/// The member `name` of each object in a list.
fn names(json: Option<&str>) -> Vec<Cow<'_, str>> {
    let list: Vec<&RawValue> = json.and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
    list.into_iter().filter_map(|raw| Head::read(raw.get()).ok()?.string("name")).collect()
}

/// Expressions made ready.
pub(super) struct Matcher<'r> {
    regexes: &'r [IssueRegex],
    /// Which of them are too large.
    unusable: Vec<bool>,
    /// For each filter the expressions that have it, and one set of them all.
    sets: [(Vec<usize>, RegexSet); 7],
}

impl<'r> Matcher<'r> {
    /// Makes expressions ready. Each has been checked by [`check`] when it came; one that becomes too large all the same
    /// matches nothing.
    ///
    /// # Errors
    /// When they are too large together.
    pub(super) fn new(regexes: &'r [IssueRegex]) -> Result<Self, String> {
        let mut unusable = vec![false; regexes.len()];
        let mut sets: [(Vec<usize>, RegexSet); 7] = std::array::from_fn(|_| (Vec::new(), RegexSet::empty()));
        for (filter, (having, patterns)) in sets.iter_mut().enumerate() {
            let with = regexes
                .iter()
                .enumerate()
                .filter_map(|(index, regex)| Some((index, regex.filters[filter].as_deref()?)));
            let (mut indexes, mut texts): (Vec<usize>, Vec<&str>) = with.unzip();
            *patterns = match set(&texts) {
                Ok(set) => set,
                Err(_) => {
                    let (usable, rest): (Vec<_>, Vec<_>) =
                        indexes.into_iter().zip(texts).partition(|(_, text)| set(&[text]).is_ok());
                    rest.iter().for_each(|(index, _)| unusable[*index] = true);
                    (indexes, texts) = usable.into_iter().unzip();
                    set(&texts).map_err(|error| format!("{}: {error}", FILTERS[filter]))?
                }
            };
            *having = indexes;
        }
        Ok(Self { regexes, unusable, sets })
    }

    /// The expressions that match.
    #[must_use]
    pub(super) fn matches(&self, subject: &Subject<'_>) -> Vec<&'r IssueRegex> {
        let mut left: Vec<bool> = self
            .regexes
            .iter()
            .zip(&self.unusable)
            .map(|(regex, unusable)| {
                let package = regex.package_name.as_deref();
                !unusable && (package.is_none() || package == subject.package.as_deref())
            })
            .collect();
        for ((having, patterns), texts) in self.sets.iter().zip(&subject.texts) {
            let mut matched = vec![false; having.len()];
            for text in texts {
                for index in patterns.matches(text) {
                    matched[index] = true;
                }
            }
            for (index, matched) in having.iter().zip(matched) {
                left[*index] &= matched;
            }
        }
        self.regexes.iter().zip(left).filter_map(|(regex, left)| left.then_some(regex)).collect()
    }
}

/// The id of the incident that an expression finds in an object.
#[must_use]
pub(super) fn incident_id(regex: &str, object: &View<'_>) -> String {
    format!("{regex}:{}:{}", object.kind.name(), object.id)
}

/// That an issue occurs in an object, or no longer does.
#[must_use]
pub(super) fn incident(regex: &IssueRegex, version: i64, object: &View<'_>, present: bool) -> Object {
    let text = |text: &str| Some(Cell::Text(text.into()));
    let mut cells = vec![None; INCIDENT.len()];
    let origin = regex.id.split_once(':').map_or("_", |(origin, _)| origin);
    cells[at(INCIDENT, "origin")] = text(origin);
    cells[at(INCIDENT, "issue_id")] = text(&regex.issue_id);
    cells[at(INCIDENT, "issue_version")] = Some(Cell::Integer(version));
    let place = if object.kind == Kind::Build { at(INCIDENT, "build_id") } else { at(INCIDENT, "test_id") };
    cells[place] = text(object.id);
    cells[at(INCIDENT, "present")] = Some(Cell::Flag(present));
    let misc = serde_json::json!({"issue_regex": regex.id});
    cells[at(INCIDENT, "misc")] = Some(Cell::Json(misc.to_string().into()));
    Object { id: incident_id(&regex.id, object), version: 0, cells }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn regex(id: &str, filters: &[(&str, &str)]) -> IssueRegex {
        let mut regex = IssueRegex { id: id.to_owned(), issue_id: "o:i".to_owned(), ..IssueRegex::default() };
        for (name, pattern) in filters {
            match FILTERS.iter().position(|filter| filter == name) {
                Some(filter) => regex.filters[filter] = Some((*pattern).to_owned()),
                None => regex.package_name = Some((*pattern).to_owned()),
            }
        }
        regex
    }

    fn object(kind: Kind, members: &[(&str, &str)]) -> Object {
        let mut object = Object { id: "o:1".to_owned(), version: 0, cells: vec![None; kind.columns().len()] };
        for (name, value) in members {
            let column = kind.column(name).unwrap();
            let json = kind.columns()[column].holds == crate::kcidb::Holds::Json;
            let value: Box<str> = (*value).into();
            object.cells[column] = Some(if json { Cell::Json(value) } else { Cell::Text(value) });
        }
        object
    }

    #[test]
    fn all_filters_that_are_there_must_match() {
        let test = object(
            Kind::Test,
            &[
                ("path", "ltp.syscalls.accept01"),
                ("output_files", r#"[{"name":"console.log","url":"u:x"}]"#),
                ("misc", r#"{"results":[{"name":"accept01/2"}],"kpet_tree_name":"rhel9"}"#),
            ],
        );
        let build = object(Kind::Build, &[("architecture", "aarch64"), ("misc", r#"{"package_name":"kernel-rt"}"#)]);
        let checkout = object(Kind::Checkout, &[("tree_name", "c9s")]);
        let (test, build, checkout) =
            (View::of(Kind::Test, &test), View::of(Kind::Build, &build), View::of(Kind::Checkout, &checkout));
        let log = "first line\nkernel BUG at net/core/dev.c:2648!\n";
        let subject = Subject::new(&test, Some(&build), Some(&checkout), Some(log));
        let filters = [
            ("text_match", "^kernel BUG at .*dev\\.c"),
            ("file_name_match", "console"),
            ("test_name_match", "^ltp\\."),
            ("testresult_name_match", "accept"),
            ("architecture_match", "^(aarch64|ppc64le)$"),
            ("kpet_tree_name_match", "rhel"),
            ("tree_match", "^c9s$"),
            ("package_name_match", "kernel-rt"),
        ];
        let mut regexes = vec![regex("o:all", &filters)];
        for filter in filters {
            regexes.push(regex(&format!("o:{} fits", filter.0), &[filter]));
            // The same as before, but for one filter: that is enough not to match.
            let others = filters.map(|other| if other.0 == filter.0 { (filter.0, "nothing like it") } else { other });
            regexes.push(regex(&format!("o:not {}", filter.0), &others));
        }
        regexes.push(regex("o:exact", &[("package_name_match", "kernel")]));
        let matcher = Matcher::new(&regexes).unwrap();
        let found: Vec<&str> = matcher.matches(&subject).into_iter().map(|regex| regex.id.as_str()).collect();
        assert_eq!(found.len(), 9, "{found:?}");
        assert!(found[0] == "o:all" && found[1..].iter().all(|id| id.ends_with(" fits")), "{found:?}");
        // An object without what a filter looks at does not match it.
        assert_eq!(matcher.matches(&Subject::new(&build, Some(&build), None, None)).len(), 2);
    }

    #[test]
    fn expressions_that_cannot_be_used_are_said_to_be_so() {
        assert_eq!(check("a.*b"), Ok(()));
        assert!(check("(?=a)").unwrap_err().contains("look-around"));
        assert!(check("(a").is_err());
        assert!(check("[^\\PL]").unwrap_err().contains("Unicode by name"));
        assert!(check("a(?i-u:b)").unwrap_err().contains("bytes"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        /// What is checked without tables and without the engine is what the engine takes.
        #[test]
        fn what_is_checked_can_be_used(parts in proptest::collection::vec(
            proptest::sample::select(vec![
                "a", "B", "ß", "Σ", "K", ".", "^", "$", "|", "(", ")", "(?:", "(?i)", "(?i:", "(?P<n>", "(?x)", "(?s-m)", "(?u)", "(?-u)",
                "(?-u:", "(?U)", "(?R)", "*", "+", "?", "{2}", "{3,1}", "{,2}", "[", "[^", "]", "-", "a-z", "&&", "--", "~~", "[:alpha:]",
                "[:^word:]", "[:nope:]", "\\w", "\\W", "\\d", "\\S", "\\b", "\\B", "\\b{start}", "\\A", "\\z", "\\Z", "\\1", "\\pL", "\\p{Greek}",
                "\\P{any}", "\\p{nope}", "\\x{41}", "\\xff", "\\u00e9", "\\u{110000}", "\\n", "\\q", "\\", "#", " ", "\n", "(?=", "(?<!",
            ]), 0..7)) {
            let pattern = parts.concat();
            let engine = set(&[&pattern]);
            match check(&pattern) {
                // How large one becomes is not a matter of its syntax; see `Matcher::new`.
                Ok(()) => {
                    prop_assert!(matches!(engine, Ok(_) | Err(regex::Error::CompiledTooBig(_))), "{pattern}: {engine:?}");
                }
                // Where bytes make no difference the engine takes them; tests bring it the tables of `proptest`.
                Err(why) => prop_assert!(engine.is_err() || why.contains("not supported"), "{pattern}: {why}"),
            }
        }
    }

    #[test]
    fn an_expression_that_is_too_large_matches_nothing_and_harms_no_other() {
        let build = object(Kind::Build, &[]);
        let build = View::of(Kind::Build, &build);
        let subject = Subject::new(&build, Some(&build), None, Some("aaaa"));
        let regexes =
            [regex("o:large", &[("text_match", "\\w{1000}{1000}|a")]), regex("o:fits", &[("text_match", "a")])];
        let matcher = Matcher::new(&regexes).unwrap();
        let found: Vec<&str> = matcher.matches(&subject).into_iter().map(|regex| regex.id.as_str()).collect();
        assert_eq!(found, ["o:fits"]);
    }
}
