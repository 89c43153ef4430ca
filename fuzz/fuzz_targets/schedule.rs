//! `tests/corpora/schedule`: see `caravan_properties::schedule`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| caravan_properties::schedule::holds(bytes));
