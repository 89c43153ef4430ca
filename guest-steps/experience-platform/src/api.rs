//! How one call goes, and what its answer means (contract, sections 1 and 6).
use caravan_sdk::http::{self, Path, Request, Response};
use caravan_sdk::{AudienceState, Cause, Fault, Settings, fault};
use serde_json::Value;

/// Where Experience Platform is.
pub const HOST: &str = "platform.adobe.io";
/// What a file with Parquet in it begins with.
const PARQUET: &[u8] = b"PAR1";

/// The headers that every call has.
///
/// # Errors
/// `misconfigured` where a setting that they need is absent.
fn dressed<'a>(settings: &'a Settings, folder: &'a str, request: Request<'a>) -> Result<Request<'a>, Fault> {
    let organisation = settings.text("organisation").trim();
    if !organisation.ends_with("@AdobeOrg") {
        return Err(fault::misconfigured(
            "organisation",
            "The IMS organisation is missing: fill in the connection's setting `organisation` with the id that Adobe's Admin \
             Console shows, which ends in @AdobeOrg. Nothing is imported without it.",
        ));
    }
    let key = settings.text("api_key").trim();
    if key.is_empty() {
        return Err(fault::misconfigured(
            "api_key",
            "The API key is missing: fill in the connection's setting `api_key` with the client id of the credential in \
             Adobe's Developer Console.",
        ));
    }
    let request = request.header("x-gw-ims-org-id", organisation).header("x-api-key", key);
    Ok(if folder.is_empty() { request } else { request.header("x-sandbox-name", folder) })
}

/// One call and the JSON that it answers.
///
/// # Errors
/// Why there is none.
pub fn call<'a>(settings: &'a Settings, folder: &'a str, request: Request<'a>) -> Result<Value, Fault> {
    let answer = http::send(dressed(settings, folder, request)?)?;
    match answer.is_success() {
        true => answer.json().ok_or_else(|| garbled(&answer)),
        false => Err(refused(&answer)),
    }
}

/// GET of JSON.
///
/// # Errors
/// Why there is none.
pub fn get<'a>(settings: &'a Settings, folder: &'a str, path: Path) -> Result<Value, Fault> {
    call(settings, folder, Request::get(HOST, path))
}

/// A range of a file's bytes, and whether it is all of them; empty beyond its end.
///
/// # Errors
/// Why there is none, or that the file is Parquet.
pub fn bytes<'a>(
    settings: &'a Settings,
    folder: &'a str,
    path: Path,
    from: u64,
    most: u64,
) -> Result<(Vec<u8>, bool), Fault> {
    let range = format!("bytes={from}-{}", from + most - 1);
    let answer = http::send(dressed(settings, folder, Request::get(HOST, path).header("range", range))?)?;
    let (body, whole) = match answer.status {
        416 => return Ok((Vec::new(), true)),
        206 => (answer.body, false),
        // A server that knows no ranges gives all of it.
        200 => (answer.body.get(from as usize..).unwrap_or_default().to_vec(), true),
        _ => return Err(refused(&answer)),
    };
    if from == 0 && body.starts_with(PARQUET) {
        return Err(fault::misconfigured(
            "parquet",
            "Experience Platform wrote this export as Parquet, which this connector does not read. Have a file destination write \
             the audience as CSV or tab-delimited text, with segmentMembershipStatus, into a folder of the host's machine; allow \
             it in caravan.toml under `hand_overs`, and import it by `caravan list import LIST --from-files NAME --leavers`.",
        ));
    }
    Ok((body, whole))
}

/// What a refusal means.
pub fn refused(answer: &Response) -> Fault {
    let body = answer.json().unwrap_or_default();
    let of_service =
        body["errors"].as_object().and_then(|errors| errors.values().next()).map(|errors| errors[0].clone());
    let of_service = of_service.unwrap_or_default();
    let texts = [&body["error_code"], &of_service["code"], &body["title"]];
    let code = texts.into_iter().find_map(Value::as_str).map_or_else(|| answer.status.to_string(), str::to_owned);
    let texts = [&of_service["message"], &body["message"], &body["detail"], &body["title"]];
    let said = texts.into_iter().find_map(Value::as_str).unwrap_or_default();
    let cause = |ours: &str| -> Cause {
        match said.is_empty() {
            true => fault::cause(code.as_str(), ours),
            false => fault::cause(code.as_str(), format!("{ours} Adobe says: {said}")),
        }
    };
    match (answer.status, code.as_str()) {
        (401, _) => Fault::Unauthorized(cause("Adobe does not take the token.")),
        (400, "400003") => Fault::Misconfigured(cause("Adobe misses a header: look at the setting `organisation`.")),
        (_, "403025") => Fault::Misconfigured(cause(
            "The credential is not entitled for this organisation: look at the setting `organisation`.",
        )),
        (_, "UPAPI-113740-403") => {
            Fault::Misconfigured(cause("The organisation is not enabled for external segments."))
        }
        (_, "403000" | "403003") => {
            Fault::Misconfigured(cause("Adobe does not take the API key: look at the setting `api_key`."))
        }
        (403, _) => Fault::Forbidden(cause(
            "The credential may not do this: it needs View Segments, View Profiles and the sandbox in Adobe's Admin Console.",
        )),
        (404, _) => fault::audience(
            AudienceState::Missing,
            cause("The audience, job or file is not there, or not in this folder."),
        ),
        (429, _) => fault::throttled(None, cause("Too many calls.")),
        (500.., _) => fault::unavailable(None, cause("Experience Platform fails at the moment.")),
        _ => Fault::Bug(cause("Adobe refuses the call as malformed.")),
    }
}

fn garbled(answer: &Response) -> Fault {
    let words = format!("Experience Platform answered {} without JSON.", answer.status);
    fault::unavailable(None, fault::cause("garbled", words))
}

/// A text in an answer; `""` where there is none. Ids of jobs are numbers.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(is) => is.to_string(),
        _ => String::new(),
    }
}
