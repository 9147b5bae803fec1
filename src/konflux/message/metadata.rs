//! `metadata` of any object: who it is, and its labels and annotations.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::envelope::field::{Bounded, Name};
use crate::envelope::{Refusal, time};
use crate::konflux::rules;
use crate::sorted;

/// `metadata`, as far as it is kept.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Metadata<'a> {
    #[serde(borrow)]
    pub(super) name: Name<'a>,
    pub(super) namespace: Option<Name<'a>>,
    pub(super) uid: Option<Name<'a>>,
    pub(super) resource_version: Option<Name<'a>>,
    #[serde(default, deserialize_with = "time::optional")]
    pub(super) creation_timestamp: Option<Timestamp>,
    #[serde(default, deserialize_with = "time::optional")]
    pub(super) deletion_timestamp: Option<Timestamp>,
    #[serde(default, borrow)]
    pub(super) labels: Marks<'a>,
    #[serde(default, borrow)]
    pub(super) annotations: Marks<'a>,
    #[serde(borrow)]
    pub(super) owner_references: Option<Vec<Owner<'a>>>,
}

/// One of `metadata.ownerReferences`.
#[derive(Deserialize)]
pub(super) struct Owner<'a> {
    #[serde(borrow)]
    pub(super) kind: Option<Name<'a>>,
    pub(super) name: Option<Name<'a>>,
}

/// Labels or annotations. Values are read when asked for: a run carries fifty of them, most of no interest.
#[derive(Default)]
pub(super) struct Marks<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Marks<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;

        #[derive(Deserialize)]
        struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

        impl<'de> Visitor<'de> for Entries {
            type Value = Marks<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object of strings")
            }

            fn visit_unit<E>(self) -> Result<Marks<'de>, E> {
                Ok(Marks::default())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Marks<'de>, A::Error> {
                let mut entries = Vec::with_capacity(32);
                while let Some(key) = map.next_key::<Key<'de>>()? {
                    entries.push((key.0, map.next_value()?));
                }
                // Kubernetes writes maps in order of their keys; other writers need not.
                if !entries.is_sorted_by(|(a, _), (b, _)| a <= b) {
                    sorted::by(&mut entries, |(a, _), (b, _)| a.cmp(b));
                }
                Ok(Marks(entries))
            }
        }

        deserializer.deserialize_any(Entries)
    }
}

impl<'a> Marks<'a> {
    /// The value under a key, `None` if missing, `null` or empty.
    ///
    /// # Errors
    /// A refusal that names the key when the value is no string that can be kept.
    pub(super) fn get<const MAX: usize>(&self, key: &str) -> Result<Option<Bounded<'a, MAX>>, Refusal> {
        let Ok(at) = self.0.binary_search_by(|(name, _)| (**name).cmp(key)) else { return Ok(None) };
        let value: Option<Bounded<'a, MAX>> = serde_json::from_str(self.0[at].1.get())
            .map_err(|error| Refusal::new("bad-field", format!("metadata label or annotation {key}: {error}")))?;
        Ok(value.filter(|value| value.filled().is_some()))
    }

    /// [`Marks::get`] for names, owned.
    pub(super) fn name(&self, key: &str) -> Result<Option<String>, Refusal> {
        Ok(self.get::<1024>(key)?.map(|value| value.as_str().to_owned()))
    }

    /// The entries whose keys are under none of the given prefixes. What is no string that can be kept is left out.
    pub(super) fn rest(&self, prefixes: &[&str]) -> BTreeMap<String, String> {
        self.0
            .iter()
            .filter(|(key, _)| !prefixes.iter().any(|prefix| key.starts_with(prefix)))
            .filter(|(key, _)| Name::new(Cow::Borrowed(key)).is_ok())
            .filter_map(|(key, raw)| {
                let value: Name<'_> = serde_json::from_str(raw.get()).ok()?;
                Some((key.to_string(), value.as_str().to_owned()))
            })
            .collect()
    }
}

/// Pipelines as Code marks builds under its own name, and integration-service copies the marks to what
/// follows (Snapshots, tests, Releases) under its own.
const BUILD: &str = "pipelinesascode.tekton.dev";
const FOLLOWING: &str = "pac.test.appstudio.openshift.io";

/// Labels and annotations together, read by precedence.
impl Metadata<'_> {
    /// A mark of Pipelines as Code: annotations first (labels are mangled: `/` becomes `-`, and only the last 62
    /// characters are kept, pipelines-as-code `pkg/formatting/k8labels.go`), under the name that fits a build or not.
    pub(super) fn pac(&self, build: bool, mark: &str) -> Result<Option<String>, Refusal> {
        let found = Self::pac_in(&self.annotations, build, mark)?;
        found.map_or_else(|| Self::pac_in(&self.labels, build, mark), |found| Ok(Some(found)))
    }

    fn pac_in(marks: &Marks<'_>, build: bool, mark: &str) -> Result<Option<String>, Refusal> {
        let prefixes = if build { [BUILD, FOLLOWING] } else { [FOLLOWING, BUILD] };
        for prefix in prefixes {
            if let Some(found) = marks.name(&format!("{prefix}/{mark}"))? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// A value of the annotation, else of the label.
    pub(super) fn either(&self, key: &str) -> Result<Option<String>, Refusal> {
        self.annotations.name(key)?.map_or_else(|| self.labels.name(key), |value| Ok(Some(value)))
    }

    /// The commit, as far as marks tell.
    pub(super) fn sha(&self, build: bool) -> Result<Option<String>, Refusal> {
        match self.pac(build, "sha")? {
            Some(sha) => Ok(Some(sha)),
            None => self.either("build.appstudio.redhat.com/commit_sha"),
        }
    }

    /// The number of the merge request, as far as marks tell.
    pub(super) fn mr_iid(&self, build: bool) -> Result<Option<i64>, Refusal> {
        let number = match self.pac(build, "pull-request")? {
            Some(number) => Some(number),
            None => self.either("build.appstudio.redhat.com/pull_request_number")?,
        };
        Ok(number.and_then(|number| number.trim().parse().ok()).filter(|number| *number > 0))
    }

    /// The path of the project: of an annotation with a URL, else with organisation and repository, else of the mangled
    /// labels, which are right for names without `/`.
    pub(super) fn project(&self, build: bool) -> Result<Option<String>, Refusal> {
        if let Some(project) =
            Self::pac_in(&self.annotations, build, "repo-url")?.and_then(|url| rules::project_of(&url))
        {
            return Ok(Some(project));
        }
        let parts = (
            Self::pac_in(&self.annotations, build, "url-org")?,
            Self::pac_in(&self.annotations, build, "url-repository")?,
        );
        if let (Some(org), Some(repository)) = parts {
            return Ok(Some(format!("{org}/{repository}")));
        }
        let repo = self.annotations.name("build.appstudio.openshift.io/repo")?;
        if let Some(project) = repo.and_then(|url| rules::project_of(&url)) {
            return Ok(Some(project));
        }
        match (self.pac(build, "url-org")?, self.pac(build, "url-repository")?) {
            (Some(org), Some(repository)) => Ok(Some(format!("{org}/{repository}"))),
            _ => Ok(None),
        }
    }

    /// The branch that the change goes to.
    pub(super) fn target_branch(&self, build: bool) -> Result<Option<String>, Refusal> {
        let branch = match Self::pac_in(&self.annotations, build, "branch")? {
            Some(branch) => Some(branch),
            None => self.annotations.name("build.appstudio.redhat.com/target_branch")?,
        };
        let branch = branch.map_or_else(|| self.pac(build, "branch"), |branch| Ok(Some(branch)))?;
        Ok(branch.map(|branch| rules::branch(&branch)))
    }

    /// The name of the first owner of a kind.
    pub(super) fn owner(&self, kind: &str) -> Option<String> {
        let owners = self.owner_references.as_deref().unwrap_or_default();
        let owner = owners.iter().find(|owner| owner.kind.as_ref().is_some_and(|found| found.as_str() == kind))?;
        crate::envelope::field::owned(owner.name.as_ref())
    }

    /// Labels that no column has.
    pub(super) fn other_labels(&self) -> BTreeMap<String, String> {
        const KNOWN: [&str; 7] = [
            BUILD,
            FOLLOWING,
            "appstudio.openshift.io/",
            "pipelines.appstudio.openshift.io/",
            "release.appstudio.openshift.io/name",
            "test.appstudio.openshift.io/scenario",
            "tekton.dev/pipeline",
        ];
        self.labels.rest(&KNOWN)
    }
}
