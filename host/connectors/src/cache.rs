//! Compiled components, kept by digest and engine in a folder of our own.
//!
//! A compiled component is machine code that is trusted when loaded, so the folder is ours alone (0700), each file carries
//! a tag (HMAC) over component, engine and code by a key that lies elsewhere, files are written beside and renamed, and
//! nothing that a user hands us is ever loaded as compiled code.
use crate::mac::{TAG, same, tag};
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
#[derive(Clone)]
pub(crate) struct CompileCache {
    folder: PathBuf,
    key: [u8; 32],
}

impl std::fmt::Debug for CompileCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CompileCache").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// Machine code that this host's own compiler made, in this process, in its child, or in an earlier one.
#[allow(unsafe_code)] // See below.
pub(crate) fn trusted(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: callers have the code from a pipe of our own child process, whose program is ours, or from a file that
    // carries our tag over component, engine and code.
    unsafe { Component::deserialize(engine, code) }
}

impl CompileCache {
    /// Opens the folder, making it if need be; `None` where others may write to it.
    pub(crate) fn open(folder: &Path, key: [u8; 32]) -> io::Result<Option<CompileCache>> {
        make_private(folder)?;
        Ok(is_private(folder)?.then(|| CompileCache { folder: folder.to_owned(), key }))
    }

    /// The engine's name: code for another one is of no use.
    fn engine(engine: &Engine) -> String {
        let mut hasher = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }

    fn file(&self, engine: &str, digest: &Digest) -> PathBuf {
        self.folder.join(format!("{digest}-{engine}.cwasm"))
    }

    fn tag(&self, engine: &str, digest: &Digest, code: &[u8]) -> [u8; TAG] {
        tag(&self.key, &[b"caravan compiled component", &digest.0, engine.as_bytes(), code])
    }

    /// The compiled component, if it is there, is ours and fits this engine.
    pub(crate) fn load(&self, engine: &Engine, digest: &Digest) -> Option<Component> {
        let name = CompileCache::engine(engine);
        let file = self.file(&name, digest);
        let bytes = fs::read(&file).ok()?;
        let (code, found) = bytes.split_at_checked(bytes.len().checked_sub(TAG)?)?;
        if !same(&self.tag(&name, digest, code), found) {
            tracing::warn!(file = %file.display(), "a compiled component does not carry our tag; compiling anew");
            return None;
        }
        match trusted(engine, code) {
            Ok(component) => Some(component),
            Err(wrong) => {
                tracing::debug!(file = %file.display(), error = %wrong, "a compiled component does not fit; compiling anew");
                None
            }
        }
    }

    /// Keeps machine code; failing to is no error, only slower next time.
    pub(crate) fn store(&self, engine: &Engine, digest: &Digest, code: &[u8]) {
        if let Err(wrong) = self.try_store(engine, digest, code) {
            tracing::warn!(error = %wrong, "a compiled component cannot be kept");
        }
    }

    fn try_store(&self, engine: &Engine, digest: &Digest, code: &[u8]) -> io::Result<()> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let name = CompileCache::engine(engine);
        let count = COUNTER.fetch_add(1, Ordering::Relaxed);
        let beside = self.folder.join(format!(".{}-{count}.new", std::process::id()));
        let tagged = [code, &self.tag(&name, digest, code)].concat();
        let written = write_private(&beside, &tagged).and_then(|()| fs::rename(&beside, self.file(&name, digest)));
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
