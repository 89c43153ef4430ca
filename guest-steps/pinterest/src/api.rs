//! Where Pinterest's API is, and how one call to it goes.
use crate::classify::{About, classify};
use caravan_sdk::Fault;
use caravan_sdk::http::{self, Path, Request};
use serde_json::Value;

/// The one host of the API.
pub const HOST: &str = "api.pinterest.com";
/// The longest page.
const PAGE: &str = "250";

/// `/v5/ad_accounts/…`.
pub fn path(segments: &[&str]) -> Path {
    Path::new(["v5", "ad_accounts"].into_iter().chain(segments.iter().copied()))
}

/// A list's page of the largest size; the cursor is Pinterest's bookmark.
pub fn paged(path: Path, cursor: Option<&str>) -> Path {
    path.query("page_size", PAGE).query_if("bookmark", cursor)
}

/// One GET and what it answers.
///
/// # Errors
/// Why Pinterest did not answer, or what it refused.
pub fn get(path: Path, about: About) -> Result<Value, Fault> {
    classify(&http::send(Request::get(HOST, path))?, about)
}

/// A list's elements, and the cursor of its next page.
pub fn page(answer: &Value) -> (&[Value], Option<String>) {
    let items = answer["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    let next = answer["bookmark"].as_str().filter(|bookmark| !bookmark.is_empty());
    (items, next.map(str::to_owned))
}

/// A text in an answer; `""` where there is none. Ids are texts of digits, but a number is read as well.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}
