//! Meta's error answers (contract, sections 1 and 6).

use std::sync::atomic::Ordering;

use serde_json::json;

use super::MEDIA;
use crate::reply::{Class, Reply};
use crate::world::World;

/// An error of the Graph API.
#[derive(Debug, Clone)]
pub(crate) struct MetaError {
    status: u16,
    kind: &'static str,
    code: u32,
    subcode: Option<u32>,
    pub(super) message: String,
    /// Title and text for end users, where Meta sends them.
    user: Option<(&'static str, &'static str)>,
    pub(super) transient: bool,
    pub(super) class: Class,
}

impl MetaError {
    /// An error with a message of its own; status, type and class follow from the code.
    pub(crate) fn new(code: u32, message: impl Into<String>) -> MetaError {
        let class = class(code, None);
        MetaError {
            status: match (code, class) {
                (1 | 2, _) => 500,
                (200..=299, _) if !matches!(code, 270 | 294) => 403,
                _ => 400,
            },
            kind: if code == 294 { "GraphMethodException" } else { "OAuthException" },
            code,
            subcode: None,
            message: message.into(),
            user: None,
            transient: class == Class::Throttled || matches!(code, 1 | 2),
            class,
        }
    }

    /// The documented error of this code and subcode, with its text.
    pub(crate) fn known(code: u32, subcode: Option<u32>) -> MetaError {
        let (message, user) = text(code, subcode);
        let mut error = MetaError::new(code, message);
        error.subcode = subcode;
        error.user = user;
        error.class = class(code, subcode);
        error
    }

    /// An object that is gone, was never there, or may not be seen: Meta does not tell which.
    pub(crate) fn invisible(id: &str, verb: &str) -> MetaError {
        let mut error = MetaError::known(100, Some(33));
        error.kind = "GraphMethodException";
        error.message = format!(
            "Unsupported {verb} request. Object with ID '{id}' does not exist, cannot be loaded due to missing \
             permissions, or does not support this operation. Please read the Graph API documentation at \
             https://developers.facebook.com/docs/graph-api"
        );
        error
    }

    /// The token may not edit this audience.
    pub(crate) fn no_right(id: &str) -> MetaError {
        MetaError::new(200, format!("(#200) The current user can not update audience {id}"))
    }

    /// Too few members to take any out. The contract knows no code for it; 100 without subcode is our choice.
    pub(crate) fn too_small() -> MetaError {
        let mut error = MetaError::new(100, "(#100) The audience is too small to remove users from it.");
        error.user =
            Some(("Audience Size Too Low", "Removing people from an audience this small could single them out."));
        error.class = Class::BadAudience;
        error
    }

    /// A parameter that the call lacks.
    pub(crate) fn missing(name: &str) -> MetaError {
        MetaError::new(100, format!("(#100) Missing parameter(s): {name}"))
    }

    /// The same under another HTTP status.
    pub(crate) fn status(mut self, status: u16) -> MetaError {
        self.status = status;
        self
    }

    /// The error as an answer.
    pub(crate) fn reply(self, world: &World) -> Reply {
        let mut error = json!({
            "message": self.message,
            "type": self.kind,
            "code": self.code,
            "fbtrace_id": trace(world),
        });
        if let Some(subcode) = self.subcode {
            error["error_subcode"] = subcode.into();
        }
        if let Some((title, text)) = self.user {
            error["error_user_title"] = title.into();
            error["error_user_msg"] = text.into();
        }
        if self.transient {
            error["is_transient"] = true.into();
        }
        let mut reply = Reply::new(self.status, self.class, MEDIA, json!({"error": error}).to_string());
        if self.code == 190 {
            reply.header("www-authenticate", "OAuth \"Facebook Platform\" \"invalid_token\"");
        }
        reply
    }
}

/// A trace id, the same sequence for the same seed.
fn trace(world: &World) -> String {
    let number = world.traces.fetch_add(1, Ordering::Relaxed);
    let mut draw = fastrand::Rng::with_seed(world.seed.wrapping_add(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    std::iter::once('A').chain(std::iter::repeat_with(|| draw.alphanumeric()).take(22)).collect()
}

fn class(code: u32, subcode: Option<u32>) -> Class {
    match (code, subcode) {
        (1 | 2 | 368 | 5000 | 21_009, _) => Class::Server,
        (4 | 17 | 32 | 341 | 613 | 80_000..=80_014, _) => Class::Throttled,
        (3 | 10 | 102 | 104 | 190 | 200..=299, _) => Class::Auth,
        (2650 | 2654 | 2655 | 2663 | 1_487_301 | 1_487_366 | 1_870_090, _) => Class::BadAudience,
        (100, Some(33 | 1_713_228..=1_713_231 | 1_487_301 | 1_487_366 | 1_870_090)) => Class::BadAudience,
        _ => Class::BadRequest,
    }
}

type Text = (String, Option<(&'static str, &'static str)>);

fn text(code: u32, subcode: Option<u32>) -> Text {
    let plain = |text: &str| (text.to_string(), None);
    match (code, subcode) {
        (1, Some(99)) => plain("An unknown error occurred"),
        (1, _) => plain("An unknown error has occurred."),
        (2, _) => plain("An unexpected error has occurred. Please retry your request later."),
        (3, _) => plain("(#3) Application does not have the capability to make this API call."),
        (4, _) => plain("(#4) Application request limit reached"),
        (10, _) => plain("(#10) Application does not have permission for this action"),
        (17, _) => plain("(#17) User request limit reached"),
        (32, _) => plain("(#32) Page request limit reached"),
        (100, Some(1_713_228..=1_713_231)) => (
            "Invalid parameter".into(),
            Some((
                "Audience Upload Blocked",
                "This audience was flagged. Review it in Audience Manager before you change it.",
            )),
        ),
        (100, Some(1_487_366)) => plain("Invalid parameter: the audience was deleted"),
        (100, Some(1_487_301)) => plain("Invalid parameter: the audience is not shared with this account"),
        (100 | 2655 | 1_870_090, _) if code != 100 || subcode == Some(1_870_090) => (
            match code {
                2655 => "(#2655) Terms of service has not been accepted".into(),
                _ => "Custom audience terms not accepted".into(),
            },
            Some((
                "Custom Audience Terms Not Accepted",
                "Accept the terms at https://business.facebook.com/ads/manage/customaudiences/tos/ first.",
            )),
        ),
        (102, _) => plain("Session has expired or is invalid"),
        (190, Some(458)) => plain("Error validating access token: The user has not authorized application 1000."),
        (190, Some(459)) => plain(
            "Error validating access token: You cannot access the app till you log in to www.facebook.com and follow the instructions given.",
        ),
        (190, Some(460)) => plain(
            "Error validating access token: The session has been invalidated because the user changed their password or Facebook has changed the session for security reasons.",
        ),
        (190, Some(463)) => plain(
            "Error validating access token: Session has expired on Saturday, 21-Nov-26 10:00:00 PST. The current time is Sunday, 22-Nov-26 08:30:00 PST.",
        ),
        (190, Some(464)) => plain(
            "Error validating access token: Sessions for the user are not allowed because the user is not a confirmed user.",
        ),
        (190, Some(467)) => plain("Error validating access token: The session is invalid because the user logged out."),
        (190, None) => {
            plain("Error validating access token: The token has expired on Saturday, 21-Nov-26 10:00:00 PST.")
        }
        (190, _) => plain("Invalid OAuth access token."),
        (200..=299, _) if code == 270 => {
            plain("(#270) This Ads API request is not allowed for apps with development access level.")
        }
        (294, _) => plain(
            "(#294) Managing advertisements requires the extended permission ads_management and an application that is whitelisted to access the Marketing API",
        ),
        (200..=299, _) => plain("(#200) Permissions error"),
        (341, _) => plain("(#341) Application limit reached"),
        (368, _) => plain("(#368) The action attempted has been deemed abusive or is otherwise disallowed"),
        (613, _) => plain("(#613) Calls to this api have exceeded the rate limit."),
        (2650, _) => plain("(#2650) This audience was made from another kind of data source."),
        (2654, _) => plain("(#2654) Invalid custom audience subtype"),
        (2663, _) => plain("(#2663) Terms of service for website and app audiences has not been accepted"),
        (1_487_301, _) => plain("The audience is not shared with this account or unavailable to it."),
        (1_487_366, _) => plain("The audience was deleted."),
        (80_000..=80_014, _) => (
            format!(
                "(#{code}) There have been too many calls from this ad-account. Wait a bit and try again. For more info, \
                 please refer to https://developers.facebook.com/docs/graph-api/overview/rate-limiting."
            ),
            None,
        ),
        _ => (format!("(#{code}) The call failed"), None),
    }
}
