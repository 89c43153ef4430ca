//! Members by export job (contract, section 3a): begin a job, wait for it, read its files in pieces.
use crate::cursor::{Cursor, Export, date};
use crate::rows::Page;
use crate::{api, audiences, parts, rows};
use caravan_sdk::http::{Path, Request};
use caravan_sdk::{AudienceState, Fault, MemberPage, Members, Settings, SourceTarget, fault};
use serde_json::{Value, json};

/// Bytes of a file that one call reads.
const PIECE: u64 = 1 << 20;
/// When to ask again about a job.
const ASK_AGAIN_MS: u64 = 2_000;
/// Files without parts that one call passes over.
const PASSED: usize = 8;

/// The next members, or that they are still being exported.
///
/// # Errors
/// What Adobe refused, or what is missing in the settings.
pub fn next(settings: &Settings, target: &SourceTarget, cursor: Option<&str>) -> Result<MemberPage, Fault> {
    match cursor.map(Cursor::parse).transpose()? {
        None => begin(settings, target, Export { full: true, ..Export::default() }),
        Some(Cursor::Since(at)) => {
            let overlap = u64::try_from(settings.number("overlap_seconds")).unwrap_or_default().saturating_mul(1_000);
            begin(settings, target, Export { since: at.saturating_sub(overlap), ..Export::default() })
        }
        Some(Cursor::Job(export, id)) => ask(settings, target, export, &id),
        Some(Cursor::Read(export, batch, place)) => read(settings, target, export, &batch, place),
    }
}

fn begin(settings: &Settings, target: &SourceTarget, export: Export) -> Result<MemberPage, Fault> {
    let dataset = settings.text("dataset");
    if dataset.is_empty() {
        return Err(fault::misconfigured(
            "dataset",
            "Exports need a data set: make a profile-enabled one of the union schema, and fill in the setting `dataset`.",
        ));
    }
    if let Some(words) = same_name(settings) {
        return Err(fault::misconfigured("attributes", words));
    }
    let namespace = namespace(settings, target)?;
    let mut fields = "identityMap,segmentMembership".to_owned();
    for field in attributes(settings) {
        fields.push(',');
        fields.push_str(field);
    }
    let statuses: &[&str] = if export.full { &["realized", "existing"] } else { &["realized", "existing", "exited"] };
    let mut body = json!({
        "fields": fields,
        "filter": {"segments": [{"segmentId": target.audience, "segmentNs": namespace, "status": statuses}]},
        "destination": {"datasetId": dataset, "segmentPerBatch": false},
        "schema": {"name": "_xdm.context.profile"},
    });
    if !export.full {
        body["filter"]["segmentQualificationTime"] = json!({"startTime": date(export.since)});
    }
    if !settings.text("merge_policy").is_empty() {
        body["mergePolicy"] =
            json!({"id": settings.text("merge_policy"), "version": settings.number("merge_policy_version")});
    }
    let path = Path::new(["data", "core", "ups", "export", "jobs"]);
    let request = Request::post(api::HOST, path).json(body.to_string());
    let job = api::call(settings, &target.folder, request)?;
    let id = api::text(&job["id"]);
    let at = job["creationTime"].as_u64();
    let (Some(at), false) = (at, id.is_empty()) else {
        let cause = fault::cause("garbled", "Adobe began an export without saying which.");
        return Err(fault::unavailable(None, cause));
    };
    Ok(MemberPage::Pending((Cursor::Job(Export { at, ..export }, id).text(), ASK_AGAIN_MS)))
}

/// The namespace of the audience, which is looked at before each export: Adobe says of one that is closed no more than that
/// the call was wrong.
fn namespace(settings: &Settings, target: &SourceTarget) -> Result<&'static str, Fault> {
    let path = Path::new(["data", "core", "ups", "audiences", target.audience.as_str()]);
    let item = api::get(settings, &target.folder, path)?;
    let blocked = |code: String, words| fault::audience(AudienceState::Blocked, fault::cause(code.as_str(), words));
    let state = api::text(&item["lifecycleState"]);
    match (audiences::unreadable(&item), audiences::namespace(&item)) {
        (None, Ok(namespace)) => Ok(namespace),
        (Some(words), Ok(_)) => Err(blocked(state, words)),
        (_, Err(words)) => Err(blocked("namespace".to_owned(), words)),
    }
}

/// That two fields would be one attribute, if they would.
pub fn same_name(settings: &Settings) -> Option<String> {
    let paths: Vec<&str> = attributes(settings).collect();
    let named = |at: usize| rows::name_of(paths[at]);
    let at = (0..paths.len()).find(|at| (0..*at).any(|other| named(other) == named(*at)))?;
    Some(format!(
        "The setting `attributes` has two fields that end in `{}`, and would be one attribute: leave one of them out.",
        named(at)
    ))
}

/// The fields that come along.
pub fn attributes(settings: &Settings) -> impl Iterator<Item = &str> {
    settings.text("attributes").split(',').map(str::trim).filter(|field| !field.is_empty())
}

fn ask(settings: &Settings, target: &SourceTarget, export: Export, id: &str) -> Result<MemberPage, Fault> {
    let job = match api::get(settings, &target.folder, Path::new(["data", "core", "ups", "export", "jobs", id])) {
        // Adobe forgets jobs after a while: the next one is begun at once, and only once.
        Err(Fault::Audience(_)) if export.failed == 0 => {
            return begin(settings, target, Export { failed: 1, ..export });
        }
        Err(Fault::Audience(_)) => return Err(gone("Adobe does not know the export job any more.")),
        answer => answer?,
    };
    match job["status"].as_str().unwrap_or_default() {
        "SUCCEEDED" => {
            let batch = api::text(&job["destination"]["batchId"]);
            let cursor = Cursor::Read(export, batch, [0, 0, 0]);
            Ok(MemberPage::Pending((cursor.text(), 0)))
        }
        "FAILED" | "CANCELLED" if export.failed == 0 => begin(settings, target, Export { failed: 1, ..export }),
        "FAILED" | "CANCELLED" => {
            let said = job["errors"][0]["msg"].as_str().unwrap_or("it gives no reason");
            let said = said.trim_end_matches('.');
            let words = format!(
                "Adobe's export failed twice: {said}. Look at the data set and the merge policy in the connection's settings; \
                 it is tried again."
            );
            Err(fault::misconfigured("export-failed", words))
        }
        _ => Ok(MemberPage::Pending((Cursor::Job(export, id.to_owned()).text(), ASK_AGAIN_MS))),
    }
}

/// What an export was read from is not there any more: the host begins the pass anew.
fn gone(what: &str) -> Fault {
    fault::misconfigured("export-gone", format!("{what} The audience is exported anew."))
}

/// The same for whatever a file's request says.
fn file_gone(why: Fault) -> Fault {
    match why {
        Fault::Audience(_) => gone("The export's files are not there any more."),
        why => why,
    }
}

fn read(
    settings: &Settings,
    target: &SourceTarget,
    export: Export,
    batch: &str,
    place: [u64; 3],
) -> Result<MemberPage, Fault> {
    let [mut file, mut part, mut from] = place;
    for _ in 0..PASSED {
        let path = Path::new(["data", "foundation", "export", "batches", batch, "files"]);
        let path = path.query("start", &file.to_string()).query("limit", "1");
        let listed = api::get(settings, &target.folder, path).map_err(file_gone)?;
        let Some(id) = listed["data"][0]["dataSetFileId"].as_str() else {
            return Ok(page(settings, target, &export, &[], Cursor::Since(export.at), false));
        };
        let Some(told) = parts::part(settings, &target.folder, id, part as usize).map_err(file_gone)? else {
            (file, part, from) = (file + 1, 0, 0);
            continue;
        };
        let length = length(&told["length"]);
        let name = api::text(&told["name"]);
        let named = parts::path(id).query("path", &name);
        let (bytes, whole) = api::bytes(settings, &target.folder, named, from, PIECE).map_err(file_gone)?;
        let is_end = whole || bytes.is_empty() || length.is_some_and(|length| from + bytes.len() as u64 >= length);
        if is_end {
            let cursor = Cursor::Read(export.clone(), batch.to_owned(), [file, part + 1, 0]);
            return Ok(page(settings, target, &export, &bytes, cursor, true));
        }
        let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else {
            return Err(fault::bug("line", "A profile in the export is longer than a call can read."));
        };
        let cursor = Cursor::Read(export.clone(), batch.to_owned(), [file, part, from + end as u64 + 1]);
        return Ok(page(settings, target, &export, &bytes[..end], cursor, true));
    }
    Ok(MemberPage::Pending((Cursor::Read(export, batch.to_owned(), [file, part, from]).text(), 0)))
}

fn length(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn page(
    settings: &Settings,
    target: &SourceTarget,
    export: &Export,
    lines: &[u8],
    next: Cursor,
    more: bool,
) -> MemberPage {
    let mut page = Page::new(settings);
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        page.push(line, &target.audience);
    }
    let (columns, joined) = page.columns();
    MemberPage::Page(Members {
        rows: joined.len() as u32,
        columns,
        joined,
        full: export.full,
        next: Some(next.text()),
        more,
    })
}

#[cfg(test)]
mod tests {
    use super::next;
    use crate::cursor::{Cursor, Export};
    use caravan_sdk::{Fault, MemberPage, Settings, SourceTarget, testing};

    const SETTINGS: &str = r#"{"organisation":"O@AdobeOrg","api_key":"k","dataset":"d"}"#;

    fn asked(failed: u8) -> (Result<MemberPage, Fault>, usize) {
        let settings = Settings::parse(SETTINGS).expect("settings");
        let target = SourceTarget { folder: "prod".into(), audience: "A".into(), settings: String::new() };
        let export = Export { at: 1, full: true, failed: failed.into(), ..Export::default() };
        let cursor = Cursor::Job(export, "100".to_owned()).text();
        let (page, calls) = testing::with_partner(
            |request| match request.method.as_str() {
                "POST" => testing::json(200, r#"{"id":101,"creationTime":5}"#),
                _ if request.path.contains("/audiences/") => testing::json(200, r#"{"id":"A"}"#),
                _ => testing::json(404, r#"{"title":"NotFoundError","detail":"no such job"}"#),
            },
            || next(&settings, &target, Some(&cursor)),
        );
        (page, calls.len())
    }

    #[test]
    fn a_job_that_adobe_forgot_is_begun_anew_once_and_then_told() {
        let (page, calls) = asked(0);
        let Ok(MemberPage::Pending((cursor, _))) = page else { panic!("another job is begun") };
        assert!(calls == 3 && cursor.contains("101"), "{cursor}");
        let (page, calls) = asked(1);
        let Err(Fault::Misconfigured(cause)) = page else { panic!("it is told") };
        assert_eq!((cause.code.as_str(), calls), ("export-gone", 1));
    }

    #[test]
    fn two_fields_that_end_alike_are_refused_before_anything_is_asked() {
        let settings = SETTINGS.replace('}', r#","attributes":"_a.tier,_b.tier"}"#);
        let settings = Settings::parse(&settings).expect("settings");
        let target = SourceTarget { folder: "prod".into(), audience: "A".into(), settings: String::new() };
        let (page, calls) = testing::with_partner(|_| testing::json(500, "{}"), || next(&settings, &target, None));
        let Err(Fault::Misconfigured(cause)) = page else { panic!("refused") };
        assert!(calls.is_empty() && cause.message.contains("end in `tier`"), "{cause:?}");
    }
}
