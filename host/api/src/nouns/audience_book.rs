//! All about one audience: who stands in it, which steps claim them, what is owed.
use caravan_model::{Millis, ProfileId, StepIx, VersionId};
use caravan_runner::control::names::{self, find_audience, leads_to};
use caravan_runner::control::{DossierReceipt, Labs, receipts};
use caravan_store::{Audience, Lane, Receipt, Store};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Members read at a time.
const PAGE: usize = 20_000;
/// The most open receipts that are counted.
const RECEIPTS: usize = 100_000;

/// An audience and what is known of everyone in it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct AudienceBook {
    /// Its name: `CANVAS/NAME`.
    pub audience: String,
    /// The connection that reaches it.
    pub connection: String,
    /// Whether it leads to the lab, and not to the partner.
    pub lab: bool,
    /// The connector.
    pub connector: String,
    /// The partner's account.
    pub account: String,
    /// The partner's id; nothing while it is being made.
    pub id: Option<String>,
    /// Whether we made it.
    pub made_by_us: bool,
    /// Other names of the same audience.
    pub also: Vec<String>,
    /// How many people stand where: `in`, `out`, `maybe in`, `not known`.
    pub members: BTreeMap<String, u64>,
    /// Whom steps claim.
    pub claims: Vec<StepClaims>,
    /// Operations that wait for it.
    pub waiting: u64,
    /// Removals that consent or erasure owe and that are not done.
    #[schema(value_type = Vec<Object>)]
    pub receipts: Vec<DossierReceipt>,
}

/// How many members a step claims.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct StepClaims {
    /// The canvas and its version.
    pub canvas: String,
    /// The step.
    pub step: String,
    /// How many.
    pub n: u64,
    /// When the first of these claims ends by itself, in milliseconds of UTC.
    #[schema(value_type = Option<i64>)]
    pub first_ends: Option<Millis>,
}

/// What is known of everyone in an audience.
#[derive(Debug, Default)]
struct Census {
    standings: BTreeMap<String, u64>,
    claims: BTreeMap<(VersionId, StepIx), (u64, Option<Millis>)>,
}

/// The book of an audience, by its name, its name within a canvas, or the partner's id. Reads all its members.
///
/// # Errors
/// No audience or more than one is called so, or the store cannot be read.
pub async fn audience_book<S: Store>(store: &S, name: &str) -> caravan_runner::Result<AudienceBook> {
    let audiences = store.audiences().await?;
    let audience = find_audience(&audiences, name)?;
    let lanes = store.lanes().await?;
    let lanes: Vec<&Lane> = lanes.iter().filter(|lane| leads_to(audience, &lane.key)).collect();
    let census = census(store, &lanes).await?;
    let open = store.receipts(None, RECEIPTS).await?;
    let open: Vec<Receipt> = open.into_iter().filter(|receipt| leads_to(audience, &receipt.lane)).collect();
    let versions = store.versions().await?;
    let claims = census.claims.into_iter().map(|(at, (n, first_ends))| {
        let (canvas, step) = names::of_step(&versions, at);
        StepClaims { canvas, step, n, first_ends }
    });
    Ok(AudienceBook {
        audience: audience.name.clone(),
        connection: audience.connection.clone(),
        lab: Labs::of(store).await?.has(&audience.connection),
        connector: audience.connector.clone(),
        account: audience.account.clone(),
        id: audience.partner_id.clone(),
        made_by_us: audience.made_by_us,
        also: audiences.iter().filter(|other| is_same(audience, other)).map(|other| other.name.clone()).collect(),
        members: census.standings,
        claims: claims.collect(),
        waiting: lanes.iter().map(|lane| lane.waiting).sum(),
        receipts: receipts(&open, &audiences),
    })
}

async fn census<S: Store>(store: &S, lanes: &[&Lane]) -> caravan_runner::Result<Census> {
    let mut census = Census::default();
    for lane in lanes {
        let mut after = ProfileId(0);
        loop {
            let page = store.members(lane.id, after, PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            after = *last;
            for (_, member) in &page {
                *census.standings.entry(names::of_standing(member.standing).to_owned()).or_default() += 1;
                for claim in &member.claims {
                    let (n, first) = census.claims.entry(claim.of()).or_default();
                    *n += 1;
                    *first = [*first, claim.until].into_iter().flatten().min();
                }
            }
        }
    }
    Ok(census)
}

/// Whether two names lead to the same audience of the partner.
fn is_same(audience: &Audience, other: &Audience) -> bool {
    let of = |audience: &Audience| (audience.connector.clone(), audience.account.clone(), audience.partner_id.clone());
    audience.partner_id.is_some() && of(other) == of(audience) && other.name != audience.name
}
