//! Connectors inside this program, and how a connection names its connector.
use caravan_model::{Code, Digest, Problem};
use std::borrow::Cow;
use std::path::Path;

/// A connector of this repository.
pub struct Bundled {
    /// Its name.
    pub name: &'static str,
    /// Its component; none where the guests were not built before this program.
    pub bytes: Option<&'static [u8]>,
}

/// All of them, built or not.
pub const BUNDLED: &[Bundled] = include!(concat!(env!("OUT_DIR"), "/bundled.rs"));

/// Whether these bytes are a connector of this program.
pub fn has(digest: Digest) -> bool {
    BUNDLED.iter().filter_map(|bundled| bundled.bytes).any(|bytes| Digest::of(bytes) == digest)
}

/// The digest of the connector of this program that has a name; none where there is none, or it was not built.
pub fn digest_of(name: &str) -> Option<Digest> {
    BUNDLED.iter().find(|bundled| bundled.name == name)?.bytes.map(Digest::of)
}

/// The bytes of what a connection's `connector` names: a bundled name, `name@sha256:…`, or a path, which is taken
/// relative to `folder`.
///
/// # Errors
/// Nothing is there, or it is not the version that the digest names.
pub fn find(named: &str, folder: &Path) -> Result<Cow<'static, [u8]>, Problem> {
    let named = named.trim();
    if is_path(named) {
        let path = folder.join(named);
        return std::fs::read(&path).map(Cow::Owned).map_err(|error| {
            Problem::new(Code::UnreadableFile, format!("the connector cannot be read: {error}"))
                .in_file(path.display().to_string())
                .cure("a relative path starts at the folder of the connections file")
        });
    }
    let (name, digest) = match named.split_once('@') {
        Some((name, digest)) => {
            let digest = digest.parse::<Digest>().map_err(|words| Problem::new(Code::BadConnection, words))?;
            (name, Some(digest))
        }
        None => (named, None),
    };
    let Some(bundled) = BUNDLED.iter().find(|bundled| bundled.name == name) else {
        let names: Vec<&str> = BUNDLED.iter().map(|bundled| bundled.name).collect();
        let names = names.join(", ");
        return Err(Problem::new(Code::UnknownConnector, format!("there is no connector `{name}`"))
            .cure(format!("name a bundled one ({names}) or a component's file, such as ./my-connector.wasm")));
    };
    let Some(bytes) = bundled.bytes else {
        return Err(Problem::new(
            Code::UnknownConnector,
            format!("this program was built without the connector `{name}`"),
        )
        .cure("run `cargo xtask build-guests`, then build this program again"));
    };
    match digest {
        Some(wanted) if wanted != Digest::of(bytes) => Err(Problem::new(
            Code::UnknownConnector,
            format!("the bundled `{name}` is another version: sha256:{}", Digest::of(bytes)),
        )
        .cure("name this digest, or no digest, or the file of the version that you want")),
        _ => Ok(Cow::Borrowed(bytes)),
    }
}

/// Whether a connector is named by a path: it ends in `.wasm` or has a separator.
pub fn is_path(named: &str) -> bool {
    !named.contains("@sha256:") && (named.ends_with(".wasm") || named.contains(['/', '\\']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_said_with_a_cure() {
        for (named, code) in [
            ("nobody", Code::UnknownConnector),
            ("./gone.wasm", Code::UnreadableFile),
            ("meta@sha256:12", Code::BadConnection),
            (&format!("meta@{}", Digest::of(b"other")), Code::UnknownConnector),
        ] {
            let problem = find(named, Path::new("/nowhere")).expect_err(named);
            assert_eq!(problem.code, code, "{named}");
        }
    }

    #[test]
    fn a_bundled_connector_is_found_by_name_and_by_digest() {
        for Bundled { name, bytes } in BUNDLED {
            let Some(bytes) = *bytes else { continue };
            assert_eq!(find(name, Path::new("/nowhere")).as_deref(), Ok(bytes));
            assert_eq!(find(&format!("{name}@sha256:{}", Digest::of(bytes)), Path::new("/")).as_deref(), Ok(bytes));
        }
    }
}
