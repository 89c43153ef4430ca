//! Marketo: tokens, lists, leads, members, quotas.

use http::Method;
use serde_json::{Value, json};

use crate::bench::{Answer, Bench};

/// The code of a refusal, which comes under 200.
pub fn code(answer: &Answer) -> String {
    let json = answer.json();
    assert_eq!((answer.status, &json["success"]), (200, &json!(false)), "{json}");
    json["errors"][0]["code"].as_str().map(str::to_string).unwrap_or_else(|| panic!("codes are quoted: {json}"))
}

/// The result of a good answer.
pub fn result(answer: &Answer) -> Value {
    let json = answer.json();
    assert_eq!((answer.status, &json["success"]), (200, &json!(true)), "{json}");
    assert!(json["requestId"].as_str().is_some_and(|id| id.contains('#')), "{json}");
    json["result"].clone()
}

/// The ids of leads with these addresses.
pub async fn ids(bench: &Bench, emails: &str) -> Vec<u64> {
    let path = format!("/rest/v1/leads.json?filterType=email&filterValues={emails}&fields=id,email");
    let found = result(&bench.marketo(Method::GET, &path, Value::Null).await);
    found.as_array().into_iter().flatten().filter_map(|lead| lead["id"].as_u64()).collect()
}

#[tokio::test]
async fn a_token_comes_for_client_and_secret_and_is_the_same_until_it_ends() {
    let bench = Bench::start().await;
    let ask = |query: &'static str| bench.send("marketo", Method::GET, query, &[], "");
    let path = "/identity/oauth/token?grant_type=client_credentials&client_id=c&client_secret=s";
    let first = ask(path).await.json();
    assert_eq!((&first["token_type"], &first["scope"]), (&json!("bearer"), &json!("apis@lab.example")));
    assert_eq!(ask(path).await.json()["access_token"], first["access_token"]);
    let wrong = ask("/identity/oauth/token?grant_type=client_credentials&client_id=c&client_secret=wrong").await;
    assert_eq!((wrong.status, &wrong.json()["error"]), (401, &json!("invalid_client")));
    let kind = [("content-type", "application/x-www-form-urlencoded")];
    let body = "grant_type=client_credentials&client_id=c&client_secret=s";
    let posted = bench.send("marketo", Method::POST, "/identity/oauth/token", &kind, body).await;
    assert_eq!(posted.json()["access_token"], first["access_token"]);
    let token = format!("Bearer {}", first["access_token"].as_str().expect("a token"));
    let headers = [("authorization", token.as_str())];
    let lists = bench.send("marketo", Method::GET, "/rest/v1/lists.json", &headers, "").await;
    assert_eq!(result(&lists), json!([]));
}

#[tokio::test]
async fn a_token_ends_and_a_query_token_counts_for_none() {
    let bench = Bench::start().await;
    let missing = bench.send("marketo", Method::GET, "/rest/v1/lists.json?access_token=good", &[], "").await;
    assert_eq!(code(&missing), "600");
    bench.control(Method::POST, "/_lab/settings", json!({"time_scale": 4_000_000_000u32})).await;
    let path = "/identity/oauth/token?grant_type=client_credentials&client_id=c&client_secret=s";
    let token = bench.send("marketo", Method::GET, path, &[], "").await.json()["access_token"].clone();
    let token = format!("Bearer {}", token.as_str().expect("a token"));
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    let lists =
        bench.send("marketo", Method::GET, "/rest/v1/lists.json", &[("authorization", token.as_str())], "").await;
    assert_eq!(code(&lists), "602");
}

#[tokio::test]
async fn lists_are_made_in_a_folder_and_seen_from_both_sides() {
    let bench = Bench::start().await;
    let id = bench.marketo_list("Churned").await;
    let asset =
        result(&bench.marketo(Method::GET, "/rest/asset/v1/staticList/byName.json?name=Churned", Value::Null).await);
    assert_eq!((&asset[0]["folder"], asset[0]["id"].to_string()), (&json!({"id": 13, "type": "Folder"}), id.clone()));
    let view = result(&bench.marketo(Method::GET, &format!("/rest/v1/lists/{id}.json"), Value::Null).await);
    assert_eq!((&view[0]["name"], &view[0]["workspaceName"]), (&json!("Churned"), &json!("Default")));
    let path = |folder: &str, name: &str| format!("/rest/asset/v1/staticLists.json?folder={folder}&name={name}");
    for (path, expected) in [
        (path("13", "Churned"), "709"),
        (path("0", "B"), "710"),
        (path("%7B%22id%22%3A13%2C%22type%22%3A%22Zone%22%7D", "B"), "711"),
        (path("13", ""), "701"),
    ] {
        assert_eq!(code(&bench.marketo(Method::POST, &path, Value::Null).await), expected, "{path}");
    }
    bench.marketo_list("B").await;
    let page = bench.marketo(Method::GET, "/rest/v1/lists.json?batchSize=1", Value::Null).await.json();
    assert_eq!((page["result"].as_array().map(Vec::len), &page["nextPageToken"]), (Some(1), &json!("1")));
    let last = bench.marketo(Method::GET, "/rest/v1/lists.json?batchSize=1&nextPageToken=1", Value::Null).await.json();
    assert_eq!((&last["result"][0]["name"], last["nextPageToken"].is_null()), (&json!("B"), true));
    let none = bench.marketo(Method::GET, "/rest/asset/v1/staticList/byName.json?name=No", Value::Null).await.json();
    assert!(none["success"] == true && none["result"].is_null() && none["warnings"][0].is_string(), "{none}");
    bench.marketo(Method::POST, &format!("/rest/asset/v1/staticList/{id}/delete.json"), Value::Null).await;
    assert_eq!(code(&bench.marketo(Method::GET, &format!("/rest/v1/lists/{id}.json"), Value::Null).await), "1013");
    assert_eq!(code(&bench.marketo(Method::GET, "/rest/v1//lists.json", Value::Null).await), "610");
}

#[tokio::test]
async fn leads_are_looked_up_by_value_some_twice_and_some_not_at_all() {
    let bench = Bench::start().await;
    assert_eq!(ids(&bench, "a%2Btag%40example.com,B%40Example.com").await.len(), 2);
    assert_eq!(ids(&bench, "b%40example.com").await.len(), 1, "the same person, whatever the case");
    bench.control(Method::POST, "/_lab/settings", json!({"marketo": {"duplicates_of_256": 256}})).await;
    assert_eq!(ids(&bench, "twice%40example.com").await.len(), 2);
    bench.control(Method::POST, "/_lab/settings", json!({"marketo": {"unknown_of_256": 256}})).await;
    assert_eq!(ids(&bench, "nobody%40example.com").await, [0; 0]);
    let many = vec!["a@b.cd"; 301].join(",");
    let post = format!("filterType=email&filterValues={many}");
    let kind = [("authorization", "Bearer good"), ("content-type", "application/x-www-form-urlencoded")];
    let answer = bench.send("marketo", Method::POST, "/rest/v1/leads.json?_method=GET", &kind, post).await;
    assert_eq!(code(&answer), "1003");
    let long = format!("/rest/v1/leads.json?filterType=email&filterValues={}", "x".repeat(8_200));
    assert_eq!(bench.marketo(Method::GET, &long, Value::Null).await.status, 414);
    assert_eq!(
        code(&bench.marketo(Method::GET, "/rest/v1/leads.json?filterType=firstName&filterValues=a", Value::Null).await),
        "1011"
    );
    assert_eq!(code(&bench.marketo(Method::GET, "/rest/v1/leads.json?filterType=email", Value::Null).await), "1002");
    let custom = bench
        .marketo(Method::GET, "/rest/v1/leads.json?filterType=crmId&filterValues=u1&fields=id,crmId", Value::Null)
        .await;
    assert_eq!(result(&custom)[0]["crmId"], "u1");
}

#[tokio::test]
async fn leads_are_made_and_changed_with_a_status_for_each() {
    let bench = Bench::start().await;
    bench.control(Method::POST, "/_lab/settings", json!({"marketo": {"unknown_of_256": 256}})).await;
    let upsert = |action: &str, emails: &[&str]| {
        let input: Vec<Value> = emails.iter().map(|email| json!({"email": email})).collect();
        let body = json!({"action": action, "lookupField": "email", "input": input});
        async { result(&bench.marketo(Method::POST, "/rest/v1/leads.json", body).await) }
    };
    let made = upsert("createOrUpdate", &["a@example.com", "jörg@example.com", "none"]).await;
    let status = |row: &Value| (row["status"].clone(), row["reasons"][0]["code"].clone());
    assert_eq!(status(&made[0]), (json!("created"), Value::Null));
    assert_eq!(
        (status(&made[1]), status(&made[2])),
        ((json!("skipped"), json!("1003")), (json!("skipped"), json!("1003")))
    );
    assert_eq!(status(&upsert("createOrUpdate", &["a@example.com"]).await[0]).0, "updated");
    assert_eq!(status(&upsert("createOnly", &["a@example.com"]).await[0]).1, "1005");
    assert_eq!(status(&upsert("updateOnly", &["b@example.com"]).await[0]).1, "1004");
    upsert("createDuplicate", &["a@example.com"]).await;
    assert_eq!(status(&upsert("createOrUpdate", &["a@example.com"]).await[0]).1, "1007");
}

#[tokio::test]
async fn members_come_and_go_by_lead_id_in_any_of_the_three_spellings() {
    let bench = Bench::start().await;
    let list = bench.marketo_list("A").await;
    let leads = ids(&bench, "a%40x.io,b%40x.io,c%40x.io").await;
    let path = format!("/rest/v1/lists/{list}/leads.json");
    let [a, b, c] = leads[..] else { panic!("{leads:?}") };
    let added = result(&bench.marketo(Method::POST, &format!("{path}?id={a}&id={b}"), Value::Null).await);
    assert_eq!(added, json!([{"id": a, "status": "added"}, {"id": b, "status": "added"}]));
    let body = json!({"input": [{"id": c}, {"id": 7}]});
    let added = result(&bench.marketo(Method::POST, &path, body).await);
    assert_eq!(
        added[1],
        json!({"id": 7, "status": "skipped", "reasons": [{"code": "1004", "message": "Lead not found"}]})
    );
    assert_eq!(
        result(&bench.marketo(Method::POST, &format!("{path}?id={a}"), Value::Null).await)[0]["status"],
        "added"
    );
    bench.control(Method::POST, "/_lab/settings", json!({"marketo": {"skips_members": true}})).await;
    assert_eq!(
        result(&bench.marketo(Method::POST, &format!("{path}?id={a}"), Value::Null).await)[0]["status"],
        "skipped"
    );
    assert_eq!(
        bench.members(&list).await["keys"],
        json!({"EMAIL": ["a@x.io", "b@x.io", "c@x.io"], "EXTERNAL_ID": [a.to_string(), b.to_string(), c.to_string()]})
    );
    let removed = result(&bench.marketo(Method::DELETE, &format!("{path}?id={a},{b}"), Value::Null).await);
    assert_eq!(removed[1], json!({"id": b, "status": "removed"}));
    let again = result(&bench.marketo(Method::DELETE, &format!("{path}?id={a}"), Value::Null).await);
    assert_eq!(again[0]["reasons"][0]["code"], "1015");
    let standing = result(&bench.marketo(Method::GET, &path, Value::Null).await);
    assert_eq!(standing, json!([{"id": c, "email": "c@x.io"}]));
    let tests = result(
        &bench
            .marketo(Method::GET, &format!("/rest/v1/lists/{list}/leads/ismember.json?id={a},{c},7"), Value::Null)
            .await,
    );
    let tests: Vec<&str> = tests.as_array().into_iter().flatten().filter_map(|row| row["status"].as_str()).collect();
    assert_eq!(tests, ["notmemberof", "memberof", "skipped"]);
    for (query, expected) in [("?id=4.0", "1001"), ("?id=-1", "1001"), ("?id=2147483648", "1001"), ("", "1002")] {
        assert_eq!(
            code(&bench.marketo(Method::POST, &format!("{path}{query}"), Value::Null).await),
            expected,
            "{query}"
        );
    }
    let many: Vec<String> = (1..=301).map(|id| id.to_string()).collect();
    assert_eq!(code(&bench.marketo(Method::POST, &format!("{path}?id={}", many.join(",")), Value::Null).await), "1003");
    assert_eq!(code(&bench.marketo(Method::POST, "/rest/v1/lists/9/leads.json?id=1", Value::Null).await), "1013");
}

#[tokio::test]
async fn an_instances_quotas_have_a_code_each_and_identity_is_not_counted() {
    let bench = Bench::start().await;
    bench.control(Method::POST, "/_lab/settings", json!({"marketo": {"per_20_seconds": 2, "per_day": 3}})).await;
    let ask = || bench.marketo(Method::GET, "/rest/v1/lists.json", Value::Null);
    for _ in 0..3 {
        bench
            .send(
                "marketo",
                Method::GET,
                "/identity/oauth/token?grant_type=client_credentials&client_id=c&client_secret=s",
                &[],
                "",
            )
            .await;
    }
    result(&ask().await);
    result(&ask().await);
    assert_eq!(code(&ask().await), "606");
    bench.control(Method::POST, "/_lab/settings", json!({"time_scale": 4_000_000_000u32})).await;
    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    result(&ask().await);
    assert_eq!(code(&ask().await), "607");
}

#[tokio::test]
async fn ten_calls_at_the_same_time_are_taken_and_the_eleventh_is_one_too_many() {
    let bench = Bench::start().await;
    bench.fault(json!({"partner": "marketo", "fault": "slow", "ms": 500})).await;
    let get = || bench.marketo(Method::GET, "/rest/v1/lists.json", Value::Null);
    let ten = async { tokio::join!(get(), get(), get(), get(), get(), get(), get(), get(), get(), get()) };
    let late = async {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        get().await
    };
    let (ten, late) = tokio::join!(ten, late);
    assert_eq!(code(&late), "615");
    for answer in <[Answer; 10]>::from(ten) {
        result(&answer);
    }
    result(&get().await);
}
