//! `caravan connection list | show | create | set | delete | account`: connections as nouns, on a store.
use crate::args::{ConnectionForm, ConnectionsFile, Global, NamedConnection, Switched};
use crate::connections::{self, ConnectionDesk};
use crate::fail::{End, usage};
use crate::host::hands::{Hands, actor};
use crate::verbs::{self, consent};
use crate::{ask, files, out, remote};
use caravan_api::bench::ConnectionView;
use caravan_model::connection::SecretRef;
use caravan_model::{Code, Connection, Hashed, IdentitySource, Problem, Sources, SpelledSource};
use serde_json::{Value, json};
use std::path::Path;

/// All connections.
pub async fn list(global: &Global, of: &ConnectionsFile) -> anyhow::Result<End> {
    let all = connections::all(&verbs::look(global)?, &of.connections).await?;
    tell(global, &json!(all))
}

/// One connection.
pub async fn show(global: &Global, of: &NamedConnection) -> anyhow::Result<End> {
    let view = connections::one(&verbs::look(global)?, &of.connections, &of.name).await?;
    if !global.json {
        let mut shown = json!(view);
        shown["sealed"] = Value::Null;
        tell(global, &shown)?;
        return consent::show(global, of).await;
    }
    tell(global, &json!(view))?;
    let lacks = view.sealed.is_some_and(|sealed| !sealed.lacks.is_empty());
    Ok(if lacks { End::NeedsYou } else { End::Done })
}

fn tell(global: &Global, shown: &Value) -> anyhow::Result<End> {
    out::say(global, shown, &remote::words(shown))
}

fn desk<'a>(hands: &'a Hands, file: &'a Path) -> ConnectionDesk<'a> {
    ConnectionDesk { runner: hands.runner(), who: actor(), file }
}

/// Keeps a new connection, or changes one.
pub async fn keep(global: &Global, form: &ConnectionForm, is_new: bool) -> anyhow::Result<End> {
    Hands::making(global, None, async |hands| {
        let before = match is_new {
            true => None,
            false => Some(connections::one(hands.store(), &form.connections, &form.name).await?),
        };
        let connection = filled(form, before.as_ref())?;
        desk(hands, &form.connections).keep(&form.name, connection, is_new).await?;
        let view = connections::one(hands.store(), &form.connections, &form.name).await?;
        tell(global, &json!(view))
    })
    .await
}

/// Forgets a connection.
pub async fn delete(global: &Global, of: &NamedConnection) -> anyhow::Result<End> {
    let sealed = Hands::with(global, None, async |hands| {
        desk(hands, &of.connections).may_forget(&of.name).await?;
        Ok(connections::one(hands.store(), &of.connections, &of.name).await?.sealed.is_some())
    })
    .await?;
    ask::confirm(global, &format!("the connection {} is forgotten, and what is sealed for it", of.name))?;
    if sealed {
        consent::disconnect(&Global { yes: true, ..global.clone() }, of).await?;
    }
    Hands::with(global, None, async |hands| {
        let audiences = desk(hands, &of.connections).forget(&of.name).await?;
        tell(global, &json!({"connection": of.name, "audiences": audiences}))
    })
    .await
}

/// Switches an account.
pub async fn switch(global: &Global, of: &NamedConnection, account: &str, state: Switched) -> anyhow::Result<End> {
    Hands::with(global, None, async |hands| {
        desk(hands, &of.connections).switch(&of.name, account, state == Switched::On).await?;
        let view = connections::one(hands.store(), &of.connections, &of.name).await?;
        tell(global, &json!(view))
    })
    .await
}

/// What a form says, over what a connection was before.
///
/// # Errors
/// Something in it is no pair, or nothing names a connector.
pub fn filled(form: &ConnectionForm, before: Option<&ConnectionView>) -> anyhow::Result<Connection> {
    let mut connection = match (&form.from, before) {
        (Some(file), _) => {
            let mut known = files::connections(file)?.value.connections;
            let missing = || {
                Problem::new(Code::UnknownConnection, format!("there is no connection `{}`", form.name))
                    .in_file(file.display().to_string())
            };
            known.remove(&form.name).ok_or_else(missing)?
        }
        (None, Some(view)) => of_view(view)?,
        (None, None) => Connection::default(),
    };
    let texts = [
        (&mut connection.description, &form.description),
        (&mut connection.default_country, &form.default_country),
        (&mut connection.token_ends, &form.token_ends),
    ];
    texts.into_iter().filter(|(_, said)| said.is_some()).for_each(|(own, said)| own.clone_from(said));
    if let Some(connector) = &form.connector {
        connection.connector.clone_from(connector);
    }
    if connection.connector.is_empty() {
        return Err(usage("no connector is named", "say --connector NAME; `caravan connector list` shows them").into());
    }
    connection.lab |= form.lab;
    for (name, id) in pairs(&form.accounts)? {
        put(&mut connection.accounts, name, id.map(str::to_owned));
        connection.off.retain(|off| connection.accounts.contains_key(off));
    }
    for (name, value) in pairs(&form.settings)? {
        match value {
            Some(value) => drop(connection.settings.insert(name.to_owned(), plain(value))),
            None => drop(connection.settings.remove(name)),
        }
    }
    for (name, variable) in pairs(&form.secrets)? {
        put(&mut connection.secrets, name, variable.map(|variable| SecretRef::Env(variable.to_owned())));
    }
    for word in &form.raw {
        match word.strip_suffix('=') {
            Some(word) => drop(connection.raw.remove(word)),
            None => drop(connection.raw.insert(word.clone())),
        }
    }
    let mut fresh: Vec<&str> = Vec::new();
    for (key, field) in pairs(&form.identities)? {
        let Some(field) = field else {
            connection.identities.0.remove(key);
            continue;
        };
        // What is said of a key replaces what it was, and adds to what is said of it here.
        let mut sources = match connection.identities.0.get(key) {
            Some(known) if fresh.contains(&key) => known.all().to_vec(),
            _ => Vec::new(),
        };
        fresh.push(key);
        sources.push(source(field)?);
        connection.identities.0.insert(key.to_owned(), Sources::Several(sources));
    }
    Ok(connection)
}

fn of_view(view: &ConnectionView) -> anyhow::Result<Connection> {
    let variable = |(name, place): (&String, &String)| {
        Some((name.clone(), SecretRef::Env(place.strip_prefix("env ")?.to_owned())))
    };
    Ok(Connection {
        connector: view.connector.clone(),
        description: view.description.clone(),
        secret: None,
        app: None,
        token_ends: view.token_ends.clone(),
        secrets: view.secrets.iter().filter_map(variable).collect(),
        accounts: view.accounts.clone(),
        off: view.off.iter().cloned().collect(),
        default_country: view.default_country.clone(),
        identities: serde_json::from_value(view.identities.clone())?,
        raw: view.raw.clone(),
        settings: view.settings.as_object().cloned().unwrap_or_default(),
        lab: view.lab,
    })
}

fn put<T>(map: &mut std::collections::BTreeMap<String, T>, name: &str, value: Option<T>) {
    match value {
        Some(value) => drop(map.insert(name.to_owned(), value)),
        None => drop(map.remove(name)),
    }
}

/// `NAME=VALUE`; nothing behind the sign takes the name away.
fn pairs(texts: &[String]) -> Result<Vec<(&str, Option<&str>)>, Problem> {
    let mut all = Vec::with_capacity(texts.len());
    for text in texts {
        let (name, value) = text.split_once('=').ok_or_else(|| no_pair(text))?;
        if name.trim().is_empty() {
            return Err(no_pair(text));
        }
        all.push((name.trim(), Some(value.trim()).filter(|value| !value.is_empty())));
    }
    Ok(all)
}

fn no_pair(text: &str) -> Problem {
    usage(format!("`{text}` is no pair"), "write NAME=VALUE")
}

/// A setting's value: a number or true or false where it looks like one, else text.
fn plain(text: &str) -> Value {
    match text {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        text => text.parse::<i64>().map_or_else(|_| Value::from(text), Value::from),
    }
}

/// A field, or `sha256:FIELD` where its values are digests.
fn source(text: &str) -> Result<IdentitySource, Problem> {
    let Some((kind, field)) = text.split_once(':') else { return Ok(IdentitySource::Path(text.to_owned())) };
    let all = [Hashed::Sha256, Hashed::Md5, Hashed::Sha256OfMd5];
    let known = all.into_iter().find(|hashed| hashed.word() == kind);
    let hashed = known.ok_or_else(|| {
        let words: Vec<&str> = all.iter().map(|hashed| hashed.word()).collect();
        usage(format!("`{kind}` is no kind of digest"), format!("write one of: {}", words.join(", ")))
    })?;
    Ok(IdentitySource::Spelled(SpelledSource { from: field.to_owned(), hashed: Some(hashed) }))
}
