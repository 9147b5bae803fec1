//! `metadata` of any object: who it is, and its labels and annotations.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::envelope::field::{Bounded, Name, owned};
use crate::envelope::lenient::{self, Each, Optional};
use crate::envelope::time;
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
    #[serde(default, deserialize_with = "time::detail")]
    pub(super) deletion_timestamp: Option<Timestamp>,
    #[serde(default, borrow)]
    labels: Optional<Marks<'a>>,
    #[serde(default, borrow)]
    annotations: Optional<Marks<'a>>,
    #[serde(default, borrow)]
    owner_references: Each<Owner<'a>>,
}

/// One of `metadata.ownerReferences`.
#[derive(Deserialize)]
struct Owner<'a> {
    #[serde(borrow)]
    kind: Option<Name<'a>>,
    name: Option<Name<'a>>,
}

/// Labels or annotations. Values are read when asked for: a run carries fifty of them, most of no interest.
#[derive(Debug, Default)]
pub(super) struct Marks<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

/// Those of an object that has none, or none that can be read.
static NONE: Marks<'static> = Marks(Vec::new());

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
    /// The value under a key, `None` if missing, `null` or empty, or no string: marks are details.
    pub(super) fn get<const MAX: usize>(&self, key: &str) -> Option<Bounded<'a, MAX>> {
        let at = self.0.binary_search_by(|(name, _)| (**name).cmp(key)).ok()?;
        lenient::read(self.0[at].1).filter(|value: &Bounded<'_, MAX>| value.filled().is_some())
    }

    /// [`Marks::get`] for names, owned.
    pub(super) fn name(&self, key: &str) -> Option<String> {
        Some(self.get::<1024>(key)?.as_str().to_owned())
    }

    /// The entries whose keys are under none of the given prefixes. What is no string that can be kept is left out.
    pub(super) fn rest(&self, prefixes: &[&str]) -> BTreeMap<String, String> {
        self.0
            .iter()
            .filter(|(key, _)| !prefixes.iter().any(|prefix| key.starts_with(prefix)))
            .filter(|(key, _)| Name::new(Cow::Borrowed(key)).is_ok())
            .filter_map(|(key, raw)| {
                let value: Name<'_> = lenient::read(raw)?;
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
impl<'a> Metadata<'a> {
    pub(super) fn labels(&self) -> &Marks<'a> {
        self.labels.as_ref().unwrap_or(&NONE)
    }

    pub(super) fn annotations(&self) -> &Marks<'a> {
        self.annotations.as_ref().unwrap_or(&NONE)
    }

    /// A mark of Pipelines as Code: annotations first (labels are mangled: `/` becomes `-`, and only the last 62
    /// characters are kept, pipelines-as-code `pkg/formatting/k8labels.go`), under the name that fits a build or not.
    pub(super) fn pac(&self, build: bool, mark: &str) -> Option<String> {
        Self::pac_in(self.annotations(), build, mark).or_else(|| Self::pac_in(self.labels(), build, mark))
    }

    fn pac_in(marks: &Marks<'_>, build: bool, mark: &str) -> Option<String> {
        let prefixes = if build { [BUILD, FOLLOWING] } else { [FOLLOWING, BUILD] };
        prefixes.iter().find_map(|prefix| marks.name(&format!("{prefix}/{mark}")))
    }

    /// A value of the annotation, else of the label.
    pub(super) fn either(&self, key: &str) -> Option<String> {
        self.annotations().name(key).or_else(|| self.labels().name(key))
    }

    /// The commit, as far as marks tell.
    pub(super) fn sha(&self, build: bool) -> Option<String> {
        self.pac(build, "sha").or_else(|| self.either("build.appstudio.redhat.com/commit_sha"))
    }

    /// The number of the merge request, as far as marks tell; of a run of a merge queue, that of the one which is queued.
    pub(super) fn mr_iid(&self, build: bool) -> Option<i64> {
        let number = self.pac(build, "pull-request");
        let number = number.or_else(|| self.either("build.appstudio.redhat.com/pull_request_number"));
        let told = number.and_then(|number| number.trim().parse().ok()).filter(|number| *number > 0);
        let queued = |branch: Option<String>| branch.as_deref().and_then(rules::queued);
        told.or_else(|| queued(self.target_branch(build))).or_else(|| queued(self.source_branch(build)))
    }

    /// The address of the project: of an annotation that has it.
    fn project_url(&self, build: bool) -> Option<String> {
        let annotations = self.annotations();
        let is_url = |url: &String| rules::project_of(url).is_some();
        let url = Self::pac_in(annotations, build, "repo-url").filter(is_url);
        url.or_else(|| annotations.name("build.appstudio.openshift.io/repo").filter(is_url))
    }

    /// The path of the project: of an annotation with a URL, else with organisation and repository, else of the mangled
    /// labels, which are right for names without `/`.
    pub(super) fn project(&self, build: bool) -> Option<String> {
        let annotations = self.annotations();
        let parts = |org: Option<String>, repository: Option<String>| Some(format!("{}/{}", org?, repository?));
        let by_url = Self::pac_in(annotations, build, "repo-url").and_then(|url| rules::project_of(&url));
        let mark = |mark| Self::pac_in(annotations, build, mark);
        by_url
            .or_else(|| parts(mark("url-org"), mark("url-repository")))
            .or_else(|| rules::project_of(&annotations.name("build.appstudio.openshift.io/repo")?))
            .or_else(|| parts(self.pac(build, "url-org"), self.pac(build, "url-repository")))
    }

    /// The host of the project.
    pub(super) fn host(&self, build: bool) -> Option<String> {
        let url = self.project_url(build).or_else(|| self.annotations().name("git-provider-url"));
        url.and_then(|url| rules::host_of(&url))
    }

    /// The branch that the change goes to.
    pub(super) fn target_branch(&self, build: bool) -> Option<String> {
        let annotations = self.annotations();
        let told = Self::pac_in(annotations, build, "branch");
        let told = told.or_else(|| annotations.name("build.appstudio.redhat.com/target_branch"));
        told.map(|branch| rules::branch(&branch)).or_else(|| self.branch_of_label(build, "branch"))
    }

    /// The branch that the change comes from.
    pub(super) fn source_branch(&self, build: bool) -> Option<String> {
        let told = Self::pac_in(self.annotations(), build, "source-branch");
        told.map(|branch| rules::branch(&branch)).or_else(|| self.branch_of_label(build, "source-branch"))
    }

    fn branch_of_label(&self, build: bool, mark: &str) -> Option<String> {
        Self::pac_in(self.labels(), build, mark).map(|branch| rules::branch_of_label(&branch))
    }

    /// The name of the first owner of a kind.
    pub(super) fn owner(&self, kind: &str) -> Option<String> {
        let owner = self.owner_references.0.iter();
        let mut owner = owner.filter(|owner| owner.kind.as_ref().is_some_and(|found| found.as_str() == kind));
        owned(owner.next()?.name.as_ref())
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
        self.labels().rest(&KNOWN)
    }
}
