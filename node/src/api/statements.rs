//! Statements held at a node, in the doors' words.

use belay_mesh::statements::{StatementLine, StatementList};
use serde::{Deserialize, Serialize};

/// The statements held here, or as many as one answer carries.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StatementsSaid {
    pub(crate) statements: Vec<StatementSaid>,
    /// How many there are.
    pub(crate) held: u64,
}

/// One statement.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StatementSaid {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) class: String,
    pub(crate) author: String,
    pub(crate) seq: u64,
    pub(crate) epoch: u64,
    pub(crate) expiry_ms: Option<u64>,
}

impl From<&StatementList> for StatementsSaid {
    fn from(list: &StatementList) -> Self {
        let statements = list.lines.iter().map(StatementSaid::from).collect();
        Self { statements, held: list.held as u64 }
    }
}

impl From<&StatementLine> for StatementSaid {
    fn from(line: &StatementLine) -> Self {
        Self {
            id: line.id.to_hex(),
            kind: line.kind.clone(),
            class: line.class.as_str().to_owned(),
            author: line.author.clone(),
            seq: line.seq,
            epoch: line.epoch,
            expiry_ms: line.expiry_ms,
        }
    }
}
