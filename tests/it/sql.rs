//! Every statement file: named, single, guarded, and prepared on the migrated schema with the types that a snapshot
//! holds.
//!
//! PostgreSQL checks a statement only when it is prepared, and a batch of arrays only fits by the order of its columns.
//! Both are found out here instead of in production.

pub mod parse;

use std::fmt::Write as _;

use tokio_postgres::types::Type;

use crate::support::source::{Source, sources};
use crate::support::{self, files};
use parse::{Statement, words};

/// Columns that an upsert writes for new rows only, and why.
const NEW_ROWS_ONLY: &[(&str, &[&str], &str)] = &[(
    "upsert_merge_requests",
    &[
        "sha",
        "head_claims",
        "head_version_at",
        "head_message_at",
        "head_message_id",
        "author",
        "author_version_at",
        "author_message_at",
        "author_message_id",
        "merged_at",
        "heard_at",
    ],
    "each has an order of its own, which enrich_merge_requests follows",
)];

/// Columns that an upsert computes of others, and what each is computed of.
const COMPUTED: &[(&str, &[(&str, &str)])] = &[
    ("upsert_merge_requests", &[("sha", "i.head_claims")]),
    ("upsert_pushes", &[("pushed_at", "i.times"), ("first_pushed_at", "i.times")]),
];

/// Arrays that may be rows by `FROM unnest(.., ..)`, which fills a store of its own with each and then reads them all.
/// For 37 of 1,000 values that takes PostgreSQL 15 12 ms, and 4 in the list of a `SELECT`, which takes the next value
/// of each.
const WIDE: usize = 5;

/// All statement files; migrations are scripts, and have tests of their own.
fn statements() -> Vec<Statement> {
    let all = files("src", ".sql").into_iter().filter(|(path, _)| !path.contains("/migrations/"));
    all.map(|(path, text)| Statement::new(&format!("src/{path}"), &String::from_utf8(text).unwrap())).collect()
}

#[test]
fn statements_are_named_single_and_guarded() {
    let all = statements();
    assert!(all.len() >= 17, "only {} files found", all.len());
    let found: Vec<String> = all.iter().flat_map(problems).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The problems of a statement, by its text alone.
fn problems(statement: &Statement) -> Vec<String> {
    let mut found = Vec::new();
    let mut report = |what: String| found.push(format!("{}: {what}", statement.path));
    if statement.text.lines().next() != Some(&format!("-- {}", statement.name)) {
        report(format!("its first line is not `-- {}`", statement.name));
    }
    if statement.code.contains(';') {
        report("a `;`: one statement a file, without an end".to_owned());
    }
    let list = |columns: &[String]| columns.join(", ");
    let computed = COMPUTED.iter().find(|(name, _)| *name == statement.name).map_or(&[][..], |entry| entry.1);
    // Rows that are moved out of another table are no list of arrays: these name the moved columns.
    let moves = statement.code.contains("DELETE FROM ");
    let computed_of = |column: &str| computed.iter().find(|(name, _)| *name == column).map(|(_, of)| *of);
    if statement.code.contains("FROM unnest(") && statement.unnest_params().is_some_and(|params| params.len() > WIDE) {
        report(format!(
            "a table of more than {WIDE} arrays: `FROM (SELECT unnest(..) AS a, ..)` takes a third of the time"
        ));
    }
    if let (Some(params), Some(names)) = (statement.unnest_params(), statement.unnest_names()) {
        if params.len() != names.len() {
            report(format!("unnest has {} arrays and {} names", params.len(), names.len()));
        }
        let numbers = params.iter().map(|param| param.split("::").next().unwrap_or_default().to_owned());
        if !numbers.eq((1..=params.len()).map(|number| format!("${number}"))) {
            report("the arrays of unnest are not $1, $2, .. in order".to_owned());
        }
        if let Some(mut insert) = statement.insert_columns().filter(|_| !moves)
            && {
                insert.retain(|column| computed_of(column).is_none());
                insert != names
            }
        {
            report(format!("INSERT ({}) is not the list of unnest ({})", list(&insert), list(&names)));
        }
    }
    if let (Some(insert), Some(select)) = (statement.insert_columns(), statement.select_items()) {
        if insert.len() != select.len() {
            report(format!("INSERT has {} columns, SELECT {}", insert.len(), select.len()));
        }
        let of_unnest = statement.unnest_names().is_some() && !moves;
        for (column, item) in insert.iter().zip(&select).filter(|_| of_unnest) {
            let of = computed_of(column).map_or_else(|| format!("i.{column}"), str::to_owned);
            if !words(item).any(|word| word == of) {
                report(format!("column {column} gets {item}"));
            }
        }
    }
    if let Some(conflict) = statement.conflict() {
        if !statement.code[..conflict.start].contains("ORDER BY") {
            report("an upsert without ORDER BY: two batches could lock rows crosswise".to_owned());
        }
        if conflict.updates && conflict.guard.is_none() {
            report("DO UPDATE without WHERE: an older message could overwrite a newer one".to_owned());
        }
        for sides in conflict.lopsided() {
            report(format!("a guard whose sides differ: {sides}"));
        }
        for (column, from) in conflict.assignments() {
            if column != from {
                report(format!("{column} = excluded.{from}"));
            }
        }
        let excepted = NEW_ROWS_ONLY.iter().find(|(name, ..)| *name == statement.name).map_or(&[][..], |e| e.1);
        for column in statement.insert_columns().unwrap_or_default() {
            let named = conflict.key.contains(&column)
                || words(&conflict.set).any(|word| word.trim_matches('"') == column.trim_matches('"'));
            if conflict.updates && !named && !excepted.contains(&column.as_str()) {
                report(format!("{column} is inserted and never updated"));
            }
        }
    }
    found
}

#[test]
fn planted_faults_are_reported() {
    let fine = "-- up\nINSERT INTO t (a, b)\nSELECT i.a, i.b::jsonb FROM unnest($1::text[], $2::text[]) AS i (a, b)\n\
                ORDER BY i.a\nON CONFLICT (a) DO UPDATE SET b = excluded.b WHERE t.b < excluded.b";
    let check = |text: &str| problems(&Statement::new("src/x/sql/up.sql", text));
    let reported = |text: &str, old: &str, new: &str, report: &str| {
        assert!(text.contains(old), "{old}");
        let found = check(&text.replacen(old, new, 1));
        assert!(found.iter().any(|problem| problem.contains(report)), "{new}: {found:?}");
    };
    assert_eq!(check(fine), [""; 0]);
    assert_eq!(
        check(&fine.replace(" SET b = excluded.b WHERE t.b < excluded.b", "").replace("UPDATE", "NOTHING")),
        [""; 0]
    );
    for (old, new, report) in [
        ("-- up", "-- down", "its first line is not `-- up`"),
        ("ORDER BY i.a", "; DELETE FROM t ORDER BY i.a", "a `;`"),
        ("ORDER BY i.a\n", "", "without ORDER BY"),
        (" WHERE t.b < excluded.b", "", "without WHERE"),
        ("t.b < excluded.b", "(t.a, t.b) < (excluded.b)", "sides differ: (t.a, t.b) against (excluded.b)"),
        ("b = excluded.b W", "b = excluded.a W", "b = excluded.a"),
        ("b = excluded.b W", "c = excluded.c W", "b is inserted and never updated"),
        ("(a, b)\nSELECT", "(a)\nSELECT", "INSERT has 1 columns, SELECT 2"),
        ("i.a, i.b::jsonb", "i.b, i.a::jsonb", "column a gets i.b"),
        ("AS i (a, b)", "AS i (a, b, c)", "unnest has 2 arrays and 3 names"),
        ("AS i (a, b)", "WITH ORDINALITY AS i (a, b)", "unnest has 2 arrays and 1 names"),
        ("AS i (a, b)", "AS i (b, a)", "INSERT (a, b) is not the list of unnest (b, a)"),
        ("$2::text[]", "$3::text[]", "not $1, $2, .. in order"),
    ] {
        reported(fine, old, new, report);
    }
    let wide = fine.replace(
        "unnest($1::text[], $2::text[]) AS i (a, b)",
        "(SELECT unnest($1::text[]) AS a, unnest($2::text[]) AS b) AS i",
    );
    assert_eq!(check(&wide), [""; 0]);
    for (old, new, report) in [
        ("AS b)", "AS c)", "INSERT (a, b) is not the list of unnest (a, c)"),
        ("$2::text[]", "$3::text[]", "not $1, $2, .. in order"),
        (", unnest($2::text[]) AS b", "", "INSERT (a, b) is not the list of unnest (a)"),
        (
            "(SELECT unnest($1::text[]) AS a, unnest($2::text[]) AS b) AS i",
            "unnest($1, $2, $3, $4, $5, $6) AS i (a, b)",
            "a table of more than 5 arrays",
        ),
    ] {
        reported(&wide, old, new, report);
    }
    let moved =
        fine.replace("INSERT", "WITH gone AS (DELETE FROM u USING unnest($1::text[]) AS i (c) RETURNING u.*)\nINSERT");
    assert_eq!(check(&moved), [""; 0]);
    reported(&moved, "(a, b)\nSELECT", "(a)\nSELECT", "INSERT has 1 columns, SELECT 2");
    assert_eq!(check(&fine.replace("ORDER", "/* ; */ ORDER").replace("jsonb", "jsonb || ';'")), [""; 0]);
}

/// All kinds of Kubernetes objects have one order, `Identity::version`: what guards one guards all.
#[test]
fn all_kinds_of_objects_have_one_guard() {
    let guards: Vec<_> = statements()
        .iter()
        .filter(|statement| statement.path.starts_with("src/sources/konflux/store/sql/upsert_"))
        .map(|statement| (statement.name.clone(), statement.conflict().unwrap().guard))
        .collect();
    assert!(guards.len() >= 4, "{guards:?}");
    for (name, guard) in &guards {
        assert_eq!(*guard, guards[0].1, "{name} against {}", guards[0].0);
    }
}

#[tokio::test]
async fn statements_fit_the_schema() {
    let db = support::database().await;
    let (client, connection) = tokio_postgres::connect(&db.url, tokio_postgres::NoTls).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut text = String::new();
    let mut failed = Vec::new();
    for statement in statements() {
        let prepared = match client.prepare(&statement.text).await {
            Ok(prepared) => prepared,
            Err(error) => {
                failed.push(format!("{}: {}", statement.path, explain(&error)));
                continue;
            }
        };
        let names = statement.unnest_names().unwrap_or_default();
        let params = prepared.params().iter().enumerate().map(|(index, kind)| match names.get(index) {
            Some(name) => format!("{name} {}", type_name(kind)),
            None => format!("${} {}", index + 1, type_name(kind)),
        });
        writeln!(text, "{}", statement.path).unwrap();
        for param in params {
            writeln!(text, "  {param}").unwrap();
        }
        let columns =
            prepared.columns().iter().map(|column| format!("{} {}", column.name(), type_name(column.type_())));
        writeln!(text, "  -> ({})", columns.collect::<Vec<_>>().join(", ")).unwrap();
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    drop(client);
    connection.await.unwrap().unwrap();
    insta::assert_snapshot!(text);
}

/// The parameter and column types that PostgreSQL reports for a statement.
fn explain(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| error.to_string(), ToString::to_string)
}

/// A type as SQL writes it.
fn type_name(kind: &Type) -> String {
    kind.name().strip_prefix('_').map_or_else(|| kind.name().to_owned(), |element| format!("{element}[]"))
}

#[test]
fn every_file_is_used_and_every_use_has_its_file() {
    let statements = statements();
    let mut used: Vec<String> = Vec::new();
    for source in sources("src") {
        let folder = source.path.rsplit_once('/').unwrap().0.to_owned();
        used.extend(
            source.texts().iter().filter(|text| text.starts_with("sql/")).map(|text| format!("{folder}/{text}")),
        );
    }
    used.sort();
    let files: Vec<&str> = statements.iter().map(|statement| statement.path.as_str()).collect();
    assert_eq!(used, files);
}

/// `/* name */ &column(..)`: the labels of a statement's parameters stand in the order of its columns, and each is
/// before the field of that name.
#[test]
fn labels_are_in_the_order_of_the_columns() {
    let statements = statements();
    let mut checked = 0;
    for source in sources("src") {
        for (name, labels) in parse::labels(&source.text) {
            let statement = statements.iter().find(|statement| statement.name == name).unwrap();
            let columns = statement.unnest_names().unwrap();
            assert_eq!(label_problem(&columns, &labels), None, "{}: {name}", source.path);
            checked += labels.len();
        }
    }
    assert!(checked > 100, "only {checked} labels found");
}

/// Fields that may be named otherwise than their columns.
const OTHER_FIELDS: &[(&str, &str)] = &[
    ("ref", "branch"),
    ("ref", "git_ref"),
    ("mr_iid", "request"),
    ("mr_project_id", "request"),
    ("mr_source_branch", "request"),
    ("mr_target_branch", "request"),
    ("parent_project", "parent"),
    ("parent_id", "parent"),
    ("rank", "status"),
    ("ever_bad", "bad_pipelines"),
    ("ever_bad", "bad_jobs"),
    ("message_id", "sent"),
    ("message_at", "sent"),
    ("repo_host", "repo"),
    ("repo_path", "repo"),
    ("context", "contexts"),
    ("wanted_state", "state"),
    ("wanted_description", "description"),
    ("wanted_url", "url"),
    ("updated_at", "at"),
    ("head_at", "head"),
    ("head_message_at", "head"),
    ("head_message_id", "head"),
    ("seen_at", "seen"),
    ("seen_message_at", "seen"),
    ("seen_message_id", "seen"),
];

/// What is wrong with labels and the code behind them, given the columns of the statement.
fn label_problem(columns: &[String], labels: &[(String, String)]) -> Option<String> {
    let names: Vec<&String> = labels.iter().map(|(label, _)| label).collect();
    if !columns.windows(names.len()).any(|part| part.iter().eq(names.iter().copied())) {
        return Some(format!("labels {names:?} do not follow each other among the columns {columns:?}"));
    }
    labels.iter().find_map(|(label, code)| {
        let fits = |part: &str| part == label || OTHER_FIELDS.contains(&(label, part));
        let named = words(code).any(|word| word.rsplit('.').any(fits));
        (!named).then(|| format!("/* {label} */ is before `{}`", code.trim()))
    })
}

#[test]
fn planted_labels_are_reported() {
    let text =
        "include_str!(\"sql/up.sql\") /* b */ &column(&rows, |r| r.b), /* c */ &column(&rows, |r| r.x.c.as_str())";
    let columns = ["a", "b", "c"].map(str::to_owned);
    let problem = |text: &str| parse::labels(text).into_iter().find_map(|(_, labels)| label_problem(&columns, &labels));
    assert_eq!(parse::labels(text)[0].0, "up");
    assert_eq!(problem(text), None);
    assert!(problem(&text.replace("/* c */", "/* a */")).is_some());
    assert!(problem(&text.replace("r.x.c.as", "r.x.d.as")).is_some());
    // Source is read as text, so a label in a comment of another kind is none.
    assert!(parse::labels(&Source::new("src/x.rs", "// /* b */").code).is_empty());
}
