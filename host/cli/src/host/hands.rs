//! A runner on the store that is there already, for verbs that change something: with connections where a file leads to
//! them, so that what is queued is sent at once.
use super::lab::{self, LabHome};
use super::ready::neighbours;
use super::{Host, connections_in_use, safe};
use crate::args::{DeliveryArgs, Global};
use crate::check::{self, Secrets};
use crate::config;
use crate::fail::End;
use crate::registry::{Shelf, loads};
use crate::{files, out, stop, stores};
use caravan_connectors::LoadedComponent;
use caravan_model::port::SystemClock;
use caravan_runner::DeliverOptions;
use caravan_runner::control::Acting;
use caravan_runner::{RunEnd, Runner, RunnerOptions};
use caravan_store::{Sqlite, Store};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;

/// Components by the connections that use them.
type Components = BTreeMap<String, Arc<LoadedComponent>>;

/// The hands.
pub struct Hands {
    runner: Runner<Sqlite>,
    host: Arc<Host>,
    loaded: Components,
    store: PathBuf,
    /// The connections in use, or why there are none.
    reach: Result<PathBuf, String>,
    delivery: Option<DeliveryArgs>,
    // A lab of this process ends with it.
    _lab: Option<LabHome>,
}

/// What became of what was queued.
#[derive(Debug)]
pub enum Sent {
    /// It was sent, as far as the partner took it.
    Now(RunEnd),
    /// It waits: why, and what sends it.
    Later {
        /// Why it was not sent.
        why: String,
        /// The command that sends it.
        command: String,
    },
}

impl Hands {
    /// Opens the store of this command, does something with it, and gives the store back however that ends.
    ///
    /// # Errors
    /// The store is not there or in use; a named connections file that cannot be used; whatever `work` says.
    pub async fn with<T>(
        global: &Global,
        delivery: Option<&DeliveryArgs>,
        work: impl AsyncFnOnce(&Hands) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        Hands::at(global, stores::existing(global)?, delivery, work).await
    }

    /// The same with a store that is made if the named one is not there.
    ///
    /// # Errors
    /// As [`Hands::with`].
    pub async fn making<T>(
        global: &Global,
        delivery: Option<&DeliveryArgs>,
        work: impl AsyncFnOnce(&Hands) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let path = stores::named(global)?.map_or_else(|| stores::existing(global), Ok)?;
        Hands::at(global, path, delivery, work).await
    }

    async fn at<T>(
        global: &Global,
        path: PathBuf,
        delivery: Option<&DeliveryArgs>,
        work: impl AsyncFnOnce(&Hands) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let hands = Hands::open(global, path, delivery).await?;
        let done = match loads::note(&hands.acting(), &hands.loaded).await {
            Ok(()) => work(&hands).await,
            Err(error) => Err(error),
        };
        let noted = hands.host.note_denials(&hands.runner).await;
        let closed = hands.runner.close().await;
        let done = done?;
        noted?;
        closed?;
        Ok(done)
    }

    async fn open(global: &Global, path: PathBuf, delivery: Option<&DeliveryArgs>) -> anyhow::Result<Hands> {
        let store = Sqlite::open(&path, stores::options(global))?;
        let (mut host, mut lab, mut loaded) = (Host::none(), None, Components::new());
        let mut reach = Err("this command sends nothing".to_owned());
        if let Some(delivery) = delivery {
            let named = delivery.connections.as_deref();
            match connect(&store, named, delivery.lab.as_deref()).await {
                Ok(Some((bound, home, file, used))) => (host, lab, reach, loaded) = (bound, home, Ok(file), used),
                Ok(None) => reach = Err("no connections are named, and there is no connections.yaml here".to_owned()),
                Err(error) if named.is_some() => return Err(error),
                // Nobody named the file: what can be queued is queued all the same.
                Err(error) => reach = Err(format!("{} cannot be used: {error}", files::CONNECTIONS)),
            }
        }
        let options = match reach {
            Ok(_) => host.options(&store).await?,
            Err(_) => RunnerOptions { workspace_zone: config::zone_of(store.workspace()), ..RunnerOptions::default() },
        };
        let host = Arc::new(host);
        let neighbours = neighbours(store.workspace())?;
        let runner = Runner::new(store, host.clone(), Arc::new(SystemClock), options);
        runner.meet(Arc::new(neighbours));
        Ok(Hands { runner, host, loaded, store: path, reach, delivery: delivery.cloned(), _lab: lab })
    }

    /// The runner.
    pub fn runner(&self) -> &Runner<Sqlite> {
        &self.runner
    }

    /// The runner in the hands of whoever types this: what is done is noted.
    pub fn acting(&self) -> Acting<'_, Sqlite> {
        self.runner.acting(actor())
    }

    /// The store.
    pub fn store(&self) -> &Sqlite {
        self.runner.store()
    }

    /// Why partners cannot be reached; `None` where they can.
    pub fn out_of_reach(&self) -> Option<&str> {
        self.reach.as_ref().err().map(String::as_str)
    }

    /// Sends what is queued, or says what will.
    ///
    /// # Errors
    /// What the runner says.
    pub async fn deliver(&self, global: &Global) -> anyhow::Result<Sent> {
        if let Err(why) = &self.reach {
            return Ok(Sent::Later { why: why.clone(), command: self.command() });
        }
        let wait = self.delivery.as_ref().map(|delivery| delivery.wait.into()).unwrap_or_default();
        let (tell, _) = watch::channel(caravan_runner::Progress::default());
        let cancel = stop::listen(global.quiet);
        let options = DeliverOptions { wait };
        Ok(Sent::Now(self.runner.deliver(options, tell, cancel).await?))
    }

    /// The command that sends what is queued.
    pub fn command(&self) -> String {
        let connections = match &self.reach {
            Ok(file) => file.as_path(),
            Err(_) => Path::new(files::CONNECTIONS),
        };
        let word = |path: &Path| out::quoted(&path.display().to_string());
        format!("{} queue deliver --store {} --connections {}", out::called(), word(&self.store), word(connections))
    }
}

/// Who types this, as the system knows them: by the user that this process belongs to, which no variable changes.
#[cfg(unix)]
pub fn who() -> String {
    let uid = uzers::get_current_uid();
    let known = uzers::get_user_by_uid(uid);
    known.map_or_else(|| format!("uid-{uid}"), |user| user.name().to_string_lossy().into_owned())
}

/// Who types this, as the session says.
#[cfg(not(unix))]
pub fn who() -> String {
    std::env::var("USERNAME").ok().filter(|name| !name.is_empty()).unwrap_or_else(|| "somebody".to_owned())
}

/// The same, as the audit chain names them.
pub fn actor() -> String {
    format!("cli:{}", who())
}

/// The connections of the store's queues and audiences, bound; `None` where no file is named and none lies here.
async fn connect(
    store: &Sqlite,
    named: Option<&Path>,
    lab_url: Option<&str>,
) -> anyhow::Result<Option<(Host, Option<LabHome>, PathBuf, Components)>> {
    let file = named.unwrap_or(Path::new(files::CONNECTIONS));
    let shelf = Shelf::of(store).await?;
    if named.is_none() && !file.exists() && shelf.kept().is_empty() {
        return Ok(None);
    }
    let audiences = store.audiences().await?;
    let checked = check::connections(file, &connections_in_use(store).await?, Secrets::Ask, &shelf)?;
    let lab = lab::of_connections(&checked.connections.value, checked.components.keys(), lab_url).await?;
    let host =
        Host::bind(&checked.connections, &checked.components, &checked.grants, lab.as_ref(), Some(safe::of(store)))?;
    if let Some(lab) = &lab {
        lab.adopt_all(&audiences);
    }
    Ok(Some((host, lab, file.to_owned(), checked.components)))
}

impl Sent {
    /// How the command ends: what waits needs a person, or another command.
    pub fn end(&self) -> End {
        match self {
            Sent::Now(RunEnd::Done(_)) => End::Done,
            Sent::Now(RunEnd::Waits(..)) | Sent::Later { .. } => End::NeedsYou,
            Sent::Now(RunEnd::Interrupted(_)) => End::Interrupted,
        }
    }

    /// For people.
    pub fn in_words(&self) -> String {
        let end = match self {
            Sent::Later { why, command } => {
                return format!("Queued, not sent: {why}.\n  to send it: {command}\n");
            }
            Sent::Now(end) => end,
        };
        let lanes = &end.totals().progress.lanes;
        let settled: u64 = lanes.iter().map(|lane| lane.settled).sum();
        let calls: u64 = lanes.iter().map(|lane| lane.calls).sum();
        let mut text = match (settled, calls) {
            (0, _) if end.totals().progress.advanced > 0 => {
                let n = end.totals().progress.advanced;
                format!(
                    "Worked off: {}.\n",
                    out::plural(n, "wait or call of an endpoint", "waits and calls of endpoints")
                )
            }
            (0, _) => "Nothing was settled.\n".to_owned(),
            (settled, calls) => format!(
                "Delivered: {} ended with {}.\n",
                out::plural(settled, "operation", "operations"),
                out::plural(calls, "call", "calls")
            ),
        };
        if let RunEnd::Waits(lines, _) = end {
            text.push_str("Still waiting\n");
            for line in lines {
                let until = line
                    .until
                    .map_or_else(|| "until someone acts".to_owned(), |until| format!("until {}", out::instant(until)));
                text.push_str(&format!("  {} {until}: {}\n", out::count(line.n), line.what));
            }
        }
        if matches!(end, RunEnd::Interrupted(_)) {
            text.push_str("Interrupted; everything is kept. To go on: the same command again.\n");
        }
        text
    }

    /// For programs.
    pub fn as_json(&self) -> Value {
        let end = match self {
            Sent::Later { why, command } => return json!({"sent": false, "why": why, "command": command}),
            Sent::Now(end) => end,
        };
        let (word, lines) = match end {
            RunEnd::Done(_) => ("done", &[][..]),
            RunEnd::Waits(lines, _) => ("waits", lines.as_slice()),
            RunEnd::Interrupted(_) => ("interrupted", &[][..]),
        };
        let lanes = &end.totals().progress.lanes;
        let waits: Vec<Value> =
            lines.iter().map(|line| json!({"what": line.what, "n": line.n, "until": line.until})).collect();
        json!({"sent": true, "end": word, "settled": lanes.iter().map(|lane| lane.settled).sum::<u64>(),
            "calls": lanes.iter().map(|lane| lane.calls).sum::<u64>(), "waits": waits})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use caravan_model::Millis;
    use caravan_runner::{Totals, WaitLine};

    #[test]
    fn what_was_not_sent_says_which_command_sends_it() {
        let later = Sent::Later { why: "nobody is there".into(), command: "caravan queue deliver".into() };
        assert_eq!(later.end(), End::NeedsYou);
        assert_eq!(later.in_words(), "Queued, not sent: nobody is there.\n  to send it: caravan queue deliver\n");
        assert_eq!(later.as_json()["sent"], false);
    }

    #[test]
    fn what_waits_is_listed_and_needs_a_person() {
        let line = WaitLine { what: "queue of audience 7".into(), n: 1_200, until: Some(Millis(0)) };
        let waits = Sent::Now(RunEnd::Waits(vec![line], Totals::default()));
        assert_eq!(waits.end(), End::NeedsYou);
        let words = waits.in_words();
        assert!(words.contains("1,200 until 1970-01-01 00:00:00Z: queue of audience 7"), "{words}");
        assert_eq!((&waits.as_json()["end"], &waits.as_json()["waits"][0]["n"]), (&json!("waits"), &json!(1_200)));
        let done = Sent::Now(RunEnd::Done(Totals::default()));
        assert_eq!((done.end(), done.in_words().as_str()), (End::Done, "Nothing was settled.\n"));
        assert_eq!(Sent::Now(RunEnd::Interrupted(Totals::default())).end(), End::Interrupted);
    }
}
