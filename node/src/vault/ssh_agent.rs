//! An operator's key in an ssh-agent: the agent signs, the key never comes here.
//!
//! The protocol is OpenSSH's (draft-ietf-sshm-ssh-agent, sections 3 to 5): a Unix socket, u32
//! lengths, two questions. An ssh-ed25519 signature with flags 0 is over the raw bytes, so the
//! agent signs what any other key of ours signs; what comes back is checked strictly before
//! anybody believes it. The published clients bring RSA, three NIST curves and an older Ed25519
//! along, which this house does not lock, for two messages.
//!
//! Refused here: keys of other kinds, and those of a token (`sk-ssh-ed25519`), whose signature is
//! over another structure; a name that several keys have. No touch and no typed secret stands
//! before a signature, so such a key counts for orders only: the root epoch says so, and the folds
//! hold it.

use belay_identity::PublicKey;
use belay_identity::key::{hex, unhex};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{error, fmt};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::limits::{AGENT_ANSWER_BYTES_MAX, AGENT_LIST_TIME_MAX, AGENT_SIGN_TIME_MAX};

/// The kind of key that signs our words, as SSH calls it.
const KIND: &[u8] = b"ssh-ed25519";

const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;

/// A key that an agent holds.
#[derive(Debug, Clone)]
pub struct AgentKey {
    socket: PathBuf,
    key: PublicKey,
    comment: String,
}

impl AgentKey {
    /// The key of the user's agent that this word names: its comment, 64 hex digits, or the file
    /// of its public half; the only one where the word is empty.
    pub fn find(word: &str) -> Result<Self, AgentError> {
        Self::find_at(&socket()?, word)
    }

    fn find_at(socket: &Path, word: &str) -> Result<Self, AgentError> {
        let held = identities(socket)?;
        let wanted = blob_in_file(word);
        let key = unhex(word).and_then(|bytes| bytes.try_into().ok()).map(PublicKey);
        let is_named = |one: &&Held| match (&wanted, key) {
            (Some(blob), _) => one.blob == *blob,
            (None, Some(key)) => one.public() == Some(key),
            (None, None) => one.comment == word || (word.is_empty() && one.public().is_some()),
        };
        let named: Vec<&Held> = held.iter().filter(is_named).collect();
        let word = || word.to_owned();
        match named.as_slice() {
            [] => Err(AgentError::NoKey { word: word(), held: lines(&held) }),
            [one] => match one.public() {
                Some(key) => Ok(Self { socket: socket.into(), key, comment: one.comment.clone() }),
                None => Err(AgentError::OtherKind { word: word(), kind: one.kind() }),
            },
            several => {
                let several: Vec<Held> = several.iter().map(|one| (*one).clone()).collect();
                Err(AgentError::Ambiguous { word: word(), held: lines(&several) })
            }
        }
    }

    /// Every key of the user's agent that can sign here; none where there is no agent.
    pub fn all() -> Result<Vec<Self>, AgentError> {
        let socket = match socket() {
            Err(AgentError::NoAgent) => return Ok(Vec::new()),
            socket => socket?,
        };
        let own = |one: Held| {
            let key = one.public()?;
            Some(Self { socket: socket.clone(), key, comment: one.comment })
        };
        Ok(identities(&socket)?.into_iter().filter_map(own).collect())
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        self.key
    }

    /// What its owner calls it.
    pub fn comment(&self) -> &str {
        &self.comment
    }

    /// Where its agent listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Has the agent sign these bytes; what comes back holds strictly.
    pub fn sign(&self, message: &[u8]) -> Result<[u8; 64], AgentError> {
        let key = [text(KIND), text(&self.key.0)].concat();
        let question = [text(&key), text(message), vec![0; 4]].concat();
        let answer = ask(&self.socket, SIGN_REQUEST, &question, AGENT_SIGN_TIME_MAX)?;
        let signature = answer.split_first().filter(|(kind, _)| **kind == SIGN_RESPONSE);
        let signature = signature.and_then(|(_, mut rest)| {
            let mut blob = take(&mut rest)?;
            let kind = take(&mut blob)?;
            let signature = take(&mut blob).filter(|_| kind == KIND && blob.is_empty())?;
            <[u8; 64]>::try_from(signature).ok()
        });
        let holds = |signature: &[u8; 64]| self.key.verify_strict(message, signature);
        signature.filter(holds).ok_or(AgentError::Unsigned)
    }
}

/// Why an agent's key cannot be used.
#[derive(Debug)]
pub enum AgentError {
    /// Nothing says where an agent is.
    NoAgent,
    /// It does not answer, or not as an agent does.
    Silent {
        /// Its socket.
        socket: PathBuf,
        /// What the system says.
        why: String,
    },
    /// It holds no such key.
    NoKey {
        /// What was asked for.
        word: String,
        /// What it holds.
        held: Vec<String>,
    },
    /// Several keys are called so.
    Ambiguous {
        /// What was asked for.
        word: String,
        /// Those keys.
        held: Vec<String>,
    },
    /// The key is of a kind that does not sign our words.
    OtherKind {
        /// What was asked for.
        word: String,
        /// Its kind, as SSH calls it.
        kind: String,
    },
    /// It did not sign, or signed something else.
    Unsigned,
}

impl AgentError {
    /// What to do next.
    pub fn hint(&self) -> String {
        match self {
            Self::NoAgent => "start one (`ssh-agent`), load the key, and set SSH_AUTH_SOCK".into(),
            Self::Silent { .. } => "look with `ssh-add -l` whether it answers".into(),
            Self::NoKey { held, .. } if held.is_empty() => {
                "load one with `ssh-add`; only ssh-ed25519 keys serve".into()
            }
            Self::NoKey { held, .. } => format!("it holds {}", held.join(", ")),
            Self::Ambiguous { held, .. } => {
                format!("name one by its 64 digits or its .pub file: {}", held.join(", "))
            }
            Self::OtherKind { kind, .. } if kind.starts_with("sk-") => {
                "a token signs its own structure, which no check of ours accepts; use a plain \
                 ssh-ed25519 key, or the sealed operator key"
                    .into()
            }
            Self::OtherKind { .. } => {
                "make an ssh-ed25519 key: `ssh-keygen -t ed25519`, then `ssh-add`".into()
            }
            Self::Unsigned => "confirm the signature where the agent asks, or load the key".into(),
        }
    }
}

impl fmt::Display for AgentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAgent => f.write_str("no ssh-agent: SSH_AUTH_SOCK is not set"),
            Self::Silent { socket, why } => {
                write!(f, "the ssh-agent at {} does not answer: {why}", socket.display())
            }
            Self::NoKey { word, .. } => write!(f, "the ssh-agent holds no key “{word}”"),
            Self::Ambiguous { word, held } => {
                write!(f, "the ssh-agent holds {} keys “{word}”", held.len())
            }
            Self::OtherKind { word, kind } => {
                write!(f, "the ssh-agent's key “{word}” is of the kind {kind}, not ssh-ed25519")
            }
            Self::Unsigned => f.write_str("the ssh-agent did not sign"),
        }
    }
}

impl error::Error for AgentError {}

/// One key of an agent, of whatever kind.
#[derive(Debug, Clone)]
struct Held {
    blob: Vec<u8>,
    comment: String,
}

impl Held {
    fn public(&self) -> Option<PublicKey> {
        let mut blob = self.blob.as_slice();
        let kind = take(&mut blob)?;
        let key = take(&mut blob).filter(|_| kind == KIND && blob.is_empty())?;
        key.try_into().ok().map(PublicKey)
    }

    fn kind(&self) -> String {
        let kind = take(&mut self.blob.as_slice()).unwrap_or_default().to_vec();
        String::from_utf8_lossy(&kind).into_owned()
    }
}

/// A list for people: by comment, and what names each key.
fn lines(held: &[Held]) -> Vec<String> {
    let line = |one: &Held| match one.public() {
        Some(key) => format!("{} ({})", one.comment, hex(&key.0)),
        None => format!("{} ({})", one.comment, one.kind()),
    };
    held.iter().map(line).collect()
}

fn socket() -> Result<PathBuf, AgentError> {
    let socket = std::env::var_os("SSH_AUTH_SOCK").filter(|path| !path.is_empty());
    socket.map(PathBuf::from).ok_or(AgentError::NoAgent)
}

/// The key that a file of OpenSSH's names: its kind, then base64, then a comment.
fn blob_in_file(path: &str) -> Option<Vec<u8>> {
    let line = std::fs::read_to_string(path).ok()?;
    STANDARD.decode(line.split_ascii_whitespace().nth(1)?).ok()
}

fn identities(socket: &Path) -> Result<Vec<Held>, AgentError> {
    let answer = ask(socket, REQUEST_IDENTITIES, &[], AGENT_LIST_TIME_MAX)?;
    read_identities(&answer).ok_or_else(|| AgentError::Silent {
        socket: socket.to_owned(),
        why: "its answer is not that of an agent".into(),
    })
}

fn read_identities(answer: &[u8]) -> Option<Vec<Held>> {
    let (_, rest) = answer.split_first().filter(|(kind, _)| **kind == IDENTITIES_ANSWER)?;
    let (_, mut rest) = rest.split_first_chunk::<4>()?;
    let mut held = Vec::new();
    while !rest.is_empty() {
        let blob = take(&mut rest)?.to_vec();
        let comment = String::from_utf8_lossy(take(&mut rest)?).into_owned();
        held.push(Held { blob, comment });
    }
    Some(held)
}

fn ask(socket: &Path, kind: u8, body: &[u8], time: Duration) -> Result<Vec<u8>, AgentError> {
    let talk = || -> io::Result<Vec<u8>> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(time))?;
        stream.write_all(&text(&[&[kind], body].concat()))?;
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length == 0 || length > AGENT_ANSWER_BYTES_MAX {
            return Err(io::Error::other("its answer has no sane length"));
        }
        let mut answer = vec![0; length];
        stream.read_exact(&mut answer)?;
        Ok(answer)
    };
    talk().map_err(|error| AgentError::Silent { socket: socket.into(), why: error.to_string() })
}

/// A string of the protocol: its length, then its bytes.
fn text(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes()[..], bytes].concat()
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (taken, left) = after.split_at_checked(length)?;
    *rest = left;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use belay_identity::SecretKey;
    use std::os::unix::net::UnixListener;

    /// What an agent makes of a message.
    type Signs = fn(&[u8]) -> Vec<u8>;

    /// An agent with these keys, for so many questions.
    fn agent(
        keys: Vec<(Vec<u8>, &'static str)>,
        questions: usize,
        sign: Signs,
    ) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("agent");
        let listener = UnixListener::bind(&socket).unwrap();
        std::thread::spawn(move || {
            for _ in 0..questions {
                let (mut stream, _) = listener.accept().unwrap();
                let mut length = [0; 4];
                stream.read_exact(&mut length).unwrap();
                let mut question = vec![0; u32::from_be_bytes(length) as usize];
                stream.read_exact(&mut question).unwrap();
                let answer = if question[0] == REQUEST_IDENTITIES {
                    let count = u32::try_from(keys.len()).unwrap().to_be_bytes().to_vec();
                    let each = keys.iter().flat_map(|(blob, comment)| {
                        [text(blob), text(comment.as_bytes())].concat()
                    });
                    [vec![IDENTITIES_ANSWER], count, each.collect()].concat()
                } else {
                    let mut rest = &question[1..];
                    take(&mut rest).unwrap();
                    sign(take(&mut rest).unwrap())
                };
                stream.write_all(&text(&answer)).unwrap();
            }
        });
        (folder, socket)
    }

    fn blob(kind: &[u8], key: &SecretKey) -> Vec<u8> {
        [text(kind), text(&key.public().0)].concat()
    }

    fn signed(message: &[u8], by: u8) -> Vec<u8> {
        let signature = SecretKey::from_seed(&[by; 32]).sign(message);
        let blob = [text(KIND), text(&signature)].concat();
        [vec![SIGN_RESPONSE], text(&blob)].concat()
    }

    /// Goal: a key is found by comment, digits and public file, among keys of other kinds, and what
    /// it signs holds; a token's key and an unclear name are refused by name. Method: an agent of
    /// the test's own.
    #[test]
    fn a_key_is_found_and_signs() {
        let key = SecretKey::from_seed(&[7; 32]);
        let token = blob(b"sk-ssh-ed25519@openssh.com", &key);
        let second = blob(KIND, &SecretKey::from_seed(&[8; 32]));
        let keys = vec![
            (token, "token"),
            (blob(KIND, &key), "ada"),
            (second.clone(), "twice"),
            (second, "twice"),
        ];
        let (folder, socket) = agent(keys, 8, |message| signed(message, 7));
        let found = AgentKey::find_at(&socket, "ada").unwrap();
        assert_eq!((found.public(), found.comment()), (key.public(), "ada"));
        assert!(AgentKey::find_at(&socket, &key.public().to_hex()).is_ok());
        let file = folder.path().join("id.pub").display().to_string();
        let line = STANDARD.encode(blob(KIND, &key));
        std::fs::write(&file, format!("ssh-ed25519 {line} somebody@else")).unwrap();
        assert_eq!(AgentKey::find_at(&socket, &file).unwrap().public(), key.public());
        let missing = AgentKey::find_at(&socket, "bob").unwrap_err();
        assert!(missing.hint().contains("ada"), "{}", missing.hint());
        let token = AgentKey::find_at(&socket, "token").unwrap_err();
        assert!(matches!(&token, AgentError::OtherKind { kind, .. } if kind.starts_with("sk-")));
        assert!(token.hint().contains("a token signs its own structure"));
        let unclear = [AgentKey::find_at(&socket, "twice"), AgentKey::find_at(&socket, "")];
        assert!(unclear.iter().all(|one| matches!(one, Err(AgentError::Ambiguous { .. }))));
        let signature = found.sign(b"order").unwrap();
        assert!(key.public().verify_strict(b"order", &signature));
    }

    /// Goal: a signature by another key, a refusal, nonsense and no agent are said as such. Method:
    /// agents that answer so.
    #[test]
    fn what_is_no_signature_is_refused() {
        let key = SecretKey::from_seed(&[7; 32]);
        let wrong: [Signs; 3] =
            [|message| signed(message, 8), |_| vec![5], |_| vec![SIGN_RESPONSE, 0, 0, 0, 9]];
        for sign in wrong {
            let (_folder, socket) = agent(vec![(blob(KIND, &key), "ada")], 2, sign);
            let found = AgentKey::find_at(&socket, "ada").unwrap();
            assert!(matches!(found.sign(b"order"), Err(AgentError::Unsigned)));
        }
        let silent = AgentKey::find_at(Path::new("/nowhere/agent"), "ada");
        assert!(matches!(silent, Err(AgentError::Silent { .. })));
        let cut = [IDENTITIES_ANSWER, 0, 0, 0, 1, 0, 0, 0, 200, 1];
        assert!(read_identities(&cut).is_none() && read_identities(&[5]).is_none());
    }
}
