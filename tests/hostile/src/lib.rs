//! What strangers try, and where: `docs/HOSTILE.md` as data, which holds that page to the tests beside this file.
use std::path::PathBuf;

/// A row of the table.
pub struct Row {
    /// What is tried: "spin", "SSRF", …
    pub tried: String,
    /// Names of its cases: tests, deeds of the hostile guest, or entries of a test's list.
    pub cases: Vec<String>,
    /// The file that tries them, from the top of the repository.
    pub path: String,
}

/// A file of the repository, from its top.
///
/// # Panics
/// Where the file cannot be read: the page names one that is not there.
pub fn file(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rows of `docs/HOSTILE.md`.
pub fn rows() -> Vec<Row> {
    let text = file("docs/HOSTILE.md");
    let rows = text.lines().filter(|line| line.starts_with("| ") && line.contains('`'));
    rows.map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let names = |cell: &str| -> Vec<String> { cell.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
        Row { tried: cells[0].to_owned(), cases: names(cells[1]), path: names(cells[2])[0].clone() }
    })
    .collect()
}
