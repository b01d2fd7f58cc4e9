//! The same credential in other bytes, after it was revoked: a revoke hits whom a credential names
//! and which generation, never a hash of bytes.
//!
//! Every variant is either refused before anybody believes it, or the order cuts it like the first.

use crate::adversary::forge::{Forge, bytes, head, sample};
use crate::adversary::keys::{ORDER, SMALL, array};
use belay_crdt::{Set, Views};
use belay_identity::body::{Approve, Body, Credential, Reason, Revoke, Subject, Term};
use belay_identity::chain::Link;
use belay_identity::codec::{self, Value};
use belay_identity::principal::{DeviceId, Principal};
use belay_identity::{
    Chain, Class, Incarnation, Scope, Signed, Statement, StatementId, Verified, sign,
};
use belay_tests::golden;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Goal: bypasses of a revoke by other bytes: none, of at least 500.
/// Method: the golden credential with another signature, header, form of its CBOR, spelling of its
/// names, or issued anew by its device; each is handed to a set that holds the revoke.
#[test]
fn no_variant_of_a_revoked_credential_acts() {
    let fleet = Revoked::new();
    let credential = sample("credential");
    assert!(!Revoked::without_the_revoke().cuts(&credential), "nothing else cuts it");
    assert!(fleet.cuts(&credential));
    let (mut refused, mut cut, mut bypasses) = (0, 0, Vec::new());
    let variants: BTreeMap<Vec<u8>, String> =
        variants().into_iter().map(|(what, bytes)| (bytes, what)).collect();
    for (bytes, what) in variants {
        assert!(*bytes != **credential.bytes(), "{what}: no variant at all");
        match Signed::<Statement>::parse(&bytes).and_then(|s| s.verify(&golden::fleet())) {
            Err(_why) => refused += 1,
            Ok(taken) if fleet.cuts(&taken) => cut += 1,
            Ok(_acts) => bypasses.push(what),
        }
    }
    println!("{refused} refused, {cut} cut, {} bypasses", bypasses.len());
    assert!(refused >= 500 && cut >= 50, "{refused} refused, {cut} cut");
    assert_eq!(bypasses, Vec::<String>::new());
}

/// A fleet in which the golden credential's agent is revoked.
struct Revoked(Views);

impl Revoked {
    fn new() -> Self {
        let Body::Credential(Credential { agent, device, .. }) = &sample("credential").body else {
            panic!("a sample of a credential")
        };
        let subject = Subject::new(vec![Term::Agent(agent.clone())]).unwrap();
        let revoke = Revoke { subject, home: device.clone(), reason: Reason::default() };
        Self::of(vec![founded(), said(3, sample("hold").author.clone(), revoke.into())])
    }

    fn without_the_revoke() -> Self {
        Self::of(vec![founded()])
    }

    fn of(said: Vec<Verified<Statement>>) -> Self {
        let mut set = Set::new(golden::fleet());
        set.insert(Arc::new(golden::founding()));
        for statement in said {
            set.insert(Arc::new(statement));
        }
        Self(Views::fold(&set))
    }

    fn cuts(&self, statement: &Statement) -> bool {
        let Body::Credential(credential) = &statement.body else { panic!("no credential") };
        let link = Link::of(credential).granted(statement.epoch);
        self.0.orders.cuts(&Chain::new(vec![link]).unwrap()).is_some()
    }
}

/// The root's yes to its own founding.
pub(super) fn founded() -> Verified<Statement> {
    let of = golden::founding().id();
    said(1, golden::founding().author.clone(), Approve { of }.into())
}

pub(super) fn said(key: u8, author: Principal, body: Body) -> Verified<Statement> {
    let statement = Statement {
        class: Class::AuthorityMinus,
        scope: Scope::Fleet,
        author,
        incarnation: Incarnation { counter: 1, drawn: [key; 16] },
        seq: 1,
        prev: None,
        epoch: 1,
        expiry_ms: None,
        refs: Vec::new(),
        body,
    };
    sign(statement, &golden::key(key), &golden::fleet())
}

fn variants() -> Vec<(String, Vec<u8>)> {
    let of = |name| {
        let good = Forge::of(name);
        [signatures(&good), keys(&good), forms(&good), names(&good)].concat()
    };
    [of("credential"), of("credential-bare"), issued_anew()].concat()
}

/// The same words under another signature.
fn signatures(forge: &Forge) -> Vec<(String, Vec<u8>)> {
    let signature: [u8; 64] = forge.signature().try_into().unwrap();
    let mut all = Vec::new();
    let mut beyond = signature;
    for times in 1..=15 {
        let mut carry = 0u16;
        for (byte, order) in beyond[32..].iter_mut().zip(array::<32>(ORDER)) {
            carry += u16::from(*byte) + u16::from(order);
            [*byte, _] = carry.to_le_bytes();
            carry >>= 8;
        }
        all.push((format!("S + {times} L"), forge.sealed_with(&beyond)));
    }
    for point in SMALL {
        let mut small = signature;
        small[..32].copy_from_slice(&array::<32>(point));
        all.push((format!("R of small order {point}"), forge.sealed_with(&small)));
        small[32..].fill(0);
        all.push((format!("R of small order {point}, S 0"), forge.sealed_with(&small)));
    }
    let mut turned = signature;
    turned[31] ^= 0x80;
    all.push(("-R".into(), forge.sealed_with(&turned)));
    all
}

/// The same words under another spelling of the key.
fn keys(forge: &Forge) -> Vec<(String, Vec<u8>)> {
    let mut turned = golden::key(8).public().0;
    turned[31] ^= 0x80;
    let spelled = SMALL.iter().map(|hex| array::<32>(hex)).chain([turned]);
    spelled
        .map(|kid| {
            let mut header = codec::read(&forge.protected).unwrap().into_map().unwrap();
            header.retain(|(key, _)| *key != Value::from(4));
            header.push((Value::from(4), Value::Bytes(kid.to_vec())));
            let protected = codec::write(&Value::Map(header));
            let forge = Forge { protected, payload: forge.payload.clone() };
            (format!("kid {kid:02x?}"), forge.sealed())
        })
        .collect()
}

/// One way in which an item is not written as it must be, at the place of that number.
#[derive(Debug, Clone, Copy)]
enum Odd {
    /// Two pairs of a map, the other way round.
    Swapped(usize, usize, usize),
    /// A pair of a map twice.
    Twice(usize, usize),
    /// A head one, two or three sizes longer than it need be.
    Long(usize, u8),
    /// A string, list or map of unsaid length.
    Unsaid(usize),
    /// A tag before an item.
    Tagged(usize),
}

/// Writes an item with one oddity.
struct Writer {
    odd: Odd,
    heads: usize,
    maps: usize,
    pairs: Vec<usize>,
    out: Vec<u8>,
}

impl Writer {
    fn write(value: &Value, odd: Odd) -> Self {
        let mut writer = Self { odd, heads: 0, maps: 0, pairs: Vec::new(), out: Vec::new() };
        writer.item(value);
        writer
    }

    fn head(&mut self, major: u8, value: u64) -> bool {
        let here = self.heads;
        self.heads += 1;
        match self.odd {
            Odd::Tagged(at) if at == here => self.out.extend([0xd8, 0x20]),
            Odd::Unsaid(at) if at == here && (2..=5).contains(&major) => {
                self.out.push(major << 5 | 31);
                return true;
            }
            Odd::Long(at, wider) if at == here => {
                let least = match value {
                    0..24 => 0u8,
                    24..0x100 => 1,
                    0x100..0x1_0000 => 2,
                    0x1_0000..0x1_0000_0000 => 3,
                    _ => 4,
                };
                let size = (least + wider).clamp(1, 4);
                self.out.push(major << 5 | (23 + size));
                let width = 1usize << (size - 1);
                self.out.extend_from_slice(&value.to_be_bytes()[8 - width..]);
                return false;
            }
            _ => {}
        }
        self.out.extend(head(major, value));
        false
    }

    fn string(&mut self, major: u8, bytes: &[u8]) {
        let length = bytes.len() as u64;
        if self.head(major, length) {
            self.out.extend(head(major, length));
            self.out.extend_from_slice(bytes);
            self.out.push(0xff);
        } else {
            self.out.extend_from_slice(bytes);
        }
    }

    fn item(&mut self, value: &Value) {
        match value {
            Value::Integer(number) => {
                let number = i128::from(*number);
                let (major, value) = if number < 0 { (1, -1 - number) } else { (0, number) };
                self.head(major, u64::try_from(value).unwrap());
            }
            Value::Bytes(bytes) => self.string(2, bytes),
            Value::Text(text) => self.string(3, text.as_bytes()),
            Value::Array(items) => {
                let unsaid = self.head(4, items.len() as u64);
                items.iter().for_each(|item| self.item(item));
                self.out.extend(unsaid.then_some(0xff));
            }
            Value::Map(pairs) => self.map(pairs),
            other => panic!("{other:?} stands in no sample"),
        }
    }

    fn map(&mut self, pairs: &[(Value, Value)]) {
        let here = self.maps;
        self.maps += 1;
        self.pairs.push(pairs.len());
        let mut order: Vec<usize> = (0..pairs.len()).collect();
        match self.odd {
            Odd::Swapped(map, one, other) if map == here => order.swap(one, other),
            Odd::Twice(map, pair) if map == here => order.insert(pair, pair),
            _ => {}
        }
        let unsaid = self.head(5, order.len() as u64);
        for pair in order {
            self.item(&pairs[pair].0);
            self.item(&pairs[pair].1);
        }
        self.out.extend(unsaid.then_some(0xff));
    }
}

/// Every oddity that an item offers.
fn oddities(value: &Value) -> Vec<Odd> {
    let plain = Writer::write(value, Odd::Long(usize::MAX, 0));
    assert_eq!(codec::read(&plain.out).as_ref(), Ok(value), "without an oddity it is the item");
    let mut all = Vec::new();
    for at in 0..plain.heads {
        all.extend([Odd::Long(at, 1), Odd::Long(at, 2), Odd::Unsaid(at), Odd::Tagged(at)]);
    }
    for (map, pairs) in plain.pairs.iter().enumerate() {
        all.extend((0..*pairs).map(|pair| Odd::Twice(map, pair)));
        for one in 0..*pairs {
            all.extend((one + 1..*pairs).map(|other| Odd::Swapped(map, one, other)));
        }
    }
    all
}

/// The same words in CBOR that is not ours, in the header, the payload and the envelope; the right
/// key signs what stands there.
fn forms(good: &Forge) -> Vec<(String, Vec<u8>)> {
    let forge = |protected: &[u8], payload: &[u8]| {
        Forge { protected: protected.to_vec(), payload: payload.to_vec() }.sealed()
    };
    let mut all = Vec::new();
    let header = codec::read(&good.protected).unwrap();
    for odd in oddities(&header) {
        let protected = Writer::write(&header, odd).out;
        all.push((format!("header {odd:?}"), forge(&protected, &good.payload)));
    }
    let payload = codec::read(&good.payload).unwrap();
    for odd in oddities(&payload) {
        let payload = Writer::write(&payload, odd).out;
        all.push((format!("payload {odd:?}"), forge(&good.protected, &payload)));
    }
    let envelope = codec::read(&good.sealed()).unwrap();
    for odd in oddities(&envelope) {
        all.push((format!("envelope {odd:?}"), Writer::write(&envelope, odd).out));
    }
    let odd_ends = [&[0xd2][..], &[0xd8, 0x12], &[0xd9, 0xd9, 0xf7]];
    all.extend(odd_ends.map(|tag| (format!("tag {tag:02x?}"), [tag, &good.sealed()].concat())));
    all.push(("a byte behind".into(), [good.sealed(), vec![0x00]].concat()));
    all.push(("in a string".into(), bytes(&good.sealed())));
    all.retain(|(_, bytes)| *bytes != good.sealed());
    all
}

/// The same names, spelled as some other reader might forgive; the right key signs them.
fn names(good: &Forge) -> Vec<(String, Vec<u8>)> {
    let spell: [fn(&str) -> String; 12] = [
        |name| name.to_uppercase(),
        |name| name.replace("spiffe", "SPIFFE"),
        |name| format!("{name}/"),
        |name| format!("{name} "),
        |name| format!(" {name}"),
        |name| format!("{name}\0"),
        |name| name.replacen("//", "///", 1),
        |name| name.replace('a', "%61"),
        |name| name.replace('a', "а"),
        |name| name.replace('o', "о"),
        |name| format!("{name}\u{200d}"),
        |name| format!("{name}?x#y"),
    ];
    let mut all = Vec::new();
    let payload = codec::read(&good.payload).unwrap();
    let texts = texts(&payload);
    for at in 0..texts {
        for (way, spell) in spell.iter().enumerate() {
            let mut left = at;
            let payload = respelled(&payload, &mut left, spell);
            let payload = codec::write(&payload);
            let forge = Forge { payload, protected: good.protected.clone() };
            all.push((format!("text {at} spelled {way}"), forge.sealed()));
        }
    }
    all.retain(|(_, bytes)| *bytes != good.sealed());
    all
}

fn texts(value: &Value) -> usize {
    match value {
        Value::Text(text) => usize::from(text.starts_with("spiffe://")),
        Value::Array(items) => items.iter().map(texts).sum(),
        Value::Map(pairs) => pairs.iter().map(|(_, value)| texts(value)).sum(),
        _ => 0,
    }
}

fn respelled(value: &Value, left: &mut usize, spell: &fn(&str) -> String) -> Value {
    match value {
        Value::Text(text) if text.starts_with("spiffe://") => {
            let here = *left == 0;
            *left = left.wrapping_sub(1);
            Value::Text(if here { spell(text) } else { text.clone() })
        }
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| respelled(item, left, spell)).collect())
        }
        Value::Map(pairs) => {
            let again =
                |(key, value): &(Value, Value)| (key.clone(), respelled(value, left, spell));
            Value::Map(pairs.iter().map(again).collect())
        }
        other => other.clone(),
    }
}

/// The same right, signed anew by its device: another number, life, key, end, tree or claim.
fn issued_anew() -> Vec<(String, Vec<u8>)> {
    let credential = sample("credential");
    let mut all = Vec::new();
    let mut again = |what: String, change: &dyn Fn(&mut Statement, &mut Credential)| {
        let mut statement = (*credential).clone();
        let Body::Credential(mut body) = statement.body.clone() else { panic!("no credential") };
        change(&mut statement, &mut body);
        statement.body = body.into();
        let made = sign(statement, &golden::key(8), &golden::fleet());
        all.push((what, made.bytes().to_vec()));
    };
    for step in 1..=10u8 {
        let number = u64::from(step);
        again(format!("number {step}"), &|s, _| {
            (s.seq, s.prev) = (number + 1, Some(StatementId([step; 32])));
        });
        again(format!("life {step}"), &|s, _| s.incarnation.drawn = [step; 16]);
        again(format!("key {step}"), &|_, c| c.key = golden::key(step + 20).public());
        again(format!("end {step}"), &|s, _| s.expiry_ms = Some(u64::MAX - number));
        again(format!("tree {step}"), &|_, c| c.tree = Some(StatementId([step; 32])));
        again(format!("manifest {step}"), &|_, c| c.manifest = [step; 32]);
        let device = DeviceId::parse(&format!("spiffe://golden.belay/device/d{step}")).unwrap();
        again(format!("device {step}"), &|_, c| c.device = device.clone());
    }
    for claimed in [0, 3, 4, 1 << 32, u64::MAX] {
        again(format!("generation {claimed}"), &|_, c| c.generations.agent = claimed);
        again(format!("epoch {claimed}"), &|s, _| s.epoch = claimed);
        again(format!("both {claimed}"), &|s, c| {
            (s.epoch, c.generations.agent) = (claimed, claimed);
        });
    }
    again("no end".into(), &|s, _| s.expiry_ms = None);
    again("no refs".into(), &|s, _| s.refs.clear());
    again("another site".into(), &|s, _| s.scope = Scope::Site("south-2".into()));
    all
}
