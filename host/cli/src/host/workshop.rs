//! Where components are loaded: one sandbox per process, compiled code kept between processes.
use caravan_connectors::{LoadedComponent, Sandbox, SandboxOptions};
use caravan_model::{Digest, Problem};
use std::collections::BTreeMap;
use std::path::PathBuf;
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
        let sandbox = match cache_folder() {
            (None, _) => Sandbox::new(SandboxOptions::default()),
            (Some(folder), named) => {
                let cached = Sandbox::new(SandboxOptions { cache_dir: Some(folder), ..SandboxOptions::default() });
                if named { cached } else { cached.or_else(|_| Sandbox::new(SandboxOptions::default())) }
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
