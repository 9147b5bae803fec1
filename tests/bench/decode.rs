//! The costs of the parts of decoding, and of a JSON tree instead.

use std::hint::black_box;
use std::io::Read;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hummingbird_status::ingest::read;
use hummingbird_status::sources::Settings;
use hummingbird_status::transport::Delivery;
use hummingbird_status::transport::lambda::Invocation;
use serde_json::Value;

use crate::measure::{ROUNDS, median, print};
use crate::payload;

const MESSAGES: usize = 500;

/// Measures and prints.
pub fn run() {
    let event = payload::event(MESSAGES, 0);
    let deliveries = Invocation::read(&event).deliveries;
    let texts: Vec<String> = (0..MESSAGES).map(|number| payload::json(number, 0)).collect();
    let packed: Vec<String> = texts.iter().map(|text| payload::pack(text)).collect();
    let plain: Vec<Delivery> = texts
        .iter()
        .map(|text| Delivery { id: "m".to_owned(), body: text.clone().into_bytes(), ..Delivery::default() })
        .collect();
    let settings = Settings::default();
    // In chunks too small for a second thread.
    let read_alone =
        |deliveries: &[Delivery]| deliveries.chunks(31).for_each(|part| drop(black_box(read(part, &settings))));

    let steps: [(&str, &dyn Fn()); 6] = [
        ("SQS event to deliveries", &|| drop(black_box(Invocation::read(&event)))),
        ("base64 and gunzip alone, as a stream", &|| packed.iter().for_each(|text| drop(black_box(unpack(text))))),
        ("JSON to Value alone", &|| texts.iter().for_each(|text| drop(black_box(tree(text))))),
        ("JSON to record (bare, whole way)", &|| read_alone(&plain)),
        ("delivery to record, 1 thread", &|| read_alone(&deliveries)),
        ("delivery to record, as used", &|| drop(black_box(read(&deliveries, &settings)))),
    ];
    let mut found = vec![Vec::new(); steps.len()];
    for round in 0..=ROUNDS {
        for (at, (_, step)) in steps.iter().enumerate() {
            let time = timed(step);
            if round > 0 {
                found[at].push(time.as_secs_f64() * 1e6 / MESSAGES as f64);
            }
        }
    }
    let tree = median(found[2].clone());
    let table: Vec<_> = steps
        .iter()
        .zip(&found)
        .map(|((name, _), times)| {
            let time = median(times.clone());
            [(*name).to_owned(), format!("{time:.1}"), format!("{:.2}x", time / tree)]
        })
        .collect();
    let title = format!("Reading: microseconds a message of {} bytes of JSON", texts[0].len());
    print(&title, ["step", "us", "of the tree"], &table);
}

fn timed(step: &dyn Fn()) -> Duration {
    let start = Instant::now();
    step();
    start.elapsed()
}

fn tree(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn unpack(text: &str) -> Vec<u8> {
    let packed = STANDARD.decode(text).unwrap();
    let mut bytes = Vec::with_capacity(1 << 16);
    flate2::bufread::GzDecoder::new(packed.as_slice()).read_to_end(&mut bytes).unwrap();
    bytes
}
