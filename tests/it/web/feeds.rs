//! Feeds and badges of single objects: they exist, are well-formed, and give the same entries at each request.

use std::collections::BTreeSet;

use super::{NOW, Site, filled};
use crate::support;

/// What stands in the elements of a name.
fn elements<'x>(xml: &'x str, name: &str) -> Vec<&'x str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    xml.split(open.as_str()).skip(1).map(|rest| rest.split(close.as_str()).next().unwrap()).collect()
}

#[tokio::test]
async fn each_thing_has_a_feed() {
    let db = filled().await;
    let site = Site::of(&support::store_of(&db.url, 1), NOW).await;
    let first = async |list: &str, key: &str| {
        let rows = site.json(&format!("/api/v1{list}")).await;
        rows["results"][0][key].as_str().map(str::to_owned)
    };
    let components = site.json("/api/v1/components").await;
    let built =
        components["results"].as_array().unwrap().iter().find(|component| component["build"].is_string()).unwrap();
    let mr = site.json("/api/v1/mrs").await["results"][0].clone();
    let build = site.json("/api/v1/builds?system=buildkite").await["results"][0].clone();
    let paths = [
        "/feed.atom".to_owned(),
        format!("/feed/bots/{}", first("/bots", "name").await.unwrap()),
        format!("/feed/components/{}", built["name"].as_str().unwrap()),
        format!("/feed/mr/{}/{}", mr["project"].as_str().unwrap(), mr["iid"]),
        format!("/feed/builds/buildkite/{}", build["id"].as_str().unwrap()),
        format!("/feed/builds/travis/{}", first("/builds?system=travis", "id").await.unwrap()),
        format!("/feed/projects/{}", build["project"].as_str().unwrap()),
    ];
    for path in &paths {
        let answer = site.get(path).await;
        assert_eq!(
            (answer.status, &*answer.headers["content-type"]),
            (200, "application/atom+xml; charset=utf-8"),
            "{path}"
        );
        let xml = &answer.body;
        let ids = elements(xml, "id");
        assert!(ids.len() >= 2, "{path}: no entry\n{xml}");
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "{path}: an id twice\n{xml}");
        let times: Vec<jiff::Timestamp> = elements(xml, "updated").iter().map(|at| at.parse().unwrap()).collect();
        assert!(times.windows(2).all(|pair| pair[0] >= pair[1]), "{path}: not newest first");
        assert_eq!(xml.matches("<entry>").count(), xml.matches("</entry>").count());
        assert_eq!(xml.matches("<link ").count(), xml.matches("/>").count(), "{path}: a link without an end");
        assert_eq!(&site.get(path).await.body, xml, "{path}");
    }
    for missing in
        ["/feed/bots/none", "/feed/components/none", "/feed/mr/a/1", "/feed/builds/travis/none", "/feed/projects/none"]
    {
        assert_eq!(site.get(missing).await.status, 404, "{missing}");
    }
    let everything = site.get("/feed.atom").await.body;
    for kind in [":bot:", ":run:", ":release:", ":build:"] {
        assert!(everything.contains(kind), "{kind} is not in the feed of everything");
    }
}
