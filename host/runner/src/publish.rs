//! Publishing: each audience of a canvas gets the partner's id, once, and the version goes live (design, 1 and 11.2).
use crate::chance::Chance;
use crate::control::{CanvasState, Order, lists_of, states};
use crate::crowds::segments_of;
use crate::error::problem_of;
use crate::making;
use crate::neighbours::taken;
use crate::policy::policy_of;
use crate::route::{lane_key, lane_spec, registered_name};
use crate::runner::Runner;
use crate::shared::{Plug, plug_of};
use caravan_journey::document::Document;
use caravan_journey::plan::CompiledCanvas;
use caravan_journey::retry::backoff;
use caravan_journey::segments::unknown_groups;
use caravan_journey::validate::{denied_uses, unknown_endpoints};
use caravan_model::canvas::{AudienceSpec, IfMissing};
use caravan_model::port::{Answer, Ask, AudienceInfo, CallContext};
use caravan_model::{Canvas, Code, Connections, Fault, Problem};
use caravan_store::{Audience, Lease, Store, Version, to_be_made};
use std::collections::HashMap;
use std::time::Duration;

/// Most pages of a partner's list that are read in search of a name.
const MOST_PAGES: usize = 1_000;

/// What publishing knows of one audience of a canvas.
pub(crate) struct Wanted<'a> {
    /// The name in the canvas.
    pub name: &'a str,
    /// Its registered name.
    pub registered: String,
    pub spec: &'a AudienceSpec,
    /// The partner's account id.
    pub account: String,
    pub plug: Plug,
    /// The key group of the first step that uses it.
    pub group: String,
}

/// A marker that no other audience has.
pub(crate) fn fresh_marker(chance: &Chance) -> String {
    format!("caravan-{:016x}{:016x}", chance.draw(), chance.draw())
}

impl<S: Store> Runner<S> {
    /// Makes a canvas live: checks its match keys with the connectors and its uses of data with the policy, gives each audience the partner's id (bound
    /// already, given, found by its exact name, or made), and stores the version. Repeating it changes nothing.
    ///
    /// An audience is made once: our marker is stored before the partner is asked, and looked for there first.
    ///
    /// # Errors
    /// A connection, account or audience that is not there (CV024 to CV026, CV080), match keys that the connector does
    /// not take (CV020, CV021), a segment or list that is not there (CV028), an endpoint that is not (CV031), a use of data that the workspace's policy denies (CV027), a partner that refuses.
    pub async fn publish(&self, canvas: Canvas, connections: &Connections) -> crate::Result<Version> {
        self.publish_under(&mut self.unordered().await?, canvas, connections).await
    }

    pub(crate) async fn publish_under(
        &self,
        order: &mut Order,
        canvas: Canvas,
        connections: &Connections,
    ) -> crate::Result<Version> {
        let lease = order.lease();
        let plan = CompiledCanvas::new(&canvas)?;
        let mut plugs: HashMap<String, Plug> = HashMap::new();
        let mut groups: HashMap<&str, String> = HashMap::new();
        for (index, sync) in plan.syncs() {
            let Some(name) = plan.audience(sync.audience) else { continue };
            let Some(spec) = canvas.audiences.get(name) else { continue };
            let plug = self.plug_for(&mut plugs, &spec.connection).await?;
            let step = plan.step(index).map(|step| step.id.to_string()).unwrap_or_default();
            let path = format!("steps.{step}.audience_sync");
            if !plug.connector.manifest().actions.contains(&sync.action) {
                let words = format!("{} cannot {}", plug.connector.manifest().title, sync.action.word());
                return Err(Problem::new(Code::UnsupportedAction, words).at_path(format!("{path}.action")).into());
            }
            let plans = plug.group_plans(&sync.match_on).map_err(|problem| problem.at_path(format!("{path}.match")))?;
            let group = plans.first().map(|plan| plan.group.clone()).unwrap_or_default();
            groups.entry(name).or_insert(group);
        }
        let segments = segments_of(&self.store).await?.into_keys().collect();
        let missing = unknown_groups(&Document::without_file(canvas.clone()), &segments, &lists_of(&self.store).await?);
        if let Some(first) = missing.into_iter().next() {
            return Err(first.into());
        }
        let missing = unknown_endpoints(&Document::without_file(canvas.clone()), connections);
        if let Some(first) = missing.into_iter().next() {
            return Err(first.into());
        }
        let policy = policy_of(&self.store).await?;
        let manifest = |connection: &str| plugs.get(connection).map(|plug| plug.connector.manifest());
        let mapped = |connection: &str| plugs.get(connection).map(|plug| plug.identities.clone());
        let document = Document::without_file(canvas.clone());
        if let Some(first) = denied_uses(&document, Some(&manifest), &mapped, &policy).into_iter().next() {
            return Err(first.into());
        }
        // Of the newest version: what it says already was bound once, and may have been bound anew since.
        let versions = self.store.versions().await?;
        let before = versions.iter().rev().find(|version| version.canvas.canvas == canvas.canvas);
        let mut all = Vec::with_capacity(canvas.audiences.len());
        for (name, spec) in &canvas.audiences {
            all.push(Wanted {
                name,
                registered: registered_name(&canvas.canvas, name),
                spec,
                account: account_of(connections, spec, name)?,
                plug: self.plug_for(&mut plugs, &spec.connection).await?,
                group: groups.get(name.as_str()).cloned().unwrap_or_default(),
            });
        }
        self.have_room(&all).await?;
        for wanted in all {
            let said = before
                .and_then(|version| version.canvas.audiences.get(wanted.name))
                .and_then(|spec| spec.id.as_deref());
            let bound = self.resolve(lease, &wanted, said).await?;
            if let Some(key) = lane_key(&bound) {
                // The first people of an audience that is to be made go in one call.
                let stripes = match key.marker_to_be_made() {
                    None => wanted.plug.connector.manifest().batch.parallel_per_audience,
                    Some(_) => 1,
                };
                self.store.lane(lease, lane_spec(&bound, key, stripes)).await?;
            }
        }
        self.note_labs(lease, canvas.audiences.values().map(|spec| spec.connection.as_str())).await?;
        let version = self.store.publish(order.warrant(), canvas, self.clock.now()).await?;
        if states(&self.store).await?.of(version.canvas.canvas.as_str()) == CanvasState::Archived {
            self.put_state(lease, version.canvas.canvas.as_str(), CanvasState::Live, "").await?;
        }
        self.refresh();
        Ok(version)
    }

    pub(crate) async fn plug_for(&self, plugs: &mut HashMap<String, Plug>, connection: &str) -> crate::Result<Plug> {
        if let Some(plug) = plugs.get(connection) {
            return Ok(plug.clone());
        }
        let (connectors, name) = (self.connectors.clone(), connection.to_owned());
        let plug = self.chance.aside(move || plug_of(&*connectors, &name)).await??;
        plugs.insert(connection.to_owned(), plug.clone());
        Ok(plug)
    }

    /// The bound audience. `said` is the id that the version before named.
    async fn resolve(&self, lease: Lease, wanted: &Wanted<'_>, said: Option<&str>) -> crate::Result<Audience> {
        let known = self.store.audience(&wanted.registered).await?.filter(|known| {
            known.connection == wanted.spec.connection
                && known.connector == wanted.plug.connector.manifest().name
                && known.account == wanted.account
                && (wanted.spec.id.is_none() || wanted.spec.id == known.partner_id || wanted.spec.id.as_deref() == said)
        });
        match known {
            Some(known) if known.partner_id.is_some() => return Ok(known),
            // Its marker is stored: an earlier publish may have got as far as the partner.
            Some(known) if wanted.spec.id.is_none() || wanted.spec.id.as_deref() == said => {
                return self.create(lease, wanted, known).await;
            }
            Some(_) | None => {}
        }
        let mut audience = Audience {
            name: wanted.registered.clone(),
            connection: wanted.spec.connection.clone(),
            connector: wanted.plug.connector.manifest().name.clone(),
            account: wanted.account.clone(),
            partner_id: None,
            parts: Vec::new(),
            marker: fresh_marker(&self.chance),
            made_by_us: false,
        };
        if let Some(id) = &wanted.spec.id {
            audience.partner_id = Some(id.clone());
            self.only_ours(&audience, wanted.name).await?;
            audience.made_by_us = self.made_by_us(&audience).await?;
            self.store.bind(lease, audience.clone()).await?;
            return Ok(audience);
        }
        let named = self.named(wanted).await?;
        let path = format!("audiences.{}", wanted.name);
        let at_partner = partner_name(wanted);
        let usable: Vec<&AudienceInfo> = named.iter().filter(|info| info.unusable.is_none()).collect();
        match usable.as_slice() {
            [one] => {
                audience.partner_id = Some(one.id.clone());
                self.only_ours(&audience, wanted.name).await?;
                audience.made_by_us = self.made_by_us(&audience).await?;
                self.store.bind(lease, audience.clone()).await?;
                Ok(audience)
            }
            [_, _, ..] => {
                let ids: Vec<&str> = usable.iter().map(|info| info.id.as_str()).collect();
                let words = format!("there are {} audiences named `{at_partner}`: {}", ids.len(), ids.join(", "));
                Err(Problem::new(Code::AudienceMissing, words).at_path(path).cure("say which by `id`").into())
            }
            [] if wanted.spec.if_missing != IfMissing::Fail => {
                self.store.bind(lease, audience.clone()).await?;
                self.create(lease, wanted, audience).await
            }
            [] => {
                let why = named.first().and_then(|info| info.unusable.as_deref());
                let words = match why {
                    Some(why) => format!("the audience `{at_partner}` cannot be written: {why}"),
                    None => format!("there is no audience `{at_partner}` in account {}", wanted.account),
                };
                let cure = "make it at the partner, give its `id`, or write `if_missing: create`";
                Err(Problem::new(Code::AudienceMissing, words).at_path(path).cure(cure).into())
            }
        }
    }

    /// Refuses an audience that another workspace writes to.
    pub(crate) async fn only_ours(&self, audience: &Audience, name: &str) -> crate::Result<()> {
        let (Some(neighbours), Some(key)) = (self.neighbours.get(), lane_key(audience)) else { return Ok(()) };
        match neighbours.writes_to(&key).await? {
            Some(by) => Err(taken(&key, &by, &format!("audiences.{name}")).into()),
            None => Ok(()),
        }
    }

    /// Refuses the answer of a connector that was to make an audience and names one that is another's: with its id the
    /// connector would be let into that one from then on.
    async fn is_new(&self, audience: &Audience, name: &str) -> crate::Result<()> {
        let key = lane_key(audience);
        let all = self.store.audiences().await?;
        if let Some(other) = all.iter().find(|other| other.name != audience.name && lane_key(other) == key) {
            let id = audience.partner_id.as_deref().unwrap_or_default();
            let words = format!(
                "{} was to make an audience and answered with {id}, which `{}` of connection `{}` has",
                audience.connector, other.name, other.connection
            );
            return Err(Problem::new(Code::UnknownAudience, words)
                .at_path(format!("audiences.{name}"))
                .cure("make it at the partner and give its `id`; if this goes on, ask the connector's publisher")
                .into());
        }
        self.only_ours(audience, name).await
    }

    /// Whether a partner's audience is one that we made under another name.
    pub(crate) async fn made_by_us(&self, audience: &Audience) -> crate::Result<bool> {
        let key = lane_key(audience);
        let all = self.store.audiences().await?;
        Ok(all.iter().any(|other| other.made_by_us && lane_key(other) == key))
    }

    /// Audiences of exactly this name, and of the kind where one is asked for.
    async fn named(&self, wanted: &Wanted<'_>) -> crate::Result<Vec<AudienceInfo>> {
        let name = partner_name(wanted);
        let mut found = self.listed(wanted, name).await?;
        found.retain(|info| info.name == name && wanted.spec.kind.as_ref().is_none_or(|kind| *kind == info.kind));
        Ok(found)
    }

    /// What a partner lists of an account for a name; all audiences for an empty one.
    pub(crate) async fn listed(&self, wanted: &Wanted<'_>, query: &str) -> crate::Result<Vec<AudienceInfo>> {
        let mut found = Vec::new();
        let mut cursor = None;
        for _ in 0..MOST_PAGES {
            let ask = Ask::Audiences { account: wanted.account.clone(), query: query.to_owned(), cursor };
            let Answer::Audiences(page, next) = self.ask(wanted, ask, "list audiences").await? else {
                return Err(strange(wanted).into());
            };
            found.extend(page);
            match next {
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        Ok(found)
    }

    /// Asks the partner to make an audience whose marker is stored, and binds it. Where the partner makes none without
    /// people, its marker stands for its id until the first of them are sent ([`crate::making`]).
    pub(crate) async fn create(
        &self,
        lease: Lease,
        wanted: &Wanted<'_>,
        mut audience: Audience,
    ) -> crate::Result<Audience> {
        can_create(wanted)?;
        if wanted.plug.connector.manifest().audience.create_needs_rows {
            audience.partner_id = Some(to_be_made(&audience.marker));
            audience.parts = making::parts(partner_name(wanted));
            audience.made_by_us = true;
            self.store.bind(lease, audience.clone()).await?;
            return Ok(audience);
        }
        let ask = Ask::CreateAudience {
            account: wanted.account.clone(),
            name: partner_name(wanted).to_owned(),
            marker: audience.marker.clone(),
            group: wanted.group.clone(),
            seed: None,
        };
        let Answer::Created { audience: id, audience_parts, .. } = self.ask(wanted, ask, "make an audience").await?
        else {
            return Err(strange(wanted).into());
        };
        audience.partner_id = Some(id);
        self.is_new(&audience, wanted.name).await?;
        audience.parts = audience_parts;
        audience.made_by_us = true;
        self.store.bind(lease, audience.clone()).await?;
        Ok(audience)
    }

    /// Asks the connector; waits a while for a partner that is busy, and repeats once with fresh credentials.
    async fn ask(&self, wanted: &Wanted<'_>, ask: Ask, doing: &str) -> crate::Result<Answer> {
        let mut patience = self.options.publish_patience;
        let mut refreshed = false;
        for attempt in 1u32.. {
            let context = CallContext {
                at: self.clock.now(),
                seed: wanted.registered.clone(),
                deadline: self.options.call_deadline,
                record_bodies: false,
            };
            let fault = match wanted.plug.connector.call(context, ask.clone()).await.answer {
                Ok(answer) => return Ok(answer),
                Err(fault) => fault,
            };
            let wait = match &fault {
                Fault::Throttled { after_ms, .. }
                | Fault::Unavailable { after_ms, .. }
                | Fault::Preparing { after_ms, .. } => {
                    after_ms.unwrap_or_else(|| backoff(attempt, &self.options.retry, self.chance.draw()).0)
                }
                Fault::Unauthorized { .. } if !std::mem::replace(&mut refreshed, true) => 0,
                _ => u64::MAX,
            };
            let wait = Duration::from_millis(wait);
            if wait > patience {
                return Err(problem_of(&fault, &wanted.spec.connection, doing)
                    .at_path(format!("audiences.{}", wanted.name))
                    .into());
            }
            patience -= wait;
            tokio::time::sleep(wait).await;
        }
        Err(strange(wanted).into())
    }
}

/// The name at the partner.
pub(crate) fn partner_name<'a>(wanted: &'a Wanted<'_>) -> &'a str {
    wanted.spec.name.as_deref().unwrap_or(wanted.name)
}

/// Whether the connector can make the audience that is wanted.
pub(crate) fn can_create(wanted: &Wanted<'_>) -> Result<(), Problem> {
    let rules = &wanted.plug.connector.manifest().audience;
    let path = format!("audiences.{}", wanted.name);
    let cure = "make it there, give its `id`";
    if !rules.create {
        let words = format!("{} has no way to make an audience", wanted.plug.connector.manifest().title);
        return Err(Problem::new(Code::AudienceMissing, words).at_path(path).cure(cure));
    }
    Ok(())
}

fn strange(wanted: &Wanted<'_>) -> Problem {
    let words = format!("the connector of `{}` answered another question", wanted.spec.connection);
    Problem::new(Code::LimitBreached, words).cure("ask the connector's publisher")
}

/// The partner's id of the account that the canvas names in short.
fn account_of(connections: &Connections, spec: &AudienceSpec, name: &str) -> Result<String, Problem> {
    let path = format!("audiences.{name}");
    let connection = connections.connections.get(&spec.connection).ok_or_else(|| {
        let words = format!("there is no connection `{}`", spec.connection);
        Problem::new(Code::UnknownConnection, words).at_path(format!("{path}.connection"))
    })?;
    if connection.off.contains(&spec.account) {
        let words = format!("the account `{}` of `{}` is switched off", spec.account, spec.connection);
        let cure = "switch it on, or choose another account";
        return Err(Problem::new(Code::AccountOff, words).at_path(format!("{path}.account")).cure(cure));
    }
    connection.accounts.get(&spec.account).cloned().ok_or_else(|| {
        let known: Vec<&str> = connection.accounts.keys().map(String::as_str).collect();
        let words = format!("connection `{}` has no account `{}`", spec.connection, spec.account);
        Problem::new(Code::UnknownAccount, words)
            .at_path(format!("{path}.account"))
            .cure(format!("name one of: {}", known.join(", ")))
    })
}
