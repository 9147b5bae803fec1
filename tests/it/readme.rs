//! What the READMEs say against what there is: links, variables, commands and their flags, parameters, alarms.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::source::sources;
use crate::support::{project, yaml};

/// Names in the code that are no part of the README's table, and what they are.
const NOT_IN_README: &[(&str, &str)] = &[
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
    ("PAGE_DATABASE_SECRET", "set by the template: sam/README.md, Pages read only"),
    ("PAGE_DATABASE_URL", "set by the template: sam/README.md, Pages read only"),
    ("PAGE_DATABASE_USER", "set by the template: sam/README.md, Pages read only"),
    ("PG_VERSION", "a file of PostgreSQL"),
    ("TEST_OUTPUT", "a result of Konflux"),
];

/// Variables that texts name and that programs of others read, or tests.
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
    for path in ["README.md", "sam/README.md", "events/README.md"] {
        let text = text(path);
        assert_eq!(broken(path, &text), [""; 0]);
    }
    let text = "# A `b` c\n[x](sam/README.md#alarms) [y](#a-b-c) [z](none.md) [u](#none) ![v](sam/README.md#nothing)";
    assert_eq!(
        broken("README.md", text),
        ["README.md: none.md", "README.md: #none", "README.md: sam/README.md#nothing"]
    );
}

fn is_variable(word: &str) -> bool {
    word.contains('_')
        && word.starts_with(|c: char| c.is_ascii_uppercase())
        && word.ends_with(|c: char| c.is_ascii_uppercase() || c.is_ascii_digit())
        && word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}

/// Variables of the table of a text: what is in backticks in the first cell, `_PORT` after `DATABASE_HOST` being `DATABASE_PORT`.
fn table_of_variables(text: &str) -> BTreeSet<String> {
    let section = text.split_once("\n## Variables\n").unwrap().1.split("\n## ").next().unwrap();
    let mut found = BTreeSet::new();
    for row in section.lines().filter(|line| line.starts_with("| `")) {
        let names: Vec<&str> = spans(row.split('|').nth(1).unwrap()).collect();
        let stem = names[0].split('_').next().unwrap();
        found.extend(names.iter().map(|name| match name.strip_prefix('_') {
            Some(rest) => format!("{stem}_{rest}"),
            None => (*name).to_owned(),
        }));
    }
    found
}

#[test]
fn variables_are_those_that_are_read() {
    let sources = sources("src");
    let texts = sources.iter().flat_map(|source| source.texts()).filter(|text| is_variable(text));
    let read: BTreeSet<String> = texts.map(str::to_owned).collect();
    let told = table_of_variables(&text("README.md"));
    assert!(read.len() > 40 && told.len() > 40, "{read:?} {told:?}");
    let internal = |name: &str| NOT_IN_README.iter().any(|(known, _)| *known == name);
    let missing: Vec<_> = read.difference(&told).filter(|name| !internal(name)).collect();
    assert!(missing.is_empty(), "not in the table of README.md: {missing:?}");
    let unread: Vec<_> = told.difference(&read).collect();
    assert!(unread.is_empty(), "in the table, and nobody reads it: {unread:?}");
    let idle: Vec<_> = NOT_IN_README.iter().filter(|(name, _)| !read.contains(*name) || told.contains(*name)).collect();
    assert!(idle.is_empty(), "excepted for nothing: {idle:?}");

    // And wherever else a text names one.
    for path in ["README.md", "sam/README.md"] {
        let text = text(path);
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).filter(|word| is_variable(word));
        let example = ["GHE_TOKEN", "MY_TOKEN"];
        let known = |word: &str| read.contains(word) || OF_OTHERS.contains(&word) || example.contains(&word);
        let unknown: BTreeSet<&str> = words.filter(|word| !known(word)).collect();
        assert!(unknown.is_empty(), "{path} names what nobody reads: {unknown:?}");
    }
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
    for path in ["README.md", "sam/README.md", "events/README.md"] {
        for words in named(&text(path), &commands) {
            assert_eq!(wrong(&words, &commands), None, "{path}");
            seen.insert(words[0].clone());
        }
    }
    let all: BTreeSet<String> = commands.keys().filter(|name| !name.contains(' ')).cloned().collect();
    let untold: Vec<_> = all.difference(&seen).collect();
    assert!(untold.is_empty(), "commands of which no README tells: {untold:?}");

    let faults = "```sh\ncargo run -- upp # x\nhummingbird-status reconcile --dryrun\ncargo run -- db shell -- -c 'x'\n```\n\
                  `refused shows`, `deliveries list --state\ndead`";
    let found: Vec<_> = named(faults, &commands).iter().filter_map(|words| wrong(words, &commands)).collect();
    assert_eq!(found, ["no such command: upp", "no flag --dryrun: reconcile --dryrun"]);
}

/// The rows of the table of parameters: name and default.
fn table_of_parameters(text: &str) -> BTreeMap<String, String> {
    let section = text.split_once("\n## Parameters\n").unwrap().1.split("\n## ").next().unwrap();
    let mut found = BTreeMap::new();
    for row in section.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.split('|').collect();
        let defaults: Vec<&str> = cells[2].split(',').map(|cell| cell.trim().trim_matches('`')).collect();
        for (place, name) in spans(cells[1]).enumerate() {
            let default = defaults.get(place).or(defaults.last()).unwrap();
            found.insert(name.to_owned(), (*default).to_owned());
        }
    }
    found
}

/// What a table of parameters says otherwise than the template.
fn differences(told: &BTreeMap<String, String>, template: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let parameters = template["Parameters"].as_object().unwrap();
    for (name, parameter) in parameters {
        let default = match &parameter["Default"] {
            Value::Null => "required".to_owned(),
            Value::String(text) if text.is_empty() => "-".to_owned(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        match told.get(name) {
            None => found.push(format!("{name} is not told of")),
            // What is empty stands for something else, which is said.
            Some(said) if default == "-" && said == "as the others" => {}
            Some(said) if *said != default => found.push(format!("{name}: {said} is said, {default} it is")),
            Some(_) => {}
        }
    }
    let gone = told.keys().filter(|name| !parameters.contains_key(*name));
    found.extend(gone.map(|name| format!("{name} is no parameter")));
    found
}

#[test]
fn parameters_are_those_of_the_template() {
    let readme = text("sam/README.md");
    let template = yaml::read(&text("sam/template.yaml"));
    let told = table_of_parameters(&readme);
    assert!(told.len() > 40, "{told:?}");
    assert_eq!(differences(&told, &template), [""; 0]);
    let wrong =
        readme.replace("| `BatchSize`, `BatchWindow` | `100`, `1` |", "| `BatchSize`, `BatchWidth` | `10`, `1` |");
    assert_eq!(
        differences(&table_of_parameters(&wrong), &template),
        ["BatchSize: 10 is said, 100 it is", "BatchWindow is not told of", "BatchWidth is no parameter"]
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

/// Alarms that a runbook has an entry of: what is meant, a line to look with, and what to do.
fn entries(readme: &str) -> BTreeMap<String, &str> {
    let section = readme.split_once("\n## Alarms\n").unwrap().1.split("\n## ").next().unwrap();
    let entries = section.split("\n### `<prefix>-").skip(1);
    entries.filter_map(|entry| entry.split_once("`\n")).map(|(name, rest)| (name.to_owned(), rest)).collect()
}

#[test]
fn each_alarm_has_an_entry_in_the_runbook() {
    let mut all = BTreeSet::new();
    for path in ["sam/template.yaml", "sam/database.yaml"] {
        all.extend(alarms(&yaml::read(&text(path))));
    }
    let readme = text("sam/README.md");
    let told = entries(&readme);
    assert_eq!(told.keys().cloned().collect::<BTreeSet<_>>(), all);
    for (name, entry) in told {
        let entry = entry.split("\n### ").next().unwrap();
        assert!(entry.contains("\n    "), "{name}: nothing to look with");
        assert!(entry.split("\n\n").filter(|part| !part.trim().is_empty()).count() >= 3, "{name}: not what to do");
    }
}
