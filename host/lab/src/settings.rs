//! Switches that a person or a test turns through the control address.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::google::GoogleSettings;
use crate::marketo::MarketoSettings;
use crate::platform::PlatformSettings;

/// Everything adjustable but the faults.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Settings {
    /// Refuse accounts that were not seeded, instead of making them on first use.
    pub(crate) strict_accounts: bool,
    /// How many times as fast as the world's the lab's clock runs: asynchronous jobs, lives of tokens, new quotas.
    pub(crate) time_scale: u32,
    /// HTTP status of Meta's throttled answers: 400 in real logs, 429 in a peer's fixture (contract, section 5).
    pub(crate) meta_throttle_status: u16,
    /// Meta refuses to remove members from an audience below this many; 0 switches it off.
    pub(crate) minimum_on_remove: usize,
    /// A customer-file update at TikTok fails if fewer ids than this would stay.
    pub(crate) minimum_file_audience: usize,
    /// Members per call that Meta and TikTok take.
    pub(crate) rows_per_call: usize,
    /// How long tokens live that the lab gives out; none = as long as the partner's.
    pub(crate) token_seconds: Option<u64>,
    /// Records per call that Pinterest takes. Its documentation names no number; this is what a peer sends at most.
    pub(crate) pinterest_records: usize,
    /// Whether Pinterest's answers tell the exceptions of the call alone; else all of the list's until then (contract: unsure).
    pub(crate) pinterest_exceptions_of_call: bool,
    /// Whether Pinterest's app is on trial: 1,000 calls a day, 300 of them writes.
    pub(crate) pinterest_trial: bool,
    /// How long Snapchat processes an upload, in seconds of the lab's clock: until then `upload_status` is `PROCESSING`.
    pub(crate) snapchat_processing_seconds: u64,
    /// Calls a second that Snapchat takes of an app, over all its tokens.
    pub(crate) snapchat_per_app: u64,
    /// Whether Snapchat refuses a call with a malformed row whole, or drops the row (contract: unsure).
    pub(crate) snapchat_refuses_malformed: bool,
    /// Quotas.
    pub(crate) meta: MetaQuota,
    pub(crate) tiktok: TikTokQuota,
    /// What is adjusted at Google, quotas too.
    pub(crate) google: GoogleSettings,
    /// What is adjusted at Marketo, quotas too.
    pub(crate) marketo: MarketoSettings,
    /// What is adjusted at Experience Platform, quotas too.
    #[serde(rename = "experience-platform")]
    pub(crate) platform: PlatformSettings,
    pub(crate) criteo: Rate,
    pub(crate) pinterest: Rate,
    pub(crate) snapchat: Rate,
}

/// Calls of one login (Criteo: of the app) in spans of fixed length; none = as many as one likes.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Rate {
    pub(crate) per_second: Option<u64>,
    pub(crate) per_minute: Option<u64>,
    pub(crate) per_day: Option<u64>,
}

/// Meta's business-use-case quota `custom_audience`, per ad account (contract, section 5).
#[derive(Debug, Clone, Serialize)]
pub(crate) struct MetaQuota {
    /// Calls per window; none means the documented advanced tier: 190,000 + 40 per audience, never above 700,000.
    pub(crate) per_window: Option<u64>,
    /// The same for single accounts.
    pub(crate) accounts: HashMap<String, u64>,
    /// Length of the window in seconds.
    pub(crate) window_seconds: u64,
}

/// TikTok's quota per developer app (contract, section 5).
#[derive(Debug, Clone, Serialize)]
pub(crate) struct TikTokQuota {
    pub(crate) per_second: u64,
    pub(crate) per_minute: u64,
    pub(crate) per_day: u64,
    /// How long the app is locked out after the minute's quota was passed.
    pub(crate) suspension_seconds: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            strict_accounts: false,
            time_scale: 1,
            meta_throttle_status: 400,
            minimum_on_remove: 0,
            minimum_file_audience: 1_000,
            rows_per_call: 10_000,
            token_seconds: None,
            pinterest_records: 1_900,
            pinterest_exceptions_of_call: false,
            pinterest_trial: false,
            snapchat_processing_seconds: 60,
            snapchat_per_app: 20,
            snapchat_refuses_malformed: true,
            meta: MetaQuota { per_window: None, accounts: HashMap::new(), window_seconds: 3_600 },
            // The tier "Basic", which every new app has, and which the connector keeps to.
            tiktok: TikTokQuota { per_second: 10, per_minute: 600, per_day: 864_000, suspension_seconds: 300 },
            google: GoogleSettings::default(),
            marketo: MarketoSettings::default(),
            platform: PlatformSettings::default(),
            // An app with client credentials; one that a person granted has ten calls a minute and account.
            criteo: Rate { per_minute: Some(250), ..Rate::default() },
            // Standard access; writes. Trial access has 1,000 calls a day.
            pinterest: Rate { per_second: Some(100), per_minute: Some(400), per_day: None },
            snapchat: Rate { per_second: Some(10), ..Rate::default() },
        }
    }
}

/// Body of `POST /_lab/settings`. What is absent stays.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SettingsChange {
    strict_accounts: Option<bool>,
    time_scale: Option<u32>,
    meta_throttle_status: Option<u16>,
    minimum_on_remove: Option<usize>,
    minimum_file_audience: Option<usize>,
    rows_per_call: Option<usize>,
    token_seconds: Option<u64>,
    pinterest_records: Option<usize>,
    pinterest_exceptions_of_call: Option<bool>,
    pinterest_trial: Option<bool>,
    snapchat_processing_seconds: Option<u64>,
    snapchat_per_app: Option<u64>,
    snapchat_refuses_malformed: Option<bool>,
    google: Option<Value>,
    marketo: Option<Value>,
    #[serde(rename = "experience-platform")]
    platform: Option<Value>,
}

impl SettingsChange {
    /// Applies the change, or says what is wrong with it.
    pub(crate) fn apply(self, settings: &mut Settings) -> Result<(), String> {
        if let Some(status) = self.meta_throttle_status {
            if status != 400 && status != 429 {
                return Err(format!("meta_throttle_status is {status}; Meta answers 400 or 429"));
            }
            settings.meta_throttle_status = status;
        }
        if let Some(scale) = self.time_scale {
            if scale == 0 {
                return Err("time_scale starts at 1".into());
            }
            settings.time_scale = scale;
        }
        if let Some(change) = self.google {
            settings.google = changed(&settings.google, change)?;
        }
        if let Some(change) = self.marketo {
            settings.marketo = changed(&settings.marketo, change)?;
        }
        if let Some(change) = self.platform {
            settings.platform = changed(&settings.platform, change)?;
        }
        settings.strict_accounts = self.strict_accounts.unwrap_or(settings.strict_accounts);
        settings.minimum_on_remove = self.minimum_on_remove.unwrap_or(settings.minimum_on_remove);
        settings.minimum_file_audience = self.minimum_file_audience.unwrap_or(settings.minimum_file_audience);
        settings.rows_per_call = self.rows_per_call.unwrap_or(settings.rows_per_call);
        settings.token_seconds = self.token_seconds.or(settings.token_seconds);
        settings.pinterest_records = self.pinterest_records.unwrap_or(settings.pinterest_records);
        settings.pinterest_exceptions_of_call =
            self.pinterest_exceptions_of_call.unwrap_or(settings.pinterest_exceptions_of_call);
        settings.pinterest_trial = self.pinterest_trial.unwrap_or(settings.pinterest_trial);
        settings.snapchat_processing_seconds =
            self.snapchat_processing_seconds.unwrap_or(settings.snapchat_processing_seconds);
        settings.snapchat_per_app = self.snapchat_per_app.unwrap_or(settings.snapchat_per_app);
        settings.snapchat_refuses_malformed =
            self.snapchat_refuses_malformed.unwrap_or(settings.snapchat_refuses_malformed);
        Ok(())
    }
}

/// A partner's settings with some of them changed.
fn changed<T: Serialize + serde::de::DeserializeOwned>(settings: &T, change: Value) -> Result<T, String> {
    let mut all = serde_json::to_value(settings).map_err(|error| error.to_string())?;
    match (all.as_object_mut(), change) {
        (Some(all), Value::Object(change)) => all.extend(change),
        _ => return Err("a partner's settings are an object".into()),
    }
    serde_json::from_value(all).map_err(|error| error.to_string())
}

/// Body of `POST /_lab/quota`. Absent numbers stay; what was used so far is forgotten.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct QuotaChange {
    pub(crate) partner: String,
    account: Option<String>,
    per_hour: Option<u64>,
    window_seconds: Option<u64>,
    throttle_status: Option<u16>,
    per_second: Option<u64>,
    per_minute: Option<u64>,
    per_day: Option<u64>,
    suspension_seconds: Option<u64>,
}

impl QuotaChange {
    /// Applies the change, or says what is wrong with it.
    pub(crate) fn apply(self, settings: &mut Settings) -> Result<(), String> {
        let of_tiktok = [self.per_second, self.per_minute, self.per_day, self.suspension_seconds];
        let of_meta = [self.per_hour, self.window_seconds, self.throttle_status.map(u64::from)];
        match self.partner.as_str() {
            "meta" if of_tiktok.iter().any(Option::is_some) => {
                Err("meta takes account, per_hour, window_seconds and throttle_status".into())
            }
            "meta" => {
                let status = self.throttle_status.unwrap_or(settings.meta_throttle_status);
                if status != 400 && status != 429 {
                    return Err(format!("throttle_status is {status}; Meta answers 400 or 429"));
                }
                settings.meta_throttle_status = status;
                settings.meta.window_seconds = self.window_seconds.unwrap_or(settings.meta.window_seconds).max(1);
                match (self.account, self.per_hour) {
                    (None, None) => {}
                    (None, limit) => settings.meta.per_window = limit,
                    (Some(account), None) => {
                        settings.meta.accounts.remove(crate::call::bare_account(&account));
                    }
                    (Some(account), Some(limit)) => {
                        settings.meta.accounts.insert(crate::call::bare_account(&account).to_string(), limit);
                    }
                }
                Ok(())
            }
            "tiktok" if of_meta.iter().any(Option::is_some) || self.account.is_some() => {
                Err("tiktok takes per_second, per_minute, per_day and suspension_seconds, for the whole app".into())
            }
            "tiktok" => {
                let quota = &mut settings.tiktok;
                quota.per_second = self.per_second.unwrap_or(quota.per_second);
                quota.per_minute = self.per_minute.unwrap_or(quota.per_minute);
                quota.per_day = self.per_day.unwrap_or(quota.per_day);
                quota.suspension_seconds = self.suspension_seconds.unwrap_or(quota.suspension_seconds);
                Ok(())
            }
            name @ ("criteo" | "pinterest" | "snapchat") => {
                if of_meta.iter().any(Option::is_some) || self.account.is_some() || self.suspension_seconds.is_some() {
                    return Err(format!("{name} takes per_second, per_minute and per_day"));
                }
                let rate = match name {
                    "criteo" => &mut settings.criteo,
                    "pinterest" => &mut settings.pinterest,
                    _ => &mut settings.snapchat,
                };
                rate.per_second = self.per_second.or(rate.per_second);
                rate.per_minute = self.per_minute.or(rate.per_minute);
                rate.per_day = self.per_day.or(rate.per_day);
                if let ("snapchat", Some(most)) = (name, self.per_second) {
                    // An app has twice what one of its tokens has.
                    settings.snapchat_per_app = most.saturating_mul(2);
                }
                Ok(())
            }
            partner @ ("google" | "marketo" | "experience-platform") => {
                Err(format!("{partner}'s quotas stand under `{partner}` in /_lab/settings"))
            }
            other => Err(format!("no partner `{other}`; the lab knows {}", crate::call::Partner::names())),
        }
    }
}
