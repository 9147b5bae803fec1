//! Fault injection: the real programs process the messages of a seed while processes are killed, PostgreSQL restarts,
//! connections break during a commit, queues duplicate and lose acknowledgements, clocks jump and targets are away. In
//! the end the tables, the announced events and the rejected messages are those of a run without faults.
//!
//! `cargo test --test it -- --ignored --nocapture chaos` does a run of each work: an ordered queue, an unordered one,
//! the archive, and GitLab. `CHAOS_SECONDS=3600` goes on for so long, each seed choosing its work; `CHAOS_SEED=7`
//! begins with a seed, `CHAOS_WORK=Backfill` does that work alone, `CHAOS_FAULTS=KillWorker,Stall` leaves out all other
//! faults. The first run that fails is repeated with fewer faults and messages, and the smallest that still fails is
//! shown.
//!
//! Not covered: clock jumps where there is no libfaketime (`CHAOS_FAKETIME` names one), the death of `web`, which
//! writes nothing, and a really full disk: statements fail as they would on one.

mod aws;
mod gitlab;
mod jobs;
mod oracle;
mod plan;
mod programs;
mod queue;
mod server;
mod strike;
mod world;

use std::time::{Duration, Instant};

use self::plan::{Plan, Work, plan};
use self::programs::Counts;
use self::world::World;

/// How often, and for how long, a failing run is repeated with fewer faults and messages.
const TRIES: usize = 16;
const TIME: Duration = Duration::from_secs(180);
/// The time limit of a run: one that is not done by then hangs.
const LONGEST: Duration = Duration::from_secs(400);

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap())
}

/// The work of all runs, if `CHAOS_WORK` names one.
fn work() -> Option<Work> {
    let name = std::env::var("CHAOS_WORK").ok()?;
    Some(Work::ALL.into_iter().find(|work| format!("{work:?}") == name).unwrap_or_else(|| panic!("CHAOS_WORK={name}?")))
}

/// The work of each run; endless while there is time.
fn works(time: Option<Duration>, start: Instant) -> impl Iterator<Item = Option<Work>> {
    let few = match work() {
        Some(work) => vec![Some(work)],
        None => Work::ALL.map(Some).to_vec(),
    };
    let many = std::iter::repeat_with(work).take_while(move |_| time.is_some_and(|time| start.elapsed() < time));
    few.into_iter().filter(move |_| time.is_none()).chain(many)
}

#[test]
#[ignore = "a run takes as long as the machine is busy, and its seed is another one each time"]
fn faults_do_not_change_the_final_state() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let first = number("CHAOS_SEED").unwrap_or_else(|| jiff::Timestamp::now().as_millisecond().unsigned_abs());
        let time = number("CHAOS_SECONDS").map(Duration::from_secs);
        println!("CHAOS_SEED={first}");
        let (mut world, counts) = (World::new().await, Counts::default());
        if !world.has_clock() {
            println!("no libfaketime: clocks do not jump");
        }
        let start = Instant::now();
        let mut next = first;
        for (seed, work) in (first..).zip(works(time, start)) {
            let plan = plan(seed, work, world.has_clock());
            let began = Instant::now();
            if let Err(why) = attempt(&mut world, &plan, &counts).await {
                println!(
                    "seed {seed}, {:?}, {:.0} s: {why}\ntrying with less",
                    plan.work,
                    began.elapsed().as_secs_f64()
                );
                let again = command(&plan);
                let (small, why_small) = shrunk(&mut world, plan, why.clone()).await;
                panic!(
                    "{why}\n\nwith {} messages and {:#?}: {why_small}\n{}\nagain, and smaller: {again}",
                    small.messages.len(),
                    small.faults,
                    counts.lines()
                );
            }
            println!("seed {seed}, {:?}: well in {:.0} s", plan.work, began.elapsed().as_secs_f64());
            next = seed + 1;
        }
        counts.add("losses", 0);
        counts.add("runs", next - first);
        println!("seeds {first} to {}, {:.0} s\n{}", next - 1, start.elapsed().as_secs_f64(), counts.lines());
    });
}

/// The command line that repeats a run.
fn command(plan: &Plan) -> String {
    let faults = std::env::var("CHAOS_FAULTS").map(|faults| format!("CHAOS_FAULTS={faults} ")).unwrap_or_default();
    let Plan { seed, work, .. } = plan;
    format!("{faults}CHAOS_WORK={work:?} CHAOS_SEED={seed} cargo test --test it -- --ignored --nocapture chaos")
}

async fn attempt(world: &mut World, plan: &Plan, counts: &Counts) -> Result<(), String> {
    let of_run = Counts::default();
    let result = tokio::time::timeout(LONGEST, world.run(plan, &of_run)).await;
    counts.merge(&of_run);
    // The counts show where it hangs: the work that began, and its outcomes.
    result.unwrap_or_else(|_| Err(format!("hangs: not done in {LONGEST:?}\n{}", of_run.lines())))
}

/// The smallest run that still fails, and its failure.
async fn shrunk(world: &mut World, mut plan: Plan, mut why: String) -> (Plan, String) {
    let (start, mut attempts) = (Instant::now(), 0);
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
                attempts += 1;
                if attempts > TRIES || start.elapsed() > TIME {
                    return (plan, why);
                }
                let result = attempt(world, &less, &Counts::default()).await;
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
