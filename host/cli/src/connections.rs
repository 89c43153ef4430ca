//! Connections as people keep them: seen, made, changed, forgotten, their accounts switched. The command line does it on a
//! store, a serving host for its API.
use crate::bundle::is_path;
use crate::check;
use crate::host::safe;
use crate::kept::Kept;
use crate::registry::Shelf;
use caravan_api::bench::{ConnectionView, SealedView};
use caravan_model::connection::SecretRef;
use caravan_model::{Code, Connection, KeptConnection, Problem, is_group_name};
use caravan_runner::control::{ConnectionUse, uses_of_connection};
use caravan_runner::{Runner, policy_of};
use caravan_store::{DocumentKind, Sqlite, Store};
use serde_json::{Value, json};
use std::path::Path;

/// Variables of the host's own, which no connection may name.
const OWN: &str = "CARAVAN_";

/// All connections of a file and a store, by name. A file that is not there has none.
///
/// # Errors
/// The file or the store cannot be read.
pub async fn all(store: &Sqlite, file: &Path) -> anyhow::Result<Vec<ConnectionView>> {
    let kept = Kept::of(store).await?;
    let known = check::read_where_there(file, &kept)?.value.connections;
    let mut views = Vec::with_capacity(known.len());
    for (name, connection) in known {
        views.push(view(store, &kept, name, connection).await?);
    }
    Ok(views)
}

/// One connection.
///
/// # Errors
/// CV024 where there is none of this name; as [`all`].
pub async fn one(store: &Sqlite, file: &Path, name: &str) -> anyhow::Result<ConnectionView> {
    let kept = Kept::of(store).await?;
    let mut known = check::read_where_there(file, &kept)?.value.connections;
    let connection = known.remove(name).ok_or_else(|| missing(name))?;
    view(store, &kept, name.to_owned(), connection).await
}

fn missing(name: &str) -> Problem {
    Problem::new(Code::UnknownConnection, format!("there is no connection `{name}`"))
        .cure("`caravan connection list` shows what there is")
}

async fn view(store: &Sqlite, kept: &Kept, name: String, known: Connection) -> anyhow::Result<ConnectionView> {
    let sealed = match safe::of(store).credential(&name).await {
        Ok(None) => None,
        Ok(Some(credential)) => Some(SealedView {
            kind: credential.kind().to_owned(),
            ends: credential.ends.map(|at| at.0),
            lacks: credential.missing().into_iter().map(str::to_owned).collect(),
        }),
        // Its key is not here.
        Err(_) => Some(SealedView { kind: "sealed without its key".to_owned(), ends: None, lacks: Vec::new() }),
    };
    let used_by = uses_of_connection(store, &name).await?.into_iter().map(|used| used.words).collect();
    let place = |secret: &SecretRef| match secret {
        SecretRef::Env(variable) => format!("env {variable}"),
        SecretRef::File(path) => format!("file {path}"),
    };
    let own = known.secret.iter().map(|secret| ("token".to_owned(), place(secret)));
    let app = known.app.iter().map(|app| ("app".to_owned(), place(&app.secret)));
    let further = known.secrets.iter().map(|(name, secret)| (name.clone(), place(secret)));
    Ok(ConnectionView {
        kept_in: if kept.holds(&name) { "store" } else { "file" }.to_owned(),
        secrets: own.chain(app).chain(further).collect(),
        name,
        connector: known.connector,
        description: known.description,
        accounts: known.accounts,
        off: known.off.into_iter().collect(),
        default_country: known.default_country,
        identities: json!(known.identities),
        raw: known.raw,
        settings: Value::Object(known.settings),
        lab: known.lab,
        token_ends: known.token_ends,
        sealed,
        used_by,
    })
}

/// Connections in somebody's hands.
pub struct ConnectionDesk<'a> {
    /// The runner over the store.
    pub runner: &'a Runner<Sqlite>,
    /// Who acts.
    pub who: String,
    /// The connections file.
    pub file: &'a Path,
}

impl ConnectionDesk<'_> {
    fn store(&self) -> &Sqlite {
        self.runner.store()
    }

    async fn put(&self, name: &str, kept: Option<&KeptConnection>, verb: &str, details: Value) -> anyhow::Result<()> {
        let text = kept.map(serde_json::to_string).transpose()?;
        let document = (DocumentKind::Connection, name.to_owned(), text);
        Ok(self.runner.acting(&*self.who).put(vec![document], verb, &format!("connection {name}"), details).await?)
    }

    /// Keeps a connection in the store: a new one, or another form of one that is there.
    ///
    /// # Errors
    /// CV004, CV026, CV029, CV038: it cannot work; CV041: the name is taken; CV024: there is nothing to change; CV044: the
    /// file keeps it; CV042: what uses it needs an account or the connector that would go.
    pub async fn keep(&self, name: &str, connection: Connection, is_new: bool) -> anyhow::Result<()> {
        let kept = Kept::of(self.store()).await?;
        if !is_group_name(name) {
            let words = format!("`{}` is no name of a connection", name.chars().take(80).collect::<String>());
            let cure = "use 1 to 64 of a-z, 0-9, - and _, beginning with a letter or digit";
            return Err(Problem::new(Code::BadValue, words).cure(cure).into());
        }
        self.has_room(&kept, name, is_new)?;
        allowed(&connection)?;
        if let Some(before) = kept.get(name).and_then(|kept| kept.connection.as_ref()) {
            self.keeps_what_is_used(name, before, &connection).await?;
        }
        let becomes = KeptConnection { connection: Some(connection.clone()), ..KeptConnection::default() };
        let shelf = Shelf::of(self.store()).await?.keeping(kept.with(name, becomes.clone()));
        let (file, wanted) = (self.file.to_owned(), name.to_owned());
        let checked = tokio::task::spawn_blocking(move || check::connection(&file, &wanted, &shelf)).await??;
        let connector = checked.components.get(name).map(|found| found.manifest().name.clone()).unwrap_or_default();
        if let Some(found) = checked.components.get(name) {
            crate::verbs::connection::allowed(&policy_of(self.store()).await?, name, found.manifest())?;
        }
        let verb = if is_new { "connection.create" } else { "connection.change" };
        let accounts: Vec<&String> = connection.accounts.keys().collect();
        self.put(name, Some(&becomes), verb, json!({"connector": connector, "accounts": accounts})).await
    }

    /// Whether a name is free, or this store's to change.
    fn has_room(&self, kept: &Kept, name: &str, is_new: bool) -> anyhow::Result<()> {
        let in_file = check::read_where_there(self.file, &Kept::default())?.value.connections.contains_key(name);
        match (is_new, in_file, kept.holds(name)) {
            (true, false, false) | (false, false, true) => Ok(()),
            (true, true, _) => {
                let words = format!("the connections file has a connection `{name}`");
                Err(Problem::new(Code::ConnectionTwice, words)
                    .cure("choose another name, or take it out of the file")
                    .into())
            }
            (true, false, true) => {
                let words = format!("there is a connection `{name}` already");
                Err(Problem::new(Code::ConnectionTwice, words).cure("change that one, or choose another name").into())
            }
            (false, true, _) => Err(in_its_file(name).into()),
            (false, false, false) => Err(missing(name).into()),
        }
    }

    /// What uses a connection keeps its account and its connector.
    async fn keeps_what_is_used(&self, name: &str, before: &Connection, becomes: &Connection) -> anyhow::Result<()> {
        let bare = |connection: &Connection| connection.connector.split('@').next().unwrap_or_default().to_owned();
        let moves = |account: &String| before.accounts.get(account) != becomes.accounts.get(account);
        let loses = |used: &ConnectionUse| bare(before) != bare(becomes) || used.account.as_ref().is_some_and(moves);
        let users: Vec<String> =
            uses_of_connection(self.store(), name).await?.into_iter().filter(loses).map(|used| used.words).collect();
        if users.is_empty() {
            return Ok(());
        }
        Err(in_use(name, &users, "would lose their account or connector").into())
    }

    /// Forgets a connection of the store; gives the audiences that stay at the partner as they are.
    ///
    /// # Errors
    /// CV024: it is not there; CV044: the file keeps it; CV042: something uses it.
    pub async fn forget(&self, name: &str) -> anyhow::Result<Vec<String>> {
        self.may_forget(name).await?;
        self.put(name, None, "connection.delete", json!({})).await?;
        let audiences = self.store().audiences().await?;
        Ok(audiences.into_iter().filter(|one| one.connection == name).map(|one| one.name).collect())
    }

    /// Whether it could be forgotten now.
    ///
    /// # Errors
    /// As [`ConnectionDesk::forget`].
    pub async fn may_forget(&self, name: &str) -> anyhow::Result<()> {
        self.has_room(&Kept::of(self.store()).await?, name, false)?;
        let users: Vec<String> =
            uses_of_connection(self.store(), name).await?.into_iter().map(|used| used.words).collect();
        if users.is_empty() { Ok(()) } else { Err(in_use(name, &users, "use it").into()) }
    }

    /// Switches an account on or off, by our short name of it. Nothing is sent to one that is off: its people wait. Gives the
    /// partner's id of it.
    ///
    /// # Errors
    /// CV024, CV025: there is no such connection or account.
    pub async fn switch(&self, name: &str, account: &str, on: bool) -> anyhow::Result<String> {
        let kept = Kept::of(self.store()).await?;
        let known = check::read_where_there(self.file, &kept)?.value.connections;
        let connection = known.get(name).ok_or_else(|| missing(name))?;
        let Some(id) = connection.accounts.get(account).cloned() else {
            let accounts: Vec<&str> = connection.accounts.keys().map(String::as_str).collect();
            let words = format!("connection `{name}` has no account `{account}`");
            let cure = format!("name one of: {}", accounts.join(", "));
            return Err(Problem::new(Code::UnknownAccount, words).cure(cure).into());
        };
        let mut becomes = kept.get(name).cloned().unwrap_or_default();
        match &mut becomes.connection {
            Some(own) => {
                own.off.remove(account);
                own.off.extend((!on).then(|| account.to_owned()));
            }
            None => becomes.switches.extend([(account.to_owned(), on)]),
        }
        let details = json!({"account": account, "on": on});
        self.put(name, Some(&becomes), "connection.account", details).await?;
        Ok(id)
    }
}

fn in_its_file(name: &str) -> Problem {
    Problem::new(Code::KeptInFile, format!("the connections file keeps `{name}`"))
        .cure("change it there; accounts alone are switched from here, too")
}

fn in_use(name: &str, users: &[String], why: &str) -> Problem {
    Problem::new(Code::ConnectionInUse, format!("`{name}` is in use: {} {why}", users.join(", ")))
        .cure("stop or change these first")
}

/// What may not stand in a store: secrets are sealed, and no caller names a file or a variable of the host's own.
fn allowed(connection: &Connection) -> Result<(), Problem> {
    let wrong =
        |at: &str, words: &str, cure: &str| Err(Problem::new(Code::BadConnection, words).at_path(at).cure(cure));
    if is_path(&connection.connector) {
        return wrong("connector", "a connector is named, not a file of this host", "install it, and name it");
    }
    if connection.secret.is_some() || connection.app.is_some() {
        let cure = "leave it out, and seal it: `caravan connection token`, `connection connect` or `connector app set`";
        return wrong("secret", "the store keeps no place of a token", cure);
    }
    for (name, secret) in &connection.secrets {
        let at = format!("secrets.{name}");
        match secret {
            SecretRef::File(_) => return wrong(&at, "a file of the host is named", "name a variable: { env: NAME }"),
            SecretRef::Env(variable) if variable.starts_with(OWN) => {
                return wrong(&at, "this variable is the host's own", "name another one");
            }
            SecretRef::Env(_) => {}
        }
    }
    if let Some(strange) = connection.off.iter().find(|name| !connection.accounts.contains_key(*name)) {
        return wrong("off", &format!("there is no account `{strange}` to be off"), "name an account of `accounts`");
    }
    Ok(())
}
