//! A case with one byte of a receipt changed, still well-formed, so that only a signature can tell.

/// How a receipt's content type stands in a case.
const RECEIPT_TYPE: &[u8] = b"application/vnd.belay.receipt+cbor";
/// How the name of a receipt's author begins.
const DEVICE_PATH: &[u8] = b"/device/";
/// How a hash begins in CBOR: 32 bytes follow.
const HASH_HEAD: &[u8] = &[0x58, 0x20];

/// The case with one bit changed in the first hash behind the author's name of its first receipt.
pub fn change_a_receipt(case: &[u8]) -> Vec<u8> {
    let after = |from: usize, wanted: &[u8]| {
        let at = case[from..].windows(wanted.len()).position(|window| window == wanted);
        at.map_or_else(|| panic!("the case holds no receipt of a device"), |at| from + at)
    };
    let receipt = after(0, RECEIPT_TYPE);
    let at = after(after(receipt, DEVICE_PATH), HASH_HEAD) + HASH_HEAD.len();
    let mut changed = case.to_vec();
    changed[at] ^= 1;
    changed
}
