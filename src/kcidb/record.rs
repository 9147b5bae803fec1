//! What the family keeps: submissions of objects, and which column holds which member of an object.
//!
//! An object of KCIDB is a set of optional properties. Here it is a list of cells, one for each column of its table,
//! so that reading, merging, writing and showing are written once for all five kinds.

use jiff::Timestamp;

/// What one message says: a whole submission, upgraded to the newest schema.
#[derive(Clone, Debug)]
pub enum Record {
    /// Objects, kept or refused together.
    Submission(Box<Submission>),
    /// How an issue is found in what failed.
    IssueRegex(Box<IssueRegex>),
}

/// A regular expression of an issue, with its filters. Key: (id).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IssueRegex {
    /// `origin:anything`.
    pub id: String,
    /// The issue that it finds.
    pub issue_id: String,
    /// In which version; without one the highest that is known.
    pub issue_version: Option<i64>,
    /// Expressions by filter, as in `triage::FILTERS`.
    pub filters: [Option<String>; 7],
    /// The one filter that must be equal.
    pub package_name: Option<String>,
    /// Whether it is used no more.
    pub deleted: bool,
    /// Message that told.
    pub message_id: String,
    /// When that was sent.
    pub message_at: Option<Timestamp>,
}

/// All objects of a message.
#[derive(Clone, Debug)]
pub struct Submission {
    /// Objects by kind, as in [`Kind::ALL`]; each key once, sorted by key.
    pub objects: [Vec<Object>; 5],
    /// Texts of the excerpts that the objects name by their hash, each once.
    pub excerpts: Vec<Excerpt>,
    /// Who waits to hear that it was kept, if anybody does.
    pub receipt_for: Option<String>,
    /// Message that told.
    pub message_id: String,
    /// When that was sent.
    pub message_at: Option<Timestamp>,
}

/// A part of a log, kept once however many objects show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// Hash of the text in UTF-8.
    pub sha256: [u8; 32],
    /// The text.
    pub text: Box<str>,
}

/// What an object is. In the order in which the tables are written: parents first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Source code that was checked out.
    Checkout,
    /// A build of a checkout.
    Build,
    /// A run of a test on a build.
    Test,
    /// A known problem, in one of its versions.
    Issue,
    /// That a problem was seen, or was not, in a build or test.
    Incident,
}

/// An object. Key: (id), for issues (id, version).
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// `origin:anything`.
    pub id: String,
    /// Version of an issue; 0 for all other kinds.
    pub version: i64,
    /// Values by column, in the order of [`Kind::columns`].
    pub cells: Vec<Option<Cell>>,
}

/// An object that somebody else holds, to be shown.
#[derive(Clone, Debug)]
pub struct View<'v> {
    /// What it is.
    pub kind: Kind,
    /// Its id.
    pub id: &'v str,
    /// Version of an issue; 0 for all other kinds.
    pub version: i64,
    /// Values by column.
    pub cells: Vec<Option<&'v Cell>>,
}

impl<'v> View<'v> {
    /// Of an object.
    #[must_use]
    pub fn of(kind: Kind, object: &'v Object) -> Self {
        let cells = object.cells.iter().map(Option::as_ref).collect();
        Self { kind, id: &object.id, version: object.version, cells }
    }

    /// The value of a column; none, too, if the kind has no such column.
    #[must_use]
    pub fn cell(&self, name: &str) -> Option<&'v Cell> {
        self.kind.column(name).and_then(|column| self.cells[column])
    }

    /// The text of a column.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&'v str> {
        match self.cell(name)? {
            Cell::Text(text) | Cell::Json(text) => Some(text),
            _ => None,
        }
    }
}

/// A value that is not null.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// Text without NUL.
    Text(Box<str>),
    /// JSON as text, fit for jsonb.
    Json(Box<str>),
    /// Microseconds since 1970, within the bounds of [`envelope::time`](crate::envelope::time).
    Time(i64),
    /// Yes or no.
    Flag(bool),
    /// A finite number.
    Number(f64),
    /// A whole number from 0.
    Integer(i64),
    /// Hash of an [`Excerpt`].
    Excerpt(Box<[u8; 32]>),
}

/// What the cells of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holds {
    /// [`Cell::Text`]
    Text,
    /// [`Cell::Json`]
    Json,
    /// [`Cell::Time`]
    Time,
    /// [`Cell::Flag`]
    Flag,
    /// [`Cell::Number`]
    Number,
    /// [`Cell::Integer`]
    Integer,
    /// [`Cell::Excerpt`]
    Excerpt,
}

/// A column of a table, and the member of a document of schema 5.3 that it holds.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Name in the table.
    pub name: &'static str,
    /// Member of the object that the value is inside of: `environment`, `number`, `culprit`; else empty.
    pub inside: &'static str,
    /// Name of the member.
    pub member: &'static str,
    /// What it holds.
    pub holds: Holds,
}

const fn column(name: &'static str, holds: Holds) -> Column {
    Column { name, inside: "", member: name, holds }
}

const fn renamed(name: &'static str, member: &'static str, holds: Holds) -> Column {
    Column { name, inside: "", member, holds }
}

const fn inside(inside: &'static str, member: &'static str, name: &'static str, holds: Holds) -> Column {
    Column { name, inside, member, holds }
}

use Holds::{Flag, Integer, Json, Number, Text, Time};

const LOG_EXCERPT: Column = renamed("log_excerpt_sha256", "log_excerpt", Holds::Excerpt);

pub(super) const CHECKOUT: &[Column] = &[
    column("origin", Text),
    column("tree_name", Text),
    column("git_repository_url", Text),
    column("git_commit_hash", Text),
    column("git_commit_name", Text),
    column("git_commit_tags", Json),
    column("git_commit_message", Text),
    column("git_repository_branch", Text),
    column("git_repository_branch_tip", Flag),
    column("patchset_files", Json),
    column("patchset_hash", Text),
    // `message_id` is the message of ours that changed the row, as in every table.
    renamed("mail_message_id", "message_id", Text),
    column("comment", Text),
    column("start_time", Time),
    column("origin_builds_finish_time", Time),
    column("origin_tests_finish_time", Time),
    column("log_url", Text),
    LOG_EXCERPT,
    column("valid", Flag),
    column("misc", Json),
];

pub(super) const BUILD: &[Column] = &[
    column("checkout_id", Text),
    column("origin", Text),
    column("comment", Text),
    column("start_time", Time),
    column("duration", Number),
    column("architecture", Text),
    column("command", Text),
    column("compiler", Text),
    column("input_files", Json),
    column("output_files", Json),
    column("config_name", Text),
    column("config_url", Text),
    column("log_url", Text),
    LOG_EXCERPT,
    column("status", Text),
    column("misc", Json),
];

pub(super) const TEST: &[Column] = &[
    column("build_id", Text),
    column("origin", Text),
    inside("environment", "comment", "environment_comment", Text),
    inside("environment", "compatible", "environment_compatible", Json),
    inside("environment", "misc", "environment_misc", Json),
    column("path", Text),
    column("comment", Text),
    column("log_url", Text),
    LOG_EXCERPT,
    column("status", Text),
    inside("number", "value", "number_value", Number),
    inside("number", "unit", "number_unit", Text),
    inside("number", "prefix", "number_prefix", Text),
    column("start_time", Time),
    column("duration", Number),
    column("input_files", Json),
    column("output_files", Json),
    column("misc", Json),
];

pub(super) const ISSUE: &[Column] = &[
    column("origin", Text),
    column("categories", Json),
    column("report_url", Text),
    column("report_subject", Text),
    inside("culprit", "code", "culprit_code", Flag),
    inside("culprit", "tool", "culprit_tool", Flag),
    inside("culprit", "harness", "culprit_harness", Flag),
    column("comment", Text),
    column("misc", Json),
];

pub(super) const INCIDENT: &[Column] = &[
    column("origin", Text),
    column("issue_id", Text),
    column("issue_version", Integer),
    column("build_id", Text),
    column("test_id", Text),
    column("present", Flag),
    column("comment", Text),
    column("misc", Json),
];

/// Where a column stands; for constants, so that a name that is not there does not compile.
pub(super) const fn at(columns: &[Column], name: &str) -> usize {
    let mut index = 0;
    while index < columns.len() {
        if same(columns[index].name.as_bytes(), name.as_bytes()) {
            return index;
        }
        index += 1;
    }
    panic!("no column of that name")
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    let mut index = 0;
    while index < a.len() && index < b.len() && a[index] == b[index] {
        index += 1;
    }
    index == a.len() && index == b.len()
}

impl Kind {
    /// All of them, parents first.
    pub const ALL: [Self; 5] = [Self::Checkout, Self::Build, Self::Test, Self::Issue, Self::Incident];

    /// The word for one, as in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        ["checkout", "build", "test", "issue", "incident"][self as usize]
    }

    /// The word for many, as in documents.
    #[must_use]
    pub const fn list(self) -> &'static str {
        ["checkouts", "builds", "tests", "issues", "incidents"][self as usize]
    }

    /// Columns of the table besides the key and the provenance.
    #[must_use]
    pub const fn columns(self) -> &'static [Column] {
        [CHECKOUT, BUILD, TEST, ISSUE, INCIDENT][self as usize]
    }

    /// Where a column stands, if the kind has it.
    #[must_use]
    pub fn column(self, name: &str) -> Option<usize> {
        self.columns().iter().position(|column| column.name == name)
    }
}

impl Submission {
    /// Number of objects.
    #[must_use]
    pub fn len(&self) -> usize {
        self.objects.iter().map(Vec::len).sum()
    }

    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
