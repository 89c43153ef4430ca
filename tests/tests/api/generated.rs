//! Requests that a generator makes of the document.
use super::*;

/// Lets a generator send requests with a key, this many for each call, or many more in a full run.
fn generated(world: &World, key: &str, examples: u32) {
    let report = world.place.path("report.xml");
    let examples = if std::env::var_os("CARAVAN_TEST_FULL").is_some() { examples * 20 } else { examples };
    let arguments = [
        "run",
        &format!("{}/api/openapi.json", world.host.url),
        "-H",
        &format!("Authorization: Bearer {key}"),
        // Would end the host that it asks.
        "--exclude-path",
        "/api/host/drain",
        "--checks",
        "not_a_server_error,content_type_conformance,response_schema_conformance",
        "--max-examples",
        &examples.to_string(),
        "--seed",
        "7",
        "--phases",
        "coverage,fuzzing",
        "--suppress-health-check",
        "all",
        "--continue-on-failure",
        "--no-color",
        "--report",
        "junit",
        "--report-junit-path",
        &word(&report),
    ];
    let said = python::program("st", &arguments, &world.place.path("."));
    assert!(said.contains("generated") && !said.contains("failures"), "{said}");
    // It lives, and still knows the key.
    assert_eq!(world.call(key, "GET", "/api/me", "").0, 200);
}

#[test]
fn a_generator_of_requests_finds_no_call_that_fails_inside() {
    let world = World::new();
    generated(&world, &world.admin, 15);
}

#[test]
fn a_generator_with_a_viewers_key_finds_none_either_and_changes_nothing() {
    let world = World::new();
    let viewer = world.made("viewer", &["viewer"]);
    let notes = || {
        let (_, notes) = world.call(&world.admin, "GET", "/api/audit?limit=1000", "");
        notes.as_array().map_or(0, Vec::len)
    };
    let before = notes();
    generated(&world, &viewer, 5);
    assert_eq!(notes(), before, "whoever only looks changes nothing");
}
