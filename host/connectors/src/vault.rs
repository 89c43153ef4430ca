//! Secrets from where `connections.yaml` says they are: an environment variable or a file, read at each call.
use crate::seal::Safe;
use caravan_model::Credential;
use caravan_model::connection::{Connection, SecretRef};
use caravan_model::port::{App, BoxFuture, Secret, Vault};
use std::{collections::BTreeMap, io::Read as _};

/// The token of a lab connection that names no secret.
pub const LAB_TOKEN: &str = "lab-token";
/// The largest secret file.
const LARGEST: u64 = 64 << 10;

/// Reads the secrets of connections on this machine, and what a store keeps sealed. Nothing is kept, so a mended secret is found at the next call.
///
/// ```
/// use caravan_connectors::LocalVault;
/// use caravan_model::{Connection, port::Vault as _};
/// let lab = Connection { connector: "meta".into(), lab: true, ..Connection::default() };
/// let vault = LocalVault::new([("lab-meta".to_owned(), lab)]);
/// assert_eq!(vault.secret("lab-meta", "token").unwrap().expose(), "lab-token");
/// assert!(vault.secret("other", "token").is_err());
/// ```
#[derive(Clone, Debug, Default)]
pub struct LocalVault {
    connections: BTreeMap<String, Connection>,
    safe: Option<Safe>,
}

impl LocalVault {
    /// A vault for these connections.
    pub fn new(connections: impl IntoIterator<Item = (String, Connection)>) -> LocalVault {
        LocalVault { connections: connections.into_iter().collect(), safe: None }
    }

    /// The same with what is sealed, which goes before what the file names.
    #[must_use]
    pub fn with_safe(self, safe: Option<Safe>) -> LocalVault {
        LocalVault { safe, ..self }
    }
}

impl Vault for LocalVault {
    fn secret(&self, connection: &str, name: &str) -> Result<Secret, String> {
        let known = self.connections.get(connection).ok_or_else(|| format!("there is no connection `{connection}`"))?;
        let reference = if name == "token" { known.secret.as_ref() } else { known.secrets.get(name) };
        match reference {
            Some(reference) => read(reference).map_err(|what| format!("connection `{connection}`: {what}")),
            None if known.lab && name == "token" => Ok(Secret::new(LAB_TOKEN)),
            None if name == "token" => Err(format!(
                "connection `{connection}` names no secret; add `secret: {{ env: VARIABLE }}` or `secret: {{ file: PATH }}`"
            )),
            None => Err(format!("connection `{connection}` names no secret `{name}`; add it under `secrets:`")),
        }
    }

    fn app(&self, connection: &str) -> Result<Option<App>, String> {
        let Some(app) = self.connections.get(connection).and_then(|known| known.app.as_ref()) else { return Ok(None) };
        let secret = read(&app.secret).map_err(|what| format!("connection `{connection}`: {what}"))?;
        Ok(Some(App { id: app.id.clone(), secret }))
    }

    fn brings_token(&self, connection: &str) -> bool {
        self.connections.get(connection).is_some_and(|known| known.secret.is_some())
    }

    fn sealed_app<'a>(&'a self, connector: &'a str) -> BoxFuture<'a, Result<Option<App>, String>> {
        Box::pin(async move {
            match &self.safe {
                Some(safe) => safe.app(connector).await.map_err(|problem| problem.message),
                None => Ok(None),
            }
        })
    }

    fn credential<'a>(&'a self, connection: &'a str) -> BoxFuture<'a, Result<Option<Credential>, String>> {
        Box::pin(async move {
            match &self.safe {
                Some(safe) => safe.credential(connection).await.map_err(|problem| problem.message),
                None => Ok(None),
            }
        })
    }

    fn renew<'a>(
        &'a self,
        connection: &'a str,
        was: &'a Credential,
        becomes: &'a Credential,
    ) -> BoxFuture<'a, Result<bool, String>> {
        Box::pin(async move {
            match &self.safe {
                Some(safe) => safe.renew(connection, was, becomes).await.map_err(|problem| problem.message),
                None => Err("nothing is sealed here".to_owned()),
            }
        })
    }
}

/// The secret that a reference points to, as it stands there now.
///
/// # Errors
/// In words, which never hold the secret.
pub fn read(reference: &SecretRef) -> Result<Secret, String> {
    let (value, place) = match reference {
        SecretRef::Env(variable) => {
            let value = std::env::var(variable)
                .map_err(|_| format!("the environment variable {variable} is not set, or is not UTF-8"))?;
            (value, format!("the environment variable {variable}"))
        }
        SecretRef::File(path) => {
            let cannot = |wrong: std::io::Error| format!("the secret's file {path} cannot be read: {wrong}");
            let mut value = String::new();
            std::fs::File::open(path).and_then(|file| file.take(LARGEST).read_to_string(&mut value)).map_err(cannot)?;
            (value, format!("the secret's file {path}"))
        }
    };
    let value = value.trim();
    if value.is_empty() {
        return Err(format!("{place} is empty"));
    }
    // It goes into a header: a control character would end it, or begin another.
    if value.chars().any(char::is_control) {
        return Err(format!("{place} holds a line break or another control character"));
    }
    Ok(Secret::new(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault(secret: SecretRef) -> LocalVault {
        let connection = Connection { connector: "meta".into(), secret: Some(secret), ..Connection::default() };
        LocalVault::new([("c".to_owned(), connection)])
    }

    #[test]
    fn a_mended_secret_file_is_found_at_the_next_call() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let vault = vault(SecretRef::File(file.display().to_string()));
        assert!(vault.secret("c", "token").unwrap_err().contains("cannot be read"));
        std::fs::write(&file, "  one\n").unwrap();
        assert_eq!(vault.secret("c", "token").unwrap().expose(), "one");
        std::fs::write(&file, "two").unwrap();
        assert_eq!(vault.secret("c", "token").unwrap().expose(), "two");
        std::fs::write(&file, "two\r\nX-Evil: 1").unwrap();
        let refused = vault.secret("c", "token").unwrap_err();
        assert!(refused.contains("line break") && !refused.contains("X-Evil"), "{refused}");
        std::fs::write(&file, " \n").unwrap();
        assert!(vault.secret("c", "token").unwrap_err().contains("empty"));
    }

    #[test]
    fn a_missing_secret_says_what_to_write() {
        let unset = vault(SecretRef::Env("CARAVAN_TEST_NEVER_SET".into())).secret("c", "token").unwrap_err();
        assert!(unset.contains("CARAVAN_TEST_NEVER_SET is not set"), "{unset}");
        let none = LocalVault::new([("c".to_owned(), Connection::default())]).secret("c", "token").unwrap_err();
        assert!(none.contains("secret: { env:"), "{none}");
    }
}
