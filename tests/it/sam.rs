//! The template against the code: functions, variables, and what keeps messages from being lost between SQS and us.

mod combinations;
mod operation;
mod resolved;

use std::collections::{BTreeMap, BTreeSet};

use hummingbird_status::deliver::pull;
use hummingbird_status::submit;
use serde_json::Value;

use crate::support::source::{Source, sources};
use crate::support::{files, project, yaml};

/// Variables that something else than our code reads.
const OF_LIBRARIES: &[(&str, &str)] = &[
    ("RUST_LOG", "tracing_subscriber::EnvFilter"),
    ("RUST_BACKTRACE", "the standard library"),
    ("SECRETS_REVISION", "nothing: a new value changes the function"),
    ("MALLOC_MMAP_THRESHOLD_", "glibc"),
    ("MALLOC_TRIM_THRESHOLD_", "glibc"),
    ("MALLOC_TOP_PAD_", "glibc"),
];

fn template() -> String {
    std::fs::read_to_string(project("sam/template.yaml")).unwrap()
}

/// Names of the shells of Lambda functions: the files of src/bin that run the Lambda runtime.
fn lambdas(sources: &[Source]) -> BTreeSet<String> {
    let is_lambda = |source: &&Source| {
        source.paths().iter().any(|named| matches!(&*named.segments[0], "lambda_runtime" | "lambda_http"))
    };
    let name =
        |source: &Source| source.path.trim_start_matches("src/bin/").split(['.', '/']).next().unwrap().to_owned();
    sources.iter().filter(|source| source.path.starts_with("src/bin/")).filter(is_lambda).map(name).collect()
}

/// Names of variables that the configuration and the programs hold as text.
fn variables(sources: &[Source]) -> BTreeSet<String> {
    let places = [
        "src/platform/environment/",
        "src/db/settings/",
        "src/maintenance/retention.rs",
        "src/sources/settings.rs",
        "src/deliver/pull/settings.rs",
        "src/bin/",
        "src/checks/rules.rs",
        "src/web/access.rs",
        "src/deliver/targets",
        "src/platform/secret/mod.rs",
        "src/platform/aws/invoke.rs",
        "src/platform/aws/secrets.rs",
        "src/submit/tokens.rs",
    ];
    let reads = |source: &&Source| places.iter().any(|place| source.path.starts_with(place));
    let is_name = |text: &&str| {
        (*text == "VERDICTS" || text.contains('_'))
            && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
    };
    sources.iter().filter(reads).flat_map(Source::texts).filter(is_name).map(str::to_owned).collect()
}

#[test]
fn the_template_fits_the_code() {
    let sources = sources("src");
    let found = problems(&template(), &lambdas(&sources), &variables(&sources));
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// The problems of a template, given the Lambda functions and the variables of the code.
fn problems(template: &str, lambdas: &BTreeSet<String>, variables: &BTreeSet<String>) -> Vec<String> {
    let template = yaml::read(template);
    let mut found = Vec::new();
    let functions = of_kind(&template, "AWS::Serverless::Function");
    let mut built = BTreeSet::new();
    for (name, function) in &functions {
        let binary = function["Metadata"]["BuildProperties"]["Binary"].as_str().unwrap_or_default();
        if !lambdas.contains(binary) {
            found.push(format!("{name}: no Lambda function src/bin/{binary}.rs"));
        }
        built.insert(binary.to_owned());
        if function["Metadata"]["BuildMethod"] != "rust-cargolambda" || function["Properties"]["CodeUri"] != "../" {
            found.push(format!("{name}: is not built by rust-cargolambda from the root of the package"));
        }
        for variable in members(&function["Properties"]["Environment"]["Variables"]) {
            found.extend(unread(name, variable, variables));
        }
        let timeout = function["Properties"]["Timeout"].as_u64().unwrap_or_default();
        let statement = function.pointer("/Properties/Environment/Variables/DATABASE_STATEMENT_TIMEOUT");
        let statement = statement.and_then(Value::as_str).and_then(|text| text.parse().ok()).unwrap_or(u64::MAX);
        if statement >= timeout {
            found.push(format!("{name}: a statement may take {statement} s, the function {timeout} s"));
        }
        found.extend(event_sources(name, function, &template));
        found.extend(schedules(name, function));
        found.extend(open_secrets(name, function));
        found.extend(url(name, function, &template));
    }
    found.extend(lambdas.difference(&built).map(|binary| format!("src/bin/{binary}.rs is in no function")));
    for variable in members(&template["Globals"]["Function"]["Environment"]["Variables"]) {
        found.extend(unread("Globals", variable, variables));
    }
    found.extend(queues(&template));
    found.extend(rules(&template));
    found.extend(routes(&template));
    found.extend(operation::problems(&template));
    found
}

/// What the API leads to: each address that is served for who has a token or a key, and nothing else of the pages.
fn routes(template: &Value) -> Vec<String> {
    let served = [submit::document(), pull::document()].map(|document| serde_json::to_value(document).unwrap());
    let mut left: BTreeSet<String> = BTreeSet::new();
    for (path, methods) in served.iter().flat_map(|document| document["paths"].as_object().unwrap()) {
        left.extend(methods.as_object().unwrap().keys().map(|method| format!("{} {path}", method.to_uppercase())));
    }
    let mut found = Vec::new();
    for route in of_kind(template, "AWS::ApiGatewayV2::Route").values() {
        let key = route["Properties"]["RouteKey"].as_str().unwrap_or_default();
        if !left.remove(key) {
            found.push(format!("{key}: nothing is served there"));
        }
    }
    found.extend(left.iter().map(|key| format!("{key}: no route leads there")));
    for stage in of_kind(template, "AWS::ApiGatewayV2::Stage").values() {
        if stage["Properties"]["DefaultRouteSettings"]["ThrottlingRateLimit"].is_null() {
            found.push("the API has no limit".to_owned());
        }
    }
    found
}

/// The rule of EventBridge: it forwards complete events, with a dead-letter queue.
fn rules(template: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for (name, rule) in of_kind(template, "AWS::Events::Rule") {
        for target in rule["Properties"]["Targets"].as_array().into_iter().flatten() {
            if ["Input", "InputPath", "InputTransformer"].iter().any(|member| target.get(member).is_some()) {
                found.push(format!("{name}: cuts the envelope, whose id and time order events"));
            }
            if target["DeadLetterConfig"]["Arn"].is_null() || target["RetryPolicy"].is_null() {
                found.push(format!("{name}: drops what cannot be delivered"));
            }
        }
    }
    found
}

fn members(object: &Value) -> impl Iterator<Item = &String> {
    object.as_object().into_iter().flat_map(|object| object.keys())
}

fn of_kind<'t>(template: &'t Value, kind: &str) -> BTreeMap<&'t str, &'t Value> {
    let resources = template["Resources"].as_object().into_iter().flatten();
    resources
        .filter(|(_, resource)| resource["Type"] == kind)
        .map(|(name, resource)| (name.as_str(), resource))
        .collect()
}

/// Variables that are set and never read.
fn unread(place: &str, variable: &str, variables: &BTreeSet<String>) -> Option<String> {
    let known = variables.contains(variable) || OF_LIBRARIES.iter().any(|(name, _)| *name == variable);
    (!known).then(|| format!("{place}: nothing reads {variable}"))
}

/// Queues that feed a function: how failures are answered, and how long a message stays away.
fn event_sources(name: &str, function: &Value, template: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let events = function["Properties"]["Events"].as_object().into_iter().flatten();
    for (event, source) in events.filter(|(_, source)| source["Type"] == "SQS") {
        let source = &source["Properties"];
        if !source["FunctionResponseTypes"]
            .as_array()
            .is_some_and(|types| types.contains(&"ReportBatchItemFailures".into()))
        {
            found.push(format!("{name}.{event}: without ReportBatchItemFailures what fails is deleted"));
        }
        let queue = source["Queue"]["Fn::GetAtt"].as_str().unwrap_or_default().trim_end_matches(".Arn");
        let queue = &template["Resources"][queue]["Properties"];
        let timeout = function["Properties"]["Timeout"].as_u64().unwrap_or(u64::MAX / 10);
        let window = source["MaximumBatchingWindowInSeconds"]["Ref"].as_str().unwrap_or_default();
        let window = template["Parameters"][window]["MaxValue"].as_u64().unwrap_or_default();
        let visibility = queue["VisibilityTimeout"].as_u64().unwrap_or_default();
        if visibility < 6 * timeout + window {
            found.push(format!("{name}.{event}: invisible for {visibility} s, less than 6 x {timeout} s + {window} s"));
        }
        if queue["RedrivePolicy"]["maxReceiveCount"].as_u64().unwrap_or_default() < 5 {
            found.push(format!("{name}.{event}: a message is given up after less than 5 receives"));
        }
    }
    found
}

/// Functions of a schedule: one run at a time, and the schedule is what tries again.
fn schedules(name: &str, function: &Value) -> Vec<String> {
    let properties = &function["Properties"];
    let mut found = Vec::new();
    let events = properties["Events"].as_object().into_iter().flatten();
    for (event, _) in events.filter(|(_, source)| source["Type"] == "Schedule") {
        // Deliveries are shared by leases, and the next run begins before the last one ends: no moment is without.
        let most = if name == "DeliverFunction" { 2 } else { 1 };
        // Where the account has any to reserve; if not, the same twice is harmless.
        let reserved = &properties["ReservedConcurrentExecutions"]["Fn::If"];
        if reserved[0] != "Reserves" || reserved[1] != most {
            found.push(format!("{name}.{event}: two runs may meet"));
        }
        if properties["EventInvokeConfig"]["MaximumRetryAttempts"] != 0 {
            found.push(format!("{name}.{event}: Lambda tries a failed run again, twice, before its time"));
        }
    }
    found
}

/// Variables whose names say that they hold a secret, and that come from somewhere else than a secret.
fn open_secrets(name: &str, function: &Value) -> Vec<String> {
    let variables = function["Properties"]["Environment"]["Variables"].as_object().into_iter().flatten();
    let is_secret = |name: &str| ["_TOKEN", "_INSTANCES", "_SECRETS"].iter().any(|end| name.ends_with(end));
    let secret = variables.filter(|(variable, _)| is_secret(variable));
    let open = secret.filter(|(_, value)| !value.to_string().contains("{{resolve:secretsmanager:"));
    open.map(|(variable, _)| format!("{name}: {variable} is not out of a secret")).collect()
}

/// A URL without signatures needs two permissions to accept requests, which SAM adds only for a literal NONE.
fn url(name: &str, function: &Value, template: &Value) -> Vec<String> {
    let kind = &function["Properties"]["FunctionUrlConfig"]["AuthType"];
    if kind.is_null() || kind == "AWS_IAM" || kind == "NONE" {
        return Vec::new();
    }
    let permissions = of_kind(template, "AWS::Lambda::Permission");
    let given = |action: &str, limit: &str| {
        permissions.values().any(|permission| {
            let properties = &permission["Properties"];
            properties["Action"] == action
                && properties["FunctionName"]["Ref"] == name
                && !properties[limit].is_null()
                && !permission["Condition"].is_null()
        })
    };
    let needed =
        [("lambda:InvokeFunctionUrl", "FunctionUrlAuthType"), ("lambda:InvokeFunction", "InvokedViaFunctionUrl")];
    let lacking = needed.iter().filter(|(action, limit)| !given(action, limit));
    lacking.map(|(action, _)| format!("{name}: no caller may {action} where its URL asks for no signature")).collect()
}

/// Checks which senders may send to the queues, and how.
fn queues(template: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for (name, subscription) in of_kind(template, "AWS::SNS::Subscription") {
        if subscription["Properties"]["RawMessageDelivery"] != false {
            found.push(format!("{name}: RawMessageDelivery is not false, which loses the ids and times of SNS"));
        }
    }
    let mut protected = Vec::new();
    for (name, policy) in of_kind(template, "AWS::SQS::QueuePolicy") {
        protected
            .extend(policy["Properties"]["Queues"].as_array().into_iter().flatten().map(|queue| queue["Ref"].clone()));
        let statements = policy["Properties"]["PolicyDocument"]["Statement"].as_array();
        // Those that depend on a condition, too.
        let statements = statements.into_iter().flatten().map(|statement| match &statement["Fn::If"][1] {
            Value::Null => statement,
            chosen => chosen,
        });
        for statement in statements.filter(|statement| statement["Effect"] == "Allow") {
            let from = &statement["Condition"]["ArnEquals"]["aws:SourceArn"];
            let pinned = match statement["Principal"]["Service"].as_str() {
                Some("sns.amazonaws.com") => from["Ref"] == "SnsTopicArn",
                Some("events.amazonaws.com") => from["Fn::GetAtt"] == "BuildkiteRule.Arn",
                _ => false,
            };
            if !pinned || statement["Action"] != "sqs:SendMessage" {
                found.push(format!("{name}: allows more than that SnsTopicArn or BuildkiteRule sends"));
            }
        }
    }
    let open =
        of_kind(template, "AWS::SQS::Queue").into_keys().filter(|queue| !protected.contains(&Value::from(*queue)));
    found.extend(open.map(|queue| format!("{queue}: has no policy")));
    let pattern = template["Parameters"]["SnsTopicArn"]["AllowedPattern"].as_str().unwrap_or_default();
    if !pattern.starts_with("^arn:") || pattern.contains(".*") {
        found.push("SnsTopicArn: its pattern lets a wildcard pass, and the policy with it".to_owned());
    }
    found
}

#[test]
fn planted_faults_are_reported() {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let sources = sources("src");
    let (lambdas, variables) =
        (names(&["backfill", "deliver", "ingest", "migrate", "reconcile", "web"]), variables(&sources));
    let good = template();
    let planted = |old: &str, new: &str| {
        assert!(good.contains(old), "{old}");
        problems(&good.replacen(old, new, 1), &lambdas, &variables).join("\n")
    };
    for (old, new, report) in [
        ("{Binary: ingest}", "{Binary: ingestt}", "no Lambda function src/bin/ingestt.rs"),
        ("{Binary: migrate}", "{Binary: ingest}", "src/bin/migrate.rs is in no function"),
        ("{Binary: reconcile}", "{Binary: migrate}", "src/bin/reconcile.rs is in no function"),
        ("GITLAB_TOKEN: ", "GITLAB_SECRET: ", "ReconcileFunction: nothing reads GITLAB_SECRET"),
        (
            "ReservedConcurrentExecutions: !If [Reserves, 1, ",
            "ReservedConcurrentExecutions: !If [Reserves, 2, ",
            "ReconcileFunction.Schedule: two runs may meet",
        ),
        (
            "{{resolve:secretsmanager:${GitlabTokenSecretArn}}}",
            "${GitlabUrl}",
            "ReconcileFunction: GITLAB_TOKEN is not out of a secret",
        ),
        (
            "!Sub \"{{resolve:secretsmanager:${IntakeSecretArn}}}\"",
            "!Ref IntakeTokens",
            "PageFunction: INTAKE_SECRETS is not out of a secret",
        ),
        ("GET /v1/deliveries\n", "GET /v1/delivery\n", "GET /v1/delivery: nothing is served there"),
        ("RouteKey: POST /submit", "RouteKey: $default", "$default: nothing is served there"),
        ("CodeUri: ../", "CodeUri: .", "is not built by rust-cargolambda"),
        (
            "Action: lambda:InvokeFunctionUrl",
            "Action: lambda:GetFunction",
            "no caller may lambda:InvokeFunctionUrl \
            where",
        ),
        ("InvokedViaFunctionUrl: true", "SourceAccount: x", "no caller may lambda:InvokeFunction where"),
        ("DATABASE_SSLMODE: ", "DATABASE_SSL: ", "Globals: nothing reads DATABASE_SSL"),
        ("GITLAB_BRANCHES: ", "GITLAB_BRANCH: ", "IngestFunction: nothing reads GITLAB_BRANCH"),
        ("[ReportBatchItemFailures]", "[]", "without ReportBatchItemFailures"),
        ("VisibilityTimeout: 240", "VisibilityTimeout: 200", "invisible for 200 s, less than 6 x 30 s + 30 s"),
        ("maxReceiveCount: 40", "maxReceiveCount: 4", "after less than 5 receives"),
        ("RawMessageDelivery: false", "RawMessageDelivery: true", "RawMessageDelivery is not false"),
        ("{\"aws:SourceArn\": !Ref SnsTopicArn}", "{}", "QueuePolicy: allows more"),
        ("{Service: sns.amazonaws.com}", "\"*\"", "QueuePolicy: allows more"),
        ("Action: sqs:SendMessage", "Action: sqs:*", "QueuePolicy: allows more"),
        ("{Service: events.amazonaws.com}", "\"*\"", "QueuePolicy: allows more"),
        ("{\"aws:SourceArn\": !GetAtt BuildkiteRule.Arn}", "{}", "QueuePolicy: allows more"),
        (
            "Arn: !GetAtt Queue.Arn\n          Retry",
            "Arn: !GetAtt Queue.Arn\n          InputPath: $.detail\n          Retry",
            "cuts the envelope",
        ),
        ("          DeadLetterConfig: {Arn: !GetAtt DeadLetterQueue.Arn}\n", "", "BuildkiteRule: drops"),
        ("DELIVERY_SECRETS: ", "DELIVERY_SECRET: ", "PageFunction: nothing reads DELIVERY_SECRET"),
        ("Queues: [!Ref DeadLetterQueue]", "Queues: []", "DeadLetterQueue: has no policy"),
        ("DATABASE_STATEMENT_TIMEOUT: \"20\"", "DATABASE_STATEMENT_TIMEOUT: \"30\"", "a statement may take 30 s"),
        ("[A-Za-z0-9_-]+$", ".*$", "SnsTopicArn: its pattern"),
        ("\"id\":\"$context.requestId\",", "", "ApiStage: its log names no request"),
        ("    DependsOn: StatusRoute\n", "", "is made at the same time as another route"),
        (
            "      RedrivePolicy: !If [TopicIsHere, ",
            "      FilterPolicy: !If [TopicIsHere, ",
            "Subscription: messages that the queue rejects",
        ),
        (
            "    DeletionPolicy: RetainExceptOnCreate\n",
            "    DeletionPolicy: Retain\n",
            "Archive: stays when its first deploy fails",
        ),
        (
            "      PermissionsBoundary: !If [HasBoundary, !Ref PermissionsBoundary, !Ref AWS::NoValue]\n",
            "",
            "IngestRole: has no boundary",
        ),
        ("      Path: !If [HasRolePath, !Ref RolePath, !Ref AWS::NoValue]\n", "", "IngestRole: has no path"),
        (
            "Value: !Ref DeliverFunction}\n      Statistic: Sum\n      Period: 300\n      EvaluationPeriods: 3",
            "Value: !Ref IngestFunction}\n      Statistic: Sum\n      Period: 300\n      EvaluationPeriods: 3",
            "DeliverFunction.EachMinute: no alarm rings",
        ),
        (
            "      TreatMissingData: breaching\n",
            "      TreatMissingData: notBreaching\n",
            "DeliverFunction.EachMinute: no alarm rings",
        ),
    ] {
        let found = planted(old, new);
        assert!(found.contains(report), "{new}: {found}");
    }
    let more = names(&["backfill", "deliver", "ingest", "migrate", "reconcile", "tidy", "web"]);
    assert_eq!(problems(&good, &more, &variables), ["src/bin/tidy.rs is in no function"]);
}

/// The file of the template belongs to build and validate: under global, `sam deploy` would deploy the source.
#[test]
fn deploy_uses_the_built_template() {
    let text = std::fs::read_to_string(project("samconfig.toml")).unwrap();
    assert_eq!(with_template_file(&text), ["default.build.parameters", "default.validate.parameters"]);
    let wrong = text.replace("[default.deploy.parameters]", "[default.deploy.parameters]\ntemplate_file = \"x\"");
    assert_eq!(with_template_file(&wrong).last().map(String::as_str), Some("default.deploy.parameters"));
}

/// Sections of a TOML file that have the key `template_file`.
fn with_template_file(text: &str) -> Vec<String> {
    let mut section = "";
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        } else if line.starts_with("template_file") {
            found.push(section.to_owned());
        }
    }
    found
}
