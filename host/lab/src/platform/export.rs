//! Export jobs and the files that come of them.

use bytes::Bytes;
use serde_json::{Value, json};

use super::Answer;
use super::error::PlatformError;
use super::state::{ExportJob, Wish};
use crate::form::Params;
use crate::reply::{Class, Reply};
use crate::world::World;

/// Files of a page.
const FILES: usize = 100;

fn missing(what: &str) -> PlatformError {
    PlatformError::service(404, "NotFoundError", format!("The {what} could not be found"))
}

fn bad(detail: &str) -> PlatformError {
    PlatformError::service(400, "BadRequestError", detail)
}

/// `POST export/jobs`: one segment, its statuses, since when it qualified, and a data set to write to.
pub(super) fn create(world: &World, sandbox: &str, is_json: bool, body: &Value) -> Answer {
    if !is_json {
        return Err(bad("A valid content-type must be specified"));
    }
    let filter = &body["filter"];
    let segment = filter["segments"][0]["segmentId"].as_str().ok_or_else(|| bad("filter.segments is missing"))?;
    if body["destination"]["datasetId"].as_str().is_none_or(str::is_empty) {
        return Err(bad("destination.datasetId is missing"));
    }
    if body["schema"]["name"] != "_xdm.context.profile" {
        return Err(bad("schema.name is missing"));
    }
    let since = match &filter["segmentQualificationTime"]["startTime"] {
        Value::Null => 0,
        Value::String(text) => {
            millis(text).ok_or_else(|| bad("segmentQualificationTime.startTime is no RFC 3339 time"))?
        }
        _ => return Err(bad("segmentQualificationTime.startTime is no RFC 3339 time")),
    };
    let statuses: Vec<String> = match filter["segments"][0]["status"].as_array() {
        Some(list) => list.iter().filter_map(|status| status.as_str().map(str::to_string)).collect(),
        None => vec!["realized".to_string(), "existing".to_string()],
    };
    let settings = world.settings().platform.clone();
    let policy = &body["mergePolicy"];
    let is_other = !settings.merge_policy.is_empty() && policy["id"] != settings.merge_policy.as_str();
    if !policy.is_null() && (is_other || policy["version"] != settings.merge_policy_version) {
        return Err(bad("The merge policy is not there in this version"));
    }
    let namespace = filter["segments"][0]["segmentNs"].as_str().unwrap_or("ups");
    let fields: Vec<&str> =
        body["fields"].as_str().into_iter().flat_map(|fields| fields.split(',')).map(str::trim).collect();
    let wish = Wish { statuses: &statuses, since, namespace, fields: &fields };
    let mut state = world.platform();
    let lifecycle = state.audience(sandbox, segment).ok_or_else(|| missing("audience"))?.lifecycle;
    if lifecycle != "published" {
        return Err(bad("The audience is archived"));
    }
    let id = state.export(segment, &wish, &settings).ok_or_else(|| missing("audience"))?;
    let job = state.jobs.get(&id).ok_or_else(|| missing("job"))?;
    Ok(Reply::json(200, Class::Ok, &shown(id, job, "NEW", &body["destination"]["datasetId"])))
}

/// `GET export/jobs/ID`.
pub(super) fn status(world: &World, id: &str) -> Answer {
    let seconds = world.settings().platform.export_seconds;
    let number: u64 = id.parse().map_err(|_| missing("job"))?;
    let begun = world.platform().jobs.get(&number).map(|job| job.begun).ok_or_else(|| missing("job"))?;
    let done = world.has_passed(begun, seconds);
    let state = world.platform();
    let job = state.jobs.get(&number).ok_or_else(|| missing("job"))?;
    let word = match (done, job.failed) {
        (false, _) => "PROCESSING",
        (true, true) => "FAILED",
        (true, false) => "SUCCEEDED",
    };
    Ok(Reply::json(200, Class::Ok, &shown(number, job, word, &Value::Null)))
}

fn shown(id: u64, job: &ExportJob, status: &str, dataset: &Value) -> Value {
    let errors = match status {
        "FAILED" => json!([{"code": "1200", "msg": "The export could not be written", "callStack": ""}]),
        _ => json!([]),
    };
    json!({
        "id": id, "jobType": "BATCH", "status": status, "errors": errors, "creationTime": job.at,
        "destination": {"datasetId": dataset, "batchId": format!("batch-{id}")},
        "metrics": {"totalExportedProfileCounter": job.rows},
    })
}

/// `GET batches/BATCH/files`: one file, whose parts are listed under it; none where nobody was exported.
pub(super) fn files(world: &World, batch: &str, query: &Params<'_>) -> Answer {
    let state = world.platform();
    let (id, job) = job(&state.jobs, batch, "batch-").ok_or_else(|| missing("batch"))?;
    let start = query.filled("start").and_then(|start| start.parse::<usize>().ok()).unwrap_or(0);
    let data: Vec<Value> = match job.parts.is_empty() || start > 0 {
        true => Vec::new(),
        false => vec![json!({"dataSetFileId": format!("file-{id}"), "dataSetViewId": "lab", "isValid": true})],
    };
    let count = data.len();
    Ok(Reply::json(200, Class::Ok, &json!({"data": data, "_page": {"limit": FILES, "count": count}})))
}

/// `GET files/FILE`: the parts, or one of them, whole or a range of it.
pub(super) fn file(world: &World, file: &str, query: &Params<'_>, range: Option<&str>) -> Answer {
    let state = world.platform();
    let (_, job) = job(&state.jobs, file, "file-").ok_or_else(|| missing("file"))?;
    let Some(path) = query.filled("path") else {
        let named = |place: usize, bytes: &Bytes| json!({"name": name(place), "length": bytes.len().to_string()});
        let number = |name: &str| query.filled(name).and_then(|text| text.parse::<usize>().ok());
        let (start, limit) = (number("start").unwrap_or(0), number("limit").unwrap_or(FILES).clamp(1, FILES));
        let all = job.parts.iter().enumerate().skip(start).take(limit);
        let data: Vec<Value> = all.map(|(place, bytes)| named(place, bytes)).collect();
        let count = data.len();
        let mut body = json!({"data": data, "_page": {"limit": limit, "count": count}, "_links": {}});
        if start + count < job.parts.len() {
            let next = start + count;
            body["_links"]["next"]["href"] =
                format!("https://platform.adobe.io/data/foundation/export/files/{file}?start={next}&limit={limit}")
                    .into();
        }
        return Ok(Reply::json(200, Class::Ok, &body));
    };
    let place = (0..job.parts.len()).find(|place| name(*place) == path).ok_or_else(|| missing("file"))?;
    let bytes = job.parts.get(place).cloned().unwrap_or_default();
    let Some((from, to)) = range.and_then(bounds) else {
        return Ok(Reply::new(200, Class::Ok, "application/octet-stream", bytes));
    };
    if from >= bytes.len() {
        return Err(PlatformError::service(416, "RangeNotSatisfiable", "The range lies beyond the file's end"));
    }
    let to = to.map_or(bytes.len(), |to| to.saturating_add(1)).min(bytes.len()).max(from);
    let mut reply = Reply::new(206, Class::Ok, "application/octet-stream", bytes.slice(from..to));
    reply.header("content-range", &format!("bytes {from}-{}/{}", to.saturating_sub(1), bytes.len()));
    Ok(reply)
}

fn name(place: usize) -> String {
    format!("part-{place:05}.json")
}

fn job<'a>(
    jobs: &'a std::collections::BTreeMap<u64, ExportJob>,
    name: &str,
    prefix: &str,
) -> Option<(u64, &'a ExportJob)> {
    let id = name.strip_prefix(prefix)?.parse().ok()?;
    Some((id, jobs.get(&id)?))
}

/// The bounds of `bytes=FROM-TO`; both included.
fn bounds(range: &str) -> Option<(usize, Option<usize>)> {
    let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
    Some((from.parse().ok()?, if to.is_empty() { None } else { Some(to.parse().ok()?) }))
}

/// Milliseconds since 1970 of `YYYY-MM-DDThh:mm:ss[.mmm]Z`.
fn millis(text: &str) -> Option<u64> {
    let (day, time) = text.strip_suffix('Z')?.split_once('T')?;
    let number = |text: &str| text.parse::<u64>().ok();
    let mut parts = day.split('-').map(number);
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut parts = clock.split(':').map(number);
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let before: u64 = (1970..year).map(|year| 365 + u64::from(leap(year))).sum();
    let lengths = [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let months: u64 = lengths.iter().take(month as usize - 1).sum();
    let thousandths = number(&format!("{fraction:0<3}")[..3])?;
    Some((((before + months + day - 1) * 24 + hour) * 60 + minute) * 60_000 + second * 1_000 + thousandths)
}

#[cfg(test)]
mod tests {
    #[test]
    fn times_are_read_as_they_are_written() {
        for millis in [0, 951_782_400_123, 1_790_000_000_987, 4_102_444_799_999] {
            assert_eq!(super::millis(&super::super::jobs::date(millis)), Some(millis));
        }
        assert_eq!(super::millis("2026-13-01T00:00:00Z"), None);
        assert_eq!(super::millis("yesterday"), None);
    }
}
