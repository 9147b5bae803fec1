//! Cycles of files: a file uses another one, which uses the first again, directly or over others.
//!
//! Names that a module passes on (`pub use`) count for the file that defines them. A file may use the modules that it
//! is inside of: `mod.rs` holds what the files of its folder share.

use std::collections::{BTreeMap, BTreeSet};

use super::rules::{module, target};
use crate::support::source::Source;

/// Module paths, with `::` between the parts.
type Graph = BTreeMap<String, BTreeSet<String>>;

/// All cycles, each as the modules in it, sorted.
pub fn cycles(sources: &[Source]) -> Vec<Vec<String>> {
    let graph = graph(sources);
    let reached: BTreeMap<&String, BTreeSet<&String>> =
        graph.keys().map(|from| (from, reachable(&graph, from))).collect();
    let mut found: BTreeSet<Vec<String>> = BTreeSet::new();
    for (from, to) in &reached {
        let cycle: Vec<String> = to
            .iter()
            .filter(|to| reached.get(**to).is_some_and(|back| back.contains(*from)))
            .map(|to| (*to).clone())
            .collect();
        if !cycle.is_empty() {
            found.insert(cycle);
        }
    }
    found.into_iter().collect()
}

/// What a module uses, directly or over others.
fn reachable<'g>(graph: &'g Graph, from: &str) -> BTreeSet<&'g String> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&String> = graph[from].iter().collect();
    while let Some(module) = open.pop() {
        if found.insert(module) {
            open.extend(graph.get(module).into_iter().flatten());
        }
    }
    found
}

/// Which modules each module uses.
pub fn graph(sources: &[Source]) -> Graph {
    let sources: BTreeMap<String, &Source> =
        sources.iter().filter(|s| !s.path.starts_with("src/bin/")).map(|s| (module(&s.path).join("::"), s)).collect();
    let passed: BTreeMap<&String, BTreeMap<String, Vec<String>>> =
        sources.iter().map(|(name, source)| (name, passed_on(source))).collect();
    let uses = sources.iter().map(|(name, source)| {
        let own = Source::new(&source.path, &without_passed_on(&source.code));
        let aliases = aliases(&own);
        let mut used = BTreeSet::new();
        for named in own.paths() {
            // A name alone is one that `use` brought in, or a local one; those of types are not likely to be both.
            if named.segments.len() == 1 && named.segments[0].starts_with(char::is_lowercase) {
                continue;
            }
            // `module::function` after `use crate::a::module;`.
            let path = match aliases.get(&named.segments[0]) {
                Some(path) if named.segments.len() > 1 => [&path[..], &named.segments[1..]].concat(),
                _ => match target(&own, &named) {
                    Some(path) => path.into_iter().map(str::to_owned).collect(),
                    // A child module.
                    None => [name.split("::").map(str::to_owned).collect(), named.segments.clone()].concat(),
                },
            };
            used.extend(defining(&path, &sources, &passed, 0));
        }
        used.retain(|used| used != name && !name.starts_with(&format!("{used}::")) && !used.is_empty());
        (name.clone(), used)
    });
    uses.collect()
}

/// The module that defines what a path leads to.
fn defining(
    path: &[String],
    sources: &BTreeMap<String, &Source>,
    passed: &BTreeMap<&String, BTreeMap<String, Vec<String>>>,
    depth: usize,
) -> Option<String> {
    for length in (1..=path.len()).rev() {
        let module = path[..length].join("::");
        if !sources.contains_key(&module) {
            continue;
        }
        let onward = path.get(length).and_then(|name| passed.get(&module)?.get(name));
        if let Some(onward) = onward.filter(|_| depth < 9) {
            let further = [&onward[..], &path[length + 1..]].concat();
            if let Some(found) = defining(&further, sources, passed, depth + 1) {
                return Some(found);
            }
        }
        return Some(module);
    }
    None
}

/// Where each `pub use` is, with its visibility.
fn passed_on_at(code: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("use ") {
        let before = code[..at].trim_end();
        let is_passed = before.ends_with("pub")
            || before.ends_with(')') && {
                let open = before.rfind('(').unwrap_or_default();
                before[..open].trim_end().ends_with("pub")
            };
        if let Some(length) = code[at..].find(';').filter(|_| is_passed) {
            found.push((at, at + length + 1));
        }
    }
    found
}

fn without_passed_on(code: &str) -> String {
    let mut code = code.to_owned();
    for (start, end) in passed_on_at(&code) {
        code.replace_range(start..end, &" ".repeat(end - start));
    }
    code
}

/// Names that a module passes on, and where they lead.
fn passed_on(source: &Source) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    for (start, end) in passed_on_at(&source.code) {
        found.extend(aliases(&Source::new(&source.path, &source.code[start..end])));
    }
    found
}

/// Names that `use` brings in, and where they lead; those that are renamed keep their own name here.
fn aliases(source: &Source) -> BTreeMap<String, Vec<String>> {
    let own: Vec<&str> = module(&source.path);
    let mut found = BTreeMap::new();
    for (at, _) in source.code.match_indices("use ") {
        let Some(length) = source.code[at..].find(';') else { continue };
        let item = Source::new(&source.path, &source.code[at + 4..=at + length]);
        for named in item.paths() {
            let Some(name) = named.segments.last() else { continue };
            let path = match target(&item, &named) {
                Some(path) => path.into_iter().map(str::to_owned).collect(),
                None => [own.iter().map(|part| (*part).to_owned()).collect(), named.segments.clone()].concat(),
            };
            found.insert(name.clone(), path);
        }
    }
    found
}
