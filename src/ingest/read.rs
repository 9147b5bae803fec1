//! Decodes deliveries into records. Pure, apart from threads.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use jiff::Timestamp;

use crate::db::Rejected;
use crate::sources::{Record, Settings, Source};
use crate::transport::{Attributes, Decoded, Delivery, Limits, Message, Rejection, Unwrapped, lenient, unwrap};

/// The decoded content of a batch of deliveries.
#[derive(Default)]
pub struct Batch {
    /// Records, each with the index of its message.
    pub records: Vec<(usize, Record)>,
    /// Messages that gave records, by that index.
    pub messages: Vec<Origin>,
    /// Rejected messages, each with the index of its delivery.
    pub refused: Vec<(usize, Rejected)>,
    /// Ignored messages: the index of the delivery, the source, if any recognised it, and the reason.
    pub ignored: Vec<(usize, Option<Source>, &'static str)>,
    /// Details that could not be stored, by source; their messages were.
    pub dropped: BTreeMap<Source, u64>,
}

/// The message that a record came from.
#[derive(Debug)]
pub struct Origin {
    /// Index of the delivery.
    pub delivery: usize,
    /// Id of the message.
    pub id: String,
    /// When it was sent.
    pub sent_at: Option<Timestamp>,
    /// The source that recognised it.
    pub source: Source,
    /// The time that decides whether an event is too old to be announced; see [`Message::own_time`].
    pub own_time: Option<Timestamp>,
}

impl Batch {
    /// Whether there is anything to write.
    #[must_use]
    pub fn has_something_to_write(&self) -> bool {
        !self.records.is_empty() || !self.refused.is_empty()
    }

    fn append(&mut self, other: Self) {
        let offset = self.messages.len();
        self.records.extend(other.records.into_iter().map(|(number, record)| (number + offset, record)));
        self.messages.extend(other.messages);
        self.refused.extend(other.refused);
        self.ignored.extend(other.ignored);
        other.dropped.into_iter().for_each(|(source, count)| *self.dropped.entry(source).or_default() += count);
    }
}

/// Below this many deliveries a second thread costs more than it brings, unless they are large.
const WORTH_A_THREAD: usize = 32;
/// Bytes of bodies for which another thread pays off, however few the deliveries: about the size of that many gzipped
/// ones.
const WORTH_A_THREAD_BYTES: usize = 256 << 10;

/// The cores that the process may use. Read once, since it takes reading files of the kernel.
static CORES: LazyLock<usize> = LazyLock::new(|| thread::available_parallelism().map_or(1, NonZero::get));

/// How many threads to decode with.
fn threads(deliveries: &[Delivery]) -> usize {
    let bytes: usize = deliveries.iter().map(|delivery| delivery.body.len()).sum();
    let worth = (deliveries.len() / WORTH_A_THREAD).max(bytes / WORTH_A_THREAD_BYTES);
    worth.min(*CORES).min(deliveries.len()).max(1)
}

/// Rejected parts of one delivery that are stored one by one.
pub(super) const MOST_REJECTED: usize = 100;

/// Most deliveries that a thread takes at a time: few, since all threads wait for the last one.
const PIECE: usize = 16;

/// Decodes all deliveries on several threads: decoding costs about as much as writing, and the database is idle
/// meanwhile. Each thread takes the next piece when it has finished one, so that no core waits for another that has
/// more work or less CPU time.
#[must_use]
pub fn read(deliveries: &[Delivery], settings: &Settings) -> Batch {
    let threads = threads(deliveries);
    let size = deliveries.len().div_ceil(threads).clamp(1, PIECE);
    let next = AtomicUsize::new(0);
    let read_pieces = || {
        let mut pieces = Vec::new();
        loop {
            let first = next.fetch_add(size, Ordering::Relaxed);
            let Some(rest) = deliveries.get(first..).filter(|rest| !rest.is_empty()) else { return pieces };
            pieces.push((first, read_piece(&rest[..size.min(rest.len())], first, settings)));
        }
    };
    let mut pieces = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(read_pieces)).collect();
        let mut pieces = read_pieces();
        for other in others {
            match other.join() {
                Ok(others) => pieces.extend(others),
                // `read_one` catches panics that a message causes; any other panic is a bug in this function.
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        pieces
    });
    pieces.sort_by_key(|(a, _)| *a);
    let mut batch = Batch::default();
    pieces.into_iter().for_each(|(_, piece)| batch.append(piece));
    batch
}

fn read_piece(deliveries: &[Delivery], first: usize, settings: &Settings) -> Batch {
    let mut batch = Batch::default();
    for (number, delivery) in (first..).zip(deliveries) {
        let before = (batch.records.len(), batch.messages.len(), batch.refused.len(), batch.ignored.len());
        if catch_unwind(AssertUnwindSafe(|| read_one(delivery, number, settings, &mut batch))).is_err() {
            // A half-read delivery is dropped: the whole of it can be replayed from `refused`.
            batch.records.truncate(before.0);
            batch.messages.truncate(before.1);
            batch.refused.truncate(before.2);
            batch.ignored.truncate(before.3);
            let rejection = panicked();
            let part = Part {
                id: delivery.known_id(),
                sent_at: delivery.sent_at,
                source: None,
                attributes: &delivery.attributes,
            };
            batch.refused.push((number, part.into_rejected(rejection, &delivery.body)));
        }
    }
    batch
}

fn panicked() -> Rejection {
    Rejection::new("panic", "reading it failed by a fault of this program")
}

fn read_one(delivery: &Delivery, number: usize, settings: &Settings, batch: &mut Batch) {
    let mut parts = 0;
    let first_rejected = batch.refused.len();
    // A few bytes can decode to many parts: no more rejected parts are held than are stored one by one.
    let mut more = 0;
    unwrap(delivery, settings.limits, &mut |part| {
        parts += 1;
        match part {
            Unwrapped::Message(message) => read_message(&message, delivery, number, settings, batch),
            Unwrapped::Ignored(why) => batch.ignored.push((number, None, why)),
            Unwrapped::Rejected { id, attributes, sent_at, rejection, bytes } => {
                let part = Part { id, sent_at, source: None, attributes: &attributes };
                batch.refused.push((number, part.into_rejected(rejection, bytes)));
            }
        }
        if batch.refused.len() - first_rejected > MOST_REJECTED {
            batch.refused.truncate(first_rejected + MOST_REJECTED);
            more += 1;
        }
    });
    if more > 0 {
        let first = batch.refused.swap_remove(first_rejected).1;
        batch.refused.truncate(first_rejected);
        batch.refused.push((number, whole(delivery, MOST_REJECTED + more, first.reason, &first.detail, first.family)));
        return;
    }
    if parts == 0 {
        batch.ignored.push((number, None, "empty-list"));
    }
    if parts == 1 {
        // The only part: the delivery is stored as received; otherwise only the rejected part.
        for (_, rejected) in &mut batch.refused[first_rejected..] {
            rejected.body.clone_from(&delivery.body);
        }
    }
}

/// A whole delivery, stored once for all its rejected parts, from which all of them can be replayed.
pub(super) fn whole(
    delivery: &Delivery,
    count: usize,
    reason: &'static str,
    first: &str,
    source: Option<&'static str>,
) -> Rejected {
    let rejection = Rejection::new(reason, format!("{count} parts that are rejected, the first: {first}"));
    Rejected {
        id: delivery.known_id(),
        sent_at: delivery.sent_at,
        family: source,
        reason: rejection.reason,
        detail: rejection.detail,
        attributes: delivery.attributes.clone(),
        body: delivery.body.clone(),
    }
}

/// The attributes and bytes of a message that PostgreSQL did not accept: the whole delivery if it is the only message
/// in it.
pub(super) fn part(delivery: &Delivery, id: &str, limits: Limits) -> (Attributes, Vec<u8>) {
    let (mut parts, mut found) = (0, None);
    unwrap(delivery, limits, &mut |part| {
        parts += 1;
        if let Unwrapped::Message(message) = part
            && message.id == id
        {
            found = Some((message.attributes.into_owned(), message.payload.as_bytes().to_vec()));
        }
    });
    let whole = || (delivery.attributes.clone(), delivery.body.clone());
    found.filter(|_| parts > 1).unwrap_or_else(whole)
}

fn read_message(message: &Message<'_>, delivery: &Delivery, number: usize, settings: &Settings, batch: &mut Batch) {
    let Some(source) = Source::recognise(message) else {
        return batch.ignored.push((number, None, "unknown"));
    };
    if !settings.is_enabled(source) {
        return batch.ignored.push((number, Some(source), "not asked for"));
    }
    let decode = || {
        #[cfg(test)]
        assert!(!message.payload.contains("panic in this test"), "as asked");
        source.decode(message, settings)
    };
    let (decoded, dropped) = lenient::counted(|| catch_unwind(AssertUnwindSafe(decode)));
    match decoded.unwrap_or_else(|_| Err(panicked())) {
        Ok(Decoded::Records(records)) => {
            if dropped > 0 {
                *batch.dropped.entry(source).or_default() += dropped;
            }
            let index = batch.messages.len();
            let own_time = message.own_time(delivery);
            let (id, sent_at) = (message.id.clone(), message.sent_at);
            batch.messages.push(Origin { delivery: number, id, sent_at, source, own_time });
            batch.records.extend(records.into_iter().map(|record| (index, record)));
        }
        Ok(Decoded::Ignored(why)) => batch.ignored.push((number, Some(source), why)),
        Err(rejection) => {
            let part = Part {
                id: message.id.clone(),
                sent_at: message.sent_at,
                source: Some(source),
                attributes: &message.attributes,
            };
            batch.refused.push((number, part.into_rejected(rejection, message.payload.as_bytes())));
        }
    }
}

/// The metadata of a rejected part.
struct Part<'a> {
    id: String,
    sent_at: Option<Timestamp>,
    source: Option<Source>,
    attributes: &'a Attributes,
}

impl Part<'_> {
    fn into_rejected(self, rejection: Rejection, body: &[u8]) -> Rejected {
        Rejected {
            id: self.id,
            sent_at: self.sent_at,
            family: self.source.map(Source::name),
            reason: rejection.reason,
            detail: rejection.detail,
            attributes: self.attributes.clone(),
            body: body.to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(name: &str) -> String {
        format!(r#"{{"apiVersion":"tekton.dev/v1","kind":"PipelineRun","metadata":{{"name":"{name}"}}}}"#)
    }

    #[test]
    fn a_panic_costs_one_message() {
        let body = [run("a"), run("panic in this test"), run("b")].join("\n").into_bytes();
        let deliveries = [
            Delivery { id: "d".to_owned(), body, ..Delivery::default() },
            Delivery { id: "e".to_owned(), body: run("c").into_bytes(), ..Delivery::default() },
        ];
        let batch = read(&deliveries, &Settings::default());
        assert_eq!(batch.records.len(), 3);
        let rejected: Vec<_> = batch.refused.iter().map(|(delivery, r)| (*delivery, r.id.as_str(), r.reason)).collect();
        assert_eq!(rejected, [(0, "d#1", "panic")]);
    }

    /// For few and many deliveries, fewer than a piece and more, and for deliveries so large that a few use a thread
    /// each.
    #[test]
    fn threads_keep_the_numbers() {
        let padding = " ".repeat(WORTH_A_THREAD_BYTES);
        for (count, padding) in [(1, ""), (15, ""), (64, ""), (200, ""), (2, &*padding), (17, &padding)] {
            let body = |n| format!("{}{padding}", run(&format!("r{n}"))).into_bytes();
            let deliveries: Vec<_> =
                (0..count).map(|n| Delivery { id: n.to_string(), body: body(n), ..Delivery::default() }).collect();
            let worth_it = count >= WORTH_A_THREAD || !padding.is_empty();
            assert_eq!(threads(&deliveries) > 1, worth_it && *CORES > 1, "{count}");
            let batch = read(&deliveries, &Settings::default());
            assert_eq!((batch.records.len(), batch.messages.len()), (count, count));
            for (number, (source, record)) in batch.records.iter().enumerate() {
                let Record::Konflux(crate::sources::konflux::Record::PipelineRun(run)) = record else {
                    panic!("{record:?}")
                };
                assert_eq!((*source, batch.messages[number].delivery), (number, number));
                assert_eq!(run.identity.name, format!("r{number}"));
            }
        }
    }

    /// Up to a hundred rejected parts are stored one by one; of more the whole delivery is stored once, with their
    /// number. The valid parts are read.
    #[test]
    fn many_rejected_parts_of_one_delivery_are_kept_once() {
        for (bad, rows) in [(1, 1), (100, 100), (101, 1), (5000, 1)] {
            let parts: Vec<String> = (0..bad).map(|_| r#"{"object_kind":"push","after":7}"#.to_owned()).collect();
            let body = [parts, vec![run("good")]].concat().join("\n").into_bytes();
            let deliveries = [
                Delivery { id: "d".to_owned(), body: body.clone(), ..Delivery::default() },
                Delivery { id: "e".to_owned(), body: b"{".to_vec(), ..Delivery::default() },
            ];
            let batch = read(&deliveries, &Settings::default());
            assert_eq!((batch.records.len(), batch.refused.len()), (1, rows + 1), "{bad}");
            let (_, rejected) = &batch.refused[0];
            assert_eq!((rejected.reason, rejected.family), ("bad-field", Some("gitlab")));
            if bad > MOST_REJECTED {
                assert_eq!((rejected.id.as_str(), &rejected.body), ("d", &body));
                let detail = format!("{bad} parts that are rejected, the first: ");
                assert!(rejected.detail.starts_with(&detail), "{}", rejected.detail);
            }
        }
    }

    #[test]
    fn a_rejected_part_has_id_time_and_attributes_of_its_envelopes() {
        let sns = r#"{"Type":"Notification","MessageId":"m","Message":"no JSON!","Timestamp":"2026-03-04T07:49:51Z",
            "MessageAttributes":{"source":{"Type":"String","Value":"x"}}}"#;
        let deliveries = [Delivery { id: "sqs".to_owned(), body: sns.into(), ..Delivery::default() }];
        let batch = read(&deliveries, &Settings::default());
        let rejected = &batch.refused[0].1;
        assert_eq!((rejected.id.as_str(), rejected.attributes["source"].as_str()), ("m", "x"));
        assert_eq!(rejected.sent_at.map(|at| at.to_string()).as_deref(), Some("2026-03-04T07:49:51Z"));
        assert_eq!(rejected.body, sns.as_bytes(), "as received, with the envelope");
    }
}
