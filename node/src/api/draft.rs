//! Drafts in the doors' words.

use super::policy::short_name;
use super::to_text;
use belay_identity::key::hex;
use belay_mesh::drafts::{ChangeReport, DraftLine, DraftReport, TouchedReport};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One draft in a list.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DraftLineSaid {
    pub(crate) id: String,
    pub(crate) name: Option<String>,
    pub(crate) founder: Option<String>,
    pub(crate) authors: Vec<String>,
    pub(crate) changes: u64,
    pub(crate) heads: u64,
    pub(crate) left_out: u64,
}

/// A draft as it reads at this node.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct DraftSaid {
    pub(crate) draft: DraftLineSaid,
    pub(crate) files: Vec<FileSaid>,
    pub(crate) changes: Vec<ChangeSaid>,
    /// The statements that carry its heads.
    pub(crate) heads: Vec<String>,
    pub(crate) left_out: Vec<LeftOutSaid>,
    pub(crate) touched: Vec<TouchedSaid>,
    pub(crate) doubled: Vec<String>,
    /// The plain Automerge document, in hex.
    pub(crate) saved: String,
}

/// One file, line by line.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct FileSaid {
    pub(crate) path: String,
    pub(crate) lines: Vec<LineSaid>,
}

/// One line with its end, and who wrote what stands in it, last writer first.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LineSaid {
    pub(crate) text: String,
    pub(crate) by: Vec<String>,
}

/// One change that counts.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ChangeSaid {
    pub(crate) statement: String,
    pub(crate) hash: String,
    pub(crate) author: String,
    pub(crate) message: String,
    pub(crate) said_s: i64,
    pub(crate) author_stands: bool,
    pub(crate) head: bool,
}

/// One change that does not count.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LeftOutSaid {
    pub(crate) author: String,
    pub(crate) statement: String,
    pub(crate) why: String,
}

/// Lines that two branches both touched.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TouchedSaid {
    pub(crate) path: String,
    /// From 1, in the text that both began with.
    pub(crate) line: usize,
    pub(crate) was: String,
    pub(crate) versions: Vec<VersionSaid>,
}

/// What one branch made of them.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct VersionSaid {
    pub(crate) author: String,
    pub(crate) text: String,
}

impl DraftSaid {
    /// The files as texts, by path.
    pub(crate) fn texts(&self) -> BTreeMap<String, String> {
        let text = |file: &FileSaid| file.lines.iter().map(|line| line.text.as_str()).collect();
        self.files.iter().map(|file| (file.path.clone(), text(file))).collect()
    }
}

impl From<&DraftLine> for DraftLineSaid {
    fn from(line: &DraftLine) -> Self {
        Self {
            id: line.id.to_hex(),
            name: line.name.clone(),
            founder: line.founder.as_deref().map(short_name),
            authors: line.authors.iter().map(|author| short_name(author)).collect(),
            changes: line.changes,
            heads: line.heads,
            left_out: line.aside,
        }
    }
}

impl From<&DraftReport> for DraftSaid {
    fn from(report: &DraftReport) -> Self {
        let line = |(text, by): &(String, Vec<String>)| LineSaid {
            text: text.clone(),
            by: by.iter().map(|author| short_name(author)).collect(),
        };
        let files = report.files.iter().map(|file| FileSaid {
            path: file.path.clone(),
            lines: file.lines.iter().map(line).collect(),
        });
        let left_out = report.aside.iter().map(|(author, statement, why)| LeftOutSaid {
            author: short_name(author),
            statement: statement.to_hex(),
            why: why.clone(),
        });
        let change = |change: &ChangeReport| ChangeSaid {
            statement: change.statement.to_hex(),
            hash: hex(&change.hash),
            author: short_name(&change.author),
            message: change.message.clone(),
            said_s: change.said_s,
            author_stands: change.author_stands,
            head: report.heads.contains(&change.statement),
        };
        Self {
            draft: (&report.line).into(),
            files: files.collect(),
            changes: report.changes.iter().map(change).collect(),
            heads: report.heads.iter().map(|id| id.to_hex()).collect(),
            left_out: left_out.collect(),
            touched: report.touched.iter().map(Into::into).collect(),
            doubled: report.doubled.clone(),
            saved: to_text(&report.saved),
        }
    }
}

impl From<&TouchedReport> for TouchedSaid {
    fn from(touched: &TouchedReport) -> Self {
        let version = |author: &str, text: &str| VersionSaid {
            author: short_name(author),
            text: text.to_owned(),
        };
        let (first, second) = (&touched.authors.0, &touched.authors.1);
        Self {
            path: touched.path.clone(),
            line: touched.lines.base.start + 1,
            was: touched.lines.was.clone(),
            versions: vec![
                version(first, &touched.lines.first),
                version(second, &touched.lines.second),
            ],
        }
    }
}
