//! `tests/corpora/lock`: see `caravan_properties::lock`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| caravan_properties::lock::holds(bytes));
