//! Bad input that needs to know partners and connections: each mistake is one clear problem with a cure.
use super::bad_input::*;
use caravan_journey::document::read_connections;
use caravan_model::Code;

#[test]
fn cv020_an_unknown_match_key_lists_what_the_partner_takes() {
    case(
        "[email, phone]",
        "[email, emial]",
        Code::UnknownMatchKey,
        15,
        "steps.sync.audience_sync.match[1]",
        "`emial`",
        "did you mean `email`? Partner takes: email, phone, first_name",
    );
}

#[test]
fn cv021_an_impossible_choice_of_keys_says_what_is_missing() {
    let at = "steps.sync.audience_sync.match";
    case(
        "[email, phone]",
        "[first_name]",
        Code::ImpossibleKeys,
        15,
        at,
        "first_name: these fields alone identify nobody",
        "at least one of: email, phone",
    );
    case("[email, phone]", "[]", Code::ImpossibleKeys, 15, at, "empty", "email, phone");
    case("[email, phone]", "[email, city]", Code::ImpossibleKeys, 15, at, "`CITY` only together with ZIP", "add ZIP");
    case(
        "[email, phone]",
        "[email, idfa]",
        Code::ImpossibleKeys,
        15,
        at,
        "kind `people` does not take IDFA",
        "EMAIL, PHONE",
    );
}

#[test]
fn cv022_an_unsupported_action_says_what_the_partner_can() {
    case(
        "action: add",
        "action: remove",
        Code::UnsupportedAction,
        15,
        "steps.sync.audience_sync.action",
        "`remove`",
        "it can: add",
    );
}

#[test]
fn cv023_to_cv025_names_that_do_not_exist_propose_those_that_do() {
    case(
        "audience: vip",
        "audience: vpi",
        Code::UnknownAudience,
        15,
        "steps.sync.audience_sync.audience",
        "`vpi`",
        "did you mean `vip`?",
    );
    case(
        "connection: acme",
        "connection: acne",
        Code::UnknownConnection,
        4,
        "audiences.vip.connection",
        "`acne`",
        "did you mean `acme`?",
    );
    case(
        "account: fr",
        "account: de",
        Code::UnknownAccount,
        4,
        "audiences.vip.account",
        "`de`",
        "accounts of `acme`: fr",
    );
    case(
        "account: fr",
        "account: fr, name: Much too long",
        Code::BadValue,
        4,
        "audiences.vip.name",
        "13 characters",
        "shorten",
    );
    case(
        "account: fr",
        "account: fr, kind: pepole",
        Code::BadValue,
        4,
        "audiences.vip.kind",
        "`pepole`",
        "did you mean `people`?",
    );
}

#[test]
fn cv026_a_secret_written_out_is_refused_and_never_repeated() {
    let secret = "EAABsbCS1iHgBAKZZ";
    for (old, new, path) in [
        ("{ env: TOKEN }", secret.to_owned(), "connections.acme.secret"),
        ("{ env: TOKEN }", format!("[{secret}]"), "connections.acme.secret"),
        ("{ env: TOKEN }", format!("{{ value: {secret} }}"), "connections.acme.secret"),
        ("{ env: TOKEN }", format!("{{ env: \"{secret} x\" }}"), "connections.acme.secret.env"),
        ("{ env: TOKEN }", format!("{{ env: A, file: {secret} }}"), "connections.acme.secret"),
        ("secret: { env: TOKEN }", format!("secrets: {{ app: {secret} }}"), "connections.acme.secrets.app"),
        ("secret: { env: TOKEN }", format!("secrets: {secret}"), "connections.acme.secrets"),
        ("secret: { env: TOKEN }", format!("access_token: {secret}"), "connections.acme.access_token"),
        ("secret: { env: TOKEN }", format!("app: {secret}"), "connections.acme.app"),
        ("secret: { env: TOKEN }", format!("app: {{ id: a, secret: {secret} }}"), "connections.acme.app.secret"),
    ] {
        let problem = read_connections("connections.yaml", &CONNECTIONS.replace(old, &new)).unwrap_err();
        assert_eq!(problem.code, Code::BadConnection, "{problem}");
        assert_eq!((problem.line, problem.path.as_deref()), (Some(3), Some(path)), "{problem}");
        assert!(!format!("{problem}{problem:?}").contains(secret), "{problem}");
        assert!(problem.cure.is_some());
    }
}

#[test]
fn cv026_a_connection_that_cannot_work_is_named() {
    for (old, new, code, path) in [
        ("connector: p", "connector: \"\"", Code::BadConnection, "connections.acme.connector"),
        ("fr: act_1", "fr: \"\"", Code::BadConnection, "connections.acme.accounts.fr"),
        (
            "connector: p",
            "connector: p, default_country: France",
            Code::BadConnection,
            "connections.acme.default_country",
        ),
        ("connector: p", "conector: p", Code::UnknownField, "connections.acme.conector"),
        ("secret: { env: TOKEN }", "secret: { env: \"\" }", Code::BadConnection, "connections.acme.secret.env"),
    ] {
        let problem = read_connections("connections.yaml", &CONNECTIONS.replace(old, new)).unwrap_err();
        assert_eq!((problem.code, problem.line, problem.path.as_deref()), (code, Some(3), Some(path)), "{problem}");
    }
}
