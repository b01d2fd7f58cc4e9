//! Bytes that are no item of our dialect.

use belay_identity::codec::{ScanError, scan};
use belay_identity::key::unhex;
use belay_identity::limits::NESTING_MAX;

const TABLE: &[(&str, &str, ScanError)] = &[
    ("nothing", "", ScanError::Truncated),
    ("a head without its number", "18", ScanError::Truncated),
    ("a head cut in its number", "1b00000001000000", ScanError::Truncated),
    ("a byte string cut short", "43aabb", ScanError::Truncated),
    ("a text cut short", "6361", ScanError::Truncated),
    ("an array that lacks an item", "8301", ScanError::Truncated),
    ("a map without its last value", "a100", ScanError::Truncated),
    ("a byte string of 2^64-1 bytes", "5bffffffffffffffff", ScanError::Truncated),
    ("a text of 2^64-1 bytes", "7bffffffffffffffff61", ScanError::Truncated),
    ("an array of 2^64-1 items", "9bffffffffffffffff00", ScanError::Truncated),
    ("a map of 2^64-1 pairs", "bbffffffffffffffff0000", ScanError::Truncated),
    ("a second item", "0000", ScanError::Trailing),
    ("a byte after a map", "a000", ScanError::Trailing),
    ("23 in two bytes", "1817", ScanError::NotShortest),
    ("255 in three bytes", "1900ff", ScanError::NotShortest),
    ("65535 in five bytes", "1a0000ffff", ScanError::NotShortest),
    ("2^32-1 in nine bytes", "1b00000000ffffffff", ScanError::NotShortest),
    ("-1 in two bytes", "3800", ScanError::NotShortest),
    ("a long length of bytes", "5801aa", ScanError::NotShortest),
    ("a long length of text", "780161", ScanError::NotShortest),
    ("a long length of an array", "980100", ScanError::NotShortest),
    ("a long length of a map", "b8010000", ScanError::NotShortest),
    ("bytes without a length", "5f41aaff", ScanError::Indefinite),
    ("a text without a length", "7f6161ff", ScanError::Indefinite),
    ("an array without a length", "9f00ff", ScanError::Indefinite),
    ("a map without a length", "bf0000ff", ScanError::Indefinite),
    ("a break alone", "ff", ScanError::Indefinite),
    ("reserved head 28", "1c", ScanError::Indefinite),
    ("reserved head 30", "5e", ScanError::Indefinite),
    ("a tag", "c000", ScanError::Forbidden),
    ("a bignum", "c24101", ScanError::Forbidden),
    ("a tag of two bytes", "d81801", ScanError::Forbidden),
    ("the tag of COSE_Sign1", "d28440a04040", ScanError::Forbidden),
    ("half a float", "f90000", ScanError::Forbidden),
    ("a float", "fa00000000", ScanError::Forbidden),
    ("a double", "fb0000000000000000", ScanError::Forbidden),
    ("undefined", "f7", ScanError::Forbidden),
    ("simple value 0", "e0", ScanError::Forbidden),
    ("simple value 255", "f8ff", ScanError::Forbidden),
    ("true in two bytes", "f815", ScanError::Forbidden),
    ("a key twice", "a200000001", ScanError::KeyOrder),
    ("keys falling", "a201000000", ScanError::KeyOrder),
    ("keys by length first", "a22000186400", ScanError::KeyOrder),
    ("texts falling", "a2616200616100", ScanError::KeyOrder),
    ("keys falling one map down", "81a201000000", ScanError::KeyOrder),
    ("a text of one wild byte", "61ff", ScanError::NotUtf8),
    ("half a surrogate pair", "63eda080", ScanError::NotUtf8),
    ("an overlong nought", "62c080", ScanError::NotUtf8),
    ("a text cut in a character", "62c3", ScanError::Truncated),
    ("a key that is no text", "a161ff00", ScanError::NotUtf8),
];

/// Goal: each malformed item is refused for its own reason.
#[test]
fn each_malformed_item_is_named() {
    for (what, hex, error) in TABLE {
        let bytes = hex_of(hex);
        assert_eq!(scan(&bytes), Err(*error), "{what}: {hex}");
    }
}

/// Goal: nesting ends at its bound, for arrays, maps and keys alike, however deep it goes.
#[test]
fn nesting_ends_at_its_bound() {
    for wrap in [&[0x81][..], &[0xa1, 0x00]] {
        let deep = |levels: usize| [wrap.repeat(levels), vec![0x00]].concat();
        assert_eq!(scan(&deep(NESTING_MAX)), Ok(()));
        assert_eq!(scan(&deep(NESTING_MAX + 1)), Err(ScanError::TooDeep));
        assert_eq!(scan(&deep(60_000)), Err(ScanError::TooDeep));
    }
    let keys = [[0xa1].repeat(NESTING_MAX + 1), vec![0x00]].concat();
    assert_eq!(scan(&keys), Err(ScanError::TooDeep));
}

/// Goal: the table does not refuse everything. Method: the shortest form of each allowed item.
#[test]
fn the_dialect_is_accepted() {
    let good = [
        "00",
        "17",
        "1818",
        "1b0000000100000000",
        "1bffffffffffffffff",
        "20",
        "3bffffffffffffffff",
        "40",
        "60",
        "80",
        "a0",
        "f4",
        "f5",
        "f6",
        "a2186400 2000",
        "63e282ac",
        "a2616100616200",
    ];
    for hex in good {
        assert_eq!(scan(&hex_of(&hex.replace(' ', ""))), Ok(()), "{hex}");
    }
}

fn hex_of(hex: &str) -> Vec<u8> {
    unhex(hex).unwrap_or_else(|| panic!("{hex} is no hex"))
}
