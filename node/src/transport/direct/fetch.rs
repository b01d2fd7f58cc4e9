//! The taking side of a payload: every piece is verified before it is kept, and a transfer that is
//! cut goes on behind the last one that was.
//!
//! What is fetched lies in a draft file that is gone again unless all of it came and was what its
//! hash names. Refused here: another byte than was promised, more bytes than were promised, a peer
//! that trickles, and trying for ever.

use std::{
    fs::File,
    io::{self, Write},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use quinn::{Connection, RecvStream};
use sha2::{Digest, Sha256};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};

use super::{
    super::key::{DeviceKey, hex},
    lanes::ask_for,
    lend::{BUSY, COMES, Content, REFUSED, Wanted},
    limits::{
        FETCH_AGAIN, FETCH_PIECE_MAX, FETCH_SILENCE, FETCH_TRIES, PIECE_BYTES, PIECES_AHEAD,
        REASON_BYTES_MAX,
    },
    pieces::{Pieces, count_of},
};

/// What to fetch, and where to put it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// Names this fetch to its owner.
    pub ticket: u64,
    /// The device that has it.
    pub peer: DeviceKey,
    /// Where it may be dialled directly, if no direct connection to it stands.
    pub addresses: Vec<libp2p::Multiaddr>,
    /// What.
    pub content: Content,
    /// Its length: exactly this of pieces, at most this of a whole body.
    pub bytes: u64,
    /// Where it is written meanwhile; on the same file system as `into`.
    pub draft: PathBuf,
    /// Where it is once all of it was verified.
    pub into: PathBuf,
}

/// Why one attempt ended.
pub(crate) enum Trouble {
    /// The connection or the peer: worth another attempt.
    Cut(String),
    /// Another attempt would end the same way.
    Final(String),
}

/// Finds a connection to the peer, each time anew.
pub(crate) trait Ways {
    /// One that stands, or a fresh one.
    fn connect(&self) -> impl Future<Output = Result<Connection, Trouble>> + Send;
}

/// Fetches until all of it is there; the reason when that cannot be.
pub(crate) async fn fetch(order: Fetch, ways: impl Ways) -> Result<(), String> {
    let at = |error: io::Error| format!("{}: {error}", order.draft.display());
    let (path, bytes) = (order.draft.clone(), order.bytes);
    let draft = beside(move || Draft::create(&path, bytes)).await.map_err(at)?;
    let mut taking = Taking { order: &order, draft: &draft, pieces: None, kept: Arc::default() };
    let mut tries = 0;
    loop {
        let before = taking.kept();
        let cut = match taking.attempt(&ways).await {
            Ok(()) => {
                let into = order.into.clone();
                return beside(move || draft.finish(&into)).await.map_err(at);
            }
            Err(Trouble::Final(why)) => return Err(why),
            Err(Trouble::Cut(why)) => why,
        };
        tries = if taking.kept() > before { 1 } else { tries + 1 };
        if tries >= FETCH_TRIES {
            let (done, all) = (taking.kept(), count_of(order.bytes));
            let peer = hex(&order.peer);
            return Err(format!(
                "{cut}; {done} of {all} pieces came from {peer}, and {tries} attempts brought no \
                 more"
            ));
        }
        sleep(FETCH_AGAIN * 2u32.pow(tries.saturating_sub(1))).await;
    }
}

/// What a file system may take its time over, beside the network: reserving, or giving back what a
/// name meant before, takes tens of milliseconds of a large file.
async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

struct Taking<'a> {
    order: &'a Fetch,
    draft: &'a Draft,
    pieces: Option<Arc<Pieces>>,
    /// Pieces that are verified and written.
    kept: Arc<AtomicU32>,
}

impl Taking<'_> {
    fn kept(&self) -> u32 {
        self.kept.load(Ordering::Acquire)
    }

    async fn attempt(&mut self, ways: &impl Ways) -> Result<(), Trouble> {
        let connection = ways.connect().await?;
        let wanted = Wanted { content: self.order.content, from: self.kept() };
        let asked = ask_for(&connection, wanted);
        let mut recv = spoken(asked).await?.map_err(|error| Trouble::Cut(error.to_string()))?;
        let mut status = [0];
        read(&mut recv, &mut status).await?;
        match status[0] {
            COMES => {}
            BUSY => return Err(Trouble::Cut("the peer sends to others just now".to_owned())),
            REFUSED => return Err(Trouble::Final(refusal(&mut recv).await?)),
            odd => return Err(Trouble::Final(format!("the peer answers with {odd}"))),
        }
        let pieces = self.promised(&mut recv).await?;
        self.take_pieces(&mut recv, &pieces).await
    }

    /// Length and pieces as the peer names them; they must be what the hash names, or, of a whole
    /// body, within bounds.
    async fn promised(&mut self, recv: &mut RecvStream) -> Result<Arc<Pieces>, Trouble> {
        let mut bytes = [0; 8];
        read(recv, &mut bytes).await?;
        let bytes = u64::from_be_bytes(bytes);
        let odd = |what: &str| {
            let (peer, order) = (hex(&self.order.peer), self.order.bytes);
            Trouble::Final(format!("{peer} offers {bytes} bytes where {order} were named: {what}"))
        };
        let pieces = match self.order.content {
            Content::Whole(hash) if bytes <= self.order.bytes => Pieces::whole(bytes, hash),
            Content::Whole(_) => return Err(odd("too many")),
            Content::Pieces(_) if bytes != self.order.bytes => return Err(odd("another length")),
            Content::Pieces(root) => {
                let count = usize::try_from(count_of(bytes)).unwrap_or(usize::MAX);
                let mut list = vec![0; count.saturating_mul(32)];
                read(recv, &mut list).await?;
                let pieces = Pieces::of_list(bytes, &list).filter(|pieces| pieces.root() == root);
                pieces.ok_or_else(|| odd("its list of pieces is not what the hash names"))?
            }
        };
        let pieces = self.pieces.get_or_insert_with(|| Arc::new(pieces));
        Ok(pieces.clone())
    }

    async fn take_pieces(
        &self,
        recv: &mut RecvStream,
        pieces: &Arc<Pieces>,
    ) -> Result<(), Trouble> {
        let (full, arrived) = mpsc::channel(PIECES_AHEAD);
        let (spent, spare) = mpsc::channel(PIECES_AHEAD + 1);
        let file =
            self.draft.file.try_clone().map_err(|error| Trouble::Final(error.to_string()))?;
        let keeper = Keeper {
            file,
            draft: self.order.draft.clone(),
            peer: self.order.peer,
            pieces: pieces.clone(),
            kept: self.kept.clone(),
            spent,
        };
        let keeping = tokio::task::spawn_blocking(move || keeper.keep(arrived));
        let read = self.read_pieces(recv, pieces, (full, spare)).await;
        let kept = keeping.await.map_err(|error| Trouble::Final(error.to_string()))?;
        kept.and(read)
    }

    async fn read_pieces(
        &self,
        recv: &mut RecvStream,
        pieces: &Pieces,
        (full, mut spare): (mpsc::Sender<Vec<u8>>, mpsc::Receiver<Vec<u8>>),
    ) -> Result<(), Trouble> {
        for place in self.kept()..u32::try_from(pieces.hashes.len()).unwrap_or(u32::MAX) {
            // Memory that was used before is there already, and none of it is read unwritten.
            let mut piece = spare.try_recv().unwrap_or_default();
            piece.resize(length_of(pieces, place), 0);
            let reading = timeout(FETCH_PIECE_MAX, read(recv, &mut piece));
            reading.await.map_err(|_| Trouble::Final(trickles(&self.order.peer)))??;
            if full.send(piece).await.is_err() {
                // The keeper has ended, and says why.
                return Ok(());
            }
        }
        match timeout(FETCH_SILENCE, recv.read(&mut [0])).await {
            Ok(Ok(Some(_))) => Err(Trouble::Final(endless(&self.order.peer))),
            // All of it is here, however the stream ended.
            Ok(Ok(None) | Err(_)) | Err(_) => Ok(()),
        }
    }
}

/// Verifies and writes, beside the network.
struct Keeper {
    file: File,
    draft: PathBuf,
    peer: DeviceKey,
    pieces: Arc<Pieces>,
    kept: Arc<AtomicU32>,
    /// Where written pieces leave their memory to the next ones.
    spent: mpsc::Sender<Vec<u8>>,
}

impl Keeper {
    fn keep(self, mut arrived: mpsc::Receiver<Vec<u8>>) -> Result<(), Trouble> {
        while let Some(piece) = arrived.blocking_recv() {
            let place = self.kept.load(Ordering::Acquire);
            let named = self.pieces.hashes.get(place as usize).copied();
            if named != Some(Sha256::digest(&piece).into()) {
                let peer = hex(&self.peer);
                let why = format!("piece {place} from {peer} is not what the hash names");
                return Err(Trouble::Final(why));
            }
            let at = u64::from(place) * PIECE_BYTES as u64;
            self.file
                .write_all_at(&piece, at)
                .map_err(|error| Trouble::Final(format!("{}: {error}", self.draft.display())))?;
            self.kept.store(place + 1, Ordering::Release);
            // Where enough is kept ready, or nothing more is read, it is given back.
            let _ = self.spent.try_send(piece);
        }
        Ok(())
    }
}

/// Bytes of one piece: all but the last are whole, and a whole body is one.
fn length_of(pieces: &Pieces, place: u32) -> usize {
    let before = u64::from(place) * PIECE_BYTES as u64;
    let most = if pieces.hashes.len() == 1 { u64::MAX } else { PIECE_BYTES as u64 };
    usize::try_from(pieces.bytes.saturating_sub(before).min(most)).unwrap_or(usize::MAX)
}

fn trickles(peer: &DeviceKey) -> String {
    format!("{} sends less than a piece in {} s", hex(peer), FETCH_PIECE_MAX.as_secs())
}

fn endless(peer: &DeviceKey) -> String {
    format!("{} sends more than it promised", hex(peer))
}

async fn spoken<T>(asked: impl Future<Output = T>) -> Result<T, Trouble> {
    let silent = || Trouble::Cut(format!("the peer is silent for {} s", FETCH_SILENCE.as_secs()));
    timeout(FETCH_SILENCE, asked).await.map_err(|_| silent())
}

/// Reads exactly so many bytes; silence in between is a cut.
async fn read(recv: &mut RecvStream, bytes: &mut [u8]) -> Result<(), Trouble> {
    let mut filled = 0;
    while filled < bytes.len() {
        match spoken(recv.read(&mut bytes[filled..])).await? {
            Ok(Some(more)) => filled += more,
            Ok(None) => return Err(Trouble::Cut("the stream ended early".to_owned())),
            Err(error) => return Err(Trouble::Cut(error.to_string())),
        }
    }
    Ok(())
}

/// The reason of a peer that says No.
async fn refusal(recv: &mut RecvStream) -> Result<String, Trouble> {
    let mut length = [0; 2];
    read(recv, &mut length).await?;
    let mut why = vec![0; usize::from(u16::from_be_bytes(length)).min(REASON_BYTES_MAX)];
    read(recv, &mut why).await?;
    Ok(format!("the peer refuses: {}", String::from_utf8_lossy(&why).escape_debug()))
}

/// What is being fetched; gone with this unless it was finished.
struct Draft {
    path: PathBuf,
    file: File,
}

impl Draft {
    fn create(path: &Path, bytes: u64) -> io::Result<Self> {
        let mut options = File::options();
        let options = options.write(true).create(true).truncate(true).mode(0o600);
        let draft = Self { path: path.to_owned(), file: options.open(path)? };
        draft.reserve(bytes)?;
        Ok(draft)
    }

    /// A full disk is told before the first byte comes. Where a file system cannot reserve, the
    /// write tells.
    fn reserve(&self, bytes: u64) -> io::Result<()> {
        let none = rustix::fs::FallocateFlags::KEEP_SIZE;
        match rustix::fs::fallocate(&self.file, none, 0, bytes.max(1)) {
            Err(error @ (rustix::io::Errno::NOSPC | rustix::io::Errno::DQUOT)) => Err(error.into()),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn finish(mut self, into: &Path) -> io::Result<()> {
        self.file.flush()?;
        std::fs::rename(&self.path, into)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Finished, it is no longer there.
        let _ = std::fs::remove_file(&self.path);
    }
}
