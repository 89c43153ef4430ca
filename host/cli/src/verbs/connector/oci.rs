//! `caravan connector install oci://… | push`: components in registries.
use super::install::read;
use crate::args::Global;
use crate::config;
use crate::fail::{End, usage};
use crate::out;
use caravan_connectors::OciReference;
use caravan_connectors::oci::{self, OciLogin, Visit};
use caravan_model::Problem;
use caravan_model::port::{Clock as _, Secret, SystemClock};
use serde_json::json;
use std::path::Path;

/// Who pulls and pushes, where a registry asks.
const USER: &str = "CARAVAN_OCI_USER";
/// Their password.
const PASSWORD: &str = "CARAVAN_OCI_PASSWORD";

/// What names a component in a registry; `None` where it names a file or folder.
///
/// # Errors
/// CV090 where it names neither.
pub fn reference(from: &Path) -> Result<Option<OciReference>, Problem> {
    match from.to_str().filter(|text| text.starts_with("oci://")) {
        Some(text) => Ok(Some(text.parse()?)),
        None => Ok(None),
    }
}

fn visit() -> Result<Visit, Problem> {
    let value = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let login = match (value(USER), value(PASSWORD)) {
        (Some(user), Some(password)) => Some(OciLogin { user, password: Secret::new(password) }),
        (None, None) => None,
        _ => return Err(usage(format!("only one of {USER} and {PASSWORD} is set"), "set both, or none")),
    };
    Ok(Visit { login, proxy: config::proxy()? })
}

/// Gets a component's bytes.
///
/// # Errors
/// CV056.
pub async fn pull(global: &Global, reference: &OciReference) -> Result<Vec<u8>, Problem> {
    let pulled = oci::pull(reference, &visit()?).await?;
    if !global.quiet {
        eprintln!("{reference} is oci://{}/{}@sha256:{}", reference.registry, reference.name, pulled.digest);
    }
    Ok(pulled.bytes)
}

/// Puts a component into a registry.
pub async fn push(global: &Global, file: &Path, to: &str) -> anyhow::Result<End> {
    let reference: OciReference = to.parse()?;
    let now = out::instant(SystemClock.now()).replace(' ', "T");
    let digest = oci::push(&reference, &visit()?, read(file)?, &now).await.map_err(|problem| {
        if problem.code == caravan_model::Code::Registry {
            problem
        } else {
            problem.in_file(file.display().to_string())
        }
    })?;
    let exactly = format!("oci://{}/{}@sha256:{digest}", reference.registry, reference.name);
    if global.json {
        out::print_json(&json!({"reference": reference.to_string(), "exactly": exactly}))?;
    } else {
        out::print(&format!("{reference} is there; exactly this one is {exactly}\n"))?;
    }
    Ok(End::Done)
}
