//! Which packages may be locked, and from which version on.
//!
//! Floors are those of published advisories; packages to avoid are unmaintained, unsound or not
//! ready. One that arrives through another package stands in `TOLERATED` with path and reason.

use super::Complaint;
use semver::Version;
use toml::{Table, Value};

/// The lowest good version of each line of a package; lines above the last are good, others not.
const FLOORS: &[(&str, &[&str])] = &[
    ("yamux", &["0.13.10"]),
    ("libp2p-gossipsub", &["0.50.1"]),
    ("quinn-proto", &["0.11.19"]),
    ("rustls", &["0.23.46"]),
    ("rustls-webpki", &["0.103.16"]),
    ("ring", &["0.17.12"]),
    ("hickory-proto", &["0.26.1"]),
    ("lru", &["0.18.2"]),
    ("bytes", &["1.11.1"]),
    ("rand", &["0.8.6", "0.9.3", "0.10.1"]),
    ("time", &["0.3.47"]),
    ("tracing-subscriber", &["0.3.20"]),
    ("h2", &["0.4.16"]),
    ("rmcp", &["1.4.0"]),
    ("ed25519-dalek", &["3.0.0"]),
];

/// Packages that are not locked at all, and why.
const AVOIDED: &[(&str, &str)] = &[
    ("libp2p-tokio-socks5", "unmaintained"),
    ("libp2p-deflate", "uninitialised memory"),
    ("serde_cbor", "unmaintained"),
    ("bincode", "unmaintained"),
    ("serde_yaml", "unmaintained"),
    ("serde_yml", "unsound"),
    ("yaml-rust", "unmaintained"),
    ("sled", "never reached 1.0 as a record of truth"),
    ("fjall", "durable only when asked each time"),
    ("rsa", "a timing leak without a fix"),
    ("openssl", "a large C surface"),
    ("openssl-sys", "a large C surface"),
    ("instant", "unmaintained"),
    ("backoff", "unmaintained"),
    ("atty", "unmaintained"),
    ("fxhash", "unmaintained"),
    ("dotenv", "unmaintained"),
    ("derivative", "unmaintained"),
    ("paste", "unmaintained"),
    ("proc-macro-error", "unmaintained"),
    ("users", "unmaintained"),
    ("daemonize", "unmaintained"),
    ("async-std", "unmaintained"),
    ("rustls-pemfile", "unmaintained"),
    ("madsim", "patches the whole runtime"),
    ("keyhive_core", "pre-alpha"),
    ("p2panda-auth", "young"),
    ("powercut", "few users"),
    ("boot-time", "few users"),
    ("tlog_tiles", "few users"),
    ("keyring", "a sample program by its own word"),
];

/// Packages of which no pre-release is locked.
const NO_PRERELEASE: &[&str] = &["rustls", "rustls-webpki", "tss-esapi", "ed25519-dalek", "libp2p"];

/// Avoided packages that arrive through others, and why that is borne.
const TOLERATED: &[(&str, &str)] = &[(
    "paste",
    "a macro at build time, finished rather than broken; libp2p-quic, if-watch, netlink-packet-core",
)];

/// The rules on a lock file.
pub fn check(path: &str, text: &str) -> Vec<Complaint> {
    let locked = match locked(text) {
        Ok(locked) => locked,
        Err(what) => return vec![Complaint::about(path, what)],
    };
    let complain = |(name, version): &(String, Version)| {
        let fault = below_floor(name, version).or(avoided(name)).or(prerelease(name, version));
        fault.map(|what| Complaint::about(path, format!("{name} {version}: {what}")))
    };
    let mut found: Vec<Complaint> = locked.iter().filter_map(complain).collect();
    let is_locked = |name: &str| locked.iter().any(|(locked, _)| locked == name);
    let stale = TOLERATED.iter().filter(|(name, _)| !is_locked(name));
    found.extend(stale.map(|(name, _)| {
        Complaint::about(path, format!("{name} is tolerated and no longer there: strike it"))
    }));
    found
}

fn locked(text: &str) -> Result<Vec<(String, Version)>, String> {
    let lock: Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
    let packages = lock.get("package").and_then(Value::as_array).ok_or("no packages are locked")?;
    let read = |package: &Value| {
        let name = package.get("name")?.as_str()?.to_owned();
        let version = Version::parse(package.get("version")?.as_str()?).ok()?;
        Some((name, version))
    };
    let all: Option<Vec<_>> = packages.iter().map(read).collect();
    all.ok_or_else(|| "a package has no name or no version".into())
}

fn below_floor(name: &str, version: &Version) -> Option<String> {
    let (_, floors) = FLOORS.iter().find(|(floored, _)| *floored == name)?;
    let floors: Vec<Version> =
        floors.iter().filter_map(|floor| Version::parse(floor).ok()).collect();
    let line = |version: &Version| match version.major {
        0 => (0, version.minor),
        major => (major, 0),
    };
    let same = floors.iter().find(|floor| line(floor) == line(version));
    let good = match same {
        Some(floor) => version >= floor,
        None => floors.iter().all(|floor| version > floor),
    };
    let words: Vec<String> = floors.iter().map(Version::to_string).collect();
    (!good)
        .then(|| format!("below the floor of {}; run `cargo update -p {name}`", words.join(" or ")))
}

fn avoided(name: &str) -> Option<String> {
    let (_, why) = AVOIDED.iter().find(|(avoided, _)| *avoided == name)?;
    let tolerated = TOLERATED.iter().any(|(tolerated, _)| *tolerated == name);
    (!tolerated).then(|| format!("avoided ({why}); `cargo tree -i {name}` shows who brings it"))
}

fn prerelease(name: &str, version: &Version) -> Option<String> {
    let refused = NO_PRERELEASE.contains(&name) && !version.pre.is_empty();
    refused.then(|| "a pre-release is not for us".into())
}
