//! The cost of a message as the table grows. Most rows do not come from messages: they are copies of such rows under
//! other names, made by SQL, with empty JSON, so that ten million fit. Keys and indexes are as large as those of
//! messages.

use std::time::{Duration, Instant};

use hummingbird_status::db::Store;
use hummingbird_status::ingest::ingest;
use hummingbird_status::platform::clock::Deadline;
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::Delivery;

use crate::measure::{ROUNDS, median, millis, print};
use crate::payload;
use crate::processor::Postmaster;
use crate::server::Server;
use crate::support::{deadline, render, store_of};

/// Messages in a batch.
const BATCH: usize = 1000;
/// Batches in each round.
const BATCHES: usize = 4;

/// Measures and prints, for tables of up to so many rows.
pub async fn run(server: &Server, most: usize) {
    let url = server.database("growth").await;
    let store = store_of(&url, 1);
    let postmaster = Postmaster::of(&store).await;
    let long = Deadline::within(Duration::from_secs(7200));
    let [new, changed] = [0, 1].map(|state| {
        let all = payload::deliveries(BATCH * BATCHES, state);
        all.chunks(BATCH).map(<[Delivery]>::to_vec).collect::<Vec<_>>()
    });
    take_in(&store, &new).await;
    let columns = "SELECT column_name || ' ' || data_type FROM information_schema.columns WHERE table_name = \
        'pipelineruns' \
                   AND is_generated = 'NEVER' ORDER BY ordinal_position";
    let columns = render::rows(&store, columns).await;
    let columns: Vec<_> = columns.iter().map(|column| column.split_once(' ').unwrap()).collect();
    let names = columns.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let values = columns.iter().map(|(name, kind)| match (*name, *kind) {
        ("name", _) => "left(r.name, -8) || substr(md5(g::text || r.name), 1, 12)".to_owned(),
        ("sha" | "uid", "text") => format!("md5(g::text || r.{name}) || left(r.{name}, 8)"),
        (_, "jsonb") => format!("CASE WHEN r.{name} IS NOT NULL THEN '{{}}'::jsonb END"),
        _ => format!("r.{name}"),
    });
    let values = values.collect::<Vec<_>>().join(", ");
    store.script("CREATE TABLE of_messages AS SELECT * FROM pipelineruns; TRUNCATE pipelineruns", long).await.unwrap();
    let (mut table, mut points, mut there) = (Vec::new(), Vec::new(), 0);
    for rows in [10_000, 100_000, 1_000_000, 10_000_000].into_iter().filter(|rows| *rows <= most) {
        // A million at a time, so that no statement writes more than the log holds.
        while there < rows {
            let (from, to) = (there / BATCH, rows.min(there + 1_000_000) / BATCH);
            let fill = format!(
                "SET statement_timeout = 0; SET synchronous_commit = off; INSERT INTO pipelineruns ({names}) SELECT \
                    {values} \
                 FROM (SELECT * FROM of_messages LIMIT {BATCH}) AS r, generate_series({from} + 1, {to}) AS g \
                 ON CONFLICT DO NOTHING"
            );
            store.script(&fill, long).await.unwrap();
            there = to * BATCH;
        }
        let rest = "SET statement_timeout = 0; VACUUM ANALYZE pipelineruns; CHECKPOINT; SET statement_timeout = 20000; \
                    SET synchronous_commit = on";
        for statement in rest.split("; ") {
            store.script(statement, long).await.unwrap();
        }
        let mut found = [const { Vec::new() }; 3];
        let mut computed = 0.0;
        // The first round warms up.
        for round in 0..=ROUNDS {
            let gone = "DELETE FROM pipelineruns WHERE name IN (SELECT name FROM of_messages)";
            store.script(gone, long).await.unwrap();
            for (found, batches) in found.iter_mut().zip([&new, &changed, &new]) {
                let before = postmaster.seconds();
                let cost = take_in(&store, batches).await;
                if round > 0 {
                    found.push(cost);
                    computed += postmaster.seconds() - before;
                }
            }
        }
        let size = "SELECT pg_size_pretty(pg_relation_size('pipelineruns')) || ', ' || \
                    pg_size_pretty(pg_indexes_size('pipelineruns'))";
        let size = render::rows(&store, size).await[0].clone();
        let [new, changed, outdated] = found.map(median);
        let of_postgresql = computed * 1e6 / (3 * ROUNDS * BATCH * BATCHES) as f64;
        points.push((new, of_postgresql));
        let costs = [new, changed, outdated, of_postgresql].map(|cost| format!("{cost:.0}"));
        println!("{there} rows, {size}: {} µs", costs.join(", "));
        let [new, changed, outdated, of_postgresql] = costs;
        table.push([there.to_string(), size, new, changed, outdated, of_postgresql]);
    }
    let head = ["rows", "table, indexes", "new µs", "changed µs", "too late µs", "PostgreSQL's CPU µs, of all three"];
    print(&format!("What a message costs, by the rows that are there (batches of {BATCH})"), head, &table);
    let more = |from: f64, to: f64| format!("{:+.0} %", (to / from - 1.0) * 100.0);
    let tenfold = |pair: &[(f64, f64)]| {
        format!("{} ({} of PostgreSQL's CPU)", more(pair[0].0, pair[1].0), more(pair[0].1, pair[1].1))
    };
    println!(
        "\nnew ones, for each ten times as many rows: {}",
        points.windows(2).map(tenfold).collect::<Vec<_>>().join(", ")
    );
}

/// Ingests batches; microseconds per message.
async fn take_in(store: &Store, batches: &[Vec<Delivery>]) -> f64 {
    let start = Instant::now();
    for batch in batches {
        let report = ingest(store, batch, &Settings::default(), deadline()).await;
        assert!(report.error.is_none(), "{:?}", report.error);
    }
    millis(start.elapsed()) * 1e3 / (BATCH * batches.len()) as f64
}
