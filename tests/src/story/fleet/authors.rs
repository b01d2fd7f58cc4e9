//! Operators who write policy together, as a story sees them in either world.
//!
//! Names are the last word of an id: `bob`, not `spiffe://…/operator/bob`.

use super::Refused;

/// An operator, and the device on which he sits: his key lies there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// His name.
    pub name: String,
    /// The device.
    pub device: String,
}

/// A draft as a device reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftSeen {
    /// The lines of its rules, each with who wrote what stands in it.
    pub lines: Vec<(String, Vec<String>)>,
    /// How many branches stand beside each other.
    pub branches: usize,
    /// Lines that two branches both touched.
    pub touched: usize,
}

/// One release in the history of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleaseSeen {
    /// Its version.
    pub version: String,
    /// What became of it.
    pub state: String,
    /// Who signed it.
    pub author: String,
    /// Who approved it, sorted.
    pub approved: Vec<String>,
    /// Why.
    pub reason: String,
    /// The drafts it was made of.
    pub drafts: Vec<String>,
}

/// What several operators do together.
pub trait Authors {
    /// The operator who founded the fleet.
    fn founder(&self) -> Author;
    /// The root names one more operator of policy, whose key is made on this device.
    fn name_author(&mut self, name: &str, device: &str) -> Author;
    /// The root epoch that stands at a device.
    fn epoch(&mut self, device: &str) -> u64;
    /// Begins a draft from the release in force.
    fn begin_draft(&mut self, author: &Author, draft: &str) -> Result<(), Refused>;
    /// Makes these the rules of a draft, from what the author's device knows of it.
    fn edit_draft(&mut self, author: &Author, draft: &str, rules: &str) -> Result<(), Refused>;
    /// Signs that what came together was looked at.
    fn merge_draft(&mut self, author: &Author, draft: &str) -> Result<(), Refused>;
    /// A draft as a device reads it; nothing where it does not know it.
    fn draft(&mut self, device: &str, draft: &str) -> Option<DraftSeen>;
    /// Makes a draft the next release, and approves it; its id.
    fn propose(&mut self, author: &Author, draft: &str, why: &str) -> Result<String, Refused>;
    /// Says yes to a proposal.
    fn approve(&mut self, author: &Author, proposal: &str) -> Result<(), Refused>;
    /// Every release as a device knows it, newest first.
    fn history(&mut self, device: &str) -> Vec<ReleaseSeen>;
    /// Who signed and approved the release by which a device decided last, sorted.
    fn answerable(&mut self, device: &str) -> Vec<String>;
}

impl DraftSeen {
    /// The rules as one text.
    pub fn rules(&self) -> String {
        self.lines.iter().map(|(text, _)| text.as_str()).collect()
    }

    /// Who wrote what stands in the lines that hold this word.
    pub fn authors_of(&self, word: &str) -> Vec<&str> {
        let lines = self.lines.iter().filter(|(text, _)| text.contains(word));
        lines.flat_map(|(_, by)| by.iter().map(String::as_str)).collect()
    }
}

/// The last word of a name.
pub(super) fn last_word(name: &str) -> String {
    name.rsplit(['/', ':']).next().unwrap_or_default().to_owned()
}
