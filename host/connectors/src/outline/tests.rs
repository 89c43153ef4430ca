use super::*;

fn outline(change: impl Fn(&str) -> String, imports: &[&str]) -> Outline {
    let json = change(include_str!("../../../../guest-steps/template/manifest.json"));
    Outline {
        manifest: serde_json::from_str(&json).unwrap(),
        digest: Digest::of(json.as_bytes()),
        imports: imports.iter().map(|&name| name.to_owned()).collect(),
    }
}

fn template() -> Outline {
    outline(str::to_owned, &["wasi:cli/environment@0.2.6", "caravan:connector/types@0.1.0"])
}

#[test]
fn the_same_rights_under_another_version_make_no_difference() {
    let newer =
        outline(|json| json.replace("\"version\": \"0.1.0\"", "\"version\": \"0.2.0\""), &["wasi:io/error@0.2.6"]);
    assert_eq!(template().difference(&newer), Difference::default());
    assert!(template().capabilities().iter().all(|capability| !capability.stands_out));
}

#[test]
fn what_leaves_unhashed_and_imports_beyond_the_world_stand_out_and_widen() {
    let raw = outline(
        |json| json.replacen("\"hash\": \"sha256-hex\"", "\"hash\": \"none\"", 1),
        &["wasi:filesystem/types@0.2.6", "wasi:sockets/tcp@0.2.6"],
    );
    let loud: Vec<String> = raw.capabilities().into_iter().filter(|one| one.stands_out).map(|one| one.words).collect();
    assert_eq!(loud.len(), 3, "{loud:?}");
    assert!(loud.iter().any(|words| words.contains("UNHASHED")), "{loud:?}");
    let difference = template().difference(&raw);
    assert_eq!(difference.widens.len(), 3, "{difference:?}");
    assert_eq!(difference.narrows.len(), 1, "the hashed form is given up: {difference:?}");
}

#[test]
fn another_path_or_a_lock_that_went_under_the_same_route_name_widens() {
    for (from, to) in [
        ("/v1/audiences/{audience}/members", "/v1/audiences/{any}/members"),
        ("\"/account\": \"{account}\"", "\"/other\": \"{account}\""),
        ("\"query\": { \"after\": \"*\" }", "\"query\": { \"after\": \"*\", \"email\": \"*\" }"),
    ] {
        let difference = template().difference(&outline(|json| json.replace(from, to), &[]));
        assert_eq!((difference.widens.len(), difference.narrows.len()), (1, 1), "{from}: {difference:?}");
    }
}

/// A manifest in which every field stands, and every setting is used.
const WHOLE: &str = r#"{
  "manifest": 1, "name": "whole", "title": "Whole", "version": "0.1.0", "wit": "0.1.0", "world": "destination",
  "publisher": { "name": "P", "support": "S", "docs": "D" }, "hosts": ["api.example.com", "login.example.com"],
  "routes": [
    { "name": "list", "method": "GET", "host": "api.example.com", "path": "/{settings.v}/lists", "query": { "q": "*" } },
    {
      "name": "add", "method": "POST", "host": "api.example.com", "path": "/{audience}/users", "query": { "a": "{account}" },
      "headers": { "x-login": "{account}" }, "body": "application/json", "locks": { "/a": "{account}" }, "auth": false,
      "writes": true
    }
  ],
  "auth": {
    "headers": { "Authorization": "Bearer {token}" }, "query": { "list": { "key": "{secret.key}" } },
    "secrets": [{ "name": "key", "title": "Key", "required": true, "app": "id" }],
    "token": { "host": "login.example.com", "path": "/app", "scope_setting": "scope" },
    "oauth": {
      "authorize": { "host": "login.example.com", "path": "/ask" }, "token": { "host": "login.example.com", "path": "/token" },
      "revoke": { "host": "login.example.com", "path": "/end", "parameter": "token", "header": "x-end" },
      "scopes": ["a"], "separator": ",", "names": { "code": "auth_code" }, "omit": ["state"], "token_extra": { "t": "1" },
      "extra": { "e": "1" }, "body": "json", "client": "basic", "pkce": false, "at": "/data", "exchange": "fb",
      "loopback": true, "idle_days": 3, "service_account": true
    }
  },
  "actions": ["add", "remove"],
  "keys": [{
    "key": "EMAIL", "title": "E-mail", "rule": "email", "hash": "sha256-hex", "identifies": false, "device": true,
    "sources": [{ "name": "email", "field": "email" }], "with": ["PHONE"],
    "variants": [{ "setting": "tag", "value": "keep", "rule": "email-gmail" }]
  }],
  "groups": [{ "name": "people", "keys": ["EMAIL"] }], "flags": [{ "key": "LDU", "purpose": "ads" }],
  "batch": { "rows": 10, "bytes": 20, "parallel_per_audience": 3 },
  "quotas": [{ "scope": "login", "unit": "calls", "amount": 60, "credential": "consent", "per": "1d", "resets": "00:00Z" }],
  "usage": [{ "header": "x-left", "scope": "login", "tells": "remaining" }],
  "audience": {
    "create": true, "create_needs_rows": true, "kinds": [{ "kind": "K", "keys": ["EMAIL"] }], "name_max": 9,
    "per_account": 8, "serves_from": 7, "member_life": "30d", "member_life_setting": "days",
    "renew_after": "9d"
  },
  "settings": [
    { "name": "v", "title": "V", "type": "choice", "values": ["v1", "v2"], "default": "v1" },
    { "name": "scope", "title": "S", "type": "text", "default": "all" },
    { "name": "tag", "title": "T", "type": "text", "default": "drop" }
  ],
  "open_url": "https://www.example.com/{audience}", "trace": { "headers": ["x-id"], "body": ["/id"] }
}"#;

/// Fields that may change without anybody's approval, and why.
const HARMLESS: [(&str, &str); 14] = [
    ("/manifest", "another format is refused when it is read"),
    ("/name", "a version follows one of its own name"),
    ("/title", "a word for people"),
    ("/version", "a word for people; the digest says which version it is"),
    ("/wit", "another contract is refused when it is read"),
    ("/publisher/support", "a word for people"),
    ("/publisher/docs", "a word for people"),
    ("/auth/secrets/*/title", "a word for people"),
    ("/keys/*/title", "a word for people"),
    ("/settings/*/title", "a word for people"),
    ("/batch/*", "the same people in smaller or larger calls, which the grant bounds"),
    ("/usage/*", "answers, read for the host's own quotas"),
    ("/trace/headers/*", "answers, scrubbed, read for the host's own log"),
    ("/trace/body/*", "answers, scrubbed, read for the host's own log"),
];

/// The place of the harmless field that a pointer leads to, or into.
fn harmless_at(pointer: &str) -> Option<usize> {
    let given: Vec<&str> = pointer.split('/').collect();
    HARMLESS.iter().position(|(pattern, _)| {
        let known: Vec<&str> = pattern.split('/').collect();
        known.len() <= given.len() && known.iter().zip(&given).all(|(known, given)| *known == "*" || known == given)
    })
}

/// What could stand in place of a value.
fn others(value: &serde_json::Value) -> Vec<serde_json::Value> {
    use serde_json::{Value, json};
    match value {
        Value::Bool(value) => vec![json!(!value)],
        Value::Number(number) => vec![json!(number.as_u64().unwrap_or_default() + 1)],
        // Words of every closed list, and any text.
        Value::String(text) => {
            let words = "source basic form body text rows account used limit-reset reset-at used-percent trim none phone remove app secret";
            let words = words.split(' ').map(|word| json!(word)).filter(|word| word != value);
            words.chain([json!(format!("{text}x")), json!("9h")]).collect()
        }
        _ => Vec::new(),
    }
}

/// The pointers to everything in a document: values, and the entries of lists and maps.
fn pointers(value: &serde_json::Value, at: &str, all: &mut Vec<String>) {
    match value {
        serde_json::Value::Array(values) => {
            values.iter().enumerate().for_each(|(name, value)| pointers(value, &format!("{at}/{name}"), all));
        }
        serde_json::Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| pointers(value, &format!("{at}/{}", name.replace('/', "~1")), all));
        }
        _ => {}
    }
    all.push(at.to_owned());
}

fn without(whole: &serde_json::Value, pointer: &str) -> Option<serde_json::Value> {
    let (parent, name) = pointer.rsplit_once('/')?;
    let mut less = whole.clone();
    match less.pointer_mut(parent)? {
        serde_json::Value::Array(values) => drop(values.remove(name.parse().ok()?)),
        serde_json::Value::Object(fields) => drop(fields.remove(&name.replace("~1", "/"))?),
        _ => return None,
    }
    Some(less)
}

#[test]
fn every_field_that_changes_makes_a_difference_apart_from_those_that_are_harmless() {
    let whole: serde_json::Value = serde_json::from_str(WHOLE).unwrap();
    let read = |json: &serde_json::Value| -> Option<Outline> {
        let manifest = serde_json::from_value(json.clone()).ok()?;
        Some(Outline { manifest, digest: Digest::of(b""), imports: Vec::new() })
    };
    let known = read(&whole).unwrap();
    assert_eq!(serde_json::to_value(&known.manifest).unwrap(), whole, "every field stands, in no other form");
    let mut all = Vec::new();
    pointers(&whole, "", &mut all);
    let mut harmless = BTreeSet::new();
    for pointer in &all {
        let changed = others(whole.pointer(pointer).unwrap()).into_iter().map(|other| {
            let mut changed = whole.clone();
            *changed.pointer_mut(pointer).unwrap() = other;
            changed
        });
        let changed = changed.chain(without(&whole, pointer)).filter_map(|json| read(&json));
        let changed: Vec<Outline> = changed.filter(|changed| changed.manifest != known.manifest).collect();
        let leaf = !whole.pointer(pointer).unwrap().is_object() && !whole.pointer(pointer).unwrap().is_array();
        // A setting's type and its default only change together.
        let alone = leaf && !pointer.ends_with("/type");
        assert!(!alone || !changed.is_empty(), "{pointer}: nothing else was found that could stand there");
        for changed in &changed {
            let (there, back) = (known.difference(changed), changed.difference(&known));
            assert_eq!((&there.widens, &there.narrows), (&back.narrows, &back.widens), "{pointer}");
            match harmless_at(pointer) {
                Some(at) => {
                    assert_eq!(there, Difference::default(), "{pointer} is harmless");
                    harmless.insert(at);
                }
                // Left out as a whole, what is in them is harmless too.
                None if ["/batch", "/usage", "/trace", "/trace/headers", "/trace/body"].contains(&pointer.as_str()) => {
                }
                None => assert_ne!(there, Difference::default(), "{pointer}: {:?}", changed.manifest),
            }
        }
    }
    assert_eq!(harmless.len(), HARMLESS.len(), "each harmless field was changed");
    assert!(HARMLESS.iter().all(|(_, why)| !why.is_empty()));
}

#[test]
fn names_that_are_swapped_and_words_that_read_alike_make_a_difference() {
    let known = outline(|_| WHOLE.to_owned(), &[]);
    let swapped = outline(
        |_| {
            WHOLE
                .replace("\"name\": \"list\"", "\"name\": \"x\"")
                .replace("\"name\": \"add\"", "\"name\": \"list\"")
                .replace("\"name\": \"x\"", "\"name\": \"add\"")
        },
        &[],
    );
    assert_eq!(known.difference(&swapped).widens.len(), 2, "grants are by the routes' names");
    // Two locks, and one whose text looks like two.
    let locks = |locks: &str| outline(|_| WHOLE.replace("{ \"/a\": \"{account}\" }", locks), &[]);
    let (two, one) = (locks(r#"{ "/a": "x", "/b": "y" }"#), locks(r#"{ "/a": "x\", \"/b\"=\"y" }"#));
    assert_eq!(two.difference(&one).widens.len(), 1);
}

#[test]
fn an_endpoint_that_moves_away_widens_and_stands_out_where_no_route_goes() {
    let known = outline(|_| WHOLE.to_owned(), &[]);
    let stolen = outline(
        |_| {
            let token = r#""token": { "host": "login.example.com", "path": "/token" }"#;
            assert!(WHOLE.contains(token));
            WHOLE
                .replace(token, &token.replace("login.example.com", "evil.example"))
                .replace("\"hosts\": [", "\"hosts\": [\"evil.example\", ")
        },
        &[],
    );
    let widens = known.difference(&stolen).widens;
    assert!(
        widens.iter().any(|words| words.contains("refresh tokens") && words.contains("https://evil.example/token"))
    );
    let loud = |outline: &Outline, host: &str| {
        outline.capabilities().iter().filter(|one| one.stands_out && one.words.contains(host)).count()
    };
    assert_eq!((loud(&known, "https://login.example.com"), loud(&stolen, "https://evil.example")), (4, 1));
    let beside = outline(|_| WHOLE.replace("login.example.com", "api.example.com"), &[]);
    assert_eq!(loud(&beside, "https://"), 0, "a host that gets tokens with every request is no news");
}
