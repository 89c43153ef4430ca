//! The customer-file path: upload, create, update (contract, section 3).

use bytes::Bytes;
use http::Request;
use md5::{Digest, Md5};
use serde::Deserialize;
use serde_json::json;

use super::audience::{check_name, check_room};
use super::state::{CUSTOMER_FILE, Upload};
use super::{Answer, TikTokError, body, ok, required};
use crate::form::parts;
use crate::ids::IdSets;
use crate::values::{is_hex, to_hex};
use crate::world::World;

/// Values of `calculate_type` besides `MULTIPLE_TYPES`, whose file has a header row with these names.
pub(super) const TYPES: [&str; 10] = [
    "EMAIL_SHA256",
    "PHONE_SHA256",
    "IDFA_SHA256",
    "GAID_SHA256",
    "IDFA_MD5",
    "GAID_MD5",
    "MAID_SHA256",
    "MAID_MD5",
    "FIRST_SHA256",
    "FIRST_MD5",
];
const MULTIPLE: &str = "MULTIPLE_TYPES";
/// Largest file, in bytes.
const FILE_LIMIT: usize = 50 << 20;

#[derive(Deserialize)]
struct Creation {
    advertiser_id: Option<String>,
    custom_audience_name: Option<String>,
    calculate_type: Option<String>,
    file_paths: Option<Vec<String>>,
    audience_sub_type: Option<String>,
    retention_in_days: Option<u32>,
}

#[derive(Deserialize)]
struct Change {
    advertiser_id: Option<String>,
    custom_audience_id: Option<String>,
    custom_audience_name: Option<String>,
    action: Option<String>,
    file_paths: Option<Vec<String>>,
}

/// `POST dmp/custom_audience/file/upload/`.
pub(super) fn upload(world: &World, request: &Request<Bytes>) -> Answer {
    let parts = parts(request).map_err(|error| TikTokError::parameter(error.to_string()))?;
    let text = |name: &str| {
        let part = parts.iter().find(|part| part.name == name && !part.value.is_empty());
        part.map(|part| String::from_utf8_lossy(part.value).into_owned())
    };
    let account = text("advertiser_id");
    let account = required(&account, "advertiser_id")?;
    let signature = text("file_signature");
    let signature = required(&signature, "file_signature")?;
    let calculate_type = kind(text("calculate_type").as_deref())?;
    let file = parts
        .iter()
        .find(|part| part.name == "file")
        .ok_or_else(|| TikTokError::parameter("file: Missing data for required field."))?;
    if file.value.is_empty() || file.value.len() > FILE_LIMIT {
        return Err(TikTokError::of(40_905));
    }
    if !to_hex(&Md5::digest(file.value)).eq_ignore_ascii_case(signature) {
        return Err(TikTokError::of(40_900));
    }
    let settings = world.settings().clone();
    let mut state = world.tiktok();
    state.account(account, &settings)?;
    let content = Bytes::copy_from_slice(file.value);
    let path = state.keep(Upload { account: account.to_string(), calculate_type, content });
    Ok(ok(json!({"file_path": path})))
}

/// `POST dmp/custom_audience/create/`.
pub(super) fn create(world: &World, bytes: &[u8]) -> Answer {
    let call: Creation = body(bytes)?;
    let account = required(&call.advertiser_id, "advertiser_id")?;
    let name = required(&call.custom_audience_name, "custom_audience_name")?;
    check_name(name)?;
    let calculate_type = kind(call.calculate_type.as_deref())?;
    if !matches!(call.audience_sub_type.as_deref(), None | Some("NORMAL" | "REACH_FREQUENCY")) {
        return Err(TikTokError::parameter("audience_sub_type: Must be one of: NORMAL, REACH_FREQUENCY."));
    }
    if call.retention_in_days.is_some_and(|days| !(1..=365).contains(&days)) {
        return Err(TikTokError::parameter("retention_in_days: Must be between 1 and 365."));
    }
    let settings = world.settings().clone();
    world.tiktok().account(account, &settings)?;
    let ids = read(world, account, call.file_paths.as_deref(), Some(calculate_type))?;
    let mut state = world.tiktok();
    check_room(state.audiences_of(account).count())?;
    let id = state.create(account, None, name, CUSTOMER_FILE, calculate_type);
    let audience = state.audience(&[account], &id)?;
    ids.put(&mut audience.members);
    audience.ignored += ids.ignored;
    Ok(ok(json!({"custom_audience_id": id})))
}

/// `POST dmp/custom_audience/update/`. Without an action the files replace what is there.
pub(super) fn update(world: &World, bytes: &[u8]) -> Answer {
    let call: Change = body(bytes)?;
    let account = required(&call.advertiser_id, "advertiser_id")?;
    let id = required(&call.custom_audience_id, "custom_audience_id")?;
    let settings = world.settings().clone();
    world.tiktok().account(account, &settings)?;
    if call.file_paths.is_none() {
        let name = required(&call.custom_audience_name, "custom_audience_name")?;
        check_name(name)?;
        let mut state = world.tiktok();
        state.audience(&[account], id)?.name = name.to_string();
        return Ok(ok(json!({})));
    }
    let action = call.action.as_deref().unwrap_or("REPLACE");
    check_name(call.custom_audience_name.as_deref().unwrap_or(""))?;
    let ids = read(world, account, call.file_paths.as_deref(), None)?;
    let mut state = world.tiktok();
    let audience = state.audience(&[account], id)?;
    if audience.kind != CUSTOMER_FILE || audience.members.len() == 0 {
        return Err(TikTokError::not_editable());
    }
    let mut gone = 0;
    match action {
        "APPEND" => {}
        "REMOVE" => gone = ids.distinct().filter(|(kind, id)| audience.members.contains(kind, id)).count(),
        "REPLACE" => gone = audience.members.len(),
        _ => return Err(TikTokError::parameter("action: Must be one of: APPEND, REMOVE, REPLACE.")),
    }
    let come = match action {
        "APPEND" => ids.distinct().filter(|(kind, id)| !audience.members.contains(kind, id)).count(),
        "REPLACE" => ids.distinct().count(),
        _ => 0,
    };
    if audience.members.len() - gone + come < settings.minimum_file_audience {
        return Err(TikTokError::too_small());
    }
    match action {
        "APPEND" => ids.put(&mut audience.members),
        "REMOVE" => ids.distinct().for_each(|(kind, id)| {
            audience.members.remove(kind, id);
        }),
        _ => {
            audience.members.clear();
            ids.put(&mut audience.members);
        }
    }
    audience.ignored += ids.ignored;
    if let Some(name) = &call.custom_audience_name {
        audience.name.clone_from(name);
    }
    audience.history.push((
        crate::meta::unix_now(),
        "UPDATE",
        format!("{action}: {} files", call.file_paths.map_or(0, |paths| paths.len())),
    ));
    Ok(ok(json!({})))
}

/// Ids out of files, each once.
#[derive(Debug, Default)]
struct FileIds {
    ids: std::collections::BTreeSet<(&'static str, String)>,
    ignored: u64,
}

impl FileIds {
    fn distinct(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.ids.iter().map(|(kind, id)| (*kind, id.as_str()))
    }

    fn put(&self, members: &mut IdSets) {
        for (kind, id) in self.distinct() {
            members.add(kind, id);
        }
    }

    fn take(&mut self, kind: &'static str, id: &str) {
        let length = if kind.ends_with("MD5") { 32 } else { 64 };
        match is_hex(id, length) {
            true => {
                self.ids.insert((kind, id.to_string()));
            }
            false if id.is_empty() => {}
            false => self.ignored += 1,
        }
    }
}

fn read(
    world: &World,
    account: &str,
    paths: Option<&[String]>,
    calculate_type: Option<&str>,
) -> Result<FileIds, TikTokError> {
    let paths = paths.unwrap_or_default();
    if paths.is_empty() || paths.len() > 500 {
        return Err(TikTokError::parameter("file_paths: Length must be between 1 and 500."));
    }
    let mut ids = FileIds::default();
    for path in paths {
        let upload = world.tiktok().upload(path).filter(|upload| upload.account == account).cloned();
        let upload = upload.ok_or_else(|| TikTokError::parameter(format!("file_paths: {path} does not exist.")))?;
        if calculate_type.is_some_and(|wanted| wanted != upload.calculate_type) {
            return Err(TikTokError::of(40_909));
        }
        let text = String::from_utf8_lossy(&upload.content);
        let mut lines = text.lines();
        if upload.calculate_type == MULTIPLE {
            let header = lines.next().unwrap_or("").split(',').map(|name| kind(Some(name.trim())));
            let columns = header.collect::<Result<Vec<_>, _>>().map_err(|_| TikTokError::of(40_909))?;
            for line in lines {
                line.split(',').zip(&columns).for_each(|(id, kind)| ids.take(kind, id.trim()));
            }
        } else {
            lines.for_each(|line| ids.take(upload.calculate_type, line.trim().trim_end_matches(',')));
        }
    }
    Ok(ids)
}

fn kind(name: Option<&str>) -> Result<&'static str, TikTokError> {
    let name = name.ok_or_else(|| TikTokError::parameter("calculate_type: Missing data for required field."))?;
    TYPES.into_iter().chain([MULTIPLE]).find(|known| *known == name).ok_or_else(|| {
        TikTokError::parameter(format!("calculate_type: Must be one of: {}, {MULTIPLE}.", TYPES.join(", ")))
    })
}
