//! Answers of kcidb-restd-rs and `DataWarehouse` over HTTP, beside ours.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Tally, cases, file};
use crate::submit::{ALL, Answer, Site};
use crate::support;

/// The answer to a request of the file, and its intended deviation from upstream's answer.
async fn ours(site: &Site, request: &str) -> Option<(Answer, Option<&'static str>)> {
    let build = json!({"id": "redhat:1234", "origin": "redhat", "checkout_id": "redhat:5678"});
    let build = json!({"data": {"version": {"major": 5, "minor": 3}, "builds": [build]}});
    let valid = json!({"data": {"version": {"major": 5, "minor": 3}}});
    Some(match request {
        "GET /status (no Authorization)" => (site.send(Method::GET, "/status", &[], Vec::new()).await, None),
        "GET /status (valid JWT, no id)" => (site.get("/status", ALL).await, None),
        "GET /status?id=<non-alphanumeric>" => (site.get("/status?id=a-b", ALL).await, None),
        "GET /status?id=<unknown>" => (site.get("/status?id=abc", ALL).await, None),
        "POST /submit body not JSON" => (site.call(Method::POST, "/submit", ALL, "x!").await, None),
        "POST /submit {\"data\":\"test\"} (JSON but not KCIDB)" => {
            let why = "validated at once: the submitter is answered, instead of finding `failed` later";
            (site.post("/submit", ALL, &json!({"data": "test"})).await, Some(why))
        }
        "POST /submit > 512 MiB" => (site.call(Method::POST, "/submit", ALL, vec![b' '; (32 << 20) + 1]).await, None),
        "POST /api/1/kcidb/submit valid" => (site.post("/submit", ALL, &valid).await, None),
        "POST without \"data\"" => (site.post("/submit", ALL, &json!({"x": 1})).await, None),
        "POST build whose checkout is unknown" => {
            let why = "orphans are the rule in real data; their parents may come later, as KCIDB has it";
            (site.post("/submit", ALL, &build).await, Some(why))
        }
        _ => return None,
    })
}

#[tokio::test]
async fn http() {
    let Some(file) = file("08_http.json") else { return };
    let db = support::database().await;
    let site = Site::open(&db.store).await;
    let mut tally = Tally::default();
    for case in cases(&file) {
        let request = case["request"].as_str().unwrap();
        let Some((answer, deviates)) = ours(&site, request).await else {
            tally.deviates("a request that is not ours to answer");
            continue;
        };
        let same = json!(answer.status) == case["status"];
        match deviates {
            Some(why) if !same => tally.deviates(why),
            _ => tally.same(request, &json!(answer.status), &case["status"]),
        }
        if let Some(word) = case.get("body_status") {
            tally.same(request, &answer.body["status"], word);
        }
        // Only the texts differ, not the members that clients read.
        for (name, value) in case["body"].as_object().into_iter().flatten().filter(|_| deviates.is_none()) {
            match name.as_str() {
                "message" => tally.check(request, answer.body["message"].is_string(), || format!("{:?}", answer.body)),
                "errors" => {
                    let shape = |value: &Value| value[0].is_string();
                    tally
                        .check(request, shape(&answer.body["errors"]) == shape(value), || format!("{:?}", answer.body));
                }
                _ => tally.same(request, &answer.body[name], value),
            }
        }
    }
    tally.end("08_http.json");
}
