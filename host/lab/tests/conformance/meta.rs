//! Meta: tokens, accounts, audiences.

use http::Method;
use serde_json::{Value, json};

use crate::bench::{Bench, JSON};

#[tokio::test]
async fn a_token_may_come_in_three_ways_and_must_come() {
    let bench = Bench::start().await;
    let get = |path: &'static str, headers: &'static [(&'static str, &'static str)]| {
        bench.send("meta", Method::GET, path, headers, "")
    };
    assert_eq!(get("/v26.0/me", &[("authorization", "Bearer t")]).await.status, 200);
    assert_eq!(get("/v25.0/me?access_token=t", &[]).await.status, 200);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let body = "access_token=t&name=N&subtype=CUSTOM&customer_file_source=USER_PROVIDED_ONLY";
    assert_eq!(bench.send("meta", Method::POST, "/v24.0/act_1/customaudiences", &form, body).await.status, 200);
    assert_eq!(get("/v26.0/me", &[]).await.error(), (400, "OAuthException".into(), 2500, None));
    assert_eq!(get("/v26.0/act_1/customaudiences", &[("authorization", "Bearer ")]).await.error().2, 104);
    assert_eq!(get("/v12.0/me?access_token=t", &[]).await.error().2, 2635);
    assert_eq!(get("/v26.0/act_1/unknown?access_token=t", &[]).await.error().2, 2500);
    let broken = bench.send("meta", Method::POST, "/v26.0/act_1/customaudiences?access_token=t", &[JSON], "{").await;
    assert_eq!(broken.error().2, 100);
}

#[tokio::test]
async fn accounts_are_paged_by_cursor() {
    let bench = Bench::start().await;
    let mut names = Vec::new();
    let mut after = String::new();
    for page in 0..4 {
        let path = format!("/me/adaccounts?fields=id,account_id,name,tos_accepted,account_status&limit=7{after}");
        let answer = bench.meta(Method::GET, &path, Value::Null).await.json();
        let data = answer["data"].as_array().unwrap_or_else(|| panic!("{answer}"));
        names.extend(data.iter().map(|account| account["id"].as_str().unwrap_or_default().to_string()));
        assert_eq!(data[0]["id"], format!("act_{}", data[0]["account_id"].as_str().unwrap_or_default()));
        assert_eq!(data[0]["tos_accepted"]["custom_audience_tos"], 1);
        assert_eq!(answer["paging"]["next"].is_string(), page < 3, "{answer}");
        if page == 0 {
            // The address of the next page works as it stands, token included.
            let next = answer["paging"]["next"].as_str().unwrap_or_default();
            assert!(next.contains("access_token=good"), "{next}");
            let path = next.strip_prefix(&bench.lab.partners()["meta"]).unwrap_or_else(|| panic!("{next}"));
            let second = bench.send("meta", Method::GET, path, &[], "").await.json();
            assert_eq!(second["data"][0]["id"], "act_8");
        }
        after = format!("&after={}", answer["paging"]["cursors"]["after"].as_str().unwrap_or_default());
    }
    assert_eq!(names.len(), 22);
    assert!(
        names.contains(&"act_20".into()) && names.contains(&"act_1111".into()) && names.contains(&"act_2222".into())
    );
    let bad = bench.meta(Method::GET, "/me/adaccounts?after=nonsense", Value::Null).await;
    assert_eq!(bad.error().2, 100);
}

#[tokio::test]
async fn a_laptops_own_account_is_made_on_first_use_unless_strict() {
    let bench = Bench::start().await;
    let get = |path: &'static str| bench.meta(Method::GET, path, Value::Null);
    assert_eq!(get("/act_987654?fields=name").await.json()["id"], "act_987654");
    bench.control(Method::POST, "/_lab/strict", json!({"accounts": true})).await;
    assert_eq!(get("/act_987654").await.status, 200);
    let unknown = get("/act_555").await;
    assert_eq!(unknown.error(), (400, "GraphMethodException".into(), 100, Some(33)));
    assert_eq!(get("/act_12x").await.error().3, Some(33));
    assert_eq!(get("/act_555/customaudiences").await.error().3, Some(33));
    assert_eq!(get("/act_1?fields=id,nonsense").await.error().2, 100);
}

#[tokio::test]
async fn who_am_i() {
    let bench = Bench::start().await;
    let me = bench.meta(Method::GET, "/me", Value::Null).await.json();
    assert!(me["id"].is_string() && me["name"].is_string());
    let permissions = bench.meta(Method::GET, "/me/permissions", Value::Null).await.json();
    assert!(
        permissions["data"]
            .as_array()
            .is_some_and(|list| list.contains(&json!({"permission": "ads_management", "status": "granted"})))
    );
}

#[tokio::test]
async fn creation_needs_what_the_contract_says() {
    let bench = Bench::start().await;
    let create = |body| bench.meta(Method::POST, "/act_1/customaudiences", body);
    let source = create(json!({"name": "A", "subtype": "CUSTOM"})).await;
    assert_eq!(source.error(), (400, "OAuthException".into(), 100, None));
    assert_eq!(source.json()["error"]["message"], "(#100) Missing parameter(s): customer_file_source");
    assert_eq!(create(json!({"subtype": "CUSTOM", "customer_file_source": "USER_PROVIDED_ONLY"})).await.error().2, 100);
    assert_eq!(create(json!({"name": "A", "customer_file_source": "USER_PROVIDED_ONLY"})).await.error().2, 100);
    assert_eq!(create(json!({"name": "A", "subtype": "CUSTOM", "customer_file_source": "FOUND"})).await.error().2, 100);
    assert_eq!(
        create(json!({"name": "A", "subtype": "MINE", "customer_file_source": "USER_PROVIDED_ONLY"})).await.error().2,
        2654
    );
    let body =
        json!({"name": "Same", "subtype": "CUSTOM", "customer_file_source": "USER_PROVIDED_ONLY", "description": "d"});
    let first = create(body.clone()).await.json();
    let second = create(body.clone()).await.json();
    assert_ne!(first["id"], second["id"], "names are not unique");
    let mut again = body;
    again["enable_fetch_or_create"] = true.into();
    assert_eq!(create(again).await.json()["id"], first["id"]);
}

#[tokio::test]
async fn an_audience_lives() {
    let bench = Bench::start().await;
    let id = bench.meta_audience().await;
    assert!(id.parse::<u64>().is_ok_and(|id| id > 1 << 53), "{id}");
    let path = format!("/{id}");
    let bare = bench.meta(Method::GET, &path, Value::Null).await.json();
    assert_eq!(bare, json!({"id": id}), "without fields only the id");
    let update = bench.meta(Method::POST, &path, json!({"name": "B", "description": "new"})).await;
    assert_eq!(update.json(), json!({"success": true}));
    let fields = "name,description,subtype,account_id,approximate_count_lower_bound,operation_status{code,description},retention_days,time_created";
    let full = bench.meta(Method::GET, &format!("{path}?fields={fields}"), Value::Null).await.json();
    assert_eq!((&full["name"], &full["description"], &full["subtype"]), (&json!("B"), &json!("new"), &json!("CUSTOM")));
    assert_eq!((&full["account_id"], &full["approximate_count_lower_bound"]), (&json!("1"), &json!(-1)));
    assert_eq!(full["operation_status"]["code"], 200);
    let share = json!({"adaccounts": ["act_2", "3"]});
    assert_eq!(bench.meta(Method::POST, &format!("{path}/adaccounts"), share).await.json()["success"], true);
    let shared = bench.meta(Method::GET, &format!("{path}/adaccounts"), Value::Null).await.json();
    assert_eq!(shared["data"].as_array().map(Vec::len), Some(2));
    assert_eq!(bench.meta(Method::DELETE, &path, Value::Null).await.json(), json!({"success": true}));
    for method in [Method::GET, Method::POST, Method::DELETE] {
        let gone = bench.meta(method, &path, Value::Null).await;
        assert_eq!(gone.error(), (400, "GraphMethodException".into(), 100, Some(33)));
    }
}

#[tokio::test]
async fn audiences_are_listed_filtered_and_paged() {
    let bench = Bench::start().await;
    for number in 0..30 {
        let body = json!({"name": format!("List {number}"), "subtype": "CUSTOM", "customer_file_source": "USER_PROVIDED_ONLY"});
        bench.meta(Method::POST, "/act_2/customaudiences", body).await;
    }
    let first = bench.meta(Method::GET, "/act_2/customaudiences?fields=id,name", Value::Null).await.json();
    assert_eq!(first["data"].as_array().map(Vec::len), Some(25));
    let after = first["paging"]["cursors"]["after"].as_str().unwrap_or_default();
    let rest =
        bench.meta(Method::GET, &format!("/act_2/customaudiences?fields=name&after={after}"), Value::Null).await.json();
    assert_eq!(rest["data"].as_array().map(Vec::len), Some(5));
    assert_eq!(rest["data"][4]["name"], "List 29");
    let filter = "%5B%7B%22field%22%3A%22name%22%2C%22operator%22%3A%22EQUAL%22%2C%22value%22%3A%22List%207%22%7D%5D";
    let one = bench
        .meta(Method::GET, &format!("/act_2/customaudiences?fields=name&filtering={filter}"), Value::Null)
        .await
        .json();
    assert_eq!(one["data"].as_array().map(Vec::len), Some(1));
    assert_eq!(one["data"][0]["name"], "List 7");
    assert_eq!(bench.meta(Method::GET, "/act_3/customaudiences", Value::Null).await.json()["data"], json!([]));
}

#[tokio::test]
async fn unsigned_terms_stop_creation_until_signed() {
    let bench = Bench::start().await;
    bench.control(Method::POST, "/_lab/accounts", json!({"partner": "meta", "account": "act_7", "terms": false})).await;
    let tos = bench.meta(Method::GET, "/act_7/customaudiencestos", Value::Null).await.json();
    assert_eq!(tos["data"], json!([]));
    let account = bench.meta(Method::GET, "/act_7?fields=tos_accepted", Value::Null).await.json();
    assert!(account["tos_accepted"]["custom_audience_tos"].is_null());
    let body = json!({"name": "A", "subtype": "CUSTOM", "customer_file_source": "USER_PROVIDED_ONLY"});
    let refused = bench.meta(Method::POST, "/act_7/customaudiences", body.clone()).await;
    assert_eq!(refused.error(), (400, "OAuthException".into(), 2655, None));
    bench.meta(Method::POST, "/act_7/customaudiencestos", json!({"tos_id": "1"})).await;
    assert_eq!(bench.meta(Method::POST, "/act_7/customaudiences", body).await.status, 200);
    let tos = bench.meta(Method::GET, "/act_7/customaudiencestos", Value::Null).await.json();
    assert_eq!(tos["data"].as_array().map(Vec::len), Some(1));
}
