//! Change chunks written by hand, as nobody honest would.

use sha2::{Digest, Sha256};

/// What a chunk says.
#[derive(Default)]
pub(super) struct Chunk {
    pub(super) deps: Vec<[u8; 32]>,
    pub(super) actor: [u8; 32],
    pub(super) seq: u64,
    pub(super) start_op: u64,
    /// Specification and data of every column, ascending.
    pub(super) columns: Vec<(u64, Vec<u8>)>,
    pub(super) trailing: Vec<u8>,
}

/// A number as LEB128.
pub(super) fn unsigned(mut number: u64) -> Vec<u8> {
    let mut out = Vec::new();
    loop {
        let byte = (number & 0x7f) as u8;
        number >>= 7;
        if number == 0 {
            out.push(byte);
            return out;
        }
        out.push(byte | 0x80);
    }
}

/// A positive number as signed LEB128.
pub(super) fn signed(number: u64) -> Vec<u8> {
    let mut out = unsigned(number);
    if out.last().is_some_and(|byte| byte & 0x40 != 0) {
        if let Some(last) = out.last_mut() {
            *last |= 0x80;
        }
        out.push(0);
    }
    out
}

/// A run of one small value.
pub(super) fn run(count: u64, value: u64) -> Vec<u8> {
    [times(count), unsigned(value)].concat()
}

/// How often the next value stands; a single one is written as a list of one, or the saved document
/// has other bytes than the change.
fn times(count: u64) -> Vec<u8> {
    if count == 1 { vec![0x7f] } else { signed(count) }
}

/// Columns of `count` operations that each put nothing under the key `k` of the root.
pub(super) fn puts(count: u64) -> Vec<(u64, Vec<u8>)> {
    let key = [times(count), vec![1, b'k']].concat();
    vec![
        (0x15, key),
        (0x34, unsigned(count)),
        (0x42, run(count, 1)),
        (0x56, run(count, 0)),
        (0x70, run(count, 0)),
    ]
}

impl Chunk {
    fn body(&self) -> Vec<u8> {
        let mut body = unsigned(self.deps.len() as u64);
        body.extend(self.deps.concat());
        body.extend(unsigned(32));
        body.extend(self.actor);
        body.extend(unsigned(self.seq));
        body.extend(unsigned(self.start_op));
        // No time, no message, no other actors.
        body.extend([0, 0, 0]);
        body.extend(unsigned(self.columns.len() as u64));
        for (spec, data) in &self.columns {
            body.extend(unsigned(*spec));
            body.extend(unsigned(data.len() as u64));
        }
        self.columns.iter().for_each(|(_, data)| body.extend(data));
        body.extend(&self.trailing);
        body
    }

    /// The chunk of this type over this body, with a right checksum.
    pub(super) fn wrap(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = unsigned(body.len() as u64);
        let hash = Sha256::new().chain_update([kind]).chain_update(&length).chain_update(body);
        let hash: [u8; 32] = hash.finalize().into();
        [&[0x85, 0x6f, 0x4a, 0x83], &hash[..4], &[kind], &length, body].concat()
    }

    pub(super) fn write(&self) -> Vec<u8> {
        Self::wrap(1, &self.body())
    }
}
