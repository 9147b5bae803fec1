//! Everything goes wrong: the real programs take the messages of a seed while processes are killed, PostgreSQL restarts,
//! connections break off in the middle of a commit, queues repeat and forget, clocks jump and targets are away. In the end
//! the tables, what was told and what was refused are those of a calm run.
//!
//! `cargo test --test it -- --ignored --nocapture chaos` does one run in order and one out of it; `CHAOS_SECONDS=3600` goes on for so
//! long, and `CHAOS_SEED=7` begins with a seed.
//! A run that fails is tried again with fewer faults and messages, and the smallest that still fails is shown.

mod aws;
mod oracle;
mod plan;
mod programs;
mod queue;
mod server;
mod world;

use std::time::{Duration, Instant};

use self::plan::{Plan, plan};
use self::programs::Counts;
use self::world::World;

/// Runs when nobody asks for more: one of each kind.
const RUNS: u64 = 2;
/// How often, and how long, a run that fails is tried with less.
const TRIES: usize = 16;
const TIME: Duration = Duration::from_secs(180);

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}

#[test]
#[ignore = "a run takes as long as the machine is busy, and its seed is another one each time"]
fn chaos_changes_nothing_in_the_end() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let first = number("CHAOS_SEED").unwrap_or_else(|| jiff::Timestamp::now().as_millisecond().unsigned_abs());
        let time = number("CHAOS_SECONDS").map(Duration::from_secs);
        println!("CHAOS_SEED={first}");
        let (mut world, counts, start) = (World::new().await, Counts::default(), Instant::now());
        if !world.has_clock() {
            println!("no libfaketime: clocks do not jump");
        }
        let mut seed = first;
        let more = |seed: u64| time.map_or(seed - first < RUNS, |time| start.elapsed() < time);
        while more(seed) {
            let mut plan = plan(seed, world.has_clock());
            if time.is_none() {
                plan.in_order = (seed - first).is_multiple_of(2);
            }
            if let Err(why) = attempt(&mut world, &plan, &counts).await {
                println!("CHAOS_SEED={seed}, {:.0} s: {why}\ntrying with less", start.elapsed().as_secs_f64());
                let (small, why_small) = shrunk(&mut world, plan, why.clone()).await;
                panic!(
                    "CHAOS_SEED={seed}: {why}\n\nwith {} messages and {:#?}: {why_small}\n{}",
                    small.messages.len(),
                    small.faults,
                    counts.lines()
                );
            }
            seed += 1;
            if time.is_some() {
                println!("seed {} is well, after {:.0} s", seed - 1, start.elapsed().as_secs_f64());
            }
        }
        counts.add("losses", 0);
        counts.add("runs", seed - first);
        println!("{:.1} s\n{}", start.elapsed().as_secs_f64(), counts.lines());
    });
}

async fn attempt(world: &mut World, plan: &Plan, counts: &Counts) -> Result<(), String> {
    let of_run = Counts::default();
    let result = world.run(plan, &of_run).await;
    counts.merge(&of_run);
    result
}

/// The run with as few faults and messages as still fail, and how.
async fn shrunk(world: &mut World, mut plan: Plan, mut why: String) -> (Plan, String) {
    let (start, mut tries) = (Instant::now(), 0);
    for of_faults in [true, false] {
        let mut part = 2;
        loop {
            let whole = if of_faults { plan.faults.len() } else { plan.messages.len() };
            let size = whole.div_ceil(part);
            let mut found = false;
            for from in (0..whole).step_by(size.max(1)) {
                let is_out = |place: usize| (from..from + size).contains(&place);
                let mut less = plan.clone();
                match of_faults {
                    true => less.faults = without(&plan.faults, is_out),
                    false => less.messages = without(&plan.messages, is_out),
                }
                tries += 1;
                if tries > TRIES || start.elapsed() > TIME {
                    return (plan, why);
                }
                let result = world.run(&less, &Counts::default()).await;
                let (faults, messages) = (less.faults.len(), less.messages.len());
                println!("{faults} faults, {messages} messages: {}", if result.is_ok() { "well" } else { "fails" });
                if let Err(found_why) = result {
                    (plan, why, found) = (less, found_why, true);
                    break;
                }
            }
            match found {
                true => part = part.saturating_sub(1).max(2),
                false if size <= 1 => break,
                false => part *= 2,
            }
        }
    }
    (plan, why)
}

fn without<T: Clone>(all: &[T], is_out: impl Fn(usize) -> bool) -> Vec<T> {
    all.iter().enumerate().filter(|(place, _)| !is_out(*place)).map(|(_, one)| one.clone()).collect()
}
