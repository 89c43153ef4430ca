//! All about one person as people and programs read it: identifiers masked unless somebody may see them.
use super::names;
use caravan_identity::recorded;
use caravan_model::{Millis, Profile, Reason, Status, mask, reasons};
use caravan_store::{Audience, Membership, MergedAt, Origin, Receipt, Standing, Trace, Version};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The fields of a profile by the names of a users file, in the order in which people read them.
const FIELDS: [&str; 17] = [
    "aliases",
    "emails",
    "phones",
    "first_name",
    "last_name",
    "gender",
    "birth_date",
    "city",
    "state",
    "zip",
    "country",
    "idfa",
    "gaid",
    "time_zone",
    "locale",
    "ad_tracking_enabled",
    "do_not_sell_or_share",
];

/// What the names of fields begin with that tell of a consent.
const CONSENT: &str = "consent ";

/// All about one person.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Dossier {
    /// The external id.
    pub external_id: String,
    /// What is known, by the names of a users file.
    pub profile: BTreeMap<String, String>,
    /// Their way, oldest first.
    pub visits: Vec<DossierVisit>,
    /// The audiences that hold them, or may.
    pub memberships: Vec<DossierMembership>,
    /// Removals that consent or erasure owed them.
    pub receipts: Vec<DossierReceipt>,
    /// What they did: names alone.
    pub events: Vec<DossierEvent>,
    /// Profiles that went on in this one.
    pub merged: Vec<MergedAt>,
}

/// One step of a person's way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DossierVisit {
    /// When it became so.
    pub at: Millis,
    /// The canvas and its version, `win-back v2`.
    pub canvas: String,
    /// The step.
    pub step: String,
    /// The status.
    pub status: Status,
    /// Why.
    pub reason: Reason,
    /// Why, in plain words.
    pub words: String,
    /// What to do about it, where something can be done.
    pub cure: Option<String>,
    /// Until when it waits, where it does.
    pub until: Option<String>,
    /// The batch that carried it.
    pub batch: Option<String>,
}

/// What is known of a person in one audience.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DossierMembership {
    /// The audience's name.
    pub audience: String,
    /// The partner's id.
    pub id: String,
    /// The partner's account.
    pub account: String,
    /// The connector.
    pub connector: String,
    /// Where they stand.
    pub standing: Standing,
    /// Since when.
    pub since: Millis,
    /// The keys that were sent.
    pub keys: Vec<String>,
    /// The steps that asked for it.
    pub claims: Vec<DossierClaim>,
}

/// A step that asked for a member.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DossierClaim {
    /// The canvas and its version.
    pub canvas: String,
    /// The step.
    pub step: String,
    /// When it ends by itself.
    pub until: Option<Millis>,
}

/// What proves a removal that was owed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DossierReceipt {
    /// When it was asked.
    pub asked: Millis,
    /// `consent` or `erasure`.
    pub cause: Origin,
    /// The audience's name.
    pub audience: String,
    /// The partner's id.
    pub id: String,
    /// The partner's account.
    pub account: String,
    /// The connector.
    pub connector: String,
    /// How it ended.
    pub status: Status,
    /// When; nothing while it waits.
    pub done: Option<Millis>,
    /// Why.
    pub reason: Reason,
    /// The batch that carried it.
    pub batch: Option<String>,
}

/// Something that a person did.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DossierEvent {
    /// When.
    pub at: Millis,
    /// What.
    pub event: String,
}

impl Dossier {
    /// The dossier of a trace; with `reveal`, identifiers stand there in full.
    pub fn of(trace: &Trace, versions: &[Version], audiences: &[Audience], reveal: bool) -> Dossier {
        let visits = trace.visits.iter().map(|visit| {
            let (canvas, step) = names::of_step(versions, (visit.version, visit.step));
            let words = reasons::words_of(&visit.reason).into_owned();
            let cure = reasons::cure_of(&visit.reason).map(str::to_owned);
            let (until, batch) = (visit.until.clone(), visit.part.clone());
            let (at, status, reason) = (visit.at, visit.status, visit.reason.clone());
            DossierVisit { at, canvas, step, status, reason, words, cure, until, batch }
        });
        let memberships = trace.memberships.iter().map(|(lane, membership)| DossierMembership {
            audience: names::of_queue(lane, audiences),
            id: lane.audience.clone(),
            account: lane.account.clone(),
            connector: lane.connector.clone(),
            standing: membership.standing,
            since: membership.at,
            keys: sent_keys(membership),
            claims: claims(membership, versions),
        });
        let event = |event: &caravan_model::Event| DossierEvent { at: event.at, event: event.name.clone() };
        Dossier {
            external_id: match reveal {
                true => trace.profile.external_id.clone(),
                false => mask::identifier(&trace.profile.external_id),
            },
            profile: fields(&trace.profile, reveal).into_iter().collect(),
            visits: visits.collect(),
            memberships: memberships.collect(),
            receipts: receipts(&trace.receipts, audiences),
            events: trace.events.iter().map(event).collect(),
            merged: trace.merged.clone(),
        }
    }

    /// What is known, name and value, in the order in which people read it: who they are, consents, then attributes.
    pub fn fields(&self) -> Vec<(&str, &str)> {
        let mut fields: Vec<(&str, &str)> = self.profile.iter().map(|(name, value)| (&**name, &**value)).collect();
        let place = |name: &str| match FIELDS.iter().position(|known| *known == name) {
            Some(place) => place,
            None if name.starts_with(CONSENT) => FIELDS.len(),
            None => FIELDS.len() + 1,
        };
        fields.sort_by_key(|(name, _)| place(name));
        fields
    }
}

fn claims(membership: &Membership, versions: &[Version]) -> Vec<DossierClaim> {
    let claim = |claim: &caravan_store::Claim| {
        let (canvas, step) = names::of_step(versions, claim.of());
        DossierClaim { canvas, step, until: claim.until }
    };
    membership.claims.iter().map(claim).collect()
}

/// Receipts with the names that people know.
pub fn receipts(receipts: &[Receipt], audiences: &[Audience]) -> Vec<DossierReceipt> {
    let one = |receipt: &Receipt| DossierReceipt {
        asked: receipt.asked,
        cause: receipt.cause,
        audience: names::of_queue(&receipt.lane, audiences),
        id: receipt.lane.audience.clone(),
        account: receipt.lane.account.clone(),
        connector: receipt.lane.connector.clone(),
        status: receipt.status,
        done: receipt.done,
        reason: receipt.reason.clone(),
        batch: receipt.part.clone(),
    };
    receipts.iter().map(one).collect()
}

/// The keys under which a membership's identifiers were sent.
pub fn sent_keys(membership: &Membership) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    for column in membership.recorded.iter().filter_map(|set| recorded::decode(set).ok()).flatten() {
        if !keys.contains(&column.key) {
            keys.push(column.key);
        }
    }
    keys
}

/// The fields of a profile, named as in a users file; empty ones are left out.
fn fields(profile: &Profile, reveal: bool) -> Vec<(String, String)> {
    let show = |value: &str| if reveal { value.to_owned() } else { mask::identifier(value) };
    let mut fields = Vec::new();
    let many = |values: &[String]| values.iter().map(|value| show(value)).collect::<Vec<_>>().join(", ");
    let secret = |value: &Option<String>| value.as_deref().map(show).unwrap_or_default();
    let plain = |value: &Option<String>| value.clone().unwrap_or_default();
    let flag = |value: Option<bool>| value.map(|flag| flag.to_string()).unwrap_or_default();
    let values = [
        many(&profile.aliases),
        many(&profile.emails),
        many(&profile.phones),
        secret(&profile.first_name),
        secret(&profile.last_name),
        secret(&profile.gender),
        secret(&profile.birth_date),
        secret(&profile.city),
        plain(&profile.state),
        secret(&profile.zip),
        plain(&profile.country),
        secret(&profile.idfa),
        secret(&profile.gaid),
        plain(&profile.time_zone),
        plain(&profile.locale),
        flag(profile.ad_tracking_enabled),
        flag(profile.do_not_sell_or_share),
    ];
    fields.extend(FIELDS.iter().map(|name| (*name).to_owned()).zip(values));
    for (purpose, consent) in &profile.consents {
        fields.push((format!("{CONSENT}{purpose}"), format!("{consent:?}").to_lowercase()));
    }
    for (name, value) in &profile.attributes {
        let value = if reveal { value.to_string() } else { mask::attribute(value) };
        fields.push((name.clone(), value));
    }
    fields.retain(|(_, value)| !value.is_empty());
    fields
}
