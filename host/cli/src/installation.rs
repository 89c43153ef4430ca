//! The workspaces of an installation, as far as they share something: the slots of partners. The workspace `default`, or
//! without one of that name the first by name, keeps them; the others' policies say the same, so that each store stands by
//! itself.
use crate::args::Global;
use crate::host::Host;
use crate::policies::{self, PolicyFile};
use crate::{config, stores};
use caravan_api::bench::{SlotUse, SlotsView};
use caravan_journey::entitlements::with_entitlements;
use caravan_model::policy::{Entitlements, SlotChange};
use caravan_model::port::SystemClock;
use caravan_model::{Code, Policy, Problem};
use caravan_runner::{Runner, RunnerOptions, policy_of};
use caravan_store::{OpenOptions, Sqlite, Store as _};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// The workspaces.
pub struct Installation {
    /// The one that keeps the slots first.
    places: Vec<Arc<Runner<Sqlite>>>,
}

impl Installation {
    /// Of the runners of a host that serves.
    pub fn of(runners: impl Iterator<Item = Arc<Runner<Sqlite>>>) -> Installation {
        let mut places: Vec<_> = runners.collect();
        places.sort_by_key(|place| (name_of(place) != stores::FIRST, name_of(place).to_owned()));
        Installation { places }
    }

    /// Of a command: the store that it names, else the stores of the configuration that are there.
    ///
    /// # Errors
    /// There is none, or one cannot be opened: a host may own it.
    pub fn open(global: &Global, for_writing: bool) -> anyhow::Result<Installation> {
        let configured = &config::current().workspaces;
        let named: Vec<(Option<String>, PathBuf)> = if global.store.is_some() || configured.is_empty() {
            vec![((global.workspace != stores::FIRST).then(|| global.workspace.clone()), stores::existing(global)?)]
        } else {
            let there = configured.iter().filter(|(_, own)| own.store.exists());
            there.map(|(name, own)| (Some(name.clone()), own.store.clone())).collect()
        };
        let mut runners = Vec::with_capacity(named.len());
        for (workspace, path) in named {
            let store = match for_writing {
                true => Sqlite::open(path, OpenOptions { workspace, ..OpenOptions::default() })?,
                false => Sqlite::open_read_only(path)?,
            };
            let options = RunnerOptions::default();
            runners.push(Arc::new(Runner::new(store, Arc::new(Host::none()), Arc::new(SystemClock), options)));
        }
        if runners.is_empty() {
            return Err(Problem::new(Code::UnreadableFile, "no workspace of the configuration has a store yet")
                .cure("the first command that writes makes one")
                .into());
        }
        Ok(Installation::of(runners.into_iter()))
    }

    /// Gives the stores back.
    ///
    /// # Errors
    /// What a store says.
    pub async fn close(self) -> anyhow::Result<()> {
        for place in self.places {
            if let Ok(runner) = Arc::try_unwrap(place) {
                runner.close().await?;
            }
        }
        Ok(())
    }

    /// The workspace that keeps the slots.
    pub fn keeper(&self) -> &str {
        self.places.first().map_or(stores::FIRST, |place| name_of(place))
    }

    /// How the slots stand.
    ///
    /// # Errors
    /// A store cannot be read.
    pub async fn view(&self) -> anyhow::Result<SlotsView> {
        let known = self.known().await?;
        let mut queues: BTreeMap<String, SlotUse> = BTreeMap::new();
        for place in &self.places {
            for lane in place.store().lanes().await? {
                let named = queues.entry(lane.key.connector.clone()).or_default();
                named.queues += 1;
                named.waiting += lane.waiting;
            }
        }
        let said = known.clone().unwrap_or_default();
        for name in said.used().iter().chain(&said.free) {
            queues.entry(name.clone()).or_default();
        }
        let mut partners: Vec<SlotUse> = Vec::with_capacity(queues.len());
        for (partner, counts) in queues {
            let state = match &known {
                None => "allowed",
                Some(_) if said.free.contains(&partner) => "free",
                Some(_) if said.allows(&partner) => "slot",
                Some(_) => "not entitled",
            };
            partners.push(SlotUse { partner, state: state.to_owned(), ..counts });
        }
        Ok(SlotsView {
            workspace: self.keeper().to_owned(),
            limited: known.is_some(),
            purchases: said.purchases,
            bought: said.bought() as u64,
            left: said.left() as u64,
            partners,
            kept: None,
            refuses: Value::Array(Vec::new()),
        })
    }

    /// Changes slots in the workspace `at`, in somebody's name, and in all others with it. Where live canvases would be refused
    /// by it, nothing is changed unless `anyway` is said.
    ///
    /// # Errors
    /// CV058 where there is no such slot, or `at` is not the workspace that keeps them; what a store says.
    pub async fn change(&self, at: &str, who: &str, change: &SlotChange, anyway: bool) -> anyhow::Result<SlotsView> {
        if at != self.keeper() {
            return Err(self.elsewhere().into());
        }
        let known = self.known().await?;
        let after = change.applied(known.as_ref())?;
        let refuses = match change {
            // Whoever gets a slot takes nothing from anybody.
            SlotChange::Add(_) if known.is_some() => Vec::new(),
            _ => self.refused_by(&after).await?,
        };
        let kept = anyway || refuses.is_empty();
        if kept {
            let Some(place) = self.places.first() else { return Err(self.elsewhere().into()) };
            write(place, who, (change.verb(), &change.object()), Some(&after)).await?;
            self.spread(who).await?;
        }
        Ok(SlotsView { kept: Some(kept), refuses: Value::Array(refuses), ..self.view().await? })
    }

    /// Whether a workspace may have a policy with these entitlements.
    ///
    /// # Errors
    /// CV058 where another workspace keeps them, and they differ.
    pub async fn may_say(&self, at: &str, policy: &Policy) -> anyhow::Result<()> {
        match self.known().await? {
            Some(known) if at != self.keeper() && policy.entitlements.as_ref() != Some(&known) => {
                Err(self.elsewhere().into())
            }
            _ => Ok(()),
        }
    }

    /// Has the other workspaces say what the first one says now, also that nothing is limited any more.
    ///
    /// # Errors
    /// What a store says.
    pub async fn spread(&self, who: &str) -> anyhow::Result<()> {
        let known = self.known().await?;
        for other in self.places.iter().skip(1) {
            if policy_of(other.store()).await?.entitlements != known {
                write(other, who, ("policy.set", "policy"), known.as_ref()).await?;
            }
        }
        Ok(())
    }

    /// The same when a host begins, where the first workspace limits partners at all.
    ///
    /// # Errors
    /// What a store says.
    pub async fn settle(&self) -> anyhow::Result<()> {
        match self.known().await? {
            Some(_) => self.spread("host").await,
            None => Ok(()),
        }
    }

    async fn known(&self) -> anyhow::Result<Option<Entitlements>> {
        match self.places.first() {
            Some(place) => Ok(policy_of(place.store()).await?.entitlements),
            None => Ok(None),
        }
    }

    /// Live canvases of all workspaces whose partners would have no slot. What connections map says nothing of that.
    async fn refused_by(&self, after: &Entitlements) -> anyhow::Result<Vec<Value>> {
        let policy = Policy { entitlements: Some(after.clone()), ..Policy::default() };
        let mut refuses = Vec::new();
        for place in &self.places {
            for (canvas, problems) in policies::refusals(place.store(), &policy, &|_| None).await?.refused {
                refuses.push(json!({"workspace": name_of(place), "canvas": canvas, "problems": problems}));
            }
        }
        Ok(refuses)
    }

    fn elsewhere(&self) -> Problem {
        let keeper = self.keeper();
        let words = format!("the slots are the installation's, and the workspace `{keeper}` keeps them");
        Problem::new(Code::NoSlot, words).cure(format!("change them there: --workspace {keeper}, or with a key of it"))
    }
}

fn name_of(place: &Runner<Sqlite>) -> &str {
    place.store().workspace()
}

/// Writes entitlements into a workspace's policy.
async fn write(
    place: &Runner<Sqlite>,
    who: &str,
    (verb, object): (&str, &str),
    entitlements: Option<&Entitlements>,
) -> anyhow::Result<()> {
    let text = with_entitlements(&policies::text_of(place.store()).await?, entitlements)?;
    let file: PolicyFile = policies::read_text("the policy", text)?;
    let said = entitlements.map(|said| json!({"purchases": said.purchases, "slots": said.slots, "free": said.free}));
    let details = json!({"sha256": file.digest(), "entitlements": said});
    place.acting(who.to_owned()).put(vec![file.document()], verb, object, details).await?;
    place.refresh();
    Ok(())
}
