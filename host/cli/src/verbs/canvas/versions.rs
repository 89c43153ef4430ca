//! `caravan canvas save | list | show | history | restore | diff | archive`: drafts and versions.
use crate::args::{DiffArgs, Global};
use crate::fail::{End, usage};
use crate::host::hands::Hands;
use crate::out::{count_of, instant_of, text_of};
use crate::{files, out, verbs};
use caravan_model::{Code, Problem};
use caravan_runner::control::{CanvasDiff, Side, canvases, diff, draft, history, version_text};
use serde_json::{Value, json};
use std::path::Path;

/// Keeps a file as its canvas's draft, whether it is sound or not.
pub async fn save(global: &Global, path: &Path) -> anyhow::Result<End> {
    let text = files::text(path)?;
    let canvas = id_of(path, &text)?;
    Hands::making(global, None, async |hands| {
        let draft = hands.acting().save_draft(&canvas, &text).await?;
        tell_saved(global, &canvas, &json!({"canvas": canvas, "at": draft.at, "by": draft.by}))
    })
    .await
}

/// Tells that a draft is kept.
///
/// # Errors
/// It cannot be written.
pub fn tell_saved(global: &Global, canvas: &str, kept: &Value) -> anyhow::Result<End> {
    let words = format!("the draft of {canvas} is kept; `{} canvas publish {canvas}` makes it live\n", out::called());
    out::say(global, kept, &words)
}

/// The canvas's id as its text says it, also where the rest cannot be read.
pub fn id_of(path: &Path, text: &str) -> anyhow::Result<String> {
    let read: Result<serde_json::Value, _> = serde_saphyr::from_str(text);
    let id = read.ok().and_then(|document| document["canvas"].as_str().map(str::to_owned));
    Ok(id.ok_or_else(|| {
        Problem::new(Code::BadSyntax, "the file does not say which canvas it is")
            .in_file(path.display().to_string())
            .cure("write `canvas: ID`")
    })?)
}

/// Lists canvases.
pub async fn list(global: &Global, archived: bool) -> anyhow::Result<End> {
    tell_list(global, &json!(canvases(&verbs::look(global)?, archived).await?))
}

/// Tells of canvases, a line each, as data has them here and on a serving host.
///
/// # Errors
/// It cannot be written.
pub fn tell_list(global: &Global, lines: &Value) -> anyhow::Result<End> {
    let row = |line: &Value| {
        let draft = if line["draft"] == true { "kept" } else { "" };
        let (canvas, state, title) = (text_of(&line["canvas"]), text_of(&line["state"]), text_of(&line["title"]));
        let version = line["version"].as_u64().map(|version| version.to_string()).unwrap_or_default();
        vec![canvas, state, version, count_of(&line["entered"]), inside(line), draft.to_owned(), title]
    };
    let rows: Vec<Vec<String>> = lines.as_array().into_iter().flatten().map(row).collect();
    let words = match rows.is_empty() {
        true => "there is no canvas yet: `caravan canvas publish FILE` makes one live\n".to_owned(),
        false => out::table(&["CANVAS", "STATE", "VERSION", "ENTERED", "INSIDE", "DRAFT", "TITLE"], &rows),
    };
    out::say(global, lines, &words)
}

/// How many are inside, and how many of them in older versions.
fn inside(line: &Value) -> String {
    let all = out::count(line["inside"].as_u64().unwrap_or_default());
    let newest = line["version"].as_u64().map(|version| version.to_string());
    let of = line["inside_of"].as_object().into_iter().flatten();
    let older = of.filter(|(version, _)| newest.as_deref() != Some(version.as_str()));
    let words = |(version, n): (&String, &Value)| {
        format!("{} in version {version}", out::count(n.as_u64().unwrap_or_default()))
    };
    let older: Vec<String> = older.map(words).collect();
    match older.is_empty() {
        true => all,
        false => format!("{all} ({})", older.join(", ")),
    }
}

/// Prints a version's text in its canonical form, or the draft as it was written.
pub async fn show(global: &Global, canvas: &str, version: Option<u32>, of_draft: bool) -> anyhow::Result<End> {
    let store = verbs::look(global)?;
    let text = match of_draft {
        true => match draft(&store, canvas).await? {
            Some(draft) => draft.text,
            None => return Err(usage(format!("{canvas} has no draft"), "leave --draft out for what is live").into()),
        },
        false => version_text(&store, canvas, version).await?,
    };
    out::say(global, &json!({"canvas": canvas, "text": text}), &text)
}

/// Lists a canvas's versions.
pub async fn versions(global: &Global, canvas: &str) -> anyhow::Result<End> {
    tell_versions(global, &json!(history(&verbs::look(global)?, canvas).await?))
}

/// Tells of versions, as data has them here and on a serving host.
///
/// # Errors
/// It cannot be written.
pub fn tell_versions(global: &Global, told: &Value) -> anyhow::Result<End> {
    let row = |line: &Value| {
        let published = instant_of(&line["published"]);
        let (version, digest) = (line["version"].to_string(), text_of(&line["digest"]).chars().take(12).collect());
        vec![version, published, text_of(&line["by"]), count_of(&line["entered"]), count_of(&line["inside"]), digest]
    };
    let rows: Vec<Vec<String>> = told.as_array().into_iter().flatten().map(row).collect();
    let table = out::table(&["VERSION", "PUBLISHED", "BY", "ENTERED", "INSIDE", "DIGEST"], &rows);
    out::say(global, told, &table)
}

/// Makes a version's text the draft again.
pub async fn restore(global: &Global, canvas: &str, version: u32) -> anyhow::Result<End> {
    Hands::with(global, None, async |hands| {
        hands.acting().restore(canvas, version).await?;
        let words = format!(
            "version {version} of {canvas} is the draft now; `{} canvas publish {canvas}` makes it live\n",
            out::called()
        );
        out::say(global, &json!({"canvas": canvas, "restored": version}), &words)
    })
    .await
}

/// Says what changed between two texts of a canvas.
pub async fn compare(global: &Global, args: &DiffArgs) -> anyhow::Result<End> {
    let to = args.to.as_deref().map(side).transpose()?;
    let found = diff(&verbs::look(global)?, &args.canvas, args.from.clone(), to).await?;
    out::say(global, &json!(found), &in_words(&found))
}

/// What a side of a comparison names: a version, the draft, or a file.
///
/// # Errors
/// It is neither, or the file cannot be read.
pub fn side(named: &str) -> anyhow::Result<Side> {
    if let Ok(side) = named.parse() {
        return Ok(side);
    }
    let path = Path::new(named);
    if !path.exists() {
        let words = format!("`{named}` is no version, and there is no such file");
        return Err(usage(words, "name a version's number, `draft` or a file").into());
    }
    Ok(Side::Text { name: named.to_owned(), text: files::text(path)? })
}

/// A difference for people.
pub fn in_words(found: &CanvasDiff) -> String {
    if found.unified.is_empty() {
        return format!("{} and {} are the same\n", found.from, found.to);
    }
    let mut words = String::new();
    found.changes.iter().for_each(|change| words.push_str(&format!("{change}\n")));
    if !words.is_empty() {
        words.push('\n');
    }
    words + &found.unified
}

/// Puts a canvas away.
pub async fn archive(global: &Global, canvas: &str) -> anyhow::Result<End> {
    Hands::with(global, None, async |hands| {
        hands.acting().archive(canvas).await?;
        let words = format!("{canvas} is archived: `canvas list --archived` shows it\n");
        out::say(global, &json!({"archived": canvas}), &words)
    })
    .await
}
