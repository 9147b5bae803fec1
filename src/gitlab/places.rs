//! Where rows of a project are: under the path that the project has now. Pure.
//!
//! A project is its host and its number. Its path is renamed, transferred, and given to another project; every message tells the
//! path of its time. Of what has been told the latest counts, by times that GitLab itself gives. Where two projects have one path, the
//! one on the host that is configured first keeps it, and on one host the one that was there last.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

/// A project: its host and its number. What hooks about a project itself say, which name no host, is kept under an empty one.
pub(super) type Id = (String, i64);

/// In place of the host of a project, as long as no message has named it.
pub(super) const UNKNOWN: &str = "?";

/// What a message tells of the path of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    /// Host; hooks about the project itself do not tell.
    pub(super) host: Option<String>,
    /// Number.
    pub(super) project_id: i64,
    /// The path.
    pub(super) path: String,
    /// When it was so.
    pub(super) said_at: Timestamp,
    /// 1 if the project itself says so, 0 if something in it does.
    pub(super) rank: i16,
    /// The path before.
    pub(super) before: Option<String>,
}

/// What is known of a project.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// Its paths, each with the latest time and its rank.
    pub(super) paths: BTreeMap<String, (Timestamp, i16)>,
    /// Its path now.
    pub(super) current: Option<String>,
    /// Whether the rows under that path are its own.
    pub(super) is_owner: bool,
}

impl Known {
    fn latest(&self) -> Option<(&str, (Timestamp, i16))> {
        let latest = self.paths.iter().max_by_key(|(path, said)| (**said, path.as_str()));
        latest.map(|(path, said)| (path.as_str(), *said))
    }

    fn hear(&mut self, path: &str, said: (Timestamp, i16)) {
        let known = self.paths.entry(path.to_owned()).or_insert(said);
        *known = said.max(*known);
    }
}

/// Where records of a project are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Under this path.
    Path(String),
    /// Another project has its path: `replaced` keeps what is known of it.
    Replaced,
}

/// What has come out of claims.
#[derive(Clone, Debug, Default)]
pub(super) struct Settled {
    /// Projects that were somewhere else or nowhere before.
    pub(super) elsewhere: BTreeSet<Id>,
    /// Projects whose host was unknown, and which they are.
    pub(super) named: Vec<(Id, Id)>,
}

/// All that is known of the projects that a batch names, and of those that had or have one of their paths.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    /// By project.
    pub(super) projects: BTreeMap<Id, Known>,
}

impl Places {
    /// The project that a record is of: by its number, or by its path where it does not tell a number.
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
        // Who has the path now comes before who had it.
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

    /// Whether a claim tells nothing new, so that rows are where they belong.
    pub(super) fn is_at_rest(&self, claim: &Claim, hosts: &[String]) -> bool {
        let id = self.project_of(claim.host.as_deref(), Some(claim.project_id), &claim.path, hosts);
        let known = id.and_then(|id| self.projects.get(&id));
        claim.rank == 0 && known.is_some_and(|known| known.is_owner && known.current.as_deref() == Some(&*claim.path))
    }

    /// The place of a project. One that nothing is known of is where its message says.
    pub(super) fn place(&self, id: &Id) -> Option<Place> {
        let known = self.projects.get(id)?;
        match &known.current {
            Some(path) if known.is_owner => Some(Place::Path(path.clone())),
            _ => Some(Place::Replaced),
        }
    }

    /// Takes claims in, and says which projects were somewhere else or nowhere before. `rows` has the latest time that rows of a
    /// project tell, which is newer than what was kept of its path.
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
                // All rows of a project are where it is.
                (Some(path), Some(at)) => known.hear(&path, (at, 0)),
                (None, _) => rows.iter().for_each(|(path, at)| known.hear(path, (*at, 0))),
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
                known.hear(before, (Timestamp::UNIX_EPOCH, 0));
            }
            known.hear(&claim.path, (claim.said_at, claim.rank));
        }
        self.share_words();
        let named = self.name_hosts(hosts);
        let mut elsewhere = self.choose(hosts);
        elsewhere.extend(named.iter().map(|(_, id)| id.clone()));
        Settled { elsewhere, named }
    }

    /// A project whose host no message had named is the one of its number on a host that is named, where they have a path in common or
    /// that is the host that is configured first.
    fn name_hosts(&mut self, hosts: &[String]) -> Vec<(Id, Id)> {
        let unknown: Vec<Id> = self.projects.keys().filter(|id| id.0 == UNKNOWN).cloned().collect();
        let mut named = Vec::new();
        for id in unknown {
            let told = self.projects[&id].clone();
            let is_it = |(other, known): &(&Id, &Known)| {
                let shares = || told.paths.keys().any(|path| known.paths.contains_key(path));
                let is_named = !other.0.is_empty() && other.0 != UNKNOWN;
                is_named && other.1 == id.1 && (Some(&other.0) == hosts.first() || shares())
            };
            let found = self.projects.iter().filter(is_it).map(|(other, _)| other.clone());
            let Some(other) = found.min_by_key(|other| order_of(&other.0, hosts)) else { continue };
            self.projects.remove(&id);
            let known = self.projects.entry(other.clone()).or_default();
            told.paths.iter().for_each(|(path, said)| known.hear(path, *said));
            named.push((id, other));
        }
        named
    }

    /// What was told without a host is of every project of that number that has or had one of the paths.
    fn share_words(&mut self) {
        let hostless: Vec<(i64, Known)> =
            self.projects.iter().filter(|(id, _)| id.0.is_empty()).map(|(id, known)| (id.1, known.clone())).collect();
        for (number, told) in hostless {
            let of_number = self.projects.iter_mut().filter(|(id, _)| !id.0.is_empty() && id.1 == number);
            for (_, known) in of_number {
                if told.paths.keys().any(|path| known.paths.contains_key(path)) {
                    told.paths.iter().for_each(|(path, said)| known.hear(path, *said));
                }
            }
        }
    }

    fn choose(&mut self, hosts: &[String]) -> BTreeSet<Id> {
        let before: BTreeMap<Id, (Option<String>, bool)> =
            self.projects.iter().map(|(id, known)| (id.clone(), (known.current.clone(), known.is_owner))).collect();
        let mut claimants: BTreeMap<String, Vec<(Id, Timestamp)>> = BTreeMap::new();
        for (id, known) in self.projects.iter_mut().filter(|(id, _)| !id.0.is_empty()) {
            let Some((path, (at, _))) = known.latest().map(|(path, said)| (path.to_owned(), said)) else { continue };
            claimants.entry(path.clone()).or_default().push((id.clone(), at));
            known.current = Some(path);
        }
        let owners: BTreeSet<Id> = claimants.into_values().filter_map(|of_path| owner(of_path, hosts)).collect();
        for (id, known) in self.projects.iter_mut().filter(|(id, _)| !id.0.is_empty()) {
            known.is_owner = owners.contains(id);
        }
        let is_elsewhere = |(id, known): &(&Id, &Known)| {
            before.get(*id).is_none_or(|(current, is_owner)| (current, *is_owner) != (&known.current, known.is_owner))
        };
        self.projects.iter().filter(|(id, _)| !id.0.is_empty()).filter(is_elsewhere).map(|(id, _)| id.clone()).collect()
    }
}

/// Which of several projects with one path keeps it: by host, then the one that was there last, then the one with the higher number. One
/// whose host is unknown may be on any.
fn owner(claimants: Vec<(Id, Timestamp)>, hosts: &[String]) -> Option<Id> {
    let order = |id: &Id| (id.0 != UNKNOWN).then(|| order_of(&id.0, hosts));
    let first = claimants.iter().filter_map(|(id, _)| order(id)).min();
    let best = claimants.into_iter().max_by_key(|(id, at)| (Reverse(order(id).or_else(|| first.clone())), *at, id.1));
    best.map(|(id, _)| id)
}

/// Hosts that are configured come first, in their order.
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
        let mut places = Places::default();
        for claim in claims {
            places.settle(std::slice::from_ref(claim), &BTreeMap::new(), &["first.example".to_owned()]);
        }
        let of = |(id, known): (&Id, &Known)| {
            format!("{}:{} {} {}", id.0, id.1, known.current.as_deref().unwrap_or_default(), known.is_owner)
        };
        places.projects.iter().filter(|(id, _)| !id.0.is_empty()).map(of).collect::<Vec<_>>().join("; ")
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
    fn what_tells_no_number_is_of_who_has_the_path_or_had_it() {
        let mut places = Places::default();
        let hosts = ["first.example".to_owned()];
        let claims = [
            claim(Some("a.example"), 1, "p", 1),
            claim(Some("a.example"), 1, "q", 2),
            claim(Some("b.example"), 2, "x", 1),
        ];
        places.settle(&claims, &BTreeMap::new(), &hosts);
        let of = |host: Option<&str>, number, path| places.project_of(host, number, path, &hosts);
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
        /// In any order, and however often.
        #[test]
        fn the_order_of_claims_does_not_matter((claims, shuffled) in prop::collection::vec(any_claim(), 1..10)
            .prop_flat_map(|claims| (Just(claims.clone()), Just([claims.clone(), claims].concat()).prop_shuffle())))
        {
            prop_assert_eq!(settled(&claims), settled(&shuffled));
        }
    }
}
