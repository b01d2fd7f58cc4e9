//! The invite file: what a newcomer needs to join, and nothing that outlives its use.
//!
//! Root epochs with their approvals, the invite, the seed of its one-use key, and addresses of
//! members. Whoever holds the file can enrol one device, so it is written 0600 and said so.

use crate::fault::{Fault, io};
use belay_identity::body::Body;
use belay_identity::codec::{self, Bytes};
use belay_identity::key::PublicKey;
use belay_identity::{FleetId, Signed, Statement, Verified, record};
use belay_mesh::limits::ROOTS_BYTES_MAX;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use zeroize::{Zeroize, Zeroizing};

/// Bytes of an invite file: the root epochs that a node puts in, and the rest of it.
const FILE_BYTES_MAX: u64 = ROOTS_BYTES_MAX as u64 + (1 << 20);

record! {
    /// The contents of an invite file.
    pub struct InviteFile("invite file") {
        /// The version of this format: 1.
        1 => version: u64,
        /// Root epochs with their approvals.
        2 => roots: Vec<Bytes>,
        /// The invite.
        3 => invite: Bytes,
        /// The seed of the invite's key.
        4 => seed: [u8; 32],
        /// Members that can be dialled.
        5 => peers: Vec<Peer>,
        /// What the operator said the device is.
        6 => kind: belay_identity::body::DeviceKind,
    }
}

record! {
    /// A member and where it listens.
    pub struct Peer("peer") {
        /// Its device key.
        1 => key: PublicKey,
        /// Multiaddresses.
        2 => addresses: Vec<String>,
    }
}

impl Drop for InviteFile {
    fn drop(&mut self) {
        self.seed.zeroize();
    }
}

/// An invite file whose signatures hold.
pub(crate) struct Opened {
    pub(crate) fleet: FleetId,
    pub(crate) file: InviteFile,
    pub(crate) roots: Vec<Verified<Statement>>,
    pub(crate) invite: Verified<Statement>,
}

/// Writes an invite file that only its owner can read; never over an existing one.
pub(crate) fn write(path: &Path, file: &InviteFile) -> Result<(), Fault> {
    let bytes = Zeroizing::new(codec::write(&file.to_value()));
    let options = &mut std::fs::OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o600).open(path);
    let mut handle = opened.map_err(|error| {
        Fault::wrong_use(format!("{}: {error}", path.display()), "choose another file with --out")
    })?;
    handle.write_all(&bytes).and_then(|()| handle.sync_all()).map_err(io(path.display()))
}

/// Reads an invite file and checks everything signed in it.
pub(crate) fn read(path: &Path) -> Result<Opened, Fault> {
    let bad = |what: String| {
        let hint = "ask the operator for a fresh invite file, and copy it as it is";
        Fault::wrong_use(format!("{}: {what}", path.display()), hint)
    };
    let meta = std::fs::metadata(path).map_err(|error| bad(error.to_string()))?;
    if meta.len() > FILE_BYTES_MAX {
        return Err(bad(format!(
            "this is no invite file: it is longer than {} MiB",
            FILE_BYTES_MAX >> 20
        )));
    }
    let bytes = Zeroizing::new(std::fs::read(path).map_err(|error| bad(error.to_string()))?);
    open(&bytes).map_err(bad)
}

/// Checks the bytes of an invite file and everything signed in it; says what is wrong with them.
pub(crate) fn open(bytes: &[u8]) -> Result<Opened, String> {
    let value = codec::read(bytes).map_err(|error| format!("no invite file: {error}"))?;
    let file = InviteFile::from_value(value).map_err(|error| error.to_string())?;
    if file.version != 1 {
        let version = file.version;
        return Err(format!("an invite file of version {version}, which this belay does not read"));
    }
    let fleet = founding_of(&file).ok_or("it holds no root epoch 1")?;
    let verify = |bytes: &Bytes| {
        Signed::<Statement>::parse(&bytes.0)
            .and_then(|signed| signed.verify(&fleet))
            .map_err(|error| error.to_string())
    };
    let roots = file.roots.iter().map(verify).collect::<Result<Vec<_>, _>>()?;
    let invite = verify(&file.invite)?;
    Ok(Opened { fleet, file, roots, invite })
}

fn founding_of(file: &InviteFile) -> Option<FleetId> {
    let signed = file.roots.iter().filter_map(|b| Signed::<Statement>::parse(&b.0).ok());
    let mut firsts = signed
        .filter(|signed| matches!(&signed.claim().body, Body::Root(root) if root.number == 1));
    firsts.next().map(|signed| FleetId(signed.founding_id().0))
}
