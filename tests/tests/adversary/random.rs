//! Bytes that nobody thought of: arbitrary ones, and golden ones bent at random.

use super::forge::take;
use belay_identity::Signed;
use belay_identity::codec;
use belay_identity::lease::Talk;
use belay_tests::golden;
use proptest::prelude::*;
use std::sync::LazyLock;

static SAMPLES: LazyLock<Vec<golden::Sample>> = LazyLock::new(golden::samples);

/// Few bytes that look like our dialect, so that many end where an item ends: heads of every
/// type with a short length, a length in one byte or two, and small bytes that may be either.
fn nearly_cbor() -> impl Strategy<Value = Vec<u8>> {
    let head = (0u8..8, prop_oneof![4 => 0u8..3, 2 => Just(24u8), 1 => Just(25u8), 1 => 20u8..32]);
    let piece = prop_oneof![
        4 => head.prop_map(|(major, short)| major << 5 | short),
        4 => 0u8..30,
        1 => any::<u8>(),
    ];
    prop::collection::vec(piece, 0..8)
}

/// Items of our dialect, to be sure that the property is not empty.
fn item() -> impl Strategy<Value = codec::Value> {
    use codec::Value;
    let leaf = prop_oneof![
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::Bool),
        Just(Value::Null),
        ".{0,12}".prop_map(Value::Text),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
    ];
    leaf.prop_recursive(6, 48, 6, |inner| {
        let keyed = prop::collection::btree_map(any::<u64>(), inner.clone(), 0..6);
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(Value::Array),
            keyed.prop_map(|pairs| codec::map(pairs.into_iter().map(|(k, v)| (k, Some(v))))),
        ]
    })
}

/// This many cases, and no file of old failures: a failure becomes a line of a table here.
fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn holds(bytes: &[u8]) {
    let _ = take(bytes);
    let _ = Signed::<Talk>::parse(bytes);
    if codec::scan(bytes).is_ok() {
        let value = codec::read(bytes).expect("what is scanned is read");
        assert_eq!(codec::write(&value), bytes, "one item has one encoding");
    } else {
        assert!(codec::read(bytes).is_err(), "what is not scanned is not read");
    }
}

proptest! {
    #![proptest_config(cases(4096))]

    /// Goal: no bytes panic, and what is accepted has one form.
    #[test]
    fn arbitrary_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        holds(&bytes);
    }

}

proptest! {
    #![proptest_config(cases(50_000))]

    /// Goal: the same where most bytes are plausible.
    #[test]
    fn nearly_right_bytes(bytes in nearly_cbor()) {
        holds(&bytes);
    }
}

proptest! {
    #![proptest_config(cases(2048))]

    /// Goal: the same for every item of the dialect, which is accepted.
    #[test]
    fn right_bytes(value in item()) {
        let bytes = codec::write(&value);
        prop_assert_eq!(codec::scan(&bytes), Ok(()));
        prop_assert_eq!(codec::read(&bytes).expect("scanned"), value);
        holds(&bytes);
    }
}

proptest! {
    #![proptest_config(cases(512))]

    /// Goal: golden bytes bent in a few places never panic and are never taken.
    #[test]
    fn bent_golden_bytes(
        which in 0usize..1000,
        bends in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..3), 1..4),
    ) {
        let original = &SAMPLES[which % SAMPLES.len()].bytes;
        let mut bytes = original.clone();
        for (place, byte, what) in bends {
            let at = place.index(bytes.len());
            match what {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => { bytes.remove(at); }
            }
        }
        holds(&bytes);
        prop_assert!(bytes == *original || take(&bytes).is_err());
    }
}
