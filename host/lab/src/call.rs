//! What a request is, once it is understood: partner, route, account and audiences. Faults, quotas and counts go by it.

use http::Method;

/// A partner that the lab emulates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Partner {
    /// Criteo contact lists.
    Criteo,
    /// Adobe Experience Platform, as a source.
    Platform,
    /// Google Customer Match.
    Google,
    /// Adobe Marketo Engage.
    Marketo,
    /// Meta (Facebook) Custom Audiences.
    Meta,
    /// Pinterest customer lists.
    Pinterest,
    /// Snapchat audience segments.
    Snapchat,
    /// TikTok Custom Audiences.
    TikTok,
}

impl Partner {
    /// All partners, in the order of their ports.
    pub(crate) const ALL: [Partner; 8] = [
        Partner::Criteo,
        Partner::Platform,
        Partner::Google,
        Partner::Marketo,
        Partner::Meta,
        Partner::Pinterest,
        Partner::Snapchat,
        Partner::TikTok,
    ];

    /// The name used in addresses and control calls.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Partner::Criteo => "criteo",
            Partner::Platform => "experience-platform",
            Partner::Google => "google",
            Partner::Marketo => "marketo",
            Partner::Meta => "meta",
            Partner::Pinterest => "pinterest",
            Partner::Snapchat => "snapchat",
            Partner::TikTok => "tiktok",
        }
    }

    /// All names, for words.
    pub(crate) fn names() -> String {
        let names = Partner::ALL.map(Partner::name);
        let (last, before) = names.split_last().map_or(("", &names[..0]), |(last, before)| (*last, before));
        format!("{} and {last}", before.join(", "))
    }

    /// The partner of that name.
    pub(crate) fn parse(name: &str) -> Option<Partner> {
        Partner::ALL.into_iter().find(|partner| partner.name() == name)
    }
}

/// What a call is for. All partners share these names, so one dial can speak of any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    Me,
    Permissions,
    Accounts,
    Account,
    Terms,
    AcceptTerms,
    Audiences,
    Audience,
    Create,
    Update,
    Delete,
    Add,
    Remove,
    Replace,
    Clear,
    Targets,
    CreateTarget,
    Statistics,
    Sizes,
    Share,
    Sessions,
    Token,
    Revoke,
    Upload,
    FileCreate,
    FileUpdate,
    /// What became of a request that was accepted.
    Status,
    /// Who has an identifier.
    Lookup,
    Unknown,
}

impl Route {
    /// The route's name in dials and counts.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Route::Me => "me",
            Route::Permissions => "permissions",
            Route::Accounts => "accounts",
            Route::Account => "account",
            Route::Terms => "terms",
            Route::AcceptTerms => "accept-terms",
            Route::Audiences => "audiences",
            Route::Audience => "audience",
            Route::Create => "create",
            Route::Update => "update",
            Route::Delete => "delete",
            Route::Add => "users-add",
            Route::Remove => "users-remove",
            Route::Replace => "users-replace",
            Route::Clear => "users-clear",
            Route::Targets => "targets",
            Route::CreateTarget => "create-target",
            Route::Statistics => "statistics",
            Route::Sizes => "sizes",
            Route::Share => "share",
            Route::Sessions => "sessions",
            Route::Token => "token",
            Route::Revoke => "revoke",
            Route::Upload => "upload",
            Route::FileCreate => "file-create",
            Route::FileUpdate => "file-update",
            Route::Status => "status",
            Route::Lookup => "lookup",
            Route::Unknown => "unknown",
        }
    }

    /// Whether a dial set to `filter` covers this route. `users` (or TikTok's `mapping`) covers adding and removing.
    pub(crate) fn matches(self, filter: &str) -> bool {
        match filter {
            "users" | "mapping" => matches!(self, Route::Add | Route::Remove | Route::Replace | Route::Clear),
            "adaccounts" => self == Route::Accounts,
            name => self.name() == name,
        }
    }

    /// Whether a dial may name this filter at all.
    pub(crate) fn is_filter(filter: &str) -> bool {
        ROUTES.iter().any(|route| route.matches(filter))
    }

    /// Whether the call changes an audience or its members: such calls are recorded on request.
    pub(crate) fn changes(self) -> bool {
        matches!(
            self,
            Route::Create
                | Route::CreateTarget
                | Route::Update
                | Route::Delete
                | Route::Add
                | Route::Remove
                | Route::Replace
                | Route::Clear
                | Route::Share
                | Route::Upload
                | Route::FileCreate
                | Route::FileUpdate
        )
    }

    /// Whether the call speaks of one audience that exists already.
    pub(crate) fn on_audience(self) -> bool {
        self.on_members()
            || matches!(
                self,
                Route::Audience | Route::Update | Route::Delete | Route::Statistics | Route::Share | Route::Sessions
            )
    }

    /// Whether the call edits members.
    pub(crate) fn on_members(self) -> bool {
        matches!(self, Route::Add | Route::Remove | Route::Replace | Route::Clear | Route::FileUpdate)
    }
}

const ROUTES: &[Route] = &[
    Route::Me,
    Route::Permissions,
    Route::Accounts,
    Route::Account,
    Route::Terms,
    Route::AcceptTerms,
    Route::Audiences,
    Route::Audience,
    Route::Create,
    Route::Update,
    Route::Delete,
    Route::Add,
    Route::Remove,
    Route::Replace,
    Route::Clear,
    Route::Targets,
    Route::CreateTarget,
    Route::Statistics,
    Route::Sizes,
    Route::Share,
    Route::Sessions,
    Route::Token,
    Route::Revoke,
    Route::Upload,
    Route::FileCreate,
    Route::FileUpdate,
    Route::Status,
    Route::Lookup,
    Route::Unknown,
];

/// One understood request.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) partner: Partner,
    pub(crate) method: Method,
    pub(crate) route: Route,
    /// The path with its ids replaced, as counted: `/{audience}/users`.
    pub(crate) template: &'static str,
    /// The partner's account id without prefix, where the call tells it.
    pub(crate) account: Option<String>,
    /// Audiences that the call names.
    pub(crate) audiences: Vec<String>,
    /// The token shown, empty if none.
    pub(crate) token: String,
}

impl Call {
    /// A call of which nothing is understood yet but whose it is.
    pub(crate) fn of(partner: Partner, method: &Method, token: impl Into<String>) -> Call {
        Call {
            partner,
            method: method.clone(),
            route: Route::Unknown,
            template: "(unknown)",
            account: None,
            audiences: Vec::new(),
            token: token.into(),
        }
    }
}

/// An account id as dials and counts know it: Meta's `act_` prefix may be left out.
pub(crate) fn bare_account(account: &str) -> &str {
    account.strip_prefix("act_").unwrap_or(account)
}
