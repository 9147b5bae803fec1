//! Templates with `%{names}`, which the configuration of a build may define (docs of Travis CI, 'Customizing
//! notifications').

use serde_json::Value;

use super::subject::Subject;

/// Fills in a template. Unknown names are left out. `source` is the service that shows the text: links to pages contain
/// it, and texts for Slack are escaped, so that values cannot mention channels or users.
#[must_use]
pub fn fill(template: &str, subject: &Subject<'_>, source: Option<&str>) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("%{") {
        text.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            text.push_str("%{");
            rest = after;
            continue;
        };
        text.push_str(&escaped_value(name, subject, source));
        rest = after;
    }
    text.push_str(rest);
    text
}

/// A text escaped for Slack.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The lines of a configuration's own template (a text or a list), or the default lines.
#[must_use]
pub fn lines(own: Option<&Value>, default: &[&str]) -> Vec<String> {
    let own: Vec<String> = match own {
        Some(Value::String(line)) => vec![line.clone()],
        Some(Value::Array(lines)) => lines.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    if own.is_empty() { default.iter().map(|&line| line.to_owned()).collect() } else { own }
}

fn escaped_value(name: &str, subject: &Subject<'_>, source: Option<&str>) -> String {
    let is_link = name.ends_with("_url");
    let value = value(name, subject, source);
    match source {
        Some("slack") if is_link => value.replace('<', "%3C").replace('>', "%3E").replace('|', "%7C"),
        Some("slack") => escaped(&value),
        _ => value,
    }
}

fn value(name: &str, subject: &Subject<'_>, source: Option<&str>) -> String {
    let message = subject.commit("message").unwrap_or_default();
    match name {
        "repository" | "repository_slug" => subject.slug(),
        "repository_name" => subject.repository.name.clone().unwrap_or_default(),
        "build_number" => subject.number().to_owned(),
        "build_id" => subject.build.id.to_string(),
        "pull_request" => subject.is_pull_request().to_string(),
        "pull_request_number" if subject.is_pull_request() => subject.pull_request_number(),
        "branch" => subject.branch().to_owned(),
        "commit" => subject.short_sha(),
        "author" => subject.commit("author_name").unwrap_or_default().to_owned(),
        "commit_subject" => message.lines().next().unwrap_or_default().to_owned(),
        "commit_message" => message.to_owned(),
        "result" => subject.state().to_owned(),
        "duration" | "elapsed_time" => subject.duration(),
        "message" => subject.sentence(),
        "compare_url" => subject.commit("compare_url").unwrap_or_default().to_owned(),
        "build_url" => match source {
            Some(source) => format!("{}?utm_source={source}&utm_medium=notification", subject.page()),
            None => subject.page(),
        },
        "pull_request_url" if subject.is_pull_request() => pull_request_url(subject),
        _ => String::new(),
    }
}

/// Address of the page of the pull request, derived from the one that compares commits.
fn pull_request_url(subject: &Subject<'_>) -> String {
    let compare = subject.commit("compare_url").unwrap_or_default();
    let parts: Vec<&str> = compare.splitn(6, '/').collect();
    match parts[..] {
        [scheme, "", host, owner, name, ..] => {
            format!("{scheme}//{host}/{owner}/{name}/pull/{}", subject.pull_request_number())
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::sources::travis::record::{Build, Job, Repository, Source};

    fn build(branch: &str) -> Build {
        let commit = json!({
            "sha": "62aae5f70ceee39123ef", "compare_url": "https://h/o/n/compare/a...b|x>", "message": "one\ntwo",
        });
        Build {
            id: 1,
            repository_id: 1,
            number: None,
            state: None,
            previous_state: None,
            event_type: None,
            branch: Some(branch.to_owned()),
            commit: commit.as_object().cloned().unwrap_or_default(),
            pull_request: None,
            notifications: None,
            fast_finish: false,
            config_error: false,
            duration: None,
            created_at: None,
            received_at: None,
            started_at: None,
            finished_at: None,
            canceled_at: None,
            restarted_at: None,
            run_at: None,
            ever_bad: Some(false),
            source: Source { message_at: jiff::Timestamp::UNIX_EPOCH, message_id: String::new() },
        }
    }

    #[test]
    fn names_are_filled_in_and_cannot_mention_users() {
        let build = build("<!channel> & %{author}");
        let (repository, jobs): (_, [Job; 0]) = (Repository::default(), []);
        let subject = Subject { repository: &repository, build: &build, stages: &[], jobs: &jobs, pages: "p" };
        for (template, source, expected) in [
            ("%{branch}", None, "<!channel> & %{author}"),
            ("%{branch}", Some("slack"), "&lt;!channel&gt; &amp; %{author}"),
            ("<%{compare_url}|%{commit}>", Some("slack"), "<https://h/o/n/compare/a...b%7Cx%3E|62aae5f>"),
            ("a%{unknown}b%{duration}", None, "ab?"),
            ("%{elapsed_time}", Some("slack"), "?"),
            ("100% %{commit_subject} %{", None, "100% one %{"),
            ("%{}%{message}", None, "The build is pending."),
            ("", None, ""),
        ] {
            assert_eq!(fill(template, &subject, source), expected, "{template}");
        }
        assert_eq!(lines(Some(&json!(["a", 1, "b"])), &["c"]), ["a", "b"]);
        assert_eq!(lines(Some(&json!(false)), &["c"]), ["c"]);
    }
}
