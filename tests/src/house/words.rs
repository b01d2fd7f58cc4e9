//! Words that do not stand in code: what reads the world in the pure rooms, and what is unfinished
//! or unsafe anywhere.

use super::source::Source;
use super::{Complaint, PURE_ROOMS};

/// What reads a clock, a file, a socket, a thread, the environment, chance or a lock, or leaks the
/// order of a hash map.
const IMPURE: &[&str] = &[
    "Instant::now",
    "SystemTime",
    "RandomState",
    "getrandom",
    "OsRng",
    "thread_rng",
    "tokio",
    "async",
    "await",
    "Mutex",
    "RwLock",
    "HashMap",
    "HashSet",
    "println!",
    "eprintln!",
    "print!",
    "eprint!",
];

/// Modules of the standard library that do the same.
const IMPURE_STD: &[&str] = &["fs", "net", "thread", "env", "process", "os"];

/// What no code outside tests may hold.
const UNFINISHED: &[&str] = &["todo!", "unimplemented!", "dbg!", ".unwrap()"];

/// What no code may hold at all.
const NEVER: &[&str] = &["unsafe", "#[ignore"];

/// Marks of a plan in place of a change; written in two halves, because this file is judged too.
const PLANS: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME")];

/// A word that one file may use, and why.
#[derive(Debug, Clone, Copy)]
pub struct Exception {
    /// The file.
    pub path: &'static str,
    /// The word.
    pub word: &'static str,
    /// Why it does no harm there.
    pub why: &'static str,
}

/// The files that may use a word of the pure rooms' list.
pub const EXCEPTIONS: &[Exception] = &[Exception {
    path: "mesh/src/gate/policy/request.rs",
    word: "HashSet",
    why: "cedar-policy takes the parents of an entity as a set",
}];

/// The rules on words in one file.
pub fn check(source: &Source) -> Vec<Complaint> {
    let mut found = plans(source);
    let mut refuse = |words: &[&str], why: &str| {
        for word in words {
            let lines = lines_of(source, word);
            let what = format!("`{}` {why}", word.trim_start_matches("#["));
            found.extend(lines.map(|line| Complaint::at(&source.path, line, what.clone())));
        }
    };
    refuse(NEVER, "is not used in this house");
    if source.tests {
        return found;
    }
    refuse(UNFINISHED, "is not used outside tests: handle the case, or say it in the type");
    if PURE_ROOMS.contains(&source.room()) {
        let allowed = |word: &&&str| !is_excepted(source, word);
        let words: Vec<&str> = IMPURE.iter().filter(allowed).copied().collect();
        refuse(&words, "is not used in a sans-IO room: let it be handed in");
        found.extend(impure_std(source));
    }
    found
}

/// Complains about exceptions that nothing needs any more.
pub fn check_exceptions(exceptions: &[Exception], sources: &[Source]) -> Vec<Complaint> {
    let is_used = |exception: &Exception| {
        let mut files = sources.iter().filter(|source| source.path == exception.path);
        files.any(|source| lines_of(source, exception.word).next().is_some())
    };
    let stale = exceptions.iter().filter(|exception| !is_used(exception));
    stale
        .map(|e| Complaint::about(e.path, format!("needs no exception for `{}` any more", e.word)))
        .collect()
}

fn is_excepted(source: &Source, word: &str) -> bool {
    EXCEPTIONS.iter().any(|e| e.path == source.path && e.word == word)
}

fn lines_of(source: &Source, word: &str) -> impl Iterator<Item = usize> {
    let lines = match word.strip_prefix("#[") {
        Some(attribute) => attributes(source, attribute),
        None => source.lines_of(word),
    };
    lines.into_iter()
}

fn attributes(source: &Source, name: &str) -> Vec<usize> {
    let is = |window: &[super::source::Token]| {
        window[0].text == "#" && window[1].text == "[" && window[2].text == name
    };
    source.code.windows(3).filter(|window| is(window)).map(|window| window[0].line).collect()
}

fn impure_std(source: &Source) -> Vec<Complaint> {
    let mut found = Vec::new();
    for (at, window) in source.code.windows(4).enumerate() {
        let [root, colon, again, next] = window else { continue };
        if root.text != "std" || colon.text != ":" || again.text != ":" {
            continue;
        }
        let named: Vec<&super::source::Token> =
            if next.text == "{" { first_words(&source.code[at + 3..]) } else { vec![next] };
        for token in named.into_iter().filter(|t| IMPURE_STD.contains(&t.text.as_str())) {
            let what = format!("`std::{}` is not used in a sans-IO room", token.text);
            found.push(Complaint::at(&source.path, token.line, what));
        }
    }
    found
}

/// The first word of each entry of a list of imports that begins at its bracket.
fn first_words(code: &[super::source::Token]) -> Vec<&super::source::Token> {
    let (mut depth, mut words) = (0, Vec::new());
    for (token, next) in code.iter().zip(code.iter().skip(1)) {
        match token.text.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if depth == 1 && (token.text == "{" || token.text == ",") {
            words.push(next);
        }
    }
    words
}

fn plans(source: &Source) -> Vec<Complaint> {
    let is_plan = |line: &str| {
        line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| PLANS.contains(&word))
    };
    let lines = source.text.lines().enumerate().filter(|(_, line)| is_plan(line));
    let what = "a plan is no part of the code: do it, or write an issue";
    lines.map(|(at, _)| Complaint::at(&source.path, at + 1, what)).collect()
}
