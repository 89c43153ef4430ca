//! The rules of the design that the pure journey keeps; each test is named after its rule.
mod bad_input;
mod bad_partners;
mod claims;
mod delays;
mod documents;
mod filter_dates;
mod filter_oracle;
mod filters;
mod policies;
mod retrying;
mod sealing;
mod splits;
mod walking;
mod webhooks;
