//! What people did, and trials with people of files, on a serving host.
use super::client::Sent;
use super::{Remote, in_file};
use crate::args::{DryRunArgs, Verb};
use crate::fail::{End, Problems, usage};
use crate::users::stream::Stream;
use crate::verbs::{dry_run, here};
use crate::{files, progress};
use caravan_model::port::{Clock as _, SystemClock};
use caravan_model::{Code, Message, Problem, Profile};
use http::Method;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Events that are sent at a time.
const CHUNK: usize = 2_000;
/// The most bad lines that are told one by one.
const LISTED: u64 = 20;
impl Remote<'_> {
    /// Sends files of events in chunks. A row's id is its message's, else the file's digest and its number, so the same
    /// file may be sent again.
    pub(super) async fn import_events(&self, files: &[PathBuf]) -> anyhow::Result<End> {
        let now = SystemClock.now();
        let (mut open, mut problems) = (Vec::new(), Vec::new());
        for path in files {
            match Stream::open(path, now) {
                Ok(stream) => open.push(stream),
                Err(problem) => problems.push(problem),
            }
        }
        Problems::check(problems)?;
        let (mut new, mut known, mut bad, mut before) = (0, 0, 0, 0);
        let bar = progress::of_bytes(self.global.quiet, open.iter().map(|stream| stream.size).sum());
        for mut stream in open {
            let (digest, file) = (stream.digest.to_string(), stream.path.display().to_string());
            let mut chunk = Vec::new();
            loop {
                let row = stream.next_row()?;
                let is_end = row.is_none();
                if let Some(row) = row {
                    match row.message {
                        Ok((id, message)) => {
                            let id = id.unwrap_or_else(|| format!("{digest} {}", row.number));
                            chunk.push(happening(&id, message, now.0)?);
                        }
                        Err(reason) => {
                            bad += 1;
                            if bad <= LISTED {
                                let line = u32::try_from(row.line).unwrap_or(u32::MAX);
                                let problem = Problem::new(Code::UserRow, reason).in_file(&file).at_line(line);
                                bar.suspend(|| eprintln!("{problem}"));
                            }
                        }
                    }
                }
                if chunk.len() == CHUNK || (is_end && !chunk.is_empty()) {
                    let answer = self
                        .server
                        .ask_patiently(Method::POST, "/events", json!({"events": std::mem::take(&mut chunk)}))
                        .await?;
                    new += answer["taken_in"].as_u64().unwrap_or_default();
                    known += answer["known"].as_u64().unwrap_or_default();
                    bar.set_position(before + stream.position());
                }
                if is_end {
                    break;
                }
            }
            before += stream.size;
        }
        bar.finish_and_clear();
        self.tell(&json!({"new": new, "known": known, "bad": bad}))?;
        Ok(if bad > 0 { End::NeedsYou } else { End::Done })
    }

    /// The requests of a step, as the host would make them; a component for itself needs no host.
    pub(super) async fn dry_run(&self, args: DryRunArgs) -> anyhow::Result<End> {
        let (Some(canvas), Some(step)) = (&args.canvas, &args.step) else {
            return here(self.global.clone(), Verb::DryRun(args)).await;
        };
        if args.policy.is_some() || args.connections.is_some() {
            let cure = "leave out --policy and --connections, or leave out --server";
            return Err(usage("the host's own policy and connections hold there", cure).into());
        }
        let mut people = Vec::new();
        for person in dry_run::people(&args.users)? {
            people.push(spoken(&person)?);
        }
        let wanted = json!({"canvas": files::text(canvas)?, "step": step, "audience": args.audience, "people": people});
        let answer = self.server.ask(Method::POST, "/canvases/dry-run", Sent::Json(wanted)).await;
        let answer = answer.map_err(|error| in_file(error, canvas))?;
        crate::out::print_json(&answer)?;
        let faults = answer["faults"].as_array().is_some_and(|faults| !faults.is_empty());
        Ok(if faults { End::NeedsYou } else { End::Done })
    }
}

/// A person as the API takes them.
fn spoken(person: &Profile) -> anyhow::Result<Value> {
    let mut value = serde_json::to_value(person)?;
    if let Some(fields) = value.as_object_mut() {
        fields.remove("told");
    }
    Ok(value)
}

fn happening(id: &str, message: Message, now: i64) -> anyhow::Result<Value> {
    let told = if message.who.told.is_nothing() { now } else { message.who.told.at.0 };
    let at = message.event.as_ref().map_or(told, |event| event.at.0);
    let (name, properties) = message.event.map(|event| (event.name, event.properties)).unzip();
    Ok(json!({"id": id, "who": spoken(&message.who)?, "event": name, "at": at,
        "properties": properties.unwrap_or_default(), "merges": message.merges}))
}
