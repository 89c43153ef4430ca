//! Manifests of connectors made for tests.

/// A manifest with an id, an e-mail, a phone and a name, unhashed so that oracles can read it.
pub fn manifest(rows: u32) -> serde_json::Value {
    let key = |key: &str, word: &str, field: &str, rule: &str, identifies: bool| {
        serde_json::json!({
            "key": key, "title": key, "sources": [{ "name": word, "field": field }], "rule": rule, "hash": "none",
            "identifies": identifies
        })
    };
    serde_json::json!({
        "manifest": 1, "name": "fake", "title": "Fake", "version": "1.0.0", "wit": "0.1.0", "world": "destination",
        "publisher": { "name": "test" }, "hosts": [], "routes": [], "auth": {}, "actions": ["add", "remove"],
        "keys": [
            key("ID", "external_id", "external_id", "trim", true),
            key("EMAIL", "email", "email", "email", true),
            key("PHONE", "phone", "phone", "phone-digits", true),
            key("FN", "first_name", "first_name", "name", false)
        ],
        "groups": [{ "name": "people", "keys": ["ID", "EMAIL", "PHONE", "FN"] }],
        "batch": { "rows": rows, "bytes": 1000000, "parallel_per_audience": 1 },
        "audience": { "create": true }
    })
}

/// The same, but e-mails and phones never share a request.
pub fn split_manifest(rows: u32) -> serde_json::Value {
    let mut manifest = manifest(rows);
    manifest["groups"] = serde_json::json!([
        { "name": "emails", "keys": ["EMAIL"] }, { "name": "phones", "keys": ["PHONE"] }, { "name": "ids", "keys": ["ID"] }
    ]);
    manifest
}
