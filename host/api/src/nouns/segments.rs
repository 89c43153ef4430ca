//! `/api/segments`: rules that say who is in.
use super::{ACTIVATE, EDIT_SEGMENTS, EXPORT_IDENTITIES, Page, VIEW_SEGMENTS};
use crate::bench::{Activation, Mode};
use crate::caller::Caller;
use crate::input::{At, Json, Search, Text};
use crate::problem::Refused;
use axum::http::StatusCode;
use caravan_journey::validate::too_far_back;
use caravan_journey::{document, segments};
use caravan_model::port::{Clock as _, SystemClock};
use caravan_model::{Canvas, Group, Problem, ProfileId, Right, Segment, mask};
use caravan_runner::control::{count_whoever, is_filled, lists_of};
use caravan_runner::{ActivationState, activations_of, export_warning, policy_of, segments_of};
use caravan_store::Store;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The most members that one answer names.
const MOST: usize = 1_000;

/// A segment or list.
#[derive(Debug, Serialize, ToSchema)]
pub struct GroupView {
    /// Its name.
    pub name: String,
    /// How many are in it.
    pub members: u64,
}

/// A segment and its rule.
#[derive(Debug, Serialize, ToSchema)]
pub struct SegmentView {
    /// Its name.
    pub name: String,
    /// The document.
    #[schema(value_type = Object)]
    pub document: Segment,
    /// How many are in it.
    pub members: u64,
    /// Whether everyone was asked its newest rule.
    pub filled: bool,
    /// Where it is sent, or was exported to.
    #[schema(value_type = Vec<Object>)]
    pub activations: Vec<ActivationState>,
}

/// How many fulfil a rule.
#[derive(Debug, Serialize, ToSchema)]
pub struct Fulfil {
    /// How many do now.
    pub fulfil: u64,
    /// Of how many.
    pub people: u64,
}

/// Someone in a group.
#[derive(Debug, Serialize, ToSchema)]
pub struct GroupMember {
    /// Where the next page begins: `after`.
    pub place: u64,
    /// The external id; masked without the right `see-identities`.
    pub external_id: String,
    /// Since when, in milliseconds of UTC.
    pub since: i64,
}

/// The canvas that an activation published.
#[derive(Debug, Serialize, ToSchema)]
pub struct Activated {
    /// Its id.
    pub canvas: String,
    /// Its document.
    #[schema(value_type = Object)]
    pub document: Canvas,
    /// What whoever asked should know: that nobody is mailed when an export is through, or not before there is a mail server.
    pub warnings: Vec<String>,
}

pub(super) async fn sizes<S: Store>(store: &S) -> Result<BTreeMap<Group, u64>, Refused> {
    Ok(store.group_sizes().await?.into_iter().collect())
}

pub(super) async fn members_of<S: Store, const R: u8>(
    caller: &Caller<S, R>,
    group: Group,
    page: &Page,
) -> Result<Vec<GroupMember>, Refused> {
    let plain = caller.signed.rights.has(Right::SeeIdentities);
    let after = ProfileId(i64::try_from(page.after).unwrap_or(i64::MAX));
    let found = caller.store().group_members(group, after, page.limit.clamp(1, MOST)).await?;
    let known = caller.store().people(found.iter().map(|(id, _)| *id).collect()).await?;
    let names: BTreeMap<ProfileId, String> =
        known.into_iter().map(|known| (known.id, known.profile.external_id)).collect();
    let one = |(id, since): (ProfileId, caravan_model::Millis)| {
        let name = names.get(&id)?;
        let external_id = if plain { name.clone() } else { mask::identifier(name) };
        Some(GroupMember { place: u64::try_from(id.0).unwrap_or_default(), external_id, since: since.0 })
    };
    Ok(found.into_iter().filter_map(one).collect())
}

fn missing(name: &str) -> Refused {
    Refused::missing(format!("there is no segment `{name}`"))
}

/// All segments.
#[utoipa::path(get, path = "/api/segments", tag = "segments", security(("key" = ["view-segments"])),
    responses((status = 200, body = Vec<GroupView>)))]
pub(crate) async fn list<S: Store>(caller: Caller<S, VIEW_SEGMENTS>) -> Result<axum::Json<Vec<GroupView>>, Refused> {
    let sizes = sizes(caller.store()).await?;
    let view = |name: String| GroupView { members: sizes.get(&Group::segment(&name)).copied().unwrap_or(0), name };
    Ok(axum::Json(segments_of(caller.store()).await?.into_keys().map(view).collect()))
}

/// A segment.
#[utoipa::path(get, path = "/api/segments/{segment}", tag = "segments", params(("segment" = String, Path)),
    security(("key" = ["view-segments"])), responses((status = 200, body = SegmentView)))]
pub(crate) async fn show<S: Store>(
    caller: Caller<S, VIEW_SEGMENTS>,
    At(name): At<String>,
) -> Result<axum::Json<SegmentView>, Refused> {
    let store = caller.store();
    let document = segments_of(store).await?.remove(&name).ok_or_else(|| missing(&name))?;
    let members = sizes(store).await?.get(&Group::segment(&name)).copied().unwrap_or(0);
    let filled = is_filled(store, &name).await?;
    let activations = activations_of(store, &name, caller.runner().mails()).await?;
    Ok(axum::Json(SegmentView { name, document, members, filled, activations }))
}

/// Who is in a segment, page by page.
#[utoipa::path(get, path = "/api/segments/{segment}/members", tag = "segments",
    params(("segment" = String, Path), Page), security(("key" = ["view-profiles"])),
    responses((status = 200, body = Vec<GroupMember>)))]
pub(crate) async fn members<S: Store>(
    caller: Caller<S, { super::VIEW_PROFILES }>,
    At(name): At<String>,
    Search(page): Search<Page>,
) -> Result<axum::Json<Vec<GroupMember>>, Refused> {
    if !segments_of(caller.store()).await?.contains_key(&name) {
        return Err(missing(&name));
    }
    Ok(axum::Json(members_of(&caller, Group::segment(name), &page).await?))
}

async fn read<S: Store>(store: &S, text: &str) -> Result<Segment, Refused> {
    let document = document::read_segment("the body", text)?;
    let others = segments_of(store).await?.into_iter().map(|(name, segment)| (name, segment.who)).collect();
    let mut problems: Vec<Problem> = segments::problems(&document, &others, &lists_of(store).await?);
    let who = document::Path::root().key("who");
    problems.extend(too_far_back(&document, &who, &document.value.who, &policy_of(store).await?));
    match Refused::several(problems) {
        Some(refused) => Err(refused),
        None => Ok(document.value),
    }
}

/// Keeps a segment, new or changed; a serving host asks everyone its rule.
#[utoipa::path(post, path = "/api/segments", tag = "segments",
    request_body(content = String, content_type = "application/yaml", description = "The segment, as YAML or JSON"),
    security(("key" = ["edit-segments"])), responses((status = 200, body = GroupView)))]
pub(crate) async fn set<S: Store>(
    caller: Caller<S, EDIT_SEGMENTS>,
    Text(text): Text,
) -> Result<axum::Json<GroupView>, Refused> {
    let segment = read(caller.store(), &text).await?;
    caller.acting().set_segment(&segment).await?;
    let members = sizes(caller.store()).await?.get(&Group::segment(&segment.segment)).copied().unwrap_or(0);
    Ok(axum::Json(GroupView { name: segment.segment, members }))
}

/// How many people fulfil a rule now, whether the segment is kept or not. A rule may name anybody's address or attribute, so
/// that the number tells of them: whoever asks needs the right to find people, too.
#[utoipa::path(post, path = "/api/segments/count", tag = "segments",
    request_body(content = String, content_type = "application/yaml", description = "The segment, as YAML or JSON"),
    security(("key" = ["view-segments", "view-profiles"])), responses((status = 200, body = Fulfil)))]
pub(crate) async fn count<S: Store>(
    caller: Caller<S, VIEW_SEGMENTS>,
    Text(text): Text,
) -> Result<axum::Json<Fulfil>, Refused> {
    caller.need(Right::ViewProfiles)?;
    let segment = read(caller.store(), &text).await?;
    let zone = caller.runner().zone();
    let (fulfil, people) = count_whoever(caller.store(), &segment.who, SystemClock.now(), zone).await?;
    Ok(axum::Json(Fulfil { fulfil, people }))
}

/// Forgets a segment. Refused while a live canvas or another segment mentions it.
#[utoipa::path(delete, path = "/api/segments/{segment}", tag = "segments", params(("segment" = String, Path)),
    security(("key" = ["edit-segments"])), responses((status = 204)))]
pub(crate) async fn remove<S: Store>(
    caller: Caller<S, EDIT_SEGMENTS>,
    At(name): At<String>,
) -> Result<StatusCode, Refused> {
    caller.acting().forget_group(&Group::segment(&name)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Sends a segment to an audience, once or kept in step.
#[utoipa::path(post, path = "/api/segments/{segment}/activations", tag = "segments",
    params(("segment" = String, Path)), request_body = Activation,
    security(("key" = ["activate", "export-identities"])),
    responses((status = 200, body = Activated)))]
pub(crate) async fn activate<S: Store>(
    caller: Caller<S, ACTIVATE, EXPORT_IDENTITIES>,
    At(name): At<String>,
    Json(mut wanted): Json<Activation>,
) -> Result<axum::Json<Activated>, Refused> {
    if !segments_of(caller.store()).await?.contains_key(&name) {
        return Err(missing(&name));
    }
    wanted.segment = name;
    if wanted.mode == Mode::Once {
        wanted.mail = wanted.mail.or_else(|| caller.signed.member.clone());
    }
    let warning = match wanted.mode {
        Mode::Once => export_warning(wanted.mail.as_deref(), caller.runner().mails()),
        Mode::Streaming => None,
    };
    let document = caller.place.bench.activate(caller.signed.who.clone(), wanted).await?;
    Ok(axum::Json(Activated { canvas: document.canvas.to_string(), document, warnings: warning.into_iter().collect() }))
}
