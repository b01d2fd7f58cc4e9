//! `[programs]` of `release.toml`: which programs are sanctioned or tolerated, and what becomes of
//! all others.
//!
//! A program is written as the hash of a file, as the id of a manifest (both 64 hex digits), or as
//! NAME@VERSION of a manifest; names are looked up where a release is signed. Refused here:
//! *blocked*, which is an order: `belay stop manifest:HASH`.

use belay_identity::body::{Policy, ProgramName, UnknownBlocked};
use belay_identity::key::unhex;
use serde::Deserialize;
use toml::Spanned;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ProgramsFile {
    sanctioned: Vec<Spanned<String>>,
    tolerated: Vec<Spanned<String>>,
    unknown: Option<Spanned<String>>,
}

/// The programs of a release that are named by their manifests, before anybody looked them up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamedPrograms {
    /// Those that are sanctioned.
    pub sanctioned: Vec<ManifestName>,
    /// Those that are tolerated.
    pub tolerated: Vec<ManifestName>,
}

/// A manifest by its name and version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ManifestName {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

impl std::fmt::Display for ManifestName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.name, self.version)
    }
}

/// One entry of a list.
enum Entry {
    Hash([u8; 32]),
    Named(ManifestName),
}

/// What is wrong with an entry, and what to do.
pub(super) type Wrong<'a> = (&'static str, &'a Spanned<String>, &'static str, &'static str);

const ENTRY_HINT: &str = "write 64 hex digits, as `belay manifest check FILE` prints them, or \
                          NAME@VERSION of a signed manifest";
const UNKNOWN_HINT: &str = "write tolerated or blocked";
const TWICE_HINT: &str = "leave it in one of the two lists";

impl ProgramsFile {
    /// Every fault, in the order of the file's lists.
    pub(super) fn wrong(&self) -> Vec<Wrong<'_>> {
        let lists =
            [("programs.sanctioned", &self.sanctioned), ("programs.tolerated", &self.tolerated)];
        let mut found: Vec<Wrong<'_>> = lists
            .into_iter()
            .flat_map(|(name, list)| list.iter().map(move |word| (name, word)))
            .filter(|(_, word)| Entry::read(word.get_ref()).is_none())
            .map(|(name, word)| (name, word, "is no program", ENTRY_HINT))
            .collect();
        let known = |word: &&Spanned<String>| {
            let said = |other: &Spanned<String>| other.get_ref() == word.get_ref();
            self.sanctioned.iter().any(said)
        };
        let both = self.tolerated.iter().filter(known);
        found.extend(
            both.map(|word| ("programs.tolerated", word, "is sanctioned as well", TWICE_HINT)),
        );
        let odd =
            |word: &&Spanned<String>| !["tolerated", "blocked"].contains(&word.get_ref().as_str());
        let unknown = self.unknown.iter().filter(odd);
        found.extend(
            unknown.map(|word| ("programs.unknown", word, "is no word for it", UNKNOWN_HINT)),
        );
        found
    }

    /// Writes what needs no looking up into a policy; the rest comes back.
    pub(super) fn fill(&self, policy: &mut Policy) -> NamedPrograms {
        let (sanctioned, named) = split(&self.sanctioned);
        let (tolerated, named_too) = split(&self.tolerated);
        (policy.sanctioned, policy.tolerated) = (sanctioned, tolerated);
        let blocked = self.unknown.as_ref().is_some_and(|word| word.get_ref() == "blocked");
        policy.unknown = blocked.then_some(UnknownBlocked);
        NamedPrograms { sanctioned: named, tolerated: named_too }
    }
}

impl NamedPrograms {
    /// Every name, of both lists.
    pub fn all(&self) -> impl Iterator<Item = &ManifestName> {
        self.sanctioned.iter().chain(&self.tolerated)
    }

    /// Adds the ids of the named manifests to a policy, in canonical order.
    pub fn fill(&self, policy: &mut Policy, id: impl Fn(&ManifestName) -> Option<[u8; 32]>) {
        policy.sanctioned.extend(self.sanctioned.iter().filter_map(&id));
        policy.tolerated.extend(self.tolerated.iter().filter_map(&id));
        for list in [&mut policy.sanctioned, &mut policy.tolerated] {
            list.sort_unstable();
            list.dedup();
        }
    }
}

fn split(words: &[Spanned<String>]) -> (Vec<[u8; 32]>, Vec<ManifestName>) {
    let (mut hashes, mut names) = (Vec::new(), Vec::new());
    for entry in words.iter().filter_map(|word| Entry::read(word.get_ref())) {
        match entry {
            Entry::Hash(hash) => hashes.push(hash),
            Entry::Named(name) => names.push(name),
        }
    }
    hashes.sort_unstable();
    hashes.dedup();
    (hashes, names)
}

impl Entry {
    fn read(word: &str) -> Option<Self> {
        if let Some((name, version)) = word.split_once('@') {
            let named = ProgramName::new(name).is_ok() && !version.is_empty();
            let (name, version) = (name.to_owned(), version.to_owned());
            return named.then_some(Self::Named(ManifestName { name, version }));
        }
        unhex(word).and_then(|bytes| bytes.try_into().ok()).map(Self::Hash)
    }
}
