//! The filter of a target that receives events as they are.

use serde::{Deserialize, Serialize};

/// Which events a target receives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// Names of sources; `None` for all.
    pub families: Option<Vec<String>>,
    /// Names of events, with `*` at the end for a prefix; `None` for all but internal ones.
    pub events: Option<Vec<String>>,
}

/// Whether an event (or a pattern of events) is internal: an instruction for another part of this program or for a
/// worker, or a verdict for commit statuses.
fn is_internal(event: &str) -> bool {
    ["notify:", "worker:", "verdict:"].iter().any(|start| event.starts_with(start))
}

/// Whether a name matches a pattern.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |start| name.starts_with(start))
}

impl Filter {
    /// Whether an event passes the filter. Internal ones pass only if a pattern names them.
    #[must_use]
    pub fn takes(&self, source: &str, event: &str) -> bool {
        let named = |pattern: &String| fits(pattern, event) && (is_internal(pattern) || !is_internal(event));
        self.families.as_ref().is_none_or(|names| names.iter().any(|name| name == source))
            && self.events.as_ref().map_or(!is_internal(event), |events| events.iter().any(named))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn internal_events_pass_only_filters_that_name_them() {
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
