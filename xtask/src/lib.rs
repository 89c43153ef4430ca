//! What the tasks and the end-to-end tests share: stages with elapsed time, and a lab in a process of its own.
pub mod lab;
pub mod stage;
pub mod totals;
