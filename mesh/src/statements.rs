//! Statements by themselves: which are held here, and the original bytes of one.
//!
//! Whoever holds the bytes and the root's fingerprint can check them with any COSE library, so they
//! are handed out as they were signed. Refused here: what this device has not written yet, and
//! saying what a statement is worth; views do that.

use crate::engine::Engine;
use crate::limits::STATEMENTS_LISTED_MAX;
use crate::output::{Refusal, RefusalKind};
use belay_identity::{Class, Statement, StatementId, Verified};

/// One statement in a list.
#[derive(Debug, Clone)]
pub struct StatementLine {
    /// Its id.
    pub id: StatementId,
    /// Its kind, as its content type has it.
    pub kind: String,
    /// The class it travels in.
    pub class: Class,
    /// Who says it.
    pub author: String,
    /// Its number in its log.
    pub seq: u64,
    /// The root epoch its author knew.
    pub epoch: u64,
    /// When it ends by itself, Unix milliseconds.
    pub expiry_ms: Option<u64>,
}

/// The statements held here, or as many of them as one answer carries.
#[derive(Debug, Clone)]
pub struct StatementList {
    /// By author, then class, then number.
    pub lines: Vec<StatementLine>,
    /// How many there are.
    pub held: usize,
}

impl Engine {
    /// Statements of a kind and of an author's name, or of any.
    pub(crate) fn statement_list(&self, kind: Option<&str>, author: Option<&str>) -> StatementList {
        let asked = |held: &&Verified<Statement>| {
            let name = held.author.to_string();
            kind.is_none_or(|kind| held.body.kind() == kind)
                && author.is_none_or(|author| name.rsplit('/').next() == Some(author))
                && !self.is_unsent(&held.id())
        };
        let mut lines: Vec<StatementLine> =
            self.known.set.iter().map(|held| &**held).filter(asked).map(line).collect();
        lines.sort_by(|a, b| {
            (&a.author, a.class, a.seq, a.id).cmp(&(&b.author, b.class, b.seq, b.id))
        });
        let held = lines.len();
        lines.truncate(STATEMENTS_LISTED_MAX);
        StatementList { lines, held }
    }

    /// The original bytes of the one statement whose id begins with these digits.
    pub(crate) fn statement_bytes(&self, digits: &str) -> Result<Vec<u8>, Refusal> {
        let id = self.statement_named(digits)?;
        let held = self.known.get(&id).filter(|_| !self.is_unsent(&id));
        let why = "this statement is being written";
        let busy = || Refusal::new(RefusalKind::Failed, why, "try again in a moment");
        held.map(|held| held.bytes().to_vec()).ok_or_else(busy)
    }
}

fn line(held: &Verified<Statement>) -> StatementLine {
    StatementLine {
        id: held.id(),
        kind: held.body.kind().to_owned(),
        class: held.class,
        author: held.author.to_string(),
        seq: held.seq,
        epoch: held.epoch,
        expiry_ms: held.expiry_ms,
    }
}
