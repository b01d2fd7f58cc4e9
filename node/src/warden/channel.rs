//! Frames between node and warden, and of the facts: a big-endian u16 length, then one CBOR item.
//!
//! Buffers in and out for an async side ([`encode`], [`take`]), blocking streams for the rest
//! ([`send`], [`receive`]). A frame with bytes left over after its item is refused.

use super::limits::{FRAME_BYTES_MAX, FRAME_DEPTH_MAX};
use serde::{Serialize, de::DeserializeOwned};
use std::io::{self, Read, Write};
use std::{error, fmt};

const HEAD_BYTES: usize = 2;

/// One message as a frame.
///
/// # Errors
/// [`FrameError::TooLong`] when it does not fit, [`FrameError::Malformed`] for a path that is not
/// UTF-8.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    let mut frame = vec![0; HEAD_BYTES];
    ciborium::into_writer(message, &mut frame).map_err(|_| FrameError::Malformed)?;
    let length = frame.len() - HEAD_BYTES;
    let head = u16::try_from(length).map_err(|_| FrameError::TooLong { bytes: length })?;
    frame[..HEAD_BYTES].copy_from_slice(&head.to_be_bytes());
    Ok(frame)
}

/// Takes the first message off a buffer of received bytes; `None` while it is incomplete.
///
/// # Errors
/// [`FrameError::Malformed`] when the frame is complete and not such a message; the stream cannot
/// be read further.
pub fn take<T: DeserializeOwned>(buffer: &mut Vec<u8>) -> Result<Option<T>, FrameError> {
    let Some((message, used)) = first(buffer)? else { return Ok(None) };
    buffer.drain(..used);
    Ok(Some(message))
}

/// The first message of the bytes, and how many of them it takes.
pub(crate) fn first<T: DeserializeOwned>(bytes: &[u8]) -> Result<Option<(T, usize)>, FrameError> {
    let Some((head, rest)) = bytes.split_first_chunk::<HEAD_BYTES>() else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes(*head));
    let Some(mut body) = rest.get(..length) else { return Ok(None) };
    let message = ciborium::de::from_reader_with_recursion_limit(&mut body, FRAME_DEPTH_MAX)
        .map_err(|_| FrameError::Malformed)?;
    if !body.is_empty() {
        return Err(FrameError::Malformed);
    }
    Ok(Some((message, HEAD_BYTES + length)))
}

/// Writes one message to a blocking stream.
///
/// # Errors
/// [`ChannelError::Frame`] for our own message, [`ChannelError::Io`] for the stream.
pub fn send<T: Serialize>(stream: &mut impl Write, message: &T) -> Result<(), ChannelError> {
    Ok(stream.write_all(&encode(message)?)?)
}

/// Reads one message from a blocking stream; `None` when the other side closed between messages.
///
/// # Errors
/// [`ChannelError::Frame`] for what the other side wrote, [`ChannelError::Io`] for the stream.
pub fn receive<T: DeserializeOwned>(stream: &mut impl Read) -> Result<Option<T>, ChannelError> {
    let mut frame = vec![0; HEAD_BYTES];
    if !read_or_end(stream, &mut frame)? {
        return Ok(None);
    }
    let length = usize::from(u16::from_be_bytes([frame[0], frame[1]]));
    frame.resize(HEAD_BYTES + length, 0);
    stream.read_exact(&mut frame[HEAD_BYTES..])?;
    Ok(first(&frame)?.map(|(message, _)| message))
}

/// Fills the buffer; false when the stream ended before its first byte.
fn read_or_end(stream: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    loop {
        match stream.read(&mut buffer[..1]) {
            Ok(0) => return Ok(false),
            Ok(_) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    stream.read_exact(&mut buffer[1..])?;
    Ok(true)
}

/// Why bytes and a message do not go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// Ours: the message is longer than a frame.
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The writer's: this is no such message.
    Malformed,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { bytes } => write!(
                f,
                "a message of {bytes} bytes does not fit into a frame of {FRAME_BYTES_MAX}; \
                 give the task a smaller environment or fewer arguments"
            ),
            Self::Malformed => f.write_str("a frame does not hold a message of this version"),
        }
    }
}

impl error::Error for FrameError {}

/// Why a message did not pass through a stream.
#[derive(Debug)]
pub enum ChannelError {
    /// The stream failed.
    Io(io::Error),
    /// The bytes were wrong.
    Frame(FrameError),
}

impl fmt::Display for ChannelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "the warden's channel failed: {error}"),
            Self::Frame(error) => error.fmt(f),
        }
    }
}

impl error::Error for ChannelError {}

impl From<io::Error> for ChannelError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<FrameError> for ChannelError {
    fn from(error: FrameError) -> Self {
        Self::Frame(error)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{FromWarden, ToWarden};
    use super::*;

    /// Goal: however a stream is cut into pieces, the same messages come out.
    #[test]
    fn messages_survive_any_cut() {
        let sent = [ToWarden::Run { until_boot_ns: u64::MAX }, ToWarden::Freeze];
        let bytes: Vec<u8> = sent.iter().flat_map(|m| encode(m).expect("fits")).collect();
        for cut in 0..=bytes.len() {
            let mut buffer = Vec::new();
            let mut got = Vec::new();
            for part in [&bytes[..cut], &bytes[cut..]] {
                buffer.extend_from_slice(part);
                while let Some(message) = take::<ToWarden>(&mut buffer).expect("well formed") {
                    got.push(message);
                }
            }
            assert_eq!(got, sent);
        }
    }

    /// Goal: leftover bytes in a frame, and other messages, are refused instead of skipped.
    #[test]
    fn a_frame_with_leftovers_is_refused() {
        let mut bytes = encode(&ToWarden::Freeze).expect("fits");
        bytes[1] += 1;
        bytes.push(0);
        assert_eq!(take::<ToWarden>(&mut bytes), Err(FrameError::Malformed));
        let mut other = encode(&ToWarden::Freeze).expect("fits");
        assert_eq!(take::<FromWarden>(&mut other), Err(FrameError::Malformed));
    }

    /// Goal: a message one byte too long is refused by its writer.
    #[test]
    fn a_long_message_is_refused() {
        let why = "x".repeat(FRAME_BYTES_MAX);
        let refused = encode(&FromWarden::Refused { why });
        assert!(matches!(refused, Err(FrameError::TooLong { .. })));
    }

    /// Goal: a blocking reader tells a clean end from a torn one.
    #[test]
    fn a_torn_stream_is_not_an_end() {
        let bytes = encode(&ToWarden::Freeze).expect("fits");
        assert!(matches!(receive::<ToWarden>(&mut &bytes[..0]), Ok(None)));
        assert!(receive::<ToWarden>(&mut &bytes[..3]).is_err());
        assert!(matches!(receive(&mut &bytes[..]), Ok(Some(ToWarden::Freeze))));
    }
}
