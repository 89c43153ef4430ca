//! Where an instance of Marketo is, and how one call to it goes.
use crate::classify::{About, classify};
use caravan_sdk::http::{self, Path, Request};
use caravan_sdk::{Fault, Settings, fault};
use serde_json::Value;

/// The instance's host: each has its own, named by its Munchkin id.
///
/// # Errors
/// `misconfigured` where the id is missing or no id.
pub fn host(settings: &Settings) -> Result<String, Fault> {
    let munchkin = settings.text("munchkin");
    let is_label = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    match munchkin.is_empty() || !is_label(munchkin) {
        true => Err(fault::misconfigured(
            "munchkin",
            "Fill in the setting `munchkin`: the instance's Munchkin id, such as 123-ABC-456, which Marketo shows under \
             Admin, Munchkin.",
        )),
        false => Ok(format!("{}.mktorest.com", munchkin.to_ascii_lowercase())),
    }
}

/// The workspace that an account names; none for all that the API user sees. Marketo has no ad accounts: an account is
/// the instance's Munchkin id, or `123-ABC-456:Workspace`, so that lists of two instances are never taken for one.
///
/// # Errors
/// `misconfigured` where the account is of another instance than the connection.
pub fn workspace<'a>(settings: &Settings, account: &'a str) -> Result<Option<&'a str>, Fault> {
    let (instance, workspace) = match account.split_once(':') {
        Some((instance, workspace)) => (instance, Some(workspace).filter(|name| !name.is_empty())),
        None => (account, None),
    };
    match instance.eq_ignore_ascii_case(settings.text("munchkin")) {
        true => Ok(workspace),
        false => Err(fault::misconfigured(
            "account-form",
            "The account is not of this connection's instance: write its Munchkin id, or MUNCHKIN:Workspace.",
        )),
    }
}

/// One GET and what it answers.
///
/// # Errors
/// Why Marketo did not answer, or what it refused.
pub fn get(settings: &Settings, path: Path, about: About) -> Result<Value, Fault> {
    classify(&http::send(Request::get(&host(settings)?, path))?, about)
}

/// The elements of `result`; none where there is none.
pub fn items(answer: &Value) -> &[Value] {
    answer["result"].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The cursor of the next page.
pub fn next(answer: &Value) -> Option<String> {
    answer["nextPageToken"].as_str().filter(|token| !token.is_empty()).map(str::to_owned)
}

/// A text in an answer; `""` where there is none. Ids are numbers at Marketo.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}
