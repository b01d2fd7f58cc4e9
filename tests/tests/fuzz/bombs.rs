//! Few bytes that promise much: refused at once, before anything is allocated for the promise.

use super::{Reader, disk, took, wire};
use belay_identity::codec;
use belay_identity::key::hex;
use belay_identity::limits::ITEMS_MAX;

/// Processor time for a refusal, nanoseconds.
const REFUSE_NS_MAX: i64 = 5_000_000;
/// Memory beside the input, bytes.
const EXTRA_BYTES_MAX: u64 = 1 << 20;

/// Depth, length and key bombs, and numbers in other than their shortest form.
fn bombs() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    for wrap in [&[0x81][..], &[0xa1, 0x00], &[0x82, 0x00], &[0xa1, 0x81], &[0x9f], &[0xd8, 0x20]] {
        all.push([wrap.repeat(10_000), vec![0x00]].concat());
    }
    for major in [0x40u8, 0x60, 0x80, 0xa0] {
        for short in [24u8, 25, 26, 27] {
            let width = 1usize << (short - 24);
            all.push([vec![major | short], vec![0xff; width]].concat());
            all.push([vec![major | short], vec![0xff; width], vec![0x00; 64]].concat());
            all.push([vec![major | short, 0x80], vec![0x00; width - 1]].concat());
        }
        all.push(vec![major | 31]);
        all.push([vec![major | 31], vec![0x41; 512], vec![0xff]].concat());
    }
    for number in [&[0x18, 0x17][..], &[0x19, 0x00, 0xff], &[0x1a, 0, 0, 0xff, 0xff], &[0x38, 0x00]]
    {
        all.push(number.to_vec());
        all.push([&[0x81][..], number].concat());
        all.push([&[0xa1][..], number, &[0x00]].concat());
    }
    let twice = [vec![0xb9, 0x0f, 0xa0], [0x00, 0x00].repeat(4_000)].concat();
    let falling = (0..4_000u16).rev().flat_map(|key| {
        let [high, low] = (key + 256).to_be_bytes();
        [0x19, high, low, 0x00]
    });
    all.extend([twice, [vec![0xb9, 0x0f, 0xa0], falling.collect()].concat()]);
    all
}

/// Goal: every reader of CBOR refuses every bomb at once and for nothing.
/// Method: each bomb by itself and as the value of a map's first key, behind what the reader wants
/// first; the least of three times, because the machine does other things too.
#[test]
fn bombs_are_refused_before_anything_is_allocated() {
    let readers: Vec<_> =
        wire::readers_of_cbor().into_iter().chain(disk::readers_of_cbor()).collect();
    for bomb in bombs() {
        let inside = [&[0xa1, 0x01][..], &bomb].concat();
        for Reader { name, before, read } in &readers {
            for bomb in [&bomb, &inside] {
                let bytes = [before.as_slice(), bomb].concat();
                let shown = || hex(&bytes[..bytes.len().min(40)]);
                let tries = [(); 3].map(|()| took(|| read(&bytes)));
                let extra = tries.iter().map(|took| took.peak_bytes).max().unwrap_or(0);
                let cpu = tries.iter().map(|took| took.cpu_ns).min().unwrap_or(0);
                assert!(tries.iter().all(|took| !took.accepted), "{name} takes {}", shown());
                assert!(extra <= EXTRA_BYTES_MAX, "{name} holds {extra} bytes for {}", shown());
                assert!(cpu <= REFUSE_NS_MAX, "{name} takes {cpu} ns for {}", shown());
            }
        }
    }
}

/// Goal: many small items do not become much memory: an item takes sixty times its byte there.
/// Method: as many as may be, and one more; a file of 64 MiB of them is refused for nothing.
#[test]
fn many_small_items_end_at_their_bound() {
    let list = |items: usize, bytes: u8| {
        let length = u32::try_from(items).unwrap().to_be_bytes();
        [vec![0x9a], length.to_vec(), vec![bytes; items]].concat()
    };
    for item in [0x00, 0x40, 0x60, 0x80, 0xa0, 0xf6] {
        let most = list(ITEMS_MAX - 1, item);
        let taken = took(|| codec::read(&most).is_ok());
        assert!(taken.accepted && taken.peak_bytes < super::PEAK_BYTES_MAX, "{}", taken.peak_bytes);
        let more = list(ITEMS_MAX, item);
        let refused = took(|| codec::read(&more).is_ok());
        assert!(!refused.accepted && refused.peak_bytes == 0, "{}", refused.peak_bytes);
    }
    let file = [&[0x83, 0x01, 0x58, 0x20][..], &[7; 32], &list((64 << 20) - 64, 0xf6)].concat();
    let refused = took(|| belay_crdt::case::CaseFile::read(&file).is_ok());
    assert!(!refused.accepted && refused.peak_bytes <= EXTRA_BYTES_MAX, "{}", refused.peak_bytes);
}
