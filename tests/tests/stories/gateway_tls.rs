//! Servers behind TLS: whose certificate is taken, and what everybody else hears.

use super::gateway::{answer, call, text};
use super::gateway_remote::{Desk, ERAS, SECRET};
use belay_tests::story::{Answer, LAPTOP, SOON};
use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use std::fs;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// Where the stories' server is reached.
const HOST: &str = "127.0.0.1";

/// Somebody who vouches.
struct Authority {
    certificate: Certificate,
    key: KeyPair,
}

/// A certificate and what proves it.
type Own = (CertificateDer<'static>, PrivateKeyDer<'static>);

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self { certificate: params.self_signed(&key).unwrap(), key }
    }

    fn vouch(&self, name: &str, expired: bool) -> Own {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        if expired {
            params.not_before = rcgen::date_time_ymd(2001, 1, 1);
            params.not_after = rcgen::date_time_ymd(2001, 1, 2);
        }
        let own = params.signed_by(&key, &self.certificate, &self.key).unwrap();
        (own.der().clone(), PrivateKeyDer::try_from(key.serialize_der()).unwrap())
    }
}

/// TLS in front of a server, with a certificate that may be changed.
struct Front {
    port: u16,
    shown: Arc<Mutex<Arc<ServerConfig>>>,
}

fn config((certificate, key): Own) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider);
    let builder = builder.with_protocol_versions(&[&rustls::version::TLS13]).unwrap();
    let builder = builder.with_no_client_auth();
    Arc::new(builder.with_single_cert(vec![certificate], key).unwrap())
}

impl Front {
    /// It ends with the process of the tests, as a thread that waits for nobody.
    fn of(plain: &str, own: Own) -> Self {
        let plain = plain.trim_start_matches("http://").split('/').next().unwrap().to_owned();
        let plain: SocketAddr = plain.parse().unwrap();
        let shown = Arc::new(Mutex::new(config(own)));
        let listener = std::net::TcpListener::bind((HOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shows = Arc::clone(&shown);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                while let Ok((stream, _)) = listener.accept().await {
                    let acceptor = TlsAcceptor::from(Arc::clone(&shows.lock().unwrap()));
                    tokio::spawn(async move {
                        // Who does not take the certificate leaves.
                        let Ok(mut near) = acceptor.accept(stream).await else { return };
                        let mut far = TcpStream::connect(plain).await.unwrap();
                        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                    });
                }
            });
        });
        Self { port, shown }
    }

    fn show(&self, own: Own) {
        *self.shown.lock().unwrap() = config(own);
    }
}

/// Adds the server behind TLS; `by` may set what the system trusts.
fn add(desk: &Desk, front: &Front, by: &[&str], ca: &[&str]) -> Answer {
    let url = format!("https://{HOST}:{}/mcp", front.port);
    let file = desk.header_file(SECRET);
    let state = desk.fleet.path(LAPTOP);
    let words = ["--state", &state, "connector", "add", "story", "--yes", "--url", &url];
    let words = [&words[..], &["--header-file", &file], ca].concat();
    desk.fleet.belay().start_by(&[&["env"], by].concat(), &words).end(SOON)
}

/// Goal: a server behind TLS is reached with the authority that its connector names and with no
/// other, whatever this system trusts; each other certificate is refused by name, and nothing that
/// opens the server is sent. Method: an authority of the test; each wrong certificate in turn; then
/// the right one, a call, and a certificate that changes under the approved connector.
#[test]
fn only_the_named_authority_vouches_for_a_server() {
    let desk = Desk::new(ERAS[1]);
    let (own, stranger) = (Authority::new(), Authority::new());
    let file = |name: &str, text: &str| {
        let path = desk.fleet.path(name);
        fs::write(&path, text).unwrap();
        path
    };
    let named = file("own.pem", &own.certificate.pem());
    let other = file("other.pem", &stranger.certificate.pem());
    let system = |path: &str| format!("SSL_CERT_FILE={path}");
    let front = Front::of(&desk.url, own.vouch(HOST, false));
    let (trusts_own, trusts_other) = (system(&named), system(&other));
    let unknown = ["no TLS", "no authority that is trusted", "--ca"];
    add(&desk, &front, &[&trusts_other], &[]).refuses(1, &unknown);
    add(&desk, &front, &[&trusts_own], &["--ca", &other]).refuses(1, &unknown);
    front.show(own.vouch("localhost", false));
    add(&desk, &front, &[], &["--ca", &named]).refuses(1, &["no TLS", "for another name"]);
    front.show(own.vouch(HOST, true));
    add(&desk, &front, &[], &["--ca", &named]).refuses(1, &["no TLS", "has expired"]);
    let seen = || fs::read_to_string(desk.fleet.path("seen.log")).unwrap_or_default();
    assert_eq!(seen(), "", "nothing is said before the certificate is taken");

    front.show(own.vouch(HOST, false));
    add(&desk, &front, &[&trusts_other], &["--ca", &named]).wants(0);
    let shown = desk.fleet.ask(LAPTOP, &["connector", "show", "story"]).wants(0).stdout;
    assert!(shown.contains("vouched  by the authority"), "{shown}");
    let belay = desk.fleet.belay().exe().display().to_string();
    let gateway = [belay.as_str(), "mcp", "story"];
    let told = desk.agent("early", &gateway, &[call(1, "echo", json!({"n": 1}))]);
    assert_eq!(text(answer(&told, 1)), r#"{"n":1}"#);
    let before = seen().len();
    front.show(stranger.vouch(HOST, false));
    let told = desk.agent("late", &gateway, &[call(1, "echo", json!({"late": true}))]);
    assert!(
        told.iter().any(|said| said.to_string().contains("no authority that is trusted")),
        "{told:#?}"
    );
    assert!(!seen()[before..].contains("late"), "{}", seen());
}

/// Goal: what is no authority's certificate is refused before anything is sent, with the file and
/// what is wrong in it.
#[test]
fn what_is_no_authority_is_refused() {
    let desk = Desk::new(ERAS[1]);
    let own = Authority::new();
    let front = Front::of(&desk.url, own.vouch(HOST, false));
    let pem = own.certificate.pem();
    let bad = [
        (String::new(), "no certificate stands there"),
        ("words".to_owned(), "no certificate stands there"),
        (pem.replace("MII", "!!!"), "no certificate"),
        (format!("{pem}{}", own.key.serialize_pem()), "a private key stands there"),
        (format!("{pem}{}", "#\n".repeat(40_000)), "longer than"),
    ];
    for (text, word) in bad {
        let path = desk.fleet.path("bad.pem");
        fs::write(&path, text).unwrap();
        add(&desk, &front, &[], &["--ca", &path]).refuses(2, &[word, "bad.pem", "PEM"]);
    }
    add(&desk, &front, &[], &["--ca", "/no/such"]).refuses(1, &["/no/such"]);
    let path = desk.fleet.path("own.pem");
    fs::write(&path, &pem).unwrap();
    let words = ["connector", "add", "web", "--url", &desk.url, "--ca", &path];
    desk.fleet.ask(LAPTOP, &words).refuses(2, &["not reached by https"]);
    let words = ["connector", "add", "web", "--ca", &path, "--", "true"];
    desk.fleet.ask(LAPTOP, &words).refuses(2, &["not reached by https"]);
}
