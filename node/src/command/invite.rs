//! `belay device invite`: an expiring, one-use grant to a fresh key, in a file.

use super::operator::Operator;
use crate::api::{Ask, StatusSaid, from_text};
use crate::cli::{Context, Invite};
use crate::fault::Fault;
use crate::invite::{InviteFile, Peer};
use crate::policy_folder::span_ms;
use crate::screen::Shown;
use crate::transport::limits::DIAL_ADDRESSES_MAX;
use crate::{clock, invite};
use belay_identity::body::{self, DeviceKind};
use belay_identity::codec::Bytes;
use belay_identity::key::unhex;
use belay_identity::principal::{DeviceId, UserId};
use belay_identity::{Class, PublicKey, SecretKey};
use serde_json::json;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// A node says where it listens a second after its start.
const SAID_WAIT_MAX: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(50);

pub(crate) fn run(context: &Context, ask: &Invite) -> Result<ExitCode, Fault> {
    let ttl_ms = span_ms(&ask.ttl).ok_or_else(|| {
        Fault::wrong_use(format!("“{}” is no duration", ask.ttl), "write 2h, 30m or 7d")
    })?;
    let kind = DeviceKind::from_word(&ask.kind).ok_or_else(|| {
        let hint = "one of laptop, phone, robot, gateway, server";
        Fault::wrong_use(format!("“{}” is no kind of device", ask.kind), hint)
    })?;
    let mut operator = Operator::unlock(context, &ask.signing)?;
    let status = status_with(&mut operator, &ask.member)?;
    free_name(&status, ask.device.as_ref())?;
    let peers = peers(&status, &ask.address, &ask.member)?;
    let roots: Vec<String> = operator.door().call(&Ask::Roots)?;
    let seed = Zeroizing::new(clock::draw());
    let place = operator.place(Class::AuthorityPlus)?;
    let bad = |error| Fault::wrong_use(error, "choose another with --device");
    let named = ask.device.as_deref().map(|name| DeviceId::new(&place.domain, name)).transpose();
    let body = body::Invite {
        key: SecretKey::from_seed(&seed).public(),
        witness: place.device.clone(),
        device: named.map_err(bad)?,
        owner: UserId::new(&place.domain, &owner()).map_err(bad)?,
    };
    let expires_ms = clock::wall_ms() + ttl_ms;
    let signed = operator.say(place, body.into(), Vec::new(), Some(expires_ms))?;
    let roots = roots.iter().map(|text| from_text(text).map(Bytes)).collect::<Result<_, _>>();
    let odd = |_| Fault::failed("the node's roots are not hex", "use one version of belay");
    let file = InviteFile {
        version: 1,
        roots: roots.map_err(odd)?,
        invite: Bytes(signed.bytes().to_vec()),
        seed: *seed,
        peers,
        kind,
    };
    invite::write(&ask.out, &file)?;
    let words = format!(
        "Wrote {}: whoever has it can enrol one device until {}.\nOn the new device: belay up --join {}",
        ask.out.display(),
        clock::rfc3339(expires_ms),
        ask.out.display(),
    );
    let data = json!({ "file": ask.out.display().to_string(), "expires_ms": expires_ms });
    Shown::whole("belay.device.invite/1", &data, words).show(context.format)?;
    Ok(ExitCode::SUCCESS)
}

/// How things stand, once the members named without an address have said where they listen.
fn status_with(operator: &mut Operator, members: &[String]) -> Result<StatusSaid, Fault> {
    let began = Instant::now();
    loop {
        let status: StatusSaid = operator.door().call(&Ask::Status)?;
        let mut named = status.devices.iter().filter(|device| members.contains(&device.name));
        if began.elapsed() >= SAID_WAIT_MAX || named.all(|device| !device.addresses.is_empty()) {
            return Ok(status);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// A name belongs to one device.
fn free_name(status: &StatusSaid, name: Option<&String>) -> Result<(), Fault> {
    match name.filter(|name| key_of(status, name).is_some()) {
        None => Ok(()),
        Some(name) => {
            let hint = "choose another with --device; a name belongs to one device";
            Err(Fault::wrong_use(format!("the fleet has a device {name} already"), hint))
        }
    }
}

/// This device, at the addresses given or those it listens on, and the members that are named.
fn peers(status: &StatusSaid, given: &[String], named: &[String]) -> Result<Vec<Peer>, Fault> {
    let own = status.device.as_ref().and_then(|name| key_of(status, name));
    let key = own.ok_or_else(|| {
        Fault::exit(4, "this device is not enrolled itself", "join with `belay up --join FILE`")
    })?;
    let addresses = if given.is_empty() { status.addresses.clone() } else { given.to_vec() };
    let mut peers = vec![Peer { key, addresses }];
    for words in named {
        let (key, addresses) = member(status, words)?;
        match peers.iter_mut().find(|peer| peer.key == key) {
            Some(peer) => peer.addresses.extend(addresses),
            None => peers.push(Peer { key, addresses }),
        }
    }
    for peer in &mut peers {
        // Relays lead members alone, so a place at one is of no use to a newcomer.
        peer.addresses.retain(|address| !address.ends_with("/p2p-circuit"));
        peer.addresses.truncate(DIAL_ADDRESSES_MAX);
    }
    for address in peers.iter().flat_map(|peer| &peer.addresses) {
        address.parse::<libp2p::Multiaddr>().map_err(|error| {
            let hint = "write /ip4/192.0.2.7/udp/7411/quic-v1";
            Fault::wrong_use(format!("“{address}”: {error}"), hint)
        })?;
    }
    Ok(peers)
}

/// Reads `gateway` or `gateway=ADDRESS`.
fn member(status: &StatusSaid, words: &str) -> Result<(PublicKey, Vec<String>), Fault> {
    let (name, address) = match words.split_once('=') {
        Some((name, address)) => (name, Some(address.to_owned())),
        None => (words, None),
    };
    let device = status.devices.iter().find(|device| device.name == name);
    let device = device.ok_or_else(|| {
        let hint = "see `belay status` for the devices there are";
        Fault::wrong_use(format!("the fleet has no device {name}"), hint)
    })?;
    let key = key_of(status, name).ok_or_else(|| {
        Fault::failed(format!("{name} has no valid key"), "use one version of belay")
    })?;
    let addresses = address.map_or_else(|| device.addresses.clone(), |address| vec![address]);
    if addresses.is_empty() {
        let hint = "try again in a moment, or write --member NAME=/ip4/192.0.2.7/udp/7411/quic-v1";
        return Err(Fault::exit(5, format!("{name} has not said where it listens"), hint));
    }
    Ok((key, addresses))
}

/// The key of the fleet's device of that name.
fn key_of(status: &StatusSaid, name: &str) -> Option<PublicKey> {
    let device = status.devices.iter().find(|device| device.name == name)?;
    unhex(&device.key)?.try_into().ok().map(PublicKey)
}

fn owner() -> String {
    super::up::user_name()
}
