//! The workspace's audiences by name: which steps lead to one, which lanes it has or had.
use crate::route::{lane_key, registered_name};
use crate::runner::Runner;
use caravan_journey::plan::CompiledCanvas;
use caravan_model::{Code, Problem, StepIx, VersionId};
use caravan_store::{Audience, Lane, LaneKey, Store, Version};
use std::collections::BTreeSet;

/// What a former audience's name ends with, before its partner id: it was bound to another one.
const WAS: &str = "was";
/// The same, where it was deleted at the partner.
const DELETED: &str = "deleted";

/// Why a name no longer leads to an audience.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Former {
    /// The name was bound to another audience; this one still owes its removals.
    Rebound,
    /// It was deleted at the partner.
    Deleted,
}

impl Former {
    fn word(self) -> &'static str {
        match self {
            Former::Rebound => WAS,
            Former::Deleted => DELETED,
        }
    }

    /// The name under which an audience stays registered that a name led to before: people still find its queue by it.
    pub(super) fn name_of(self, audience: &Audience) -> String {
        let id = audience.partner_id.as_deref().unwrap_or_default();
        format!("{}{}{id})", audience.name, self.opening())
    }

    /// Whether a registered name is one of these, of an audience that was called `name`.
    pub(super) fn is_of(self, registered: &str, name: &str) -> bool {
        registered.strip_prefix(name).is_some_and(|rest| rest.starts_with(&self.opening()) && rest.ends_with(')'))
    }

    fn opening(self) -> String {
        format!(" ({} ", self.word())
    }
}

/// Whether a registered name is that of a former audience: no step leads there any more, but its queue may still owe
/// removals.
pub fn is_former(registered: &str) -> bool {
    let opens = |former: Former| registered.contains(&former.opening());
    registered.ends_with(')') && (opens(Former::Rebound) || opens(Former::Deleted))
}

/// The name that steps lead to, of a registered name or of a former one.
pub fn current_name(registered: &str) -> &str {
    let opens = [Former::Rebound, Former::Deleted].into_iter().filter_map(|former| registered.find(&former.opening()));
    match opens.min().filter(|_| registered.ends_with(')')) {
        Some(at) => &registered[..at],
        None => registered,
    }
}

/// The stripes of an audience's queue, in order; none where nothing was ever sent there.
pub(super) fn stripes_of(lanes: &[Lane], key: &LaneKey) -> Vec<Lane> {
    let mut own: Vec<Lane> = lanes.iter().filter(|lane| lane.key == *key).cloned().collect();
    own.sort_by_key(|lane| lane.stripe);
    own
}

/// The syncs of all versions that lead to an audience with one of these registered names.
pub(super) fn steps_to(versions: &[Version], names: &BTreeSet<String>) -> Result<Vec<(VersionId, StepIx)>, Problem> {
    let mut steps = Vec::new();
    for version in versions {
        let plan = CompiledCanvas::new(&version.canvas)?;
        let own = plan.syncs().filter(|(_, sync)| {
            let name = plan.audience(sync.audience);
            name.is_some_and(|name| names.contains(&registered_name(&version.canvas.canvas, name)))
        });
        steps.extend(own.map(|(step, _)| (version.id, step)));
    }
    Ok(steps)
}

/// All versions of a canvas, oldest first.
///
/// # Errors
/// The canvas was never published here, or what the store says.
pub async fn versions_of<S: Store>(store: &S, canvas: &str) -> crate::Result<Vec<Version>> {
    let all = store.versions().await?;
    let own: Vec<Version> = all.iter().filter(|version| version.canvas.canvas.as_str() == canvas).cloned().collect();
    if own.is_empty() {
        let names: BTreeSet<&str> = all.iter().map(|version| version.canvas.canvas.as_str()).collect();
        let names: Vec<&str> = names.into_iter().collect();
        return Err(Problem::new(Code::NotFound, format!("no canvas `{canvas}` was ever published here"))
            .cure(match names.is_empty() {
                true => "`caravan canvas publish FILE` publishes one".to_owned(),
                false => format!("this store has: {}", names.join(", ")),
            })
            .into());
    }
    Ok(own)
}

impl<S: Store> Runner<S> {
    /// All versions of a canvas, oldest first.
    pub(crate) async fn versions_of(&self, canvas: &str) -> crate::Result<Vec<Version>> {
        versions_of(&self.store, canvas).await
    }

    /// A registered audience.
    pub(super) async fn audience_named(&self, name: &str) -> crate::Result<Audience> {
        if let Some(audience) = self.store.audience(name).await? {
            return Ok(audience);
        }
        let names: Vec<String> = self.store.audiences().await?.into_iter().map(|audience| audience.name).collect();
        Err(Problem::new(Code::NotFound, format!("there is no audience `{name}`"))
            .cure(match names.is_empty() {
                true => "a canvas or an activation that names one makes it, once it is published".to_owned(),
                false => format!("this store has: {}", names.join(", ")),
            })
            .into())
    }

    /// A registered audience with its lane's key: one that is not being made.
    pub(super) async fn bound(&self, name: &str) -> crate::Result<(Audience, LaneKey)> {
        let audience = self.audience_named(name).await?;
        match lane_key(&audience) {
            Some(key) => Ok((audience, key)),
            None => Err(Problem::new(Code::AudienceMissing, format!("the audience `{name}` is still being made"))
                .cure("run its canvas again, which ends that")
                .into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn former_names_are_told_from_others() {
        let audience = Audience {
            name: "win-back/lapsed".into(),
            connection: "c".into(),
            connector: "meta".into(),
            account: "act_1".into(),
            partner_id: Some("23".into()),
            parts: Vec::new(),
            marker: String::new(),
            made_by_us: false,
        };
        let was = Former::Rebound.name_of(&audience);
        let deleted = Former::Deleted.name_of(&audience);
        assert_eq!((was.as_str(), deleted.as_str()), ("win-back/lapsed (was 23)", "win-back/lapsed (deleted 23)"));
        assert!(Former::Deleted.is_of(&deleted, "win-back/lapsed") && !Former::Deleted.is_of(&was, "win-back/lapsed"));
        assert!(!Former::Deleted.is_of(&deleted, "win-back/lap"), "another audience with a longer name");
        assert_eq!(
            [was.as_str(), &deleted, "a (b)"].map(current_name),
            ["win-back/lapsed", "win-back/lapsed", "a (b)"]
        );
        assert!(is_former(&was) && is_former(&deleted) && !is_former(&audience.name));
    }
}
