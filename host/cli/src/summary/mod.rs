//! What a run ends with: the canvas as a tree with counts, a sum that accounts for everybody, the lab's own count.
mod books;
mod condition;
mod flow;
mod tree;

pub use books::Books;
pub use tree::render;

#[cfg(test)]
mod tests;
