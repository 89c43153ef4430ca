//! `tests/corpora/columns`: see `caravan_properties::columns`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| caravan_properties::columns::holds(bytes));
