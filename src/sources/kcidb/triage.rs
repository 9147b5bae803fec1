//! Finds known issues in failed builds and tests by regular expressions. Pure.
//!
//! The expressions of issues and their eight filters have the semantics of CKI's triager: all filters that an
//! expression has must match.
//!
//! Expressions come from users and are not trusted: their number, their repetitions and their size are bounded, and an
//! expression whose matches take too long is set aside (a circuit breaker), with the reason stored. Each expression is
//! compiled separately, on first use: the engine then searches for its literal parts quickly, which it cannot do for a
//! set of expressions.

use std::borrow::Cow;
use std::collections::HashMap;
use std::time::Duration;

use regex::{Regex, RegexBuilder};
use regex_syntax::ast::{self, Ast, RepetitionKind, RepetitionRange};
use serde_json::value::RawValue;

use super::record::{Cell, INCIDENT, IssueRegex, Kind, Object, View, at};
use crate::transport::Head;

/// Names of the filters that are regular expressions, in the order of [`IssueRegex::filters`].
pub(super) const FILTERS: [&str; 7] = [
    "text_match",
    "file_name_match",
    "test_name_match",
    "testresult_name_match",
    "architecture_match",
    "kpet_tree_name_match",
    "tree_match",
];

/// Limit in bytes of a compiled expression, and of its cache.
const SIZE_LIMIT: usize = 1 << 20;
/// Limit of the copies of their parts that the repetitions of an expression make: `a{7}` makes six.
const MAX_COPIES: u64 = 3000;
/// Limit of the expressions in use. Those that were changed first are used.
const MAX_EXPRESSIONS: usize = 1000;
/// A match that takes longer is slow: it takes thousands of times as long as a normal one.
const SLOW: Duration = Duration::from_millis(250);
/// Slow matches in a row that set an expression aside.
const SLOW_MATCHES: u8 = 3;

/// An expression that can be matched.
enum Compiled {
    /// Compiled for Unicode characters.
    Text(Regex),
    /// Compiled for bytes, because the Unicode form would exceed the size limit. For logs it is equivalent, and a
    /// repetition of any character (`.{0,1000}`) has a tenth of the size.
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
    let text = RegexBuilder::new(pattern).multi_line(true).size_limit(SIZE_LIMIT).dfa_size_limit(SIZE_LIMIT).build();
    match text {
        Err(regex::Error::CompiledTooBig(_)) if pattern.is_ascii() => {
            let mut bytes = regex::bytes::RegexBuilder::new(pattern);
            bytes.multi_line(true).unicode(false).size_limit(SIZE_LIMIT).dfa_size_limit(SIZE_LIMIT);
            bytes.build().map(Compiled::Bytes)
        }
        text => text.map(Compiled::Text),
    }
}

/// Whether [`Matcher`] can use a regular expression. Checks only its syntax, so that ingest links the parser, but
/// neither the engine (2 MB) nor the tables of Unicode (200 kB).
///
/// # Errors
/// The reason, when the syntax is invalid, not supported, or repeats too much.
pub(super) fn check(pattern: &str) -> Result<(), String> {
    let tree = ast::parse::Parser::new().parse(pattern).map_err(|error| error.to_string())?;
    let (with, without) = sizes(&tree);
    if with - without > MAX_COPIES {
        return Err(format!("repeats that stand for more than {MAX_COPIES} copies of what they repeat"));
    }
    ast::visit(&tree, Usable)
}

/// The number of parts of an expression with its repetitions expanded, and without. The parser bounds the depth.
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

/// Finds valid syntax that the engine does not support: named classes of Unicode, as only the tables of `\w`, `\d` and
/// `\s` are compiled in, and bytes instead of characters.
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

/// The texts of an object, its build and its checkout that the filters are matched with.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Subject<'v> {
    texts: [Vec<Cow<'v, str>>; 7],
    package: Option<Cow<'v, str>>,
}

impl<'v> Subject<'v> {
    /// The subject of a build or test, with its build and checkout as far as they are stored.
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

/// An expression as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Known {
    /// The expression.
    pub(super) regex: IssueRegex,
    /// Version of its issue.
    pub(super) version: i64,
    /// The stored reason for not using it, if it has been set aside.
    pub(super) set_aside: Option<String>,
}

/// An expression with its state in this process.
pub(super) struct Ready {
    /// The stored expression.
    pub(super) known: Known,
    /// The reason for not using it, if it is set aside.
    pub(super) set_aside: Option<String>,
    compiled: [Option<Compiled>; 7],
    /// Slow matches in a row.
    slow: u8,
}

/// The clock of [`Matcher::matches`].
pub(super) type Clock<'c> = &'c (dyn Fn() -> Duration + Sync);

/// All expressions, compiled as needed, cached from chunk to chunk.
#[derive(Default)]
pub(super) struct Matcher {
    ready: Vec<Ready>,
}

impl Matcher {
    /// Replaces the expressions by the stored ones, given in any order. Unchanged ones stay compiled.
    pub(super) fn update(&mut self, mut all: Vec<Known>) {
        all.sort_by(|a, b| (a.regex.message_at, &a.regex.id).cmp(&(b.regex.message_at, &b.regex.id)));
        let mut before: HashMap<String, Ready> =
            self.ready.drain(..).map(|ready| (ready.known.regex.id.clone(), ready)).collect();
        let mut used = 0;
        for known in all {
            let deleted = known.regex.deleted;
            let mut ready = match before.remove(&known.regex.id).filter(|ready| ready.known.regex == known.regex) {
                Some(ready) => {
                    let set_aside = ready.set_aside.filter(|why| !why.starts_with(TOO_MANY));
                    Ready { known, set_aside, ..ready }
                }
                None => Ready { known, set_aside: None, compiled: [const { None }; 7], slow: 0 },
            };
            ready.set_aside = ready.set_aside.take().or_else(|| ready.reason());
            if !deleted && ready.set_aside.is_none() {
                used += 1;
                if used > MAX_EXPRESSIONS {
                    ready.set_aside = Some(format!("{TOO_MANY} {MAX_EXPRESSIONS} expressions"));
                }
            }
            self.ready.push(ready);
        }
    }

    /// All expressions, deleted ones too.
    pub(super) fn all(&self) -> &[Ready] {
        &self.ready
    }

    /// The expressions that match, as indexes of [`Matcher::all`]. The clock measures each match; slow expressions are
    /// set aside.
    pub(super) fn matches(&mut self, subject: &Subject<'_>, clock: Clock<'_>) -> Vec<usize> {
        let used = self.ready.iter_mut().enumerate().filter(|(_, ready)| !ready.known.regex.deleted);
        used.filter_map(|(index, ready)| ready.matches(subject, clock).then_some(index)).collect()
    }
}

/// Prefix of the reason of an expression that becomes usable when others are deleted.
const TOO_MANY: &str = "more than";

impl Ready {
    /// The stored reason, or what is wrong with its syntax: it may have been stored before a limit existed.
    fn reason(&self) -> Option<String> {
        let before = self.known.set_aside.clone().filter(|why| !why.starts_with(TOO_MANY));
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
        // The text of the log is the longest, so it is matched last.
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

/// The incident: the issue of the expression occurs in an object, or no longer does.
#[must_use]
pub(super) fn incident(regex: &IssueRegex, version: i64, object: &View<'_>, present: bool) -> Object {
    let text = |text: &str| Some(Cell::Text(text.into()));
    let mut cells = vec![None; INCIDENT.len()];
    let origin = regex.id.split_once(':').map_or("_", |(origin, _)| origin);
    cells[at(INCIDENT, "origin")] = text(origin);
    cells[at(INCIDENT, "issue_id")] = text(&regex.issue_id);
    cells[at(INCIDENT, "issue_version")] = Some(Cell::Integer(version));
    let parent = if object.kind == Kind::Build { at(INCIDENT, "build_id") } else { at(INCIDENT, "test_id") };
    cells[parent] = text(object.id);
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
            let json = kind.columns()[column].cell_type == crate::sources::kcidb::CellType::Json;
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
        let indexes = matcher.matches(subject, clock);
        indexes.into_iter().map(|index| matcher.all()[index].known.regex.id.clone()).collect()
    }

    /// Ids of the expressions that are set aside, with the reasons.
    fn set_aside(matcher: &Matcher) -> Vec<(&str, &str)> {
        let all = matcher.all().iter();
        all.filter_map(|ready| Some((ready.known.regex.id.as_str(), ready.set_aside.as_deref()?))).collect()
    }

    #[test]
    fn all_filters_of_an_expression_must_match() {
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
            // One filter that does not match is enough.
            let others = filters.map(|other| if other.0 == filter.0 { (filter.0, "nothing like it") } else { other });
            regexes.push(regex(&format!("o:not {}", filter.0), &others));
        }
        regexes.push(regex("o:exact", &[("package_name_match", "kernel")]));
        let mut matcher = ready(&regexes);
        let found = found(&mut matcher, &subject, &|| Duration::ZERO);
        assert_eq!(found.len(), 9, "{found:?}");
        assert!(found[0] == "o:all" && found[1..].iter().all(|id| id.ends_with(" fits")), "{found:?}");
        // A filter does not match an object that lacks the value.
        let nothing = Subject::new(&build, Some(&build), None, None);
        assert_eq!(matcher.matches(&nothing, &|| Duration::ZERO).len(), 2);
    }

    #[test]
    fn unusable_expressions_are_reported() {
        assert_eq!(check("a.*b"), Ok(()));
        assert!(check("(?=a)").unwrap_err().contains("look-around"));
        assert!(check("(a").is_err());
        assert!(check("[^\\PL]").unwrap_err().contains("Unicode by name"));
        assert!(check("a(?i-u:b)").unwrap_err().contains("bytes"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3000))]

        /// The engine accepts exactly the expressions that the check accepts, which has neither the tables nor the
        /// engine.
        #[test]
        fn the_check_agrees_with_the_engine(parts in proptest::collection::vec(
            proptest::sample::select(vec![
                "a", "B", "ß", "Σ", "K", ".", "^", "$", "|", "(", ")", "(?:", "(?i)", "(?i:", "(?P<n>", "(?x)",
                "(?s-m)", "(?u)", "(?-u)", "(?-u:", "(?U)", "(?R)", "*", "+", "?", "{2}", "{3,1}", "{,2}", "[", "[^", "]", "-",
                "a-z", "&&", "--", "~~", "[:alpha:]", "[:^word:]", "[:nope:]", "\\w", "\\W", "\\d", "\\S", "\\b", "\\B",
                "\\b{start}", "\\A", "\\z", "\\Z", "\\1", "\\pL", "\\p{Greek}", "\\P{any}", "\\p{nope}", "\\x{41}",
                "\\xff", "\\u00e9", "\\u{110000}", "\\n", "\\q", "\\", "#", " ", "\n", "(?=", "(?<!",
            ]), 0..7)) {
            let pattern = parts.concat();
            let engine = compile(&pattern);
            match check(&pattern) {
                // The compiled size does not follow from the syntax; see `Ready`.
                Ok(()) => {
                    prop_assert!(matches!(engine, Ok(_) | Err(regex::Error::CompiledTooBig(_))), "{pattern}");
                }
                // The engine accepts bytes where they make no difference, and in tests it has the tables of `proptest`.
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
    fn repetitions_are_bounded() {
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
        // An expression that was stored before the limit existed is not used.
        let matcher = ready(&[regex("o:old", &[("text_match", "a{7000}")])]);
        assert!(set_aside(&matcher)[0].1.contains("copies"));
    }

    #[test]
    fn a_slow_expression_is_set_aside_and_harms_no_other() {
        let build = object(Kind::Build, &[]);
        let build = View::of(Kind::Build, &build);
        let subject = Subject::new(&build, Some(&build), None, Some("aaaa"));
        let mut matcher = ready(&[regex("o:fast", &[("text_match", "a")]), regex("o:slow", &[("text_match", "aa")])]);
        // The clock is read twice for each match: of the fast expression, then of the slow one.
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
        // It stays set aside until it is changed.
        let mut known: Vec<Known> = matcher.all().iter().map(|ready| ready.known.clone()).collect();
        matcher.update(known.clone());
        assert_eq!(set_aside(&matcher), aside);
        known[1].regex.message_id = "changed".to_owned();
        matcher.update(known);
        assert_eq!(set_aside(&matcher), []);
    }

    #[test]
    fn expressions_changed_last_exceed_the_limit() {
        let one = |number: usize| {
            let mut regex = regex(&format!("o:{number:04}"), &[("text_match", "a")]);
            regex.message_at = jiff::Timestamp::from_second(i64::try_from(MAX_EXPRESSIONS + 5 - number).unwrap()).ok();
            regex
        };
        let mut regexes: Vec<IssueRegex> = (0..MAX_EXPRESSIONS + 2).map(one).collect();
        let mut matcher = ready(&regexes);
        let aside: Vec<&str> = set_aside(&matcher).into_iter().map(|(id, _)| id).collect();
        assert_eq!(aside, ["o:0001", "o:0000"]);
        regexes[MAX_EXPRESSIONS].deleted = true;
        regexes[MAX_EXPRESSIONS + 1].deleted = true;
        let known = |regex: &IssueRegex| Known {
            regex: regex.clone(),
            version: 1,
            set_aside: Some("more than 1000 expressions".to_owned()),
        };
        matcher.update(regexes.iter().map(known).collect());
        assert_eq!(set_aside(&matcher), [], "two others are deleted");
    }
}
