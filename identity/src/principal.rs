//! Names: who there can be. Each kind of principal has its own type and its own SPIFFE path.
//!
//! An id is `spiffe://<trust domain>/<kind>/<name>` (SPIFFE-ID, sections 2.1 to 2.3). A name holds
//! lowercase letters, digits, `.`, `-` and `_`, so that two names never look alike and every name
//! is a file name.
//!
//! Refused here: normalising or repairing a name; what does not parse is not a name.

use crate::codec::{Field, Problem, Value};
use crate::limits::{NAME_CHARS_MAX, TRUST_DOMAIN_CHARS_MAX};

/// Why a text is not a name or id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// A character that no name may hold, or none at all, or too many.
    #[error(
        "“{0}” is not a name: use 1 to 64 lowercase letters, digits, '.', '-' or '_', beginning with a letter or digit"
    )]
    Name(String),
    /// Not a trust domain.
    #[error("“{0}” is not a trust domain: use lowercase letters, digits, '.', '-' or '_'")]
    TrustDomain(String),
    /// Not a SPIFFE id of the kind asked for.
    #[error("“{0}” is not a SPIFFE id of the kind {1}")]
    Id(String, &'static str),
}

fn check(text: &str, chars_max: usize) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-_".contains(c);
    let first = text.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
    first && text.len() <= chars_max && text.chars().all(allowed)
}

/// True for what can stand as a name in an id.
pub(crate) fn is_name(text: &str) -> bool {
    check(text, NAME_CHARS_MAX)
}

/// The name of a fleet's trust domain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrustDomain(String);

impl TrustDomain {
    /// Parses a trust domain.
    pub fn new(text: &str) -> Result<Self, NameError> {
        let ok = check(text, TRUST_DOMAIN_CHARS_MAX);
        if ok { Ok(Self(text.into())) } else { Err(NameError::TrustDomain(text.into())) }
    }

    /// The domain as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Field for TrustDomain {
    fn encode(&self) -> Option<Value> {
        self.0.encode()
    }
    fn decode(value: Value) -> Result<Self, Problem> {
        Self::new(&String::decode(value)?).map_err(|_| Problem::Invalid)
    }
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident $kind:literal $variant:ident,)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
            pub struct $name(String);

            impl $name {
                /// The path segment of this kind.
                pub const KIND: &'static str = $kind;

                /// The id of this name in this trust domain.
                pub fn new(domain: &TrustDomain, name: &str) -> Result<Self, NameError> {
                    if !check(name, NAME_CHARS_MAX) { return Err(NameError::Name(name.into())); }
                    Ok(Self(format!("spiffe://{}/{}/{name}", domain.as_str(), $kind)))
                }

                /// Parses a full id of this kind.
                pub fn parse(text: &str) -> Result<Self, NameError> {
                    let wrong = || NameError::Id(text.into(), $kind);
                    let (domain, kind, name) = split(text).ok_or_else(wrong)?;
                    let domain = TrustDomain::new(domain)?;
                    if kind != $kind { return Err(wrong()); }
                    Self::new(&domain, name)
                }

                /// The whole id.
                pub fn as_str(&self) -> &str { &self.0 }

                /// The last segment: what people call it.
                pub fn name(&self) -> &str {
                    self.0.rsplit('/').next().unwrap_or_default()
                }
            }

            impl std::fmt::Display for $name {
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.pad(&self.0)
                }
            }

            impl Field for $name {
                fn encode(&self) -> Option<Value> { self.0.encode() }
                fn decode(value: Value) -> Result<Self, Problem> {
                    Self::parse(&String::decode(value)?).map_err(|_| Problem::Invalid)
                }
            }

            impl From<$name> for Principal {
                fn from(id: $name) -> Self { Principal::$variant(id) }
            }
        )*

        /// Whoever can be the author or the subject of a statement.
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Principal {
            /// The fleet's root itself.
            Root(TrustDomain),
            $($(#[$doc])* $variant($name),)*
        }

        impl Principal {
            /// Parses any principal's id.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                let wrong = || NameError::Id(text.into(), "principal");
                let (domain, kind, name) = split(text).ok_or_else(wrong)?;
                match kind {
                    "root" if name.is_empty() && text.ends_with("/root") => TrustDomain::new(domain).map(Principal::Root),
                    $($kind => $name::parse(text).map(Principal::$variant),)*
                    _ => Err(wrong()),
                }
            }
        }

        impl std::fmt::Display for Principal {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    Principal::Root(domain) => write!(f, "spiffe://{}/root", domain.as_str()),
                    $(Principal::$variant(id) => id.fmt(f),)*
                }
            }
        }
    };
}

fn split(text: &str) -> Option<(&str, &str, &str)> {
    let (domain, path) = text.strip_prefix("spiffe://")?.split_once('/')?;
    let (kind, name) = path.split_once('/').unwrap_or((path, ""));
    Some((domain, kind, name))
}

ids! {
    /// Someone who publishes policy and gives orders.
    OperatorId "operator" Operator,
    /// A member of the fleet.
    DeviceId "device" Device,
    /// A person whose reach agents borrow.
    UserId "user" User,
    /// A program that acts.
    AgentId "agent" Agent,
    /// A group of work.
    ProjectId "project" Project,
    /// A policy class.
    ClassId "class" Class,
    /// The holder of an invite's one-use key.
    InviteId "invite" Invite,
}

impl Field for Principal {
    fn encode(&self) -> Option<Value> {
        Some(Value::Text(self.to_string()))
    }
    fn decode(value: Value) -> Result<Self, Problem> {
        Self::parse(&String::decode(value)?).map_err(|_| Problem::Invalid)
    }
}
