//! `caravan.toml`: what a host is: where it listens, which workspaces it serves, who it mails as. Read once, when a command
//! begins; a variable of the environment goes before what stands here.
use crate::files;
use crate::users::handed::Meaning;
use bytesize::ByteSize;
use caravan_api::{ServerOptions, WriteKeys};
use caravan_connectors::{Proxy, secret_of};
use caravan_journey::TimeZone;
use caravan_model::connection::SecretRef;
use caravan_model::{Code, Duration, Problem};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The file that is read where none is named.
pub const FILE: &str = "caravan.toml";

/// The whole file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where `serve` listens; `CARAVAN_LISTEN` goes before it.
    pub listen: Option<SocketAddr>,
    /// How people reach this host from outside: links in notices begin with it. `CARAVAN_PUBLIC_URL` goes before it.
    pub public_url: Option<String>,
    /// Who mails, and by which server. `CARAVAN_SMTP_URL` and `CARAVAN_MAIL_FROM` go before it.
    pub mail: Option<Mail>,
    /// The OpenID provider that vouches for members, beside passwords and links; `public_url` leads back from it.
    pub sign_in: Option<SignIn>,
    /// The network's proxy, through which partners and webhooks are reached: `http://proxy.corp.example:3128`.
    /// `CARAVAN_PROXY`, which may hold a password, goes before it.
    pub proxy: Option<String>,
    /// The collector to which a serving host sends its spans by OTLP over HTTP: `http://127.0.0.1:4318`.
    /// `OTEL_EXPORTER_OTLP_ENDPOINT` goes before it.
    pub otlp: Option<String>,
    /// Who may read `/metrics`; without it, this machine alone, where the host listens on loopback.
    pub metrics: Option<Metrics>,
    /// When events are put off.
    #[serde(default)]
    pub intake: Intake,
    /// When batches leave.
    #[serde(default)]
    pub delivery: Delivery,
    /// The workspaces, by name.
    #[serde(default)]
    pub workspaces: BTreeMap<String, WorkspaceConfig>,
}

/// When a serving host takes nothing in: senders come again, and nothing is lost.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intake {
    /// What a store's disk must have left; `256 MiB` if not given.
    pub least_free_disk: Option<ByteSize>,
    /// What a store may take; as much as there is if not given.
    pub largest_store: Option<ByteSize>,
    /// How long the oldest message may have waited; `5m` if not given.
    pub longest_wait: Option<Duration>,
    /// How many messages may wait; 2,000,000 if not given.
    pub most_waiting: Option<u64>,
    /// Whose pages may send events from a browser: `["https://shop.acme.example"]`; those of every origin if not given,
    /// and none where it is empty.
    pub origins: Option<Vec<String>>,
}

impl Intake {
    /// For the HTTP side of a host.
    pub fn options(&self) -> ServerOptions {
        let usual = ServerOptions::default();
        ServerOptions {
            least_free: self.least_free_disk.map_or(usual.least_free, |size| size.as_u64()),
            largest_store: self.largest_store.map_or(usual.largest_store, |size| size.as_u64()),
            longest_wait: self.longest_wait.map_or(usual.longest_wait, Into::into),
            most_waiting: self.most_waiting.unwrap_or(usual.most_waiting),
            origins: self.origins.clone().unwrap_or(usual.origins),
            ..usual
        }
    }
}

/// When batches of people leave for their partner.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    /// How long a batch may fill while more people may come to it; `1s` if not given, `0s` waits for nobody. A host that has
    /// nothing else to do sends at once, whatever stands here.
    pub batch_window: Option<Duration>,
}

/// Longer than this, a batch does not wait.
const LONGEST_WINDOW: Duration = Duration::HOUR;

/// Who mails.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// Where the server's URL is kept, for it holds a password: `{ env = "SMTP_URL" }` or `{ file = "smtp-url" }`.
    pub url: SecretRef,
    /// `alerts@acme.example` or `Caravan <alerts@acme.example>`.
    pub from: String,
}

/// Who may read `/metrics`, which names what all workspaces have.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// Where the key is kept that scrapers send as a bearer token: `{ env = "METRICS_KEY" }` or `{ file = "metrics.key" }`.
    pub key: SecretRef,
}

/// An OpenID provider.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// Its issuer, as its discovery document names it: `https://accounts.acme.example`.
    pub issuer: String,
    /// The name under which it knows this host.
    pub client_id: String,
    /// Where the secret is kept: `{ env = "OIDC_SECRET" }` or `{ file = "oidc-secret" }`.
    pub client_secret: SecretRef,
}

/// A workspace: a store of its own, and connections.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkspaceConfig {
    /// Its store.
    pub store: PathBuf,
    /// Its connections.
    #[serde(default = "beside")]
    pub connections: PathBuf,
    /// Canvases that `serve` publishes before it serves.
    #[serde(default)]
    pub canvases: Vec<PathBuf>,
    /// A file of write keys, one per line, beside the keys of the store.
    pub write_keys: Option<PathBuf>,
    /// The time zone in which days, schedules and local times are meant where people have none: `Europe/Paris`; UTC if not
    /// given.
    pub zone: Option<String>,
    /// Folders of this machine in which files of members are handed over, by name: `list import LIST --from-files NAME`.
    #[serde(default)]
    pub hand_overs: BTreeMap<String, HandOverConfig>,
}

/// A folder in which files of members are handed over, and how they are read.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandOverConfig {
    /// The folder. It is read alone, without those below it, and nothing in it is changed.
    pub folder: PathBuf,
    /// How long a file must have stood unchanged before it is read; `1m` if not given.
    pub settle: Option<Duration>,
    /// Whether each file holds the whole audience, so that who is not in it has left. Else files tell of changes, by their
    /// column `segmentMembershipStatus`.
    #[serde(default)]
    pub everyone: bool,
    /// What columns are that their names do not tell: `{ "CRM number" = "external_id" }`. Known are `external_id`, `ecid`,
    /// `alias`, `email`, `phone`, `status`, `audience`, `attributes.NAME` and `-` for nothing.
    #[serde(default)]
    pub columns: BTreeMap<String, String>,
}

fn beside() -> PathBuf {
    PathBuf::from(files::CONNECTIONS)
}

static CONFIG: OnceLock<Config> = OnceLock::new();

/// The configuration of this process; an empty one where there is none.
pub fn current() -> &'static Config {
    CONFIG.get_or_init(Config::default)
}

/// Reads the configuration of this process: the named file, else `caravan.toml` here if it is there.
///
/// # Errors
/// As [`read`].
pub fn load(named: Option<&Path>) -> Result<(), Problem> {
    let path = match named {
        Some(path) => path,
        None if Path::new(FILE).exists() => Path::new(FILE),
        None => return Ok(()),
    };
    let config = read(path)?;
    // Set once: a second command in one process keeps the first one's.
    let _ = CONFIG.set(config);
    Ok(())
}

/// Reads a configuration; relative paths then start at the file's folder.
///
/// # Errors
/// CV001 where it cannot be read, CV002 and CV004 where something in it cannot stand there.
pub fn read(path: &Path) -> Result<Config, Problem> {
    let (name, text) = (path.display().to_string(), files::text(path)?);
    let mut config: Config = toml::from_str(&text).map_err(|error| {
        let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        let problem = Problem::new(Code::BadSyntax, error.message().to_owned()).in_file(name.clone());
        match line.and_then(|line| u32::try_from(line).ok()) {
            Some(line) => problem.at_line(line),
            None => problem,
        }
        .cure("docs/ARCHITECTURE.md shows a whole caravan.toml")
    })?;
    let folder = files::folder(path);
    if let Some(Mail { url: SecretRef::File(file), .. }) = &mut config.mail {
        *file = folder.join(file.as_str()).display().to_string();
    }
    if let Some(SignIn { client_secret: SecretRef::File(file), .. }) = &mut config.sign_in {
        *file = folder.join(file.as_str()).display().to_string();
    }
    if let Some(Metrics { key: SecretRef::File(file) }) = &mut config.metrics {
        *file = folder.join(file.as_str()).display().to_string();
    }
    for (workspace, own) in &mut config.workspaces {
        let wrong = |at: &str, words: String| {
            Problem::new(Code::BadValue, words).in_file(name.clone()).at_path(format!("workspaces.{workspace}{at}"))
        };
        if !caravan_model::is_group_name(workspace) {
            let words = "a workspace's name has lower case letters, digits, `-` and `_`".to_owned();
            return Err(wrong("", words));
        }
        let paths = [&mut own.store, &mut own.connections];
        paths
            .into_iter()
            .chain(&mut own.canvases)
            .chain(&mut own.write_keys)
            .for_each(|path| *path = folder.join(&path));
        zone(own).map_err(|words| wrong(".zone", words))?;
        for (name, hand_over) in &mut own.hand_overs {
            let at = format!(".hand_overs.{name}");
            if !caravan_model::is_group_name(name) {
                return Err(wrong(&at, "its name has lower case letters, digits, `-` and `_`".to_owned()));
            }
            hand_over.folder = folder.join(&hand_over.folder);
            if let Some((column, word)) = hand_over.columns.iter().find(|(_, word)| Meaning::of_word(word).is_none()) {
                let words = format!(
                    "the column `{column}` cannot be `{word}`: external_id, ecid, alias, email, phone, status, \
                                     audience, attributes.NAME or -"
                );
                return Err(wrong(&format!("{at}.columns"), words));
            }
        }
    }
    if let Some(long) = config.delivery.batch_window.filter(|window| *window > LONGEST_WINDOW) {
        let words = format!("a batch cannot wait for {long} until it is full");
        let problem = Problem::new(Code::BadValue, words).in_file(name).at_path("delivery.batch_window");
        return Err(problem.cure(format!("write at most `{LONGEST_WINDOW}`, such as `1s`, or `0s` to wait for nobody")));
    }
    let mut origins = config.intake.origins.iter().flatten();
    if let Some(other) = origins.find(|origin| !is_origin(origin)) {
        let problem = Problem::new(Code::BadValue, format!("`{other}` is no origin of a page")).in_file(name);
        return Err(problem
            .at_path("intake.origins")
            .cure("write scheme and host, `https://shop.acme.example`, or `*`"));
    }
    let mut stores: Vec<&PathBuf> = config.workspaces.values().map(|own| &own.store).collect();
    stores.sort();
    if let Some(pair) = stores.windows(2).find(|pair| pair[0] == pair[1]) {
        let words = format!("two workspaces name the store {}: each has its own", pair[0].display());
        return Err(Problem::new(Code::BadValue, words).in_file(name).at_path("workspaces"));
    }
    Ok(config)
}

/// Whether browsers name pages so: scheme, host and port, and nothing behind them.
fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_host = |host: &str| !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/');
    text == "*" || host.is_some_and(is_host)
}

/// The network's proxy, as `CARAVAN_PROXY` or the configuration says.
///
/// # Errors
/// CV057 where it cannot be understood.
pub fn proxy() -> Result<Option<Proxy>, Problem> {
    let named = std::env::var("CARAVAN_PROXY").ok().filter(|text| !text.trim().is_empty());
    named.or_else(|| current().proxy.clone()).map(|text| text.parse()).transpose()
}

/// The key for metrics, if one is configured.
///
/// # Errors
/// CV063 where it is not there.
pub fn metrics_key() -> Result<WriteKeys, Problem> {
    let Some(metrics) = &current().metrics else { return Ok(WriteKeys::default()) };
    let key = secret_of(&metrics.key).map_err(|words| {
        Problem::new(Code::MissingSecret, format!("the key for metrics is not there: {words}"))
            .cure("set the variable or write the file that `metrics.key` of the configuration names")
    })?;
    Ok(WriteKeys::new([key.expose()]))
}

/// The time zone of a workspace.
///
/// # Errors
/// In words, where it is none.
pub fn zone(own: &WorkspaceConfig) -> Result<TimeZone, String> {
    match &own.zone {
        None => Ok(TimeZone::UTC),
        Some(name) => {
            TimeZone::get(name).map_err(|_| format!("`{name}` is no time zone; they are named like Europe/Paris"))
        }
    }
}

/// The time zone of the workspace of this name; UTC where nothing says another one.
pub fn zone_of(workspace: &str) -> TimeZone {
    current().workspaces.get(workspace).and_then(|own| zone(own).ok()).unwrap_or(TimeZone::UTC)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Config, Problem> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(FILE);
        std::fs::write(&path, text).expect("written");
        read(&path)
    }

    #[test]
    fn a_whole_file_is_read_and_its_paths_start_at_its_folder() {
        let config = read_text(
            "listen = \"127.0.0.1:9000\"\npublic_url = \"https://caravan.acme.example\"\n\
             [mail]\nurl = { file = \"smtp-url\" }\nfrom = \"alerts@acme.example\"\n\
             [workspaces.default]\nstore = \"default.caravan\"\nzone = \"Europe/Paris\"\n\
             [workspaces.emea]\nstore = \"/data/emea.caravan\"\nconnections = \"emea.yaml\"\ncanvases = [\"a.yaml\"]\n",
        )
        .expect("a configuration");
        let default = &config.workspaces["default"];
        assert!(default.store.is_absolute() && default.connections.ends_with("connections.yaml"));
        assert_eq!(config.workspaces["emea"].store, Path::new("/data/emea.caravan"));
        assert!(matches!(&config.mail, Some(Mail { url: SecretRef::File(file), .. }) if file.ends_with("/smtp-url")));
        assert!(zone(default).is_ok_and(|zone| zone != TimeZone::UTC));
    }

    #[test]
    fn what_cannot_stand_is_said_with_its_place() {
        let wrong = read_text("listen = \"127.0.0.1:9000\"\nlisten_on = 1\n").unwrap_err();
        assert!(wrong.line == Some(2) && wrong.message.contains("listen_on"), "{wrong}");
        let wrong = read_text("[workspaces.a]\nstore = \"a\"\nzone = \"Paris\"\n").unwrap_err();
        assert_eq!(wrong.path.as_deref(), Some("workspaces.a.zone"));
        let wrong = read_text("[workspaces.a]\nstore = \"x\"\n[workspaces.b]\nstore = \"x\"\n").unwrap_err();
        assert!(wrong.message.contains("each has its own"), "{wrong}");
        assert!(
            read_text("[mail]\nurl = \"smtps://u:hunter2@h\"\nfrom = \"a\"\n")
                .is_err_and(|wrong| !wrong.to_string().contains("hunter2"))
        );
        assert!(read_text("[workspaces.\"A B\"]\nstore = \"x\"\n").is_err());
        let folder = "[workspaces.a]\nstore = \"x\"\n[workspaces.a.hand_overs.adobe]\nfolder = \"in\"\n";
        let read = read_text(folder).expect("a folder");
        assert!(read.workspaces["a"].hand_overs["adobe"].folder.is_absolute());
        let wrong = read_text(&format!("{folder}columns = {{ \"A\" = \"name\" }}\n")).unwrap_err();
        assert_eq!(wrong.path.as_deref(), Some("workspaces.a.hand_overs.adobe.columns"));
        for origin in ["shop.acme.example", "https://shop.acme.example/", "https://", "null"] {
            let wrong = read_text(&format!("[intake]\norigins = [\"*\", \"{origin}\"]\n")).unwrap_err();
            assert_eq!(wrong.path.as_deref(), Some("intake.origins"), "{origin}");
        }
        assert!(read_text("[intake]\norigins = [\"http://localhost:3000\"]\n").is_ok());
    }

    #[test]
    fn a_batch_waits_as_long_as_the_file_says_from_nothing_to_an_hour() {
        let window = |text: &str| read_text(&format!("[delivery]\nbatch_window = \"{text}\"\n"));
        for (text, expected) in [("0s", 0), ("250ms", 250), ("1s", 1_000), ("1h", 3_600_000)] {
            assert_eq!(window(text).expect(text).delivery.batch_window, Some(Duration(expected)), "{text}");
        }
        assert_eq!(read_text("[delivery]\n").expect("nothing said").delivery.batch_window, None);
        let wrong = window("61m").unwrap_err();
        assert_eq!(wrong.path.as_deref(), Some("delivery.batch_window"));
        assert!(wrong.to_string().contains("1h1m"), "{wrong}");
        for text in ["1", "-1s", "soon"] {
            let wrong = window(text).unwrap_err();
            assert_eq!(wrong.line, Some(2), "{text}: {wrong}");
        }
    }
}
