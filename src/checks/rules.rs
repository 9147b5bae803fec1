//! Rules of verdicts: which checks are required, optional or ignored, and how long to wait. From the document
//! `VERDICTS` (TOML); the first rule that fits the repository and the branch of a commit decides, and without one the
//! defaults.

use jiff::SignedDuration;
use serde::{Deserialize, Deserializer};
use wildmatch::WildMatch;

use crate::platform::environment::{self, Lookup};

/// A pattern for text: `*` stands for any text, `?` for any character.
#[derive(Clone, Debug, Deserialize)]
#[serde(from = "String")]
pub struct Pattern {
    text: String,
    matcher: WildMatch,
}

impl Pattern {
    /// Whether a text fits.
    #[must_use]
    pub fn fits(&self, text: &str) -> bool {
        self.matcher.matches(text)
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl From<String> for Pattern {
    fn from(text: String) -> Self {
        Self { matcher: WildMatch::new(&text), text }
    }
}

/// The rules of one verdict. Checks are named as `SYSTEM:NAME`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// Repositories that the rule is for, as `HOST/PATH`; empty for all.
    pub repositories: Vec<Pattern>,
    /// Branches that it is for; empty for all. A commit of a merge request is of the branch that it is to be merged
    /// into.
    pub branches: Vec<Pattern>,
    /// Each of these patterns needs a check.
    pub required: Vec<Pattern>,
    /// Checks that are shown and do not count, beside those that are optional by themselves.
    pub optional: Vec<Pattern>,
    /// Checks that are left out.
    pub ignored: Vec<Pattern>,
    /// Whether a skipped check satisfies a required pattern.
    pub skipped: bool,
    /// How long nothing may have changed before a commit has passed.
    #[serde(deserialize_with = "duration")]
    pub settle: SignedDuration,
    /// How long after the push a required check counts as missing.
    #[serde(deserialize_with = "duration")]
    pub missing_after: SignedDuration,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            repositories: Vec::new(),
            branches: Vec::new(),
            required: Vec::new(),
            optional: Vec::new(),
            ignored: Vec::new(),
            skipped: true,
            settle: SignedDuration::from_secs(90),
            missing_after: SignedDuration::from_hours(2),
        }
    }
}

/// A duration as `90s`, `2h` or `1h 30m`.
fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SignedDuration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let parsed = text.parse::<SignedDuration>().ok().filter(|duration| !duration.is_negative());
    parsed.ok_or_else(|| serde::de::Error::custom(format!("{text}: expected a duration, such as `90s` or `2h`")))
}

/// The document `VERDICTS`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdicts {
    #[serde(default)]
    rule: Vec<Rules>,
}

/// Why a document cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// The file cannot be read.
    #[error("VERDICTS: cannot read {path}")]
    File {
        /// Which file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// It is no TOML, has an unknown member, or an invalid value.
    #[error("VERDICTS: line {line}: {what}")]
    Line {
        /// Line of the document, from 1.
        line: usize,
        /// What is wrong there.
        what: String,
    },
}

/// The document that the variable `VERDICTS` holds or names; `None` if it is not set.
///
/// # Errors
/// When it cannot be read, or is invalid.
pub fn document(lookup: Lookup<'_>) -> Result<Option<String>, RulesError> {
    let text = environment::document(lookup, "VERDICTS");
    let text = text.map_err(|(path, source)| RulesError::File { path, source })?;
    if let Some(text) = &text {
        Verdicts::parse(text)?;
    }
    Ok(text)
}

impl Verdicts {
    /// Reads the document.
    ///
    /// # Errors
    /// When it is no TOML, or has an unknown member or an invalid value; with the line.
    pub fn parse(text: &str) -> Result<Self, RulesError> {
        toml::from_str(text).map_err(|error| {
            let before = error.span().map_or(0, |span| span.start.min(text.len()));
            RulesError::Line { line: 1 + text[..before].matches('\n').count(), what: error.message().to_owned() }
        })
    }

    /// The rules for a commit: of the first rule that fits.
    #[must_use]
    pub fn of(&self, host: &str, repo: &str, branch: Option<&str>) -> Rules {
        let path = format!("{host}/{repo}");
        let has = |patterns: &[Pattern], text: &str| patterns.is_empty() || patterns.iter().any(|p| p.fits(text));
        let fits = |rule: &&Rules| has(&rule.repositories, &path) && has(&rule.branches, branch.unwrap_or_default());
        self.rule.iter().find(fits).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_fits_decides() {
        let document = "[[rule]]\nrepositories = ['*/acme/app']\nbranches = ['main', 'release-*']\n\
                        required = ['gitlab:build/*']\nsettle = '10s'\n\n[[rule]]\nmissing_after = '1h 30m'\n";
        let verdicts = Verdicts::parse(document).unwrap();
        let settle = |host, repo, branch| verdicts.of(host, repo, branch).settle.as_secs();
        assert_eq!(settle("gitlab.com", "acme/app", Some("release-1")), 10);
        assert_eq!(settle("gitlab.com", "acme/app", Some("topic")), 90);
        assert_eq!(settle("gitlab.com", "acme/other", Some("main")), 90);
        assert_eq!(verdicts.of("", "", None).missing_after, SignedDuration::from_mins(90));
        assert_eq!(Verdicts::default().of("", "", None), Rules::default());
    }

    fn document_of(text: &str) -> Result<Option<String>, RulesError> {
        document(&|name| (name == "VERDICTS").then(|| text.to_owned()))
    }

    #[test]
    fn errors_name_the_line() {
        assert!(document_of("/no/such/file").unwrap_err().to_string().contains("/no/such/file"));
        for (document, line, what) in [
            ("[[rule]]\nrequired = ['a']\nsettle = 'soon'\n", 3, "soon: expected a duration"),
            ("[[rule]]\n\n[[rule]]\nneeded = ['a']\n", 4, "unknown field `needed`"),
            ("[[rule]\n", 1, ""),
            ("[[rule]]\nsettle = '-1s'", 2, "expected a duration"),
        ] {
            let error = document_of(document).unwrap_err().to_string();
            assert!(error.starts_with(&format!("VERDICTS: line {line}: ")) && error.contains(what), "{error}");
        }
    }
}
