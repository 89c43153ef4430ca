//! Everything that can be known before anything is done: files, connectors, match fields, settings, secrets.
use crate::args::Global;
use crate::fail::Problems;
use crate::host::{self, workshop::Workshop};
use crate::kept::Kept;
use crate::raw::{self, Withheld};
use crate::registry::Shelf;
use crate::{files, mapped, policies};
use caravan_connectors::{Grant, LoadedComponent, LocalVault};
use caravan_journey::document::{Document, FORMAT, Path as Place};
use caravan_journey::validate::{Facts, validate};
use caravan_model::alert::WebPlace;
use caravan_model::connection::SecretRef;
use caravan_model::port::Vault as _;
use caravan_model::webhook::Header;
use caravan_model::{Canvas, Code, Connection, Connections, Manifest, Policy, Problem};
use caravan_store::Store;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// Whether secrets must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// A run needs them.
    Ask,
    /// A look at the files does not.
    Overlook,
}

/// A canvas and its connections without a fault.
pub struct Checked {
    /// The canvas.
    pub canvas: Document<Canvas>,
    /// The connections; paths of secrets start at the file's folder.
    pub connections: Document<Connections>,
    /// The components of the connections that are used, by the connection's name.
    pub components: BTreeMap<String, Arc<LoadedComponent>>,
    /// What each of them may do.
    pub grants: BTreeMap<String, Grant>,
}

/// Connections without a fault, and the components of those that are used.
pub struct CheckedConnections {
    /// The connections.
    pub connections: Document<Connections>,
    /// The components by the connection's name.
    pub components: BTreeMap<String, Arc<LoadedComponent>>,
    /// What each of them may do.
    pub grants: BTreeMap<String, Grant>,
}

/// Checks a canvas for itself, and against the policy.
///
/// # Errors
/// All that is wrong with it.
pub fn canvas_alone(path: &Path, policy: &Policy) -> Result<Document<Canvas>, Problems> {
    let canvas = files::canvas(path).map_err(|problem| Problems(vec![problem]))?;
    Problems::check(validate(&canvas, &Facts { policy: Some(policy), ..Facts::default() }))?;
    Ok(canvas)
}

/// Checks a canvas, its connections, each against the other, and the canvas against the policy.
///
/// # Errors
/// All that is wrong, in the order of the files.
pub fn canvas_with_connections(
    canvas: &Path,
    connections: &Path,
    policy: &Policy,
    secrets: Secrets,
    shelf: &Shelf,
) -> Result<Checked, Problems> {
    document_with_connections(files::canvas(canvas), connections, policy, secrets, shelf)
}

/// The same for a canvas that was read already, or could not be.
///
/// # Errors
/// As [`canvas_with_connections`].
pub fn document_with_connections(
    canvas: Result<Document<Canvas>, Problem>,
    connections: &Path,
    policy: &Policy,
    secrets: Secrets,
    shelf: &Shelf,
) -> Result<Checked, Problems> {
    let mut problems = Vec::new();
    let canvas = canvas.map_err(|problem| problems.push(problem)).ok();
    let read = read_connections(connections, shelf.kept()).map_err(|problem| problems.push(problem)).ok();
    let used: BTreeSet<&str> =
        canvas.iter().flat_map(|canvas| canvas.value.audiences.values()).map(|a| a.connection.as_str()).collect();
    let mut wrong = Vec::new();
    let Loaded { components, grants, withheld } = match &read {
        Some(connections) => load(connections, &used, (secrets, shelf), &mut wrong),
        None => Loaded::default(),
    };
    if let Some(canvas) = &canvas {
        let manifest = |connection: &str| -> Option<&Manifest> {
            components.get(connection).map(|component: &Arc<LoadedComponent>| component.manifest())
        };
        let facts = Facts {
            connections: read.as_ref().map(|document| &document.value),
            manifest: Some(&manifest),
            policy: Some(policy),
            // Publishing knows the store's.
            groups: None,
        };
        problems.extend(validate(canvas, &facts));
    }
    if let (Some(canvas), Some(connections)) = (&canvas, &read) {
        let manifest = |name: &str| components.get(name).map(|component| component.manifest());
        wrong.extend(mapped::unmapped(&canvas.value, connections, shelf.kept(), manifest));
        wrong.extend(raw::refused(&canvas.value, connections, shelf.kept(), &withheld, manifest));
    }
    problems.extend(wrong);
    if let (Some(canvas), Some(connections), Secrets::Ask) = (&canvas, &read, secrets) {
        problems.extend(endpoints(connections, &endpoints_of([&canvas.value])));
    }
    match (canvas, read) {
        (Some(canvas), Some(connections)) if problems.is_empty() => {
            Ok(Checked { canvas, connections, components, grants })
        }
        _ => Err(Problems(problems)),
    }
}

/// The endpoints that canvases use.
pub fn endpoints_of<'a>(canvases: impl IntoIterator<Item = &'a Canvas>) -> BTreeSet<String> {
    let steps = canvases.into_iter().flat_map(|canvas| canvas.steps.0.iter());
    steps.filter_map(|(_, step)| Some(step.webhook.as_ref()?.endpoint.clone())).collect()
}

/// What keeps endpoints that a file has from being called: a secret that is not there, a URL that may not be dialled.
pub fn endpoints(connections: &Document<Connections>, used: &BTreeSet<String>) -> Vec<Problem> {
    let used = used.iter().filter(|name| connections.value.webhooks.contains_key(*name));
    let webhooks = match host::webhooks(&connections.value) {
        Ok(webhooks) => webhooks,
        Err(problem) => return vec![problem],
    };
    let problem = |name: &String| {
        let words = webhooks.ready(name).err()?;
        let at = Place::root().key("webhooks").key(name);
        let cure = "set the variable or write the file, and never the secret itself into this file";
        Some(connections.problem(Code::MissingSecret, &at, words).cure(cure))
    };
    used.filter_map(problem).collect()
}

/// Checks one connection.
///
/// # Errors
/// It is not there, or cannot work.
pub fn connection(path: &Path, name: &str, shelf: &Shelf) -> Result<CheckedConnections, Problems> {
    let connections = read_connections(path, shelf.kept()).map_err(|problem| Problems(vec![problem]))?;
    if !connections.value.connections.contains_key(name) {
        let names: Vec<&str> = connections.value.connections.keys().map(String::as_str).collect();
        let problem = Problem::new(Code::UnknownConnection, format!("there is no connection `{name}`"))
            .in_file(path.display().to_string())
            .cure(format!("the file has: {}", names.join(", ")));
        return Err(Problems(vec![problem]));
    }
    let mut problems = Vec::new();
    let loaded = load(&connections, &BTreeSet::from([name]), (Secrets::Overlook, shelf), &mut problems);
    Problems::check(problems)?;
    Ok(CheckedConnections { connections, components: loaded.components, grants: loaded.grants })
}

/// Checks a canvas for a verb that only looks: beside the connections of its folder, under the store's policy and with
/// what the store has installed; no secret is asked for.
///
/// # Errors
/// All that is wrong, or the store cannot be read.
pub async fn to_look_at(
    global: &Global,
    store: &impl Store,
    canvas: &Path,
    connections: Option<&Path>,
) -> anyhow::Result<Checked> {
    let connections = files::connections_path(connections, canvas);
    let policy = policies::holding(global, None, canvas).await?;
    let shelf = Shelf::of(store).await?;
    Ok(canvas_with_connections(canvas, &connections, &policy, Secrets::Overlook, &shelf)?)
}

/// Checks those of some connections that a file has; the others are not asked for.
///
/// # Errors
/// The file cannot be read, has none of those that are named, or one that it has cannot work.
pub fn connections(
    path: &Path,
    used: &BTreeSet<String>,
    secrets: Secrets,
    shelf: &Shelf,
) -> Result<CheckedConnections, Problems> {
    let connections = read_connections(path, shelf.kept()).map_err(|problem| Problems(vec![problem]))?;
    let known = &connections.value.connections;
    let any = !used.is_empty();
    let used: BTreeSet<&str> = used.iter().map(String::as_str).filter(|name| known.contains_key(*name)).collect();
    if any && used.is_empty() {
        let problem =
            Problem::new(Code::UnknownConnection, "none of this store's queues is served by a connection here")
                .in_file(path.display().to_string())
                .cure("name the connections file that the canvas was run with");
        return Err(Problems(vec![problem]));
    }
    let mut problems = Vec::new();
    let loaded = load(&connections, &used, (secrets, shelf), &mut problems);
    Problems::check(problems)?;
    Ok(CheckedConnections { connections, components: loaded.components, grants: loaded.grants })
}

/// Reads connections, and puts those that a store keeps beside them; a store that keeps some needs no file.
///
/// # Errors
/// As [`read_connections`].
pub fn read_where_there(path: &Path, kept: &Kept) -> Result<Document<Connections>, Problem> {
    if path.exists() {
        return read_connections(path, kept);
    }
    let mut connections = Document::without_file(Connections { format: FORMAT, ..Connections::default() });
    kept.join(&mut connections)?;
    Ok(connections)
}

/// Reads connections; relative paths of secrets then start at the file's folder. Those that a store keeps stand beside them.
///
/// # Errors
/// The first thing that cannot be read, and CV041 where a name stands in both.
pub fn read_connections(path: &Path, kept: &Kept) -> Result<Document<Connections>, Problem> {
    if !path.exists() && !kept.is_empty() {
        return read_where_there(path, kept);
    }
    let mut connections = files::connections(path).map_err(|problem| match problem.code {
        Code::UnreadableFile => {
            problem.cure("name the connections file with --connections, or put it beside the canvas")
        }
        _ => problem,
    })?;
    let folder = files::folder(path);
    for connection in connections.value.connections.values_mut() {
        for secret in connection.secret.iter_mut().chain(connection.secrets.values_mut()) {
            if let SecretRef::File(file) = secret {
                *file = folder.join(file.as_str()).display().to_string();
            }
        }
    }
    for endpoint in connections.value.webhooks.values_mut() {
        let url = match &mut endpoint.url {
            WebPlace::Secret(kept) => Some(kept),
            WebPlace::Plain(_) => None,
        };
        let headers = endpoint.headers.values_mut().filter_map(|header| match header {
            Header::Kept(kept) => Some(&mut kept.secret),
            Header::Text(_) => None,
        });
        for secret in url.into_iter().chain(headers) {
            if let SecretRef::File(file) = secret {
                *file = folder.join(file.as_str()).display().to_string();
            }
        }
    }
    kept.join(&mut connections)?;
    Ok(connections)
}

/// What connections lead to.
#[derive(Default)]
struct Loaded {
    components: BTreeMap<String, Arc<LoadedComponent>>,
    grants: BTreeMap<String, Grant>,
    withheld: Withheld,
}

/// Loads the components of the used connections and checks their settings and secrets.
fn load(
    connections: &Document<Connections>,
    used: &BTreeSet<&str>,
    (secrets, shelf): (Secrets, &Shelf),
    problems: &mut Vec<Problem>,
) -> Loaded {
    let folder = files::folder(Path::new(&connections.file));
    let vault = LocalVault::new(connections.value.connections.clone());
    let mut workshop: Option<Workshop> = None;
    let mut loaded = Loaded::default();
    for (name, connection) in connections.value.connections.iter().filter(|(name, _)| used.contains(name.as_str())) {
        let at = Place::root().key("connections").key(name);
        let said = shelf.kept().said_by(connections, name);
        let connections = &*said;
        let place = |problem: Problem, at: &Place| {
            let placed = connections.problem(problem.code, at, problem.message);
            Problem { cure: problem.cure, ..placed }
        };
        if connection.lab && !shelf.allows_lab() {
            let words = format!("`{name}` leads to the lab, which the policy denies");
            let cure = "use a connection to the partner itself, or another store to try things";
            problems.push(connections.problem(Code::LabDenied, &at.key("lab"), words).cure(cure));
            continue;
        }
        let component = shelf.find(name, &connection.connector, connection.lab, &folder).and_then(|found| {
            if workshop.is_none() {
                workshop = Some(Workshop::open()?);
            }
            let component = workshop.as_mut().map(|workshop| workshop.load(&found.bytes));
            component
                .unwrap_or_else(|| Err(Problem::new(Code::Internal, "no sandbox")))
                .map(|component| (component, found.grant))
        });
        let (component, grant) = match component {
            Ok(component) => component,
            Err(problem) => {
                problems.push(place(problem, &at.key("connector")));
                continue;
            }
        };
        if let Err(words) = component.manifest().settings_with(&connection.settings) {
            problems
                .push(connections.problem(Code::BadConnection, &at.key("settings"), words).cure("correct the setting"));
        }
        problems.extend(mapped::wrong_entries(connections, name, component.manifest()));
        problems.extend(raw::wrong_entries(connections, name, component.manifest()));
        if connection.app.is_some() {
            let cure = "write `secret:` with the place of a token instead";
            let words = match (&component.manifest().auth.token, &connection.secret) {
                (None, _) => Some(format!("{} gives apps no tokens of their own", component.manifest().title)),
                (Some(_), Some(_)) => Some("`app` and `secret` both stand here".to_owned()),
                (Some(_), None) => None,
            };
            let problem = |words| connections.problem(Code::BadConnection, &at.key("app"), words).cure(cure);
            problems.extend(words.map(problem));
        }
        if secrets == Secrets::Ask {
            let sealed = shelf.brings_token(name, component.manifest());
            let needed = needed(component.manifest(), connection);
            for secret in needed.into_iter().filter(|secret| !(sealed && secret == "token")) {
                let by_app = secret == "token" && connection.app.is_some();
                let found = if by_app { vault.app(name).map(drop) } else { vault.secret(name, &secret).map(drop) };
                if let Err(words) = found {
                    let at = if by_app {
                        at.key("app").key("secret")
                    } else if secret == "token" {
                        at.key("secret")
                    } else {
                        at.key("secrets").key(&secret)
                    };
                    let cure = "set the variable or write the file, and never the secret itself into this file";
                    problems.push(connections.problem(Code::MissingSecret, &at, words).cure(cure));
                }
            }
        }
        let withheld = raw::withheld(grant.as_ref(), component.manifest(), connection);
        loaded.grants.insert(name.clone(), raw::narrowed(grant, component.manifest(), &withheld));
        loaded.withheld.insert(name.clone(), withheld);
        loaded.components.insert(name.clone(), component);
    }
    loaded
}

/// The secrets that a connection must have.
fn needed(manifest: &Manifest, connection: &Connection) -> Vec<String> {
    if connection.lab {
        return Vec::new();
    }
    let auth = &manifest.auth;
    let mut templates = auth.headers.values().chain(auth.query.values().flat_map(BTreeMap::values));
    let token = templates.any(|template| template.contains("{token}")).then(|| "token".to_owned());
    token
        .into_iter()
        .chain(auth.secrets.iter().filter(|secret| secret.required).map(|secret| secret.name.clone()))
        .collect()
}
