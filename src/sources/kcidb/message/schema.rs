//! All versions of the schema: which member an object has in which versions, the rule for its value, and its column in
//! the newest version.

use super::rule::Rule;
use super::version::Version::{self, V1_1, V2_0, V3_0, V4_0, V4_1, V4_3, V4_4, V4_5, V5_0, V5_1, V5_2, V5_3};
use crate::sources::kcidb::record::{BUILD, CHECKOUT, Column, INCIDENT, ISSUE, Kind, TEST, at};

/// A member of an object, in the versions `from` to `to`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    from: Version,
    to: Version,
    pub(super) value: Value,
    pub(super) into: Into,
    required: bool,
}

/// The type of a value, with its rule.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value {
    /// A string.
    Text(Rule),
    /// A list of strings.
    Texts(Rule),
    Time,
    Flag,
    Number,
    /// At least 0.
    Integer,
    /// A list of names and addresses of files.
    Files,
    /// At most 16,384 characters of a log.
    Excerpt,
    /// An object of any members.
    Misc,
    /// An object with these members.
    Inside(&'static [Field]),
}

/// The destination of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Into {
    /// The key.
    Id,
    /// The second part of an issue's key.
    IssueVersion,
    /// The column of this index.
    Column(usize),
    /// A value for [`upgrade`](super::upgrade), which converts it.
    Older(Older),
    /// The value is checked and dropped.
    Nothing,
}

/// Members of older versions that the newest version represents in another form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Older {
    OriginId,
    Revision,
    RevisionOrigin,
    RevisionOriginId,
    BuildOrigin,
    BuildOriginId,
    Valid,
    Waived,
}

impl Field {
    pub(super) fn is_in(&self, version: Version) -> bool {
        self.from <= version && version <= self.to
    }

    pub(super) fn is_required(&self, version: Version) -> bool {
        self.required && self.is_in(version)
    }

    const fn from(mut self, version: Version) -> Self {
        self.from = version;
        self
    }

    const fn to(mut self, version: Version) -> Self {
        self.to = version;
        self
    }

    const fn required(mut self) -> Self {
        self.required = true;
        self
    }
}

const fn field(name: &'static str, value: Value, into: Into) -> Field {
    Field { name, from: V1_1, to: V5_3, value, into, required: false }
}

/// Names of the lists that a document of the version may have, with the kind of their objects.
pub(super) fn lists(version: Version) -> &'static [(&'static str, Kind)] {
    const REVISIONS: &[(&str, Kind)] = &[("revisions", Kind::Checkout), ("builds", Kind::Build), ("tests", Kind::Test)];
    const ALL: &[(&str, Kind)] = &[
        ("checkouts", Kind::Checkout),
        ("builds", Kind::Build),
        ("tests", Kind::Test),
        ("issues", Kind::Issue),
        ("incidents", Kind::Incident),
    ];
    match version {
        V1_1 | V2_0 | V3_0 => REVISIONS,
        V4_0 => &ALL[..3],
        _ => ALL,
    }
}

/// The members of an object.
pub(super) const fn fields(kind: Kind) -> &'static [Field] {
    match kind {
        Kind::Checkout => CHECKOUTS,
        Kind::Build => BUILDS,
        Kind::Test => TESTS,
        Kind::Issue => ISSUES,
        Kind::Incident => INCIDENTS,
    }
}

const TIMESTAMP: Field = field("_timestamp", Value::Time, Into::Nothing).from(V4_3);
const ID: Field = field("id", Value::Text(Rule::Id), Into::Id).required().from(V2_0);
const ORIGIN_ID: Field = text("origin_id", Into::Older(Older::OriginId)).required().to(V1_1);

/// A string of any text.
const fn text(name: &'static str, into: Into) -> Field {
    field(name, Value::Text(Rule::Text), into)
}

/// The column of that name.
const fn of(columns: &[Column], name: &str) -> Into {
    Into::Column(at(columns, name))
}

/// `origin`, which is a part of the id in 2.0.
const fn origin(columns: &[Column]) -> [Field; 2] {
    let origin = field("origin", Value::Text(Rule::Origin), of(columns, "origin")).required();
    [origin.to(V1_1), origin.from(V3_0)]
}

const CHECKOUTS: &[Field] = &[
    field("id", Value::Text(Rule::Id), Into::Id).required().from(V4_0),
    field("id", Value::Text(Rule::Revision), Into::Older(Older::Revision)).required().from(V3_0).to(V3_0),
    field("id", Value::Text(Rule::Id), Into::Older(Older::Revision)).required().from(V2_0).to(V2_0),
    ORIGIN_ID,
    origin(CHECKOUT)[0],
    origin(CHECKOUT)[1],
    text("tree_name", of(CHECKOUT, "tree_name")).from(V3_0),
    field("git_repository_url", Value::Text(Rule::Repository), of(CHECKOUT, "git_repository_url")),
    field("git_commit_hash", Value::Text(Rule::Commit), of(CHECKOUT, "git_commit_hash")).from(V3_0),
    field("git_repository_commit_hash", Value::Text(Rule::Commit), of(CHECKOUT, "git_commit_hash")).to(V2_0),
    text("git_commit_name", of(CHECKOUT, "git_commit_name")).from(V3_0),
    text("git_repository_commit_name", of(CHECKOUT, "git_commit_name")).to(V2_0),
    field("git_commit_tags", Value::Texts(Rule::Text), of(CHECKOUT, "git_commit_tags")).from(V4_5),
    text("git_commit_message", of(CHECKOUT, "git_commit_message")).from(V4_5),
    text("git_repository_branch", of(CHECKOUT, "git_repository_branch")),
    field("git_repository_branch_tip", Value::Flag, of(CHECKOUT, "git_repository_branch_tip")).from(V4_5),
    field("patchset_files", Value::Files, of(CHECKOUT, "patchset_files")).from(V4_0),
    field("patch_mboxes", Value::Files, of(CHECKOUT, "patchset_files")).to(V3_0),
    field("patchset_hash", Value::Text(Rule::Patchset), of(CHECKOUT, "patchset_hash")).from(V4_0),
    field("message_id", Value::Text(Rule::Email), of(CHECKOUT, "mail_message_id")),
    text("comment", of(CHECKOUT, "comment")).from(V4_0),
    text("description", of(CHECKOUT, "comment")).to(V3_0),
    field("start_time", Value::Time, of(CHECKOUT, "start_time")).from(V4_0),
    field("discovery_time", Value::Time, of(CHECKOUT, "start_time")).to(V3_0),
    field("publishing_time", Value::Time, Into::Nothing).to(V3_0),
    field("origin_builds_finish_time", Value::Time, of(CHECKOUT, "origin_builds_finish_time")).from(V5_1),
    field("origin_tests_finish_time", Value::Time, of(CHECKOUT, "origin_tests_finish_time")).from(V5_1),
    field("contacts", Value::Texts(Rule::Text), Into::Nothing).to(V4_5),
    field("log_url", Value::Text(Rule::Uri), of(CHECKOUT, "log_url")),
    field("log_excerpt", Value::Excerpt, of(CHECKOUT, "log_excerpt_sha256")).from(V4_0),
    field("valid", Value::Flag, of(CHECKOUT, "valid")),
    field("misc", Value::Misc, of(CHECKOUT, "misc")),
    TIMESTAMP,
];

const BUILDS: &[Field] = &[
    ID,
    ORIGIN_ID,
    origin(BUILD)[0],
    origin(BUILD)[1],
    field("checkout_id", Value::Text(Rule::Id), of(BUILD, "checkout_id")).required().from(V4_0),
    field("revision_id", Value::Text(Rule::Revision), Into::Older(Older::Revision)).required().from(V3_0).to(V3_0),
    field("revision_id", Value::Text(Rule::Id), Into::Older(Older::Revision)).required().from(V2_0).to(V2_0),
    field("revision_origin", Value::Text(Rule::Origin), Into::Older(Older::RevisionOrigin)).required().to(V1_1),
    text("revision_origin_id", Into::Older(Older::RevisionOriginId)).required().to(V1_1),
    text("comment", of(BUILD, "comment")).from(V4_0),
    text("description", of(BUILD, "comment")).to(V3_0),
    field("start_time", Value::Time, of(BUILD, "start_time")),
    field("duration", Value::Number, of(BUILD, "duration")),
    field("architecture", Value::Text(Rule::Architecture), of(BUILD, "architecture")),
    text("command", of(BUILD, "command")),
    text("compiler", of(BUILD, "compiler")),
    field("input_files", Value::Files, of(BUILD, "input_files")),
    field("output_files", Value::Files, of(BUILD, "output_files")),
    text("config_name", of(BUILD, "config_name")),
    field("config_url", Value::Text(Rule::Uri), of(BUILD, "config_url")),
    field("log_url", Value::Text(Rule::Uri), of(BUILD, "log_url")),
    field("log_excerpt", Value::Excerpt, of(BUILD, "log_excerpt_sha256")).from(V4_0),
    field("status", Value::Text(Rule::Status), of(BUILD, "status")).from(V5_0),
    field("valid", Value::Flag, Into::Older(Older::Valid)).to(V4_5),
    field("misc", Value::Misc, of(BUILD, "misc")),
    TIMESTAMP,
];

const TESTS: &[Field] = &[
    ID,
    ORIGIN_ID,
    origin(TEST)[0],
    origin(TEST)[1],
    field("build_id", Value::Text(Rule::Id), of(TEST, "build_id")).required().from(V2_0),
    field("build_origin", Value::Text(Rule::Origin), Into::Older(Older::BuildOrigin)).required().to(V1_1),
    text("build_origin_id", Into::Older(Older::BuildOriginId)).required().to(V1_1),
    field("environment", Value::Inside(ENVIRONMENT), Into::Nothing),
    field("path", Value::Text(Rule::Path), of(TEST, "path")),
    text("comment", of(TEST, "comment")).from(V4_0),
    text("description", of(TEST, "comment")).to(V3_0),
    field("log_url", Value::Text(Rule::Uri), of(TEST, "log_url")).from(V4_0),
    field("log_excerpt", Value::Excerpt, of(TEST, "log_excerpt_sha256")).from(V4_0),
    field("status", Value::Text(Rule::Status), of(TEST, "status")),
    field("waived", Value::Flag, Into::Older(Older::Waived)).to(V4_5),
    field("number", Value::Inside(NUMBER), Into::Nothing).from(V4_4),
    field("start_time", Value::Time, of(TEST, "start_time")),
    field("duration", Value::Number, of(TEST, "duration")),
    field("input_files", Value::Files, of(TEST, "input_files")).from(V5_3),
    field("output_files", Value::Files, of(TEST, "output_files")),
    field("misc", Value::Misc, of(TEST, "misc")),
    TIMESTAMP,
];

const ENVIRONMENT: &[Field] = &[
    text("comment", of(TEST, "environment_comment")).from(V4_0),
    text("description", of(TEST, "environment_comment")).to(V3_0),
    field("compatible", Value::Texts(Rule::Compatible), of(TEST, "environment_compatible")).from(V4_4),
    field("misc", Value::Misc, of(TEST, "environment_misc")),
];

const NUMBER: &[Field] = &[
    field("value", Value::Number, of(TEST, "number_value")).required(),
    text("unit", of(TEST, "number_unit")),
    field("prefix", Value::Text(Rule::Prefix), of(TEST, "number_prefix")),
];

const ISSUES: &[Field] = &[
    ID,
    field("version", Value::Integer, Into::IssueVersion).required().from(V4_1),
    origin(ISSUE)[1],
    field("categories", Value::Texts(Rule::Path), of(ISSUE, "categories")).from(V5_2),
    field("report_url", Value::Text(Rule::Uri), of(ISSUE, "report_url")),
    text("report_subject", of(ISSUE, "report_subject")),
    field("culprit", Value::Inside(CULPRIT), Into::Nothing),
    field("build_valid", Value::Flag, Into::Nothing).to(V4_5),
    field("test_status", Value::Text(Rule::Status), Into::Nothing).to(V4_5),
    text("comment", of(ISSUE, "comment")),
    field("misc", Value::Misc, of(ISSUE, "misc")),
    TIMESTAMP,
];

const CULPRIT: &[Field] = &[
    field("code", Value::Flag, of(ISSUE, "culprit_code")),
    field("tool", Value::Flag, of(ISSUE, "culprit_tool")),
    field("harness", Value::Flag, of(ISSUE, "culprit_harness")),
];

const INCIDENTS: &[Field] = &[
    ID,
    origin(INCIDENT)[1],
    field("issue_id", Value::Text(Rule::Id), of(INCIDENT, "issue_id")).required(),
    field("issue_version", Value::Integer, of(INCIDENT, "issue_version")).required(),
    field("build_id", Value::Text(Rule::Id), of(INCIDENT, "build_id")),
    field("test_id", Value::Text(Rule::Id), of(INCIDENT, "test_id")),
    field("present", Value::Flag, of(INCIDENT, "present")),
    text("comment", of(INCIDENT, "comment")),
    field("misc", Value::Misc, of(INCIDENT, "misc")),
    TIMESTAMP,
];
