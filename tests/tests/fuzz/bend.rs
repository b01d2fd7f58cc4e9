//! Bending bytes that are accepted, so that the next ones get past the first checks.
//!
//! CBOR is also bent as a tree, nested byte strings included: the result is canonical again and
//! breaks a meaning rather than a length. Text is bent by words that mean something to parsers.

use belay_identity::codec::{self, Value};
use belay_identity::limits::NESTING_MAX;

/// What the bytes of a target are.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    /// One CBOR item behind so many plain bytes.
    Cbor(usize),
    /// Text for people.
    Text,
    /// Neither.
    Plain,
}

/// How bytes are bent once: what is done, where, and with what.
type Stroke = (u8, u32, u32);

/// The seed of that number, bent by these strokes.
pub(super) fn bend(seeds: &[Vec<u8>], form: Form, which: u16, strokes: &[Stroke]) -> Vec<u8> {
    let mut bytes = seeds[usize::from(which) % seeds.len()].clone();
    for (what, at, with) in strokes {
        let other = &seeds[(*with as usize) % seeds.len()];
        match form {
            Form::Cbor(skip) if what % 4 != 0 && grow(&mut bytes, skip, *at, *with, other) => {}
            Form::Text if what % 2 == 0 => word(&mut bytes, *at, *with),
            Form::Cbor(_) | Form::Text | Form::Plain => cut(&mut bytes, *what, *at, *with, other),
        }
    }
    bytes
}

/// Bends the bytes as they stand.
fn cut(bytes: &mut Vec<u8>, what: u8, at: u32, with: u32, other: &[u8]) {
    let place = at as usize % (bytes.len() + 1);
    let [byte, ..] = with.to_le_bytes();
    let end = (place + usize::from(byte) % 16).min(bytes.len());
    match what % 9 {
        0 => drop(bytes.get_mut(place).map(|there| *there = byte)),
        1 => drop(bytes.get_mut(place).map(|there| *there ^= 1 << (byte % 8))),
        2 => bytes.insert(place, byte),
        3 => drop(bytes.drain(place..end)),
        4 => bytes.truncate(place),
        5 => drop(bytes.splice(place..place, bytes[place..end].to_vec())),
        6 => {
            let from = with as usize % (other.len() + 1);
            let taken = other[from..(from + 24).min(other.len())].to_vec();
            drop(bytes.splice(place..end, taken));
        }
        7 => drop(bytes.splice(place..end, HEADS[with as usize % HEADS.len()].to_vec())),
        _ => bytes.extend_from_slice(&other[..usize::from(byte) % (other.len() + 1)]),
    }
}

/// Heads that promise more than there is, or what nobody may write.
const HEADS: &[&[u8]] = &[
    &[0x9b, 0x80, 0, 0, 0, 0, 0, 0, 0],
    &[0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    &[0x5b, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    &[0x7a, 0xff, 0xff, 0xff, 0xff],
    &[0x1b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    &[0x3b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    &[0x18, 0x01],
    &[0x9f],
    &[0xbf],
    &[0x5f],
    &[0xff],
    &[0xf6],
    &[0xfb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0],
    &[0xd8, 0x20],
    &[0x81; 40],
];

/// Puts in a word that means something to a parser of text.
fn word(bytes: &mut Vec<u8>, at: u32, with: u32) {
    let place = at as usize % (bytes.len() + 1);
    drop(bytes.splice(place..place, WORDS[with as usize % WORDS.len()].bytes()));
}

const WORDS: &[&str] = &[
    "\"",
    "\\",
    "\\u{10ffff}",
    "\\ud800",
    "\n",
    "\r\n",
    "\0",
    "'''",
    "\"\"\"",
    "[[",
    "]]",
    "{",
    "}",
    "(((((((((((((((((((((((((((((((((((((((((",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    "= 99999999999999999999",
    "= -1",
    "= 1e308",
    "99999999999999999999h",
    "18446744073709551615ms",
    "0s",
    "a.b.c.d = 1\n",
    "#",
    "//",
    ";",
    "ä",
    "\u{202e}",
    "\u{feff}",
    "@id(\"x\")",
    "permit(principal, action, resource);",
    "forbid(principal, action, resource) when { true };",
    "if true then ",
    "!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!",
    "context.",
    "?principal",
    ",",
    ":",
    "null",
    "true",
    "1979-05-27T07:32:00Z",
];

/// Bends the item behind `skip` bytes as a tree; false where there is none.
fn grow(bytes: &mut Vec<u8>, skip: usize, at: u32, with: u32, other: &[u8]) -> bool {
    let Some((_, item)) = bytes.split_at_checked(skip) else { return false };
    let Ok(mut tree) = codec::read(item) else { return false };
    let other = other.get(skip..).and_then(|item| codec::read(item).ok());
    let mut left = at as usize % nodes(&tree).max(1);
    bend_node(&mut tree, &mut left, &mut |node| change(node, with, other.as_ref()));
    if depth(&tree) > NESTING_MAX {
        return false;
    }
    bytes.truncate(skip);
    bytes.extend_from_slice(&codec::write(&tree));
    true
}

/// The item inside a byte string, where there is one.
fn inside(value: &Value) -> Option<Value> {
    let bytes = value.as_bytes()?;
    codec::read(bytes).ok().filter(|item| item.is_map() || item.is_array())
}

fn nodes(value: &Value) -> usize {
    let below = match value {
        Value::Array(items) => items.iter().map(nodes).sum(),
        Value::Map(pairs) => pairs.iter().map(|(_, value)| nodes(value)).sum(),
        _ => inside(value).as_ref().map_or(0, nodes),
    };
    1 + below
}

/// How deep an item is nested; a byte string ends it.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Map(pairs) => 1 + pairs.iter().map(|(_, item)| depth(item)).max().unwrap_or(0),
        _ => 0,
    }
}

/// Calls `change` on the node of that number; true once it was met.
fn bend_node(value: &mut Value, left: &mut usize, change: &mut dyn FnMut(&mut Value)) -> bool {
    if *left == 0 {
        change(value);
        return true;
    }
    *left -= 1;
    if let Some(mut item) = inside(value) {
        let met = bend_node(&mut item, left, change);
        if depth(&item) <= NESTING_MAX {
            *value = Value::Bytes(codec::write(&item));
        }
        return met;
    }
    match value {
        Value::Array(items) => items.iter_mut().any(|item| bend_node(item, left, change)),
        Value::Map(pairs) => pairs.iter_mut().any(|(_, item)| bend_node(item, left, change)),
        _ => false,
    }
}

/// Makes another value of one; map keys stay sorted and unique.
fn change(value: &mut Value, with: u32, other: Option<&Value>) {
    let pick = (with >> 8) as usize;
    match (with % 6, &mut *value) {
        (0, Value::Map(pairs)) if !pairs.is_empty() => drop(pairs.remove(pick % pairs.len())),
        (1, Value::Map(pairs)) if pairs.iter().all(|(key, _)| key.is_integer()) => {
            let next = pairs.len() as u64 + 12;
            if pairs.iter().all(|(key, _)| key.as_integer() < Some(next.into())) {
                pairs.push((Value::from(next), sample(pick)));
            }
        }
        (0, Value::Array(items)) if !items.is_empty() => drop(items.remove(pick % items.len())),
        (1, Value::Array(items)) if !items.is_empty() => {
            let again = items[pick % items.len()].clone();
            items.push(again);
        }
        (2, Value::Array(items)) if items.len() > 1 => {
            let length = items.len();
            items.swap(pick % length, length - 1);
        }
        (3, Value::Text(text)) => text.push_str(WORDS[pick % WORDS.len()]),
        (3, Value::Integer(number)) => {
            let number = i128::from(*number) + [1, -1, 255, -255][pick % 4];
            let fits = |number| u64::try_from(number).ok();
            *value = fits(number).map_or(Value::Null, Value::from);
        }
        (4, _) => *value = other.map_or(Value::Null, |other| part(other, pick)),
        _ => *value = sample(pick),
    }
}

/// Some node of another item.
fn part(other: &Value, pick: usize) -> Value {
    let mut found = Value::Null;
    let mut left = pick % nodes(other).max(1);
    bend_node(&mut other.clone(), &mut left, &mut |node| found = node.clone());
    found
}

/// Values at the edges of what is allowed.
fn sample(pick: usize) -> Value {
    let numbers = [0, 1, 23, 24, 255, 1 << 32, 1 << 63, u64::MAX, u64::MAX - 1, 8_640_000_000_000];
    let lengths = [0, 15, 16, 17, 31, 32, 33, 63, 64, 65];
    let texts = ["", "site/", "site/n", "tree/00", "spiffe://golden.belay/root", "A", "a"];
    let step = pick / 8;
    match pick % 8 {
        0 | 1 => Value::from(numbers[step % numbers.len()]),
        2 => Value::from(-1 - (step as i64)),
        3 => Value::Bytes(vec![step as u8; lengths[step % lengths.len()]]),
        4 => Value::Text(texts[step % texts.len()].into()),
        5 => Value::Text("x".repeat(step % 300)),
        6 => [Value::Null, Value::Bool(true), Value::Array(Vec::new()), Value::Map(Vec::new())]
            [step % 4]
            .clone(),
        _ => Value::Array(vec![Value::from(0u64); step % 40]),
    }
}
