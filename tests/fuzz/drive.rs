//! Runs one target: mutates inputs, watches each execution, and shrinks an input that fails.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::MEMORY;
use crate::mutate::{Recipe, bytes, recipes};

/// Executes an input and describes the outcome, which is the same each time. `Err` says what is wrong with it.
pub type Run = Box<dyn FnMut(&[u8]) -> Result<String, String>>;

/// Code that reads foreign bytes.
pub struct Target {
    /// The documents that inputs are made of.
    pub corpus: Vec<Vec<u8>>,
    /// Whether inputs are also encoded and compressed as messages are.
    pub packs: bool,
    /// Memory limit in bytes, in addition to [`FACTOR`] times the input.
    pub memory: usize,
    /// Whether an input is executed twice and must give the same outcome.
    pub twice: bool,
    /// Executes an input.
    pub run: Run,
}

/// Memory limit in bytes for each byte of the input.
const FACTOR: usize = 64;
/// Limit of CPU time for an input, in pieces of [`work`].
const LONGEST: u32 = 400;
/// The number of inputs that are tried to find a smaller one.
const SHRINK: u32 = 2000;
/// The largest length of an input.
const INPUT: usize = 1 << 20;

/// The extent of a run.
#[derive(Clone, Copy, Debug)]
pub enum Budget {
    /// A number of inputs.
    Inputs(u64),
    /// A duration, and at least one input.
    Time(Duration),
}

/// The measurements of one execution.
struct Seen {
    outcome: Result<String, String>,
    time: Duration,
    memory: usize,
}

/// CPU time of this thread, where the system reports it: other load of the machine does not count.
fn spent() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

/// The CPU time of a piece of work on this machine in this build: the unit of the limit, so that no machine is too slow
/// for a test. `None` where the CPU time of a thread is not known; then there is no limit of CPU time.
fn unit() -> Option<Duration> {
    static UNIT: LazyLock<Option<Duration>> = LazyLock::new(|| {
        let (mut pieces, begin) = (0, spent()?);
        // Some systems count in ticks of ten milliseconds.
        loop {
            work();
            pieces += 1;
            let took = spent()?.checked_sub(begin)?;
            if took > Duration::from_millis(100) {
                return Some(took / pieces);
            }
        }
    });
    *UNIT
}

/// A piece of work: parses and writes a document.
fn work() {
    let members = (0..2000).map(|number| (format!("member {number}"), serde_json::json!([number, "text", null])));
    let text = serde_json::Value::Object(members.collect()).to_string();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(std::hint::black_box(value).to_string().len(), text.len());
}

fn once(run: &mut Run, input: &[u8]) -> Seen {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let (start, spent) = (Instant::now(), spent());
    let outcome = catch_unwind(AssertUnwindSafe(|| run(input)));
    let time = spent.and_then(|spent| self::spent()?.checked_sub(spent)).unwrap_or_else(|| start.elapsed());
    let memory = MEMORY.peak_usage().saturating_sub(before);
    let said = |panic: &Box<dyn std::any::Any + Send>| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned())).unwrap_or_default()
    };
    Seen { outcome: outcome.unwrap_or_else(|panic| Err(format!("panicked: {}", said(&panic)))), time, memory }
}

/// The measurements of all inputs together.
#[derive(Default)]
struct Worst {
    /// The slowest input and its size in bytes.
    slowest: (Duration, usize),
    /// The peak memory in bytes.
    memory: usize,
}

/// Executes an input and checks the limits. `Err` says what is wrong.
fn tried(target: &mut Target, input: &[u8], worst: &mut Worst) -> Result<String, String> {
    let longest = unit().map_or(Duration::MAX, |unit| unit * LONGEST);
    let mut seen = once(&mut target.run, input);
    let outcome = seen.outcome?;
    let mut repeats = if target.twice { 1 } else { 0 };
    if seen.time > longest {
        repeats = 2;
    }
    for _ in 0..repeats {
        let again = once(&mut target.run, input);
        if target.twice && again.outcome.as_ref() != Ok(&outcome) {
            return Err(format!("once `{outcome}`, then `{:?}`", again.outcome));
        }
        seen.time = seen.time.min(again.time);
        seen.memory = seen.memory.min(again.memory);
    }
    worst.slowest = worst.slowest.max((seen.time, input.len()));
    worst.memory = worst.memory.max(seen.memory);
    if seen.time > longest {
        return Err(format!("took {:?} of the processor, of {longest:?} that it may", seen.time));
    }
    let allowed = target.memory + FACTOR * input.len();
    match seen.memory > allowed {
        true => Err(format!("held {} bytes at once, of {allowed} that it may", seen.memory)),
        false => Ok(outcome),
    }
}

/// Executes one given input. False when it fails.
pub fn one(name: &str, target: &mut Target, input: &[u8]) -> bool {
    let mut worst = Worst::default();
    let outcome = tried(target, input, &mut worst);
    println!("{name}: {outcome:.400?}\n{:?}, {} kB at once", worst.slowest.0, worst.memory / 1024);
    outcome.is_ok()
}

/// Runs a target. False when an input failed; it has been printed then.
pub fn drive(name: &str, target: &mut Target, budget: Budget, seed: u64) -> bool {
    assert!(!target.corpus.is_empty(), "{name}: nothing to begin with");
    let mut bytes_of_seed = [0; 32];
    bytes_of_seed[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes_of_seed);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = recipes();
    let mut worst = Worst::default();
    let mut outcomes = std::collections::BTreeMap::<String, u64>::new();
    // In a long run first each document unchanged, to find failures that no mutation causes.
    let is_long = match budget {
        Budget::Inputs(inputs) => inputs / 10 > target.corpus.len() as u64,
        Budget::Time(time) => time.as_secs() > 5,
    };
    let plain = (0..target.corpus.len()).map(Recipe::plain).take(if is_long { usize::MAX } else { 10 });
    let mut plain: Vec<Recipe> = plain.collect();
    let (start, mut executions) = (Instant::now(), 0_u64);
    while match budget {
        Budget::Inputs(inputs) => executions < inputs,
        Budget::Time(time) => start.elapsed() < time || executions == 0,
    } {
        let mut tree = None;
        let recipe = plain.pop().unwrap_or_else(|| {
            let new = strategy.new_tree(&mut runner).unwrap();
            let recipe = new.current();
            tree = Some(new);
            recipe
        });
        let mut input = bytes(&recipe, &target.corpus, target.packs);
        input.truncate(INPUT);
        executions += 1;
        match tried(target, &input, &mut worst) {
            Ok(outcome) => {
                let kind = outcome.split(['\n', ':']).next().unwrap_or_default().chars().take(24).collect();
                *outcomes.entry(kind).or_default() += 1;
            }
            Err(what) => {
                let (input, what) = match tree {
                    Some(tree) => smaller(target, tree, what),
                    None => (input, what),
                };
                report(name, seed, executions, &input, &what);
                return false;
            }
        }
    }
    let mut outcomes: Vec<_> = outcomes.into_iter().collect();
    outcomes.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let summary: Vec<String> = outcomes.iter().take(5).map(|(kind, count)| format!("{kind} {count}")).collect();
    println!(
        "{name}: {executions} inputs in {:.1} s, slowest {:.1} ms ({} bytes), at most {} kB at once; {}",
        start.elapsed().as_secs_f64(),
        worst.slowest.0.as_secs_f64() * 1e3,
        worst.slowest.1,
        worst.memory / 1024,
        summary.join(", ")
    );
    true
}

/// Prints the failure and its input.
fn report(name: &str, seed: u64, executions: u64, input: &[u8], what: &str) {
    println!("{name}: {what}\nFUZZ_SEED={seed}, input {executions}, {} bytes:", input.len());
    println!("{}", String::from_utf8_lossy(&input[..input.len().min(4000)]));
    let path = std::env::temp_dir().join(format!("fuzz-{name}-{}.input", std::process::id()));
    if std::fs::write(&path, input).is_ok() {
        println!("all of it: {}", path.display());
    }
}

/// The smallest failing input, and its failure.
fn smaller(target: &mut Target, mut tree: impl ValueTree<Value = Recipe>, what: String) -> (Vec<u8>, String) {
    let mut best = (bytes(&tree.current(), &target.corpus, target.packs), what);
    let mut goes_on = tree.simplify();
    for _ in 0..SHRINK {
        if !goes_on {
            break;
        }
        let input = bytes(&tree.current(), &target.corpus, target.packs);
        goes_on = match tried(target, &input, &mut Worst::default()) {
            Err(what) => {
                if input.len() <= best.0.len() {
                    best = (input, what);
                }
                tree.simplify()
            }
            Ok(_) => tree.complicate(),
        };
    }
    best
}
