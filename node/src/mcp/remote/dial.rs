//! Connections to one server: plain on this machine, TLS 1.3 anywhere else.
//!
//! Roots are those of the system, or the connector's own authority alone. A connection is kept for
//! the next request once its answer was read to the end. Refused here: another address than the
//! URL's, whatever an answer says.

use super::super::limits::{CONNECT_MS_MAX, IDLE_CONNECTIONS_MAX};
use belay_identity::key::hex;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::rt::{Read, Write};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use sha2::{Digest as _, Sha256};
use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

/// How one server is reached.
pub(super) struct Dial {
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    idle: RefCell<Vec<Sender>>,
}

pub(super) type Sender = SendRequest<Full<Bytes>>;

/// Whether a server may be reached under this URL.
///
/// # Errors
/// Why not, in words.
pub(crate) fn check(url: &Url) -> Result<(), String> {
    let local = match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => return Err("the URL names no host".to_owned()),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a URL holds no user and no password; put them into a header file".to_owned());
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if local => Ok(()),
        "http" => Err("plain http reaches this machine only; use https".to_owned()),
        other => Err(format!("{other} is not spoken; use https")),
    }
}

impl Dial {
    pub(super) fn to(url: &Url, ca: Option<&str>) -> io::Result<Self> {
        check(url).map_err(io::Error::other)?;
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = url.port_or_known_default().unwrap_or(443);
        let tls = match url.scheme() {
            "https" => {
                let name = ServerName::try_from(host.clone()).map_err(io::Error::other)?;
                Some((TlsConnector::from(Arc::new(config(ca)?)), name))
            }
            _ => None,
        };
        Ok(Self { host, port, tls, idle: RefCell::default() })
    }

    /// Sends a request on a connection that is there, or on a fresh one; the answer's head, and the
    /// connection, to be given back once the answer was read.
    pub(super) async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<(Response<Incoming>, Sender), String> {
        let mut request = request;
        while let Some(mut sender) = self.kept() {
            if sender.ready().await.is_err() {
                continue;
            }
            match sender.try_send_request(request).await {
                Ok(response) => return Ok((response, sender)),
                // It closed before anything was sent, and only then.
                Err(mut failed) => match failed.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(failed.into_error().to_string()),
                },
            }
        }
        let connecting = timeout(Duration::from_millis(CONNECT_MS_MAX), self.connect());
        let late = |_| format!("it did not answer the connection within {CONNECT_MS_MAX} ms");
        let mut sender = connecting.await.map_err(late)??;
        let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
        Ok((response, sender))
    }

    /// Keeps a connection whose answer was read.
    pub(super) fn keep(&self, sender: Sender) {
        let mut idle = self.idle.borrow_mut();
        if !sender.is_closed() && idle.len() < IDLE_CONNECTIONS_MAX {
            idle.push(sender);
        }
    }

    fn kept(&self) -> Option<Sender> {
        self.idle.borrow_mut().pop()
    }

    async fn connect(&self) -> Result<Sender, String> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await;
        let stream = stream.map_err(|error| format!("{}:{}: {error}", self.host, self.port))?;
        // Without it a small request waits for the last one's acknowledgement.
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        match &self.tls {
            None => begin(TokioIo::new(stream)).await,
            Some((connector, name)) => {
                let secured = connector.connect(name.clone(), stream).await;
                let why = |error| format!("{NO_TLS} with {}: {}", self.host, untrusted(&error));
                begin(TokioIo::new(secured.map_err(why)?)).await
            }
        }
    }
}

async fn begin(stream: impl Read + Write + Unpin + 'static) -> Result<Sender, String> {
    let (sender, connection) = handshake(stream).await.map_err(|error| error.to_string())?;
    // What becomes of it its requests tell.
    tokio::task::spawn_local(async move { drop(connection.await) });
    Ok(sender)
}

/// What a failure of TLS begins with.
pub(crate) const NO_TLS: &str = "no TLS";

/// Why a server's certificate is not taken, in words.
fn untrusted(error: &io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let Some(rustls::Error::InvalidCertificate(why)) = inner else { return error.to_string() };
    match why {
        // One of the same name that is not the one.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "no authority that is trusted for it vouches for its certificate".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is for another name".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired".to_owned()
        }
        other => format!("its certificate is not taken: {other}"),
    }
}

/// The roots in an authority's file.
///
/// # Errors
/// Why there are none, in words.
pub(crate) fn roots(ca: &str) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca.as_bytes()) {
        let certificate = certificate.map_err(|error| format!("no certificate: {error}"))?;
        roots.add(certificate).map_err(|error| format!("no authority's certificate: {error}"))?;
    }
    if roots.is_empty() { Err("no certificate stands there".to_owned()) } else { Ok(roots) }
}

/// What names an authority's file: the SHA-256 of its first certificate, in hex.
pub(crate) fn fingerprint(ca: &str) -> String {
    let first = CertificateDer::pem_slice_iter(ca.as_bytes()).next().and_then(Result::ok);
    first.map_or_else(String::new, |certificate| hex(&Sha256::digest(&certificate)))
}

fn system_roots() -> io::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err(io::Error::other("this system has no root certificates; see SSL_CERT_FILE"));
    }
    Ok(roots)
}

fn config(ca: Option<&str>) -> io::Result<ClientConfig> {
    let roots = match ca {
        Some(ca) => roots(ca).map_err(io::Error::other)?,
        None => system_roots()?,
    };
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(io::Error::other)?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a server is reached where nobody in between can read what opens it, and nowhere else.
    #[test]
    fn urls_are_looked_at() {
        let of = |url: &str| check(&Url::parse(url).unwrap()).is_ok();
        for good in [
            "https://mcp.example/x",
            "http://127.0.0.1:3001/mcp",
            "http://[::1]/",
            "http://localhost:3001/mcp",
        ] {
            assert!(of(good), "{good}");
        }
        for bad in [
            "http://mcp.example/",
            "http://localhost.example/",
            "http://0.0.0.0/",
            "http://169.254.169.254/",
            "https://user:secret@mcp.example/",
            "https://user@mcp.example/",
            "file:///etc/passwd",
            "ftp://127.0.0.1/",
            "data:text/plain,x",
        ] {
            assert!(!of(bad), "{bad}");
        }
    }
}
