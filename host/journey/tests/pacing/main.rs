//! Pacing against simulated partners, in simulated time: no refusal, and at least nine tenths of the quota used.
mod learning;
mod partner;
mod restart;
mod sharing;
mod steady;
