//! What the end of `wait` is: the verdict as it was seen last, the exit code, and the texts about it. Pure.

use std::fmt::Write;

use serde_json::{Value, json};

/// Most checks that a text names for one reason.
const NAMED: usize = 20;

/// How `wait` ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The commit passed, and the verdict is settled.
    Passed,
    /// The commit failed.
    Failed,
    /// The time is over.
    TimeOver,
    /// No check says anything about the commit, or it is unknown.
    None,
    /// The question cannot be asked.
    CannotAsk,
    /// The commit waits for a person.
    Blocked,
}

impl Outcome {
    /// The exit status of the command.
    pub(super) fn status(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::Failed => 1,
            // 2 is that of an invalid command line.
            Self::TimeOver => 3,
            Self::None => 4,
            Self::CannotAsk => 5,
            Self::Blocked => 6,
        }
    }

    /// Its name in JSON.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::TimeOver => "time_over",
            Self::None => "none",
            Self::CannotAsk => "cannot_ask",
            Self::Blocked => "blocked",
        }
    }
}

/// What ends the wait before its time limit, besides a settled verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Conditions {
    /// A failed verdict, settled or not.
    pub(super) fail_fast: bool,
    /// A blocked verdict.
    pub(super) no_hold: bool,
}

/// A verdict that was seen, as the API has it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Seen {
    /// The whole answer.
    pub(super) json: Value,
    /// The verdict in a word.
    verdict: String,
    settled: bool,
    version: String,
    repo: String,
    sha: Option<String>,
    /// Reasons, each with the checks that it is about.
    reasons: Vec<(String, Vec<String>)>,
}

/// All verdicts that there are.
const VERDICTS: [&str; 5] = ["passed", "failed", "pending", "blocked", "none"];

impl Seen {
    /// Reads an answer; `None` if it is no verdict.
    pub(super) fn read(json: Value) -> Option<Self> {
        let text = |name: &str| json.get(name)?.as_str().map(str::to_owned);
        let verdict = text("verdict").filter(|verdict| VERDICTS.contains(&verdict.as_str()))?;
        let reason = |reason: &Value| {
            let of = reason.get("of")?.as_array()?.iter().map(|name| name.as_str().map(str::to_owned));
            Some((reason.get("why")?.as_str()?.to_owned(), of.collect::<Option<Vec<_>>>()?))
        };
        let reasons = json.get("reasons")?.as_array()?.iter().map(reason).collect::<Option<_>>()?;
        Some(Self {
            verdict,
            settled: json.get("settled")?.as_bool()?,
            version: text("version")?,
            repo: text("repo")?,
            sha: text("sha"),
            reasons,
            json,
        })
    }

    fn is(&self, verdict: &str) -> bool {
        self.verdict == verdict
    }

    fn has_reason(&self, why: &str) -> bool {
        self.reasons.iter().any(|(known, _)| known == why)
    }

    /// Whether nothing is known of the commit.
    fn is_unknown(&self) -> bool {
        self.is("none") && self.version == "0"
    }

    /// The end that this verdict is, if it is one.
    pub(super) fn end(&self, conditions: Conditions) -> Option<Outcome> {
        match self.verdict.as_str() {
            "passed" => self.settled.then_some(Outcome::Passed),
            "failed" => (self.settled || conditions.fail_fast).then_some(Outcome::Failed),
            "blocked" => conditions.no_hold.then_some(Outcome::Blocked),
            // It stays so until one of the repositories is named.
            "none" if self.has_reason("ambiguous") => Some(Outcome::CannotAsk),
            "none" => self.settled.then_some(Outcome::None),
            _ => None,
        }
    }

    /// The end when the time is over and this is the last verdict.
    pub(super) fn at_limit(&self) -> Outcome {
        match self.verdict.as_str() {
            "blocked" => Outcome::Blocked,
            "none" if !self.has_reason("being_computed") => Outcome::None,
            _ => Outcome::TimeOver,
        }
    }

    /// The verdict in a line: `pending acme/app 5a74..: running buildkite:app`.
    pub(super) fn line(&self) -> String {
        let mut line = self.verdict.clone();
        for part in [self.repo.as_str(), self.sha.as_deref().unwrap_or_default()] {
            if !part.is_empty() {
                line += " ";
                line += part;
            }
        }
        let reasons: Vec<String> = match self.is_unknown() {
            true => Vec::from(["nothing is known of it".to_owned()]),
            false => self.reasons.iter().map(|(why, of)| words(why, of)).collect(),
        };
        for (at, reason) in reasons.iter().enumerate() {
            let _ = write!(line, "{} {reason}", if at == 0 { ":" } else { ";" });
        }
        line
    }

    /// What a user sees of it: a verdict that differs in nothing else is not printed again.
    pub(super) fn is_shown_as(&self, other: &Self) -> bool {
        self.line() == other.line() && self.settled == other.settled
    }
}

/// A reason with the checks that it is about: `running buildkite:app, gitlab:lint`.
fn words(why: &str, of: &[String]) -> String {
    let mut text = why.replace('_', " ");
    if !of.is_empty() {
        let named: Vec<&str> = of.iter().take(NAMED).map(String::as_str).collect();
        text = format!("{text} {}", named.join(", "));
        if of.len() > NAMED {
            let _ = write!(text, " and {} more", of.len() - NAMED);
        }
    }
    text
}

/// The end of a wait.
#[derive(Debug)]
pub(super) struct End {
    pub(super) outcome: Outcome,
    /// The last verdict, if there was one.
    pub(super) seen: Option<Seen>,
    /// Why nothing can be asked.
    pub(super) error: Option<String>,
}

impl End {
    /// The end without a verdict.
    pub(super) fn cannot_ask(error: String) -> Self {
        Self { outcome: Outcome::CannotAsk, seen: None, error: Some(error) }
    }

    /// The end with a verdict.
    pub(super) fn with(outcome: Outcome, seen: Seen) -> Self {
        let error = (outcome == Outcome::CannotAsk)
            .then(|| format!("several repositories have this commit, name one with --repo: {}", seen.line()));
        Self { outcome, seen: Some(seen), error }
    }

    /// The result as one JSON object: the last verdict as the API has it, with `result` and `exit`.
    pub(super) fn json(&self) -> Value {
        let mut json = match &self.seen {
            Some(seen) => seen.json.clone(),
            None => json!({"verdict": null}),
        };
        json["result"] = self.outcome.name().into();
        json["exit"] = self.outcome.status().into();
        if let Some(error) = &self.error {
            json["error"] = error.as_str().into();
        }
        json
    }

    /// The result in a line; `None` if nothing could be asked.
    pub(super) fn line(&self) -> Option<String> {
        let seen = self.seen.as_ref().filter(|_| self.outcome != Outcome::CannotAsk)?;
        let over = if self.outcome == Outcome::TimeOver { "time over, " } else { "" };
        Some(format!("{over}{}", seen.line()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(verdict: &str, settled: bool, why: &str) -> Seen {
        let reasons = if why.is_empty() { json!([]) } else { json!([{"why": why, "of": ["gitlab:a", "gitlab:b"]}]) };
        let json = json!({
            "host": "h", "repo": "acme/app", "sha": "abcd", "verdict": verdict, "reasons": reasons,
            "settled": settled, "version": "1", "counts": {},
        });
        Seen::read(json).unwrap_or_else(|| panic!("{verdict}"))
    }

    #[test]
    fn each_verdict_has_its_exit_status() {
        let hasty = Conditions { fail_fast: true, no_hold: true };
        for (verdict, settled, why, end, hasty_end, at_limit) in [
            ("passed", true, "", Some(0), Some(0), 3),
            ("passed", false, "", None, None, 3),
            ("failed", true, "failed", Some(1), Some(1), 3),
            ("failed", false, "failed", None, Some(1), 3),
            ("pending", false, "running", None, None, 3),
            ("none", true, "", Some(4), Some(4), 4),
            ("none", true, "superseded", Some(4), Some(4), 4),
            ("none", false, "", None, None, 4),
            ("none", false, "being_computed", None, None, 3),
            ("none", false, "ambiguous", Some(5), Some(5), 4),
            ("blocked", true, "held", None, Some(6), 6),
            ("blocked", false, "held", None, Some(6), 6),
        ] {
            let seen = seen(verdict, settled, why);
            let status = |conditions| seen.end(conditions).map(Outcome::status);
            let found = (status(Conditions::default()), status(hasty), seen.at_limit().status());
            assert_eq!(found, (end, hasty_end, at_limit), "{verdict} {settled} {why}");
        }
    }

    #[test]
    fn other_json_is_no_verdict() {
        let good = seen("pending", false, "running").json;
        assert!(Seen::read(good.clone()).is_some());
        for name in ["verdict", "reasons", "settled", "version", "repo"] {
            let mut bad = good.clone();
            bad[name] = json!({"x": 1});
            assert_eq!(Seen::read(bad), None, "{name}");
        }
        for bad in [json!(null), json!([]), json!({}), json!("passed"), json!({"verdict": "passed"})] {
            assert_eq!(Seen::read(bad.clone()), None, "{bad}");
        }
        let mut unknown = good;
        unknown["verdict"] = json!("fine");
        assert_eq!(Seen::read(unknown), None);
    }

    #[test]
    fn lines_say_what_and_why() {
        let pending = seen("pending", false, "being_computed");
        assert_eq!(pending.line(), "pending acme/app abcd: being computed gitlab:a, gitlab:b");
        assert_eq!(seen("passed", true, "").line(), "passed acme/app abcd");
        let many: Vec<String> = (0..25).map(|number| format!("c{number}")).collect();
        assert!(words("failed", &many).ends_with("c19 and 5 more"));
        let mut unknown = seen("none", false, "").json;
        (unknown["version"], unknown["repo"]) = (json!("0"), json!(""));
        let unknown = Seen::read(unknown).unwrap_or_else(|| panic!("a verdict"));
        assert_eq!(unknown.line(), "none abcd: nothing is known of it");

        let end = End::with(Outcome::TimeOver, pending.clone());
        assert_eq!(end.line().as_deref(), Some("time over, pending acme/app abcd: being computed gitlab:a, gitlab:b"));
        assert_eq!((&end.json()["exit"], &end.json()["result"]), (&json!(3), &json!("time_over")));
        let end = End::with(Outcome::CannotAsk, pending);
        assert!(end.line().is_none() && end.json()["error"].is_string());
        assert_eq!(End::cannot_ask("x".to_owned()).json()["verdict"], Value::Null);
    }
}
