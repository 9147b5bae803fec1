//! Records of the source: submissions of objects, and the mapping from members of an object to columns of its table.
//!
//! An object of KCIDB is a set of optional properties. Here it is a list of cells, one for each column of its table,
//! so that one implementation of decoding, merging, writing and rendering serves all five kinds.

use jiff::Timestamp;

/// The content of one message.
#[derive(Clone, Debug)]
pub enum Record {
    /// Objects, upgraded to the newest schema, and stored or rejected together.
    Submission(Box<Submission>),
    /// A regular expression that finds an issue in failed builds and tests.
    IssueRegex(Box<IssueRegex>),
}

/// A regular expression of an issue, with its filters. Key: (id).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IssueRegex {
    /// `origin:anything`.
    pub id: String,
    /// Id of the issue that it finds.
    pub issue_id: String,
    /// Version of the issue; without one the highest that is stored.
    pub issue_version: Option<i64>,
    /// Expressions by filter, in the order of `triage::FILTERS`.
    pub filters: [Option<String>; 7],
    /// The only filter that is compared for equality.
    pub package_name: Option<String>,
    /// Whether it has been deleted.
    pub deleted: bool,
    /// Id of the message.
    pub message_id: String,
    /// When the message was sent.
    pub message_at: Option<Timestamp>,
}

/// All objects of a message.
#[derive(Clone, Debug)]
pub struct Submission {
    /// Objects by kind, as in [`Kind::ALL`]; each key once, sorted by key.
    pub objects: [Vec<Object>; 5],
    /// Log excerpts that the objects refer to by hash, each once.
    pub excerpts: Vec<Excerpt>,
    /// The submitter that will ask for a receipt, if any.
    pub receipt_for: Option<String>,
    /// Id of the message.
    pub message_id: String,
    /// When the message was sent.
    pub message_at: Option<Timestamp>,
}

/// A part of a log, stored once for all objects that have the same one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// SHA-256 of the text in UTF-8.
    pub sha256: [u8; 32],
    /// The text.
    pub text: Box<str>,
}

/// The kind of an object, in the order in which the tables are written: parents first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A checkout of source code.
    Checkout,
    /// A build of a checkout.
    Build,
    /// A run of a test on a build.
    Test,
    /// A known problem, in one of its versions.
    Issue,
    /// The statement that a problem occurred, or did not, in a build or test.
    Incident,
}

/// An object. Key: (id), for issues (id, version).
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// `origin:anything`.
    pub id: String,
    /// Version of an issue; 0 for all other kinds.
    pub version: i64,
    /// Values, in the order of [`Kind::columns`].
    pub cells: Vec<Option<Cell>>,
}

/// A borrowed object, for rendering and matching.
#[derive(Clone, Debug)]
pub struct View<'v> {
    /// Its kind.
    pub kind: Kind,
    /// Its id.
    pub id: &'v str,
    /// Version of an issue; 0 for all other kinds.
    pub version: i64,
    /// Values, in the order of [`Kind::columns`].
    pub cells: Vec<Option<&'v Cell>>,
}

impl<'v> View<'v> {
    /// Borrows an object.
    #[must_use]
    pub fn of(kind: Kind, object: &'v Object) -> Self {
        let cells = object.cells.iter().map(Option::as_ref).collect();
        Self { kind, id: &object.id, version: object.version, cells }
    }

    /// The value of a column; `None` also if the kind has no such column.
    #[must_use]
    pub fn cell(&self, name: &str) -> Option<&'v Cell> {
        self.kind.column(name).and_then(|column| self.cells[column])
    }

    /// The value of a column of text or JSON.
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
    /// JSON as text, which PostgreSQL accepts as jsonb.
    Json(Box<str>),
    /// Microseconds since 1970, within the bounds of [`transport::time`](crate::transport::time).
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

/// The type of the cells of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellType {
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

/// A column of a table, and the member of a document of schema 5.3 that is stored in it.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Name in the table.
    pub name: &'static str,
    /// Member of the object that contains the value: `environment`, `number`, `culprit`; else empty.
    pub inside: &'static str,
    /// Name of the member.
    pub member: &'static str,
    /// Type of its cells.
    pub cell_type: CellType,
}

const fn column(name: &'static str, cell_type: CellType) -> Column {
    Column { name, inside: "", member: name, cell_type }
}

const fn renamed(name: &'static str, member: &'static str, cell_type: CellType) -> Column {
    Column { name, inside: "", member, cell_type }
}

const fn inside(inside: &'static str, member: &'static str, name: &'static str, cell_type: CellType) -> Column {
    Column { name, inside, member, cell_type }
}

use CellType::{Flag, Integer, Json, Number, Text, Time};

const LOG_EXCERPT: Column = renamed("log_excerpt_sha256", "log_excerpt", CellType::Excerpt);

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
    // In every table, the column `message_id` is the queue message that changed the row.
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

/// The index of a column. Evaluated in constants, so that an unknown name fails to compile.
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
    /// All kinds, parents first.
    pub const ALL: [Self; 5] = [Self::Checkout, Self::Build, Self::Test, Self::Issue, Self::Incident];

    /// The singular, as in messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        ["checkout", "build", "test", "issue", "incident"][self as usize]
    }

    /// The plural, as in documents.
    #[must_use]
    pub const fn list(self) -> &'static str {
        ["checkouts", "builds", "tests", "issues", "incidents"][self as usize]
    }

    /// Columns of the table besides the key and the provenance (message id and time).
    #[must_use]
    pub const fn columns(self) -> &'static [Column] {
        [CHECKOUT, BUILD, TEST, ISSUE, INCIDENT][self as usize]
    }

    /// The index of a column, if the kind has it.
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

    /// Whether it has no objects.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
