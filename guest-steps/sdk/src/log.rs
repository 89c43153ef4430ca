//! Words for the connector's own log: the contract's interface `logging`. The host bounds and scrubs the lines; never
//! write an identifier of a person into one.
#[cfg(target_family = "wasm")]
use crate::bindings::caravan::connector::logging;

/// For the author.
pub fn debug(message: impl AsRef<str>) {
    write("debug", message.as_ref());
}

/// For whoever runs it.
pub fn info(message: impl AsRef<str>) {
    write("info", message.as_ref());
}

/// Something odd that was handled.
pub fn warn(message: impl AsRef<str>) {
    write("warn", message.as_ref());
}

/// Something that failed.
pub fn error(message: impl AsRef<str>) {
    write("error", message.as_ref());
}

#[cfg(target_family = "wasm")]
fn write(level: &str, message: &str) {
    let level = match level {
        "debug" => logging::Level::Debug,
        "warn" => logging::Level::Warn,
        "error" => logging::Level::Error,
        _ => logging::Level::Info,
    };
    logging::log(level, message);
}

#[cfg(not(target_family = "wasm"))]
fn write(level: &str, message: &str) {
    crate::testing::logged(level, message);
}
