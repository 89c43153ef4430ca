//! The syncs and audiences against the manifest of their partner's connector.
use super::{Facts, Findings, step_path};
use crate::document::Path;
use crate::suggest;
use caravan_model::canvas::{AudienceSpec, AudienceSync, IfMissing};
use caravan_model::manifest::{AudienceKind, MatchKey, World};
use caravan_model::{Code, Manifest};

pub(super) fn check(findings: &mut Findings<'_>, facts: &Facts<'_>) {
    let Some(manifest) = facts.manifest else { return };
    let canvas = findings.canvas();
    for (name, audience) in &canvas.audiences {
        if let Some(manifest) = manifest(&audience.connection) {
            check_audience(findings, name, audience, manifest);
        }
    }
    for (id, step) in &canvas.steps.0 {
        let Some(sync) = &step.audience_sync else { continue };
        let Some(audience) = canvas.audiences.get(&sync.audience) else { continue };
        if let Some(manifest) = manifest(&audience.connection) {
            check_sync(findings, &step_path(id.as_str()).key("audience_sync"), sync, audience, manifest);
        }
    }
}

fn check_audience(findings: &mut Findings<'_>, name: &str, audience: &AudienceSpec, manifest: &Manifest) {
    let at = Path::root().key("audiences").key(name);
    let rules = &manifest.audience;
    let title = audience.name.as_deref().unwrap_or(name);
    if rules.name_max > 0 && title.chars().count() > rules.name_max as usize {
        let place = if audience.name.is_some() { at.key("name") } else { at.clone() };
        let message = format!(
            "the name has {} characters, and {} takes at most {}",
            title.chars().count(),
            manifest.title,
            rules.name_max
        );
        findings.add(Code::BadValue, &place, message, "shorten `name`");
    }
    if audience.if_missing != IfMissing::Fail && !rules.create {
        let message = format!("{} lets nobody make an audience from outside", manifest.title);
        let cure = "make it at the partner, and write its id: `id: …, if_missing: fail`";
        findings.add(Code::UnsupportedAction, &at.key("if_missing"), message, cure);
    }
    let kinds = || rules.kinds.iter().map(|kind| kind.kind.as_str());
    match &audience.kind {
        Some(kind) if !kinds().any(|known| known == kind) => {
            let message = format!("{} has no audiences of kind `{kind}`", manifest.title);
            let cure =
                if rules.kinds.is_empty() { "remove `kind`".to_owned() } else { suggest::cure(kind, kinds(), "kinds") };
            findings.add(Code::BadValue, &at.key("kind"), message, cure);
        }
        None if rules.kinds.len() > 1 => {
            let message = format!("{} has several kinds of audience, and `kind` is missing", manifest.title);
            findings.add(
                Code::BadValue,
                &at,
                message,
                format!("add `kind:` with one of: {}", kinds().collect::<Vec<_>>().join(", ")),
            );
        }
        _ => {}
    }
}

fn check_sync(
    findings: &mut Findings<'_>,
    at: &Path,
    sync: &AudienceSync,
    audience: &AudienceSpec,
    manifest: &Manifest,
) {
    let title = &manifest.title;
    if manifest.world == World::Source {
        let message = format!("{title} is a source: it only reads members, and takes none");
        findings.add(Code::UnsupportedAction, &at.key("audience"), message, "choose an audience of a destination");
        return;
    }
    if !manifest.actions.contains(&sync.action) {
        let can: Vec<&str> = manifest.actions.iter().map(|action| action.word()).collect();
        let message = format!("{title} cannot `{}`", sync.action.word());
        findings.add(Code::UnsupportedAction, &at.key("action"), message, format!("it can: {}", can.join(", ")));
    }
    let at = at.key("match");
    let words = manifest.match_words();
    let mut all_known = true;
    for (i, word) in sync.match_on.iter().enumerate() {
        if !manifest.keys.iter().any(|key| key.is_asked_by(word)) {
            all_known = false;
            let message = format!("{title} does not match on `{word}`");
            let cure = suggest::cure(word, words.iter().copied(), &format!("{title} takes"));
            findings.add(Code::UnknownMatchKey, &at.index(i), message, cure);
        }
    }
    if all_known {
        let chosen: Vec<&MatchKey> = manifest.chosen(&sync.match_on).collect();
        if let Some((message, cure)) = impossible(&chosen, audience, manifest) {
            findings.add(Code::ImpossibleKeys, &at, message, cure);
        }
    }
}

/// Why keys that each exist cannot be used together here, and what to do.
fn impossible(chosen: &[&MatchKey], audience: &AudienceSpec, manifest: &Manifest) -> Option<(String, String)> {
    let title = &manifest.title;
    let sources = |keys: &mut dyn Iterator<Item = &MatchKey>| {
        let mut names: Vec<String> = Vec::new();
        for source in keys.flat_map(|key| &key.sources) {
            if !names.contains(&source.name) {
                names.push(source.name.clone());
            }
        }
        names.join(", ")
    };
    if !chosen.iter().any(|key| key.identifies) {
        let enough = sources(&mut manifest.keys.iter().filter(|key| key.identifies));
        let named = sources(&mut chosen.iter().copied());
        let message = match named.as_str() {
            "" => "`match` is empty: nobody could be found".to_owned(),
            named => format!("{named}: these fields alone identify nobody at {title}"),
        };
        return Some((message, format!("add at least one of: {enough}")));
    }
    for key in chosen {
        let missing = key.with.iter().filter(|with| !chosen.iter().any(|other| other.key == **with));
        let missing: Vec<&str> = missing.map(String::as_str).collect();
        if !missing.is_empty() {
            let message = format!("{title} takes `{}` only together with {}", key.key, key.with.join(", "));
            return Some((message, format!("add {}, or leave `{}` out", missing.join(", "), key.key)));
        }
    }
    let kinds = &manifest.audience.kinds;
    let fits = |kind: &&AudienceKind| chosen.iter().all(|key| kind.keys.contains(&key.key));
    let kind = match &audience.kind {
        Some(wanted) => kinds.iter().find(|kind| kind.kind == *wanted)?,
        None if kinds.len() == 1 => kinds.first()?,
        None => return None,
    };
    if fits(&kind) {
        return None;
    }
    let foreign = chosen.iter().filter(|key| !kind.keys.contains(&key.key));
    let foreign = foreign.map(|key| key.key.as_str()).collect::<Vec<_>>().join(", ");
    let message = format!("an audience of kind `{}` does not take {foreign}", kind.kind);
    let elsewhere = kinds.iter().find(fits).map(|other| format!(", or use an audience of kind `{}`", other.kind));
    Some((message, format!("it takes: {}{}", kind.keys.join(", "), elsewhere.unwrap_or_default())))
}
