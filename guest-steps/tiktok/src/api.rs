//! Where TikTok's Business API is, and how one call to it goes.
use crate::classify::{Taken, classify};
use caravan_sdk::Fault;
use caravan_sdk::http::{self, Path, Request};
use serde_json::Value;

/// The one host of the Business API.
pub const HOST: &str = "business-api.tiktok.com";

/// `/open_api/v1.3/…/`: every path ends with a slash, and without it TikTok answers 404.
pub fn path(segments: &[&str]) -> Path {
    Path::new(["open_api", "v1.3"].into_iter().chain(segments.iter().copied()).chain([""]))
}

/// One GET and the `data` that it answers.
///
/// # Errors
/// Why TikTok did not answer, or what it refused.
pub fn get(path: Path) -> Result<Value, Fault> {
    classify(&http::send(Request::get(HOST, path))?).map(|taken| taken.data)
}

/// One POST of a small body.
///
/// # Errors
/// Why TikTok did not answer, or what it refused.
pub fn post(path: Path, body: &Value) -> Result<Taken, Fault> {
    classify(&http::send(Request::post(HOST, path).json(body.to_string()))?)
}

/// A list of one id as TikTok takes it in queries: `["7…"]`.
pub fn only(id: &str) -> String {
    Value::from(vec![id]).to_string()
}

/// The elements of `data.list`.
pub fn list(data: &Value) -> &[Value] {
    data["list"].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A text in an answer; `""` where there is none. Ids are texts of digits beyond 2⁵³; a whole number is read as well.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}
