//! Canvases on a serving host.
use super::client::{Sent, part};
use super::{Remote, in_file, not_there};
use crate::args::{CanvasVerb, CapArgs};
use crate::fail::End;
use crate::verbs::canvas::versions;
use crate::{ask, files, out};
use caravan_runner::control::{CanvasDiff, Side};
use http::Method;
use serde_json::{Value, json};

impl Remote<'_> {
    pub(super) async fn canvas(&self, verb: CanvasVerb) -> anyhow::Result<End> {
        match verb {
            CanvasVerb::Validate { canvas, .. } => {
                let text = Sent::Text(files::text(&canvas)?);
                let answer = self.server.ask(Method::POST, "/canvases/check", text).await?;
                self.tell(&answer)?;
                Ok(if answer["valid"] == true { End::Done } else { End::NotDone })
            }
            CanvasVerb::Publish(args) => {
                let path = format!("/canvases?move={}", args.move_inside);
                for canvas in &args.canvases {
                    // A file, or the draft of this name.
                    let text = match (canvas.exists(), canvas.to_str()) {
                        (false, Some(id)) if !crate::bundle::is_path(id) => {
                            let draft = format!("/canvases/{}/draft", part(id));
                            let draft = self.server.ask(Method::GET, &draft, Sent::Nothing).await?;
                            draft["text"].as_str().unwrap_or_default().to_owned()
                        }
                        _ => files::text(canvas)?,
                    };
                    let answer = self.server.ask(Method::POST, &path, Sent::Text(text)).await;
                    self.tell(&answer.map_err(|error| in_file(error, canvas))?)?;
                }
                Ok(End::Done)
            }
            CanvasVerb::Forecast(args) => {
                self.ask(Method::POST, "/canvases/forecast", Sent::Text(files::text(&args.canvas)?)).await
            }
            CanvasVerb::Pause { canvas } => self.post(&format!("/canvases/{}/pause", part(&canvas)), json!({})).await,
            CanvasVerb::Resume { canvas } => self.post(&format!("/canvases/{}/resume", part(&canvas)), json!({})).await,
            CanvasVerb::Stop { canvas, now } => {
                if now {
                    ask::confirm(self.global, &format!("everyone inside {canvas} leaves at once"))?;
                }
                self.post(&format!("/canvases/{}/stop", part(&canvas)), json!({"now": now})).await
            }
            CanvasVerb::Cap(args) => self.cap(&args).await,
            CanvasVerb::Save { canvas } => {
                let text = files::text(&canvas)?;
                let id = versions::id_of(&canvas, &text)?;
                self.ask(Method::PUT, &format!("/canvases/{}/draft", part(&id)), Sent::Text(text)).await
            }
            CanvasVerb::List { archived } => self.get(&format!("/canvases?archived={archived}")).await,
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
            CanvasVerb::History { canvas } => self.get(&format!("/canvases/{}/versions", part(&canvas))).await,
            CanvasVerb::Restore { canvas, version } => {
                let path = format!("/canvases/{}/versions/{version}/restore", part(&canvas));
                self.ask(Method::POST, &path, Sent::Nothing).await
            }
            CanvasVerb::Diff(args) => {
                let side = |name: &str, side: &Option<Side>| match side {
                    Some(Side::Version(number)) => format!("&{name}={number}"),
                    Some(Side::Draft) => format!("&{name}=draft"),
                    None => String::new(),
                };
                let sides = [side("from", &args.from), side("to", &args.to)].concat();
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
            CanvasVerb::Preview(_) | CanvasVerb::Fmt { .. } | CanvasVerb::Schema { .. } => {
                Err(not_there("this command"))
            }
        }
    }

    async fn cap(&self, args: &CapArgs) -> anyhow::Result<End> {
        let path = format!("/canvases/{}", part(&args.canvas));
        let known = self.server.ask(Method::GET, &path, Sent::Nothing).await?["caps"].clone();
        if !args.changes() {
            self.tell(&known)?;
            return Ok(End::Done);
        }
        let before = if args.off { json!({}) } else { known };
        let of = |name: &str, new: Option<u64>| new.map_or_else(|| before[name].clone(), Value::from);
        let caps = json!({"total": of("total", args.total), "day": of("day", args.day), "run": of("run", args.run)});
        self.ask(Method::PUT, &format!("{path}/caps"), Sent::Json(caps)).await
    }
}
