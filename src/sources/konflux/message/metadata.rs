//! Decodes `metadata` of any object: identity, labels and annotations.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::sources::konflux::rules;
use crate::transport::field::{Bounded, Name, owned};
use crate::transport::lenient::{self, Each, Optional};
use crate::transport::time;

/// The members of `metadata` that are used.
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

/// Labels or annotations. Values are decoded on access, because a run has about fifty of which few are used.
#[derive(Debug, Default)]
pub(super) struct Marks<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

/// Labels or annotations of an object without any, or with invalid ones.
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
                    entries.sort_by(|(a, _), (b, _)| a.cmp(b));
                }
                Ok(Marks(entries))
            }
        }

        deserializer.deserialize_any(Entries)
    }
}

impl<'a> Marks<'a> {
    /// The value of a key; `None` if it is missing, `null`, empty or no string.
    pub(super) fn get<const MAX: usize>(&self, key: &str) -> Option<Bounded<'a, MAX>> {
        let at = self.0.binary_search_by(|(name, _)| (**name).cmp(key)).ok()?;
        lenient::read(self.0[at].1).filter(|value: &Bounded<'_, MAX>| value.filled().is_some())
    }

    /// [`Marks::get`] for names, owned.
    pub(super) fn name(&self, key: &str) -> Option<String> {
        Some(self.get::<1024>(key)?.as_str().to_owned())
    }

    /// The entries whose keys have none of the given prefixes. A value that is no string or cannot be stored is left
    /// out.
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

/// Prefix of the labels and annotations that Pipelines as Code sets on builds. Integration-service copies them to the
/// objects that follow (Snapshots, tests, Releases) with the prefix [`FOLLOWING`].
const BUILD: &str = "pipelinesascode.tekton.dev";
const FOLLOWING: &str = "pac.test.appstudio.openshift.io";

/// Access to labels and annotations together, in order of precedence.
impl<'a> Metadata<'a> {
    pub(super) fn labels(&self) -> &Marks<'a> {
        self.labels.as_ref().unwrap_or(&NONE)
    }

    pub(super) fn annotations(&self) -> &Marks<'a> {
        self.annotations.as_ref().unwrap_or(&NONE)
    }

    /// A label or annotation of Pipelines as Code, with the prefix for a build or for the objects that follow.
    /// Annotations come first, because labels are changed: `/` becomes `-`, and only the last 62 characters are kept
    /// (pipelines-as-code `pkg/formatting/k8labels.go`).
    pub(super) fn pac(&self, build: bool, mark: &str) -> Option<String> {
        Self::pac_in(self.annotations(), build, mark).or_else(|| Self::pac_in(self.labels(), build, mark))
    }

    fn pac_in(marks: &Marks<'_>, build: bool, mark: &str) -> Option<String> {
        let prefixes = if build { [BUILD, FOLLOWING] } else { [FOLLOWING, BUILD] };
        prefixes.iter().find_map(|prefix| marks.name(&format!("{prefix}/{mark}")))
    }

    /// The value of the annotation, else of the label.
    pub(super) fn either(&self, key: &str) -> Option<String> {
        self.annotations().name(key).or_else(|| self.labels().name(key))
    }

    /// The commit in labels and annotations.
    pub(super) fn sha(&self, build: bool) -> Option<String> {
        self.pac(build, "sha").or_else(|| self.either("build.appstudio.redhat.com/commit_sha"))
    }

    /// The number of the merge request in labels and annotations. For a run of a merge queue, the number in its branch.
    pub(super) fn mr_iid(&self, build: bool) -> Option<i64> {
        let number = self.pac(build, "pull-request");
        let number = number.or_else(|| self.either("build.appstudio.redhat.com/pull_request_number"));
        let marked = number.and_then(|number| number.trim().parse().ok()).filter(|number| *number > 0);
        let queued = |branch: Option<String>| branch.as_deref().and_then(rules::queued);
        marked.or_else(|| queued(self.target_branch(build))).or_else(|| queued(self.source_branch(build)))
    }

    /// The URL of the project in an annotation.
    fn project_url(&self, build: bool) -> Option<String> {
        let annotations = self.annotations();
        let is_url = |url: &String| rules::project_of(url).is_some();
        let url = Self::pac_in(annotations, build, "repo-url").filter(is_url);
        url.or_else(|| annotations.name("build.appstudio.openshift.io/repo").filter(is_url))
    }

    /// The path of the project: from an annotation with a URL, else from annotations with organisation and repository,
    /// else from the labels, which are correct for names without `/`.
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

    /// The target branch of the change.
    pub(super) fn target_branch(&self, build: bool) -> Option<String> {
        let annotations = self.annotations();
        let annotated = Self::pac_in(annotations, build, "branch");
        let annotated = annotated.or_else(|| annotations.name("build.appstudio.redhat.com/target_branch"));
        annotated.map(|branch| rules::branch(&branch)).or_else(|| self.branch_of_label(build, "branch"))
    }

    /// The source branch of the change.
    pub(super) fn source_branch(&self, build: bool) -> Option<String> {
        let annotated = Self::pac_in(self.annotations(), build, "source-branch");
        annotated.map(|branch| rules::branch(&branch)).or_else(|| self.branch_of_label(build, "source-branch"))
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

    /// Labels without a column of their own.
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
