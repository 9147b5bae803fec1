//! The corpus: documents from which inputs are made.

use crate::support::{files, files_in, project};

/// The largest size of a document of the corpus: larger ones would take too long to mutate and to read.
const LARGEST: usize = 40_000;

/// The documents of a folder of `events/`, and those of `CONFORMANCE_DIR` whose path holds the name.
pub fn documents(folder: &str) -> Vec<Vec<u8>> {
    let mut found: Vec<Vec<u8>> =
        files(&format!("events/{folder}"), ".json").into_iter().map(|(_, body)| body).collect();
    if let Some(more) = std::env::var("CONFORMANCE_DIR").ok().filter(|name| !name.is_empty()) {
        let root = project(&more);
        for part in ["samples", "conformance"].map(|part| root.join(part)).into_iter().filter(|part| part.is_dir()) {
            let inside = files_in(&part, ".json").into_iter().filter(|(name, _)| name.contains(folder));
            found.extend(inside.map(|(_, body)| body));
        }
    }
    found.retain(|body| body.len() <= LARGEST);
    found
}
