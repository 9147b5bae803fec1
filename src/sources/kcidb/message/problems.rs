//! Lists all problems of a submission, object by object, for the answer to a submitter over HTTP.

use serde_json::value::RawValue;

use super::reader::{Members, Reader};
use super::schema;
use super::upgrade::{self, Draft};
use super::version::Version;
use crate::sources::kcidb::record::View;
use crate::transport::field::parse_seed;
use crate::transport::{Head, Rejection};

/// A problem of one object, or of the document if `list` is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Name of the list that contains the object; empty for the document itself.
    pub list: String,
    /// Id of the object; empty if it has none.
    pub id: String,
    /// Description, with the path inside of the object.
    pub what: String,
    /// Whether the only problem is that the submitter has no right to submit the object.
    pub is_foreign: bool,
}

/// The rights of a submitter.
#[derive(Clone, Debug, Default)]
pub struct Rights {
    /// Origins whose objects it may submit; `None` for all origins.
    pub origins: Option<Vec<String>>,
    /// Whether ids have to begin with the origin of their object. KCIDB itself does not require that.
    pub own_ids: bool,
}

/// All problems of a submission; empty if it would be stored.
#[must_use]
pub fn problems(payload: &str, rights: &Rights) -> Vec<Problem> {
    let of_document = |what: String| vec![Problem { list: String::new(), id: String::new(), what, is_foreign: false }];
    let head = match Head::read(payload) {
        Ok(head) => head,
        Err(error) => return of_document(error.to_string()),
    };
    let version = match Version::read(&head) {
        Ok(version) => version,
        Err(rejection) => return of_document(rejection.detail),
    };
    let mut problems = Vec::new();
    // A list that occurs twice is checked twice, as `decode` does.
    for (name, raw) in head.members().filter(|(name, _)| *name != "version") {
        let problem = |id, what| Problem { list: name.to_owned(), id, what, is_foreign: false };
        let Some((_, kind)) = schema::lists(version).iter().find(|(list, _)| *list == name) else {
            problems.push(problem(String::new(), format!("unknown member `{name}`")));
            continue;
        };
        let Ok(objects) = serde_json::from_str::<Vec<&RawValue>>(raw.get()) else {
            problems.push(problem(String::new(), "expected a list".to_owned()));
            continue;
        };
        for object in objects {
            let mut reader = Reader::new(version, false);
            let mut draft = Draft::new(*kind);
            let members = Members { reader: &mut reader, fields: schema::fields(*kind), draft: &mut draft };
            let read = parse_seed(object.get(), members)
                .and_then(|()| upgrade::upgrade(draft, *kind, version).map_err(|what| Rejection::new("", what)));
            let (what, is_foreign) = match read {
                Err(rejection) => (Some(rejection.detail), false),
                Ok((object, _)) => {
                    let origin = View::of(*kind, &object).text("origin").unwrap_or_default().to_owned();
                    (rights.problem(&origin, &object.id), true)
                }
            };
            if let Some(what) = what {
                let id = Head::read(object.get()).ok().and_then(|head| head.string("id").map(Into::into));
                problems.push(Problem { is_foreign, ..problem(id.unwrap_or_default(), what) });
            }
        }
    }
    problems
}

impl Rights {
    fn problem(&self, origin: &str, id: &str) -> Option<String> {
        if self.origins.as_ref().is_some_and(|origins| !origins.iter().any(|allowed| allowed == origin)) {
            return Some(format!("origin: objects of `{origin}` are not yours to submit"));
        }
        let own = id.split_once(':').is_some_and(|(prefix, _)| prefix == origin || prefix == "_");
        (self.own_ids && !own).then(|| format!("id: expected to begin with `{origin}:`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(payload: &str, rights: &Rights) -> Vec<String> {
        let line = |problem: Problem| format!("{} {}: {}", problem.list, problem.id, problem.what);
        problems(payload, rights).into_iter().map(line).collect()
    }

    #[test]
    fn each_object_has_its_problem() {
        let payload = r#"{"version":{"major":5,"minor":3},
            "builds":[{"id":"o:1","origin":"o","checkout_id":"o:1"},{"id":"o:2","origin":"o"},5],
            "tests":[{"id":"o:3","origin":"o","build_id":"o:1","environment":{"compatible":[""]}}],
            "issues":{},"x":[]}"#;
        let found = found(payload, &Rights::default());
        assert_eq!(found.len(), 5, "{found:#?}");
        assert!(found[0].starts_with("builds o:2: missing field `checkout_id`"), "{}", found[0]);
        assert!(found[1].starts_with("builds : invalid type: integer `5`"), "{}", found[1]);
        assert!(found[2].starts_with("tests o:3: environment.compatible[0]: a string of 0 bytes"), "{}", found[2]);
        assert_eq!(found[3..], ["issues : expected a list", "x : unknown member `x`"]);
    }

    #[test]
    fn a_member_is_named_once() {
        let long = "x".repeat(16_385);
        for (member, problem) in [
            (format!(r#""log_excerpt":"{long}""#), "log_excerpt: a string of 16385 characters"),
            (r#""log_excerpt":5"#.to_owned(), "log_excerpt: expected a string"),
            (r#""misc":[]"#.to_owned(), "misc: expected an object"),
            (r#""misc":{"a":"\u0000"}"#.to_owned(), "misc: a NUL"),
            (r#""comment":5"#.to_owned(), "comment: invalid type"),
        ] {
            let payload = format!(r#"{{"version":{{"major":5}},"checkouts":[{{"id":"o:1","origin":"o",{member}}}]}}"#);
            let found = found(&payload, &Rights::default());
            assert!(found.len() == 1 && found[0].starts_with(&format!("checkouts o:1: {problem}")), "{found:?}");
        }
    }

    /// Found by `tests/fuzz`: only the last one was checked, while the first is read as well.
    #[test]
    fn a_list_that_occurs_twice_is_checked_twice() {
        let payload = r#"{"version":{"major":5},"tests":[{"id":"o:1","origin":"o","build_id":"none"}],"tests":[]}"#;
        let found = found(payload, &Rights::default());
        assert!(found.len() == 1 && found[0].starts_with("tests o:1: build_id: a string of 4 bytes"), "{found:?}");
    }

    #[test]
    fn rights_are_checked() {
        let payload = r#"{"version":{"major":5},"checkouts":[{"id":"o:1","origin":"o"},{"id":"p:1","origin":"o"}]}"#;
        let rights = |origin: &str, own_ids| Rights { origins: Some(vec![origin.to_owned()]), own_ids };
        assert_eq!(found(payload, &rights("o", false)), [""; 0]);
        assert_eq!(found(payload, &rights("o", true)), ["checkouts p:1: id: expected to begin with `o:`"]);
        assert_eq!(found(payload, &rights("p", false)).len(), 2);
    }

    #[test]
    fn an_invalid_document_has_one_problem() {
        assert!(found("{", &Rights::default())[0].starts_with(" : EOF"));
        assert!(found("{}", &Rights::default())[0].starts_with(" : version: missing"));
    }
}
