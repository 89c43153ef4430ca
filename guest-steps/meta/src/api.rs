//! Where Meta's Graph API is, and how one call to it goes.
use crate::classify::{About, classify};
use caravan_sdk::http::{self, Path, Request};
use caravan_sdk::{Fault, Settings};
use serde_json::Value;

/// The one host of the Graph API.
pub const HOST: &str = "graph.facebook.com";

/// `/v26.0/…`: the version is a setting of the connection.
pub fn path(settings: &Settings, segments: &[&str]) -> Path {
    Path::new(std::iter::once(settings.text("api_version")).chain(segments.iter().copied()))
}

/// An ad account as it stands in paths: `act_` and digits, whichever of the two forms a person typed.
pub fn account_node(account: &str) -> String {
    format!("act_{}", account_digits(account))
}

/// An ad account as it stands in links: digits only.
pub fn account_digits(account: &str) -> &str {
    account.strip_prefix("act_").unwrap_or(account)
}

/// One GET and what it answers.
///
/// # Errors
/// Why Meta did not answer, or what it refused.
pub fn get(path: Path, about: About<'_>) -> Result<Value, Fault> {
    classify(&http::send(Request::get(HOST, path))?, about)
}

/// A list's elements, and the cursor of its next page: Meta gives `cursors.after` on the last page too, so only `next`
/// says that there is more. `next` itself is not used, because it carries a token.
pub fn page(answer: &Value) -> (&[Value], Option<String>) {
    let items = answer["data"].as_array().map(Vec::as_slice).unwrap_or_default();
    let paging = &answer["paging"];
    let after = paging["cursors"]["after"].as_str().filter(|_| paging["next"].is_string());
    (items, after.map(str::to_owned))
}

/// A text in an answer; `""` where there is none. Ids are texts at Meta, but a number is read as well.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}
