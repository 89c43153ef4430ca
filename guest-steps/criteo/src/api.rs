//! Where Criteo's API is, and how one call to it goes.
use crate::classify::{About, classify};
use caravan_sdk::http::{self, Path, Request};
use caravan_sdk::{Fault, Settings};
use serde_json::Value;

/// The one host of the API.
pub const HOST: &str = "api.criteo.com";

/// `/2026-07/…`: the version is a setting of the connection.
pub fn path(settings: &Settings, segments: &[&str]) -> Path {
    Path::new(std::iter::once(settings.text("api_version")).chain(segments.iter().copied()))
}

/// `/2026-07/marketing-solutions/audience-segments/…`: the newer form of the path (traps, row 20).
pub fn segments(settings: &Settings, rest: &[&str]) -> Path {
    let all: Vec<&str> = ["marketing-solutions", "audience-segments"].into_iter().chain(rest.iter().copied()).collect();
    path(settings, &all)
}

/// One GET and what it answers.
///
/// # Errors
/// Why Criteo did not answer, or what it refused.
pub fn get(path: Path, about: About) -> Result<Value, Fault> {
    classify(&http::send(Request::get(HOST, path).header("accept", "application/json"))?, about)
}

/// One POST of a small body.
///
/// # Errors
/// Why Criteo did not answer, or what it refused.
pub fn post(path: Path, body: &Value, about: About) -> Result<Value, Fault> {
    let request = Request::post(HOST, path).header("accept", "application/json").json(body.to_string());
    classify(&http::send(request)?, about)
}

/// The elements of `data`.
pub fn items(answer: &Value) -> &[Value] {
    answer["data"].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A text in an answer; `""` where there is none. Ids are texts, but a number is read as well.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}
