//! A GitLab that knows more than it has told.

use hummingbird_status::envelope::Delivery;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::reconcile::fake::{Fake, item, webhook};
use crate::reconcile::sns;
use crate::support::random::Random;

/// What it knows, and what it told.
pub struct Known {
    pub gitlab: Fake,
    /// Webhooks that arrived.
    pub told: Vec<Delivery>,
}

/// Merge requests of a few projects: some changed, went away or came into being, and nobody heard.
pub async fn know(random: &mut Random) -> Known {
    let (gitlab, mut told) = (Fake::start().await, Vec::new());
    gitlab.state().page = Some(9);
    let now = Timestamp::now();
    for number in 0..3 + random.below(4) {
        let (project, id) = (format!("g/p{number}"), 7 + number as i64);
        gitlab.state().ids.insert(project.clone(), id);
        for iid in 1..=20 + random.below(30) as i64 {
            let at = |minutes: i64| now.checked_sub(SignedDuration::from_mins(minutes)).unwrap().to_string();
            let (lately, before) = (at(random.below(50) as i64), at(60 + random.below(50) as i64));
            let mut there = item(iid, "opened", "2026-03-10T10:00:00.849Z");
            there["project_id"] = json!(id);
            (there["source_project_id"], there["target_project_id"]) = (json!(id), json!(id));
            let heard = |item: &Value, action: &str| {
                sns(&webhook(&project, item, action), &format!("2026-03-10T10:{iid:02}:01.{number:03}Z"))
            };
            let head = format!("{:040x}", random.next());
            let versions = json!([
                {"id": 2, "head_commit_sha": head, "created_at": lately},
                {"id": 1, "head_commit_sha": there["sha"], "created_at": before},
            ]);
            let what = random.below(10);
            match what {
                // Not heard of.
                0 => {
                    there["updated_at"] = json!(lately);
                    gitlab.state().versions.insert((project.clone(), iid), versions.clone());
                }
                // Opened again.
                1 => {
                    there["state"] = json!("closed");
                    told.push(heard(&there, "close"));
                    there["state"] = json!("opened");
                    there["updated_at"] = json!(lately);
                }
                _ => told.push(heard(&there, "open")),
            }
            let news = match what {
                2 => json!({"state": "merged", "merged_at": before, "merge_commit_sha": head, "updated_at": lately}),
                3 => json!({"state": "closed", "updated_at": before}),
                4 => json!({"title": "Draft: Another", "draft": true, "labels": ["z", "a"], "updated_at": lately}),
                5 => {
                    gitlab.state().versions.insert((project.clone(), iid), versions.clone());
                    json!({"sha": head, "updated_at": lately})
                }
                _ => json!({}),
            };
            // Those of 6 are gone.
            if what != 6 {
                gitlab.put(&project, there);
                gitlab.change(&project, iid, news);
            }
        }
    }
    Known { gitlab, told }
}
