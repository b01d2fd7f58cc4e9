//! A network address translator in a namespace: masquerade on one interface, and nothing comes in
//! through it unasked.
//!
//! The rules are handed to the kernel's nftables over its netlink socket, from a thread that has
//! moved into the namespace, so no program besides `ip` is needed. Refused here: touching the
//! machine's own network; who calls names a namespace of his own.

use super::waiting::must;
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, recv, sendto, socket};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::os::fd::AsFd;
use std::thread;

/// How a translator chooses the port that the outside sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ports {
    /// The inside's own, where it is free: the same for every destination.
    Kept,
    /// Another by chance for every destination.
    Drawn,
}

/// Makes the namespace of this name translate what leaves through this interface.
pub(super) fn translate(namespace: &str, interface: &str, ports: Ports) {
    let file = must(File::open(format!("/run/netns/{namespace}")), namespace);
    let batch = rules(interface, ports);
    let inside = thread::spawn(move || {
        let moved = move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network));
        must(moved, "into the namespace");
        hand_over(&batch);
    });
    assert!(inside.join().is_ok(), "no rules in {namespace}");
}

fn hand_over(batch: &[u8]) {
    let kind = SocketType::RAW;
    let socket = must(socket(AddressFamily::NETLINK, kind, Some(netlink::NETFILTER)), "netlink");
    let kernel = SocketAddrNetlink::new(0, 0);
    must(sendto(&socket, batch, SendFlags::empty(), &kernel), "the rules");
    let mut answered = 0;
    while answered < ACKNOWLEDGED {
        let mut buffer = [0; 16 * 1024];
        let (got, _) = must(recv(&socket, &mut buffer, RecvFlags::empty()), "the kernel's word");
        let mut rest = &buffer[..got];
        while let Some((word, after)) = split(rest) {
            // An error of 0 acknowledges.
            let code = i32::from_ne_bytes(must(word[16..20].try_into(), "an error"));
            assert_eq!(code, 0, "nftables refuses a rule");
            (answered, rest) = (answered + 1, after);
        }
    }
}

fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = u32::from_ne_bytes(bytes.get(..4)?.try_into().ok()?);
    let length = usize::try_from(length).ok()?;
    (length >= 20 && length <= bytes.len()).then(|| bytes.split_at(length))
}

/// Messages that the kernel answers: a table, two chains, a rule in each.
const ACKNOWLEDGED: usize = 5;

// Numbers of linux/netfilter/nfnetlink.h, linux/netfilter/nf_tables.h, linux/netlink.h.
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const NEW_TABLE: u16 = 0xa00;
const NEW_CHAIN: u16 = 0xa03;
const NEW_RULE: u16 = 0xa06;
const REQUEST: u16 = 1;
const ACKNOWLEDGE: u16 = 4;
const CREATE: u16 = 0x400;
const APPEND: u16 = 0x800;
const IPV4: u8 = 2;
const NESTED: u16 = 0x8000;
const HOOK_INPUT: u32 = 1;
const HOOK_POSTROUTING: u32 = 4;
const META_IIFNAME: u32 = 6;
const META_OIFNAME: u32 = 7;
const CT_STATE_NEW: u32 = 8;
const DRAWN_PORTS: u32 = 1 << 4;
const DROP: u32 = 0;

const TABLE: &str = "belay";

fn rules(interface: &str, ports: Ports) -> Vec<u8> {
    let mut batch = message(BATCH_BEGIN, 0, &[]);
    batch.extend(message(NEW_TABLE, CREATE, &attribute(1, &name(TABLE))));
    batch.extend(chain("out", "nat", HOOK_POSTROUTING, 100));
    batch.extend(chain("in", "filter", HOOK_INPUT, 0));
    let flags = match ports {
        Ports::Kept => Vec::new(),
        Ports::Drawn => attribute(1, &DRAWN_PORTS.to_be_bytes()),
    };
    let leaves = [through(META_OIFNAME, interface), expression("masq", &flags)];
    batch.extend(rule("out", &leaves.concat()));
    // What the inside has not asked for must leave no trace: an entry of its own would take the
    // port of an answer that is yet to leave.
    let unasked = [through(META_IIFNAME, interface), is_new(), dropped()];
    batch.extend(rule("in", &unasked.concat()));
    batch.extend(message(BATCH_END, 0, &[]));
    batch
}

fn message(kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
    let batch = matches!(kind, BATCH_BEGIN | BATCH_END);
    let flags = if batch { REQUEST } else { REQUEST | ACKNOWLEDGE | flags };
    let (family, subsystem) = if batch { (0, 10u16) } else { (IPV4, 0) };
    let length = u32::try_from(20 + body.len()).unwrap_or(u32::MAX);
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend([family, 0]);
    bytes.extend(subsystem.to_be_bytes());
    bytes.extend(body);
    bytes
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn nested(kind: u16, parts: &[Vec<u8>]) -> Vec<u8> {
    attribute(kind | NESTED, &parts.concat())
}

fn number(kind: u16, value: u32) -> Vec<u8> {
    attribute(kind, &value.to_be_bytes())
}

fn name(text: &str) -> Vec<u8> {
    [text.as_bytes(), &[0]].concat()
}

fn chain(of: &str, kind: &str, hook: u32, priority: u32) -> Vec<u8> {
    let hook = nested(4, &[number(1, hook), number(2, priority)]);
    let named = [attribute(1, &name(TABLE)), attribute(3, &name(of))].concat();
    message(NEW_CHAIN, CREATE, &[named, hook, attribute(7, &name(kind))].concat())
}

fn rule(of: &str, expressions: &[u8]) -> Vec<u8> {
    let named = [attribute(1, &name(TABLE)), attribute(2, &name(of))].concat();
    let all = attribute(4 | NESTED, expressions);
    message(NEW_RULE, CREATE | APPEND, &[named, all].concat())
}

fn expression(of: &str, data: &[u8]) -> Vec<u8> {
    nested(1, &[attribute(1, &name(of)), attribute(2 | NESTED, data)])
}

/// The packet's interface is this one.
fn through(which: u32, interface: &str) -> Vec<u8> {
    let mut padded = interface.as_bytes().to_vec();
    padded.resize(16, 0);
    let load = expression("meta", &[number(1, 1), number(2, which)].concat());
    let value = nested(3, &[attribute(1, &padded)]);
    load.into_iter()
        .chain(expression("cmp", &[number(1, 1), number(2, 0), value].concat()))
        .collect()
}

/// The packet belongs to nothing that is under way.
fn is_new() -> Vec<u8> {
    let value = |number: u32| attribute(1, &number.to_ne_bytes());
    let load = expression("ct", &[number(1, 1), number(2, 0)].concat());
    let mask = [nested(4, &[value(CT_STATE_NEW)]), nested(5, &[value(0)])].concat();
    let masked = [number(1, 1), number(2, 1), number(3, 4), mask].concat();
    let unequal = [number(1, 1), number(2, 1), nested(3, &[value(0)])].concat();
    [load, expression("bitwise", &masked), expression("cmp", &unequal)].concat()
}

fn dropped() -> Vec<u8> {
    let verdict = nested(2, &[nested(2, &[number(1, DROP)])]);
    expression("immediate", &[number(1, 0), verdict].concat())
}
