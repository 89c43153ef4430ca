//! Identities that connections map, against their connectors and against the steps that pick among them: where the file of
//! the connections is wrong, its line is said.
use crate::kept::Kept;
use caravan_identity::{Plan, PlanError, check_mapping};
use caravan_journey::document::{Document, Path as Place};
use caravan_model::canvas::{AudienceSpec, AudienceSync};
use caravan_model::{Canvas, Code, Connection, Connections, Identities, Manifest, Problem, StepId};
use std::collections::BTreeMap;

/// What a connector cannot take of what its connection maps (CV038), each entry at its line.
pub fn wrong_entries(connections: &Document<Connections>, name: &str, manifest: &Manifest) -> Vec<Problem> {
    let Some(connection) = connections.value.connections.get(name) else { return Vec::new() };
    let problem = |(key, sources): (&String, &caravan_model::Sources)| {
        let alone = Identities(BTreeMap::from([(key.clone(), sources.clone())]));
        let error = check_mapping(manifest, &alone).err()?;
        let cure = "name a match key of the partner, and leave `hashed` out where the values are plain";
        Some(connections.problem(Code::BadMapping, &place(name).key(key), error.to_string()).cure(cure))
    };
    connection.identities.0.iter().filter_map(problem).collect()
}

/// The steps of a canvas that sync, with the audience of each; a step whose audience is not there is told elsewhere.
pub fn syncs(canvas: &Canvas) -> impl Iterator<Item = (&StepId, &AudienceSync, &AudienceSpec)> {
    canvas.steps.0.iter().filter_map(|(id, step)| {
        let sync = step.audience_sync.as_ref()?;
        Some((id, sync, canvas.audiences.get(&sync.audience)?))
    })
}

/// Words of a canvas's steps for which their connection maps nothing (CV039), at the line of the mapping.
pub fn unmapped<'a>(
    canvas: &Canvas,
    connections: &Document<Connections>,
    kept: &Kept,
    manifest: impl Fn(&str) -> Option<&'a Manifest>,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (id, sync, spec) in syncs(canvas) {
        let connection = connections.value.connections.get(&spec.connection);
        let (Some(connection), Some(manifest)) = (connection, manifest(&spec.connection)) else { continue };
        let Some(words) = nothing_for(connection, manifest, &sync.match_on) else { continue };
        let words = format!("step `{id}` of {} matches on more than is mapped: {words}", canvas.canvas);
        let cure = "map the field here, or take it out of the step's `match`";
        let said = kept.said_by(connections, &spec.connection);
        problems.push(said.problem(Code::UnmappedKey, &place(&spec.connection), words).cure(cure));
    }
    problems
}

/// Why a step's words cannot be picked. Other faults of theirs are told elsewhere.
fn nothing_for(connection: &Connection, manifest: &Manifest, words: &[String]) -> Option<String> {
    let plan = Plan::mapped(
        manifest,
        words,
        &connection.settings,
        connection.default_country.as_deref(),
        &connection.identities,
    );
    match plan {
        Err(error @ PlanError::Unmapped { .. }) => Some(error.to_string()),
        _ => None,
    }
}

fn place(connection: &str) -> Place {
    Place::root().key("connections").key(connection).key("identities")
}
