//! `caravan connector grant | upgrade | rollback`: what was done, in words; grants as files for Git.
use crate::args::Global;
use crate::fail::{End, usage};
use crate::registry::approval::{self, Allowed, Upgraded};
use crate::registry::behaviour::{self, Short};
use crate::registry::desk::Desk;
use crate::{files, out};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Allows the version that waits, or the one in use anew.
pub async fn grant(
    global: &Global,
    desk: &Desk<'_>,
    name: &str,
    as_asked: bool,
    file: Option<&Path>,
) -> anyhow::Result<End> {
    let allowed = match file {
        Some(path) => Allowed::Grant(path.display().to_string(), files::text(path)?),
        None if as_asked => Allowed::AsAsked,
        None => return Err(usage("say what to allow", "--as-asked for all that it asks for, or --file FILE").into()),
    };
    let granted = approval::grant(desk, name, allowed, Path::new(files::CONNECTIONS)).await?;
    for line in &granted.beyond {
        eprintln!("note: the manifest does not ask for `{line}`: that line of the grant has no effect");
    }
    let written = match file {
        None => Some(keep_file(name, &granted.grant)?),
        Some(_) => None,
    };
    if global.json {
        out::print_json(&json!({"name": name, "digest": granted.digest.to_string(), "in_use": granted.in_use,
            "file": written, "withheld": granted.withheld, "takes_over": granted.takes_over}))?;
        return Ok(End::Done);
    }
    let mut words = format!("{name} {} (sha256:{}) is allowed", granted.version, granted.digest.short());
    match written {
        Some(file) => words.push_str(&format!("; the grant is in {}, for your repository\n", file.display())),
        None => words.push('\n'),
    }
    if let Some(takeover) = &granted.takes_over {
        takeover.lines(name).iter().for_each(|line| words.push_str(&format!("  {line}\n")));
        words.push_str(&format!("`caravan connector rollback {name}` goes back to the bundled version\n"));
    }
    if !granted.withheld.is_empty() {
        words.push_str("it asks for more than this grant allows; calls that need that are denied:\n");
        granted.withheld.iter().for_each(|line| words.push_str(&format!("  {line}\n")));
    }
    if !granted.in_use {
        words.push_str(&format!("the version before goes on until `caravan connector upgrade {name}`\n"));
    }
    out::print(&words)?;
    Ok(End::Done)
}

/// Writes `grants/NAME.yaml`, for Git.
///
/// # Errors
/// It cannot be written.
pub fn keep_file(name: &str, text: &str) -> anyhow::Result<PathBuf> {
    let file = Path::new("grants").join(format!("{name}.yaml"));
    std::fs::create_dir_all("grants").map_err(|error| files::unwritable(&file, &error))?;
    files::write(&file, text)?;
    Ok(file)
}

/// Shows how the version that waits behaves beside the one in use.
pub async fn compare(global: &Global, desk: &Desk<'_>, name: &str) -> anyhow::Result<End> {
    let comparison = json!(behaviour::compare(desk, name, Path::new(files::CONNECTIONS)).await?);
    tell_comparison(global, &comparison)
}

/// Tells a comparison as the registry or a host gave it.
pub fn tell_comparison(global: &Global, comparison: &Value) -> anyhow::Result<End> {
    let differ = comparison["differ"].as_array().map(Vec::as_slice).unwrap_or_default();
    if global.json {
        out::print_json(comparison)?;
    } else {
        let mut words = String::new();
        for one in differ {
            words.push_str(&format!("{}\n", one["batch"].as_str().unwrap_or_default()));
            let lines = one["lines"].as_array().map(Vec::as_slice).unwrap_or_default();
            lines.iter().filter_map(Value::as_str).for_each(|line| words.push_str(&format!("  {line}\n")));
        }
        let batches = comparison["batches"].as_u64().unwrap_or_default();
        words.push_str(&format!(
            "{} of {} differ in what is sent to the partner; nothing was taken up\n",
            differ.len(),
            out::plural(batches, "synthetic call", "synthetic calls")
        ));
        out::print(&words)?;
    }
    Ok(if differ.is_empty() { End::Done } else { End::NeedsYou })
}

/// Takes the waiting version into use, everywhere or for one connection first.
pub async fn upgrade(global: &Global, desk: &Desk<'_>, name: &str, only: Option<&str>) -> anyhow::Result<End> {
    let upgraded = approval::upgrade(desk, name, only, Path::new(files::CONNECTIONS)).await?;
    if let Some(grant) = &upgraded.grant {
        keep_file(name, grant)?;
    }
    if global.json {
        out::print_json(&json!({"name": name, "from": upgraded.from.to_string(), "to": upgraded.to.to_string(),
            "state": upgraded.state, "widens": upgraded.widens, "narrows": upgraded.narrows,
            "behaviour": upgraded.behaviour}))?;
    } else {
        out::print(&in_words(&upgraded))?;
    }
    Ok(if upgraded.state == "waits" { End::NeedsYou } else { End::Done })
}

fn in_words(upgraded: &Upgraded) -> String {
    let Upgraded { name, from, to, versions, .. } = upgraded;
    let mut words =
        format!("{name} {} → {} (sha256:{} → sha256:{})\n", versions.0, versions.1, from.short(), to.short());
    upgraded.widens.iter().for_each(|line| words.push_str(&format!("  + may now {line}\n")));
    upgraded.narrows.iter().for_each(|line| words.push_str(&format!("  - may no longer {line}\n")));
    if upgraded.widens.is_empty() && upgraded.narrows.is_empty() {
        words.push_str("  asks for the same as before\n");
    }
    let see = format!("`caravan connector upgrade {name} --compare`");
    words.push_str(&match &upgraded.behaviour {
        Some(Short { calls, differ: 0, .. }) => {
            let calls = out::plural(*calls as u64, "synthetic call", "synthetic calls");
            format!("  sends the same in {calls} to the lab\n")
        }
        Some(Short { calls, differ, first }) => format!(
            "  ! sends something else in {differ} of {calls} synthetic calls to the lab ({see} shows all):\n    {}\n",
            first.as_deref().unwrap_or_default()
        ),
        None if upgraded.state == "waits" => format!("  {see} shows how it behaves\n"),
        None => String::new(),
    });
    words.push_str(&match upgraded.state {
        "waits" => format!("It asks for more, so it waits for `caravan connector grant {name} --as-asked`; the version before goes on.\n"),
        "is tried" => format!("It is tried by one connection; `caravan connector upgrade {name}` takes it up everywhere, `caravan connector rollback {name}` ends the trial.\n"),
        _ => format!("It is in use from the next run on; `caravan connector rollback {name}` goes back.\n"),
    });
    words
}

/// Ends a trial, or goes back to the version before.
pub async fn roll_back(global: &Global, desk: &Desk<'_>, name: &str) -> anyhow::Result<End> {
    let back = approval::roll_back(desk, name).await?;
    let to = back.to.map(|to| to.to_string());
    if global.json {
        out::print_json(&json!({"name": name, "from": back.from.to_string(), "to": to, "trials": back.trials}))?;
    } else if back.trials.is_empty() {
        let to = back.to.map(|to| to.short()).unwrap_or_default();
        let from = back.from.short();
        out::print(&format!("{name} is back at sha256:{to}, from sha256:{from}; it is in use from the next run on\n"))?;
    } else {
        out::print(&format!("{} goes back to the version in use\n", back.trials.join(", ")))?;
    }
    Ok(End::Done)
}
