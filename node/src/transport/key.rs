//! A device's name on the network: its raw Ed25519 public key, which is also its libp2p identity.
//!
//! libp2p proves in the TLS handshake that the other side holds this key, so a link's peer is known
//! before its first byte. Refused here: keys of any other kind, and names that only hash a key.

use std::fmt;

use libp2p::{
    PeerId,
    identity::{PublicKey, ed25519},
};

/// A device's raw 32-byte Ed25519 public key.
pub type DeviceKey = [u8; 32];

/// Multihash code of "the bytes themselves": how libp2p names short keys.
const IDENTITY_HASH: u64 = 0;

/// The libp2p name of a device. Fails when the bytes are no point of the curve.
pub fn peer_id(key: &DeviceKey) -> Result<PeerId, NotADeviceKey> {
    let key = ed25519::PublicKey::try_from_bytes(key).map_err(|_| NotADeviceKey(*key))?;
    Ok(PublicKey::from(key).to_peer_id())
}

/// The device key inside a libp2p name; `None` when the name holds no Ed25519 key.
pub fn device_key(peer: &PeerId) -> Option<DeviceKey> {
    let name = peer.as_ref();
    if name.code() != IDENTITY_HASH {
        return None;
    }
    let key = PublicKey::try_decode_protobuf(name.digest()).ok()?;
    Some(key.try_into_ed25519().ok()?.to_bytes())
}

/// A key in lowercase hex, as every screen shows it.
pub(crate) fn hex(key: &DeviceKey) -> String {
    key.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// 32 bytes that are not an Ed25519 public key: the caller's mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotADeviceKey(pub DeviceKey);

impl fmt::Display for NotADeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not an Ed25519 public key; copy it from the invite again", hex(&self.0))
    }
}

impl std::error::Error for NotADeviceKey {}

#[cfg(test)]
mod tests {
    use libp2p::identity::Keypair;

    use super::*;

    /// Goal: both directions agree, and what is no key is refused. Method: one real key, one bad
    /// one.
    #[test]
    fn a_key_and_its_peer_id_lead_to_each_other() {
        let pair = Keypair::ed25519_from_bytes([7; 32]).expect("any 32 bytes are a seed");
        let peer = pair.public().to_peer_id();
        let key = device_key(&peer).expect("an Ed25519 name");
        assert_eq!(peer_id(&key), Ok(peer));
        let hashed = PeerId::from_multihash(
            libp2p::multihash::Multihash::wrap(0x12, &[1; 32]).expect("32 bytes fit"),
        );
        assert_eq!(device_key(&hashed.expect("a SHA-256 name")), None);
        let mut no_point = [0xff; 32];
        no_point[0] = 2;
        assert!((0..=255).any(|byte| {
            no_point[1] = byte;
            peer_id(&no_point).is_err()
        }));
    }
}
