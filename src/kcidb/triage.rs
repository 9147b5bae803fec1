//! Finds known issues in what failed, by regular expressions: which of them match an object. Pure.
//!
//! The expressions of issues and their eight filters are those of CKI's triager. A filter that an expression does not
//! have lets everything through; those that it has must all match.
//!
//! Users write expressions, so nothing here trusts them: their number, their repeats and their size are
//! bounded, and one whose matches take too long is set aside with the reason. Each is compiled for itself, when it is needed
//! first: the engine then finds the literal parts of it quickly, which it cannot do for a set of them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use regex::{Regex, RegexBuilder};
use regex_syntax::ast::{self, Ast, RepetitionKind, RepetitionRange};
use serde_json::value::RawValue;

use super::record::{Cell, INCIDENT, IssueRegex, Kind, Object, View, at};
use crate::envelope::Head;
use crate::sorted;

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

/// Bounds what one expression may become, and what its cache may become.
const SIZE: usize = 1 << 20;
/// Copies of their parts that the repeats of an expression make: `a{7}` makes six.
const COPIES: u64 = 3000;
/// Expressions that are used, those that were changed first.
const MOST: usize = 1000;
/// A match that takes longer is slow: thousands of times what one takes.
const SLOW: Duration = Duration::from_millis(250);
/// Slow matches in a row that set an expression aside.
const SLOW_MATCHES: u8 = 3;

/// An expression that can be matched.
enum Compiled {
    /// As it is written.
    Text(Regex),
    /// One that would be too large so: what is as good for a log, with bytes in the place of characters. A repeat of any
    /// character (`.{0,1000}`) is a tenth as large.
    Bytes(regex::bytes::Regex),
}

impl Compiled {
    fn is_match(&self, text: &str) -> bool {
        match self {
            Self::Text(regex) => regex.is_match(text),
            Self::Bytes(regex) => regex.is_match(text.as_bytes()),
        }
    }
}

fn compile(pattern: &str) -> Result<Compiled, regex::Error> {
    let text = RegexBuilder::new(pattern).multi_line(true).size_limit(SIZE).dfa_size_limit(SIZE).build();
    match text {
        Err(regex::Error::CompiledTooBig(_)) if pattern.is_ascii() => {
            let mut bytes = regex::bytes::RegexBuilder::new(pattern);
            bytes.multi_line(true).unicode(false).size_limit(SIZE).dfa_size_limit(SIZE);
            bytes.build().map(Compiled::Bytes)
        }
        text => text.map(Compiled::Text),
    }
}

/// Whether a text is a regular expression that [`Matcher`] can use, else why not. Only its syntax: ingest needs the parser
/// for this, and neither the engine, which is 2 MB, nor the tables of Unicode, which are 200 kB.
///
/// # Errors
/// In words, when it is none.
pub(super) fn check(pattern: &str) -> Result<(), String> {
    let tree = ast::parse::Parser::new().parse(pattern).map_err(|error| error.to_string())?;
    let (with, without) = sizes(&tree);
    if with - without > COPIES {
        return Err(format!("repeats that stand for more than {COPIES} copies of what they repeat"));
    }
    ast::visit(&tree, Usable)
}

/// How many parts an expression has with its repeats written out, and as it is. The parser bounds the depth.
fn sizes(tree: &Ast) -> (u64, u64) {
    let sum = |parts: &[Ast]| {
        parts.iter().map(sizes).fold((0_u64, 0_u64), |(a, b), (c, d)| (a.saturating_add(c), b.saturating_add(d)))
    };
    match tree {
        Ast::Group(group) => sizes(&group.ast),
        Ast::Concat(concat) => sum(&concat.asts),
        Ast::Alternation(alternation) => sum(&alternation.asts),
        Ast::Repetition(repetition) => {
            let times = match &repetition.op.kind {
                RepetitionKind::Range(RepetitionRange::Exactly(times) | RepetitionRange::AtLeast(times)) => *times,
                RepetitionKind::Range(RepetitionRange::Bounded(_, most)) => *most,
                RepetitionKind::ZeroOrOne | RepetitionKind::ZeroOrMore | RepetitionKind::OneOrMore => 1,
            };
            let (with, without) = sizes(&repetition.ast);
            (with.saturating_mul(u64::from(times.max(1))), without)
        }
        _ => (1, 1),
    }
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

/// An expression as it was read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Known {
    /// The expression.
    pub(super) regex: IssueRegex,
    /// The version of its issue.
    pub(super) version: i64,
    /// Why it is not used, if it was set aside before.
    pub(super) set_aside: Option<String>,
}

/// An expression made ready.
pub(super) struct Ready {
    /// What was read.
    pub(super) known: Known,
    /// Why it is not used, if it is not.
    pub(super) set_aside: Option<String>,
    compiled: [Option<Compiled>; 7],
    slow: u8,
}

/// What [`Matcher::matches`] asks for the time.
pub(super) type Clock<'c> = &'c (dyn Fn() -> Duration + Sync);

/// Expressions made ready, kept from chunk to chunk.
#[derive(Default)]
pub(super) struct Matcher {
    ready: Vec<Ready>,
}

impl Matcher {
    /// Takes the expressions as they are now, in any order. What is known already stays as it is.
    pub(super) fn update(&mut self, mut all: Vec<Known>) {
        sorted::by(&mut all, |a, b| (a.regex.message_at, &a.regex.id).cmp(&(b.regex.message_at, &b.regex.id)));
        let mut before: HashMap<String, Ready> =
            self.ready.drain(..).map(|ready| (ready.known.regex.id.clone(), ready)).collect();
        let mut used = 0;
        for known in all {
            let deleted = known.regex.deleted;
            let mut ready = match before.remove(&known.regex.id).filter(|ready| ready.known.regex == known.regex) {
                Some(ready) => {
                    let set_aside = ready.set_aside.filter(|why| !why.starts_with(MANY));
                    Ready { known, set_aside, ..ready }
                }
                None => Ready { known, set_aside: None, compiled: [const { None }; 7], slow: 0 },
            };
            ready.set_aside = ready.set_aside.take().or_else(|| ready.reason());
            if !deleted && ready.set_aside.is_none() {
                used += 1;
                if used > MOST {
                    ready.set_aside = Some(format!("{MANY} {MOST} expressions"));
                }
            }
            self.ready.push(ready);
        }
    }

    /// All expressions, deleted ones too.
    pub(super) fn all(&self) -> &[Ready] {
        &self.ready
    }

    /// The expressions that match, by their place in [`Matcher::all`]. The clock measures the time that matches take, which
    /// sets slow expressions aside.
    pub(super) fn matches(&mut self, subject: &Subject<'_>, clock: Clock<'_>) -> Vec<usize> {
        let used = self.ready.iter_mut().enumerate().filter(|(_, ready)| !ready.known.regex.deleted);
        used.filter_map(|(place, ready)| ready.matches(subject, clock).then_some(place)).collect()
    }
}

/// What begins the reason of an expression that may be used when others are deleted.
const MANY: &str = "more than";

impl Ready {
    /// Why it was set aside before, or why its syntax does not allow to use it: it may be older than a bound.
    fn reason(&self) -> Option<String> {
        let before = self.known.set_aside.clone().filter(|why| !why.starts_with(MANY));
        let texts = FILTERS.iter().zip(&self.known.regex.filters);
        before.or_else(|| {
            texts
                .filter_map(|(name, text)| Some((name, check(text.as_deref()?).err()?)))
                .next()
                .map(|(name, why)| format!("{name}: {why}"))
        })
    }

    /// Whether all of its filters match.
    fn matches(&mut self, subject: &Subject<'_>, clock: Clock<'_>) -> bool {
        let package = self.known.regex.package_name.as_deref();
        // The text of the log is the longest, so that it comes last.
        (package.is_none() || package == subject.package.as_deref())
            && (1..FILTERS.len()).chain([0]).all(|filter| self.filter_matches(filter, subject, clock))
    }

    fn filter_matches(&mut self, filter: usize, subject: &Subject<'_>, clock: Clock<'_>) -> bool {
        let Some(pattern) = self.known.regex.filters[filter].as_deref() else { return true };
        let texts = &subject.texts[filter];
        if self.set_aside.is_some() || texts.is_empty() {
            return false;
        }
        if self.compiled[filter].is_none() {
            match compile(pattern) {
                Ok(regex) => self.compiled[filter] = Some(regex),
                Err(_) => self.set_aside = Some(format!("{}: too large", FILTERS[filter])),
            }
        }
        let Some(regex) = &self.compiled[filter] else { return false };
        for text in texts {
            let before = clock();
            let found = regex.is_match(text);
            self.slow = if clock().saturating_sub(before) > SLOW { self.slow + 1 } else { 0 };
            if self.slow >= SLOW_MATCHES {
                let slow = SLOW.as_millis();
                let why = format!("{}: too slow, {SLOW_MATCHES} texts took more than {slow} ms each", FILTERS[filter]);
                self.set_aside = Some(why);
                return false;
            }
            if found {
                return true;
            }
        }
        false
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

    fn ready(regexes: &[IssueRegex]) -> Matcher {
        let mut matcher = Matcher::default();
        let known = |regex: &IssueRegex| Known { regex: regex.clone(), version: 1, set_aside: None };
        matcher.update(regexes.iter().map(known).collect());
        matcher
    }

    /// Ids of the expressions that match.
    fn found(matcher: &mut Matcher, subject: &Subject<'_>, clock: Clock<'_>) -> Vec<String> {
        let places = matcher.matches(subject, clock);
        places.into_iter().map(|place| matcher.all()[place].known.regex.id.clone()).collect()
    }

    /// Why expressions are set aside, by id.
    fn set_aside(matcher: &Matcher) -> Vec<(&str, &str)> {
        let all = matcher.all().iter();
        all.filter_map(|ready| Some((ready.known.regex.id.as_str(), ready.set_aside.as_deref()?))).collect()
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
        let mut matcher = ready(&regexes);
        let found = found(&mut matcher, &subject, &|| Duration::ZERO);
        assert_eq!(found.len(), 9, "{found:?}");
        assert!(found[0] == "o:all" && found[1..].iter().all(|id| id.ends_with(" fits")), "{found:?}");
        // An object without what a filter looks at does not match it.
        let nothing = Subject::new(&build, Some(&build), None, None);
        assert_eq!(matcher.matches(&nothing, &|| Duration::ZERO).len(), 2);
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
            let engine = compile(&pattern);
            match check(&pattern) {
                // How large one becomes is not a matter of its syntax; see `Ready`.
                Ok(()) => {
                    prop_assert!(matches!(engine, Ok(_) | Err(regex::Error::CompiledTooBig(_))), "{pattern}");
                }
                // Where bytes make no difference the engine takes them; tests bring it the tables of `proptest`.
                Err(why) => {
                    let ours = why.contains("not supported") || why.contains("copies");
                    prop_assert!(engine.is_err() || ours, "{pattern}: {why}");
                }
            }
        }
    }

    #[test]
    fn an_expression_that_is_too_large_matches_nothing_and_harms_no_other() {
        let build = object(Kind::Build, &[]);
        let build = View::of(Kind::Build, &build);
        let subject = Subject::new(&build, Some(&build), None, Some("aaaa"));
        let regexes =
            [regex("o:large", &[("text_match", "([\\wä][\\Wö]){1400}|a")]), regex("o:fits", &[("text_match", "a")])];
        let mut matcher = ready(&regexes);
        assert_eq!(found(&mut matcher, &subject, &|| Duration::ZERO), ["o:fits"]);
        assert_eq!(set_aside(&matcher), [("o:large", "text_match: too large")]);
    }

    #[test]
    fn repeats_are_bounded() {
        for pattern in
            ["a{3002}", "[a-q][ -t]{7000}~\\z", "(a{100}){100}", "(a{60}b{60}){60}", "((a{1000}){1000}){1000}"]
        {
            assert!(check(pattern).unwrap_err().contains("copies"), "{pattern}");
        }
        let text = "x".repeat(10_000);
        for pattern in
            ["(?s)WORD.{0,300}Call Trace.{0,1000}sym_1", "a{3000}", "(a*)*", "\\d{1,3}(\\.\\d{1,3}){3}", &text]
        {
            assert_eq!(check(pattern), Ok(()));
        }
        // One that is older than the bound is not used.
        let matcher = ready(&[regex("o:old", &[("text_match", "a{7000}")])]);
        assert!(set_aside(&matcher)[0].1.contains("copies"));
    }

    #[test]
    fn a_slow_expression_is_set_aside_and_harms_no_other() {
        let build = object(Kind::Build, &[]);
        let build = View::of(Kind::Build, &build);
        let subject = Subject::new(&build, Some(&build), None, Some("aaaa"));
        let mut matcher = ready(&[regex("o:fast", &[("text_match", "a")]), regex("o:slow", &[("text_match", "aa")])]);
        // Reads of the clock come in pairs, of the fast one and of the slow one in turn.
        let reads = std::sync::atomic::AtomicU32::new(0);
        let clock = || {
            let read = reads.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Duration::from_secs(u64::from(read / 4) * 2 + u64::from(read % 4 == 3))
        };
        for _ in 0..2 {
            assert_eq!(found(&mut matcher, &subject, &clock), ["o:fast", "o:slow"]);
        }
        assert_eq!(found(&mut matcher, &subject, &clock), ["o:fast"]);
        let aside = [("o:slow", "text_match: too slow, 3 texts took more than 250 ms each")];
        assert_eq!(set_aside(&matcher), aside);
        // It stays so, until it is changed.
        let mut known: Vec<Known> = matcher.all().iter().map(|ready| ready.known.clone()).collect();
        matcher.update(known.clone());
        assert_eq!(set_aside(&matcher), aside);
        known[1].regex.message_id = "changed".to_owned();
        matcher.update(known);
        assert_eq!(set_aside(&matcher), []);
    }

    #[test]
    fn those_that_were_changed_last_are_too_many() {
        let one = |number: usize| {
            let mut regex = regex(&format!("o:{number:04}"), &[("text_match", "a")]);
            regex.message_at = jiff::Timestamp::from_second(i64::try_from(MOST + 5 - number).unwrap()).ok();
            regex
        };
        let mut regexes: Vec<IssueRegex> = (0..MOST + 2).map(one).collect();
        let mut matcher = ready(&regexes);
        let aside: Vec<&str> = set_aside(&matcher).into_iter().map(|(id, _)| id).collect();
        assert_eq!(aside, ["o:0001", "o:0000"]);
        regexes[MOST].deleted = true;
        regexes[MOST + 1].deleted = true;
        let known = |regex: &IssueRegex| Known {
            regex: regex.clone(),
            version: 1,
            set_aside: Some("more than 1000 expressions".to_owned()),
        };
        matcher.update(regexes.iter().map(known).collect());
        assert_eq!(set_aside(&matcher), [], "there is room now");
    }
}
