//! Members, keys, and who is behind a secret. Only digests of secrets are kept.
use super::Acting;
use crate::error::written;
use caravan_model::{Code, Digest, Key, Member, Millis, Pass, Problem, Right, Rights, is_member_address};
use caravan_store::{DocumentKind, Store};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Someone who is known by a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// As the audit chain names them: `key:NAME`, `member:ADDRESS`.
    pub who: String,
    /// What they may do.
    pub rights: Rights,
    /// The member's address; `None` for a key.
    pub member: Option<String>,
}

/// All members, by address.
///
/// # Errors
/// What the store says, or a damaged document.
pub async fn members(store: &impl Store) -> crate::Result<Vec<Member>> {
    let documents = store.documents(DocumentKind::Member).await?;
    documents.iter().map(|(_, text)| read(text)).collect()
}

/// All keys with their ids (the first 12 digits of the digest), by name.
///
/// # Errors
/// What the store says, or a damaged document.
pub async fn keys(store: &impl Store) -> crate::Result<Vec<(String, Key)>> {
    let mut keys = Vec::new();
    for (id, text) in store.documents(DocumentKind::Key).await? {
        keys.push((id.chars().take(12).collect(), read::<Key>(&text)?));
    }
    keys.sort_by(|a, b| a.1.name.cmp(&b.1.name));
    Ok(keys)
}

/// The id of a secret's document.
pub fn secret_id(secret: &str) -> String {
    Digest::of(secret.as_bytes()).to_string()
}

/// Whose a secret is: a key, or a session that has not ended.
///
/// # Errors
/// What the store says, or a damaged document.
pub async fn signed_by(store: &impl Store, secret: &str, now: Millis) -> crate::Result<Option<Signed>> {
    let id = secret_id(secret);
    if let Some(key) = find::<Key>(store, DocumentKind::Key, &id).await? {
        return Ok(Some(Signed { who: format!("key:{}", key.name), rights: key.rights, member: None }));
    }
    let pass = find::<Pass>(store, DocumentKind::Session, &id).await?;
    let Some(pass) = pass.filter(|pass| pass.until > now) else { return Ok(None) };
    let member = find::<Member>(store, DocumentKind::Member, &pass.member).await?;
    Ok(member.map(|member| Signed {
        who: format!("member:{}", member.email),
        rights: member.rights,
        member: Some(member.email),
    }))
}

/// The member with an address, in whatever case it is written.
///
/// # Errors
/// What the store says, or a damaged document.
pub async fn member(store: &impl Store, email: &str) -> crate::Result<Option<Member>> {
    find(store, DocumentKind::Member, &email.trim().to_lowercase()).await
}

async fn find<T: DeserializeOwned>(store: &impl Store, kind: DocumentKind, id: &str) -> crate::Result<Option<T>> {
    let documents = store.documents(kind).await?;
    documents.iter().find(|(known, _)| known == id).map(|(_, text)| read(text)).transpose()
}

fn read<T: DeserializeOwned>(text: &str) -> crate::Result<T> {
    serde_json::from_str(text).map_err(|error| {
        let words = format!("a document of members and keys cannot be read: {error}");
        Problem::new(Code::StoreDamaged, words).into()
    })
}

fn not_found(words: String, cure: &str) -> crate::Error {
    Problem::new(Code::NotFound, words).cure(cure).into()
}

impl<S: Store> Acting<'_, S> {
    /// Keeps a member, new or changed. A change of rights ends none of their sessions: rights are looked up at each request.
    ///
    /// # Errors
    /// It is no address; they would be the last who manages members and no longer may; or what the store says.
    pub async fn set_member(&self, mut member: Member) -> crate::Result<()> {
        member.email = member.email.trim().to_lowercase();
        if !is_member_address(&member.email) {
            let words = "a member is named by an e-mail address, and this is none";
            return Err(Problem::new(Code::BadValue, words).at_path("email").cure("write ann@acme.example").into());
        }
        if !member.rights.has(Right::ManageMembers) {
            self.another_manager(&member.email).await?;
        }
        let details = json!({"rights": member.rights, "password": member.password.is_some()});
        let (object, text) = (format!("member {}", member.email), written(&member)?);
        self.put(vec![(DocumentKind::Member, member.email, Some(text))], "member.set", &object, details).await
    }

    /// Takes a member's rights, and ends their sessions and links in the same transaction.
    ///
    /// # Errors
    /// There is no such member, they are the last who manages members, or what the store says.
    pub async fn remove_member(&self, email: &str) -> crate::Result<()> {
        let email = email.trim().to_lowercase();
        if member(self.store(), &email).await?.is_none() {
            return Err(not_found(format!("there is no member {email}"), "`caravan member list` shows them"));
        }
        self.another_manager(&email).await?;
        let mut gone = vec![(DocumentKind::Member, email.clone(), None)];
        for kind in [DocumentKind::Session, DocumentKind::Link] {
            for (id, text) in self.store().documents(kind).await? {
                if read::<Pass>(&text)?.member == email {
                    gone.push((kind, id, None));
                }
            }
        }
        self.put(gone, "member.remove", &format!("member {email}"), Value::Null).await
    }

    /// Refuses to leave a workspace that has members without one who manages them.
    async fn another_manager(&self, without: &str) -> crate::Result<()> {
        let all = members(self.store()).await?;
        let was = all.iter().any(|member| member.email == without && member.rights.has(Right::ManageMembers));
        let others = all.iter().any(|member| member.email != without && member.rights.has(Right::ManageMembers));
        if was && !others {
            let words = format!("{without} is the last member who may manage members");
            return Err(Problem::new(Code::BadValue, words).cure("make somebody else an admin first").into());
        }
        Ok(())
    }

    /// Keeps a key of a secret; gives its id. A name stands for one key: the same name again is refused.
    ///
    /// # Errors
    /// The name is taken or empty, no right is named, or what the store says.
    pub async fn add_key(&self, name: &str, rights: Rights, secret: &str) -> crate::Result<String> {
        let name = name.trim();
        let wrong = |words: String| Problem::new(Code::BadValue, words).at_path("name");
        if name.is_empty() || name.len() > 100 || name.chars().any(char::is_control) {
            return Err(wrong("a key needs a name of at most 100 characters".to_owned()).into());
        }
        if keys(self.store()).await?.iter().any(|(_, key)| key.name == name) {
            let words = format!("there is a key `{name}` already");
            return Err(wrong(words).cure("choose another name, or remove that key first").into());
        }
        let (id, object) = (secret_id(secret), format!("key {name}"));
        let details = json!({"rights": rights, "id": id.chars().take(12).collect::<String>()});
        let key = Key { name: name.to_owned(), rights, since: self.now(), by: self.who().to_owned() };
        self.put(vec![(DocumentKind::Key, id.clone(), Some(written(&key)?))], "key.add", &object, details).await?;
        Ok(id.chars().take(12).collect())
    }

    /// Forgets a key by its name or id: whoever uses it is refused from then on.
    ///
    /// # Errors
    /// There is no such key, or what the store says.
    pub async fn remove_key(&self, named: &str) -> crate::Result<()> {
        for (id, text) in self.store().documents(DocumentKind::Key).await? {
            let key: Key = read(&text)?;
            if key.name == named || (named.len() >= 8 && id.starts_with(named)) {
                let gone = vec![(DocumentKind::Key, id, None)];
                return self.put(gone, "key.remove", &format!("key {}", key.name), Value::Null).await;
            }
        }
        Err(not_found(format!("there is no key `{named}`"), "`caravan key list` shows them"))
    }

    /// Signs a member in until an instant; sessions and links that have ended are forgotten.
    ///
    /// # Errors
    /// What the store says.
    pub async fn open_session(&self, email: &str, secret: &str, until: Millis) -> crate::Result<()> {
        self.pass(DocumentKind::Session, email, secret, until, "session.open").await
    }

    /// Keeps a link that signs a member in once.
    ///
    /// # Errors
    /// There is no such member, or what the store says.
    pub async fn make_link(&self, email: &str, secret: &str, until: Millis) -> crate::Result<()> {
        self.pass(DocumentKind::Link, email, secret, until, "member.link").await
    }

    async fn pass(
        &self,
        kind: DocumentKind,
        email: &str,
        secret: &str,
        until: Millis,
        verb: &str,
    ) -> crate::Result<()> {
        let Some(member) = member(self.store(), email).await? else {
            let words = format!("there is no member {}", email.trim());
            return Err(not_found(words, "add them first: `caravan member add ADDRESS --rights ROLE`"));
        };
        let now = self.now();
        let mut documents = Vec::new();
        for kind in [DocumentKind::Session, DocumentKind::Link] {
            for (id, text) in self.store().documents(kind).await? {
                if read::<Pass>(&text)?.until <= now {
                    documents.push((kind, id, None));
                }
            }
        }
        let object = format!("member {}", member.email);
        documents.push((kind, secret_id(secret), Some(written(&Pass { member: member.email, until })?)));
        self.put(documents, verb, &object, Value::Null).await
    }

    /// Uses a link up: the member whom it signs in, `None` where it is unknown, used or over.
    ///
    /// # Errors
    /// What the store says.
    pub async fn use_link(&self, secret: &str) -> crate::Result<Option<String>> {
        let id = secret_id(secret);
        let Some(pass) = find::<Pass>(self.store(), DocumentKind::Link, &id).await? else { return Ok(None) };
        let gone = vec![(DocumentKind::Link, id, None)];
        self.put(gone, "member.link-used", &format!("member {}", pass.member), Value::Null).await?;
        Ok((pass.until > self.now()).then_some(pass.member))
    }

    /// Ends a session.
    ///
    /// # Errors
    /// What the store says.
    pub async fn close_session(&self, secret: &str) -> crate::Result<()> {
        let gone = vec![(DocumentKind::Session, secret_id(secret), None)];
        self.put(gone, "session.close", self.who(), Value::Null).await
    }
}
