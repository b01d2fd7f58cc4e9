//! TLS 1.3 with raw public keys on both sides (RFC 7250): the device key is the certificate.
//!
//! A server asks the porter about the key that knocks before the handshake ends; a client takes
//! exactly the key that it dialled. No session is resumed and no early data is taken, so every
//! connection proves its key against the registry of that moment.
//!
//! Refused here: certificates, names, any key that is not Ed25519, TLS 1.2.

use std::{fmt, sync::Arc};

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, ServerConfig,
    SignatureScheme,
    client::{
        AlwaysResolvesClientRawPublicKeys, Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs, verify_tls13_signature_with_raw_key},
    pki_types::{
        CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer,
        UnixTime,
    },
    server::{
        AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    sign::CertifiedKey,
    version::TLS13,
};

use super::{
    super::key::{DeviceKey, hex},
    doorway::{Entry, Porter},
};

/// What a connection is for, as both sides agree in its handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A link: lanes, and payloads beside them.
    Link,
    /// Payloads alone.
    Payload,
}

impl Purpose {
    const ALL: [Self; 2] = [Self::Link, Self::Payload];

    /// Its name in the handshake (ALPN).
    pub(crate) fn alpn(self) -> &'static [u8] {
        match self {
            Self::Link => b"belay-link/1",
            Self::Payload => b"belay-payload/1",
        }
    }

    /// The purpose of this name.
    pub(crate) fn of_alpn(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.alpn() == name)
    }
}

/// The name that clients ask for; nobody looks at it, since keys name devices.
pub(crate) const SERVER_NAME: &str = "belay";

/// DER of a SubjectPublicKeyInfo before an Ed25519 key (RFC 8410 section 4).
const SPKI_HEAD: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// DER of a PKCS #8 key before an Ed25519 seed (RFC 8410 section 7).
const PKCS8_HEAD: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// This device's key, ready to prove itself.
#[derive(Clone)]
pub(crate) struct Identity {
    certified: Arc<CertifiedKey>,
    provider: Arc<CryptoProvider>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(secret)")
    }
}

impl Identity {
    /// Of the device key's seed. Fails only where the cryptographic provider refuses it.
    pub(crate) fn new(seed: &[u8; 32], public: &DeviceKey) -> Result<Self, Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let pkcs8 = PrivatePkcs8KeyDer::from([&PKCS8_HEAD[..], seed].concat());
        let key = provider.key_provider.load_private_key(PrivateKeyDer::Pkcs8(pkcs8))?;
        let spki = CertificateDer::from([&SPKI_HEAD[..], public].concat());
        Ok(Self { certified: Arc::new(CertifiedKey::new(vec![spki], key)), provider })
    }

    /// For whoever knocks: the porter is asked about its key.
    pub(crate) fn server(&self, porter: Porter) -> Result<Arc<QuicServerConfig>, Error> {
        let provider = self.provider.clone();
        let verifier = Arc::new(Knocking { porter, provider: provider.clone() });
        let config = ServerConfig::builder_with_provider(provider);
        let config = config.with_protocol_versions(&[&TLS13])?;
        let resolver = AlwaysResolvesServerRawPublicKeys::new(self.certified.clone());
        let mut config =
            config.with_client_cert_verifier(verifier).with_cert_resolver(Arc::new(resolver));
        config.alpn_protocols = Purpose::ALL.map(|purpose| purpose.alpn().to_vec()).to_vec();
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        let config = QuicServerConfig::try_from(config).map_err(|error| other(&error))?;
        Ok(Arc::new(config))
    }

    /// For dialling exactly this device.
    pub(crate) fn client(
        &self,
        peer: DeviceKey,
        purpose: Purpose,
    ) -> Result<Arc<QuicClientConfig>, Error> {
        let provider = self.provider.clone();
        let verifier = Arc::new(Dialled { peer, provider: provider.clone() });
        let config = ClientConfig::builder_with_provider(provider);
        let config = config.with_protocol_versions(&[&TLS13])?;
        let resolver = AlwaysResolvesClientRawPublicKeys::new(self.certified.clone());
        let config = config.dangerous().with_custom_certificate_verifier(verifier);
        let mut config = config.with_client_cert_resolver(Arc::new(resolver));
        config.alpn_protocols = vec![purpose.alpn().to_vec()];
        config.resumption = Resumption::disabled();
        let config = QuicClientConfig::try_from(config).map_err(|error| other(&error))?;
        Ok(Arc::new(config))
    }
}

fn other(error: &impl fmt::Display) -> Error {
    Error::General(error.to_string())
}

/// The device key in a raw public key; `None` when it is none of Ed25519.
pub(crate) fn device_key_of(spki: &[u8]) -> Option<DeviceKey> {
    spki.strip_prefix(&SPKI_HEAD)?.try_into().ok()
}

/// Of a peer's raw key: it is one Ed25519 key, and what it signed is this handshake.
fn proven(
    message: &[u8],
    key: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
    provider: &CryptoProvider,
) -> Result<HandshakeSignatureValid, Error> {
    let spki = SubjectPublicKeyInfoDer::from(key.as_ref());
    let algorithms = &provider.signature_verification_algorithms;
    verify_tls13_signature_with_raw_key(message, &spki, signed, algorithms)
}

fn lone_key(key: &CertificateDer<'_>, rest: &[CertificateDer<'_>]) -> Result<DeviceKey, Error> {
    match (device_key_of(key), rest) {
        (Some(key), []) => Ok(key),
        (Some(_) | None, _) => Err(CertificateError::BadEncoding.into()),
    }
}

fn no_tls12() -> Result<HandshakeSignatureValid, Error> {
    Err(Error::General("TLS 1.2 is not spoken here".into()))
}

/// Takes exactly the device that was dialled.
#[derive(Debug)]
struct Dialled {
    peer: DeviceKey,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Dialled {
    fn verify_server_cert(
        &self,
        key: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let there = lone_key(key, rest)?;
        if there != self.peer {
            let why = format!("another device answers there: {}", hex(&there));
            return Err(Error::General(why));
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        proven(message, key, signed, &self.provider)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

/// Asks the porter about whoever knocks.
#[derive(Debug)]
struct Knocking {
    porter: Porter,
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for Knocking {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        key: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        match self.porter.entry(&lone_key(key, rest)?) {
            Entry::Member | Entry::Cut | Entry::Lobby => Ok(ClientCertVerified::assertion()),
            Entry::Refused => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        key: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        proven(message, key, signed, &self.provider)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
