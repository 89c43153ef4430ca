//! `caravan segment activate`: a segment's members in an audience, by a canvas of one step that is written for it.
use crate::args::{ActivateArgs, ActivationMode, Global};
use crate::fail::{End, usage};
use crate::host::alerts;
use crate::host::ready::Ready;
use crate::{out, stores};
use caravan_journey::document::format_canvas;
use caravan_model::alert::Messenger as _;
use caravan_model::port::{Clock, SystemClock};
use caravan_model::{Canvas, CanvasId};
use caravan_runner::export_warning;
use caravan_store::Sqlite;
use serde_json::{Value, json};

/// Publishes the canvas of an activation.
pub async fn activate(global: &Global, args: &ActivateArgs) -> anyhow::Result<End> {
    let canvas = canvas(args, &out::instant(SystemClock.now()))?;
    let store = Sqlite::open(stores::of_workspace(global)?, stores::options(global))?;
    let of = std::slice::from_ref(&canvas);
    let ready = Ready::open(store, &args.connections, of, args.lab.as_deref()).await?;
    let published = ready.publish(global, vec![canvas.clone()]).await;
    let noted = match (&published, &args.mail) {
        (Ok(_), Some(mail)) => ready.runner.mail_when_done(canvas.canvas.as_str(), mail).await,
        _ => Ok(()),
    };
    ready.close().await?;
    published?;
    noted?;
    let warning = match args.mode {
        ActivationMode::Once => export_warning(args.mail.as_deref(), mails()),
        ActivationMode::Streaming => None,
    };
    tell_warnings(warning.as_deref());
    match global.json {
        true => {
            out::print_json(&json!({"canvas": canvas.canvas, "document": canvas, "warnings": Vec::from_iter(warning)}))?
        }
        false => out::print(&format_canvas(&canvas)?)?,
    }
    Ok(End::Done)
}

/// Whether a mail server is configured here.
pub fn mails() -> bool {
    alerts::messenger().is_ok_and(|messenger| messenger.mails())
}

/// Says on stderr what whoever activates should know, however quiet the command is to be.
pub fn tell_warnings<'a>(warnings: impl IntoIterator<Item = &'a str>) {
    warnings.into_iter().for_each(|warning| eprintln!("warning: {warning}"));
}

/// The canvas: of one step where the audience is kept in step with the segment, of one step for each field where the
/// members of this moment are exported.
pub fn canvas(args: &ActivateArgs, now: &str) -> anyhow::Result<Canvas> {
    let day = now.get(..10).unwrap_or(now);
    let id = match &args.canvas {
        Some(id) => id.clone(),
        None => match args.mode {
            ActivationMode::Streaming => format!("{}-to-{}", slug(&args.segment), slug(&args.connection)),
            ActivationMode::Once => format!("{}-to-{}-{day}", slug(&args.segment), slug(&args.connection)),
        },
    };
    let id = CanvasId::new(&id).map_err(|why| usage(why.to_string(), "name the canvas by --canvas ID"))?;
    let audience = |name: String| {
        let if_missing = match args.mode {
            ActivationMode::Streaming => "create",
            ActivationMode::Once => "new",
        };
        let mut audience =
            json!({"connection": args.connection, "account": args.account, "if_missing": if_missing, "name": name});
        if let Some(kind) = &args.kind {
            audience["kind"] = json!(kind);
        }
        audience
    };
    let (existing, mut audiences, mut steps) = (args.mode, serde_json::Map::new(), Vec::new());
    match args.mode {
        ActivationMode::Streaming => {
            let mut spec = audience(args.audience.clone().unwrap_or_else(|| args.segment.clone()));
            if let Some(id) = &args.id {
                spec["id"] = json!(id);
                spec["if_missing"] = json!("fail");
            }
            audiences.insert("audience".to_owned(), spec);
            steps.push(("sync".to_owned(), "audience", args.match_on.clone()));
        }
        ActivationMode::Once => {
            for field in &args.match_on {
                let name = format!("{} – {field} – {day}", args.audience.as_ref().unwrap_or(&args.segment));
                audiences.insert(field.clone(), audience(name));
                steps.push((format!("sync-{}", slug(field)), field.as_str(), vec![field.clone()]));
            }
        }
    }
    let names: Vec<String> = steps.iter().map(|(name, _, _)| name.clone()).collect();
    let steps: serde_json::Map<String, Value> = steps
        .into_iter()
        .enumerate()
        .map(|(at, (name, audience, match_on))| {
            let next = names.get(at + 1).map_or("exit", String::as_str);
            let sync = json!({"audience": audience, "action": "add", "match": match_on});
            (name, json!({"audience_sync": sync, "next": next}))
        })
        .collect();
    let trigger = match existing {
        ActivationMode::Streaming => json!({"segment": args.segment, "existing": "enter", "in_step": true}),
        ActivationMode::Once => json!({"segment": args.segment, "existing": "only"}),
    };
    let document = json!({
        "format": 1,
        "canvas": id,
        "title": format!("Segment {} at {}", args.segment, args.connection),
        "audiences": audiences,
        "entry": {"trigger": trigger, "re_entry": "always", "start": names.first()},
        "steps": steps,
    });
    Ok(serde_json::from_value(document)?)
}

/// A name as a canvas's id has it.
fn slug(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    let kept: String = lower.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    kept.trim_matches('-').to_owned()
}
