//! Payloads on this device's disk: taken in when work is given, lent to whom the engine names,
//! fetched before work starts.
//!
//! They lie in `STATE/payloads`, each under its content hash with its list of pieces beside it, for
//! as long as an open award names them. Copying and hashing run beside the loop. Refused here:
//! judging who may have what, and keeping what nobody may fetch any more.

use super::doors::Asked;
use super::wardens::made;
use super::{News, Shell};
use crate::transport::NetCommand;
use crate::transport::direct::{Content, Fetch, Pieces, Source, Unsealed, direct_socket};
use belay_identity::body::Payload;
use belay_identity::key::hex;
use belay_identity::{PublicKey, StatementId};
use belay_mesh::Input;
use belay_mesh::limits::PAYLOAD_BYTES_MAX;
use belay_mesh::output::{Refusal, RefusalKind};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// What is on its way.
#[derive(Default)]
pub(super) struct Payloads {
    drawn: u64,
    /// Fetches under way, by ticket.
    fetches: BTreeMap<u64, StatementId>,
    /// Files that are being taken in: their copies have no award yet.
    sealing: usize,
}

const FOLDER: &str = "payloads";

impl Shell {
    /// Begins with an empty table: what an earlier process left half fetched is gone.
    pub(super) fn begin_payloads(&self) -> io::Result<()> {
        let folder = self.state.path().join(FOLDER);
        std::fs::create_dir_all(&folder)?;
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|end| end == "draft") {
                std::fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// Takes in a file that is to travel with work, then asks again with what it became.
    pub(super) fn seal(&mut self, asked: Asked, file: String) {
        self.payloads.sealing += 1;
        self.payloads.drawn += 1;
        let folder = self.state.path().join(FOLDER);
        let draft = folder.join(format!("sealed-{}.draft", self.payloads.drawn));
        let news = self.news.clone();
        tokio::task::spawn_blocking(move || {
            let sealed = seal(Path::new(&file), &draft, &folder);
            if sealed.is_err() {
                // What was not finished is left to nobody.
                let _ = std::fs::remove_file(&draft);
            }
            // The node may have ended meanwhile.
            let _ = news.blocking_send(News::Sealed(Box::new(asked), sealed));
        });
    }

    pub(super) fn on_sealed(&mut self, asked: Asked, sealed: Result<Payload, Refusal>) {
        self.payloads.sealing -= 1;
        match sealed {
            Ok(payload) => self.on_visit(Box::new(asked.with_payload(payload))),
            Err(refusal) => asked.refuse(&refusal),
        }
    }

    /// Fetches a payload into its task's folder; what fails at once comes back as an input.
    pub(super) fn fetch(
        &mut self,
        award: StatementId,
        payload: &Payload,
        from: PublicKey,
        addresses: &[String],
    ) -> Option<Input> {
        let into = match self.task_folder(&award) {
            Ok(folder) => folder.join(&payload.name),
            Err(why) => return Some(Input::Fetched { award, result: Err(why) }),
        };
        if from == self.device {
            self.copy(award, payload, into);
            return None;
        }
        self.payloads.drawn += 1;
        let ticket = self.payloads.drawn;
        let addresses = addresses.iter().filter_map(|address| address.parse().ok());
        let order = Fetch {
            ticket,
            peer: from.0,
            addresses: addresses.filter(|address| direct_socket(address).is_some()).collect(),
            content: Content::Pieces(payload.hash),
            bytes: payload.bytes,
            draft: self.state.path().join(FOLDER).join(format!("{ticket}.draft")),
            into,
        };
        match self.net.send(NetCommand::Fetch(Box::new(order))) {
            Ok(()) => {
                self.payloads.fetches.insert(ticket, award);
                None
            }
            Err(unsent) => {
                let result = Err(format!("the payload was not asked for: {unsent}"));
                Some(Input::Fetched { award, result })
            }
        }
    }

    /// This device gave the work to itself.
    fn copy(&self, award: StatementId, payload: &Payload, into: PathBuf) {
        let (kept, news) = (self.kept(&payload.hash), self.news.clone());
        tokio::task::spawn_blocking(move || {
            let copied = std::fs::copy(&kept, &into);
            let result = copied.map(drop).map_err(|error| format!("{}: {error}", into.display()));
            // The node may have ended meanwhile.
            let _ = news.blocking_send(News::Copied(award, result));
        });
    }

    pub(super) fn abandon(&mut self, award: &StatementId) {
        let of = |(ticket, fetching): (&u64, &StatementId)| (fetching == award).then_some(*ticket);
        let Some(ticket) = self.payloads.fetches.iter().find_map(of) else { return };
        self.payloads.fetches.remove(&ticket);
        // Links that have ended fetch nothing any more.
        let _ = self.net.send(NetCommand::Abandon { ticket });
    }

    pub(super) fn on_fetched(&mut self, ticket: u64, result: Result<(), String>) {
        let Some(award) = self.payloads.fetches.remove(&ticket) else { return };
        let result = result.map_err(|why| format!("its payload did not come: {why}"));
        self.give(Input::Fetched { award, result });
    }

    /// A member wants a payload: the engine says whether, the disk where it is.
    pub(super) fn on_wanted(&mut self, ticket: u64, peer: [u8; 32], content: Content) {
        let source = match content {
            Content::Pieces(hash) => self.engine.may_have(&PublicKey(peer), &hash).map(|_| {
                let path = self.kept(&hash);
                let list = path.with_extension("list");
                Source::File { path, list }
            }),
            Content::Whole(_) => Err("nothing is lent here by that name".to_owned()),
        };
        if let Err(why) = &source {
            self.log.line(&format!("a payload refused to {:?}: {why}", PublicKey(peer)));
        }
        // A wish that is not answered is cut with its connection, and asked again.
        let _ = self.net.send(NetCommand::Lend { ticket, source });
    }

    /// Forgets what no open award names.
    pub(super) fn sweep_payloads(&self) {
        if self.payloads.sealing > 0 {
            return;
        }
        let Ok(entries) = std::fs::read_dir(self.state.path().join(FOLDER)) else { return };
        let paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        if paths.is_empty() {
            return;
        }
        let used = self.engine.payloads_in_use().into_iter().map(|hash| hex(&hash));
        let used: Vec<String> = used.collect();
        for path in paths {
            let is_draft = path.extension().is_some_and(|end| end == "draft");
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            if !is_draft && !used.iter().any(|name| name == stem) {
                // Tried again at the next look.
                let _ = std::fs::remove_file(&path);
            }
        }
    }

    fn kept(&self, hash: &[u8; 32]) -> PathBuf {
        self.state.path().join(FOLDER).join(hex(hash))
    }
}

/// Copies a file into the folder under its content hash, with its list of pieces.
fn seal(file: &Path, draft: &Path, folder: &Path) -> Result<Payload, Refusal> {
    let wrong = |what: String| {
        let hint = "name a regular file that you may read, with --send FILE";
        Refusal::new(RefusalKind::WrongUse, format!("{}: {what}", file.display()), hint)
    };
    let full = |error: io::Error| {
        let hint = "free some space on this device's disk, or send a smaller file";
        Refusal::new(RefusalKind::Failed, format!("{}: {error}", folder.display()), hint)
    };
    let name = file.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| wrong("it has no name in UTF-8".into()))?.to_owned();
    // A pipe or a device has no length, and might never end.
    let about = std::fs::metadata(file).map_err(|error| wrong(error.to_string()))?;
    if !about.is_file() {
        return Err(wrong("it is no regular file".into()));
    }
    let from = std::fs::File::open(file).map_err(|error| wrong(error.to_string()))?;
    made(folder.to_owned()).map_err(|why| full(io::Error::other(why)))?;
    let copy = std::fs::File::create(draft).map_err(full)?;
    let pieces =
        Pieces::seal(from, copy, PAYLOAD_BYTES_MAX).map_err(|unsealed| match unsealed {
            Unsealed::Read(error) => wrong(error.to_string()),
            Unsealed::Write(error) => full(error),
            Unsealed::TooLong => {
                wrong(format!("longer than the {PAYLOAD_BYTES_MAX} that may travel"))
            }
        })?;
    let hash = pieces.root();
    let kept = folder.join(hex(&hash));
    std::fs::write(kept.with_extension("list"), pieces.list()).map_err(full)?;
    std::fs::rename(draft, &kept).map_err(full)?;
    Ok(Payload { hash, bytes: pieces.bytes, name })
}
