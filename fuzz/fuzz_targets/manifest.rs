//! `tests/corpora/manifest`: see `caravan_properties::manifest`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| caravan_properties::manifest::holds(bytes));
