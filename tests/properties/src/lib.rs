//! What must hold for whatever a stranger hands in: properties, one for each kind of input, each over plain bytes.
//!
//! The suite asserts them over the kept corpora in `tests/corpora` and over mutations of them on the pinned toolchain
//! (`tests/properties/tests`); the fuzz targets in `fuzz/` call the same functions. A property panics where it does not
//! hold. Oracles are naive on purpose and share no code with the host.
pub mod canvas;
pub mod columns;
pub mod corpus;
pub mod csv;
pub mod handed;
pub mod lock;
pub mod manifest;
mod naive_csv;
mod naive_url;
pub mod reference;
pub mod schedule;
pub mod template;
pub mod tracking;
pub mod url;
pub mod words;

/// A property over any bytes.
pub type Property = fn(&[u8]);

/// All of them, by the name of their corpus.
pub const ALL: [(&str, Property); 11] = [
    ("manifest", manifest::holds),
    ("canvas", canvas::holds),
    ("columns", columns::holds),
    ("url", url::holds),
    ("csv", csv::holds),
    ("handed", handed::holds),
    ("lock", lock::holds),
    ("reference", reference::holds),
    ("schedule", schedule::holds),
    ("template", template::holds),
    ("tracking", tracking::holds),
];
