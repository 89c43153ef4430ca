//! `caravan connection VERB`; here: `check | accounts | audiences`.
mod kept;

pub use kept::filled;

use crate::args::{AudiencesArgs, ConnectionArgs, ConnectionVerb, Global};
use crate::check;
use crate::fail::End;
use crate::host::lab::LabHome;
use crate::host::{Host, safe};
use crate::out::{count_of, text_of};
use crate::registry::Shelf;
use crate::verbs::consent;
use crate::{out, stores};
use caravan_model::manifest::{Manifest, World};
use caravan_model::port::{
    AccountInfo, Answer, Ask, AudienceInfo, CallContext, Clock, Connector, Connectors, Finding, FindingState,
    SystemClock,
};
use caravan_model::{Cause, Code, Connection, Fault, Policy, Problem, Target};
use caravan_runner::policy_of;
use caravan_store::Sqlite;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// The most pages of accounts that are asked for.
const PAGES: usize = 50;

/// Does a verb of connections.
pub async fn connection(global: &Global, verb: ConnectionVerb) -> anyhow::Result<End> {
    let (args, checks) = match &verb {
        ConnectionVerb::Check(args) => (args, true),
        ConnectionVerb::Accounts(args) => (args, false),
        ConnectionVerb::Audiences(args) => (&args.of, false),
        ConnectionVerb::Connect(args) => return consent::connect(global, args).await,
        ConnectionVerb::Token(args) => return consent::token(global, args).await,
        ConnectionVerb::Show(of) => return kept::show(global, of).await,
        ConnectionVerb::List(of) => return kept::list(global, of).await,
        ConnectionVerb::Create(form) => return kept::keep(global, form, true).await,
        ConnectionVerb::Set(form) => return kept::keep(global, form, false).await,
        ConnectionVerb::Delete(of) => return kept::delete(global, of).await,
        ConnectionVerb::Account { of, account, state } => return kept::switch(global, of, account, *state).await,
        ConnectionVerb::Disconnect(of) => return consent::disconnect(global, of).await,
    };
    let (connection, connector, _lab) = open(global, args).await?;
    entitled(global, &args.name, connector.manifest()).await?;
    if let ConnectionVerb::Audiences(args) = &verb {
        audiences(global, args, (&connection, connector.as_ref())).await
    } else if checks {
        check_all(global, args, &connection, connector.as_ref()).await
    } else {
        accounts(global, &connection, connector.as_ref()).await
    }
}

/// The connection, bound to its connector.
async fn open(
    global: &Global,
    args: &ConnectionArgs,
) -> anyhow::Result<(Connection, Arc<dyn Connector>, Option<LabHome>)> {
    let (mut shelf, mut sealed) = (Shelf::default(), None);
    match stores::existing(global) {
        Ok(path) => {
            // Where another host has the store, tokens are used and not refreshed.
            let store = match Sqlite::open(&path, stores::options(global)) {
                Ok(store) => store,
                Err(_) => Sqlite::open_read_only(&path)?,
            };
            shelf = Shelf::of(&store).await?;
            sealed = Some(safe::of(&store));
        }
        // Without a store nothing is installed; one that was named must be there.
        Err(problem) if global.store.is_some() => return Err(problem.into()),
        Err(_) => {}
    }
    let checked = check::connection(&args.connections, &args.name, &shelf)?;
    let connection = checked.connections.value.connections.get(&args.name).cloned().unwrap_or_default();
    let lab = match (connection.lab, &args.lab) {
        (false, _) => None,
        (true, Some(url)) => Some(LabHome::attach(url).await?),
        (true, None) => Some(LabHome::start().await?),
    };
    let host = Host::bind(&checked.connections, &checked.components, &checked.grants, lab.as_ref(), sealed)?;
    let connector = host.connector(&args.name)?;
    Ok((connection, connector, lab))
}

/// A partner that the policy of the store gives no slot is not connected.
///
/// # Errors
/// CV029 with how many slots there are, and who has them.
pub async fn entitled(global: &Global, name: &str, manifest: &Manifest) -> anyhow::Result<()> {
    let store = match stores::existing(global) {
        Ok(store) => store,
        Err(problem) if global.store.is_some() => return Err(problem.into()),
        Err(_) => return Ok(()),
    };
    Ok(allowed(&policy_of(&Sqlite::open_read_only(store)?).await?, name, manifest)?)
}

/// The same under a policy that is known. Sources need no slot: they are no destinations.
///
/// # Errors
/// As [`entitled`].
pub fn allowed(policy: &Policy, name: &str, manifest: &Manifest) -> Result<(), Problem> {
    match policy.refuses(&manifest.name).filter(|_| manifest.world == World::Destination) {
        None => Ok(()),
        Some(refused) => Err(Problem::new(Code::NotEntitled, refused.words)
            .at_path(format!("connections.{name}.connector"))
            .cure(refused.cure)),
    }
}

fn context(seed: &str) -> CallContext {
    CallContext {
        at: SystemClock.now(),
        seed: seed.to_owned(),
        deadline: Duration::from_secs(60),
        record_bodies: false,
    }
}

/// The checklists of all accounts of a connection, and whether nothing fails, for programs.
pub async fn report(name: &str, connection: &Connection, connector: &dyn Connector) -> (bool, serde_json::Value) {
    let (mut lists, mut good) = (Vec::new(), connection.switched_on().next().is_some());
    for (short, id) in connection.switched_on() {
        let findings = checklist(connector, id).await;
        good &= findings.iter().all(|finding| finding.state != FindingState::Failed);
        lists.push(json!({"name": short, "account": id, "findings": findings}));
    }
    let manifest = connector.manifest();
    let report = json!({"connection": name, "lab": connection.lab, "good": good, "accounts": lists,
        "title": manifest.title, "version": manifest.version});
    (good, report)
}

/// One account's checklist.
async fn checklist(connector: &dyn Connector, account: &str) -> Vec<Finding> {
    let settings = serde_json::Value::Object(connector.settings().clone()).to_string();
    let target = Target { account: account.to_owned(), audience: String::new(), audience_parts: Vec::new(), settings };
    match connector.call(context(account), Ask::Check { target }).await.answer {
        Ok(Answer::Findings(findings)) => findings,
        Ok(_) => vec![failed("the connector's answer", "it answered something else than a checklist", None)],
        Err(fault) => vec![of_fault(&fault)],
    }
}

fn failed(subject: &str, message: &str, link: Option<String>) -> Finding {
    Finding { subject: subject.to_owned(), state: FindingState::Failed, message: message.to_owned(), cure: None, link }
}

/// A fault of the whole check as a line of the list.
fn of_fault(fault: &Fault) -> Finding {
    let words = fault.cause().map_or_else(|| fault.class().to_owned(), Cause::to_string);
    let cure = match fault {
        Fault::Unauthorized { .. } => "renew the connection's secret",
        Fault::Forbidden { .. } => "give the credentials the right at the partner",
        Fault::Terms { .. } => "accept the terms at the partner",
        Fault::Throttled { .. } | Fault::Unavailable { .. } | Fault::Preparing { .. } => "try again later",
        Fault::Misconfigured { .. } => "correct the connection's settings",
        _ => "ask the connector's publisher",
    };
    let link = fault.cause().and_then(|cause| cause.link.clone());
    Finding { cure: Some(cure.to_owned()), ..failed(fault.class(), &words, link) }
}

async fn check_all(
    global: &Global,
    args: &ConnectionArgs,
    connection: &Connection,
    connector: &dyn Connector,
) -> anyhow::Result<End> {
    tell(global, &report(&args.name, connection, connector).await.1)
}

/// Tells the checklists of a connection, as [`report`] gives them and as a serving host answers.
///
/// # Errors
/// They cannot be read, or written.
pub fn tell(global: &Global, report: &Value) -> anyhow::Result<End> {
    let badge = if report["lab"] == true { " [lab]" } else { "" };
    let (name, title, version) =
        (text_of(&report["connection"]), text_of(&report["title"]), text_of(&report["version"]));
    let mut words = format!("{name}{badge}: {title} {version}\n");
    let lists = report["accounts"].as_array().map(Vec::as_slice).unwrap_or_default();
    if lists.is_empty() {
        words.push_str("  no account is switched on\n      cure: add `accounts: { name: ID }` to the connection\n");
    }
    for list in lists {
        words.push_str(&format!("\naccount {} ({})\n", text_of(&list["name"]), text_of(&list["account"])));
        list["findings"].as_array().into_iter().flatten().for_each(|finding| words.push_str(&line(finding)));
    }
    out::say(global, report, &words)?;
    Ok(if report["good"] == true { End::Done } else { End::NeedsYou })
}

fn line(finding: &Value) -> String {
    let part = |name: &str| finding[name].as_str();
    let mark = match part("state") {
        Some("good") => "ok  ",
        Some("warning") => "look",
        _ => "FAIL",
    };
    let (subject, message) = (part("subject").unwrap_or_default(), part("message").unwrap_or_default());
    let mut text = format!("  {mark}  {subject}: {message}\n");
    if let Some(cure) = part("cure") {
        text.push_str(&format!("        cure: {cure}\n"));
    }
    if let Some(link) = part("link") {
        text.push_str(&format!("        see:  {link}\n"));
    }
    text
}

/// Why a partner lists nothing.
fn unlisted(what: &str, fault: &Fault) -> Problem {
    let finding = of_fault(fault);
    let code = match fault {
        Fault::Unauthorized { .. } => Code::Unauthorized,
        Fault::Forbidden { .. } => Code::Forbidden,
        Fault::Terms { .. } => Code::TermsUnsigned,
        _ => Code::Unreached,
    };
    let problem = Problem::new(code, format!("the {what} cannot be listed: {}", finding.message));
    problem.cure(finding.cure.unwrap_or_default())
}

/// The audiences of an account, or of a source's folder, whose name contains a text.
///
/// # Errors
/// What the partner says.
pub async fn audiences_as_json(
    connection: &Connection,
    connector: &dyn Connector,
    account: &str,
    named: &str,
) -> Result<serde_json::Value, Problem> {
    // Our short name, or the partner's id.
    let account = connection.accounts.get(account).cloned().unwrap_or_else(|| account.to_owned());
    let (mut rows, mut cursor) = (Vec::new(), None);
    for _ in 0..PAGES {
        let ask = Ask::Audiences { account: account.clone(), query: named.to_owned(), cursor: cursor.take() };
        match connector.call(context("audiences"), ask).await.answer {
            Ok(Answer::Audiences(page, next)) => {
                let row = |one: AudienceInfo| {
                    json!({"id": one.id, "name": one.name, "kind": one.kind, "at_least": one.size,
                        "unusable": one.unusable})
                };
                rows.extend(page.into_iter().map(row));
                cursor = next;
            }
            Ok(_) => return Err(Problem::new(Code::Internal, "the connector answered something else than audiences")),
            Err(fault) => return Err(with_secrets(unlisted("audiences", &fault), connection, connector)),
        }
        if cursor.is_none() {
            break;
        }
    }
    Ok(rows.into())
}

async fn audiences(
    global: &Global,
    args: &AudiencesArgs,
    (connection, connector): (&Connection, &dyn Connector),
) -> anyhow::Result<End> {
    let found = match audiences_as_json(connection, connector, &args.account, &args.named).await {
        Ok(found) => found,
        Err(problem) => {
            eprintln!("{problem}");
            return Ok(End::NeedsYou);
        }
    };
    if global.json {
        out::print_json(&found)?;
        return Ok(End::Done);
    }
    let row = |one: &serde_json::Value| {
        let size = count_of(&one["at_least"]);
        let state = one["unusable"].as_str().unwrap_or("usable").to_owned();
        vec![text_of(&one["id"]), text_of(&one["name"]), text_of(&one["kind"]), size, state]
    };
    let rows: Vec<Vec<String>> = found.as_array().into_iter().flatten().map(row).collect();
    out::print(&out::table(&["AUDIENCE", "NAME", "KIND", "AT LEAST", "STATE"], &rows))?;
    Ok(End::Done)
}

/// All accounts that the credentials reach, page by page.
async fn all_accounts(connector: &dyn Connector) -> Result<Vec<AccountInfo>, Problem> {
    let mut all = Vec::new();
    let mut cursor = None;
    for _ in 0..PAGES {
        match connector.call(context("accounts"), Ask::Accounts { cursor: cursor.take() }).await.answer {
            Ok(Answer::Accounts(page, next)) => {
                all.extend(page);
                cursor = next;
            }
            Ok(_) => {
                return Err(Problem::new(
                    caravan_model::Code::Internal,
                    "the connector answered something else than accounts",
                ));
            }
            Err(fault) => return Err(unlisted("accounts", &fault)),
        }
        if cursor.is_none() {
            break;
        }
    }
    Ok(all)
}

/// A partner may list accounts only for further secrets that the connection does not name.
fn with_secrets(problem: Problem, connection: &Connection, connector: &dyn Connector) -> Problem {
    let all = connector.manifest().auth.secrets.iter().map(|secret| secret.name.as_str());
    let lacking: Vec<&str> = all.filter(|name| !connection.secrets.contains_key(*name)).collect();
    if lacking.is_empty() {
        return problem;
    }
    problem.cure(format!(
        "name these under `secrets:` of the connection, or type the account ids by hand: {}",
        lacking.join(", ")
    ))
}

/// The accounts that a connection's credentials reach, as data.
///
/// # Errors
/// Why they cannot be listed.
pub async fn accounts_as_json(
    connection: &Connection,
    connector: &dyn Connector,
) -> Result<serde_json::Value, Problem> {
    let all = all_accounts(connector).await.map_err(|problem| with_secrets(problem, connection, connector))?;
    let value = |account: &AccountInfo| {
        json!({"id": account.id, "name": account.name, "unusable": account.unusable,
            "switched_on_as": short_of(connection, &account.id)})
    };
    Ok(all.iter().map(value).collect())
}

fn short_of(connection: &Connection, id: &str) -> Option<String> {
    connection.switched_on().find(|(_, known)| *known == id).map(|(short, _)| short.clone())
}

async fn accounts(global: &Global, connection: &Connection, connector: &dyn Connector) -> anyhow::Result<End> {
    if global.json {
        return match accounts_as_json(connection, connector).await {
            Ok(accounts) => {
                out::print_json(&accounts)?;
                Ok(End::Done)
            }
            Err(problem) => {
                eprintln!("{problem}");
                Ok(End::NeedsYou)
            }
        };
    }
    let all = match all_accounts(connector).await {
        Ok(all) => all,
        Err(problem) => {
            eprintln!("{}", with_secrets(problem, connection, connector));
            return Ok(End::NeedsYou);
        }
    };
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|account| {
            let on = short_of(connection, &account.id).unwrap_or_default();
            let state = account.unusable.clone().unwrap_or_else(|| "usable".to_owned());
            vec![account.id.clone(), account.name.clone(), on, state]
        })
        .collect();
    out::print(&out::table(&["ACCOUNT", "NAME", "SWITCHED ON AS", "STATE"], &rows))?;
    Ok(End::Done)
}
