//! Requirements of operators on the template: alarms also when no data arrives, repeatable deploys, and the demands of
//! accounts on roles.

use serde_json::Value;

use super::{files, of_kind, sources, yaml};

/// What is wrong with a template.
pub(super) fn problems(template: &Value) -> Vec<String> {
    let mut found = absence(template);
    found.extend(repeatable(template));
    found.extend(roles(template));
    found.extend(api(template));
    for (name, subscription) in of_kind(template, "AWS::SNS::Subscription") {
        let properties = &subscription["Properties"];
        if properties["Protocol"] == "sqs" && properties["RedrivePolicy"].is_null() {
            found.push(format!("{name}: messages that the queue rejects are lost, without a dead-letter queue"));
        }
    }
    found
}

/// A function that is not invoked says nothing: for each that a schedule invokes, an alarm rings when it was not.
fn absence(template: &Value) -> Vec<String> {
    let alarms = of_kind(template, "AWS::CloudWatch::Alarm");
    let rings = |name: &str, function: &Value| {
        alarms.values().any(|alarm| {
            let properties = &alarm["Properties"];
            properties["MetricName"] == "Invocations"
                && properties["Namespace"] == "AWS/Lambda"
                && properties["Dimensions"][0]["Value"]["Ref"] == name
                && properties["ComparisonOperator"] == "LessThanThreshold"
                && properties["TreatMissingData"] == "breaching"
                && alarm["Condition"] == function["Condition"]
        })
    };
    let mut found = Vec::new();
    for (name, function) in of_kind(template, "AWS::Serverless::Function") {
        let events = function["Properties"]["Events"].as_object().into_iter().flatten();
        for (event, _) in
            events.filter(|(_, event)| event["Type"].as_str().is_some_and(|kind| kind.starts_with("Schedule")))
        {
            if !rings(name, function) {
                found.push(format!("{name}.{event}: no alarm rings when it does not run"));
            }
        }
    }
    found
}

/// What stays behind after a first deploy that failed is in the way of the next one.
fn repeatable(template: &Value) -> Vec<String> {
    let resources = template["Resources"].as_object().unwrap().iter();
    let kept = resources.filter(|(_, resource)| resource["DeletionPolicy"] == "Retain");
    kept.map(|(name, _)| format!("{name}: stays when its first deploy fails")).collect()
}

fn roles(template: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for (name, role) in of_kind(template, "AWS::IAM::Role") {
        let is = |property: &str, parameter: &str| role["Properties"][property]["Fn::If"][1]["Ref"] == parameter;
        if !is("PermissionsBoundary", "PermissionsBoundary") {
            found.push(format!("{name}: has no boundary"));
        }
        if !is("Path", "RolePath") {
            found.push(format!("{name}: has no path"));
        }
    }
    found
}

/// The log format of an HTTP API names the request, or AWS rejects it; its routes are created one after the other.
fn api(template: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for (name, stage) in of_kind(template, "AWS::ApiGatewayV2::Stage") {
        let format = stage["Properties"]["AccessLogSettings"]["Format"].as_str().unwrap_or_default();
        if !["$context.requestId", "$context.extendedRequestId"].iter().any(|id| format.contains(id)) {
            found.push(format!("{name}: its log names no request"));
        }
    }
    let routes = of_kind(template, "AWS::ApiGatewayV2::Route");
    let mut waited_for = Vec::new();
    let mut first = 0;
    for (name, route) in &routes {
        match route["DependsOn"].as_str().filter(|other| routes.contains_key(other) && !waited_for.contains(other)) {
            Some(other) => waited_for.push(other),
            None if first == 0 => first = 1,
            None => found.push(format!("{name}: is made at the same time as another route")),
        }
    }
    found
}

#[test]
fn the_database_of_our_own_can_be_operated_too() {
    let template = yaml::read(&String::from_utf8(file("sam/", "database.yaml")).unwrap());
    assert_eq!(problems(&template), [""; 0]);
    let instance = &template["Resources"]["Instance"];
    assert_eq!(instance["Properties"]["DBInstanceIdentifier"]["Fn::If"][1]["Ref"], "InstanceName");
    // While a proxy is made, the functions use the database itself.
    let ingress = &template["Resources"]["SecurityGroup"]["Properties"]["SecurityGroupIngress"];
    assert_eq!(ingress[0]["SourceSecurityGroupId"]["Ref"], "ClientSecurityGroupId");
}

fn file(folder: &str, name: &str) -> Vec<u8> {
    files(folder, name).into_iter().find(|(found, _)| found == name).unwrap().1
}

/// A boxed error would be one type for all that can happen.
#[test]
fn errors_of_functions_have_types() {
    let shells = sources("src").into_iter().filter(|source| source.path.starts_with("src/bin/"));
    let boxed: Vec<_> =
        shells.filter(|source| source.text.contains("Ok::<_, Error>(")).map(|source| source.path).collect();
    assert_eq!(boxed, [""; 0]);
}
