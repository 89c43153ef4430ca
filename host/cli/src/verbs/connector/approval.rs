//! `caravan connector grant | upgrade | rollback`: which version is used, and what it may do.
use super::Desk;
use crate::args::Global;
use crate::fail::{End, usage};
use crate::host::hands::who;
use crate::registry::standing::{Standing, Waiting};
use crate::registry::{grants, pins, read_grant, write_grant};
use crate::{files, out};
use caravan_connectors::{Difference, Grant, GrantFile, Outline};
use caravan_model::policy::Approval;
use caravan_model::{Code, Digest, Problem};
use caravan_runner::policy_of;
use caravan_store::DocumentKind;
use serde_json::json;
use std::path::{Path, PathBuf};

type Document = (DocumentKind, String, Option<String>);

/// Allows the version that waits, or the one in use anew. The first version that is allowed is in use at once.
pub async fn grant(
    global: &Global,
    desk: &Desk,
    name: &str,
    as_asked: bool,
    file: Option<&Path>,
) -> anyhow::Result<End> {
    let mut standing = desk.standing(name).await?;
    let Some(digest) = standing.waiting.as_ref().map(|waiting| waiting.digest).or(standing.active) else {
        return Err(usage(format!("no version of `{name}` is there to be allowed"), "install one").into());
    };
    let outline = desk.outline(digest).await?;
    let allowed = match file {
        Some(path) => from_file(path, name, &outline)?,
        None if as_asked => GrantFile::new(name, &digest, Grant::as_asked(&outline.manifest)),
        None => return Err(usage("say what to allow", "--as-asked for all that it asks for, or --file FILE").into()),
    };
    may_approve(desk, name, standing.waiting.as_ref()).await?;
    let text = write_grant(&allowed, &outline);
    let mut documents = vec![(DocumentKind::Grant, digest.to_string(), Some(text.clone()))];
    let first = standing.active.is_none();
    if first {
        standing.take_up(digest);
        documents.push(standing.document(name));
    }
    desk.keep(documents, "connector.grant", name, json!({"digest": digest.to_string(), "in_use": first})).await?;
    let written = match file {
        None => Some(keep_file(name, &text)?),
        Some(_) => None,
    };
    let withheld = allowed.grant().withheld(&outline.manifest);
    if global.json {
        out::print_json(
            &json!({"name": name, "digest": digest.to_string(), "in_use": standing.active == Some(digest),
            "file": written, "withheld": withheld}),
        )?;
        return Ok(End::Done);
    }
    let mut words = format!("{name} {} (sha256:{}) is allowed", outline.manifest.version, digest.short());
    match written {
        Some(file) => words.push_str(&format!("; the grant is in {}, for your repository\n", file.display())),
        None => words.push('\n'),
    }
    if !withheld.is_empty() {
        words.push_str("it asks for more than this grant allows; calls that need that are denied:\n");
        withheld.iter().for_each(|line| words.push_str(&format!("  {line}\n")));
    }
    if !first && standing.active != Some(digest) {
        words.push_str(&format!("the version before goes on until `caravan connector upgrade {name}`\n"));
    }
    out::print(&words)?;
    Ok(End::Done)
}

fn from_file(path: &Path, name: &str, outline: &Outline) -> anyhow::Result<GrantFile> {
    let shown = path.display().to_string();
    let file = read_grant(&shown, &files::text(path)?)?;
    let (of, digest) = file.names().map_err(|words| Problem::new(Code::BadValue, words).in_file(shown.clone()))?;
    if of != name || digest != outline.digest {
        let words = format!("this grant is for {}, and {name}@sha256:{} waits", file.connector, outline.digest);
        let cure = "a grant holds for exactly one version: look at the difference, then change `connector` in the file";
        return Err(Problem::new(Code::BadValue, words).in_file(shown).cure(cure).into());
    }
    for line in file.grant().beyond(&outline.manifest) {
        eprintln!("note: the manifest does not ask for `{line}`: that line of the grant has no effect");
    }
    Ok(file)
}

/// Holds to the policy: with `approval: other`, nobody allows what they installed.
async fn may_approve(desk: &Desk, name: &str, waiting: Option<&Waiting>) -> anyhow::Result<()> {
    let policy = policy_of(&desk.store).await?;
    let by = waiting.map(|waiting| waiting.by.clone());
    if policy.connectors.approval == Approval::Other && by.as_deref() == Some(who().as_str()) {
        let words = format!("{} installed this version of `{name}`; the policy wants somebody else to allow it", who());
        return Err(Problem::new(Code::AwaitingApproval, words)
            .cure("ask another member of the team to grant it")
            .into());
    }
    Ok(())
}

/// Writes `grants/NAME.yaml`, for Git.
fn keep_file(name: &str, text: &str) -> anyhow::Result<PathBuf> {
    let file = Path::new("grants").join(format!("{name}.yaml"));
    std::fs::create_dir_all("grants").map_err(|error| files::unwritable(&file, &error))?;
    files::write(&file, text)?;
    Ok(file)
}

/// Takes the waiting version into use, everywhere or for one connection first. What widens needs a grant.
pub async fn upgrade(global: &Global, desk: &Desk, name: &str, only: Option<&str>) -> anyhow::Result<End> {
    let mut standing = desk.standing(name).await?;
    let Some(waiting) = standing.waiting.clone() else {
        return Err(usage(
            format!("no newer version of `{name}` is installed"),
            "install it: caravan connector install FILE",
        )
        .into());
    };
    let Some(active) = standing.active else {
        let cure = format!("allow it first: `caravan connector grant {name} --as-asked`");
        return Err(Problem::new(Code::AwaitingApproval, format!("no version of `{name}` is in use yet"))
            .cure(cure)
            .into());
    };
    let (old, new) = (desk.outline(active).await?, desk.outline(waiting.digest).await?);
    let difference = old.difference(&new);
    let granted = grants(&desk.store).await?;
    let mut documents: Vec<Document> = Vec::new();
    if !granted.contains_key(&waiting.digest) {
        if !difference.widens.is_empty() {
            tell(global, (&old, &new), &difference, "waits")?;
            return Ok(End::NeedsYou);
        }
        // Narrowing goes through: what was allowed, as far as it is still asked for.
        let before = granted.get(&active).map(GrantFile::grant).unwrap_or_default();
        let allowed = GrantFile::new(name, &waiting.digest, narrowed(&before, &new));
        let text = write_grant(&allowed, &new);
        keep_file(name, &text)?;
        documents.push((DocumentKind::Grant, waiting.digest.to_string(), Some(text)));
    }
    match only {
        Some(connection) => {
            documents.push((DocumentKind::Pin, connection.to_owned(), Some(waiting.digest.to_string())));
        }
        None => {
            documents.extend(unpinned(desk, waiting.digest).await?);
            standing.take_up(waiting.digest);
            documents.push(standing.document(name));
        }
    }
    let details = json!({"digest": waiting.digest.to_string(), "only": only});
    desk.keep(documents, "connector.upgrade", name, details).await?;
    tell(global, (&old, &new), &difference, if only.is_some() { "is tried" } else { "is in use" })?;
    Ok(End::Done)
}

/// A grant, as far as another version's manifest asks for the same.
fn narrowed(grant: &Grant, outline: &Outline) -> Grant {
    let asked = Grant::as_asked(&outline.manifest);
    let mut narrowed = grant.clone();
    narrowed.send.retain(|key| asked.sends(key));
    for (host, routes) in &mut narrowed.to {
        routes.retain(|route| asked.allows(host, route));
    }
    narrowed.to.retain(|_, routes| !routes.is_empty());
    narrowed
}

/// Takes away the pins to a version.
async fn unpinned(desk: &Desk, digest: Digest) -> anyhow::Result<Vec<Document>> {
    let pins = pins(&desk.store).await?.into_iter().filter(|(_, pinned)| *pinned == digest);
    Ok(pins.map(|(connection, _)| (DocumentKind::Pin, connection, None)).collect())
}

fn tell(global: &Global, (old, new): (&Outline, &Outline), difference: &Difference, state: &str) -> anyhow::Result<()> {
    let name = &new.manifest.name;
    if global.json {
        return out::print_json(&json!({"name": name, "from": old.digest.to_string(), "to": new.digest.to_string(),
            "state": state, "widens": difference.widens, "narrows": difference.narrows}));
    }
    let mut words = format!(
        "{name} {} → {} (sha256:{} → sha256:{})\n",
        old.manifest.version,
        new.manifest.version,
        old.digest.short(),
        new.digest.short()
    );
    difference.widens.iter().for_each(|line| words.push_str(&format!("  + may now {line}\n")));
    difference.narrows.iter().for_each(|line| words.push_str(&format!("  - may no longer {line}\n")));
    if difference == &Difference::default() {
        words.push_str("  asks for the same as before\n");
    }
    words.push_str(&match state {
        "waits" => format!("It asks for more, so it waits for `caravan connector grant {name} --as-asked`; the version before goes on.\n"),
        "is tried" => format!("It is tried by one connection; `caravan connector upgrade {name}` takes it up everywhere, `caravan connector rollback {name}` ends the trial.\n"),
        _ => format!("It is in use from the next run on; `caravan connector rollback {name}` goes back.\n"),
    });
    Ok(out::print(&words)?)
}

/// Ends a trial, or goes back to the version before.
pub async fn roll_back(global: &Global, desk: &Desk, name: &str) -> anyhow::Result<End> {
    let mut standing = desk.standing(name).await?;
    if let Some(waiting) = &standing.waiting {
        let trial = unpinned(desk, waiting.digest).await?;
        if !trial.is_empty() {
            let connections: Vec<&str> = trial.iter().map(|(_, connection, _)| connection.as_str()).collect();
            let words = format!("{} goes back to the version in use\n", connections.join(", "));
            desk.keep(trial, "connector.rollback", name, json!({"trial": true})).await?;
            out::print(&words)?;
            return Ok(End::Done);
        }
    }
    let (Some(active), Some(before)) = (standing.active, standing.before) else {
        return Err(usage(format!("there is no earlier version of `{name}` to go back to"), "install one").into());
    };
    standing = Standing { active: Some(before), before: None, waiting: standing.waiting };
    let mut documents = unpinned(desk, active).await?;
    documents.push(standing.document(name));
    let details = json!({"from": active.to_string(), "to": before.to_string()});
    desk.keep(documents, "connector.rollback", name, details).await?;
    let (from, to) = (active.short(), before.short());
    if global.json {
        out::print_json(&json!({"name": name, "from": active.to_string(), "to": before.to_string()}))?;
    } else {
        out::print(&format!("{name} is back at sha256:{to}, from sha256:{from}; it is in use from the next run on\n"))?;
    }
    Ok(End::Done)
}
