//! Canvases on a serving host.
use super::client::{Sent, part, several};
use super::{Remote, in_file, not_there};
use crate::args::{CanvasVerb, CapArgs, DiffArgs, PublishArgs};
use crate::fail::End;
use crate::verbs::canvas::{cap, forecast, numbers, preview, publish, replay, state, versions};
use crate::{ask, files, out};
use caravan_journey::document::{difference, read_canvas};
use caravan_runner::control::{CanvasDiff, CanvasState, Side};
use caravan_runner::{Happens, MovePlan};
use caravan_store::Caps;
use http::Method;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;

impl Remote<'_> {
    pub(super) async fn canvas(&self, verb: CanvasVerb) -> anyhow::Result<End> {
        match verb {
            CanvasVerb::Validate { canvas, .. } => {
                let text = Sent::Text(files::text(&canvas)?);
                let answer = self.server.ask(Method::POST, "/canvases/check", text).await?;
                let is_valid = answer["valid"] == true;
                if self.global.json {
                    self.tell(&answer)?;
                } else if is_valid {
                    let words = format!("{}: valid (with the host's connections)", canvas.display());
                    (!self.global.quiet).then(|| eprintln!("{words}"));
                } else {
                    let problems = several(&answer).unwrap_or_default();
                    return Err(in_file(problems.into(), &canvas));
                }
                Ok(if is_valid { End::Done } else { End::NotDone })
            }
            CanvasVerb::Replay(args) => {
                let path = format!("/canvases/replay?days={}", args.days);
                let text = self.text_of(&args.canvas).await?;
                let answer = self.server.ask(Method::POST, &path, Sent::Text(text)).await?;
                match self.global.json {
                    true => self.tell(&answer)?,
                    false => out::print(&replay::in_words(&serde_json::from_value(answer)?))?,
                }
                Ok(End::Done)
            }
            CanvasVerb::Publish(args) => {
                for canvas in &args.canvases {
                    self.publish(&args, canvas).await?;
                }
                Ok(End::Done)
            }
            CanvasVerb::Forecast(args) => {
                let text = Sent::Text(self.text_of(&args.canvas).await?);
                let answer = self.server.ask(Method::POST, "/canvases/forecast", text).await;
                let answer = answer.map_err(|error| in_file(error, &args.canvas))?;
                forecast::tell(self.global, &serde_json::from_value(answer)?)
            }
            CanvasVerb::Pause { canvas } => self.stands(&canvas, "pause", CanvasState::Paused, json!({})).await,
            CanvasVerb::Resume { canvas } => self.stands(&canvas, "resume", CanvasState::Live, json!({})).await,
            CanvasVerb::Stop { canvas, now } => {
                if now {
                    ask::confirm(self.global, &format!("everyone inside {canvas} leaves at once"))?;
                }
                let is = if now { CanvasState::Stopped } else { CanvasState::Closed };
                self.stands(&canvas, "stop", is, json!({"now": now})).await
            }
            CanvasVerb::LetOut { canvas, profile } => {
                self.post(&format!("/canvases/{}/exits", part(&canvas)), json!({"external_ids": profile})).await
            }
            CanvasVerb::Cap(args) => self.cap(&args).await,
            CanvasVerb::Save { canvas } => {
                let text = files::text(&canvas)?;
                let id = versions::id_of(&canvas, &text)?;
                let path = format!("/canvases/{}/draft", part(&id));
                let kept = self.server.ask(Method::PUT, &path, Sent::Text(text)).await?;
                versions::tell_saved(self.global, &id, &kept)
            }
            CanvasVerb::List { archived } => {
                let path = format!("/canvases?archived={archived}");
                versions::tell_list(self.global, &self.server.ask(Method::GET, &path, Sent::Nothing).await?)
            }
            CanvasVerb::Show { canvas, version, draft } => {
                let path = match (draft, version) {
                    (true, _) => "/draft".to_owned(),
                    (false, Some(version)) => format!("/versions/{version}"),
                    (false, None) => String::new(),
                };
                let path = format!("/canvases/{}{path}", part(&canvas));
                let answer = self.server.ask(Method::GET, &path, Sent::Nothing).await?;
                match self.global.json {
                    true => self.tell(&answer)?,
                    false => out::print(answer["text"].as_str().unwrap_or_default())?,
                }
                Ok(End::Done)
            }
            CanvasVerb::Numbers { canvas, version } => self.numbers(&canvas, version).await,
            CanvasVerb::History { canvas } => {
                let path = format!("/canvases/{}/versions", part(&canvas));
                versions::tell_versions(self.global, &self.server.ask(Method::GET, &path, Sent::Nothing).await?)
            }
            CanvasVerb::Restore { canvas, version } => {
                let path = format!("/canvases/{}/versions/{version}/restore", part(&canvas));
                self.ask(Method::POST, &path, Sent::Nothing).await
            }
            CanvasVerb::Diff(args) => {
                let to = args.to.as_deref().map(versions::side).transpose()?;
                if let Some(Side::Text { name, text }) = &to {
                    return self.diff_with_file(&args, (name.as_str(), text.as_str())).await;
                }
                let side = |name: &str, side: &Option<Side>| match side {
                    Some(Side::Version(number)) => format!("&{name}={number}"),
                    Some(Side::Draft) => format!("&{name}=draft"),
                    Some(Side::Text { .. }) | None => String::new(),
                };
                let sides = [side("from", &args.from), side("to", &to)].concat();
                let path = format!("/canvases/{}/diff?{}", part(&args.canvas), sides.trim_start_matches('&'));
                let answer = self.server.ask(Method::GET, &path, Sent::Nothing).await?;
                match self.global.json {
                    true => self.tell(&answer)?,
                    false => {
                        let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
                        let changes = answer["changes"].as_array().into_iter().flatten();
                        let changes = changes.filter_map(|change| change.as_str().map(str::to_owned)).collect();
                        let (from, to, unified) = (text("from"), text("to"), text("unified"));
                        out::print(&versions::in_words(&CanvasDiff { from, to, changes, unified }))?;
                    }
                }
                Ok(End::Done)
            }
            CanvasVerb::Archive { canvas } => {
                self.post(&format!("/canvases/{}/archive", part(&canvas)), json!({})).await
            }
            CanvasVerb::Preview(args) => {
                let at = args.at.as_deref().map(preview::instant).transpose()?;
                let anything = args.happens.iter().any(|name| name == Happens::ANYTHING);
                let happens = if anything { json!(true) } else { json!(args.happens) };
                let wanted = json!({"canvas": self.text_of(&args.canvas).await?, "profile": args.profile, "at": at,
                    "happens": happens, "refused": args.refused});
                let answer = self.server.ask(Method::POST, "/canvases/preview", Sent::Json(wanted)).await;
                preview::tell(self.global, &answer.map_err(|error| in_file(error, &args.canvas))?)?;
                Ok(End::Done)
            }
            // Done here already: they are about files alone.
            CanvasVerb::New(_) | CanvasVerb::Fmt { .. } | CanvasVerb::Schema { .. } => Err(not_there("this command")),
        }
    }

    /// Shows the check before, asks what becomes of people inside, then publishes.
    async fn publish(&self, args: &PublishArgs, canvas: &Path) -> anyhow::Result<()> {
        let text = self.text_of(canvas).await?;
        let ask = async |path: &str| {
            let answer = self.server.ask(Method::POST, path, Sent::Text(text.clone())).await;
            answer.map_err(|error| in_file(error, canvas))
        };
        if !args.no_check && !self.global.quiet {
            match ask("/canvases/forecast").await {
                Ok(answer) => eprint!("{}", forecast::in_short(&serde_json::from_value(answer)?)),
                // Whoever may publish need not be allowed to count people; what else is wrong, publishing tells.
                Err(_) => eprintln!("note: the check before a launch could not be made with this key"),
            }
        }
        let plan: MovePlan = serde_json::from_value(ask("/canvases/move-plan").await?)?;
        let moves = publish::they_move(self.global, args, &plan)?;
        let live = ask(&format!("/canvases?move={moves}")).await?;
        if self.global.json {
            return self.tell(&live);
        }
        if !self.global.quiet {
            eprintln!("{} is live, version {}", plan.canvas, live["version"]);
        }
        if moves && !self.global.quiet {
            let moving = out::people(live["moves"].as_u64().unwrap_or_default());
            eprintln!("{moving} inside go on in the new version, which the host does by itself");
        }
        Ok(())
    }

    async fn numbers(&self, canvas: &str, version: Option<u32>) -> anyhow::Result<End> {
        let path = format!("/canvases/{}", part(canvas));
        let answer = self.server.ask(Method::GET, &format!("{path}/numbers"), Sent::Nothing).await?;
        let shown = numbers::shown(canvas, serde_json::from_value(answer)?, version)?;
        if self.global.json {
            self.tell(&json!(shown))?;
            return Ok(End::Done);
        }
        let mut told = Vec::with_capacity(shown.len());
        for numbers in shown {
            let text = self.text_at(&format!("{path}/versions/{}", numbers.version)).await?;
            told.push((Arc::new(read_canvas(canvas, &text)?.value), numbers));
        }
        numbers::tell(&told)
    }

    /// Changes how a canvas stands, and says so as on a store.
    async fn stands(&self, canvas: &str, verb: &str, is: CanvasState, wanted: Value) -> anyhow::Result<End> {
        let path = format!("/canvases/{}/{verb}", part(canvas));
        let answer = self.server.ask(Method::POST, &path, Sent::Json(wanted)).await?;
        state::tell_answer(self.global, canvas, is, &answer)
    }

    /// The text of a file, or of the draft of this name.
    async fn text_of(&self, canvas: &Path) -> anyhow::Result<String> {
        match (canvas.exists(), canvas.to_str()) {
            (false, Some(id)) if !crate::bundle::is_path(id) => {
                self.text_at(&format!("/canvases/{}/draft", part(id))).await
            }
            _ => Ok(files::text(canvas)?),
        }
    }

    async fn text_at(&self, path: &str) -> anyhow::Result<String> {
        let answer = self.server.ask(Method::GET, path, Sent::Nothing).await?;
        Ok(answer["text"].as_str().unwrap_or_default().to_owned())
    }

    /// Compares what the host has with a file of this machine.
    async fn diff_with_file(&self, args: &DiffArgs, (to, after): (&str, &str)) -> anyhow::Result<End> {
        let canvas = format!("/canvases/{}", part(&args.canvas));
        let (from, path) = match &args.from {
            Some(Side::Version(number)) => (format!("version {number}"), format!("{canvas}/versions/{number}")),
            Some(Side::Draft) => ("draft".to_owned(), format!("{canvas}/draft")),
            Some(Side::Text { .. }) | None => ("the newest version".to_owned(), canvas),
        };
        let before = self.text_at(&path).await?;
        let (changes, unified) = difference((&from, &before), (to, after));
        let found = CanvasDiff { from, to: to.to_owned(), changes, unified };
        match self.global.json {
            true => self.tell(&json!(found))?,
            false => out::print(&versions::in_words(&found))?,
        }
        Ok(End::Done)
    }

    async fn cap(&self, args: &CapArgs) -> anyhow::Result<End> {
        let path = format!("/canvases/{}", part(&args.canvas));
        let known = self.server.ask(Method::GET, &path, Sent::Nothing).await?["caps"].clone();
        let caps_of = |known: &Value| {
            let of = |name: &str| known[name].as_u64();
            Caps { in_all: of("total"), a_day: of("day"), a_run: of("run") }
        };
        if !args.changes() {
            return cap::tell(self.global, &args.canvas, caps_of(&known));
        }
        let before = if args.off { json!({}) } else { known };
        let of = |name: &str, new: Option<u64>| new.map_or_else(|| before[name].clone(), Value::from);
        let caps = json!({"total": of("total", args.total), "day": of("day", args.day), "run": of("run", args.run)});
        self.server.ask(Method::PUT, &format!("{path}/caps"), Sent::Json(caps.clone())).await?;
        cap::tell(self.global, &args.canvas, caps_of(&caps))
    }
}
