//! A template with parameters, as CloudFormation sees it: rules, conditions, and what is left of the resources.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// Values of parameters, by name.
pub(super) type Parameters = BTreeMap<String, String>;

/// A template to be resolved, again and again.
pub(super) struct Template {
    template: Value,
}

const NO_VALUE: &str = "AWS::NoValue";
/// Account, region and the like.
const PSEUDO: &[(&str, &str)] = &[
    ("AWS::AccountId", "210987654321"),
    ("AWS::Region", "eu-west-1"),
    ("AWS::Partition", "aws"),
    ("AWS::URLSuffix", "amazonaws.com"),
    ("AWS::StackName", "stack"),
];

impl Template {
    pub(super) fn new(template: Value) -> Self {
        Self { template }
    }

    pub(super) fn parameters(&self) -> &Map<String, Value> {
        self.template["Parameters"].as_object().unwrap()
    }

    /// All parameters at their defaults; text for the ones without.
    pub(super) fn defaults(&self) -> Parameters {
        let default = |parameter: &Value| match &parameter["Default"] {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        };
        self.parameters().iter().map(|(name, parameter)| (name.clone(), default(parameter))).collect()
    }

    /// The rule that these parameters violate.
    pub(super) fn violated(&self, parameters: &Parameters) -> Option<&str> {
        let rules = self.template["Rules"].as_object().unwrap().values();
        rules
            .filter(|rule| rule["RuleCondition"].is_null() || self.is_true(&rule["RuleCondition"], parameters))
            .find_map(|rule| {
                let mut assertions = rule["Assertions"].as_array().unwrap().iter();
                let broken = assertions.find(|assertion| !self.is_true(&assertion["Assert"], parameters));
                broken.map(|assertion| assertion["AssertDescription"].as_str().unwrap())
            })
    }

    /// Whether a condition of the template holds.
    pub(super) fn holds(&self, condition: &str, parameters: &Parameters) -> bool {
        let expression = &self.template["Conditions"][condition];
        assert!(!expression.is_null(), "no condition {condition}");
        self.is_true(expression, parameters)
    }

    fn is_true(&self, expression: &Value, parameters: &Parameters) -> bool {
        let (function, argument) = only(expression).unwrap_or_else(|| panic!("no condition: {expression}"));
        let list = || argument.as_array().unwrap();
        match function {
            "Condition" => self.holds(argument.as_str().unwrap(), parameters),
            "Fn::And" => list().iter().all(|part| self.is_true(part, parameters)),
            "Fn::Or" => list().iter().any(|part| self.is_true(part, parameters)),
            "Fn::Not" => !self.is_true(&argument[0], parameters),
            "Fn::Equals" => text(&argument[0], parameters) == text(&argument[1], parameters),
            "Fn::Contains" => {
                let wanted = text(&argument[1], parameters);
                argument[0].as_array().unwrap().iter().any(|one| text(one, parameters) == wanted)
            }
            other => panic!("{other} in a condition"),
        }
    }

    /// Resources and outputs that are left, without functions that can be computed.
    ///
    /// # Errors
    /// What names something that is not there.
    pub(super) fn resolve(&self, parameters: &Parameters) -> Result<Value, String> {
        let mut left = Map::new();
        for part in ["Resources", "Outputs"] {
            for (name, value) in self.template[part].as_object().unwrap() {
                let there = value["Condition"].as_str().is_none_or(|condition| self.holds(condition, parameters));
                if there {
                    let value = self.value(value, parameters).map_err(|error| format!("{name}: {error}"))?;
                    left.insert(format!("{part}.{name}"), value.unwrap_or(Value::Null));
                }
            }
        }
        let globals = self.value(&self.template["Globals"], parameters).map_err(|error| format!("Globals: {error}"))?;
        left.insert("Globals".to_owned(), globals.unwrap_or(Value::Null));
        Ok(Value::Object(left))
    }

    /// A value; `None` where there is to be none.
    fn value(&self, value: &Value, parameters: &Parameters) -> Result<Option<Value>, String> {
        Ok(Some(match value {
            Value::Array(items) => {
                let items: Result<Vec<_>, _> = items.iter().map(|item| self.value(item, parameters)).collect();
                items?.into_iter().flatten().collect()
            }
            Value::Object(members) => {
                if let Some(value) = self.function(value, parameters)? {
                    return Ok(Some(value).filter(|value| *value != json!({"Ref": NO_VALUE})));
                }
                let mut left = Map::new();
                for (name, member) in members {
                    if let Some(member) = self.value(member, parameters)? {
                        left.insert(name.clone(), member);
                    }
                }
                Value::Object(left)
            }
            other => other.clone(),
        }))
    }

    fn function(&self, value: &Value, parameters: &Parameters) -> Result<Option<Value>, String> {
        let Some((function, argument)) = only(value) else { return Ok(None) };
        Ok(Some(match function {
            "Ref" => self.named(argument.as_str().unwrap(), parameters)?,
            "Fn::GetAtt" => {
                let path = argument.as_str().unwrap();
                self.there(path.split('.').next().unwrap(), parameters)?;
                json!(format!("<{path}>"))
            }
            "Fn::If" => {
                let place = if self.holds(argument[0].as_str().unwrap(), parameters) { 1 } else { 2 };
                return Ok(Some(self.value(&argument[place], parameters)?.unwrap_or(json!({"Ref": NO_VALUE}))));
            }
            "Fn::Sub" => {
                let (pattern, own) = match argument {
                    Value::Array(both) => (both[0].as_str().unwrap(), self.value(&both[1], parameters)?.unwrap()),
                    pattern => (pattern.as_str().unwrap(), json!({})),
                };
                json!(self.substitute(pattern, &own, parameters)?)
            }
            "Fn::Split" => {
                let whole = self.value(&argument[1], parameters)?.unwrap();
                whole.as_str().unwrap().split(argument[0].as_str().unwrap()).map(Value::from).collect()
            }
            "Fn::Select" => {
                let (at, list) = (argument[0].as_u64().unwrap(), self.value(&argument[1], parameters)?.unwrap());
                list.get(at as usize).cloned().ok_or_else(|| format!("no item {at} in {list}"))?
            }
            "Condition" => return Ok(None),
            other if other.starts_with("Fn::") => return Err(format!("{other} is not known here")),
            _ => return Ok(None),
        }))
    }

    fn substitute(&self, pattern: &str, own: &Value, parameters: &Parameters) -> Result<String, String> {
        let mut parts = pattern.split("${");
        let mut whole = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once('}').ok_or_else(|| format!("unclosed in {pattern}"))?;
            let value = match (&own[name], name.split_once('.')) {
                (Value::Null, Some((resource, _))) => {
                    self.there(resource, parameters)?;
                    json!(format!("<{name}>"))
                }
                (Value::Null, None) => self.named(name, parameters)?,
                (value, _) => value.clone(),
            };
            whole.push_str(value.as_str().ok_or_else(|| format!("{name} is no text"))?);
            whole.push_str(rest);
        }
        Ok(whole)
    }

    /// What `Ref` leads to.
    fn named(&self, name: &str, parameters: &Parameters) -> Result<Value, String> {
        if name == NO_VALUE {
            return Ok(json!({"Ref": NO_VALUE}));
        }
        let known = PSEUDO.iter().find(|(pseudo, _)| *pseudo == name).map(|(_, value)| *value);
        if let Some(value) = known.or_else(|| parameters.get(name).map(String::as_str)) {
            return Ok(json!(value));
        }
        // SAM's, such as the version that an alias publishes.
        let resource = name.split('.').next().unwrap_or_default();
        self.there(resource, parameters)?;
        Ok(json!(format!("<{name}>")))
    }

    /// Whether a resource is there.
    fn there(&self, resource: &str, parameters: &Parameters) -> Result<(), String> {
        // A function's address is a resource of its own that SAM makes.
        let resource = resource.strip_suffix("Url").filter(|name| name.ends_with("Function")).unwrap_or(resource);
        let found = &self.template["Resources"][resource];
        if found.is_null() {
            return Err(format!("{resource} is neither a parameter nor a resource"));
        }
        match found["Condition"].as_str().is_none_or(|condition| self.holds(condition, parameters)) {
            true => Ok(()),
            false => Err(format!("{resource} is not there")),
        }
    }
}

/// The function that an object is.
fn only(value: &Value) -> Option<(&str, &Value)> {
    let members = value.as_object().filter(|members| members.len() == 1)?;
    members.iter().next().map(|(name, argument)| (name.as_str(), argument))
}

/// A text in a rule or a condition.
fn text(value: &Value, parameters: &Parameters) -> String {
    match (value, only(value)) {
        (Value::String(text), _) => text.clone(),
        (_, Some(("Ref", name))) => {
            let name = name.as_str().unwrap();
            let pseudo = PSEUDO.iter().find(|(pseudo, _)| *pseudo == name).map(|(_, value)| (*value).to_owned());
            pseudo.or_else(|| parameters.get(name).cloned()).unwrap_or_else(|| panic!("no parameter {name}"))
        }
        (_, Some(("Fn::Select", argument))) => {
            let (_, split) = only(&argument[1]).unwrap();
            let whole = text(&split[1], parameters);
            let at = argument[0].as_u64().unwrap() as usize;
            whole.split(split[0].as_str().unwrap()).nth(at).unwrap_or_default().to_owned()
        }
        _ => panic!("no text: {value}"),
    }
}
