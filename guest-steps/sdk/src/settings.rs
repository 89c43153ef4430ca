//! A connection's settings: one JSON object that the host has checked against the manifest and filled with defaults.
use crate::{Fault, fault};
use serde_json::{Map, Value};

/// The settings of the connection; `target.settings` in the contract.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings(Map<String, Value>);

impl Settings {
    /// Reads them from the contract's text.
    ///
    /// # Errors
    /// `bug`: the host promised one JSON object.
    pub fn parse(text: &str) -> Result<Settings, Fault> {
        if text.is_empty() {
            return Ok(Settings::default());
        }
        match serde_json::from_str(text) {
            Ok(Value::Object(map)) => Ok(Settings(map)),
            Ok(_) | Err(_) => Err(fault::bug("settings", "The connection's settings are no JSON object.")),
        }
    }

    /// A text or choice; `""` where there is none.
    pub fn text(&self, name: &str) -> &str {
        self.0.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// A switch; off where there is none.
    pub fn switch(&self, name: &str) -> bool {
        self.0.get(name).and_then(Value::as_bool).unwrap_or_default()
    }

    /// A whole number; 0 where there is none.
    pub fn number(&self, name: &str) -> i64 {
        self.0.get(name).and_then(Value::as_i64).unwrap_or_default()
    }

    /// The names and values, in the order of names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

#[cfg(test)]
mod tests {
    use super::Settings;
    use crate::Fault;

    #[test]
    fn settings_are_read_by_type_and_default_to_nothing() {
        let settings = Settings::parse(r#"{"api_version":"v26.0","dry":true,"size":7}"#).expect("an object");
        assert_eq!(settings.text("api_version"), "v26.0");
        assert!(settings.switch("dry"));
        assert_eq!(settings.number("size"), 7);
        assert_eq!((settings.text("no"), settings.switch("no"), settings.number("no")), ("", false, 0));
    }

    #[test]
    fn settings_that_are_no_object_are_a_bug() {
        for text in ["[1]", "{", "null", "7"] {
            assert!(matches!(Settings::parse(text), Err(Fault::Bug(_))), "{text}");
        }
        assert_eq!(Settings::parse(""), Ok(Settings::default()));
    }
}
