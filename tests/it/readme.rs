//! The documents against the code: links, variables, commands and their flags, parameters, alarms; and their own form.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::source::sources;
use crate::support::{files, project, yaml};

/// All documents. Each but the first is linked from it.
const DOCUMENTS: &[&str] = &[
    "README.md",
    ".github/CHANGELOG.md",
    ".github/CONTRIBUTING.md",
    ".github/SECURITY.md",
    "events/README.md",
    "sam/README.md",
    "src/README.md",
    "tests/bench/README.md",
];
/// Folders that hold documents.
const FOLDERS: &[&str] = &[".github", "events", "sam", "src", "tests"];
/// The document that describes the environment variables.
const VARIABLES: &str = "src/README.md";
/// The README introduces the project: it has at most so many lines.
const LONGEST: usize = 180;

/// Names in the code that are not in the tables of variables, and what they are.
const NOT_A_VARIABLE: &[(&str, &str)] = &[
    ("AWS_ACCESS_KEY_ID", "of the AWS SDK and of Lambda"),
    ("AWS_DEFAULT_REGION", "of the AWS SDK"),
    ("AWS_ENDPOINT_URL_LAMBDA", "of the AWS SDK: AWS_ENDPOINT_URL for one service"),
    ("AWS_ENDPOINT_URL_S3", "of the AWS SDK: AWS_ENDPOINT_URL for one service"),
    ("AWS_ENDPOINT_URL_SECRETS_MANAGER", "of the AWS SDK: AWS_ENDPOINT_URL for one service"),
    ("AWS_ENDPOINT_URL_SESV2", "of the AWS SDK: AWS_ENDPOINT_URL for one service"),
    ("AWS_ENDPOINT_URL_SNS", "of the AWS SDK: AWS_ENDPOINT_URL for one service"),
    ("AWS_ENDPOINT_URL_SQS", "of the AWS SDK: AWS_ENDPOINT_URL for one service"),
    ("AWS_LAMBDA_FUNCTION_NAME", "of Lambda"),
    ("AWS_REGION", "of the AWS SDK and of Lambda"),
    ("AWS_SECRET_ACCESS_KEY", "of the AWS SDK and of Lambda"),
    ("AWS_SESSION_TOKEN", "of the AWS SDK and of Lambda"),
    ("CARGO_PKG_VERSION", "of cargo, when it builds"),
    ("DEBIAN_FRONTEND", "what apt-get is run with"),
    ("HACBS_TEST_OUTPUT", "a result of Konflux"),
    ("IMAGE_DIGEST", "a result of Konflux"),
    ("IMAGE_URL", "a result of Konflux"),
    ("LC_ALL", "what programs are run with"),
    ("PG_VERSION", "a file of PostgreSQL"),
    ("TEST_OUTPUT", "a result of Konflux"),
];

/// Variables that documents name and that other programs or tests read.
const OF_OTHERS: &[&str] = &[
    "CARGO_LAMBDA_COMPILER",
    "CASES_DIR",
    "CHAOS_SECONDS",
    "CHAOS_SEED",
    "CHAOS_WORK",
    "CONFORMANCE_DIR",
    "E2E_BOOTSTRAPS",
    "FUZZ_INPUTS",
    "FUZZ_SECONDS",
    "FUZZ_SEED",
    "INSTA_UPDATE",
    "PROPERTY_FACTOR",
    "RUST_TEST_THREADS",
    "SOURCE_DATE_EPOCH",
];

fn text(path: &str) -> String {
    std::fs::read_to_string(project(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A text without its code blocks, and the blocks.
fn prose_and_blocks(text: &str) -> (String, Vec<String>) {
    let (mut prose, mut blocks, mut fenced) = (String::new(), Vec::new(), None);
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            match fenced.take() {
                Some(block) => blocks.push(block),
                None => fenced = Some(String::new()),
            }
            continue;
        }
        let into = match &mut fenced {
            Some(block) => block,
            None => &mut prose,
        };
        into.push_str(line);
        into.push('\n');
    }
    assert!(fenced.is_none(), "a code block without end");
    (prose, blocks)
}

/// What stands between backticks.
fn spans(prose: &str) -> impl Iterator<Item = &str> {
    prose.split('`').skip(1).step_by(2)
}

/// Targets of links and pictures.
fn targets(prose: &str) -> Vec<&str> {
    let links = prose.match_indices("](").map(|(at, found)| &prose[at + found.len()..]);
    links.filter_map(|rest| rest.split_once(')')).map(|(target, _)| target).collect()
}

/// The anchors of a document, as GitHub makes them of its headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let (prose, _) = prose_and_blocks(text);
    let headings = prose.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let slug = |heading: &str| -> String {
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
    };
    headings.map(slug).collect()
}

/// Links of a document that lead nowhere.
fn broken(path: &str, text: &str) -> Vec<String> {
    let (prose, _) = prose_and_blocks(text);
    let folder = Path::new(path).parent().unwrap();
    let mut found = Vec::new();
    for target in targets(&prose).into_iter().filter(|target| !target.contains("://")) {
        let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
        let to = if file.is_empty() { project(path) } else { project(folder.join(file).to_str().unwrap()) };
        let anchored = || {
            let text = if file.is_empty() { text.to_owned() } else { std::fs::read_to_string(&to).unwrap() };
            anchors(&text).contains(anchor)
        };
        if !to.exists() || (!anchor.is_empty() && !anchored()) {
            found.push(format!("{path}: {target}"));
        }
    }
    found
}

#[test]
fn links_lead_somewhere() {
    for path in DOCUMENTS {
        assert_eq!(broken(path, &text(path)), [""; 0]);
    }
    let text = "# A `b` c\n[x](sam/README.md#alarms) [y](#a-b-c) [z](none.md) [u](#none) ![v](sam/README.md#nothing)";
    assert_eq!(
        broken("README.md", text),
        ["README.md: none.md", "README.md: #none", "README.md: sam/README.md#nothing"]
    );
}

/// What is wrong with the README as the entrance to all documents.
fn flaws(readme: &str, documents: &[String]) -> Vec<String> {
    let (prose, _) = prose_and_blocks(readme);
    let linked: BTreeSet<&str> = targets(&prose).into_iter().filter_map(|target| target.split('#').next()).collect();
    let listed: BTreeSet<&str> = DOCUMENTS.iter().copied().collect();
    let mut found = Vec::new();
    let lines = readme.lines().count();
    if lines > LONGEST {
        found.push(format!("README.md has {lines} lines, at most {LONGEST} are allowed"));
    }
    for document in documents.iter().map(String::as_str).filter(|document| *document != "README.md") {
        if !listed.contains(document) {
            found.push(format!("{document} is not in DOCUMENTS"));
        }
        if !linked.contains(document) {
            found.push(format!("{document} is not linked from README.md"));
        }
    }
    let missing = listed.iter().filter(|path| !documents.iter().any(|document| document == *path));
    found.extend(missing.map(|path| format!("{path} does not exist")));
    found
}

#[test]
fn the_readme_is_short_and_links_all_documents() {
    let of = |folder: &&str| {
        let folder = (*folder).to_owned();
        files(&folder, ".md").into_iter().map(move |(name, _)| format!("{folder}/{name}"))
    };
    let documents: Vec<String> = FOLDERS.iter().flat_map(of).chain(["README.md".to_owned()]).collect();
    let readme = text("README.md");
    assert_eq!(flaws(&readme, &documents), [""; 0]);

    let long = readme.replace("](sam/README.md", "](sam/none.md") + &"\n".repeat(LONGEST);
    let others: Vec<String> =
        documents.iter().filter(|path| *path != "src/README.md").cloned().chain(["sam/new.md".to_owned()]).collect();
    let found = flaws(&long, &others);
    let lines = long.lines().count();
    for flaw in [
        format!("README.md has {lines} lines, at most {LONGEST} are allowed").as_str(),
        "sam/README.md is not linked from README.md",
        "sam/new.md is not in DOCUMENTS",
        "src/README.md does not exist",
    ] {
        assert!(found.iter().any(|found| found == flaw), "{flaw}: {found:?}");
    }
}

/// CI runs what a developer runs.
#[test]
fn the_pipeline_calls_the_script() {
    let pipeline = yaml::read(&text(".gitlab-ci.yml"));
    assert_eq!(pipeline["check"]["script"], serde_json::json!([".ci/run"]));
    assert!(project(".ci/run").is_file());
}

fn is_variable(word: &str) -> bool {
    // Other names without a `_` are words of SQL and HTTP.
    (word == "VERDICTS" || word.contains('_'))
        && word.starts_with(|c: char| c.is_ascii_uppercase())
        && word.ends_with(|c: char| c.is_ascii_uppercase() || c.is_ascii_digit())
        && word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

/// Names in the first cells of the rows of a table, in backticks.
fn first_cells(text: &str) -> impl Iterator<Item = String> {
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    rows.flat_map(|row| spans(row.split('|').nth(1).unwrap()).map(str::to_owned).collect::<Vec<_>>())
}

/// A section of a document, up to the next one of its level.
fn section<'t>(text: &'t str, heading: &str) -> &'t str {
    let (_, rest) = text.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("no section {heading}"));
    rest.split("\n## ").next().unwrap()
}

/// Names that come more than once.
fn doubles(names: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    names.into_iter().filter(|name| !seen.insert(name.clone())).collect()
}

/// Variables that a text describes in a table, in a document or in the documentation of a module.
fn described(text: &str) -> Vec<String> {
    let lines: String = text.lines().map(|line| format!("{}\n", line.strip_prefix("//! ").unwrap_or(line))).collect();
    first_cells(&lines).filter(|name| is_variable(name)).collect()
}

/// What is wrong with the described variables: those that the code reads, and no others, once each.
fn differing(described: &[String], read: &BTreeSet<String>) -> Vec<String> {
    let all: BTreeSet<String> = described.iter().cloned().collect();
    let internal = |name: &str| NOT_A_VARIABLE.iter().any(|(known, _)| *known == name);
    let missing = read.difference(&all).filter(|name| !internal(name)).map(|name| format!("{name} is not described"));
    let unread = all.difference(read).map(|name| format!("{name} is described, and the code does not read it"));
    let twice = doubles(described.to_vec()).into_iter().map(|name| format!("{name} is described twice"));
    missing.chain(unread).chain(twice).collect()
}

#[test]
fn variables_are_those_that_are_read_and_described_once() {
    let sources = sources("src");
    let texts = sources.iter().flat_map(|source| source.texts()).filter(|text| is_variable(text));
    let read: BTreeSet<String> = texts.map(str::to_owned).collect();
    let reference = text(VARIABLES);
    let listed: Vec<String> = first_cells(section(&reference, "Environment variables")).collect();
    assert!(read.len() > 40 && listed.len() > 40, "{read:?} {listed:?}");
    assert_eq!(differing(&listed, &read), [""; 0]);
    let idle: Vec<_> =
        NOT_A_VARIABLE.iter().filter(|(name, _)| !read.contains(*name) || listed.iter().any(|l| l == name)).collect();
    assert!(idle.is_empty(), "excepted for nothing: {idle:?}");

    let planted = [&listed[1..], &[listed[2].clone(), "NOT_READ".to_owned()]].concat();
    let twice = format!("{} is described twice", listed[2]);
    let missing = format!("{} is not described", listed[0]);
    let unread = "NOT_READ is described, and the code does not read it";
    assert_eq!(differing(&planted, &read), [missing.as_str(), unread, twice.as_str()]);

    // No module repeats the description.
    let repeated = |text: &str| described(text).into_iter().filter(|name| listed.contains(name)).collect::<Vec<_>>();
    for source in &sources {
        assert_eq!(repeated(&source.text), [""; 0], "{} describes what {VARIABLES} describes", source.path);
    }
    assert_eq!(
        repeated("//! | `RUST_LOG` | `info` |\n//! | `SQS_QUEUE_URL` | - |\n| `X_Y` | |"),
        ["RUST_LOG", "SQS_QUEUE_URL"]
    );

    // And every document names only such variables.
    let example = ["GHE_TOKEN", "MY_TOKEN"];
    let known = |word: &str| read.contains(word) || OF_OTHERS.contains(&word) || example.contains(&word);
    let unknown = |text: &str| -> BTreeSet<String> {
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).filter(|word| is_variable(word));
        words.filter(|word| !known(word)).map(str::to_owned).collect()
    };
    for path in DOCUMENTS {
        assert_eq!(unknown(&text(path)), BTreeSet::new(), "{path} names variables that the code does not read");
    }
    assert_eq!(unknown("`RUST_LOGS` and SQS_QUEUE"), BTreeSet::from(["RUST_LOGS".to_owned(), "SQS_QUEUE".to_owned()]));
}

/// The help of a command; `None` when there is none of that name.
fn help(command: &[&str]) -> Option<String> {
    let mut program = Command::new(env!("CARGO_BIN_EXE_hummingbird-status"));
    let output = program.args(command).arg("--help").output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

/// The commands that a help lists.
fn listed(help: &str) -> Vec<String> {
    let Some((_, list)) = help.split_once("Commands:\n") else { return Vec::new() };
    let lines = list.lines().take_while(|line| !line.is_empty());
    // Names stand two blanks from the left, and what follows is further in.
    let names = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").map(str::to_owned).collect()
}

/// All commands with their helps, `db dump` by its two words.
fn commands() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for name in listed(&help(&[]).unwrap()) {
        let own = help(&[&name]).unwrap();
        for inner in listed(&own) {
            found.insert(format!("{name} {inner}"), help(&[&name, &inner]).unwrap());
        }
        found.insert(name, own);
    }
    found
}

/// The commands that a text names, as words; what is behind `--`, `|`, `;` or `#` is another's.
fn named(text: &str, commands: &BTreeMap<String, String>) -> Vec<Vec<String>> {
    let (prose, blocks) = prose_and_blocks(text);
    let lines = blocks.iter().flat_map(|block| block.lines()).map(str::to_owned);
    let indented = prose.lines().filter(|line| line.starts_with("    ")).map(str::to_owned);
    // A span may go on in the next line.
    let inline = spans(&prose).map(|span| span.replace('\n', " "));
    let mut found = Vec::new();
    for line in lines.chain(indented).chain(inline) {
        let start =
            ["hummingbird-status ", "cargo run -- "].iter().find_map(|name| Some(line.find(name)? + name.len()));
        let rest = match start {
            Some(at) => &line[at..],
            // `deliveries retry --dead` alone.
            None if line.split(' ').next().is_some_and(|word| commands.contains_key(word)) && line.contains(' ') => {
                &line
            }
            None => continue,
        };
        let words = rest.split_whitespace().map(|word| word.trim_matches(['\'', '"', ')', ',', '.']));
        let own = words.take_while(|word| !word.is_empty() && !["--", "|", ";", "#", "&&", ">"].contains(word));
        found.push(own.map(str::to_owned).collect());
    }
    found.retain(|words: &Vec<String>| !words.is_empty());
    found
}

/// What is wrong with a command that a text names.
fn wrong(words: &[String], commands: &BTreeMap<String, String>) -> Option<String> {
    let all = words.join(" ");
    let two = words.iter().take(2).cloned().collect::<Vec<_>>().join(" ");
    let Some(help) = commands.get(&two).or_else(|| commands.get(&words[0])) else {
        return Some(format!("no such command: {all}"));
    };
    let flags = words.iter().filter(|word| word.starts_with('-')).map(|word| word.split('=').next().unwrap());
    let known: BTreeSet<&str> = help.split(|c: char| c.is_whitespace() || c == ',').collect();
    flags.filter(|flag| !known.contains(flag)).map(|flag| format!("no flag {flag}: {all}")).next()
}

#[test]
fn commands_and_flags_are_those_that_there_are() {
    let commands = commands();
    assert!(commands.len() > 20, "{:?}", commands.keys());
    let mut seen = BTreeSet::new();
    for path in DOCUMENTS {
        for words in named(&text(path), &commands) {
            assert_eq!(wrong(&words, &commands), None, "{path}");
            seen.insert(words[0].clone());
        }
    }
    let all: BTreeSet<String> = commands.keys().filter(|name| !name.contains(' ')).cloned().collect();
    let unnamed: Vec<_> = all.difference(&seen).collect();
    assert!(unnamed.is_empty(), "commands that no document names: {unnamed:?}");

    let faults = "```sh\ncargo run -- upp # x\nhummingbird-status reconcile --dryrun\ncargo run -- db shell -- -c 'x'\n```\n\
                  `refused shows`, `deliveries list --state\ndead`";
    let found: Vec<_> = named(faults, &commands).iter().filter_map(|words| wrong(words, &commands)).collect();
    assert_eq!(found, ["no such command: upp", "no flag --dryrun: reconcile --dryrun"]);
}

/// The rows of the tables of parameters: name and default.
fn tables_of_parameters(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for row in section(text, "Parameters").lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split('|').collect();
        let defaults: Vec<&str> = cells[2].split(',').map(|cell| cell.trim().trim_matches('`')).collect();
        for (place, name) in spans(cells[1]).enumerate() {
            let default = defaults.get(place).or(defaults.last()).unwrap();
            found.push((name.to_owned(), (*default).to_owned()));
        }
    }
    found
}

/// What tables of parameters say otherwise than the template, or twice.
fn differences(rows: &[(String, String)], template: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let described: BTreeMap<&str, &str> =
        rows.iter().map(|(name, default)| (name.as_str(), default.as_str())).collect();
    let parameters = template["Parameters"].as_object().unwrap();
    for (name, parameter) in parameters {
        let default = match &parameter["Default"] {
            Value::Null => "required".to_owned(),
            Value::String(text) if text.is_empty() => "-".to_owned(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        match described.get(name.as_str()) {
            None => found.push(format!("{name} is not described")),
            // An empty one that stands for another, which the row says.
            Some(described) if default == "-" && *described == "as the others" => {}
            Some(described) if *described != default => {
                found.push(format!("{name}: the default is {default}, not {described}"));
            }
            Some(_) => {}
        }
    }
    let gone = described.keys().filter(|name| !parameters.contains_key(**name));
    found.extend(gone.map(|name| format!("{name} is no parameter")));
    let names = rows.iter().map(|(name, _)| name.clone());
    found.extend(doubles(names).into_iter().map(|name| format!("{name} has two rows")));
    found
}

#[test]
fn parameters_are_those_of_the_template() {
    let readme = text("sam/README.md");
    let template = yaml::read(&text("sam/template.yaml"));
    let rows = tables_of_parameters(&readme);
    assert!(rows.len() > 40, "{rows:?}");
    assert_eq!(differences(&rows, &template), [""; 0]);
    let wrong = readme.replace(
        "| `BatchSize`, `BatchWindow` | `100`, `1` |",
        "| `MemorySize` | `256` | |\n| `BatchSize`, `BatchWidth` | `10`, `1` |",
    );
    assert_eq!(
        differences(&tables_of_parameters(&wrong), &template),
        [
            "BatchSize: the default is 100, not 10",
            "BatchWindow is not described",
            "BatchWidth is no parameter",
            "MemorySize has two rows"
        ]
    );
}

/// Names of alarms in a template, without the prefix.
fn alarms(template: &Value) -> BTreeSet<String> {
    let resources = template["Resources"].as_object().unwrap().values();
    let alarms = resources.filter(|resource| resource["Type"] == "AWS::CloudWatch::Alarm");
    alarms
        .map(|alarm| alarm["Properties"]["AlarmName"]["Fn::Sub"].as_str().unwrap().replace("${ResourcePrefix}-", ""))
        .collect()
}

/// The entries of the runbook by alarm: what it means, a command to look with, and what to do.
fn entries(readme: &str) -> BTreeMap<String, &str> {
    let entries = section(readme, "Alarms").split("\n### `<prefix>-").skip(1);
    entries.filter_map(|entry| entry.split_once("`\n")).map(|(name, rest)| (name.to_owned(), rest)).collect()
}

#[test]
fn each_alarm_has_an_entry_in_the_runbook() {
    let mut all = BTreeSet::new();
    for path in ["sam/template.yaml", "sam/database.yaml"] {
        all.extend(alarms(&yaml::read(&text(path))));
    }
    let readme = text("sam/README.md");
    let entries = entries(&readme);
    assert_eq!(entries.keys().cloned().collect::<BTreeSet<_>>(), all);
    for (name, entry) in entries {
        let entry = entry.split("\n### ").next().unwrap();
        assert!(entry.contains("\n    "), "{name}: nothing to look with");
        assert!(entry.split("\n\n").filter(|part| !part.trim().is_empty()).count() >= 3, "{name}: not what to do");
    }
}
