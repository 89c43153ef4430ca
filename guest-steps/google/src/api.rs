//! Where Google's two APIs are, and how one call goes.
use crate::classify::classify;
use caravan_sdk::http::{self, Method, Path, Request};
use caravan_sdk::{Fault, Settings, fault};
use serde_json::Value;

/// The host of the Data Manager API.
pub const HOST: &str = "datamanager.googleapis.com";
/// The host of the Google Ads API.
pub const ADS_HOST: &str = "googleads.googleapis.com";

/// An ad account's id, which is digits only: `123-456-7890`, as people see it, is no id.
///
/// # Errors
/// `misconfigured` where it is anything else.
pub fn account(account: &str) -> Result<&str, Fault> {
    match !account.is_empty() && account.bytes().all(|byte| byte.is_ascii_digit()) {
        true => Ok(account),
        false => Err(fault::misconfigured(
            "account-form",
            "Google's account ids are digits only: write 1234567890 for 123-456-7890.",
        )),
    }
}

/// The path of an account's lists, or of one of them.
///
/// # Errors
/// `misconfigured` where the account is no id.
pub fn lists(account: &str, audience: Option<&str>) -> Result<Path, Fault> {
    let account = self::account(account)?;
    let fixed = ["v1", "accountTypes", "GOOGLE_ADS", "accounts", account, "userLists"];
    Ok(Path::new(fixed.into_iter().chain(audience)))
}

/// The manager account through which others are reached; none where the login reaches them by itself.
///
/// # Errors
/// `misconfigured` where the setting is no id.
pub fn login(settings: &Settings) -> Result<Option<&str>, Fault> {
    match settings.text("login_account") {
        "" => Ok(None),
        login => account(login).map(Some),
    }
}

/// One call about user lists: the account context stands in a header there.
///
/// # Errors
/// Why Google did not answer, or what it refused.
pub fn about_lists(settings: &Settings, method: Method, path: Path, body: Option<&Value>) -> Result<Value, Fault> {
    let mut request = Request::new(method, HOST, path);
    if let Some(login) = login(settings)? {
        request = request.header("login-account", format!("accountTypes/GOOGLE_ADS/accounts/{login}"));
    }
    if let Some(body) = body {
        // `serde_json` sorts names, so the same call has the same bytes.
        request = request.json(body.to_string());
    }
    classify(&http::send(request)?)
}

/// The elements of a list in an answer.
pub fn items<'a>(answer: &'a Value, name: &str) -> &'a [Value] {
    answer[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A text in an answer; `""` where there is none. Google writes 64-bit numbers as texts; a number is read as well.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

/// A number that may be written as a text.
pub fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}
