//! Folders, which are sandboxes, and the audiences in them (contract, section 2).
use crate::api;
use caravan_sdk::http::Path;
use caravan_sdk::{Audience, AudiencePage, Fault, Folder, FolderPage, Settings};
use serde_json::Value;

/// Audiences of a page.
const PAGE: &str = "100";

/// A page of the sandboxes that the credentials see. Folders of the Audience Library below them are no part of the contract:
/// nothing that Adobe answers says which audience lies in which.
///
/// # Errors
/// Why Adobe did not answer.
pub fn folders(settings: &Settings, cursor: Option<&str>) -> Result<FolderPage, Fault> {
    let (offset, limit) = cursor.map_or((None, None), |cursor| match cursor.split_once(',') {
        Some((offset, limit)) => (Some(offset), Some(limit)),
        None => (Some(cursor), None),
    });
    let path = Path::new(["data", "foundation", "sandbox-management", ""]);
    let answer = api::get(settings, "", path.query_if("offset", offset).query_if("limit", limit))?;
    let sandboxes = answer["sandboxes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let active = |sandbox: &&Value| sandbox["state"].as_str().is_none_or(|state| state == "active");
    let folder = |sandbox: &Value| Folder { id: api::text(&sandbox["name"]), name: api::text(&sandbox["title"]) };
    let folders = sandboxes.iter().filter(active).map(folder).collect();
    let before = offset.and_then(|offset| offset.parse().ok()).unwrap_or(0);
    Ok(FolderPage { folders, next: next_sandboxes(&answer, before, sandboxes.len()) })
}

/// Where the next sandboxes are. The link may be a template, `?limit={limit}&offset={offset}`: it then says that there are more,
/// and not where.
fn next_sandboxes(answer: &Value, before: usize, count: usize) -> Option<String> {
    let href = answer["_links"]["next"]["href"].as_str().filter(|_| count > 0)?;
    let query = href.split_once('?').map_or("", |(_, query)| query);
    let number = |name: &str| {
        let value = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        value.and_then(|value| value.parse::<usize>().ok())
    };
    let offset = number("offset").or_else(|| number("start")).unwrap_or(before + count);
    // A link that leads back would be followed for ever.
    (offset > before).then(|| match number("limit") {
        Some(limit) => format!("{offset},{limit}"),
        None => offset.to_string(),
    })
}

/// All of them.
///
/// # Errors
/// Why Adobe did not answer.
pub fn all_folders(settings: &Settings) -> Result<Vec<Folder>, Fault> {
    let (mut all, mut cursor) = (Vec::new(), None);
    loop {
        let page = folders(settings, cursor.as_deref())?;
        all.extend(page.folders);
        cursor = page.next;
        if cursor.is_none() {
            return Ok(all);
        }
    }
}

/// One page of audiences whose name contains `query`.
///
/// # Errors
/// Why Adobe did not answer.
pub fn list(settings: &Settings, folder: &str, query: &str, cursor: Option<&str>) -> Result<AudiencePage, Fault> {
    let path = Path::new(["data", "core", "ups", "audiences"]).query("limit", PAGE);
    let path = path.query_if("start", cursor).query_if("name", Some(query).filter(|query| !query.is_empty()));
    let answer = api::get(settings, folder, path)?;
    let wanted = query.to_lowercase();
    let audiences = answer["children"].as_array().into_iter().flatten().map(audience);
    let audiences = audiences.filter(|audience| audience.name.to_lowercase().contains(&wanted)).collect();
    Ok(AudiencePage { audiences, next: next(&answer) })
}

/// `start` of the next page: only the link tells whether it counts pages or audiences.
fn next(answer: &Value) -> Option<String> {
    let href = answer["_links"]["next"]["href"].as_str()?;
    let query = href.split_once('?')?.1;
    query.split('&').find_map(|pair| pair.strip_prefix("start=")).map(str::to_owned)
}

fn audience(item: &Value) -> Audience {
    let total = &item["metrics"]["data"]["totalProfiles"];
    Audience {
        id: api::text(&item["id"]),
        name: api::text(&item["name"]),
        kind: api::text(&item["type"]),
        unusable: unreadable(item),
        size: total.as_u64(),
    }
}

/// Why an audience cannot be read.
pub fn unreadable(item: &Value) -> Option<String> {
    match item["lifecycleState"].as_str() {
        Some("archived") => Some("It is archived at Adobe.".to_owned()),
        Some("inactive") => Some("It is inactive at Adobe.".to_owned()),
        Some("draft") => Some("It is a draft at Adobe, and evaluated by nobody.".to_owned()),
        _ => namespace(item).err(),
    }
}

/// The namespace under which profiles name an audience: the platform's own is `ups`, Audience Manager's is `AAM`.
///
/// # Errors
/// Where nothing says which it is, or its members stand under another id.
pub fn namespace(item: &Value) -> Result<&'static str, String> {
    let (id, own) = (api::text(&item["id"]), api::text(&item["audienceId"]));
    match item["namespace"].as_str().unwrap_or_default() {
        "" | "AEPSegments" | "ups" => Ok("ups"),
        "AAM" if own.is_empty() || own == id => Ok("AAM"),
        other => Err(format!(
            "It comes from outside (namespace {other}), and nothing says how an export names its members. Make an audience in \
             Experience Platform whose rule is to be in this one, and import that."
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::{all_folders, namespace, unreadable};
    use caravan_sdk::{Settings, testing};
    use serde_json::json;

    #[test]
    fn sandboxes_are_paged_by_links_templated_or_not_and_a_link_in_a_circle_ends() {
        let settings = Settings::parse(r#"{"organisation":"O@AdobeOrg","api_key":"k"}"#).expect("settings");
        let (folders, calls) = testing::with_partner(
            |call| {
                let (name, next) = match call.path.split_once('?').map(|(_, query)| query) {
                    None => ("a", "https://platform.adobe.io:443/data?limit={limit}&offset={offset}"),
                    Some("offset=1") => ("b", "https://platform.adobe.io:443/data?offset=2&limit=1"),
                    Some("offset=2&limit=1") => ("c", "/data?offset=1&limit=1"),
                    Some(other) => panic!("{other}"),
                };
                let body = json!({"sandboxes": [{"name": name, "title": name, "state": "active"}], "_links": {"next": {"href": next}}});
                testing::json(200, &body.to_string())
            },
            || all_folders(&settings),
        );
        let ids: Vec<String> = folders.expect("folders").into_iter().map(|folder| folder.id).collect();
        assert_eq!((ids, calls.len()), (vec!["a".to_owned(), "b".to_owned(), "c".to_owned()], 3));
    }

    #[test]
    fn an_audience_from_outside_is_read_by_its_namespace_or_said_to_be_unusable() {
        assert_eq!(namespace(&json!({"id": "1"})), Ok("ups"));
        assert_eq!(namespace(&json!({"id": "1", "audienceId": "1", "namespace": "AEPSegments"})), Ok("ups"));
        assert_eq!(namespace(&json!({"id": "1", "audienceId": "1", "namespace": "AAM"})), Ok("AAM"));
        for item in
            [json!({"id": "1", "audienceId": "2", "namespace": "AAM"}), json!({"id": "1", "namespace": "AAMTraits"})]
        {
            let why = unreadable(&item).expect("unusable");
            assert!(why.contains("namespace AAM") && why.contains("import that"), "{why}");
        }
    }
}
