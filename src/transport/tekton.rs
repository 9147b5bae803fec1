//! Unwraps objects of Tekton: CloudEvents (tektoncd/pipeline `docs/events.md`) and records of Tekton Results.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Head;

/// Members of the data of Tekton's CloudEvents, and the kind of the object in each. The object may not name it itself.
const MEMBERS: [(&str, &str); 4] =
    [("pipelineRun", "PipelineRun"), ("taskRun", "TaskRun"), ("customRun", "CustomRun"), ("run", "Run")];

/// The object inside the data of a Tekton CloudEvent, `{"pipelineRun": {..}}`, with its kind added, as in any other
/// Kubernetes object. In a binary CloudEvent this data is the whole body.
pub(super) fn event<'a>(head: &Head<'a>) -> Option<Cow<'a, str>> {
    let (object, kind) = MEMBERS.iter().find_map(|(member, kind)| Some((head.get(member)?, *kind)))?;
    let found = Head::read(object.get()).ok()?;
    if found.names_its_kind() {
        return Some(Cow::Borrowed(object.get()));
    }
    // Without metadata it is another system's object with a member of that name.
    let is_object = found.get("metadata").is_some_and(|metadata| metadata.get().starts_with('{'));
    let members = object.get().strip_prefix('{').filter(|_| is_object)?;
    Some(Cow::Owned(format!(r#"{{"apiVersion":"tekton.dev/v1","kind":"{kind}",{members}"#)))
}

/// The value of a Tekton Results record, `{"data": {"type": "tekton.dev/v1.PipelineRun", "value": "<base64>"}}`.
pub(super) fn record(data: &RawValue) -> Option<&RawValue> {
    #[derive(Deserialize)]
    struct Data<'a> {
        r#type: String,
        #[serde(borrow)]
        value: &'a RawValue,
    }
    let data = serde_json::from_str::<Data<'_>>(data.get()).ok()?;
    data.r#type.contains(".dev/").then_some(data.value)
}
