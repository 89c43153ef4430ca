//! Codes of problems: stable, printed with every error, explained by `caravan explain CODE` and `docs/errors/`.
use serde::Serialize;
use std::fmt;

macro_rules! codes {
    ($($name:ident = $code:literal, $title:literal, $page:literal;)*) => {
        /// A stable code.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        pub enum Code { $(
            #[doc = $title]
            #[serde(rename = $code)]
            $name,
        )* }

        impl Code {
            /// All codes.
            pub const ALL: &'static [Code] = &[$(Code::$name),*];

            /// The code as printed.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$name => $code),* }
            }

            /// One line: what it is.
            pub fn title(self) -> &'static str {
                match self { $(Code::$name => $title),* }
            }

            /// The page under `docs/errors/`, compiled in: what happened, why, what to do.
            pub fn page(self) -> &'static str {
                match self { $(Code::$name => include_str!(concat!("../../../docs/errors/", $page, ".md"))),* }
            }
        }
    };
}

codes! {
    UnreadableFile = "CV001", "A file cannot be read", "CV001";
    BadSyntax = "CV002", "A file is not valid YAML or JSON", "CV002";
    UnknownField = "CV003", "A field that does not exist", "CV003";
    BadValue = "CV004", "A value that cannot stand here", "CV004";
    MissingStep = "CV010", "A step that does not exist", "CV010";
    LoopWithoutDelay = "CV011", "A loop without a delay", "CV011";
    DeadEnd = "CV012", "A step that leads nowhere", "CV012";
    Unreachable = "CV013", "A step that nobody reaches", "CV013";
    StepKind = "CV014", "A step with no kind, or with several", "CV014";
    UnknownMatchKey = "CV020", "A match field that the partner does not take", "CV020";
    ImpossibleKeys = "CV021", "Match fields that together identify nobody", "CV021";
    UnsupportedAction = "CV022", "An action that the partner does not have", "CV022";
    UnknownAudience = "CV023", "An audience that the canvas does not name", "CV023";
    UnknownConnection = "CV024", "A connection that does not exist", "CV024";
    UnknownAccount = "CV025", "An account that the connection does not have", "CV025";
    BadConnection = "CV026", "A connection that cannot work", "CV026";
    UnknownGroup = "CV028", "A segment or list that does not exist", "CV028";
    DeniedUse = "CV027", "A use of data that policy denies", "CV027";
    NotEntitled = "CV029", "A partner that nobody is entitled to", "CV029";
    NotYet = "CV030", "Something that this version cannot do yet", "CV030";
    UnknownEndpoint = "CV031", "A webhook's endpoint that does not exist", "CV031";
    BadTemplate = "CV032", "A webhook's body that cannot be made", "CV032";
    NoConsent = "CV033", "A partner that does not let people in this way", "CV033";
    ConsentRefused = "CV034", "A consent that was not given", "CV034";
    ScopeMissing = "CV035", "A consent that lacks a scope", "CV035";
    RegulatedImport = "CV036", "An import that the policy forbids", "CV036";
    BadImport = "CV037", "An import whose source cannot be read", "CV037";
    BadMapping = "CV038", "Identities of a connection that cannot be sent", "CV038";
    UnmappedKey = "CV039", "A match field that the connection does not map", "CV039";
    UserRow = "CV040", "A row of people that cannot be read", "CV040";
    ConnectionTwice = "CV041", "A connection that would stand in two places", "CV041";
    ConnectionInUse = "CV042", "A connection that something uses", "CV042";
    AccountOff = "CV043", "An ad account that is switched off", "CV043";
    KeptInFile = "CV044", "A connection that its file keeps", "CV044";
    RawIdentity = "CV046", "An identifier that would leave unhashed", "CV046";
    NotAComponent = "CV050", "A file that is no WebAssembly component", "CV050";
    WrongWorld = "CV051", "A component of another world or version", "CV051";
    BadManifest = "CV052", "A connector without a usable manifest", "CV052";
    UnknownConnector = "CV053", "A connector that is not there", "CV053";
    AwaitingApproval = "CV054", "A connector that waits for approval", "CV054";
    Unsigned = "CV055", "A connector that nobody signed whose signature counts", "CV055";
    Registry = "CV056", "A registry that gives or takes no connector", "CV056";
    BadProxy = "CV057", "A proxy that cannot be used", "CV057";
    NoSlot = "CV058", "A slot that cannot be given or taken", "CV058";
    Denied = "CV060", "A request that was not granted", "CV060";
    LimitBreached = "CV061", "A connector that broke a limit", "CV061";
    Unreached = "CV062", "A partner that cannot be reached", "CV062";
    MissingSecret = "CV063", "A secret that is not there", "CV063";
    Untold = "CV064", "An alert that reaches nobody", "CV064";
    NoSealKey = "CV065", "Something sealed without its key", "CV065";
    AppMissing = "CV066", "An app that is not known here", "CV066";
    StoreInUse = "CV070", "A store that another process owns", "CV070";
    StoreDamaged = "CV071", "A store that cannot be read", "CV071";
    StoreTooNew = "CV072", "A store that a newer version wrote", "CV072";
    NoRoom = "CV073", "A store without room", "CV073";
    AudienceMissing = "CV080", "An audience that is not at the partner", "CV080";
    Unauthorized = "CV081", "Credentials that the partner refuses", "CV081";
    Forbidden = "CV082", "Credentials without the right", "CV082";
    TermsUnsigned = "CV083", "Terms that nobody accepted", "CV083";
    LabDenied = "CV084", "A lab connection where the policy allows none", "CV084";
    Usage = "CV090", "A command that cannot be understood", "CV090";
    NotFound = "CV091", "Something that is not in the store", "CV091";
    NotSigned = "CV092", "A call by nobody who is known", "CV092";
    NoRight = "CV093", "A call without the right", "CV093";
    Internal = "CV099", "A mistake of Caravan's own", "CV099";
}

impl std::str::FromStr for Code {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Code::ALL
            .iter()
            .copied()
            .find(|code| code.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| format!("there is no code `{text}`; `caravan explain` lists them"))
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Something wrong with what a person gave us: what, where, and the cure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
pub struct Problem {
    /// The code.
    pub code: Code,
    /// What is wrong, in plain words.
    pub message: String,
    /// The file, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The path within the document: `steps.sync.audience_sync.match[0]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// What to do next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cure: Option<String>,
}

impl Problem {
    /// A problem with a code and words; the rest is added by the `at…`, `cure` methods.
    pub fn new(code: Code, message: impl Into<String>) -> Problem {
        Problem { code, message: message.into(), file: None, line: None, path: None, cure: None }
    }

    /// Adds the file.
    #[must_use]
    pub fn in_file(mut self, file: impl Into<String>) -> Problem {
        self.file = Some(file.into());
        self
    }

    /// Adds the line (from 1).
    #[must_use]
    pub fn at_line(mut self, line: u32) -> Problem {
        self.line = Some(line);
        self
    }

    /// Adds the path within the document.
    #[must_use]
    pub fn at_path(mut self, path: impl Into<String>) -> Problem {
        self.path = Some(path.into());
        self
    }

    /// Adds what to do next.
    #[must_use]
    pub fn cure(mut self, cure: impl Into<String>) -> Problem {
        self.cure = Some(cure.into());
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(file) = &self.file {
            write!(f, " {file}")?;
            if let Some(line) = self.line {
                write!(f, ":{line}")?;
            }
        }
        if let Some(path) = &self.path {
            write!(f, " at {path}")?;
        }
        write!(f, ": {}", self.message)?;
        if let Some(cure) = &self.cure {
            write!(f, "\n  cure: {cure}")?;
        }
        Ok(())
    }
}
