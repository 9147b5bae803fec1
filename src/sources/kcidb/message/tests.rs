//! Rejections: each names the path and the rule.

use crate::sources::kcidb::Record;
use crate::transport::{Decoded, Delivery, Limits, Unwrapped, unwrap};

fn rejection(text: &str) -> String {
    let delivery = Delivery { id: "m".to_owned(), body: text.as_bytes().to_vec(), ..Delivery::default() };
    let mut found = String::new();
    unwrap(&delivery, Limits::default(), &mut |part| {
        let Unwrapped::Message(message) = part else { panic!("no message") };
        found = match super::decode(&message) {
            Ok(Decoded::Records(records)) => {
                let Record::Submission(submission) = &records[0] else { panic!("no submission") };
                format!("{} objects", submission.len())
            }
            Ok(Decoded::Ignored(why)) => why.to_owned(),
            Err(rejection) => format!("{}: {}", rejection.reason, rejection.detail),
        };
    });
    found
}

#[test]
fn a_rejection_names_the_path_and_the_rule() {
    let test = |members: &str| {
        format!(
            r#"{{"tests":[{{"id":"o:1","origin":"o","build_id":"o:1"}},
                {{"id":"o:2","origin":"o","build_id":"o:1"{members}}}],"version":{{"major":5,"minor":3}}}}"#
        )
    };
    for (text, expected) in [
        (test(""), "2 objects"),
        (test(r#","status":"pass""#), "kcidb-schema: tests[1].status: a string of 4 bytes, expected one of FAIL"),
        (test(r#","duration":null"#), "kcidb-schema: tests[1].duration: invalid type: null, expected a number"),
        (test(r#","x":1"#), "kcidb-schema: tests[1].x: unknown member `x`"),
        (
            test(r#","environment":{"compatible":["a b"]}"#),
            "kcidb-schema: tests[1].environment.compatible[0]: a string of 3",
        ),
        (test(r#","output_files":[{"name":"a"}]"#), "kcidb-schema: tests[1].output_files[0]: missing field `url`"),
        (test(r#","misc":{"a":"\u0000"}"#), "kcidb-storage: tests[1]: misc: a NUL"),
        (test(r#","misc":[]"#), "kcidb-schema: tests[1]: misc: expected an object"),
        (test(r#","log_excerpt":5"#), "kcidb-schema: tests[1]: log_excerpt: expected a string"),
        (test(r#","log_excerpt":"\ud800""#), "kcidb-storage: tests[1]: log_excerpt: half of a surrogate pair"),
        (test(r#","comment":"\ud800""#), "not-json"),
        (r#"{"version":{"major":5,"minor":9}}"#.to_owned(), "kcidb-schema: version: not one of"),
        (
            r#"{"version":{"major":5},"tests":[{"id":"o:1","origin":"o"}]}"#.to_owned(),
            "kcidb-schema: tests[0]: missing field `build_id`",
        ),
    ] {
        let found = rejection(&text);
        assert!(found.starts_with(expected), "{text}\n{found}\n{expected}");
    }
}

#[test]
fn an_invalid_document_is_reported_before_one_that_cannot_be_upgraded() {
    let build = |members: &str| {
        format!(
            r#"{{"builds":[{{"id":"o:1","origin":"o","checkout_id":"o:1","comment":"\u0000"{members}}}],
                "version":{{"major":4,"minor":5}}}}"#
        )
    };
    assert!(rejection(&build("")).starts_with("kcidb-upgrade: builds[0].comment: a string of 1 bytes"));
    assert!(rejection(&build(r#","valid":1"#)).starts_with("kcidb-schema: builds[0].valid: invalid type"));
}

#[test]
fn the_last_of_equal_members_wins() {
    let test = r#"{"id":"o:1","origin":"o","build_id":"o:1","environment":{"comment":"a"},"environment":{"misc":{}}}"#;
    let text = format!(r#"{{"tests":[{test},{test}],"tests":[{test}],"version":{{"major":5}}}}"#);
    assert_eq!(rejection(&text), "1 objects");
}
