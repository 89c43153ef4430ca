//! `caravan dry-run`: the requests that people would cause. The real component runs, the in-process lab answers, and
//! no connection is made.
use crate::args::{DryRunArgs, Global};
use crate::check::{self, Checked, Secrets};
use crate::fail::{End, Problems, usage};
use crate::host::lab::DryTransport;
use crate::host::workshop::Workshop;
use crate::registry::{Shelf, loads};
use crate::users::Users;
use crate::{bundle, files, out, policies, raw, stores};
use caravan_connectors::{Binding, BoundConnector, Grant, LoadedComponent, LocalVault, Reach};
use caravan_journey::plan::DEFAULT_PURPOSE;
use caravan_model::canvas::ConsentNeed;
use caravan_model::port::{Clock, Connector, Connectors, RequestRecord, SystemClock};
use caravan_model::{Code, Connection, Millis, Policy, Problem, Profile, reasons};
use caravan_runner::{Demands, DryRun, DryRunResult, dry_run as play, registered_name};
use caravan_store::{Sqlite, Store, to_be_made};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The audience's id where none is known: digits, as both partners' ids are.
const NO_AUDIENCE_YET: &str = "1000000000000001";

/// One connector, bound to nothing but the in-process lab.
struct Alone {
    connector: Arc<dyn Connector>,
    default_country: Option<String>,
    identities: Arc<caravan_model::Identities>,
}

impl Connectors for Alone {
    fn connector(&self, _: &str) -> Result<Arc<dyn Connector>, Problem> {
        Ok(self.connector.clone())
    }

    fn default_country(&self, _: &str) -> Option<String> {
        self.default_country.clone()
    }

    fn identities(&self, _: &str) -> Option<Arc<caravan_model::Identities>> {
        Some(self.identities.clone())
    }
}

impl Alone {
    fn bind(
        connection: &str,
        component: Arc<LoadedComponent>,
        settings: Map<String, Value>,
        accounts: Option<Vec<String>>,
        default_country: Option<String>,
    ) -> Result<Alone, Problem> {
        let transport = DryTransport::new(component.manifest());
        let binding = Binding {
            connection: connection.to_owned(),
            grant: Grant::as_asked(component.manifest()),
            settings,
            accounts,
            vault: Arc::new(LocalVault::default()),
            reach: Reach::InProcess(Arc::new(transport)),
        };
        Ok(Alone {
            connector: Arc::new(BoundConnector::new(component, binding)?),
            default_country,
            identities: Arc::default(),
        })
    }
}

/// Prints the requests and what became of each person.
pub async fn dry_run(global: &Global, args: &DryRunArgs) -> anyhow::Result<End> {
    if let (Some(canvas), Some(step)) = (&args.canvas, &args.step)
        && files::canvas(canvas).is_ok_and(|canvas| canvas.value.steps.get(step).is_some_and(|s| s.webhook.is_some()))
    {
        return super::dry_webhook::dry_run(global, args, canvas, step).await;
    }
    let (alone, asked) = match (&args.canvas, &args.step) {
        (Some(canvas), Some(step)) => {
            let of = StepOf {
                canvas,
                step,
                connections: args.connections.as_deref(),
                policy: args.policy.as_deref(),
                audience: args.audience.clone(),
                at: SystemClock.now(),
            };
            of_step(global, &of).await?
        }
        _ => of_connector(args)?,
    };
    let people = people(&args.users)?;
    let result = play(&alone, &asked, people).await?;
    if global.json {
        out::print(&serde_json::to_string(&as_json(&result))?)?;
    } else {
        out::print_json(&as_json(&result))?;
    }
    result.faults.iter().for_each(|fault| eprintln!("a call could not be done: {fault}"));
    Ok(if result.faults.is_empty() { End::Done } else { End::NeedsYou })
}

/// A step of a canvas, and what is said beside it.
pub struct StepOf<'a> {
    /// The canvas.
    pub canvas: &'a Path,
    /// The step's id.
    pub step: &'a str,
    /// The connections; those beside the canvas if not given.
    pub connections: Option<&'a Path>,
    /// The policy; the store's if not given.
    pub policy: Option<&'a Path>,
    /// The partner's id of the audience, where it is not known yet.
    pub audience: Option<String>,
    /// When it is sent.
    pub at: Millis,
}

/// What a step would send for one person.
///
/// # Errors
/// The canvas or its connection cannot be used.
pub async fn of_one(global: &Global, of: &StepOf<'_>, person: Profile) -> anyhow::Result<DryRunResult> {
    let (alone, asked) = of_step(global, of).await?;
    Ok(play(&alone, &asked, vec![person]).await?)
}

/// A step of a canvas: what a run would send for these people if all of them came to it.
async fn of_step(global: &Global, of: &StepOf<'_>) -> anyhow::Result<(Alone, DryRun)> {
    let (path, step) = (of.canvas, of.step);
    let connections = files::connections_path(of.connections, path);
    let policy = policies::holding(global, of.policy, path).await?;
    let shelf = Shelf::of_canvas(global, path).await?;
    let checked = check::canvas_with_connections(path, &connections, &policy, Secrets::Overlook, &shelf)?;
    let store = stores::of_canvas(global, checked.canvas.value.canvas.as_str(), path)?;
    loads::note_at(global, &store, "dry-run", checked.components.values()).await?;
    let store = if store.exists() { Sqlite::open_read_only(store).ok() } else { None };
    let place = Place { step, policy: &policy, audience: of.audience.as_deref(), at: of.at };
    let (alone, asked) = of_checked(&checked, store.as_ref(), &place).await.map_err(|error| in_file(error, path))?;
    let is_to_be_made = asked.audience == NO_AUDIENCE_YET;
    if is_to_be_made && !global.quiet {
        eprintln!("note: the audience is made by the first run; until then its id stands as {NO_AUDIENCE_YET}");
        if alone.connector.manifest().audience.create_needs_rows {
            eprintln!("note: the partner makes it with its first batch, which then goes in that request");
        }
    }
    Ok((alone, asked))
}

fn in_file(error: anyhow::Error, path: &Path) -> anyhow::Error {
    match error.downcast::<Problem>() {
        Ok(problem) if problem.file.is_none() => problem.in_file(path.display().to_string()).into(),
        Ok(problem) => problem.into(),
        Err(error) => error,
    }
}

/// A step of a canvas that was checked.
pub struct Place<'a> {
    /// The step's id.
    pub step: &'a str,
    /// The policy.
    pub policy: &'a Policy,
    /// The partner's id of the audience, where it is not known yet.
    pub audience: Option<&'a str>,
    /// When it is sent.
    pub at: Millis,
}

/// What a step would send for these people, as data.
///
/// # Errors
/// There is no such step, or its connector cannot be bound.
pub async fn of_people(
    checked: &Checked,
    store: &Sqlite,
    place: &Place<'_>,
    people: Vec<Profile>,
) -> anyhow::Result<DryRunResult> {
    let (alone, asked) = of_checked(checked, Some(store), place).await?;
    Ok(play(&alone, &asked, people).await?)
}

async fn of_checked(checked: &Checked, store: Option<&Sqlite>, place: &Place<'_>) -> anyhow::Result<(Alone, DryRun)> {
    let (canvas, step) = (&checked.canvas.value, place.step);
    let Some(sync) = canvas.steps.get(step).and_then(|step| step.audience_sync.as_ref()) else {
        let syncs: Vec<&str> =
            canvas.steps.0.iter().filter(|(_, step)| sends(step)).map(|(id, _)| id.as_str()).collect();
        let words = format!("the canvas has no audience_sync or webhook step `{step}`");
        return Err(Problem::new(Code::MissingStep, words).cure(format!("name one of: {}", syncs.join(", "))).into());
    };
    let spec = canvas.audiences.get(&sync.audience);
    let connection = spec.and_then(|spec| checked.connections.value.connections.get(&spec.connection));
    let component = spec.and_then(|spec| checked.components.get(&spec.connection));
    let (Some(spec), Some(connection), Some(component)) = (spec, connection, component) else {
        return Err(Problem::new(Code::Internal, "a checked canvas lacks a connection").into());
    };
    let account = connection.accounts.get(&spec.account).cloned().unwrap_or_default();
    let registered = registered_name(&canvas.canvas, &sync.audience);
    let (audience, audience_parts) = match place.audience.map(str::to_owned).or_else(|| spec.id.clone()) {
        Some(id) => (id, Vec::new()),
        None => bound(store, &registered).await.unwrap_or_else(|| (NO_AUDIENCE_YET.to_owned(), Vec::new())),
    };
    let required = sync.consent == ConsentNeed::Required;
    let asked = DryRun {
        connection: spec.connection.clone(),
        account,
        audience,
        audience_parts,
        action: sync.action,
        match_on: sync.match_on.clone(),
        purpose: sync.purpose.clone(),
        demands: Demands::of(place.policy, sync.purpose.as_deref().unwrap_or(DEFAULT_PURPOSE), required),
        at: place.at,
        deadline: Duration::from_secs(60),
    };
    let accounts = Some(connection.accounts.values().cloned().collect());
    let country = connection.default_country.clone();
    let mut alone = Alone::bind(&spec.connection, component.clone(), connection.settings.clone(), accounts, country)?;
    alone.identities = Arc::new(connection.identities.clone());
    Ok((alone, asked))
}

/// The partner's id of an audience that an earlier run bound.
async fn bound(store: Option<&Sqlite>, name: &str) -> Option<(String, Vec<(String, String)>)> {
    let audience = store?.audience(name).await.ok()??;
    // One that waits for its first people is not at the partner yet.
    let made = |id: &String| *id != to_be_made(&audience.marker);
    Some((audience.partner_id.clone().filter(made)?, audience.parts))
}

/// A component for itself.
fn of_connector(args: &DryRunArgs) -> anyhow::Result<(Alone, DryRun)> {
    let (Some(named), Some(account), Some(audience), Some(action)) =
        (&args.connector, &args.account, &args.audience, args.action)
    else {
        return Err(usage(
            "say either a canvas and a step, or a connector with account, audience, action and match",
            "see `caravan dry-run --help`",
        )
        .into());
    };
    let bytes = bundle::find(named, Path::new(""))?;
    let in_file = |problem: Problem| if bundle::is_path(named) { problem.in_file(named.clone()) } else { problem };
    let component = Workshop::open()?.load(&bytes).map_err(in_file)?;
    let settings = settings(&args.settings)?;
    let mut problems = Vec::new();
    if let Err(words) = component.manifest().settings_with(&settings) {
        problems.push(usage(words, "see `caravan connector inspect`"));
    }
    if !component.manifest().actions.contains(&action) {
        problems.push(Problem::new(
            Code::UnsupportedAction,
            format!("{} cannot `{}`", component.manifest().title, action.word()),
        ));
    }
    for word in args.match_on.iter().filter(|word| !component.manifest().keys.iter().any(|key| key.is_asked_by(word))) {
        problems.push(
            Problem::new(Code::UnknownMatchKey, format!("{} does not match on `{word}`", component.manifest().title))
                .at_path("--match")
                .cure(format!("it takes: {}", component.manifest().match_words().join(", "))),
        );
    }
    let named = Connection { raw: args.raw.iter().cloned().collect(), ..Connection::default() };
    let withheld = raw::withheld(None, component.manifest(), &named);
    let told = raw::told("this step", component.manifest(), &args.match_on, &withheld);
    problems.extend(told.map(|told| told.cure("a connection allows it by its `raw`; say --raw KEY here")));
    Problems::check(problems)?;
    let alone = Alone::bind("dry-run", component, settings, None, args.country.clone())?;
    let asked = DryRun {
        connection: "dry-run".to_owned(),
        account: account.clone(),
        audience: audience.clone(),
        audience_parts: Vec::new(),
        action,
        match_on: args.match_on.clone(),
        purpose: None,
        demands: Demands::default(),
        at: SystemClock.now(),
        deadline: Duration::from_secs(60),
    };
    Ok((alone, asked))
}

/// `name=value` pairs; a value is a number or true or false where it looks like one, else text.
fn settings(pairs: &[String]) -> Result<Map<String, Value>, Problem> {
    let mut settings = Map::new();
    for pair in pairs {
        let Some((name, value)) = pair.split_once('=') else {
            return Err(usage(format!("`{pair}` is no setting"), "write --setting name=value"));
        };
        let value = match value {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            text => text.parse::<i64>().map_or_else(|_| Value::from(text), Value::from),
        };
        settings.insert(name.to_owned(), value);
    }
    Ok(settings)
}

/// Whether a step makes requests.
fn sends(step: &caravan_model::canvas::Step) -> bool {
    step.audience_sync.is_some() || step.webhook.is_some()
}

/// All people of the files, in their order; bad rows are told and left out.
///
/// # Errors
/// A file cannot be read.
pub fn people(paths: &[PathBuf]) -> Result<Vec<Profile>, Problems> {
    let mut people = Vec::new();
    let mut problems = Vec::new();
    for path in paths {
        let mut users = match Users::open(path) {
            Ok(users) => users,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        users.warnings.iter().for_each(|warning| eprintln!("note: {warning}"));
        while let Some(row) = users.next_row().map_err(|problem| Problems(vec![problem]))? {
            match row.person {
                Ok(person) => people.push(person),
                Err(reason) => {
                    let line = u32::try_from(row.line).unwrap_or(u32::MAX);
                    eprintln!(
                        "{}",
                        Problem::new(Code::UserRow, reason).in_file(path.display().to_string()).at_line(line)
                    );
                }
            }
        }
    }
    Problems::check(problems)?;
    Ok(people)
}

/// A dry run as data.
pub fn as_json(result: &DryRunResult) -> Value {
    let requests: Vec<Value> = result.requests.iter().map(request).collect();
    let results: Vec<Value> = result
        .results
        .iter()
        .map(|person| {
            let reason = &person.reason;
            json!({"external_id": person.external_id, "status": person.status, "reason": reasons::words_of(reason),
                "code": reason.code})
        })
        .collect();
    json!({"requests": requests, "results": results})
}

/// A request with its body as the exact text that would leave.
fn request(record: &RequestRecord) -> Value {
    let mut headers: Map<String, Value> = Map::new();
    for (name, value) in &record.headers {
        let all = match headers.get(name).and_then(Value::as_str) {
            Some(earlier) => format!("{earlier}, {value}"),
            None => value.clone(),
        };
        headers.insert(name.clone(), all.into());
    }
    let body = record.body.as_deref().map(|body| String::from_utf8_lossy(body).into_owned());
    json!({"method": record.method, "url": record.url, "headers": headers, "body": body})
}
