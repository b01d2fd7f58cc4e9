//! The fingerprint of a run: every output of every engine, folded in order.
//!
//! Two runs from one seed have equal fingerprints, or something read the real world.

use crate::clock::Time;
use belay_mesh::Output;
use belay_mesh::output::Record;
use sha2::{Digest, Sha256};

/// The run so far.
#[derive(Default)]
pub(crate) struct Trace {
    hash: Sha256,
}

impl Trace {
    /// Folds one output in.
    pub(crate) fn fold(&mut self, now: Time, node: usize, output: &Output) {
        self.hash.update(now.to_be_bytes());
        self.hash.update((node as u64).to_be_bytes());
        match output {
            Output::Send { link, lane, kind, body } => {
                self.hash.update(link.0);
                self.hash.update([1, lane.code() as u8, kind.code() as u8]);
                self.hash.update(body);
            }
            Output::Persist { write, records, urgency } => {
                self.hash.update(write.0.to_be_bytes());
                self.hash.update([2, *urgency as u8]);
                records.iter().for_each(|record| self.record(record));
            }
            Output::Admit { .. }
            | Output::Hangup { .. }
            | Output::Dial { .. }
            | Output::Forget { .. }
            | Output::Reserve { .. }
            | Output::Answer { .. }
            | Output::Inspect { .. }
            | Output::Fetch { .. }
            | Output::Abandon { .. }
            | Output::Start { .. }
            | Output::Feed { .. }
            | Output::Freeze { .. }
            | Output::End { .. }
            | Output::Tell(_) => self.hash.update(format!("{output:?}")),
        }
    }

    fn record(&mut self, record: &Record) {
        match record {
            Record::Statement { id, bytes } => {
                self.hash.update(id.0);
                self.hash.update(bytes);
            }
            Record::Body { hash, .. } => self.hash.update(hash),
            Record::Audit { task, act, verdict, wall_ms, .. } => {
                self.hash.update(task.0);
                self.hash.update(act);
                self.hash.update(wall_ms.to_be_bytes());
                self.hash.update(format!("{verdict:?}"));
            }
            Record::Outcome { told, .. } => self.hash.update(told),
        }
    }

    /// The fingerprint.
    pub(crate) fn fingerprint(self) -> [u8; 32] {
        self.hash.finalize().into()
    }
}
