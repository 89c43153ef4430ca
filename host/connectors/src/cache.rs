//! Compiled components, kept by digest and engine in a folder of our own.
//!
//! A compiled component is machine code that is trusted when loaded, so the folder is ours alone (0700), files are
//! written beside and renamed, and nothing that a user hands us is ever loaded as compiled code.
use caravan_model::Digest;
use std::{
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};
use wasmtime::{Engine, component::Component};

/// The folder of compiled components.
#[derive(Clone, Debug)]
pub(crate) struct CompileCache {
    folder: PathBuf,
}

impl CompileCache {
    /// Opens the folder, making it if need be; `None` where others may write to it.
    pub(crate) fn open(folder: &Path) -> io::Result<Option<CompileCache>> {
        make_private(folder)?;
        Ok(is_private(folder)?.then(|| CompileCache { folder: folder.to_owned() }))
    }

    fn file(&self, engine: &Engine, digest: &Digest) -> PathBuf {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        self.folder.join(format!("{digest}-{:016x}.cwasm", hasher.finish()))
    }

    /// The compiled component, if it is there and fits this engine.
    #[allow(unsafe_code)] // See below.
    pub(crate) fn load(&self, engine: &Engine, digest: &Digest) -> Option<Component> {
        let file = self.file(engine, digest);
        if !file.exists() {
            return None;
        }
        // SAFETY: the file was written by `store` below, from code that this engine's compiler made; its folder is
        // writable by this user alone, checked at `open`, and files are replaced by renaming, never changed in place.
        match unsafe { Component::deserialize_file(engine, &file) } {
            Ok(component) => Some(component),
            Err(wrong) => {
                tracing::debug!(file = %file.display(), error = %wrong, "a compiled component does not fit; compiling anew");
                None
            }
        }
    }

    /// Keeps a compiled component; failing to is no error, only slower next time.
    pub(crate) fn store(&self, engine: &Engine, digest: &Digest, component: &Component) {
        if let Err(wrong) = self.try_store(engine, digest, component) {
            tracing::warn!(error = %wrong, "a compiled component cannot be kept");
        }
    }

    fn try_store(&self, engine: &Engine, digest: &Digest, component: &Component) -> io::Result<()> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let code = component.serialize().map_err(io::Error::other)?;
        let count = COUNTER.fetch_add(1, Ordering::Relaxed);
        let beside = self.folder.join(format!(".{}-{count}.new", std::process::id()));
        let written = write_private(&beside, &code).and_then(|()| fs::rename(&beside, self.file(engine, digest)));
        if written.is_err() {
            let _ = fs::remove_file(&beside);
        }
        written
    }
}

#[cfg(unix)]
fn make_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(unix)]
fn is_private(folder: &Path) -> io::Result<bool> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let folder = fs::symlink_metadata(folder)?;
    // A file that this process makes has its user as the owner; a folder of another user is not ours.
    let mine = fs::metadata("/proc/self").map_or(folder.uid(), |this| this.uid());
    Ok(folder.is_dir() && folder.permissions().mode() & 0o022 == 0 && folder.uid() == mine)
}

#[cfg(unix)]
fn write_private(file: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(not(unix))]
fn make_private(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

#[cfg(not(unix))]
fn is_private(folder: &Path) -> io::Result<bool> {
    Ok(fs::symlink_metadata(folder)?.is_dir())
}

#[cfg(not(unix))]
fn write_private(file: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::write(file, bytes)
}
