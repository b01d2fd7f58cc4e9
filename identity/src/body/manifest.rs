//! What an operator says of an agent's program: its name, and the files that are it.
//!
//! A manifest names; it permits nothing. Which programs are sanctioned or tolerated stands in a
//! release, by the hash of a file or by the id of a manifest; what is blocked is a hold. So a
//! manifest can be signed long before, and by somebody else than whoever publishes.
//!
//! Refused here: a name that reads like another one because of its letters, a program without a
//! file. Which file runs on a device, the device says.

use crate::codec::{Field, Problem, Value};
use crate::limits::{
    BUILDS_MAX, MANIFEST_ITEMS_MAX, MANIFEST_STOP_GRACE_MS_MAX, MANIFEST_TEXT_CHARS_MAX,
};
use crate::principal::{NameError, is_name};
use crate::record;

record! {
    /// One version of an agent's program; its author is the operator who answers for it.
    pub struct Manifest("manifest") {
        /// What it is called.
        1 => name: ProgramName,
        /// Which version of it.
        2 => version: String,
        /// Who made it, for people.
        3 => publisher: String,
        /// The files that are it, one for each platform.
        4 => builds: Vec<Build>,
        /// The actions it needs, as `class.verb` or `class.*`; for whoever writes its policy.
        5 => tools: Vec<String>,
        /// How long it may tidy up when it is stopped, milliseconds.
        6 => stop_grace_ms: Option<u64>,
        /// The rings it is meant for; every ring where none is named.
        7 => rings: Vec<String>,
    }
}

record! {
    /// One file that is the program, on one platform.
    pub struct Build("build") {
        /// The platform, as `linux/x86_64`.
        1 => platform: String,
        /// SHA-256 of the file.
        2 => file: [u8; 32],
    }
}

/// The name of a program: lowercase letters, digits, `.`, `-` and `_`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProgramName(String);

impl ProgramName {
    /// Parses a name; nothing is normalised or repaired.
    ///
    /// # Errors
    /// When it holds anything else, or nothing.
    pub fn new(text: &str) -> Result<Self, NameError> {
        if is_name(text) { Ok(Self(text.to_owned())) } else { Err(NameError::Name(text.into())) }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What a hurried reader sees: names of one look are taken for each other.
    pub fn look(&self) -> String {
        let seen = self.0.chars().filter(|letter| !".-_".contains(*letter));
        let seen: String = seen
            .map(|letter| match letter {
                '0' => 'o',
                '1' | 'i' => 'l',
                '5' => 's',
                letter => letter,
            })
            .collect();
        seen.replace("rn", "m").replace("vv", "w")
    }
}

impl std::fmt::Display for ProgramName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.0)
    }
}

impl Field for ProgramName {
    fn encode(&self) -> Option<Value> {
        self.0.encode()
    }
    fn decode(value: Value) -> Result<Self, Problem> {
        Self::new(&String::decode(value)?).map_err(|_| Problem::Invalid)
    }
}

/// Why a manifest names no program; its author's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ManifestFault {
    /// No file, or more than there are platforms.
    #[error("a manifest names 1 to {BUILDS_MAX} files")]
    Builds,
    /// One platform twice, or one file twice.
    #[error("each platform and each file stands once in a manifest")]
    Twice,
    /// An empty or endless text, or one with letters that nobody sees.
    #[error(
        "version, platform, tools and rings are words of 1 to {MANIFEST_TEXT_CHARS_MAX} ASCII characters without “@”; a publisher has visible letters"
    )]
    Text,
    /// Too many tools or rings.
    #[error("a manifest names at most {MANIFEST_ITEMS_MAX} tools and rings")]
    Items,
    /// A grace within which nothing would count as stopped.
    #[error("a stop grace is at most {MANIFEST_STOP_GRACE_MS_MAX} ms")]
    Grace,
}

impl Manifest {
    /// What keeps it from being one.
    ///
    /// # Errors
    /// The first fault found.
    pub fn check(&self) -> Result<(), ManifestFault> {
        if self.builds.is_empty() || self.builds.len() > BUILDS_MAX {
            return Err(ManifestFault::Builds);
        }
        let twice = |at: usize, build: &Build| {
            let before = self.builds.iter().take(at);
            before.into_iter().any(|b| b.platform == build.platform || b.file == build.file)
        };
        if self.builds.iter().enumerate().any(|(at, build)| twice(at, build)) {
            return Err(ManifestFault::Twice);
        }
        if self.tools.len() > MANIFEST_ITEMS_MAX || self.rings.len() > MANIFEST_ITEMS_MAX {
            return Err(ManifestFault::Items);
        }
        if self.stop_grace_ms.is_some_and(|grace_ms| grace_ms > MANIFEST_STOP_GRACE_MS_MAX) {
            return Err(ManifestFault::Grace);
        }
        let words = self.tools.iter().chain(&self.rings);
        let words = words.chain(self.builds.iter().map(|build| &build.platform));
        let plain = |letter: char| letter.is_ascii_graphic();
        let words = words.chain([&self.version]).all(|text| is_made_of(text, plain));
        let named = is_made_of(&self.publisher, is_visible);
        if words && named { Ok(()) } else { Err(ManifestFault::Text) }
    }

    /// True when this file is the program, on whichever platform.
    pub fn names(&self, file: &[u8; 32]) -> bool {
        self.builds.iter().any(|build| build.file == *file)
    }

    /// Name and version, as people write them.
    pub fn title(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

/// Few enough letters for a line, all of this sort; “@” parts a name from its version.
fn is_made_of(text: &str, sort: impl Fn(char) -> bool) -> bool {
    let count = text.chars().count();
    let fits = |letter: char| letter != '@' && sort(letter);
    (1..=MANIFEST_TEXT_CHARS_MAX).contains(&count) && text.chars().all(fits)
}

/// Letters of any script, and nothing that a reader does not see: no control, no mark of direction,
/// no joiner, no tag. Two texts that differ in those alone look the same.
fn is_visible(letter: char) -> bool {
    let hidden = ['\u{ad}', '\u{61c}', '\u{180e}', '\u{feff}'].contains(&letter)
        || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(letter, '\u{2060}'..='\u{206f}' | '\u{fff9}'..='\u{fffb}')
        || matches!(letter, '\u{e0000}'..='\u{e007f}');
    !letter.is_control() && !hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let build = |platform: &str, byte| Build { platform: platform.into(), file: [byte; 32] };
        Manifest {
            name: ProgramName::new("crawler").unwrap(),
            version: "1.2.0".into(),
            publisher: "Ada & Sons".into(),
            builds: vec![build("linux/x86_64", 1), build("linux/aarch64", 2)],
            tools: vec!["tool.call".into()],
            stop_grace_ms: Some(1_000),
            rings: vec!["default".into()],
        }
    }

    /// Goal: what adds up passes, each fault is found. Method: one change at a time.
    #[test]
    fn every_fault_is_found() {
        assert_eq!(manifest().check(), Ok(()));
        let spoilt = |spoil: fn(&mut Manifest)| {
            let mut one = manifest();
            spoil(&mut one);
            one.check()
        };
        assert_eq!(spoilt(|one| one.builds.clear()), Err(ManifestFault::Builds));
        assert_eq!(spoilt(|one| one.builds[1].file = [1; 32]), Err(ManifestFault::Twice));
        let same = |one: &mut Manifest| one.builds[1].platform = one.builds[0].platform.clone();
        assert_eq!(spoilt(same), Err(ManifestFault::Twice));
        assert_eq!(spoilt(|one| one.version = "1@2".into()), Err(ManifestFault::Text));
        assert_eq!(spoilt(|one| one.version = "1.2.0\u{200b}".into()), Err(ManifestFault::Text));
        assert_eq!(spoilt(|one| one.tools = vec!["tооl.call".into()]), Err(ManifestFault::Text));
        assert_eq!(spoilt(|one| one.publisher = "a\u{7}".into()), Err(ManifestFault::Text));
        assert_eq!(spoilt(|one| one.publisher = "a\u{202e}b".into()), Err(ManifestFault::Text));
        assert_eq!(spoilt(|one| one.publisher = "Ада и сыновья".into()), Ok(()));
        assert_eq!(spoilt(|one| one.rings = vec![String::new()]), Err(ManifestFault::Text));
        assert_eq!(spoilt(|one| one.stop_grace_ms = Some(u64::MAX)), Err(ManifestFault::Grace));
        let many = |one: &mut Manifest| one.tools = vec!["a".into(); MANIFEST_ITEMS_MAX + 1];
        assert_eq!(spoilt(many), Err(ManifestFault::Items));
    }

    /// Goal: names that a reader takes for each other have one look, others do not; what no name
    /// holds is refused. Method: pairs.
    #[test]
    fn look_alikes_have_one_look() {
        let look = |text: &str| ProgramName::new(text).unwrap().look();
        for (one, other) in
            [("crawler", "craw1er"), ("code-x", "codex"), ("modern", "modem"), ("o.k", "0k")]
        {
            assert_eq!(look(one), look(other), "{one} and {other}");
        }
        assert_ne!(look("crawler"), look("crawlers"));
        for bad in ["", "Crawler", "сrawler", "craw ler", "-crawler", "crawler@1"] {
            assert!(ProgramName::new(bad).is_err(), "{bad:?}");
        }
    }
}
