//! Ingest into a database: PostgreSQL accepts all records that are decoded, or the message is rejected with a known
//! reason.

use hummingbird_status::ingest::{Outcome, ingest};
use hummingbird_status::sources::Source;
use hummingbird_status::transport::Delivery;
use tokio::runtime::Runtime;

use crate::corpus::documents;
use crate::drive::Target;
use crate::pure::settings;
use crate::support::{Db, database, deadline};

/// A runtime on this thread, and a database.
pub fn set_up() -> (Runtime, Db) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let db = runtime.block_on(database());
    (runtime, db)
}

/// Messages of all sources, each twice.
pub fn target() -> Target {
    let (runtime, db) = set_up();
    let settings = settings();
    let run = move |input: &[u8]| {
        let delivery = [Delivery { id: "m".to_owned(), body: input.to_vec(), ..Delivery::default() }];
        let take = || runtime.block_on(ingest(&db.store, &delivery, &settings, deadline()));
        let first = take();
        if let Some(error) = &first.error {
            return Err(format!("not taken: {error:?}"));
        }
        let second = take();
        let (once, twice) = (first.outcomes()[0], second.outcomes()[0]);
        // The second time no row changes.
        let fits = match once {
            Outcome::Kept => matches!(twice, Outcome::Outdated),
            Outcome::Retry => false,
            other => twice == other,
        };
        let reasons = format!("{:?}", first.reasons);
        if !fits {
            return Err(format!("{once:?}, then {twice:?} ({reasons} {:?})", second.reasons));
        }
        if reasons.contains("refused: database") {
            return Err("only the database found out that it cannot be kept".to_owned());
        }
        Ok(format!("{once:?}:\n{reasons}"))
    };
    let corpus = Source::ALL.iter().flat_map(|source| documents(source.name())).collect();
    Target { corpus, packs: false, memory: 32 << 20, twice: false, run: Box::new(run) }
}
