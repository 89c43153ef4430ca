//! The kept inputs: `tests/corpora/NAME/…`, valid ones, nasty ones, and every counterexample that was ever found.
use std::path::PathBuf;

/// The folder of a corpus.
pub fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../corpora").join(name)
}

/// All inputs of a corpus with their files' names, in the order of the names.
///
/// # Panics
/// A file cannot be read.
pub fn read(name: &str) -> Vec<(String, Vec<u8>)> {
    let files = std::fs::read_dir(folder(name)).expect("the corpus is part of the repository");
    let mut all: Vec<(String, Vec<u8>)> = files
        .map(|file| {
            let file = file.expect("a file of the corpus");
            let bytes = std::fs::read(file.path()).expect("a file of the corpus");
            (file.file_name().to_string_lossy().into_owned(), bytes)
        })
        .collect();
    all.sort();
    all
}

/// Keeps a counterexample, so that every later run begins with it; gives its file.
///
/// # Panics
/// It cannot be written.
pub fn keep(name: &str, bytes: &[u8]) -> PathBuf {
    // FNV-1a: a name that the same bytes always get.
    let hash = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    let file = folder(name).join(format!("found-{hash:016x}"));
    std::fs::write(&file, bytes).expect("the counterexample is kept");
    file
}
