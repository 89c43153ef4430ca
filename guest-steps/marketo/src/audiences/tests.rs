//! Lists as they are shown, made and found again.
use super::{create, list};
use caravan_sdk::{Fault, Settings, testing};

fn settings(folder: u32) -> Settings {
    let text = format!(r#"{{"munchkin":"123-ABC-456","folder":{folder},"folder_type":"Program"}}"#);
    Settings::parse(&text).expect("settings")
}

const NOTHING: &str =
    r#"{"success":true,"warnings":["No assets found for the given search criteria."],"requestId":"a#b"}"#;
const LISTS: &str = r#"{"success":true,"requestId":"a#b","nextPageToken":"N=","result":[
    {"id":1021,"name":"Churned FR","workspaceName":"Default"},{"id":1022,"name":"Other"}]}"#;

#[test]
fn lists_are_filtered_by_name_within_their_workspace() {
    let (page, calls) = testing::with_partner(
        |_| testing::json(200, LISTS),
        || list(&settings(0), "123-abc-456:My Space", "CHURNED", Some("M=")).expect("a page"),
    );
    let seen: Vec<_> = page.audiences.iter().map(|a| (a.id.as_str(), a.kind.as_str(), a.size)).collect();
    assert_eq!(seen, [("1021", "static", None)]);
    assert_eq!(page.next.as_deref(), Some("N="));
    assert_eq!(calls[0].path, "/rest/v1/lists.json?batchSize=300&workspaceName=My%20Space&nextPageToken=M%3D");
}

#[test]
fn a_list_is_made_in_its_folder_with_the_marker_in_its_description() {
    let (made, calls) = testing::with_partner(
        |call| match call.method.as_str() {
            "GET" => testing::json(200, NOTHING),
            _ => testing::json(200, r#"{"success":true,"result":[{"id":1036,"name":"A"}]}"#),
        },
        || create(&settings(1034), "123-ABC-456", "Churned & gone", "caravan-abc").expect("made"),
    );
    assert_eq!((made.audience.as_str(), made.adopted), ("1036", false));
    let folder = "folder=%7B%22id%22:1034%2C%22type%22:%22Program%22%7D".replace("%2C", ",");
    assert_eq!(calls[0].path, format!("/rest/asset/v1/staticLists.json?{folder}&offset=0&maxReturn=200"));
    assert_eq!((calls[1].method.as_str(), calls[1].path.as_str()), ("POST", "/rest/asset/v1/staticLists.json"));
    assert_eq!(
        calls[1].body,
        format!("{folder}&name=Churned%20%26%20gone&description=Kept%20by%20Caravan.%20caravan-abc")
    );
    assert_eq!(calls[1].headers[0].1, "application/x-www-form-urlencoded");
}

#[test]
fn the_list_that_carries_the_marker_is_adopted_and_nothing_is_made() {
    let (made, calls) = testing::with_partner(
        |_| {
            let lists =
                r#"{"id":1,"description":"Kept by Caravan. m-12"},{"id":2,"description":"Kept by Caravan. m-1"}"#;
            testing::json(200, &format!(r#"{{"success":true,"result":[{lists}]}}"#))
        },
        || create(&settings(1034), "123-ABC-456", "Any", "m-1").expect("found"),
    );
    assert_eq!((made.audience.as_str(), made.adopted, calls.len()), ("2", true, 1));
}

#[test]
fn a_list_without_a_folder_and_an_account_of_another_instance_are_refused_without_a_call() {
    let (outcomes, calls) = testing::with_partner(
        |_| testing::json(200, NOTHING),
        || (create(&settings(0), "123-ABC-456", "A", "m"), list(&settings(1), "999-XYZ-999", "", None)),
    );
    assert!(matches!(outcomes.0, Err(Fault::Misconfigured(_))) && matches!(outcomes.1, Err(Fault::Misconfigured(_))));
    assert!(calls.is_empty());
}

#[test]
fn a_name_that_another_list_has_is_said_to_the_person_who_chose_it() {
    let taken = r#"{"success":false,"errors":[{"code":"709","message":"Static List name already exists"}]}"#;
    let (made, _) = testing::with_partner(
        move |call| testing::json(200, if call.method == "GET" { NOTHING } else { taken }),
        || create(&settings(1034), "123-ABC-456", "A", "m"),
    );
    assert!(
        matches!(made, Err(Fault::Misconfigured(cause)) if cause.code == "709" && cause.message.contains("already exists"))
    );
}
