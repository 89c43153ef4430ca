//! `tests/corpora/tracking`: see `caravan_properties::tracking`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| caravan_properties::tracking::holds(bytes));
