//! `caravan connector install oci://… | push`: components in registries.
use super::install::read;
use crate::args::{Global, OciLoginArgs};
use crate::config;
use crate::fail::{End, usage};
use crate::out;
use caravan_connectors::oci::{self, OciLogin, Visit};
use caravan_connectors::{OciReference, Trust};
use caravan_model::Problem;
use caravan_model::port::{Clock as _, Secret, SystemClock};
use serde_json::json;
use std::io::{BufRead as _, Read as _};
use std::path::Path;

/// Who pulls and pushes, where a registry asks.
const USER: &str = "CARAVAN_OCI_USER";
/// Their password.
const PASSWORD: &str = "CARAVAN_OCI_PASSWORD";

/// The longest password, in bytes.
const LONGEST_PASSWORD: u64 = 64 << 10;

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

/// How a registry is visited: by whom, from flags or else from the environment.
fn visit(login: &OciLoginArgs) -> Result<Visit, Problem> {
    let value = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let password = match login.password_stdin {
        true => Some(from_stdin()?),
        false => value(PASSWORD),
    };
    let login = match (login.user.clone().or_else(|| value(USER)), password) {
        (Some(user), Some(password)) => Some(OciLogin { user, password: Secret::new(password) }),
        (None, None) => None,
        (Some(_), None) => {
            return Err(usage(
                format!("there is a user for the registry, and no password: {PASSWORD} is not set"),
                format!("set {PASSWORD}, or give --password-stdin"),
            ));
        }
        (None, Some(_)) => {
            return Err(usage(
                format!("there is a password for the registry, and no user: {USER} is not set"),
                format!("set {USER}, or give --user"),
            ));
        }
    };
    Ok(Visit { login, trust: Trust::default().with_proxy(config::proxy()?) })
}

/// The first line of what stands on stdin: it is neither an argument nor in the environment, where others see it.
fn from_stdin() -> Result<String, Problem> {
    let mut line = String::new();
    let read = std::io::stdin().lock().take(LONGEST_PASSWORD).read_line(&mut line);
    let password = line.trim_end_matches(['\r', '\n']);
    match read {
        Ok(_) if !password.is_empty() => Ok(password.to_owned()),
        _ => Err(usage("there is no password on stdin", "write it there: … --password-stdin < password.txt")),
    }
}

/// Gets a component's bytes.
///
/// # Errors
/// CV056.
pub async fn pull(global: &Global, reference: &OciReference, login: &OciLoginArgs) -> Result<Vec<u8>, Problem> {
    let pulled = oci::pull(reference, &visit(login)?).await?;
    if !global.quiet {
        eprintln!("{reference} is oci://{}/{}@sha256:{}", reference.registry, reference.name, pulled.digest);
    }
    Ok(pulled.bytes)
}

/// Puts a component into a registry.
pub async fn push(global: &Global, file: &Path, to: &str, login: &OciLoginArgs) -> anyhow::Result<End> {
    let reference: OciReference = to.parse()?;
    let now = out::instant(SystemClock.now()).replace(' ', "T");
    let digest = oci::push(&reference, &visit(login)?, read(file)?, &now).await.map_err(|problem| {
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
