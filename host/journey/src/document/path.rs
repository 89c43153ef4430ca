//! Places within a document: `steps.sync.audience_sync.match[0]`.
use std::fmt;

/// A step of a [`Path`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// A key of a map.
    Key(String),
    /// An element of a list, from 0.
    Index(usize),
}

/// A place within a document, from its root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path(pub(super) Vec<Segment>);

impl Path {
    /// The whole document.
    pub fn root() -> Path {
        Path::default()
    }

    /// The place of a key below this one.
    #[must_use]
    pub fn key(&self, key: &str) -> Path {
        let mut below = self.clone();
        below.0.push(Segment::Key(key.to_owned()));
        below
    }

    /// The place of an element below this one.
    #[must_use]
    pub fn index(&self, index: usize) -> Path {
        let mut below = self.clone();
        below.0.push(Segment::Index(index));
        below
    }

    /// The same place of a document that stands at `root` in another.
    #[must_use]
    pub fn below(&self, root: &Path) -> Path {
        Path(root.0.iter().chain(&self.0).cloned().collect())
    }

    /// Its parts, from the root.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Key(key) if at == 0 => f.write_str(key)?,
                Segment::Key(key) => write!(f, ".{key}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}
