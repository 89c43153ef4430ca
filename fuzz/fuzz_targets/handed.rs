//! `tests/corpora/handed`: see `caravan_properties::handed`.
#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| caravan_properties::handed::holds(bytes));
