//! The path under which the rows of a project are stored: its current path. Pure.
//!
//! A project is identified by its host and number. Its path can be renamed, transferred, and reused by another project,
//! and each message has the path at its time. The latest path counts, by times from GitLab itself. If two projects have
//! the same path, the one on the host that is configured first keeps it; on one host, the one with the latest time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

/// Host and number of a project. Claims of hooks about a project itself, which have no host, are kept under an empty
/// host.
pub(super) type Id = (String, i64);

/// The host of a project as long as no message has named it.
pub(super) const UNKNOWN: &str = "?";

/// The statement of a message about the path of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    /// Host; hooks about the project itself do not have it.
    pub(super) host: Option<String>,
    /// Number.
    pub(super) project_id: i64,
    /// The path.
    pub(super) path: String,
    /// When the project had this path.
    pub(super) said_at: Timestamp,
    /// 1 for a hook about the project itself, 0 for a message about an object in it.
    pub(super) rank: i16,
    /// Previous path.
    pub(super) before: Option<String>,
}

/// What is known of a project.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// The paths of the project, each with the latest time and its rank.
    pub(super) paths: BTreeMap<String, (Timestamp, i16)>,
    /// The current path.
    pub(super) current: Option<String>,
    /// Whether the rows under the current path are of this project.
    pub(super) is_owner: bool,
}

impl Known {
    fn latest(&self) -> Option<(&str, (Timestamp, i16))> {
        let latest = self.paths.iter().max_by_key(|(path, latest)| (**latest, path.as_str()));
        latest.map(|(path, latest)| (path.as_str(), *latest))
    }

    /// Adds a path, or a later time of a known path.
    fn add(&mut self, path: &str, claimed: (Timestamp, i16)) {
        let known = self.paths.entry(path.to_owned()).or_insert(claimed);
        *known = claimed.max(*known);
    }
}

/// Where records of a project are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Location {
    /// Under this path.
    Path(String),
    /// Another project has its path: the rows are kept in the table `replaced`.
    Replaced,
}

/// The result of [`Locations::settle`].
#[derive(Clone, Debug, Default)]
pub(super) struct Settled {
    /// Projects that are new, or whose location changed.
    pub(super) moved: BTreeSet<Id>,
    /// Projects whose host was unknown, each with the project that it is.
    pub(super) named: Vec<(Id, Id)>,
}

/// The projects that a batch names, and the projects that had or have one of their paths.
#[derive(Clone, Debug, Default)]
pub(super) struct Locations {
    /// By project.
    pub(super) projects: BTreeMap<Id, Known>,
}

impl Locations {
    /// The project of a record: by its number, or by its path if the record has no number.
    pub(super) fn project_of(
        &self,
        host: Option<&str>,
        project_id: Option<i64>,
        path: &str,
        hosts: &[String],
    ) -> Option<Id> {
        let fits = |id: &Id| !id.0.is_empty() && host.is_none_or(|host| host == id.0);
        if let Some(number) = project_id {
            if let Some(host) = host {
                return Some((host.to_owned(), number));
            }
            let of_number = || self.projects.iter().filter(move |((host, id), _)| !host.is_empty() && *id == number);
            let by_path = of_number().filter(|(_, known)| known.paths.contains_key(path)).map(|(id, _)| id);
            let configured = || of_number().map(|(id, _)| id).find(|id| Some(&id.0) == hosts.first());
            let known = by_path.min_by_key(|id| order_of(&id.0, hosts)).or_else(configured);
            return Some(known.cloned().unwrap_or_else(|| (UNKNOWN.to_owned(), number)));
        }
        let of_path = self.projects.iter().filter(|(id, known)| fits(id) && known.paths.contains_key(path));
        // The present owner of the path comes before former ones.
        let best = |(id, known): &(&Id, &Known)| {
            (
                known.is_owner && known.current.as_deref() == Some(path),
                Reverse(order_of(&id.0, hosts)),
                known.paths[path],
                id.1,
            )
        };
        of_path.max_by_key(best).map(|(id, _)| id.clone())
    }

    /// Whether a claim agrees with the stored location, so that no row has to move.
    pub(super) fn is_settled(&self, claim: &Claim, hosts: &[String]) -> bool {
        let id = self.project_of(claim.host.as_deref(), Some(claim.project_id), &claim.path, hosts);
        let known = id.and_then(|id| self.projects.get(&id));
        claim.rank == 0 && known.is_some_and(|known| known.is_owner && known.current.as_deref() == Some(&*claim.path))
    }

    /// The location of a project. `None` for an unknown project, whose records stay under the path of their message.
    pub(super) fn location(&self, id: &Id) -> Option<Location> {
        let known = self.projects.get(id)?;
        match &known.current {
            Some(path) if known.is_owner => Some(Location::Path(path.clone())),
            _ => Some(Location::Replaced),
        }
    }

    /// Adds claims, and returns which projects moved. `rows` has the paths and the latest times of the stored rows of
    /// each project, which can be newer than the stored time of its path.
    pub(super) fn settle(
        &mut self,
        claims: &[Claim],
        rows: &BTreeMap<Id, Vec<(String, Timestamp)>>,
        hosts: &[String],
    ) -> Settled {
        for (id, rows) in rows {
            let known = self.projects.entry(id.clone()).or_default();
            let latest = rows.iter().map(|(_, at)| *at).max();
            match (known.current.clone(), latest) {
                // All rows of a project are under its current path.
                (Some(path), Some(at)) => known.add(&path, (at, 0)),
                (None, _) => rows.iter().for_each(|(path, at)| known.add(path, (*at, 0))),
                (Some(_), None) => {}
            }
        }
        for claim in claims {
            let id = match &claim.host {
                Some(host) => (host.clone(), claim.project_id),
                None if claim.rank > 0 => (String::new(), claim.project_id),
                None => match self.project_of(None, Some(claim.project_id), &claim.path, hosts) {
                    Some(id) => id,
                    None => continue,
                },
            };
            let known = self.projects.entry(id).or_default();
            if let Some(before) = &claim.before {
                known.add(before, (Timestamp::UNIX_EPOCH, 0));
            }
            known.add(&claim.path, (claim.said_at, claim.rank));
        }
        self.share_hostless_paths();
        let named = self.name_hosts(hosts);
        let mut moved = self.choose(hosts);
        moved.extend(named.iter().map(|(_, id)| id.clone()));
        Settled { moved, named }
    }

    /// Finds the hosts of projects without one: such a project is the project with the same number on a known host, if
    /// they share a path or if that host is configured first.
    fn name_hosts(&mut self, hosts: &[String]) -> Vec<(Id, Id)> {
        let unknown: Vec<Id> = self.projects.keys().filter(|id| id.0 == UNKNOWN).cloned().collect();
        let mut named = Vec::new();
        for id in unknown {
            let hostless = self.projects[&id].clone();
            let is_it = |(other, known): &(&Id, &Known)| {
                let shares = || hostless.paths.keys().any(|path| known.paths.contains_key(path));
                let is_named = !other.0.is_empty() && other.0 != UNKNOWN;
                is_named && other.1 == id.1 && (Some(&other.0) == hosts.first() || shares())
            };
            let found = self.projects.iter().filter(is_it).map(|(other, _)| other.clone());
            let Some(other) = found.min_by_key(|other| order_of(&other.0, hosts)) else { continue };
            self.projects.remove(&id);
            let known = self.projects.entry(other.clone()).or_default();
            hostless.paths.iter().for_each(|(path, latest)| known.add(path, *latest));
            named.push((id, other));
        }
        named
    }

    /// Claims without a host apply to each project of that number that has or had one of the paths.
    fn share_hostless_paths(&mut self) {
        let hostless: Vec<(i64, Known)> =
            self.projects.iter().filter(|(id, _)| id.0.is_empty()).map(|(id, known)| (id.1, known.clone())).collect();
        for (number, claimed) in hostless {
            let of_number = self.projects.iter_mut().filter(|(id, _)| !id.0.is_empty() && id.1 == number);
            for (_, known) in of_number {
                if claimed.paths.keys().any(|path| known.paths.contains_key(path)) {
                    claimed.paths.iter().for_each(|(path, latest)| known.add(path, *latest));
                }
            }
        }
    }

    /// Sets the current path and the owner of each path; returns the projects whose location changed.
    fn choose(&mut self, hosts: &[String]) -> BTreeSet<Id> {
        let before: BTreeMap<Id, (Option<String>, bool)> =
            self.projects.iter().map(|(id, known)| (id.clone(), (known.current.clone(), known.is_owner))).collect();
        let mut claimants: BTreeMap<String, Vec<(Id, Timestamp)>> = BTreeMap::new();
        for (id, known) in self.projects.iter_mut().filter(|(id, _)| !id.0.is_empty()) {
            let Some((path, (at, _))) = known.latest().map(|(path, latest)| (path.to_owned(), latest)) else {
                continue;
            };
            claimants.entry(path.clone()).or_default().push((id.clone(), at));
            known.current = Some(path);
        }
        let owners: BTreeSet<Id> = claimants.into_values().filter_map(|of_path| owner(of_path, hosts)).collect();
        for (id, known) in self.projects.iter_mut().filter(|(id, _)| !id.0.is_empty()) {
            known.is_owner = owners.contains(id);
        }
        let is_moved = |(id, known): &(&Id, &Known)| {
            before.get(*id).is_none_or(|(current, is_owner)| (current, *is_owner) != (&known.current, known.is_owner))
        };
        self.projects.iter().filter(|(id, _)| !id.0.is_empty()).filter(is_moved).map(|(id, _)| id.clone()).collect()
    }
}

/// Which of several projects keeps the path that they share: by host, then the one with the latest time, then the one
/// with the highest number. A project of an unknown host can be on any host.
fn owner(claimants: Vec<(Id, Timestamp)>, hosts: &[String]) -> Option<Id> {
    let order = |id: &Id| (id.0 != UNKNOWN).then(|| order_of(&id.0, hosts));
    let first = claimants.iter().filter_map(|(id, _)| order(id)).min();
    let best = claimants.into_iter().max_by_key(|(id, at)| (Reverse(order(id).or_else(|| first.clone())), *at, id.1));
    best.map(|(id, _)| id)
}

/// Sort key of a host: configured hosts come first, in their order.
fn order_of(host: &str, hosts: &[String]) -> (usize, String) {
    (hosts.iter().position(|known| known == host).unwrap_or(hosts.len()), host.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("time")
    }

    fn claim(host: Option<&str>, project_id: i64, path: &str, second: i64) -> Claim {
        Claim {
            host: host.map(str::to_owned),
            project_id,
            path: path.to_owned(),
            said_at: at(second),
            rank: 0,
            before: None,
        }
    }

    fn renamed(project_id: i64, before: &str, path: &str, second: i64) -> Claim {
        Claim { rank: 1, before: Some(before.to_owned()), ..claim(None, project_id, path, second) }
    }

    fn settled(claims: &[Claim]) -> String {
        let mut locations = Locations::default();
        for claim in claims {
            locations.settle(std::slice::from_ref(claim), &BTreeMap::new(), &["first.example".to_owned()]);
        }
        let of = |(id, known): (&Id, &Known)| {
            format!("{}:{} {} {}", id.0, id.1, known.current.as_deref().unwrap_or_default(), known.is_owner)
        };
        locations.projects.iter().filter(|(id, _)| !id.0.is_empty()).map(of).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn the_latest_path_counts_and_has_one_owner() {
        let a = Some("a.example");
        let first = Some("first.example");
        for (what, claims, expected) in [
            ("renamed", vec![claim(a, 1, "p", 1), claim(a, 1, "q", 2)], "a.example:1 q true"),
            ("and back", vec![claim(a, 1, "p", 1), claim(a, 1, "q", 2), claim(a, 1, "p", 3)], "a.example:1 p true"),
            ("late", vec![claim(a, 1, "q", 2), claim(a, 1, "p", 1)], "a.example:1 q true"),
            ("a hook", vec![claim(a, 1, "p", 1), renamed(1, "p", "q", 2)], "a.example:1 q true"),
            ("a hook first", vec![renamed(1, "p", "q", 2), claim(a, 1, "p", 1)], "a.example:1 q true"),
            ("of another one", vec![claim(a, 1, "x", 1), renamed(1, "p", "q", 2)], "a.example:1 x true"),
            ("taken", vec![claim(a, 1, "p", 1), claim(a, 2, "p", 2)], "a.example:1 p false; a.example:2 p true"),
            (
                "left and taken",
                vec![claim(a, 1, "p", 1), claim(a, 2, "p", 3), claim(a, 1, "q", 2)],
                "a.example:1 q true; a.example:2 p true",
            ),
            (
                "two hosts",
                vec![claim(a, 1, "p", 9), claim(first, 1, "p", 1)],
                "a.example:1 p false; first.example:1 p true",
            ),
            ("case", vec![claim(a, 1, "P", 1), claim(a, 1, "p", 2)], "a.example:1 p true"),
            ("host never named", vec![claim(None, 1, "p", 1), claim(None, 1, "q", 2)], "?:1 q true"),
            ("host named later", vec![claim(None, 1, "p", 1), claim(a, 1, "p", 2)], "a.example:1 p true"),
            ("host named before", vec![claim(a, 1, "p", 2), claim(None, 1, "p", 1)], "a.example:1 p true"),
            ("the configured host", vec![claim(None, 1, "p", 1), claim(first, 1, "q", 2)], "first.example:1 q true"),
            ("and before", vec![claim(first, 1, "q", 2), claim(None, 1, "p", 1)], "first.example:1 q true"),
            ("another one", vec![claim(None, 1, "p", 1), claim(a, 1, "q", 2)], "?:1 p true; a.example:1 q true"),
            (
                "and renamed",
                vec![claim(None, 1, "p", 1), claim(a, 1, "q", 2), renamed(1, "p", "q", 2)],
                "a.example:1 q true",
            ),
            ("taken, unnamed", vec![claim(a, 1, "p", 1), claim(None, 2, "p", 2)], "?:2 p true; a.example:1 p false"),
        ] {
            assert_eq!(settled(&claims), expected, "{what}");
        }
    }

    #[test]
    fn a_record_without_a_number_belongs_to_the_present_or_former_owner_of_its_path() {
        let mut locations = Locations::default();
        let hosts = ["first.example".to_owned()];
        let claims = [
            claim(Some("a.example"), 1, "p", 1),
            claim(Some("a.example"), 1, "q", 2),
            claim(Some("b.example"), 2, "x", 1),
        ];
        locations.settle(&claims, &BTreeMap::new(), &hosts);
        let of = |host: Option<&str>, number, path| locations.project_of(host, number, path, &hosts);
        assert_eq!(of(None, None, "q"), Some(("a.example".to_owned(), 1)));
        assert_eq!(of(None, None, "p"), Some(("a.example".to_owned(), 1)));
        assert_eq!(of(Some("c.example"), None, "p"), None);
        assert_eq!(of(None, Some(2), "x"), Some(("b.example".to_owned(), 2)));
        assert_eq!(of(None, Some(9), "x"), Some((UNKNOWN.to_owned(), 9)));
    }

    fn any_claim() -> impl Strategy<Value = Claim> {
        let host = prop::sample::select(vec![Some("a.example"), Some("first.example")]);
        let path = prop::sample::select(vec!["p", "q", "r"]);
        (host, 1..3_i64, path.clone(), path, 0..4_i64, prop::bool::weighted(0.3)).prop_map(
            |(host, id, path, before, second, hook)| match hook {
                true => renamed(id, before, path, second),
                false => claim(host, id, path, second),
            },
        )
    }

    proptest! {
        /// In any order, with any duplicates.
        #[test]
        fn the_order_of_claims_does_not_matter((claims, shuffled) in prop::collection::vec(any_claim(), 1..10)
            .prop_flat_map(|claims| (Just(claims.clone()), Just([claims.clone(), claims].concat()).prop_shuffle())))
        {
            prop_assert_eq!(settled(&claims), settled(&shuffled));
        }
    }
}
