//! The giving side of a payload: asked for by hash, sent from the piece that the asker lacks.
//!
//! The owner says who may have what; a key that is no member's any more is cut off between two
//! blocks. Refused here: more transfers at once than the limits say, reading ahead of a slow peer
//! by more than four blocks, and waiting for one that reads nothing.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::PathBuf,
    sync::Arc,
};

use quinn::{RecvStream, SendStream, WriteError};
use tokio::{sync::mpsc, time::timeout};

use super::{
    super::key::DeviceKey,
    doorway::{Entry, Porter},
    limits::{BLOCK_BYTES, BLOCKS_AHEAD, LEND_BLOCK_MAX, PIECE_BYTES, REASON_BYTES_MAX},
};

/// What is asked for, by its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Content {
    /// A payload, by the hash of its pieces.
    Pieces([u8; 32]),
    /// A short body, by the SHA-256 of its bytes.
    Whole([u8; 32]),
}

/// Where the bytes of a content are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file with its list of pieces beside it.
    File {
        /// The bytes.
        path: PathBuf,
        /// The list of pieces.
        list: PathBuf,
    },
    /// In memory.
    Bytes(Arc<[u8]>),
}

/// The first byte of an answer.
pub(crate) const REFUSED: u8 = 0;
/// The content follows.
pub(crate) const COMES: u8 = 1;
/// Too much is being sent already; ask again.
pub(crate) const BUSY: u8 = 2;

/// One wish of a peer, as it stood on its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) content: Content,
    /// The first piece that the asker lacks.
    pub(crate) from: u32,
}

impl Wanted {
    const BYTES: usize = 1 + 32 + 4;

    pub(crate) fn to_bytes(self) -> [u8; Self::BYTES] {
        let (form, hash) = match self.content {
            Content::Pieces(hash) => (0, hash),
            Content::Whole(hash) => (1, hash),
        };
        let mut bytes = [0; Self::BYTES];
        bytes[0] = form;
        bytes[1..33].copy_from_slice(&hash);
        bytes[33..].copy_from_slice(&self.from.to_be_bytes());
        bytes
    }

    pub(crate) async fn read(recv: &mut RecvStream) -> Option<Self> {
        let mut bytes = [0; Self::BYTES];
        recv.read_exact(&mut bytes).await.ok()?;
        let (form, rest) = bytes.split_first()?;
        let (hash, from) = rest.split_first_chunk::<32>()?;
        let content = match form {
            0 => Content::Pieces(*hash),
            1 => Content::Whole(*hash),
            _ => return None,
        };
        Some(Self { content, from: u32::from_be_bytes(from.try_into().ok()?) })
    }
}

/// Says No, with the reason.
pub(crate) async fn refuse(mut send: SendStream, why: String) {
    let why = &why.as_bytes()[..why.floor_char_boundary(REASON_BYTES_MAX)];
    let length = u16::try_from(why.len()).unwrap_or(0);
    let words = [&[REFUSED][..], &length.to_be_bytes(), why].concat();
    if send.write_all(&words).await.is_ok() {
        finish(send).await;
    }
}

/// Says that the asker should ask again.
pub(crate) async fn put_off(mut send: SendStream) {
    if send.write_all(&[BUSY]).await.is_ok() {
        finish(send).await;
    }
}

/// Sends a content from the piece that was asked for. A source that cannot be read, and an asker
/// that is gone, end the stream: the asker sees that bytes are missing.
pub(crate) async fn lend(
    mut send: SendStream,
    (peer, porter): (DeviceKey, Porter),
    source: Source,
    from: u32,
) {
    let opened = tokio::task::spawn_blocking(move || Opened::new(source, from)).await;
    let Ok(Ok(mut opened)) = opened else {
        return refuse(send, "it cannot be read here any more".to_owned()).await;
    };
    let head = [&[COMES][..], &opened.bytes.to_be_bytes(), &opened.list].concat();
    let (blocks, mut ready) = mpsc::channel(BLOCKS_AHEAD);
    let reading = tokio::task::spawn_blocking(move || opened.read_all(&blocks));
    let mut sent = taken(send.write_all(&head)).await;
    while let Some(block) = ready.recv().await {
        if porter.entry(&peer) != Entry::Member {
            // The code does not matter: whoever is cut off is told elsewhere.
            let _ = send.reset(0u32.into());
            return;
        }
        sent = taken(send.write_all_chunks(&mut [block.into()])).await;
        if sent.is_err() {
            break;
        }
    }
    drop(ready);
    match (sent, reading.await) {
        (Ok(()), Ok(Ok(()))) => finish(send).await,
        (Ok(()) | Err(_), _) => drop(send.reset(0u32.into())),
    }
}

/// A block that the peer takes in time.
async fn taken(block: impl Future<Output = Result<(), WriteError>>) -> io::Result<()> {
    Ok(timeout(LEND_BLOCK_MAX, block).await??)
}

/// Ends a stream and waits until the peer has it all, or has let go.
async fn finish(mut send: SendStream) {
    if send.finish().is_ok() {
        let _ = timeout(LEND_BLOCK_MAX, send.stopped()).await;
    }
}

/// A content that is being read.
struct Opened {
    bytes: u64,
    list: Vec<u8>,
    from: Box<dyn Read + Send>,
}

impl Opened {
    fn new(source: Source, from: u32) -> io::Result<Self> {
        match source {
            Source::Bytes(bytes) => {
                let length = bytes.len() as u64;
                let from = Box::new(io::Cursor::new(bytes));
                Ok(Self { bytes: length, list: Vec::new(), from })
            }
            Source::File { path, list } => {
                let (mut file, list) = (File::open(path)?, std::fs::read(list)?);
                let bytes = file.metadata()?.len();
                file.seek(SeekFrom::Start(u64::from(from) * PIECE_BYTES as u64))?;
                Ok(Self { bytes, list, from: Box::new(file) })
            }
        }
    }

    fn read_all(&mut self, blocks: &mpsc::Sender<Vec<u8>>) -> io::Result<()> {
        loop {
            let mut block = vec![0; BLOCK_BYTES];
            let filled = fill(&mut self.from, &mut block)?;
            block.truncate(filled);
            if block.is_empty() || blocks.blocking_send(block).is_err() {
                return Ok(());
            }
        }
    }
}

/// Reads until this is full or the source ends; how much was read.
fn fill(from: &mut impl Read, block: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < block.len() {
        match from.read(&mut block[filled..]) {
            Ok(0) => break,
            Ok(more) => filled += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
