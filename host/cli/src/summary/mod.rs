//! What a run ends with: the canvas as a tree with counts, a sum that accounts for everybody, the lab's own count.
mod books;
mod flow;
mod tree;

pub use books::{Books, Term};
pub use tree::render;

#[cfg(test)]
mod tests;
