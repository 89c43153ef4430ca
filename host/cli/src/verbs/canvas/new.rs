//! `caravan canvas new`: a canvas to begin with.
use crate::args::{Global, NewArgs};
use crate::fail::{End, usage};
use crate::{files, out};
use caravan_journey::document::read_connections;
use caravan_model::{CanvasId, Code, Connections, Problem};
use serde_json::json;
use std::io::Write as _;
use std::path::Path;

/// Writes a canvas to a new file.
pub fn new(global: &Global, args: &NewArgs) -> anyhow::Result<End> {
    let id = CanvasId::new(&args.canvas).map_err(|why| usage(why.to_string(), "name it like win-back"))?;
    let file = format!("{id}.yaml");
    let (connection, account) = whereto(args)?;
    let unwritable = |error: std::io::Error| {
        Problem::new(Code::UnreadableFile, format!("the canvas cannot be written: {error}"))
            .in_file(&file)
            .cure("choose another id, or another folder")
    };
    let mut made = std::fs::File::create_new(&file).map_err(unwritable)?;
    made.write_all(text(id.as_str(), &connection, &account).as_bytes()).map_err(unwritable)?;
    let words = format!("{file} is written; `{} canvas validate {file}` says what is wrong with it\n", out::called());
    out::say(global, &json!({"canvas": id, "file": file}), &words)
}

/// The connection and account that are named, else the first of this folder's file.
fn whereto(args: &NewArgs) -> anyhow::Result<(String, String)> {
    let path = Path::new(files::CONNECTIONS);
    let known = match path.exists() {
        true => read_connections(files::CONNECTIONS, &files::text(path)?)?.value,
        false => Connections::default(),
    };
    let named = args.connection.as_ref();
    let found = known.connections.iter().find(|(name, _)| named.is_none_or(|named| named == *name));
    let first = found.and_then(|(_, one)| one.accounts.keys().next());
    let account = args.account.as_ref().or(first).cloned().unwrap_or_else(|| "main".to_owned());
    // Where there are none yet: what the examples call one.
    let connection = named.or(found.map(|(name, _)| name)).cloned().unwrap_or_else(|| "lab-meta".to_owned());
    Ok((connection, account))
}

fn text(id: &str, connection: &str, account: &str) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let (connection, account) = (quoted(connection), quoted(account));
    format!(
        "# Whoever lapsed comes in, has two days to come back by themselves, and is then added to the audience.
format: 1
canvas: {id}
title: {id}
audiences:
  main: {{ connection: {connection}, account: {account}, name: {id}, if_missing: create }}
entry:
  trigger: {{ event: subscription_lapsed }}
  who: {{ consent: advertising }}
  re_entry: {{ after: 30d }}
  start: pause
exit: [ {{ event: purchase }} ]
steps:
  pause: {{ delay: {{ for: 2d }}, next: sync }}
  sync: {{ audience_sync: {{ audience: main, action: add, match: [email] }}, next: exit }}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use caravan_journey::document::read_canvas;
    use caravan_journey::validate::{Facts, validate};

    #[test]
    fn a_canvas_to_begin_with_is_sound() {
        let canvas = read_canvas("new.yaml", &text("win-back", "acme-meta", "fr")).expect("a canvas");
        assert_eq!(validate(&canvas, &Facts::default()), []);
        assert_eq!(canvas.value.audiences["main"].connection, "acme-meta");
    }
}
