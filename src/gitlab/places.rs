//! Where rows of a project are: under the path that the project has now. Pure.
//!
//! A project is its host and its number. Its path is renamed, transferred, and given to another project; every message tells the
//! path of its time. Of what has been told the latest counts, by times that GitLab itself gives. Where two projects have one path, the
//! one on the host that is configured first keeps it, and on one host the one that was there last.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

/// A project: its host, empty where no message told it, and its number.
pub(super) type Id = (String, i64);

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
            let known = self
                .projects
                .iter()
                .filter(|((host, id), known)| !host.is_empty() && *id == number && known.paths.contains_key(path));
            let known = known.map(|(id, _)| id.clone()).min_by_key(|id| order_of(&id.0, hosts));
            return Some(known.unwrap_or_else(|| (hosts.first().cloned().unwrap_or_default(), number)));
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
    ) -> BTreeSet<Id> {
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
        self.choose(hosts)
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
        let mut owners: BTreeMap<String, Precedence> = BTreeMap::new();
        for (id, known) in self.projects.iter_mut().filter(|(id, _)| !id.0.is_empty()) {
            let Some((path, said)) = known.latest().map(|(path, said)| (path.to_owned(), said)) else { continue };
            let rank = (Reverse(order_of(&id.0, hosts)), said.0, id.1);
            let best = owners.entry(path.clone()).or_insert_with(|| rank.clone());
            *best = rank.max(best.clone());
            known.current = Some(path);
        }
        for (id, known) in self.projects.iter_mut().filter(|(id, _)| !id.0.is_empty()) {
            let best = known.current.as_ref().and_then(|path| owners.get(path));
            known.is_owner = best.is_some_and(|(Reverse((_, host)), _, number)| (host, *number) == (&id.0, id.1));
        }
        let is_elsewhere = |(id, known): &(&Id, &Known)| {
            before.get(*id).is_none_or(|(current, is_owner)| (current, *is_owner) != (&known.current, known.is_owner))
        };
        self.projects.iter().filter(|(id, _)| !id.0.is_empty()).filter(is_elsewhere).map(|(id, _)| id.clone()).collect()
    }
}

/// Which of several projects with one path keeps it: by host, then the one that was there last, then the higher number.
type Precedence = (Reverse<(usize, String)>, Timestamp, i64);

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
        assert_eq!(of(None, Some(9), "x"), Some(("first.example".to_owned(), 9)));
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
