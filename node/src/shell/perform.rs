//! One short function per output. No decisions.

use super::disk::Disk;
use super::programs::look;
use super::wardens::Begin;
use super::{News, Shell};
use crate::clock;
use crate::store::{self, Ack, AuditEntry};
use crate::transport::{self, NetCommand, Unsent};
use belay_mesh::Input;
use belay_mesh::input::WriteId;
use belay_mesh::limits::DECISIONS_KEPT;
use belay_mesh::output::{Output, Record, Urgency};
use belay_mesh::wire::Lane;
use std::collections::BTreeMap;
use std::sync::Arc;

impl Shell {
    /// Carries out one output; what fails at once comes back as an input.
    pub(super) fn perform(&mut self, output: Output) -> Option<Input> {
        match output {
            Output::Send { link, lane, kind, body } => {
                let kind = u8::try_from(kind.code()).unwrap_or(u8::MAX);
                self.net(NetCommand::Send { peer: link.0, lane: lane_out(lane), kind, body });
                None
            }
            Output::Admit { link } => {
                self.net(NetCommand::Admit { peer: link.0 });
                None
            }
            Output::Hangup { link } => {
                self.net(NetCommand::Hangup { peer: link.0 });
                None
            }
            Output::Dial { link, addresses } => {
                self.dial(link, &addresses);
                None
            }
            Output::Forget { link } => {
                self.forget(link);
                None
            }
            Output::Reserve { relays } => {
                self.keep_places(&relays);
                None
            }
            Output::Persist { write, records, urgency } => self.persist(write, records, urgency),
            Output::Answer { ask, answer } => {
                self.answer(ask, answer);
                None
            }
            Output::Inspect { nonce, program } => {
                self.inspect(nonce, program);
                None
            }
            Output::Fetch { award, payload, from, addresses } => {
                self.fetch(award, &payload, from, &addresses)
            }
            Output::Abandon { award } => {
                self.abandon(&award);
                None
            }
            Output::Start { award, argv, agent, program, until, lapse_grace_ms } => {
                let begin = Begin { argv, agent, program, lapse_grace_ms };
                self.start_warden(award, begin, until);
                None
            }
            Output::Feed { award, until } => {
                self.wardens.feed(&award, until);
                None
            }
            Output::Freeze { award } => {
                self.wardens.freeze(&award);
                None
            }
            Output::End { award, grace_ms } => self.wardens.end(&award, grace_ms),
            Output::Tell(event) => {
                self.log.event(&event);
                None
            }
        }
    }

    pub(super) fn net(&self, command: NetCommand) {
        match self.net.send(command) {
            // A link that went down a moment ago: its `LinkDown` is on the way.
            Ok(()) | Err(Unsent::NoLink(_)) | Err(Unsent::Stopped) => {}
            Err(unsent) => self.log.line(&format!("not sent: {unsent}")),
        }
    }

    fn persist(&mut self, write: WriteId, records: Vec<Record>, urgency: Urgency) -> Option<Input> {
        let urgency = match urgency {
            Urgency::Ordinary => store::Urgency::Ordinary,
            Urgency::Reserved => store::Urgency::Reserved,
        };
        let before = self.audit.head();
        let explains = |record: &Record| match record {
            Record::Audit { number, told, .. } if self.disk.keeps(urgency, told.len()) => {
                Some(kept_decision(*number, told))
            }
            Record::Audit { .. }
            | Record::Statement { .. }
            | Record::Body { .. }
            | Record::Outcome { .. } => None,
        };
        let explained: Vec<store::Record> = records.iter().filter_map(explains).collect();
        let rows = records.into_iter().map(|record| self.record(record, urgency));
        let records = rows.chain(explained).collect();
        match self.store.submit(store::WriteId(write.0), urgency, records) {
            Ok(()) => {
                self.audit.submitted(write, before);
                None
            }
            Err(refused) => {
                self.audit.not_taken(before);
                Some(Input::WriteFailed { write, why: refused.to_string() })
            }
        }
    }

    /// A record as the disk has it; an event stands in its row unless the room is kept for orders.
    fn record(&mut self, record: Record, urgency: store::Urgency) -> store::Record {
        let disk = &self.disk;
        let event = |told: Vec<u8>| match disk.keeps(urgency, told.len()) {
            true => told,
            false => Vec::new(),
        };
        let (wall_ms, kind, rule, release, act, event) = match record {
            Record::Statement { id, bytes } => {
                return store::Record::Statement { id: id.0, bytes: bytes.to_vec() };
            }
            Record::Body { hash, bytes } => return store::Record::Blob { hash, bytes },
            Record::Audit { act, verdict, wall_ms, told, .. } => {
                let release = verdict.release_id.map(|id| id.0);
                (wall_ms, verdict.decision.as_str(), verdict.rule, release, act, event(told))
            }
            Record::Outcome { act, came, wall_ms, told } => {
                (wall_ms, OUTCOME, came.as_str().to_owned(), None, act, event(told))
            }
        };
        let boot_ms = clock::now().boot.0 / 1_000_000;
        let kind = kind.to_owned();
        let entry = AuditEntry { boot_ms, wall_ms, kind, rule, release, act, event };
        store::Record::Audit(self.audit.link(entry))
    }

    pub(super) fn on_ack(&mut self, ack: Ack) {
        let write = WriteId(ack.id.0);
        match ack.result {
            Ok(()) => {
                self.audit.written(&write);
                self.give(Input::Persisted { write });
                // The first row of this life is told of at once, later ones now and then.
                if self.engine.audit_unsaid() {
                    self.tell_audited();
                }
            }
            Err(failed) => {
                if self.audit.failed(&write) {
                    self.disk = Disk::Failing(format!("{}; {}", failed, failed.hint()));
                }
                self.give(Input::WriteFailed { write, why: failed.to_string() });
                if !std::mem::replace(&mut self.disk_retried, true) {
                    self.retry_disk();
                }
            }
        }
    }

    /// A disk that was failing when it was opened is tried again like one that fails later.
    pub(super) fn begin_disk(&mut self) {
        if self.disk != Disk::Writing {
            self.disk_retried = true;
            self.retry_disk();
        }
    }

    /// One loop at a time: `disk_retried` tells whether it goes.
    fn retry_disk(&self) {
        let (store, news) = (Arc::clone(&self.store), self.news.clone());
        tokio::spawn(async move {
            tokio::time::sleep(RETRY_DISK_AFTER).await;
            let tried = tokio::task::spawn_blocking(move || store.retry()).await;
            let result = match tried {
                Ok(result) => result.map_err(|failed| failed.to_string()),
                Err(error) => Err(error.to_string()),
            };
            // The node may have ended meanwhile.
            let _ = news.send(News::Retried(result)).await;
        });
    }

    pub(super) fn on_retried(&mut self, result: Result<(), String>) {
        match result {
            Ok(()) => {
                self.disk = Disk::Writing;
                self.disk_retried = false;
            }
            Err(_still_full) => self.retry_disk(),
        }
    }

    fn inspect(&self, nonce: [u8; 16], program: String) {
        let news = self.news.clone();
        tokio::spawn(async move {
            let looked = tokio::task::spawn_blocking(move || look(&program)).await;
            let found = match looked {
                Ok(found) => found.map(|seen| seen.identity()).map_err(|e| e.to_string()),
                Err(error) => Err(error.to_string()),
            };
            // The node may have ended meanwhile.
            let _ = news.send(News::Inspected(nonce, found)).await;
        });
    }
}

/// Decisions are kept in as many places as there are kept, the newest over the oldest.
fn kept_decision(number: u64, told: &[u8]) -> store::Record {
    let place = number % DECISIONS_KEPT as u64;
    store::Record::Meta { key: format!("{DECISION}{place}"), value: told.to_vec() }
}

/// What a row is called that holds an outcome.
const OUTCOME: &str = "outcome";

/// What the names of kept decisions begin with.
const DECISION: &str = "decision/";

/// The decisions that an earlier process kept.
pub(super) fn kept_decisions(meta: &BTreeMap<String, Vec<u8>>) -> Vec<Vec<u8>> {
    let kept = meta.iter().filter(|(key, _)| key.starts_with(DECISION));
    kept.map(|(_, told)| told.clone()).collect()
}

/// A full disk is looked at again after this long.
const RETRY_DISK_AFTER: std::time::Duration = std::time::Duration::from_secs(5);

fn lane_out(lane: Lane) -> transport::Lane {
    match lane {
        Lane::Urgent => transport::Lane::Urgent,
        Lane::Bulk => transport::Lane::Bulk,
        Lane::Repair => transport::Lane::Repair,
    }
}
