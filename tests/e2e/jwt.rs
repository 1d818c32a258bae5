//! Forged and foreign bearers: every one is refused in the same words.

use std::fs;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use serde_json::{Value, json};
use tomo_proto::{
    api::{
        audit::AuditSearch,
        auth::{AuthSessionList, AuthWhoami},
    },
    error::{ApiError, ErrorCode},
    model::{audit::AuditOutcome, user::Scope},
};
use tomo_tests::daemon::{ADMIN, TestDaemon};

const HEADER: &str = r#"{"typ":"JWT","alg":"EdDSA"}"#;

fn encode(text: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

/// A token of any header and body, signed with a key.
fn signed(header: &str, body: impl AsRef<[u8]>, key: &Ed25519KeyPair) -> String {
    let message = format!("{}.{}", encode(header), encode(body));
    let signature = encode(key.sign(message.as_bytes()));
    format!("{message}.{signature}")
}

fn hashed(header: &str, body: &str, secret: &[u8], algorithm: hmac::Algorithm) -> String {
    let message = format!("{}.{}", encode(header), encode(body));
    let signature = hmac::sign(&hmac::Key::new(algorithm, secret), message.as_bytes());
    format!("{message}.{}", encode(signature))
}

fn with(claims: &Value, key: &str, value: Value) -> String {
    let mut claims = claims.clone();
    claims[key] = value;
    claims.to_string()
}

fn without(claims: &Value, key: &str) -> String {
    let mut claims = claims.clone();
    claims.as_object_mut().expect("claims are an object").remove(key);
    claims.to_string()
}

/// Every forgery, by what is wrong with it. `ours` is the daemon's own key: only what it says can be wrong then.
fn corpus(good: &str, claims: &Value, ours: &Ed25519KeyPair, other: &Ed25519KeyPair) -> Vec<(String, String)> {
    let parts: Vec<&str> = good.split('.').collect();
    let [header, body, signature] = [parts[0], parts[1], parts[2]];
    let text = claims.to_string();
    let public = ours.public_key().as_ref();
    let now = claims["iat"].as_u64().expect("a time");
    let mut all: Vec<(String, String)> = Vec::new();
    let mut add = |what: &str, token: String| all.push((what.to_owned(), token));

    for none in ["none", "None", "NONE", "nOnE", ""] {
        let header = json!({"typ": "JWT", "alg": none}).to_string();
        add("no algorithm, no signature", format!("{}.{body}.", encode(&header)));
        add("no algorithm, the old signature", format!("{}.{body}.{signature}", encode(&header)));
    }
    for (name, algorithm) in [("HS256", hmac::HMAC_SHA256), ("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)]
    {
        let header = json!({"typ": "JWT", "alg": name}).to_string();
        add("HMAC with the public key", hashed(&header, &text, public, algorithm));
        add("HMAC with an empty key", hashed(&header, &text, b"", algorithm));
    }
    for name in ["RS256", "PS256", "ES256", "ES384", "eddsa", "Ed25519", "EdDSA ", "XX"] {
        add("another algorithm", signed(&json!({"typ": "JWT", "alg": name}).to_string(), &text, ours));
    }
    for header in [
        json!({"typ": "JWT", "alg": "EdDSA", "kid": "../../../dev/null"}),
        json!({"typ": "JWT", "alg": "EdDSA", "kid": "' OR 1=1 --"}),
        json!({"typ": "JWT", "alg": "EdDSA", "jku": "http://127.0.0.1:1/keys.json"}),
        json!({"typ": "JWT", "alg": "EdDSA", "x5u": "http://127.0.0.1:1/key.pem"}),
        json!({"typ": "JWT", "alg": "EdDSA", "jwk": {"kty": "OKP", "crv": "Ed25519", "x": encode(other.public_key())}}),
        json!({"typ": "JWT", "alg": "EdDSA", "crit": ["exp"]}),
        json!({"typ": "JWT", "alg": "EdDSA", "cty": "JWT"}),
        json!({"typ": "at+jwt", "alg": "EdDSA"}),
        json!({"alg": "EdDSA"}),
        json!({"typ": "JWT", "alg": ["EdDSA", "none"]}),
        json!({"typ": "JWT"}),
        json!([]),
        json!("EdDSA"),
    ] {
        add("a header that is not ours", signed(&header.to_string(), &text, ours));
    }
    let embedded =
        json!({"typ": "JWT", "alg": "EdDSA", "jwk": {"kty": "OKP", "crv": "Ed25519", "x": encode(other.public_key())}});
    add("a key in the header", signed(&embedded.to_string(), &text, other));
    add("an algorithm named twice", signed(r#"{"typ":"JWT","alg":"none","alg":"EdDSA"}"#, &text, ours));
    add(
        "a huge header",
        signed(&json!({"typ": "JWT", "alg": "EdDSA", "x": "y".repeat(7_000)}).to_string(), &text, ours),
    );

    add("another key", signed(HEADER, &text, other));
    for (key, value) in [
        ("exp", json!(now - 1)),
        ("exp", json!(0)),
        ("exp", json!(-1)),
        ("exp", json!("9999999999")),
        ("exp", json!(1e300)),
        ("exp", Value::Null),
        ("iat", json!(now + 3_600)),
        ("aud", json!("another-audience")),
        ("aud", json!(["tomo", "other"])),
        ("aud", json!("")),
        ("iss", json!("another-daemon")),
        ("iss", json!("tomo")),
        ("sid", json!("ses-0000000000000")),
        ("sid", json!(1)),
        ("sub", json!("usr-0000000000000")),
        ("sub", json!({"id": 1})),
        ("nbf", json!(now + 3_600)),
        ("admin", json!(true)),
    ] {
        add(&format!("{key} is {value}"), signed(HEADER, with(claims, key, value), ours));
    }
    for key in ["exp", "aud", "iss", "sub", "sid"] {
        add(&format!("no {key}"), signed(HEADER, without(claims, key), ours));
    }
    let twice = format!("{},\"sid\":\"ses-0000000000000\"}}", text.trim_end_matches('}'));
    add("a claim that comes twice", signed(HEADER, twice, ours));
    for body in ["", "null", "[]", "{}", "{", "\"x\"", "\u{0}"] {
        add("no claims", signed(HEADER, body, ours));
    }
    add("claims that are not text", signed(HEADER, [0xff, 0xfe, 0xfd], ours));
    add("deep claims", signed(HEADER, format!("{}{}", "[".repeat(3_000), "]".repeat(3_000)), ours));

    let widened = encode(with(claims, "scope", json!("read audit operate plan deploy admin x")));
    add("other claims under the old signature", format!("{header}.{widened}.{signature}"));
    add("a signature of zeroes", format!("{header}.{body}.{}", encode([0; 64])));
    add("a short signature", format!("{header}.{body}.{}", &signature[..40]));
    add("no signature", format!("{header}.{body}."));
    add("two parts", format!("{header}.{body}"));
    add("four parts", format!("{good}.{signature}"));
    add("five parts, as if encrypted", format!("{header}..{body}..{signature}"));
    add("padding", format!("{header}.{body}.{signature}=="));
    add("standard base64", format!("{header}.{body}.{}+/", &signature[..signature.len() - 2]));
    add("a blank inside", format!("{header}. {body}.{signature}"));
    add("only dots", "..".to_owned());
    add("one word", "token".to_owned());
    add("a JSON serialization", json!({"protected": header, "payload": body, "signature": signature}).to_string());
    for cut in [1, good.len() / 3, good.len() / 2, good.len() - 1] {
        add("cut short", good[..cut].to_owned());
    }
    for place in [2, header.len() + 5, good.len() - 3] {
        let mut bytes = good.as_bytes().to_vec();
        bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
        add("one character changed", String::from_utf8(bytes).expect("is text"));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn every_forged_or_foreign_bearer_is_refused_in_the_same_words_and_counted() {
    let mut daemon = TestDaemon::start().await;
    let login = daemon.login(ADMIN).await;
    let good = login.access_token.reveal();
    let claims: Value = {
        let body = good.split('.').nth(1).expect("a body");
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).expect("base64")).expect("claims")
    };
    let ours = Ed25519KeyPair::from_pkcs8(&fs::read(daemon.data().join("login.key")).expect("a key")).expect("a key");
    let other = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("makes a key");
    let other = Ed25519KeyPair::from_pkcs8(other.as_ref()).expect("a key");
    // What is refused below is refused for what is wrong with it: the same, made right, is let in.
    let remade = signed(HEADER, claims.to_string(), &ours);
    daemon.http().bearer(&remade).call(&AuthWhoami {}).await.expect("our own key signs well");

    let mut hostile = corpus(good, &claims, &ours, &other);
    let neighbour = TestDaemon::start().await;
    hostile
        .push(("a login of another daemon".to_owned(), neighbour.login(ADMIN).await.access_token.reveal().to_owned()));
    let foreign = neighbour.token(&[Scope::Read]).await;
    hostile.push(("a token of another daemon".to_owned(), foreign.token().expect("a token").to_owned()));
    let own = daemon.token(&[Scope::Read]).await;
    let own = own.token().expect("a token").to_owned();
    let (head, secret) = own.rsplit_once('_').expect("an id and a secret");
    for (what, token) in [
        ("a token with another secret", format!("{head}_{}", "0".repeat(secret.len()))),
        ("a token cut short", own[..own.len() - 1].to_owned()),
        ("a longer token", format!("{own}0")),
        ("a token without a secret", format!("{head}_")),
        ("a token without an id", format!("tomo__{secret}")),
        ("only the head of a token", "tomo_".to_owned()),
        ("a refresh token", login.refresh_token.reveal().to_owned()),
    ] {
        hostile.push((what.to_owned(), token));
    }
    assert!(hostile.len() >= 60, "only {}", hostile.len());

    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}});
    let mut bodies = Vec::new();
    for (what, token) in &hostile {
        let response = daemon.http().bearer(token).post("/mcp/full", &call).send().await.expect("answers");
        assert_eq!(response.status(), 401, "{what}: {token}");
        assert!(response.headers()["www-authenticate"].to_str().expect("text").starts_with("Bearer"), "{what}");
        bodies.push(response.text().await.expect("a body"));
    }
    let error: ApiError = serde_json::from_str(&bodies[0]).expect("says what to do");
    assert_eq!(error.code, ErrorCode::Unauthenticated);
    assert!(error.next.is_some());
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "nothing can be learned from the answers: {bodies:?}");

    // Nobody was let in, nothing was stored but the count, and the login still works.
    daemon.http().bearer(good).call(&AuthWhoami {}).await.expect("the login still works");
    assert_eq!(daemon.admin().call(&AuthSessionList {}).await.expect("lists").sessions.len(), 1);
    daemon.halt().await;
    daemon.resume().await;
    let search = AuditSearch { action: Some("auth.refused".to_owned()), ..AuditSearch::default() };
    let rows = daemon.admin().call(&search).await.expect("an admin reads the audit").entries;
    let [row] = rows.as_slice() else { panic!("one source, one row: {rows:?}") };
    assert_eq!((row.outcome, row.ip_address.as_str()), (AuditOutcome::Denied, "127.0.0.1"));
    assert!(row.details.ends_with(&format!(": {}", hostile.len())), "{row:?}");
    daemon.stop().await;
    neighbour.stop().await;
}
