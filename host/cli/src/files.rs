//! The files that a command names.
use caravan_journey::document::{self, Document};
use caravan_model::{Canvas, Code, Connections, Problem};
use std::io;
use std::path::{Path, PathBuf};

/// The name of the connections file beside a canvas.
pub const CONNECTIONS: &str = "connections.yaml";

/// Reads a text file.
///
/// # Errors
/// It cannot be read, or is not in UTF-8.
pub fn text(path: &Path) -> Result<String, Problem> {
    let bytes = std::fs::read(path).map_err(|error| {
        Problem::new(Code::UnreadableFile, error.to_string())
            .in_file(path.display().to_string())
            .cure("check the name and that you may read it")
    })?;
    String::from_utf8(bytes).map_err(|_| {
        Problem::new(Code::BadSyntax, "the file is not in UTF-8")
            .in_file(path.display().to_string())
            .cure("save it as UTF-8")
    })
}

/// Reads a canvas. Whether it makes sense is not looked at.
///
/// # Errors
/// The first thing that cannot be read.
pub fn canvas(path: &Path) -> Result<Document<Canvas>, Problem> {
    document::read_canvas(&path.display().to_string(), &text(path)?)
}

/// Reads connections.
///
/// # Errors
/// The first thing that cannot be read.
pub fn connections(path: &Path) -> Result<Document<Connections>, Problem> {
    document::read_connections(&path.display().to_string(), &text(path)?)
}

/// Where the connections of a canvas are: the named file, else `connections.yaml` beside it.
pub fn connections_path(named: Option<&Path>, canvas: &Path) -> PathBuf {
    named.map_or_else(|| folder(canvas).join(CONNECTIONS), Path::to_owned)
}

/// The folder of a file.
pub fn folder(path: &Path) -> PathBuf {
    path.parent().map(Path::to_owned).unwrap_or_default()
}

/// A name beside a file, to be written and then renamed onto it: nobody sees half a file.
pub fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().map(std::ffi::OsStr::to_os_string).unwrap_or_default();
    name.push(format!(".{}.new", std::process::id()));
    path.with_file_name(name)
}

/// Writes a file whole or not at all.
///
/// # Errors
/// It cannot be written.
pub fn write(path: &Path, text: &str) -> Result<(), Problem> {
    let beside = beside(path);
    std::fs::write(&beside, text).and_then(|()| std::fs::rename(&beside, path)).map_err(|error| {
        let _ = std::fs::remove_file(&beside);
        unwritable(path, &error)
    })
}

/// The problem of a file that cannot be written.
pub fn unwritable(path: &Path, error: &io::Error) -> Problem {
    Problem::new(Code::UnreadableFile, format!("the file cannot be written: {error}"))
        .in_file(path.display().to_string())
        .cure("check that the folder is there and that you may write to it")
}
