//! `caravan member …` and `caravan key …`.
use crate::args::{Global, KeyVerb, MemberVerb};
use crate::fail::{End, usage};
use crate::host::alerts;
use crate::host::hands::Hands;
use crate::out::{instant_of, text_of};
use crate::{ask, out, verbs};
use caravan_api::nouns::members::LINK_LIFE;
use caravan_api::secret;
use caravan_connectors::LocalMessenger;
use caravan_model::alert::Messenger as _;
use caravan_model::port::{Clock as _, SystemClock};
use caravan_model::{Code, Member, Problem, Right, Rights, Role};
use caravan_runner::control;
use serde::Deserialize as _;
use serde_json::{Value, json};
use std::io::Read as _;

/// The longest password that is read, in bytes.
const LONGEST: u64 = 1_000;

/// Does a verb of members.
pub async fn member(global: &Global, verb: MemberVerb) -> anyhow::Result<End> {
    match verb {
        MemberVerb::Add { email, rights, name, password_stdin, mail } => {
            let password = if password_stdin { Some(typed()?) } else { None };
            let messenger = mail.then(messenger).transpose()?;
            Hands::making(global, None, async |hands| {
                let known = control::member(hands.store(), &email).await?;
                let password = match password {
                    Some(password) => Some(secret::hash(&password)?),
                    None => known.as_ref().and_then(|known| known.password.clone()),
                };
                let since = known.as_ref().map_or_else(|| SystemClock.now(), |known| known.since);
                let member = Member { email: email.clone(), name, rights: rights.clone(), password, since };
                hands.acting().set_member(member).await?;
                let verb = if known.is_some() { "changed" } else { "added" };
                let mut words = format!("{email} is {verb}: {}\n", rights.in_words());
                if let Some(messenger) = &messenger {
                    mail_link(hands, messenger, &email).await?;
                    words.push_str("a link is mailed to them\n");
                }
                out::say(global, &json!({"member": email, "rights": rights, "changed": known.is_some()}), &words)
            })
            .await
        }
        MemberVerb::List => members(global).await,
        MemberVerb::Link { email, mail } => {
            let messenger = mail.then(messenger).transpose()?;
            Hands::with(global, None, async |hands| {
                if let Some(messenger) = &messenger {
                    mail_link(hands, messenger, &email).await?;
                    return tell_link(global, &email, &json!({"mailed": email}));
                }
                let (link, until) = (secret::fresh("cl")?, SystemClock.now().after(LINK_LIFE));
                hands.acting().make_link(&email, &link, until).await?;
                tell_link(global, &email, &json!({"link": link, "until": until}))
            })
            .await
        }
        MemberVerb::Remove { email } => {
            ask::confirm(global, &format!("{email} loses all rights here, and is signed out"))?;
            Hands::with(global, None, async |hands| {
                hands.acting().remove_member(&email).await?;
                out::say(global, &json!({"removed": email}), &format!("{email} is no member any more\n"))
            })
            .await
        }
        MemberVerb::Rights => rights(global),
    }
}

/// What mails from here.
fn messenger() -> Result<LocalMessenger, Problem> {
    Some(alerts::messenger()?).filter(|messenger| messenger.mails()).ok_or_else(control::no_mail)
}

/// Makes a link and mails it.
async fn mail_link(hands: &Hands, messenger: &LocalMessenger, email: &str) -> anyhow::Result<()> {
    let (link, until) = (secret::fresh("cl")?, SystemClock.now().after(LINK_LIFE));
    let reached = alerts::policy()?.public_url;
    let mail = control::link_mail(email, hands.store().workspace(), (&link, until), reached.as_deref())?;
    hands.acting().make_link(email, &link, until).await?;
    messenger.send(&mail.0, &mail.1).await.map_err(|error| {
        let problem = Problem::new(Code::Untold, format!("the mail did not leave: {error}"));
        problem.cure("try again, or look at the mail server of the configuration")
    })?;
    Ok(())
}

/// Does a verb of keys.
pub async fn key(global: &Global, verb: KeyVerb) -> anyhow::Result<End> {
    match verb {
        KeyVerb::Add { name, rights } => {
            Hands::making(global, None, async |hands| {
                let key = secret::fresh("ck")?;
                let id = hands.acting().add_key(&name, rights.clone(), &key).await?;
                tell_key(global, &json!({"name": name, "id": id, "key": key, "rights": rights}))
            })
            .await
        }
        KeyVerb::List => keys(global).await,
        KeyVerb::Remove { key } => {
            ask::confirm(global, &format!("whoever uses the key {key} is refused from then on"))?;
            Hands::with(global, None, async |hands| {
                hands.acting().remove_key(&key).await?;
                out::say(global, &json!({"removed": key}), &format!("the key {key} is forgotten\n"))
            })
            .await
        }
    }
}

/// The first line of the standard input.
///
/// # Errors
/// There is none.
pub fn typed() -> anyhow::Result<String> {
    let mut text = String::new();
    std::io::stdin().take(LONGEST).read_to_string(&mut text)?;
    let line = text.lines().next().unwrap_or_default().to_owned();
    if line.is_empty() {
        let cure = "write it into the command: `caravan member add … --password-stdin < file`";
        return Err(usage("no password came from the standard input", cure).into());
    }
    Ok(line)
}

/// Tells of a key that was made: its secret alone on the standard output, so that a script can take it.
///
/// # Errors
/// It cannot be written.
pub fn tell_key(global: &Global, made: &Value) -> anyhow::Result<End> {
    if !global.quiet && !global.json {
        eprintln!("This is the key's secret; it is told once:");
    }
    out::say(global, made, made["key"].as_str().unwrap_or_default())
}

/// Tells of a link that was made, or mailed.
///
/// # Errors
/// It cannot be written.
pub fn tell_link(global: &Global, email: &str, made: &Value) -> anyhow::Result<End> {
    match made["link"].as_str() {
        Some(link) => out::say(global, made, link),
        None => out::say(global, made, &format!("a link is mailed to {email}\n")),
    }
}

async fn members(global: &Global) -> anyhow::Result<End> {
    let all = control::members(&verbs::look(global)?).await?;
    let value = |member: &Member| {
        json!({"member": member.email, "name": member.name, "rights": member.rights, "since": member.since,
            "password": member.password.is_some()})
    };
    tell_members(global, &all.iter().map(value).collect())
}

/// Tells of members, as data has them here and on a serving host.
///
/// # Errors
/// They cannot be read, or written.
pub fn tell_members(global: &Global, told: &Value) -> anyhow::Result<End> {
    let row = |member: &Value| {
        let either = |here: &str, there: &str| member.get(here).unwrap_or(&member[there]).clone();
        let signs = if either("password", "has_password") == true { "password or link" } else { "link" };
        let (email, name) = (text_of(&either("member", "email")), text_of(&member["name"]));
        Ok(vec![email, name, Rights::deserialize(&member["rights"])?.in_words(), signs.to_owned()])
    };
    let rows = told.as_array().into_iter().flatten().map(row).collect::<anyhow::Result<Vec<Vec<String>>>>()?;
    match rows.is_empty() {
        true => {
            out::say(global, told, "there are no members: `caravan member add ADDRESS --rights admin` adds the first")
        }
        false => out::say(global, told, &out::table(&["MEMBER", "NAME", "RIGHTS", "SIGNS IN BY"], &rows)),
    }
}

async fn keys(global: &Global) -> anyhow::Result<End> {
    let all = control::keys(&verbs::look(global)?).await?;
    let value = |(id, key): &(String, caravan_model::Key)| json!({"id": id, "name": key.name, "rights": key.rights, "since": key.since, "by": key.by});
    tell_keys(global, &all.iter().map(value).collect())
}

/// Tells of keys, as data has them here and on a serving host.
///
/// # Errors
/// They cannot be read, or written.
pub fn tell_keys(global: &Global, told: &Value) -> anyhow::Result<End> {
    let row = |key: &Value| {
        let since = instant_of(&key["since"]);
        let rights = Rights::deserialize(&key["rights"])?.in_words();
        Ok(vec![text_of(&key["name"]), text_of(&key["id"]), rights, since, text_of(&key["by"])])
    };
    let rows = told.as_array().into_iter().flatten().map(row).collect::<anyhow::Result<Vec<Vec<String>>>>()?;
    match rows.is_empty() {
        true => out::say(global, told, "there are no keys: `caravan key add NAME --rights ROLE` makes one"),
        false => out::say(global, told, &out::table(&["KEY", "ID", "RIGHTS", "SINCE", "BY"], &rows)),
    }
}

fn rights(global: &Global) -> anyhow::Result<End> {
    let roles = |right: Right| -> Vec<&str> {
        let with = Role::ALL.iter().filter(|role| role.rights().has(right));
        with.map(|role| role.word()).collect()
    };
    if global.json {
        let value = |right: &Right| json!({"right": right, "words": right.words(), "roles": roles(*right)});
        out::print_json(&Right::ALL.iter().map(value).collect::<Vec<_>>())?;
    } else {
        let row = |right: &Right| vec![right.word().to_owned(), roles(*right).join(", "), right.words().to_owned()];
        let rows: Vec<Vec<String>> = Right::ALL.iter().map(row).collect();
        out::print(&out::table(&["RIGHT", "ROLES", "ALLOWS"], &rows))?;
    }
    Ok(End::Done)
}
