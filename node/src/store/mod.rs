//! The store: what this node acknowledged is on disk, through crashes and full disks.
//!
//! Read in this order: `state` (the directory and its lock), `record` (what can be kept), `queue`
//! (the store as callers hold it), `writer` (the one thread that writes), `tables` (the database),
//! `reserve` (the journal for a full disk), `audit` (the linked rows).
//!
//! Promise P5: what a node acknowledged is on disk. Statements are bytes here; what they mean and
//! whether they are signed was decided before they came.

mod audit;
mod database;
mod error;
mod limits;
mod queue;
mod record;
mod reserve;
mod state;
mod tables;
#[cfg(test)]
mod tests;
mod writer;

pub use audit::{AuditEntry, AuditHead, AuditRow, BreakKind, ChainBreak, RowFault, verify_chain};
pub use error::{ReadFailed, Refused, StateError, StoreError, Why, WriteFailed, Written};
pub use limits::{
    AUDIT_READ_ROWS_MAX, AUDIT_ROW_BYTES_MAX, AUDIT_TAIL_ROWS, AUDIT_TEXT_BYTES_MAX,
    BLOB_BYTES_MAX, GROUP_BYTES_MAX, GROUP_SUBMITS_MAX, META_KEY_BYTES_MAX, META_VALUE_BYTES_MAX,
    QUEUE_BYTES_MAX, QUEUE_BYTES_RESERVED, QUEUE_SUBMITS_MAX, QUEUE_SUBMITS_RESERVED,
    RESERVE_BYTES, SOCKET_PATH_BYTES_MAX, STATEMENT_BYTES_MAX, STORE_BYTES_MAX, SUBMIT_RECORDS_MAX,
};
pub use queue::Store;
pub use record::{Record, Urgency, WriteId};
pub(crate) use record::{decode as read_journal, encode as write_journal};
pub use state::StateDir;
pub use tables::Replay;
pub use writer::{Ack, Condition};
