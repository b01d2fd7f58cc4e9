//! One frame on a stream: u32 big-endian body length, u8 type, body.
//!
//! The length counts the body alone. It is checked before anything is allocated. Refused here:
//! looking into the body.

use std::io;

use libp2p::futures::{AsyncRead, AsyncReadExt as _};

use super::message::Lane;

/// Bytes before the body: length and type.
pub(crate) const HEAD_BYTES: usize = 5;

/// The bytes of one frame, or `None` when the body is too long for its lane.
pub(crate) fn encode(lane: Lane, kind: u8, body: &[u8]) -> Option<Vec<u8>> {
    if body.len() > lane.body_bytes_max() {
        return None;
    }
    let length = u32::try_from(body.len()).ok()?;
    let mut frame = Vec::with_capacity(HEAD_BYTES + body.len());
    frame.extend_from_slice(&length.to_be_bytes());
    frame.push(kind);
    frame.extend_from_slice(body);
    Some(frame)
}

/// What a frame says about itself before its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// Type byte.
    pub(crate) kind: u8,
    /// Body bytes to follow.
    pub(crate) body_bytes: usize,
}

/// Reads the head of the next frame; the stream's end, also inside a head, is an error.
pub(crate) async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Head> {
    let mut head = [0; HEAD_BYTES];
    stream.read_exact(&mut head).await?;
    let [a, b, c, d, kind] = head;
    let length = u32::from_be_bytes([a, b, c, d]);
    Ok(Head { kind, body_bytes: usize::try_from(length).unwrap_or(usize::MAX) })
}

/// Reads the body that `head` promised; the caller has checked its length.
pub(crate) async fn read_body(
    stream: &mut (impl AsyncRead + Unpin),
    head: Head,
) -> io::Result<Vec<u8>> {
    let mut body = vec![0; head.body_bytes];
    stream.read_exact(&mut body).await?;
    Ok(body)
}

#[cfg(test)]
mod tests {
    use libp2p::futures::io::Cursor;

    use super::*;

    /// Goal: what is written is read, at the longest length too; one byte more is never written.
    #[tokio::test]
    async fn a_frame_survives_its_own_encoding() {
        for lane in Lane::ALL {
            let body = vec![9; lane.body_bytes_max()];
            let frame = encode(lane, 4, &body).expect("the longest body fits");
            let mut stream = Cursor::new(frame);
            let head = read_head(&mut stream).await.expect("a whole head");
            assert_eq!(head, Head { kind: 4, body_bytes: body.len() });
            assert_eq!(read_body(&mut stream, head).await.expect("a whole body"), body);
            assert_eq!(encode(lane, 4, &vec![9; lane.body_bytes_max() + 1]), None);
        }
    }
}
