//! Chooses the source of the initial data: the first that exists of a dump, a mirror and a bucket.

use std::path::{Path, PathBuf};

use crate::platform::environment::Lookup;

/// The source of the initial data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// A dump of the database.
    Dump(PathBuf),
    /// A mirror of the archive.
    Mirror(PathBuf),
    /// The archive: the name of its bucket.
    Bucket(String),
    /// None exists; the database stays empty.
    Empty,
}

/// Looks at `INIT_DUMP_PATH` (default `/data/init/dump.sql`), `LOCAL_MIRROR_PATH` (default `/data/sns-mirror`) and
/// `S3_BUCKET`, in this order. `exists` tests whether a path exists. `missing` is called with each variable that is set
/// to a path that does not exist.
pub fn start(
    lookup: Lookup<'_>,
    exists: impl Fn(&Path) -> bool,
    mut missing: impl FnMut(&'static str, &Path),
) -> Start {
    let mut existing = |variable: &'static str, default: &str| {
        let set = lookup(variable);
        let path = PathBuf::from(set.as_deref().unwrap_or(default));
        let found = exists(&path);
        if set.is_some() && !found {
            missing(variable, &path);
        }
        found.then_some(path)
    };
    if let Some(path) = existing("INIT_DUMP_PATH", "/data/init/dump.sql") {
        return Start::Dump(path);
    }
    if let Some(path) = existing("LOCAL_MIRROR_PATH", "/data/sns-mirror") {
        return Start::Mirror(path);
    }
    lookup("S3_BUCKET").map_or(Start::Empty, Start::Bucket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variables: &[(&str, &str)], paths: &[&str]) -> (Start, Vec<&'static str>) {
        let find = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, text)| (*text).to_owned());
        let mut missing = Vec::new();
        let exists = |path: &Path| paths.iter().any(|there| Path::new(there) == path);
        (start(&find, exists, |variable, _| missing.push(variable)), missing)
    }

    #[test]
    fn the_first_that_exists_is_taken() {
        let bucket = [("S3_BUCKET", "b")];
        let dump = Start::Dump(PathBuf::from("/data/init/dump.sql"));
        assert_eq!(found(&bucket, &["/data/sns-mirror", "/data/init/dump.sql"]).0, dump);
        assert_eq!(found(&bucket, &["/data/sns-mirror"]).0, Start::Mirror(PathBuf::from("/data/sns-mirror")));
        assert_eq!(found(&bucket, &[]), (Start::Bucket("b".to_owned()), vec![]));
        assert_eq!(found(&[], &[]).0, Start::Empty);
        let set = [("INIT_DUMP_PATH", "/d"), ("LOCAL_MIRROR_PATH", "/m")];
        assert_eq!(
            found(&set, &["/m", "/data/init/dump.sql"]),
            (Start::Mirror(PathBuf::from("/m")), vec!["INIT_DUMP_PATH"])
        );
    }
}
