//! Where components are loaded: one sandbox per process, compiled code kept between processes.
use crate::config;
use caravan_connectors::{Compiler, LoadedComponent, Sandbox, SandboxOptions, Trust};
use caravan_model::{Digest, Problem};
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Loads each component once.
pub struct Workshop {
    sandbox: Arc<Sandbox>,
    loaded: BTreeMap<Digest, Arc<LoadedComponent>>,
}

impl Workshop {
    /// Opens the sandbox with its cache: `$CARAVAN_CACHE`, or the user's cache folder. Without a usable folder each
    /// process compiles anew.
    ///
    /// # Errors
    /// This machine cannot run WebAssembly, or `$CARAVAN_CACHE` names a folder that cannot be used.
    pub fn open() -> Result<Workshop, Problem> {
        let compiler = std::env::current_exe().ok().map(|program| Compiler::new(program, [crate::COMPILE.into()]));
        let trust = Trust::default().with_proxy(config::proxy()?);
        let without = SandboxOptions { compiler, trust, ..SandboxOptions::default() };
        let sandbox = match cache_folder() {
            (None, _) => Sandbox::new(without),
            (Some(folder), named) => {
                let options = SandboxOptions { cache_dir: Some(folder), cache_key: cache_key(), ..without.clone() };
                let cached = Sandbox::new(options);
                if named { cached } else { cached.or_else(|_| Sandbox::new(without)) }
            }
        };
        Ok(Workshop { sandbox: sandbox?, loaded: BTreeMap::new() })
    }

    /// Loads a component, or gives the one that these bytes gave before.
    ///
    /// # Errors
    /// The bytes are no component that can be used here.
    pub fn load(&mut self, bytes: &[u8]) -> Result<Arc<LoadedComponent>, Problem> {
        let digest = Digest::of(bytes);
        if let Some(component) = self.loaded.get(&digest) {
            return Ok(component.clone());
        }
        let component = self.sandbox.load(bytes)?;
        self.loaded.insert(digest, component.clone());
        Ok(component)
    }
}

/// The folder of compiled components, and whether the person named it.
fn cache_folder() -> (Option<PathBuf>, bool) {
    let named = |variable: &str| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(folder) = named("CARAVAN_CACHE") {
        return (Some(folder), true);
    }
    let users = named("XDG_CACHE_HOME")
        .filter(|folder| folder.is_absolute())
        .or_else(|| named("HOME").map(|home| home.join(".cache")))
        .or_else(|| named("LOCALAPPDATA"));
    (users.map(|folder| folder.join("caravan").join("components")), false)
}

/// The key of the tags of compiled components: made once, kept apart from them, for this user alone. Without one, each
/// process compiles anew.
fn cache_key() -> Option<[u8; 32]> {
    let named = |variable: &str| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    let data = named("XDG_DATA_HOME").filter(|folder| folder.is_absolute());
    let data = data.or_else(|| named("HOME").map(|home| home.join(".local").join("share")));
    let file = data.or_else(|| named("LOCALAPPDATA"))?.join("caravan").join("cache.key");
    if !file.exists() {
        make_key(&file).inspect_err(|error| tracing::debug!(%error, "no key for compiled connectors")).ok();
    }
    std::fs::read(file).ok()?.try_into().ok()
}

fn make_key(file: &Path) -> std::io::Result<()> {
    let mut key = [0; 32];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut key)?;
    std::fs::create_dir_all(file.parent().unwrap_or(Path::new(".")))?;
    let beside = crate::files::beside(file);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&beside).and_then(|mut to| to.write_all(&key));
    // Where another process was faster, its key stays.
    let made = written.and_then(|()| std::fs::hard_link(&beside, file));
    std::fs::remove_file(&beside)?;
    made
}
