//! Credentials of `wait`: what a server with a password accepts, and that no secret is printed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::server::{Server, verdict};
use super::{LONG, SHA, database, run, states};
use crate::support::forge::{Forge, answer};

const READER: &str = "reader-hunter2-hunter2";
const POSTER: &str = "poster-hunter2-hunter2";
const PASSWORD: &str = "hunter2:hunter2/@";

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_a_password_accepts_it_and_tokens_that_may_read() {
    let db = database().await;
    states(&db, &[("app", "passed")]).await;
    let tokens = "[[token]]\nname = 'gate'\ntoken = 'env:READER'\nread = true\n\n\
                  [[token]]\nname = 'cron'\ntoken = 'env:POSTER'\nbots = ['*']";
    let pair = format!("u:{PASSWORD}");
    let variables =
        [("PAGE_BASIC_AUTH", pair.as_str()), ("INTAKE_TOKENS", tokens), ("READER", READER), ("POSTER", POSTER)];
    let server = Server::start(&db, "127.0.0.1:0", &variables);
    let host = server.url.trim_start_matches("http://");
    let with = |credentials: &str| format!("http://{credentials}@{host}");
    let (right, wrong) = (with("u:hunter2%3Ahunter2%2F%40"), with("u:hunter2-hunter2"));
    for (url, variables, status) in [
        (server.url.as_str(), &[][..], 5),
        (&server.url, &[("WAIT_TOKEN", READER)], 0),
        (&server.url, &[("WAIT_TOKEN", POSTER)], 5),
        (&server.url, &[("WAIT_TOKEN", "other-hunter2-hunter2")], 5),
        (&server.url, &[("WAIT_TOKEN", "hunter2\nhunter2")], 5),
        (&server.url, &[("WAIT_BASIC_AUTH", &pair)], 0),
        (&server.url, &[("WAIT_BASIC_AUTH", "u:hunter2-hunter2")], 5),
        (&server.url, &[("WAIT_BASIC_AUTH", "hunter2hunter2")], 5),
        (&right, &[], 0),
        (&wrong, &[], 5),
        (&wrong, &[("WAIT_TOKEN", READER)], 0),
    ] {
        let ended = run(&[SHA, "--url", url, "--timeout", LONG], None, variables).await;
        assert_eq!(ended.status, status, "{url} {variables:?}: {ended:?}");
        let all = ended.output + &ended.errors;
        assert!(!all.contains("hunter2"), "{url} {variables:?}: {all}");
        // By the variable as well.
        let given = [variables, &[("WAIT_URL", url)]].concat();
        assert_eq!(run(&[SHA, "--timeout", LONG], None, &given).await.status, status, "{url} {variables:?}");
    }
}

/// What can never be answered is asked once, and the server's own words are shown without the secrets that it repeats.
#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_question_is_not_asked_again() {
    let encoded = STANDARD.encode(format!("u:{PASSWORD}"));
    for status in [400, 401, 403, 404, 405, 410] {
        let echo = Forge::start(move |post| {
            let given = post.header("authorization").unwrap_or_default();
            answer(status, &[], &format!("no access with {given} to {}", post.path))
        })
        .await;
        let address = echo.url.replace("http://", "http://u:hunter2%3Ahunter2%2F%40@");
        for (url, variables) in [
            (&echo.url, &[("WAIT_TOKEN", READER)][..]),
            (&echo.url, &[("WAIT_BASIC_AUTH", &format!("u:{PASSWORD}"))]),
            (&address, &[]),
        ] {
            let before = echo.count();
            let ended = run(&[SHA, "--url", url, "--timeout", LONG], None, variables).await;
            assert_eq!((ended.status, echo.count() - before), (5, 1), "{status}: {ended:?}");
            let is_clear = ended.errors.contains(&format!("127.0.0.1 answers {status} ")) && ended.output.is_empty();
            assert!(is_clear && ended.errors.contains("no access with"), "{ended:?}");
            assert!(!ended.errors.contains("hunter2") && !ended.errors.contains(&encoded), "{ended:?}");
        }
    }
}

/// A request to a function URL is signed for Lambda, with a proxy in place of AWS.
#[tokio::test(flavor = "multi_thread")]
async fn requests_to_aws_are_signed() {
    let aws = Forge::start(|_| verdict("passed", "1")).await;
    let keys = [
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "hunter2hunter2"),
        ("AWS_SESSION_TOKEN", "session-hunter2"),
        ("HTTP_PROXY", aws.url.as_str()),
        ("http_proxy", aws.url.as_str()),
        ("NO_PROXY", ""),
        ("no_proxy", ""),
    ];
    for (host, scope) in [
        ("abc.lambda-url.eu-west-1.on.aws", Some("eu-west-1/lambda/aws4_request")),
        ("abc.execute-api.us-east-2.amazonaws.com/prod", Some("us-east-2/execute-api/aws4_request")),
        ("status.acme.example", None),
    ] {
        let ended = run(&[SHA, "--url", &format!("http://{host}"), "--timeout", LONG], None, &keys).await;
        assert_eq!(ended.status, 0, "{ended:?}");
        let sent = aws.posts().pop().unwrap();
        let signature = sent.header("authorization").map(str::to_owned);
        let is_signed = |scope: &str| {
            let signature = signature.as_deref().unwrap_or_default();
            signature.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/") && signature.contains(scope)
        };
        assert!(scope.map_or(signature.is_none(), is_signed), "{host}: {signature:?}");
        assert_eq!(sent.header("x-amz-security-token"), scope.map(|_| "session-hunter2"), "{host}");
        assert!(!(ended.output + &ended.errors).contains("hunter2"));
    }
    // A token comes before the keys.
    let token = [&keys[..], &[("WAIT_TOKEN", READER)]].concat();
    let url = "http://abc.lambda-url.eu-west-1.on.aws";
    assert_eq!(run(&[SHA, "--url", url, "--timeout", LONG], None, &token).await.status, 0);
    assert_eq!(aws.posts().pop().unwrap().header("authorization"), Some(format!("Bearer {READER}").as_str()));
}
