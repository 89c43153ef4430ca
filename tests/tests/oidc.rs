//! Signing in by the word of an OpenID provider: a small one of our own, which signs tokens as real ones do.
use caravan_tests::{LAB_CONNECTIONS, Place, Served};
use openidconnect::core::{
    CoreIdToken, CoreIdTokenClaims, CoreJsonWebKeySet, CoreJwsSigningAlgorithm, CoreRsaPrivateSigningKey,
};
use openidconnect::{
    Audience, EmptyAdditionalClaims, EndUserEmail, IssuerUrl, JsonWebKeyId, Nonce, PrivateSigningKey as _,
    StandardClaims, SubjectIdentifier,
};
use rsa::pkcs1::EncodeRsaPrivateKey as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

const CANVAS: &str = "format: 1\ncanvas: c\nentry: { trigger: { event: e }, start: wait }\nsteps:\n  \
    wait: { delay: { for: 1d }, next: exit }\n";

/// What a code stands for.
#[derive(Clone)]
struct Grant {
    nonce: String,
    challenge: String,
    email: &'static str,
    verified: bool,
    audience: &'static str,
}

/// A provider: discovery, keys, tokens.
struct Idp {
    url: String,
    codes: Arc<Mutex<HashMap<String, Grant>>>,
}

impl Idp {
    fn start() -> Idp {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let codes: Arc<Mutex<HashMap<String, Grant>>> = Arc::default();
        let pem = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2_048).expect("a key");
        let pem = pem.to_pkcs1_pem(rsa::pkcs8::LineEnding::LF).expect("PEM");
        let key = CoreRsaPrivateSigningKey::from_pem(&pem, Some(JsonWebKeyId::new("k1".to_owned()))).expect("a key");
        let (issuer, known) = (url.clone(), codes.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let (head, body) = request(&mut stream);
                let path = head.split(' ').nth(1).unwrap_or_default();
                let answer = match path {
                    "/.well-known/openid-configuration" => Some(json!({
                        "issuer": issuer, "authorization_endpoint": format!("{issuer}/authorize"),
                        "token_endpoint": format!("{issuer}/token"), "jwks_uri": format!("{issuer}/jwks"),
                        "response_types_supported": ["code"], "subject_types_supported": ["public"],
                        "id_token_signing_alg_values_supported": ["RS256"],
                    })),
                    "/jwks" => Some(json!(CoreJsonWebKeySet::new(vec![key.as_verification_key()]))),
                    "/token" => token(&issuer, &key, &known, &body),
                    _ => None,
                };
                let (status, text) = match answer {
                    Some(answer) => ("200 OK", answer.to_string()),
                    None => ("400 Bad Request", json!({"error": "invalid_grant"}).to_string()),
                };
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
                    text.len()
                );
            }
        });
        Idp { url, codes }
    }
}

/// The head and body of a request.
fn request(stream: &mut std::net::TcpStream) -> (String, String) {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4_096]);
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:").map(str::to_owned));
            let length: usize = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
            if body.len() >= length {
                return (head.to_owned(), body.to_owned());
            }
        }
        match stream.read(&mut chunk) {
            Ok(n) if n > 0 => bytes.extend(&chunk[..n]),
            _ => return (String::new(), String::new()),
        }
    }
}

fn token(
    issuer: &str,
    key: &CoreRsaPrivateSigningKey,
    codes: &Mutex<HashMap<String, Grant>>,
    body: &str,
) -> Option<Value> {
    let fields: HashMap<&str, &str> = body.split('&').filter_map(|pair| pair.split_once('=')).collect();
    let grant = codes.lock().expect("codes").remove(*fields.get("code")?)?;
    let hash = Sha256::digest(fields.get("code_verifier")?.as_bytes());
    if base64(&hash) != grant.challenge {
        return None;
    }
    let now = chrono::Utc::now();
    let who = StandardClaims::new(SubjectIdentifier::new("ann".to_owned()))
        .set_email(Some(EndUserEmail::new(grant.email.to_owned())))
        .set_email_verified(Some(grant.verified));
    let claims = CoreIdTokenClaims::new(
        IssuerUrl::new(issuer.to_owned()).ok()?,
        vec![Audience::new(grant.audience.to_owned())],
        now + chrono::Duration::minutes(5),
        now,
        who,
        EmptyAdditionalClaims {},
    )
    .set_nonce(Some(Nonce::new(grant.nonce)));
    let signed = CoreIdToken::new(claims, key, CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256, None, None).ok()?;
    Some(json!({"access_token": "at", "token_type": "Bearer", "id_token": signed.to_string()}))
}

/// Base64 for URLs, without padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for n in 0..=chunk.len() {
            text.push(char::from(LETTERS[(bits >> (18 - 6 * n)) as usize & 63]));
        }
    }
    text
}

/// What stands in a URL's query.
fn query(url: &str, name: &str) -> String {
    let pairs = url.split_once('?').map_or("", |(_, query)| query);
    let found = pairs.split('&').filter_map(|pair| pair.split_once('=')).find(|(known, _)| *known == name);
    found.map(|(_, value)| value.replace("%3A", ":").replace("%2F", "/")).unwrap_or_default()
}

#[test]
fn members_sign_in_by_the_word_of_a_provider_and_nobody_else_does() {
    let (place, idp) = (Place::new(), Idp::start());
    place.write("connections.yaml", LAB_CONNECTIONS);
    place.write("canvas.yaml", CANVAS);
    place.write("oidc-secret", "s3cr3t-of-the-client\n");
    let config = format!(
        "public_url = \"http://127.0.0.1:9\"\n[sign_in]\nissuer = \"{}\"\nclient_id = \"caravan\"\n\
         client_secret = {{ file = \"oidc-secret\" }}\n",
        idp.url
    );
    place.write("caravan.toml", config);
    place.run(["member", "add", "ann@acme.example", "--rights", "designer", "--store", "s.caravan"]).expect(0);
    let lab = place.lab();
    let host = Served::start(&place, &lab, "127.0.0.1:0");
    // The browser is sent to the provider, with all that a code flow needs.
    let go = || {
        let (status, answer) = host.ask("GET", "/api/sessions/oidc", "", "");
        assert_eq!(status, 303, "{answer}");
        let header = |name: &str| {
            let line = answer.lines().find(|line| line.to_lowercase().starts_with(&format!("{name}:")));
            line.and_then(|line| line.split_once(": ")).map(|(_, value)| value.trim().to_owned()).expect("a header")
        };
        (header("location"), header("set-cookie"))
    };
    let back = |code: &str, location: &str, cookie: Option<&str>| {
        let cookie = cookie.map_or(String::new(), |cookie| {
            format!("cookie: other=1; {}\r\n", cookie.split(';').next().unwrap_or_default())
        });
        let path =
            format!("/api/sessions/oidc/callback?code={code}&state={}&session_state=x", query(location, "state"));
        let (status, answer) = host.ask("GET", &path, &cookie, "");
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body).to_owned();
        (status, serde_json::from_str::<Value>(&body).unwrap_or_default())
    };
    let grants = |code: &str, location: &str, change: fn(&mut Grant)| {
        let mut grant = Grant {
            nonce: query(location, "nonce"),
            challenge: query(location, "code_challenge"),
            email: "Ann@acme.example",
            verified: true,
            audience: "caravan",
        };
        change(&mut grant);
        idp.codes.lock().expect("codes").insert(code.to_owned(), grant);
    };
    let (location, cookie) = go();
    assert!(location.starts_with(&format!("{}/authorize?", idp.url)), "{location}");
    assert_eq!(query(&location, "client_id"), "caravan");
    assert_eq!(query(&location, "redirect_uri"), "http://127.0.0.1:9/api/sessions/oidc/callback");
    assert_eq!(query(&location, "code_challenge_method"), "S256");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"), "{cookie}");
    // Another browser cannot finish what this one began; this one can, once.
    grants("good", &location, |_| {});
    assert_eq!(back("good", &location, None).0, 401);
    let (status, session) = back("good", &location, Some(&cookie));
    assert_eq!((status, &session["member"]["email"]), (200, &json!("ann@acme.example")), "{session}");
    let token = session["token"].as_str().expect("a token");
    let (status, me) = host.ask("GET", "/api/me", &format!("authorization: Bearer {token}\r\n"), "");
    assert!(status == 200 && me.contains("ann@acme.example"), "{me}");
    grants("good", &location, |_| {});
    assert_eq!(back("good", &location, Some(&cookie)).0, 401, "a way back counts once");
    // What the provider says must be about this sign-in, for this host, and about a member's proven address.
    type Change = fn(&mut Grant);
    let wrong: [(&str, Change); 5] = [
        ("nonce", |grant| grant.nonce = "another".to_owned()),
        ("audience", |grant| grant.audience = "somebody-else"),
        ("unproven", |grant| grant.verified = false),
        ("stranger", |grant| grant.email = "eve@acme.example"),
        ("challenge", |grant| grant.challenge = "another".to_owned()),
    ];
    for (code, change) in wrong {
        let (location, cookie) = go();
        grants(code, &location, change);
        let (status, answer) = back(code, &location, Some(&cookie));
        assert_eq!((status, &answer["code"]), (401, &json!("CV092")), "{code}: {answer}");
        assert!(!answer.to_string().contains("eve@"), "{answer}");
    }
    let (location, cookie) = go();
    assert_eq!(back("unknown", &location, Some(&cookie)).0, 401);
    let bytes = std::fs::read(place.path("s.caravan")).expect("the store");
    assert!(!String::from_utf8_lossy(&bytes).contains(token), "sessions are kept as digests");
    // The look at the configuration asks the provider, too.
    let looked = place.run(["config", "check", "--json"]);
    assert!(looked.stdout.contains("sign_in") || looked.stderr.contains("workspace"), "{}", looked.stderr);
    drop(lab);
}
