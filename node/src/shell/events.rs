//! Rows of the audit log for whoever reads them: handed out as they are on disk, in pages.
//!
//! The reader checks the links between them himself. Refused here: reading them for him, and
//! holding up the loop; a page is read beside it.

use super::Shell;
use super::doors::{Asked, Reply};
use crate::api::event::RowsSaid;
use crate::door::Refusal as DoorRefusal;
use belay_identity::key::hex;
use belay_mesh::Input;
use serde_json::Value;
use std::sync::Arc;

/// Bytes of rows in one answer: twice as many as text, half of what a line at a door may have.
const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

impl Shell {
    /// Tells the engine how far the log goes, where rows of this life are on disk.
    pub(super) fn tell_audited(&mut self) {
        let head = self.audit.on_disk();
        if std::mem::replace(&mut self.audited, head) != head {
            self.give(Input::Audited { rows: head.seq, hash: head.hash });
        }
    }

    /// Reads a page beside the loop and answers whoever asked.
    pub(super) fn tell_rows(&self, asked: Asked, from: u64) {
        let (store, head) = (Arc::clone(&self.store), self.audit.on_disk());
        let device = self.engine.device_name();
        let said = self.engine.own_audit_said().cloned();
        tokio::task::spawn_blocking(move || {
            let rows = store.audit_rows(from.max(1)).map(|rows| RowsSaid {
                rows: page(rows),
                last: head.seq,
                last_hash: hex(&head.hash),
                said: said.as_ref().map_or(0, |said| said.rows),
                said_hash: said.as_ref().map(|said| hex(&said.hash)).unwrap_or_default(),
                device,
            });
            asked.say(match rows {
                Ok(rows) => Reply::Said(Ok(serde_json::to_value(rows).unwrap_or(Value::Null))),
                Err(failed) => {
                    let hint = "see `belay status`: what its disk is at";
                    Reply::Said(Err(DoorRefusal::new("failed", failed.to_string(), hint)))
                }
            });
        });
    }
}

fn page(rows: Vec<Vec<u8>>) -> Vec<String> {
    let mut bytes = 0;
    let fits = |row: &Vec<u8>| {
        bytes += row.len();
        bytes <= PAGE_BYTES_MAX
    };
    rows.into_iter().take_while(fits).map(|row| hex(&row)).collect()
}
