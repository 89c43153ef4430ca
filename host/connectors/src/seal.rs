//! Secrets at rest: sealed (ChaCha20-Poly1305) with a key that is never in the store, and bound to what they belong to.
use base64::{Engine as _, engine::general_purpose::STANDARD};
use caravan_model::port::{App, BoxFuture, Secret};
use caravan_model::{Code, Credential, Problem};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How a sealed text begins.
const MARK: &str = "v1.";
/// The key, in base64.
pub const KEY_VARIABLE: &str = "CARAVAN_SEAL_KEY";
/// The key's file.
pub const FILE_VARIABLE: &str = "CARAVAN_SEAL_KEY_FILE";
/// Its file beside a store.
const BESIDE: &str = "caravan.key";

/// A key. Its debug form shows nothing.
pub struct SealKey(LessSafeKey);

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealKey")
    }
}

impl SealKey {
    /// The key of these 32 bytes.
    ///
    /// ```
    /// use caravan_connectors::SealKey;
    /// let key = SealKey::new(&[7; 32]).unwrap();
    /// let sealed = key.seal("connection/shop", "secret").unwrap();
    /// assert!(!sealed.contains("secret"));
    /// assert_eq!(key.open("connection/shop", &sealed).as_deref(), Some("secret"));
    /// assert_eq!(key.open("connection/other", &sealed), None);
    /// assert_eq!(SealKey::new(&[8; 32]).unwrap().open("connection/shop", &sealed), None);
    /// ```
    pub fn new(bytes: &[u8]) -> Option<SealKey> {
        UnboundKey::new(&CHACHA20_POLY1305, bytes).ok().map(|key| SealKey(LessSafeKey::new(key)))
    }

    /// Seals a text as belonging to `id`; `None` where the machine has no randomness.
    pub fn seal(&self, id: &str, plain: &str) -> Option<String> {
        let nonce: [u8; NONCE_LEN] = random()?;
        let mut bytes = plain.as_bytes().to_vec();
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(id.as_bytes()), &mut bytes)
            .ok()?;
        Some(format!("{MARK}{}", STANDARD.encode([&nonce[..], &bytes].concat())))
    }

    /// Opens what was sealed for `id`; `None` with another key, for another id, or where a byte was changed.
    pub fn open(&self, id: &str, sealed: &str) -> Option<String> {
        let bytes = STANDARD.decode(sealed.strip_prefix(MARK)?).ok()?;
        let (nonce, body) = bytes.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut body = body.to_vec();
        let plain = self.0.open_in_place(nonce, Aad::from(id.as_bytes()), &mut body).ok()?;
        String::from_utf8(plain.to_vec()).ok()
    }
}

/// Bytes that nobody can guess; `None` where the machine has none.
pub(crate) fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(bytes)
}

/// Where the key is looked for.
#[derive(Clone, Debug)]
pub struct SealPlace {
    folder: PathBuf,
}

impl SealPlace {
    /// The place of a store: the environment, else `caravan.key` beside it.
    pub fn of_store(store: &Path) -> SealPlace {
        let folder = store.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        SealPlace { folder: folder.to_owned() }
    }

    /// The key. Where there is none, and `make` is said, `caravan.key` is made, which its owner alone can read.
    ///
    /// # Errors
    /// CV065 where it is not there, or is no key.
    pub fn key(&self, make: bool) -> Result<SealKey, Problem> {
        let wrong = |words: String| {
            Problem::new(Code::NoSealKey, words).cure("bring the key back; if it is lost, connect again")
        };
        let decode = |text: &str, place: &str| {
            let key = STANDARD.decode(text.trim()).ok().and_then(|bytes| SealKey::new(&bytes));
            key.ok_or_else(|| wrong(format!("{place} holds no key: 32 bytes in base64 are one")))
        };
        if let Ok(text) = std::env::var(KEY_VARIABLE) {
            return decode(&text, KEY_VARIABLE);
        }
        let named = std::env::var_os(FILE_VARIABLE).map(PathBuf::from);
        let (path, make) = match named {
            Some(path) => (path, false),
            None => (self.folder.join(BESIDE), make),
        };
        match std::fs::read_to_string(&path) {
            Ok(text) => decode(&text, &path.display().to_string()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && make => {
                let bytes: [u8; 32] = random().ok_or_else(|| wrong("this machine has no randomness".to_owned()))?;
                let text = format!("{}\n", STANDARD.encode(bytes));
                write_private(&path, &text)
                    .map_err(|error| wrong(format!("the key's file {} cannot be made: {error}", path.display())))?;
                decode(&text, &path.display().to_string())
            }
            Err(error) => Err(wrong(format!("the key's file {} cannot be read: {error}", path.display()))),
        }
    }
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Where sealed texts are kept: the store. A port, because this room does not know stores.
pub trait Book: Send + Sync {
    /// The sealed text of an id.
    fn read(&self, id: String) -> BoxFuture<'_, Result<Option<String>, String>>;
    /// Puts a text in the place of the one that was read, or removes it; false where another one stands there by now.
    fn swap(&self, id: String, was: Option<String>, becomes: Option<String>) -> BoxFuture<'_, Result<bool, String>>;
}

/// Sealed apps and credentials.
#[derive(Clone)]
pub struct Safe {
    place: SealPlace,
    book: Arc<dyn Book>,
}

impl std::fmt::Debug for Safe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Safe").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Safe {
    /// A safe over a book.
    pub fn new(place: SealPlace, book: Arc<dyn Book>) -> Safe {
        Safe { place, book }
    }

    /// The id of a connection's credential.
    pub fn of_connection(name: &str) -> String {
        format!("connection/{name}")
    }

    /// The id of a connector's app.
    pub fn of_connector(name: &str) -> String {
        format!("app/{name}")
    }

    /// The sealed text of an id, and what it says.
    async fn look(&self, id: &str) -> Result<Option<(String, String)>, Problem> {
        let failed = |words: String| Problem::new(Code::StoreDamaged, words);
        let Some(sealed) = self.book.read(id.to_owned()).await.map_err(failed)? else { return Ok(None) };
        let plain = self.place.key(false)?.open(id, &sealed).ok_or_else(|| {
            Problem::new(Code::NoSealKey, format!("what is sealed as {id} was sealed with another key"))
                .cure("bring the key back; if it is lost, connect again")
        })?;
        Ok(Some((sealed, plain)))
    }

    async fn put(&self, id: &str, was: Option<String>, plain: Option<&str>) -> Result<bool, Problem> {
        let becomes = match plain {
            None => None,
            Some(plain) => {
                let sealed = self.place.key(true)?.seal(id, plain);
                Some(sealed.ok_or_else(|| Problem::new(Code::NoSealKey, "this machine has no randomness"))?)
            }
        };
        let swapped = self.book.swap(id.to_owned(), was, becomes).await;
        swapped.map_err(|words| Problem::new(Code::StoreDamaged, words))
    }

    /// Replaces whatever stands there, also what no key opens any more.
    async fn set(&self, id: &str, plain: Option<&str>) -> Result<(), Problem> {
        for _ in 0..8 {
            let was = self.book.read(id.to_owned()).await.map_err(|words| Problem::new(Code::StoreDamaged, words))?;
            if (was.is_none() && plain.is_none()) || self.put(id, was, plain).await? {
                return Ok(());
            }
        }
        Err(Problem::new(Code::StoreInUse, format!("another host changes {id} all the time")).cure("try again"))
    }

    /// A connection's credential.
    ///
    /// # Errors
    /// CV065 where the key is not there; what the store says.
    pub async fn credential(&self, connection: &str) -> Result<Option<Credential>, Problem> {
        let found = self.look(&Safe::of_connection(connection)).await?;
        Ok(found.and_then(|(_, plain)| Credential::from_plain(&plain)))
    }

    /// Seals a connection's credential, or removes it.
    ///
    /// # Errors
    /// As [`Safe::credential`].
    pub async fn set_credential(&self, connection: &str, becomes: Option<&Credential>) -> Result<(), Problem> {
        self.set(&Safe::of_connection(connection), becomes.map(Credential::to_plain).as_deref()).await
    }

    /// Seals a connection's next credential in the place of the one that was read.
    ///
    /// # Errors
    /// As [`Safe::credential`].
    pub async fn renew(&self, connection: &str, was: &Credential, becomes: &Credential) -> Result<bool, Problem> {
        let id = Safe::of_connection(connection);
        match self.look(&id).await? {
            Some((sealed, plain)) if Credential::from_plain(&plain).as_ref() == Some(was) => {
                self.put(&id, Some(sealed), Some(&becomes.to_plain())).await
            }
            _ => Ok(false),
        }
    }

    /// A connector's app.
    ///
    /// # Errors
    /// As [`Safe::credential`].
    pub async fn app(&self, connector: &str) -> Result<Option<App>, Problem> {
        let found = self.look(&Safe::of_connector(connector)).await?;
        Ok(found.and_then(|(_, plain)| App::from_plain(&plain)))
    }

    /// Seals a connector's app, or removes it.
    ///
    /// # Errors
    /// As [`Safe::credential`].
    pub async fn set_app(&self, connector: &str, app: Option<(&str, &Secret)>) -> Result<(), Problem> {
        let app = app.map(|(id, secret)| App { id: id.to_owned(), secret: secret.clone() });
        self.set(&Safe::of_connector(connector), app.as_ref().map(App::to_plain).as_deref()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_secret_makes_a_key_that_its_owner_alone_reads() {
        let folder = tempfile::tempdir().unwrap();
        let place = SealPlace::of_store(&folder.path().join("s.caravan"));
        assert_eq!(place.key(false).unwrap_err().code, Code::NoSealKey);
        let sealed = place.key(true).unwrap().seal("a", "b").unwrap();
        assert_eq!(place.key(false).unwrap().open("a", &sealed).as_deref(), Some("b"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = std::fs::metadata(folder.path().join(BESIDE)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        std::fs::write(folder.path().join(BESIDE), "no key").unwrap();
        assert_eq!(place.key(true).unwrap_err().code, Code::NoSealKey);
    }

    #[test]
    fn a_changed_byte_opens_nothing() {
        let key = SealKey::new(&[1; 32]).unwrap();
        let sealed = key.seal("a", "b").unwrap();
        let mut bytes = STANDARD.decode(sealed.strip_prefix(MARK).unwrap()).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        assert_eq!(key.open("a", &format!("{MARK}{}", STANDARD.encode(bytes))), None);
        assert_ne!(key.seal("a", "b"), Some(sealed), "a nonce is used once");
        assert!(SealKey::new(&[1; 31]).is_none());
    }
}
