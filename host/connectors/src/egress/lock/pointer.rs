//! Pointers of locks, and the keys of the objects on the way to them.
use std::collections::HashSet;

/// A lock: where, and which text must stand there.
#[derive(Clone, Debug)]
pub(super) struct Lock {
    pub(super) pointer: String,
    pub(super) tokens: Vec<PointerToken>,
    pub(super) expected: String,
    pub(super) met: bool,
}

impl Lock {
    pub(super) fn new(pointer: String, expected: String) -> Lock {
        let tokens = pointer.split('/').skip(1).map(PointerToken::new).collect();
        Lock { tokens, pointer, expected, met: false }
    }
}

/// One step of a pointer, in the forms in which it is compared.
#[derive(Clone, Debug)]
pub(super) struct PointerToken {
    pub(super) text: String,
    pub(super) folded: String,
    pub(super) index: Option<usize>,
    pub(super) any: bool,
}

impl PointerToken {
    fn new(token: &str) -> PointerToken {
        let text = token.replace("~1", "/").replace("~0", "~");
        PointerToken { folded: text.to_lowercase(), index: text.parse().ok(), any: text == "*", text }
    }
}

/// The keys of an object, by hash with a random seed.
#[derive(Debug, Default)]
pub(super) struct Keys {
    few: Vec<u64>,
    many: HashSet<u64>,
}

impl Keys {
    pub(super) fn clear(&mut self) {
        self.few.clear();
        self.many.clear();
    }

    pub(super) fn insert(&mut self, hash: u64) -> bool {
        if self.few.len() < 32 {
            if self.few.contains(&hash) {
                return false;
            }
            self.few.push(hash);
            return true;
        }
        !self.few.contains(&hash) && self.many.insert(hash)
    }
}
