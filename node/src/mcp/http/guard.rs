//! Whether a request may be heard at all: the host it believes to speak to, the page it comes from,
//! the token.
//!
//! A web page can make a browser send requests to loopback, also under a name of its own; its Host
//! and Origin give it away. Names are compared as they are written: no resolving, no decimal
//! addresses, no wildcard. Refused here: reading the body first.

use super::super::credential::{Answered, Place, Shown, Token, Transport};
use super::refused::Refused;
use super::tokens::Tokens;
use hyper::header::{AUTHORIZATION, HOST, HeaderName, ORIGIN};
use hyper::http::request::Parts;
use hyper::{HeaderMap, StatusCode};
use std::sync::Arc;
use std::time::Instant;

/// Loopback as it may be written.
const NAMES: [&str; 3] = ["127.0.0.1", "localhost", "[::1]"];

/// What is let through.
pub(super) struct Guard {
    hosts: [String; 3],
    tokens: Arc<Tokens>,
}

impl Guard {
    pub(super) fn new(port: u16, tokens: Arc<Tokens>) -> Self {
        Self { hosts: NAMES.map(|name| format!("{name}:{port}")), tokens }
    }

    /// Whether this head may be heard of a caller who stands below the warden, or does not.
    pub(super) fn check(&self, head: &Parts, place: Place) -> Result<(), Refused> {
        let token = self.token(&head.headers);
        let opens = Shown::of(place, token).opens(Transport::Http);
        if opens == Answered::Elsewhere {
            return Err(Refused::elsewhere());
        }
        self.check_host(head)?;
        check_origin(&head.headers)?;
        match opens {
            Answered::Judged => Ok(()),
            Answered::NoToken | Answered::Elsewhere => Err(no_token(token)),
        }
    }

    fn check_host(&self, head: &Parts) -> Result<(), Refused> {
        let no = || Refused::new(StatusCode::FORBIDDEN, "the Host is not this endpoint's own");
        let named = only(&head.headers, &HOST).map_err(|()| no())?.ok_or_else(no)?;
        let ours = |name: &str| self.hosts.iter().any(|own| own.eq_ignore_ascii_case(name));
        let whole = head.uri.authority().is_none_or(|authority| ours(authority.as_str()));
        if ours(named) && whole { Ok(()) } else { Err(no()) }
    }

    /// What token is said; one that is said twice is nobody's.
    fn token(&self, headers: &HeaderMap) -> Token {
        match only(headers, &AUTHORIZATION) {
            Err(()) => Token::Strangers,
            Ok(None) => Token::None,
            Ok(Some(said)) => match said.split_once(' ') {
                Some((scheme, token))
                    if scheme.eq_ignore_ascii_case("bearer")
                        && self.tokens.are(token.trim(), Instant::now()) =>
                {
                    Token::Own
                }
                Some(_) | None => Token::Strangers,
            },
        }
    }
}

fn no_token(said: Token) -> Refused {
    let what = match said {
        Token::None => "no token",
        Token::Own | Token::Strangers => "not this session's token",
    };
    let hint = "say `Authorization: Bearer` and what the file of BELAY_MCP_TOKEN_FILE holds now, \
                or, while nobody reads that, what BELAY_MCP_TOKEN holds";
    Refused::token(&format!("{what}. next: {hint}"))
}

/// No page but one of this machine's own; programs that are no browser name none.
fn check_origin(headers: &HeaderMap) -> Result<(), Refused> {
    let no = || Refused::new(StatusCode::FORBIDDEN, "the Origin is not of this machine");
    let Some(origin) = only(headers, &ORIGIN).map_err(|()| no())? else { return Ok(()) };
    let rest = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    let rest = rest.ok_or_else(no)?;
    let is_local = NAMES.iter().any(|name| {
        let port = rest.strip_prefix(name);
        port.is_some_and(|port| match port.strip_prefix(':') {
            Some(digits) => digits.parse::<u16>().is_ok(),
            None => port.is_empty(),
        })
    });
    if is_local { Ok(()) } else { Err(no()) }
}

/// The one value of a header; an error where it stands there twice or is no text.
pub(super) fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ()> {
    let mut all = headers.get_all(name).iter();
    match (all.next(), all.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(drop),
        (Some(_), Some(_)) => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Request;

    fn status(headers: &[(&str, &str)], uri: &str) -> u16 {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let head = request.body(()).unwrap().into_parts().0;
        let guard = Guard::new(8080, Arc::new(Tokens::new("secret", None)));
        guard.check(&head, Place::Below).map_or_else(|no| no.status.as_u16(), |()| 200)
    }

    /// Goal: only this endpoint's own names pass, however another may be written.
    #[test]
    fn other_hosts_are_refused() {
        let token = ("authorization", "Bearer secret");
        for good in ["127.0.0.1:8080", "localhost:8080", "LOCALHOST:8080", "[::1]:8080"] {
            assert_eq!(status(&[("host", good), token], "/mcp"), 200, "{good}");
        }
        let bad = [
            "127.0.0.1",
            "127.0.0.1:8081",
            "evil.example:8080",
            "127.0.0.1.evil.example:8080",
            "localhost.:8080",
            "0.0.0.0:8080",
            "[::]:8080",
            "2130706433:8080",
            "127.1:8080",
            "[::ffff:127.0.0.1]:8080",
            "a@127.0.0.1:8080",
            "127.0.0.1:8080 ,x",
            "",
        ];
        for bad in bad {
            assert_eq!(status(&[("host", bad), token], "/mcp"), 403, "{bad}");
        }
        assert_eq!(status(&[token], "/mcp"), 403, "none");
        let twice = [("host", "127.0.0.1:8080"), ("host", "evil.example"), token];
        assert_eq!(status(&twice, "/mcp"), 403);
        let host = ("host", "127.0.0.1:8080");
        assert_eq!(status(&[host, token], "http://evil.example:8080/mcp"), 403);
    }

    /// Goal: a page of this machine passes, any other does not.
    #[test]
    fn other_origins_are_refused() {
        let of = |origin: &str| {
            let all = [
                ("host", "127.0.0.1:8080"),
                ("authorization", "bearer secret"),
                ("origin", origin),
            ];
            status(&all, "/mcp")
        };
        for good in ["http://localhost", "http://127.0.0.1:3000", "https://[::1]:1"] {
            assert_eq!(of(good), 200, "{good}");
        }
        let bad = [
            "null",
            "",
            "http://evil.example",
            "http://localhost.evil.example",
            "http://127.0.0.1.evil.example",
            "http://localhost:8080@evil.example",
            "http://localhost:",
            "http://localhost:99999",
            "file://localhost",
            "http://0.0.0.0:8080",
            "http://2130706433",
            "vscode-webview://localhost",
        ];
        for bad in bad {
            assert_eq!(of(bad), 403, "{bad}");
        }
    }

    /// Goal: without the token nothing is heard, whatever it looks like.
    #[test]
    fn other_tokens_are_refused() {
        let host = ("host", "127.0.0.1:8080");
        assert_eq!(status(&[host], "/mcp"), 401);
        for bad in ["Bearer", "Bearer ", "Basic secret", "secret", "Bearer secre", "Bearer Secret"]
        {
            assert_eq!(status(&[host, ("authorization", bad)], "/mcp"), 401, "{bad}");
        }
        let twice = [host, ("authorization", "Bearer secret"), ("authorization", "Bearer secret")];
        assert_eq!(status(&twice, "/mcp"), 401);
    }
}
