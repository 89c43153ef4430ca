//! TikTok: the customer-file path.

use http::Method;
use md5::{Digest, Md5};
use serde_json::{Value, json};

use crate::bench::{Answer, Bench, hex};

async fn upload(bench: &Bench, kind: &str, content: &str, signature: Option<&str>) -> Answer {
    let digest: String = Md5::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
    let signature = signature.unwrap_or(&digest);
    let field = |name: &str, value: &str| {
        format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let body = format!(
        "{}{}{}--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"people.csv\"\r\nContent-Type: text/csv\r\n\r\n{content}\r\n--edge--\r\n",
        field("advertiser_id", "1"),
        field("file_signature", signature),
        field("calculate_type", kind),
    );
    let headers = [("access-token", "t"), ("content-type", "multipart/form-data; boundary=edge")];
    bench.send("tiktok", Method::POST, "/open_api/v1.3/dmp/custom_audience/file/upload/", &headers, body).await
}

fn lines(numbers: std::ops::Range<u64>) -> String {
    numbers.map(hex).collect::<Vec<_>>().join("\n")
}

async fn file(bench: &Bench, numbers: std::ops::Range<u64>) -> Value {
    upload(bench, "EMAIL_SHA256", &lines(numbers), None).await.data()["file_path"].clone()
}

#[tokio::test]
async fn files_make_append_remove_and_replace() {
    let bench = Bench::start().await;
    let path = file(&bench, 0..1_200).await;
    let body = json!({"advertiser_id": "1", "custom_audience_name": "F", "calculate_type": "EMAIL_SHA256", "file_paths": [path]});
    let data = bench.tiktok(Method::POST, "dmp/custom_audience/create/", body).await.data();
    let id = data["custom_audience_id"].as_str().unwrap_or_default();
    let update = |action: Option<&'static str>, path: Value| {
        let mut body = json!({"advertiser_id": "1", "custom_audience_id": id, "file_paths": [path]});
        if let Some(action) = action {
            body["action"] = action.into();
        }
        bench.tiktok(Method::POST, "dmp/custom_audience/update/", body)
    };
    update(Some("APPEND"), file(&bench, 1_100..1_500).await).await.data();
    assert_eq!(bench.members(id).await["size"], 1_500);
    update(Some("REMOVE"), file(&bench, 0..400).await).await.data();
    assert_eq!(bench.members(id).await["size"], 1_100);
    let (code, message) = update(Some("REMOVE"), file(&bench, 400..600).await).await.code();
    assert_eq!(code, 40_002, "{message}");
    assert_eq!(bench.members(id).await["size"], 1_100);
    update(None, file(&bench, 5_000..6_000).await).await.data();
    let standing = bench.members(id).await;
    assert_eq!((&standing["size"], &standing["keys"]["EMAIL_SHA256"][0]), (&json!(1_000), &json!(hex(5_000))));
    let renamed = json!({"advertiser_id": "1", "custom_audience_id": id, "custom_audience_name": "G"});
    bench.tiktok(Method::POST, "dmp/custom_audience/update/", renamed).await.data();
    assert_eq!(bench.members(id).await["name"], "G");
}

#[tokio::test]
async fn a_file_of_several_types_has_a_header() {
    let bench = Bench::start().await;
    let content = format!("EMAIL_SHA256,IDFA_MD5\n{},{}\n,{}\nbad,\n", hex(1), "a".repeat(32), "b".repeat(32));
    let path = upload(&bench, "MULTIPLE_TYPES", &content, None).await.data()["file_path"].clone();
    let body = json!({"advertiser_id": "1", "custom_audience_name": "F", "calculate_type": "MULTIPLE_TYPES", "file_paths": [path]});
    let data = bench.tiktok(Method::POST, "dmp/custom_audience/create/", body).await.data();
    let standing = bench.members(data["custom_audience_id"].as_str().unwrap_or_default()).await;
    assert_eq!(standing["keys"], json!({"EMAIL_SHA256": [hex(1)], "IDFA_MD5": ["a".repeat(32), "b".repeat(32)]}));
    assert_eq!(standing["refused"], 1);
}

#[tokio::test]
async fn wrong_files_are_refused() {
    let bench = Bench::start().await;
    assert_eq!(upload(&bench, "EMAIL_SHA256", "x", Some("00000000000000000000000000000000")).await.code().0, 40_900);
    assert_eq!(upload(&bench, "EMAIL_SHA256", "", None).await.code().0, 40_905);
    assert_eq!(upload(&bench, "EMAILS", "x", None).await.code().0, 40_002);
    let path = file(&bench, 0..10).await;
    let body = |kind: &str, path: Value| json!({"advertiser_id": "1", "custom_audience_name": "F", "calculate_type": kind, "file_paths": [path]});
    let create = |body| bench.tiktok(Method::POST, "dmp/custom_audience/create/", body);
    assert_eq!(create(body("PHONE_SHA256", path.clone())).await.code().0, 40_909);
    assert_eq!(create(body("EMAIL_SHA256", json!("elsewhere.csv"))).await.code().0, 40_002);
    let streaming = bench.tiktok_audience().await;
    let update =
        json!({"advertiser_id": "1", "custom_audience_id": streaming, "action": "APPEND", "file_paths": [path]});
    let (code, message) = bench.tiktok(Method::POST, "dmp/custom_audience/update/", update).await.code();
    assert_eq!((code, message.as_str()), (40_002, "Audience is not editable, please check audience status"));
}
