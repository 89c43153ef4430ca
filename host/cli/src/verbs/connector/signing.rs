//! `caravan connector keygen | sign`: about files alone.
use super::install::read;
use crate::args::Global;
use crate::fail::{End, usage};
use crate::{files, out};
use caravan_connectors::{Outline, SigningKey};
use caravan_model::{Digest, Problem};
use serde_json::json;
use std::io::Write as _;
use std::path::Path;

/// Makes a key. A file that is there stays as it is.
pub fn keygen(global: &Global, file: &Path) -> anyhow::Result<End> {
    let key = SigningKey::generate()?;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(file).and_then(|mut to| to.write_all(key.secret().as_bytes())) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(usage(format!("{} is there already", file.display()), "name another file").into());
        }
        Err(error) => return Err(files::unwritable(file, &error).into()),
    }
    let public = key.public().to_string();
    if global.json {
        out::print_json(&json!({"file": file, "public": public}))?;
    } else {
        out::print(&format!(
            "{} is the secret key: keep it where only you read it. The public key, for policies:\n{public}\n",
            file.display()
        ))?;
    }
    Ok(End::Done)
}

/// Signs a component.
pub fn sign(global: &Global, file: &Path, key: &Path, to: Option<&Path>) -> anyhow::Result<End> {
    let place = |problem: Problem, file: &Path| problem.in_file(file.display().to_string());
    let key = SigningKey::read(&files::text(key)?).map_err(|problem| place(problem, key))?;
    let bytes = read(file)?;
    let outline = Outline::read(&bytes).map_err(|problem| place(problem, file))?;
    let signed = key.sign(&bytes).map_err(|problem| place(problem, file))?;
    let to = to.unwrap_or(file);
    let beside = files::beside(to);
    let written = std::fs::write(&beside, &signed).and_then(|()| std::fs::rename(&beside, to));
    written.map_err(|error| files::unwritable(to, &error))?;
    let digest = Digest::of(&signed);
    let (name, version, public) = (&outline.manifest.name, &outline.manifest.version, key.public().to_string());
    if global.json {
        out::print_json(&json!({"name": name, "version": version, "digest": digest.to_string(), "key": public,
            "file": to}))?;
    } else {
        let to = to.display();
        out::print(&format!("{name} {version} is signed by {public}; {to} is now sha256:{}\n", digest.short()))?;
    }
    Ok(End::Done)
}
