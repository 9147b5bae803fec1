//! Deliveries to records. Pure but for the threads.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use jiff::Timestamp;

use crate::envelope::{Attributes, Decoded, Delivery, Limits, Message, Refusal, Unwrapped, lenient, unwrap};
use crate::family::{Family, Record, Settings};
use crate::sorted;
use crate::store::Refused;

/// What a batch of deliveries holds.
#[derive(Default)]
pub struct Batch {
    /// Records, each with the number of its message.
    pub records: Vec<(usize, Record)>,
    /// Messages that led to records; a record's number counts in here.
    pub messages: Vec<Source>,
    /// What is refused, with the number of its delivery.
    pub refused: Vec<(usize, Refused)>,
    /// Deliveries of which something was ignored, with the family, if any, and why.
    pub ignored: Vec<(usize, Option<Family>, &'static str)>,
    /// Details that could not be kept, by family; the messages themselves are.
    pub dropped: BTreeMap<Family, u64>,
}

/// Where a record came from.
#[derive(Debug)]
pub struct Source {
    /// Number of the delivery.
    pub delivery: usize,
    /// Id of the message.
    pub id: String,
    /// When it was sent.
    pub sent_at: Option<Timestamp>,
    /// Whose it is.
    pub family: Family,
    /// When it was sent, as far as that decides whether it is outdated.
    pub own_time: Option<Timestamp>,
}

impl Batch {
    /// Whether there is anything to be written.
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
        other.dropped.into_iter().for_each(|(family, count)| *self.dropped.entry(family).or_default() += count);
    }
}

/// Below this many deliveries a second thread costs more than it brings, unless they are large.
const WORTH_A_THREAD: usize = 32;
/// Bytes of bodies that are worth a thread, however few the deliveries: about as many as those have that are packed.
const WORTH_A_THREAD_BYTES: usize = 256 << 10;

/// The machine's cores, or as many of them as the process may use. Asking takes reading files of the kernel.
static CORES: LazyLock<usize> = LazyLock::new(|| thread::available_parallelism().map_or(1, NonZero::get));

/// How many threads reading is worth.
fn threads(deliveries: &[Delivery]) -> usize {
    let bytes: usize = deliveries.iter().map(|delivery| delivery.body.len()).sum();
    let worth = (deliveries.len() / WORTH_A_THREAD).max(bytes / WORTH_A_THREAD_BYTES);
    worth.min(*CORES).min(deliveries.len()).max(1)
}

/// Parts of one delivery that are kept one by one where they are rejected.
pub(super) const MOST_REFUSED: usize = 100;

/// Most deliveries that a thread takes at a time: few, as all wait for the last of them.
const PIECE: usize = 16;

/// Reads all deliveries, on as many threads as there are cores: reading costs about as much as writing does, and the
/// database rests meanwhile. Each thread takes the next piece when it is done with one, so that no core waits for another
/// that has more to do, or that the machine has taken away.
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
                // read_one catches what a message can cause; what gets here is our own fault.
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        pieces
    });
    sorted::by(&mut pieces, |(a, _), (b, _)| a.cmp(b));
    let mut batch = Batch::default();
    pieces.into_iter().for_each(|(_, piece)| batch.append(piece));
    batch
}

fn read_piece(deliveries: &[Delivery], first: usize, settings: &Settings) -> Batch {
    let mut batch = Batch::default();
    for (number, delivery) in (first..).zip(deliveries) {
        let before = (batch.records.len(), batch.messages.len(), batch.refused.len(), batch.ignored.len());
        if catch_unwind(AssertUnwindSafe(|| read_one(delivery, number, settings, &mut batch))).is_err() {
            // Half of a delivery is worse than none: all of it can be replayed from `refused`.
            batch.records.truncate(before.0);
            batch.messages.truncate(before.1);
            batch.refused.truncate(before.2);
            batch.ignored.truncate(before.3);
            let refusal = panicked();
            let part = Part {
                id: delivery.known_id(),
                sent_at: delivery.sent_at,
                family: None,
                attributes: &delivery.attributes,
            };
            batch.refused.push((number, part.refused(refusal, &delivery.body)));
        }
    }
    batch
}

fn panicked() -> Refusal {
    Refusal::new("panic", "reading it failed by a fault of this program")
}

fn read_one(delivery: &Delivery, number: usize, settings: &Settings, batch: &mut Batch) {
    let mut parts = 0;
    let first_refused = batch.refused.len();
    // A few bytes unfold to many parts: of those that are rejected no more are held than are kept one by one.
    let mut more = 0;
    unwrap(delivery, settings.limits, &mut |part| {
        parts += 1;
        match part {
            Unwrapped::Message(message) => read_message(&message, delivery, number, settings, batch),
            Unwrapped::Ignored(why) => batch.ignored.push((number, None, why)),
            Unwrapped::Refused { id, attributes, sent_at, refusal, bytes } => {
                let part = Part { id, sent_at, family: None, attributes: &attributes };
                batch.refused.push((number, part.refused(refusal, bytes)));
            }
        }
        if batch.refused.len() - first_refused > MOST_REFUSED {
            batch.refused.truncate(first_refused + MOST_REFUSED);
            more += 1;
        }
    });
    if more > 0 {
        let first = batch.refused.swap_remove(first_refused).1;
        batch.refused.truncate(first_refused);
        batch.refused.push((number, whole(delivery, MOST_REFUSED + more, first.reason, &first.detail, first.family)));
        return;
    }
    if parts == 0 {
        batch.ignored.push((number, None, "empty-list"));
    }
    if parts == 1 {
        // Nothing else was in there, so the delivery is kept as it came; else only the part that was refused.
        for (_, refused) in &mut batch.refused[first_refused..] {
            refused.body.clone_from(&delivery.body);
        }
    }
}

/// A delivery that is kept once, as it came, for all that is rejected in it. All of it can be tried again from there.
pub(super) fn whole(
    delivery: &Delivery,
    count: usize,
    reason: &'static str,
    first: &str,
    family: Option<&'static str>,
) -> Refused {
    let refusal = Refusal::new(reason, format!("{count} parts that are rejected, the first: {first}"));
    Refused {
        id: delivery.known_id(),
        sent_at: delivery.sent_at,
        family,
        reason: refusal.reason,
        detail: refusal.detail,
        attributes: delivery.attributes.clone(),
        body: delivery.body.clone(),
    }
}

/// The message of an id in a delivery, as it is kept when it turns out that PostgreSQL does not take it: with the
/// delivery around it, if it is the only one in there.
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
    let Some(family) = Family::recognise(message) else {
        return batch.ignored.push((number, None, "unknown"));
    };
    if !settings.takes(family) {
        return batch.ignored.push((number, Some(family), "not asked for"));
    }
    let decode = || {
        #[cfg(test)]
        assert!(!message.payload.contains("panic in this test"), "as asked");
        family.decode(message, settings)
    };
    let (decoded, dropped) = lenient::counted(|| catch_unwind(AssertUnwindSafe(decode)));
    match decoded.unwrap_or_else(|_| Err(panicked())) {
        Ok(Decoded::Records(records)) => {
            if dropped > 0 {
                *batch.dropped.entry(family).or_default() += dropped;
            }
            let source = batch.messages.len();
            let own_time = message.own_time(delivery);
            let (id, sent_at) = (message.id.clone(), message.sent_at);
            batch.messages.push(Source { delivery: number, id, sent_at, family, own_time });
            batch.records.extend(records.into_iter().map(|record| (source, record)));
        }
        Ok(Decoded::Ignored(why)) => batch.ignored.push((number, Some(family), why)),
        Err(refusal) => {
            let part = Part {
                id: message.id.clone(),
                sent_at: message.sent_at,
                family: Some(family),
                attributes: &message.attributes,
            };
            batch.refused.push((number, part.refused(refusal, message.payload.as_bytes())));
        }
    }
}

/// What is known of something that is refused.
struct Part<'a> {
    id: String,
    sent_at: Option<Timestamp>,
    family: Option<Family>,
    attributes: &'a Attributes,
}

impl Part<'_> {
    fn refused(self, refusal: Refusal, body: &[u8]) -> Refused {
        Refused {
            id: self.id,
            sent_at: self.sent_at,
            family: self.family.map(Family::name),
            reason: refusal.reason,
            detail: refusal.detail,
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
        let refused: Vec<_> = batch.refused.iter().map(|(delivery, r)| (*delivery, r.id.as_str(), r.reason)).collect();
        assert_eq!(refused, [(0, "d#1", "panic")]);
    }

    /// Few and many, fewer than a piece and more; and some so large that few of them are worth a thread each.
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
                let Record::Konflux(crate::konflux::Record::PipelineRun(run)) = record else { panic!("{record:?}") };
                assert_eq!((*source, batch.messages[number].delivery), (number, number));
                assert_eq!(run.identity.name, format!("r{number}"));
            }
        }
    }

    /// Up to a hundred parts are kept each for itself; of more the delivery is, once, whole, with their number. What is good in
    /// it is read all the same.
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
            let (_, refused) = &batch.refused[0];
            assert_eq!((refused.reason, refused.family), ("bad-field", Some("gitlab")));
            if bad > MOST_REFUSED {
                assert_eq!((refused.id.as_str(), &refused.body), ("d", &body));
                let detail = format!("{bad} parts that are rejected, the first: ");
                assert!(refused.detail.starts_with(&detail), "{}", refused.detail);
            }
        }
    }

    #[test]
    fn a_refusal_knows_what_its_carriers_said() {
        let sns = r#"{"Type":"Notification","MessageId":"m","Message":"no JSON!","Timestamp":"2026-03-04T07:49:51Z",
            "MessageAttributes":{"source":{"Type":"String","Value":"x"}}}"#;
        let deliveries = [Delivery { id: "sqs".to_owned(), body: sns.into(), ..Delivery::default() }];
        let batch = read(&deliveries, &Settings::default());
        let refused = &batch.refused[0].1;
        assert_eq!((refused.id.as_str(), refused.attributes["source"].as_str()), ("m", "x"));
        assert_eq!(refused.sent_at.map(|at| at.to_string()).as_deref(), Some("2026-03-04T07:49:51Z"));
        assert_eq!(refused.body, sns.as_bytes(), "as it came, envelope and all");
    }
}
