//! Which events go to a target that gets events as they are.

use serde::{Deserialize, Serialize};

/// Which events a target gets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// Names of families; none for all.
    pub families: Option<Vec<String>>,
    /// Names of events, `*` at the end for all that begin so; none for all but the internal ones.
    pub events: Option<Vec<String>>,
}

/// Whether an event (or a pattern of events) is what one part of this program or a worker is told, and no news.
fn is_internal(event: &str) -> bool {
    event.starts_with("notify:") || event.starts_with("worker:")
}

/// Whether a name is one, or one of those, that a pattern means.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |start| name.starts_with(start))
}

impl Filter {
    /// Whether an event passes. Internal ones do where they are named.
    #[must_use]
    pub fn takes(&self, family: &str, event: &str) -> bool {
        let named = |pattern: &String| fits(pattern, event) && (is_internal(pattern) || !is_internal(event));
        self.families.as_ref().is_none_or(|families| families.iter().any(|name| name == family))
            && self.events.as_ref().map_or(!is_internal(event), |events| events.iter().any(named))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internal_events_go_to_who_names_them() {
        let filter = |events: Option<&[&str]>| Filter {
            families: None,
            events: events.map(|events| events.iter().map(|&event| event.to_owned()).collect()),
        };
        for (events, event, expected) in [
            (None, "job:started", true),
            (None, "notify:slack", false),
            (None, "worker:cancel_job", false),
            (Some(&["*"][..]), "worker:cancel_job", false),
            (Some(&["*", "worker:*"]), "worker:cancel_job", true),
            (Some(&["*", "worker:*"]), "notify:slack", false),
            (Some(&["notify:irc"]), "notify:irc", true),
            (Some(&["notify:irc"]), "job:started", false),
        ] {
            assert_eq!(filter(events).takes("travis", event), expected, "{events:?} {event}");
        }
    }
}
