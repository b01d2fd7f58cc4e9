//! Clients of the era without a handshake: every request says who speaks and which revision.

use super::*;

pub(super) const META: &str = r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{}},"io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},"traceparent":"00-1"}"#;

/// A client of the era without a handshake, which has asked what the servers are.
pub(super) fn stateless() -> Lab {
    let mut lab = Lab::new(&[("files", &[READ])]);
    lab.says(&format!(
        r#"{{"jsonrpc":"2.0","id":0,"method":"server/discover","params":{{"_meta":{META}}}}}"#
    ));
    lab.serve(0, &greeting_of("files"), &[READ]);
    lab.yes();
    let told = lab.told();
    let versions = told.at(&["result", "supportedVersions"]).and_then(Json::as_list).unwrap();
    assert_eq!(versions[0], Json::text("2026-07-28"), "{told}");
    assert_eq!(told.at(&["result", "instructions"]), Some(&Json::text("be kind")));
    lab.servers[0].clear();
    lab
}

fn stateless_call(id: u64, more: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"read","arguments":{{"a":1}}{more},"_meta":{META}}}}}"#
    )
}

/// Goal: a client without a handshake gets what one with it gets, in its own words; a server of
/// the older era never sees the newer words.
#[test]
fn a_client_without_a_handshake_is_served() {
    let mut lab = stateless();
    lab.says(&stateless_call(1, ""));
    lab.yes();
    let sent = words(&lab.servers[0][0]);
    assert!(sent.contains("traceparent") && !sent.contains("io.modelcontextprotocol"), "{sent}");
    lab.server_answers(0, &json(r#"{"content":[]}"#));
    let whole = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[],"resultType":"complete"}}"#;
    assert_eq!(words(&lab.told()), whole);
    lab.says(&format!(
        r#"{{"jsonrpc":"2.0","id":2,"method":"tools/list","params":{{"_meta":{META}}}}}"#
    ));
    lab.yes();
    lab.server_lists(0, &[READ]);
    lab.yes();
    let told = lab.told();
    assert_eq!(told.at(&["result", "cacheScope"]), Some(&Json::text("private")), "{told}");
    assert_eq!(told.at(&["result", "ttlMs"]), Some(&Json::number(0)), "{told}");
}

/// Goal: a version that nobody knows is answered with those that are known, and what lacks is
/// named.
#[test]
fn an_unknown_version_is_named() {
    let mut lab = Lab::new(&[("files", &[READ])]);
    let odd = META.replace("2026-07-28", "2031-01-01");
    let ask = |meta: &str, method: &str| {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{"_meta":{meta}}}}}"#)
    };
    lab.says(&ask(&odd, "tools/list"));
    let told = lab.told();
    assert_eq!(told.at(&["error", "code"]), Some(&Json::number(-32022)), "{told}");
    assert!(told.at(&["error", "data", "supported"]).is_some());
    let bare = r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
    lab.says(&ask(bare, "tools/list"));
    assert_eq!(lab.told().at(&["error", "code"]), Some(&Json::number(-32602)));
    lab.says(&ask(META, "initialize"));
    assert_eq!(lab.told().at(&["error", "code"]), Some(&Json::number(-32601)));
}

/// Goal: what a server asks in the middle of a call becomes the call's result; repeated with the
/// answer it goes on where it stopped; a repetition of something else does not.
#[test]
fn a_question_in_the_middle_is_answered_by_repeating() {
    let mut lab = stateless();
    lab.says(&stateless_call(1, ""));
    lab.yes();
    let sent = lab.servers[0][0].get("id").unwrap().clone();
    lab.server_says(
        0,
        r#"{"jsonrpc":"2.0","id":77,"method":"elicitation/create","params":{"message":"sure?"}}"#,
    );
    lab.yes();
    let told = lab.told();
    assert_eq!(told.at(&["result", "resultType"]), Some(&Json::text("input_required")), "{told}");
    let asked = told.at(&["result", "inputRequests"]).and_then(Json::as_object).unwrap();
    let (key, question) = &asked[0];
    assert_eq!(question.get("method"), Some(&Json::text("elicitation/create")));
    let state = told.at(&["result", "requestState"]).unwrap();
    let more =
        format!(r#","requestState":{state},"inputResponses":{{"{key}":{{"action":"accept"}}}}"#);
    let other = stateless_call(2, &more).replace(r#"{"a":1}"#, r#"{"a":2}"#);
    lab.says(&other);
    lab.yes();
    assert!(words(&lab.told()).contains("something else"));
    lab.says(&stateless_call(3, &more));
    lab.no();
    assert_eq!(lab.told().at(&["result", "isError"]), Some(&Json::Bool(true)));
    lab.says(&stateless_call(4, &more));
    lab.yes();
    let got = r#"{"jsonrpc":"2.0","id":77,"result":{"action":"accept"}}"#;
    assert_eq!(words(lab.servers[0].last().unwrap()), got);
    lab.server_says(0, &format!(r#"{{"jsonrpc":"2.0","id":{sent},"result":{{"content":[]}}}}"#));
    assert_eq!(lab.told().get("id"), Some(&Json::number(4)));
}

/// Goal: words of a server that is not the approved one reach no client without a handshake either.
#[test]
fn another_servers_words_are_not_discovered() {
    let mut lab = Lab::new(&[("files", &[READ])]);
    let discover = format!(
        r#"{{"jsonrpc":"2.0","id":0,"method":"server/discover","params":{{"_meta":{META}}}}}"#
    );
    lab.says(&discover);
    let other = words(&greeting_of("files")).replace("be kind", "obey");
    lab.serve(0, &json(&other), &[READ]);
    lab.yes();
    let told = lab.told();
    assert!(told.at(&["result", "supportedVersions"]).is_some(), "{told}");
    assert!(!words(&told).contains("obey") && !words(&told).contains("files"), "{told}");
}

/// Goal: whoever listens hears of changes, in its own words, until it cancels.
#[test]
fn a_listener_hears_of_changes() {
    let mut lab = stateless();
    lab.says(&format!(
        r#"{{"jsonrpc":"2.0","id":5,"method":"subscriptions/listen","params":{{"notifications":{{"toolsListChanged":true,"odd":true}},"_meta":{META}}}}}"#
    ));
    lab.yes();
    let told = lab.told();
    let filter = json(r#"{"toolsListChanged":true}"#);
    assert_eq!(told.at(&["params", "notifications"]), Some(&filter), "{told}");
    let changed = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
    lab.server_says(0, changed);
    let id = "io.modelcontextprotocol/subscriptionId";
    assert_eq!(lab.told().at(&["params", "_meta", id]), Some(&Json::number(5)));
    lab.says(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":5}}"#);
    lab.server_says(0, changed);
    assert!(lab.client.is_empty(), "{:?}", lab.client);
}
