//! What a caller may show, once: each kind of credential with what it opens on each transport.
//!
//! Where a caller stands is the first lock and no credential replaces it; the token is the second,
//! on the transport that needs one. Whoever passes is judged by the gate, message by message.
//! Refused here: being heard by a token alone.

/// How a caller reaches the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// `belay mcp`, on standard input and output.
    Stdio,
    /// The endpoint of `BELAY_MCP_URL`.
    Http,
}

impl Transport {
    /// Each.
    pub(crate) const ALL: [Self; 2] = [Self::Stdio, Self::Http];

    /// Its name.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Stdio => "stdio",
            Self::Http => "http",
        }
    }
}

/// Where a caller stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Below the agent's warden.
    Below,
    /// Anywhere else.
    Elsewhere,
}

/// Whose token a caller says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    /// The agent's own.
    Own,
    /// Another's, or what is none.
    Strangers,
    /// It says nothing.
    None,
}

/// What a caller shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// It stands below the agent's warden and says the agent's token.
    PlaceAndToken,
    /// It stands there and says none.
    Place,
    /// It stands there and says another's.
    PlaceAndStrangersToken,
    /// It says the agent's token from elsewhere.
    Token,
    /// It says another's from elsewhere.
    StrangersToken,
    /// Neither.
    Nothing,
}

/// What such a caller is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answered {
    /// What the gate says of each message.
    Judged,
    /// That the token is not this session's: 401.
    NoToken,
    /// That it stands elsewhere: 403, or at the agents' door that no agent is calling.
    Elsewhere,
}

impl Shown {
    /// Every kind.
    pub(crate) const ALL: [Self; 6] = [
        Self::PlaceAndToken,
        Self::Place,
        Self::PlaceAndStrangersToken,
        Self::Token,
        Self::StrangersToken,
        Self::Nothing,
    ];

    /// What a caller showed, where each lock was looked at.
    pub(crate) const fn of(place: Place, token: Token) -> Self {
        match (place, token) {
            (Place::Below, Token::Own) => Self::PlaceAndToken,
            (Place::Below, Token::Strangers) => Self::PlaceAndStrangersToken,
            (Place::Below, Token::None) => Self::Place,
            (Place::Elsewhere, Token::Own) => Self::Token,
            (Place::Elsewhere, Token::Strangers) => Self::StrangersToken,
            (Place::Elsewhere, Token::None) => Self::Nothing,
        }
    }

    /// In words.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::PlaceAndToken => "place and token",
            Self::Place => "place",
            Self::PlaceAndStrangersToken => "place and a stranger's token",
            Self::Token => "token",
            Self::StrangersToken => "a stranger's token",
            Self::Nothing => "nothing",
        }
    }

    /// What it opens.
    pub(crate) const fn opens(self, transport: Transport) -> Answered {
        match (self, transport) {
            (Self::PlaceAndToken, _)
            | (Self::Place | Self::PlaceAndStrangersToken, Transport::Stdio) => Answered::Judged,
            (Self::Place | Self::PlaceAndStrangersToken, Transport::Http) => Answered::NoToken,
            (Self::Token | Self::StrangersToken | Self::Nothing, _) => Answered::Elsewhere,
        }
    }
}

impl Answered {
    /// Its name.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Judged => "judged",
            Self::NoToken => "no-token",
            Self::Elsewhere => "elsewhere",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: every combination of the two locks is a kind of its own, and none that lacks the
    /// place is heard.
    #[test]
    fn every_combination_is_a_kind() {
        let tokens = [Token::Own, Token::Strangers, Token::None];
        for (place, token) in [Place::Below, Place::Elsewhere]
            .into_iter()
            .flat_map(|place| tokens.map(|token| (place, token)))
        {
            let shown = Shown::of(place, token);
            assert!(Shown::ALL.contains(&shown));
            for transport in Transport::ALL {
                let heard = shown.opens(transport) == Answered::Judged;
                assert!(place == Place::Below || !heard, "{shown:?} {transport:?}");
            }
        }
        let names: std::collections::BTreeSet<&str> = Shown::ALL.map(Shown::text).into();
        assert_eq!(names.len(), Shown::ALL.len());
    }
}
