//! Every decoder, tried with bytes that nobody thought of.
//!
//! A target is a reader, bytes that it accepts, and what must hold whatever it is given: it never
//! panics, its answer comes within a second of processor time, it holds no more than 64 MiB at any
//! moment, and what it accepts is what it would write. Two ways to run the same targets:
//!
//! - `cargo test`: accepted bytes are bent a fixed number of times each, in the same ways in every
//!   run, about a second of processor time: beside them run stories with deadlines, on the same
//!   two cores. `BELAY_FUZZ_TRIES=1000000` goes on for longer.
//! - `cargo house fuzz [TARGET] [SECONDS]`: libFuzzer searches, led by the edges that it reaches.
//!
//! Bytes that once broke something stand in `tests/broken/TARGET` and are tried first, always.

mod bend;
mod bombs;
mod disk;
mod drafts;
mod same_credential;
mod texts;
mod wire;

use belay_identity::key::{hex, unhex};
use bend::Form;
use rustix::time::{ClockId, clock_gettime};
use sha2::{Digest, Sha256};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;

/// Bytes that a reader may hold at any moment while it reads what a peer or a file may bring.
const PEAK_BYTES_MAX: u64 = 64 << 20;
/// Processor time for one answer, nanoseconds.
const ANSWER_NS_MAX: i64 = 1_000_000_000;
/// Where `house fuzz` wants the seeds of a target.
const SEEDS: &str = "BELAY_FUZZ_SEEDS";
/// How often each target is tried in an ordinary run, instead of its own number.
const TRIES: &str = "BELAY_FUZZ_TRIES";
/// What libFuzzer is told; only then does it lead.
const GUIDED: &str = "BOLERO_LIBFUZZER_ARGS";

/// Reads bytes, asserts what must hold whatever they are, and says whether it accepts them.
type Read = fn(&[u8]) -> bool;

/// A reader of one CBOR item behind some plain bytes.
struct Reader {
    name: &'static str,
    before: Vec<u8>,
    read: Read,
}

/// One decoder under trial.
struct Target {
    /// Its name, as in `house fuzz NAME`.
    name: &'static str,
    /// Bytes that it accepts.
    good: Vec<Vec<u8>>,
    /// How they are bent.
    form: Form,
    /// How often in an ordinary run.
    tries: usize,
    /// The reader.
    read: Read,
}

impl Target {
    /// Tries what is known, then what nobody thought of.
    fn play(self) {
        let Self { name, good, form, tries, read } = self;
        assert!(!good.is_empty(), "{name}: nothing to begin with");
        for (at, bytes) in good.iter().enumerate() {
            assert!(hold(read, bytes), "{name}: good bytes {at} are refused: {}", hex(bytes));
        }
        for bytes in broken(name) {
            hold(read, &bytes);
        }
        if let Some(folder) = std::env::var_os(SEEDS) {
            for (at, bytes) in good.iter().enumerate() {
                std::fs::write(Path::new(&folder).join(format!("good-{at}")), bytes).unwrap();
            }
        }
        if std::env::var_os(GUIDED).is_some() {
            bolero::check!().for_each(move |bytes: &[u8]| {
                hold(read, bytes);
            });
            return;
        }
        let tries = std::env::var(TRIES).ok().and_then(|tries| tries.parse().ok()).unwrap_or(tries);
        for number in 0..tries {
            let (which, strokes) = drawn(name, number);
            let bytes = bend::bend(&good, form, which, &strokes);
            if let Err(panic) = catch_unwind(|| hold(read, &bytes)) {
                eprintln!("{name}, try {number}: {}", hex(&bytes));
                resume_unwind(panic);
            }
        }
    }
}

/// Where to bend and how, the same in every run of this try: a digest decides.
fn drawn(name: &str, number: usize) -> (u16, Vec<(u8, u32, u32)>) {
    let digest = |part: u8| {
        let hash = Sha256::new().chain_update(name).chain_update(number.to_le_bytes());
        hash.chain_update([part]).finalize()
    };
    let first = digest(0);
    let count = 1 + first[2] % 5;
    let stroke = |part: u8| {
        let one = digest(part);
        let number =
            |at: usize| u32::from_le_bytes([one[at], one[at + 1], one[at + 2], one[at + 3]]);
        (one[0], number(1), number(5))
    };
    (u16::from_le_bytes([first[0], first[1]]), (1..=count).map(stroke).collect())
}

/// What one reading took.
struct Took {
    accepted: bool,
    peak_bytes: u64,
    cpu_ns: i64,
}

/// Reads once and looks at memory and processor time of this thread.
fn took(read: impl FnOnce() -> bool) -> Took {
    let begin = thread_ns();
    let mut answer = Ok(false);
    let memory = allocation_counter::measure(|| answer = catch_unwind(AssertUnwindSafe(read)));
    let cpu_ns = thread_ns() - begin;
    match answer {
        Ok(accepted) => Took { accepted, peak_bytes: memory.bytes_max, cpu_ns },
        Err(panic) => resume_unwind(panic),
    }
}

fn thread_ns() -> i64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec * 1_000_000_000 + now.tv_nsec
}

/// Reads within the bounds of every target; says whether it was accepted.
fn hold(read: Read, bytes: &[u8]) -> bool {
    let Took { accepted, peak_bytes, cpu_ns } = took(|| read(bytes));
    assert!(peak_bytes <= PEAK_BYTES_MAX, "{peak_bytes} bytes held at a time");
    assert!(cpu_ns <= ANSWER_NS_MAX, "{cpu_ns} ns of processor time");
    accepted
}

/// Bytes that once broke this target: files of hex under `tests/broken`.
fn broken(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("broken").join(name);
    let Ok(entries) = std::fs::read_dir(&folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        unhex(&text.replace('\n', "")).unwrap_or_else(|| panic!("{}: no hex", path.display()))
    };
    paths.iter().map(read).collect()
}

/// The harness can fail: a reader that panics, one that holds too much, one that takes too long.
#[test]
fn a_broken_reader_is_seen() {
    let seen = |read: Read| catch_unwind(|| hold(read, b"x")).is_err();
    assert!(seen(|_| panic!("it breaks")));
    assert!(seen(|_| vec![1u8; (64 << 20) + 1].len() == 1));
    assert!(seen(|_| {
        let begin = thread_ns();
        while thread_ns() - begin <= ANSWER_NS_MAX {}
        true
    }));
    assert!(!seen(|bytes| bytes == b"x"));
}
