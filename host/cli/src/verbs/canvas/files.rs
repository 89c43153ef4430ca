//! `caravan canvas validate | fmt`: what is in files.
use crate::args::Global;
use crate::fail::{End, Problems};
use crate::registry::{Shelf, loads};
use crate::{check, files, out, stores};
use caravan_journey::document;
use caravan_model::Policy;
use std::path::{Path, PathBuf};

/// Says everything that is wrong. Connections are looked at where the file is named or lies beside the canvas.
pub async fn validate(
    global: &Global,
    canvas: &Path,
    connections: Option<&Path>,
    (policy, shelf): (&Policy, &Shelf),
) -> anyhow::Result<End> {
    let named = connections.is_some();
    let path = files::connections_path(connections, canvas);
    let beside = named || path.exists() || !shelf.kept().is_empty();
    let checked = if beside {
        match check::canvas_with_connections(canvas, &path, policy, check::Secrets::Overlook, shelf) {
            Ok(checked) => {
                let store = stores::of_canvas(global, checked.canvas.value.canvas.as_str(), canvas)?;
                loads::note_at(global, &store, "validate", checked.components.values()).await?;
                Ok(checked.canvas)
            }
            Err(problems) => Err(problems),
        }
    } else {
        check::canvas_alone(canvas, policy)
    };
    let problems = match &checked {
        Ok(_) => Vec::new(),
        Err(problems) => problems.0.clone(),
    };
    if global.json {
        out::print_json(&serde_json::json!({"valid": problems.is_empty(), "problems": problems}))?;
        return Ok(if problems.is_empty() { End::Done } else { End::NotDone });
    }
    let document = checked?;
    if !global.quiet {
        let steps = document.value.steps.0.len() as u64;
        let beside = match beside {
            true if !path.exists() => "with the store's connections".to_owned(),
            true => format!("with {}", path.display()),
            false => "without connections: audiences and match fields were not checked".to_owned(),
        };
        eprintln!("{}: valid, {} ({beside})", canvas.display(), out::plural(steps, "step", "steps"));
    }
    Ok(End::Done)
}

/// Prints canvases in canonical form, checks it, or writes it.
pub fn fmt(global: &Global, paths: &[PathBuf], check: bool, write: bool) -> anyhow::Result<End> {
    let mut differ = 0;
    let mut problems = Vec::new();
    for path in paths {
        let read = files::text(path).and_then(|text| {
            let document = document::read_canvas(&path.display().to_string(), &text)?;
            let canonical = document::format_canvas(&document.value)?;
            Ok((text, document, canonical))
        });
        let (text, document, canonical) = match read {
            Ok(read) => read,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        if check {
            if canonical != text {
                differ += 1;
                eprintln!("{}: not in canonical form; `caravan canvas fmt --write {0}` changes it", path.display());
            }
        } else if write {
            if canonical == text {
                continue;
            }
            if document.comments > 0 && !global.yes {
                problems.push(
                    crate::fail::usage(
                        format!("the canonical form keeps no comments, and this file has {}", document.comments),
                        "move them into `note` or `title`, or say --yes to drop them",
                    )
                    .in_file(path.display().to_string()),
                );
                continue;
            }
            files::write(path, &canonical)?;
            if !global.quiet {
                eprintln!("{}: written", path.display());
            }
        } else {
            out::print(&canonical)?;
        }
    }
    Problems::check(problems)?;
    Ok(if differ > 0 { End::NeedsYou } else { End::Done })
}
