//! Agents that run here, each once, with whatever it started itself.
//!
//! Refused here: looking into processes of other users, which the system forbids; they are counted.

use super::known::{KnownAgent, KnownBy, script_of};
use super::limits::{AGENTS_MAX, PROGRAM_BYTES_MAX};
use super::version::version_of;
use crate::os::{self, Running};
use belay_identity::key::hex;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

/// An agent that runs.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) agent: &'static KnownAgent,
    pub(crate) known_by: KnownBy,
    pub(crate) process: os::Process,
    pub(crate) uid: u32,
    /// Processes that are it or were started by it, as far as they are the same agent.
    pub(crate) processes: usize,
    /// What the kernel runs.
    pub(crate) program: PathBuf,
    /// What that reads, where it is an interpreter.
    pub(crate) script: Option<PathBuf>,
    pub(crate) version: Option<String>,
}

/// Everything that could be seen.
#[derive(Debug)]
pub(crate) struct Sight {
    pub(crate) agents: Vec<Found>,
    /// Processes of others that this user may not look at.
    pub(crate) unseen: usize,
    /// Agents that were found and are left out of the list.
    pub(crate) left_out: usize,
}

/// Looks at every process.
pub(crate) fn look() -> Sight {
    let all = os::running();
    let unseen = all.iter().filter(|one| one.program.is_none()).count();
    let found: BTreeMap<u32, (&Running, Match)> =
        all.iter().filter_map(|one| Some((one.process.pid, (one, Match::of(one)?)))).collect();
    let mut agents = BTreeMap::<u32, Found>::new();
    for (pid, (running, matched)) in &found {
        let first = first_of(*pid, matched.agent, &found, &all);
        let own = (*running, *matched);
        let (of, of_match) = found.get(&first).unwrap_or(&own);
        agents.entry(first).or_insert_with(|| of_match.found(of)).processes += 1;
    }
    let left_out = agents.len().saturating_sub(AGENTS_MAX);
    Sight { agents: agents.into_values().take(AGENTS_MAX).collect(), unseen, left_out }
}

/// The topmost process above this one that is the same agent.
fn first_of(
    pid: u32,
    agent: &KnownAgent,
    found: &BTreeMap<u32, (&Running, Match)>,
    all: &[Running],
) -> u32 {
    let parent = |pid: u32| {
        let at = all.binary_search_by_key(&pid, |one| one.process.pid).ok()?;
        all.get(at).map(|one| one.parent)
    };
    let (mut first, mut at) = (pid, pid);
    // Parents may change while they are read, so the walk is no longer than there are processes.
    for _ in 0..all.len() {
        let Some(above) = parent(at) else { break };
        if found.get(&above).is_some_and(|(_, matched)| matched.agent == agent) {
            first = above;
        }
        at = above;
    }
    first
}

/// A process that is known for an agent.
#[derive(Debug, Clone, Copy)]
struct Match {
    agent: &'static KnownAgent,
    known_by: KnownBy,
    by_script: bool,
}

impl Match {
    fn of(running: &Running) -> Option<Self> {
        let program = running.program.as_deref()?;
        let own = KnownAgent::of_file(program);
        let of_script = || script_of(program, &running.call).and_then(KnownAgent::of_file);
        let matched = |by_script| move |(agent, known_by)| Self { agent, known_by, by_script };
        own.map(matched(false)).or_else(|| of_script().map(matched(true)))
    }

    fn found(&self, running: &Running) -> Found {
        let program = running.program.clone().unwrap_or_default();
        let script = script_of(&program, &running.call).filter(|_| self.by_script);
        let script = script.map(|script| match os::folder_of(running.process.pid) {
            Some(folder) => folder.join(script),
            None => script.to_owned(),
        });
        let version = version_of(self.agent, script.as_ref().unwrap_or(&program));
        Found {
            agent: self.agent,
            known_by: self.known_by,
            process: running.process,
            uid: running.uid,
            processes: 0,
            program,
            script,
            version,
        }
    }
}

impl Found {
    /// Where it works: the project whose files it reads.
    pub(crate) fn folder(&self) -> Option<PathBuf> {
        os::folder_of(self.process.pid)
    }

    /// The hash of what makes it this agent: its script, or else what the kernel runs, also where
    /// that file is gone meanwhile.
    ///
    /// # Errors
    /// Why it cannot be read, in words.
    pub(crate) fn hash(&self) -> Result<String, String> {
        let file = match &self.script {
            Some(script) => File::open(script),
            None => os::open_program(self.process.pid),
        };
        file.and_then(hash).map_err(|error| error.to_string())
    }
}

/// SHA-256 of a file, in hex; of one that is larger than any program, an error.
fn hash(file: File) -> io::Result<String> {
    if file.metadata()?.len() > PROGRAM_BYTES_MAX {
        return Err(io::Error::other("larger than any program is"));
    }
    let mut hash = Sha256::new();
    let mut file = file.take(PROGRAM_BYTES_MAX);
    let mut part = vec![0; 1 << 16];
    loop {
        match file.read(&mut part)? {
            0 => return Ok(hex(&hash.finalize())),
            bytes => hash.update(&part[..bytes]),
        }
    }
}
