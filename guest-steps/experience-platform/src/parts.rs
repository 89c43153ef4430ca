//! The parts of an exported file, of which Data Access tells at most 100 in one answer (contract, sections 3a and 5).
use crate::api;
use caravan_sdk::http::Path;
use caravan_sdk::{Fault, Settings};
use serde_json::Value;

/// The file of an export.
pub fn path(file: &str) -> Path {
    Path::new(["data", "foundation", "export", "files", file])
}

/// The part at a place; none where the file has no more of them.
///
/// # Errors
/// Why Adobe did not answer.
pub fn part(settings: &Settings, folder: &str, file: &str, place: usize) -> Result<Option<Value>, Fault> {
    let first = api::get(settings, folder, path(file))?;
    if let Some(found) = items(&first).get(place) {
        return Ok(Some(found.clone()));
    }
    // The link says how long pages are; the one with the place is asked for at once.
    let Some(length) = next(&first).filter(|length| *length > 0) else { return Ok(None) };
    let start = place / length * length;
    let paged = path(file).query("start", &start.to_string()).query("limit", &length.to_string());
    Ok(items(&api::get(settings, folder, paged)?).get(place - start).cloned())
}

fn items(answer: &Value) -> &[Value] {
    answer["data"].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Where the page after the first one begins; none where there is no other.
fn next(answer: &Value) -> Option<usize> {
    let href = answer["_links"]["next"]["href"].as_str()?;
    let query = href.split_once('?').map_or("", |(_, query)| query);
    let start = query.split('&').find_map(|pair| pair.strip_prefix("start=")?.parse().ok());
    Some(start.unwrap_or(items(answer).len()))
}

#[cfg(test)]
mod tests {
    use super::part;
    use caravan_sdk::{Settings, testing};

    fn asked(place: usize) -> (Option<String>, Vec<String>) {
        let settings = Settings::parse(r#"{"organisation":"A@AdobeOrg","api_key":"k"}"#).expect("settings");
        let page = |start: usize| {
            let data: Vec<String> = (start..(start + 100).min(230)).map(|n| format!(r#"{{"name":"p-{n}"}}"#)).collect();
            let link = match start + 100 < 230 {
                true => format!(r#"{{"next":{{"href":"https://x/files/f?start={}&limit=100"}}}}"#, start + 100),
                false => "{}".to_owned(),
            };
            format!(r#"{{"data":[{}],"_links":{link}}}"#, data.join(","))
        };
        let partner = move |call: &testing::Call| {
            let start = call.path.split_once("start=").and_then(|(_, rest)| rest.split('&').next()?.parse().ok());
            testing::json(200, &page(start.unwrap_or(0)))
        };
        let (found, calls) = testing::with_partner(partner, || part(&settings, "prod", "f", place).expect("an answer"));
        let name = found.and_then(|part| part["name"].as_str().map(str::to_owned));
        (name, calls.into_iter().map(|call| call.path).collect())
    }

    #[test]
    fn parts_beyond_the_first_page_are_found_by_the_link() {
        let file = "/data/foundation/export/files/f".to_owned();
        assert_eq!(asked(99), (Some("p-99".to_owned()), vec![file.clone()]));
        assert_eq!(asked(100), (Some("p-100".to_owned()), vec![file.clone(), format!("{file}?start=100&limit=100")]));
        assert_eq!(asked(229), (Some("p-229".to_owned()), vec![file.clone(), format!("{file}?start=200&limit=100")]));
        assert_eq!(asked(230).0, None);
        assert_eq!(asked(300).0, None);
    }

    #[test]
    fn a_file_without_a_link_ends_with_its_only_page() {
        let settings = Settings::parse(r#"{"organisation":"A@AdobeOrg","api_key":"k"}"#).expect("settings");
        let partner = |_: &testing::Call| testing::json(200, r#"{"data":[{"name":"p"}],"_page":{"count":1}}"#);
        let (found, calls) = testing::with_partner(partner, || part(&settings, "prod", "f", 1).expect("an answer"));
        assert_eq!((found, calls.len()), (None, 1));
    }
}
